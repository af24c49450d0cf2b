/* Answers that are a matter of the real server's habit: what is expected is what it said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"

#define CORE "/api/v1/namespaces/default/"
#define APPS "/apis/apps/v1/namespaces/default/"

static void assert_message(struct api_client *client, const char *method, const char *path,
                           const char *body, int status, const char *message) {
    const char *type = strcmp(method, "PATCH") == 0 ? "application/merge-patch+json" : NULL;
    json_t *answer = api_call(client, method, path, type, body);
    api_expect(client, status);
    assert_string_equal(text_at(answer, "message"), message);
    json_decref(answer);
}

static void a_pod_has_no_container(void **state) {
    struct api_client *client = *state;
    assert_message(client, "GET", CORE "pods/a/log", NULL, 404, "pods \"a\" not found");
    api_put(client, "POST", CORE "pods",
            "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
            "\"i\"}]}}");
    assert_message(client, "POST", CORE "pods/a/exec", "", 501,
                   "no container runs here, so there is no 'exec' of pod \"a\": moonlet's embedded "
                   "API server has no nodes; run the program yourself, or use a cluster with "
                   "nodes, such as kind");
}

static void a_status_is_held_against_its_object(void **state) {
    static const char deployment[] =
        "{\"metadata\":{\"name\":\"d\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"selector\":{"
        "\"matchLabels\":{\"x\":\"y\"}},\"template\":{\"metadata\":{\"labels\":{\"x\":\"y\"}},"
        "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}";
    struct api_client *client = *state;
    api_put(client, "POST", APPS "deployments", "%s", deployment);
    api_expect(client, 201);
    assert_message(client, "PATCH", APPS "deployments/d/status",
                   "{\"status\":{\"replicas\":1,\"readyReplicas\":2}}", 422,
                   "Deployment.apps \"d\" is invalid: status.readyReplicas: Invalid value: 2: "
                   "cannot be greater than status.replicas");
    assert_message(client, "PATCH", APPS "deployments/d/status",
                   "{\"status\":{\"replicas\":1,\"availableReplicas\":1}}", 422,
                   "Deployment.apps \"d\" is invalid: status.availableReplicas: Invalid value: 1: "
                   "cannot be greater than readyReplicas");
    api_put(client, "POST", CORE "services",
            "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}]}}");
    assert_message(client, "PATCH", CORE "services/s/status",
                   "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"192.0.2.1\"}]}}}", 422,
                   "Service \"s\" is invalid: status.loadBalancer.ingress: Forbidden: may only be "
                   "used when `spec.type` is 'LoadBalancer'");
    json_t *now =
        api_call(client, "PATCH", APPS "deployments/d/status", "application/merge-patch+json",
                 "{\"metadata\":{\"labels\":{\"a\":\"c\"}},\"status\":{\"replicas\":1}}");
    api_expect(client, 200);
    assert_string_equal(text_at(now, "metadata.labels.a"), "b");
    assert_int_equal(json_integer_value(value_at(now, "status.replicas")), 1);
    json_decref(now);
}

static void a_query_that_cannot_be_read_is_told(void **state) {
    static const char no_version[] = "resourceVersion: Invalid value: \"x\": strconv.ParseUint: "
                                     "parsing \"x\": invalid syntax";
    struct api_client *client = *state;
    assert_message(client, "GET", CORE "configmaps?limit=x", NULL, 400,
                   "strconv.ParseInt: parsing \"x\": invalid syntax");
    assert_message(client, "GET", CORE "configmaps/a?resourceVersion=x", NULL, 500, no_version);
    assert_message(client, "GET", CORE "configmaps?watch=1&resourceVersion=x", NULL, 500,
                   no_version);
    assert_message(client, "GET", CORE "configmaps?labelSelector=x+in", NULL, 400,
                   "unable to parse requirement: found '' expected: '('");
}

/* `?watch=1` is for lists. */
static void one_object_is_not_watched(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", CORE "configmaps", "{\"metadata\":{\"name\":\"a\"}}");
    json_t *map = api_call(client, "GET", CORE "configmaps/a?watch=1", NULL, NULL);
    assert_string_equal(text_at(map, "kind"), "ConfigMap");
    json_decref(map);
}

static void an_empty_list_of_metadata_has_no_items(void **state) {
    struct api_client *client = *state;
    client->accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    json_t *list = api_call(client, "GET", CORE "configmaps", NULL, NULL);
    assert_string_equal(text_at(list, "kind"), "PartialObjectMetadataList");
    assert_true(json_is_null(value_at(list, "items")));
    json_decref(list);
}

static void a_key_twice_is_told_and_the_last_counts(void **state) {
    static const char body[] =
        "{\"metadata\":{\"name\":\"t\"},\"dat\":1,\"data\":{\"a\":\"1\",\"a\":\"2\"}}";
    static const char patch[] = "{\"data\":{\"a\":\"3\",\"b\":\"1\",\"b\":\"4\"}}";
    struct api_client *client = *state;
    assert_message(client, "POST", CORE "configmaps?fieldValidation=Strict", body, 400,
                   "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding "
                   "error: duplicate field \"data.a\", unknown field \"dat\"");
    json_t *map = api_call(client, "POST", CORE "configmaps?fieldValidation=Ignore", NULL, body);
    api_expect(client, 201);
    assert_string_equal(text_at(map, "data.a"), "2");
    assert_int_equal(client->warnings.len, 0);
    json_decref(map);
    json_decref(api_call(client, "PATCH", CORE "configmaps/t?fieldValidation=Strict",
                         "application/merge-patch+json", patch));
    api_expect(client, 422);
    map = api_call(client, "PATCH", CORE "configmaps/t", "application/merge-patch+json", patch);
    api_expect(client, 200);
    assert_string_equal(text_at(map, "data.b"), "4");
    assert_string_equal(client->warnings.data, "299 - \"duplicate field \\\"data.b\\\"\"\n");
    json_decref(map);
    map = api_call(client, "PATCH", CORE "configmaps/t", "application/json-patch+json",
                   "[{\"op\":\"add\",\"op\":\"remove\",\"path\":\"/data/b\"}]");
    api_expect(client, 200);
    assert_null(value_at(map, "data.b"));
    assert_string_equal(client->warnings.data,
                        "299 - \"json patch duplicate field \\\"[0].op\\\"\"\n");
    json_decref(map);
}

static void discovery_tells_stored_versions_apart(void **state) {
    struct api_client *client = *state;
    json_t *list = api_call(client, "GET", "/apis/apps/v1", NULL, NULL);
    assert_string_equal(text_at(list, "resources.0.name"), "controllerrevisions");
    assert_string_equal(text_at(list, "resources.0.storageVersionHash"), "85nkx63pcBU=");
    json_decref(list);
    list = api_call(client, "GET", "/apis/events.k8s.io/v1", NULL, NULL);
    assert_string_equal(text_at(list, "resources.0.storageVersionHash"), "r2yiGXH7wu8=");
    json_decref(list);
    list = api_call(client, "GET", "/apis/authorization.k8s.io/v1", NULL, NULL);
    assert_string_equal(text_at(list, "resources.0.storageVersionHash"), "");
    json_decref(list);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_pod_has_no_container),
        TEST(a_status_is_held_against_its_object),
        TEST(a_query_that_cannot_be_read_is_told),
        TEST(one_object_is_not_watched),
        TEST(an_empty_list_of_metadata_has_no_items),
        TEST(a_key_twice_is_told_and_the_last_counts),
        TEST(discovery_tells_stored_versions_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
