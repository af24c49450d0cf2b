#ifndef MOONLET_TESTS_RUNTIME_FAKE_ENGINE_H
#define MOONLET_TESTS_RUNTIME_FAKE_ENGINE_H

#include <pthread.h>

#include "base/str.h"
#include "runtime/script_engine.h"

/*
 * A script engine without a language: each turn of a run takes the next planned step (none: DONE),
 * and what the host asks of the engine becomes lines that the test reads.
 *
 * The text of a source is its declaration; "!why" fails to load, "hang" never comes back.
 * Scripts are numbered in the order of loading:
 *   "s1 load app", "s1 bind 2", "s1 unload"
 *   "s1 reconcile ns/a event 1"       function, key, reason, attempt
 *   "s1 answer ok", "s1 answer skipped", "s1 answer conflict"   to a request of a run
 *   "s1 cancel timeout"
 *   "s1 observe resource ns/a 1>3"    versions, "-" for none
 * Threads: the test's side on its own thread, the engine's on workers; one lock for all.
 */
enum fake_step_type {
    FAKE_DONE,
    FAKE_REQUEUE,   /* after `ns` */
    FAKE_FAIL,      /* with `code` */
    FAKE_PERMANENT, /* not before `ns` when that is not 0 */
    FAKE_ASK,       /* waits for a request of `op` that `fill` completes */
    FAKE_DIE,       /* the isolate with it */
    FAKE_HANG       /* the thread with it, until fake_engine_release() */
};
struct fake_step {
    enum fake_step_type type;
    int code;
    uint64_t ns;
    enum script_op op;
    void (*fill)(struct script_request *request); /* may be NULL */
};

struct fake_engine {
    struct script_engine_type type; /* first */
    struct log log;                 /* the host's: by it the engine finds us */
    pthread_mutex_t lock;           /* of the rest */
    pthread_cond_t released;
    bool release;
    int hung;
    struct strbuf lines, logged;
    size_t read; /* in lines */
    struct fake_step steps[16];
    unsigned planned, taken, loaded;
    const char *keys;   /* what `map` gives */
    bool observe_hangs; /* the next one, and only that */
    struct error error; /* of the last answer */
};
void fake_engine_init(struct fake_engine *fake, const struct clock *clock);
void fake_engine_finish(struct fake_engine *fake);
/* What hangs goes on. */
void fake_engine_release(struct fake_engine *fake);
/* How often the engine has hung. */
int fake_engine_hung(struct fake_engine *fake);
void fake_engine_plan(struct fake_engine *fake, struct fake_step step);
/* Copies the next line that was not read yet; false: there is none. */
bool fake_engine_next(struct fake_engine *fake, char *line, size_t size);
/* Has there been that line, whether read or not? */
bool fake_engine_saw(struct fake_engine *fake, const char *line);
/* Has the host logged a line with that text? */
bool fake_engine_logged(struct fake_engine *fake, const char *text);
/* What the last answer that failed said. */
struct error fake_engine_error(struct fake_engine *fake);

#endif
