// Reads values of tapes (binary form, see `tape.rs`) and makes the JavaScript values that they stand for.
//
// What TypeScript would call such a value cannot be asked of the value itself without running its hooks, so `shapes`
// remembers it: value -> tag and parts.

import * as s from './safe.mjs';

/** Ends a tape that is not well-formed. */
export class Malformed extends Error {}

const VALUES_MAX = 8; // tape.rs NESTING_MAX
const ELEMENTS = ['Uint8Array', 'Int8Array', 'Uint8ClampedArray', 'Uint16Array', 'Int16Array', 'Uint32Array', 'Int32Array',
  'Float32Array', 'Float64Array', 'BigInt64Array', 'BigUint64Array', 'ArrayBuffer', 'DataView'];
const CONSTRUCTORS = ELEMENTS.map((name) => globalThis[name]);
const WIDTHS = [1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 1, 1];
const SURROGATE = /\p{Surrogate}/u;
const PRIMITIVE_KEYS = ['valueOf', 'toString', Symbol.toPrimitive];
const TRAPS = ['get', 'set', 'has', 'deleteProperty', 'ownKeys', 'getOwnPropertyDescriptor', 'defineProperty', 'getPrototypeOf',
  'setPrototypeOf', 'isExtensible', 'preventExtensions', 'apply', 'construct'];
const REFLECT = Object.fromEntries(TRAPS.map((name) => [name, Reflect[name]]));

const LARGE = 100_000; // as a length: a loop of milliseconds

/**
 * `host`: `canary()` text of the call that arguments are read for, `runHook(bytes, at, flags, pages)`, `object(slot)`,
 * `memory()` bytes of the module's memory and where counters begin in it, `latin1(bytes, from, to)`, `utf16(…)`.
 */
export function createReader(host) {
  const float = new s.DV(new s.AB(8));
  const setUint32 = DataView.prototype.setUint32.call.bind(DataView.prototype.setUint32);
  const getFloat64 = DataView.prototype.getFloat64.call.bind(DataView.prototype.getFloat64);
  const reader = {
    bytes: new s.U8(0),
    at: 0,
    /** value -> { tag, … } of values that must not be asked themselves. */
    shapes: new s.M(),
    shaped: false,
    /** Whether a text of the call holds a lone surrogate. */
    surrogates: false,
    large: false, // a number was read that may be a length of much work
    u8, u32, varint, text, value, skipOps, skipValue, clear,
  };

  function clear() {
    nesting = 0;
    reader.large = false;
    if (reader.shaped) { reader.shapes = new s.M(); reader.shaped = false; }
  }
  function shape(value, tag, parts) {
    s.mapSet(reader.shapes, value, { tag, parts });
    reader.shaped = true;
    return value;
  }
  function u8() {
    if (reader.at >= reader.bytes.length) throw new Malformed('tape ends early');
    return reader.bytes[reader.at++];
  }
  function u32() {
    const { bytes, at } = reader;
    if (at + 4 > bytes.length) throw new Malformed('tape ends early');
    reader.at = at + 4;
    return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
  }
  function varint() {
    let result = u8();
    if (result < 128) return result;
    result &= 127;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = u8();
      result = (result | ((byte & 127) << shift)) >>> 0;
      if (byte < 128) return result;
    }
    throw new Malformed('number too long');
  }
  /** Takes `count` bytes; where they begin. */
  function take(count) {
    const from = reader.at;
    if (from + count > reader.bytes.length) throw new Malformed('tape ends early');
    reader.at = from + count;
    return from;
  }
  function number() {
    const low = u32();
    const high = u32();
    setUint32(float, 0, high);
    setUint32(float, 4, low);
    const read = getFloat64(float, 0);
    if (read > LARGE && read < 2 ** 25) reader.large = true;
    return read;
  }
  function bigint() {
    let value = 0n;
    for (let word = 0; word < 4; word++) value |= s.BI(u32()) << s.BI(32 * word);
    return value >= 1n << 127n ? value - (1n << 128n) : value;
  }
  function withCanary(text) {
    let from = s.indexOf(text, '\uF8FF');
    if (from < 0) return text;
    const canary = host.canary();
    let result = '';
    let done = 0;
    while (from >= 0) {
      result += s.substring(text, done, from) + canary;
      done = from + 1;
      from = s.indexOf(text, '\uF8FF', done);
    }
    return result + s.substring(text, done);
  }
  /** `n` + UTF-8, as names of properties are written. */
  function text() {
    const count = varint();
    const from = take(count);
    return withCanary(host.utf8(reader.bytes, from, from + count));
  }
  function units() {
    const count = varint();
    const from = take(2 * count);
    const text = host.utf16(reader.bytes, from, from + 2 * count);
    if (s.exec(SURROGATE, text) !== null) reader.surrogates = true;
    return withCanary(text);
  }
  function rawBytes() {
    const count = varint();
    const from = take(count);
    const bytes = reader.bytes;
    const end = from + count;
    let found = -1;
    for (let at = s.byteIndexOf(bytes, 0xef, from); at >= 0 && at + 2 < end; at = s.byteIndexOf(bytes, 0xef, at + 1)) {
      if (bytes[at + 1] === 0xa3 && bytes[at + 2] === 0xbf) { found = at; break; }
    }
    const view = s.subarray(bytes, from, end);
    if (found < 0) return view;
    const canary = host.canary();
    const result = [];
    for (let at = 0; at < view.length;) {
      if (view[at] === 0xef && view[at + 1] === 0xa3 && view[at + 2] === 0xbf) {
        for (let letter = 0; letter < canary.length; letter++) result[result.length] = s.charCodeAt(canary, letter);
        at += 3;
      } else result[result.length] = view[at++];
    }
    return new s.U8(result);
  }
  function typedArray() {
    const element = u8();
    const buffer = u8();
    if (element >= ELEMENTS.length || buffer > 4) throw new Malformed('unknown typed array');
    const contents = rawBytes();
    const width = WIDTHS[element];
    const size = contents.length - (contents.length % width);
    const make = CONSTRUCTORS[element];
    if (buffer === 4) {
      const { bytes, half } = host.memory();
      let start = half;
      while (start < bytes.length && bytes[start] === 0) start++;
      start += (width - (start % width)) % width;
      if (start + size > bytes.length) start = s.min(half, bytes.length - size) & ~7;
      if (start < 0 || size === 0) start = 0;
      return element === 11 ? bytes.buffer : new make(bytes.buffer, start, s.min(size, bytes.length) / width);
    }
    let backing;
    if (buffer === 1 && s.SAB !== undefined) backing = new s.SAB(size);
    else if (buffer === 2) backing = new s.AB(size, { maxByteLength: size + 65536 });
    else backing = new s.AB(size);
    s.bytesSet(new s.U8(backing), s.subarray(contents, 0, size));
    const view = element === 11 ? backing : new make(backing);
    if (buffer === 3 && s.clone !== undefined) s.clone(backing, { transfer: [backing] });
    return view;
  }
  function hook() {
    const flags = u8();
    const pages = u8();
    const bytes = reader.bytes;
    const at = reader.at;
    skipOps();
    let ran = false;
    const call = host.owner();
    return () => {
      if (ran && (flags & 2) === 0) return;
      ran = true;
      host.runHook(call, bytes, at, flags, pages);
    };
  }
  function define(object, key, get) {
    s.defineProperty(object, key, { get, enumerable: true, configurable: true });
  }
  function scripted(values) {
    let at = 0;
    return function get() { return values[at < values.length - 1 ? at++ : at]; };
  }
  function value(depth) {
    const tag = u8();
    switch (tag) {
      case 0: return undefined;
      case 1: return null;
      case 2: return false;
      case 3: return true;
      case 4: return number();
      case 5: return bigint();
      case 6: {
        const count = varint();
        const from = take(count);
        return host.latin1(reader.bytes, from, from + count);
      }
      case 7: return units();
      case 8: return typedArray();
      case 17: return s.S('s');
      case 16: return host.object(u8());
    }
    if (depth >= VALUES_MAX) throw new Malformed('values too deep');
    switch (tag) {
      case 9: {
        const result = [];
        for (let count = varint(); count > 0; count--) result[result.length] = value(depth + 1);
        return result;
      }
      case 10: {
        const result = {};
        for (let count = varint(); count > 0; count--) {
          const key = text();
          s.defineProperty(result, key, { value: value(depth + 1), writable: true, enumerable: true, configurable: true });
        }
        return shape(result, 10);
      }
      case 11: {
        const result = {};
        const lengths = [];
        for (let count = varint(); count > 0; count--) lengths[lengths.length] = number();
        const items = varint();
        for (let at = 0; at < items; at++) result[at] = value(depth + 1);
        if (lengths.length === 1) result.length = lengths[0];
        else if (lengths.length > 1) define(result, 'length', scripted(lengths));
        return shape(result, 11);
      }
      case 12: {
        const result = {};
        for (let count = varint(); count > 0; count--) {
          const key = text();
          const values = [];
          for (let reads = varint(); reads > 0; reads--) values[values.length] = value(depth + 1);
          define(result, key, scripted(values));
        }
        return shape(result, 12);
      }
      case 13: {
        const run = hook();
        const inner = value(depth + 1);
        const convert = function () { run(); return inner; };
        const result = {};
        for (let at = 0; at < PRIMITIVE_KEYS.length; at++) {
          s.defineProperty(result, PRIMITIVE_KEYS[at], { value: convert, writable: true, enumerable: false, configurable: true });
        }
        return shape(result, 13);
      }
      case 14: {
        const run = hook();
        const inner = value(depth + 1);
        const target = s.isObject(inner) ? inner : s.O(inner ?? {});
        const handler = {};
        for (let at = 0; at < TRAPS.length; at++) {
          const operation = REFLECT[TRAPS[at]];
          handler[TRAPS[at]] = TRAPS[at] === 'get' ? (object, key) => { run(); return operation(object, key); }
            : TRAPS[at] === 'set' ? (object, key, given) => { run(); return operation(object, key, given); }
              : function (...args) { run(); return s.apply(operation, undefined, args); };
        }
        return shape(new Proxy(target, handler), 14, inner);
      }
      case 15: {
        const run = hook();
        const inner = value(depth + 1);
        return shape(function callback() { run(); return inner; }, 15);
      }
      case 18: {
        const run = hook();
        const inner = value(depth + 1);
        const promise = s.then(new s.P((resolve) => resolve()), () => { run(); return inner; });
        s.then(promise, undefined, () => {});
        host.promised();
        return shape(promise, 18, inner);
      }
    }
    throw new Malformed('unknown value');
  }
  function skipValue(depth) {
    const tag = u8();
    switch (tag) {
      case 0: case 1: case 2: case 3: case 17: return;
      case 4: take(8); return;
      case 5: take(16); return;
      case 6: take(varint()); return;
      case 7: take(2 * varint()); return;
      case 8: take(2); take(varint()); return;
      case 16: take(1); return;
    }
    if (depth >= VALUES_MAX) throw new Malformed('values too deep');
    let count;
    switch (tag) {
      case 9: for (count = varint(); count > 0; count--) skipValue(depth + 1); return;
      case 10: for (count = varint(); count > 0; count--) { take(varint()); skipValue(depth + 1); } return;
      case 11: take(8 * varint()); for (count = varint(); count > 0; count--) skipValue(depth + 1); return;
      case 12: for (count = varint(); count > 0; count--) { take(varint()); for (let reads = varint(); reads > 0; reads--) skipValue(depth + 1); } return;
      case 13: case 14: case 15: case 18: take(2); skipOps(); skipValue(depth + 1); return;
    }
    throw new Malformed('unknown value');
  }
  let nesting = 0;
  function skipOps() {
    if (++nesting > 16) { nesting = 0; throw new Malformed('hooks too deep'); }
    for (let count = varint(); count > 0; count--) {
      const tag = u8();
      if (tag === 0) { take(5); for (let args = varint(); args > 0; args--) skipValue(0); }
      else if (tag === 1 || tag === 3 || tag === 5) take(1);
      else if (tag === 4) { take(1); take(varint()); skipValue(0); }
      else if (tag !== 2) throw new Malformed('unknown operation');
    }
    nesting--;
  }
  return reader;
}
