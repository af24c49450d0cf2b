#include "cli/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/stage_internal.h"

/* From the file to its cases, and the course of one run. */

#define CASE_CPU_NS (60 * NS_PER_S)
#define TURN_CPU_NS (2 * NS_PER_S) /* of a test between two waits */
enum { TEST_MEMORY = 256 << 20 };

static uint64_t thread_cpu(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

char *stage_json(json_t *json) {
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS), *copy = mem_strdup(text);
    free(text);
    json_decref(json);
    return copy;
}

/* The engine's host */

static void on_submit(void *context, struct script_request *request) {
    struct stage *stage = context;
    if (stage->waiting_count < sizeof stage->waiting / sizeof *stage->waiting)
        stage->waiting[stage->waiting_count++] = request;
    else
        script_request_destroy(request);
}

static void on_note(void *context, struct script_note *note) {
    (void)context;
    script_note_destroy(note);
}

static void ignore_wake(void *context) {
    (void)context;
}

static int open_engine(struct stage *stage, struct error *err) {
    const struct clock *clock =
        stage->options.simulate ? &stage->clock.clock : stage->options.clock;
    stage->log = (struct log){.clock = clock,
                              .level = LOG_INFO,
                              .write = log_write_fd,
                              .context = (void *)(intptr_t)STDERR_FILENO};
    if ((stage->dag = dag_create(&(struct dag_options){0}, err)) == NULL ||
        (stage->epochs = epochs_create(stage->dag, ignore_wake, NULL, err)) == NULL ||
        (stage->reader = epoch_reader_create(stage->epochs, err)) == NULL)
        return err->code;
    stage->host = (struct script_host){.context = stage,
                                       .clock = clock,
                                       .log = &stage->log,
                                       .name = "moonlet",
                                       .version = MOONLET_VERSION,
                                       .ns = "default",
                                       .reader = stage->reader,
                                       .submit = on_submit,
                                       .note = on_note};
    stage->engine = stage->options.engine->open(&stage->host, err);
    return stage->engine ? 0 : err->code;
}

/* Cases */

static char *text_of(const json_t *one, const char *key) {
    const char *text = json_string_value(json_object_get(one, key));
    return mem_strdup(text ? text : "");
}

static int read_faults(const json_t *list, struct stage_case *ret, struct error *err) {
    const json_t *one;
    size_t i;
    ret->faults = list ? 0 : (1u << SIM_FAULTS) - 1;
    json_array_foreach(list, i, one) {
        const char *name = json_string_value(one);
        enum sim_fault fault;
        if (fault_find(str_of(name), &fault, err) < 0)
            return error_prefix(err, "%s: t.chaos", ret->at);
        ret->faults |= 1u << fault;
    }
    return 0;
}

static int read_case(const json_t *one, struct stage_case *ret, struct error *err) {
    json_t *config = json_object_get(one, "config");
    *ret = (struct stage_case){.sentence = text_of(one, "sentence"),
                               .at = text_of(one, "at"),
                               .chaos = json_is_true(json_object_get(one, "chaos")),
                               .seeds = (unsigned)json_number_value(json_object_get(one, "seeds")),
                               .replicas =
                                   (unsigned)json_number_value(json_object_get(one, "replicas")),
                               .config = config ? stage_json(json_incref(config)) : NULL};
    if (ret->sentence == NULL || ret->at == NULL)
        return error_set(err, ERROR_NOMEM, "no memory");
    return read_faults(json_object_get(one, "faults"), ret, err);
}

static int read_cases(struct stage *stage, struct error *err) {
    const char *json = stage->options.engine->declaration(stage->script);
    json_t *declaration = json_loads(json, 0, NULL), *one;
    json_t *list = json_object_get(declaration, "tests");
    size_t i;
    int rc = 0;
    stage->cases = mem_calloc(json_array_size(list) + 1, sizeof *stage->cases);
    if (stage->cases == NULL)
        rc = error_set(err, ERROR_NOMEM, "no memory");
    json_array_foreach(list, i, one) {
        if (rc == 0) {
            stage->count++;
            rc = read_case(one, &stage->cases[i], err);
        }
    }
    json_decref(declaration);
    if (rc == 0 && stage->count == 0)
        rc = error_set(err, ERROR_INVALID, "%s: there is no t.case in it",
                       stage->file->source->files[0].path);
    return rc;
}

struct stage *stage_open(const struct stage_options *options, const struct suite_file *file,
                         struct error *err) {
    struct script_limits limits = {
        .memory = TEST_MEMORY, .cpu_ns = TURN_CPU_NS, .coverage = options->coverage};
    if (file->source == NULL) {
        *err = file->error;
        return NULL;
    }
    struct stage *stage = mem_zalloc(sizeof *stage);
    if (stage == NULL) {
        error_set(err, ERROR_NOMEM, "%s: no memory", file->path);
        return NULL;
    }
    stage->options = *options;
    stage->file = file;
    clock_fake_init(&stage->clock, 0, SIM_BEGIN_WALL);
    stage->shared = options->simulate ? testbed_shared_create(err) : NULL;
    if ((stage->shared || !options->simulate) && open_engine(stage, err) == 0)
        stage->script =
            options->engine->load(stage->engine, file->source, &limits, options->config, err);
    if (stage->script && read_cases(stage, err) == 0)
        return stage;
    stage_close(stage);
    return NULL;
}

void stage_close(struct stage *stage) {
    if (stage == NULL)
        return;
    if (stage->script)
        stage->options.engine->unload(stage->script);
    if (stage->engine)
        stage->options.engine->close(stage->engine);
    if (stage->reader)
        epoch_reader_destroy(stage->reader);
    epochs_destroy(stage->epochs);
    dag_destroy(stage->dag);
    testbed_shared_destroy(stage->shared);
    for (size_t i = 0; i < stage->count; i++) {
        mem_free(stage->cases[i].sentence);
        mem_free(stage->cases[i].at);
        mem_free(stage->cases[i].config);
    }
    mem_free(stage->cases);
    mem_free(stage);
}

size_t stage_count(const struct stage *stage) {
    return stage->count;
}

const struct stage_case *stage_at(const struct stage *stage, size_t index) {
    return &stage->cases[index];
}

/* A run */

void stage_sync(struct stage *stage) {
    if (stage->testbed == NULL)
        return;
    stage->clock.mono_ns = testbed_elapsed(stage->testbed);
    stage->clock.wall_ns = testbed_wall(stage->testbed);
}

bool stage_is_over(struct stage *stage, struct error *err) {
    uint64_t most = stage->options.cpu_ns ? stage->options.cpu_ns : CASE_CPU_NS;
    if (thread_cpu() < stage->cpu_until)
        return false;
    error_set(err, ERROR_TIMEOUT, "the case has used %.3g s of CPU and has not come to its end",
              (double)most / 1e9);
    return true;
}

static struct script_request *take(struct stage *stage, const struct script_run *run) {
    for (size_t i = 0; i < stage->waiting_count; i++) {
        struct script_request *request = stage->waiting[i];
        if (request->run != run)
            continue;
        memmove(stage->waiting + i, stage->waiting + i + 1,
                (--stage->waiting_count - i) * sizeof *stage->waiting);
        return request;
    }
    return NULL;
}

void stage_call(struct stage *stage, const struct script_call *call, struct script_result *ret) {
    const struct script_engine_type *type = stage->options.engine;
    struct script_run *run;
    struct error over;
    stage_sync(stage);
    type->call(stage->script, call, &run, ret);
    while (ret->state == SCRIPT_WAITING) {
        struct script_request *request = take(stage, run);
        if (request == NULL) {
            ret->state = SCRIPT_FAILED;
            error_set(&ret->error, ERROR_INTERNAL, "the case waits for nothing");
            return;
        }
        if (stage_is_over(stage, &over)) {
            request->error = over;
            type->cancel(run, ERROR_TIMEOUT);
        } else {
            stage_ask(stage, request);
        }
        if (stage->outcome->passed_over)
            type->cancel(run, ERROR_CANCELLED);
        stage_sync(stage);
        script_result_finish(ret);
        *ret = (struct script_result){0};
        type->answer(request, ret);
    }
}

/* {sentence, ok, problem} of a case that came to its end. */
static void read_outcome(const struct script_result *result, struct stage_outcome *ret) {
    json_t *json = json_loadb(result->answer.data, result->answer.len, 0, NULL);
    if (!json_is_true(json_object_get(json, "ok"))) {
        ret->failed = true;
        ret->problem = text_of(json, "problem");
    }
    json_decref(json);
}

static void keep_trace(struct stage *stage) {
    struct str trace = testbed_trace(stage->testbed);
    strbuf_add(&stage->outcome->trace, trace.data, trace.len);
}

static void end_run(struct stage *stage) {
    if (stage->testbed && stage->outcome->failed)
        keep_trace(stage);
    testbed_destroy(stage->testbed);
    stage->testbed = NULL;
    mem_free(stage->config);
    stage->config = NULL;
    stage_serve_end(stage);
    for (size_t i = 0; i < stage->waiting_count; i++)
        script_request_destroy(stage->waiting[i]);
    stage->waiting_count = 0;
    strbuf_finish(&stage->lines);
    strbuf_finish(&stage->warnings);
    map_finish(&stage->writes);
}

void stage_run(struct stage *stage, size_t index, const struct stage_plan *plan,
               struct stage_outcome *ret) {
    struct script_result result = {0};
    char request[64];
    snprintf(request, sizeof request, "{\"seed\":%llu}", (unsigned long long)plan->seed);
    struct script_call call = {.definition = (unsigned)index,
                               .function = "test.case",
                               .event = request,
                               .reason = "event"};
    stage->now = &stage->cases[index];
    stage->plan = plan;
    stage->outcome = ret;
    stage->calm = stage->serving = stage->checking = false;
    stage->drawn = 0;
    stage->cpu_until = thread_cpu() + (stage->options.cpu_ns ? stage->options.cpu_ns : CASE_CPU_NS);
    clock_fake_init(&stage->clock, 0, SIM_BEGIN_WALL);
    rng_init(&stage->rng, plan->seed);
    stage_weather_init(stage);
    if (stage->now->chaos && !stage->options.simulate)
        ret->passed_over = true;
    else
        stage_call(stage, &call, &result);
    if (result.state == SCRIPT_DONE && !ret->passed_over) {
        read_outcome(&result, ret);
    } else if (!ret->passed_over) {
        struct error over;
        ret->failed = true;
        ret->problem = stage_is_over(stage, &over)
                           ? mem_printf("%s: %s", stage->now->at, over.message)
                           : mem_strdup(result.error.message);
    }
    script_result_finish(&result);
    end_run(stage);
}

void stage_outcome_finish(struct stage_outcome *outcome) {
    mem_free(outcome->problem);
    fault_list_finish(&outcome->faults);
    strbuf_finish(&outcome->trace);
    *outcome = (struct stage_outcome){0};
}
