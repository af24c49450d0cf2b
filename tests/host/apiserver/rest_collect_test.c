/* What the server does by itself: garbage collection, namespaces, grace periods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"

#define MAPS "/api/v1/namespaces/default/configmaps"
#define PODS "/api/v1/namespaces/default/pods"
#define POD_SPEC "\"spec\":{%s\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}"

static void make_map(struct api_client *client, const char *name, char uid[64]) {
    char body[128];
    snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"%s\"}}", name);
    json_t *map = api_call(client, "POST", MAPS, NULL, body);
    api_expect(client, 201);
    snprintf(uid, 64, "%s", text_at(map, "metadata.uid"));
    json_decref(map);
}

static void make_owned(struct api_client *client, const char *name, const char *owner,
                       const char *uid, const char *more) {
    api_put(client, "POST", MAPS,
            "{\"metadata\":{\"name\":\"%s\",\"ownerReferences\":[{\"apiVersion\":\"v1\","
            "\"kind\":\"ConfigMap\",\"name\":\"%s\",\"uid\":\"%s\"%s}]}}",
            name, owner, uid, more);
    api_expect(client, 201);
}

static int status_of(struct api_client *client, const char *path) {
    json_decref(api_call(client, "GET", path, NULL, NULL));
    return client->status;
}

static void an_absent_owner_takes_its_dependent_along(void **state) {
    struct api_client *client = *state;
    char uid[64];
    make_map(client, "owner", uid);
    make_owned(client, "stray", "owner", "of-another", "");
    make_owned(client, "good", "owner", uid, "");
    api_wait(client, 1);
    assert_int_equal(status_of(client, MAPS "/stray"), 404);
    assert_int_equal(status_of(client, MAPS "/good"), 200);
    assert_true(apiserver_idle(client->server));
}

static void background_deletion_follows_the_owner(void **state) {
    struct api_client *client = *state;
    char uid[64];
    make_map(client, "owner", uid);
    make_owned(client, "a", "owner", uid, "");
    make_owned(client, "b", "owner", uid, "");
    api_put(client, "DELETE", MAPS "/owner", "{}");
    assert_int_equal(status_of(client, MAPS "/owner"), 404);
    assert_int_equal(status_of(client, MAPS "/a"), 200);
    api_wait(client, 1);
    assert_int_equal(status_of(client, MAPS "/a"), 404);
    assert_int_equal(status_of(client, MAPS "/b"), 404);
}

static void foreground_deletion_waits_for_dependents(void **state) {
    struct api_client *client = *state;
    char uid[64];
    make_map(client, "owner", uid);
    api_put(client, "POST", MAPS,
            "{\"metadata\":{\"name\":\"slow\",\"finalizers\":[\"a.b/c\"],\"ownerReferences\":[{"
            "\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"owner\",\"uid\":\"%s\","
            "\"blockOwnerDeletion\":true}]}}",
            uid);
    api_put(client, "DELETE", MAPS "/owner", "{\"propagationPolicy\":\"Foreground\"}");
    api_wait(client, 1);
    assert_int_equal(status_of(client, MAPS "/owner"), 200);
    json_t *slow = api_call(client, "GET", MAPS "/slow", NULL, NULL);
    assert_true(text_at(slow, "metadata.deletionTimestamp")[0]);
    json_decref(slow);
    api_put(client, "PATCH", MAPS "/slow", "{\"metadata\":{\"finalizers\":null}}");
    api_wait(client, 1);
    assert_int_equal(status_of(client, MAPS "/slow"), 404);
    assert_int_equal(status_of(client, MAPS "/owner"), 404);
}

static void orphans_stay_without_their_owner(void **state) {
    struct api_client *client = *state;
    char uid[64];
    make_map(client, "owner", uid);
    make_owned(client, "a", "owner", uid, "");
    make_owned(client, "b", "owner", uid, "");
    api_put(client, "DELETE", MAPS "/owner", "{\"propagationPolicy\":\"Orphan\"}");
    api_wait(client, 1);
    assert_int_equal(status_of(client, MAPS "/owner"), 404);
    json_t *kept = api_call(client, "GET", MAPS "/b", NULL, NULL);
    assert_int_equal(json_array_size(value_at(kept, "metadata.ownerReferences")), 0);
    json_decref(kept);
}

static void a_namespace_goes_with_all_that_is_in_it(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"n\"}}");
    api_wait(client, 0);
    assert_int_equal(status_of(client, "/api/v1/namespaces/n/serviceaccounts/default"), 200);
    api_put(client, "POST", "/api/v1/namespaces/n/configmaps",
            "{\"metadata\":{\"name\":\"x\",\"finalizers\":[\"a.b/c\"]}}");
    api_put(client, "POST", "/api/v1/namespaces/n/secrets", "{\"metadata\":{\"name\":\"s\"}}");
    json_t *ns = api_call(client, "DELETE", "/api/v1/namespaces/n", NULL, NULL);
    api_expect(client, 200);
    assert_string_equal(text_at(ns, "status.phase"), "Terminating");
    json_decref(ns);
    assert_int_equal(api_put(client, "POST", "/api/v1/namespaces/n/configmaps",
                             "{\"metadata\":{\"name\":\"y\"}}"),
                     403);
    api_wait(client, 1);
    assert_int_equal(status_of(client, "/api/v1/namespaces/n"), 200);
    assert_int_equal(status_of(client, "/api/v1/namespaces/n/secrets/s"), 404);
    api_put(client, "PATCH", "/api/v1/namespaces/n/configmaps/x",
            "{\"metadata\":{\"finalizers\":null}}");
    api_wait(client, 1);
    assert_int_equal(status_of(client, "/api/v1/namespaces/n"), 404);
    assert_int_equal(api_put(client, "DELETE", "/api/v1/namespaces/default", "{}"), 403);
    assert_true(apiserver_idle(client->server));
}

static void only_finalize_changes_the_finalizers_of_a_spec(void **state) {
    static const char path[] = "/api/v1/namespaces/n";
    struct api_client *client = *state;
    api_put(client, "POST", "/api/v1/namespaces",
            "{\"metadata\":{\"name\":\"n\",\"finalizers\":[\"a.b/c\"]}}");
    api_put(client, "PUT", path,
            "{\"metadata\":{\"name\":\"n\",\"finalizers\":[\"a.b/c\"]},\"spec\":{\"finalizers\":["
            "\"d.e/f\"]}}");
    api_expect(client, 200);
    json_t *ns = api_call(client, "GET", path, NULL, NULL);
    assert_string_equal(text_at(ns, "spec.finalizers.0"), "kubernetes");
    json_decref(ns);
    api_put(client, "DELETE", path, "{}");
    api_wait(client, 1);
    api_put(client, "PUT", path,
            "{\"metadata\":{\"name\":\"n\",\"finalizers\":[\"a.b/c\"],\"labels\":{\"l\":\"m\"}},"
            "\"spec\":{}}");
    api_expect(client, 200);
    ns = api_call(client, "GET", path, NULL, NULL);
    assert_string_equal(text_at(ns, "metadata.labels.l"), "m");
    assert_null(value_at(ns, "spec.finalizers"));
    json_decref(ns);
}

static void a_bound_pod_is_gone_after_its_grace_period(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", PODS, "{\"metadata\":{\"name\":\"free\"}," POD_SPEC "}", "");
    api_put(client, "POST", PODS, "{\"metadata\":{\"name\":\"bound\"}," POD_SPEC "}",
            "\"nodeName\":\"n\",");
    json_decref(api_call(client, "DELETE", PODS "/free", NULL, NULL));
    assert_int_equal(status_of(client, PODS "/free"), 404);
    json_t *pod = api_call(client, "DELETE", PODS "/bound", NULL, NULL);
    assert_int_equal(json_integer_value(value_at(pod, "metadata.deletionGracePeriodSeconds")), 30);
    assert_string_equal(text_at(pod, "metadata.deletionTimestamp"), "2026-01-01T00:00:30Z");
    json_decref(pod);
    assert_int_equal(status_of(client, PODS "/bound"), 200);
    assert_false(apiserver_idle(client->server));
    api_wait(client, 29);
    assert_int_equal(status_of(client, PODS "/bound"), 200);
    api_wait(client, 2);
    assert_int_equal(status_of(client, PODS "/bound"), 404);
}

static void delete_collection_takes_what_matches(void **state) {
    struct api_client *client = *state;
    for (int i = 0; i < 500; i++)
        api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"m%d\",\"labels\":{\"n\":\"%d\"}}}",
                i, i % 2);
    json_decref(api_call(client, "DELETE", MAPS "?labelSelector=n%3D1&dryRun=All", NULL, NULL));
    api_expect(client, 200);
    assert_int_equal(status_of(client, MAPS "/m1"), 200);
    json_t *list = api_call(client, "DELETE", MAPS "?labelSelector=n%3D1", NULL, NULL);
    api_expect(client, 200);
    assert_string_equal(text_at(list, "kind"), "ConfigMapList");
    assert_int_equal(json_array_size(value_at(list, "items")), 250);
    json_decref(list);
    assert_int_equal(status_of(client, MAPS "/m1"), 404);
    assert_int_equal(status_of(client, MAPS "/m2"), 200);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_absent_owner_takes_its_dependent_along),
        TEST(background_deletion_follows_the_owner),
        TEST(foreground_deletion_waits_for_dependents),
        TEST(orphans_stay_without_their_owner),
        TEST(a_namespace_goes_with_all_that_is_in_it),
        TEST(only_finalize_changes_the_finalizers_of_a_spec),
        TEST(a_bound_pod_is_gone_after_its_grace_period),
        TEST(delete_collection_takes_what_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
