// simple-hl7: its parser's arrays; MSH-1 and MSH-2 are constants of the library.
import { field, text } from './refusal.mjs';

export const name = 'simple-hl7';
let Parser;

export function load(require) {
  ({ Parser } = require('simple-hl7'));
}

const component = ({ value }) => value.flat();
const repetition = (part) => (Array.isArray(part) ? part.map(component) : part.value.flat().map(component));
const parts = ({ value }) => field(value.map(repetition));

export function read(_, input) {
  const { header, segments } = new Parser().parse(text(input));
  const { fieldSeperator, componentSeperator, repititionCharacter, escapeCharacter, subcomponentSeperator } =
    header.delimiters;
  const delimiters = componentSeperator + repititionCharacter + escapeCharacter + subcomponentSeperator;
  return JSON.stringify([
    [
      [header.name, fieldSeperator, delimiters, ...header.fields.map(parts)],
      ...segments.map((segment) => [segment.name, ...segment.fields.map(parts)]),
    ],
  ]);
}
