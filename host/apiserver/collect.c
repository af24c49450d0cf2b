#include <string.h>

#include "apiserver/collect_internal.h"
#include "base/mem.h"

enum { MOST_DOUBLINGS = 6 }; /* of the second after which a job that failed is tried again */

static void job_text(struct strbuf *out, enum job_type type, const struct storage_key *key) {
    strbuf_printf(out, "%d:", (int)type);
    collector_key_text(out, key);
}

/* Looks at the jobs at `due`, or earlier if that is known already. */
static void arm_at(struct collector *collector, uint64_t due) {
    uint64_t now = loop_now(collector->server->loop);
    if (collector->errand.busy || collector->working ||
        (loop_timer_active(&collector->timer) && collector->timer.due <= due))
        return;
    if (loop_timer_start(&collector->timer, due > now ? due - now : 0) < 0)
        log_error(collector->server->log, "garbage collection: no memory for a timer");
}

static void arm(struct collector *collector) {
    struct list *link, *next;
    uint64_t due = UINT64_MAX;
    LIST_EACH(link, next, &collector->jobs) {
        struct job *job = CONTAINER_OF(link, struct job, link);
        due = job->due < due ? job->due : due;
    }
    if (due < UINT64_MAX)
        arm_at(collector, due);
}

static void job_queue(struct collector *collector, struct job *job) {
    struct strbuf text = {0};
    uint64_t due = job->due;
    job_text(&text, job->type, &job->key);
    struct job *there = text.failed ? NULL : map_get(&collector->queued, strbuf_view(&text));
    if (there) {
        there->due = job->due < there->due ? job->due : there->due;
        mem_free(job);
    } else if (text.failed || map_set(&collector->queued, strbuf_view(&text), job, NULL) < 0) {
        log_error(collector->server->log, "garbage collection: no memory for %.*s",
                  STR_ARG(job->key.name));
        mem_free(job);
    } else {
        list_append(&collector->jobs, &job->link);
    }
    strbuf_finish(&text);
    arm_at(collector, due);
}

void collector_queue(struct collector *collector, enum job_type type, const struct storage_key *key,
                     uint64_t delay_ns) {
    struct job *job = collector_alloc(sizeof *job, offsetof(struct job, key), key);
    if (job == NULL) {
        log_error(collector->server->log, "garbage collection: no memory for %.*s",
                  STR_ARG(key->name));
        return;
    }
    job->type = type;
    job->due = delay_ns > 0 ? loop_now(collector->server->loop) + delay_ns : 0;
    list_init(&job->link);
    job_queue(collector, job);
}

static void job_unqueue(struct collector *collector, struct job *job) {
    struct strbuf text = {0};
    job_text(&text, job->type, &job->key);
    list_remove(&job->link);
    if (!text.failed)
        map_remove(&collector->queued, strbuf_view(&text));
    strbuf_finish(&text);
}

static void job_end(struct collector *collector, enum job_outcome outcome) {
    struct job *job = collector->job;
    collector->job = NULL;
    if (outcome == JOB_DONE) {
        mem_free(job);
        return;
    }
    unsigned shift = job->tries < MOST_DOUBLINGS ? job->tries : MOST_DOUBLINGS;
    job->due = 0;
    if (outcome == JOB_FAILED) {
        job->due = loop_now(collector->server->loop) + (NS_PER_S << shift);
        job->tries++;
    }
    job_queue(collector, job);
}

/* What the errand's answer means for the job; what changes nothing is not asked again at once. */
static enum job_outcome judge(const struct collector *collector) {
    int status = collector->errand.status;
    bool changed = storage_revision(collector->server->storage) != collector->before;
    return status == 404 || (status < 400 && changed) ? JOB_AGAIN : JOB_FAILED;
}

static struct job *next_due(struct collector *collector) {
    struct list *link, *next;
    uint64_t now = loop_now(collector->server->loop);
    LIST_EACH(link, next, &collector->jobs) {
        struct job *job = CONTAINER_OF(link, struct job, link);
        if (job->due <= now)
            return job;
    }
    return NULL;
}

static void work(struct collector *collector) {
    enum { JOBS_AT_ONCE = 256 };
    collector->working = true;
    for (unsigned i = 0; i < JOBS_AT_ONCE && !collector->errand.busy; i++) {
        struct job *job = next_due(collector);
        if (job == NULL)
            break;
        job_unqueue(collector, job);
        collector->job = job;
        collector->errand.status = 0;
        collector->before = storage_revision(collector->server->storage);
        enum job_outcome outcome = job_step(collector, job);
        if (collector->errand.busy)
            break; /* answered() ends the job */
        if (outcome == JOB_AGAIN && collector->errand.status > 0)
            outcome = judge(collector);
        job_end(collector, outcome);
    }
    collector->working = false;
    arm(collector);
}

static void answered(struct errand *errand) {
    struct collector *collector = CONTAINER_OF(errand, struct collector, errand);
    if (collector->working)
        return;
    job_end(collector, judge(collector));
    arm(collector);
}

static void fire(struct loop_timer *timer) {
    work(CONTAINER_OF(timer, struct collector, timer));
}

struct collector *collector_create(struct apiserver *server, struct error *err) {
    struct collector *collector = mem_zalloc(sizeof *collector);
    if (collector == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for the garbage collector");
        return NULL;
    }
    collector->server = server;
    collector->errand.done = answered;
    list_init(&collector->jobs);
    loop_timer_init(server->loop, &collector->timer, fire);
    return collector;
}

void collector_destroy(struct collector *collector) {
    struct list *link, *next;
    struct map_entry *entry;
    size_t at = 0;
    if (collector == NULL)
        return;
    loop_timer_stop(&collector->timer);
    errand_finish(&collector->errand);
    mem_free(collector->job);
    LIST_EACH(link, next, &collector->jobs)
    mem_free(CONTAINER_OF(link, struct job, link));
    while ((entry = map_next(&collector->dependents, &at)))
        collector_free_dependent(collector, entry->value);
    map_finish(&collector->dependents);
    map_finish(&collector->owners);
    map_finish(&collector->queued);
    mem_free(collector);
}

bool collector_idle(const struct collector *collector) {
    return list_empty(&collector->jobs) && collector->job == NULL;
}
