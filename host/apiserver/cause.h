#ifndef MOONLET_APISERVER_CAUSE_H
#define MOONLET_APISERVER_CAUSE_H

#include <jansson.h>

#include "base/str.h"

/*
 * Causes: what Status.details.causes of an invalid object says, in the API server's words.
 *
 * Is:      a list of {"reason","message","field"}; none is there twice.
 * Threads: one owner at a time. Yields: never.
 */
struct causes {
    json_t *list; /* borrowed array */
    bool failed;  /* no memory: one is missing */
};

/* `field` is the path; "" stands for the root, which the server calls "<nil>". */
void cause_required(struct causes *causes, const char *field, const char *detail);
void cause_forbidden(struct causes *causes, const char *field, const char *detail);
void cause_not_found(struct causes *causes, const char *field, const char *value);
void cause_duplicate(struct causes *causes, const char *field, const json_t *value);
/* As cause_duplicate, of a value as the server prints it. */
void cause_duplicate_shown(struct causes *causes, const char *field, const char *shown);
void cause_invalid(struct causes *causes, const char *field, const json_t *value,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));
void cause_invalid_text(struct causes *causes, const char *field, const char *value,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));
/* As cause_invalid, with the reason FieldValueTypeInvalid. */
void cause_type(struct causes *causes, const char *field, const json_t *value, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
/* `supported` is an array of any values. */
void cause_unsupported(struct causes *causes, const char *field, const json_t *value,
                       const json_t *supported);
void cause_too_long(struct causes *causes, const char *field, int64_t most);
void cause_too_many(struct causes *causes, const char *field, int64_t count, int64_t most);

/* Appends a value as the server prints it: "text" quoted, numbers and booleans plain, the rest as
 * JSON with sorted keys. */
void cause_write_value(struct strbuf *out, const json_t *value);
void cause_write_real(struct strbuf *out, double value); /* as Go's %v */
void cause_write_quoted(struct strbuf *out, struct str text);

#endif
