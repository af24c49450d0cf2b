#ifndef MOONLET_BINDINGS_SCRIPT_H
#define MOONLET_BINDINGS_SCRIPT_H

#include "bindings/isolate.h"
#include "runtime/script_engine.h"

/* What the files behind lua_engine share: one loaded source and its runs. One worker's thread. */

struct bound_view {
    unsigned definition;
    char *kind; /* owned; as long as the isolate: metadata-only views name it */
    const struct store *store;
    bool namespaced, metadata_only;
};

struct script_engine {
    struct script_host host; /* a copy; what it points to is the worker's */
    struct watchdog *watchdog;
};

struct script {
    struct script_engine *engine;
    struct isolate *isolate;
    uint64_t seed;               /* of math.random; 0: LuaJIT's own */
    bool compiled;               /* the library is loaded from its bytecode */
    bool ordered;                /* pairs() goes in the order of the keys */
    struct script_source source; /* own copy: modules load when first required */
    char *declaration;
    struct bound_view *views;
    size_t view_count;
    struct list runs;                       /* in progress */
    struct script_run *run;                 /* whose Lua runs now, or NULL */
    const struct script_coverage *coverage; /* or NULL */
    unsigned definition;                    /* that `run` or observe() is for */
    unsigned serial;                        /* of the last run */
    int start_ref, observe_ref;             /* functions of moonlet.ctx */
    lua_State *spare;                       /* a coroutine that came to its end, or NULL */
    int spare_ref;
    char **names;   /* per definition */
    char **primary; /* per definition: its resource's kind, or NULL */
    size_t definition_count;
};

struct pending {
    unsigned id;
    struct script_request *request; /* the runtime has it; not to be followed, but for `run` */
};

struct script_run {
    struct list link; /* script->runs */
    struct script *script;
    lua_State *co;
    int co_ref;
    unsigned definition;
    void *context;
    struct pending *pending;
    size_t pending_count, pending_cap;
    unsigned next_id;
    unsigned serial;  /* tells a ctx whether it is in its own call */
    int cancel_code;  /* 0, ERROR_CANCELLED, ERROR_TIMEOUT */
    bool cancel_seen; /* a ctx call has raised it */
    char *ns, *name, *reconcile_id;
    char handler_at[128];           /* "file:line" where the handler is defined */
    const char *metadata_only_kind; /* of the object in hand; the script's */
};

static inline struct script *script_of(lua_State *L) {
    return isolate_of(L)->owner;
}

/* The view the current definition has of `kind`, or NULL. */
const struct bound_view *script_find_view(const struct script *script, const char *kind);

/* The primary's kind when the definition sees only its metadata, else NULL. */
const char *script_primary_metadata_only(const struct script *script, unsigned definition);

/* request.c: pushes id, ok, value for a resume; protected call. */
void request_push_answer(lua_State *L, unsigned id, struct script_request *request);
/* The light userdata a coroutine yields first when it waits for the host. */
extern const char request_wait_mark;

/* run.c */
void run_destroy(struct script_run *run); /* lets go of what is pending */

#endif
