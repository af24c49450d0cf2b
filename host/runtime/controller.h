#ifndef MOONLET_RUNTIME_CONTROLLER_H
#define MOONLET_RUNTIME_CONTROLLER_H

#include "queue/workqueue.h"
#include "runtime/invocation.h"
#include "runtime/program.h"

/*
 * Controller: event -> key -> job -> result, for one name, over all versions of its file.
 *
 * Is:      the queue, the failure counts and the memory of what it has seen; they outlive a reload,
 *          which only changes the edition that new jobs run (R14).
 * Is not:  the file (runtime/program.h) or what one job does (runtime/job.c).
 * Threads: core. Yields: never.
 */
struct job;

struct controller {
    struct list link; /* of the reloader's controllers */
    struct host *host;
    char *name, *finalizer; /* "moonlet.dev/<name>" */
    struct workqueue *queue;
    struct edition *edition; /* what new jobs run; NULL: none is live */
    struct list jobs;        /* struct job.link, of all editions */
    unsigned in_work;
    struct map known;       /* keys that were reconciled and not gone since; value: the uid's
                               node_t, with a reference */
    struct map last_errors; /* key -> text of its last failure, for status; bounded */
    struct loop_timer resync;
    struct loop_timer pump;
    struct list events; /* struct edge.link: on.event calls that wait */
    size_t event_count;
    bool event_in_work, events_overflowed;
    bool removed; /* its file is gone: the last job frees it */
    uint64_t succeeded, failed, requeued, requeued_after; /* by result */
    void (*on_result)(struct controller *controller, const char *result, double seconds);
};

struct controller *controller_create(struct host *host, const char *name, struct error *err);
/* Frees it when no job is left. */
void controller_destroy(struct controller *controller);

/* From now on new jobs run `edition` (its feeds listen already). Every key of the primary kind is
 * queued behind live events (R15); after a rebuild those that wait for their time go on waiting. */
enum controller_start { CONTROLLER_FIRST, CONTROLLER_RELOAD, CONTROLLER_REBUILD };
void controller_adopt(struct controller *controller, struct edition *edition,
                      enum controller_start start);
/* No new jobs; jobs in work go on. */
void controller_release(struct controller *controller);
/* Jobs of that edition raise `cancelled` at their next ctx call; their keys are added again without
 * penalty when another edition is live (R14). */
void controller_cancel_jobs(struct controller *controller, const struct edition *edition);
/* Starts what may be started; cheap when nothing can. */
void controller_pump(struct controller *controller);
bool controller_idle(const struct controller *controller); /* nothing ready, nothing in work */

/* What feeds tell it. */
void controller_delta(struct controller *controller, struct feed *feed,
                      const struct store_delta *delta);
/* A change passed Lua's `when`. */
void controller_matched(struct controller *controller, struct feed *feed, const struct object *old,
                        const struct object *now, bool initial);
void controller_enqueue(struct controller *controller, struct str key, bool low,
                        const char *reason);
void controller_enqueue_all(struct controller *controller, const char *reason);

/* Who has been handed to a handler, so that `gone` can say who went. 0 or NOMEM. */
int controller_know(struct controller *controller, struct str key, const struct object *object);
node_t controller_knows(const struct controller *controller, struct str key); /* its uid, or
                                                                                 NODE_NONE */
void controller_forget(struct controller *controller, struct str key);

/* "ns/name" or "name". */
void controller_key(struct strbuf *buf, const struct object *object);

/* For job.c */
void controller_job_done(struct controller *controller, struct job *job);
struct job *job_start(struct controller *controller, const struct workqueue_item *item,
                      struct error *err);
void job_cancel(struct job *job, int code);
bool job_runs(const struct job *job, const struct edition *edition);
struct job *job_of(struct list *link);

/* For edge.c: on.event calls, one after the other, bounded (R9). */
void edge_push(struct controller *controller, const struct store_delta *delta);
void edge_pump(struct controller *controller);
void edge_clear(struct controller *controller);

#endif
