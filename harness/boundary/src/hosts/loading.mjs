// How each kind of glue is brought up: its own files, unchanged, evaluated anew for every instance.

import * as s from './safe.mjs';

/** kind of glue -> `load(fault)`: the object whose members are the API, or a promise of it. */
export function loaders(environment, config, shim) {
  let count = 0;
  const entry = config.entry === null ? null : environment.resolve(config.root, config.entry);
  const file = environment.resolve(config.root, config.module);
  const again = (path) => {
    shim.retire();
    shim.kept = config.glue === 'assemblyscript' ? 'apart' : 'whole';
    return environment.importModule(path, ++count);
  };
  const bytes = () => environment.readFile(file);
  const silent = () => {};

  /** CommonJS where that is what the file is, else an ES module. */
  function exportsOf(path) {
    if (environment.requireFresh !== undefined && environment.isCommonJs(path)) return environment.requireFresh(path, config.root);
    return again(path);
  }
  const whole = (namespace) => (typeof namespace.default === 'object' && namespace.default !== null && Object.keys(namespace).length === 1 ? namespace.default : namespace);

  return {
    'bindgen-nodejs': () => exportsOf(entry),
    'bindgen-web': async () => {
      const namespace = await again(entry);
      // Pages let it fetch its module itself.
      await namespace.default(environment.fetchesItself?.() ? undefined : { module_or_path: await bytes() });
      return namespace;
    },
    'bindgen-bundler': async () => {
      // What a bundler does: the glue without its first line, and the module instantiated on it.
      const glue = await again(environment.resolve(config.root, config.module.replace(/\.wasm$/, '.js')));
      const module = new WebAssembly.Module(await bytes());
      const imports = {};
      for (const { module: from } of s.Wasm.imports(module)) {
        imports[from] ??= /_bg\.js$/.test(from) ? glue : await environment.importModule(environment.resolve(config.root, from), 0);
      }
      const instance = new WebAssembly.Instance(module, imports);
      glue.__wbg_set_wasm(instance.exports);
      instance.exports.__wbindgen_start?.();
      return glue;
    },
    emscripten: () => {
      const start = async (exported) => {
        const factory = typeof exported === 'function' ? exported : exported.default ?? Object.values(exported).find((value) => typeof value === 'function');
        return factory({
          locateFile: (name) => environment.resolve(config.root, config.module.replace(/[^/]*$/, '') + name),
          print: (text) => environment.printed?.('stdout', text), printErr: (text) => environment.printed?.('stderr', text), noExitRuntime: true,
        });
      };
      const exported = exportsOf(entry);
      return s.then(s.P.resolve(exported), start);
    },
    assemblyscript: async () => {
      const namespace = await again(entry);
      if (typeof namespace.instantiate === 'function' && namespace.memory === undefined) {
        return namespace.instantiate(new WebAssembly.Module(await bytes()), {});
      }
      return namespace;
    },
    wrapper: () => {
      const exported = exportsOf(entry);
      return exported instanceof s.P ? s.then(exported, async (namespace) => initialised(whole(namespace))) : exported;
    },
    raw: () => {
      const source = bytes();
      return source instanceof s.P ? s.then(source, instantiateRaw) : instantiateRaw(source);
    },
    wasi: () => (environment.wasi === undefined ? undefined : environment.wasi(file, shim)),
  };

  /** Wrappers that have to be awaited say so by `ready`. */
  async function initialised(namespace) {
    if (namespace.ready instanceof s.P) await namespace.ready;
    return namespace;
  }

  function instantiateRaw(source) {
    const module = new WebAssembly.Module(source);
    const imports = {};
    for (const { module: from, name, kind } of s.Wasm.imports(module)) {
      imports[from] ??= {};
      imports[from][name] = kind === 'function' ? silentNumber : kind === 'memory' ? new WebAssembly.Memory({ initial: 1, maximum: config.pages_max })
        : kind === 'table' ? new WebAssembly.Table({ initial: 16, element: 'anyfunc' }) : 0;
    }
    return new WebAssembly.Instance(module, imports).exports;
  }
  function silentNumber() { silent(); return 0; }
}
