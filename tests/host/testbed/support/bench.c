#include "testbed/support/bench.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bindings/engine.h"

const char bench_copier[] =
    "local moonlet = require 'moonlet'\n"
    "return moonlet.controller {\n"
    "  name = 'copier', resource = 'v1/ConfigMap', owns = { 'v1/ConfigMap' },\n"
    "  reconcile = function(object, ctx)\n"
    "    if object.metadata.name:find '-copy$' then return end\n"
    "    ctx:apply { apiVersion = 'v1', kind = 'ConfigMap',\n"
    "      metadata = { name = object.metadata.name .. '-copy' }, data = { v = object.data.v } }\n"
    "  end,\n"
    "}\n";

static int on_log(void *context, const char *line, size_t len) {
    const struct bench *bench = context;
    if (bench->told)
        fwrite(line, 1, len, stdout);
    return 0;
}

static void on_trace(void *context, const char *line) {
    const struct bench *bench = context;
    if (bench->told)
        puts(line);
}

void bench_begin_with(struct bench *bench, const struct testbed_options *options) {
    struct testbed_options how = *options;
    struct error err;
    *bench = (struct bench){.before = mem_stats(), .told = getenv("TOLD") != NULL};
    bench->log = (struct log){.level = LOG_DEBUG, .write = on_log, .context = bench};
    bench->shared = how.shared != NULL;
    how.engine = &lua_engine;
    how.log = &bench->log;
    how.trace = on_trace;
    how.context = bench;
    bench->testbed = testbed_create(&how, &err);
    if (bench->testbed == NULL)
        fail_msg("%s", err.message);
}

void bench_begin(struct bench *bench, uint64_t seed) {
    bench_begin_with(bench, &(struct testbed_options){.seed = seed});
}

void bench_end(struct bench *bench) {
    testbed_destroy(bench->testbed);
    if (!bench->shared)
        assert_int_equal(mem_stats().blocks, bench->before.blocks);
}

struct script_source *bench_source(const char *name, const char *text) {
    char path[64];
    struct error err;
    snprintf(path, sizeof path, "%s.lua", name);
    struct script_file file = {path, (char *)name, (char *)text, strlen(text)};
    struct script_source *source = source_create(name, &file, 1, &err);
    if (source == NULL)
        fail_msg("%s", err.message);
    return source;
}

static int load(struct bench *bench, const char *name, const char *text, struct error *err) {
    struct script_source *source = bench_source(name, text);
    int rc = testbed_load(bench->testbed, source, err);
    script_source_unref(source);
    return rc;
}

void bench_load(struct bench *bench, const char *name, const char *text) {
    struct error err;
    if (load(bench, name, text, &err) < 0)
        fail_msg("%s", err.message);
}

void bench_load_fails(struct bench *bench, const char *name, const char *text, struct error *ret) {
    assert_true(load(bench, name, text, ret) < 0);
}

void bench_settle(struct bench *bench) {
    struct error err;
    if (testbed_settle(bench->testbed, &err) < 0)
        fail_msg("%s", err.message);
}

void bench_advance(struct bench *bench, uint64_t ns) {
    struct error err;
    if (testbed_advance(bench->testbed, ns, &err) < 0)
        fail_msg("%s", err.message);
}

static int call(struct bench *bench, const char *method, const char *path, const char *body,
                struct testbed_answer *answer) {
    struct error err;
    struct testbed_request request = {
        .method = method,
        .path = path,
        .query = *method == 'P' ? "fieldManager=test&force=true" : NULL,
        .content_type = strcmp(method, "PATCH") == 0 ? "application/apply-patch+yaml" : NULL,
        .body = str_of(body)};
    if (testbed_call(bench->testbed, &request, answer, &err) < 0)
        fail_msg("%s", err.message);
    return answer->status;
}

void bench_call(struct bench *bench, const char *method, const char *path, const char *body,
                int status) {
    struct testbed_answer answer = {0};
    if (call(bench, method, path, body, &answer) != status)
        fail_msg("%s %s: %d, not %d: %s", method, path, answer.status, status,
                 answer.body.data ? answer.body.data : "");
    strbuf_finish(&answer.body);
}

void bench_put(struct bench *bench, const char *name, const char *value) {
    char path[128], body[256];
    struct testbed_answer answer = {0};
    snprintf(path, sizeof path, "/api/v1/namespaces/default/configmaps/%s", name);
    snprintf(body, sizeof body,
             "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\"},"
             "\"data\":{\"v\":\"%s\"}}",
             name, value);
    int status = call(bench, "PATCH", path, body, &answer);
    assert_true(status == 200 || status == 201);
    strbuf_finish(&answer.body);
}

char *bench_data(struct bench *bench, const char *name, const char *field) {
    char path[128];
    struct testbed_answer answer = {0};
    snprintf(path, sizeof path, "/api/v1/namespaces/default/configmaps/%s", name);
    call(bench, "GET", path, "", &answer);
    json_t *object = json_loadb(answer.body.data, answer.body.len, 0, NULL);
    const char *text = json_string_value(json_object_get(json_object_get(object, "data"), field));
    char *copy = text ? mem_strdup(text) : NULL;
    json_decref(object);
    strbuf_finish(&answer.body);
    return copy;
}

void bench_expect(struct bench *bench, const char *name, const char *field, const char *value) {
    char *got = bench_data(bench, name, field);
    if (got == NULL)
        fail_msg("%s has no %s", name, field);
    assert_string_equal(got, value);
    mem_free(got);
}

void bench_traced(struct bench *bench, const char *text, int times) {
    struct str trace = testbed_trace(bench->testbed);
    int found = 0;
    for (const char *at = trace.data; at && (at = strstr(at, text)); at++)
        found++;
    if (found != times) {
        fwrite(trace.data, 1, trace.len, stdout);
        fail_msg("\"%s\" is %d times in the trace, not %d", text, found, times);
    }
}
