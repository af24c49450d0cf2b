/* Answers to clients that accept Tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"

#define MAPS "/api/v1/namespaces/default/configmaps"
#define DEPLOYMENTS "/apis/apps/v1/namespaces/default/deployments"

static const char TABLE[] = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

static void init(struct api_client *client) {
    api_init(client);
    api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}");
    api_put(client, "POST", MAPS, "{\"metadata\":{\"name\":\"b\"}}");
    client->accept = TABLE;
}

static json_t *get(struct api_client *client, const char *path) {
    return api_call(client, "GET", path, NULL, NULL);
}

static void list_comes_as_a_table(void **state) {
    struct api_client client;
    (void)state;
    init(&client);
    api_wait(&client, 300);
    json_t *table = get(&client, MAPS);
    api_expect(&client, 200);
    assert_string_equal(text_at(table, "kind"), "Table");
    assert_string_equal(text_at(table, "apiVersion"), "meta.k8s.io/v1");
    assert_true(text_at(table, "metadata.resourceVersion")[0] != 0);
    assert_string_equal(text_at(table, "columnDefinitions.1.name"), "Data");
    assert_int_equal(json_array_size(value_at(table, "rows")), 2);
    assert_string_equal(text_at(table, "rows.0.cells.0"), "a");
    assert_int_equal(json_integer_value(value_at(table, "rows.0.cells.1")), 1);
    assert_string_equal(text_at(table, "rows.1.cells.2"), "5m");
    assert_string_equal(text_at(table, "rows.0.object.kind"), "PartialObjectMetadata");
    assert_null(value_at(table, "rows.0.object.data"));
    json_decref(table);
    table = get(&client, MAPS "?limit=1&includeObject=Object");
    assert_string_equal(text_at(table, "rows.0.object.kind"), "ConfigMap");
    assert_string_equal(text_at(table, "rows.0.object.data.k"), "v");
    assert_int_equal(json_integer_value(value_at(table, "metadata.remainingItemCount")), 1);
    json_decref(table);
    table = get(&client, "/api/v1/namespaces/none/configmaps?includeObject=None");
    assert_int_equal(json_array_size(value_at(table, "rows")), 0);
    assert_int_equal(json_array_size(value_at(table, "columnDefinitions")), 3);
    json_decref(table);
    api_finish(&client);
}

static void one_object_is_a_table_of_one_row(void **state) {
    struct api_client client;
    (void)state;
    init(&client);
    json_t *table = get(&client, MAPS "/a?includeObject=None");
    assert_string_equal(text_at(table, "kind"), "Table");
    assert_string_equal(text_at(table, "rows.0.cells.0"), "a");
    assert_true(json_is_null(value_at(table, "rows.0.object")));
    json_decref(table);
    table = api_call(&client, "POST", MAPS, NULL, "{\"metadata\":{\"name\":\"c\"}}");
    api_expect(&client, 201);
    assert_string_equal(text_at(table, "rows.0.cells.0"), "c");
    json_decref(table);
    table = get(&client, MAPS "/none");
    assert_string_equal(text_at(table, "kind"), "Status");
    json_decref(table);
    api_finish(&client);
}

static void what_to_include_is_checked(void **state) {
    struct api_client client;
    (void)state;
    init(&client);
    json_t *status = get(&client, MAPS "?includeObject=All");
    api_expect(&client, 400);
    assert_string_equal(text_at(status, "message"),
                        "Unable to convert to Table as requested: includeObject: Invalid value: "
                        "\"All\": must be 'Metadata', 'Object', 'None', or empty");
    json_decref(status);
    client.accept = NULL; /* the word means nothing to others */
    json_decref(get(&client, MAPS "?includeObject=All"));
    api_expect(&client, 200);
    api_finish(&client);
}

static void scale_stays_what_it_is(void **state) {
    struct api_client client;
    (void)state;
    init(&client);
    api_put(&client, "POST", DEPLOYMENTS,
            "{\"metadata\":{\"name\":\"web\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}"
            "},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{"
            "\"name\":\"a\",\"image\":\"a\"}]}}}}");
    api_expect(&client, 201);
    json_t *scale = get(&client, DEPLOYMENTS "/web/scale");
    assert_string_equal(text_at(scale, "kind"), "Scale");
    json_decref(scale);
    api_finish(&client);
}

static void watch_tells_columns_once(void **state) {
    struct api_client client;
    struct api_stream stream;
    (void)state;
    init(&client);
    stream_open(&client, &stream, MAPS "?watch=1&allowWatchBookmarks=true");
    json_t *event = stream_next(&stream);
    assert_string_equal(text_at(event, "type"), "ADDED");
    assert_string_equal(text_at(event, "object.kind"), "Table");
    assert_int_equal(json_array_size(value_at(event, "object.columnDefinitions")), 3);
    assert_string_equal(text_at(event, "object.rows.0.cells.0"), "a");
    json_decref(event);
    event = stream_next(&stream);
    assert_true(json_is_null(value_at(event, "object.columnDefinitions")));
    assert_string_equal(text_at(event, "object.rows.0.cells.0"), "b");
    json_decref(event);
    json_decref(api_call(&client, "DELETE", MAPS "/b", NULL, NULL));
    event = stream_next(&stream);
    assert_string_equal(text_at(event, "type"), "DELETED");
    assert_string_equal(text_at(event, "object.rows.0.object.metadata.name"), "b");
    assert_string_equal(text_at(event, "object.rows.0.object.metadata.resourceVersion"),
                        text_at(event, "object.metadata.resourceVersion"));
    json_decref(event);
    api_wait(&client, 60);
    event = stream_next(&stream);
    assert_string_equal(text_at(event, "type"), "BOOKMARK");
    assert_string_equal(text_at(event, "object.kind"), "Table");
    assert_true(text_at(event, "object.metadata.resourceVersion")[0] != 0);
    assert_string_equal(text_at(event, "object.rows.0.cells.2"), "<unknown>");
    json_decref(event);
    stream_close(&stream);
    api_finish(&client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_comes_as_a_table),
        cmocka_unit_test(one_object_is_a_table_of_one_row),
        cmocka_unit_test(what_to_include_is_checked),
        cmocka_unit_test(scale_stays_what_it_is),
        cmocka_unit_test(watch_tells_columns_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
