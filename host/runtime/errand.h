#ifndef MOONLET_RUNTIME_ERRAND_H
#define MOONLET_RUNTIME_ERRAND_H

#include "runtime/program.h"

/*
 * Errand: runs a schedule's or a startup's `run`.
 *
 * Is:      leader only, never two at once; a schedule makes up for at most one missed run within
 *          `deadline` (R13); a startup runs once per start of the host, in `order`, and is retried
 *          with backoff after an error.
 * Threads: core. Yields: never.
 */
struct errand;
struct errand *errand_begin(struct edition *edition, struct error *err);
/* No further run; one in progress is cancelled with R14's rules, after `grace_ns`. */
void errand_stop(struct errand *errand, uint64_t grace_ns);
/* Leadership or draining changed. */
void errand_wake(struct errand *errand);
bool errand_idle(const struct errand *errand); /* not running, no startup due */

#endif
