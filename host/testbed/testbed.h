#ifndef MOONLET_TESTBED_TESTBED_H
#define MOONLET_TESTBED_TESTBED_H

#include "http/http.h"
#include "runtime/observer.h"
#include "runtime/source.h"
#include "sim/sim.h"

/*
 * Testbed: the whole host and its API server in one thread, in virtual time, from one seed.
 *
 * Is:      the base of `moonlet test`. A host as `moonlet run` has it (reflectors, caches, queues,
 *          workers, leases, the script engine) talks to the embedded API server over a simulated
 *          network. The seed decides how long each message, request and piece of an answer takes,
 *          and with testbed_chaos() which faults happen. One seed, the same calls: one history.
 * Is not:  real: nothing leaves the process, nothing sleeps, no file is read.
 * Time:    stands still but in testbed_load(), _unload(), _settle(), _advance() and _call(). In
 *          these, handlers run and the callbacks of the options are called; those must not call
 *          back into the testbed, testbed_answer_fetch() and the questions (const) excepted.
 * Scripts: run by options.engine on the caller's thread, never inside another script's call: the
 *          engine of who calls must not be running Lua at that time. A script that runs for too
 *          long is stopped by its limits.cpu_ns, which is real CPU time.
 * Threads: one. Yields: never.
 */
struct testbed;

/* What the testbeds of a thread have in common: Kubernetes' own kinds, read when they are first
 * needed. With it each starts faster; it changes nothing else. NULL: NOMEM. */
struct testbed_shared;
struct testbed_shared *testbed_shared_create(struct error *err);
void testbed_shared_destroy(struct testbed_shared *shared); /* after them; NULL is fine */

struct testbed_options {
    uint64_t seed;
    const struct script_engine_type *engine;
    struct testbed_shared *shared;   /* borrowed; NULL: nothing is */
    struct log *log;                 /* where the hosts' lines go, in virtual time; NULL: nowhere */
    struct script_limits limits;     /* zeros: defaults */
    const char *config;              /* JSON {definition: {key: value}}, or NULL */
    unsigned replicas;               /* of the host; 0 = 1. With more they elect a leader */
    const struct observer *observer; /* of what the hosts' controllers write; may be NULL */
    /* Each line of the trace as it comes; may be NULL. */
    void (*trace)(void *context, const char *line);
    /* Asked before each planned fault; false: it does not happen. May be NULL. */
    bool (*allow)(void *context, enum sim_fault fault);
    /* After each step that changed what the server has; may ask by testbed_call() with GET. An
     * error ends the load, settle or advance in progress. May be NULL. */
    int (*changed)(void *context, struct error *err);
    void *context;
};
/* A cluster with nothing but what an API server has by itself (the namespaces), and a host without
 * files. Texts are borrowed for the life of the testbed. NULL: NOMEM, or what the host says. */
struct testbed *testbed_create(const struct testbed_options *options, struct error *err);
/* Everything goes, whatever is under way. NULL is fine. */
void testbed_destroy(struct testbed *testbed);

/* Gives the host that file, or the next version of it (by source->name), and runs until it is live.
 * Takes its own reference. An error is the file's, with an older version running on if there was
 * one: INVALID and what else a load says; or why it still waits after a minute (a kind that the
 * server does not have): then it goes live by itself later. Under chaos it has ten minutes, after
 * which faults pause until it is through. */
int testbed_load(struct testbed *testbed, struct script_source *source, struct error *err);
/* Removes the file, and runs until the host is through with it. 0 or NOT_FOUND. */
int testbed_unload(struct testbed *testbed, const char *name, struct error *err);

/* A request to the API server as the author of the test, who may do all, over a network without
 * faults. Time passes only if the server has to ask a webhook. Reads are not traced. */
struct testbed_request {
    const char *method, *path; /* "/api/v1/namespaces/default/pods/a", percent-encoded */
    const char *query;         /* "fieldManager=me", or NULL */
    const char *content_type;  /* NULL: application/json */
    const char *accept;        /* NULL: application/json */
    struct str body;
};
struct testbed_answer {
    int status;
    struct strbuf body;     /* the caller's */
    struct strbuf warnings; /* likewise: the texts of its Warning headers, a line each */
};
/* 0 whatever the status; TIMEOUT, NOMEM. Zero *ret first; finish both texts afterwards. */
int testbed_call(struct testbed *testbed, const struct testbed_request *request,
                 struct testbed_answer *ret, struct error *err);

/* Runs until nothing is left to do: files loaded, queues empty, nothing in work, no request under
 * way, nothing on the wire, caches caught up, the API server at rest. Keys that failed are tried
 * again, 10 times each before one counts as failing for good. What handlers asked for later
 * (requeue), resyncs and schedules do not count. TIMEOUT: what is left after two hours; or the
 * controller and key that run over and over, and how often (500 times in 10 s; if it does so
 * because a fault keeps its cache behind, that fault ends instead). */
int testbed_settle(struct testbed *testbed, struct error *err);
/* Lets so much time pass. TIMEOUT as above when a key runs over and over, and time stops there. */
int testbed_advance(struct testbed *testbed, uint64_t ns, struct error *err);
uint64_t testbed_elapsed(const struct testbed *testbed); /* ns since it was created */
int64_t testbed_wall(const struct testbed *testbed);     /* the server's clock, ns since 1970 */

/* Drops the host in whatever it does, without a goodbye, and starts it anew with the same files.
 * With replicas, all of them. 0, or why a host does not start. */
int testbed_restart(struct testbed *testbed, struct error *err);
/* From now on faults happen as the seed plans them, always the same of them, until testbed_calm();
 * what is broken then (a stalled connection, say) still has to be found out by the host. */
void testbed_chaos(struct testbed *testbed);
void testbed_calm(struct testbed *testbed);
/* That fault happens at its next `times` chances, chaos or not. SIM_CLIENT_RESTART's chances are
 * the writes: the host dies after that write is done and before it knows. SIM_LAG's are changes
 * told by watches. SIM_BACK_IN_TIME has none here. */
void testbed_force(struct testbed *testbed, enum sim_fault fault, unsigned times);
/* How often that fault has happened. */
uint64_t testbed_happened(const struct testbed *testbed, enum sim_fault fault);
/* Every watch ends now, as after its timeoutSeconds; `compact`: and the server has forgotten its
 * history, so that they must list again. */
void testbed_cut_watches(struct testbed *testbed, bool compact);

/* What scripts ask of URLs with that prefix (moonlet.http) goes to `handle`, which answers by
 * testbed_answer_fetch() now or later. The longest prefix wins; the same one again is replaced.
 * A URL without a handler is refused like a port where nobody listens. 0 or NOMEM. */
struct testbed_fetch;
struct testbed_handler {
    /* What the request points to lasts until the answer; headers end with {0}, or are NULL. */
    void (*handle)(void *context, struct testbed_fetch *fetch, const char *method, const char *url,
                   const struct http_header *headers, struct str body);
    void *context;
};
int testbed_http(struct testbed *testbed, const char *prefix, const struct testbed_handler *handler,
                 struct error *err);
/* Once for each fetch, even when the host does not wait any more. `headers` end with {0}, or NULL.
 * Not after testbed_destroy(). */
void testbed_answer_fetch(struct testbed_fetch *fetch, int status,
                          const struct http_header *headers, struct str body);

/* The trace: one line for each request that the hosts sent, with who asked and the answer, each
 * handler's call and its end, each fault. Two runs are the same when their hashes are. */
uint64_t testbed_trace_hash(const struct testbed *testbed);
/* The last lines, about 1 MB of them; valid until time passes. */
struct str testbed_trace(const struct testbed *testbed);

struct testbed_stats {
    uint64_t requests, writes; /* of the hosts, that reached the server; watches are not writes */
    uint64_t calls, failures;  /* of handlers */
    uint64_t restarts;
};
struct testbed_stats testbed_stats(const struct testbed *testbed);

#endif
