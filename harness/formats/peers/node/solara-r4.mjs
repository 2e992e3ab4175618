// @solarahealth/fhir-r4: a zod schema per resource type.
import { Refusal, json } from './refusal.mjs';

export const name = '@solarahealth/fhir-r4';
const VALUE = ['invalid_format', 'invalid_value', 'too_big', 'too_small', 'not_multiple_of', 'custom'];
const schemas = new Map();
let solara;

export function load(require) {
  solara = require('@solarahealth/fhir-r4');
}

export function read(_, input) {
  const resource = json(input);
  const type = resource?.resourceType;
  const maker = `create${type}Schema`;
  if (typeof type !== 'string' || !Object.hasOwn(solara, maker)) throw new Refusal('structure', 'no such resource type');
  if (!schemas.has(type)) schemas.set(type, solara[maker]());
  const result = schemas.get(type).safeParse(resource);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new Refusal(VALUE.includes(issue.code) ? 'value' : 'structure', `${issue.code}: ${issue.message.split(':')[0]}`);
  }
  return JSON.stringify(result.data);
}
