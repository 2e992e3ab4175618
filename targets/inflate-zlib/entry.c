// Feeds a compressed stream to zlib in small pieces and keeps nothing: what a receiver of compressed messages does.
#include <stdint.h>
#include <string.h>
#include <zlib.h>

enum { UNPACKED_BYTES_MAX = 4 << 20, CHUNK_BYTES = 512 };

// gzip or zlib by its header, else raw deflate.
static int window_bits(const uint8_t *data, size_t size) {
    if (size >= 2 && data[0] == 0x1f && data[1] == 0x8b) return 15 + 16;
    if (size >= 2 && (data[0] & 0x0f) == 8 && (data[0] << 8 | data[1]) % 31 == 0) return 15;
    return -15;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t unpacked[16 << 10];
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (inflateInit2(&stream, window_bits(data, size)) != Z_OK) return -1;
    size_t at = 0, total = 0;
    int status = Z_OK;
    while (status == Z_OK) {
        if (stream.avail_in == 0) {
            if (at == size) { status = Z_BUF_ERROR; break; }
            size_t piece = size - at < CHUNK_BYTES ? size - at : CHUNK_BYTES;
            stream.next_in = (z_const Bytef *)(data + at);
            stream.avail_in = (uInt)piece;
            at += piece;
        }
        stream.next_out = unpacked;
        stream.avail_out = sizeof unpacked;
        status = inflate(&stream, Z_NO_FLUSH);
        total += sizeof unpacked - stream.avail_out;
        if (total > UNPACKED_BYTES_MAX) { status = Z_MEM_ERROR; break; }
    }
    inflateEnd(&stream);
    return status == Z_STREAM_END ? 0 : -1;
}
