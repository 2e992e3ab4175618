// What Emscripten's embind registers while a package is loaded: the only place where that is written down. And, where its
// glue was renamed beyond recognition, what is on the module's object afterwards.

import * as s from './safe.mjs';
import { installHooks } from './hooks.mjs';
import { installShim } from './shim.mjs';
import { loaders } from './loading.mjs';

const EVENTS_MAX = 20_000;
const NAME_MAX = 300; // of a name, bytes
const ARGUMENTS_MAX = 64;
const PROBE = 40; // arguments: more than any function takes, so that it says how many it wants and does nothing else

/**
 * Arguments of `_embind_register_…`: `t` a type's id, `s` a text, `n` a number, `c` how many types follow, `a` where they
 * are; `_` is of no interest.
 */
const SHAPES = {
  void: 'ts', bool: 'ts', integer: 'tsnnn', bigint: 'tsnnn', float: 'tsn', std_string: 'ts', std_wstring: 'tns', emval: 't',
  user_type: 'ts', optional: 'tt', memory_view: 'tns', enum: 'ts', enum_value: 'tsn', constant: 'st',
  value_array: 'ts', value_array_element: 'tt', value_object: 'ts', value_object_field: 'tst',
  class: 'tttt______s', smart_ptr: 'tts', class_constructor: 'tca', class_function: 'tsca', class_class_function: 'tsca',
  class_property: 'tst___t_n', function: 'sca',
};

/** `names`: what the glue calls what the module imports, as pairs of `module.name` and that. */
export async function discover(environment, config, names) {
  const original = new s.U8(await environment.readFile(environment.resolve(config.root, config.module)));
  const shim = installShim((bytes) => {
    if (bytes.length !== original.length) return false;
    for (let at = 0; at < bytes.length; at++) if (bytes[at] !== original[at]) return false;
    return true;
  });
  installHooks({ environment, config, sight() {}, text() {}, later() {} });
  const meanings = new Map(names);
  const events = [];
  shim.watch = (module, imports) => {
    const watched = {};
    for (const { module: from, name, kind } of s.Wasm.imports(module)) {
      watched[from] ??= Object.create(null);
      const given = imports?.[from]?.[name];
      const meaning = meanings.get(`${from}.${name}`) ?? name;
      const stem = /^_*embind_register_(\w+)$/.exec(meaning)?.[1];
      const shape = stem === undefined || !Object.hasOwn(SHAPES, stem) ? undefined : SHAPES[stem];
      watched[from][name] = kind !== 'function' || shape === undefined ? given : (...args) => {
        if (events.length < EVENTS_MAX) try { events.push([stem, ...told(shape, args, shim.memory ?? imported(imports))]); } catch { /* out of memory */ }
        return s.apply(given, undefined, args);
      };
    }
    return watched;
  };
  const pkg = await loaders(environment, config, shim)[config.glue]();
  return { events, members: events.length > 0 ? [] : members(pkg, new Set(Object.keys(shim.exports ?? {}))) };
}

/** Memory that is imported is there before there is an instance. */
function imported(imports) {
  for (const from of Object.values(imports ?? {})) for (const value of Object.values(from)) if (value instanceof s.Wasm.Memory) return value;
  return null;
}

function told(shape, args, memory) {
  const bytes = new s.U8(memory === null ? 0 : s.memoryBuffer(memory));
  const words = new s.DV(bytes.buffer);
  const list = [];
  let count = 0;
  for (let at = 0; at < shape.length; at++) {
    const value = args[at];
    switch (shape[at]) {
      case 't': list.push(Number(value) >>> 0); break;
      case 'n': list.push(`${value}`); break;
      case 's': list.push(text(bytes, Number(value) >>> 0)); break;
      case 'c': count = Math.min(Number(value) >>> 0, ARGUMENTS_MAX); break;
      case 'a': list.push(Array.from({ length: count }, (_, index) => words.getUint32((Number(value) >>> 0) + 4 * index, true))); break;
    }
  }
  return list;
}

function text(bytes, from) {
  let end = from;
  while (end < bytes.length && bytes[end] !== 0 && end - from < NAME_MAX) end++;
  return new TextDecoder().decode(s.subarray(bytes, from, end));
}

// ---- without registrations ----

/** What a module's object has besides what was registered: settings of its glue, and its own helpers. */
const SETTINGS = /^(locateFile|print|printErr|ready|arguments|thisProgram|quit|inspect|callMain|instantiateWasm|monitorRunDependencies|setStatus|mainScriptUrlOrBlob|wasmBinary|getRandomDevice|ccall|cwrap|abort|(pre|post)(Run|Init)|on[A-Z]\w*|(add|remove)(RunDependency|Function)|get(Value|ExceptionMessage)|setValue|(in|de)crementExceptionRefcount|FS\w*|stack(Save|Restore|Alloc|Trace)|(UTF(8|16|32)|Ascii)\w*|stringTo\w*|lengthBytes\w*|write\w*ToMemory|allocate\w*|intArray\w*)$/;
const own = (object) => Reflect.ownKeys(object).filter((key) => typeof key === 'string');

/** Functions and classes of the module's object that are none of its raw exports: name, kind, parameters where known. */
function members(pkg, raw) {
  const list = [];
  if (!s.isObject(pkg)) return list;
  for (const name of own(pkg)) {
    if (/^(_|\$|dynCall|HEAP)/.test(name) || SETTINGS.test(name) || raw.has(name)) continue;
    const value = s.read(pkg, name);
    if (typeof value !== 'function') continue;
    const prototype = s.read(value, 'prototype');
    // What every class of embind has; their names are kept because callers use them.
    const isClass = s.isObject(prototype) && typeof s.read(prototype, 'isAliasOf') === 'function' && typeof s.read(prototype, 'delete') === 'function';
    if (!isClass) { list.push([name, 'function', parameters(value, (args) => s.apply(value, pkg, args))]); continue; }
    list.push([name, 'constructor', parameters(value, (args) => s.construct(value, args))]);
    for (let level = prototype; level !== null && level !== Object.prototype && !Object.hasOwn(level, 'isAliasOf'); level = s.getPrototypeOf(level)) {
      for (const member of own(level)) {
        if (member === 'constructor') continue;
        const property = s.getOwnPropertyDescriptor(level, member);
        if (typeof property.value === 'function') list.push([`${name}.${member}`, 'method', parameters(property.value, (args) => s.apply(property.value, {}, args))]);
        else if (property.get !== undefined) {
          list.push([`${name}.${member}`, 'getter', 0]);
          if (property.set !== undefined) list.push([`${name}.${member}`, 'setter', 1]);
        }
      }
    }
    for (const member of own(value)) {
      if (['length', 'name', 'prototype', 'argCount', 'className', 'overloadTable', 'arguments', 'caller'].includes(member)) continue;
      const inner = s.read(value, member);
      if (typeof inner === 'function') list.push([`${name}.${member}`, 'static', parameters(inner, (args) => s.apply(inner, value, args))]);
    }
  }
  return list.slice(0, EVENTS_MAX);
}

/** How many parameters it wants: as it says itself when it gets far too many. Null where it does not say. */
function parameters(callee, call) {
  try {
    call(Array.from({ length: PROBE }, () => undefined));
  } catch (error) {
    const found = /expect(?:ed|s)?(?: one of)? \(?(\d+)/.exec(`${s.read(error, 'message')}`);
    if (found !== null) return Number(found[1]);
  }
  return callee.length > 0 ? callee.length : null;
}
