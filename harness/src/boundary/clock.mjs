// Measures an entry of a WebAssembly module with two inputs in turns. Standard input: a job, one line of JSON, then the
// module. Standard output: {calls, steps} with nanoseconds, or {error}. It reads no file and loads nothing else.
import { readSync, writeSync } from "node:fs";

// Longest message about the guest, characters.
const MESSAGE_MAX = 300;
// Guests are only given bytes and numbers: what they import answers nothing.
const NOTHING = { i64: () => 0n, f32: () => 0, f64: () => 0, i32: () => 0, none: () => {} };

function readAll() {
  const parts = [];
  for (;;) {
    const part = Buffer.alloc(1 << 20);
    let read;
    try {
      read = readSync(0, part, 0, part.length, null);
    } catch (error) {
      if (error.code === "EAGAIN") continue;
      throw error;
    }
    if (read === 0) return Buffer.concat(parts);
    parts.push(part.subarray(0, read));
  }
}

function answer(value) {
  const bytes = Buffer.from(JSON.stringify(value) + "\n");
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

// A number from its bits, low byte first, as the parameter's type wants it.
function number(type, hex) {
  const bytes = new Uint8Array(8);
  bytes.set(Buffer.from(hex, "hex"));
  const view = new DataView(bytes.buffer);
  if (type === "i64") return view.getBigInt64(0, true);
  if (type === "f32") return view.getFloat32(0, true);
  return type === "f64" ? view.getFloat64(0, true) : view.getInt32(0, true);
}

// The module in a fresh instance, with the job's arguments in place: `run()` makes the calls, `write(which)` puts an
// input where the other one was.
function begin(module, job) {
  const imports = {};
  for (const { module: from, name, kind, type } of job.imports) {
    imports[from] ??= {};
    if (kind === "function") imports[from][name] = NOTHING[type];
    else if (kind === "memory") imports[from][name] = new WebAssembly.Memory(type);
    else if (kind === "table") imports[from][name] = new WebAssembly.Table(type);
    else imports[from][name] = new WebAssembly.Global(type, type.value === "i64" ? 0n : 0);
  }
  const { exports } = new WebAssembly.Instance(module, imports);
  const memory = exports[job.memory];
  let added = memory?.buffer.byteLength ?? 0;
  for (const name of job.initialisers) exports[name]();
  if (job.alloc === null && job.bytes > 0) {
    const missing = Math.ceil((added + job.bytes - memory.buffer.byteLength) / 65536);
    if (missing > 0) memory.grow(missing);
  }
  const places = job.buffers.map(({ inputs: [bytes] }) => {
    const room = bytes.length / 2 + job.align - 1;
    let place = added;
    if (job.alloc === null) added += room;
    else place = exports[job.alloc](room) >>> 0;
    if (place === 0) throw new Error("its allocator has no room for the arguments");
    return Math.ceil(place / job.align) * job.align;
  });
  const contents = [0, 1].map((which) => job.buffers.map(({ inputs }) => Buffer.from(inputs[which], "hex")));
  const calls = job.calls.map((call) => {
    const late = [];
    const fixed = [0, 1].map((which) => {
      const values = [];
      for (const argument of call.arguments) {
        if ("buffer" in argument) {
          values.push(places[argument.buffer]);
          if (argument.with_length) values.push(contents[which][argument.buffer].length);
        } else if ("result" in argument) {
          if (which === 0) late.push([values.length, argument.result]);
          values.push(0);
        } else {
          values.push(number(argument.type, argument.inputs[which]));
        }
      }
      return values;
    });
    // Both inputs are passed in one array: two of them would differ in time by a tenth of a nanosecond.
    return { callee: exports[call.export], values: [...fixed[0]], fixed, late };
  });
  const results = calls.map(() => undefined);
  const run = () => {
    for (let at = 0; at < calls.length; at++) {
      const { callee, values, late } = calls[at];
      for (const [index, from] of late) values[index] = results[from];
      const result = callee(...values);
      results[at] = Array.isArray(result) ? result[0] : result;
    }
  };
  const write = (which) => {
    for (let at = 0; at < places.length; at++) {
      new Uint8Array(memory.buffer).set(contents[which][at], places[at]);
    }
    for (const { values, fixed } of calls) {
      for (let at = 0; at < values.length; at++) values[at] = fixed[which][at];
    }
  };
  return { run, write, grown: () => (memory?.buffer.byteLength ?? 0) };
}

function series(job, wasm) {
  const module = new WebAssembly.Module(wasm);
  let guest = begin(module, job);
  let bytes = guest.grown();
  const measure = (which, calls) => {
    guest.write(which);
    const { run } = guest;
    const begun = performance.now();
    for (let call = 0; call < calls; call++) run();
    return (performance.now() - begun) * 1e6;
  };
  // Calls that keep memory each time would run out of it.
  const renewIfGrown = () => {
    if (guest.grown() <= bytes) return;
    guest = begin(module, job);
    for (let call = 0; call < job.warm_up_calls; call++) measure(call % 2, 1);
    bytes = Math.max(bytes, guest.grown());
  };
  const begun = performance.now();
  for (let call = 0; call < job.warm_up_calls || (performance.now() - begun) * 1e6 < job.warm_up_ns; call++) {
    if (measure(call % 2, 1) > job.call_ns_max * 10) break;
    renewIfGrown();
  }
  let calls = 1;
  let call_ns = Infinity;
  // The loop around the calls is compiled late as well: more calls until a measurement is long enough.
  for (let attempt = 0; attempt < job.attempts; attempt++) {
    call_ns = Math.min(call_ns, measure(attempt % 2, calls) / calls);
    const wanted = Math.floor(job.measurement_ns / Math.max(call_ns, 1));
    calls = Math.max(1, Math.min(job.calls_max, wanted));
  }
  if (call_ns > job.call_ns_max) {
    const ms = (ns) => (ns / 1e6).toFixed(1);
    return { error: `one call takes ${ms(call_ns)} ms: calls of more than ${ms(job.call_ns_max)} ms are not measured` };
  }
  const wanted = Math.floor(job.series_ns / (4 * Math.max(call_ns, 1) * calls));
  const count = Math.ceil(Math.max(job.steps_min, Math.min(job.orders.length, wanted)) / job.block) * job.block;
  const steps = [];
  for (let at = 0; at < count; at++) {
    if (at % job.block === 0) renewIfGrown();
    const step = [0, 0, 0, 0];
    for (const slot of job.orders[at % job.orders.length]) step[slot] = measure(slot === "1" ? 1 : 0, calls);
    steps.push(step.map((ns) => Math.round(ns * 10) / 10));
  }
  return { calls, steps };
}

try {
  const input = readAll();
  const end = input.indexOf(10);
  answer(series(JSON.parse(input.subarray(0, end).toString()), input.subarray(end + 1)));
} catch (error) {
  answer({ error: `${error}`.slice(0, MESSAGE_MAX) });
}
