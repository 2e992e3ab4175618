// The worker of a JavaScript peer: frames on descriptor 0, as `peers/worker.rs` describes them; one adapter per peer.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const PROTOCOL = 0;
const PRINTED = 1;
const [ACCEPTED, REFUSED, DIED] = [0, 1, 2];
const LAYERS = ['encoding', 'syntax', 'structure', 'value', 'unknown'];
const FORMATS = ['json', 'fhir-json', 'fhir-xml', 'fhir-ndjson', 'hl7v2'];

function write(id, status, body) {
  const frame = Buffer.alloc(13 + body.length);
  frame.writeUInt32LE(9 + body.length, 0);
  frame.writeUInt32LE(id, 4);
  frame.writeUInt32LE(fs.fstatSync(PRINTED).size, 8);
  frame[12] = status;
  body.copy(frame, 13);
  for (let at = 0; at < frame.length; ) at += fs.writeSync(PROTOCOL, frame, at);
}

let received = Buffer.alloc(0);
const chunk = Buffer.alloc(65536);

function read(size) {
  const parts = [received];
  let length = received.length;
  while (length < size) {
    const got = fs.readSync(PROTOCOL, chunk, 0, chunk.length, null);
    if (got === 0) process.exit(0);
    parts.push(Buffer.from(chunk.subarray(0, got)));
    length += got;
  }
  const all = parts.length === 1 ? received : Buffer.concat(parts, length);
  received = all.subarray(size);
  return all.subarray(0, size);
}

// An input that changes what every object has would change the answers to all later ones.
const shared = [Object.prototype, Array.prototype, String.prototype];
const untouched = shared.map((object) => Reflect.ownKeys(object).length);
const polluted = () => shared.some((object, at) => Reflect.ownKeys(object).length !== untouched[at]);

function answer(adapter, format, input) {
  try {
    const body = adapter.read(FORMATS[format], input);
    if (polluted()) return [DIED, 'PROTOTYPE-POLLUTION'];
    return [ACCEPTED, body];
  } catch (error) {
    if (polluted()) return [DIED, 'PROTOTYPE-POLLUTION'];
    if (error instanceof RangeError && /call stack/.test(error.message)) return [DIED, 'STACK'];
    const layer = LAYERS.indexOf(error?.layer ?? 'unknown');
    return [REFUSED, `${String.fromCharCode(layer)}${error?.layer ? '' : `${error?.name}: `}${error?.message ?? error}`];
  }
}

const adapter = await import(`./${process.argv[2]}.mjs`);
const { version } = JSON.parse(
  fs.readFileSync(new URL(`../node_modules/${adapter.name}/package.json`, import.meta.url), 'utf8'),
);
adapter.load(createRequire(import.meta.url));
untouched.forEach((_, at) => { untouched[at] = Reflect.ownKeys(shared[at]).length; });
write(0, ACCEPTED, Buffer.from(`${adapter.name} ${version}`));
for (;;) {
  const request = read(read(4).readUInt32LE(0));
  const [status, text] = answer(adapter, request[4], request.subarray(5));
  write(request.readUInt32LE(0), status, Buffer.from(text));
  if (text === 'PROTOTYPE-POLLUTION') process.exit(6);
}
