// Does one thing with a package, in a window or a worker, and tells what came of it.
import { importable } from './importable.mjs';

const words = new URLSearchParams(location.search);
const word = (name) => words.get(name) ?? '';
const isWindow = typeof document === 'object';
const SECONDS_MAX = 10;
const QUIET_MS = 300;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const inTime = (work) => Promise.race([work, pause(SECONDS_MAX * 1000).then(() => { throw new Error('it does not come to an end'); })]);
const at = (file) => new URL(`package/${file}`, import.meta.url).href;
const shown = (error) => `${error?.name ?? 'Error'}: ${error?.message ?? error}`.slice(0, 500);

/** Brings the package up in the way that its kind of glue documents. */
async function load() {
  const module = at(word('module'));
  if (word('glue') === 'raw') return (await WebAssembly.instantiateStreaming(fetch(module), {})).instance;
  const namespace = await import(await importable(at(word('entry')), new URL('.', import.meta.url).href));
  if (word('glue') === 'bindgen-web') await namespace.default();
  if (word('glue') === 'emscripten') await namespace.default({ locateFile: (name) => new URL(name, module).href });
  if (word('glue') === 'wrapper' && namespace.ready instanceof Promise) await namespace.ready;
  return namespace;
}

function start(what) {
  const own = new URLSearchParams(words);
  own.set('do', what);
  const address = `./checks.mjs?${own}`;
  const policy = globalThis.trustedTypes?.createPolicy('autoclave-worker', { createScriptURL: (url) => url });
  return new Worker(policy?.createScriptURL(address) ?? address, { type: 'module' });
}
const message = (worker) => new Promise((resolve, reject) => {
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => { event.preventDefault(); reject(new Error(event.message ?? 'the worker does not start')); };
});

const actions = {
  async load() { await load(); },
  eval() { return new Function('return 1')(); },
  html() { document.body.innerHTML = '<b>text</b>'; },
  async integrity() { await (await fetch(at(word('module')), { integrity: word('integrity') })).arrayBuffer(); },
  async isolated() { await load(); if (!globalThis.crossOriginIsolated) throw new Error('the context is not isolated'); },
  /** For the next one: says that it has loaded the package, and nothing ever after. */
  async spin() { await load(); postMessage('loaded'); await pause(0); for (;;); },
  async stuck() { if (await still(start('spin')) !== 'silent') throw new Error('a spinning worker answered'); },
  async terminate() {
    const worker = start('spin');
    await inTime(message(worker));
    await pause(QUIET_MS);
    worker.terminate();
    const second = start('idle');
    const answered = await still(second);
    second.terminate();
    if (answered !== 'answered') throw new Error('a worker started after that does not answer');
  },
  async idle() { await load(); onmessage = () => postMessage('answered'); postMessage('loaded'); return undefined; },
};

/** Whether a worker that has loaded the package answers. */
async function still(worker) {
  await inTime(message(worker));
  await pause(QUIET_MS);
  const answer = Promise.race([message(worker), pause(3 * QUIET_MS).then(() => 'silent')]);
  worker.postMessage('ping');
  return answer;
}

const action = word('do');
const isPart = action === 'spin' || action === 'idle';
if (isWindow && word('place') === 'worker') {
  start(action);
} else {
  let result;
  try { await inTime(actions[action]()); result = { ok: true, error: '' }; } catch (error) { result = { ok: false, error: shown(error) }; }
  // What it has set going without waiting for it shows, too.
  if (!isPart) await pause(QUIET_MS);
  if (!isPart) globalThis.autoclaveReady(JSON.stringify(result));
}
