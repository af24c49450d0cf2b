#ifndef MOONLET_RUNTIME_OPERATION_H
#define MOONLET_RUNTIME_OPERATION_H

#include "runtime/host.h"

/*
 * Operation: one request of a script, carried out: permission, discovery, request, retries, answer.
 *
 * Is:      the way of every ctx call that waits. What each kind of write means is in
 *          runtime/write*.c and subresource.c, of each read in runtime/read.c, HTTP in
 *          runtime/fetch.c.
 * Is not:  a cache: answers go to the informers at once (R5).
 * Retries: on 429, 5xx and lost connections, at most 5, with Retry-After, only where repeating is
 *          safe; else only when the request surely never left.
 * Threads: core. Yields: never; the end is `done`.
 */
struct scope { /* who asks; owns nothing, outlives its operations */
    struct host *host;
    const struct definition *definition;
    const struct object *object; /* in hand; NULL in schedules and startups */
    const char *kind;            /* of the object in hand */
    struct list operations;      /* struct operation.link */
};
void scope_init(struct scope *scope, struct host *host, const struct definition *definition,
                const struct object *object);

struct operation {
    struct list link;
    struct scope *scope;
    struct host *host;
    struct script_request *request; /* answered by `done` */
    void (*done)(struct script_request *request);
    char *api_version, *kind; /* of the target */
    const struct kube_resource *resource;
    struct discovery_lookup *lookup;
    struct kube_call *call;
    struct http_call *fetch;
    struct loop_timer timer; /* sleep, or the wait before a retry */
    unsigned tries;
    /* what is sent */
    const char *method, *content_type;
    struct strbuf path, query, body;
    bool repeatable; /* sending it twice does no harm */
    /* what the answer is for */
    char *ns, *name, *manager;
    char *memory;                 /* manager and subresource: what intents are kept by */
    node_t intent;                /* apply, set_status */
    bool looking_up;              /* the call in progress only asks for the target's uid (R2) */
    const struct object *current; /* pinned */
    const struct object *before;  /* pinned: in the cache when it was sent; for the observer */
    struct strbuf items;          /* live list: pages so far */
    int (*finish)(struct operation *operation, const struct kube_answer *answer, struct error *err);
};

/* Carries the request out and hands it to `done`, now or later. */
void operation_start(struct scope *scope, struct script_request *request,
                     void (*done)(struct script_request *request));
/* R14: answers what has not been sent with `code`; what has been sent is awaited. */
void operations_cancel(struct scope *scope, int code);

/* For write.c, subresource.c, read.c, fetch.c: */
/* Ends the operation: err NULL or code 0 is success. */
void operation_end(struct operation *operation, const struct error *err);
/* Sends method, path, query, body as they are. */
void operation_send(struct operation *operation);
/* Fills path from resource, ns, name. */
void operation_path(struct operation *operation, const char *subresource);
/* May the definition do this verb on the target? 0 or FORBIDDEN. */
int operation_allow(struct operation *operation, const char *verb, struct error *err);

/* Prepare: fill what is sent and return 0, or end it themselves and return 1, or < 0. */
int write_prepare(struct operation *operation, struct error *err);
int read_prepare(struct operation *operation, struct error *err);
void fetch_start(struct operation *operation);
/* The answer to a look-up of the target's uid. */
void write_looked_up(struct operation *operation, const struct kube_answer *answer,
                     const struct error *err);

#endif
