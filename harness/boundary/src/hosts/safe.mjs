// JavaScript's own functions, taken before a package runs: whatever it does to prototypes and globals, the runtime keeps these.

const bind = Function.prototype.call.bind(Function.prototype.bind, Function.prototype.call);
/** `method` as a function whose first argument is `this`. */
const of = (method) => bind(method);

export const { apply, construct, get, getOwnPropertyDescriptor, getPrototypeOf, has, ownKeys, set, defineProperty, deleteProperty } = Reflect;
export const { create, freeze, is, setPrototypeOf } = Object;
export const isArray = Array.isArray;
export const isView = ArrayBuffer.isView;
export const fromCharCode = String.fromCharCode;
export const stringify = JSON.stringify;
export const parseJson = JSON.parse;
export const isInteger = Number.isInteger;
export const { min, max } = Math;
/** Milliseconds that pass. */
export const now = performance.now.bind(performance);
export const imul = Math.imul;
export const indexOf = of(String.prototype.indexOf);
export const substring = of(String.prototype.substring);
export const charCodeAt = of(String.prototype.charCodeAt);
export const split = of(String.prototype.split);
export const join = of(Array.prototype.join);
export const replace = of(String.prototype.replace);
export const upper = of(String.prototype.toUpperCase);
export const exec = of(RegExp.prototype.exec);
export const functionText = of(Function.prototype.toString);
export const subarray = of(Uint8Array.prototype.subarray);
export const byteIndexOf = of(Uint8Array.prototype.indexOf);
export const bytesSet = of(Uint8Array.prototype.set);
export const bytesFill = of(Uint8Array.prototype.fill);
export const mapGet = of(Map.prototype.get);
export const mapSet = of(Map.prototype.set);
export const mapHas = of(Map.prototype.has);
export const weakGet = of(WeakMap.prototype.get);
export const weakSet = of(WeakMap.prototype.set);
export const then = of(Promise.prototype.then);
export const bigintText = of(BigInt.prototype.toString);
export const viewTag = of(getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get);
const bufferLength = of(getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength').get);
const sharedLength = typeof SharedArrayBuffer === 'function'
  ? of(getOwnPropertyDescriptor(SharedArrayBuffer.prototype, 'byteLength').get) : undefined;
const dataViewBuffer = of(getOwnPropertyDescriptor(DataView.prototype, 'buffer').get);
export const [P, O, U8, AB, DV, M, WM, E, TE, RE, F, S, B, N, BI] =
  [Promise, Object, Uint8Array, ArrayBuffer, DataView, Map, WeakMap, Error, TypeError, RangeError, Function, Symbol, Boolean, Number, BigInt];
export const SAB = typeof SharedArrayBuffer === 'function' ? SharedArrayBuffer : undefined;
export const clone = typeof structuredClone === 'function' ? structuredClone : undefined;
export const Wasm = {
  Module: WebAssembly.Module, Instance: WebAssembly.Instance, Memory: WebAssembly.Memory, Table: WebAssembly.Table,
  RuntimeError: WebAssembly.RuntimeError, compile: WebAssembly.compile, instantiate: WebAssembly.instantiate,
  compileStreaming: WebAssembly.compileStreaming, instantiateStreaming: WebAssembly.instantiateStreaming,
  validate: WebAssembly.validate, imports: WebAssembly.Module.imports, exports: WebAssembly.Module.exports,
};
export const memoryBuffer = of(getOwnPropertyDescriptor(WebAssembly.Memory.prototype, 'buffer').get);
export const memoryGrow = of(WebAssembly.Memory.prototype.grow);
export const tableLength = of(getOwnPropertyDescriptor(WebAssembly.Table.prototype, 'length').get);
export const tableGet = of(WebAssembly.Table.prototype.get);
export const globalValue = of(getOwnPropertyDescriptor(WebAssembly.Global.prototype, 'value').get);
export const globalSet = of(getOwnPropertyDescriptor(WebAssembly.Global.prototype, 'value').set);
export const instanceExports = of(getOwnPropertyDescriptor(WebAssembly.Instance.prototype, 'exports').get);

/** `ArrayBuffer`, `SharedArrayBuffer`, `DataView`, the name of a typed array, or undefined; runs no code of the value. */
export function bytesKind(value) {
  if (isView(value)) return viewTag(value) ?? 'DataView';
  try { bufferLength(value); return 'ArrayBuffer'; } catch { /* not one */ }
  if (sharedLength !== undefined) try { sharedLength(value); return 'SharedArrayBuffer'; } catch { /* not one */ }
  return undefined;
}

/** The bytes of a view or buffer; empty where it is detached. */
export function bytesOf(value) {
  try {
    if (!isView(value)) return new U8(value);
    if (viewTag(value) === undefined) return new U8(dataViewBuffer(value), value.byteOffset, value.byteLength);
    return new U8(value.buffer, value.byteOffset, value.byteLength);
  } catch { return new U8(0); }
}

/** Whether `value` is an object or a function. */
export const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

/** Whether a list holds a value. */
export function contains(list, value) {
  for (let at = 0; at < list.length; at++) if (list[at] === value) return true;
  return false;
}

/** A property, or undefined where reading it throws. */
export function read(object, key) {
  try { return object[key]; } catch { return undefined; }
}

/** `text`, at most `most` UTF-16 units of it. */
export const cut = (text, most) => (text.length > most ? substring(text, 0, most - 1) + '…' : text);

/** FNV-1a over UTF-16 units, 32 bits. */
export function hashText(text) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = imul(hash ^ charCodeAt(text, i), 0x01000193);
  return hash >>> 0;
}

/** FNV-1a over bytes, 32 bits. */
export function hashBytes(bytes) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 0;
}

/** Eight hexadecimal digits. */
export function hex32(number) {
  let text = '';
  for (let shift = 28; shift >= 0; shift -= 4) text += '0123456789abcdef'[(number >>> shift) & 15];
  return text;
}
