#ifndef MOONLET_JSON_QUOTED_H
#define MOONLET_JSON_QUOTED_H

#include "base/str.h"

/*
 * Quoted: what stands between the quotes of a JSON string, for the scanner (RFC 8259, section 7).
 *
 * Is:      plain bytes, well-formed UTF-8 (RFC 3629) and escapes.
 * Is not:  a string for a caller, with its quotes and errors (json/scan.h), or writing one
 *          (json/write.h).
 * Threads: any. Yields: never.
 */

/* The end of the run of plain bytes at p: a quote, a backslash, or what is wrong. */
const char *json_quoted_plain(const char *p, const char *end);
/* After a backslash. NULL: no such escape. Without a buffer it is only checked. */
const char *json_quoted_unescape(const char *p, const char *end, struct strbuf *buf);
/* p is after the opening quote: after the closing one, or NULL when it is no string. */
const char *json_quoted_end(const char *p, const char *end);

#endif
