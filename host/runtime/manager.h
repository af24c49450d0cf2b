#ifndef MOONLET_RUNTIME_MANAGER_H
#define MOONLET_RUNTIME_MANAGER_H

#include "http/http.h"
#include "runtime/hooks.h"
#include "runtime/observer.h"
#include "runtime/source.h"

/*
 * Manager: starts and stops a host in order, and runs it until it is told to end.
 *
 * Start:   client -> informers -> workers -> metrics and probes -> files (R11) -> leadership ->
 *          reconcile.
 * Stop:    no new work -> calls in work finish, 30 s at most -> lease released -> everything freed.
 * Threads: the caller's thread becomes the core. Yields: never, but for manager_run().
 */
struct manager_call { /* of one handler; for a trace */
    const char *definition, *function, *key, *reason;
    unsigned attempt;
    bool ended;
    const char *failure; /* ended: NULL when it went well */
};

struct manager_options {
    const struct clock *clock;
    struct log *log;
    uint64_t seed; /* of every random decision */
    struct loop *loop;
    struct kube_config *config;                       /* borrowed */
    struct http_transport *watches, *calls, *fetches; /* borrowed */
    const struct script_engine_type *engine;

    const char *const *folders; /* NULL-terminated */
    /* Instead of the folders: fills an empty set with what there is now, as source_scan(). */
    int (*sources)(void *context, struct source_set *set, struct error *err);
    char *const *namespaces;     /* NULL-terminated; NULL: all */
    unsigned workers;            /* 0 = 2 */
    bool on_core;                /* no threads: the loop is in simulation */
    struct script_limits limits; /* zeros: defaults */
    const char *script_config;   /* JSON {definition: {key: value}}, or NULL */
    const char *config_map;      /* "ns/name" of a ConfigMap with more of it, or NULL */
    struct install_options crds;
    uint64_t reload_grace_ns; /* 0 = 10 s */
    bool watch_files, once, strict;

    struct hooks_options hooks;
    const struct observer *observer; /* borrowed; NULL: nobody looks */

    const char *metrics_address, *probe_address; /* "0" = none */
    bool metrics_may_move, probe_may_move;

    bool leader_elect;
    const char *lease_name, *lease_namespace, *identity;
    uint64_t lease_duration_ns, renew_deadline_ns, retry_period_ns; /* 0 = 15, 10, 2 s */

    void (*on_call)(void *context, const struct manager_call *call); /* begins, ends; may be NULL */
    void *context;                                                   /* of sources and on_call */
};

/* Until the end, which also signals bring about. The exit code: 0 ok, 1 failed, 3 lease lost. */
int manager_run(const struct manager_options *options);

/* The same in a loop that the caller runs; what the options point to is borrowed until
 * manager_destroy(). NULL with any code. */
struct manager;
struct manager *manager_start(const struct manager_options *options, struct error *err);
/* Looks for changed sources now, as options.watch_files does. As source_scan(). */
int manager_rescan(struct manager *manager, struct error *err);
/* Begins the end; `at_once`: calls in work are cancelled now, not after their 30 s. */
void manager_stop(struct manager *manager, bool at_once);
bool manager_ended(const struct manager *manager); /* also by itself: a lost lease, --once */
bool manager_quiet(const struct manager *manager); /* no call is in work; may come after the end */
int manager_destroy(struct manager *manager);      /* ended by then; the exit code; NULL is fine */

/* What one file is doing. */
enum manager_file {
    MANAGER_NO_FILE,
    MANAGER_LOADING,
    MANAGER_WAITING,
    MANAGER_LIVE,
    MANAGER_FAILED
};
/* WAITING (for a kind or a permission) and FAILED come with why. LIVE with *ret_stale: the newest
 * version failed, an older one runs, and why. */
enum manager_file manager_file(const struct manager *manager, const char *name, bool *ret_stale,
                               struct error *reterr);

/* What is left to do by itself and soon, the first thing found in words: files in the making, keys
 * in queues and in work, keys that failed and will be tried again, caches behind, Events on their
 * way. False when there is nothing. Not looked at: what a handler asked to be done later, resyncs,
 * schedules, and failing keys for which `skip` says true. `waits` counts what waits for somebody
 * else (kinds that the server does not have, permissions). */
struct manager_busy {
    /* `failures` is the queue's count; 0: it failed, and said itself when to try again. */
    bool (*skip)(void *context, const char *controller, struct str key, unsigned failures);
    void *context;
    size_t waits; /* filled */
};
bool manager_busy(const struct manager *manager, struct manager_busy *busy, struct strbuf *why);
/* hooks_post() of its webhooks. */
struct server_request *manager_post(struct manager *manager, const struct server_local *post,
                                    struct error *err);
bool manager_follows(const struct manager *manager); /* no cache is behind for want of a watch */
bool manager_leads(const struct manager *manager);

#endif
