#ifndef MOONLET_JSON_SCAN_H
#define MOONLET_JSON_SCAN_H

#include "base/error.h"
#include "base/str.h"

/*
 * JSON scanner of the data path: a pull parser over bytes that are all there (RFC 8259).
 *
 * Is:      tokens over the caller's buffer; numbers as text; strings unescaped only when needed.
 * Is not:  a tree (cache/node.h builds one) or for configuration (json/doc.h).
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

struct json_scanner {
    const char *start, *at, *end;
    struct str text;       /* of the last KEY, STRING, NUMBER; valid until the next call */
    struct strbuf scratch; /* unescaped strings */
    uint32_t depth;
    uint8_t state;                           /* what may come next */
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

#endif
