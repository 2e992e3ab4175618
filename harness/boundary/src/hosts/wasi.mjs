// WASI programs in Node: node:wasi answers them, without folders, arguments and environment. What they print is heard or is
// their result, clock and randomness are the same in every instance, and every other use of the host is told.

import { WASI } from 'node:wasi';

const { create } = Object;
const { exports: exportsOf, imports: importsOf } = WebAssembly.Module;
const { DataView, Uint8Array } = globalThis;

const SUCCESS = 0, EBADF = 8, EFAULT = 21, ENOSPC = 51;
const OUTPUT_MAX = 16 << 20; // bytes of one run
const VECTORS_MAX = 1024; // of one call
const BEGIN = 1_700_000_000_000_000_000n; // of the clock, nanoseconds since 1970
const TICK = 1_000_000n; // between two looks at it

/** Which capability a function uses; none for what every C library asks when it starts, and what ends here. */
function capabilityOf(name) {
  if (/^(clock_|poll_)/.test(name)) return 'clock';
  if (name === 'random_get') return 'random';
  if (/^sock_/.test(name)) return 'network';
  if (/^(proc_raise)/.test(name)) return 'process';
  if (/^path_(create|remove|unlink|rename|link|symlink|filestat_set)/.test(name)) return 'fs-write';
  return /^path_/.test(name) ? 'fs-read' : null;
}

/** How a program ends that does not return. */
export class Exit extends Error {
  constructor(code) {
    super(`exited with ${code}`);
    this.name = 'Exit';
    this.code = code;
  }
}

/** An instance that has not run yet: itself, and what its standard streams hold. */
function instantiate(module, { used, heard, text }, isCommand) {
  const wasi = new WASI({ version: 'preview1', args: [], env: create(null), preopens: create(null), returnOnExit: false });
  const streams = { input: new Uint8Array(0), at: 0, output: [], bytes: 0 };
  let instance = null;
  let ticks = 0n;
  let state = 0x9e3779b9; // as in `repro.mjs`
  const view = () => new DataView(instance.exports.memory.buffer);

  /** Calls `each` with the pieces of memory that a list of vectors means. */
  function vectors(list, count, each) {
    const data = view();
    for (let at = 0; at < Math.min(count >>> 0, VECTORS_MAX); at++) {
      const from = data.getUint32((list >>> 0) + 8 * at, true);
      const length = data.getUint32((list >>> 0) + 8 * at + 4, true);
      if (from + length > data.byteLength) throw new RangeError('a vector is out of memory');
      if (!each(new Uint8Array(data.buffer, from, length))) break;
    }
  }
  const own = {
    fd_write(fd, list, count, written) {
      if (fd !== 1 && fd !== 2) return EBADF;
      let bytes = 0;
      const parts = [];
      vectors(list, count, (part) => { bytes += part.length; parts.push(part.slice()); return true; });
      if (streams.bytes + bytes > OUTPUT_MAX) return ENOSPC;
      if (fd === 1 && isCommand) {
        streams.bytes += bytes;
        streams.output.push(...parts);
      } else heard(fd === 1 ? 'stdout' : 'stderr', parts.map(text));
      view().setUint32(written >>> 0, bytes, true);
      return SUCCESS;
    },
    fd_read(fd, list, count, read) {
      if (fd !== 0) return EBADF;
      const before = streams.at;
      vectors(list, count, (part) => {
        const piece = streams.input.subarray(streams.at, streams.at + part.length);
        part.set(piece);
        streams.at += piece.length;
        return piece.length === part.length;
      });
      view().setUint32(read >>> 0, streams.at - before, true);
      return SUCCESS;
    },
    clock_time_get(id, precision, into) {
      view().setBigUint64(into >>> 0, BEGIN + TICK * ticks++, true);
      return SUCCESS;
    },
    random_get(into, length) {
      const bytes = new Uint8Array(view().buffer, into >>> 0, length >>> 0);
      for (let at = 0; at < bytes.length; at++) {
        state ^= state << 13; state ^= state >>> 17; state ^= state << 5; // xorshift32
        bytes[at] = state >>> 24;
      }
      return SUCCESS;
    },
  };
  const imports = {};
  for (const { module: from, name, kind } of importsOf(module)) {
    imports[from] ??= {};
    if (imports[from][name] !== undefined) continue;
    const theirs = /^wasi_/.test(from) ? wasi.wasiImport[name] : undefined;
    if (kind !== 'function') throw new TypeError(`${from}.${name}: a WASI program that imports a ${kind} is not run here`);
    if (name === 'proc_exit') {
      imports[from][name] = (code) => {
        if (!isCommand) used('process', `wasi ${name}`);
        throw new Exit(code);
      };
      continue;
    }
    const capability = capabilityOf(name);
    const answer = /^wasi_/.test(from) ? own[name] ?? theirs : undefined;
    if (answer === undefined) {
      // Not WASI's: it gets nothing, and it is told.
      imports[from][name] = () => { used('unknown', `${from}.${name}`); return 0; };
      continue;
    }
    imports[from][name] = (...args) => {
      if (capability !== null) used(capability, `wasi ${name}`);
      try { return answer(...args); } catch (error) {
        if (error instanceof RangeError || error instanceof TypeError) return EFAULT;
        throw error;
      }
    };
  }
  instance = new WebAssembly.Instance(module, imports);
  return { wasi, instance, streams };
}

/**
 * The package: the exports of a reactor; for a command `_start(stdin)`, which runs a fresh instance of it and gives what it
 * wrote to its standard output.
 */
export function loadWasi(bytes, host) {
  const module = new WebAssembly.Module(bytes);
  const isCommand = exportsOf(module).some(({ name, kind }) => name === '_start' && kind === 'function');
  let next = instantiate(module, host, isCommand);
  if (!isCommand) {
    next.wasi.initialize(next.instance);
    return next.instance.exports;
  }
  return {
    _start(stdin) {
      if (!(stdin instanceof Uint8Array)) throw new TypeError('standard input is a Uint8Array');
      const { wasi, instance, streams } = next ?? instantiate(module, host, true);
      next = null;
      streams.input = stdin.slice();
      try { wasi.start(instance); } catch (error) {
        if (!(error instanceof Exit) || error.code !== 0) throw error;
      }
      const output = new Uint8Array(streams.bytes);
      let at = 0;
      for (const part of streams.output) { output.set(part, at); at += part.length; }
      return output;
    },
  };
}
