// Runs tapes against a package's own glue in whatever host this is: Node, a page, a worker.
//
// `environment` is what differs between hosts:
//   host            name and versions, for people
//   importModule(url) -> Promise of a namespace      requireFresh(path) -> exports, evaluated anew (Node only)
//   resolve(root, file) -> URL or path for these      readFile(path) -> Uint8Array, or a promise of it
//   sha256(bytes) -> hex, or a promise of it          gc() collects garbage now, or undefined
//   turn() -> promise of a later turn of the event loop
//   lateErrors() -> [{ kind, error }] since the last time
//   latin1(bytes, from, to), utf16(bytes, from, to), utf8(bytes, from, to) -> texts; optional
//   instrument(hooks) hooks sinks that only this host has; optional
//   files() -> [[path, bytes]] of the package that were loaded; optional
//   wasi(module, input) -> …; optional

import * as s from './safe.mjs';
import { installShim } from './shim.mjs';
import { createReader, Malformed } from './values.mjs';
import { canary, canariesInBytes, canariesInText, canonical, changedPrototypes, compileRange, compileType, eachText, errorOf, kindOf, resultClass, samePrototypes, snapshotPrototypes } from './judge.mjs';
import { installHooks } from './hooks.mjs';
import { loaders } from './loading.mjs';
import { measure } from './measure.mjs';

const EVALUATE = 1;
const FRESH = 2;
const DEEP = 4;
// Tapes with something new are played again and again, which takes as long as dozens of others: beyond the first ones,
// a third of all calls may be made for that.
const DEEP_OF_CALLS = 3;
const DEEP_AT_FIRST = 10_000;
const DEEP_OF_BATCH = 24; // at most: a batch has a limit of time
const COLLECTIONS_OF_BATCH = 1; // of garbage, that tapes ask for
// Rounds of loops within a tape, where the module counts them: some hundredths of a second. Where an operation never
// came back within them they become more, up to some tenths.
const FUEL = 10_000_000;
const FUEL_MAX = 300_000_000;
const SETTLING = 1000; // milliseconds that loading without a module may take
const SLOW = 1000; // milliseconds of one call: the parent looks at its processor time before it believes that
const OUTCOMES = 8;
const LOOK = 16;
const MEASURE = 32;
// Tapes with more rounds of loops in the module, or with a number that may be a length of much work, are not repeated.
const REPEATED_ROUNDS_MAX = 2_000_000;
// Where that says nothing, repeating ends after so many milliseconds; then the next ones with something new are not
// repeated: twice as many each time.
const REPEATING_MAX = 2500;
const REPEATING_ALONE_MAX = 1000;
const PAGE = 65536;
const CALLS_MAX = 1000; // of a tape, nested ones included
const DEPTH_MAX = 8; // of hooks that run hooks
const AFTER_TRAP = 2; // operations that an instance is asked after a trap
const AFTER = 12; // earlier tapes of the instance that are told with a sighting that depends on them
const NUMBERS = 4096; // canaries of a tape
const getUint32 = DataView.prototype.getUint32.call.bind(DataView.prototype.getUint32);
// Repetitions of a tape, in rounds: where something grows in every one of the first list, the second proves it, which
// goes on after as many rounds only where it still does.
const FILTER = [4, 8, 8, 8];
const ROUNDS = [8, 16, 16, 16, 128, 128, 128, 128];
const SURE = FILTER.length; // rounds until the first answer
const SIZES = ['pages', 'memory', 'table'];
const RETURNED = 0, THREW = 1, TRAPPED = 2, SKIPPED = 3;

export function createRuntime(environment) {
  let config;
  const modules = [];
  const evaluators = [];
  let seen = null; // bits of counters, beside the instances
  let shim;
  let load; // makes a fresh instance: package object, or a promise of it
  let original = null; // the module's own bytes
  let chosen = -1; // build in use; -1: the module as it is
  let operations; // id -> operation
  let classes; // names
  let flows; // operation id -> operations whose arguments may come out of it
  let prototypes;
  let hooks;
  const outcomesSeen = new s.U8(65536);

  // the instance in use
  let pkg = null;
  let needFresh = true;
  let ordinal = 0; // tapes that it has run
  let memory = null;
  let stackPointer = null;
  let fuel = null; // rounds of loops that are left
  let roundsMax = FUEL; // that a tape has
  let evaluator = null;
  let counterMemory = null;
  let collect = null; // of counters in globals
  let pagesNow = 0; // bytes of memory
  let owners; // canary number -> operation that was given it
  let collisions; // texts with lone surrogates and their results
  let tapeOf; // ordinal -> place in the batch
  let objects; // object -> slot: what flowed into it
  let made = 0; // instances in this batch

  // the tape that runs
  let batchFlags = 0;
  let place = 0;
  let told = null;
  let slots = [];
  let opIndex = 0;
  let calls = 0;
  let totalCalls = 0;
  let callNumber = 0;
  let depth = 0;
  let traps = 0;
  let afterTrap = 0;
  let trapInstances = 0;
  let outcomes = null;
  let current = null; // call for which values are read or that runs
  let quiet = false; // whether it is a repetition
  let grown = 0; // pages that the tape itself asked for
  let asyncWork = false;
  let keepObjects = false; // whether objects are left to the collector
  let deepEpoch = 0;
  let collections = 0; // of garbage in this batch
  let unasked = 0; // tapes of this batch that took too long to be repeated
  let tooLong = 0; // of this host
  let patience = 0; // tapes until one is repeated again
  let allCalls = 0; // of tapes, and of those that were repeated
  let deepCalls = 0;
  const leaking = new s.M(); // first operation of a tape -> times that a leak was told
  const counts = new s.M(); // class|operation|key -> times seen

  const reader = createReader({
    canary: () => {
      if (current.number < 0) {
        current.number = ordinal * NUMBERS + s.min(callNumber++, NUMBERS - 1);
        s.mapSet(owners, current.number, current.operation === null ? 0 : current.operation.id);
      }
      return canary(current.number);
    },
    owner: () => current,
    runHook,
    promised: () => { asyncWork = true; },
    object: (slot) => {
      if (slots.length === 0) return undefined;
      const found = slots[slot % slots.length];
      current.objects[current.objects.length] = found;
      return found.value;
    },
    memory: () => {
      if (memory === null) return { bytes: new s.U8(0), half: 0 };
      const bytes = new s.U8(s.memoryBuffer(memory));
      const end = chosen >= 0 && config.builds[chosen].layout === 'tail' ? tailStart(config.builds[chosen]) : bytes.length;
      return { bytes, half: s.min(bytes.length, end) >> 1 };
    },
    latin1: environment.latin1 ?? ((bytes, from, to) => s.apply(s.fromCharCode, undefined, s.subarray(bytes, from, to))),
    utf16: environment.utf16 ?? ((bytes, from, to) => {
      let text = '';
      for (let at = from; at < to; at += 2) text += s.fromCharCode(bytes[at] | (bytes[at + 1] << 8));
      return text;
    }),
    utf8: environment.utf8 ?? ((bytes, from, to) => new TextDecoder().decode(s.subarray(bytes, from, to))),
  });

  // ---- configuring and loading ----

  function configure(given) {
    config = given;
    if (config.protocol !== 1) throw new s.E(`protocol ${config.protocol} is not known to this host`);
    operations = new s.M();
    classes = [];
    for (const operation of config.api.operations) {
      s.mapSet(operations, operation.id, compileOperation(operation));
      if (operation.class !== null && !classes.includes(operation.class)) classes.push(operation.class);
    }
    flows = new s.M();
    const ids = new s.M(config.api.operations.map((operation) => [operation.name, operation.id]));
    for (const [from, to] of config.flows ?? []) {
      const id = s.mapGet(ids, to);
      if (id === undefined || !s.mapHas(ids, from)) continue;
      s.mapSet(flows, id, [...(s.mapGet(flows, id) ?? []), s.mapGet(ids, from)]);
    }
    shim = installShim((bytes) => isModule(bytes));
    shim.onInstance = instantiated;
  }

  const classOf = (name) => (pkg === null ? undefined : s.read(pkg, name));

  function compileOperation(operation) {
    return {
      id: operation.id, name: operation.name, kind: operation.kind, className: operation.class, member: operation.member,
      consumes: operation.consumes_this, counts: [0, 0, 0, 0], returned: false, endless: 0, outcomeBits: {}, target: undefined, holder: undefined,
      params: operation.params.map((param) => ({
        name: param.name, optional: param.optional, conforms: compileType(param.type, classOf), range: compileRange(param.range),
        text: param.type.kind === 'string', type: param.type,
      })),
      required: operation.params.reduce((last, param, at) => (param.optional || acceptsNone(param.type) ? last : at + 1), 0),
      result: compileType(operation.result, classOf),
      checksResult: operation.result.kind !== 'any' && operation.result.kind !== 'undefined',
      resultType: operation.result,
      resultClass: objectClass(operation.result),
    };
  }

  function isModule(bytes) {
    if (original === null) return false;
    if (bytes.length !== original.length) return false;
    if (bytes.buffer === original.buffer && bytes.byteOffset === original.byteOffset) return true;
    if (environment.same !== undefined) return environment.same(bytes, original);
    for (let at = 0; at < bytes.length; at++) if (bytes[at] !== original[at]) return false;
    return true;
  }

  async function loadPackage() {
    original = new s.U8(await environment.readFile(environment.resolve(config.root, config.module)));
    const hash = await environment.sha256(original);
    if (hash !== config.sha256) throw new s.E(`${config.module} is not the file that was opened: its SHA-256 is ${hash}`);
    hooks = installHooks({ environment, config, sight: sightFromHook, text: heardText, later: () => { asyncWork = true; } });
    load = loaders(environment, config, shim)[config.glue];
    if (load === undefined) throw new s.E(`glue of kind ${config.glue} cannot be loaded by this host`);
    if (environment.stackTraceLimit !== false) Error.stackTraceLimit = 32;
    prototypes = snapshotPrototypes();
    const sightings = [];
    const refused = [];
    hooks.begin(sightings);
    for (let at = 0; at <= config.builds.length; at++) {
      chosen = at < config.builds.length ? at : -1;
      const bytes = chosen >= 0 ? modules[chosen] : original;
      if (chosen >= 0 && (bytes === undefined || !s.Wasm.validate(bytes))) { refused.push(`build ${at} is not valid here`); continue; }
      shim.replacement = chosen >= 0 ? bytes : null;
      shim.compiled = null;
      try {
        await fresh();
        if (chosen < 0 || proven()) break;
        refused.push(`build ${at}: the module writes where its counters are`);
      } catch (error) {
        if (chosen < 0) throw error;
        refused.push(`build ${at}: ${errorOf(error).message}`);
      }
    }
    const features = engineFeatures();
    const absent = [];
    for (const operation of config.api.operations) if (!present(s.mapGet(operations, operation.id))) absent.push(operation.id);
    const imports = shim.compiled === null ? [] : s.Wasm.imports(shim.compiled).map(({ module, name }) => `${module}.${name}`);
    const pages = memory === null ? 0 : s.memoryBuffer(memory).byteLength / PAGE;
    const files = [];
    for (const [path, bytes] of (await environment.files?.()) ?? []) files.push([path, await environment.sha256(bytes)]);
    if (files.length === 0) files.push([config.module, hash]);
    for (const name of changedPrototypes(prototypes)) sightings.push(sighting('prototype', 0, 0, name, `loading the package changed ${name}`, ''));
    await loadWithFaults(sightings);
    hooks.begin(null);
    needFresh = true;
    prototypes = snapshotPrototypes();
    return {
      host: environment.host, layout: chosen >= 0 ? config.builds[chosen].layout : null, features, absent, files, imports, pages,
      sightings: sightings.slice(0, 100), refused,
    };
  }

  /** Loads the package when its module is missing, of the wrong type or broken: what does it do then? */
  async function loadWithFaults(sightings) {
    if (environment.fault === undefined) return;
    for (const fault of ['missing', 'mime', 'invalid']) {
      if (fault === 'invalid') shim.fault = 'invalid';
      environment.fault(fault, config);
      const before = sightings.length;
      try {
        await settle(async () => load(1));
      } catch { /* it may refuse */ }
      await environment.turn();
      environment.fault(null, config);
      shim.fault = null;
      for (let at = before; at < sightings.length; at++) sightings[at].key = s.cut(`${sightings[at].key} (${fault})`, 200);
      environment.lateErrors();
    }
  }

  /** Waits for `work`, but not for ever. */
  async function settle(work) {
    const guarded = (async () => work())();
    let done = false;
    const outcome = s.then(guarded, (value) => { done = true; return { value }; }, (error) => { done = true; return { error }; });
    // Another thread may compile meanwhile, and turns are short.
    const began = s.now();
    for (let turns = 0; (turns < 500 || s.now() - began < SETTLING) && !done; turns++) await environment.turn();
    if (!done) throw new s.E('it does not come to an end');
    const { value, error } = await outcome;
    if (error !== undefined) throw error;
    return value;
  }

  const tailStart = (build) => (build.sentinels.length > 0 ? s.min(build.sentinels[0], build.start) : build.start);

  /** The shim has seen an instance: counters get their sentinels before anything else runs. */
  function instantiated() {
    made++;
    fillSentinels();
    if (pkg !== null) rebind();
  }
  function fillSentinels() {
    if (chosen < 0) return;
    const build = config.builds[chosen];
    const counters = build.layout === 'memory' ? shim.exports.__autoclave_memory : build.layout === 'tail' ? shim.memory : null;
    if (counters === null || counters === undefined) return;
    const bytes = new s.U8(s.memoryBuffer(counters));
    for (let at = 0; at < build.sentinels.length; at++) fillSentinel(bytes, build.sentinels[at]);
  }
  function fillSentinel(bytes, from) {
    for (let at = 0; at < 64; at++) bytes[from + at] = (at * 37 + 0xa5) & 255;
  }
  function sentinelKept(bytes, from) {
    for (let at = 0; at < 64; at++) if (bytes[from + at] !== ((at * 37 + 0xa5) & 255)) return false;
    return true;
  }
  function countersBytes() {
    return counterMemory === null ? null : new s.U8(s.memoryBuffer(counterMemory));
  }
  function proven() {
    const build = config.builds[chosen];
    if (build.layout === 'globals') return typeof shim.exports?.__autoclave_collect === 'function';
    if (counterMemory === null) return false;
    const bytes = countersBytes();
    for (const from of build.sentinels) if (from + 64 > bytes.length || !sentinelKept(bytes, from)) return false;
    for (let at = build.list; at < build.list + 8 * build.list_max; at++) if (bytes[at] !== 0) return false;
    return true;
  }

  /** A fresh instance; a promise where the glue needs one. */
  function fresh() {
    saveSeen();
    pkg = null;
    evaluator = null;
    shim.memory = shim.exports = shim.instance = null;
    const loaded = load(0);
    return loaded !== null && typeof loaded === 'object' && loaded instanceof s.P ? s.then(loaded, adopt) : adopt(loaded);
  }
  function adopt(loaded) {
    pkg = loaded;
    needFresh = false;
    ordinal = 0;
    owners = new s.M();
    collisions = new s.M();
    tapeOf = [];
    objects = new s.WM();
    bind();
    const list = config.api.operations;
    for (let at = 0; at < list.length; at++) {
      const operation = s.mapGet(operations, list[at].id);
      operation.target = operation.holder = undefined;
      if (operation.kind === 'function' || operation.kind === 'constructor') {
        operation.holder = pkg;
        operation.target = s.read(pkg, operation.member);
      } else if (operation.kind === 'static') {
        operation.holder = s.read(pkg, operation.className);
        operation.target = s.isObject(operation.holder) ? s.read(operation.holder, operation.member) : undefined;
      }
    }
  }
  /** Memory and counters of the shim's last instance are the ones in use. */
  function bind() {
    memory = shim.memory;
    pagesNow = memory === null ? 0 : s.memoryBuffer(memory).byteLength;
    stackPointer = null;
    fuel = null;
    counterMemory = evaluator = collect = null;
    if (chosen >= 0 && shim.exports !== null) {
      const build = config.builds[chosen];
      if (build.stack_pointer !== null && build.stack_pointer !== undefined) stackPointer = shim.exports[build.stack_pointer] ?? null;
      fuel = shim.exports.__autoclave_fuel ?? null;
      if (fuel !== null) s.globalSet(fuel, roundsMax);
      counterMemory = build.layout === 'memory' ? shim.exports.__autoclave_memory ?? null : build.layout === 'tail' ? memory : null;
      if (seen === null || seen.length !== build.counters) seen = new s.U8(build.counters);
      if (counterMemory !== null) {
        if (evaluators[chosen] !== undefined) {
          evaluator = s.instanceExports(new s.Wasm.Instance(evaluators[chosen], { env: { memory: counterMemory } }));
          evaluator.clear();
        }
        s.bytesSet(countersBytes(), seen, build.seen);
      } else if (build.layout === 'globals') {
        collect = shim.exports.__autoclave_collect;
        collectGlobals(null);
      }
    }
  }
  /** Glue has made itself a new instance while a tape runs: what the old one counted is read first. */
  function rebind() {
    if ((batchFlags & EVALUATE) !== 0 && !quiet) evaluate();
    saveSeen();
    bind();
  }
  function saveSeen() {
    if (counterMemory === null || seen === null || chosen < 0) return;
    const from = config.builds[chosen].seen;
    s.bytesSet(seen, s.subarray(countersBytes(), from, from + seen.length));
  }
  function present(operation) {
    if (operation.kind === 'function' || operation.kind === 'constructor' || operation.kind === 'static') return typeof operation.target === 'function';
    const constructor = classOf(operation.className);
    if (typeof constructor !== 'function') return true;
    try { return s.has(constructor.prototype, operation.member); } catch { return false; }
  }

  // ---- novelty ----

  function bucket(count) {
    return count === 0 ? 0 : count < 4 ? 1 << (count - 1) : count < 8 ? 8 : count < 16 ? 16 : count < 32 ? 32 : count < 128 ? 64 : 128;
  }
  /** Counters in globals: read, cleared, compared here. */
  function collectGlobals(found) {
    const build = config.builds[chosen];
    for (let at = 0; 4 * at < build.counters; at++) {
      let word = collect(at);
      if (word === 0 || found === null) continue;
      for (let i = 4 * at; word !== 0; i++, word >>>= 8) {
        const bits = bucket(word & 255) & ~seen[i];
        if (bits === 0) continue;
        seen[i] |= bits;
        found[found.length] = [i, bits];
      }
    }
  }
  function evaluate() {
    if (evaluator !== null) {
      const count = evaluator.evaluate();
      if (count === 0) return;
      const build = config.builds[chosen];
      const into = tell().new;
      // More than the list holds are counted, and seen, but not told.
      const list = new s.DV(s.memoryBuffer(counterMemory), build.list, 8 * s.min(count, build.list_max));
      for (let at = 0; 8 * at < list.byteLength; at++) into[at] = [getUint32(list, 8 * at, true), getUint32(list, 8 * at + 4, true) & 255];
    } else if (collect !== null) {
      const found = [];
      collectGlobals(found);
      if (found.length > 0) tell().new = found;
    }
  }
  function clearCounters() {
    if (evaluator !== null) evaluator.clear();
    else if (collect !== null) collectGlobals(null);
  }
  function tell() {
    told ??= { tape: place, new: [], outcomes_new: [], sightings: [], outcomes: [], after: [] };
    return told;
  }
  /** Notes that an operation ended that way: `code` is a small number that means the same for the operation every time. */
  function noteOutcome(operation, name) {
    const hash = s.hashText(`${operation.id}:${name}`) & 0xffff;
    if (outcomesSeen[hash] !== 0) return;
    outcomesSeen[hash] = 1;
    if (quiet) return;
    const list = tell().outcomes_new;
    list[list.length] = hash;
  }

  // ---- sightings ----

  function sighting(name, operation, op, key, what, stack) {
    return { class: name, operation, op, key: s.cut(key, 200), what: s.cut(what, 2000), stack: s.cut(stack, 4000) };
  }
  function sight(name, operation, key, what, stack = '', after = -1) {
    if (quiet) return;
    const id = operation === null ? 0 : operation.id;
    const index = `${name}|${id}|${key}`;
    const count = (s.mapGet(counts, index) ?? 0) + 1;
    if (counts.size < 20000) s.mapSet(counts, index, count);
    // The parent has it already: told again at every power of two, and always where it asks about single tapes.
    if ((batchFlags & (DEEP | LOOK | OUTCOMES | FRESH)) === 0 && count > 4 && (count & (count - 1)) !== 0) return;
    const into = tell();
    for (let at = 0; at < into.sightings.length; at++) {
      const other = into.sightings[at];
      if (other.class === name && other.operation === id && other.key === s.cut(key, 200)) return;
    }
    if (into.sightings.length < 32) into.sightings[into.sightings.length] = sighting(name, id, opIndex, key, what, stack);
    if (after < 0 || into.after.length > 0) return;
    // The heap is as all of them left it; where the data comes from is the one that matters most.
    if (tapeOf[after] !== undefined && after < ordinal - AFTER) into.after[0] = tapeOf[after];
    for (let at = s.max(0, ordinal - AFTER); at < ordinal; at++) {
      if (tapeOf[at] !== undefined) into.after[into.after.length] = tapeOf[at];
    }
  }
  const running = () => current?.operation ?? null;
  function sightFromHook(name, key, what) {
    sight(name, running(), key, what, '');
  }
  /** The package has printed something. */
  function heardText(where, text) {
    if (owners === undefined) return;
    canariesInText(s.upper(text), (number) => {
      if (s.mapHas(owners, number)) sight('echo', running(), where, `${where} repeats data of a call: ${text}`);
    });
  }

  /** Whether the canary `number` may be in a result of `call`. */
  function mayHold(call, number) {
    if (number === call.number || holds(call.self, number)) return true;
    for (let at = 0; at < call.objects.length; at++) if (holds(call.objects[at], number)) return true;
    const sources = s.mapGet(flows, call.operation.id);
    return sources !== undefined && s.contains(sources, s.mapGet(owners, number));
  }
  function holds(slot, number) {
    if (slot === null) return false;
    for (let at = 0; at < slot.canaries.length; at++) if (slot.canaries[at] === number) return true;
    return slot.full;
  }
  function flowInto(slot, number) {
    if (slot === null || number < 0 || holds(slot, number)) return;
    if (slot.canaries.length >= 256) slot.full = true;
    else slot.canaries[slot.canaries.length] = number;
  }
  function flowAll(slot, from) {
    if (from === null || from === slot) return;
    for (let at = 0; at < from.canaries.length; at++) flowInto(slot, from.canaries[at]);
    if (from.full) slot.full = true;
  }

  function staleText(call, text) {
    if (text.length < 12 || s.indexOf(text, 'QZ') < 0) return;
    canariesInText(text, (number) => stale(call, number));
  }
  function staleBytes(call, bytes) {
    if (bytes.length >= 12) canariesInBytes(bytes, 0, bytes.length, (number) => stale(call, number));
  }
  function stale(call, number) {
    if (!s.mapHas(owners, number) || mayHold(call, number)) return;
    const from = s.mapGet(operations, s.mapGet(owners, number));
    const earlier = (number - (number % NUMBERS)) / NUMBERS;
    sight('stale', call.operation, from === undefined ? 'other call' : `data of ${from.name}`,
      `${call.operation.name} returned data that ${from?.name ?? 'another call'} was given in ${earlier === ordinal ? 'the same tape' : `tape ${ordinal - earlier} before`}`, '', earlier);
  }

  // ---- calls ----

  function count(operation, what) {
    if (!quiet) operation.counts[what]++;
  }
  function newCall(operation) {
    return { operation, number: -1, self: null, objects: [], traps, instances: shim.instances };
  }

  /** Reads the call at the reader's place and makes it; returns the canonical outcome where asked for. */
  function makeCall(outer) {
    const id = reader.u32();
    const which = reader.u8();
    const given = reader.varint();
    const operation = s.mapGet(operations, id);
    const caller = current;
    const call = newCall(operation ?? null);
    current = call;
    let surrogates = false;
    const args = [];
    try {
      if (operation === undefined) {
        for (let at = 0; at < given; at++) reader.skipValue(0);
        return 'unknown';
      }
      const before = reader.surrogates;
      reader.surrogates = false;
      for (let at = 0; at < given; at++) args[at] = reader.value(0);
      surrogates = reader.surrogates;
      reader.surrogates = before;
      let self = null;
      if (operation.kind === 'method' || operation.kind === 'getter' || operation.kind === 'setter') {
        self = objectOf(operation.className, which);
        if (self === null) { count(operation, SKIPPED); return 'skipped'; }
        call.self = self;
      } else if (typeof operation.target !== 'function') { count(operation, SKIPPED); return 'skipped'; }
      return perform(call, operation, self, args, surrogates, outer);
    } finally {
      current = caller;
    }
  }

  /** The `which`-th object of a class that was not freed, modulo their number; of the freed ones where all are. */
  function objectOf(className, which) {
    let live = 0;
    let dead = 0;
    for (let at = 0; at < slots.length; at++) if (slots[at].className === className) { if (slots[at].freed) dead++; else live++; }
    if (live + dead === 0) return null;
    const freed = live === 0;
    let left = which % (freed ? dead : live);
    for (let at = 0; at < slots.length; at++) {
      if (slots[at].className === className && slots[at].freed === freed && left-- === 0) return slots[at];
    }
    return null;
  }

  function perform(call, operation, self, args, surrogates, outer) {
    calls++;
    const wasFreed = self !== null && self.freed;
    const grownBefore = grown;
    const bytesBefore = memory === null ? 0 : s.memoryBuffer(memory).byteLength;
    const pointer = outer && stackPointer !== null ? s.globalValue(stackPointer) : 0;
    let result;
    let error;
    let failed = false;
    const began = s.now();
    try {
      switch (operation.kind) {
        case 'function': case 'static': result = s.apply(operation.target, operation.holder, args); break;
        case 'constructor': result = s.construct(operation.target, args); break;
        case 'method': result = s.apply(self.value[operation.member], self.value, args); break;
        case 'getter': result = self.value[operation.member]; break;
        default: self.value[operation.member] = args[0];
      }
    } catch (thrown) {
      failed = true;
      error = thrown;
    }
    if (outer && s.now() - began > SLOW) sight('time', operation, 'hangs', `${operation.name} takes more than ${SLOW / 1000} s`);
    const bytesAfter = memory === null ? 0 : s.memoryBuffer(memory).byteLength;
    if (bytesAfter !== bytesBefore && shim.instances === call.instances) {
      pagesNow = bytesAfter;
      const pages = (bytesAfter - bytesBefore) / PAGE - (grown - grownBefore);
      if (pages >= 16 && pages * PAGE > 1000 * tapeBytes) {
        sight('growth', operation, 'memory', `${operation.name} made memory grow by ${pages} pages (${pages * 64} KiB) on a tape of ${tapeBytes} bytes`);
      }
    }
    for (let at = 0; at < call.objects.length; at++) participants(call, call.objects[at]);
    if (self !== null) participants(call, self);
    if (failed) {
      const outcome = failedCall(call, operation, self, args, error);
      if (stackPointer !== null && outer && traps === 0) judgeStack(operation, pointer, 'threw');
      return outcome;
    }

    count(operation, RETURNED);
    operation.returned = true;
    if (stackPointer !== null && outer && traps === 0) judgeStack(operation, pointer, 'returned');
    if (operation.consumes && self !== null) self.freed = true;
    const name = operation.outcomeBits[typeof result] ?? undefined;
    if (name === undefined || typeof result === 'object') {
      noteOutcome(operation, resultClass(result));
      operation.outcomeBits[typeof result] = 1;
    }
    if (!quiet) judgeReturn(call, operation, self, args, result, surrogates, wasFreed);
    if (s.isObject(result)) addSlot(call, operation, self, args, result);
    return outer && (batchFlags & OUTCOMES) !== 0 && !quiet ? `returned ${canonical(result, classNameOf)}` : '';
  }

  function judgeStack(operation, before, how) {
    if (stackPointer === null || shim.instances !== current.instances) return;
    const after = s.globalValue(stackPointer);
    if (after !== before) sight('stack', operation, how, `the shadow stack pointer is ${after} after ${operation.name} ${how}, ${before} before`);
  }

  function participants(call, slot) {
    flowInto(slot, call.number);
    if (call.self !== null) flowAll(slot, call.self);
    for (let at = 0; at < call.objects.length; at++) flowAll(slot, call.objects[at]);
  }

  function failedCall(call, operation, self, args, error) {
    if (quiet && !mayBeTrap(error)) return '';
    const about = errorOf(error);
    const echo = `${about.message}\n${about.stack}`;
    canariesInText(s.upper(echo), (number) => {
      if (s.mapHas(owners, number)) sight('echo', operation, `error ${about.name}`, `the error of ${operation.name} repeats data of a call: ${about.name}: ${about.message}`, about.stack);
    });
    if (about.trap === null) {
      count(operation, THREW);
      noteOutcome(operation, `!${about.name}`);
      return (batchFlags & OUTCOMES) !== 0 ? `threw ${about.name}` : '';
    }
    count(operation, TRAPPED);
    if (isEndless()) return endless(call, operation);
    noteOutcome(operation, `!${about.trap}`);
    if (self?.forged) {
      sight('forged', operation, self.forged, `${operation.name} trapped on an object whose ${self.forged} was overwritten: ${about.message}`, about.stack);
    } else if (self !== null && self.freed) {
      sight('use-after-free', operation, 'trap', `${operation.name} trapped on an object that was freed: ${about.message}`, about.stack);
    } else {
      sight('trap', operation, about.frames === '' ? about.trap : `${about.trap}@${about.frames}`, `${operation.name} trapped: ${about.message}`, about.stack);
    }
    trapped(call);
    return `trap ${about.trap}`;
  }

  const mayBeTrap = (error) => { try { return error instanceof s.Wasm.RuntimeError || error instanceof s.RE; } catch { return false; } };
  const isEndless = () => fuel !== null && s.globalValue(fuel) === 0;
  /** The module was stopped in a loop: nothing more can be learnt from the tape, and the trap is ours. */
  function endless(call, operation) {
    if (traps === 0) sight('time', operation, 'hangs', `${operation === null ? 'freeing an object' : operation.name} goes through its loops more than ${roundsMax / 1e6} million times`);
    trapped(call);
    left = 0;
    if (operation !== null && !operation.returned && ++operation.endless % 4 === 0) roundsMax = s.min(3 * roundsMax, FUEL_MAX);
    return 'trap endless';
  }
  /** The first trap of the tape: glue that makes a new instance then, or had, has done what it can. */
  function trapped(call) {
    if (traps++ > 0) return;
    trapInstances = call.instances;
    afterTrap = 0;
  }

  function judgeReturn(call, operation, self, args, result, surrogates, wasFreed) {
    if (call.traps > 0 && shim.instances === trapInstances && !wasFreed) {
      sight('poisoned', operation, 'used', `${operation.name} returned from an instance that had trapped`);
    }
    if (wasFreed) sight('use-after-free', operation, 'this', `${operation.name} returned though its object was freed`);
    for (let at = 0; at < call.objects.length; at++) {
      if (call.objects[at].freed && call.objects[at].className !== null) sight('use-after-free', operation, 'argument', `${operation.name} accepted an object that was freed`);
    }
    if (self !== null && self.forged !== null) {
      sight('forged', operation, self.forged, `${operation.name} returned on an object whose ${self.forged} was overwritten`);
    }
    const promised = s.isObject(result) && typeof s.read(result, 'then') === 'function';
    const complaints = judgeArguments(operation, args);
    if (complaints !== null) {
      if (promised) call.complaints = complaints;
      else for (let at = 0; at < complaints.length; at++) sight(complaints[at][0], operation, complaints[at][1], complaints[at][2]);
    }
    if (!promised) judgeResult(call, operation, operation.result, operation.checksResult, args, result, surrogates);
    else if (operation.checksResult && !operation.result(result, undefined)) {
      sight('result-type', operation, 'promise', `${operation.name} returned a promise, which is not declared`);
    }
  }

  /** What is wrong with arguments that were accepted: [class, key, what], or null. */
  function judgeArguments(operation, args) {
    let complaints = null;
    const { params } = operation;
    const shapes = reader.shaped ? reader.shapes : undefined;
    for (let at = 0; at < params.length; at++) {
      const param = params[at];
      if (at >= args.length && at >= operation.required) break;
      const value = args[at];
      if (value === undefined || value === null) {
        if (param.optional || param.conforms(value, shapes)) continue;
      } else if (param.conforms(value, shapes)) {
        if (param.range === null) continue;
        const wrong = outOfRange(param, value);
        if (wrong === undefined) continue;
        complaints ??= [];
        complaints[complaints.length] = ['range', `${at}`, `${operation.name} accepted ${wrongText(wrong)} for ${param.name}`];
        continue;
      }
      complaints ??= [];
      const kind = at < args.length ? kindOf(value, shapes) : 'nothing';
      complaints[complaints.length] = ['unchecked', `${at}: ${kind}`, `${operation.name} accepted ${kind} for ${param.name}, which is declared otherwise`];
    }
    return complaints;
  }
  const wrongText = (value) => (typeof value === 'bigint' ? `${s.bigintText(value)}n` : s.is(value, -0) ? '-0' : `${value}`);
  function outOfRange(param, value) {
    if (typeof value === 'number' || typeof value === 'bigint') return param.range(value) ? undefined : value;
    if (!s.isArray(value)) return undefined;
    for (let at = 0; at < value.length; at++) {
      if ((typeof value[at] === 'number' || typeof value[at] === 'bigint') && !param.range(value[at])) return value[at];
    }
    return undefined;
  }

  function judgeResult(call, operation, conforms, checks, args, result, surrogates) {
    if (checks && !conforms(result, undefined)) {
      sight('result-type', operation, kindOf(result, undefined), `${operation.name} returned ${kindOf(result, undefined)}, which is not declared`);
    }
    if (typeof result === 'string') staleText(call, result);
    else if (s.isObject(result)) {
      eachText(result, (text, bytes) => { if (text !== undefined) staleText(call, text); else staleBytes(call, bytes); });
    }
    if (surrogates) judgeSurrogates(call, operation, args, result);
  }

  /** Texts with lone surrogates came back: changed, or the same as another one's. */
  function judgeSurrogates(call, operation, args, result) {
    let replaced = false;
    eachText(result, (text) => { if (text !== undefined && s.indexOf(text, '\uFFFD') >= 0) replaced = true; });
    for (let at = 0; at < args.length; at++) {
      if (typeof args[at] !== 'string') continue;
      const folded = s.replace(args[at], /\p{Surrogate}/gu, '\uFFFD');
      if (folded === args[at]) continue;
      if (replaced && s.indexOf(args[at], '\uFFFD') < 0) {
        sight('text', operation, `${at}`, `${operation.name} was given a lone surrogate and returned U+FFFD in its place`);
      }
      if (operation.params[at]?.text !== true) continue;
      const meaningful = typeof result === 'string' ? replaced || /^[0-9a-f]{8,}$/i.test(result) : typeof result === 'bigint' || (typeof result === 'number' && result > 65536);
      const own = plain(folded, call.number);
      if (meaningful) {
        const key = `${operation.id}:${at}:${own}`;
        const mine = typeof result === 'string' ? plain(result, call.number) : result;
        const other = s.mapGet(collisions, key);
        if (other === undefined) { if (collisions.size < 1000) s.mapSet(collisions, key, { text: args[at], number: call.number, result: mine, ordinal }); }
        else if (other.result === mine && plain(other.text, other.number) !== plain(args[at], call.number)) {
          sight('collision', operation, `${at}`, `${operation.name} gives the same result for two texts that differ in lone surrogates only`, '', other.ordinal);
        }
      }
      if (call.self === null) continue;
      // What was stored under one text is found under another.
      const list = call.self.surrogates ??= [];
      const found = [];
      eachText(result, (text) => { if (text !== undefined) canariesInText(text, (number) => { found[found.length] = number; }); });
      for (let i = 0; i < list.length; i++) {
        const entry = list[i];
        if (entry.folded === folded && entry.text !== args[at] && s.contains(found, entry.number)) {
          sight('collision', operation, `${at}`, `${operation.name} finds what was stored under another text, which differs in lone surrogates only`);
        }
      }
      if (list.length < 64) list[list.length] = { folded, text: args[at], number: call.number };
    }
  }
  const plain = (text, number) => (number < 0 ? text : s.join(s.split(text, canary(number)), '\uF8FF'));

  function classNameOf(value) {
    for (let at = 0; at < classes.length; at++) {
      const constructor = classOf(classes[at]);
      if (typeof constructor !== 'function') continue;
      try { if (value instanceof constructor) return classes[at]; } catch { /* hostile */ }
    }
    return undefined;
  }

  function addSlot(call, operation, self, args, value) {
    for (let at = 0; at < args.length; at++) if (args[at] === value) return;
    let slot = s.weakGet(objects, value);
    if (slot === undefined) {
      const named = operation.kind === 'constructor' ? operation.className : operation.resultClass;
      slot = { value, className: classNameOf(value) ?? named, freed: false, forged: null, canaries: [], full: false, surrogates: undefined, operation, call };
      s.weakSet(objects, value, slot);
      if (typeof value === 'object' && value instanceof s.P) { asyncWork = true; s.then(value, undefined, () => {}); }
    }
    if (slot.tape !== ordinal) { slot.tape = ordinal; slots[slots.length] = slot; }
    flowInto(slot, call.number);
    if (self !== null) flowAll(slot, self);
    for (let at = 0; at < call.objects.length; at++) flowAll(slot, call.objects[at]);
  }

  // ---- operations of a tape ----

  let tapeBytes = 0;
  let left = 0; // operations of the tape to come

  /** Runs a hook of a value: called from inside the glue. */
  function runHook(owner, bytes, at, flags, pages) {
    if (depth >= DEPTH_MAX || calls >= CALLS_MAX) return;
    const { bytes: savedBytes, at: savedAt } = reader;
    const saved = current;
    depth++;
    try {
      reader.bytes = bytes;
      reader.at = at;
      for (let count = reader.varint(); count > 0; count--) operation(false);
    } finally {
      depth--;
      reader.bytes = savedBytes;
      reader.at = savedAt;
      current = saved;
    }
    if (pages > 0) growMemory(pages);
    if ((flags & 1) !== 0) throw new s.E('hook');
  }

  function growMemory(pages) {
    if (memory === null || (quiet && repeating)) return;
    const now = s.memoryBuffer(memory).byteLength / PAGE;
    if (now + pages > config.pages_max) return;
    try {
      s.memoryGrow(memory, pages);
      grown += pages;
      pagesNow = s.memoryBuffer(memory).byteLength;
    } catch { /* its maximum */ }
  }

  /** Runs the operation at the reader's place. A promise where it has to be waited for. */
  function operation(outer) {
    const tag = reader.u8();
    switch (tag) {
      case 0: {
        if (calls >= CALLS_MAX) {
          reader.u32(); reader.u8();
          for (let count = reader.varint(); count > 0; count--) reader.skipValue(0);
          return undefined;
        }
        const outcome = makeCall(outer);
        if (outer && outcomes !== null) outcomes[outcomes.length] = outcome;
        return undefined;
      }
      case 1: note(outer, freeSlot(reader.u8())); return undefined;
      case 2:
        if (outer) { asyncWork = true; keepObjects = true; collectGarbage(); note(outer, 'gc'); return environment.turn(); }
        return undefined;
      case 3: {
        const which = reader.u8();
        if (!outer || slots.length === 0) { note(outer, 'skipped'); return undefined; }
        return awaitSlot(slots[which % slots.length]);
      }
      case 4: note(outer, assign()); return undefined;
      case 5: growMemory(reader.u8()); note(outer, 'grow'); return undefined;
    }
    throw new Malformed('unknown operation');
  }
  function note(outer, outcome) {
    if (outer && outcomes !== null) outcomes[outcomes.length] = outcome;
  }

  function assign() {
    const which = reader.u8();
    const caller = current;
    current = newCall(null);
    try {
      let name = reader.text();
      const value = reader.value(0);
      if (slots.length === 0) return 'skipped';
      const slot = slots[which % slots.length];
      try {
        if (name === '') { const first = s.ownKeys(slot.value)[0]; if (typeof first !== 'string') return 'skipped'; name = first; }
        const before = s.getOwnPropertyDescriptor(slot.value, name);
        slot.value[name] = value;
        const now = s.getOwnPropertyDescriptor(slot.value, name);
        if (slot.className !== null && before !== undefined && typeof before.value === 'number' && now !== undefined && !s.is(now.value, before.value)) {
          slot.forged = s.cut(name, 100);
        }
        flowInto(slot, current.number);
        return 'assigned';
      } catch (error) { return `threw ${errorOf(error).name}`; }
    } finally { current = caller; }
  }

  function freeSlot(which) {
    if (slots.length === 0) return 'skipped';
    return free(slots[which % slots.length], true);
  }
  function free(slot, judged) {
    let release = s.read(slot.value, 'free');
    if (typeof release !== 'function' && s.S.dispose !== undefined) release = s.read(slot.value, s.S.dispose);
    if (typeof release !== 'function') release = s.read(slot.value, 'delete');
    if (typeof release !== 'function' || slot.className === null) return 'skipped';
    const again = slot.freed;
    const caller = current;
    current = newCall(null);
    const before = again && judged && memory !== null ? memoryHash() : 0;
    slot.freed = true;
    try {
      s.apply(release, slot.value, []);
      if (again && judged && (memory === null || memoryHash() !== before)) sight('use-after-free', freeOperation(slot), 'free', `an object of ${slot.className} is freed twice`);
      return 'freed';
    } catch (error) {
      const about = errorOf(error);
      if (about.trap === null) return `threw ${about.name}`;
      if (isEndless()) return endless(current, null);
      if (slot.forged !== null) sight('forged', null, slot.forged, `freeing an object of ${slot.className} whose ${slot.forged} was overwritten trapped: ${about.message}`, about.stack);
      else if (again) sight('use-after-free', null, 'free', `freeing an object of ${slot.className} twice trapped: ${about.message}`, about.stack);
      else sight('trap', null, `free ${slot.className}: ${about.trap}`, `freeing an object of ${slot.className} trapped: ${about.message}`, about.stack);
      trapped(current);
      return `trap ${about.trap}`;
    } finally { current = caller; }
  }
  const freeOperation = (slot) => slot.operation ?? null;
  function memoryHash() {
    const bytes = new s.U8(s.memoryBuffer(memory));
    const end = chosen >= 0 && config.builds[chosen].layout === 'tail' ? s.min(bytes.length, tailStart(config.builds[chosen])) : bytes.length;
    const words = new Int32Array(bytes.buffer, 0, end >> 2);
    let hash = 0;
    for (let at = 0; at < words.length; at++) hash = s.imul(hash ^ words[at], 0x01000193);
    return hash;
  }

  async function awaitSlot(slot) {
    if (!(s.isObject(slot.value) && typeof s.read(slot.value, 'then') === 'function')) { note(true, 'skipped'); return; }
    let state = 0;
    let value;
    try {
      s.then(s.P.resolve(slot.value), (given) => { state = 1; value = given; }, (error) => { state = 2; value = error; });
    } catch (error) { state = 2; value = error; }
    for (let turns = 0; turns < 20 && state === 0; turns++) await environment.turn();
    const { call, operation } = slot;
    current = call;
    if (state === 0) note(true, 'pending');
    else if (state === 1) {
      const { resultType } = operation;
      const inner = resultType.kind === 'promise' ? compileType(resultType.of, classOf) : null;
      const complaints = call.complaints ?? [];
      call.complaints = [];
      for (let at = 0; at < complaints.length; at++) sight(complaints[at][0], operation, complaints[at][1], complaints[at][2]);
      judgeResult(call, operation, inner ?? (() => true), inner !== null && resultType.of.kind !== 'undefined' && resultType.of.kind !== 'any', [], value, false);
      noteOutcome(operation, `~${resultClass(value)}`);
      if (s.isObject(value)) addSlot(call, { ...operation, resultClass: objectClass(resultType.kind === 'promise' ? resultType.of : resultType) }, null, [], value);
      note(true, `fulfilled ${canonical(value, classNameOf)}`);
    } else {
      const outcome = failedCall(call, operation, null, [], value);
      note(true, outcome === '' ? '' : `rejected ${outcome}`);
    }
    current = null;
  }

  function beginTape(bytes) {
    reader.clear();
    reader.bytes = bytes;
    reader.at = 0;
    slots = [];
    opIndex = 0;
    calls = 0;
    callNumber = 0;
    depth = 0;
    traps = 0;
    afterTrap = 0;
    grown = 0;
    asyncWork = false;
    keepObjects = false;
    tapeBytes = bytes.length;
    if (fuel !== null) s.globalSet(fuel, roundsMax);
    outcomes = (batchFlags & OUTCOMES) !== 0 && !quiet ? [] : null;
    if (reader.u8() !== 0xa7 || reader.u8() !== 1) throw new Malformed('not a tape of version 1');
    left = reader.varint();
  }

  /** Runs the tape on from where it is; a promise where something has to be waited for first. */
  function proceed() {
    while (left > 0) {
      if (traps > 0 && afterTrap++ >= AFTER_TRAP) { left = 0; break; }
      left--;
      const waiting = operation(true);
      opIndex++;
      if (waiting !== undefined) return waiting;
    }
    return undefined;
  }

  /** Frees what is left, unless the collector is to. */
  function endTape() {
    if (!quiet) totalCalls += calls;
    if (traps === 0 && !keepObjects) {
      for (let at = slots.length - 1; at >= 0; at--) if (!slots[at].freed && slots[at].forged === null) free(slots[at], false);
    }
    slots = [];
    if (traps > 0) needFresh = true;
  }

  function malformed(error) {
    if (!(error instanceof Malformed)) throw error;
    if ((batchFlags & OUTCOMES) !== 0 && !quiet) tell().outcomes = [`malformed: ${error.message}`];
    outcomes = null;
    slots = [];
  }

  /** Runs one tape without waiting; a promise where it cannot. */
  function runTape(bytes) {
    let waiting;
    try {
      beginTape(bytes);
      waiting = proceed();
    } catch (error) { malformed(error); left = 0; }
    if (waiting !== undefined || asyncWork) return runLater(waiting);
    endTape();
    return undefined;
  }
  async function runLater(waiting) {
    try {
      while (waiting !== undefined) {
        await waiting;
        waiting = proceed();
      }
    } catch (error) { malformed(error); }
    await environment.turn();
    endTape();
    if (keepObjects) {
      collectGarbage();
      await environment.turn();
      await environment.turn();
    }
  }
  /** Collects garbage: in a search for a few tapes of a batch only, as it takes as long as a thousand calls. */
  function collectGarbage() {
    if ((batchFlags & FRESH) !== 0 || collections++ < COLLECTIONS_OF_BATCH) environment.gc?.();
  }

  // ---- batches ----

  let repeating = false;

  function finishTape() {
    if (outcomes !== null) tell().outcomes = outcomes;
    if ((batchFlags & EVALUATE) !== 0) evaluate();
    for (const key in {}) { pollution(key); break; }
    tapeOf[ordinal] = place;
    ordinal++;
    if (ordinal >= config.tapes_per_instance) needFresh = true;
    if ((needFresh || (batchFlags & FRESH) !== 0) && !samePrototypes(prototypes)) pollution();
  }

  function pollution() {
    for (const name of changedPrototypes(prototypes)) sight('prototype', null, name, `${name} was changed`);
  }

  /** The dear questions. */
  async function deep(bytes, novel) {
    const trapped = traps > 0;
    if (novel || (batchFlags & (DEEP | LOOK)) !== 0 || !samePrototypes(prototypes)) pollution();
    residue();
    if (trapped || asyncWork || !(novel || (batchFlags & DEEP) !== 0)) return;
    if ((batchFlags & DEEP) === 0) {
      if (patience > 0) { patience--; unasked++; return; }
      const used = fuel === null ? 0 : roundsMax - s.globalValue(fuel);
      if (reader.large || used > REPEATED_ROUNDS_MAX) { unasked++; return; }
    }
    await leaks(bytes);
  }

  function residue() {
    if (memory === null || callNumber === 0) return;
    const tape = ordinal - 1;
    const bytes = new s.U8(s.memoryBuffer(memory));
    const tail = chosen >= 0 && config.builds[chosen].layout === 'tail' ? config.builds[chosen] : null;
    const look = (from, to) => canariesInBytes(bytes, from, to, (number, lower) => {
      if ((number - (number % NUMBERS)) / NUMBERS !== tape || !s.mapHas(owners, number)) return;
      const operation = s.mapGet(operations, s.mapGet(owners, number)) ?? null;
      sight('residue', operation, lower ? 'memory, in lower case' : 'memory', `what ${operation?.name ?? 'a call'} was given is still in linear memory after it returned and its objects were freed`);
    }, environment.search);
    look(0, tail === null ? bytes.length : s.min(bytes.length, tailStart(tail)));
    if (tail !== null) look(s.min(bytes.length, tail.list + 8 * tail.list_max), bytes.length);
  }

  /** Repeats the tape: memory and tables must come to rest. Garbage is only collected where they do not: that takes as
   * long as a thousand calls, and what a tape made it frees itself. */
  async function leaks(bytes) {
    // What was told three times is known.
    if ((batchFlags & DEEP) === 0 && s.mapGet(leaking, firstOperation(bytes)) >= 3) return;
    quiet = true;
    repeating = true;
    let rounds = [];
    let grows = null;
    const began = s.now();
    const longest = (batchFlags & DEEP) !== 0 ? REPEATING_ALONE_MAX : REPEATING_MAX;
    try {
      for (let pass = 0; pass < 2; pass++) {
        const plan = pass === 0 ? FILTER : ROUNDS;
        const last = plan.length;
        rounds = [];
        for (let round = 0; round < last; round++) {
          for (let times = plan[round]; times > 0; times--) {
            const waiting = runTape(bytes);
            if (waiting !== undefined) await waiting;
            ordinal++;
            deepCalls += calls;
            allCalls += calls;
            if (traps > 0) return;
            if (s.now() - began > longest) {
              unasked++;
              patience = 1 << s.min(++tooLong, 16);
              return;
            }
          }
          if (pass > 0 && (round === SURE - 1 || round === last - 1)) {
            environment.gc?.();
            await environment.turn();
          }
          rounds[round] = sizesNow();
          if (round < SURE - 1) continue;
          // Nothing that grew in every round so far: it has come to rest.
          grows = growing(rounds);
          if (grows === null) return;
          if (pass > 0 && grows[0] === 0) break; // whole pages in every round need no more proof
        }
      }
    } finally {
      pollution(); // once more, without a word
      quiet = false;
      repeating = false;
      needFresh = true;
      clearCounters();
    }
    if (grows === null) return;
    const id = firstOperation(bytes);
    s.mapSet(leaking, id, (s.mapGet(leaking, id) ?? 0) + 1);
    const first = s.mapGet(operations, id) ?? null;
    let list = '';
    for (let round = 0; round < rounds.length; round++) list += (round > 0 ? ', ' : '') + rounds[round][grows[0]];
    sight('leak', first, SIZES[grows[0]], `${SIZES[grows[0]]} in use: ${list} after more and more repetitions of the same tape`);
  }
  /** Indices of sizes that grew in every round after the first. */
  function growing(rounds) {
    const found = [];
    for (let which = 0; which < SIZES.length; which++) {
      let always = true;
      for (let round = 1; round < rounds.length; round++) {
        if (rounds[round][which] - rounds[round - 1][which] < (which === 1 ? 128 : 1)) always = false;
      }
      if (always) found[found.length] = which;
    }
    return found.length === 0 ? null : found;
  }
  /** What is in use: pages, the last byte of memory that is not zero, elements of tables. */
  function sizesNow() {
    let elements = 0;
    for (let at = 0; at < shim.tables.length; at++) {
      const table = shim.tables[at];
      const length = s.tableLength(table);
      for (let index = 0; index < length; index++) { const element = s.tableGet(table, index); if (element !== undefined && element !== null) elements++; }
    }
    if (memory === null) return [0, 0, elements];
    const bytes = new s.U8(s.memoryBuffer(memory));
    const tail = chosen >= 0 && config.builds[chosen].layout === 'tail' ? config.builds[chosen] : null;
    const tailEnd = tail === null ? 0 : s.min(bytes.length, tail.list + 8 * tail.list_max + 64 + PAGE - 1) & -PAGE;
    let last = lastWord(bytes, tailEnd, bytes.length);
    if (tail !== null && last < tailEnd) last = lastWord(bytes, 0, tailStart(tail));
    return [bytes.length / PAGE, last, elements];
  }
  /** End of the last word between two places that is not zero; `from` where there is none. */
  function lastWord(bytes, from, to) {
    const words = new Int32Array(bytes.buffer, 0, to >> 2);
    let at = words.length - 1;
    const first = from >> 2;
    while (at >= first && words[at] === 0) at--;
    return 4 * at + 4;
  }
  function firstOperation(bytes) {
    return bytes.length > 7 && bytes[3] === 0 ? (bytes[4] | (bytes[5] << 8) | (bytes[6] << 16) | (bytes[7] << 24)) >>> 0 : 0;
  }

  function checkSentinels() {
    if (counterMemory === null) return;
    const bytes = countersBytes();
    for (const from of config.builds[chosen].sentinels) {
      if (sentinelKept(bytes, from)) continue;
      sight('counters', null, 'sentinel', 'the module wrote where its counters are');
      fillSentinel(bytes, from);
      needFresh = true;
    }
  }

  /** Speeds of the calls that tapes of one call make. */
  async function speeds(number, tapes) {
    const waiting = fresh();
    if (waiting !== undefined) await waiting;
    const made = [];
    for (let at = 0; at < tapes.length; at++) {
      beginTape(tapes[at]);
      reader.u8();
      const { target, holder } = s.mapGet(operations, reader.u32());
      reader.u8();
      current = newCall(null);
      const args = [];
      for (let left = reader.varint(); left > 0; left--) args[args.length] = reader.value(0);
      made[at] = { target, holder, args };
    }
    current = null;
    let instances = 1;
    const batch = async () => { instances += (await run(number, EVALUATE, tapes)).instances; };
    const lines = await measure({ calls: made, evaluate: chosen < 0 ? undefined : evaluate, tapes: batch });
    needFresh = true;
    return { batch: number, tapes: tapes.length, calls: 0, instances, operations: [], told: [{ tape: 0, outcomes: lines }] };
  }

  /** Runs a batch; the answer is what goes to the parent. */
  async function run(number, flags, tapes) {
    if ((flags & MEASURE) !== 0) return speeds(number, tapes);
    batchFlags = flags;
    let deepOfBatch = 0;
    collections = 0;
    made = 0;
    unasked = 0;
    totalCalls = 0;
    const all = [];
    tapeOf = [];
    for (const { id } of config.api.operations) { const { counts: four } = s.mapGet(operations, id); four[0] = four[1] = four[2] = four[3] = 0; }
    let index = 0;
    while (index < tapes.length) {
      place = index;
      told = null;
      if (needFresh || (flags & FRESH) !== 0) {
        const waiting = fresh();
        if (waiting !== undefined) await waiting;
      }
      const bytes = tapes[index];
      const waiting = runTape(bytes);
      if (waiting !== undefined) { await waiting; lateSightings(); }
      finishTape();
      const novel = told !== null && (told.new.length > 0 || told.outcomes_new.length > 0);
      // Played alone, it is looked for one that hangs.
      const dear = novel && tapes.length > 1 && deepOfBatch < DEEP_OF_BATCH && deepCalls * DEEP_OF_CALLS <= allCalls + DEEP_AT_FIRST;
      allCalls += calls;
      if (dear || (flags & (DEEP | LOOK)) !== 0 || ((index + number) & 255) === 255) {
        deepOfBatch += 1;
        await deep(bytes, novel);
      }
      index++;
      if (index === tapes.length) await endBatch();
      if (told !== null) all[all.length] = told;
    }
    const counted = [];
    for (const { id } of config.api.operations) {
      const { counts: four } = s.mapGet(operations, id);
      if (four[0] + four[1] + four[2] + four[3] > 0) counted[counted.length] = [id, [four[0], four[1], four[2], four[3]]];
    }
    return { batch: number, tapes: tapes.length, calls: totalCalls, instances: made, operations: counted, unasked, told: all };
  }

  function lateSightings() {
    const late = environment.lateErrors();
    for (let at = 0; at < late.length && at < 8; at++) {
      const about = errorOf(late[at].error);
      sight('late', null, `${late[at].kind} ${about.trap ?? about.name}`, `${late[at].kind}: ${about.name}: ${about.message}`, about.stack);
    }
  }
  async function endBatch() {
    await environment.turn();
    lateSightings();
    checkSentinels();
    if (!samePrototypes(prototypes)) pollution();
  }

  return {
    configure,
    module: (index, bytes) => { modules[index] = bytes; },
    evaluator: (index, bytes) => { if (bytes.length > 0) evaluators[index] = new s.Wasm.Module(bytes); },
    seen: (bytes) => { if (bytes.length > 0) seen = s.U8.from(bytes); },
    load: loadPackage,
    run,
  };
}

function acceptsNone(type) {
  return type.kind === 'undefined' || type.kind === 'null' || type.kind === 'any' || (type.kind === 'union' && type.of.some(acceptsNone));
}

/** The class of an object that a type names, also within a union with nothing; null: none. */
function objectClass(type) {
  if (type.kind === 'object') return type.of;
  if (type.kind !== 'union') return null;
  const named = type.of.map(objectClass).filter((name) => name !== null);
  return named.length === 1 ? named[0] : null;
}

const FEATURES = {
  // Modules of a few bytes that are valid only where the engine has the feature.
  'multi-memory': [5, 5, 2, 0, 0, 0, 0],
  'bigint': [1, 5, 1, 0x60, 0, 1, 0x7e],
  'exnref': [1, 5, 1, 0x60, 0, 1, 0x69],
  'simd': [1, 5, 1, 0x60, 0, 1, 0x7b],
  'memory64': [5, 3, 1, 4, 0],
  'shared-memory': [5, 4, 1, 3, 0, 1],
  'gc': [1, 3, 1, 0x5f, 0],
  'reference-types': [1, 5, 1, 0x60, 0, 1, 0x6f],
};

function engineFeatures() {
  const features = Object.entries(FEATURES).map(([name, section]) => [name, s.Wasm.validate(s.U8.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...section]))]);
  features.push(['resizable', typeof s.AB.prototype.resize === 'function'], ['shared', s.SAB !== undefined],
    ['gc-exposed', typeof globalThis.gc === 'function'], ['jspi', typeof WebAssembly.Suspending === 'function']);
  return features;
}
