#include "testbed/testbed.h"

#include <string.h>
#include <strings.h>

#include "apiserver/builtin.h"
#include "base/mem.h"
#include "testbed/internal.h"

/* From the beginning to the end, and the author's own requests. */

#define CALL_NS (60 * NS_PER_S)

struct testbed_shared *testbed_shared_create(struct error *err) {
    struct testbed_shared *shared = mem_zalloc(sizeof *shared);
    if (shared && (shared->builtin = builtin_create(err)) != NULL)
        return shared;
    mem_free(shared);
    error_set(err, ERROR_NOMEM, "no memory for Kubernetes' own kinds");
    return NULL;
}

void testbed_shared_destroy(struct testbed_shared *shared) {
    if (shared == NULL)
        return;
    builtin_destroy(shared->builtin);
    mem_free(shared);
}

static int start(struct testbed *testbed, struct error *err) {
    const struct testbed_shared *shared = testbed->options.shared;
    struct apiserver_options server = {.log = testbed->options.log,
                                       .seed = rng_next(&testbed->sim.rng),
                                       .loop = testbed->sim.loop,
                                       .builtin = shared ? shared->builtin : NULL,
                                       .webhooks = &testbed->webhooks.base};
    testbed->server = apiserver_create(&server, err);
    if (testbed->server == NULL)
        return err->code;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < testbed->node_count; i++)
        rc = node_start(testbed, i, err);
    return rc;
}

struct testbed *testbed_create(const struct testbed_options *options, struct error *err) {
    struct testbed *testbed = mem_zalloc(sizeof *testbed);
    unsigned replicas = options->replicas ? options->replicas : 1;
    if (testbed == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a simulation");
        return NULL;
    }
    testbed->options = *options;
    testbed->node_count = replicas < TESTBED_REPLICAS ? replicas : TESTBED_REPLICAS;
    list_init(&testbed->prefixes);
    list_init(&testbed->fetches);
    if (sim_init(&testbed->sim, options->seed, err) < 0) {
        mem_free(testbed);
        return NULL;
    }
    testbed->sim.allow = options->allow;
    testbed->sim.allow_context = options->context;
    trace_init(testbed);
    chaos_init(testbed);
    hook_init(testbed);
    if (start(testbed, err) == 0)
        return testbed;
    testbed_destroy(testbed);
    return NULL;
}

static void finish_sources(struct testbed *testbed) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&testbed->sources, &at));)
        script_source_unref(entry->value);
    map_finish(&testbed->sources);
}

void testbed_destroy(struct testbed *testbed) {
    if (testbed == NULL)
        return;
    for (size_t i = 0; i < testbed->node_count; i++)
        node_kill(&testbed->nodes[i]);
    apiserver_destroy(testbed->server);
    fetch_finish(testbed);
    loop_timer_stop(&testbed->weather);
    sim_finish(&testbed->sim);
    finish_sources(testbed);
    drive_finish(testbed);
    strbuf_finish(&testbed->trace);
    mem_free(testbed);
}

/* The author's requests */

struct call {
    struct testbed_answer *answer;
    bool ended;
};

/* 299 - "text" */
static void add_warning(const char *value, struct strbuf *out) {
    const char *at = strchr(value, '"');
    for (at = at ? at + 1 : value; *at && *at != '"'; at++) {
        at += *at == '\\' && at[1];
        strbuf_addc(out, *at);
    }
    strbuf_addc(out, '\n');
}

static void on_begin(void *context, int status, const struct http_header *headers) {
    struct call *call = context;
    call->answer->status = status;
    for (; headers && headers->name; headers++)
        if (strcasecmp(headers->name, "Warning") == 0)
            add_warning(headers->value, &call->answer->warnings);
}

static void on_send(void *context, struct str bytes) {
    struct call *call = context;
    strbuf_add(&call->answer->body, bytes.data, bytes.len);
}

static void on_end(void *context) {
    struct call *call = context;
    call->ended = true;
}

int testbed_call(struct testbed *testbed, const struct testbed_request *request,
                 struct testbed_answer *ret, struct error *err) {
    static const struct api_handler handler = {on_begin, on_send, on_end, NULL};
    static const char *const groups[] = {"system:masters", "system:authenticated", NULL};
    struct call call = {.answer = ret};
    struct api_request asked = {.method = request->method,
                                .path = str_of(request->path),
                                .query = str_of(request->query ? request->query : ""),
                                .content_type = request->content_type ? request->content_type
                                                                      : "application/json",
                                .accept = request->accept ? request->accept : "application/json",
                                .user_agent = "test",
                                .if_none_match = "",
                                .body = request->body,
                                .user = "test",
                                .groups = groups};
    uint64_t until = drive_now(testbed) + CALL_NS;
    struct api_exchange *api = apiserver_serve(testbed->server, &asked, &handler, &call);
    while (!call.ended && drive_now(testbed) < until)
        drive_step(testbed, until);
    if (strcmp(request->method, "GET") != 0)
        trace_add(testbed, NULL, "test: %s %s%s%s: %d", request->method, request->path,
                  request->query ? "?" : "", request->query ? request->query : "", ret->status);
    if (!call.ended) {
        apiserver_abandon(api);
        return error_set(err, ERROR_TIMEOUT, "%s %s: no answer in a minute", request->method,
                         request->path);
    }
    if (ret->body.failed || ret->warnings.failed)
        return error_set(err, ERROR_NOMEM, "%s %s: no memory", request->method, request->path);
    return 0;
}

/* Questions, and the crash */

uint64_t testbed_elapsed(const struct testbed *testbed) {
    return sim_elapsed(&testbed->sim);
}

int64_t testbed_wall(const struct testbed *testbed) {
    return testbed->sim.clock.wall_ns;
}

struct testbed_stats testbed_stats(const struct testbed *testbed) {
    return testbed->stats;
}

int testbed_restart(struct testbed *testbed, struct error *err) {
    int rc = 0;
    trace_add(testbed, NULL, "the host dies, and is started again");
    for (size_t i = 0; i < testbed->node_count; i++)
        node_kill(&testbed->nodes[i]);
    for (size_t i = 0; rc == 0 && i < testbed->node_count; i++) {
        testbed->stats.restarts++;
        rc = node_start(testbed, i, err);
    }
    return rc;
}
