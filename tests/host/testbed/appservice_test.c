#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "testbed/support/bench.h"

/* A shipped controller, under faults: CRD, owned objects, status, garbage collection. */

#define SERVICES "/apis/app.example.com/v1/namespaces/default/appservices"
enum { NAMES = 3 };

static void load(struct bench *bench) {
    struct error err;
    struct script_source *source =
        source_read(TEST_FOLDER "/../../../controllers/appservice.lua", NULL, &err);
    if (source == NULL || testbed_load(bench->testbed, source, &err) < 0)
        fail_msg("%s", err.message);
    script_source_unref(source);
}

static void put(struct bench *bench, unsigned name, unsigned size) {
    char path[128], body[400];
    struct testbed_answer answer = {0};
    struct error err;
    snprintf(path, sizeof path, SERVICES "/s%u", name);
    snprintf(body, sizeof body,
             "{\"apiVersion\":\"app.example.com/v1\",\"kind\":\"AppService\",\"metadata\":{"
             "\"name\":\"s%u\"},\"spec\":{\"size\":%u,\"image\":\"nginx\",\"ports\":[{\"port\":80,"
             "\"targetPort\":80}]}}",
             name, size);
    struct testbed_request request = {.method = "PATCH",
                                      .path = path,
                                      .query = "fieldManager=test&force=true",
                                      .content_type = "application/apply-patch+yaml",
                                      .body = str_of(body)};
    assert_int_equal(testbed_call(bench->testbed, &request, &answer, &err), 0);
    if (answer.status != 200 && answer.status != 201)
        fail_msg("%d: %s", answer.status, answer.body.data);
    strbuf_finish(&answer.body);
}

/* The number at spec.<field> of an object; -1: there is no such object. */
static long number_at(struct bench *bench, const char *path, const char *field) {
    struct testbed_answer answer = {0};
    struct error err;
    struct testbed_request request = {.method = "GET", .path = path};
    assert_int_equal(testbed_call(bench->testbed, &request, &answer, &err), 0);
    json_t *object = json_loadb(answer.body.data, answer.body.len, 0, NULL);
    json_t *value = json_object_get(json_object_get(object, "spec"), field);
    long number = answer.status == 200 ? (long)json_integer_value(value) : -1;
    json_decref(object);
    strbuf_finish(&answer.body);
    return number;
}

static void check(struct bench *bench, uint64_t seed) {
    for (unsigned i = 0; i < NAMES; i++) {
        char wanted[128], deployment[128], service[128];
        snprintf(wanted, sizeof wanted, SERVICES "/s%u", i);
        snprintf(deployment, sizeof deployment, "/apis/apps/v1/namespaces/default/deployments/s%u",
                 i);
        snprintf(service, sizeof service, "/api/v1/namespaces/default/services/s%u", i);
        long size = number_at(bench, wanted, "size");
        if (number_at(bench, deployment, "replicas") != size)
            fail_msg("seed %u: s%u shall have %ld replicas, has %ld", (unsigned)seed, i, size,
                     number_at(bench, deployment, "replicas"));
        assert_int_equal(number_at(bench, service, "none") >= 0, size >= 0);
    }
}

static void history(uint64_t seed, struct testbed_shared *shared) {
    struct bench bench;
    struct testbed_options options = {.seed = seed, .shared = shared};
    bench_begin_with(&bench, &options);
    if (seed % 2)
        testbed_chaos(bench.testbed);
    load(&bench);
    if (seed % 2 == 0)
        testbed_chaos(bench.testbed);
    for (unsigned i = 0; i < 10; i++) {
        unsigned name = (unsigned)(seed / 3 + i * i) % NAMES;
        char path[128];
        snprintf(path, sizeof path, SERVICES "/s%u", name);
        if (i % 5 == 4 && number_at(&bench, path, "size") >= 0)
            bench_call(&bench, "DELETE", path, "", 200);
        else
            put(&bench, name, 1 + i);
        bench_advance(&bench, (i % 3) * 900 * NS_PER_MS);
    }
    testbed_calm(bench.testbed);
    bench_settle(&bench);
    check(&bench, seed);
    bench_end(&bench);
}

static void controller_converges_under_faults(void **state) {
    struct testbed_shared *shared = testbed_shared_create(NULL);
    (void)state;
    for (uint64_t seed = 1; seed <= TESTBED_HISTORIES / 4; seed++)
        history(seed, shared);
    testbed_shared_destroy(shared);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controller_converges_under_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
