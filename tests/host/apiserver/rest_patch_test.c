/* Patches of every type, and who is said to own what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"

#define MAPS "/api/v1/namespaces/default/configmaps"
#define APPS "/apis/apps/v1/namespaces/default/deployments"

static json_t *patch(struct api_client *client, const char *path, const char *type,
                     const char *body) {
    char content_type[64];
    snprintf(content_type, sizeof content_type, "application/%s", type);
    return api_call(client, "PATCH", path, content_type, body);
}

static void make_app(struct api_client *client) {
    api_put(client, "POST", APPS,
            "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"selector\":{\"matchLabels\":{\"x\":\"y\"}},"
            "\"template\":{\"metadata\":{\"labels\":{\"x\":\"y\"}},\"spec\":{\"containers\":["
            "{\"name\":\"one\",\"image\":\"i:1\"},{\"name\":\"two\",\"image\":\"i:2\"}]}}}}");
    api_expect(client, 201);
}

static void patches_that_cannot_be_are_refused(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}");
    json_decref(patch(client, MAPS "/none", "merge-patch+json", "{}"));
    api_expect(client, 404);
    json_decref(patch(client, MAPS "/a", "json", "{}"));
    api_expect(client, 415);
    json_decref(patch(client, MAPS "/a", "json-patch+json", "{}"));
    api_expect(client, 400);
    json_decref(patch(client, MAPS "/a", "json-patch+json",
                      "[{\"op\":\"test\",\"path\":\"/data/k\",\"value\":\"w\"}]"));
    api_expect(client, 422);
    json_decref(patch(client, MAPS "/a", "merge-patch+json", "{\"metadata\":{\"name\":\"b\"}}"));
    assert_true(client->status == 400 || client->status == 422);
    json_decref(patch(client, MAPS "/a", "merge-patch+json",
                      "{\"metadata\":{\"resourceVersion\":\"1\"},\"data\":{\"k\":\"w\"}}"));
    api_expect(client, 409);
    json_decref(patch(client, MAPS "/a", "apply-patch+yaml", "a: b"));
    api_expect(client, 422); /* no fieldManager */
}

static void strategic_patches_merge_by_name(void **state) {
    struct api_client *client = *state;
    make_app(client);
    json_t *app = patch(client, APPS "/a", "strategic-merge-patch+json",
                        "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"two\","
                        "\"image\":\"i:3\"}]}}}}");
    api_expect(client, 200);
    assert_int_equal(json_array_size(value_at(app, "spec.template.spec.containers")), 2);
    assert_string_equal(text_at(app, "spec.template.spec.containers.1.image"), "i:3");
    assert_int_equal(json_integer_value(value_at(app, "metadata.generation")), 2);
    json_decref(app);
    json_decref(patch(client, APPS "/a", "merge-patch+json",
                      "{\"spec\":{\"selector\":{\"matchLabels\":{\"x\":\"z\"}}}}"));
    api_expect(client, 422); /* the template's labels, and the selector cannot change */
}

static void apply_creates_owns_and_conflicts(void **state) {
    struct api_client *client = *state;
    json_t *map = patch(client, MAPS "/a?fieldManager=one", "apply-patch+yaml",
                        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n");
    api_expect(client, 201);
    assert_string_equal(text_at(map, "metadata.name"), "a");
    assert_string_equal(text_at(map, "metadata.managedFields.0.manager"), "one");
    assert_string_equal(text_at(map, "metadata.managedFields.0.operation"), "Apply");
    json_decref(map);
    uint64_t before = apiserver_revision(client->server);
    json_decref(patch(client, MAPS "/a?fieldManager=one", "apply-patch+yaml",
                      "apiVersion: v1\nkind: ConfigMap\ndata: {k: v}\n"));
    api_expect(client, 200);
    assert_int_equal(apiserver_revision(client->server), before);
    json_t *status = patch(client, MAPS "/a?fieldManager=two", "apply-patch+yaml",
                           "apiVersion: v1\nkind: ConfigMap\ndata: {k: w}\n");
    api_expect(client, 409);
    assert_string_equal(text_at(status, "reason"), "Conflict");
    assert_string_equal(text_at(status, "details.causes.0.field"), ".data.k");
    json_decref(status);
    map = patch(client, MAPS "/a?fieldManager=two&force=true", "apply-patch+yaml",
                "apiVersion: v1\nkind: ConfigMap\ndata: {k: w}\n");
    api_expect(client, 200);
    assert_string_equal(text_at(map, "data.k"), "w");
    assert_int_equal(json_array_size(value_at(map, "metadata.managedFields")), 1);
    json_decref(map);
    json_decref(patch(client, MAPS "/a?fieldManager=two&fieldValidation=Strict", "apply-patch+yaml",
                      "apiVersion: v1\nkind: ConfigMap\nwrong: {k: w}\n"));
    api_expect(client, 500);
}

static void updates_are_owned_by_the_user_agent(void **state) {
    struct api_client *client = *state;
    json_t *map = api_call(client, "POST", MAPS, NULL,
                           "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}");
    assert_string_equal(text_at(map, "metadata.managedFields.0.manager"), "test");
    assert_string_equal(text_at(map, "metadata.managedFields.0.operation"), "Update");
    assert_non_null(value_at(map, "metadata.managedFields.0.fieldsV1.f:data"));
    json_decref(map);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(patches_that_cannot_be_are_refused),
        TEST(strategic_patches_merge_by_name),
        TEST(apply_creates_owns_and_conflicts),
        TEST(updates_are_owned_by_the_user_agent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
