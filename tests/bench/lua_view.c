/* What a handler pays for its view of cached objects: CPU time per operation, on one thread. */
#include <stdio.h>
#include <time.h>

#include "support/harness.h"

enum { PODS = 10000, APPS = 200 };

static const char *const file =
    "local moonlet = require 'moonlet'\n"
    "local function definition(name, f)\n"
    "  return moonlet.controller { name = name, resource = 'v1/Pod', reads = { 'v1/Pod' }, "
    "reconcile = f }\n"
    "end\n"
    "return {\n"
    "  definition('nothing', function() end),\n"
    "  definition('fields', function(pod)\n"
    "    return pod.metadata.name == pod.status.podIP or pod.spec.nodeName == pod.status.phase\n"
    "      or pod.metadata.labels.app == 'x' and 1 or nil\n"
    "  end),\n"
    "  definition('update', function(pod, ctx) pod.metadata.labels.app = 'y'; ctx:update(pod) "
    "end),\n"
    "  definition('selector', function(_, ctx) ctx:list('v1/Pod', { labels = 'app=app-7' }) end),\n"
    "  definition('namespace', function(_, ctx) ctx:list('v1/Pod', { namespace = 'ns-7' }) end),\n"
    "}\n";

/* About 3 KB, as a small pod has. */
static char *pod(char *buf, size_t size, int i) {
    size_t at = (size_t)snprintf(
        buf, size,
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"pod-%d\",\"namespace\":"
        "\"ns-%d\",\"uid\":\"uid-%d\",\"resourceVersion\":\"%d\",\"labels\":{\"app\":\"app-%d\","
        "\"pod-template-hash\":\"abcdef%d\"}},\"spec\":{\"nodeName\":\"node-%d\",\"containers\":[",
        i, i % 50, i, i + 1, i % APPS, i % APPS, i % 100);
    for (int k = 0; k < 8; k++)
        at += (size_t)snprintf(
            buf + at, size - at,
            "%s{\"name\":\"c%d\",\"image\":\"registry.example.com/team/app:1.2.%d\","
            "\"env\":[{\"name\":\"A\",\"value\":\"b\"},{\"name\":\"C\",\"value\":"
            "\"d\"}],\"ports\":[{\"containerPort\":80,\"protocol\":\"TCP\"}],"
            "\"resources\":{\"requests\":{\"cpu\":\"100m\",\"memory\":\"64Mi\"}}}",
            k ? "," : "", k, k);
    snprintf(
        buf + at, size - at,
        "]},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.%d.%d\",\"conditions\":[{\"type\":"
        "\"Ready\",\"status\":\"True\"}]}}",
        i / 250, i % 250);
    return buf;
}

static double cpu_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static double measure(struct harness *h, struct script *script, unsigned definition,
                      const struct object *object, int times) {
    double start = cpu_us();
    for (int i = 0; i < times; i++) {
        struct script_call call = {.definition = definition,
                                   .function = "reconcile",
                                   .object = object,
                                   .reason = "event",
                                   .attempt = 1,
                                   .reconcile_id = "r",
                                   .ns = object_namespace(object),
                                   .name = object_name(object),
                                   .uid = object_uid(object),
                                   .context = h};
        struct script_result result = {0};
        struct script_run *run = NULL;
        lua_engine.call(script, &call, &run, &result);
        while (result.state == SCRIPT_WAITING)
            lua_engine.answer(harness_take(h), &result);
        if (result.state != SCRIPT_DONE)
            printf("definition %u: %s\n", definition, result.error.message);
        script_result_finish(&result);
    }
    return (cpu_us() - start) / times;
}

int main(void) {
    static const struct {
        const char *what;
        int times;
    } rows[] = {{"a call of a handler that does nothing", 20000},
                {"five fields of a pod read", 20000},
                {"one label changed, the update handed over", 20000},
                {"list of 10,000 pods by label, 50 found", 500},
                {"list of 10,000 pods by namespace, 200 found", 500}};
    char buf[8192];
    struct harness h;
    harness_open(&h);
    struct script *script = harness_load(&h, "bench.lua", file);
    struct store *store = harness_store(&h, "v1", "Pod");
    for (int i = 0; i < PODS; i++)
        harness_put(store, pod(buf, sizeof buf, i));
    const struct object *object = harness_object(&h, pod(buf, sizeof buf, 7));
    struct script_view views[5];
    for (unsigned i = 0; i < 5; i++)
        views[i] = (struct script_view){
            .definition = i, .kind = "v1/Pod", .store = store, .namespaced = true};
    lua_engine.bind(script, views, 5, NULL);
    double base = measure(&h, script, 0, object, rows[0].times);
    for (unsigned i = 0; i < 5; i++) {
        double us = i ? measure(&h, script, i, object, rows[i].times) : base;
        printf("%-46s %9.2f us CPU%s", rows[i].what, us, i ? "" : "\n");
        if (i)
            printf("   %9.2f above the empty call\n", us - base);
    }
    object_unpin(object);
    lua_engine.unload(script);
    store_destroy(store);
    harness_close(&h);
    return 0;
}
