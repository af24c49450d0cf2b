/* Objects stored before their definition changed. What is expected is what kube-apiserver 1.36 did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/folder.h"
#include "apiserver/support/rest/api.h"
#include "base/mem.h"

#define CRDS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define TOYS "/apis/shop.io/v1/namespaces/default/toys"

/* `more` are properties of the spec beside size. */
static void define(struct api_client *client, const char *more) {
    CLEANUP(mem_freep)
    char *definition = mem_printf(
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\","
        "\"metadata\":{\"name\":\"toys.shop.io\"},"
        "\"spec\":{\"group\":\"shop.io\",\"scope\":\"Namespaced\","
        "\"names\":{\"plural\":\"toys\",\"kind\":\"Toy\"},"
        "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"
        "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{"
        "\"spec\":{\"type\":\"object\",\"properties\":{\"size\":{\"type\":\"integer\"},%s}}"
        "}}}}]}}",
        more);
    json_t *answer = api_call(client, "PATCH", CRDS "/toys.shop.io?fieldManager=t&force=1",
                              "application/apply-patch+yaml", definition);
    if (client->status >= 300)
        print_message("%s\n", text_at(answer, "message"));
    json_decref(answer);
    assert_true(client->status == 200 || client->status == 201);
}

static void make_toy(struct api_client *client, const char *name) {
    api_put(client, "POST", TOYS,
            "{\"apiVersion\":\"shop.io/v1\",\"kind\":\"Toy\",\"metadata\":{\"name\":\"%s\"},"
            "\"spec\":{\"size\":1}}",
            name);
    api_expect(client, 201);
}

static void assert_color(struct api_client *client, const char *name, const char *color) {
    char path[128];
    snprintf(path, sizeof path, TOYS "/%s", name);
    json_t *toy = api_call(client, "GET", path, NULL, NULL);
    api_expect(client, 200);
    assert_string_equal(text_at(toy, "spec.color"), color);
    json_decref(toy);
}

#define RED "\"color\":{\"type\":\"string\",\"default\":\"red\"}"
#define BLUE "\"color\":{\"type\":\"string\",\"default\":\"blue\"}"
#define PLAIN "\"color\":{\"type\":\"string\"}"

static void a_watch_from_before_is_gone_and_a_new_one_shows_the_default(void **state) {
    struct api_client *client = *state;
    struct api_stream before, after, anew;
    char path[128];
    define(client, PLAIN);
    make_toy(client, "a");
    uint64_t revision = apiserver_revision(client->server);
    stream_open(client, &before, TOYS "?watch=1");
    stream_expect(&before, "ADDED", "a");
    define(client, RED);
    assert_true(before.ended);
    snprintf(path, sizeof path, TOYS "?watch=1&resourceVersion=%llu", (unsigned long long)revision);
    stream_open(client, &after, path);
    json_t *event = stream_next(&after);
    assert_string_equal(text_at(event, "type"), "ERROR");
    assert_int_equal(json_integer_value(value_at(event, "object.code")), 410);
    json_decref(event);
    stream_open(client, &anew, TOYS "?watch=1");
    event = stream_next(&anew);
    assert_string_equal(text_at(event, "object.spec.color"), "red");
    json_decref(event);
    stream_close(&before);
    stream_close(&after);
    stream_close(&anew);
}

static void a_default_that_comes_later_counts_until_the_object_is_written(void **state) {
    struct api_client *client = *state;
    define(client, PLAIN);
    make_toy(client, "a");
    json_t *was = api_call(client, "GET", TOYS "/a", NULL, NULL);
    define(client, RED);
    assert_color(client, "a", "red");
    json_t *list = api_call(client, "GET", TOYS, NULL, NULL);
    assert_string_equal(text_at(list, "items.0.spec.color"), "red");
    assert_string_equal(text_at(list, "items.0.metadata.resourceVersion"),
                        text_at(was, "metadata.resourceVersion"));
    json_decref(list);
    define(client, BLUE);
    assert_color(client, "a", "blue");
    json_decref(was);
}

/* An update that changes nothing of what is shown makes it last: another version, no generation. */
static void what_is_shown_is_written_by_any_update(void **state) {
    struct api_client *client = *state;
    define(client, PLAIN);
    make_toy(client, "a");
    define(client, RED);
    for (int i = 0; i < 2; i++) {
        json_t *toy = api_call(client, "GET", TOYS "/a", NULL, NULL);
        char *text = json_dumps(toy, 0);
        json_t *now = api_call(client, "PUT", TOYS "/a", NULL, text);
        api_expect(client, 200);
        bool same = strcmp(text_at(toy, "metadata.resourceVersion"),
                           text_at(now, "metadata.resourceVersion")) == 0;
        assert_int_equal(same, i == 1);
        assert_int_equal(json_integer_value(value_at(now, "metadata.generation")), 1);
        free(text);
        json_decref(toy);
        json_decref(now);
    }
    define(client, BLUE);
    assert_color(client, "a", "red");
}

static void a_field_that_is_not_named_any_more_is_hidden(void **state) {
    struct api_client *client = *state;
    define(client, RED);
    make_toy(client, "a");
    define(client, "\"other\":{\"type\":\"string\"}");
    assert_color(client, "a", "");
    define(client, BLUE);
    assert_color(client, "a", "red");
}

static void a_folder_keeps_what_was_written(void **state) {
    struct api_client client;
    char *folder = folder_create();
    (void)state;
    api_init_at(&client, folder);
    define(&client, PLAIN);
    make_toy(&client, "a");
    define(&client, RED);
    make_toy(&client, "b");
    for (int i = 0; i < 2; i++) {
        api_finish(&client);
        api_init_at(&client, folder);
        assert_color(&client, "a", "red");
        assert_color(&client, "b", "red");
    }
    define(&client, BLUE);
    assert_color(&client, "a", "blue");
    assert_color(&client, "b", "red");
    api_finish(&client);
    folder_remove(folder);
    mem_free(folder);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_watch_from_before_is_gone_and_a_new_one_shows_the_default),
        TEST(a_default_that_comes_later_counts_until_the_object_is_written),
        TEST(what_is_shown_is_written_by_any_update),
        TEST(a_field_that_is_not_named_any_more_is_hidden),
        cmocka_unit_test(a_folder_keeps_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
