// canary-boundary, repaired, for Node: the generated glue (CommonJS) behind the wrapper.

import glue from './canary_boundary_fixed.js';
import { harden } from './harden.mjs';

export const {
  Store, age, calc, dose, doses_per_day, each, greet, hl7, host_name, import_patient, initials, join, last,
  later, log_visit, normalize, offset, parse, patient_key, pick, remember, remind, save, set_default, split,
  temperature, total, unescape, visit, watch,
} = harden(glue);
