// The magic-value maze: what a fuzzing loop must be able to walk through, one export per kind of lock, each a unit.
//
// Every entry takes (address, length) and returns 0 when a lock held. Behind the last lock is abort(), or, with
// -DMAZE_FIXED (the repaired twin), a plain 1. The library functions are real calls into wasi-libc
// (-fno-builtin): a loop that wants to see their operands must recognise them by their behaviour.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef MAZE_FIXED
#define CENTRE return 1
#else
#define CENTRE abort()
#endif

#define ENTRY(name) __attribute__((export_name(#name))) int32_t name(const uint8_t *data, uint32_t size)
// Keeps the compiler from merging a chain of locks into one wide compare: each lock is a branch of its own.
#define LOCK(condition) do { if (!(condition)) return 0; __asm__ volatile("" ::: "memory"); } while (0)

__attribute__((export_name("alloc"))) uint8_t *maze_alloc(uint32_t size) { return malloc(size ? size : 1); }
__attribute__((export_name("dealloc"))) void maze_free(uint8_t *data, uint32_t size) { (void)size; free(data); }

static uint16_t u16_le(const uint8_t *p) { uint16_t v; memcpy(&v, p, sizeof v); return v; }
static uint32_t u32_le(const uint8_t *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
static uint64_t u64_le(const uint8_t *p) { uint64_t v; memcpy(&v, p, sizeof v); return v; }
static uint16_t u16_be(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static uint32_t u32_be(const uint8_t *p) { return (uint32_t)u16_be(p) << 16 | u16_be(p + 2); }
static uint64_t u64_be(const uint8_t *p) { return (uint64_t)u32_be(p) << 32 | u32_be(p + 4); }

static uint32_t crc32(const uint8_t *p, uint32_t n) {
    uint32_t crc = 0xffffffff;
    for (uint32_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
    }
    return ~crc;
}

static uint32_t adler32(const uint8_t *p, uint32_t n) {
    uint32_t a = 1, b = 0;
    for (uint32_t i = 0; i < n; i++) { a = (a + p[i]) % 65521; b = (b + a) % 65521; }
    return b << 16 | a;
}

// Single bytes, one after the other.
ENTRY(bytes_nested) {
    LOCK(size >= 6);
    LOCK(data[0] == 'A'); LOCK(data[1] == 'c'); LOCK(data[2] == 0x1d); LOCK(data[3] == 0xf7);
    LOCK(data[4] == 0x00); LOCK(data[5] == '!');
    CENTRE;
}

ENTRY(u16_nested) {
    LOCK(size >= 8);
    LOCK(u16_le(data) == 0xbeef); LOCK(u16_le(data + 2) == 0x1234); LOCK(u16_le(data + 4) == 0xa55a); LOCK(u16_le(data + 6) == 0x00ff);
    CENTRE;
}

ENTRY(u32_nested) {
    LOCK(size >= 16);
    LOCK(u32_le(data) == 0xdeadbeef); LOCK(u32_le(data + 4) == 0x8badf00d); LOCK(u32_le(data + 8) == 0x0badcafe); LOCK(u32_le(data + 12) == 0x7fc01234);
    CENTRE;
}

ENTRY(u64_nested) {
    LOCK(size >= 24);
    LOCK(u64_le(data) == 0x0123456789abcdefull); LOCK(u64_le(data + 8) == 0xfedcba9876543210ull); LOCK(u64_le(data + 16) == 0x00c0ffee00facadeull);
    CENTRE;
}

// 128 bits at once: the compiler compares two halves and ors the differences, so neither half is a branch.
ENTRY(u128_once) {
    LOCK(size >= 16);
    unsigned __int128 have, want = (unsigned __int128)0x9e3779b97f4a7c15ull << 64 | 0xf39cc0605cedc834ull;
    memcpy(&have, data, sizeof have);
    LOCK(have == want);
    CENTRE;
}

ENTRY(f32_exact) {
    LOCK(size >= 8);
    float a, b;
    memcpy(&a, data, sizeof a); memcpy(&b, data + 4, sizeof b);
    LOCK(a == 98.6f); LOCK(b == -273.15f);
    CENTRE;
}

ENTRY(f64_exact) {
    LOCK(size >= 16);
    double a, b;
    memcpy(&a, data, sizeof a); memcpy(&b, data + 8, sizeof b);
    LOCK(a == 3.141592653589793); LOCK(b == 6.02214076e23);
    CENTRE;
}

// A narrow range of a float, not one value.
ENTRY(f64_range) {
    LOCK(size >= 8);
    double dose;
    memcpy(&dose, data, sizeof dose);
    LOCK(dose > 1250.0); LOCK(dose < 1250.5);
    CENTRE;
}

ENTRY(memcmp_call) {
    LOCK(size >= 32);
    LOCK(memcmp(data, "FHIR-4.0.1-magic", 16) == 0);
    LOCK(memcmp(data + 16, "\x00\x01\x7f\x80\xff\xfe""binary-key", 16) == 0);
    CENTRE;
}

ENTRY(strcmp_call) {
    LOCK(size >= 12 && size <= 256);
    char text[257];
    memcpy(text, data, size);
    text[size] = 0;
    LOCK(strcmp(text, "OperationOutcome") == 0);
    CENTRE;
}

ENTRY(strstr_call) {
    LOCK(size >= 8 && size <= 256);
    char text[257];
    memcpy(text, data, size);
    text[size] = 0;
    const char *found = strstr(text, "MSH|^~\\&|");
    LOCK(found);
    LOCK(strncmp(found + 9, "ACME", 4) == 0);
    CENTRE;
}

// Compared case by case folded, as header names are.
ENTRY(case_folded) {
    LOCK(size >= 12);
    const char *name = "content-type";
    for (int i = 0; i < 12; i++) {
        uint8_t c = data[i];
        if (c >= 'A' && c <= 'Z') c |= 0x20;
        LOCK(c == (uint8_t)name[i]);
    }
    CENTRE;
}

ENTRY(switch_sparse) {
    LOCK(size >= 12);
    switch (u32_le(data)) {
    case 0x4d534831: break;
    case 0x50494431: return 0;
    case 0x4f425831: return 0;
    case 0x00000007: return 0;
    default: return 0;
    }
    switch (data[4]) {
    case 200: break;
    case 201: case 202: case 204: case 207: case 210: case 216: case 222: return 0;
    default: return 0;
    }
    switch (u64_le(data + 4) >> 8 & 0xffffffffffull) {
    case 0x1122334455ull: break;
    case 0x5544332211ull: return 0;
    default: return 0;
    }
    CENTRE;
}

// The checksum stands before what it guards, and what it guards has a lock of its own.
ENTRY(crc32_guarded) {
    LOCK(size >= 12 && size <= 4096);
    LOCK(u32_le(data) == crc32(data + 4, size - 4));
    LOCK(u32_le(data + 4) == 0x52494646);
    LOCK(u32_le(data + 8) == 0x45564157);
    CENTRE;
}

ENTRY(adler32_guarded) {
    LOCK(size >= 12 && size <= 4096);
    LOCK(u32_be(data + size - 4) == adler32(data, size - 4));
    LOCK(u32_be(data) == 0x789c0bad);
    CENTRE;
}

ENTRY(sum_guarded) {
    LOCK(size >= 10 && size <= 4096);
    uint8_t sum = 0;
    for (uint32_t i = 0; i + 1 < size; i++) sum = (uint8_t)(sum + data[i]);
    LOCK(data[size - 1] == (uint8_t)~sum);
    LOCK(memcmp(data, "ASTM1394", 8) == 0);
    CENTRE;
}

// A length that counts itself, then exactly that much.
ENTRY(length_field) {
    LOCK(size >= 24);
    LOCK(u16_be(data) == size);
    LOCK(u32_le(data + 2) == size - 6);
    LOCK(u32_le(data + size - 4) == 0x444e4521);
    CENTRE;
}

// Tag, length, value: three records in order, the last of them nested in the second.
ENTRY(tlv_chain) {
    uint32_t at = 0;
    int stage = 0;
    while (at + 3 <= size) {
        uint8_t tag = data[at];
        uint32_t len = u16_be(data + at + 1);
        at += 3;
        LOCK(len <= size - at);
        if (stage == 0 && tag == 0x30 && len >= 12) {
            stage = 1;
            size = at + len;
            continue;
        }
        if (stage == 1 && tag == 0x82 && len == 4 && u32_be(data + at) == 0x00007ea5) stage = 2;
        else if (stage == 2 && tag == 0xa1 && len == 2 && u16_be(data + at) == 0x5150) CENTRE;
        at += len;
    }
    return 0;
}

// The same byte many times: no single change gets nearer than one step.
ENTRY(repeated_bytes) {
    LOCK(size >= 48);
    uint32_t run = 0;
    for (uint32_t i = 0; i < 48; i++) {
        if (data[i] != 'R') break;
        run++;
    }
    LOCK(run == 48);
    CENTRE;
}

// A u32 repeated: each copy must equal the first, and the first must be a value.
ENTRY(repeated_u32) {
    LOCK(size >= 32);
    for (int i = 1; i < 8; i++) LOCK(u32_le(data + 4 * i) == u32_le(data));
    LOCK(u32_le(data) == 0x51525354);
    CENTRE;
}

// Ten branches that do not depend on each other, and one that wants them all in one input.
ENTRY(independent_branches) {
    LOCK(size >= 40);
    uint32_t seen = 0;
    for (int i = 0; i < 10; i++)
        if (u32_le(data + 4 * i) == 0x01020304u * (uint32_t)(i + 3)) seen |= 1u << i;
    LOCK(seen == 0x3ff);
    CENTRE;
}

ENTRY(big_endian) {
    LOCK(size >= 14);
    LOCK(u16_be(data) == 0xcafe); LOCK(u32_be(data + 2) == 0x00010203); LOCK(u64_be(data + 6) == 0x89504e470d0a1a0aull);
    CENTRE;
}

// The input is not compared as it is: added to, rotated, multiplied, xored.
ENTRY(transformed) {
    LOCK(size >= 20);
    LOCK(u32_le(data) + 0x01010101 == 0x44444444);
    uint32_t v = u32_le(data + 4);
    LOCK((v << 7 | v >> 25) == 0x13371337);
    LOCK(u32_le(data + 8) * 2654435761u == 0x0f1e2d3c);
    LOCK((u64_le(data + 12) ^ 0x5a5a5a5a5a5a5a5aull) == 0x68656c6c6f212121ull);
    CENTRE;
}

// Digits that must spell a number, then a number that must fit the digits.
ENTRY(decimal_text) {
    LOCK(size >= 10 && size <= 64);
    uint64_t value = 0;
    for (uint32_t i = 0; i < size; i++) {
        LOCK(data[i] >= '0' && data[i] <= '9');
        value = value * 10 + (data[i] - '0');
    }
    LOCK(value == 8675309042ull);
    CENTRE;
}

// A key found by a library loop over a table, then a value that depends on which.
ENTRY(table_lookup) {
    static const struct { char key[8]; uint32_t want; } rows[] = {
        {"heartrt", 0x0000003c}, {"tempcel", 0x000e0421}, {"spo2pct", 0x00000062}, {"glucose", 0x40a1b2c3},
    };
    LOCK(size >= 11);
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (memcmp(data, rows[i].key, 7) == 0 && u32_le(data + 7) == rows[i].want && i == 3) CENTRE;
    return 0;
}

// Two states that only this order of commands connects.
ENTRY(state_machine) {
    static const uint8_t next[6][2] = {{'O', 1}, {'p', 2}, {'E', 3}, {'n', 4}, {0x0b, 5}, {0x1c, 6}};
    uint8_t state = 0;
    for (uint32_t i = 0; i < size && i < 64; i++) {
        if (state < 6 && data[i] == next[state][0]) state = next[state][1];
        else if (data[i] != ' ') state = 0;
    }
    LOCK(state == 6);
    CENTRE;
}
