#include "json/write.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_writer_init(struct json_writer *writer, struct strbuf *buf) {
    *writer = (struct json_writer){.buf = buf};
}

static void before_value(struct json_writer *writer) {
    if (writer->comma)
        strbuf_addc(writer->buf, ',');
    writer->comma = true;
}

static void open_level(struct json_writer *writer, char bracket) {
    before_value(writer);
    strbuf_addc(writer->buf, bracket);
    writer->comma = false;
}

static void close_level(struct json_writer *writer, char bracket) {
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

static bool is_plain(unsigned char c) {
    return c >= 0x20 && c != '"' && c != '\\';
}

bool json_is_plain(struct str text) {
    for (size_t i = 0; i < text.len; i++)
        if (!is_plain((unsigned char)text.data[i]))
            return false;
    return true;
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

static void add_quoted(struct strbuf *buf, struct str text) {
    strbuf_addc(buf, '"');
    for (size_t i = 0; i < text.len;) {
        size_t run = i;
        while (i < text.len && is_plain((unsigned char)text.data[i]))
            i++;
        strbuf_add(buf, text.data + run, i - run);
        if (i < text.len)
            add_escape(buf, (unsigned char)text.data[i++]);
    }
    strbuf_addc(buf, '"');
}

void json_write_key(struct json_writer *writer, struct str key) {
    before_value(writer);
    add_quoted(writer->buf, key);
    strbuf_addc(writer->buf, ':');
    writer->comma = false;
}

void json_write_string(struct json_writer *writer, struct str text) {
    before_value(writer);
    add_quoted(writer->buf, text);
}

void json_write_int(struct json_writer *writer, int64_t value) {
    before_value(writer);
    strbuf_printf(writer->buf, "%" PRId64, value);
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
