#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/stage_internal.h"
#include "kube/status.h"

/* Of a handler between two waits: more than in a cluster, for this machine may be slow, or its
 * program built for finding mistakes, and what is tested is not speed. */
#define HANDLER_CPU_NS (5 * NS_PER_S)

/* What a case asks of `sim`, by the key of its request; scripts/moonlet/core/simulation.lua asks.
 */

#define LULL_NS (30 * NS_PER_S) /* at most, of faults before sim:settle() calms */
enum { MOST_LINES = 4 << 20 };

/* The testbed's questions */

static bool is_planned(const struct stage_plan *plan, enum sim_fault fault, uint64_t number) {
    if (plan->only)
        return fault_list_has(plan->only, fault, number);
    return (plan->faults & (1u << fault)) && number <= plan->most &&
           !(number <= plan->drop_count && plan->drop[number - 1]);
}

static bool on_allow(void *context, enum sim_fault fault) {
    struct stage *stage = context;
    struct fault_drawn drawn = {fault, ++stage->drawn, testbed_elapsed(stage->testbed)};
    bool happens = is_planned(stage->plan, fault, drawn.number);
    if (happens)
        fault_list_add(&stage->outcome->faults, &drawn);
    return happens;
}

static int on_changed(void *context, struct error *err) {
    return stage_check(context, err);
}

static int on_log(void *context, const char *line, size_t len) {
    struct stage *stage = context;
    if (stage->lines.len < MOST_LINES)
        strbuf_add(&stage->lines, line, len);
    return 0;
}

static void on_wrote(void *context, const struct observed_write *write) {
    struct stage *stage = context;
    CLEANUP(strbuf_finish) struct strbuf key = {0};
    strbuf_printf(&key, "%s %s %s", write->controller, write->verb, write->kind);
    uintptr_t count = (uintptr_t)map_get(&stage->writes, strbuf_view(&key)) + 1;
    map_set(&stage->writes, strbuf_view(&key), (void *)count, NULL);
}

static void ignore_result(void *context, const struct observed_result *result) {
    (void)context, (void)result;
}

/* The case's settings win over those of the command line. */
static char *merge_config(const struct stage *stage) {
    const char *given = stage->options.config, *own = stage->now->config;
    json_t *all = given ? json_loads(given, 0, NULL) : json_object();
    json_t *more = own ? json_loads(own, 0, NULL) : NULL, *value;
    const char *name;
    json_object_foreach(more, name, value) {
        if (json_object_get(all, name) == NULL)
            json_object_set_new(all, name, json_object());
        json_object_update(json_object_get(all, name), value);
    }
    char *text = stage_json(all);
    json_decref(more);
    return text;
}

static int begin(struct stage *stage, struct error *err) {
    stage->observer =
        (struct observer){.wrote = on_wrote, .reconciled = ignore_result, .context = stage};
    stage->host_log =
        (struct log){.format = LOG_JSON, .level = LOG_DEBUG, .write = on_log, .context = stage};
    stage->config = merge_config(stage);
    struct testbed_options options = {
        .seed = stage->plan->seed,
        .engine = stage->options.engine,
        .shared = stage->shared,
        .log = &stage->host_log,
        .limits = {.cpu_ns = HANDLER_CPU_NS, .coverage = stage->options.coverage},
        .config = stage->config,
        .replicas = stage->now->replicas,
        .observer = &stage->observer,
        .allow = on_allow,
        .changed = on_changed,
        .context = stage};
    stage->testbed = testbed_create(&options, err);
    return stage->testbed ? 0 : err->code;
}

/* Answers */

static int say(struct script_request *request, json_t *json, struct error *err) {
    CLEANUP(mem_freep) char *text = stage_json(json);
    if (text == NULL)
        return error_set(err, ERROR_NOMEM, "no memory");
    strbuf_adds(&request->text, text);
    return 0;
}

static json_t *lines_of(struct str text) {
    json_t *list = json_array();
    while (text.len) {
        const char *end = memchr(text.data, '\n', text.len);
        size_t len = end ? (size_t)(end - text.data) : text.len;
        json_array_append_new(list, json_stringn(text.data, len));
        text = str_n(text.data + len + (end != NULL), text.len - len - (end != NULL));
    }
    return list;
}

static int ask_log(struct stage *stage, struct script_request *request, struct error *err) {
    return say(request, lines_of(strbuf_view(&stage->lines)), err);
}

static int ask_trace(struct stage *stage, struct script_request *request, struct error *err) {
    return say(request, lines_of(testbed_trace(stage->testbed)), err);
}

static int ask_warnings(struct stage *stage, struct script_request *request, struct error *err) {
    return say(request, lines_of(strbuf_view(&stage->warnings)), err);
}

static int ask_requests(struct stage *stage, struct script_request *request, struct error *err) {
    json_t *list = json_array();
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&stage->writes, &at));) {
        char controller[128], verb[32], kind[256];
        if (sscanf(entry->key, "%127s %31s %255s", controller, verb, kind) == 3)
            json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I}", "controller", controller,
                                                  "verb", verb, "kind", kind, "count",
                                                  (json_int_t)(uintptr_t)entry->value));
    }
    return say(request, list, err);
}

/* Requests to the API server */

static const char *content_type(const struct script_request *request) {
    if (strcmp(request->method, "PATCH") != 0)
        return "application/json";
    if (request->patch_type == NULL)
        return "application/apply-patch+yaml";
    return strcmp(request->patch_type, "json") == 0    ? "application/json-patch+json"
           : strcmp(request->patch_type, "merge") == 0 ? "application/merge-patch+json"
                                                       : "application/strategic-merge-patch+json";
}

static int ask_call(struct stage *stage, struct script_request *request, struct error *err) {
    const char *mark = strchr(request->url, '?');
    CLEANUP(mem_freep)
    char *path =
        mem_strndup(request->url, mark ? (size_t)(mark - request->url) : strlen(request->url));
    if (path == NULL)
        return error_set(err, ERROR_NOMEM, "no memory");
    struct testbed_request asked = {.method = request->method,
                                    .path = path,
                                    .query = mark ? mark + 1 : NULL,
                                    .content_type = content_type(request),
                                    .body = strbuf_view(&request->body)};
    struct testbed_answer answer = {0};
    int rc = testbed_call(stage->testbed, &asked, &answer, err);
    request->status = answer.status;
    strbuf_finish(&stage->warnings);
    stage->warnings = answer.warnings;
    if (rc == 0 && answer.status >= 400)
        rc = kube_status_decode(strbuf_view(&answer.body), answer.status, path, err);
    else if (rc == 0)
        strbuf_add(&request->text, answer.body.data, answer.body.len);
    strbuf_finish(&answer.body);
    if (rc == 0 && strcmp(request->method, "GET") != 0)
        rc = stage_check(stage, err);
    return rc;
}

/* Time and faults */

static int ask_settle(struct stage *stage, struct script_request *request, struct error *err) {
    (void)request;
    stage_storm(stage, true);
    if (stage_has_weather(stage) &&
        testbed_advance(stage->testbed, rng_below(&stage->rng, LULL_NS), err) < 0)
        return err->code;
    stage_storm(stage, false);
    int rc = testbed_settle(stage->testbed, err);
    stage_storm(stage, true);
    return rc;
}

static int ask_advance(struct stage *stage, struct script_request *request, struct error *err) {
    return stage_advance(stage, request->delay_ns, err);
}

static int ask_restart(struct stage *stage, struct script_request *request, struct error *err) {
    (void)request;
    return testbed_restart(stage->testbed, err);
}

static int ask_calm(struct stage *stage, struct script_request *request, struct error *err) {
    (void)request, (void)err;
    stage->calm = true;
    testbed_calm(stage->testbed);
    return 0;
}

static int ask_fault(struct stage *stage, struct script_request *request, struct error *err) {
    enum sim_fault fault;
    if (fault_find(str_of(request->name), &fault, err) < 0)
        return err->code;
    testbed_force(stage->testbed, fault, (unsigned)request->replicas);
    return 0;
}

static int ask_http(struct stage *stage, struct script_request *request, struct error *err) {
    return stage_serve(stage, request->url, (unsigned)request->replicas, err);
}

static int ask_load(struct stage *stage, struct script_request *request, struct error *err) {
    stage_storm(stage, false); /* how long a file takes to go live is not what the case is about */
    int rc = stage_load(stage, request, err);
    stage_storm(stage, true);
    return rc;
}

static const struct ask {
    const char *key;
    int (*ask)(struct stage *stage, struct script_request *request, struct error *err);
    bool reads; /* no time passes */
} asks[] = {
    {"call", ask_call, true},         {"load", ask_load, false},
    {"reload", ask_load, false},      {"unload", ask_load, false},
    {"settle", ask_settle, false},    {"advance", ask_advance, false},
    {"restart", ask_restart, false},  {"calm", ask_calm, true},
    {"fault", ask_fault, true},       {"http", ask_http, true},
    {"trace", ask_trace, true},       {"log", ask_log, true},
    {"requests", ask_requests, true}, {"warnings", ask_warnings, true},
};

static const struct ask *find(const struct script_request *request) {
    for (size_t i = 0; request->key && i < sizeof asks / sizeof *asks; i++)
        if (strcmp(asks[i].key, request->key) == 0)
            return &asks[i];
    return NULL;
}

static int refuse(const struct stage *stage, const struct ask *ask,
                  const struct script_request *request, struct error *err) {
    bool writes = strcmp(ask->key, "call") == 0 && strcmp(request->method, "GET") != 0;
    if (stage->serving)
        return error_set(err, ERROR_INVALID, "this cannot be asked in a handler of sim:http");
    if (stage->checking && (!ask->reads || writes))
        return error_set(err, ERROR_INVALID, "an invariant (t.always) may only read");
    return 0;
}

void stage_ask(struct stage *stage, struct script_request *request) {
    const struct ask *ask = request->op == SCRIPT_TEST ? find(request) : NULL;
    struct error err = {0};
    int rc = 0;
    if (ask == NULL)
        rc = error_set(&err, ERROR_INVALID, "a test cannot ask for this");
    else if (!stage->options.simulate)
        stage->outcome->passed_over = true;
    else
        rc = refuse(stage, ask, request, &err);
    if (rc == 0 && ask && stage->options.simulate) {
        if (stage->testbed == NULL)
            rc = begin(stage, &err);
        if (rc == 0)
            rc = ask->ask(stage, request, &err);
    }
    if (rc < 0)
        request->error = err;
    else if (stage->outcome->passed_over)
        error_set(&request->error, ERROR_CANCELLED, "there is no simulation here");
}

int stage_check(struct stage *stage, struct error *err) {
    struct script_call call = {.function = "test.always", .reason = "event"};
    struct script_result result = {0};
    if (stage->checking)
        return 0;
    if (stage_is_over(stage, err))
        return err->code;
    stage->checking = true;
    stage_call(stage, &call, &result);
    stage->checking = false;
    int rc = 0;
    if (result.state == SCRIPT_FAILED)
        rc = error_set(err, ERROR_REJECTED, "%s", result.error.message);
    else if (result.answer.len)
        rc = error_set(err, ERROR_REJECTED, "an invariant does not hold");
    script_result_finish(&result);
    return rc;
}
