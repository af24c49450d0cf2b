#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "testbed/support/bench.h"

static const char again[] = "local moonlet = require 'moonlet'\n"
                            "return moonlet.controller {\n"
                            "  name = 'again', resource = 'v1/ConfigMap',\n"
                            "  reconcile = function(object, ctx)\n"
                            "    ctx:requeue(600)\n"
                            "  end,\n"
                            "}\n";

/* Each write makes the next one necessary. */
static const char restless[] = "local moonlet = require 'moonlet'\n"
                               "return moonlet.controller {\n"
                               "  name = 'restless', resource = 'v1/ConfigMap',\n"
                               "  reconcile = function(object, ctx)\n"
                               "    local n = tonumber(object.data.n or 0) + 1\n"
                               "    object.data.n = tostring(n)\n"
                               "    ctx:update(object)\n"
                               "  end,\n"
                               "}\n";

static const char failing[] = "local moonlet = require 'moonlet'\n"
                              "return moonlet.controller {\n"
                              "  name = 'failing', resource = 'v1/ConfigMap',\n"
                              "  reconcile = function() error 'no' end,\n"
                              "}\n";

static const char endless[] = "local moonlet = require 'moonlet'\n"
                              "return moonlet.controller {\n"
                              "  name = 'endless', resource = 'v1/ConfigMap',\n"
                              "  retry = { attempts = 2 },\n"
                              "  reconcile = function() while true do end end,\n"
                              "}\n";

static const char sleepy[] =
    "local moonlet = require 'moonlet'\n"
    "return moonlet.controller {\n"
    "  name = 'sleepy', resource = 'v1/ConfigMap', timeout = '1h', owns = { 'v1/ConfigMap' },\n"
    "  reconcile = function(object, ctx)\n"
    "    if object.metadata.name == 'slept' then return end\n"
    "    local before, clock = ctx:now(), os.time()\n"
    "    ctx:sleep(1800)\n"
    "    ctx:apply { apiVersion = 'v1', kind = 'ConfigMap', metadata = { name = 'slept' },\n"
    "      data = { ctx = ('%.0f'):format(ctx:now() - before),\n"
    "        os = ('%.0f'):format(os.time() - clock), date = os.date('!%Y', clock) } }\n"
    "  end,\n"
    "}\n";

static void what_is_written_arrives(void **state) {
    struct bench bench;
    (void)state;
    bench_begin(&bench, 1);
    bench_load(&bench, "copier", bench_copier);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    bench_expect(&bench, "a-copy", "v", "1");
    bench_put(&bench, "a", "2");
    bench_settle(&bench);
    bench_expect(&bench, "a-copy", "v", "2");
    assert_true(testbed_elapsed(bench.testbed) < NS_PER_S);
    bench_end(&bench);
}

static void settled_host_stays_settled(void **state) {
    struct bench bench;
    (void)state;
    bench_begin(&bench, 2);
    bench_load(&bench, "copier", bench_copier);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    uint64_t calls = testbed_stats(bench.testbed).calls;
    bench_settle(&bench);
    bench_advance(&bench, 3600 * NS_PER_S); /* watches end and begin meanwhile */
    assert_int_equal(testbed_stats(bench.testbed).calls, calls);
    bench_end(&bench);
}

static void requeue_fires_at_its_time(void **state) {
    struct bench bench;
    (void)state;
    bench_begin(&bench, 3);
    bench_load(&bench, "again", again);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    assert_int_equal(testbed_stats(bench.testbed).calls, 1);
    uint64_t settled = testbed_elapsed(bench.testbed);
    assert_true(settled < NS_PER_S);
    bench_advance(&bench, 599 * NS_PER_S);
    assert_int_equal(testbed_stats(bench.testbed).calls, 1);
    bench_advance(&bench, NS_PER_S);
    assert_int_equal(testbed_stats(bench.testbed).calls, 2);
    assert_int_equal(testbed_elapsed(bench.testbed), settled + 600 * NS_PER_S);
    bench_advance(&bench, 6000 * NS_PER_S);
    assert_int_equal(testbed_stats(bench.testbed).calls, 12);
    bench_end(&bench);
}

static void sleep_and_clocks_are_virtual(void **state) {
    struct bench bench;
    (void)state;
    bench_begin(&bench, 4);
    bench_load(&bench, "sleepy", sleepy);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    assert_true(testbed_elapsed(bench.testbed) >= 1800 * NS_PER_S);
    bench_expect(&bench, "slept", "ctx", "1800");
    bench_expect(&bench, "slept", "os", "1800");
    bench_expect(&bench, "slept", "date", "2026");
    bench_end(&bench);
}

static void key_that_never_rests_is_named(void **state) {
    struct bench bench;
    struct error err;
    (void)state;
    bench_begin(&bench, 5);
    bench_load(&bench, "restless", restless);
    bench_put(&bench, "a", "1");
    assert_int_equal(testbed_settle(bench.testbed, &err), ERROR_TIMEOUT);
    assert_non_null(strstr(err.message, "controller restless: default/a ran 500 times"));
    bench_end(&bench);
}

static void key_that_fails_for_good_is_not_waited_for(void **state) {
    struct bench bench;
    (void)state;
    bench_begin(&bench, 6);
    bench_load(&bench, "failing", failing);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    assert_int_equal(testbed_stats(bench.testbed).failures, 11);
    bench_settle(&bench); /* and again, as long as it fails */
    assert_true(testbed_stats(bench.testbed).failures <= 22);
    bench_end(&bench);
}

static void script_that_does_not_end_is_stopped(void **state) {
    struct bench bench;
    struct testbed_options options = {.seed = 7, .limits = {.cpu_ns = 200 * NS_PER_MS}};
    (void)state;
    bench_begin_with(&bench, &options);
    bench_load(&bench, "endless", endless);
    bench_load(&bench, "copier", bench_copier);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    bench_traced(&bench, "endless reconcile default/a: endless.lua:5: ran for 0.2 s", 2);
    bench_expect(&bench, "a-copy", "v", "1");
    bench_end(&bench);
}

static void broken_file_is_refused_and_the_old_one_runs_on(void **state) {
    struct bench bench;
    struct error err;
    (void)state;
    bench_begin(&bench, 8);
    bench_load_fails(&bench, "copier", "return nonsense(", &err);
    assert_int_equal(err.code, ERROR_INVALID);
    bench_load(&bench, "copier", bench_copier);
    bench_load_fails(&bench, "copier", "return nonsense(", &err);
    assert_int_equal(err.code, ERROR_INVALID);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    bench_expect(&bench, "a-copy", "v", "1");
    assert_int_equal(testbed_unload(bench.testbed, "copier", &err), 0);
    assert_int_equal(testbed_unload(bench.testbed, "copier", &err), ERROR_NOT_FOUND);
    bench_put(&bench, "a", "2");
    bench_settle(&bench);
    bench_expect(&bench, "a-copy", "v", "1");
    bench_end(&bench);
}

static void file_waits_for_a_kind_and_goes_live(void **state) {
    static const char text[] = "return require('moonlet').controller { name = 'waiting',\n"
                               "  resource = 'example.com/v1/Thing',\n"
                               "  reconcile = function() end }\n";
    static const char crd[] =
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\","
        "\"metadata\":{\"name\":\"things.example.com\"},\"spec\":{\"group\":\"example.com\","
        "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"things\",\"kind\":\"Thing\","
        "\"singular\":\"thing\",\"listKind\":\"ThingList\"},\"versions\":[{\"name\":\"v1\","
        "\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{"
        "\"type\":\"object\"}}}]}}";
    struct bench bench;
    struct error err;
    (void)state;
    bench_begin(&bench, 9);
    bench_load_fails(&bench, "waiting", text, &err);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    bench_call(&bench, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd, 201);
    bench_settle(&bench);
    bench_call(&bench, "POST", "/apis/example.com/v1/namespaces/default/things",
               "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\","
               "\"metadata\":{\"name\":\"a\"}}",
               201);
    bench_settle(&bench);
    bench_traced(&bench, "waiting reconcile default/a: done", 1);
    bench_end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_arrives),
        cmocka_unit_test(settled_host_stays_settled),
        cmocka_unit_test(requeue_fires_at_its_time),
        cmocka_unit_test(sleep_and_clocks_are_virtual),
        cmocka_unit_test(key_that_never_rests_is_named),
        cmocka_unit_test(key_that_fails_for_good_is_not_waited_for),
        cmocka_unit_test(script_that_does_not_end_is_stopped),
        cmocka_unit_test(broken_file_is_refused_and_the_old_one_runs_on),
        cmocka_unit_test(file_waits_for_a_kind_and_goes_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
