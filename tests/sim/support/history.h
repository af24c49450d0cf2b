#ifndef MOONLET_TESTS_SIM_HISTORY_H
#define MOONLET_TESTS_SIM_HISTORY_H

#include "addon/declaration.h"
#include "queue/workqueue.h"
#include "runtime/host.h"
#include "runtime/operation.h"
#include "support/api.h"

/*
 * History: one client of the model: informer, queue and writes as in a running host, with a
 * controller that sets `own` of each object to ten times its label, and everything that must hold
 * checked as it happens.
 *
 * What is checked, at each delta: an object is added before it is updated or deleted, a change
 * changes something and begins where the last one ended, versions grow, another UID is delete and
 * add. At each reconcile: nothing is older than our own last write to it. At the end, once faults
 * have stopped: the store and what was delivered equal the server's state, the controller's work is
 * done, and doing it again sends nothing.
 */
struct history_track { /* what the handler was last told of a slot */
    bool there;
    uint64_t version;
    unsigned uid, restores;
    int label, own;
};

struct history_ack { /* our last acknowledged write to a slot */
    uint64_t version;
    unsigned deleted; /* UID, 0 = none */
    unsigned restores;
};

struct history_options {
    uint64_t seed;
    struct api_options api; /* `sim` is filled in */
    bool split;             /* the informer watches each namespace on its own */
    bool told;
};

struct history {
    struct sim sim;
    struct api api;
    struct kube_config config;
    struct host host;
    struct declaration *declaration;
    struct informer *informer;
    struct informer_handler handler;
    struct workqueue *queue;
    struct history_track tracks[API_SLOTS];
    struct history_ack acks[API_SLOTS];
    bool writing; /* the controller works */
    int in_work;
    uint64_t deltas, reconciles, sent, skipped, restarts;
    uint64_t own_writes; /* that the last informer read from their answers; known at the end */
    bool split;
    uint64_t blocks; /* of memory, before */
    char why[512];   /* the first thing that did not hold; "" = all is well */
};
/* 0 or -1 with `why`. Either way pair with history_finish(). */
int history_begin(struct history *history, const struct history_options *options);
/* Nothing may be left over: that is the last check. */
int history_finish(struct history *history);

/* The informer is released and made anew; what was delivered is forgotten. */
void history_restart(struct history *history);
/* The whole of a run with drawn actions and faults; 0, or -1 with `why`. */
int history_run(uint64_t seed, bool told, struct history *ret);
/* Waits until the store equals the server; -1 when it does not within `ns`. */
int history_settle(struct history *history, uint64_t ns);
/* Does the store equal the server's newest state, and what was delivered, too? Quiet. */
bool history_equal(const struct history *history);
int history_fail(struct history *history, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const struct object *history_get(const struct history *history, int slot);
unsigned history_uid(const struct object *object);
/* Reads the two values of an object; API_NONE where it has none. */
void history_values(const struct history *history, const struct object *object, int *ret_label,
                    int *ret_own);

#endif
