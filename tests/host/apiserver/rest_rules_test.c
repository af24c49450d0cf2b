/* What the server does to and asks of kinds that controllers use; subresources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"

#define NS "/api/v1/namespaces/default"
#define APPS "/apis/apps/v1/namespaces/default/deployments"
#define CONTAINERS "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"

static json_t *call(struct api_client *client, const char *method, const char *path,
                    const char *body) {
    return api_call(client, method, path, NULL, body);
}

static void make_app(struct api_client *client) {
    api_put(client, "POST", APPS,
            "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"selector\":{\"matchLabels\":{\"x\":\"y\"}},"
            "\"template\":{\"metadata\":{\"labels\":{\"x\":\"y\"}},\"spec\":{" CONTAINERS "}}}}");
    api_expect(client, 201);
}

static void make_pod(struct api_client *client, const char *name, const char *more) {
    api_put(client, "POST", NS "/pods",
            "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"x\":\"y\"}},\"spec\":{%s" CONTAINERS "}}",
            name, more);
    api_expect(client, 201);
}

static void generation_counts_changes_of_the_spec(void **state) {
    struct api_client client;
    (void)state;
    api_init(&client);
    make_app(&client);
    api_put(&client, "PATCH", APPS "/a", "{\"metadata\":{\"labels\":{\"l\":\"1\"}}}");
    api_put(&client, "PATCH", APPS "/a/status", "{\"status\":{\"replicas\":1}}");
    json_t *app = call(&client, "GET", APPS "/a", NULL);
    assert_int_equal(json_integer_value(value_at(app, "metadata.generation")), 1);
    assert_int_equal(json_integer_value(value_at(app, "status.replicas")), 1);
    json_decref(app);
    api_put(&client, "PATCH", APPS "/a", "{\"spec\":{\"replicas\":2},\"status\":{\"replicas\":7}}");
    app = call(&client, "GET", APPS "/a", NULL);
    assert_int_equal(json_integer_value(value_at(app, "metadata.generation")), 2);
    assert_int_equal(json_integer_value(value_at(app, "status.replicas")), 1);
    json_decref(app);
    app = call(&client, "GET", APPS "/a/scale", NULL);
    assert_int_equal(json_integer_value(value_at(app, "spec.replicas")), 2);
    assert_string_equal(text_at(app, "status.selector"), "x=y");
    json_decref(app);
    api_finish(&client);
}

static void immutable_fields_stay(void **state) {
    struct api_client client;
    (void)state;
    api_init(&client);
    make_app(&client);
    make_pod(&client, "p", "");
    assert_int_equal(
        api_put(&client, "PATCH", APPS "/a",
                "{\"spec\":{\"selector\":{\"matchLabels\":{\"z\":\"z\"}},\"template\":{"
                "\"metadata\":{\"labels\":{\"z\":\"z\"}}}}}"),
        422);
    assert_int_equal(api_put(&client, "PATCH", APPS "/a", "{\"spec\":{\"replicas\":\"two\"}}"),
                     422);
    assert_int_equal(api_put(&client, "PATCH", NS "/pods/p", "{\"spec\":{\"nodeName\":\"n\"}}"),
                     422);
    api_put(&client, "POST", NS "/configmaps",
            "{\"metadata\":{\"name\":\"m\"},\"immutable\":true,\"data\":{\"a\":\"b\"}}");
    assert_int_equal(api_put(&client, "PATCH", NS "/configmaps/m", "{\"data\":{\"a\":\"c\"}}"),
                     422);
    api_finish(&client);
}

static void secrets_read_string_data(void **state) {
    struct api_client client;
    (void)state;
    api_init(&client);
    json_t *secret = call(&client, "POST", NS "/secrets",
                          "{\"metadata\":{\"name\":\"s\"},\"stringData\":{\"a\":\"hello\"}}");
    assert_string_equal(text_at(secret, "data.a"), "aGVsbG8=");
    assert_string_equal(text_at(secret, "type"), "Opaque");
    assert_null(value_at(secret, "stringData"));
    json_decref(secret);
    assert_int_equal(
        api_put(&client, "PATCH", NS "/secrets/s", "{\"stringData\":{\"b\":\"hello\"}}"), 200);
    secret = call(&client, "GET", NS "/secrets/s", NULL); /* the patch was not taken for none */
    assert_string_equal(text_at(secret, "data.b"), "aGVsbG8=");
    json_decref(secret);
    assert_int_equal(api_put(&client, "PUT", NS "/secrets/s",
                             "{\"metadata\":{\"name\":\"s\"},\"type\":\"Opaque\",\"data\":{\"a\":"
                             "\"aGVsbG8=\",\"b\":\"aGVsbG8=\"},\"stringData\":{\"c\":\"hello\"}}"),
                     200);
    secret = call(&client, "GET", NS "/secrets/s", NULL); /* nor was this */
    assert_string_equal(text_at(secret, "data.c"), "aGVsbG8=");
    json_decref(secret);
    assert_int_equal(api_put(&client, "PATCH", NS "/secrets/s", "{\"type\":\"other\"}"), 422);
    api_finish(&client);
}

/* What is as it was stored is passed over, what stands beside it is not. */
static void updates_are_read_and_checked_where_they_differ(void **state) {
    static const char put[] =
        "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"replicas\":%s,\"odd\":%s,\"selector\":{"
        "\"matchLabels\":{\"x\":\"y\"}},\"template\":{\"metadata\":{\"labels\":{\"x\":\"y\"}},"
        "\"spec\":"
        "{%s" CONTAINERS "}}}}";
    struct api_client client;
    (void)state;
    api_init(&client);
    make_app(&client);
    assert_int_equal(
        api_put(&client, "PUT", APPS "/a", put, "2", "{\"b\":1}", "\"nodeSelector\":{},"), 200);
    json_t *app = call(&client, "GET", APPS "/a", NULL);
    assert_null(value_at(app, "spec.odd"));
    assert_null(value_at(app, "spec.template.spec.nodeSelector"));
    assert_string_equal(text_at(app, "spec.template.spec.containers.0.imagePullPolicy"), "Always");
    assert_int_equal(json_integer_value(value_at(app, "metadata.generation")), 2);
    json_decref(app);
    assert_int_equal(api_put(&client, "PUT", APPS "/a", put, "\"2\"", "null", ""), 400);
    assert_int_equal(api_put(&client, "PUT", APPS "/a", put, "-1", "null", ""), 422);
    assert_int_equal(
        api_put(&client, "PUT", APPS "/a", put, "2", "null", "\"restartPolicy\":\"Never\","), 422);
    api_finish(&client);
}

static void services_get_addresses_and_ports(void **state) {
    struct api_client client;
    (void)state;
    api_init(&client);
    json_t *one =
        call(&client, "POST", NS "/services",
             "{\"metadata\":{\"name\":\"one\"},\"spec\":{\"type\":\"NodePort\",\"ports\":["
             "{\"port\":80}]}}");
    api_expect(&client, 201);
    const char *address = text_at(one, "spec.clusterIP");
    json_int_t port = json_integer_value(value_at(one, "spec.ports.0.nodePort"));
    assert_true(strncmp(address, "10.96.", 6) == 0);
    assert_true(port >= 30000 && port <= 32767);
    assert_int_equal(api_put(&client, "POST", NS "/services",
                             "{\"metadata\":{\"name\":\"two\"},\"spec\":{\"clusterIP\":\"%s\","
                             "\"ports\":[{\"port\":80}]}}",
                             address),
                     422);
    assert_int_equal(api_put(&client, "POST", NS "/services",
                             "{\"metadata\":{\"name\":\"two\"},\"spec\":{\"type\":\"NodePort\","
                             "\"ports\":[{\"port\":80,\"nodePort\":%d}]}}",
                             (int)port),
                     422);
    assert_int_equal(
        api_put(&client, "PATCH", NS "/services/one", "{\"spec\":{\"clusterIP\":\"10.96.7.7\"}}"),
        422);
    assert_int_equal(
        api_put(&client, "PATCH", NS "/services/one", "{\"spec\":{\"type\":\"ClusterIP\"}}"), 200);
    json_t *again = call(&client, "GET", NS "/services/one", NULL);
    assert_string_equal(text_at(again, "spec.clusterIP"), address);
    assert_null(value_at(again, "spec.ports.0.nodePort"));
    json_decref(again);
    json_decref(one);
    api_finish(&client);
}

static void pods_wait_behind_their_gates_and_are_bound(void **state) {
    struct api_client client;
    (void)state;
    api_init(&client);
    make_pod(&client, "p", "\"schedulingGates\":[{\"name\":\"a.b/c\"}],");
    json_t *pod = call(&client, "GET", NS "/pods/p", NULL);
    assert_string_equal(text_at(pod, "status.phase"), "Pending");
    assert_string_equal(text_at(pod, "status.qosClass"), "BestEffort");
    assert_string_equal(text_at(pod, "status.conditions.0.reason"), "SchedulingGated");
    json_decref(pod);
    assert_int_equal(
        api_put(&client, "POST", NS "/pods/p/binding", "{\"target\":{\"name\":\"n\"}}"), 400);
    assert_int_equal(api_put(&client, "POST", NS "/pods/p/binding",
                             "{\"metadata\":{\"name\":\"p\"},\"target\":{\"name\":\"n\"}}"),
                     409);
    assert_int_equal(
        api_put(&client, "PATCH", NS "/pods/p", "{\"spec\":{\"schedulingGates\":null}}"), 200);
    assert_int_equal(
        api_put(&client, "POST", NS "/pods/p/binding",
                "{\"metadata\":{\"name\":\"p\",\"uid\":\"other\"},\"target\":{\"name\":\"n\"}}"),
        409);
    assert_int_equal(api_put(&client, "POST", NS "/pods/p/binding",
                             "{\"metadata\":{\"name\":\"p\"},\"target\":{\"name\":\"n\"}}"),
                     201);
    assert_int_equal(api_put(&client, "POST", NS "/pods/p/binding",
                             "{\"metadata\":{\"name\":\"p\"},\"target\":{\"name\":\"m\"}}"),
                     409);
    pod = call(&client, "GET", NS "/pods/p", NULL);
    assert_string_equal(text_at(pod, "spec.nodeName"), "n");
    json_decref(pod);
    json_decref(call(&client, "GET", NS "/pods/p/log", NULL));
    api_expect(&client, 501);
    api_finish(&client);
}

static void evictions_respect_the_budget(void **state) {
    struct api_client client;
    (void)state;
    api_init(&client);
    make_pod(&client, "p", "\"nodeName\":\"n\",");
    api_put(&client, "PATCH", NS "/pods/p/status", "{\"status\":{\"phase\":\"Running\"}}");
    api_put(&client, "POST", "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
            "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"minAvailable\":1,\"selector\":{"
            "\"matchLabels\":{\"x\":\"y\"}}}}");
    assert_int_equal(
        api_put(&client, "POST", NS "/pods/p/eviction", "{\"metadata\":{\"name\":\"p\"}}"), 429);
    api_put(&client, "PATCH", "/apis/policy/v1/namespaces/default/poddisruptionbudgets/b/status",
            "{\"status\":{\"disruptionsAllowed\":1,\"observedGeneration\":1,\"currentHealthy\":2,"
            "\"desiredHealthy\":1,\"expectedPods\":2}}");
    assert_int_equal(
        api_put(&client, "POST", NS "/pods/p/eviction", "{\"metadata\":{\"name\":\"p\"}}"), 201);
    json_t *budget =
        call(&client, "GET", "/apis/policy/v1/namespaces/default/poddisruptionbudgets/b", NULL);
    assert_int_equal(json_integer_value(value_at(budget, "status.disruptionsAllowed")), 0);
    json_decref(budget);
    json_t *pod = call(&client, "GET", NS "/pods/p", NULL);
    assert_true(text_at(pod, "metadata.deletionTimestamp")[0]);
    json_decref(pod);
    api_finish(&client);
}

static void a_lease_is_created_by_its_update(void **state) {
    static const char path[] = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    struct api_client client;
    (void)state;
    api_init(&client);
    assert_int_equal(api_put(&client, "PUT", path, "{\"metadata\":{\"name\":\"l\"}}"), 201);
    assert_int_equal(api_put(&client, "PUT", path, "{\"metadata\":{\"name\":\"l\"}}"), 422);
    api_finish(&client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generation_counts_changes_of_the_spec),
        cmocka_unit_test(immutable_fields_stay),
        cmocka_unit_test(secrets_read_string_data),
        cmocka_unit_test(updates_are_read_and_checked_where_they_differ),
        cmocka_unit_test(services_get_addresses_and_ports),
        cmocka_unit_test(pods_wait_behind_their_gates_and_are_bound),
        cmocka_unit_test(evictions_respect_the_budget),
        cmocka_unit_test(a_lease_is_created_by_its_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
