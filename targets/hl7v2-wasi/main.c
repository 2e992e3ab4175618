// Reads one HL7 v2 message (bare, or in an MLLP frame) from standard input and writes its acknowledgement to standard
// output. Exit 0: an AA or AE acknowledgement was written. Exit 1: this is no HL7 v2 message. Exit 2: too long.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGE_BYTES_MAX = 256 << 10, FIELDS_MAX = 32, MLLP_START = 0x0b, MLLP_END = 0x1c };

typedef struct { const char *at; size_t len; } Span;

// Fields of the MSH segment by their HL7 numbers; MSH-1 is the separator itself.
typedef struct { Span field[FIELDS_MAX + 1]; size_t count; char separator, component, repetition, escape, sub; } Header;

static Span line_of(const char *at, const char *end) {
    const char *stop = at;
    while (stop < end && *stop != '\r' && *stop != '\n') stop++;
    return (Span){at, (size_t)(stop - at)};
}

static int is_delimiter(char c) {
    return c > ' ' && c < 0x7f && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z');
}

static int header_read(Span line, Header *header) {
    if (line.len < 8 || memcmp(line.at, "MSH", 3) != 0) return 0;
    header->separator = line.at[3];
    header->component = line.at[4];
    header->repetition = line.at[5];
    header->escape = line.at[6];
    header->sub = line.at[7];
    for (int i = 3; i < 8; i++) {
        if (!is_delimiter(line.at[i])) return 0;
        for (int k = 3; k < i; k++)
            if (line.at[k] == line.at[i]) return 0;
    }
    header->field[1] = (Span){line.at + 3, 1};
    header->count = 1;
    const char *at = line.at + 4, *end = line.at + line.len;
    while (header->count < FIELDS_MAX) {
        const char *stop = at;
        while (stop < end && *stop != header->separator) stop++;
        header->field[++header->count] = (Span){at, (size_t)(stop - at)};
        if (stop == end) break;
        at = stop + 1;
    }
    return header->count >= 12;
}

static Span field(const Header *header, size_t number) {
    return number <= header->count ? header->field[number] : (Span){"", 0};
}

static Span component(const Header *header, Span value, size_t number) {
    const char *at = value.at, *end = value.at + value.len;
    while (1) {
        const char *stop = at;
        while (stop < end && *stop != header->component) stop++;
        if (--number == 0) return (Span){at, (size_t)(stop - at)};
        if (stop == end) return (Span){end, 0};
        at = stop + 1;
    }
}

// Three letters or digits, the first a letter, then the separator or the end.
static int segment_name_ok(const Header *header, Span line) {
    if (line.len < 3 || line.at[0] < 'A' || line.at[0] > 'Z') return 0;
    for (int i = 1; i < 3; i++) {
        char c = line.at[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) return 0;
    }
    return line.len == 3 || line.at[3] == header->separator;
}

// Every escape must be closed within its value and be one of the standard's.
static int escapes_ok(const Header *header, Span line) {
    for (size_t i = 4; i < line.len; i++) {
        if (line.at[i] != header->escape) continue;
        size_t stop = i + 1;
        while (stop < line.len && line.at[stop] != header->escape && line.at[stop] != header->separator) stop++;
        if (stop == line.len || line.at[stop] != header->escape || stop == i + 1) return 0;
        if (!strchr("FSTREHNXZCM.P", line.at[i + 1])) return 0;
        if (line.at[i + 1] == 'X' && (stop - i) % 2 != 0) return 0;
        i = stop;
    }
    return 1;
}

typedef struct { char bytes[1024]; size_t len; } Reply;

static void put(Reply *reply, Span text) {
    size_t room = sizeof reply->bytes - reply->len, taken = text.len < room ? text.len : room;
    memcpy(reply->bytes + reply->len, text.at, taken);
    reply->len += taken;
}

static void put_text(Reply *reply, const char *text) { put(reply, (Span){text, strlen(text)}); }
static void put_field(Reply *reply, const Header *header, Span text) { put(reply, (Span){&header->separator, 1}); put(reply, text); }

static void write_all(const char *bytes, size_t len) {
    while (len > 0) {
        ssize_t written = write(1, bytes, len);
        if (written <= 0) _Exit(2);
        bytes += written;
        len -= (size_t)written;
    }
}

static void acknowledge(const Header *header, const char *code, const char *why) {
    static const char number[] = "SYN-ACK-1";
    Reply reply = {.len = 0};
    put_text(&reply, "MSH");
    put(&reply, field(header, 1));
    put(&reply, field(header, 2));
    put_field(&reply, header, field(header, 5));
    put_field(&reply, header, field(header, 6));
    put_field(&reply, header, field(header, 3));
    put_field(&reply, header, field(header, 4));
    put_field(&reply, header, field(header, 7));
    put_field(&reply, header, (Span){"", 0});
    put_field(&reply, header, (Span){"ACK", 3});
    put(&reply, (Span){&header->component, 1});
    put(&reply, component(header, field(header, 9), 2));
    put_field(&reply, header, (Span){number, sizeof number - 1});
    put_field(&reply, header, field(header, 11));
    put_field(&reply, header, field(header, 12));
    put_text(&reply, "\rMSA");
    put_field(&reply, header, (Span){code, 2});
    put_field(&reply, header, field(header, 10));
    put_field(&reply, header, (Span){why, strlen(why)});
    put_text(&reply, "\r");
    write_all(reply.bytes, reply.len);
}

// Segments after the header: names, escapes, and where observations belong.
static const char *body_fault(const Header *header, const char *at, const char *end) {
    int patients = 0, orders = 0;
    while (at < end) {
        Span line = line_of(at, end);
        at = line.at + line.len + (line.at + line.len < end);
        if (line.len == 0) continue;
        if (!segment_name_ok(header, line)) return "segment name";
        if (memcmp(line.at, "MSH", 3) == 0) return "second header";
        if (!escapes_ok(header, line)) return "escape sequence";
        if (memcmp(line.at, "PID", 3) == 0) { patients++; orders = 0; }
        if (memcmp(line.at, "OBR", 3) == 0) orders++;
        if (memcmp(line.at, "OBX", 3) == 0 && (patients == 0 || orders == 0)) return "observation without order";
    }
    return NULL;
}

int main(void) {
    static char message[MESSAGE_BYTES_MAX];
    size_t len = 0;
    while (len < MESSAGE_BYTES_MAX) {
        ssize_t got = read(0, message + len, MESSAGE_BYTES_MAX - len);
        if (got < 0) return 2;
        if (got == 0) break;
        len += (size_t)got;
    }
    if (len == MESSAGE_BYTES_MAX) return 2;
    const char *at = message, *end = message + len;
    if (len > 0 && *at == MLLP_START) {
        at++;
        const char *stop = memchr(at, MLLP_END, (size_t)(end - at));
        if (!stop || stop + 1 >= end || stop[1] != '\r') return 1;
        end = stop;
    }
    Header header;
    Span line = line_of(at, end);
    if (!header_read(line, &header)) return 1;
    const char *fault = body_fault(&header, line.at + line.len, end);
    Span control = field(&header, 10);
    if (!fault && (control.len == 0 || control.len > 199)) fault = "control id";
    if (!fault && component(&header, field(&header, 9), 1).len != 3) fault = "message type";
    acknowledge(&header, fault ? "AE" : "AA", fault ? fault : "");
    return 0;
}
