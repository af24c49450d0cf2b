#ifndef MOONLET_RUNTIME_SCRIPT_ENGINE_H
#define MOONLET_RUNTIME_SCRIPT_ENGINE_H

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cache/store.h"
#include "loop/mailbox.h"

/*
 * Script engine: how the host runs controller files, whatever language they are in.
 *
 * Is:      the seam between host/runtime and bindings/; unit tests fake it.
 * Is not:  aware of queues, API servers or files: text goes in, requests come out.
 * Threads: an engine and all that it made belong to one worker thread; script_source and
 *          script_view are immutable and shared. Nothing here blocks.
 *
 * A run is one call of one handler. It ends DONE or FAILED at once, or is WAITING: it has handed
 * one or more struct script_request to script_host.submit and goes on when each is answered.
 */
struct script_file {
    char *path;   /* as shown to people: "appservice.lua", "network/util.lua" */
    char *module; /* "appservice" (the entry), "network.util" */
    char *text;
    size_t len;
};
struct script_source {         /* a consistent snapshot of one controller file or folder */
    char *name;                /* "appservice" */
    struct script_file *files; /* the entry first */
    size_t count;
    uint64_t hash; /* of names and texts */
};

struct script;     /* one loaded source in one isolate */
struct script_run; /* one call in progress */

enum script_op {
    SCRIPT_APPLY,      /* body; force, owner, create, manager */
    SCRIPT_CREATE,     /* body */
    SCRIPT_UPDATE,     /* body: the whole object as it should be; base: the version read */
    SCRIPT_PATCH,      /* ref; body; patch_type; subresource */
    SCRIPT_DELETE,     /* ref; grace_s, propagation, precondition */
    SCRIPT_SET_STATUS, /* ref (the object in hand); body: the status */
    SCRIPT_EVICT,      /* ref; grace_s */
    SCRIPT_SCALE,      /* ref; replicas */
    SCRIPT_BIND,       /* ref, precondition_uid; body: what the Pod is bound to, a reference */
    SCRIPT_TOKEN,      /* ref (ServiceAccount); body: {"audiences":[],"expirationSeconds":n} */
    SCRIPT_LIVE_GET,   /* ref -> object, or object NULL when it is not there */
    SCRIPT_LIVE_LIST,  /* kind, ns, labels, fields -> text: JSON array of objects */
    SCRIPT_SECRET,     /* ns, name, key -> text: the bytes */
    SCRIPT_SLEEP,      /* delay_ns */
    SCRIPT_HTTP,       /* method, url, headers, body, delay_ns (timeout), retries
                          -> status, headers_out, text */
    SCRIPT_TEST /* of a test file alone, cli/stage.h: key, name, method, url, body, patch_type,
                   delay_ns, replicas -> status, text: JSON */
};

struct script_request {
    struct message message; /* the runtime's while under way */
    void *context;          /* of the run: script_call.context */
    struct script_run *run; /* the engine's */
    enum script_op op;
    struct list link; /* the worker thread's: what its call still waits for */
    uint32_t orphan;  /* atomic: its call ended without it; the answer is only freed */
    bool cancelled;   /* runtime: answered because the run was cancelled */

    /* What is asked. All owned by the request. */
    unsigned definition;
    char *kind, *ns, *name; /* kind "apps/v1/Deployment"; ns NULL: not given */
    char *key;              /* SCRIPT_SECRET */
    char *subresource;
    struct strbuf body;
    const struct object *base; /* pinned, or NULL */
    char *manager;             /* suffix, or NULL */
    int force, owner, create;  /* 0, 1, or -1: not said */
    const char *patch_type;    /* "merge", "json", "strategic"; static */
    double grace_s;            /* < 0: not said */
    char *propagation, *precondition_uid, *precondition_version;
    char *labels, *fields;
    int64_t replicas;
    uint64_t delay_ns;
    char *method, *url;
    char *headers; /* JSON object name -> value */
    unsigned retries;

    /* The answer. error.code 0 = it worked. */
    struct error error;
    const struct object *object; /* pinned for the engine, or NULL */
    struct strbuf text;
    char *headers_out; /* JSON object, names in lower case */
    int status;
    bool found;   /* SCRIPT_DELETE: was there something to delete */
    bool skipped; /* not sent, because it would have changed nothing */
};
struct script_request *script_request_create(enum script_op op); /* NULL: no memory */
void script_request_destroy(struct script_request *request);     /* NULL is fine */

/* Fire and forget, from a run to the core. Owned by who gets it. */
enum script_note_type { SCRIPT_NOTE_EVENT, SCRIPT_NOTE_METRIC };
struct script_note {
    struct message message;
    void *context;
    enum script_note_type type;
    unsigned definition;
    char *a, *b, *c; /* event: type, reason, message; metric: "counter"|"gauge"|"histogram", name,
                        labels as JSON */
    char *ref;       /* event: JSON {apiVersion,kind,namespace,name,uid}, NULL: object in hand */
    double value;    /* metric */
};
void script_note_destroy(struct script_note *note);

/* What a definition may read: given by the runtime when the file goes live. */
struct script_view {
    unsigned definition;
    const char *kind; /* as declared */
    const struct store *store;
    bool namespaced, metadata_only;
};

/* Services of the worker that runs the engine. Called on its thread, in load, call and answer. */
struct script_host {
    void *context;
    const struct clock *clock;
    struct log *log;                 /* any thread */
    const char *name, *version, *ns; /* ctx.host */
    struct epoch_reader *reader;
    void (*submit)(void *context, struct script_request *request); /* takes it */
    void (*note)(void *context, struct script_note *note);         /* takes it */
};

/* Who wants to know which lines run. Called on the engine's thread. */
struct script_coverage {
    /* `path` as in script_file. `ran` false: it could run; said once, when the file is loaded. */
    void (*line)(void *context, const char *path, int line, bool ran);
    void *context;
};

struct script_limits {
    size_t memory;   /* bytes per isolate; 0 = 64 MiB */
    uint64_t cpu_ns; /* between waits; 0 = 1 s */
    uint64_t seed;   /* of the script's random numbers; 0 = the engine's own, always the same */
    const struct script_coverage *coverage; /* borrowed; NULL: nobody; slow when set */
    bool ordered; /* tables are walked in the order of their keys: runs can be repeated */
};

struct script_call {
    unsigned definition;               /* index in the declaration */
    const char *function;              /* "reconcile", "finalize", "gone", "on.event", "run",
                                          "initialize", "mutate", "validate", "convert"; of a test
                                          file
                                          "test.case", "test.always", "test.http" */
    const struct object *object, *old; /* pinned by the caller for the length of this call; the
                                          engine takes its own pins */
    const char *event;                 /* on.event: "added", "updated", "deleted"; mutate, validate:
                                          the operation; of a test file: JSON of what it is about */
    struct str ns, name, uid;          /* the key; gone() has no object */
    const char *reason;                /* "event", "resync", "requeue", "reload", "unmatched" */
    unsigned attempt;                  /* 1 on the first try */
    const char *reconcile_id;          /* for logs */
    struct str request;                /* mutate, validate: the AdmissionRequest without its
                                          objects, JSON; convert: "group/version"; "" for the rest;
                                          borrowed as the others are pinned */
    void *context;
};

enum script_state { SCRIPT_DONE, SCRIPT_FAILED, SCRIPT_WAITING };
struct script_result { /* zeroed by the caller, finished by script_result_finish() */
    enum script_state state;
    bool requeue; /* DONE: ctx:requeue was called or a duration returned */
    uint64_t requeue_ns;
    struct error error;   /* FAILED; message has file:line */
    char *traceback;      /* FAILED; or NULL */
    bool permanent;       /* FAILED: moonlet.permanent */
    bool retry_after;     /* FAILED: error.retry_after_ns is the script's wish */
    bool matches;         /* observe: passed `when` (an error counts as a match and is in error) */
    char *keys;           /* observe with map: JSON array of "ns/name" */
    struct strbuf answer; /* DONE: what mutate, validate or convert says, JSON:
                             {allowed, code, reason, message, warnings, audit, changes} with changes
                             a list of {path, value}, value absent: removed; or {object} */
};
void script_result_finish(struct script_result *result);

/* A change of a kind for which the definition has Lua in the event path (R9). */
struct script_change {
    unsigned definition;
    const char *feed;               /* "resource", "owns.1", "watches.2", "reads.1" */
    const char *kind;               /* as declared */
    const struct object *old, *now; /* NULL as in struct store_delta */
    bool filter;                    /* ask `when` */
    bool map;                       /* ask `map` */
};

struct script_engine; /* one per worker thread */
struct script_engine_type {
    const char *name; /* "lua" */
    struct script_engine *(*open)(const struct script_host *host, struct error *err);
    void (*close)(struct script_engine *engine); /* all scripts closed by then */

    /* Runs the source in a new isolate and checks what it returns. NULL with INVALID (file, line,
     * what to write instead), NOMEM, TIMEOUT (CPU budget). `config` is a JSON object
     * {definition name: {key: value}}, or NULL. */
    struct script *(*load)(struct script_engine *engine, const struct script_source *source,
                           const struct script_limits *limits, const char *config,
                           struct error *err);
    /* The JSON of addon/declaration.h; borrowed. */
    const char *(*declaration)(const struct script *script);
    /* Before the first call; copies the array (not the stores). */
    int (*bind)(struct script *script, const struct script_view *views, size_t count,
                struct error *err);
    /* Ends runs in progress without resuming them; the worker frees their requests when they come
     * back, without calling answer(). */
    void (*unload)(struct script *script);
    /* True after its memory cap or CPU guard left it unusable: unload it and load anew. */
    bool (*dead)(const struct script *script);
    size_t (*memory)(const struct script *script); /* bytes in use, pinned objects included */
    uint64_t (*cpu)(const struct script *script);  /* ns spent since loaded */

    /* Starts a run. *ret_run is set when WAITING, valid until a result that is not. */
    void (*call)(struct script *script, const struct script_call *call, struct script_run **ret_run,
                 struct script_result *ret);
    /* Answers one request of a run (takes the request) and goes on with it. */
    void (*answer)(struct script_request *request, struct script_result *ret);
    /* From now on each ctx call of the run raises `code` (CANCELLED or TIMEOUT); those under way
     * are the runtime's to answer (R14). */
    void (*cancel)(struct script_run *run, int code);
    /* Updates the indexes, asks `when`, asks `map`. Never waits. */
    void (*observe)(struct script *script, const struct script_change *change,
                    struct script_result *ret);
};

#endif
