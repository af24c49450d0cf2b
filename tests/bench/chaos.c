/* Histories of controllers/appservice.lua in the testbed: bench_chaos FILE SEEDS CASES. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bindings/engine.h"
#include "testbed/testbed.h"
#include "json/blocks.h"

#define SERVICES "/apis/app.example.com/v1/namespaces/default/appservices"
enum { NAMES = 3, STEPS = 10 };

struct bench {
    struct script_source *source;
    struct testbed_shared *shared;
    uint64_t requests, calls, faults;
};

static double cpu(void) {
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void die(const char *why) {
    fprintf(stderr, "bench_chaos: %s\n", why);
    exit(1);
}

static void must(int rc, const struct error *err) {
    if (rc < 0)
        die(err->message);
}

static struct testbed *begin(struct bench *bench, uint64_t seed) {
    struct error err;
    struct testbed_options options = {.seed = seed, .engine = &lua_engine, .shared = bench->shared};
    struct testbed *testbed = testbed_create(&options, &err);
    if (testbed == NULL)
        die(err.message);
    return testbed;
}

static void end(struct bench *bench, struct testbed *testbed) {
    struct testbed_stats stats = testbed_stats(testbed);
    bench->requests += stats.requests;
    bench->calls += stats.calls;
    for (unsigned fault = 0; fault < SIM_FAULTS; fault++)
        bench->faults += testbed_happened(testbed, fault);
    testbed_destroy(testbed);
}

static void load(struct bench *bench, struct testbed *testbed) {
    struct error err;
    must(testbed_load(testbed, bench->source, &err), &err);
}

static int ask(struct testbed *testbed, const struct testbed_request *request) {
    struct testbed_answer answer = {0};
    struct error err;
    must(testbed_call(testbed, request, &answer, &err), &err);
    strbuf_finish(&answer.body);
    return answer.status;
}

static int call(struct testbed *testbed, const char *method, const char *path) {
    return ask(testbed, &(struct testbed_request){.method = method, .path = path});
}

static void apply(struct testbed *testbed, unsigned name, unsigned size) {
    char path[128], body[400];
    snprintf(path, sizeof path, SERVICES "/s%u", name);
    snprintf(body, sizeof body,
             "{\"apiVersion\":\"app.example.com/v1\",\"kind\":\"AppService\",\"metadata\":{"
             "\"name\":\"s%u\"},\"spec\":{\"size\":%u,\"image\":\"nginx\",\"ports\":[{\"port\":80,"
             "\"targetPort\":80}]}}",
             name, size);
    struct testbed_request request = {.method = "PATCH",
                                      .path = path,
                                      .query = "fieldManager=bench&force=true",
                                      .content_type = "application/apply-patch+yaml",
                                      .body = str_of(body)};
    if (ask(testbed, &request) / 100 != 2)
        die("an AppService was refused");
}

/* As tests/host/testbed/appservice_test.c has them. */
static void history(struct bench *bench, uint64_t seed) {
    struct testbed *testbed = begin(bench, seed);
    struct error err;
    if (seed % 2)
        testbed_chaos(testbed);
    load(bench, testbed);
    if (seed % 2 == 0)
        testbed_chaos(testbed);
    for (unsigned i = 0; i < STEPS; i++) {
        unsigned name = (unsigned)(seed / 3 + i * i) % NAMES;
        char path[128];
        snprintf(path, sizeof path, SERVICES "/s%u", name);
        if (i % 5 == 4 && call(testbed, "GET", path) == 200)
            call(testbed, "DELETE", path);
        else
            apply(testbed, name, 1 + i);
        must(testbed_advance(testbed, (i % 3) * 900 * NS_PER_MS, &err), &err);
    }
    testbed_calm(testbed);
    must(testbed_settle(testbed, &err), &err);
    end(bench, testbed);
}

/* What a case of `moonlet test` does: one AppService, converged. */
static void converge(struct bench *bench, uint64_t seed) {
    struct testbed *testbed = begin(bench, seed);
    struct error err;
    load(bench, testbed);
    apply(testbed, 0, 3);
    must(testbed_settle(testbed, &err), &err);
    if (call(testbed, "GET", "/apis/apps/v1/namespaces/default/deployments/s0") != 200)
        die("there is no Deployment");
    end(bench, testbed);
}

static void run(struct bench *bench, const char *what, uint64_t count,
                void (*one)(struct bench *bench, uint64_t seed)) {
    bench->requests = bench->calls = bench->faults = 0;
    double from = cpu();
    for (uint64_t seed = 1; seed <= count; seed++)
        one(bench, seed);
    double spent = cpu() - from, each = count ? 1 / (double)count : 0;
    printf("%-28s %7.2f ms CPU each   %6.1f requests, %.1f handler calls, %.1f faults\n", what,
           spent * 1e3 * each, (double)bench->requests * each, (double)bench->calls * each,
           (double)bench->faults * each);
}

int main(int argc, char **argv) {
    struct bench bench = {0};
    struct error err;
    if (argc != 4)
        die("usage: bench_chaos FILE SEEDS CASES");
    json_blocks_keep(); /* as moonlet does */
    bench.source = source_read(argv[1], NULL, &err);
    bench.shared = bench.source ? testbed_shared_create(&err) : NULL;
    if (bench.shared == NULL)
        die(err.message);
    run(&bench, "a history under faults", strtoull(argv[2], NULL, 10), history);
    run(&bench, "a case", strtoull(argv[3], NULL, 10), converge);
    testbed_shared_destroy(bench.shared);
    script_source_unref(bench.source);
    return 0;
}
