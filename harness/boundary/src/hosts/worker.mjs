// The runtime in a browser: what a page or a worker has instead of Node's ways, and how frames come and go.
import { createRuntime } from './runtime.mjs';
import { importable } from './importable.mjs';

const ORIGINAL = 255; // index of the module as it is deployed
const FRAME = { MODULE: 2, EVALUATOR: 3, HELLO: 16, RESULT: 17, FAILED: 18 };
const LATE_MAX = 64;
const FAULT_TURN_MS = 10;
// A package may change what is global; this is from before.
const { atob, crypto, fetch, gc, setTimeout, DataView, MessageChannel, Promise, Uint8Array, URL } = globalThis;
const { parse, stringify } = JSON;
const bytesOf = async (url) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${new URL(url).pathname.split('/').pop()}: status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
};

// A message to ourselves is a task of its own: what runs there runs under the page's policy, even if DevTools called.
const { port1, port2 } = new MessageChannel();
const turns = [];
port1.onmessage = () => turns.shift()();
const hop = () => new Promise((resolve) => { turns.push(resolve); port2.postMessage(0); });
// That nobody handles a rejection is told in a task that is queued when this one ends: behind the first message.
const turn = async () => {
  // What is fetched in vain takes its time.
  if (variant !== own.href) await new Promise((resolve) => { setTimeout(resolve, FAULT_TURN_MS); });
  await hop();
  await hop();
};

const late = [];
function keepLate(kind, error, event) {
  if (late.length < LATE_MAX) late.push({ kind, error });
  event.preventDefault();
}
addEventListener('error', (event) => keepLate('uncaught exception', event.error ?? event.message, event));
addEventListener('unhandledrejection', (event) => keepLate('unhandled rejection', event.reason, event));

/** How the package is served for each fault of its module. */
const VARIANTS = { missing: 'missing', mime: 'type', truncated: 'truncated' };
const own = new URL('.', import.meta.url);
const base = new URL('..', own).href;
const root = new URL('package/', own).href;
let variant = own.href;
let isFirst = true;
/** The same file, as it is served for the fault of the moment. */
const served = (url) => (url.startsWith(own.href) ? variant + url.slice(own.href.length) : url);
const loaded = new Map();

const runtime = createRuntime({
  host: navigator.userAgent,
  importModule: async (url, count) => import(`${served(await importable(url, own.href))}${count > 0 ? `?n=${count}` : ''}`),
  resolve: (root, file) => new URL(file, root).href,
  ownUrl: (url) => { try { return new URL(url, own).href.startsWith(base); } catch { return false; } },
  async readFile(url) {
    if (variant !== own.href) return bytesOf(served(url));
    if (!loaded.has(url)) loaded.set(url, await bytesOf(url));
    return loaded.get(url);
  },
  // The first time and when something is wrong with it; later on, it has what it needs.
  fetchesItself: () => isFirst || variant !== own.href,
  files: () => [...loaded].map(([url, bytes]) => [url.slice(root.length), bytes]),
  sha256: async (bytes) => Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)),
    (byte) => byte.toString(16).padStart(2, '0')).join(''),
  gc: typeof gc === 'function' ? () => gc() : undefined,
  turn,
  lateErrors: () => late.splice(0),
  fault(fault) { variant = fault in VARIANTS ? `${base}${VARIANTS[fault]}/` : own.href; },
});

function decoded(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** What is answered: a frame's type, a space, its payload. */
async function answered(type, work) {
  try {
    await hop();
    return `${type} ${stringify(await work())}`;
  } catch (error) {
    return `${FRAME.FAILED} ${stringify(String(error?.message ?? error))}`;
  }
}

/** Gives the runtime all that it needs, and lets it load the package. */
async function start(text) {
  const { config, seen } = parse(text);
  runtime.configure({ ...config, root });
  const frames = await bytesOf(new URL('frames.bin', own));
  const view = new DataView(frames.buffer);
  for (let at = 0; at < frames.length;) {
    const end = at + 5 + view.getUint32(at, true);
    const payload = frames.slice(at + 5, end);
    const type = frames[at + 4];
    if (type === FRAME.MODULE && payload[0] === ORIGINAL) loaded.set(new URL(config.module, root).href, payload.subarray(1));
    else if (type === FRAME.MODULE) runtime.module(payload[0], payload.subarray(1));
    else if (type === FRAME.EVALUATOR) runtime.evaluator(payload[0], payload.subarray(1));
    at = end;
  }
  runtime.seen(decoded(seen));
  const hello = await runtime.load();
  isFirst = false;
  return hello;
}

function batch(bytes) {
  const view = new DataView(bytes.buffer);
  const tapes = [];
  let at = 9;
  for (let count = view.getUint32(5, true); count > 0; count--) {
    const end = at + 4 + view.getUint32(at, true);
    tapes.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return runtime.run(view.getUint32(0, true), bytes[4], tapes);
}

let tail = Promise.resolve();
globalThis.autoclavePort = {
  start: (text) => answered(FRAME.HELLO, () => start(text)),
  /** One after the other, in the order in which they came. */
  batch(text) {
    tail = tail.then(() => answered(FRAME.RESULT, () => batch(decoded(text))));
    return tail;
  },
};
globalThis.autoclaveReady?.('');
delete globalThis.autoclaveReady;
