/* Custom objects in versions between which a webhook converts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/plane.h"
#include "base/mem.h"
#include "support/given.h"

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define OLD "/apis/shop.io/v1beta1/namespaces/default/toys"
#define NEW "/apis/shop.io/v1/namespaces/default/toys"
#define VERSION(name, storage, field, more)                                                        \
    "{\"name\":\"" name "\",\"served\":true,\"storage\":" storage                                  \
    ",\"subresources\":{\"status\":{},\"scale\":{\"specReplicasPath\":\".spec." field              \
    "\",\"statusReplicasPath\":\".status.size\"}},\"schema\":{\"openAPIV3Schema\":{\"type\":"      \
    "\"object\",\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"" field            \
    "\":{\"type\":\"integer\"}" more                                                               \
    "}},\"status\":{\"type\":\"object\",\"properties\":{\"size\":"                                 \
    "{\"type\":\"integer\"}}}}}}}"
#define NEWER VERSION("v1", "true", "size", ",\"colour\":{\"type\":\"string\",\"default\":\"red\"}")
#define OLDER VERSION("v1beta1", "false", "big", "")

/* v1 says "size" where v1beta1 says "big". */
static void open_plane(struct plane *plane) {
    plane_open(plane);
    api_put(&plane->api, "POST", CRDS,
            "{\"metadata\":{\"name\":\"toys.shop.io\"},\"spec\":{\"group\":\"shop.io\","
            "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"toys\",\"kind\":\"Toy\"},"
            "\"conversion\":{\"strategy\":\"Webhook\",\"webhook\":{\"conversionReviewVersions\":["
            "\"v1\"],\"clientConfig\":{\"url\":\"https://hook/convert\"}}},\"versions\":[" NEWER
            "," OLDER "]}}");
    api_expect(&plane->api, 201);
}

static void rename_field(json_t *object, const char *from, const char *to) {
    json_t *spec = json_object_get(object, "spec");
    json_t *value = json_object_get(spec, from);
    if (value)
        json_object_set(spec, to, value);
    json_object_del(spec, from);
}

/* Answers the oldest ConversionReview; gives how many objects it was about. */
static size_t convert(struct plane *plane) {
    json_t *review = plane_review(plane), *object;
    assert_string_equal(fake_transport_what(&plane->webhooks),
                        "POST https://hook/convert?timeout=30s");
    assert_string_equal(text_at(review, "apiVersion"), "apiextensions.k8s.io/v1");
    json_t *objects = value_at(review, "request.objects");
    const char *wanted = text_at(review, "request.desiredAPIVersion");
    size_t i, count = json_array_size(objects);
    json_array_foreach(objects, i, object) {
        bool newer = strcmp(wanted, "shop.io/v1") == 0;
        assert_string_not_equal(text_at(object, "apiVersion"), wanted);
        rename_field(object, newer ? "big" : "size", newer ? "size" : "big");
        json_object_set_new(object, "apiVersion", json_string(wanted));
        json_object_set_new(json_object_get(object, "metadata"), "generation", json_integer(99));
    }
    json_t *answer =
        json_pack("{s:s, s:s, s:{s:O, s:O, s:{s:s}}}", "apiVersion", "apiextensions.k8s.io/v1",
                  "kind", "ConversionReview", "response", "uid", value_at(review, "request.uid"),
                  "convertedObjects", objects, "result", "status", "Success");
    char *text = json_dumps(answer, 0);
    fake_transport_answer(&plane->webhooks, 200, text);
    mem_free(text);
    json_decref(answer);
    json_decref(review);
    return count;
}

static void create_new(struct plane *plane, const char *name, int size) {
    api_put(&plane->api, "POST", NEW,
            "{\"apiVersion\":\"shop.io/v1\",\"kind\":\"Toy\",\"metadata\":{\"name\":\"%s\"},"
            "\"spec\":{\"size\":%d}}",
            name, size);
    api_expect(&plane->api, 201);
}

static json_int_t number_at(const json_t *document, const char *path) {
    return json_integer_value(value_at(document, path));
}

GIVEN(struct plane, open_plane, plane_close)

static void reads_are_converted(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    create_new(plane, "a", 1);
    create_new(plane, "b", 2);
    stream_ask(&plane->api, &answer, "GET", OLD "/a", NULL, NULL);
    assert_int_equal(convert(plane), 1);
    json_t *toy = stream_answer(&answer, 200);
    assert_string_equal(text_at(toy, "apiVersion"), "shop.io/v1beta1");
    assert_int_equal(number_at(toy, "spec.big"), 1);
    assert_null(value_at(toy, "spec.size"));
    assert_int_equal(number_at(toy, "metadata.generation"), 1);
    json_decref(toy);
    stream_ask(&plane->api, &answer, "GET", OLD "?limit=2", NULL, NULL);
    assert_int_equal(convert(plane), 2);
    json_t *list = stream_answer(&answer, 200);
    assert_string_equal(text_at(list, "kind"), "ToyList");
    assert_string_equal(text_at(list, "apiVersion"), "shop.io/v1beta1");
    assert_int_equal(number_at(list, "items.1.spec.big"), 2);
    json_decref(list);
    json_decref(api_call(&plane->api, "GET", NEW, NULL, NULL)); /* nobody is asked */
    api_expect(&plane->api, 200);
}

static void writes_are_converted_there_and_back(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    stream_ask(&plane->api, &answer, "POST", OLD, NULL,
               "{\"apiVersion\":\"shop.io/v1beta1\",\"kind\":\"Toy\",\"metadata\":{\"name\":\"a\"},"
               "\"spec\":{\"big\":3}}");
    convert(plane);
    assert_false(answer.ended);
    convert(plane);
    json_t *toy = stream_answer(&answer, 201);
    assert_int_equal(number_at(toy, "spec.big"), 3);
    json_decref(toy);
    toy = api_call(&plane->api, "GET", NEW "/a", NULL, NULL);
    assert_int_equal(number_at(toy, "spec.size"), 3);
    json_decref(toy);
    stream_ask(&plane->api, &answer, "PATCH", OLD "/a", "application/merge-patch+json",
               "{\"spec\":{\"big\":4}}");
    for (int i = 0; i < 3; i++)
        convert(plane);
    toy = stream_answer(&answer, 200);
    assert_int_equal(number_at(toy, "spec.big"), 4);
    assert_int_equal(number_at(toy, "metadata.generation"), 2);
    json_decref(toy);
    stream_ask(&plane->api, &answer, "PATCH", OLD "/a/scale", "application/merge-patch+json",
               "{\"spec\":{\"replicas\":5}}");
    convert(plane);
    convert(plane);
    toy = stream_answer(&answer, 200);
    assert_int_equal(number_at(toy, "spec.replicas"), 5);
    json_decref(toy);
    stream_ask(&plane->api, &answer, "DELETE", OLD "/a", NULL, NULL);
    convert(plane);
    json_decref(stream_answer(&answer, 200));
    api_put(&plane->api, "GET", NEW "/a", " ");
    api_expect(&plane->api, 404);
}

static void what_an_old_version_cannot_say_has_the_storage_versions_default(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    stream_ask(&plane->api, &answer, "POST", OLD, NULL,
               "{\"apiVersion\":\"shop.io/v1beta1\",\"kind\":\"Toy\",\"metadata\":{\"name\":\"a\"},"
               "\"spec\":{\"big\":3}}");
    convert(plane);
    convert(plane);
    json_decref(stream_answer(&answer, 201));
    json_t *toy = api_call(&plane->api, "GET", NEW "/a", NULL, NULL);
    assert_string_equal(text_at(toy, "spec.colour"), "red");
    json_decref(toy);
}

static void what_is_marked_for_deletion_keeps_its_form(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    create_new(plane, "a", 6);
    api_put(&plane->api, "PATCH", NEW "/a", "{\"metadata\":{\"finalizers\":[\"a.b/c\"]}}");
    stream_ask(&plane->api, &answer, "DELETE", OLD "/a", NULL, NULL);
    convert(plane);
    json_t *toy = stream_answer(&answer, 200);
    assert_int_equal(number_at(toy, "spec.big"), 6);
    json_decref(toy);
    toy = api_call(&plane->api, "GET", NEW "/a", NULL, NULL);
    assert_int_equal(number_at(toy, "spec.size"), 6);
    assert_string_not_equal(text_at(toy, "metadata.deletionTimestamp"), "");
    json_decref(toy);
}

static void watches_are_converted_in_order(void **state) {
    struct plane *plane = *state;
    struct api_stream stream;
    create_new(plane, "a", 1);
    stream_open(&plane->api, &stream,
                OLD "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
                    "&allowWatchBookmarks=true");
    create_new(plane, "b", 2);
    assert_null(stream_next(&stream));
    convert(plane);
    stream_expect(&stream, "ADDED", "a");
    json_t *event = stream_next(&stream);
    assert_string_equal(text_at(event, "type"), "BOOKMARK");
    json_decref(event);
    convert(plane);
    event = stream_next(&stream);
    assert_string_equal(text_at(event, "object.metadata.name"), "b");
    assert_int_equal(number_at(event, "object.spec.big"), 2);
    json_decref(event);
    create_new(plane, "c", 3);
    stream_close(&stream);
    assert_int_equal(plane->webhooks.cancelled, 1);
}

static void a_conversion_that_fails_says_why(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    create_new(plane, "a", 1);
    stream_ask(&plane->api, &answer, "GET", OLD "/a", NULL, NULL);
    fake_transport_fail(&plane->webhooks, ERROR_UNAVAILABLE, 0);
    json_t *status = stream_answer(&answer, 500);
    assert_string_equal(text_at(status, "message"),
                        "conversion webhook for shop.io/v1, Kind=Toy failed: Post "
                        "\"https://hook/convert?timeout=30s\": the network is away");
    json_decref(status);
    stream_open(&plane->api, &answer, OLD "?watch=1");
    fake_transport_answer(&plane->webhooks, 200,
                          "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":"
                          "\"ConversionReview\"}");
    json_t *event = stream_next(&answer);
    assert_string_equal(text_at(event, "type"), "ERROR");
    assert_string_equal(text_at(event, "object.message"),
                        "conversion webhook for shop.io/v1, Kind=Toy failed: no response provided");
    json_decref(event);
    assert_true(answer.ended);
    stream_close(&answer);
}

static void a_webhook_may_want_another_version(void **state) {
    struct plane *plane = *state;
    struct api_stream answer;
    api_put(&plane->api, "POST",
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            "{\"metadata\":{\"name\":\"m\"},\"webhooks\":[{\"name\":\"m.example.com\","
            "\"clientConfig\":{\"url\":\"https://hook/mutate\"},\"sideEffects\":\"None\","
            "\"admissionReviewVersions\":[\"v1\"],\"rules\":[{\"apiGroups\":[\"shop.io\"],"
            "\"apiVersions\":[\"v1\"],\"operations\":[\"CREATE\"],\"resources\":[\"toys\"]}]}]}");
    api_expect(&plane->api, 201);
    stream_ask(&plane->api, &answer, "POST", OLD, NULL,
               "{\"apiVersion\":\"shop.io/v1beta1\",\"kind\":\"Toy\",\"metadata\":{\"name\":\"a\"},"
               "\"spec\":{\"big\":3}}");
    convert(plane); /* for the webhook */
    struct str body = fake_transport_body(&plane->webhooks);
    json_t *review = json_loadb(body.data, body.len, 0, NULL);
    assert_string_equal(text_at(review, "request.kind.version"), "v1");
    assert_string_equal(text_at(review, "request.requestKind.version"), "v1beta1");
    assert_int_equal(number_at(review, "request.object.spec.size"), 3);
    char text[512]; /* [{"op":"replace","path":"/spec/size","value":7}] */
    snprintf(text, sizeof text,
             "{\"apiVersion\":\"admission.k8s.io/v1\",\"kind\":\"AdmissionReview\",\"response\":{"
             "\"uid\":\"%s\",\"allowed\":true,\"patchType\":\"JSONPatch\",\"patch\":"
             "\"W3sib3AiOiJyZXBsYWNlIiwicGF0aCI6Ii9zcGVjL3NpemUiLCJ2YWx1ZSI6N31d\"}}",
             text_at(review, "request.uid"));
    json_decref(review);
    fake_transport_answer(&plane->webhooks, 200, text);
    for (int i = 0; i < 3; i++) /* back, into storage, for the answer */
        convert(plane);
    json_t *toy = stream_answer(&answer, 201);
    assert_int_equal(number_at(toy, "spec.big"), 7);
    json_decref(toy);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(reads_are_converted),
        TEST(writes_are_converted_there_and_back),
        TEST(what_an_old_version_cannot_say_has_the_storage_versions_default),
        TEST(what_is_marked_for_deletion_keeps_its_form),
        TEST(watches_are_converted_in_order),
        TEST(a_conversion_that_fails_says_why),
        TEST(a_webhook_may_want_another_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
