#include "cli/trial.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { MOST_SHRINKS = 200, TRACE_LINES = 26, MOST_LISTED = 20 };

static bool contains(struct str line, const char *word) {
    return memmem(line.data, line.len, word, strlen(word)) != NULL;
}

/* What the host asks for itself, whatever the controller is: it hides what the controller did. */
static bool is_routine(struct str line) {
    return contains(line, "  POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews: 201") ||
           (contains(line, "  GET /") && contains(line, "watch=1&") && contains(line, ": 200"));
}

static struct str line_at(const struct strbuf *trace, size_t at) {
    const char *end = memchr(trace->data + at, '\n', trace->len - at);
    return str_n(trace->data + at, end ? (size_t)(end - trace->data) - at : trace->len - at);
}

static size_t line_before(const struct strbuf *trace, size_t at) {
    for (at--; at > 0 && trace->data[at - 1] != '\n';)
        at--;
    return at;
}

static void add_routine(size_t *count, struct strbuf *out) {
    if (*count > 0)
        strbuf_printf(out, "              … %zu watches and access reviews of the host\n", *count);
    *count = 0;
}

/* The last lines; routine ones in a row are one. */
static void add_trace(const struct strbuf *trace, struct strbuf *out) {
    size_t at = trace->len, lines = 0, routine = 0;
    for (bool folds = false; at > 0 && lines < TRACE_LINES;) {
        at = line_before(trace, at);
        bool now = is_routine(line_at(trace, at));
        lines += !(now && folds);
        folds = now;
    }
    strbuf_adds(out, "  the end of the trace:\n");
    while (at < trace->len) {
        struct str line = line_at(trace, at);
        at += line.len + 1;
        routine += is_routine(line);
        if (is_routine(line))
            continue;
        add_routine(&routine, out);
        strbuf_printf(out, "  " STR_FORMAT "\n", STR_ARG(line));
    }
    add_routine(&routine, out);
}

static struct stage_plan whole_plan(const struct stage *stage, size_t index, uint64_t seed) {
    return (struct stage_plan){
        .seed = seed, .faults = stage_at(stage, index)->faults, .most = UINT64_MAX};
}

void trial_run(struct stage *stage, size_t index, uint64_t seed, uint64_t seeds,
               struct trial_result *ret) {
    for (uint64_t i = 0; i < seeds && !ret->failed; i++) {
        struct stage_plan plan = whole_plan(stage, index, seed + i);
        struct stage_outcome outcome = {0};
        stage_run(stage, index, &plan, &outcome);
        ret->tried++;
        ret->failed = outcome.failed;
        if (outcome.failed) {
            CLEANUP(strbuf_finish) struct strbuf detail = {0};
            ret->seed = plan.seed;
            ret->problem = mem_strdup(outcome.problem);
            if (outcome.trace.len)
                add_trace(&outcome.trace, &detail);
            ret->detail = strbuf_take(&detail);
        }
        stage_outcome_finish(&outcome);
    }
}

/* Shrinking */

struct shrinking {
    struct stage *stage;
    size_t index;
    unsigned runs;
    struct stage_plan plan;     /* the least so far that fails */
    struct stage_outcome least; /* of it */
    uint8_t *drop;              /* plan.drop */
};

/* Takes the plan when it fails, too. */
static bool still_fails(struct shrinking *work, const struct stage_plan *plan) {
    struct stage_outcome outcome = {0};
    if (work->runs++ >= MOST_SHRINKS)
        return false;
    stage_run(work->stage, work->index, plan, &outcome);
    if (!outcome.failed) {
        stage_outcome_finish(&outcome);
        return false;
    }
    stage_outcome_finish(&work->least);
    work->least = outcome;
    work->plan = *plan;
    return true;
}

static void drop_kinds(struct shrinking *work) {
    struct stage_plan plan = work->plan;
    plan.faults = 0;
    if (still_fails(work, &plan))
        return; /* it takes no fault at all */
    for (int i = 0; i < SIM_FAULTS; i++) {
        plan = work->plan;
        plan.faults &= ~(1u << i);
        if (plan.faults != work->plan.faults)
            still_fails(work, &plan);
    }
}

static uint64_t last_number(const struct shrinking *work) {
    const struct fault_list *faults = &work->least.faults;
    return faults->count ? faults->items[faults->count - 1].number : 0;
}

/* Only the first ones: half as many, a quarter more... */
static void halve(struct shrinking *work) {
    uint64_t high = last_number(work), low = 0;
    while (low < high) {
        struct stage_plan plan = work->plan;
        plan.most = low + (high - low) / 2;
        if (still_fails(work, &plan))
            high = plan.most;
        else
            low = plan.most + 1;
    }
}

/* The last that happens before `number`; 0: none does. */
static uint64_t number_before(const struct shrinking *work, uint64_t number) {
    const struct fault_list *faults = &work->least.faults;
    uint64_t last = 0;
    for (size_t i = 0; i < faults->count && faults->items[i].number < number; i++)
        last = faults->items[i].number;
    return last;
}

static void drop_single(struct shrinking *work) {
    uint64_t count = last_number(work);
    work->drop = mem_zalloc(count + 1);
    if (work->drop == NULL)
        return;
    for (uint64_t at = count + 1; (at = number_before(work, at)) > 0;) {
        struct stage_plan plan = work->plan;
        plan.drop = work->drop;
        plan.drop_count = count;
        work->drop[at - 1] = 1;
        if (!still_fails(work, &plan))
            work->drop[at - 1] = 0;
    }
}

static void list_faults(const struct fault_list *faults, struct strbuf *out) {
    for (size_t i = 0; i < faults->count && i < MOST_LISTED; i++) {
        char name[32];
        fault_name(faults->items[i].fault, name);
        strbuf_printf(out, "    %s at %.6f s\n", name, (double)faults->items[i].at_ns / 1e9);
    }
    if (faults->count > MOST_LISTED)
        strbuf_printf(out, "    and %zu more\n", faults->count - MOST_LISTED);
}

static void describe(const struct shrinking *work, size_t before, struct strbuf *out) {
    const struct fault_list *faults = &work->least.faults;
    if (faults->count == 0) {
        strbuf_adds(out, "  it takes no fault: the order of things is enough\n");
        return;
    }
    strbuf_printf(out, "  it takes %zu of %zu faults:\n", faults->count, before);
    list_faults(faults, out);
}

void trial_shrink(struct stage *stage, size_t index, uint64_t seed, struct trial_result *ret) {
    struct shrinking work = {.stage = stage, .index = index};
    struct stage_plan whole = whole_plan(stage, index, seed);
    CLEANUP(strbuf_finish) struct strbuf detail = {0}, faults = {0};
    if (still_fails(&work, &whole)) {
        size_t before = work.least.faults.count;
        drop_kinds(&work);
        halve(&work);
        drop_single(&work);
        describe(&work, before, &detail);
        if (work.least.trace.len)
            add_trace(&work.least.trace, &detail);
        fault_list_write(&work.least.faults, &faults);
        ret->failed = true;
        ret->problem = mem_strdup(work.least.problem);
        ret->faults = strbuf_take(&faults);
    } else {
        strbuf_adds(&detail, "  it did not fail a second time: the file keeps something between "
                             "its cases, or reads what is not simulated\n");
    }
    ret->seed = seed;
    ret->detail = strbuf_take(&detail);
    stage_outcome_finish(&work.least);
    mem_free(work.drop);
}

/* Exactly what was said */

void trial_replay(struct stage *stage, size_t index, uint64_t seed, const struct fault_list *faults,
                  struct trial_result *ret) {
    struct stage_plan plan = {.seed = seed, .only = faults};
    struct stage_outcome outcome = {0};
    CLEANUP(strbuf_finish) struct strbuf detail = {0}, text = {0};
    stage_run(stage, index, &plan, &outcome);
    size_t missing = faults->count - outcome.faults.count;
    if (missing > 0)
        strbuf_printf(&detail,
                      "  %zu of %zu faults of --faults did not come up: the files have changed "
                      "since\n",
                      missing, faults->count);
    ret->seed = seed;
    ret->tried = 1;
    ret->failed = outcome.failed;
    if (outcome.failed) {
        fault_list_write(faults, &text);
        ret->faults = strbuf_take(&text);
        ret->problem = mem_strdup(outcome.problem);
        strbuf_printf(&detail, "  it had %zu fault%s%s\n", outcome.faults.count,
                      outcome.faults.count == 1 ? "" : "s", outcome.faults.count ? ":" : "");
        list_faults(&outcome.faults, &detail);
        if (outcome.trace.len)
            add_trace(&outcome.trace, &detail);
    }
    ret->detail = strbuf_take(&detail);
    stage_outcome_finish(&outcome);
}

/* Through a pipe */

void trial_write(const struct trial_result *result, struct strbuf *out) {
    json_t *json = json_pack("{s:b, s:I, s:I, s:s*, s:s*, s:s*, s:s*}", "failed", result->failed,
                             "seed", (json_int_t)result->seed, "tried", (json_int_t)result->tried,
                             "problem", result->problem, "detail", result->detail, "faults",
                             result->faults, "coverage", result->coverage);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    strbuf_adds(out, text ? text : "{}");
    free(text);
    json_decref(json);
}

int trial_read(struct str text, struct trial_result *ret) {
    json_t *json = json_loadb(text.data ? text.data : "", text.len, 0, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        return ERROR_PROTOCOL;
    }
    *ret = (struct trial_result){
        .failed = json_is_true(json_object_get(json, "failed")),
        .seed = (uint64_t)json_integer_value(json_object_get(json, "seed")),
        .tried = (uint64_t)json_integer_value(json_object_get(json, "tried")),
        .problem = mem_strdup(json_string_value(json_object_get(json, "problem"))),
        .detail = mem_strdup(json_string_value(json_object_get(json, "detail"))),
        .faults = mem_strdup(json_string_value(json_object_get(json, "faults"))),
        .coverage = mem_strdup(json_string_value(json_object_get(json, "coverage")))};
    json_decref(json);
    return 0;
}

void trial_finish(struct trial_result *result) {
    mem_free(result->problem);
    mem_free(result->detail);
    mem_free(result->faults);
    mem_free(result->coverage);
    *result = (struct trial_result){0};
}
