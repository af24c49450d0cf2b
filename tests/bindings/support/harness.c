#include "support/harness.h"

#include <string.h>

const char *const harness_app =
    "{\"apiVersion\":\"app.example.com/v1\",\"kind\":\"App\",\"metadata\":{\"name\":\"demo\","
    "\"namespace\":\"ns1\",\"uid\":\"u1\",\"resourceVersion\":\"5\"},"
    "\"spec\":{\"size\":2,\"empty\":[],\"none\":null,\"big\":12345678901234567890,"
    "\"list\":[{\"a\":1},{\"a\":2}]}}";

static int keep_line(void *context, const char *line, size_t len) {
    struct harness *harness = context;
    strbuf_add(&harness->lines, line, len);
    return 0;
}

static void keep_request(void *context, struct script_request *request) {
    struct harness *harness = context;
    assert_true(harness->request_count < 32);
    harness->requests[harness->request_count++] = request;
}

static void keep_note(void *context, struct script_note *note) {
    struct harness *harness = context;
    if (harness->note_count == 8) {
        script_note_destroy(note);
        return;
    }
    harness->notes[harness->note_count++] = note;
}

static void wake(void *context) {
    (void)context; /* reclaimed at the end */
}

void harness_open(struct harness *harness) {
    struct error err;
    struct mem_stats before = mem_stats();
    memset(harness, 0, sizeof *harness);
    harness->before = before;
    clock_fake_init(&harness->clock, 5 * NS_PER_S, 1767323045ll * (int64_t)NS_PER_S);
    harness->log = (struct log){.clock = &harness->clock.clock,
                                .format = LOG_HUMAN,
                                .write = keep_line,
                                .context = harness};
    harness->dag = dag_create(NULL, &err);
    assert_non_null(harness->dag);
    harness->epochs = epochs_create(harness->dag, wake, NULL, &err);
    assert_non_null(harness->epochs);
    harness->reader = epoch_reader_create(harness->epochs, &err);
    assert_non_null(harness->reader);
    harness->host = (struct script_host){.context = harness,
                                         .clock = &harness->clock.clock,
                                         .log = &harness->log,
                                         .name = "test-host",
                                         .version = "0.0.1",
                                         .ns = "moonlet-system",
                                         .reader = harness->reader,
                                         .submit = keep_request,
                                         .note = keep_note};
    harness->engine = lua_engine.open(&harness->host, &err);
    assert_non_null(harness->engine);
}

void harness_close(struct harness *harness) {
    for (size_t i = 0; i < harness->request_count; i++)
        script_request_destroy(harness->requests[i]);
    for (size_t i = 0; i < harness->note_count; i++)
        script_note_destroy(harness->notes[i]);
    lua_engine.close(harness->engine);
    epochs_reclaim(harness->epochs);
    epoch_reader_destroy(harness->reader);
    epochs_destroy(harness->epochs);
    assert_int_equal(dag_stats(harness->dag).nodes, 0);
    dag_destroy(harness->dag);
    strbuf_finish(&harness->lines);
    assert_int_equal(mem_stats().blocks, harness->before.blocks);
}

struct script *harness_try(struct harness *harness, const char *path, const char *text,
                           size_t memory, uint64_t cpu_ns, struct error *err) {
    struct script_file file = {(char *)path, (char *)"entry", (char *)text, strlen(text)};
    struct script_source source = {(char *)"entry", &file, 1, 1};
    struct script_limits limits = {.memory = memory, .cpu_ns = cpu_ns};
    return lua_engine.load(harness->engine, &source, &limits, NULL, err);
}

struct script *harness_load(struct harness *harness, const char *path, const char *text) {
    struct error err = {0};
    struct script *script = harness_try(harness, path, text, 0, 0, &err);
    if (!script)
        fail_msg("%s", err.message);
    return script;
}

const struct object *harness_object(struct harness *harness, const char *json) {
    struct error err;
    node_t root = dag_parse(harness->dag, str_of(json), 0, &err);
    if (root == NODE_NONE)
        fail_msg("%s", err.message);
    const struct object *object = object_create(harness->epochs, root, &err);
    assert_non_null(object);
    return object;
}

static void ignore(void *context, const struct store_delta *delta) {
    (void)context;
    (void)delta;
}

struct store *harness_store(struct harness *harness, const char *api_version, const char *kind) {
    struct error err;
    struct store_options options = {.epochs = harness->epochs,
                                    .dag = harness->dag,
                                    .api_version = api_version,
                                    .kind = kind,
                                    .emit = ignore};
    struct store *store = store_create(&options, &err);
    assert_non_null(store);
    return store;
}

void harness_put(struct store *store, const char *json) {
    struct error err;
    if (store_put(store, str_of(json), STORE_EVENT, NULL, &err) < 0)
        fail_msg("%s", err.message);
}

struct script_run *harness_call(struct harness *harness, struct script *script,
                                const char *function, const struct object *object,
                                struct script_result *ret) {
    struct script_call call = {.function = function,
                               .object = object,
                               .reason = "event",
                               .attempt = 1,
                               .reconcile_id = "r-1",
                               .event = "added",
                               .context = harness};
    call.ns = object ? object_namespace(object) : str_of("default");
    call.name = object ? object_name(object) : str_of("demo");
    call.uid = object ? object_uid(object) : str_of("");
    struct script_run *run = NULL;
    memset(ret, 0, sizeof *ret);
    lua_engine.call(script, &call, &run, ret);
    return run;
}

struct script_request *harness_take(struct harness *harness) {
    assert_true(harness->request_count > 0);
    struct script_request *first = harness->requests[0];
    harness->request_count--;
    memmove(harness->requests, harness->requests + 1,
            harness->request_count * sizeof *harness->requests);
    return first;
}

int harness_setup(void **state) {
    static struct harness harness;
    harness_open(&harness);
    *state = &harness;
    return 0;
}

int harness_teardown(void **state) {
    harness_close(*state);
    return 0;
}
