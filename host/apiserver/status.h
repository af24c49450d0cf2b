#ifndef MOONLET_APISERVER_STATUS_H
#define MOONLET_APISERVER_STATUS_H

#include "apiserver/cause.h"
#include "apiserver/kinds.h"

/*
 * Status: meta/v1 Status objects as the real server words them.
 *
 * Is:      sentences, reasons, codes, details and causes; each function gives a new object, or NULL
 *          when there is no memory.
 * Is not:  the answer itself (rest.h).
 * Threads: any. Yields: never.
 */

/* `details` and `causes` are taken and may be NULL. */
json_t *status_make(int code, const char *reason, json_t *details, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int status_code(const json_t *status); /* of NULL: 500 */

json_t *status_no_version(const char *text); /* of one object, or a watch: 500 */
json_t *status_not_found(const struct api_resource *resource, const char *name);
json_t *status_exists(const struct api_resource *resource, const char *name);
/* "Operation cannot be fulfilled on pods "x": WHY"; NULL: the object has been modified. */
json_t *status_conflict(const struct api_resource *resource, const char *name, const char *why);
/* The same where the server names the kind instead of the resource. */
json_t *status_conflict_kind(const struct api_resource *resource, const char *name,
                             const char *why);
json_t *status_forbidden(const struct api_resource *resource, const char *name, const char *why);
json_t *status_invalid(const char *group, const char *kind, const char *name, json_t *causes);
#define status_bad_request(...) status_make(400, "BadRequest", NULL, __VA_ARGS__)
json_t *status_not_allowed(const struct api_resource *resource, const char *action);
#define status_expired(...) status_make(410, "Expired", NULL, __VA_ARGS__)
json_t *status_not_served(const char *what); /* 501: what this server leaves out */
json_t *status_internal(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* 504: a resourceVersion that is not there yet. */
json_t *status_too_large(uint64_t wanted, uint64_t current);
/* Of a library's error: err->status and err->reason when it has them, else by its code. */
json_t *status_of_error(const struct error *err);
/* What a DELETE answers: {"status":"Success","details":{...,"uid":...}}. */
json_t *status_success(const struct api_resource *resource, const char *name, const char *uid);

/* "deployments.apps". */
void status_qualify(struct strbuf *out, const char *word, const char *group);
json_t *status_details(const struct api_resource *resource, const char *name);

#endif
