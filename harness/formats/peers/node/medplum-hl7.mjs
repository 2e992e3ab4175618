// @medplum/core: `Hl7Message.parse`, parts split by the separators of its own context.
import { field, text } from './refusal.mjs';

export const name = '@medplum/core';
let Hl7Message;

export function load(require) {
  ({ Hl7Message } = require('@medplum/core'));
}

export function read(_, input) {
  const message = Hl7Message.parse(text(input));
  const { fieldSeparator, subcomponentSeparator } = message.context;
  const parts = ({ components }) =>
    field(components.map((repetition) => repetition.map((component) => component.split(subcomponentSeparator))));
  const segments = message.segments.filter((segment) => segment.toString() !== '');
  return JSON.stringify([
    segments.map((segment) =>
      segment.name === 'MSH'
        ? ['MSH', fieldSeparator, message.context.getMsh2(), ...segment.fields.slice(2).map(parts)]
        : [segment.name, ...segment.fields.slice(1).map(parts)],
    ),
  ]);
}
