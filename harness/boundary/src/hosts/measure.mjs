// Speeds of the same calls: in a plain loop as a program makes them, with counters read after each, and as tapes with
// everything that is asked of them. The parent does the same through its pipe and compares.

import * as s from './safe.mjs';

// How long each way is looked at, milliseconds.
const LOOK = 300;
const CALLS = 256; // between two looks at the clock

/** Calls a second of `work`, which makes `count` of them at a time; it is warm already. */
async function rate(work, count) {
  const began = s.now();
  let calls = 0;
  let passed = 0;
  while (passed < LOOK) {
    const waiting = work();
    if (waiting !== undefined) await waiting;
    calls += count;
    passed = s.now() - began;
  }
  return (1000 * calls) / passed;
}

/**
 * `calls` are functions with holder and arguments; `evaluate` reads the counters, undefined where there are none; `tapes`
 * runs them all as tapes. The answer is lines `way calls-a-second`.
 */
export async function measure({ calls, evaluate, tapes }) {
  const make = (after) => () => {
    for (let at = 0; at < CALLS; at++) {
      const { target, holder, args } = calls[at % calls.length];
      try { s.apply(target, holder, args); } catch { /* refused */ }
      if (after !== undefined) after();
    }
  };
  const ways = [['loop', make(undefined), CALLS]];
  if (evaluate !== undefined) ways.push(['loop, evaluated', make(evaluate), CALLS], ['tapes', tapes, calls.length]);
  const lines = [];
  for (const [name, work, count] of ways) lines.push(`${name} ${await rate(work, count)}`);
  return lines;
}
