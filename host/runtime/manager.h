#ifndef MOONLET_RUNTIME_MANAGER_H
#define MOONLET_RUNTIME_MANAGER_H

#include "http/http.h"
#include "runtime/hooks.h"

/*
 * Manager: starts and stops a host in order, and runs it until it is told to end.
 *
 * Start:   client -> informers -> workers -> metrics and probes -> files (R11) -> leadership ->
 *          reconcile.
 * Stop:    no new work -> calls in work finish, 30 s at most -> lease released -> everything freed.
 * Threads: the caller's thread becomes the core. Returns when the host has ended.
 */
struct manager_options {
    const struct clock *clock;
    struct log *log;
    uint64_t seed; /* of every random decision */
    struct loop *loop;
    struct kube_config *config;                       /* borrowed */
    struct http_transport *watches, *calls, *fetches; /* borrowed */
    const struct script_engine_type *engine;

    const char *const *folders;  /* NULL-terminated */
    char *const *namespaces;     /* NULL-terminated; NULL: all */
    unsigned workers;            /* 0 = 2 */
    struct script_limits limits; /* zeros: defaults */
    const char *script_config;   /* JSON {definition: {key: value}}, or NULL */
    const char *config_map;      /* "ns/name" of a ConfigMap with more of it, or NULL */
    struct install_options crds;
    uint64_t reload_grace_ns; /* 0 = 10 s */
    bool watch_files, once, strict;

    struct hooks_options hooks;

    const char *metrics_address, *probe_address; /* "0" = none */
    bool metrics_may_move, probe_may_move;

    bool leader_elect;
    const char *lease_name, *lease_namespace, *identity;
    uint64_t lease_duration_ns, renew_deadline_ns, retry_period_ns; /* 0 = 15, 10, 2 s */
};

/* The exit code: 0 ok, 1 failed, 3 lease lost. */
int manager_run(const struct manager_options *options);

#endif
