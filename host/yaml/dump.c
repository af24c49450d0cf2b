#include <math.h>
#include <string.h>

#include "yaml/resolve.h"
#include "yaml/yaml.h"

/* Reads one UTF-8 character (jansson's strings are valid) and steps over it. */
static uint32_t next_char(const unsigned char **at) {
    uint32_t c = *(*at)++;
    int more = c < 0x80 ? 0 : c < 0xE0 ? 1 : c < 0xF0 ? 2 : 3;
    if (more)
        c &= 0x3Fu >> more;
    while (more--)
        c = c << 6 | (*(*at)++ & 0x3Fu);
    return c;
}

/* May stand unescaped in quoted and literal text. */
static bool is_printable(uint32_t c) {
    if (c < 0x20 || (c >= 0x7F && c < 0xA0))
        return false;
    return c != 0x2028 && c != 0x2029 && c != 0xFEFF && c != 0xFFFE && c != 0xFFFF;
}

static void dump_quoted(struct str text, struct strbuf *out) {
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.len;
    strbuf_addc(out, '"');
    while (at < end) {
        const unsigned char *from = at;
        uint32_t c = next_char(&at);
        if (c == '"' || c == '\\')
            strbuf_printf(out, "\\%c", (char)c);
        else if (c == '\n')
            strbuf_adds(out, "\\n");
        else if (c == '\t')
            strbuf_adds(out, "\\t");
        else if (is_printable(c))
            strbuf_add(out, from, (size_t)(at - from));
        else
            strbuf_printf(out, c < 0x100 ? "\\x%02X" : "\\u%04X", (unsigned)c);
    }
    strbuf_addc(out, '"');
}

static bool is_plain(struct str text) {
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_/";
    static const char inner[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_/.-()";
    if (text.len == 0 || strchr(first, *text.data) == NULL || *text.data == '\0')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\0' || (strchr(inner, c) == NULL && c != ' ' && c != ':'))
            return false;
        if ((c == ' ' || c == ':') && (i + 1 == text.len || text.data[i + 1] == ' '))
            return false;
    }
    bool infinite;
    json_t *other = yaml_resolve(text, &infinite);
    json_decref(other);
    return other == NULL && !infinite;
}

/* Several lines that can stand as they are, after "|". */
static bool is_literal(struct str text) {
    const unsigned char *at = (const unsigned char *)text.data, *end = at + text.len;
    if (text.len < 2 || memchr(text.data, '\n', text.len) == NULL || strchr(" \n\t", *text.data))
        return false;
    while (at < end) {
        uint32_t c = next_char(&at);
        if (c != '\n' && c != '\t' && !is_printable(c))
            return false;
        if ((c == ' ' || c == '\t') && (at == end || *at == '\n'))
            return false;
    }
    return true;
}

static void indent(struct strbuf *out, unsigned level) {
    for (unsigned i = 0; i < level; i++)
        strbuf_adds(out, "  ");
}

static void dump_literal(struct str text, struct strbuf *out, unsigned level) {
    size_t tail = 0;
    while (tail < text.len && text.data[text.len - 1 - tail] == '\n')
        tail++;
    strbuf_adds(out, tail == 0 ? "|-" : tail == 1 ? "|" : "|+");
    const char *at = text.data, *end = text.data + text.len - (tail ? 1 : 0);
    while (at <= end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((line ? line : end) - at);
        strbuf_addc(out, '\n');
        if (len)
            indent(out, level);
        strbuf_add(out, at, len);
        at += len + 1;
    }
}

static void dump_string(struct str text, struct strbuf *out, unsigned level) {
    if (is_plain(text))
        strbuf_add(out, text.data, text.len);
    else if (is_literal(text))
        dump_literal(text, out, level ? level : 1);
    else
        dump_quoted(text, out);
}

static void dump(const json_t *value, struct strbuf *out, unsigned level, bool in_list);

static void dump_object(const json_t *value, struct strbuf *out, unsigned level, bool in_list) {
    const char *key;
    size_t key_len;
    json_t *item;
    bool first = in_list; /* goes on the line of the dash */
    json_object_keylen_foreach((json_t *)value, key, key_len, item) {
        struct str name = {key, key_len};
        if (!first) {
            strbuf_addc(out, '\n');
            indent(out, level);
        }
        first = false;
        if (is_plain(name))
            strbuf_add(out, key, key_len);
        else
            dump_quoted(name, out);
        strbuf_addc(out, ':');
        dump(item, out, level, false);
    }
}

static void dump_array(const json_t *value, struct strbuf *out, unsigned level, bool in_list) {
    bool first = in_list;
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item) {
        if (!first) {
            strbuf_addc(out, '\n');
            indent(out, level);
        }
        first = false;
        strbuf_addc(out, '-');
        dump(item, out, level, true);
    }
}

static void dump_real(double value, struct strbuf *out) {
    size_t from = out->len;
    yaml_write_real(value, out);
    if (!out->failed && fabs(value) >= 9007199254740992.0 && /* 2^53 */
        strcspn(out->data + from, ".e") == out->len - from)
        strbuf_adds(out, ".0"); /* digits alone would read back as an integer */
}

/* After "key:" or "-": the rest of the line and the lines below. */
static void dump(const json_t *value, struct strbuf *out, unsigned level, bool in_list) {
    bool some = json_object_size(value) || json_array_size(value);
    if (!some || in_list)
        strbuf_addc(out, ' ');
    if (some && json_is_object(value)) {
        dump_object(value, out, level + 1, in_list);
        return;
    }
    if (some) { /* lists stand as deep as their key */
        dump_array(value, out, in_list ? level + 1 : level, in_list);
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        strbuf_adds(out, "{}");
        break;
    case JSON_ARRAY:
        strbuf_adds(out, "[]");
        break;
    case JSON_STRING:
        dump_string((struct str){json_string_value(value), json_string_length(value)}, out,
                    level + 1);
        break;
    case JSON_INTEGER:
        strbuf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        dump_real(json_real_value(value), out);
        break;
    default:
        strbuf_adds(out, json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null");
    }
}

void yaml_dump(const json_t *value, struct strbuf *out) {
    if (json_object_size(value))
        dump_object(value, out, 0, true);
    else if (json_array_size(value))
        dump_array(value, out, 0, true);
    else {
        struct strbuf line = {0};
        dump(value, &line, 0, false);
        if (line.len)
            strbuf_add(out, line.data + 1, line.len - 1); /* without the blank */
        out->failed |= line.failed;
        strbuf_finish(&line);
    }
    strbuf_addc(out, '\n');
}
