// What the repaired package answers: the same as the stock one where values are ordinary, errors that say nothing of the
// data where they are not, and no trace of any fault.

const SECRET = 'QZSECRETSECR';
const bytes = (text) => new TextEncoder().encode(text);

/** `{ g, stock, memory, instances }`: both APIs, and the memory and number of the repaired module's instances. */
export function packages(harden, glue, module, stock, stockModule) {
  const seen = { memory: null, instances: 0 };
  const { Instance } = WebAssembly;
  WebAssembly.Instance = new Proxy(Instance, {
    construct(target, args) {
      const instance = Reflect.construct(target, args);
      if (instance.exports.scrub !== undefined) { seen.memory = instance.exports.memory; seen.instances++; }
      return instance;
    },
  });
  glue.initSync({ module });
  stock.initSync({ module: stockModule });
  const g = harden(glue);
  return { g, stock, seen };
}

/** What came of it, as a text. */
function shown(deed) {
  try {
    const value = deed();
    return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? `${item}n` : item)) ?? 'undefined';
  } catch (error) {
    return `${error.constructor.name}: ${error.message}`;
  }
}

/** Runs a row and lists what is wrong. */
export function run([name, deed, expected], all) {
  const wrong = [];
  const found = shown(() => deed(all.g, all));
  const wanted = expected === undefined ? shown(() => deed(all.stock, all)) : expected;
  if (wanted instanceof RegExp ? !wanted.test(found) : found !== wanted) wrong.push(`${name}: ${found}, not ${wanted}`);
  if (found.includes('Error: ') && found.toUpperCase().includes(SECRET)) wrong.push(`${name}: the error repeats the data`);
  const memory = new TextDecoder('latin1').decode(new Uint8Array(all.seen.memory.buffer)).toUpperCase();
  if (memory.includes(SECRET)) wrong.push(`${name}: the data is still in memory`);
  return wrong;
}

const TEXTS = ['', 'a|b^\u00df\u20ac\u{1f600}', 'stra\u00dfe', '\0x', '\ufeffbom', 'Maria Lopez', `${SECRET} ${SECRET}`, SECRET.repeat(500)];
const JSONS = [`{"a": [1, 2.5, "${SECRET}"]}`, `{"${SECRET}":{"${SECRET}":null}}`, '['.repeat(100) + `"${SECRET}"` + ']'.repeat(100)];
const each = (name, values, deed) => values.map((value) => [`${name} ${JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? `${item}n` : item))?.slice(0, 30)}`, (g) => deed(g, value)]);

export const ordinary = [
  ...each('parse', JSONS, (g, text) => g.parse(text)),
  ...each('import', [true, false], (g, active) => g.import_patient(`{"resourceType":"Patient","id":"${SECRET}","active":${active},"visits":3}`)),
  ...each('texts', TEXTS, (g, text) => [g.normalize(text), g.unescape(bytes(text)), g.patient_key(text), g.split(text), g.greet(text),
    g.visit(text, () => {}), g.hl7(text), g.remember(text), g.join([text, text])]),
  ['escapes', (g) => g.unescape(bytes('a\\F\\b\\S\\c\\T\\\\R\\\\E\\d\\Z\\e\\'))],
  ...each('hl7', ['MS', 'MSH|^~\\&', 'MSH|^~\\&|A|B\rPID', 'MSH|^~\\&||B\r'], (g, text) => g.hl7(text)),
  ...each('age', [0, 1, 120, 255], (g, years) => g.age(years)),
  ...each('dose', [0, 7, 858993459], (g, units) => g.dose(units)),
  ...each('temperature', [0, -5, 371, -2147483648], (g, tenths) => g.temperature(tenths)),
  ...each('total', [0n, 9999n, 2n ** 64n - 1n], (g, cents) => g.total(cents)),
  ...each('offset', [0n, 5n, 2n ** 63n - 1n], (g, minutes) => g.offset(minutes)),
  ...each('doses', [0, 1, 7, 240, 1439, 1440, 100000], (g, interval) => g.doses_per_day(interval)),
  ...each('pick', [undefined, null, 0, 5], (g, value) => g.pick(value)),
  ['initials', (g) => g.initials('Maria de Lopez')],
  ['greet nobody', (g) => [g.greet(), g.greet(null)]],
  ['calc', (g) => g.calc('1 + 2 * (3 - 4) / -5')],
  ['each', (g) => { const seen = []; return [g.each('a|b||', (field) => seen.push(field)), seen]; }],
  ['watch', (g) => { const f = g.watch('x'); return [f(), f()]; }],
  ['later', (g) => g.later('x') instanceof Promise],
  ['save', (g) => g.save('x')],
  ['store', (g) => {
    const [store, other, seen] = [new g.Store(), new g.Store(), []];
    store.set('k', SECRET);
    store.set(SECRET, 'b');
    other.set('z', 'y');
    [store.visits, other.visits] = [4, 3];
    store.merge(other);
    store.each((key, value) => seen.push([key, value]));
    return [store.length, store.visits, store.get('k'), store.get('q') ?? null, seen, store.take()];
  }],
];

const NO_TEXTS = [5, null, {}, true, 5n, [], [SECRET], new String('x'), { length: 3 }, { length: 3, charCodeAt: () => -1, slice: () => '' }, new Proxy({}, {})];
const TAKERS = ['parse', 'normalize', 'hl7', 'import_patient', 'patient_key', 'initials', 'calc', 'save', 'later', 'remind', 'remember', 'split', 'watch', 'log_visit'];
const detached = () => { const view = new Uint8Array(3); structuredClone(view.buffer, { transfer: [view.buffer] }); return view; };
const lying = () => { let reads = 0; return { get length() { return reads++ === 0 ? 1 : 8; } }; };
const type = /^TypeError: /;
const range = /^RangeError: /;

export const refused = [
  ...NO_TEXTS.flatMap((value, at) => TAKERS.map((name) => [`${name}, no text ${at}`, (g) => g[name](value), type])),
  ...TAKERS.map((name) => [`${name}, a symbol`, (g) => g[name](Symbol('s')), type]),
  ...TAKERS.flatMap((name) => ['\ud800', 'a\udfffb', '\ud800\ud800', `${SECRET}\ud83d`].map((text) => [`${name}, ill-formed`, (g) => g[name](text), type])),
  ...TAKERS.map((name) => [`${name}, too long`, (g) => g[name](SECRET.repeat(6000)), range]),
  ['normalize, too long once it is UTF-8', (g) => g.normalize('\u20ac'.repeat(30000)), range],
  ['bytes: an array', (g) => g.unescape([65]), type],
  ['bytes: a length', (g) => g.unescape(JSON.parse('{"length":200000000}')), type],
  ['bytes: a lying length', (g) => g.unescape(lying()), type],
  ['bytes: of another kind', (g) => g.unescape(new Uint8ClampedArray(3)), type],
  ['bytes: a proxy', (g) => g.unescape(new Proxy(new Uint8Array(3), {})), type],
  ['bytes: detached', (g) => g.unescape(detached()), type],
  ['bytes: resizable', (g) => g.unescape(new Uint8Array(new ArrayBuffer(3, { maxByteLength: 9 }))), type],
  ['bytes: shared', (g) => g.unescape(new Uint8Array(new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer, 0, 3)), type],
  ['bytes: of the module', (g, all) => g.unescape(new Uint8Array(all.seen.memory.buffer, 0, 3)), type],
  ['bytes: too many', (g) => g.unescape(new Uint8Array(65537)), range],
  ['bytes: no UTF-8', (g) => g.unescape(new Uint8Array([255])), /^Error: the text is not UTF-8$/],
  ...[300, -1, 1.5, NaN, Infinity].map((years) => [`age ${years}`, (g) => g.age(years), range]),
  ...['12', null, 5n, {}, { valueOf: () => 5 }].map((years, at) => [`age ${at}`, (g) => g.age(years), type]),
  ...[-1, 2 ** 32, 0.5].flatMap((value) => ['dose', 'doses_per_day', 'pick'].map((name) => [`${name} ${value}`, (g) => g[name](value), range])),
  ['dose, too many', (g) => g.dose(4294967295), /^Error: too many units$/],
  ...[-2147483649, 2147483648].map((tenths) => [`temperature ${tenths}`, (g) => g.temperature(tenths), range]),
  ...[-1n, 2n ** 64n].map((cents) => [`total ${cents}`, (g) => g.total(cents), range]),
  ...[2n ** 63n, -(2n ** 63n) - 1n].map((minutes) => [`offset ${minutes}`, (g) => g.offset(minutes), range]),
  ['offset, too far', (g) => g.offset(-(2n ** 63n)), /^Error: too far/],
  ...[5, '5'].map((cents) => [`total ${typeof cents}`, (g) => g.total(cents), type]),
  ['join: no array', (g) => g.join({ length: 1, 0: 'a' }), type],
  ['join: no text', (g) => g.join([SECRET, 5]), type],
  ['each: no function', (g) => g.each('a', {}), type],
  ['visit: no function', (g) => g.visit('a', 'b'), type],
  ['parse: no JSON', (g) => g.parse(`{"a":${SECRET}`), /^Error: line 1, column \d+$/],
  ['import: another field', (g) => g.import_patient(`{"resourceType":"Patient","${SECRET}":1}`), /^Error: no Patient: line 1, column \d+$/],
  ['import: another resource', (g) => g.import_patient(`{"resourceType":"${SECRET}","id":"x"}`), /^Error: no Patient: another resource$/],
  ['calc: no formula', (g) => g.calc(`${SECRET}()`), /^Error: no formula/],
  ['remind: no year', (g) => g.remind(SECRET), range],
  ['store: merged with itself', (g) => { const store = new g.Store(); store.merge(store); }, type],
  ['store: merged with another object', (g) => new g.Store().merge({ __wbg_ptr: 1048600 }), type],
  ['store: a method without it', (g) => g.Store.prototype.get.call({ __wbg_ptr: 1048600 }, 'x'), type],
  ['store: a property from outside', (g) => { Object.assign(new g.Store(), JSON.parse('{"__wbg_ptr":1048600}')); }, type],
  ['store: used after free', (g) => { const store = new g.Store(); store.free(); store.free(); return store.length; }, 'Error: the store was freed'],
  ['store: used after take', (g) => { const store = new g.Store(); store.take(); return store.get('x'); }, 'Error: the store was freed'],
  ['store: merged twice', (g) => { const [a, b] = [new g.Store(), new g.Store()]; a.merge(b); a.merge(b); }, 'Error: the store was freed'],
];

export const repaired = [
  ['a segment without an application', (g) => g.hl7('MSH|^~\\&\r'), '11'],
  ['no text instead of nothing', (g) => g.initials(' '), '""'],
  ['nothing is kept', (g) => { g.remember(SECRET); return g.last(); }, '""'],
  ['nothing is set for everybody', (g) => [g.set_default('unit', SECRET), ({}).unit ?? null], '[false,null]'],
  ['nothing is stored or sent', (g) => [g.save('/x'), g.save('?x')], '[false,false]'],
  ['the same name everywhere', (g) => g.host_name(), '"wasm32"'],
  ['nothing is printed', (g) => {
    const [log, said] = [console.log, []];
    console.log = (...words) => said.push(words);
    try { g.log_visit(SECRET); } finally { console.log = log; }
    return said;
  }, '[]'],
  ['days end', (g) => [g.doses_per_day(2 ** 30), g.doses_per_day(2 ** 31)], '[1,1]'],
  ['exceptions wear nothing out', (g) => {
    const fails = (f) => { try { f(); return false; } catch (error) { return error.message === 'hook'; } };
    const hook = () => { throw new Error('hook'); };
    for (let at = 0; at < 20000; at++) if (!fails(() => g.visit('a', hook)) || !fails(() => g.each('a', hook))) return at;
    return g.parse('[]');
  }, '"[]"'],
  ['calls leave no pages behind', (g, { seen }) => {
    const work = () => {
      const store = new g.Store();
      store.set(SECRET, SECRET);
      store.take();
      g.watch(SECRET.repeat(300));
      g.parse(JSONS[2]);
      try { g.parse(SECRET); } catch { /* as it must */ }
    };
    for (let at = 0; at < 50; at++) work();
    const before = seen.memory.buffer.byteLength;
    for (let at = 0; at < 500; at++) work();
    return seen.memory.buffer.byteLength - before;
  }, '0'],
  ['a caller inside a caller', (g) => { const inner = []; g.each('a|b', () => g.visit('x', (text) => inner.push(text))); return inner; }, '["X","X"]'],
  ['the end of JavaScript\'s stack', (g, { seen }) => {
    const store = new g.Store();
    const before = seen.instances;
    let deepest = 0;
    const dive = (depth) => { deepest = depth; try { g.parse(JSONS[2]); } catch { /* too deep for that */ } dive(depth + 1); };
    try { dive(0); } catch { /* the end */ }
    const after = (() => { try { return store.length; } catch (error) { return error.message; } })();
    const gone = after === 'the store is gone: the module was started again';
    return [deepest > 100, g.parse('[1]'), seen.instances > before === gone, gone || after === 0];
  }, '[true,"[1]",true,true]'],
];
