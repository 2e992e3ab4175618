// What adapters share: a refusal that names the parser's layer, and JSON as an application reads it.

/** An error of the peer's own, with the layer that it comes from. */
export class Refusal extends Error {
  constructor(layer, message) {
    super(message);
    this.layer = layer;
  }
}

/** Bytes as applications decode them: invalid UTF-8 becomes U+FFFD. */
export const text = (input) => input.toString('utf8');

/** A JSON document by the engine's own parser. */
export function json(input) {
  try {
    return JSON.parse(text(input));
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refusal('syntax', error.message.replace(/, .*|in JSON.*/s, ''));
    throw error;
  }
}

const only = (parts) => (parts.length === 1 && typeof parts[0] === 'string' ? parts[0] : parts);

/** Repetitions in the short form: a part that has one leaf only is that leaf, and `null` a field that is empty. */
export function field(repetitions) {
  const short = repetitions.map((components) => only(components.map(only)));
  return short.length === 1 && short[0] === '' ? null : short;
}
