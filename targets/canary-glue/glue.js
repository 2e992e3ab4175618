// Glue as people write it by hand, with the mistakes that they make: nothing is checked, views of memory are taken too
// early, objects keep their pointers where everybody can write them.
'use strict';

const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const bytes = readFileSync(join(__dirname, 'module.wasm'));
const wasm = new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports;

function pass(array) {
  const at = wasm.alloc(array.length);
  // Whoever grows memory while the array is read detaches this view: nothing is written then.
  new Uint8Array(wasm.memory.buffer).set(array, at);
  return at;
}

function take(at, length) {
  return new Uint8Array(wasm.memory.buffer).slice(at, at + length);
}

exports.upper = function (text) {
  const array = new TextEncoder().encode(text);
  const at = pass(array);
  wasm.upper(at, array.length);
  const result = new TextDecoder().decode(take(at, array.length));
  wasm.release();
  return result;
};

exports.copy = function (array) {
  const at = pass(array);
  const result = take(at, array.length);
  wasm.release();
  return result;
};

exports.dose = function (milligrams) {
  return wasm.dose(milligrams);
};

exports.Note = class Note {
  constructor(text) {
    const array = new TextEncoder().encode(text);
    const at = pass(array);
    this.__ptr = wasm.keep(at, array.length);
    wasm.release();
  }

  text() {
    return new TextDecoder().decode(take(this.__ptr + 4, wasm.length(this.__ptr)));
  }

  free() {
    wasm.drop(this.__ptr);
  }
};
