#ifndef MOONLET_RUNTIME_WORKER_INTERNAL_H
#define MOONLET_RUNTIME_WORKER_INTERNAL_H

#include <stdatomic.h>

#include "runtime/worker.h"

/* What the two sides of a worker share. Nothing else includes this. */

enum { BODY_IDLE, BODY_BUSY, BODY_ABANDONED };

struct worker { /* the core's */
    struct worker_options options;
    char *name;
    struct mailbox *core_mailbox; /* into the core's loop; its own, so that one worker's end can be
                                     told from the others' */
    struct worker_body *body;     /* the thread in use */
    struct thread *thread;
    struct list scripts; /* struct worker_script.link */
    struct list loads;   /* struct load_message.link: not answered yet */
    struct list batches; /* struct worker_batch.link: likewise */
    size_t script_count;
    bool stopped; /* the thread has ended, and its scripts with it */
    struct loop_timer watch;
    uint64_t seen_turn, seen_ns;
};

struct worker_body {       /* the thread's, but for the atomics */
    struct worker *worker; /* immutable parts only */
    struct mailbox *core;
    struct loop *loop;
    struct mailbox *mailbox;
    struct epoch_reader *reader;
    struct script_engine *engine;
    struct script_host host;
    struct list scripts; /* struct worker_script.body_link */
    struct error open_error;
    struct message quit;
    atomic_int state;
    atomic_uint_fast64_t turn; /* counts entries into the engine */
};

struct worker_script {
    struct worker *worker;
    struct list link;         /* core: worker->scripts */
    struct list core_calls;   /* core: struct worker_call.core_link */
    struct worker_body *body; /* core: NULL when its thread was lost */
    struct list body_link;    /* thread: body->scripts */
    struct list calls;        /* thread: struct worker_call.link, started and waiting */
    struct script *script;    /* thread: NULL after it died */
    struct message unload_message;
    unsigned open_calls; /* core: started, on_done not called */
    bool unloaded;       /* core: the thread is through with it */
    atomic_size_t memory;
    atomic_uint_fast64_t cpu;
};

struct load_message {
    struct message message;
    struct list link;
    atomic_bool begun;
    struct worker_script *script;
    const struct script_source *source; /* borrowed until done */
    struct script_limits limits;
    char *config;
    worker_loaded done;
    void *context;
    char *declaration;
    struct error err;
};

struct bind_message {
    struct message message;
    struct worker_script *script;
    size_t count;
    struct script_view views[]; /* then their kinds' texts */
};

/* Run on the worker's thread. */
void worker_thread_main(void *body);
void worker_thread_open(struct worker_body *body);  /* the engine; body->engine NULL: it failed */
void worker_thread_close(struct worker_body *body); /* scripts, engine, mailbox */
void worker_thread_quit(struct message *message);
void worker_thread_load(struct message *message);
void worker_thread_bind(struct message *message);
void worker_thread_unload(struct message *message);
void worker_thread_call(struct message *message);
void worker_thread_answer(struct message *message);
void worker_thread_cancel(struct message *message);
void worker_thread_observe(struct message *message);
void worker_thread_submit(void *body, struct script_request *request);
void worker_thread_note(void *body, struct script_note *note);

/* Run on the core. */
int worker_body_start(struct worker *worker, struct error *err); /* a thread, open or opening */
void worker_watch(struct loop_timer *timer);
/* Frees the handle once the thread and every call are through with it. */
void worker_script_release(struct worker_script *script);
void worker_call_abort(struct worker_call *call); /* on_done comes now, or with its last answer */
void worker_loaded_deliver(struct message *message);
void worker_unloaded_deliver(struct message *message);
void worker_call_deliver(struct message *message);
void worker_cancel_deliver(struct message *message);
void worker_request_deliver(struct message *message);
void worker_note_deliver(struct message *message);
void worker_batch_deliver(struct message *message);

#endif
