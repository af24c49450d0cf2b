#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "testbed/internal.h"
#include "testbed/support/bench.h"

/* The API server's side of a webhook, over the wire that the testbed gives it. */

static const char judge[] =
    "local moonlet = require 'moonlet'\n"
    "return moonlet.webhook {\n"
    "  name = 'judge', resource = 'v1/ConfigMap',\n"
    "  validate = function(object, ctx)\n"
    "    if object.data.v == 'bad' then return moonlet.deny 'bad is not good' end\n"
    "  end,\n"
    "}\n";

static const char review[] =
    "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"request\":{"
    "\"uid\":\"u1\",\"kind\":{\"group\":\"\",\"version\":\"v1\",\"kind\":\"ConfigMap\"},"
    "\"resource\":{\"group\":\"\",\"version\":\"v1\",\"resource\":\"configmaps\"},"
    "\"name\":\"a\",\"namespace\":\"default\",\"operation\":\"CREATE\","
    "\"userInfo\":{\"username\":\"me\"},\"object\":{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
    "\"metadata\":{\"name\":\"a\",\"namespace\":\"default\"},\"data\":{\"v\":\"%s\"}},"
    "\"dryRun\":false,\"options\":{}}}";

struct told {
    bool done;
    int status, code;
    char body[512];
};

static void on_done(void *context, const struct http_answer *answer, struct str body,
                    const struct error *err) {
    struct told *told = context;
    told->done = true;
    told->status = answer ? answer->status : 0;
    told->code = err ? err->code : 0;
    snprintf(told->body, sizeof told->body, STR_FORMAT, STR_ARG(body));
}

static struct http_call *ask(struct bench *bench, const char *url, const char *value,
                             struct told *told) {
    static const struct http_header headers[] = {{"Content-Type", "application/json"}, {0}};
    struct http_transport *webhooks = &bench->testbed->webhooks.base;
    char body[1024];
    struct error err;
    *told = (struct told){0};
    snprintf(body, sizeof body, review, value);
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .headers = headers,
                                   .body = str_of(body),
                                   .timeout_ns = 10 * NS_PER_S,
                                   .on_done = on_done,
                                   .context = told};
    return webhooks->start(webhooks, &request, &err);
}

static const char url[] = "https://moonlet-1:9443/validate/judge?timeout=10s";

static void begin(struct bench *bench) {
    bench_begin(bench, 1);
    bench_load(bench, "judge", judge);
    bench_settle(bench);
}

static void host_answers_reviews(void **state) {
    struct bench bench;
    struct told told;
    (void)state;
    begin(&bench);
    ask(&bench, url, "good", &told);
    bench_settle(&bench);
    assert_int_equal(told.status, 200);
    assert_non_null(strstr(told.body, "\"allowed\":true"));
    ask(&bench, url, "bad", &told);
    bench_settle(&bench);
    assert_non_null(strstr(told.body, "\"allowed\":false"));
    assert_non_null(strstr(told.body, "bad is not good"));
    bench_traced(&bench, "POST /validate/judge: 200", 2);
    bench_end(&bench);
}

static void nobody_answers_for_others(void **state) {
    static const char *const urls[] = {"https://moonlet-2:9443/validate/judge",
                                       "https://elsewhere/validate/judge",
                                       "https://moonlet-1:9443/nothing/judge"};
    struct bench bench;
    struct told told;
    (void)state;
    begin(&bench);
    for (int i = 0; i < 3; i++) {
        ask(&bench, urls[i], "good", &told);
        bench_settle(&bench);
        assert_true(told.done);
        assert_int_equal(told.code, ERROR_UNAVAILABLE);
    }
    bench_end(&bench);
}

/* At every moment of a review: the asker hears that nobody is there, or the answer. */
static void asker_hears_of_a_host_that_dies(void **state) {
    (void)state;
    int refused = 0, answered = 0;
    for (uint64_t at = 0; at < 30; at++) {
        struct bench bench;
        struct told told;
        struct error err;
        begin(&bench);
        ask(&bench, url, "good", &told);
        bench_advance(&bench, at * 150 * 1000);
        assert_int_equal(testbed_restart(bench.testbed, &err), 0);
        bench_settle(&bench);
        assert_true(told.done);
        refused += told.code == ERROR_UNAVAILABLE;
        answered += told.status > 0;
        bench_end(&bench);
    }
    assert_true(refused > 0 && answered > 0);
    assert_int_equal(refused + answered, 30);
}

static void asker_may_go_away(void **state) {
    (void)state;
    for (uint64_t at = 0; at < 30; at++) {
        struct bench bench;
        struct told told;
        begin(&bench);
        struct http_call *call = ask(&bench, url, "good", &told);
        bench_advance(&bench, at * 100 * 1000);
        if (!told.done)
            bench.testbed->webhooks.base.cancel(&bench.testbed->webhooks.base, call);
        bench_settle(&bench);
        bench_end(&bench);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_answers_reviews),
        cmocka_unit_test(nobody_answers_for_others),
        cmocka_unit_test(asker_hears_of_a_host_that_dies),
        cmocka_unit_test(asker_may_go_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
