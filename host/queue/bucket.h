#ifndef MOONLET_QUEUE_BUCKET_H
#define MOONLET_QUEUE_BUCKET_H

#include <stdint.h>

#include "base/error.h"

/*
 * Token bucket: how often something may happen.
 *
 * Is:      arithmetic on a clock reading that the caller passes in; no loop, no timer.
 * Is not:  a queue (queue/workqueue.h).
 * Threads: one owner at a time, no lock inside. Yields: never.
 */
struct bucket {
    double rate;      /* tokens added per second, above 0 */
    double burst;     /* most tokens it holds, at least 1 */
    double tokens;    /* there at `updated`, 0..burst */
    uint64_t updated; /* monotonic ns of the last refill */
};

/* Starts a full bucket. Returns 0 or ERROR_INVALID; a failure leaves *bucket as it was. */
int bucket_init(struct bucket *bucket, double rate, double burst, uint64_t now, struct error *err);

/* Takes one token. Returns 0; or ERROR_THROTTLED with *reterr_wait = ns until it is worth asking
 * again. A `now` older than the last one counts as no time passed. */
int bucket_take(struct bucket *bucket, uint64_t now, uint64_t *reterr_wait);

#endif
