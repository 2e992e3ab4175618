// The module's exports: memory for an input, and the entry that reads it.

import { Message, Refused, read } from "./message";

// A u32 length and that many bytes: what `lastWords` leaves behind for the host.
const MESSAGE_BYTES_MAX: i32 = 1020;
export const AUTOCLAVE_MESSAGE: usize = memory.data(1024);

/** Reserves bytes for an input; the host frees them again. */
export function alloc(size: i32): usize {
  return heap.alloc(<usize>max(size, 1));
}

/** Gives an input's bytes back. */
export function free(address: usize, size: i32): void {
  heap.free(address);
}

/** Reads a message; gives back the count of its values, or below zero why it was refused. */
export function parse(address: usize, size: i32): i32 {
  const bytes = new StaticArray<u8>(size);
  memory.copy(changetype<usize>(bytes), address, <usize>size);
  const message = read(bytes);
  if (message.refused != Refused.No) return -(<i32>message.refused);
  return summary(message);
}

// What a router looks at: type, control id, patient, observations. Counts the values found.
function summary(message: Message): i32 {
  let values = message.values;
  const kind = message.first("MSH", 9, 1);
  if (kind.length != 3) return -(<i32>Refused.Type);
  if (message.first("MSH", 10, 1).length == 0) return -(<i32>Refused.ControlId);
  if (kind == "ORU") {
    for (let i = 0; i < message.segments.length; i++) {
      const segment = message.segments[i];
      if (segment.name != "OBX") continue;
      const fault = segment.observationFault();
      if (fault != Refused.No) return -(<i32>fault);
      values++;
    }
  }
  if (kind == "ADT" && message.first("PID", 5, 1).length == 0) return -(<i32>Refused.Patient);
  return values;
}

/** Takes the place of the usual `abort`: leaves the message in linear memory, then traps. */
export function lastWords(message: string | null, file: string | null, line: u32, column: u32): void {
  const text = (message ? message : "abort") + " at " + (file ? file : "?") + ":" + line.toString() + ":" + column.toString();
  const encoded = Uint8Array.wrap(String.UTF8.encode(text));
  const count = min(encoded.length, MESSAGE_BYTES_MAX);
  memory.copy(AUTOCLAVE_MESSAGE + 4, encoded.dataStart, <usize>count);
  store<u32>(AUTOCLAVE_MESSAGE, <u32>count);
  unreachable();
}
