/* Custom resources: served while their definition is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/folder.h"
#include "apiserver/support/rest/api.h"
#include "base/mem.h"

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define TOYS "/apis/shop.io/v1/namespaces/default/toys"

static void make_definition(struct api_client *client) {
    api_put(client, "POST", CRDS,
            "{\"metadata\":{\"name\":\"toys.shop.io\"},\"spec\":{\"group\":\"shop.io\","
            "\"scope\":\"Namespaced\",\"names\":{\"plural\":\"toys\",\"kind\":\"Toy\"},"
            "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
            "\"subresources\":{\"status\":{},\"scale\":{\"specReplicasPath\":\".spec.size\","
            "\"statusReplicasPath\":\".status.size\"}},"
            "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{"
            "\"spec\":{\"type\":\"object\",\"required\":[\"color\"],\"properties\":{"
            "\"color\":{\"type\":\"string\",\"default\":\"red\"},"
            "\"size\":{\"type\":\"integer\",\"maximum\":9}}},"
            "\"status\":{\"type\":\"object\",\"properties\":{\"size\":{\"type\":\"integer\"}}}"
            "}}}}]}}");
    api_expect(client, 201);
}

static json_t *get(struct api_client *client, const char *path) {
    return api_call(client, "GET", path, NULL, NULL);
}

static void a_wrong_definition_is_invalid(void **state) {
    struct api_client *client = *state;
    assert_int_equal(
        api_put(client, "POST", CRDS, "{\"metadata\":{\"name\":\"toys.shop.io\"},\"spec\":{}}"),
        422);
    assert_int_equal(api_put(client, "POST", TOYS, "{}"), 404);
}

static void objects_are_pruned_defaulted_and_checked(void **state) {
    struct api_client *client = *state;
    make_definition(client);
    json_t *crd = get(client, CRDS "/toys.shop.io");
    assert_string_equal(text_at(crd, "spec.names.listKind"), "ToyList");
    assert_string_equal(text_at(crd, "status.acceptedNames.kind"), "Toy");
    json_decref(crd);
    json_t *toy = api_call(client, "POST", TOYS, NULL,
                           "{\"apiVersion\":\"shop.io/v1\",\"kind\":\"Toy\",\"metadata\":{\"name\":"
                           "\"a\"},\"spec\":{\"wheels\":4},\"status\":{\"size\":3}}");
    api_expect(client, 201);
    assert_string_equal(text_at(toy, "spec.color"), "red");
    assert_null(value_at(toy, "spec.wheels"));
    assert_null(value_at(toy, "status"));
    assert_int_equal(json_integer_value(value_at(toy, "metadata.generation")), 1);
    assert_string_equal(client->warnings.data, "299 - \"unknown field \\\"spec.wheels\\\"\"\n");
    json_decref(toy);
    assert_int_equal(api_put(client, "POST", TOYS "?fieldValidation=Strict",
                             "{\"apiVersion\":\"shop.io/v1\",\"kind\":\"Toy\",\"metadata\":{"
                             "\"name\":\"b\"},\"spec\":{\"wheels\":4}}"),
                     400);
    assert_int_equal(api_put(client, "POST", TOYS,
                             "{\"apiVersion\":\"shop.io/v1\",\"kind\":\"Toy\",\"metadata\":{"
                             "\"name\":\"b\"},\"spec\":{\"size\":10}}"),
                     422);
    assert_int_equal(api_put(client, "POST", TOYS, "{\"metadata\":{\"name\":\"b\"}}"), 400);
}

static void status_and_scale_are_apart_from_the_spec(void **state) {
    struct api_client *client = *state;
    make_definition(client);
    api_put(client, "POST", TOYS,
            "{\"apiVersion\":\"shop.io/v1\",\"kind\":\"Toy\",\"metadata\":{\"name\":\"a\"},"
            "\"spec\":{\"size\":1}}");
    api_put(client, "PATCH", TOYS "/a/status", "{\"spec\":{\"size\":5},\"status\":{\"size\":1}}");
    json_t *toy = get(client, TOYS "/a");
    assert_int_equal(json_integer_value(value_at(toy, "spec.size")), 1);
    assert_int_equal(json_integer_value(value_at(toy, "status.size")), 1);
    assert_int_equal(json_integer_value(value_at(toy, "metadata.generation")), 1);
    json_decref(toy);
    api_put(client, "PATCH", TOYS "/a/scale", "{\"spec\":{\"replicas\":4}}");
    api_expect(client, 200);
    toy = get(client, TOYS "/a/scale");
    assert_string_equal(text_at(toy, "kind"), "Scale");
    assert_int_equal(json_integer_value(value_at(toy, "spec.replicas")), 4);
    assert_int_equal(json_integer_value(value_at(toy, "status.replicas")), 1);
    json_decref(toy);
    toy = get(client, TOYS "/a");
    assert_int_equal(json_integer_value(value_at(toy, "metadata.generation")), 2);
    json_decref(toy);
    assert_int_equal(api_put(client, "PUT", TOYS "/a",
                             "{\"apiVersion\":\"shop.io/v1\",\"kind\":\"Toy\",\"metadata\":{"
                             "\"name\":\"a\"},\"spec\":{}}"),
                     422); /* without a resourceVersion */
    assert_int_equal(api_put(client, "PATCH", TOYS "/a/scale", "{\"spec\":{\"replicas\":-1}}"),
                     422);
}

static void a_definition_takes_its_objects_along(void **state) {
    struct api_client *client = *state;
    struct api_stream stream;
    make_definition(client);
    api_put(client, "POST", TOYS,
            "{\"apiVersion\":\"shop.io/v1\",\"kind\":\"Toy\",\"metadata\":{\"name\":\"a\","
            "\"finalizers\":[\"a.b/c\"]},\"spec\":{}}");
    stream_open(client, &stream, TOYS "?watch=1");
    stream_expect(&stream, "ADDED", "a");
    json_t *crd = api_call(client, "DELETE", CRDS "/toys.shop.io", NULL, NULL);
    assert_true(text_at(crd, "metadata.deletionTimestamp")[0]);
    json_decref(crd);
    api_wait(client, 1);
    json_decref(get(client, CRDS "/toys.shop.io"));
    api_expect(client, 200);
    stream_expect(&stream, "MODIFIED", "a");
    api_put(client, "PATCH", TOYS "/a", "{\"metadata\":{\"finalizers\":null}}");
    stream_expect(&stream, "DELETED", "a");
    api_wait(client, 1);
    json_decref(get(client, CRDS "/toys.shop.io"));
    api_expect(client, 404);
    json_decref(get(client, TOYS));
    api_expect(client, 404);
    assert_true(stream.ended);
    assert_true(apiserver_idle(client->server));
    stream_close(&stream);
}

static void a_folder_keeps_definitions_and_what_is_to_be_done(void **state) {
    struct api_client client;
    char *folder = folder_create();
    (void)state;
    api_init_at(&client, folder);
    make_definition(&client);
    json_t *toy = api_call(&client, "POST", TOYS, NULL,
                           "{\"apiVersion\":\"shop.io/v1\",\"kind\":\"Toy\",\"metadata\":{\"name\":"
                           "\"a\"},\"spec\":{}}");
    api_put(&client, "POST", "/api/v1/namespaces/default/configmaps",
            "{\"metadata\":{\"name\":\"m\",\"ownerReferences\":[{\"apiVersion\":\"shop.io/v1\","
            "\"kind\":\"Toy\",\"name\":\"a\",\"uid\":\"%s\"}]}}",
            text_at(toy, "metadata.uid"));
    json_decref(toy);
    api_put(&client, "DELETE", TOYS "/a", "{}");
    uint64_t revision = apiserver_revision(client.server);
    api_finish(&client); /* before the garbage was collected */
    api_init_at(&client, folder);
    assert_true(apiserver_revision(client.server) > revision);
    json_decref(get(&client, TOYS));
    api_expect(&client, 200);
    json_decref(get(&client, "/api/v1/namespaces/default/configmaps/m"));
    api_expect(&client, 404);
    api_finish(&client);
    folder_remove(folder);
    mem_free(folder);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_wrong_definition_is_invalid),
        TEST(objects_are_pruned_defaulted_and_checked),
        TEST(status_and_scale_are_apart_from_the_spec),
        TEST(a_definition_takes_its_objects_along),
        cmocka_unit_test(a_folder_keeps_definitions_and_what_is_to_be_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
