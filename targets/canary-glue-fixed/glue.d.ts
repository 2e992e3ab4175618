// What callers may do.
/** In upper case. */
export function upper(text: string): string;
/** The same bytes. */
export function copy(array: Uint8Array): Uint8Array;
/** Micrograms. */
export function dose(milligrams: number): number;
/** A text that is kept. */
export class Note {
  constructor(text: string);
  text(): string;
  free(): void;
}
