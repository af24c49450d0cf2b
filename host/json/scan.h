#ifndef MOONLET_JSON_SCAN_H
#define MOONLET_JSON_SCAN_H

#include <string.h>

#include "base/error.h"
#include "base/str.h"

/*
 * JSON scanner of the data path: a pull parser over bytes that are all there (RFC 8259).
 *
 * Is:      tokens over the caller's buffer; numbers as text; strings unescaped only when needed.
 * Is not:  a tree (cache/node.h builds one) or for configuration (yaml/yaml.h).
 * Limits:  JSON_MAX_DEPTH levels; invalid UTF-8, lone surrogates, leading zeros, trailing bytes are
 *          errors. Never recursive.
 * Threads: one owner at a time. Yields: never.
 */
enum { JSON_MAX_DEPTH = 512 };

enum json_token {
    JSON_TOKEN_OBJECT_BEGIN,
    JSON_TOKEN_OBJECT_END,
    JSON_TOKEN_ARRAY_BEGIN,
    JSON_TOKEN_ARRAY_END,
    JSON_TOKEN_KEY,    /* text: the key, unescaped */
    JSON_TOKEN_STRING, /* text: the value, unescaped */
    JSON_TOKEN_NUMBER, /* text: as written */
    JSON_TOKEN_TRUE,
    JSON_TOKEN_FALSE,
    JSON_TOKEN_NULL,
    JSON_TOKEN_END /* of the document */
};

enum json_state {
    JSON_BEFORE_VALUE, /* at the start, after ':' */
    JSON_BEFORE_ITEM,  /* after '[': a value or ']' */
    JSON_BEFORE_KEY,   /* after '{': a key or '}' */
    JSON_AFTER_VALUE   /* ',' or the end of the level or of the document */
};

struct json_scanner {
    const char *start, *at, *end;
    struct str text;       /* of the last KEY, STRING, NUMBER; valid until the next call */
    struct strbuf scratch; /* unescaped strings */
    uint32_t depth;
    uint8_t state;                           /* enum json_state: what may come next */
    uint64_t is_object[JSON_MAX_DEPTH / 64]; /* bit per level */
};

/* The buffer must outlive the scanner. Pair with json_scanner_finish(). */
void json_scanner_init(struct json_scanner *scanner, const char *data, size_t len);
void json_scanner_finish(struct json_scanner *scanner);
/* The next token, or ERROR_REJECTED ("byte 17: ...") or ERROR_NOMEM; after an error, the same
 * again. */
int json_next(struct json_scanner *scanner, enum json_token *ret, struct error *err);
/* After JSON_TOKEN_KEY, or before an array item: steps over one whole value, checking it; *ret_raw
 * (may be NULL) is its bytes in the buffer. At the end of an array it steps over the `]` and
 * *ret_raw is empty, which no value is. */
int json_skip(struct json_scanner *scanner, struct str *ret_raw, struct error *err);
/* The same after a key, by the brackets and strings of an array or object alone: for what nobody
 * will read, whether or not it is JSON. */
int json_skip_span(struct json_scanner *scanner, struct error *err);

/* Is it one whole document? 0, ERROR_REJECTED or ERROR_NOMEM. */
int json_check(struct str json, struct error *err);

/* After JSON_TOKEN_KEY: what begins with the value, for somebody else to read, who then says how
 * long it is. */
struct str json_value_ahead(struct json_scanner *scanner);
void json_value_taken(struct json_scanner *scanner, size_t len);

/* The scanner is in a level that has just begun. Not deeper than JSON_MAX_DEPTH. */
static inline void json_scanner_enter(struct json_scanner *scanner, bool object) {
    uint64_t bit = (uint64_t)1 << (scanner->depth % 64),
             *bits = &scanner->is_object[scanner->depth / 64];
    *bits = object ? *bits | bit : *bits & ~bit;
    scanner->depth++;
    scanner->state = object ? JSON_BEFORE_KEY : JSON_BEFORE_ITEM;
}

/*
 * Guesses: each steps over the next token if it is exactly what the caller expects, written without
 * white space, and says so; else nothing has changed and json_next() is to be asked.
 */

/* Where the next key or value begins, when nothing but the comma that is due is before it. */
static inline const char *json_guess_at(const struct json_scanner *scanner) {
    const char *p = scanner->at;
    if (scanner->state != JSON_AFTER_VALUE)
        return p;
    return p < scanner->end && *p == ',' ? p + 1 : scanner->end;
}

static inline bool json_same_bytes(const char *a, const char *b, size_t len) {
    uint64_t x, y, u, v;
    if (len > 16)
        return memcmp(a, b, len) == 0;
    if (len >= 8) {
        memcpy(&x, a, 8), memcpy(&y, b, 8);
        memcpy(&u, a + len - 8, 8), memcpy(&v, b + len - 8, 8);
        return ((x ^ y) | (u ^ v)) == 0;
    }
    while (len > 0 && a[len - 1] == b[len - 1])
        len--;
    return len == 0;
}

/* `text` in quotes at p. It must need no escapes and be valid UTF-8: so is what it is equal to. */
static inline bool json_guess_quoted(const char *p, const char *end, struct str text) {
    return (size_t)(end - p) >= text.len + 3 && *p == '"' && p[text.len + 1] == '"' &&
           json_same_bytes(p + 1, text.data, text.len);
}

/* In an object, where a key may come. */
static inline bool json_guess_key(struct json_scanner *scanner, struct str key) {
    const char *p = json_guess_at(scanner);
    if (!json_guess_quoted(p, scanner->end, key) || p[key.len + 2] != ':')
        return false;
    scanner->at = p + key.len + 3;
    scanner->state = JSON_BEFORE_VALUE;
    return true;
}

/* Where a value may come, after a key or in an array. */
static inline bool json_guess_string(struct json_scanner *scanner, struct str text) {
    const char *p = json_guess_at(scanner);
    if (!json_guess_quoted(p, scanner->end, text))
        return false;
    scanner->at = p + text.len + 2;
    scanner->state = JSON_AFTER_VALUE;
    return true;
}

/* `text`, and then what ends a number, true, false or null. */
static inline bool json_guess_ended(const char *p, const char *end, struct str text) {
    return (size_t)(end - p) > text.len && json_same_bytes(p, text.data, text.len) &&
           (p[text.len] == ',' || p[text.len] == '}' || p[text.len] == ']');
}

/* The same for a number, true, false or null. */
static inline bool json_guess_bare(struct json_scanner *scanner, struct str text) {
    const char *p = json_guess_at(scanner);
    if (!json_guess_ended(p, scanner->end, text))
        return false;
    scanner->at = p + text.len;
    scanner->state = JSON_AFTER_VALUE;
    return true;
}

#endif
