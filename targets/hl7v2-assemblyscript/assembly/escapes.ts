// Delimiters as the message declares them, and the escapes that stand for them.

export class Delimiters {
  constructor(
    public field: u8,
    public component: u8,
    public repetition: u8,
    public escape: u8,
    public subcomponent: u8,
  ) {}

  /** From the header that starts at `start`: five different characters, none a letter, digit or control. */
  static read(bytes: StaticArray<u8>, start: i32, end: i32): Delimiters | null {
    if (end - start < 8) return null;
    if (bytes[start] != 0x4d || bytes[start + 1] != 0x53 || bytes[start + 2] != 0x48) return null;
    for (let i = start + 3; i < start + 8; i++) {
      const c = bytes[i];
      const letter = (c | 0x20) >= 0x61 && (c | 0x20) <= 0x7a;
      if (c <= 0x20 || c >= 0x7f || letter || (c >= 0x30 && c <= 0x39)) return null;
      for (let k = start + 3; k < i; k++) {
        if (bytes[k] == c) return null;
      }
    }
    return new Delimiters(bytes[start + 3], bytes[start + 4], bytes[start + 5], bytes[start + 6], bytes[start + 7]);
  }
}

/** The value's text with escapes replaced; null if one does not end or means nothing. */
export function decode(bytes: StaticArray<u8>, start: i32, end: i32, delimiters: Delimiters): string | null {
  const from = changetype<usize>(bytes);
  let text = "";
  let plain = start;
  let at = start;
  while (at < end) {
    if (bytes[at] != delimiters.escape) {
      at++;
      continue;
    }
    text += String.UTF8.decodeUnsafe(from + plain, at - plain);
    let stop = at + 1;
    while (stop < end && bytes[stop] != delimiters.escape) stop++;
    if (stop == end || stop == at + 1) return null;
    const meaning = meaningOf(bytes, at + 1, stop, delimiters);
    if (meaning == null) return null;
    text += meaning;
    at = stop + 1;
    plain = at;
  }
  return text + String.UTF8.decodeUnsafe(from + plain, end - plain);
}

function meaningOf(bytes: StaticArray<u8>, start: i32, end: i32, delimiters: Delimiters): string | null {
  const letter = bytes[start];
  if (end - start == 1) {
    switch (letter) {
      case 0x46: return String.fromCharCode(delimiters.field);
      case 0x53: return String.fromCharCode(delimiters.component);
      case 0x52: return String.fromCharCode(delimiters.repetition);
      case 0x54: return String.fromCharCode(delimiters.subcomponent);
      case 0x45: return String.fromCharCode(delimiters.escape);
      // Highlighting on and off means nothing to a router.
      case 0x48: case 0x4e: return "";
      default: return null;
    }
  }
  if (letter == 0x58) return hexadecimal(bytes, start + 1, end);
  if (letter == 0x2e) return formatting(bytes, start + 1, end);
  // Local escapes and character sets are kept for those who know them.
  if (letter == 0x5a || letter == 0x43 || letter == 0x4d) return "\u{fffd}";
  return null;
}

function hexadecimal(bytes: StaticArray<u8>, start: i32, end: i32): string | null {
  if ((end - start) % 2 != 0) return null;
  let text = "";
  for (let at = start; at < end; at += 2) {
    const high = nibble(bytes[at]);
    const low = nibble(bytes[at + 1]);
    if (high < 0 || low < 0) return null;
    text += String.fromCharCode((high << 4) | low);
  }
  return text;
}

function nibble(c: u8): i32 {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

// `.br` is a line break, `.sp` one or `.sp+N` N of them, `.in` and `.ti` indents of N spaces, `.ce`, `.fi`, `.nf` nothing.
function formatting(bytes: StaticArray<u8>, start: i32, end: i32): string | null {
  if (end - start < 2) return null;
  const command = ((<i32>bytes[start]) << 8) | bytes[start + 1];
  let count = 0;
  let at = start + 2;
  if (at < end && (bytes[at] == 0x2b || bytes[at] == 0x2d)) at++;
  for (; at < end; at++) {
    if (bytes[at] < 0x30 || bytes[at] > 0x39) return null;
    count = count * 10 + (bytes[at] - 0x30);
    // A page has no more lines, and no line more columns.
    if (count > 200) return null;
  }
  switch (command) {
    case 0x6272: return "\n";
    case 0x7370: return "\n".repeat(max(count, 1));
    case 0x696e: case 0x7469: return " ".repeat(count);
    case 0x6365: case 0x6669: case 0x6e66: return "";
    default: return null;
  }
}
