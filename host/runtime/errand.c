#include "runtime/errand.h"

#include "base/mem.h"
#include "runtime/invocation.h"
#include "runtime/schedule.h"

struct errand {
    struct edition *edition;
    struct host *host;
    struct schedule *schedule; /* NULL: a startup */
    struct loop_timer timer, grace;
    int64_t due_wall_ns; /* schedule: the next run */
    unsigned failures;
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
                         &err) == 0)
        return;
    errand->running = false;
    program_unref(edition->program);
    log_error(errand->host->log, "%s: %s", edition->definition->name, err.message);
    loop_timer_start(&errand->timer, NS_PER_S);
}

static void on_timer(struct loop_timer *timer) {
    struct errand *errand = CONTAINER_OF(timer, struct errand, timer);
    struct host *host = errand->host;
    if (errand->running || errand->over || errand->stopped || !host->leading || host->draining)
        return;
    if (errand->schedule) {
        int64_t late = clock_wall(host->clock) - errand->due_wall_ns;
        int64_t deadline = (int64_t)errand->edition->definition->deadline_ns;
        if (late < 0) { /* the wait was cut, or the wall clock was set back */
            plan(errand);
            return;
        }
        if (late > (int64_t)(5 * NS_PER_S) && late > deadline) {
            log_warn(host->log, "schedule %s: a run was missed by more than its deadline",
                     errand->edition->definition->name);
            plan(errand);
            return;
        }
    }
    run(errand);
}

/* Waits are cut to a minute, so that a jump of the wall clock is noticed. */
static void wait_for_schedule(struct errand *errand) {
    int64_t now = clock_wall(errand->host->clock), wait;
    if (errand->due_wall_ns <= now &&
        schedule_next(errand->schedule, now, &errand->due_wall_ns) < 0) {
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

struct errand *errand_start(struct edition *edition, struct error *err) {
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
