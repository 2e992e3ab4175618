// Around the WebAssembly API: where a package compiles the module that is meant, an instrumented build of it is compiled,
// and what is made of it is kept. Packages see ordinary objects; their files stay as they are.

import { AB, Wasm, P, U8, apply, bytesOf, construct, isObject, instanceExports, memoryBuffer, memoryGrow, then, E } from './safe.mjs';

/** Installs the shim; `same(bytes)` says whether bytes are the module's. */
export function installShim(same) {
  const state = {
    /** Bytes to compile instead; null: as they are. */
    replacement: null,
    /** Throws when asked to compile: `invalid` on error paths. */
    fault: null,
    /** Modules that stand for the one that is meant. */
    compiled: null,
    original: null,
    instances: 0,
    instance: null,
    exports: null,
    imports: null,
    memory: null,
    tables: [],
    /** Gives the imports that an instance of the module gets instead of its own; null: those. */
    watch: null,
    /** Told of every instance of the module. */
    onInstance: () => {},
    /** Whether whoever asks for an instance keeps it for ever: an ES module that was imported is never forgotten. */
    kept: null, // 'whole', or 'apart' where it takes them apart
    retire,
  };
  let lent = null; // what such a module was given: the instance's own exports, and what stands for them

  /** Lets go of the last instance, whatever still holds its exports: engines reserve gigabytes of addresses for each. */
  function retire() {
    if (lent === null) return;
    const nothing = () => undefined; // finalizers may still call
    for (const key of Reflect.ownKeys(lent.exports)) {
      const value = typeof lent.exports[key] === 'function' ? nothing : undefined;
      Reflect.defineProperty(lent.exports, key, { value, configurable: true, enumerable: true, writable: false });
    }
    for (const key of Reflect.ownKeys(lent.own)) {
      // Views that were kept hold the memory until they are detached.
      if (lent.own[key] instanceof Wasm.Memory) try { memoryGrow(lent.own[key], 0); } catch { /* its views go on */ }
    }
    lent.own = null;
    lent = null;
  }

  /** An instance like this one whose exports can be emptied. */
  function lend(instance, own) {
    const lease = { own, exports: Object.create(null) };
    for (const key of Reflect.ownKeys(own)) {
      const value = state.kept === 'apart' ? borrowed(lease, key) : own[key];
      Reflect.defineProperty(lease.exports, key, { value, configurable: true, enumerable: true, writable: false });
    }
    Object.preventExtensions(lease.exports);
    lent = lease;
    return Object.create(Object.getPrototypeOf(instance), { exports: { value: lease.exports, configurable: true, enumerable: false } });
  }

  /** The same for a module that takes its exports apart and holds each by itself. */
  function borrowed(lease, key) {
    const value = lease.own[key];
    if (typeof value === 'function') return (...args) => (lease.own === null ? undefined : apply(lease.own[key], undefined, args));
    if (!(value instanceof Wasm.Memory)) return value;
    return Object.create(Wasm.Memory.prototype, {
      buffer: { get: () => (lease.own === null ? new AB(0) : memoryBuffer(lease.own[key])), configurable: true },
      grow: { value: (pages) => memoryGrow(lease.own[key], pages), configurable: true },
    });
  }

  const ours = new WeakSet();
  const isOurs = WeakSet.prototype.has.bind(ours);
  const keep = WeakSet.prototype.add.bind(ours);

  function compileSync(source) {
    if (state.fault === 'invalid') throw new WebAssembly.CompileError('invalid module (fault injected)');
    const bytes = isObject(source) ? bytesOf(source) : undefined;
    if (bytes === undefined || !same(bytes)) return new Wasm.Module(source);
    if (state.compiled === null) {
      state.compiled = new Wasm.Module(state.replacement ?? bytes);
      keep(state.compiled);
    }
    return state.compiled;
  }

  function captured(instance, imports) {
    const exports = instanceExports(instance);
    state.instances++;
    state.instance = instance;
    state.exports = exports;
    state.imports = imports;
    state.memory = null;
    state.tables = [];
    for (const key of Reflect.ownKeys(exports)) {
      const value = exports[key];
      if (value instanceof Wasm.Memory && key !== '__autoclave_memory' && state.memory === null) state.memory = value;
      else if (value instanceof Wasm.Table) state.tables[state.tables.length] = value;
    }
    if (isObject(imports)) {
      for (const { module, name, kind } of Wasm.imports(state.compiled)) {
        if (kind !== 'memory' && kind !== 'table') continue;
        const value = imports[module]?.[name];
        if (value instanceof Wasm.Memory) state.memory ??= value;
        else if (value instanceof Wasm.Table) state.tables[state.tables.length] = value;
      }
    }
    state.onInstance();
    return state.kept !== null ? lend(instance, exports) : instance;
  }

  const made = (module, imports, instance) => (isOurs(module) ? captured(instance, imports) : instance);
  const watched = (module, imports) => (state.watch !== null && isOurs(module) ? state.watch(module, imports) : imports);
  const later = (work) => new P((resolve, reject) => { try { resolve(work()); } catch (error) { reject(error); } });
  async function responseBytes(source) {
    const response = await source;
    const type = response.headers?.get?.('content-type') ?? '';
    if (!response.ok) throw new TypeError('WebAssembly: HTTP status code is not ok');
    if (!/^application\/wasm\s*$/i.test(type)) throw new TypeError(`Incorrect response MIME type '${type}'. Expected 'application/wasm'.`);
    return new U8(await response.arrayBuffer());
  }

  const replaced = {
    Module: new Proxy(Wasm.Module, { construct: (target, args, newTarget) =>
      (newTarget === WebAssembly.Module ? compileSync(args[0]) : construct(target, args, newTarget)) }),
    Instance: new Proxy(Wasm.Instance, { construct: (target, args) => {
      const given = watched(args[0], args[1]);
      return made(args[0], args[1], construct(target, given === args[1] ? args : [args[0], given]));
    } }),
    compile: function compile(source) { return later(() => compileSync(source)); },
    instantiate: function instantiate(source, imports) {
      if (source instanceof Wasm.Module) {
        return then(apply(Wasm.instantiate, undefined, [source, watched(source, imports)]), (instance) => made(source, imports, instance));
      }
      return later(() => {
        const module = compileSync(source);
        return then(apply(Wasm.instantiate, undefined, [module, watched(module, imports)]), (instance) => ({ module, instance: made(module, imports, instance) }));
      });
    },
  };
  if (Wasm.compileStreaming !== undefined) {
    replaced.compileStreaming = function compileStreaming(source) { return then(responseBytes(source), compileSync); };
    replaced.instantiateStreaming = function instantiateStreaming(source, imports) {
      return then(responseBytes(source), (bytes) => replaced.instantiate(bytes, imports));
    };
  }
  for (const name of Object.keys(replaced)) {
    Object.defineProperty(WebAssembly, name, { value: replaced[name], writable: true, configurable: true, enumerable: false });
  }
  if (WebAssembly.Module !== replaced.Module) throw new E('the WebAssembly API cannot be wrapped here');
  return state;
}
