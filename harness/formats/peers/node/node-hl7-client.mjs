// node-hl7-client: the nodes of a Message, leaves with their raw and their unescaped text; files and batches are split
// by its own classes.
import { field, text } from './refusal.mjs';

export const name = 'node-hl7-client';
let hl7;

export function load(require) {
  hl7 = require('node-hl7-client');
}

function leaf(node) {
  const [raw, plain] = [node.toRaw(), node.toString()];
  return raw === plain ? plain : { raw, text: plain };
}

const children = (node) => (node.length > 0 ? node.toArray() : []);
const component = (node) => (node.length > 1 ? node.toArray().map(leaf) : [leaf(node)]);
const repetition = (node) => (node.length > 0 ? node.toArray().map(component) : [['']]);
const parts = (node) => (node.length > 0 ? field(node.toArray().map(repetition)) : null);

function segment(node) {
  const [first, second, ...rest] = children(node);
  if (node.name !== 'MSH') return [node.name, ...[second].filter(Boolean).map(parts), ...rest.map(parts)];
  return ['MSH', node.toRaw()[3] ?? '', second?.toRaw() ?? '', ...rest.map(parts)];
}

export function read(_, input) {
  const message = text(input);
  const whole = hl7.isBatch(message) ? new hl7.Batch({ text: message }).messages() : [new hl7.Message({ text: message })];
  return JSON.stringify(whole.map((one) => one.toArray().map(segment)));
}
