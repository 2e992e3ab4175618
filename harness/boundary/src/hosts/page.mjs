// Starts the worker that runs tapes, or runs them in the window where the address says so.
const words = new URLSearchParams(location.search);
if (words.get('place') === 'window') {
  await import('./worker.mjs');
} else {
  const address = `./worker.mjs${location.search}`;
  // A policy that asks for Trusted Types knows this name and no other.
  const policy = globalThis.trustedTypes?.createPolicy('autoclave-worker', { createScriptURL: (url) => url });
  globalThis.autoclaveWorker = new Worker(policy?.createScriptURL(address) ?? address, { type: 'module' });
}
