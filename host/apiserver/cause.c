#include "apiserver/cause.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Values */

void cause_write_quoted(struct strbuf *out, struct str text) {
    static const char plain[] = "\a\b\f\n\r\t\v\\\"", escaped[] = "abfnrtv\\\"";
    strbuf_addc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        const char *at = c ? strchr(plain, c) : NULL;
        if (at) {
            strbuf_addc(out, '\\');
            strbuf_addc(out, escaped[at - plain]);
        } else if ((unsigned char)c < ' ' || c == 0x7f) {
            strbuf_printf(out, "\\x%02x", (unsigned)c);
        } else {
            strbuf_addc(out, c);
        }
    }
    strbuf_addc(out, '"');
}

/* The fewest digits that read back, "d.ddde+XX"; never longer than a buffer of 32. */
static void write_shortest(double value, char *buf, size_t size) {
    for (int digits = 0; digits <= 16; digits++) {
        snprintf(buf, size, "%.*e", digits, value);
        if (strtod(buf, NULL) == value)
            return;
    }
}

void cause_write_real(struct strbuf *out, double value) {
    char buf[32];
    write_shortest(value, buf, sizeof buf);
    const char *mark = strchr(buf, 'e');
    long exponent = mark ? strtol(mark + 1, NULL, 10) : 0;
    if (mark == NULL || exponent < -4 || exponent >= 21) {
        strbuf_adds(out, buf);
        return;
    }
    long digits = (long)strcspn(buf, "e") - (buf[0] == '-' ? 1 : 0);
    long decimals = (digits > 1 ? digits - 2 : 0) - exponent;
    strbuf_printf(out, "%.*f", decimals > 0 ? (int)decimals : 0, value);
}

void cause_write_value(struct strbuf *out, const json_t *value) {
    if (json_is_string(value)) {
        cause_write_quoted(out, str_n(json_string_value(value), json_string_length(value)));
    } else if (json_is_integer(value)) {
        strbuf_printf(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        cause_write_real(out, json_real_value(value));
    } else if (value) {
        size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_REAL_PRECISION(15);
        size_t len = json_dumpb(value, NULL, 0, flags);
        char *to = strbuf_reserve(out, len);
        if (to == NULL || len == 0 || json_dumpb(value, to, len, flags) != len) {
            out->failed = true;
            return;
        }
        out->len += len;
        out->data[out->len] = 0;
    } else {
        strbuf_adds(out, "\"\"");
    }
}

/* Causes. Takes `message` to pieces at the end, whatever comes of it. */

static void add(struct causes *causes, const char *reason, const char *field,
                struct strbuf *message) {
    json_t *cause = NULL, *other;
    size_t i;
    bool there = false;
    if (!message->failed)
        cause = json_pack("{s:s, s:s, s:s}", "reason", reason, "message",
                          message->data ? message->data : "", "field", *field ? field : "<nil>");
    if (cause == NULL)
        causes->failed = true;
    json_array_foreach(causes->list, i, other) there = there || json_equal(other, cause);
    if (cause && !there && json_array_append(causes->list, cause) < 0)
        causes->failed = true;
    json_decref(cause);
    strbuf_finish(message);
}

static void add_detailed(struct causes *causes, const char *reason, const char *what,
                         const char *field, const char *detail) {
    struct strbuf message = {0};
    strbuf_adds(&message, what);
    if (*detail)
        strbuf_printf(&message, ": %s", detail);
    add(causes, reason, field, &message);
}

static void begin_value(struct strbuf *message, const char *what, const json_t *value) {
    strbuf_printf(message, "%s: ", what);
    cause_write_value(message, value);
}

void cause_required(struct causes *causes, const char *field, const char *detail) {
    add_detailed(causes, "FieldValueRequired", "Required value", field, detail);
}

void cause_forbidden(struct causes *causes, const char *field, const char *detail) {
    add_detailed(causes, "FieldValueForbidden", "Forbidden", field, detail);
}

void cause_not_found(struct causes *causes, const char *field, const char *value) {
    struct strbuf message = {0};
    strbuf_adds(&message, "Not found: ");
    cause_write_quoted(&message, str_of(value));
    add(causes, "FieldValueNotFound", field, &message);
}

void cause_duplicate(struct causes *causes, const char *field, const json_t *value) {
    struct strbuf message = {0};
    begin_value(&message, "Duplicate value", value);
    add(causes, "FieldValueDuplicate", field, &message);
}

void cause_duplicate_shown(struct causes *causes, const char *field, const char *shown) {
    struct strbuf message = {0};
    strbuf_printf(&message, "Duplicate value: %s", shown);
    add(causes, "FieldValueDuplicate", field, &message);
}

static void end_detail(struct strbuf *message, const char *format, va_list args) {
    strbuf_adds(message, ": ");
    strbuf_vprintf(message, format, args);
}

static void invalid(struct causes *causes, const char *reason, const char *field,
                    const json_t *value, const char *format, va_list args) {
    struct strbuf message = {0};
    begin_value(&message, "Invalid value", value);
    end_detail(&message, format, args);
    add(causes, reason, field, &message);
}

void cause_invalid(struct causes *causes, const char *field, const json_t *value,
                   const char *format, ...) {
    va_list args;
    va_start(args, format);
    invalid(causes, "FieldValueInvalid", field, value, format, args);
    va_end(args);
}

void cause_invalid_text(struct causes *causes, const char *field, const char *value,
                        const char *format, ...) {
    struct strbuf message = {0};
    va_list args;
    strbuf_adds(&message, "Invalid value: ");
    cause_write_quoted(&message, str_of(value));
    va_start(args, format);
    end_detail(&message, format, args);
    va_end(args);
    add(causes, "FieldValueInvalid", field, &message);
}

void cause_type(struct causes *causes, const char *field, const json_t *value, const char *format,
                ...) {
    va_list args;
    va_start(args, format);
    invalid(causes, "FieldValueTypeInvalid", field, value, format, args);
    va_end(args);
}

/* Each supported value is quoted, the JSON of those that are no text too. */
static void write_supported(struct strbuf *message, const json_t *value) {
    struct strbuf text = {0};
    if (json_is_string(value))
        strbuf_add(&text, json_string_value(value), json_string_length(value));
    else
        cause_write_value(&text, value);
    cause_write_quoted(message, strbuf_view(&text));
    message->failed = message->failed || text.failed;
    strbuf_finish(&text);
}

void cause_unsupported(struct causes *causes, const char *field, const json_t *value,
                       const json_t *supported) {
    struct strbuf message = {0};
    json_t *item;
    size_t i;
    begin_value(&message, "Unsupported value", value);
    json_array_foreach(supported, i, item) {
        strbuf_adds(&message, i == 0 ? ": supported values: " : ", ");
        write_supported(&message, item);
    }
    add(causes, "FieldValueNotSupported", field, &message);
}

void cause_too_long(struct causes *causes, const char *field, int64_t most) {
    struct strbuf message = {0};
    strbuf_printf(&message, "Too long: may not be more than %lld byte%s", (long long)most,
                  most == 1 ? "" : "s");
    add(causes, "FieldValueTooLong", field, &message);
}

void cause_too_many(struct causes *causes, const char *field, int64_t count, int64_t most) {
    struct strbuf message = {0};
    strbuf_printf(&message, "Too many: %lld: must have at most %lld item%s", (long long)count,
                  (long long)most, most == 1 ? "" : "s");
    add(causes, "FieldValueTooMany", field, &message);
}
