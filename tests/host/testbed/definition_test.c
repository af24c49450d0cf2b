/* Definitions that change under controllers that run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "testbed/support/bench.h"

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

static const char shows_color[] =
    "return require('moonlet').controller { name = 'shows-color',\n"
    "  resource = 'example.com/v1/Thing', owns = { 'v1/ConfigMap' },\n"
    "  reconcile = function(thing, ctx)\n"
    "    ctx:apply { apiVersion = 'v1', kind = 'ConfigMap', metadata = { name = 'shown' },\n"
    "      data = { color = thing.spec.color or 'none' } }\n"
    "  end }\n";

/* `color` is the schema of spec.color. */
static void define(struct bench *bench, const char *method, const char *color) {
    CLEANUP(mem_freep)
    char *crd = mem_printf(
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\","
        "\"metadata\":{\"name\":\"things.example.com\"},\"spec\":{\"group\":\"example.com\","
        "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"things\",\"kind\":\"Thing\"},"
        "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
        "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\","
        "\"properties\":{\"color\":%s}}}}}}]}}",
        color);
    bool post = strcmp(method, "POST") == 0;
    bench_call(bench, method, post ? CRDS : CRDS "/things.example.com", crd, post ? 201 : 200);
}

static void default_that_comes_later_reaches_the_cache(void **state) {
    struct bench bench;
    (void)state;
    bench_begin(&bench, 1);
    define(&bench, "POST", "{\"type\":\"string\"}");
    bench_call(&bench, "POST", "/apis/example.com/v1/namespaces/default/things",
               "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Thing\","
               "\"metadata\":{\"name\":\"a\"},\"spec\":{}}",
               201);
    bench_load(&bench, "shows-color", shows_color);
    bench_settle(&bench);
    bench_expect(&bench, "shown", "color", "none");
    define(&bench, "PATCH", "{\"type\":\"string\",\"default\":\"red\"}");
    bench_settle(&bench);
    bench_expect(&bench, "shown", "color", "red");
    bench_end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_that_comes_later_reaches_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
