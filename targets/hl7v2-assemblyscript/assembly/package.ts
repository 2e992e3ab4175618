// What JavaScript imports: the same reader behind the bindings that AssemblyScript's compiler writes.

import { Message, Refused, read } from "./message";

function parsed(text: string): Message {
  const utf8 = String.UTF8.encode(text);
  const bytes = new StaticArray<u8>(utf8.byteLength);
  memory.copy(changetype<usize>(bytes), changetype<usize>(utf8), utf8.byteLength);
  return read(bytes);
}

/** How many values a message has; below zero, why it is refused. */
export function values(text: string): i32 {
  const message = parsed(text);
  return message.refused != Refused.No ? -(<i32>message.refused) : message.values;
}

/** Names of its segments. */
export function segments(text: string): string[] {
  const message = parsed(text);
  const names = new Array<string>();
  for (let at = 0; at < message.segments.length; at++) names.push(message.segments[at].name);
  return names;
}

/** The text of a component of a field in the first segment of that name; throws where the message is refused. */
export function component(text: string, segment: string, field: u16, at: u8): string {
  const message = parsed(text);
  if (message.refused != Refused.No) throw new Error("refused: " + text);
  return message.first(segment, field, at);
}

/** How many values are in a message as it came over the wire. */
export function received(bytes: Uint8Array): i32 {
  const copy = new StaticArray<u8>(bytes.length);
  memory.copy(changetype<usize>(copy), bytes.dataStart, bytes.length);
  const message = read(copy);
  return message.refused != Refused.No ? -(<i32>message.refused) : message.values;
}

/** Lines of a message, joined again. */
export function assembled(lines: string[]): string {
  return lines.join("\r") + "\r";
}

/** An id in upper case, as it is compared; nothing for an empty one. */
export function id(text: string): string | null {
  return text.length > 0 ? text.toUpperCase() : null;
}

/** Nanoseconds of a time stamp in seconds. */
export function nanoseconds(seconds: u64): u64 {
  return seconds * 1000000000;
}

/** Days until a refill, from the days that a package lasts. */
export function refill(days: u8): u8 {
  return days > 5 ? days - 5 : 0;
}
