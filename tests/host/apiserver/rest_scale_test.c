/* Server-side apply of the scale subresource, with the answers that a real server gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"

#define APPS "/apis/apps/v1/namespaces/default/deployments"
#define SCALE(n)                                                                                   \
    "{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"Scale\",\"metadata\":{\"name\":\"web\"},"       \
    "\"spec\":{\"replicas\":" n "}}"

static void make(struct api_client *client) {
    api_init(client);
    api_put(client, "POST", APPS "?fieldManager=maker",
            "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":1,\"selector\":{"
            "\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
            "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}");
    api_expect(client, 201);
}

static json_t *apply(struct api_client *client, const char *query, const char *body) {
    char path[256];
    snprintf(path, sizeof path, APPS "/web/scale%s", query);
    return api_call(client, "PATCH", path, "application/apply-patch+yaml", body);
}

static void refuse(struct api_client *client, const char *query, const char *body, int status,
                   const char *message) {
    json_t *answer = apply(client, query, body);
    api_expect(client, status);
    assert_string_equal(text_at(answer, "message"), message);
    json_decref(answer);
}

/* "me/scale maker/": who has spec.replicas. */
static void expect_owners(struct api_client *client, const char *wanted, int replicas) {
    json_t *app = api_call(client, "GET", APPS "/web", NULL, NULL), *entry;
    char owners[256] = "";
    size_t i;
    json_array_foreach(value_at(app, "metadata.managedFields"), i, entry) {
        if (value_at(entry, "fieldsV1.f:spec.f:replicas"))
            snprintf(owners + strlen(owners), sizeof owners - strlen(owners), "%s %s/%s %s; ",
                     text_at(entry, "manager"), text_at(entry, "operation"),
                     text_at(entry, "subresource"), text_at(entry, "apiVersion"));
    }
    assert_string_equal(owners, wanted);
    assert_int_equal(json_integer_value(value_at(app, "spec.replicas")), replicas);
    json_decref(app);
}

static void wrong_scales_are_refused(void **state) {
    struct api_client client;
    (void)state;
    make(&client);
    refuse(
        &client, "", SCALE("2"), 422,
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for "
        "apply patch");
    refuse(&client, "?fieldManager=me", "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\"}", 400,
           "invalid object type: apps/v1, Kind=Deployment");
    refuse(&client, "?fieldManager=me", "{\"apiVersion\":\"autoscaling/v2\",\"kind\":\"Scale\"}",
           400, "invalid object type: autoscaling/v2, Kind=Scale");
    refuse(
        &client, "?fieldManager=me&force=true", SCALE("-1"), 422,
        "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -1: must be greater "
        "than or equal to 0");
    refuse(&client, "?fieldManager=me", SCALE("\"2\""), 400, "spec.replicas is no whole number");
    refuse(&client, "?fieldManager=me&force=true",
           "{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"Scale\",\"metadata\":{\"name\":\"x\"}}",
           400, "the name of the object (x) does not match the name on the URL (web)");
    refuse(&client, "?fieldManager=me&force=true",
           "{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"Scale\",\"metadata\":{"
           "\"resourceVersion\":\"1\"},\"spec\":{\"replicas\":2}}",
           409,
           "Operation cannot be fulfilled on deployments.apps \"web\": the object has been "
           "modified; please apply your changes to the latest version and try again");
    expect_owners(&client, "maker Update/ apps/v1; ", 1);
    api_finish(&client);
}

static void another_manager_conflicts(void **state) {
    struct api_client client;
    (void)state;
    make(&client);
    json_t *answer = apply(&client, "?fieldManager=me", SCALE("2"));
    api_expect(&client, 409);
    assert_string_equal(text_at(answer, "details.causes.0.field"), ".spec.replicas");
    assert_string_equal(text_at(answer, "details.causes.0.message"),
                        "conflict with \"maker\" using autoscaling/v1");
    json_decref(answer);
    json_decref(apply(&client, "?fieldManager=me&force=true&dryRun=All", SCALE("2")));
    api_expect(&client, 200);
    expect_owners(&client, "maker Update/ apps/v1; ", 1);
    json_decref(apply(&client, "?fieldManager=me&force=true", SCALE("2")));
    api_expect(&client, 200);
    expect_owners(&client, "me Apply/scale apps/v1; ", 2);
    refuse(&client, "?fieldManager=you", SCALE("3"), 409,
           "Apply failed with 1 conflict: conflict with \"me\" with subresource \"scale\": "
           ".spec.replicas");
    api_put(&client, "PUT", APPS "/web/scale?fieldManager=putter",
            "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":4}}");
    expect_owners(&client, "putter Update/scale apps/v1; ", 4);
    refuse(
        &client, "?fieldManager=me", SCALE("6"), 409,
        "Apply failed with 1 conflict: conflict with \"putter\" with subresource \"scale\" using "
        "autoscaling/v1: .spec.replicas");
    api_finish(&client);
}

static void the_same_value_is_shared(void **state) {
    struct api_client client;
    (void)state;
    make(&client);
    json_t *scale = apply(&client, "?fieldManager=me", SCALE("1"));
    api_expect(&client, 200);
    assert_string_equal(text_at(scale, "kind"), "Scale");
    assert_int_equal(json_integer_value(value_at(scale, "spec.replicas")), 1);
    json_decref(scale);
    expect_owners(&client, "me Apply/scale apps/v1; maker Update/ apps/v1; ", 1);
    json_decref(apply(&client, "?fieldManager=me",
                      "{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"Scale\",\"spec\":{}}"));
    api_expect(&client, 200);
    expect_owners(&client, "maker Update/ apps/v1; ", 1);
    api_finish(&client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_scales_are_refused),
        cmocka_unit_test(another_manager_conflicts),
        cmocka_unit_test(the_same_value_is_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
