#ifndef MOONLET_RUNTIME_INVOCATION_H
#define MOONLET_RUNTIME_INVOCATION_H

#include "runtime/operation.h"

/*
 * Invocation: one call of one handler, with what it asks for on the way.
 *
 * Is:      a worker call whose requests become operations, with the handler's timeout and R14's
 *          cancellation. Jobs, schedules, startups and on.event all run through it.
 * Is not:  a policy for results: `done` decides.
 * Threads: core. Yields: never.
 */
struct invocation {
    struct worker_call call;
    struct scope scope;
    struct loop_timer timeout;
    uint64_t started_ns;
    int cancelled; /* the code it was cancelled with, or 0 */
    char *key;     /* "ns/name", or "" */
    char id[20];   /* reconcile id */
    const char *function;
    void (*done)(struct invocation *invocation); /* may free it */
    void *context;
};

/* Fills and starts; the struct is the caller's until `done`. `object` and `old` are pinned here.
 * call.call.{reason, attempt, event, ns, name, uid} may be set before. 0 or NOMEM (no `done`). */
int invocation_start(struct invocation *invocation, struct host *host, struct worker_script *script,
                     const struct definition *definition, unsigned index, const char *function,
                     struct str key, const struct object *object, const struct object *old,
                     struct error *err);
/* Its pending and later ctx calls raise `code`; a write already sent is awaited. */
void invocation_cancel(struct invocation *invocation, int code);
/* Frees what invocation_start() made; in `done`. When call.lost is set it frees nothing, and the
 * struct must not be freed either. */
void invocation_finish(struct invocation *invocation);

/* Fields for a log line about it; `fields` has room for 8. */
void invocation_log_fields(const struct invocation *invocation, struct log_field *fields);

#endif
