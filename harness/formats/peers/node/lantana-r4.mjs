// fhir (Lantana): JSON through `validate`, XML through `xmlToJson`, which is how it is used.
import { Refusal, json, text } from './refusal.mjs';

export const name = 'fhir';
let fhir;

export function load(require) {
  fhir = new (require('fhir').Fhir)();
}

export function read(format, input) {
  if (format === 'fhir-xml') return fhir.xmlToJson(text(input));
  const resource = json(input);
  const { valid, messages } = fhir.validate(resource);
  if (!valid) {
    const worst = messages.find((message) => message.severity === 'error' || message.severity === 'fatal');
    const value = /value set|format|must be|Invalid/i.test(worst?.message ?? '');
    throw new Refusal(value ? 'value' : 'structure', worst?.message ?? 'not valid');
  }
  return JSON.stringify(resource);
}
