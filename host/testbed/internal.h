#ifndef MOONLET_TESTBED_INTERNAL_H
#define MOONLET_TESTBED_INTERNAL_H

#include "apiserver/apiserver.h"
#include "base/list.h"
#include "kube/config.h"
#include "runtime/manager.h"
#include "sim/wire.h"
#include "testbed/testbed.h"

/* What the files of this room share; other rooms never include it. */

enum { TESTBED_REPLICAS = 4, HOOK_PORT = 9443 };
#define TESTBED_SERVER "http://apiserver"

/* One host, from its start to its crash. */
struct node {
    struct testbed *testbed;
    char name[12];           /* "moonlet-1" */
    struct clock_fake clock; /* as the simulation's, but for the skew of its wall */
    struct loop *loop;       /* its own, so that it can die alone */
    struct log log;
    struct kube_config config;
    struct sim_wire calls, fetches;
    struct list hooks; /* struct hook.link: reviews that it has to answer */
    struct manager *manager;
    bool doomed;        /* dies as soon as the step in progress is over */
    bool dying;         /* what it still does is neither heard nor told */
    int64_t skew_ns;    /* of the wall clock */
    uint64_t cut_until; /* monotonic ns: the network is down; 0 = it is not */
};

struct testbed_shared {
    struct builtin *builtin;
};

struct testbed {
    struct testbed_options options;
    struct sim sim;
    struct apiserver *server;
    struct node nodes[TESTBED_REPLICAS];
    size_t node_count;
    struct map sources;       /* name -> struct script_source *, a reference */
    struct list prefixes;     /* struct prefix.link, the longest first */
    struct list fetches;      /* struct testbed_fetch.link: not answered */
    struct sim_wire webhooks; /* from the server to the hosts */
    struct loop_timer weather;
    bool planned;           /* the seed has said which faults there are */
    size_t held_back;       /* pieces of watches that lag */
    uint64_t seen_revision; /* of the server, when options.changed was called last */
    struct testbed_stats stats;

    struct strbuf trace;
    uint64_t trace_hash;

    /* of the run in progress (settle, load...) */
    struct map runs; /* "controller key" -> how often it has run since then: */
    uint64_t runs_since;
    struct map failed; /* likewise -> how often that failed */
    struct map first;  /* likewise -> the queue's count of its failures when it was first seen */
    bool relief;       /* a key runs over and over on a cache that is behind */
    struct error hot;  /* code 0: nothing runs over and over */
};

/* trace.c */
void trace_add(struct testbed *testbed, const struct node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void trace_init(struct testbed *testbed);

/* node.c */
int node_start(struct testbed *testbed, size_t index, struct error *err);
void node_kill(struct node *node); /* fine when it is not there */
void node_on_call(void *node, const struct manager_call *call);

/* link.c */
void link_serve(void *node, struct sim_exchange *exchange, const struct http_request *request);
void link_closed(void *node, struct sim_exchange *exchange);

/* fetch.c */
void fetch_serve(void *node, struct sim_exchange *exchange, const struct http_request *request);
void fetch_closed(void *node, struct sim_exchange *exchange);
void fetch_finish(struct testbed *testbed);

/* hook.c */
void hook_init(struct testbed *testbed);
void hook_options(const struct node *node, struct hooks_options *ret);
void hook_sever(struct node *node); /* it answers none of them any more */

/* chaos.c */
void chaos_init(struct testbed *testbed);

/* drive.c */
/* Goes on to what is due next, `until` at most (monotonic ns); false when nothing was. */
bool drive_step(struct testbed *testbed, uint64_t until);
bool drive_busy(struct testbed *testbed, size_t *ret_waits, struct strbuf *why);
void drive_begin(struct testbed *testbed); /* forgets how often each key has run */
void drive_finish(struct testbed *testbed);
void drive_ran(struct testbed *testbed, const struct manager_call *call);
uint64_t drive_now(const struct testbed *testbed);

#endif
