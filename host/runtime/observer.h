#ifndef MOONLET_RUNTIME_OBSERVER_H
#define MOONLET_RUNTIME_OBSERVER_H

#include "cache/node.h"

/*
 * Observer: who wants to see what controllers do, as it happens (`moonlet dev`).
 *
 * Is not:  the log or the metrics; nothing is told when there is no observer.
 * Threads: core. Yields: never. Everything is borrowed for the call.
 */
struct observed_write { /* one that the API server has taken */
    const char *controller;
    struct str key_ns, key_name; /* of the object in hand; "" when there is none */
    const char *verb;            /* "apply", "create", "update", "patch", "set_status", "delete",
                                    "scale", "evict", "bind"; static */
    const char *kind;            /* "apps/v1/Deployment" */
    struct str ns, name;
    const struct dag *dag;
    node_t before; /* NODE_NONE: it was created, or its state before is not known */
    node_t after;  /* NODE_NONE: deleted, or the answer does not say */
    bool created;
};
struct observed_result { /* one key has been worked on */
    const char *controller, *key, *reason;
    const char *result; /* "success", "error", "requeue", "requeue_after"; static */
    double seconds;
};
struct observer {
    void (*wrote)(void *context, const struct observed_write *write);
    void (*reconciled)(void *context, const struct observed_result *result);
    void *context;
};

#endif
