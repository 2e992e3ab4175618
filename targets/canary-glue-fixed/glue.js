// Glue that trusts nobody: types and lengths are checked, arguments are copied before memory is looked at, pointers are
// private, what was in memory is wiped, and after a trap everything starts again.
'use strict';

const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const LENGTH_MAX = 16 << 10;
const compiled = new WebAssembly.Module(readFileSync(join(__dirname, 'module.wasm')));
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const viewed = Object.getPrototypeOf(Uint8Array.prototype);
const tagOf = Object.getOwnPropertyDescriptor(viewed, Symbol.toStringTag).get;
const bufferOf = Object.getOwnPropertyDescriptor(viewed, 'buffer').get;
const lengthOf = Object.getOwnPropertyDescriptor(viewed, 'length').get;
const { call } = Function.prototype;
const apply = call.bind(call);
const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;


let wasm;
function start() {
  wasm = new WebAssembly.Instance(compiled, {}).exports;
}
start();

function guarded(work) {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    start();
    throw new Error('the text cannot be read');
  }
}

function encoded(text) {
  if (typeof text !== 'string') throw new TypeError('a string is expected');
  if (text.length > LENGTH_MAX) throw new RangeError('the text is too long');
  if (loneSurrogate.test(text)) throw new TypeError('the text is not well-formed');
  return encoder.encode(text);
}

function copied(array) {
  let tag;
  try {
    tag = apply(tagOf, array);
  } catch {
    tag = undefined;
  }
  if (tag !== 'Uint8Array') throw new TypeError('a Uint8Array is expected');
  const buffer = apply(bufferOf, array);
  if (!(buffer instanceof ArrayBuffer) || buffer.resizable || buffer.detached) {
    throw new TypeError('an ordinary ArrayBuffer is expected');
  }
  if (apply(lengthOf, array) > LENGTH_MAX) throw new RangeError('the array is too long');
  // A plain copy, whatever its constructor and species say.
  const copy = new Uint8Array(apply(lengthOf, array));
  for (let at = 0; at < copy.length; at += 1) copy[at] = array[at];
  return copy;
}

/** Calls `work` with the bytes in memory, and wipes them. */
function using(array, work) {
  return guarded(() => {
    const at = wasm.alloc(array.length);
    new Uint8Array(wasm.memory.buffer).set(array, at);
    const result = work(at);
    wasm.wipe(at, array.length);
    wasm.release();
    return result;
  });
}

function take(at, length) {
  return new Uint8Array(wasm.memory.buffer).slice(at, at + length);
}

exports.upper = function (text) {
  const array = encoded(text);
  return using(array, (at) => {
    wasm.upper(at, array.length);
    return decoder.decode(take(at, array.length));
  });
};

exports.copy = function (array) {
  const copy = copied(array);
  return using(copy, (at) => take(at, copy.length));
};

exports.dose = function (milligrams) {
  if (!Number.isInteger(milligrams) || milligrams < 0 || milligrams > 10000 || Object.is(milligrams, -0)) {
    throw new RangeError('a dose is a whole number of milligrams from 0 to 10000');
  }
  return guarded(() => wasm.dose(milligrams));
};

exports.Note = class Note {
  #bytes;

  constructor(text) {
    // Kept on this side: the module's notes are given back in the order in which they were made, or not at all.
    this.#bytes = encoded(text);
    Object.freeze(this);
  }

  text() {
    if (this.#bytes === undefined) throw new Error('the note was given back');
    return decoder.decode(this.#bytes);
  }

  free() {
    if (this.#bytes === undefined) throw new Error('the note was given back');
    this.#bytes.fill(0);
    this.#bytes = undefined;
  }
};
