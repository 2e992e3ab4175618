// Entry of the Node child: frames in on fd 0, frames out on fd 3 (`sh -c 'exec node node.mjs 3>&1 1>&2'`), so that nothing
// that a package prints gets between them. It reads blocking, with a turn of the event loop before each batch.

import fs from 'node:fs';
import path from 'node:path';
import { createHash } from 'node:crypto';
import Module, { createRequire, syncBuiltinESMExports } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';
import { discover } from './discover.mjs';
import { createRuntime } from './runtime.mjs';
import { loadWasi } from './wasi.mjs';

const FRAME = { config: 1, module: 2, evaluator: 3, batch: 4, seen: 5, names: 6, hello: 16, result: 17, failed: 18 };
const ORIGINAL = 255; // index of the module as it is deployed
const FRAME_MAX = 1 << 30;
const { readSync, writeSync, readFileSync, realpathSync } = fs;
const { exit } = process;
const { stringify, parse } = JSON;
const { setImmediate: immediately, Promise: Later } = globalThis;
const wait = Atomics.wait;
const pause = new Int32Array(new SharedArrayBuffer(4));
const collect = globalThis.gc;
const latin1Slice = Function.prototype.call.bind(Buffer.prototype.latin1Slice);
const ucs2Slice = Function.prototype.call.bind(Buffer.prototype.ucs2Slice);
const subarray = Function.prototype.call.bind(Buffer.prototype.subarray);
const utf8Slice = Function.prototype.call.bind(Buffer.prototype.utf8Slice);
const bufferIndexOf = Function.prototype.call.bind(Buffer.prototype.indexOf);
const cutText = Function.prototype.call.bind(String.prototype.substring);
const join = path.join;
const { allocUnsafe, from: bufferFrom, compare: compareBytes } = Buffer;

// ---- frames ----

function readFully(into) {
  let at = 0;
  while (at < into.length) {
    let count;
    try { count = readSync(0, into, at, into.length - at, null); } catch (error) {
      if (error.code !== 'EAGAIN' && error.code !== 'EINTR') exit(0);
      wait(pause, 0, 0, 1);
      continue;
    }
    if (count === 0) exit(0); // the parent has gone
    at += count;
  }
  return into;
}
const head = allocUnsafe(5);
function readFrame() {
  readFully(head);
  const length = head.readUInt32LE(0);
  if (length > FRAME_MAX) exit(1);
  return { type: head[4], payload: readFully(allocUnsafe(length)) };
}
function writeFrame(type, text) {
  const payload = bufferFrom(text, 'utf8');
  const frame = allocUnsafe(5 + payload.length);
  frame.writeUInt32LE(payload.length, 0);
  frame[4] = type;
  payload.copy(frame, 5);
  for (let at = 0; at < frame.length;) {
    try { at += writeSync(3, frame, at, frame.length - at); } catch (error) {
      if (error.code !== 'EAGAIN' && error.code !== 'EINTR') exit(0);
      wait(pause, 0, 0, 1);
    }
  }
}

// ---- what is particular to Node ----

let late = [];
function remember(kind, error) { if (late.length < 64) late[late.length] = { kind, error }; }
process.on('uncaughtException', (error) => remember('uncaught exception', error));
process.on('unhandledRejection', (error) => remember('unhandled rejection', error));

let root = '/';
let printed = () => {};
let told = () => {};
let missing = null;
let within = null; // where the module stands within a script: that file, and the module
const require = createRequire(import.meta.url);

// A fresh instance evaluates the package's CommonJS files anew, but compiles them once: what V8 learnt about them stays.
const compiled = new Map();
const { compileFunction } = vm;
const compile = Module.prototype._compile;
Module.prototype._compile = function _compile(content, file, ...rest) {
  if (!file.startsWith(root) || content.startsWith('#!') || content.includes('import(')) return compile.call(this, content, file, ...rest);
  // Node keeps every module that a file ever required: with it its instance and that one's memory.
  if (this.parent?.children) this.parent.children.length = 0;
  let known = compiled.get(file);
  if (known === undefined || known.content !== content) {
    const body = compileFunction(content, ['exports', 'require', 'module', '__filename', '__dirname'], { filename: file });
    known = { content, body, require: createRequire(file) };
    compiled.set(file, known);
  }
  return Reflect.apply(known.body, this.exports, [this.exports, known.require, this, file, path.dirname(file)]);
};

/** Bundlers take every script with `import` or `export` for a module, whatever package.json says. */
function isModuleText(file) {
  let known = modules.get(file);
  if (known === undefined) {
    const text = readFileSync(file, 'utf8');
    known = /(^|[;}\n])\s*(export\s*[{*]|export\s+(default|const|let|var|class|async|function)\b|import\s*["'{*]|import\s+\w)/.test(text) && !/\bmodule\.exports\b/.test(text);
    modules.set(file, known);
  }
  return known;
}
const modules = new Map();

const environment = {
  host: `Node ${process.versions.node} (V8 ${process.versions.v8.split('.').slice(0, 2).join('.')})`,
  resolve: (folder, file) => join(folder, file),
  readFile: (file) => (within !== null && file === within.file ? within.bytes : readFileSync(file)),
  sha256: (bytes) => createHash('sha256').update(bytes).digest('hex'),
  same: (a, b) => compareBytes(a, b) === 0,
  search: (bytes, text, from) => bufferIndexOf(bytes, text, from, 'latin1'),
  gc: collect,
  turn: () => new Later((resolve) => immediately(resolve)),
  lateErrors() { const errors = late; late = []; return errors; },
  latin1: (bytes, from, to) => latin1Slice(bytes, from, to),
  utf16: (bytes, from, to) => ucs2Slice(bytes, from, to),
  utf8: (bytes, from, to) => utf8Slice(bytes, from, to),
  printed: (where, text) => printed(where, [text]),
  isCommonJs(file) {
    if (/\.cjs$/.test(file)) return true;
    if (/\.mjs$/.test(file) || isModuleText(file)) return false;
    for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
      const manifest = join(folder, 'package.json');
      try { return parse(readFileSync(manifest, 'utf8')).type !== 'module'; } catch { /* none here */ }
      if (!folder.startsWith(root)) return true;
    }
  },
  requireFresh(file) {
    for (const key of Object.keys(require.cache)) if (key.startsWith(root)) delete require.cache[key];
    return require(file);
  },
  /** Whether glue for bundlers imports its .wasm file as a module. */
  importsModule(file) { return /^\s*import\s*\*\s*as\s+\w+\s+from\s*["'][^"']*\.wasm["']/m.test(readFileSync(file, 'utf8')); },
  /** Evaluates such glue as it is; what its module exports is `instantiate(its namespace)`. */
  async importLinked(file, names, instantiate) {
    const url = pathToFileURL(file);
    const initializeImportMeta = (meta) => { meta.url = url.href; };
    const glue = new vm.SourceTextModule(readFileSync(file, 'utf8'), { identifier: url.href, initializeImportMeta });
    await glue.link(async (specifier) => {
      if (specifier.endsWith('.wasm')) {
        return new vm.SyntheticModule(names, function () {
          const exports = instantiate(glue.namespace);
          for (const name of names) this.setExport(name, exports[name]);
        });
      }
      const other = await import(specifier.startsWith('.') ? new URL(specifier, url).href : specifier);
      return new vm.SyntheticModule(Object.keys(other), function () { for (const name of Object.keys(other)) this.setExport(name, other[name]); });
    });
    await glue.evaluate();
    return glue.namespace;
  },
  importModule: (file, count) => import(`${pathToFileURL(file).href}${count > 0 ? `?n=${count}` : ''}`),
  wasi: (file) => loadWasi(readFileSync(file), { used: told, heard: printed, text: (bytes) => utf8Slice(bytes, 0, Math.min(bytes.length, 65536)) }),
  files() {
    return Object.keys(require.cache).filter((key) => key.startsWith(root)).sort().map((key) => [path.relative(root, key), readFileSync(key)]);
  },
  /** Reads of the module fail, or give something else, while the package is loaded. */
  fault(kind, config) { missing = kind === null || within !== null ? null : { kind, file: join(config.root, config.module) }; },
  instrument({ used, wrap, heard, argument }) {
    printed = heard;
    told = used;
    const text = (value) => (typeof value === 'string' ? value : value instanceof Uint8Array ? utf8Slice(value, 0, Math.min(value.length, 65536)) : '');
    for (const [name, stream] of [['stdout', process.stdout], ['stderr', process.stderr]]) {
      stream.write = function write(chunk, encoding, done) {
        heard(name, [text(chunk)]);
        const callback = typeof encoding === 'function' ? encoding : done;
        if (typeof callback === 'function') immediately(callback);
        return true;
      };
    }
    const own = (file) => {
      try { const name = file instanceof URL ? fileURLToPath(file) : `${file}`; return name === '/dev/null' || path.resolve(name).startsWith(root) || name.startsWith('file:'); } catch { return false; }
    };
    const reads = ['readFile', 'readFileSync', 'open', 'openSync', 'createReadStream', 'readdir', 'readdirSync', 'stat', 'statSync', 'lstatSync', 'access', 'accessSync', 'existsSync', 'readlinkSync'];
    const writes = ['writeFile', 'writeFileSync', 'appendFile', 'appendFileSync', 'createWriteStream', 'mkdir', 'mkdirSync', 'rm', 'rmSync', 'unlink', 'unlinkSync', 'rename', 'renameSync', 'rmdirSync', 'symlinkSync', 'chmodSync', 'truncateSync', 'copyFile', 'copyFileSync', 'cpSync'];
    const guard = (holder, prefix) => {
      for (const name of reads) wrap(holder, name, 'fs-read', `${prefix}.${name}`, (args) => (own(args[0]) ? null : argument(args)));
      for (const name of writes) wrap(holder, name, 'fs-write', `${prefix}.${name}`, argument);
    };
    guard(fs, 'fs');
    guard(fs.promises, 'fs.promises');
    const write = fs.writeSync;
    fs.writeSync = function (fd, data, ...rest) {
      if (fd === 1 || fd === 2) { heard(fd === 1 ? 'stdout' : 'stderr', [text(data)]); return data?.length ?? 0; }
      used('fs-write', 'fs.writeSync');
      return write.call(fs, fd, data, ...rest);
    };
    for (const name of ['readFileSync', 'readFile']) {
      const was = fs[name];
      fs[name] = function (file, ...rest) {
        if (missing !== null && (`${file}` === missing.file || (file instanceof URL && fileURLToPath(file) === missing.file))) {
          if (missing.kind === 'missing') {
            const error = Object.assign(new Error(`ENOENT: no such file or directory, open '${missing.file}'`), { code: 'ENOENT', errno: -2, syscall: 'open', path: missing.file });
            if (name === 'readFileSync') throw error;
            const done = rest[rest.length - 1];
            if (typeof done === 'function') { immediately(done, error); return undefined; }
          }
          if (name === 'readFileSync') return Buffer.from('<!doctype html><title>404</title>');
        }
        return was.call(fs, file, ...rest);
      };
    }
    const modules = {
      child_process: ['process', ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork']],
      net: ['network', ['connect', 'createConnection', 'createServer']], tls: ['network', ['connect']],
      http: ['network', ['request', 'get', 'createServer']], https: ['network', ['request', 'get']],
      dns: ['network', ['lookup', 'resolve', 'resolve4', 'resolve6', 'resolveTxt']], dgram: ['network', ['createSocket']],
      worker_threads: ['worker', ['Worker']], vm: ['eval', ['runInContext', 'runInNewContext', 'runInThisContext', 'compileFunction', 'Script']],
    };
    for (const [name, [capability, members]] of Object.entries(modules)) {
      const module = require(name);
      for (const member of members) wrap(module, member, capability, `${name}.${member}`, argument);
    }
    for (const member of ['exit', 'abort', 'kill', 'chdir', 'dlopen', 'binding', 'reallyExit']) wrap(process, member, 'process', `process.${member}`, argument);
    syncBuiltinESMExports();
  },
};

async function main() {
  const runtime = createRuntime(environment);
  let names = null;
  let config = null;
  let loaded = false;
  for (;;) {
    await environment.turn();
    const { type, payload } = readFrame();
    if (type === FRAME.config) {
      config = parse(payload.toString('utf8'));
      try { root = realpathSync(config.root); } catch { root = path.resolve(config.root); } // its parents may be out of reach
      config.root = root;
      if (!root.endsWith(path.sep)) root += path.sep;
    } else if (type === FRAME.names) names = parse(payload.toString('utf8'));
    else if (type === FRAME.module && payload[0] === ORIGINAL) within = { file: join(config.root, config.module), bytes: payload.subarray(1) };
    else if (type === FRAME.module) runtime.module(payload[0], payload.subarray(1));
    else if (type === FRAME.evaluator) runtime.evaluator(payload[0], payload.subarray(1));
    else if (type === FRAME.seen) {
      // The last of what comes before batches.
      if (names === null) runtime.configure(config);
      runtime.seen(payload);
      if (config === null || loaded) throw new Error('SEEN came where it must not');
      loaded = true;
      // What waits for something that never comes leaves nothing to be done, and then Node ends without a word.
      const never = () => writeFrame(FRAME.failed, stringify('it does not come to an end: what it waits for never comes'));
      process.on('exit', never);
      try { writeFrame(FRAME.hello, stringify(await (names === null ? runtime.load() : discover(environment, config, names)))); } catch (error) {
        writeFrame(FRAME.failed, stringify(cutText(`${error?.message ?? error}`, 0, 2000)));
        process.off('exit', never);
        exit(0);
      }
      process.off('exit', never);
    }
    else if (type === FRAME.batch) {
      if (!loaded) throw new Error('a batch came before HELLO');
      const tapes = [];
      const count = payload.readUInt32LE(5);
      for (let index = 0, at = 9; index < count; index++) {
        const length = payload.readUInt32LE(at);
        tapes[index] = subarray(payload, at + 4, at + 4 + length);
        at += 4 + length;
      }
      writeFrame(FRAME.result, stringify(await runtime.run(payload.readUInt32LE(0), payload[4], tapes)));
    } else throw new Error(`frame of unknown type ${type}`);
  }
}

main().catch((error) => {
  writeFrame(FRAME.failed, stringify(cutText(`the host broke: ${error?.stack ?? error}`, 0, 2000)));
  exit(1);
});
