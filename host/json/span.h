#ifndef MOONLET_JSON_SPAN_H
#define MOONLET_JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Span: how deep in a JSON document one is, while its bytes come in pieces.
 *
 * Is:      a count of brackets outside of strings that stands between any two bytes.
 * Is not:  a check (json/scan.h): what is no JSON is told by whoever parses it.
 * Threads: one owner at a time. Yields: never. Zeroed = before the document.
 */
struct json_span {
    uint32_t depth; /* open brackets */
    bool in_string;
    bool escaped; /* the last byte was a backslash in a string */
};

/* Steps over bytes until after a bracket or comma of a level up to `level`; brackets belong to the
 * level around them, 0 is that of the document. The bytes stepped over; *ret is the bracket or
 * comma, 0 when there was none. */
size_t json_span_step(struct json_span *span, const char *data, size_t len, uint32_t level,
                      char *ret);

#endif
