// canary-boundary, repaired, for browsers: the generated glue behind the wrapper. The module is compiled from a response of
// the right type or not at all: the glue's own initialisation falls back, and says so on the console.

import * as glue from './canary_boundary_fixed.js';
import { harden } from './harden.mjs';

glue.initSync({ module: await WebAssembly.compileStreaming(fetch(new URL('canary_boundary_fixed_bg.wasm', import.meta.url))) });

export const {
  Store, age, calc, dose, doses_per_day, each, greet, hl7, host_name, import_patient, initials, join, last,
  later, log_visit, normalize, offset, parse, patient_key, pick, remember, remind, save, set_default, split,
  temperature, total, unescape, visit, watch,
} = harden(glue);
