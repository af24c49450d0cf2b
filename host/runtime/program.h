#ifndef MOONLET_RUNTIME_PROGRAM_H
#define MOONLET_RUNTIME_PROGRAM_H

#include "runtime/feed.h"
#include "runtime/source.h"

/*
 * Program: one version of one controller file, from loading to its last call.
 *
 * Is:      the steps load -> HTTPS -> CRDs -> permissions -> informers synced (R10, R11), and the
 *          inbox of changes for the Lua in its event path (R9). What it answers over HTTPS runs in
 *          an isolate of its own, on a thread of its own.
 * Is not:  the choice which version is live (runtime/reload.h).
 * Threads: core. Yields: never; `changed` is called at each new state.
 */
enum program_state {
    PROGRAM_LOADING,
    PROGRAM_ENDPOINT,   /* HTTPS is up before a CRD names it (R11) */
    PROGRAM_INSTALLING, /* CRDs */
    PROGRAM_CHECKING,   /* permissions */
    PROGRAM_SYNCING,    /* informers; see program->error when one waits */
    PROGRAM_READY,      /* may go live */
    PROGRAM_LIVE,
    PROGRAM_RETIRED, /* replaced or removed; finishes what it has */
    PROGRAM_FAILED
};
const char *program_state_name(enum program_state state);

struct said { /* what was logged last, so that it is not logged at each request */
    uint64_t hash, until_ns;
    unsigned passed_over; /* since */
};

struct controller;
struct edition { /* one definition of a program */
    struct program *program;
    const struct definition *definition;
    unsigned index;
    struct feed *feeds; /* the primary first, if there is one */
    size_t feed_count;
    struct controller *controller;   /* once live; NULL for schedules and startups */
    struct errand *errand;           /* once live; of schedules and startups */
    struct said failure;             /* of its webhooks */
    const struct object *last_asked; /* pinned; of its webhooks; NULL: none yet */
    node_t last_said;                /* a reference; the answer to it; NODE_NONE: none yet */
};

struct program {
    struct list link; /* of the reloader's */
    struct host *host;
    struct script_source *source;  /* a reference */
    char *config;                  /* JSON, for a rebuild */
    const struct program *before;  /* the version that is live while this one gets ready, or NULL:
                                      what it has installed and may do is not asked again */
    struct worker_script *script;  /* NULL when it has nothing but webhooks */
    struct worker_script *serving; /* NULL when it has none */
    struct declaration *declaration;
    struct edition *editions;
    size_t count;
    enum program_state state;
    struct error error; /* why it failed or waits; code 0 = none */
    bool environment;   /* FAILED for a reason outside the file: worth trying again */
    bool loading;       /* the worker has not answered yet */
    bool dead;          /* its isolate is gone: nothing new may run in it */
    bool abandoned;     /* destroy as soon as nothing refers to it */
    unsigned refs;      /* invocations and batches under way */
    struct install *install;
    struct access_check *access;
    struct discovery_lookup *lookup; /* of a webhook's kind */
    struct map inbox;                /* "feed-pointer key" -> struct inbox_change * */
    struct loop_timer flush;
    uint64_t created_ns, waiting_since_ns;
    void (*changed)(struct program *program);
    /* The isolate died under a call or batch: load it anew. */
    void (*died)(struct program *program);
    void *context;
};

/* Starts loading, as the successor of `before` (NULL: none), which must outlive the loading;
 * `changed` follows. NULL: NOMEM. Takes a reference on the source. */
struct program *program_start(struct host *host, struct script_source *source, const char *config,
                              const struct program *before,
                              void (*changed)(struct program *program),
                              void (*died)(struct program *program), void *context,
                              struct error *err);
/* ENDPOINT: HTTPS is up (err NULL), or cannot be. */
void program_endpoint(struct program *program, const struct error *err);
/* READY -> LIVE: binds the views, tells the script's handlers what to read. */
int program_go_live(struct program *program, struct error *err);
/* Feeds stop; informers stay until it is destroyed, so that the next version shares them. */
void program_retire(struct program *program);
/* Frees it now, or when the last call has ended. NULL is fine. */
void program_destroy(struct program *program);
/* Was one of its isolates on a thread that was given up? */
bool program_lost(const struct program *program);
void program_ref(struct program *program);
void program_unref(struct program *program);

/* Puts a change into the inbox, coalesced by key (R9). */
void program_observe(struct feed *feed, const struct store_delta *delta, bool filter, bool map);
/* Sends the inbox to the worker now, so that a call that follows sees current indexes. */
void program_flush(struct program *program);

/* The first reason why it is not synced, in words; false when all are synced. */
bool program_waits_for(const struct program *program, struct strbuf *text);

#endif
