// What each fault of canary-boundary does through its stock glue: class and what is done, the deed, what comes of it.

const SECRET = 'QZSECRETSECR';
const bytes = (text) => new TextEncoder().encode(text);
/** What is thrown, in one word; what is returned, where nothing is. */
function outcome(deed) {
  try {
    return deed();
  } catch (error) {
    return error instanceof WebAssembly.RuntimeError ? 'trap' : error.constructor.name;
  }
}
const pages = (memory) => memory.buffer.byteLength / 65536;

/** A row whose deed gets the API and the module's memory, of a fresh instance. */
function row(name, deed, expected) {
  return [name, (glue, module) => deed(glue, glue.initSync({ module }).memory), expected];
}

export const documented = [
  row('trap: a number for a text', (g) => outcome(() => g.normalize(5)), 'trap'),
  row('trap: a segment without an application', (g) => outcome(() => g.hl7('MSH|^~\\&\r')), 'trap'),
  row('poisoned: used again after a trap', (g) => [outcome(() => g.hl7('MSH|^~\\&\r')), g.normalize('x')], ['trap', 'X']),
  row('result-type: nothing instead of a text', (g) => g.initials(' ') === undefined, true),
  row('range: years', (g) => [300, -1, 1.9, '12', NaN].map((years) => 120 - g.age(years)), [44, 120, 1, 12, 0]),
  row('range: units', (g) => g.dose(2 ** 32 + 8), 20),
  row('range: tenths', (g) => [g.temperature(NaN), g.temperature(2 ** 32 + 371)], ['0.0', '37.1']),
  row('range: cents', (g) => String(g.total(-1n)), String(2n ** 64n - 1n - 5000n)),
  row('range: minutes', (g) => String(g.offset(2n ** 64n + 5n)), '-5'),
  row('text: a lone surrogate', (g) => g.normalize('a\ud800b') === 'A\ufffdB', true),
  row('collision: two ids', (g) => g.patient_key('\ud800') === g.patient_key('\udfff'), true),
  row('unchecked: whatever has a length', (g) => g.unescape({ length: 2, 0: 65, 1: 66 }), 'AB'),
  row('unchecked: invalid UTF-8 behind a text', (g) => outcome(() => g.patient_key({ length: 3, charCodeAt: () => -1, slice: () => '' })), 2405598420),
  row('unchecked: one length for the block, another for the bytes', (g) => {
    let reads = 0;
    const lying = { get length() { return reads++ === 0 ? 1 : 8; } };
    for (let at = 0; at < 8; at++) lying[at] = 65;
    return g.unescape(lying);
  }, 'AAAAAAAA'),
  row('stale: memory grows while bytes are copied', (g) => {
    g.unescape(bytes(`{"ssn":"${SECRET}"}`.repeat(4)));
    const items = Array.from({ length: 76 }, () => 66);
    items[0] = { valueOf() { g.unescape(new Uint8Array(4e6)); return 65; } };
    return g.unescape(items).includes(SECRET);
  }, true),
  row('stale: the last patient', (g) => { g.remember(SECRET); return g.last(); }, SECRET),
  row('growth: 18 bytes of JSON', (g, memory) => {
    const before = pages(memory);
    g.unescape(JSON.parse('{"length":4000000}'));
    return pages(memory) - before > 60;
  }, true),
  row('leak: 16 bytes of JSON, 64 KiB each time', (g, memory) => {
    const before = pages(memory);
    const threw = outcome(() => g.normalize(JSON.parse('{"length":65536}')));
    for (let at = 0; at < 40; at++) outcome(() => g.normalize(JSON.parse('{"length":65536}')));
    return [threw, pages(memory) - before >= 38];
  }, ['TypeError', true]),
  row('leak: closures', (g, memory) => {
    const [before, text] = [pages(memory), 'x'.repeat(4096)];
    for (let at = 0; at < 200; at++) g.watch(text);
    return pages(memory) - before >= 10;
  }, true),
  row('stack: exceptions wear it out, and the instance is dead', (g) => {
    let throws = 0;
    const end = () => outcome(() => g.visit('a', () => { throw new Error('hook'); }));
    while (throws < 50000 && end() === 'Error') throws++;
    return [throws > 1000 && throws < 50000, outcome(() => g.visit('a', () => {}))];
  }, [true, 'trap']),
  row('residue: in upper case, too', (g, memory) => {
    // What is freed loses its first bytes to the allocator's lists.
    g.normalize(`${' '.repeat(40)}${SECRET.toLowerCase()}${' '.repeat(40)}`);
    const all = new TextDecoder('latin1').decode(new Uint8Array(memory.buffer));
    return all.includes(SECRET) && all.includes(SECRET.toLowerCase());
  }, true),
  row('echo: an error', (g) => {
    try { g.import_patient(`{"resourceType":"Patient","${SECRET}":1}`); } catch (error) { return error.message.includes(SECRET); }
    return false;
  }, true),
  row('echo: the console', (g) => {
    const [log, said] = [console.log, []];
    console.log = (text) => said.push(text);
    try { g.log_visit(SECRET); } finally { console.log = log; }
    return said;
  }, [`visit of ${SECRET}`]),
  row('forged: another pointer', (g) => {
    const [mine, theirs] = [new g.Store(), new g.Store()];
    theirs.set('ssn', SECRET);
    Object.assign(mine, JSON.parse(`{"__wbg_ptr":${theirs.__wbg_ptr}}`));
    return mine.get('ssn');
  }, SECRET),
  row('use-after-free: refused', (g) => {
    const store = new g.Store();
    store.free();
    return [outcome(() => store.free()), outcome(() => store.length)];
  }, ['Error', 'Error']),
  row('capability: code of the caller', (g) => g.calc('6 * 7'), 42),
  row('prototype: everybody has it', (g) => {
    try { g.set_default('unit', SECRET); return ({}).unit; } finally { delete Object.prototype.unit; }
  }, SECRET),
  row('host: another answer everywhere', (g) => g.host_name() === globalThis.constructor.name, true),
  row('late: nothing for a year that is one', (g) => g.remind('1999') === undefined, true),
];
