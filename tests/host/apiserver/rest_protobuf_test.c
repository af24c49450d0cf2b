/* Requests whose body is protobuf: which are answered, and how those of no kind are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"

#define TYPE "application/vnd.kubernetes.protobuf"
#define MAPS "/api/v1/namespaces/default/configmaps"
#define BOATS "/apis/sea.example.com/v1/namespaces/default/boats"

static void add(struct strbuf *out, unsigned number, struct str bytes) { /* both below 128 */
    assert_true(number < 16 && bytes.len < 128);
    strbuf_addc(out, (char)(number << 3 | 2));
    strbuf_addc(out, (char)bytes.len);
    strbuf_add(out, bytes.data ? bytes.data : "", bytes.len);
}

/* Sends a message of a kind in its envelope. */
static json_t *send(struct api_client *client, const char *method, const char *path,
                    const char *api_version, const char *kind, struct str raw) {
    struct strbuf text = {0}, type = {0};
    add(&type, 1, str_of(api_version));
    add(&type, 2, str_of(kind));
    strbuf_add(&text, "k8s", 4);
    add(&text, 1, strbuf_view(&type));
    add(&text, 2, raw);
    json_t *answer = api_call_bytes(client, method, path, TYPE, strbuf_view(&text));
    strbuf_finish(&text);
    strbuf_finish(&type);
    return answer;
}

static void expect_message(struct api_client *client, json_t *answer, int status,
                           const char *message) {
    api_expect(client, status);
    assert_string_equal(text_at(answer, "message"), message);
    json_decref(answer);
}

static void expect_415(struct api_client *client, json_t *answer) {
    expect_message(client, answer, 415,
                   "the body of the request was in an unknown format - accepted media types "
                   "include: application/json, application/yaml, "
                   "application/vnd.kubernetes.protobuf");
}

static void what_is_no_message_is_refused(void **state) {
    struct api_client *client = *state;
    expect_message(client, api_call(client, "POST", MAPS, TYPE, "{}"), 400,
                   "the object provided is unrecognized (must be of type ConfigMap): provided data "
                   "does not appear to be a protobuf message, expected prefix [107 56 115 0]");
    expect_message(client, send(client, "POST", MAPS, "v1", "ConfigMap", str_of("\x0a\x05")), 400,
                   "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: unexpected EOF");
    expect_message(client, send(client, "POST", MAPS, "v1", "Secret", str_of("")), 400,
                   "Secret in version \"v1\" cannot be handled as a ConfigMap: no kind "
                   "\"Secret\" is registered for version \"v1\" in scheme "
                   "\"pkg/runtime/scheme.go:111\"");
    expect_415(client, send(client, "POST", MAPS, "v1", "ConfigMapList", str_of("")));
    expect_415(client, send(client, "POST", MAPS, "v2", "ConfigMap", str_of("")));
    expect_message(client, api_call(client, "PATCH", MAPS "/x", TYPE, "k8s"), 415,
                   "415: Unsupported Media Type");
}

static void custom_kinds_are_refused_but_their_deletion(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            "{\"metadata\":{\"name\":\"boats.sea.example.com\"},\"spec\":{\"group\":"
            "\"sea.example.com\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"boats\","
            "\"kind\":\"Boat\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
            "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}");
    api_expect(client, 201);
    expect_415(client, send(client, "POST", BOATS, "sea.example.com/v1", "Boat", str_of("")));
    expect_415(client, send(client, "POST", BOATS, "v1", "ConfigMap", str_of("")));
    api_put(
        client, "POST", BOATS,
        "{\"apiVersion\":\"sea.example.com/v1\",\"kind\":\"Boat\",\"metadata\":{\"name\":\"b\"}}");
    json_decref(send(client, "DELETE", BOATS "/b", "v1", "DeleteOptions", str_of("")));
    api_expect(client, 200);
}

/* metadata 1 {name 1}, data 2 {key 1, value 2}. */
static void an_object_is_made_as_if_by_json(void **state) {
    struct api_client *client = *state;
    json_t *made = send(client, "POST", MAPS, "v1", "ConfigMap",
                        str_of("\x0a\x03\x0a\x01x\x12\x06\x0a\x01k\x12\x01v"));
    api_expect(client, 201);
    assert_string_equal(text_at(made, "kind"), "ConfigMap");
    assert_string_equal(text_at(made, "data.k"), "v");
    assert_string_equal(text_at(made, "metadata.creationTimestamp"), "2026-01-01T00:00:00Z");
    assert_int_equal(json_array_size(value_at(made, "metadata.managedFields")), 1);
    json_decref(made);
    json_decref(send(client, "PUT", MAPS "/x", "", "", str_of("\x0a\x03\x0a\x01x")));
    api_expect(client, 200);
}

/* preconditions 2 {uid 1}, dryRun 5. */
static void the_options_of_a_deletion_count(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"x\"}}");
    json_decref(
        send(client, "DELETE", MAPS "/x", "v1", "DeleteOptions", str_of("\x12\x04\x0a\x02no")));
    api_expect(client, 409);
    json_decref(send(client, "DELETE", MAPS "/x", "apps/v1", "DeleteOptions",
                     str_of("\x2a\x03"
                            "All")));
    api_expect(client, 200);
    json_decref(send(client, "DELETE", MAPS, "v1", "DeleteOptions", str_of("")));
    api_expect(client, 200);
    json_decref(api_call(client, "GET", MAPS "/x", NULL, NULL));
    api_expect(client, 404);
}

/* Scale: spec 2 {replicas 1}; Eviction: metadata 1 {name 1}; Binding: target 2 {name 3}. */
static void subresources_and_reviews_are_read(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", "/apis/apps/v1/namespaces/default/deployments",
            "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
            "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{"
            "\"name\":\"c\",\"image\":\"i\"}]}}}}");
    json_t *scale = send(client, "PUT", "/apis/apps/v1/namespaces/default/deployments/d/scale",
                         "autoscaling/v1", "Scale",
                         str_of("\x0a\x03\x0a\x01"
                                "d\x12\x02\x08\x03"));
    api_expect(client, 200);
    assert_int_equal(json_integer_value(value_at(scale, "spec.replicas")), 3);
    json_decref(scale);
    api_put(client, "POST", "/api/v1/namespaces/default/pods",
            "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
            "\"i\"}]}}");
    json_decref(send(client, "POST", "/api/v1/namespaces/default/pods/p/binding", "v1", "Binding",
                     str_of("\x0a\x03\x0a\x01p\x12\x03\x1a\x01n")));
    api_expect(client, 201);
    json_decref(send(client, "POST", "/api/v1/namespaces/default/pods/p/eviction", "policy/v1",
                     "Eviction", str_of("\x0a\x03\x0a\x01p")));
    api_expect(client, 201);
    json_t *review = send(client, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                          "authentication.k8s.io/v1", "SelfSubjectReview", str_of("\x0a"));
    json_decref(review);
    api_expect(client, 400);
    review = send(client, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
                  "authentication.k8s.io/v1", "SelfSubjectReview", str_of(""));
    api_expect(client, 201);
    assert_string_equal(text_at(review, "status.userInfo.username"), "tester");
    json_decref(review);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_message_is_refused),     TEST(custom_kinds_are_refused_but_their_deletion),
        TEST(an_object_is_made_as_if_by_json),   TEST(the_options_of_a_deletion_count),
        TEST(subresources_and_reviews_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
