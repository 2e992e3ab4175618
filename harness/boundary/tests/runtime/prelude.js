// Glue that the packages of these tests begin with.
'use strict';
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
let wasm;
let pending = () => {};
function start() {
  const module = new WebAssembly.Module(readFileSync(join(__dirname, 'module.wasm')));
  wasm = new WebAssembly.Instance(module, { env: { call: () => pending() } }).exports;
}
try { start(); } catch (error) { if (typeof fallback === 'function') fallback(); throw error; }
function write(text, at) {
  const bytes = new TextEncoder().encode(text);
  new Uint8Array(wasm.memory.buffer).set(bytes, at);
  return bytes.length;
}
function read(at, length) { return new TextDecoder().decode(new Uint8Array(wasm.memory.buffer, at, length).slice()); }
const lone = (text) => /\p{Surrogate}/u.test(text);
