#ifndef MOONLET_APISERVER_SCHEMA_PATTERN_H
#define MOONLET_APISERVER_SCHEMA_PATTERN_H

#include "base/error.h"
#include "base/str.h"

/*
 * Pattern: a regular expression of a schema, as Go's regexp (RE2) reads it.
 *
 * Is:      PCRE2 held to what RE2 knows (no look-around, no back-references), with a bound on the
 *          work of one match. The home of pcre2.h.
 * Threads: immutable after creation. Yields: never.
 */
struct schema_pattern;
/* NULL: REJECTED (it does not compile, or RE2 would refuse it), NOMEM. */
struct schema_pattern *schema_pattern_create(const char *text, struct error *err);
void schema_pattern_destroy(struct schema_pattern *pattern); /* NULL is fine */
const char *schema_pattern_text(const struct schema_pattern *pattern);
/* 1: it is found somewhere in `subject`; 0: it is not. REJECTED: too much work to tell. NOMEM. */
int schema_pattern_find(const struct schema_pattern *pattern, struct str subject,
                        struct error *err);

#endif
