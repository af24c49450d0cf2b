#include "json/scan.h"

#include <string.h>

#include "json/quoted.h"
#include "json/span.h"

void json_scanner_init(struct json_scanner *scanner, const char *data, size_t len) {
    *scanner = (struct json_scanner){
        .start = data ? data : "", .at = data ? data : "", .end = (data ? data : "") + len};
}

void json_scanner_finish(struct json_scanner *scanner) {
    strbuf_finish(&scanner->scratch);
}

static const char *skip_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

/* `at` and the state stay where they were, so the next call fails the same way. */
static int fail(const struct json_scanner *scanner, const char *p, const char *what,
                struct error *err) {
    if (p >= scanner->end)
        return error_set(err, ERROR_REJECTED, "byte %zu: %s, found the end",
                         (size_t)(p - scanner->start), what);
    unsigned char c = (unsigned char)*p;
    if (c > ' ' && c < 0x7f)
        return error_set(err, ERROR_REJECTED, "byte %zu: %s, found '%c'",
                         (size_t)(p - scanner->start), what, c);
    return error_set(err, ERROR_REJECTED, "byte %zu: %s, found 0x%02x",
                     (size_t)(p - scanner->start), what, c);
}

static bool in_object(const struct json_scanner *scanner) {
    uint32_t level = scanner->depth - 1;
    return scanner->is_object[level / 64] >> (level % 64) & 1;
}

/* At a byte that can neither be in a string nor end it. */
static int fail_string(const struct json_scanner *scanner, const char *p, struct error *err) {
    bool cut = p == scanner->end || (unsigned char)*p < 0x20;
    return fail(scanner, p, cut ? "in a string: expected '\"'" : "in a string: bad UTF-8", err);
}

/* p is after the opening quote; *ret_after is set to the byte after the closing one. */
static int scan_string(struct json_scanner *scanner, const char *p, const char **ret_after,
                       struct error *err) {
    const char *run = p, *end = scanner->end;
    p = json_quoted_plain(p, end);
    if (p < end && *p == '"') {
        scanner->text = str_n(run, (size_t)(p - run));
        *ret_after = p + 1;
        return 0;
    }
    struct strbuf *buf = &scanner->scratch;
    strbuf_clear(buf);
    for (; p < end && *p == '\\'; p = json_quoted_plain(p, end)) {
        strbuf_add(buf, run, (size_t)(p - run));
        run = json_quoted_unescape(p + 1, end, buf);
        if (run == NULL)
            return fail(scanner, p, "in a string: bad escape", err);
        p = run;
    }
    if (p == end || *p != '"')
        return fail_string(scanner, p, err);
    strbuf_add(buf, run, (size_t)(p - run));
    if (buf->failed)
        return error_set(err, ERROR_NOMEM, "byte %zu: no memory for a string",
                         (size_t)(p - scanner->start));
    scanner->text = strbuf_view(buf);
    *ret_after = p + 1;
    return 0;
}

static const char *skip_digits(const char *p, const char *end) {
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

static int scan_number(struct json_scanner *scanner, const char *p, struct error *err) {
    const char *first = p, *end = scanner->end, *part;
    if (*p == '-')
        p++;
    part = p;
    p = p < end && *p == '0' ? p + 1 : skip_digits(p, end);
    if (p > part && p < end && *p == '.') {
        part = ++p;
        p = skip_digits(p, end);
    }
    if (p > part && p < end && (*p | 0x20) == 'e') {
        part = ++p;
        if (p < end && (*p == '+' || *p == '-'))
            part = ++p;
        p = skip_digits(p, end);
    }
    if (p == part)
        return fail(scanner, p, "in a number: expected a digit", err);
    scanner->text = str_n(first, (size_t)(p - first));
    scanner->at = p;
    scanner->state = JSON_AFTER_VALUE;
    return 0;
}

static int scan_word(struct json_scanner *scanner, const char *p, const char *word,
                     struct error *err) {
    size_t len = strlen(word);
    if ((size_t)(scanner->end - p) < len || memcmp(p, word, len) != 0)
        return fail(scanner, p, "expected a value", err);
    scanner->at = p + len;
    scanner->state = JSON_AFTER_VALUE;
    return 0;
}

static int open_level(struct json_scanner *scanner, const char *p, struct error *err) {
    if (scanner->depth == JSON_MAX_DEPTH)
        return error_set(err, ERROR_REJECTED, "byte %zu: more than %d levels deep",
                         (size_t)(p - scanner->start), JSON_MAX_DEPTH);
    json_scanner_enter(scanner, *p == '{');
    scanner->at = p + 1;
    return 0;
}

static int scan_value(struct json_scanner *scanner, const char *p, enum json_token *ret,
                      struct error *err) {
    if (p == scanner->end)
        return fail(scanner, p, "expected a value", err);
    switch (*p) {
    case '{':
    case '[':
        *ret = *p == '{' ? JSON_TOKEN_OBJECT_BEGIN : JSON_TOKEN_ARRAY_BEGIN;
        return open_level(scanner, p, err);
    case '"':
        *ret = JSON_TOKEN_STRING;
        if (scan_string(scanner, p + 1, &p, err) < 0)
            return err ? err->code : ERROR_REJECTED;
        scanner->at = p;
        scanner->state = JSON_AFTER_VALUE;
        return 0;
    case 't':
        *ret = JSON_TOKEN_TRUE;
        return scan_word(scanner, p, "true", err);
    case 'f':
        *ret = JSON_TOKEN_FALSE;
        return scan_word(scanner, p, "false", err);
    case 'n':
        *ret = JSON_TOKEN_NULL;
        return scan_word(scanner, p, "null", err);
    default:
        *ret = JSON_TOKEN_NUMBER;
        if (*p != '-' && (*p < '0' || *p > '9'))
            return fail(scanner, p, "expected a value", err);
        return scan_number(scanner, p, err);
    }
}

static int scan_key(struct json_scanner *scanner, const char *p, enum json_token *ret,
                    struct error *err) {
    if (p == scanner->end || *p != '"')
        return fail(scanner, p, "expected a key", err);
    int rc = scan_string(scanner, p + 1, &p, err);
    if (rc < 0)
        return rc;
    p = skip_space(p, scanner->end);
    if (p == scanner->end || *p != ':')
        return fail(scanner, p, "expected ':'", err);
    scanner->at = p + 1;
    scanner->state = JSON_BEFORE_VALUE;
    *ret = JSON_TOKEN_KEY;
    return 0;
}

static int close_level(struct json_scanner *scanner, const char *p, enum json_token *ret) {
    *ret = *p == '}' ? JSON_TOKEN_OBJECT_END : JSON_TOKEN_ARRAY_END;
    scanner->depth--;
    scanner->state = JSON_AFTER_VALUE;
    scanner->at = p + 1;
    return 0;
}

static int scan_after(struct json_scanner *scanner, const char *p, enum json_token *ret,
                      struct error *err) {
    const char *end = scanner->end;
    if (scanner->depth == 0) {
        if (p < end)
            return fail(scanner, p, "expected nothing after the document", err);
        scanner->at = p;
        *ret = JSON_TOKEN_END;
        return 0;
    }
    bool object = in_object(scanner);
    if (p < end && *p == (object ? '}' : ']'))
        return close_level(scanner, p, ret);
    if (p == end || *p != ',')
        return fail(scanner, p, object ? "expected ',' or '}'" : "expected ',' or ']'", err);
    p = skip_space(p + 1, end);
    return object ? scan_key(scanner, p, ret, err) : scan_value(scanner, p, ret, err);
}

int json_next(struct json_scanner *scanner, enum json_token *ret, struct error *err) {
    const char *p = skip_space(scanner->at, scanner->end);
    switch ((enum json_state)scanner->state) {
    case JSON_AFTER_VALUE:
        return scan_after(scanner, p, ret, err);
    case JSON_BEFORE_KEY:
        if (p < scanner->end && *p == '}')
            return close_level(scanner, p, ret);
        return scan_key(scanner, p, ret, err);
    case JSON_BEFORE_ITEM:
        if (p < scanner->end && *p == ']')
            return close_level(scanner, p, ret);
        return scan_value(scanner, p, ret, err);
    case JSON_BEFORE_VALUE:
        break;
    }
    return scan_value(scanner, p, ret, err);
}

/* A key and its ':' at p. NULL: something else, or white space. */
static const char *check_key(const char *p, const char *end) {
    p = p < end && *p == '"' ? json_quoted_end(p + 1, end) : NULL;
    return p && p < end && *p == ':' ? p + 1 : NULL;
}

/* Steps over keys, strings and brackets as long as they are well-formed and without white space
 * between them; what else there is, and what is wrong, is for json_next(). */
static void skip_compact(struct json_scanner *scanner, uint32_t depth) {
    const char *p = scanner->at, *end = scanner->end;
    while (scanner->depth > depth && p < end) {
        bool object = in_object(scanner);
        if (*p == (object ? '}' : ']') && scanner->state != JSON_BEFORE_VALUE) {
            scanner->depth--;
            scanner->state = JSON_AFTER_VALUE;
            scanner->at = ++p;
            continue;
        }
        if (scanner->state == JSON_AFTER_VALUE && *p++ != ',')
            return;
        if (object && scanner->state != JSON_BEFORE_VALUE && (p = check_key(p, end)) == NULL)
            return;
        if (p == end)
            return;
        if (*p == '"') {
            p = json_quoted_end(p + 1, end);
            if (p == NULL)
                return;
            scanner->state = JSON_AFTER_VALUE;
        } else if ((*p == '{' || *p == '[') && scanner->depth < JSON_MAX_DEPTH) {
            json_scanner_enter(scanner, *p++ == '{');
        } else {
            return;
        }
        scanner->at = p;
    }
}

int json_skip(struct json_scanner *scanner, struct str *ret_raw, struct error *err) {
    const char *first = skip_space(scanner->at, scanner->end);
    if (scanner->state == JSON_AFTER_VALUE && first < scanner->end && *first == ',')
        first = skip_space(first + 1, scanner->end);
    uint32_t depth = scanner->depth;
    enum json_token token;
    do {
        int rc = json_next(scanner, &token, err);
        if (rc < 0)
            return rc;
        if (token == JSON_TOKEN_END || (token == JSON_TOKEN_KEY && scanner->depth == depth))
            return error_set(err, ERROR_INVALID, "byte %zu: json_skip where no value can be",
                             (size_t)(first - scanner->start));
        skip_compact(scanner, depth);
    } while (scanner->depth > depth);
    if (ret_raw)
        *ret_raw = str_n(first, scanner->depth < depth ? 0 : (size_t)(scanner->at - first));
    return 0;
}

int json_skip_span(struct json_scanner *scanner, struct error *err) {
    const char *first = skip_space(scanner->at, scanner->end);
    struct json_span span = {0};
    char what;
    if (first == scanner->end || (*first != '{' && *first != '['))
        return json_skip(scanner, NULL, err);
    size_t left = (size_t)(scanner->end - first);
    size_t len = json_span_step(&span, first, left, /* level= */ 0, &what);
    len += json_span_step(&span, first + len, left - len, /* level= */ 0, &what);
    if (what == 0)
        return fail(scanner, scanner->end, "expected the end of a value", err);
    json_value_taken(scanner, (size_t)(first - scanner->at) + len);
    return 0;
}

int json_check(struct str json, struct error *err) {
    struct json_scanner scanner;
    enum json_token token;
    json_scanner_init(&scanner, json.data, json.len);
    int rc = json_skip(&scanner, NULL, err);
    if (rc == 0)
        rc = json_next(&scanner, &token, err); /* nothing may follow */
    json_scanner_finish(&scanner);
    return rc;
}

struct str json_value_ahead(struct json_scanner *scanner) {
    scanner->at = skip_space(scanner->at, scanner->end);
    return str_n(scanner->at, (size_t)(scanner->end - scanner->at));
}

void json_value_taken(struct json_scanner *scanner, size_t len) {
    scanner->at += len;
    scanner->state = JSON_AFTER_VALUE;
}
