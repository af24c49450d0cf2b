#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "testbed/support/bench.h"

static const char asking[] =
    "local moonlet = require 'moonlet'\n"
    "local http = require 'moonlet.http'\n"
    "return moonlet.controller {\n"
    "  name = 'asking', resource = 'v1/ConfigMap', owns = { 'v1/ConfigMap' },\n"
    "  http = { 'https://example.com/' },\n"
    "  reconcile = function(object, ctx)\n"
    "    if object.metadata.name == 'heard' then return end\n"
    "    local answer, why = http.post { url = 'https://example.com/a/b', retries = 0,\n"
    "      headers = { ['X-Key'] = 'k' }, body = 'hello' }\n"
    "    ctx:apply { apiVersion = 'v1', kind = 'ConfigMap', metadata = { name = 'heard' },\n"
    "      data = answer and { status = tostring(answer.status), body = answer.body,\n"
    "        header = answer.headers['x-back'] } or { why = why } }\n"
    "  end,\n"
    "}\n";

struct heard {
    struct testbed_fetch *later;
    bool late;
};

static void handle(void *context, struct testbed_fetch *fetch, const char *method, const char *url,
                   const struct http_header *headers, struct str body) {
    static const struct http_header back[] = {{"X-Back", "yes"}, {0}};
    struct heard *heard = context;
    assert_string_equal(method, "POST");
    assert_string_equal(url, "https://example.com/a/b");
    assert_true(str_is(body, "hello"));
    bool keyed = false;
    for (; headers->name; headers++)
        keyed |= strcmp(headers->name, "X-Key") == 0 && strcmp(headers->value, "k") == 0;
    assert_true(keyed);
    heard->later = fetch;
    if (!heard->late)
        testbed_answer_fetch(fetch, 203, back, str_of("world"));
}

static void wrong(void *context, struct testbed_fetch *fetch, const char *method, const char *url,
                  const struct http_header *headers, struct str body) {
    (void)context, (void)method, (void)headers, (void)body;
    testbed_answer_fetch(fetch, 500, NULL, str_of(url));
    fail();
}

static void scripts_ask_the_handler_with_the_longest_prefix(void **state) {
    struct heard heard = {0};
    struct bench bench;
    struct error err;
    (void)state;
    bench_begin(&bench, 1);
    testbed_http(bench.testbed, "https://example.com/a/", &(struct testbed_handler){handle, &heard},
                 &err);
    testbed_http(bench.testbed, "https://", &(struct testbed_handler){wrong, NULL}, &err);
    testbed_http(bench.testbed, "https://example.com/a/longer",
                 &(struct testbed_handler){wrong, NULL}, &err);
    bench_load(&bench, "asking", asking);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    bench_expect(&bench, "heard", "status", "203");
    bench_expect(&bench, "heard", "body", "world");
    bench_expect(&bench, "heard", "header", "yes");
    bench_end(&bench);
}

static void nobody_listens_without_a_handler(void **state) {
    struct bench bench;
    (void)state;
    bench_begin(&bench, 2);
    bench_load(&bench, "asking", asking);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    char *why = bench_data(&bench, "heard", "why");
    assert_non_null(strstr(why, "connection refused"));
    mem_free(why);
    bench_end(&bench);
}

static void answer_may_come_after_the_asker_is_dead(void **state) {
    struct heard heard = {.late = true};
    struct bench bench;
    struct error err;
    (void)state;
    bench_begin(&bench, 3);
    testbed_http(bench.testbed, "https://example.com/", &(struct testbed_handler){handle, &heard},
                 &err);
    bench_load(&bench, "asking", asking);
    bench_put(&bench, "a", "1");
    while (heard.later == NULL)
        bench_advance(&bench, NS_PER_MS);
    struct testbed_fetch *first = heard.later;
    heard.late = false;
    assert_int_equal(testbed_restart(bench.testbed, &err), 0);
    testbed_answer_fetch(first, 200, NULL, str_of("to nobody"));
    bench_settle(&bench);
    bench_expect(&bench, "heard", "body", "world");
    bench_end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_ask_the_handler_with_the_longest_prefix),
        cmocka_unit_test(nobody_listens_without_a_handler),
        cmocka_unit_test(answer_may_come_after_the_asker_is_dead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
