#include "json/write.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_ESCAPE = sizeof "\\u0000" - 1, PIECE = 512 };

void json_writer_init(struct json_writer *writer, struct strbuf *buf) {
    *writer = (struct json_writer){.buf = buf};
}

static inline void before_value(struct json_writer *writer) {
    if (writer->comma)
        strbuf_addc(writer->buf, ',');
    writer->comma = true;
}

static inline void open_level(struct json_writer *writer, char bracket) {
    before_value(writer);
    strbuf_addc(writer->buf, bracket);
    writer->comma = false;
}

static inline void close_level(struct json_writer *writer, char bracket) {
    strbuf_addc(writer->buf, bracket);
    writer->comma = true;
}

void json_write_object_begin(struct json_writer *writer) {
    open_level(writer, '{');
}

void json_write_object_end(struct json_writer *writer) {
    close_level(writer, '}');
}

void json_write_array_begin(struct json_writer *writer) {
    open_level(writer, '[');
}

void json_write_array_end(struct json_writer *writer) {
    close_level(writer, ']');
}

static inline bool is_plain(unsigned char c) {
    return c >= 0x20 && c != '"' && c != '\\';
}

/* At most LONGEST_ESCAPE bytes; after them. */
static char *put_escape(char *to, unsigned char c) {
    static const char from[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt",
                      digits[] = "0123456789abcdef";
    const char *found = c ? strchr(from, c) : NULL;
    *to++ = '\\';
    if (found) {
        *to++ = names[found - from];
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = digits[c >> 4];
    to[4] = digits[c & 15];
    return to + 5;
}

/* Of 8 bytes, whether one needs an escape. */
static inline bool has_escape(const char *p) {
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t w;
    memcpy(&w, p, 8);
    uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
    return ((((w - ones * 0x20) & ~w) | ((quote - ones) & ~quote) | ((slash - ones) & ~slash)) &
            tops) != 0;
}

bool json_is_plain(struct str text) {
    if (text.len < 8) {
        for (size_t i = 0; i < text.len; i++)
            if (!is_plain((unsigned char)text.data[i]))
                return false;
        return true;
    }
    for (size_t at = 0; at + 8 <= text.len; at += 8)
        if (has_escape(text.data + at))
            return false;
    return !has_escape(text.data + text.len - 8);
}

/* At most PIECE bytes: room is made for each as the longest escape. */
static void add_escaped(struct strbuf *buf, struct str text) {
    char *at = strbuf_reserve(buf, text.len * LONGEST_ESCAPE);
    if (at == NULL)
        return;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (is_plain(c))
            *at++ = (char)c;
        else
            at = put_escape(at, c);
    }
    *at = '\0';
    buf->len = (size_t)(at - buf->data);
}

/* The comma that is due, the quote, and room for `len` bytes and what ends them. */
static char *open_quoted(struct json_writer *writer, size_t len) {
    char *at = strbuf_reserve(writer->buf, len + 4);
    if (at && writer->comma)
        *at++ = ',';
    if (at)
        *at++ = '"';
    return at;
}

/* `last` unless it is 0. */
static void close_quoted(struct json_writer *writer, char *at, char last) {
    *at++ = '"';
    if (last)
        *at++ = last;
    *at = '\0';
    writer->buf->len = (size_t)(at - writer->buf->data);
}

static void add_plain(struct json_writer *writer, struct str text, char last) {
    char *at = open_quoted(writer, text.len);
    if (at == NULL)
        return;
    if (text.len > 0)
        memcpy(at, text.data, text.len);
    close_quoted(writer, at + text.len, last);
}

/* Says whether `text` needs no escapes; then it is at `to`, else some of it may be. */
static inline bool copy_plain(char *to, struct str text) {
    if (text.len < 8) {
        for (size_t i = 0; i < text.len; i++) {
            if (!is_plain((unsigned char)text.data[i]))
                return false;
            to[i] = text.data[i];
        }
        return true;
    }
    size_t last = text.len - 8;
    for (size_t at = 0; at < last; at += 8) {
        if (has_escape(text.data + at))
            return false;
        memcpy(to + at, text.data + at, 8);
    }
    memcpy(to + last, text.data + last, 8);
    return !has_escape(text.data + last);
}

static void add_quoted(struct json_writer *writer, struct str text, char last) {
    char *at = open_quoted(writer, text.len);
    if (at == NULL)
        return;
    if (copy_plain(at, text)) {
        close_quoted(writer, at + text.len, last);
        return;
    }
    before_value(writer);
    strbuf_addc(writer->buf, '"');
    for (size_t from = 0; from < text.len; from += PIECE)
        add_escaped(writer->buf,
                    str_n(text.data + from, text.len - from < PIECE ? text.len - from : PIECE));
    strbuf_addc(writer->buf, '"');
    if (last)
        strbuf_addc(writer->buf, last);
}

void json_write_plain_key(struct json_writer *writer, struct str key) {
    add_plain(writer, key, ':');
    writer->comma = false;
}

void json_write_plain_string(struct json_writer *writer, struct str text) {
    add_plain(writer, text, 0);
    writer->comma = true;
}

void json_write_key(struct json_writer *writer, struct str key) {
    add_quoted(writer, key, ':');
    writer->comma = false;
}

void json_write_string(struct json_writer *writer, struct str text) {
    add_quoted(writer, text, 0);
    writer->comma = true;
}

void json_write_int(struct json_writer *writer, int64_t value) {
    char text[24], *at = text + sizeof text;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (value < 0)
        *--at = '-';
    before_value(writer);
    strbuf_add(writer->buf, at, (size_t)(text + sizeof text - at));
}

void json_write_double(struct json_writer *writer, double value) {
    char text[JSON_DOUBLE_TEXT];
    json_double_text(value, text);
    before_value(writer);
    strbuf_adds(writer->buf, text);
}

size_t json_double_text(double value, char text[JSON_DOUBLE_TEXT]) {
    enum { EXACT = 17 };
    if (!isfinite(value))
        return (size_t)snprintf(text, JSON_DOUBLE_TEXT, "null");
    if (value == trunc(value) && fabs(value) < 9007199254740992.0 &&
        !(value == 0 && signbit(value)))
        return (size_t)snprintf(text, JSON_DOUBLE_TEXT, "%" PRId64, (int64_t)value);
    int len = 0;
    for (int digits = 15; digits <= EXACT; digits++) {
        len = snprintf(text, JSON_DOUBLE_TEXT, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    return (size_t)len;
}

void json_write_bool(struct json_writer *writer, bool value) {
    before_value(writer);
    strbuf_adds(writer->buf, value ? "true" : "false");
}

void json_write_null(struct json_writer *writer) {
    before_value(writer);
    strbuf_adds(writer->buf, "null");
}

void json_write_raw(struct json_writer *writer, struct str json) {
    before_value(writer);
    strbuf_add(writer->buf, json.data, json.len);
}

void json_write_key_string(struct json_writer *writer, const char *key, struct str text) {
    json_write_key(writer, str_of(key));
    json_write_string(writer, text);
}
