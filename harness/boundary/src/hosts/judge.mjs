// What is asked of values, errors and memory: declared types and ranges, canaries, canonical outcomes, prototypes.

import * as s from './safe.mjs';

const LETTER = 26 ** 6;
const CANARY_UNITS = 12;

function check(number) {
  let hash = s.imul(number ^ (number >>> 15), 0x2c1b3c6d);
  hash = s.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return ((hash ^ (hash >>> 15)) >>> 0) % 456976;
}

/** The canary of call `number` (below 26^6) of an instance: `QZ`, six digits to the base 26, four letters that check them. */
export function canary(number) {
  let text = '';
  let rest = number % LETTER;
  for (let at = 0; at < 6; at++) { text = s.fromCharCode(65 + (rest % 26)) + text; rest = (rest - (rest % 26)) / 26; }
  rest = check(number);
  for (let at = 0; at < 4; at++) { text += s.fromCharCode(65 + (rest % 26)); rest = (rest - (rest % 26)) / 26; }
  return 'QZ' + text;
}

/** The call whose canary stands at `at` of something of which `unit(i)` gives the i-th unit, in upper case; -1: none. */
function numberAt(unit, at) {
  let number = 0;
  for (let i = 2; i < 8; i++) {
    const digit = unit(at + i) - 65;
    if (!(digit >= 0 && digit < 26)) return -1;
    number = number * 26 + digit;
  }
  let rest = check(number);
  for (let i = 8; i < 12; i++) {
    if (unit(at + i) - 65 !== rest % 26) return -1;
    rest = (rest - (rest % 26)) / 26;
  }
  return number;
}

/** Tells `found(number)` of every canary in a text. */
export function canariesInText(text, found) {
  const unit = (at) => s.charCodeAt(text, at);
  for (let at = s.indexOf(text, 'QZ'); at >= 0; at = s.indexOf(text, 'QZ', at + 1)) {
    const number = numberAt(unit, at);
    if (number >= 0) found(number);
  }
}

/**
 * Tells `found(number, lower)` of every canary in bytes from `from` to `to`: Latin letters of either case, one or two bytes
 * each. `search(bytes, text, from)`, where the host has one, finds Latin text faster than JavaScript does.
 */
export function canariesInBytes(bytes, from, to, found, search) {
  for (let pass = 0; pass < 4; pass++) {
    const shift = (pass & 1) * 32;
    const wide = pass >> 1;
    const text = PREFIXES[pass];
    let at = search === undefined ? s.byteIndexOf(bytes, 81 + shift, from) : search(bytes, text, from);
    while (at >= 0 && at + (CANARY_UNITS << wide) <= to) {
      const start = at;
      if (wide === 0 ? bytes[at + 1] === 90 + shift : bytes[at + 1] === 0 && bytes[at + 2] === 90 + shift) {
        const number = numberAt(wide === 0 ? (index) => bytes[index] - shift
          : (index) => (bytes[2 * index - start + 1] === 0 ? bytes[2 * index - start] - shift : -1), start);
        if (number >= 0) found(number, shift !== 0);
      }
      at = search === undefined ? s.byteIndexOf(bytes, 81 + shift, at + 1) : search(bytes, text, at + 1);
    }
  }
}
const PREFIXES = ['QZ', 'qz', 'Q\0Z', 'q\0z'];

/** Texts and bytes in a value, own data properties only, at most `budget` of them. */
export function eachText(value, visit, budget = { left: 2000 }, depth = 0) {
  if (budget.left-- <= 0) return;
  if (typeof value === 'string') { visit(value, undefined); return; }
  if (!s.isObject(value) || depth > 6) return;
  if (s.bytesKind(value) !== undefined) { visit(undefined, s.bytesOf(value)); return; }
  let keys;
  try { keys = s.ownKeys(value); } catch { return; }
  for (let at = 0; at < keys.length && budget.left > 0; at++) {
    let property;
    try { property = s.getOwnPropertyDescriptor(value, keys[at]); } catch { return; }
    if (typeof keys[at] === 'string') visit(keys[at], undefined);
    if (property !== undefined && 'value' in property) eachText(property.value, visit, budget, depth + 1);
  }
}

// ---- declared types ----

/** What `value` is, in one word, without running its code. */
export function kindOf(value, shapes) {
  if (value === null) return 'null';
  const kind = typeof value;
  if (kind !== 'object' && kind !== 'function') return kind;
  const shape = shapes === undefined ? undefined : s.mapGet(shapes, value);
  if (shape !== undefined) {
    switch (shape.tag) {
      case 10: case 12: return 'object';
      case 11: return 'array-like';
      case 13: return 'convertible object';
      case 14: return 'proxy';
      case 18: return 'promise';
    }
  }
  if (kind === 'function') return 'function';
  return s.bytesKind(value) ?? (s.isArray(value) ? 'array' : 'object');
}

/** Compiles a declared type to `(value, shapes) -> whether it is one`; `classOf(name)` gives a class of the package. */
export function compileType(type, classOf) {
  const of = type.of;
  switch (type.kind) {
    case 'undefined': return (value) => value === undefined;
    case 'null': return (value) => value === null;
    case 'boolean': return (value) => typeof value === 'boolean';
    case 'number': return (value) => typeof value === 'number';
    case 'bigint': return (value) => typeof value === 'bigint';
    case 'string': return (value) => typeof value === 'string';
    case 'symbol': return (value) => typeof value === 'symbol';
    case 'function': return (value) => typeof value === 'function';
    case 'bytes': {
      const known = /^(Big)?(Int|Uint|Float)\d+(Clamped)?Array$|^(Shared)?ArrayBuffer$|^DataView$/.test(of);
      return (value, shapes) => {
        if (!s.isObject(value)) return false;
        const shape = shapes === undefined ? undefined : s.mapGet(shapes, value);
        if (shape !== undefined) return shape.tag === 14 && s.bytesKind(shape.parts) !== undefined;
        const kind = s.bytesKind(value);
        return kind === of || (kind !== undefined && (!known || (of === 'ArrayBuffer' && kind === 'SharedArrayBuffer')));
      };
    }
    case 'array': {
      const item = compileType(of, classOf);
      return function array(value, shapes) {
        const shape = shapes === undefined ? undefined : s.mapGet(shapes, value);
        if (shape !== undefined) return shape.tag === 14 && array(shape.parts, shapes);
        if (!s.isArray(value)) return false;
        for (let at = 0; at < value.length && at < 1000; at++) if (!item(value[at], shapes)) return false;
        return true;
      };
    }
    case 'object': return function object(value, shapes) {
      if (!s.isObject(value)) return false;
      const shape = shapes === undefined ? undefined : s.mapGet(shapes, value);
      if (shape !== undefined) return shape.tag === 14 && object(shape.parts, shapes);
      const constructor = classOf(of);
      if (typeof constructor !== 'function') return true;
      try { return value instanceof constructor; } catch { return true; }
    };
    case 'record': {
      const fields = of.map(([name, inner, optional]) => [name, compileType(inner, classOf), optional]);
      return function record(value, shapes) {
        if (!s.isObject(value)) return false;
        const shape = shapes === undefined ? undefined : s.mapGet(shapes, value);
        if (shape !== undefined) {
          if (shape.tag === 14) return record(shape.parts, shapes);
          if (shape.tag === 12) return true;
          if (shape.tag !== 10) return fields.length === 0;
        }
        for (let at = 0; at < fields.length; at++) {
          const [name, inner, optional] = fields[at];
          const field = s.read(value, name);
          if (field === undefined || field === null) { if (!optional && !inner(field, shapes)) return false; } else if (!inner(field, shapes)) return false;
        }
        return true;
      };
    }
    case 'promise': return (value, shapes) => {
      if (!s.isObject(value)) return false;
      const shape = shapes === undefined ? undefined : s.mapGet(shapes, value);
      if (shape !== undefined) return shape.tag === 18 || shape.tag === 14;
      return typeof s.read(value, 'then') === 'function';
    };
    case 'union': {
      const parts = of.map((part) => compileType(part, classOf));
      const likeNone = of.some((part) => part.kind === 'undefined' || part.kind === 'null');
      return (value, shapes) => {
        if (likeNone && (value === undefined || value === null)) return true;
        for (let at = 0; at < parts.length; at++) if (parts[at](value, shapes)) return true;
        return false;
      };
    }
    default: return () => true;
  }
}

/** Compiles a range to `(number or bigint) -> whether it is kept`; null: every one is. */
export function compileRange(range) {
  if (range === null || range === undefined) return null;
  const exact = /^-?\d+$/.test(range.min) && /^-?\d+$/.test(range.max);
  const low = exact ? BigInt(range.min) : undefined;
  const high = exact ? BigInt(range.max) : undefined;
  const [from, to] = [Number(range.min), Number(range.max)];
  return (value) => {
    if (typeof value === 'bigint') return !exact || (value >= low && value <= high);
    if (range.integer && !s.isInteger(value)) return false;
    if (value !== value || value === Infinity || value === -Infinity) return !range.integer;
    return value >= from && value <= to;
  };
}

// ---- outcomes ----

const TRAPS = [
  [/unreachable/i, 'unreachable'], [/indirect call|function signature|signature mismatch|null function/i, 'signature'],
  [/table (index|access|element)?.*out of bounds|undefined element|table index/i, 'table'],
  [/out of bounds/i, 'memory'], [/divide by zero|division by zero|remainder by zero/i, 'divide'],
  [/integer overflow|divide result unrepresentable/i, 'overflow'], [/float unrepresentable|invalid conversion to integer|unrepresentable/i, 'conversion'],
  [/unaligned/i, 'unaligned'], [/null|dereferenc/i, 'null'], [/cast/i, 'cast'], [/abort/i, 'abort'],
];
const FRAME = /wasm-function\[(\d+)\]/g;

/** What an error is: `{ trap, name, message, stack, key }`; `trap` is null where it is none. */
export function errorOf(error) {
  if (!s.isObject(error)) {
    const text = typeof error === 'string' ? error : typeof error === 'symbol' ? 'symbol' : `${error}`;
    return { trap: null, name: typeof error, message: text, stack: '', frames: '' };
  }
  const message = read(error, 'message');
  const stack = read(error, 'stack');
  let name = 'object';
  try {
    if (error instanceof s.E) name = (typeof error.constructor === 'function' && typeof error.constructor.name === 'string') ? error.constructor.name : 'Error';
  } catch { /* hostile */ }
  let trap = null;
  if (error instanceof s.Wasm.RuntimeError) trap = TRAPS.find(([pattern]) => s.exec(pattern, message) !== null)?.[1] ?? 'other';
  else if (name === 'RangeError' || name === 'InternalError') {
    if (/Maximum call stack|too much recursion/.test(message)) { name = 'RangeError'; if (/wasm-function\[/.test(stack)) trap = 'stack'; }
  }
  return { trap, name, message, stack: withoutRuntime(stack), frames: trap === null || trap === 'stack' ? '' : frames(stack) };
}

/** A stack up to the runtime's own frames. */
function withoutRuntime(stack) {
  const at = s.indexOf(stack, '/runtime.mjs:');
  if (at < 0) return stack;
  let end = at;
  while (end > 0 && stack[end] !== '\n') end--;
  return s.substring(stack, 0, end);
}

function read(error, key) {
  const value = s.read(error, key);
  return typeof value === 'string' ? value : '';
}

/** Indices of the distinct functions of the innermost 24 frames of wasm: the same in every host. */
function frames(stack) {
  let text = '';
  let count = 0;
  const seen = new Set();
  FRAME.lastIndex = 0;
  for (let match = s.exec(FRAME, stack); match !== null && count < 24; match = s.exec(FRAME, stack)) {
    count++;
    if (seen.has(match[1])) continue;
    seen.add(match[1]);
    text += (text === '' ? '' : '.') + match[1];
  }
  return text;
}

/** What a returned value is, in one word, for novelty. */
export function resultClass(value) {
  if (value === null) return 'null';
  const kind = typeof value;
  if (kind !== 'object') return kind;
  return s.bytesKind(value) ?? (s.isArray(value) ? 'array' : 'object');
}

function withoutCanaries(text) {
  let result = '';
  let done = 0;
  const unit = (at) => s.charCodeAt(text, at);
  for (let at = s.indexOf(text, 'QZ'); at >= 0; at = s.indexOf(text, 'QZ', at + 1)) {
    if (at < done || numberAt(unit, at) < 0) continue;
    result += s.substring(text, done, at) + '\uF8FF';
    done = at + CANARY_UNITS;
  }
  return result + s.substring(text, done);
}

function quoted(text) {
  const clean = withoutCanaries(text);
  return clean.length <= 80 ? s.stringify(clean) : `${s.stringify(s.substring(clean, 0, 40))}…${clean.length}#${s.hex32(s.hashText(clean))}`;
}

/** A value as a text that is the same in every host and does not show canaries. */
export function canonical(value, classNameOf, depth = 0, budget = { left: 100 }) {
  if (budget.left-- <= 0) return '…';
  switch (typeof value) {
    case 'undefined': return 'undefined';
    case 'boolean': return value ? 'true' : 'false';
    case 'number': return `number ${s.is(value, -0) ? '-0' : value}`;
    case 'bigint': { const text = s.bigintText(value); return `bigint ${text.length > 60 ? `${text.length}#${s.hex32(s.hashText(text))}` : text}`; }
    case 'string': return `string ${quoted(value)}`;
    case 'symbol': return 'symbol';
    case 'function': return 'function';
  }
  if (value === null) return 'null';
  const bytes = s.bytesKind(value);
  if (bytes !== undefined) {
    const content = s.bytesOf(value);
    return `${bytes}[${content.length}]${hasCanary(content) ? '' : `#${s.hex32(s.hashBytes(content))}`}`;
  }
  const name = classNameOf(value);
  if (name !== undefined) return `object ${name}`;
  if (depth > 4) return '…';
  try {
    if (s.isArray(value)) {
      let text = '';
      for (let at = 0; at < value.length && at < 20; at++) text += (at > 0 ? ', ' : '') + canonical(value[at], classNameOf, depth + 1, budget);
      return `[${text}${value.length > 20 ? `, …${value.length}` : ''}]`;
    }
    if (value instanceof s.E) return `error ${errorOf(value).name}`;
    if (typeof value.then === 'function') return 'promise';
    let text = '';
    const keys = s.ownKeys(value);
    for (let at = 0; at < keys.length && at < 20; at++) {
      if (typeof keys[at] !== 'string') continue;
      const property = s.getOwnPropertyDescriptor(value, keys[at]);
      text += `${text === '' ? '' : ', '}${quoted(keys[at])}: ${property !== undefined && 'value' in property ? canonical(property.value, classNameOf, depth + 1, budget) : 'accessor'}`;
    }
    return `{${text}}`;
  } catch { return 'object'; }
}

function hasCanary(bytes) {
  let any = false;
  canariesInBytes(bytes, 0, bytes.length, () => { any = true; });
  return any;
}

// ---- prototypes ----

const GUARDED = ['Object', 'Array', 'Function', 'String', 'Number', 'Boolean', 'Symbol', 'BigInt', 'Promise', 'RegExp', 'Error', 'Map', 'Set',
  'WeakMap', 'ArrayBuffer', 'Uint8Array', 'JSON', 'Math', 'Reflect'];

/** Own properties of JavaScript's own prototypes, as they are now. */
export function snapshotPrototypes() {
  const guarded = [];
  for (const name of GUARDED) {
    const object = globalThis[name];
    guarded.push([name, object]);
    if (typeof object === 'function') guarded.push([`${name}.prototype`, object.prototype]);
  }
  guarded.push(['TypedArray.prototype', s.getPrototypeOf(s.U8.prototype)]);
  const taken = guarded.map(([name, object]) => {
    const keys = s.ownKeys(object);
    return { name, object, keys, open: false, properties: keys.map((key) => s.getOwnPropertyDescriptor(object, key)) };
  });
  // Globals may be added, not changed.
  const keys = s.ownKeys(globalThis).filter((key) => typeof key === 'string' && 'value' in s.getOwnPropertyDescriptor(globalThis, key));
  taken.push({ name: 'globalThis', object: globalThis, keys, open: true, properties: keys.map((key) => s.getOwnPropertyDescriptor(globalThis, key)) });
  return taken;
}

/** Whether nothing was added and no value replaced since a snapshot; cheap, and blind to what only descriptors show. */
export function samePrototypes(snapshot) {
  for (let at = 0; at < snapshot.length; at++) {
    const { object, keys, properties, open } = snapshot[at];
    if (!open && s.ownKeys(object).length !== keys.length) return false;
    for (let i = 0; i < keys.length; i++) {
      const { value } = properties[i];
      if (value !== undefined && !s.is(object[keys[i]], value) && !(object === RegExp || keys[i] === 'stackTraceLimit')) return false;
    }
  }
  return true;
}

/** What differs from a snapshot, as `Object.prototype.x`, put back as it was. */
export function changedPrototypes(snapshot) {
  const changed = [];
  for (let at = 0; at < snapshot.length; at++) {
    const { name, object, keys, properties, open } = snapshot[at];
    const now = open ? [] : s.ownKeys(object);
    for (let i = 0; i < now.length; i++) {
      if (i < keys.length && now[i] === keys[i]) continue;
      let known = false;
      for (let k = 0; k < keys.length; k++) if (keys[k] === now[i]) { known = true; break; }
      if (known) continue;
      changed[changed.length] = `${name}.${typeof now[i] === 'string' ? s.cut(now[i], 60) : 'symbol'}`;
      try { s.deleteProperty(object, now[i]); } catch { /* stays */ }
    }
    for (let i = 0; i < keys.length; i++) {
      const was = properties[i];
      const property = s.getOwnPropertyDescriptor(object, keys[i]);
      if (property !== undefined && property.value === was.value && property.get === was.get && property.set === was.set) continue;
      if (property !== undefined && was.value !== was.value && property.value !== property.value) continue;
      if (name === 'RegExp' || (name === 'Error' && keys[i] === 'stackTraceLimit')) continue;
      changed[changed.length] = `${name}.${typeof keys[i] === 'string' ? keys[i] : 'symbol'}`;
      try { s.defineProperty(object, keys[i], was); } catch { /* stays */ }
    }
  }
  return changed;
}
