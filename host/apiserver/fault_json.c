#include <stdio.h>
#include <string.h>

#include "apiserver/fault.h"
#include "base/mem.h"

/* A reader of JSON whose only result is the words for where it stops. */
struct reader {
    const char *at, *end;
    struct strbuf *out;
};

static bool end_of_input(struct reader *reader) {
    strbuf_adds(reader->out, "unexpected end of JSON input");
    return false;
}

/* `invalid character 'x' looking for beginning of value` */
static bool stop(struct reader *reader, const char *where) {
    if (reader->at == reader->end)
        return end_of_input(reader);
    unsigned char c = (unsigned char)*reader->at;
    strbuf_adds(reader->out, "invalid character '");
    if (c == '\'' || c == '\\')
        strbuf_printf(reader->out, "\\%c", c);
    else if (c == '\n' || c == '\t' || c == '\r')
        strbuf_printf(reader->out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
    else if (c < ' ' || c == 0x7f)
        strbuf_printf(reader->out, "\\x%02x", c);
    else if (c < 0x80)
        strbuf_addc(reader->out, (char)c);
    else if (c < 0xa0)
        strbuf_printf(reader->out, "\\u%04x", c);
    else /* the byte taken for a character */
        strbuf_printf(reader->out, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
    strbuf_printf(reader->out, "' %s", where);
    return false;
}

static void skip_space(struct reader *reader) {
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at)
        reader->at++;
}

static bool take(struct reader *reader, char c) {
    bool there = reader->at < reader->end && *reader->at == c;
    reader->at += there;
    return there;
}

static bool is_digit(const struct reader *reader) {
    return reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9';
}

static bool read_escape(struct reader *reader) {
    if (reader->at == reader->end)
        return end_of_input(reader);
    if (!strchr("\"\\/bfnrtu", *reader->at) || !*reader->at)
        return stop(reader, "in string escape code");
    if (*reader->at++ != 'u')
        return true;
    for (size_t i = 0; i < 4; i++, reader->at++) {
        if (reader->at == reader->end || !*reader->at ||
            !strchr("0123456789abcdefABCDEF", *reader->at))
            return stop(reader, "in \\u hexadecimal character escape");
    }
    return true;
}

static bool read_string(struct reader *reader) {
    for (reader->at++; reader->at < reader->end;) {
        if (take(reader, '"'))
            return true;
        if ((unsigned char)*reader->at < ' ')
            return stop(reader, "in string literal");
        if (*reader->at++ == '\\' && !read_escape(reader))
            return false;
    }
    return end_of_input(reader);
}

static bool read_digits(struct reader *reader, const char *where) {
    if (!is_digit(reader))
        return stop(reader, where);
    while (is_digit(reader))
        reader->at++;
    return true;
}

static bool read_number(struct reader *reader) {
    take(reader, '-');
    if (!take(reader, '0') && !read_digits(reader, "in numeric literal"))
        return false;
    if (take(reader, '.') && !read_digits(reader, "after decimal point in numeric literal"))
        return false;
    if (take(reader, 'e') || take(reader, 'E')) {
        if (!take(reader, '+'))
            take(reader, '-');
        return read_digits(reader, "in exponent of numeric literal");
    }
    return true;
}

static bool read_word(struct reader *reader, const char *word) {
    char where[64];
    for (const char *c = word; *c; c++) {
        if (take(reader, *c))
            continue;
        snprintf(where, sizeof where, "in literal %s (expecting '%c')", word, *c);
        return stop(reader, where);
    }
    return true;
}

/* The levels that are open: '{' or '['. */
struct levels {
    char *open;
    size_t depth, room;
};

static bool enter(struct levels *levels, char c) {
    if (levels->depth == levels->room &&
        mem_grow(&levels->open, &levels->room, levels->depth + 1, 1) < 0)
        return false;
    levels->open[levels->depth++] = c;
    return true;
}

static bool read_key(struct reader *reader) {
    skip_space(reader);
    if (reader->at == reader->end || *reader->at != '"')
        return stop(reader, "looking for beginning of object key string");
    if (!read_string(reader))
        return false;
    skip_space(reader);
    return take(reader, ':') || stop(reader, "after object key");
}

static bool read_scalar(struct reader *reader) {
    char c = reader->at < reader->end ? *reader->at : 0;
    if (c == '"')
        return read_string(reader);
    if (c == '-' || is_digit(reader))
        return read_number(reader);
    return c == 't'   ? read_word(reader, "true")
           : c == 'f' ? read_word(reader, "false")
           : c == 'n' ? read_word(reader, "null")
                      : stop(reader, "looking for beginning of value");
}

/* Steps to where the next value begins, or past the end of all levels that end here. */
static bool leave(struct reader *reader, struct levels *levels) {
    while (levels->depth > 0) {
        bool object = levels->open[levels->depth - 1] == '{';
        skip_space(reader);
        if (take(reader, ','))
            return !object || read_key(reader);
        if (!take(reader, object ? '}' : ']'))
            return stop(reader, object ? "after object key:value pair" : "after array element");
        levels->depth--;
    }
    return true;
}

static bool read_value(struct reader *reader, struct levels *levels) {
    do {
        skip_space(reader);
        char c = reader->at < reader->end ? *reader->at : 0;
        if (c == '{' || c == '[') {
            reader->at++;
            skip_space(reader);
            if (!take(reader, c == '{' ? '}' : ']')) {
                if (!enter(levels, c))
                    return end_of_input(reader);
                if (c == '{' && !read_key(reader))
                    return false;
                continue;
            }
        } else if (!read_scalar(reader)) {
            return false;
        }
        if (!leave(reader, levels))
            return false;
    } while (levels->depth > 0);
    return true;
}

bool fault_json(struct str text, struct strbuf *out) {
    struct reader reader = {text.data, text.data + text.len, out};
    struct levels levels = {0};
    bool good = read_value(&reader, &levels);
    mem_free(levels.open);
    if (!good)
        return true;
    skip_space(&reader);
    return reader.at < reader.end && !stop(&reader, "after top-level value");
}

void fault_yaml(const char *message, struct strbuf *out) {
    static const char *const scanners[] = {"found ", "mapping values", "could not find",
                                           "block sequence entries"};
    size_t line, column;
    int len = 0;
    strbuf_adds(out, "yaml: ");
    if (sscanf(message, "line %zu, column %zu: %n", &line, &column, &len) >= 2 && len > 0) {
        message += len;
        line--; /* go-yaml counts from 0, and its scanner from 1 */
        for (size_t i = 0; i < sizeof scanners / sizeof *scanners; i++)
            line += strncmp(message, scanners[i], strlen(scanners[i])) == 0;
        if (line > 0)
            strbuf_printf(out, "line %zu: ", line);
    }
    strbuf_adds(out, message);
}

void fault_summary(struct str text, struct strbuf *out) {
    enum { SHOWN = 30 };
    size_t len = text.len < SHOWN ? text.len : SHOWN;
    if (text.len == 0)
        strbuf_adds(out, "<empty>");
    else if (text.data[0] == '{')
        strbuf_add(out, text.data, len);
    else
        for (size_t i = 0; i < len; i++)
            strbuf_printf(out, "%02x", (unsigned char)text.data[i]);
    if (text.len > SHOWN)
        strbuf_adds(out, " ...");
}
