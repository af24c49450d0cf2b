#include "runtime/errand.h"

#include "base/mem.h"
#include "runtime/invocation.h"
#include "runtime/schedule.h"

#define LATE_NS ((int64_t)(5 * NS_PER_S))  /* not missed yet, whatever the deadline */
#define BACK_NS (3600 * (int64_t)NS_PER_S) /* so far back, the time before was wrong */

struct errand {
    struct edition *edition;
    struct host *host;
    struct schedule *schedule; /* NULL: a startup */
    struct loop_timer timer, grace;
    int64_t due_wall_ns;     /* schedule: the next run */
    int64_t planned_wall_ns; /* when that was found out */
    unsigned failures;
    bool ran;                    /* the run that was due has begun */
    bool running, over, stopped; /* over: a startup that has succeeded */
    struct invocation invocation;
};

static void plan(struct errand *errand);

static void release(struct errand *errand) {
    loop_timer_stop(&errand->timer);
    loop_timer_stop(&errand->grace);
    schedule_destroy(errand->schedule);
    errand->schedule = NULL;
    if (!errand->invocation.call.lost)
        mem_free(errand);
}

static void report(struct errand *errand, const struct script_result *result) {
    struct log_field fields[10] = {{0}};
    size_t at = 0;
    invocation_log_fields(&errand->invocation, fields);
    while (fields[at].key)
        at++;
    fields[at++] = (struct log_field){"code", error_code_name(result->error.code), false};
    fields[at++] = (struct log_field){"then",
                                      errand->schedule    ? "runs again at its next time"
                                      : result->permanent ? "not retried: permanent"
                                                          : "retried with backoff",
                                      false};
    fields[at++] = (struct log_field){"traceback", result->traceback, false};
    fields[at] = (struct log_field){0};
    log_emit(errand->host->log, LOG_ERROR, fields, "%s", result->error.message);
}

static void on_done(struct invocation *invocation) {
    struct errand *errand = invocation->context;
    struct script_result *result = &invocation->call.result;
    bool failed = result->state == SCRIPT_FAILED, permanent = result->permanent;
    bool again = invocation->call.aborted;
    if (invocation->call.lost) /* its struct is not ours any more; the next version has its own */
        errand->stopped = true;
    errand->running = false;
    if (invocation->call.died)
        errand->edition->program->died(errand->edition->program);
    if (failed && !again && !errand->stopped)
        report(errand, result);
    errand->failures = failed && !again ? errand->failures + 1 : 0;
    errand->over = errand->schedule == NULL && (!failed || permanent);
    invocation_finish(invocation);
    errand->host->changed(errand->host);
    struct program *program = errand->edition->program;
    if (errand->stopped)
        release(errand);
    else
        plan(errand);
    program_unref(program);
}

static void run(struct errand *errand) {
    const struct edition *edition = errand->edition;
    struct error err;
    errand->invocation = (struct invocation){.done = on_done, .context = errand};
    errand->invocation.call.call.attempt = errand->failures + 1;
    errand->running = true;
    program_ref(edition->program); /* while it runs */
    if (invocation_start(&errand->invocation, errand->host, edition->program->script,
                         edition->definition, edition->index, "run", str_of(""), NULL, NULL,
                         &err) == 0) {
        errand->ran = true;
        return;
    }
    errand->running = false;
    program_unref(edition->program);
    log_error(errand->host->log, "%s: %s", edition->definition->name, err.message);
    loop_timer_start(&errand->timer, NS_PER_S);
}

/* Is a run to be made up? Of those that were missed the first within the deadline, no other. */
static bool still_due(struct errand *errand, int64_t now) {
    const struct definition *definition = errand->edition->definition;
    int64_t most = (int64_t)definition->deadline_ns, due;
    most = most > LATE_NS ? most : LATE_NS;
    if (now - errand->due_wall_ns <= most)
        return true;
    log_warn(errand->host->log, "schedule %s: a run was missed by more than its deadline",
             definition->name);
    if (schedule_next(errand->schedule, now - most - 1, &due) < 0 || due > now)
        return false;
    errand->due_wall_ns = due;
    return true;
}

static void on_timer(struct loop_timer *timer) {
    struct errand *errand = CONTAINER_OF(timer, struct errand, timer);
    struct host *host = errand->host;
    if (errand->running || errand->over || errand->stopped || !host->leading || host->draining)
        return;
    if (errand->schedule) {
        int64_t now = clock_wall(host->clock);
        /* before: the wait was cut, or the wall clock was set back */
        if (now < errand->due_wall_ns || !still_due(errand, now)) {
            plan(errand);
            return;
        }
    }
    run(errand);
}

/* The next run, which no clock that was set back a little lets come twice. */
static int find_next(struct errand *errand, int64_t now) {
    bool wrong = now < errand->planned_wall_ns - BACK_NS; /* what it was planned by */
    if (errand->due_wall_ns > now && !errand->ran && !wrong)
        return 0;
    int64_t from = errand->ran && errand->due_wall_ns > now && !wrong ? errand->due_wall_ns : now;
    errand->ran = false;
    errand->planned_wall_ns = now;
    return schedule_next(errand->schedule, from, &errand->due_wall_ns);
}

/* Waits are cut to a minute, so that a jump of the wall clock is noticed. */
static void wait_for_schedule(struct errand *errand) {
    int64_t now = clock_wall(errand->host->clock), wait;
    if (find_next(errand, now) < 0) {
        log_error(errand->host->log, "schedule %s: \"%s\" never comes",
                  errand->edition->definition->name, errand->edition->definition->cron);
        return;
    }
    wait = errand->due_wall_ns - now;
    loop_timer_start(&errand->timer,
                     wait > (int64_t)(60 * NS_PER_S) ? 60 * NS_PER_S : (uint64_t)wait);
}

static void plan(struct errand *errand) {
    if (errand->over || errand->stopped)
        return;
    if (errand->schedule) {
        wait_for_schedule(errand);
        return;
    }
    uint64_t wait =
        errand->failures ? (100 * NS_PER_MS) << (errand->failures < 12 ? errand->failures : 12) : 0;
    loop_timer_start(&errand->timer, wait < 300 * NS_PER_S ? wait : 300 * NS_PER_S);
}

static void on_grace(struct loop_timer *timer) {
    struct errand *errand = CONTAINER_OF(timer, struct errand, grace);
    invocation_cancel(&errand->invocation, ERROR_CANCELLED);
}

struct errand *errand_begin(struct edition *edition, struct error *err) {
    const struct definition *definition = edition->definition;
    struct errand *errand = mem_zalloc(sizeof *errand);
    if (errand == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for %s", definition->name);
        return NULL;
    }
    errand->edition = edition;
    errand->host = edition->program->host;
    loop_timer_init(errand->host->loop, &errand->timer, on_timer);
    loop_timer_init(errand->host->loop, &errand->grace, on_grace);
    if (definition->type == DEFINITION_SCHEDULE) {
        errand->schedule = schedule_parse(definition->cron, definition->zone, err);
        if (errand->schedule == NULL) {
            error_prefix(err, "%s \"%s\"", definition->source, definition->name);
            mem_free(errand);
            return NULL;
        }
    }
    plan(errand);
    return errand;
}

void errand_stop(struct errand *errand, uint64_t grace_ns) {
    errand->stopped = true;
    loop_timer_stop(&errand->timer);
    if (!errand->running)
        release(errand);
    else if (grace_ns == 0)
        invocation_cancel(&errand->invocation, ERROR_CANCELLED);
    else
        loop_timer_start(&errand->grace, grace_ns);
}

void errand_wake(struct errand *errand) {
    if (!errand->running && !errand->stopped && !errand->over)
        loop_timer_start(&errand->timer, 0); /* a run missed meanwhile is judged by its deadline */
}

bool errand_idle(const struct errand *errand) {
    return !errand->running && (errand->schedule || errand->over);
}
