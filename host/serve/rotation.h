#ifndef MOONLET_SERVE_ROTATION_H
#define MOONLET_SERVE_ROTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Rotation: what the certificates that all replicas share should be now.
 *
 * Is:      a pure step from one state to the next, so whoever loses the race to store it reads
 *          again. The pages say why it is safe: docs/explanation/certificates.md.
 * Is not:  storing the state (addon/certificate_secret.h), serving it, or publishing the bundle.
 * Promise: while the state is whole, the serving certificate before and after a step is accepted by
 *          who trusts the bundle before or after it. So replicas and API servers may be as much as
 *          `overlap_s` behind, each for itself.
 * Times:   unix seconds, from the caller.
 * Threads: any. Yields: never.
 */
struct rotation_state { /* PEM; each owned, or NULL */
    /* The bundle that clients trust (rotation_bundle()); its first certificate is the current CA,
     * and the only one that is read back. */
    char *ca_cert;
    char *ca_key;
    char *next_ca_cert, *next_ca_key; /* trusted already, signs nothing yet */
    char *cert, *key;                 /* what replicas serve */
    char *old_ca_cert;                /* still trusted */
    int64_t next_since; /* when the set of CAs last changed: `next` was added or promoted */
};
void rotation_state_finish(struct rotation_state *state); /* frees and zeroes; zeroed is fine */

enum {
    ROTATION_SERVING_S = 90 * 86400,
    ROTATION_CA_S = 5 * 365 * 86400,
    ROTATION_OVERLAP_S = 10 * 60,
    /* A certificate that begins up to so much later was made by a clock ahead of ours, or ours is
     * behind; beyond that it is wrong. */
    ROTATION_SKEW_S = 3600
};

struct rotation_options {
    int64_t now;
    /* Since when the caller knows the state's bundle to be in all that trust it; 0: ever since it
     * was stored. A new leader that has just published it says so here. */
    int64_t published;
    const char *const *names; /* what is served: DNS names, IP addresses; ended by NULL */
    int64_t serving_s;        /* lifetime of a serving certificate; 0: ROTATION_SERVING_S */
    int64_t ca_s;             /* 0: ROTATION_CA_S; raised to four times serving_s */
    int64_t overlap_s;        /* at most a sixth of serving_s; 0: ROTATION_OVERLAP_S */
};

/*
 * The state as it should be at `now`, which is `state` when there is nothing to do. Renewal comes
 * at two thirds of a life. What is damaged, missing or does not fit is made anew, no more than
 * that; names that are no longer wanted stay until the next renewal. *ret (finish it) is a copy
 * even when *ret_changed is false. *ret_next_check is after `now`.
 * 0; INVALID: names or times that cannot be; NOMEM, INTERNAL. A failure leaves the outputs alone.
 */
int rotation_step(const struct rotation_state *state, const struct rotation_options *options,
                  struct rotation_state *ret, bool *ret_changed, int64_t *ret_next_check,
                  struct error *err);

/* The caBundle: the current CA first, then the next, then the old one. INVALID when there is no
 * CA or a text is no PEM: rotation_step() first. */
int rotation_bundle(const struct rotation_state *state, char **ret, struct error *err);

#endif
