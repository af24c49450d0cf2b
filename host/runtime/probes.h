#ifndef MOONLET_RUNTIME_PROBES_H
#define MOONLET_RUNTIME_PROBES_H

#include "runtime/host.h"
#include "serve/metrics.h"

/*
 * Probes: /metrics, and /healthz, /livez, /readyz, over plain HTTP.
 *
 * Ready:   the API server has answered, HTTPS is up if a file needs it, every file is live or has
 *          failed for reasons of its own or has waited 2 minutes, and no drain has begun (R10).
 * Threads: core. Yields: never.
 */
struct probes;
struct probes_options {
    struct host *host;
    struct metrics *metrics;
    const char *metrics_address, *probe_address; /* "0" or "" = none */
    bool metrics_may_move, probe_may_move;       /* the port is a default */
};
struct probes *probes_start(const struct probes_options *options, struct error *err);
void probes_stop(struct probes *probes); /* NULL is fine */

#endif
