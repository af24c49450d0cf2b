#ifndef MOONLET_RUNTIME_WORKERS_H
#define MOONLET_RUNTIME_WORKERS_H

#include "runtime/host.h"

/*
 * Workers: the host's threads that run scripts, and which file gets which.
 *
 * Is:      a fixed set for reconciling, shared by all files; and for what is answered over HTTPS a
 *          thread per file version, started when it is first needed and used again when it is free,
 *          so that one file's loop delays no other's admission.
 * Is not:  what runs on them (runtime/program.h).
 * Threads: core. Yields: never.
 */
enum { WORKERS_SERVING_MOST = 24 }; /* then files share */

struct workers_options {
    const struct script_engine_type *engine; /* borrowed */
    unsigned count;                          /* of reconciling threads; 0 = 2 */
    bool on_core;                            /* no threads, see runtime/worker.h */
    const char *identity;                    /* ctx.host.name; borrowed */
};
int workers_start(struct host *host, const struct workers_options *options, struct error *err);
void workers_stop(struct host *host);
/* The worker with the fewest scripts. */
struct worker *workers_choose(const struct host *host);
/* A free worker for serving, or the one with the fewest scripts. NULL: NOMEM, UNAVAILABLE. */
struct worker *workers_choose_serving(struct host *host, struct error *err);

#endif
