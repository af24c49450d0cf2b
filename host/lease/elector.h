#ifndef MOONLET_LEASE_ELECTOR_H
#define MOONLET_LEASE_ELECTOR_H

#include "base/rng.h"
#include "kube/client.h"

/*
 * Elector: leader election on a coordination.k8s.io/v1 Lease (client-go tools/leaderelection).
 *
 * Is:      acquire, renew, notice other holders, release. A holder is judged by when we last saw
 *          its Lease change, on our monotonic clock, never by the times that it wrote.
 * Is not:  fencing: who has lost the lease must stop writing itself, at once.
 * Threads: core. Yields: never.
 */
struct elector;
struct elector_options {
    struct loop *loop;
    struct kube_client *client;
    struct rng *rng;
    const char *ns, *name, *identity;                      /* copied */
    uint64_t lease_ns, renew_deadline_ns, retry_period_ns; /* 0 = 15, 10, 2 s */
    void (*on_started)(void *context);                     /* we lead now */
    /* We led and could not renew within the deadline, or another holds the lease. */
    void (*on_stopped)(void *context);
    void (*on_leader)(void *context, const char *identity); /* somebody new leads; may be NULL */
    void *context;
};
/* The three times of `options`. INVALID: the renew deadline is not below the lease, or 1.2 retry
 * periods are not below the deadline. */
int elector_check_times(const struct elector_options *options, struct error *err);
/* NULL: NOMEM, INVALID as elector_check_times(). */
struct elector *elector_start(const struct elector_options *options, struct error *err);
bool elector_leads(const struct elector *elector);
const char *elector_leader(const struct elector *elector); /* "" when not known */
/* Gives the lease back if we hold it (holderIdentity ""), best effort within 2 s, then calls
 * `done`; frees the elector. on_stopped is not called. */
void elector_release(struct elector *elector, void (*done)(void *context), void *context);
/* Frees it without a word to the server. NULL is fine. */
void elector_destroy(struct elector *elector);

#endif
