// hl7-standard: its tree of objects, which are named `PID.5.1`, put back into order.
import { field, text } from './refusal.mjs';

export const name = 'hl7-standard';
let HL7;

export function load(require) {
  HL7 = require('hl7-standard');
}

/** Values by the last number of their names, from 1 on. */
function numbered(object) {
  const list = [];
  for (const [key, value] of Object.entries(object)) list[Number(key.slice(key.lastIndexOf('.') + 1)) - 1] = value;
  return Array.from(list, (value) => value ?? '');
}

const component = (value) => (Array.isArray(value) ? value : [value]);
const repetition = (value) => (typeof value === 'string' ? [[value]] : numbered(value).map(component));
// A list of strings is what it makes of separators of subcomponents in a field of one component.
const parts = (value) => field(Array.isArray(value) ? value.map(repetition) : [repetition(value)]);

function segment({ type, data }) {
  if (type !== 'MSH') return [type, ...numbered(data).map(parts)];
  const [, encoding, ...rest] = numbered(data);
  return [type, '|', encoding, ...rest.map(parts)];
}

export function read(_, input) {
  const hl7 = new HL7(text(input));
  hl7.transform();
  const messages = hl7.isBatch() ? hl7.container : [hl7];
  const all = messages.map(({ transformed }) => Object.values(transformed).flat().sort((a, b) => a.index - b.index));
  return JSON.stringify(all.map((segments) => segments.map(segment)));
}
