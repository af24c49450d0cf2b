#ifndef MOONLET_APISERVER_SCHEMA_PARSER_H
#define MOONLET_APISERVER_SCHEMA_PARSER_H

#include "apiserver/schema_internal.h"

/*
 * Parsing a schema: for schema_parse*.c and schema_keyword.c alone.
 *
 * Codes: 0, REJECTED (the text names the keyword) or NOMEM. Threads: one. Yields: never.
 */
struct schema_parser {
    schema_resolve resolve; /* NULL: references are refused */
    void *context;
    int depth;
    bool nested;       /* in allOf, anyOf, oneOf, not: a reference could lead in a circle */
    struct error *err; /* never NULL */
};

int schema_no_memory(struct schema_parser *parser); /* sets the error; gives NOMEM */

/* NULL: absent, or null. */
static inline json_t *schema_keyword(const json_t *from, const char *key) {
    json_t *value = json_object_get(from, key);
    return json_is_null(value) ? NULL : value;
}

/* One keyword of `from`. Where it is absent a number is NAN, a bound SCHEMA_NO_BOUND, and all else
 * stays as it was. What a reader copies is the caller's. */
int schema_read_bool(struct schema_parser *parser, const json_t *from, const char *key, bool *ret);
int schema_read_number(struct schema_parser *parser, const json_t *from, const char *key,
                       double *ret);
int schema_read_bound(struct schema_parser *parser, const json_t *from, const char *key,
                      int64_t *ret);
/* Lends; *ret is NULL when there is none, or it is empty. */
int schema_peek_string(struct schema_parser *parser, const json_t *from, const char *key,
                       const char **ret);
int schema_read_string(struct schema_parser *parser, const json_t *from, const char *key,
                       char **ret);
/* NULL-terminated, to schema_free_strings(), after a failure too. */
int schema_read_strings(struct schema_parser *parser, const json_t *from, const char *key,
                        char ***ret);

/* The schema that stands there, with one reference, or NULL. */
struct schema *schema_parse_part(struct schema_parser *parser, const json_t *from);

/* *ret stays NULL where no keyword is a rule: most schemas have a type and a description. After a
 * failure it holds what was read. */
int schema_read_rules(struct schema_parser *parser, const json_t *from, enum schema_type type,
                      struct schema_rules **ret);

#endif
