/* The admission plug-ins of every cluster, and who takes back what they put into objects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"

#define CORE "/api/v1/namespaces/default/"
#define CLAIM                                                                                      \
    "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"                \
    "\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}"
#define VOLUME                                                                                     \
    "{\"metadata\":{\"name\":\"v\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],"                \
    "\"capacity\":{\"storage\":\"1Gi\"},\"hostPath\":{\"path\":\"/v\"}}}"

static int get(struct api_client *client, const char *path) {
    json_decref(api_call(client, "GET", path, NULL, NULL));
    return client->status;
}

static void make_pod(struct api_client *client, const char *meta, const char *more) {
    api_put(client, "POST", CORE "pods",
            "{\"metadata\":{%s},\"spec\":{%s\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
            meta, more);
}

static void a_pod_needs_its_account(void **state) {
    struct api_client *client = *state;
    json_t *status = api_call(client, "POST", CORE "pods?dryRun=All", NULL,
                              "{\"metadata\":{\"generateName\":\"a-\"},\"spec\":{"
                              "\"serviceAccountName\":\"robot\",\"containers\":[]}}");
    api_expect(client, 403); /* before it is looked at otherwise */
    assert_string_equal(text_at(status, "message"),
                        "pods \"a-\" is forbidden: error looking up service account "
                        "default/robot: serviceaccount \"robot\" not found");
    json_decref(status);
    api_put(client, "POST", CORE "serviceaccounts", "{\"metadata\":{\"name\":\"robot\"}}");
    make_pod(client, "\"name\":\"a\"", "\"serviceAccountName\":\"robot\",");
    api_expect(client, 201);
}

/* `kubectl run` right after `kubectl create namespace`. */
static void the_default_account_is_not_waited_for(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"new\"}}");
    api_put(client, "POST", "/api/v1/namespaces/new/pods",
            "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":\"c\","
            "\"image\":\"i\"}]}}");
    api_expect(client, 201);
}

static void a_claim_stays_while_a_pod_has_it(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", CORE "persistentvolumeclaims", CLAIM);
    make_pod(client, "\"name\":\"user\"",
             "\"nodeName\":\"n\",\"volumes\":[{\"name\":\"v\",\"persistentVolumeClaim\":{"
             "\"claimName\":\"c\"}}],");
    make_pod(client, "\"name\":\"other\"", "\"nodeName\":\"n\",");
    api_put(client, "DELETE", CORE "persistentvolumeclaims/c", "{}");
    api_wait(client, 5);
    json_t *claim = api_call(client, "GET", CORE "persistentvolumeclaims/c", NULL, NULL);
    api_expect(client, 200);
    assert_true(text_at(claim, "metadata.deletionTimestamp")[0]);
    assert_string_equal(text_at(claim, "metadata.finalizers.0"), "kubernetes.io/pvc-protection");
    json_decref(claim);
    api_put(client, "DELETE", CORE "pods/other", "{\"gracePeriodSeconds\":0}");
    api_wait(client, 1);
    assert_int_equal(get(client, CORE "persistentvolumeclaims/c"), 200);
    api_put(client, "DELETE", CORE "pods/user", "{\"gracePeriodSeconds\":0}");
    api_wait(client, 1);
    assert_int_equal(get(client, CORE "persistentvolumeclaims/c"), 404);
}

static void a_volume_stays_while_it_is_bound(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", "/api/v1/persistentvolumes", VOLUME);
    api_put(client, "PATCH", "/api/v1/persistentvolumes/v/status",
            "{\"status\":{\"phase\":\"Bound\"}}");
    api_put(client, "DELETE", "/api/v1/persistentvolumes/v", "{}");
    api_wait(client, 5);
    assert_int_equal(get(client, "/api/v1/persistentvolumes/v"), 200);
    api_put(client, "PATCH", "/api/v1/persistentvolumes/v/status",
            "{\"status\":{\"phase\":\"Released\"}}");
    api_wait(client, 1);
    assert_int_equal(get(client, "/api/v1/persistentvolumes/v"), 404);
}

static void what_nobody_uses_goes_with_its_namespace(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"new\"}}");
    api_put(client, "POST", "/api/v1/namespaces/new/persistentvolumeclaims", CLAIM);
    api_put(client, "DELETE", "/api/v1/namespaces/new", "{}");
    api_wait(client, 2);
    assert_int_equal(get(client, "/api/v1/namespaces/new"), 404);
    assert_true(apiserver_idle(client->server));
}

static void a_new_node_is_tainted_once(void **state) {
    struct api_client *client = *state;
    json_t *node =
        api_call(client, "POST", "/api/v1/nodes", NULL, "{\"metadata\":{\"name\":\"n\"}}");
    assert_string_equal(text_at(node, "spec.taints.0.key"), "node.kubernetes.io/not-ready");
    assert_string_equal(text_at(node, "spec.taints.0.effect"), "NoSchedule");
    json_decref(node);
    node = api_call(client, "POST", "/api/v1/nodes", NULL,
                    "{\"metadata\":{\"name\":\"m\"},\"spec\":{\"taints\":[{\"key\":"
                    "\"node.kubernetes.io/not-ready\",\"effect\":\"NoSchedule\"},"
                    "{\"key\":\"a\",\"effect\":\"NoExecute\"}]}}");
    api_expect(client, 201);
    assert_int_equal(json_array_size(value_at(node, "spec.taints")), 2);
    json_decref(node);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_pod_needs_its_account),
        TEST(the_default_account_is_not_waited_for),
        TEST(a_claim_stays_while_a_pod_has_it),
        TEST(a_volume_stays_while_it_is_bound),
        TEST(what_nobody_uses_goes_with_its_namespace),
        TEST(a_new_node_is_tainted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
