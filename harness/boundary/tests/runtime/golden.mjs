// Reads golden tapes with the runtime's own reader and compares what comes out with their JSON form: one line on standard
// output for every tape, `same` or what differs. Arguments: the runtime's folder, the file with the tapes.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [folder, file] = process.argv.slice(2);
const { createReader } = await import(pathToFileURL(`${folder}/values.mjs`).href);
/** FNV-1a, as `api::id`. */
const hashText = (text) => Buffer.from(text).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0;

const CANARY = 'QZTESTCANARY';
const memory = new WebAssembly.Memory({ initial: 1 });
let ran = null; // the hook that was run last
let promises = []; // of the tape: what they are, how they are to be
const reader = createReader({
  canary: () => CANARY,
  owner: () => null,
  runHook: (call, bytes, at, flags, pages) => { ran = { at, flags, pages }; },
  promised() {},
  object: (slot) => ({ slot }),
  memory: () => ({ bytes: new Uint8Array(memory.buffer), half: 32768 }),
  latin1: (bytes, from, to) => Buffer.from(bytes.subarray(from, to)).toString('latin1'),
  utf16: (bytes, from, to) => Buffer.from(bytes.subarray(from, to)).toString('utf16le'),
  utf8: (bytes, from, to) => Buffer.from(bytes.subarray(from, to)).toString('utf8'),
});

function check(is, path, what) { if (!is) throw new Error(`${path}: ${what}`); }
const filled = (text) => text.replaceAll('\uf8ff', CANARY);

/** The reader stands at a list of operations. */
function operations(list, path) {
  const count = reader.varint();
  check(count === list.length, path, `${count} operations, not ${list.length}`);
  list.forEach((json, at) => operation(json, `${path}[${at}]`));
}

function operation(json, path) {
  const tag = reader.u8();
  const byte = (name, known) => { const value = reader.u8(); check(value === known, path, `${name} ${value}, not ${known}`); };
  if ('call' in json) {
    check(tag === 0, path, `tag ${tag} of a call`);
    const id = reader.u32();
    const known = json.call.startsWith('#') ? parseInt(json.call.slice(1), 16) : hashText(json.call);
    check(id === known, path, `call of ${id}, not ${known}`);
    byte('this', json.this ?? 0);
    const args = reader.varint();
    check(args === json.args.length, path, `${args} arguments`);
    const values = json.args.map(() => reader.value(0));
    const end = reader.at;
    values.forEach((value, at) => same(value, json.args[at], `${path}.args[${at}]`));
    reader.at = end;
  } else if ('free' in json) { check(tag === 1, path, `tag ${tag} of free`); byte('free', json.free); }
  else if ('gc' in json) check(tag === 2 && json.gc === true, path, `tag ${tag} of gc`);
  else if ('await' in json) { check(tag === 3, path, `tag ${tag} of await`); byte('await', json.await); }
  else if ('assign' in json) {
    check(tag === 4, path, `tag ${tag} of assign`);
    byte('assign', json.assign);
    check(reader.text() === filled(json.name), path, 'another name');
    same(reader.value(0), json.value, `${path}.value`);
  } else { check(tag === 5 && 'grow' in json, path, `tag ${tag}`); byte('grow', json.grow); }
}

/** `run()` runs the hook of a value, which is compared with its JSON form. */
function hook(json, path, run) {
  ran = null;
  run();
  const first = ran;
  ran = null;
  run();
  check((ran !== null) === (json?.again === true), path, 'runs as often as it should not');
  ran = first;
  hooked(json, path);
}
function hooked(json, path) {
  const wanted = json ?? {};
  check(ran !== null, path, 'the hook did not run');
  const flags = (wanted.throws === true ? 1 : 0) | (wanted.again === true ? 2 : 0);
  check(ran.flags === flags, path, `flags ${ran.flags}, not ${flags}`);
  check(ran.pages === (wanted.pages ?? 0), path, `${ran.pages} pages`);
  const before = reader.at;
  reader.at = ran.at;
  operations(wanted.ops ?? [], `${path}.hook`);
  reader.at = before;
}

function bytes(value, json, path) {
  const kind = json.buffer ?? 'plain';
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  const name = Object.prototype.toString.call(value).slice(8, -1);
  const isShared = name === 'SharedArrayBuffer';
  check(name === json.$bytes || (isShared && json.$bytes === 'ArrayBuffer'), path, `${name}, not ${json.$bytes}`);
  check((buffer instanceof SharedArrayBuffer) === (kind === 'shared'), path, 'shared or not');
  check((buffer.resizable === true) === (kind === 'resizable'), path, 'resizable or not');
  check((buffer === memory.buffer) === (kind === 'memory'), path, 'in memory or not');
  const wanted = Buffer.from(json.hex, 'hex').toString('latin1').replaceAll('\xef\xa3\xbf', CANARY);
  const width = value.BYTES_PER_ELEMENT ?? 1;
  const found = kind === 'detached' ? '' : ArrayBuffer.isView(value) ? Buffer.from(buffer, value.byteOffset, value.byteLength) : Buffer.from(buffer);
  if (kind === 'detached') check(buffer.byteLength === 0, path, 'not detached');
  else if (kind === 'memory') check(found.length === wanted.length - (wanted.length % width), path, `${found.length} bytes`);
  else check(found.toString('latin1') === wanted.slice(0, wanted.length - (wanted.length % width)), path, 'other bytes');
}

function getter(object, key, list, path) {
  const property = Object.getOwnPropertyDescriptor(object, key);
  check(property?.get !== undefined, path, 'no getter');
  const wanted = [...list, ...(list.length === 0 ? [undefined] : [list.at(-1), list.at(-1)])];
  for (const [at, json] of wanted.entries()) {
    const value = property.get.call(object);
    if (list.length === 0) check(value === undefined, path, 'a value out of nothing');
    else same(value, json, `${path}[${at}]`);
  }
}

function plain(value, json, path) {
  if (typeof json === 'number') return check(Object.is(value, json), path, `${String(value)}, not ${json}`);
  if (typeof json === 'string') return check(value === filled(json), path, `${String(value)}, not ${json}`);
  if (json === null || typeof json === 'boolean') return check(value === json, path, `${String(value)}, not ${json}`);
  return check(false, path, 'no such JSON');
}

function same(value, json, path) {
  if (typeof json !== 'object' || json === null) return plain(value, json, path);
  if (Array.isArray(json)) {
    check(Array.isArray(value) && value.length === json.length, path, 'no array of that length');
    return json.forEach((item, at) => same(value[at], item, `${path}[${at}]`));
  }
  const has = (key) => Object.hasOwn(json, key);
  if (has('$undefined')) return check(value === undefined && json.$undefined === true, path, 'not undefined');
  if (has('$number')) {
    const text = json.$number;
    const number = text.startsWith('0x') ? NaN : Number(text);
    check(!Number.isNaN(number) || text === 'NaN' || text.startsWith('0x'), path, `${text} is no number`);
    return check(Object.is(value, number), path, `${String(value)}, not ${text}`);
  }
  if (has('$bigint')) return check(value === BigInt(json.$bigint), path, `${String(value)}, not ${json.$bigint}`);
  if (has('$text')) return check(value === filled(String.fromCharCode(...json.$text)), path, 'other units');
  if (has('$symbol')) return check(typeof value === 'symbol' && json.$symbol === true, path, 'no symbol');
  if (has('$ref')) return check(value?.slot === json.$ref, path, 'another object');
  if (has('$bytes')) return bytes(value, json, path);
  if (has('$get')) {
    check(JSON.stringify(Object.keys(value)) === JSON.stringify(json.$get.map(([key]) => filled(key))), path, 'other keys');
    return json.$get.forEach(([key, list]) => getter(value, filled(key), list, `${path}.${key}`));
  }
  if (has('$length')) {
    if (json.$length.length === 1) same(value.length, json.$length[0], `${path}.length`);
    else if (json.$length.length > 1) getter(value, 'length', json.$length, `${path}.length`);
    return json.items.forEach((item, at) => same(value[at], item, `${path}[${at}]`));
  }
  if (has('$valueOf')) {
    let inner;
    hook(json.hook, path, () => { inner = value.valueOf(); });
    return same(inner, json.$valueOf, `${path}()`);
  }
  if (has('$function')) {
    let inner;
    hook(json.hook, path, () => { inner = value(); });
    return same(inner, json.$function, `${path}()`);
  }
  if (has('$proxy')) {
    hook(json.hook, path, () => Reflect.get(value, 'x'));
    return same(reader.shapes.get(value).parts, json.$proxy, `${path}()`);
  }
  if (has('$promise')) {
    check(value instanceof Promise, path, 'no promise');
    same(reader.shapes.get(value).parts, json.$promise, `${path}()`);
    return promises.push([value, json, path]);
  }
  const pairs = has('$object') ? json.$object : Object.entries(json);
  const keys = [...new Set(pairs.map(([key]) => filled(key)))];
  check(JSON.stringify(Object.keys(value)) === JSON.stringify(keys), path, `keys ${Object.keys(value)}, not ${keys}`);
  // The last one of a key counts.
  for (const [key, item] of new Map(pairs)) same(Object.getOwnPropertyDescriptor(value, filled(key)).value, item, `${path}.${key}`);
}

for (const { hex, json } of JSON.parse(readFileSync(file, 'utf8'))) {
  try {
    reader.clear();
    promises = [];
    reader.bytes = new Uint8Array(Buffer.from(hex, 'hex'));
    reader.at = 0;
    check(reader.u8() === 0xa7 && reader.u8() === json.version, 'tape', 'another head');
    operations(json.ops, 'ops');
    check(reader.at === reader.bytes.length, 'tape', `${reader.bytes.length - reader.at} bytes are left`);
    for (const [value, wanted, path] of promises) {
      ran = null;
      await value;
      hooked(wanted.hook, path);
    }
    console.log('same');
  } catch (error) { console.log(error.message); }
}
