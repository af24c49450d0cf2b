#include "json/write.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void add_escape(struct strbuf *buf, unsigned char c) {
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *found = c ? strchr(from, c) : NULL;
    if (found) {
        char escape[2] = {'\\', to[found - from]};
        strbuf_add(buf, escape, 2);
    } else {
        strbuf_printf(buf, "\\u%04x", c);
    }
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

static void add_escaped(struct strbuf *buf, struct str text) {
    for (size_t i = 0; i < text.len;) {
        size_t run = i;
        while (i < text.len && is_plain((unsigned char)text.data[i]))
            i++;
        strbuf_add(buf, text.data + run, i - run);
        if (i < text.len)
            add_escape(buf, (unsigned char)text.data[i++]);
    }
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

static void add_quoted(struct json_writer *writer, struct str text, char last) {
    if (json_is_plain(text)) {
        add_plain(writer, text, last);
        return;
    }
    before_value(writer);
    strbuf_addc(writer->buf, '"');
    add_escaped(writer->buf, text);
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
