/* Create, get, list, watch, update and delete of objects without rules of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"

#define MAPS "/api/v1/namespaces/default/configmaps"

static json_t *call(struct api_client *client, const char *method, const char *path,
                    const char *body) {
    return api_call(client, method, path, NULL, body);
}

static void expect_failure(struct api_client *client, json_t *answer, int status,
                           const char *reason, const char *message) {
    api_expect(client, status);
    assert_string_equal(text_at(answer, "reason"), reason);
    assert_string_equal(text_at(answer, "message"), message);
    assert_int_equal(json_integer_value(value_at(answer, "code")), status);
    json_decref(answer);
}

static void get_of_nothing_is_not_found(void **state) {
    struct api_client *client = *state;
    json_t *answer = call(client, "GET", MAPS "/x", NULL);
    assert_string_equal(text_at(answer, "kind"), "Status");
    assert_string_equal(text_at(answer, "details.name"), "x");
    assert_string_equal(text_at(answer, "details.kind"), "configmaps");
    expect_failure(client, answer, 404, "NotFound", "configmaps \"x\" not found");
    expect_failure(client, call(client, "PUT", MAPS "/x", "{\"metadata\":{\"name\":\"x\"}}"), 404,
                   "NotFound", "configmaps \"x\" not found");
    expect_failure(client,
                   call(client, "DELETE", "/apis/apps/v1/namespaces/default/deployments/x", NULL),
                   404, "NotFound", "deployments.apps \"x\" not found");
}

static void create_refuses_what_is_wrong(void **state) {
    struct api_client *client = *state;
    expect_failure(client,
                   call(client, "POST", "/api/v1/namespaces/none/configmaps",
                        "{\"metadata\":{\"name\":\"x\"}}"),
                   404, "NotFound", "namespaces \"none\" not found");
    expect_failure(client, call(client, "POST", MAPS, "{\"metadata\":{}}"), 422, "Invalid",
                   "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName "
                   "is required");
    assert_int_equal(api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"X\"}}"), 422);
    assert_int_equal(api_put(client, "POST", MAPS, "{\"metadata\":"), 400);
    assert_int_equal(api_put(client, "POST", MAPS, "[]"), 400);
    assert_int_equal(api_put(client, "POST", MAPS, "{\"metadata\":7}"), 400);
    assert_int_equal(api_put(client, "POST", MAPS, "{\"kind\":\"Secret\"}"), 400);
    json_t *answer = api_call(client, "POST", MAPS, "application/cbor", "\xa0");
    api_expect(client, 415);
    json_decref(answer);
    assert_int_equal(api_put(client, "POST", "/api/v1/configmaps", "{}"), 405);
}

static void create_answers_with_the_object(void **state) {
    struct api_client *client = *state;
    json_t *made = call(client, "POST", MAPS,
                        "{\"metadata\":{\"generateName\":\"x-\"},\"data\":{\"a\":\"b\"}}");
    api_expect(client, 201);
    assert_string_equal(text_at(made, "kind"), "ConfigMap");
    assert_string_equal(text_at(made, "apiVersion"), "v1");
    assert_string_equal(text_at(made, "metadata.namespace"), "default");
    assert_string_equal(text_at(made, "metadata.creationTimestamp"), "2026-01-01T00:00:00Z");
    assert_int_equal(strlen(text_at(made, "metadata.uid")), 36);
    assert_int_equal(strlen(text_at(made, "metadata.name")), 7);
    assert_null(value_at(made, "metadata.generation"));
    json_decref(made);
    api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"x\"}}");
    expect_failure(client, call(client, "POST", MAPS, "{\"metadata\":{\"name\":\"x\"}}"), 409,
                   "AlreadyExists", "configmaps \"x\" already exists");
}

static void dry_run_changes_nothing(void **state) {
    struct api_client *client = *state;
    uint64_t before = apiserver_revision(client->server);
    assert_int_equal(api_put(client, "POST", MAPS "?dryRun=All", "{\"metadata\":{\"name\":\"x\"}}"),
                     201);
    assert_int_equal(apiserver_revision(client->server), before);
    assert_int_equal(api_put(client, "POST", MAPS "?dryRun=Some", "{}"), 422);
}

static void update_with_an_old_version_conflicts(void **state) {
    struct api_client *client = *state;
    json_t *made = call(client, "POST", MAPS, "{\"metadata\":{\"name\":\"x\"}}");
    char old[32];
    strcpy(old, text_at(made, "metadata.resourceVersion"));
    json_decref(made);
    assert_int_equal(
        api_put(client, "PUT", MAPS "/x", "{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"1\"}}"),
        200);
    char body[256];
    snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"%s\"}}", old);
    expect_failure(client, call(client, "PUT", MAPS "/x", body), 409, "Conflict",
                   "Operation cannot be fulfilled on configmaps \"x\": the object has been "
                   "modified; please apply your changes to the latest version and try again");
    expect_failure(client, call(client, "PUT", MAPS "/x", "{\"metadata\":{\"name\":\"y\"}}"), 400,
                   "BadRequest",
                   "the name of the object (y) does not match the name on the URL (x)");
}

static void update_without_a_change_keeps_the_version(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"1\"}}");
    uint64_t before = apiserver_revision(client->server);
    json_t *now = call(client, "GET", MAPS "/x", NULL);
    char *text = json_dumps(now, 0);
    assert_int_equal(api_put(client, "PUT", MAPS "/x", "%s", text), 200);
    assert_int_equal(apiserver_revision(client->server), before);
    free(text);
    json_decref(now);
}

static void delete_answers_with_a_status(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"x\"}}");
    json_t *answer = call(client, "DELETE", MAPS "/x", "{\"preconditions\":{\"uid\":\"no\"}}");
    assert_string_equal(text_at(answer, "reason"), "Conflict");
    json_decref(answer);
    api_expect(client, 409);
    json_decref(call(client, "DELETE", MAPS "/x?propagationPolicy=Never", NULL));
    api_expect(client, 422);
    answer = call(client, "DELETE", MAPS "/x", NULL);
    api_expect(client, 200);
    assert_string_equal(text_at(answer, "status"), "Success");
    assert_string_equal(text_at(answer, "details.kind"), "configmaps");
    assert_int_equal(strlen(text_at(answer, "details.uid")), 36);
    json_decref(answer);
}

static void delete_waits_for_finalizers(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"x\",\"finalizers\":[\"a.b/c\"]}}");
    json_t *answer = call(client, "DELETE", MAPS "/x", NULL);
    api_expect(client, 200);
    assert_string_equal(text_at(answer, "metadata.deletionTimestamp"), "2026-01-01T00:00:00Z");
    json_decref(answer);
    assert_int_equal(
        api_put(client, "PUT", MAPS "/x",
                "{\"metadata\":{\"name\":\"x\",\"finalizers\":[\"a.b/c\",\"d.e/f\"]}}"),
        422);
    assert_int_equal(api_put(client, "PUT", MAPS "/x", "{\"metadata\":{\"name\":\"x\"}}"), 200);
    json_decref(call(client, "GET", MAPS "/x", NULL));
    api_expect(client, 404);
}

static void list_goes_on_with_continue(void **state) {
    struct api_client *client = *state;
    for (int i = 0; i < 5; i++)
        api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"m%d\",\"labels\":{\"n\":\"%d\"}}}",
                i, i % 2);
    json_t *list = call(client, "GET", MAPS "?limit=2", NULL);
    assert_string_equal(text_at(list, "kind"), "ConfigMapList");
    assert_int_equal(json_array_size(value_at(list, "items")), 2);
    assert_int_equal(json_integer_value(value_at(list, "metadata.remainingItemCount")), 3);
    assert_null(value_at(list, "items.0.kind"));
    char path[512];
    snprintf(path, sizeof path, MAPS "?limit=9&continue=%s", text_at(list, "metadata.continue"));
    json_decref(list);
    api_put(client, "DELETE", MAPS "/m4", "{}");
    list = call(client, "GET", path, NULL); /* as of the first page */
    assert_int_equal(json_array_size(value_at(list, "items")), 3);
    json_decref(list);
    apiserver_compact(client->server);
    list = call(client, "GET", path, NULL);
    api_expect(client, 410);
    assert_string_equal(text_at(list, "reason"), "Expired");
    json_decref(list);
    list = call(client, "GET", "/api/v1/configmaps?labelSelector=n%3D1", NULL);
    assert_int_equal(json_array_size(value_at(list, "items")), 2);
    json_decref(list);
    list = call(client, "GET", MAPS "?fieldSelector=metadata.name%3Dm2", NULL);
    assert_int_equal(json_array_size(value_at(list, "items")), 1);
    json_decref(list);
    expect_failure(client, call(client, "GET", MAPS "?fieldSelector=data.a%3Dm2", NULL), 400,
                   "BadRequest",
                   "\"data.a\" is not a known field selector: only \"metadata.name\", "
                   "\"metadata.namespace\"");
}

static void list_of_the_future_times_out(void **state) {
    struct api_client *client = *state;
    json_decref(call(client, "GET", MAPS "?resourceVersion=100000", NULL));
    api_expect(client, 504);
    json_decref(call(client, "GET", MAPS "?resourceVersion=x", NULL));
    api_expect(client, 400);
    json_decref(call(client, "GET", MAPS "?resourceVersionMatch=Exact", NULL));
    api_expect(client, 422);
    json_decref(call(client, "GET", MAPS "?continue=%21", NULL));
    api_expect(client, 400);
}

static void accept_decides_the_form(void **state) {
    struct api_client *client = *state;
    api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"x\"},\"data\":{\"a\":\"1\"}}");
    client->accept = "application/vnd.kubernetes.protobuf";
    json_decref(call(client, "GET", MAPS "/x", NULL));
    api_expect(client, 406);
    client->accept = "application/vnd.kubernetes.protobuf,"
                     "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    json_t *object = call(client, "GET", MAPS "/x", NULL);
    assert_string_equal(text_at(object, "kind"), "PartialObjectMetadata");
    assert_null(value_at(object, "data"));
    json_decref(object);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(get_of_nothing_is_not_found),
        TEST(create_refuses_what_is_wrong),
        TEST(create_answers_with_the_object),
        TEST(dry_run_changes_nothing),
        TEST(update_with_an_old_version_conflicts),
        TEST(update_without_a_change_keeps_the_version),
        TEST(delete_answers_with_a_status),
        TEST(delete_waits_for_finalizers),
        TEST(list_goes_on_with_continue),
        TEST(list_of_the_future_times_out),
        TEST(accept_decides_the_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
