#ifndef MOONLET_RUNTIME_WORKER_H
#define MOONLET_RUNTIME_WORKER_H

#include "base/list.h"
#include "loop/thread.h"
#include "runtime/script_engine.h"

/*
 * Worker: a thread with its own loop and script engine; the core talks to it by messages. In
 * simulation the messages are the same, and the thread is the core's.
 *
 * Is:      load, bind, call, observe, answer, cancel and unload as messages, and the watch over a
 *          thread that does not come back.
 * Is not:  a scheduler: which script runs where and when is the caller's (runtime/program.h).
 * Threads: every function here is the core's; callbacks come in the core's loop. Yields: never.
 */
struct worker;
struct worker_script; /* one isolate on one worker; the core's handle */

struct worker_options {
    struct loop *core; /* whose thread calls these functions */
    const struct script_engine_type *engine;
    struct log *log;
    struct epochs *epochs;
    const char *name;                       /* "worker-1" */
    const char *host_name, *host_namespace; /* ctx.host */
    bool on_core;      /* no thread: it runs in the core's loop, which is in simulation */
    uint64_t stuck_ns; /* a script that keeps the thread longer is given up; 0 = 30 s */
    /* The thread did not come back and was abandoned; its scripts are gone (each call under way
     * ends aborted first). The worker has a new thread already. */
    void (*on_lost)(void *context, struct worker *worker);
    void *context;
};
struct worker *worker_start(const struct worker_options *options, struct error *err);
/* Joins the thread. Scripts still loaded are unloaded. NULL is fine. */
void worker_stop(struct worker *worker);
size_t worker_scripts(const struct worker *worker); /* loaded now */

/* Loads a source; `done` comes once: script and its declaration's JSON (borrowed), or err. When the
 * thread is given up: UNAVAILABLE if this source kept it, CANCELLED if it only waited its turn; the
 * thread may read the source for ever after. */
typedef void (*worker_loaded)(void *context, struct worker_script *script, const char *declaration,
                              const struct error *err);
int worker_load(struct worker *worker, const struct script_source *source,
                const struct script_limits *limits, const char *config, worker_loaded done,
                void *context, struct error *err);
/* Gives the script its views; before the first call. 0, NOMEM, or CANCELLED: its thread is lost. */
int worker_bind(struct worker_script *script, const struct script_view *views, size_t count,
                struct error *err);
/* Calls under way end aborted; the handle is gone afterwards. NULL is fine. */
void worker_unload(struct worker_script *script);
/* Was it on a thread that was given up? Then every call of it ends aborted. */
bool worker_script_lost(const struct worker_script *script);
/* Figures for metrics, some events old. */
size_t worker_script_memory(const struct worker_script *script);
uint64_t worker_script_cpu(const struct worker_script *script);

/* One handler call. The caller allocates it, fills the first part and owns it again in on_done. */
struct worker_call {
    struct script_call call; /* its strings and objects must live until on_done */
    void (*on_request)(struct worker_call *call, struct script_request *request); /* answer it */
    void (*on_note)(struct worker_call *call, struct script_note *note);          /* take it */
    void (*on_done)(struct worker_call *call); /* finished, and every request answered */
    void *context;
    struct script_result result; /* in on_done */
    bool aborted;                /* in on_done: the script was unloaded or died under it */
    bool died;                   /* in on_done: this call's script is dead; load it anew */
    bool lost; /* in on_done: a thread that was given up may still read this struct
                  and what it points to: leave them alone for ever */

    /* the worker's */
    struct message message, cancel_message;
    struct worker_script *script;
    struct script_run *run;
    struct list link;      /* thread: of script->calls */
    struct list core_link; /* core: of script->core_calls */
    struct list requests;  /* thread: submitted, not answered */
    unsigned in_flight;
    int cancel_code;
    bool cancelling, finished;
};
void worker_call_start(struct worker_script *script, struct worker_call *call);
/* The run's pending and later ctx calls raise `code`; answering what is pending is the caller's. */
void worker_call_cancel(struct worker_call *call, int code);
/* Answers a request given to on_request. */
void worker_answer(struct script_request *request);

/* A batch of changes for the Lua in the event path. The callee frees changes' pins. */
struct worker_observation {
    struct script_change change; /* strings must outlive it */
    char *key;                   /* the caller's */
    struct script_result result;
};
struct worker_batch {
    struct worker_observation *items; /* objects pinned; unpinned by worker_batch_destroy() */
    size_t count;
    void (*on_done)(struct worker_batch *batch); /* owns the batch */
    void *context;
    bool aborted; /* the script was gone */
    bool died;
    bool lost; /* a thread that was given up may still read it: leave it alone for ever */

    /* the worker's */
    struct message message;
    struct list link; /* core: of worker->batches */
    struct worker_script *script;
};
void worker_observe(struct worker_script *script, struct worker_batch *batch);
void worker_batch_destroy(struct worker_batch *batch);

#endif
