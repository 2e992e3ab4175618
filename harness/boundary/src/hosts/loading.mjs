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
      const init = namespace.default;
      // Before 0.2.93 the glue took the bytes themselves.
      const takesObject = s.indexOf(s.functionText(init), 'module_or_path') >= 0;
      await init(environment.fetchesItself?.() ? undefined : takesObject ? { module_or_path: await bytes() } : await bytes());
      return namespace;
    },
    'bindgen-bundler': async () => {
      // What a bundler does: the glue without its first line, and the module instantiated on it.
      const path = environment.resolve(config.root, config.module.replace(/\.wasm$/, '.js'));
      const module = new WebAssembly.Module(await bytes());
      if (environment.importsModule?.(path)) {
        // Before 0.2.83 the glue itself imports the module, which imports the glue.
        shim.retire();
        shim.kept = 'whole';
        return environment.importLinked(path, s.Wasm.exports(module).map(({ name }) => name), (namespace) => {
          const imports = {};
          for (const { module: from } of s.Wasm.imports(module)) imports[from] = namespace;
          const { exports } = new WebAssembly.Instance(module, imports);
          return exports;
        });
      }
      const glue = await again(path);
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
        // What was built for pages alone would fetch its module from a path.
        const reads = environment.requireFresh === undefined || /readFileSync|["'](node:)?fs["']/.test(s.functionText(factory));
        return factory({
          ...(reads || !/\.wasm$/.test(config.module) ? {} : { wasmBinary: await bytes() }),
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
      const before = shim.instances;
      const exported = exportsOf(entry);
      return exported instanceof s.P ? s.then(exported, async (namespace) => initialised(whole(namespace), before)) : exported;
    },
    raw: () => {
      const source = bytes();
      return source instanceof s.P ? s.then(source, instantiateRaw) : instantiateRaw(source);
    },
    wasi: () => (environment.wasi === undefined ? undefined : environment.wasi(file)),
  };

  /** Wrappers that have to be awaited say so by `ready`, and some want to be given their module first. */
  async function initialised(namespace, before) {
    if (namespace.ready instanceof s.P) await namespace.ready;
    if (shim.instances !== before || !/\.wasm$/.test(config.module)) return namespace;
    const wanted = ['init', 'initWasm', 'initialize', 'default'].find((name) => typeof s.read(namespace, name) === 'function'
      && (name !== 'default' || /^(__wbg_)?init/.test(namespace.default.name)));
    if (wanted === undefined) return namespace;
    // It may want something else, and then it has to come from a tape.
    try { await namespace[wanted](new WebAssembly.Module(await bytes())); } catch { /* as it likes */ }
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
