// Shows a finding at the boundary between JavaScript and WebAssembly again. It needs nothing but Node 20 and the package:
//
//   node repro.mjs [folder of the package]
//
// Exit code 1: it was seen again; 0: it was not; 2: it could not be tried. Made by Autoclave.

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import v8 from 'node:v8';
import vm from 'node:vm';

const facts = {
/* FACTS */
};

/** The calls. `g` is the package. */
async function tape(g) {
/* TAPE */
}

// ---- how the calls are made, and what is asked of them ----

const PAGE = 65536;
const SECONDS_MAX = 10;
const { writeSync, readFileSync, existsSync } = fs;
const { exit } = process;
const { setImmediate: soon, setTimeout: later } = globalThis;
const { stringify } = JSON;
const self = fileURLToPath(import.meta.url);
const require = createRequire(import.meta.url);
const seen = new Set();
/** Class -> first sentence. */
const told = new Map();

function say(text) {
  const bytes = Buffer.from(`${text}\n`);
  for (let at = 0; at < bytes.length;) {
    try { at += writeSync(1, bytes, at); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
  }
}
function sight(name, what) {
  if (!told.has(name)) told.set(name, what);
  seen.add(name);
}
function cannot(why) {
  say(`This finding could not be tried: ${why}`);
  exit(2);
}
/** For people: one line, printable. */
function shown(value, depth = 0) {
  let text;
  try {
    if (typeof value === 'string') text = stringify(value);
    else if (typeof value === 'bigint') text = `${value}n`;
    else if (typeof value === 'function') text = 'function';
    else if (ArrayBuffer.isView(value)) text = `${value.constructor.name}(${value.length ?? value.byteLength}) ${stringify(latin1(value).slice(0, 60))}`;
    else if (Array.isArray(value) && depth < 2) text = `[${value.slice(0, 8).map((item) => shown(item, depth + 1)).join(', ')}${value.length > 8 ? ', …' : ''}]`;
    else if (typeof value === 'object' && value !== null) text = `${Object.getPrototypeOf(value)?.constructor?.name ?? 'object'} {${Object.keys(value).slice(0, 6).map((key) => stringify(key)).join(', ')}}`;
    else text = Object.is(value, -0) ? '-0' : String(value);
  } catch (error) { text = `a ${typeof value} that cannot be shown`; }
  return text.replace(/[^\x20-\x7e…]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).slice(0, 160);
}
const latin1 = (bytes) => Buffer.from(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength).toString('latin1');

// WebAssembly, as it is, but for a look at what is compiled and instantiated.
let memory = null;
let tables = [];
let instances = 0;
/** Hash of the module that is looked at: Node itself has others. One within a script is any, until the right one comes. */
let wanted = facts.sha256;
const inlined = facts.module.includes('#');
const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');
let met = false;
const ours = new WeakSet();
function compiled(module, source) {
  const bytes = source instanceof ArrayBuffer ? new Uint8Array(source) : ArrayBuffer.isView(source) ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : null;
  if (bytes !== null && hash(bytes) === wanted) {
    met = true;
    ours.add(module);
  }
  return module;
}
function captured(instance, module, imports) {
  if (!ours.has(module) && (met || !inlined)) return instance;
  instances++;
  tables = [];
  memory = null;
  const all = Object.values(instance.exports);
  for (const from of Object.values(imports ?? {})) {
    if (typeof from !== 'object' || from === null) continue;
    all.push(from.memory, ...Object.values(from).filter((value) => value instanceof WebAssembly.Table));
  }
  for (const value of all) {
    if (value instanceof WebAssembly.Memory) memory ??= value;
    else if (value instanceof WebAssembly.Table) tables.push(value);
  }
  return instance;
}
function watchWebAssembly() {
  const { Module, Instance, compile, instantiate } = WebAssembly;
  WebAssembly.Module = new Proxy(Module, { construct: (target, args) => compiled(Reflect.construct(target, args), args[0]) });
  WebAssembly.Instance = new Proxy(Instance, { construct: (target, args) => captured(Reflect.construct(target, args), args[0], args[1]) });
  WebAssembly.compile = async (source) => compiled(await compile(source), source);
  WebAssembly.instantiate = async (source, imports) => {
    const made = await instantiate(source, imports);
    if (made instanceof Instance) return captured(made, source, imports);
    captured(made.instance, compiled(made.module, source), imports);
    return made;
  };
}
const pages = () => (memory === null ? 0 : memory.buffer.byteLength / PAGE);

// What the package prints, and errors that come late.
const printed = [];
const late = [];
process.on('uncaughtException', (error) => late.push(error));
process.on('unhandledRejection', (error) => late.push(error));
function watchPrints() {
  const heard = (...values) => { for (const value of values) printed.push(typeof value === 'string' ? value : String(value?.stack ?? '')); };
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace']) console[name] = heard;
  for (const stream of [process.stdout, process.stderr]) {
    stream.write = (chunk) => { heard(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('latin1')); return true; };
  }
}

/** Watches the one function that the finding names. */
let watching = false;
function watchCapability(folder) {
  const name = facts.key.replace(/^[\w-]+: /, '').replace(/ with a string$/, '');
  // What a WASI program asks for is seen where it is answered.
  if (name.startsWith('wasi ')) return;
  const strings = facts.key.endsWith(' with a string') || name === 'eval';
  const steps = name.split('.');
  const member = steps.pop();
  const modules = ['fs', 'child_process', 'net', 'tls', 'http', 'https', 'dns', 'dgram', 'worker_threads', 'vm'];
  let holder = modules.includes(steps[0]) ? require(steps.shift()) : globalThis;
  for (const step of steps) holder = holder?.[step];
  const was = holder?.[member];
  if (typeof was !== 'function') cannot(`\`${shown(name)}\` is not there in Node; use the browser that the report names`);
  const own = (file) => { try { return path.resolve(file instanceof URL ? fileURLToPath(file) : String(file)).startsWith(folder); } catch { return false; } };
  const told = (args) => {
    if (!watching || (strings && typeof args[0] !== 'string') || (/^fs\b/.test(name) && own(args[0]))) return;
    sight('capability', `${name} was called`);
  };
  const replacement = new Proxy(was, {
    apply: (target, that, args) => { told(args); return Reflect.apply(target, that, args); },
    construct: (target, args, newTarget) => { told(args); return Reflect.construct(target, args, newTarget === replacement ? target : newTarget); },
  });
  Object.defineProperty(holder, member, { value: replacement, writable: true, configurable: true, enumerable: true });
  if (name === 'Function') Object.defineProperty(was.prototype, 'constructor', { value: replacement, writable: true, configurable: true });
  syncBuiltinESMExports();
}

const PROTOTYPES = ['Object', 'Array', 'Function', 'String', 'Number', 'Boolean', 'Symbol', 'BigInt', 'Promise', 'RegExp', 'Date', 'Map', 'Set', 'WeakMap', 'Error', 'Uint8Array', 'ArrayBuffer', 'Math', 'JSON', 'Reflect']
  .map((name) => [name, globalThis[name].prototype ?? globalThis[name]]);
const snapshot = () => new Map(PROTOTYPES.flatMap(([name, object]) => Reflect.ownKeys(object).map((key) => {
  const property = Reflect.getOwnPropertyDescriptor(object, key);
  return [`${name}.${String(key)}`, property.value ?? property.get];
})));

// ---- the package ----

/** A module within a script is named by the script's file, `#` and a number. */
const fileOf = (module) => module.replace(/#\d+$/, '');

async function load(folder) {
  const file = path.join(folder, fileOf(facts.module));
  const entry = facts.entry === null ? null : path.join(folder, facts.entry);
  const isCommonJs = (name) => {
    if (/\.cjs$/.test(name)) return true;
    if (/\.mjs$/.test(name)) return false;
    for (let at = path.dirname(name); ; at = path.dirname(at)) {
      const manifest = path.join(at, 'package.json');
      if (existsSync(manifest)) return JSON.parse(readFileSync(manifest, 'utf8')).type !== 'module';
      if (at === path.dirname(at)) return true;
    }
  };
  const exportsOf = (name) => (isCommonJs(name) ? require(name) : import(pathToFileURL(name).href));
  // A module within a script is there already.
  const bytes = inlined ? undefined : readFileSync(file);
  if (!inlined) wanted = hash(bytes);
  switch (facts.glue) {
    case 'bindgen-nodejs': return exportsOf(entry);
    case 'bindgen-web': {
      const namespace = await exportsOf(entry);
      await namespace.default(inlined ? undefined : { module_or_path: bytes });
      return namespace;
    }
    case 'bindgen-bundler': {
      const glue = await import(pathToFileURL(file.replace(/\.wasm$/, '.js')).href);
      const module = new WebAssembly.Module(bytes);
      const imports = {};
      for (const { module: from } of WebAssembly.Module.imports(module)) {
        imports[from] ??= /_bg\.js$/.test(from) ? glue : await import(pathToFileURL(path.join(folder, from)).href);
      }
      const { exports } = new WebAssembly.Instance(module, imports);
      glue.__wbg_set_wasm(exports);
      exports.__wbindgen_start?.();
      return glue;
    }
    case 'emscripten': {
      const exported = await exportsOf(entry);
      const factory = typeof exported === 'function' ? exported : exported.default ?? Object.values(exported).find((value) => typeof value === 'function');
      return factory({
        locateFile: (name) => path.join(path.dirname(file), name), noExitRuntime: true,
        print: (text) => printed.push(String(text)), printErr: (text) => printed.push(String(text)),
      });
    }
    case 'assemblyscript': {
      const namespace = await exportsOf(entry);
      return typeof namespace.instantiate === 'function' && namespace.memory === undefined
        ? namespace.instantiate(new WebAssembly.Module(bytes), {}) : namespace;
    }
    case 'wrapper': {
      const namespace = await exportsOf(entry);
      const whole = typeof namespace.default === 'object' && namespace.default !== null && Object.keys(namespace).length === 1 ? namespace.default : namespace;
      if (whole.ready instanceof Promise) await whole.ready;
      return whole;
    }
    case 'raw': {
      const module = new WebAssembly.Module(bytes);
      const imports = {};
      for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
        imports[from] ??= {};
        imports[from][name] = kind === 'function' ? () => 0 : kind === 'memory' ? new WebAssembly.Memory({ initial: 1, maximum: 65536 })
          : kind === 'table' ? new WebAssembly.Table({ initial: 16, element: 'anyfunc' }) : 0;
      }
      return new WebAssembly.Instance(module, imports).exports;
    }
    case 'wasi': {
      const { WASI } = await import('node:wasi');
      const module = new WebAssembly.Module(bytes);
      if (!WebAssembly.Module.exports(module).some(({ name }) => name === '_start')) {
        const { wasi, instance } = program(WASI, module, false);
        wasi.initialize(instance);
        return instance.exports;
      }
      let next = program(WASI, module, true);
      // Every call is a run of its own: standard input to standard output.
      return { _start: (stdin) => {
        if (!(stdin instanceof Uint8Array)) throw new TypeError('standard input is a Uint8Array');
        const run = next ?? program(WASI, module, true);
        next = null;
        run.input = stdin.slice();
        try { run.wasi.start(run.instance); } catch (error) { if (error?.code !== 0 || error.name !== 'Exit') throw error; }
        return Uint8Array.from(Buffer.concat(run.output));
      } };
    }
  }
  return cannot(`glue of kind ${shown(facts.glue)} is not known here`);
}

/** A WASI program that has not run: no folders, and the same clock and randomness every time. */
function program(WASI, module, isCommand) {
  const run = { wasi: new WASI({ version: 'preview1', args: [], env: {}, preopens: {} }), instance: null, input: new Uint8Array(0), output: [] };
  let state = 0x9e3779b9;
  let ticks = 0n;
  const view = () => new DataView(run.instance.exports.memory.buffer);
  const parts = (list, count) => Array.from({ length: Math.min(count, 1024) }, (_, at) => {
    const data = view();
    return new Uint8Array(data.buffer, data.getUint32(list + 8 * at, true), data.getUint32(list + 8 * at + 4, true));
  });
  const own = {
    fd_write(fd, list, count, written) {
      if (fd !== 1 && fd !== 2) return 8;
      const all = Buffer.concat(parts(list >>> 0, count >>> 0));
      if (fd === 1 && isCommand) run.output.push(all);
      else printed.push(all.toString('utf8'));
      view().setUint32(written >>> 0, all.length, true);
      return 0;
    },
    fd_read(fd, list, count, read) {
      if (fd !== 0) return 8;
      let total = 0;
      for (const part of parts(list >>> 0, count >>> 0)) {
        const piece = run.input.subarray(0, part.length);
        part.set(piece);
        run.input = run.input.subarray(piece.length);
        total += piece.length;
      }
      view().setUint32(read >>> 0, total, true);
      return 0;
    },
    clock_time_get(id, precision, into) { view().setBigUint64(into >>> 0, 1_700_000_000_000_000_000n + 1_000_000n * ticks++, true); return 0; },
    random_get(into, length) {
      const bytes = new Uint8Array(view().buffer, into >>> 0, length >>> 0);
      for (let at = 0; at < bytes.length; at++) {
        state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
        bytes[at] = state >>> 24;
      }
      return 0;
    },
  };
  const imports = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    const answer = /^wasi_/.test(from) ? own[name] ?? run.wasi.wasiImport[name] ?? (() => 0) : () => 0;
    const told = () => { if (watching && facts.key.endsWith(`: wasi ${name}`)) sight('capability', `${name} was called`); };
    imports[from] ??= {};
    imports[from][name] = name === 'proc_exit'
      ? (code) => { told(); throw Object.assign(new Error(`exited with ${code}`), { name: 'Exit', code }); }
      : (...args) => { told(); try { return answer(...args); } catch (error) { if (error instanceof RangeError || error instanceof TypeError) return 21; throw error; } };
  }
  run.instance = new WebAssembly.Instance(module, imports);
  return run;
}

// ---- values ----

const once = (run) => { let ran = false; return () => { if (!ran) { ran = true; hooked(run); } }; };
const always = (run) => () => hooked(run);
function hooked(run) {
  depth++;
  const outer = current;
  try { run(); } finally { depth--; current = outer; }
}
function convert(run, value) {
  const result = {};
  for (const key of ['valueOf', 'toString', Symbol.toPrimitive]) Object.defineProperty(result, key, { value: () => { run(); return value; }, writable: true, configurable: true });
  return result;
}
function proxy(run, value) {
  const traps = Reflect.ownKeys(Reflect).filter((key) => typeof Reflect[key] === 'function');
  // Read through the object itself, as a getter or a method of another kind of object would not work else.
  const handler = Object.fromEntries(traps.map((key) => [key, key === 'get' ? (object, name) => { run(); return Reflect.get(object, name); }
    : key === 'set' ? (object, name, given) => { run(); return Reflect.set(object, name, given); }
      : (...args) => { run(); return Reflect[key](...args); }]));
  return new Proxy(Object(value ?? {}), handler);
}
const callback = (run, value) => () => { run(); return value; };
function promise(run, value) {
  const result = Promise.resolve().then(() => { run(); return value; });
  result.catch(() => {});
  return result;
}
/** A property whose successive reads give these values; the last one stays. */
function reads(...values) {
  let at = 0;
  return { get: () => values[at < values.length - 1 ? at++ : at], enumerable: true, configurable: true };
}
function bytes(make, buffer, hex) {
  const contents = Buffer.from(hex, 'hex');
  const width = make.BYTES_PER_ELEMENT ?? 1;
  const size = contents.length - (contents.length % width);
  if (buffer === 'memory') {
    if (memory === null) return new make(0);
    const all = new Uint8Array(memory.buffer);
    const half = all.length >> 1;
    let start = half;
    while (start < all.length && all[start] === 0) start++;
    start += (width - (start % width)) % width;
    if (start + size > all.length) start = Math.min(half, all.length - size) & ~7;
    if (start < 0 || size === 0) start = 0;
    return make === ArrayBuffer ? memory.buffer : new make(memory.buffer, start, Math.min(size, all.length) / width);
  }
  const backing = buffer === 'shared' ? new SharedArrayBuffer(size)
    : buffer === 'resizable' ? new ArrayBuffer(size, { maxByteLength: size + PAGE }) : new ArrayBuffer(size);
  new Uint8Array(backing).set(contents.subarray(0, size));
  const view = make === ArrayBuffer ? backing : new make(backing);
  if (buffer === 'detached') structuredClone(backing, { transfer: [backing] });
  return view;
}

// ---- calls ----

/** Ends a tape early: an instance that trapped is asked twice more. */
const STOP = Symbol('stop');
let slots = [];
let slotOf = new WeakMap();
let current = null;
let depth = 0;
let traps = 0;
let trapInstances = 0;
let afterTrap = 0;
let grown = 0;
let repeating = false;
let package_ = null;
const collisions = new Map();
const canaryOf = (number) => `QZCANARY${[17576, 676, 26, 1].map((place) => String.fromCharCode(65 + (Math.floor(number / place) % 26))).join('')}`;
const canaries = (text) => (text.match(/QZCANARY[A-Z]{4}/gi) ?? []).map((name) => name.toUpperCase());

function outermost() {
  if (depth === 0 && traps > 0 && afterTrap++ >= 2) throw STOP;
}
function slot(number) {
  if (slots.length === 0) return undefined;
  const found = slots[number % slots.length];
  current?.objects.push(found);
  return found.value;
}
/** The `which`-th object of a class that was not freed; of those that were, where all were. */
function object(name, which) {
  const all = slots.filter((known) => known.name === name);
  const live = all.filter((known) => !known.freed);
  const objects = live.length > 0 ? live : all;
  if (objects.length === 0) { current.skipped = true; throw new Error(`there is no object of ${name}`); }
  const found = objects[which % objects.length];
  current.self = found;
  current.wasFreed = found.freed;
  return found.value;
}
const isTrap = (error) => error instanceof WebAssembly.RuntimeError || (error instanceof RangeError && /call stack/i.test(error.message) && /wasm/.test(String(error.stack)));
/** Texts in a value, its own data only; bytes as Latin-1. */
function texts(value, budget = { left: 2000 }, level = 0) {
  if (typeof value === 'string') return [value];
  if (value === null || (typeof value !== 'object' && typeof value !== 'function') || level > 6 || budget.left-- <= 0) return [];
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return [latin1(value)];
  return Reflect.ownKeys(value).flatMap((key) => {
    const inner = Reflect.getOwnPropertyDescriptor(value, key)?.value;
    return [...(typeof key === 'string' ? [key] : []), ...texts(inner, budget, level + 1)];
  });
}

/** Makes a call, says what it gave, and looks at it. */
function call(number, run) {
  outermost();
  const known = facts.calls[number];
  const outer = current;
  const mine = { number, known, objects: [], self: null, wasFreed: false, skipped: false, complaints: known.bad };
  current = mine;
  const before = { pages: pages(), grown, instances };
  const line = `${'  '.repeat(depth)}${String(run).replace(/^\(\) => /, '').slice(0, 300)}`;
  let result;
  try {
    result = run();
  } catch (error) {
    if (error === STOP) throw error;
    current = outer;
    if (mine.skipped) { if (!repeating) say(`${line}\n    skipped: ${error.message}`); return; }
    flow(mine);
    failed(mine, line, error);
    return;
  } finally { current = outer; }
  const more = pages() - before.pages - (grown - before.grown);
  if (more >= 16 && more * PAGE > 1000 * facts.bytes) sight('growth', `${known.name} made memory grow by ${more} pages on ${facts.bytes} bytes`);
  flow(mine);
  if (!repeating) say(`${line}\n    gave ${shown(result)}`);
  returned(mine, result);
}

/** What a call was given stays in its objects. */
function flow(mine) {
  const all = [...mine.objects, ...(mine.self === null ? [] : [mine.self])];
  for (const into of all) {
    into.holds.add(canaryOf(mine.number));
    for (const from of all) for (const name of from.holds) into.holds.add(name);
  }
}

function failed(mine, line, error) {
  const { known, self: owner } = mine;
  const text = `${error?.message}\n${error?.stack}`;
  if (!repeating) say(`${line}\n    threw ${error?.name ?? typeof error}: ${shown(String(error?.message ?? error))}`);
  if (canaries(text).length > 0) sight('echo', `the error of ${known.name} repeats what a call was given`);
  if (!isTrap(error)) return;
  if (owner?.forged) sight('forged', `${known.name} trapped on an object whose ${owner.forged} was overwritten`);
  else if (owner !== null && owner.freed) sight('use-after-free', `${known.name} trapped on an object that was freed`);
  else sight('trap', `${known.name} trapped: ${error.message}`);
  if (traps++ === 0) { trapInstances = instances; afterTrap = 0; }
}

function returned(mine, result) {
  const { known, self: owner, number } = mine;
  if (traps > 0 && instances === trapInstances && !mine.wasFreed) sight('poisoned', `${known.name} returned from an instance that had trapped`);
  if (mine.wasFreed) sight('use-after-free', `${known.name} returned though its object was freed`);
  for (const argument of mine.objects) if (argument.freed && argument.name !== null) sight('use-after-free', `${known.name} accepted an object that was freed`);
  if (owner !== null && owner.forged !== null) sight('forged', `${known.name} returned on an object whose ${owner.forged} was overwritten`);
  if (known.consumes && owner !== null) owner.freed = true;
  const promised = typeof result === 'object' && result !== null && typeof result.then === 'function';
  if (!promised) {
    for (const [name, what] of mine.complaints) sight(name, what);
    judge(mine, result, known.result);
  } else if (!conforms(result, known.result)) sight('result-type', `${known.name} returned a promise, which is not declared`);
  keep(mine, result, number);
}

/** What came out of a call, or of its promise. */
function judge(mine, result, type) {
  const { known, number, self: owner } = mine;
  if (!conforms(result, type)) sight('result-type', `${known.name} returned ${shown(result)}, which is not of the declared type`);
  const mayHold = new Set([canaryOf(number)]);
  for (const from of [...mine.objects, ...(owner === null ? [] : [owner])]) for (const name of from.holds) mayHold.add(name);
  const found = texts(result);
  const strangers = found.flatMap(canaries).filter((name) => !mayHold.has(name));
  if (strangers.length > 0) sight('stale', `the result of ${known.name} holds ${strangers[0]}, which another call was given`);
  const replaced = typeof result === 'string' || typeof result === 'object' ? found.some((text) => text.includes('\uFFFD')) : false;
  for (const [at, folded, exact] of known.lone) {
    if (replaced && !exact.includes('\uFFFD')) sight('text', `${known.name} was given a lone surrogate and returned U+FFFD in its place`);
    const plain = typeof result === 'string' ? result.split(canaryOf(number)).join('') : result;
    if (typeof plain === 'string' || typeof plain === 'number' || typeof plain === 'bigint') {
      const key = `${known.name} ${at} ${folded}`;
      const other = collisions.get(key);
      if (other === undefined) collisions.set(key, { exact, plain });
      else if (other.exact !== exact && other.plain === plain) sight('collision', `${known.name} gives the same result for two texts that differ in lone surrogates only`);
    }
    if (owner === null) continue;
    const names = found.flatMap(canaries);
    if (owner.lone.some((entry) => entry.folded === folded && entry.exact !== exact && names.includes(canaryOf(entry.number)))) {
      sight('collision', `${known.name} finds what was stored under another text, which differs in lone surrogates only`);
    }
    owner.lone.push({ folded, exact, number });
  }
}

/** An object becomes a slot. */
function keep(mine, value, number) {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return;
  let known = slotOf.get(value);
  if (known === undefined) {
    const name = facts.classes.find((name) => typeof package_[name] === 'function' && value instanceof package_[name]) ?? mine.known.class;
    known = { value, name, freed: false, forged: null, holds: new Set(), lone: [], mine };
    slotOf.set(value, known);
  }
  if (!slots.includes(known)) slots.push(known);
  known.holds.add(canaryOf(number));
  for (const from of [...mine.objects, ...(mine.self === null ? [] : [mine.self])]) for (const name of from.holds) known.holds.add(name);
}

function conforms(value, type) {
  const { kind, of } = type;
  switch (kind) {
    case 'any': return true;
    case 'null': return value === null;
    case 'undefined': case 'boolean': case 'number': case 'bigint': case 'string': case 'symbol': case 'function': return typeof value === kind;
    case 'bytes': return typeof globalThis[of] !== 'function' || value instanceof globalThis[of];
    case 'array': return Array.isArray(value) && value.slice(0, 100).every((item) => conforms(item, of));
    case 'object': return typeof package_[of] === 'function' ? value instanceof package_[of] : typeof value === 'object' && value !== null;
    case 'record': return typeof value === 'object' && value !== null && of.every(([name, inner, optional]) => (value[name] === undefined && optional) || conforms(value[name], inner));
    case 'promise': return typeof value?.then === 'function';
    case 'union': return of.length === 0 || of.some((inner) => conforms(value, inner));
  }
  return true;
}

function free(number) {
  outermost();
  if (slots.length > 0) release(slots[number % slots.length], true);
}
function release(known, loud) {
  const dispose = ['free', Symbol.dispose, 'delete'].map((key) => (key === undefined ? undefined : known.value[key])).find((method) => typeof method === 'function');
  if (dispose === undefined || known.name === null) return;
  const again = known.freed;
  const digest = () => (memory === null ? '' : createHash('sha256').update(new Uint8Array(memory.buffer)).digest('hex'));
  const before = again ? digest() : '';
  known.freed = true;
  try {
    Reflect.apply(dispose, known.value, []);
    if (loud && !repeating) say(`free an object of ${known.name}\n    freed`);
    if (again && loud && (memory === null || digest() !== before)) sight('use-after-free', `an object of ${known.name} was freed twice`);
  } catch (error) {
    if (loud && !repeating) say(`free an object of ${known.name}\n    threw ${error?.name}: ${shown(String(error?.message))}`);
    if (!isTrap(error)) return;
    sight(known.forged !== null ? 'forged' : again ? 'use-after-free' : 'trap', `freeing an object of ${known.name} trapped: ${error.message}`);
    if (traps++ === 0) { trapInstances = instances; afterTrap = 0; }
  }
}
function assign(number, which, name, make) {
  outermost();
  const outer = current;
  current = { number, objects: [], self: null };
  try {
    const value = make();
    if (slots.length === 0) return;
    const known = slots[which % slots.length];
    const key = name === '' ? Reflect.ownKeys(known.value)[0] : name;
    if (typeof key !== 'string') return;
    const before = Reflect.getOwnPropertyDescriptor(known.value, key);
    if (!repeating) say(`Object.assign(an object of ${known.name}, { ${stringify(key)}: ${shown(value)} })`);
    known.value[key] = value;
    const now = Reflect.getOwnPropertyDescriptor(known.value, key);
    if (known.name !== null && typeof before?.value === 'number' && now !== undefined && !Object.is(now.value, before.value)) known.forged = key;
    known.holds.add(canaryOf(number));
  } catch (error) {
    if (!repeating) say(`    threw ${error?.name}: ${shown(String(error?.message))}`);
  } finally { current = outer; }
}
function grow(more) {
  if (memory === null || repeating) return;
  try { memory.grow(more); grown += more; } catch { /* its maximum */ }
  if (depth === 0) say(`memory.grow(${more})`);
}
const turn = () => new Promise((resolve) => soon(resolve));
let collect = null;
async function gc() {
  outermost();
  collect();
  await turn();
}
async function settle(number) {
  outermost();
  if (slots.length === 0) return;
  const known = slots[number % slots.length];
  if (typeof known.value?.then !== 'function') return;
  let state = 'is pending';
  let value;
  Promise.resolve(known.value).then((given) => { state = 'gave'; value = given; }, (error) => { state = 'rejected'; value = error; });
  for (let turns = 0; turns < 20 && state === 'is pending'; turns++) await turn();
  const { mine } = known;
  const inner = mine.known.result.kind === 'promise' ? mine.known.result.of : { kind: 'any' };
  if (state === 'rejected') { failed(mine, 'await', value); return; }
  if (!repeating) say(`await\n    ${state} ${state === 'gave' ? shown(value) : ''}`);
  if (state !== 'gave') return;
  for (const [name, what] of mine.complaints) sight(name, what);
  judge(mine, value, inner.kind === 'undefined' ? { kind: 'any' } : inner);
  keep(mine, value, mine.number);
}

async function play() {
  slots = [];
  slotOf = new WeakMap();
  current = null;
  depth = 0;
  try { await tape(package_); } catch (error) { if (error !== STOP) throw error; }
  await turn();
  if (traps === 0) for (const known of [...slots].reverse()) if (!known.freed && known.forged === null) release(known, false);
  slots = [];
}

async function main() {
  const given = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
  const folder = path.resolve(given ?? path.resolve(path.dirname(self), facts.root));
  say(`${facts.what}\n`);
  if (facts.class === 'time' && !process.argv.includes('--inside')) {
    // What does not end is stopped from outside.
    const child = spawnSync(process.execPath, [self, folder, '--inside'], { stdio: 'inherit', timeout: SECONDS_MAX * 1000, killSignal: 'SIGKILL' });
    if (child.error?.code === 'ETIMEDOUT') sight('time', `it did not end within ${SECONDS_MAX} seconds`);
    else if (child.signal !== null || ![0, 2].includes(child.status)) sight('time', `it killed its host (${child.signal ?? child.status})`);
    else if (child.status === 2) exit(2);
    return verdict();
  }
  if (!existsSync(path.join(folder, fileOf(facts.module)))) cannot(`there is no ${shown(facts.module)} in ${folder}. Give the folder of the package: node repro.mjs FOLDER`);
  if (['stack', 'counters', 'host'].includes(facts.class)) cannot(`\`${facts.class}\` needs the instrumented module or another host`);
  v8.setFlagsFromString('--expose-gc');
  collect = vm.runInNewContext('gc');
  if (facts.class === 'capability') watchCapability(folder);
  watchWebAssembly();
  const prototypes = snapshot();
  watchPrints();
  watching = true;
  try { package_ = await load(folder); } catch (error) { cannot(`the package does not load: ${error?.stack ?? error}`); }
  if (!met || wanted !== facts.sha256) say(`Warning: the package has another module than the one of the finding, whose SHA-256 is ${facts.sha256}.`);
  await play();
  watching = false;
  const now = snapshot();
  for (const [name, value] of now) if (prototypes.get(name) !== value) sight('prototype', `${name} was changed`);
  for (const name of prototypes.keys()) if (!now.has(name)) sight('prototype', `${name} was removed`);
  if (printed.some((text) => canaries(text).length > 0)) sight('echo', 'the package prints what a call was given');
  if (memory !== null) {
    const letter = '[A-Z]\\0?';
    const pattern = new RegExp(`${[...'QZCANARY'].map((name) => `${name}\\0?`).join('')}(?:${letter}){4}`, 'i');
    if (pattern.test(latin1(new Uint8Array(memory.buffer)))) sight('residue', 'what a call was given is still in linear memory after it returned and its objects were freed');
  }
  if (facts.class === 'leak' && traps === 0) await leaks();
  for (let round = 0; round < 3; round++) { collect(); await turn(); await new Promise((resolve) => later(resolve, 20)); }
  if (late.length > 0) sight('late', `an error came later: ${late[0]?.message ?? late[0]}`);
  return verdict();
}

/** Plays it again and again: memory and tables must come to rest. */
async function leaks() {
  repeating = true;
  const sizes = [];
  for (const times of [8, 16, 16, 16]) {
    for (let at = 0; at < times && traps === 0; at++) await play();
    collect();
    await turn();
    sizes.push([pages(), tables.reduce((sum, table) => sum + table.length, 0)]);
  }
  for (const [which, name] of [[0, 'memory (pages)'], [1, 'tables (elements)']]) {
    const line = sizes.map((size) => size[which]);
    if (line.every((size, at) => at === 0 || size > line[at - 1])) sight('leak', `${name} grow with every repetition: ${line.join(', ')}`);
  }
}

function verdict() {
  say('');
  for (const [name, what] of told) say(`${name === facts.class ? 'SEEN' : 'beside it'}: ${name}: ${shown(what).replace(/\\u2026/g, '…')}`);
  if (!seen.has(facts.class)) say(`Not seen: ${facts.class}`);
  exit(seen.has(facts.class) ? 1 : 0);
}

main().catch((error) => cannot(error?.stack ?? String(error)));
