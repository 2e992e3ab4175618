// Secrets handled in AssemblyScript, leaky and repaired. Buffers come as address and length, as in the other guests. The
// module carries no line tables: a report names functions only.

const DIGITS: StaticArray<u8> = [48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102];

/** Reserves bytes for a buffer; the host frees them again. */
export function alloc(size: i32): usize {
  return heap.alloc(<usize>max(size, 1));
}

/** Gives a buffer's bytes back. */
export function free(address: usize, size: i32): void {
  heap.free(address);
}

/** 1 if equal; stops at the first difference. */
export function eq_early_exit(a: usize, aSize: i32, b: usize, bSize: i32): i32 {
  if (aSize != bSize) return 0;
  for (let at = 0; at < aSize; at++) {
    if (load<u8>(a + at) != load<u8>(b + at)) return 0;
  }
  return 1;
}

/** The runtime's `==` of strings, as a token would be compared that came in a header. */
export function eq_strings(a: usize, aSize: i32, b: usize, bSize: i32): i32 {
  return String.UTF8.decodeUnsafe(a, aSize) == String.UTF8.decodeUnsafe(b, bSize) ? 1 : 0;
}

/** 1 if equal; all differences are gathered first. */
export function eq_accumulate(a: usize, aSize: i32, b: usize, bSize: i32): i32 {
  let differences: u32 = aSize ^ bSize;
  const size = min(aSize, bSize);
  for (let at = 0; at < size; at++) differences |= load<u8>(a + at) ^ load<u8>(b + at);
  return <i32>(((<u64>differences) - 1) >> 63);
}

/** Digits out of a table. */
export function hex_table(secret: usize, size: i32, out: usize, outSize: i32): void {
  for (let at = 0; at < size; at++) {
    const byte = load<u8>(secret + at);
    store<u8>(out + 2 * at, unchecked(DIGITS[byte >> 4]));
    store<u8>(out + 2 * at + 1, unchecked(DIGITS[byte & 15]));
  }
}

/** Digits by arithmetic: what is above 9 borrows, and the borrow moves it to the letters. */
export function hex_arithmetic(secret: usize, size: i32, out: usize, outSize: i32): void {
  for (let at = 0; at < size; at++) {
    const byte = load<u8>(secret + at);
    store<u8>(out + 2 * at, digit(byte >> 4));
    store<u8>(out + 2 * at + 1, digit(byte & 15));
  }
}

// The hex digit of 0 to 15.
function digit(nibble: u32): u8 {
  return <u8>(nibble + 48 + (((9 - nibble) >> 8) & 39));
}

/** One of two, as `?:` says it. */
export function select_ternary(bit: u32, a: u32, b: u32): u32 {
  return bit & 1 ? a : b;
}

/** One of two by a mask: this compiler leaves it one. */
export function select_mask(bit: u32, a: u32, b: u32): u32 {
  return b ^ ((a ^ b) & (0 - (bit & 1)));
}

/** A remainder by a constant: a division in the module. */
export function rem_constant(secret: u32): u32 {
  return secret % 3329;
}
