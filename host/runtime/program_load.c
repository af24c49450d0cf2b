#include "base/mem.h"
#include "runtime/hooks.h"
#include "runtime/names.h"
#include "runtime/program_internal.h"
#include "runtime/schedule.h"
#include "runtime/workers.h"

/* From source to isolates: one among others for reconciling, one of its own for webhooks. */

/* What only the host can check: cron expressions and their zones. */
static int check_schedules(const struct program *program, struct error *err) {
    for (size_t i = 0; i < program->declaration->count; i++) {
        const struct definition *d = &program->declaration->definitions[i];
        if (d->type != DEFINITION_SCHEDULE)
            continue;
        struct schedule *schedule = schedule_parse(d->cron ? d->cron : "", d->zone, err);
        if (schedule == NULL)
            return error_prefix(err, "%s: schedule \"%s\"", d->source, d->name);
        schedule_destroy(schedule);
    }
    return 0;
}

static int make_editions(struct program *program, struct error *err) {
    size_t count = program->declaration->count;
    program->editions = mem_calloc(count, sizeof *program->editions);
    if (program->editions == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for %s", program->source->name);
    for (size_t i = 0; i < count; i++)
        program->editions[i] = (struct edition){.program = program,
                                                .definition = &program->declaration->definitions[i],
                                                .index = (unsigned)i};
    program->count = count;
    return 0;
}

static bool serves(const struct program *program) {
    for (size_t i = 0; i < program->declaration->count; i++)
        if (definition_serves(&program->declaration->definitions[i]))
            return true;
    return false;
}

static bool only_serves(const struct program *program) {
    for (size_t i = 0; i < program->declaration->count; i++) {
        enum definition_type type = program->declaration->definitions[i].type;
        if (type != DEFINITION_WEBHOOK && type != DEFINITION_CONVERSION)
            return false;
    }
    return true;
}

void program_endpoint(struct program *program, const struct error *err) {
    if (err)
        program_fail(program, err, /* environment= */ true);
    else
        program_install(program);
}

static void on_serving_loaded(void *context, struct worker_script *script, const char *declaration,
                              const struct error *err) {
    struct program *program = context;
    (void)declaration; /* as the first one's */
    program->loading = false;
    program->serving = script;
    if (program->abandoned) {
        program_destroy(program);
        return;
    }
    if (err) {
        program_fail(program, err, /* environment= */ false);
        return;
    }
    if (only_serves(program)) {
        worker_unload(program->script);
        program->script = NULL;
    }
    program->state = PROGRAM_ENDPOINT;
    hooks_need(program->host->hooks);
}

static int load_on(struct program *program, struct worker *worker, worker_loaded done,
                   struct error *err) {
    struct script_limits limits = program->host->limits;
    limits.seed = rng_next(&program->host->rng);
    program->loading = true;
    int rc = worker_load(worker, program->source, &limits, program->config, done, program, err);
    program->loading = rc == 0;
    return rc;
}

static void load_serving(struct program *program) {
    struct error err;
    struct worker *worker = workers_choose_serving(program->host, &err);
    if (worker == NULL || load_on(program, worker, on_serving_loaded, &err) < 0)
        program_fail(program, &err, /* environment= */ true);
}

static void on_loaded(void *context, struct worker_script *script, const char *declaration,
                      const struct error *err) {
    struct program *program = context;
    struct error failure;
    program->loading = false;
    program->script = script;
    if (err && (err->code == ERROR_CANCELLED || err->code == ERROR_UNAVAILABLE))
        script_source_ref(program->source); /* the lost thread's, for good */
    if (program->abandoned) {
        program_destroy(program);
        return;
    }
    if (err) {
        program_fail(program, err, /* environment= */ err->code == ERROR_CANCELLED);
        return;
    }
    program->declaration = declaration_parse(str_of(declaration), &failure);
    if (program->declaration == NULL || check_schedules(program, &failure) < 0 ||
        make_editions(program, &failure) < 0 || names_check(program, &failure) < 0)
        program_fail(program, &failure, /* environment= */ false);
    else if (serves(program))
        load_serving(program);
    else
        program_install(program);
}

int program_load(struct program *program, struct error *err) {
    return load_on(program, workers_choose(program->host), on_loaded, err);
}
