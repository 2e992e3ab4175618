// Unpacks a zlib stream into memory with zlib's `uncompress2`, the way most programs do: nobody knows how large the
// output is, so the buffer is doubled and everything is unpacked again until it fits. No limit, and each attempt
// repeats the work of all before.
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uLongf room = size < 256 ? 1024 : (uLongf)size * 4;
    for (;;) {
        Bytef *unpacked = malloc(room);
        if (unpacked == NULL) return -4;
        uLongf length = room;
        uLong used = (uLong)size;
        int status = uncompress2(unpacked, &length, data, &used);
        free(unpacked);
        if (status == Z_OK) return (int)(length & 0x7fffffff);
        if (status != Z_BUF_ERROR || room > UINT32_MAX / 2) return -1;
        room *= 2;
    }
}
