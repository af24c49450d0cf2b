#ifndef MOONLET_QUEUE_WORKQUEUE_H
#define MOONLET_QUEUE_WORKQUEUE_H

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/str.h"
#include "loop/loop.h"

/*
 * Workqueue: keys to reconcile, each in work at most once, none lost (client-go util/workqueue).
 *
 * Is:      dirty set + processing set + delayed adds (the earlier time wins) + per-key exponential
 *          backoff + optional token bucket; two priorities; round-robin over namespaces.
 * Is not:  aware of what a key means beyond "ns/name"; concurrency is the caller's (it calls
 *          workqueue_get as often as it wants work).
 * Threads: core. Yields: never.
 */
enum workqueue_priority {
    WORKQUEUE_LOW, /* first list, reload: behind live events */
    WORKQUEUE_LIVE
};

/* The parts of a key, borrowed from it; a key without a slash has the namespace "". */
void workqueue_split_key(struct str key, struct str *ret_ns, struct str *ret_name);

struct workqueue;
struct workqueue_options {
    struct loop *loop;
    struct rng *rng;
    const char *name;         /* copied; metrics label */
    uint64_t backoff_base_ns; /* 0 = 5 ms; n-th failure waits base * 2^(n-1) */
    uint64_t backoff_max_ns;  /* 0 = 1000 s */
    double rate, burst;       /* token bucket over all gets; rate 0 = none */
    uint64_t debounce_ns;     /* a LIVE add waits so long after the key's last add; 0 = none */
    void (*on_ready)(void *context); /* a key may be got; in the loop, never from within a call */
    void *context;
};
struct workqueue *workqueue_create(const struct workqueue_options *options, struct error *err);
void workqueue_destroy(struct workqueue *queue); /* NULL is fine */
/* Changes what a reload may change; keys, delays and failure counts stay. */
void workqueue_configure(struct workqueue *queue, const struct workqueue_options *options);

/* 0 or ERROR_NOMEM. `reason` is a short word kept with the key until it is got; of several adds
 * the one of the highest priority stays, of equals the first. Static text. */
int workqueue_add(struct workqueue *queue, struct str key, enum workqueue_priority priority,
                  const char *reason);
int workqueue_add_after(struct workqueue *queue, struct str key, uint64_t delay_ns,
                        const char *reason);
/* Counts a failure and adds after the key's backoff; the second form after `least_ns`, if that is
 * longer. */
int workqueue_add_backoff(struct workqueue *queue, struct str key, const char *reason);
int workqueue_add_backoff_least(struct workqueue *queue, struct str key, uint64_t least_ns,
                                const char *reason);
/* Is it delayed, and neither ready nor in work? */
bool workqueue_waits(const struct workqueue *queue, struct str key);
void workqueue_forget(struct workqueue *queue, struct str key); /* failure count to 0 */
unsigned workqueue_failures(const struct workqueue *queue, struct str key);
/* Drops a key that waits or is delayed (its object is gone for good); one in work stays. */
void workqueue_remove(struct workqueue *queue, struct str key);

struct workqueue_item {
    struct str key;     /* borrowed until workqueue_done of that key */
    const char *reason; /* of the add */
    uint64_t queued_ns; /* how long it was ready */
};
/* The next ready key, now in work; false when there is none (or the bucket is empty: on_ready
 * comes when it is not). */
bool workqueue_get(struct workqueue *queue, struct workqueue_item *ret);
/* Ends the work; a key added meanwhile is ready again. */
void workqueue_done(struct workqueue *queue, struct str key);
void workqueue_shut_down(struct workqueue *queue); /* later adds are dropped, get gives none */

struct workqueue_stats {
    uint64_t adds, retries;         /* since creation */
    size_t depth, delayed, in_work; /* now */
    uint64_t longest_running_ns, unfinished_ns;
};
struct workqueue_stats workqueue_stats(const struct workqueue *queue);
/* Calls `each` with the delayed keys, how often each has failed, and why it waits: the reason of
 * the add that is still to come. */
void workqueue_each_waiting(const struct workqueue *queue,
                            void (*each)(void *context, struct str key, unsigned failures,
                                         const char *reason),
                            void *context);
/* Calls `each` with the delayed keys and how long they still wait (--once lists them). */
void workqueue_each_delayed(const struct workqueue *queue,
                            void (*each)(void *context, struct str key, uint64_t left_ns),
                            void *context);

#endif
