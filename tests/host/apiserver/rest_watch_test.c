/* Watches: what they are told, and how they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"

#define MAPS "/api/v1/namespaces/default/configmaps"

static void put_map(struct api_client *client, const char *method, const char *name,
                    const char *labels) {
    char path[128];
    snprintf(path, sizeof path, MAPS "%s%s", strcmp(method, "POST") ? "/" : "",
             strcmp(method, "POST") ? name : "");
    api_put(client, method, path, "{\"metadata\":{\"name\":\"%s\",\"labels\":{%s}}}", name, labels);
}

static void watch_of_a_compacted_version_is_told_410(void **state) {
    struct api_client *client = *state;
    struct api_stream stream;
    put_map(client, "POST", "a", "");
    apiserver_compact(client->server);
    stream_open(client, &stream, MAPS "?watch=1&resourceVersion=1");
    assert_int_equal(stream.status, 200);
    json_t *event = stream_next(&stream);
    assert_string_equal(text_at(event, "type"), "ERROR");
    assert_int_equal(json_integer_value(value_at(event, "object.code")), 410);
    assert_string_equal(text_at(event, "object.reason"), "Expired");
    json_decref(event);
    assert_true(stream.ended);
    stream_close(&stream);
}

static void watch_refuses_bad_options(void **state) {
    struct api_client *client = *state;
    static const char *const paths[] = {
        MAPS "?watch=1&sendInitialEvents=true", MAPS "?watch=1&resourceVersionMatch=NotOlderThan",
        MAPS "?watch=1&labelSelector=a%20b", MAPS "?watch=1&fieldSelector=a%3Db",
        MAPS "?watch=1&resourceVersion=x"};
    struct api_stream stream;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        stream_open(client, &stream, paths[i]);
        assert_true(stream.status == 400 || stream.status == 422 || stream.status == 500);
        assert_true(stream.ended);
        stream_close(&stream);
    }
}

static void watch_tells_what_is_there_and_what_comes(void **state) {
    struct api_client *client = *state;
    struct api_stream stream;
    put_map(client, "POST", "a", "");
    stream_open(client, &stream, MAPS "?watch=true");
    stream_expect(&stream, "ADDED", "a");
    put_map(client, "POST", "b", "");
    put_map(client, "PUT", "b", "\"x\":\"y\"");
    put_map(client, "DELETE", "a", "");
    stream_expect(&stream, "ADDED", "b");
    stream_expect(&stream, "MODIFIED", "b");
    stream_expect(&stream, "DELETED", "a");
    assert_null(stream_next(&stream));
    assert_false(stream.ended);
    stream_close(&stream);
}

static void watch_with_a_selector_sees_objects_leave(void **state) {
    struct api_client *client = *state;
    struct api_stream stream;
    stream_open(client, &stream, MAPS "?watch=1&labelSelector=on");
    put_map(client, "POST", "a", "");
    put_map(client, "PUT", "a", "\"on\":\"1\"");
    put_map(client, "PUT", "a", "\"on\":\"2\"");
    put_map(client, "PUT", "a", "");
    put_map(client, "DELETE", "a", "");
    stream_expect(&stream, "ADDED", "a");
    stream_expect(&stream, "MODIFIED", "a");
    json_t *event = stream_next(&stream);
    assert_string_equal(text_at(event, "type"), "DELETED");
    assert_string_equal(text_at(event, "object.metadata.labels.on"), "2");
    json_decref(event);
    assert_null(stream_next(&stream));
    stream_close(&stream);
}

static void watch_list_ends_with_its_bookmark(void **state) {
    struct api_client *client = *state;
    struct api_stream stream;
    put_map(client, "POST", "a", "");
    stream_open(client, &stream,
                MAPS "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
                     "&allowWatchBookmarks=true");
    stream_expect(&stream, "ADDED", "a");
    json_t *event = stream_next(&stream);
    assert_string_equal(text_at(event, "type"), "BOOKMARK");
    const json_t *notes = value_at(event, "object.metadata.annotations");
    assert_string_equal(json_string_value(json_object_get(notes, "k8s.io/initial-events-end")),
                        "true");
    json_decref(event);
    api_wait(client, 61);
    event = stream_next(&stream);
    assert_string_equal(text_at(event, "type"), "BOOKMARK");
    assert_string_equal(text_at(event, "object.kind"), "ConfigMap");
    json_decref(event);
    stream_close(&stream);
}

static void watch_ends_after_its_timeout(void **state) {
    struct api_client client;
    struct api_stream stream;
    (void)state;
    api_init(&client);
    stream_open(&client, &stream, MAPS "?watch=1&timeoutSeconds=5");
    api_wait(&client, 4);
    assert_false(stream.ended);
    api_wait(&client, 2);
    assert_true(stream.ended);
    stream_close(&stream);
    stream_open(&client, &stream, MAPS "?watch=1");
    apiserver_end_watches(client.server);
    assert_true(stream.ended);
    stream_close(&stream);
    stream_open(&client, &stream, MAPS "?watch=1"); /* ended by the server's end */
    api_finish(&client);
    assert_true(stream.ended);
    stream_close(&stream);
}

static void watch_goes_on_from_a_version(void **state) {
    struct api_client *client = *state;
    struct api_stream stream;
    char path[128];
    put_map(client, "POST", "a", "");
    snprintf(path, sizeof path, "/api/v1/configmaps?watch=1&resourceVersion=%llu",
             (unsigned long long)apiserver_revision(client->server));
    put_map(client, "POST", "b", "");
    stream_open(client, &stream, path);
    stream_expect(&stream, "ADDED", "b");
    assert_null(stream_next(&stream));
    stream_close(&stream);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, api_setup, api_teardown)
    const struct CMUnitTest tests[] = {
        TEST(watch_of_a_compacted_version_is_told_410),
        TEST(watch_refuses_bad_options),
        TEST(watch_tells_what_is_there_and_what_comes),
        TEST(watch_with_a_selector_sees_objects_leave),
        TEST(watch_list_ends_with_its_bookmark),
        cmocka_unit_test(watch_ends_after_its_timeout),
        TEST(watch_goes_on_from_a_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
