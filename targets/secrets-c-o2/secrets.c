// Code that handles secrets, as it leaks and with masks, built at every level of optimisation (secrets-c-o0 to -o3, -os).
//
// Each folder's target.toml says what that level made of each function; `// LEAK name` marks the line where runs with two
// secrets part, at the levels where they do. Buffers come as bare pointers; a bit is the lowest of its number.

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint32_t u32;

// Kyber's modulus.
#define Q 3329

// A compiler must take it for any number: it can no longer make a choice out of a mask.
static u32 barrier(u32 number) {
    __asm__("" : "+r"(number));
    return number;
}

// --- Comparisons: 1 where equal ---

u32 cmp_early_exit(const u8 *a, const u8 *b, u32 bytes) {
    for (u32 at = 0; at < bytes; at++) {
        if (a[at] != b[at]) // LEAK cmp_early_exit
            return 0;
    }
    return 1;
}

u32 cmp_masked(const u8 *a, const u8 *b, u32 bytes) {
    u32 differences = 0;
    for (u32 at = 0; at < bytes; at++)
        differences |= a[at] ^ b[at];
    return (differences - 1) >> 31;
}

// The C library's own compares byte by byte.
u32 cmp_memcmp(const u8 *a, const u8 *b, u32 bytes) {
    return memcmp(a, b, bytes) == 0;
}

// --- One of two numbers, by a secret bit ---

u32 select_branch(u32 bit, u32 a, u32 b) {
    return bit & 1 ? a : b; // LEAK select_branch
}

u32 select_and_or(u32 bit, u32 a, u32 b) {
    u32 mask = -(bit & 1);
    return (a & mask) | (b & ~mask); // LEAK select_and_or
}

u32 select_xor(u32 bit, u32 a, u32 b) {
    return b ^ ((a ^ b) & -(bit & 1)); // LEAK select_xor
}

u32 select_product(u32 bit, u32 a, u32 b) {
    return (bit & 1) * a + (1 - (bit & 1)) * b; // LEAK select_product
}

u32 select_sign(u32 bit, u32 a, u32 b) {
    u32 mask = (u32)((int32_t)(bit << 31) >> 31);
    return b + ((a - b) & mask); // LEAK select_sign
}

u32 select_barrier(u32 bit, u32 a, u32 b) {
    u32 mask = barrier(-(bit & 1));
    return (a & mask) | (b & ~mask);
}

// --- What is in memory, by a secret bit ---

// A careful author reads both and masks; a compiler may choose the address instead, and read once.
u32 pick_masked(const u32 *pair, u32 bit) {
    u32 mask = -(bit & 1);
    return (pair[0] & mask) | (pair[1] & ~mask); // LEAK pick_masked
}

void swap_masked(u32 *a, u32 *b, u32 bit) {
    u32 mask = -(bit & 1); // LEAK swap_masked
    for (u32 at = 0; at < 8; at++) {
        u32 different = (a[at] ^ b[at]) & mask; // LEAK swap_masked
        a[at] ^= different;
        b[at] ^= different;
    }
}

u32 pick_barrier(const u32 *pair, u32 bit) {
    u32 mask = barrier(-(bit & 1));
    return (pair[0] & mask) | (pair[1] & ~mask);
}

void swap_barrier(u32 *a, u32 *b, u32 bit) {
    u32 mask = barrier(-(bit & 1));
    for (u32 at = 0; at < 8; at++) {
        u32 different = (a[at] ^ b[at]) & mask;
        a[at] ^= different;
        b[at] ^= different;
    }
}

void copy_masked(u8 *to, const u8 *from, u32 bit) {
    u8 mask = -(bit & 1);
    for (u32 at = 0; at < 16; at++)
        to[at] = (from[at] & mask) | (to[at] & ~mask); // LEAK copy_masked
}

// 0 to 15 bytes.
void copy_secret_length(u8 *to, const u8 *from, u32 bytes) {
    for (u32 at = 0; at < (bytes & 15); at++) // LEAK copy_secret_length
        to[at] = from[at];
}

// --- Three numbers in order ---

void sort3_branch(u32 *numbers) {
    for (u32 pass = 0; pass < 3; pass++) {
        u32 *low = numbers + pass % 2, *high = low + 1;
        if (*low > *high) { // LEAK sort3_branch
            u32 kept = *low;
            *low = *high;
            *high = kept;
        }
    }
}

// One of two, by a condition that is 0 or 1.
static u32 multiplexed(u32 condition, u32 a, u32 b) {
    u32 mask = -condition;
    return (a & mask) | (b & ~mask); // LEAK sort3_multiplex
}

// The order is worked out first; then each place is filled from all three by masks.
void sort3_multiplex(const u32 *in, u32 *out) {
    u32 first_second = in[0] <= in[1], first_third = in[0] <= in[2], second_third = in[1] <= in[2];
    out[0] = multiplexed(first_second, multiplexed(first_third, in[0], in[2]), multiplexed(second_third, in[1], in[2]));
    out[2] = multiplexed(first_second, multiplexed(second_third, in[2], in[1]), multiplexed(first_third, in[2], in[0]));
    out[1] = in[0] ^ in[1] ^ in[2] ^ out[0] ^ out[2];
}

// The same by differences that carry the sign: no condition for a compiler to see.
void sort3_arithmetic(u32 *numbers) {
    for (u32 pass = 0; pass < 3; pass++) {
        u32 *low = numbers + pass % 2, *high = low + 1;
        uint64_t difference = (uint64_t)*high - *low;
        u32 different = (*low ^ *high) & (u32)(difference >> 32);
        *low ^= different;
        *high ^= different;
    }
}

// --- Kyber ---

// 8 bytes to 64 coefficients.
void poly_frommsg(const u8 *message, uint16_t *coefficients) {
    for (u32 at = 0; at < 8; at++) {
        for (u32 bit = 0; bit < 8; bit++) {
            int16_t mask = -(int16_t)((message[at] >> bit) & 1);
            coefficients[8 * at + bit] = mask & ((Q + 1) / 2); // LEAK poly_frommsg
        }
    }
}

// 32 coefficients to 4 bytes: KyberSlash.
void poly_tomsg(const uint16_t *coefficients, u8 *message) {
    for (u32 at = 0; at < 4; at++) {
        message[at] = 0;
        for (u32 bit = 0; bit < 8; bit++) {
            u32 quotient = (((u32)(coefficients[8 * at + bit] & 0xfff) << 1) + Q / 2) / Q; // LEAK poly_tomsg
            message[at] |= (quotient & 1) << bit;
        }
    }
}

void poly_tomsg_multiply(const uint16_t *coefficients, u8 *message) {
    for (u32 at = 0; at < 4; at++) {
        message[at] = 0;
        for (u32 bit = 0; bit < 8; bit++) {
            u32 quotient = (((u32)(coefficients[8 * at + bit] & 0xfff) << 1) + (Q + 1) / 2) * 80635 >> 28;
            message[at] |= (quotient & 1) << bit;
        }
    }
}

// --- Tables ---

static const u8 TABLE[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

u32 table_direct(u32 secret) {
    return TABLE[secret & 63]; // LEAK table_direct
}

u32 table_scan(u32 secret) {
    u32 found = 0;
    for (u32 at = 0; at < 64; at++) {
        u32 mask = (u32)((int32_t)(((secret & 63) ^ at) - 1) >> 31);
        found |= TABLE[at] & mask; // LEAK table_scan
    }
    return found;
}

u32 table_barrier(u32 secret) {
    u32 found = 0;
    for (u32 at = 0; at < 64; at++)
        found |= TABLE[at] & (u32)((int32_t)barrier(((secret & 63) ^ at) - 1) >> 31);
    return found;
}

// --- base64, of 12 bytes ---

void b64_table(const u8 *secret, u8 *text) {
    for (u32 at = 0; at < 12; at += 3, text += 4) {
        u32 group = secret[at] << 16 | secret[at + 1] << 8 | secret[at + 2];
        for (u32 letter = 0; letter < 4; letter++)
            text[letter] = TABLE[group >> (18 - 6 * letter) & 63]; // LEAK b64_table
    }
}

// Where a range of letters ends, the sign of a difference adds the step to the next one.
static u8 letter_of(int32_t number) {
    int32_t letter = number + 'A';
    letter += ((25 - number) >> 8) & 6;
    letter -= ((51 - number) >> 8) & 75;
    letter -= ((61 - number) >> 8) & 15;
    letter += ((62 - number) >> 8) & 3;
    return (u8)letter;
}

void b64_arithmetic(const u8 *secret, u8 *text) {
    for (u32 at = 0; at < 12; at += 3, text += 4) {
        u32 group = secret[at] << 16 | secret[at + 1] << 8 | secret[at + 2];
        for (u32 letter = 0; letter < 4; letter++)
            text[letter] = letter_of(group >> (18 - 6 * letter) & 63);
    }
}
