/* Admission webhooks: who is asked what, and what comes of the answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/plane.h"
#include "kube/base64.h"
#include "support/given.h"

#define GROUP "/apis/admissionregistration.k8s.io/v1/"
#define MUTATING GROUP "mutatingwebhookconfigurations"
#define VALIDATING GROUP "validatingwebhookconfigurations"
#define MAPS "/api/v1/namespaces/default/configmaps"

/* One webhook of a configuration; `more` are members with a comma before them. */
static void configure(struct plane *plane, const char *path, const char *name, const char *more) {
    api_put(&plane->api, "POST", path,
            "{\"metadata\":{\"name\":\"%s\"},\"webhooks\":[{\"name\":\"%s.example.com\","
            "\"clientConfig\":{\"url\":\"https://hook/%s\"},\"sideEffects\":\"None\","
            "\"admissionReviewVersions\":[\"v1\"],\"rules\":[{\"apiGroups\":[\"*\"],"
            "\"apiVersions\":[\"*\"],\"operations\":[\"*\"],\"resources\":[\"configmaps\",\"toys\","
            "\"pods\"]}]%s}]}",
            name, name, name, more);
    api_expect(&plane->api, 201);
}

static void create_map(struct plane *plane, struct api_stream *stream, const char *name) {
    char body[256];
    snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"a\":\"b\"}}}", name);
    stream_ask(&plane->api, stream, "POST", MAPS, NULL, body);
}

/* Answers the oldest review with these members of response; takes `patch`. */
static void respond(struct plane *plane, const char *members, const char *patch) {
    json_t *review = plane_review(plane);
    struct strbuf text = {0}, coded = {0};
    strbuf_printf(&text,
                  "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\","
                  "\"response\":{\"uid\":\"%s\",%s",
                  text_at(review, "request.uid"), members);
    if (patch) {
        base64_encode(&coded, patch, strlen(patch));
        strbuf_printf(&text, ",\"patchType\":\"JSONPatch\",\"patch\":\"%s\"", coded.data);
    }
    strbuf_adds(&text, "}}");
    json_decref(review);
    fake_transport_answer(&plane->webhooks, 200, text.data);
    strbuf_finish(&text);
    strbuf_finish(&coded);
}

static void expect_asked(const struct plane *plane, const char *what) {
    assert_string_equal(fake_transport_what(&plane->webhooks), what);
}

/* --- reviews ------------------------------------------------------------------------------- */

GIVEN(struct plane, plane_open, plane_close)

static void a_review_tells_what_is_written(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    configure(plane, VALIDATING, "judge", ",\"timeoutSeconds\":7");
    stream_ask(&plane->api, &answer, "POST", MAPS "?fieldManager=me&fieldValidation=Strict", NULL,
               "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}");
    expect_asked(plane, "POST https://hook/judge?timeout=7s");
    json_t *review = plane_review(plane), *request = value_at(review, "request");
    assert_string_equal(text_at(review, "apiVersion"), "admission.k8s.io/v1");
    assert_string_equal(text_at(request, "kind.kind"), "ConfigMap");
    assert_string_equal(text_at(request, "resource.resource"), "configmaps");
    assert_string_equal(text_at(request, "requestKind.version"), "v1");
    assert_string_equal(text_at(request, "name"), "a");
    assert_string_equal(text_at(request, "namespace"), "default");
    assert_string_equal(text_at(request, "operation"), "CREATE");
    assert_string_equal(text_at(request, "userInfo.username"), "tester");
    assert_string_equal(text_at(request, "object.apiVersion"), "v1");
    assert_string_equal(text_at(request, "object.data.k"), "v");
    assert_true(json_is_null(value_at(request, "oldObject")));
    assert_true(json_is_false(value_at(request, "dryRun")));
    assert_string_equal(text_at(request, "options.kind"), "CreateOptions");
    assert_string_equal(text_at(request, "options.fieldManager"), "me");
    assert_string_equal(text_at(request, "options.fieldValidation"), "Strict");
    json_decref(review);
    respond(plane, "\"allowed\":true,\"warnings\":[\"not nice\"]", NULL);
    assert_string_equal(answer.warnings.data, "299 - \"not nice\"\n");
    json_decref(stream_answer(&answer, 201));
    stream_ask(&plane->api, &answer, "DELETE", MAPS "/a", NULL, NULL);
    review = plane_review(plane);
    request = value_at(review, "request");
    assert_string_equal(text_at(request, "operation"), "DELETE");
    assert_true(json_is_null(value_at(request, "object")));
    assert_string_equal(text_at(request, "oldObject.data.k"), "v");
    assert_string_equal(text_at(request, "options.kind"), "DeleteOptions");
    json_decref(review);
    respond(plane, "\"allowed\":true", NULL);
    json_decref(stream_answer(&answer, 200));
}

static void a_denial_is_in_the_servers_words(void **state) {
    struct plane *plane = *state;
    static const struct {
        const char *response, *message, *reason;
        int code;
    } cases[] = {
        {"\"allowed\":false,\"status\":{\"message\":\"not today\",\"reason\":\"Forbidden\","
         "\"code\":403}",
         "admission webhook \"judge.example.com\" denied the request: not today", "Forbidden", 403},
        {"\"allowed\":false,\"status\":{\"code\":200,\"reason\":\"Nope\"}",
         "admission webhook \"judge.example.com\" denied the request: Nope", "Nope", 400},
        {"\"allowed\":false",
         "admission webhook \"judge.example.com\" denied the request without explanation", "",
         400}};
    struct api_stream answer;
    configure(plane, VALIDATING, "judge", "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        create_map(plane, &answer, "a");
        respond(plane, cases[i].response, NULL);
        json_t *status = stream_answer(&answer, cases[i].code);
        assert_string_equal(text_at(status, "message"), cases[i].message);
        assert_string_equal(text_at(status, "reason"), cases[i].reason);
        json_decref(status);
    }
    json_decref(api_call(&plane->api, "GET", MAPS "/a", NULL, NULL));
    api_expect(&plane->api, 404);
}

/* --- who is asked -------------------------------------------------------------------------- */

static void nobody_is_asked(struct plane *plane, const char *name) {
    struct api_stream answer;
    create_map(plane, &answer, name);
    json_decref(stream_answer(&answer, 201));
}

static void selectors_and_rules_say_who_is_asked(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    configure(plane, VALIDATING, "spaces",
              ",\"namespaceSelector\":{\"matchLabels\":{\"strict\":\"yes\"}}");
    configure(plane, VALIDATING, "labels",
              ",\"objectSelector\":{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"NotIn\","
              "\"values\":[\"b\"]}]}");
    nobody_is_asked(plane, "a");
    api_put(&plane->api, "PATCH", "/api/v1/namespaces/default",
            "{\"metadata\":{\"labels\":{\"strict\":\"yes\"}}}");
    create_map(plane, &answer, "b");
    expect_asked(plane, "POST https://hook/spaces?timeout=10s");
    respond(plane, "\"allowed\":true", NULL);
    json_decref(stream_answer(&answer, 201));
    stream_ask(&plane->api, &answer, "POST", "/api/v1/namespaces/default/secrets", NULL,
               "{\"metadata\":{\"name\":\"s\"}}");
    json_decref(stream_answer(&answer, 201));
}

static void a_dry_run_asks_the_harmless_alone(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    configure(plane, VALIDATING, "judge", "");
    stream_ask(&plane->api, &answer, "POST", MAPS "?dryRun=All", NULL,
               "{\"metadata\":{\"name\":\"a\"}}");
    json_t *review = plane_review(plane);
    assert_true(json_is_true(value_at(review, "request.dryRun")));
    assert_string_equal(text_at(review, "request.options.dryRun.0"), "All");
    json_decref(review);
    respond(plane, "\"allowed\":true", NULL);
    json_decref(stream_answer(&answer, 201));
}

static void a_configuration_is_checked(void **state) {
    struct plane *plane = *state;
    static const char *const wrong[] = {
        ("\"url\":\"https://a/b\"},\"sideEffects\":\"None\",\"matchConditions\":[{\"name\":\"a\","
         "\"expression\":\"variables.x\"}]"),
        "},\"sideEffects\":\"None\"",
        "\"url\":\"https://a/b\"},\"sideEffects\":\"None\",\"timeoutSeconds\":31",
        "\"url\":\"https://a/b\"},\"sideEffects\":\"Some\""};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(api_put(&plane->api, "POST", VALIDATING,
                                 "{\"metadata\":{\"name\":\"x\"},\"webhooks\":[{\"name\":"
                                 "\"x.example.com\",\"admissionReviewVersions\":[\"v1\"],"
                                 "\"clientConfig\":{%s}]}",
                                 wrong[i]),
                         422);
}

/* --- failures ------------------------------------------------------------------------------ */

static void a_failure_is_fatal_or_ignored(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    configure(plane, MUTATING, "a", ",\"failurePolicy\":\"Ignore\"");
    configure(plane, VALIDATING, "b", "");
    create_map(plane, &answer, "a");
    expect_asked(plane, "POST https://hook/a?timeout=10s");
    fake_transport_fail(&plane->webhooks, ERROR_UNAVAILABLE, 0);
    expect_asked(plane, "POST https://hook/b?timeout=10s");
    fake_transport_fail(&plane->webhooks, ERROR_TIMEOUT, 0);
    json_t *status = stream_answer(&answer, 500);
    assert_string_equal(text_at(status, "message"),
                        "Internal error occurred: failed calling webhook \"b.example.com\": failed "
                        "to call webhook: Post \"https://hook/b?timeout=10s\": context deadline "
                        "exceeded");
    assert_string_equal(text_at(status, "reason"), "InternalError");
    json_decref(status);
    create_map(plane, &answer, "a");
    fake_transport_answer(&plane->webhooks, 500, "oops");
    fake_transport_answer(&plane->webhooks, 200, "{\"response\":{\"uid\":\"other\"}}");
    status = stream_answer(&answer, 500);
    assert_non_null(strstr(text_at(status, "message"),
                           "received invalid webhook response: expected "
                           "response.uid="));
    json_decref(status);
}

static void a_service_cannot_be_reached(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    api_put(&plane->api, "POST", VALIDATING,
            "{\"metadata\":{\"name\":\"x\"},\"webhooks\":[{\"name\":\"x.example.com\","
            "\"clientConfig\":{\"service\":{\"namespace\":\"n\",\"name\":\"s\"}},"
            "\"admissionReviewVersions\":[\"v1\"],\"sideEffects\":\"None\",\"rules\":[{"
            "\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"operations\":[\"CREATE\"],"
            "\"resources\":[\"configmaps\"]}]}]}");
    api_expect(&plane->api, 201);
    create_map(plane, &answer, "a");
    json_t *status = stream_answer(&answer, 500);
    assert_non_null(strstr(text_at(status, "message"), "service \"n/s\""));
    json_decref(status);
}

/* --- patches ------------------------------------------------------------------------------- */

#define ADD(path, value) "[{\"op\":\"add\",\"path\":\"" path "\",\"value\":\"" value "\"}]"

static void patches_follow_the_order_of_names_and_are_seen_again(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    configure(plane, MUTATING, "b", "");
    configure(plane, MUTATING, "a", ",\"reinvocationPolicy\":\"IfNeeded\"");
    create_map(plane, &answer, "m");
    expect_asked(plane, "POST https://hook/a?timeout=10s");
    respond(plane, "\"allowed\":true", ADD("/metadata/labels/one", "1"));
    expect_asked(plane, "POST https://hook/b?timeout=10s");
    json_t *review = plane_review(plane);
    assert_string_equal(text_at(review, "request.object.metadata.labels.one"), "1");
    json_decref(review);
    respond(plane, "\"allowed\":true", ADD("/metadata/labels/two", "2"));
    expect_asked(plane, "POST https://hook/a?timeout=10s");
    review = plane_review(plane);
    assert_string_equal(text_at(review, "request.object.metadata.labels.two"), "2");
    json_decref(review);
    respond(plane, "\"allowed\":true", NULL);
    json_t *map = stream_answer(&answer, 201);
    assert_string_equal(text_at(map, "metadata.labels.one"), "1");
    assert_string_equal(text_at(map, "metadata.labels.two"), "2");
    json_decref(map);
}

static void a_patch_that_does_not_fit_is_an_error(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    configure(plane, MUTATING, "a", "");
    create_map(plane, &answer, "m");
    respond(plane, "\"allowed\":true", "[{\"op\":\"remove\",\"path\":\"/data/none\"}]");
    json_decref(stream_answer(&answer, 500));
    create_map(plane, &answer, "m");
    respond(plane, "\"allowed\":true", "no patch");
    json_decref(stream_answer(&answer, 500));
}

static void a_pod_is_complete_when_a_webhook_sees_it(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    configure(plane, MUTATING, "a", "");
    stream_ask(&plane->api, &answer, "POST", "/api/v1/namespaces/default/pods", NULL,
               "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\","
               "\"image\":\"i\"}]}}");
    json_t *review = plane_review(plane);
    assert_string_equal(text_at(review, "request.object.spec.serviceAccountName"), "default");
    json_decref(review);
    respond(plane, "\"allowed\":true",
            "[{\"op\":\"add\",\"path\":\"/spec/containers/-\",\"value\":{\"name\":\"d\","
            "\"image\":\"i\"}},{\"op\":\"add\",\"path\":\"/spec/tolerations/-\",\"value\":{"
            "\"key\":\"k\",\"operator\":\"Exists\"}}]");
    json_t *pod = stream_answer(&answer, 201);
    assert_string_equal(text_at(pod, "spec.containers.1.name"), "d");
    assert_string_equal(text_at(pod, "spec.containers.1.imagePullPolicy"), "Always");
    json_decref(pod);
}

/* --- meanwhile ----------------------------------------------------------------------------- */

static void an_update_that_lost_is_computed_anew(void **state) {
    struct plane *plane = *state;
    struct api_stream first, second;
    nobody_is_asked(plane, "m");
    configure(plane, VALIDATING, "a", "");
    const char *type = "application/merge-patch+json";
    stream_ask(&plane->api, &first, "PATCH", MAPS "/m", type, "{\"data\":{\"a\":\"1\"}}");
    stream_ask(&plane->api, &second, "PATCH", MAPS "/m", type, "{\"data\":{\"b\":\"2\"}}");
    respond(plane, "\"allowed\":true", NULL);
    json_decref(stream_answer(&first, 200));
    respond(plane, "\"allowed\":true", NULL); /* the live one is another now */
    assert_false(second.ended);
    respond(plane, "\"allowed\":true", NULL);
    json_t *map = stream_answer(&second, 200);
    assert_string_equal(text_at(map, "data.a"), "1");
    assert_string_equal(text_at(map, "data.b"), "2");
    json_decref(map);
}

static void a_replacement_that_lost_replaces_what_won(void **state) {
    struct plane *plane = *state;
    struct api_stream first, second;
    nobody_is_asked(plane, "m");
    configure(plane, VALIDATING, "a", "");
    stream_ask(&plane->api, &first, "PUT", MAPS "/m", NULL,
               "{\"metadata\":{\"name\":\"m\"},\"data\":{\"a\":\"1\"}}");
    stream_ask(&plane->api, &second, "PUT", MAPS "/m", NULL,
               "{\"metadata\":{\"name\":\"m\"},\"data\":{\"b\":\"2\"}}");
    respond(plane, "\"allowed\":true", NULL);
    json_decref(stream_answer(&first, 200));
    respond(plane, "\"allowed\":true", NULL);
    assert_false(second.ended);
    respond(plane, "\"allowed\":true", NULL);
    json_t *map = stream_answer(&second, 200);
    assert_null(value_at(map, "data.a"));
    assert_string_equal(text_at(map, "data.b"), "2");
    json_decref(map);
}

static void who_goes_away_takes_the_question_along(void **state) {
    struct plane plane;
    struct api_stream answer;
    (void)state;
    plane_open(&plane);
    configure(&plane, MUTATING, "a", "");
    create_map(&plane, &answer, "m");
    stream_close(&answer);
    assert_int_equal(plane.webhooks.cancelled, 1);
    create_map(&plane, &answer, "m");
    api_finish(&plane.api);
    assert_int_equal(plane.webhooks.cancelled, 2);
    json_decref(stream_answer(&answer, 503));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_review_tells_what_is_written),
        TEST(a_denial_is_in_the_servers_words),
        TEST(selectors_and_rules_say_who_is_asked),
        TEST(a_dry_run_asks_the_harmless_alone),
        TEST(a_configuration_is_checked),
        TEST(a_failure_is_fatal_or_ignored),
        TEST(a_service_cannot_be_reached),
        TEST(patches_follow_the_order_of_names_and_are_seen_again),
        TEST(a_patch_that_does_not_fit_is_an_error),
        TEST(a_pod_is_complete_when_a_webhook_sees_it),
        TEST(an_update_that_lost_is_computed_anew),
        TEST(a_replacement_that_lost_replaces_what_won),
        cmocka_unit_test(who_goes_away_takes_the_question_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
