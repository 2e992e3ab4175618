// Sinks that a package may reach: code generation, timers with strings, network, DOM, console, clock, randomness. Every use
// is told, by the name of the capability that a policy may allow.

import * as s from './safe.mjs';

export function installHooks({ environment, config, sight, text, later }) {
  const allowed = new Set(config.allowed ?? []);
  let loading = null; // list of sightings while the package is loaded
  let inside = false; // within a hook: what it does itself is not the package's

  function used(capability, key, detail) {
    if (inside || capability === '' || allowed.has(capability)) return false;
    inside = true;
    try {
      const name = `${capability}: ${key}`;
      const what = s.cut(`the package uses ${key}${detail === undefined ? '' : ` (${detail})`}`, 2000);
      if (loading === null) sight('capability', name, what);
      else if (!loading.some((other) => other.class === 'capability' && other.key === name) && loading.length < 100) {
        loading[loading.length] = { class: 'capability', operation: 0, op: 0, key: name, what, stack: '' };
      }
    } finally { inside = false; }
    return true;
  }
  /** What a package is not let do: it would leave the host, or end it. */
  const REFUSED = new Set(['network', 'process', 'worker', 'fs-write']);
  const refusal = (key) => new s.TE(`${key} is refused here`);

  /** Replaces `object[name]` by a function that tells of its use first. */
  function wrap(object, name, capability, key, detail = () => undefined) {
    const was = s.read(object, name);
    if (typeof was !== 'function') return;
    const replacement = new Proxy(was, {
      apply(target, self, args) {
        const more = detail(args);
        if (more === null || !used(capability, key, more) || !REFUSED.has(capability)) return s.apply(target, self, args);
        if (name === 'fetch') return s.apply(s.P.reject, s.P, [refusal(key)]);
        throw refusal(key);
      },
      construct(target, args, newTarget) {
        const more = detail(args);
        if (more === null || !used(capability, key, more) || !REFUSED.has(capability)) return s.construct(target, args, newTarget === replacement ? target : newTarget);
        throw refusal(key);
      },
    });
    try { s.defineProperty(object, name, { value: replacement, writable: true, configurable: true, enumerable: s.getOwnPropertyDescriptor(object, name)?.enumerable ?? false }); } catch { /* not to be replaced */ }
    return replacement;
  }
  const argument = (args) => s.cut(typeof args[0] === 'string' ? args[0] : typeof args[0], 100);

  // Code out of text.
  wrap(globalThis, 'eval', 'eval', 'eval', (args) => (typeof args[0] === 'string' ? argument(args) : null));
  const made = wrap(globalThis, 'Function', 'eval', 'Function', (args) => s.cut(args.length > 0 && typeof args[args.length - 1] === 'string' ? args[args.length - 1] : '', 100));
  if (made !== undefined) s.defineProperty(s.F.prototype, 'constructor', { value: made, writable: true, configurable: true, enumerable: false });
  for (const sample of [async function () {}, function* () {}, async function* () {}]) {
    wrap(s.getPrototypeOf(sample), 'constructor', 'eval', 'Function', argument);
  }
  for (const name of ['setTimeout', 'setInterval']) {
    wrap(globalThis, name, 'eval', `${name} with a string`, (args) => { later(); return typeof args[0] === 'string' ? argument(args) : null; });
  }
  // Work that goes on after the call: the tape is not at its end before it.
  for (const [holder, name] of [[globalThis, 'queueMicrotask'], [globalThis, 'setImmediate'], [s.P.prototype, 'then']]) {
    wrap(holder, name, '', '', () => { later(); return null; });
  }
  // The host.
  for (const name of ['fetch', 'XMLHttpRequest', 'WebSocket', 'EventSource', 'WebTransport', 'RTCPeerConnection']) {
    wrap(globalThis, name, 'network', name, (args) => (environment.ownUrl?.(args[0]) ? null : argument(args)));
  }
  wrap(globalThis, 'importScripts', 'eval', 'importScripts', argument);
  for (const name of ['Worker', 'SharedWorker']) wrap(globalThis, name, 'worker', name, argument);
  if (typeof navigator === 'object') wrap(navigator, 'sendBeacon', 'network', 'sendBeacon', argument);
  if (typeof document === 'object') {
    for (const name of ['write', 'writeln']) wrap(document, name, 'dom', `document.${name}`, argument);
    for (const [holder, name] of [['Element', 'innerHTML'], ['Element', 'outerHTML'], ['HTMLIFrameElement', 'srcdoc'], ['HTMLScriptElement', 'src'], ['HTMLScriptElement', 'text']]) {
      const prototype = globalThis[holder]?.prototype;
      const property = prototype === undefined ? undefined : s.getOwnPropertyDescriptor(prototype, name);
      if (property?.set === undefined) continue;
      s.defineProperty(prototype, name, { ...property, set(value) { used('dom', `${holder}.${name}`, typeof value); s.apply(property.set, this, [value]); } });
    }
    if (typeof Element === 'function') wrap(Element.prototype, 'insertAdjacentHTML', 'dom', 'insertAdjacentHTML', () => undefined);
  }
  // Asking whether there is a storage is no use of it.
  for (const [holder, names] of [['Storage', ['getItem', 'setItem', 'removeItem']], ['IDBFactory', ['open']], ['CacheStorage', ['open']]]) {
    const prototype = globalThis[holder]?.prototype;
    if (prototype !== undefined) for (const name of names) wrap(prototype, name, 'storage', `${holder}.${name}`, argument);
  }
  wrap(Math, 'random', 'random', 'Math.random');
  if (typeof crypto === 'object') for (const name of ['getRandomValues', 'randomUUID']) wrap(s.getPrototypeOf(crypto), name, 'random', `crypto.${name}`);
  wrap(Date, 'now', 'clock', 'Date.now');
  if (typeof performance === 'object') wrap(s.getPrototypeOf(performance), 'now', 'clock', 'performance.now');

  // What the package prints is searched and goes nowhere.
  function heard(where, values) {
    if (inside) return;
    inside = true;
    try {
      let left = 65536;
      for (let at = 0; at < values.length && left > 0; at++) {
        const value = values[at];
        const parts = typeof value === 'string' ? [value] : s.isObject(value) ? [`${s.read(value, 'message') ?? ''}`, `${s.read(value, 'stack') ?? ''}`] : [];
        for (const part of parts) { text(where, s.cut(part, left)); left -= part.length; }
      }
    } catch { /* values may be hostile */ } finally { inside = false; }
  }
  if (typeof console === 'object') {
    for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'table', 'group', 'groupCollapsed', 'assert']) {
      if (typeof console[name] === 'function') console[name] = function (...values) { heard(`console.${name}`, values); };
    }
  }
  environment.instrument?.({ used, wrap, heard, argument });
  return { begin: (list) => { loading = list; } };
}
