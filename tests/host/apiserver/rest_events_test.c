/* Events of v1 and of events.k8s.io/v1: one store, with the answers that a real server gave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/folder.h"
#include "apiserver/support/rest/api.h"
#include "base/mem.h"

#define CORE "/api/v1/namespaces/default/events"
#define GROUP "/apis/events.k8s.io/v1/namespaces/default/events"

static const char old_event[] =
    "{\"metadata\":{\"name\":\"a\"},\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"p\","
    "\"namespace\":\"default\"},\"reason\":\"Because\",\"message\":\"hello\",\"source\":{"
    "\"component\":\"me\",\"host\":\"h\"},\"firstTimestamp\":\"2026-01-01T00:00:00Z\","
    "\"lastTimestamp\":\"2026-01-01T00:00:01Z\",\"count\":2,\"type\":\"Normal\"}";
static const char new_event[] =
    "{\"metadata\":{\"name\":\"b\"},\"regarding\":{\"kind\":\"Pod\",\"name\":\"q\",\"namespace\":"
    "\"default\"},\"reason\":\"Because\",\"note\":\"hello\",\"eventTime\":"
    "\"2026-01-01T00:00:00.000000Z\",\"reportingController\":\"x.io/c\",\"reportingInstance\":"
    "\"i\",\"action\":\"Do\",\"type\":\"Normal\",\"series\":{\"count\":2,\"lastObservedTime\":"
    "\"2026-01-01T00:00:01.000000Z\"},\"related\":{\"kind\":\"Node\",\"name\":\"n\"}}";

/* Takes `got`; what is written in `wanted`, and metadata. */
static void expect_event(struct api_client *client, json_t *got, int status, const char *wanted) {
    api_expect(client, status);
    json_object_del(got, "metadata");
    json_t *want = json_loads(wanted, 0, NULL);
    char *a = json_dumps(got, JSON_SORT_KEYS), *b = json_dumps(want, JSON_SORT_KEYS);
    assert_string_equal(a, b);
    free(a);
    free(b);
    json_decref(got);
    json_decref(want);
}

static const char old_in_group[] =
    "{\"kind\":\"Event\",\"apiVersion\":\"events.k8s.io/v1\",\"regarding\":{\"kind\":\"Pod\","
    "\"name\":\"p\",\"namespace\":\"default\"},\"reason\":\"Because\",\"note\":\"hello\","
    "\"deprecatedSource\":{\"component\":\"me\",\"host\":\"h\"},\"deprecatedFirstTimestamp\":"
    "\"2026-01-01T00:00:00Z\",\"deprecatedLastTimestamp\":\"2026-01-01T00:00:01Z\","
    "\"deprecatedCount\":2,\"type\":\"Normal\"}";
#define NEW_REST                                                                                   \
    "\"reason\":\"Because\",\"eventTime\":\"2026-01-01T00:00:00.000000Z\",\"reportingInstance\":"  \
    "\"i\",\"action\":\"Do\",\"type\":\"Normal\",\"series\":{\"count\":2,\"lastObservedTime\":"    \
    "\"2026-01-01T00:00:01.000000Z\"},\"related\":{\"kind\":\"Node\",\"name\":\"n\"}}"
#define NEW_OBJECT "{\"kind\":\"Pod\",\"name\":\"q\",\"namespace\":\"default\"}"
static const char new_in_group[] =
    "{\"kind\":\"Event\",\"apiVersion\":\"events.k8s.io/v1\",\"regarding\":" NEW_OBJECT
    ",\"note\":\"hello\",\"reportingController\":\"x.io/c\",\"deprecatedSource\":{}," NEW_REST;
static const char new_in_core[] =
    "{\"kind\":\"Event\",\"apiVersion\":\"v1\",\"involvedObject\":" NEW_OBJECT
    ",\"message\":\"hello\",\"reportingComponent\":\"x.io/c\",\"source\":{}," NEW_REST;

static json_t *get(struct api_client *client, const char *path) {
    return api_call(client, "GET", path, NULL, NULL);
}

static void make(struct api_client *client) {
    api_init(client);
    json_decref(api_call(client, "POST", CORE, NULL, old_event));
    api_expect(client, 201);
    expect_event(client, api_call(client, "POST", GROUP, NULL, new_event), 201, new_in_group);
}

static void wrong_events_are_refused(void **state) {
    struct api_client client;
    (void)state;
    make(&client);
    json_t *there = api_call(&client, "POST", GROUP, NULL, "{\"metadata\":{\"name\":\"z\"}}");
    api_expect(&client, 422);
    assert_string_equal(text_at(there, "message"),
                        "Event \"z\" is invalid: [eventTime: Required value, type: Invalid "
                        "value: \"\": has invalid value: ]");
    json_decref(there);
    there = api_call(&client, "POST", CORE, NULL, "{\"metadata\":{\"name\":\"b\"}}");
    api_expect(&client, 409);
    assert_string_equal(text_at(there, "message"), "events \"b\" already exists");
    json_decref(there);
    json_decref(api_call(&client, "PATCH", GROUP "/b?fieldValidation=Strict",
                         "application/merge-patch+json", "{\"message\":\"x\"}"));
    api_expect(&client, 422);
    json_decref(get(&client, GROUP "/c"));
    api_expect(&client, 404);
    json_decref(get(&client, GROUP "?fieldSelector=involvedObject.name%3Dq"));
    api_expect(&client, 400);
    api_finish(&client);
}

static void each_is_seen_through_both(void **state) {
    struct api_client client;
    (void)state;
    make(&client);
    expect_event(&client, get(&client, GROUP "/a"), 200, old_in_group);
    expect_event(&client, get(&client, GROUP "/b"), 200, new_in_group);
    expect_event(&client, get(&client, CORE "/b"), 200, new_in_core);
    json_t *list = get(&client, "/apis/events.k8s.io/v1/events?limit=5");
    assert_int_equal(json_array_size(value_at(list, "items")), 2);
    assert_string_equal(text_at(list, "apiVersion"), "events.k8s.io/v1");
    assert_string_equal(text_at(list, "items.0.note"), "hello");
    assert_null(value_at(list, "items.0.apiVersion"));
    json_decref(list);
    api_finish(&client);
}

static void expect_found(struct api_client *client, const char *path, const char *names) {
    json_t *list = get(client, path), *item;
    char found[64] = "";
    size_t i;
    api_expect(client, 200);
    json_array_foreach(value_at(list, "items"), i, item) {
        strcat(found, text_at(item, "metadata.name"));
    }
    assert_string_equal(found, names);
    json_decref(list);
}

static void fields_are_those_of_the_version(void **state) {
    struct api_client client;
    (void)state;
    make(&client);
    expect_found(&client, GROUP "?fieldSelector=regarding.name%3Dq", "b");
    expect_found(&client, GROUP "?fieldSelector=regarding.name!%3Dq,type%3DNormal", "a");
    expect_found(&client, GROUP "?fieldSelector=reason%3DBecause,reportingController%3Dx.io/c",
                 "b");
    expect_found(&client, CORE "?fieldSelector=involvedObject.name%3Dq", "b");
    expect_found(&client, CORE "?fieldSelector=reportingComponent%3Dx.io/c", "b");
    expect_found(&client, CORE "?fieldSelector=source%3Dme", "a");
    expect_found(&client, CORE "?fieldSelector=reason%3DBecause,type%3DNormal", "ab");
    api_finish(&client);
}

static void both_are_changed_and_watched(void **state) {
    struct api_client client;
    struct api_stream core, group;
    (void)state;
    make(&client);
    stream_open(&client, &core, CORE "?watch=1&resourceVersion=0");
    stream_open(&client, &group, GROUP "?watch=1&resourceVersion=0");
    for (size_t i = 0; i < 2; i++) {
        stream_expect(&core, "ADDED", i ? "b" : "a");
        stream_expect(&group, "ADDED", i ? "b" : "a");
    }
    json_t *now = api_call(&client, "PATCH", CORE "/b", "application/merge-patch+json",
                           "{\"message\":\"other\"}");
    api_expect(&client, 200);
    json_decref(now);
    now = stream_next(&group);
    assert_string_equal(text_at(now, "object.note"), "other");
    assert_string_equal(text_at(now, "object.apiVersion"), "events.k8s.io/v1");
    json_decref(now);
    now = get(&client, GROUP "/b");
    json_object_set_new(json_object_get(now, "series"), "count", json_integer(3));
    char *text = json_dumps(now, 0);
    json_decref(now);
    now = api_call(&client, "PUT", GROUP "/b", NULL, text);
    api_expect(&client, 200);
    assert_int_equal(json_integer_value(value_at(now, "series.count")), 3);
    free(text);
    json_decref(now);
    now = stream_next(&core);
    assert_string_equal(text_at(now, "object.message"), "other");
    json_decref(now);
    now = stream_next(&core);
    assert_int_equal(json_integer_value(value_at(now, "object.series.count")), 3);
    assert_string_equal(text_at(now, "object.apiVersion"), "v1");
    assert_string_equal(text_at(now, "object.reportingComponent"), "x.io/c");
    json_decref(now);
    now = api_call(
        &client, "PATCH", GROUP "/b?fieldManager=me&force=true", "application/apply-patch+yaml",
        "{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"labels\":{"
        "\"is\":\"applied\"}},\"eventTime\":\"2026-01-01T00:00:00.000000Z\"}");
    api_expect(&client, 200);
    assert_string_equal(text_at(now, "metadata.labels.is"), "applied");
    json_decref(now);
    stream_expect(&core, "MODIFIED", "b");
    json_decref(api_call(&client, "DELETE", GROUP "/b", NULL, NULL));
    api_expect(&client, 200);
    stream_expect(&core, "DELETED", "b");
    now = api_call(&client, "DELETE", GROUP, NULL, NULL);
    api_expect(&client, 200);
    assert_string_equal(text_at(now, "apiVersion"), "events.k8s.io/v1");
    assert_string_equal(text_at(now, "items.0.note"), "hello");
    assert_null(value_at(now, "items.0.message"));
    json_decref(now);
    stream_expect(&core, "DELETED", "a");
    expect_found(&client, GROUP, "");
    stream_close(&core);
    stream_close(&group);
    api_finish(&client);
}

static void dry_runs_and_tables_speak_the_version(void **state) {
    struct api_client client;
    (void)state;
    make(&client);
    json_t *now = api_call(&client, "PATCH", GROUP "/b?dryRun=All", "application/merge-patch+json",
                           "{\"series\":{\"count\":7}}");
    api_expect(&client, 200);
    assert_int_equal(json_integer_value(value_at(now, "series.count")), 7);
    json_decref(now);
    expect_event(&client, get(&client, CORE "/b"), 200, new_in_core);
    client.accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    json_t *table = get(&client, GROUP);
    assert_int_equal(json_array_size(value_at(table, "rows")), 2);
    assert_string_equal(text_at(table, "rows.0.cells.3"), "pod/p");
    assert_string_equal(text_at(table, "rows.1.cells.6"), "hello");
    json_decref(table);
    api_finish(&client);
}

static void a_folder_keeps_them_together(void **state) {
    struct api_client client;
    char *folder = folder_create();
    (void)state;
    api_init_at(&client, folder);
    json_decref(api_call(&client, "POST", GROUP, NULL, new_event));
    api_finish(&client);
    api_init_at(&client, folder);
    expect_event(&client, get(&client, GROUP "/b"), 200, new_in_group);
    expect_event(&client, get(&client, CORE "/b"), 200, new_in_core);
    api_put(&client, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"gone\"}}");
    api_put(&client, "POST", "/apis/events.k8s.io/v1/namespaces/gone/events",
            "{\"metadata\":{\"name\":\"e\"},\"regarding\":{\"namespace\":\"gone\"},\"eventTime\":"
            "\"2026-01-01T00:00:00.000000Z\",\"reportingController\":\"x\",\"reportingInstance\":"
            "\"i\",\"action\":\"a\",\"reason\":\"r\",\"type\":\"Normal\"}");
    api_expect(&client, 201);
    json_decref(api_call(&client, "DELETE", "/api/v1/namespaces/gone", NULL, NULL));
    api_wait(&client, 5);
    json_decref(get(&client, "/api/v1/namespaces/gone"));
    api_expect(&client, 404);
    api_finish(&client);
    folder_remove(folder);
    mem_free(folder);
}

static void expect_refused(struct api_client *client, const char *method, const char *path,
                           const char *body, const char *why) {
    bool patch = strcmp(method, "PATCH") == 0;
    json_t *answer =
        api_call(client, method, path, patch ? "application/merge-patch+json" : NULL, body);
    api_expect(client, 422);
    assert_string_equal(text_at(answer, "message"), why);
    json_decref(answer);
}

#define KUBE_SYSTEM "/api/v1/namespaces/kube-system/events"
#define TIMED "\"eventTime\":\"2026-01-01T00:00:00.000000Z\""
#define REPORTER                                                                                   \
    "\"reportingComponent\":\"c\",\"reportingInstance\":\"i\",\"action\":\"a\",\"reason\":\"r\""

static void an_event_is_where_its_object_is(void **state) {
    static const char away[] =
        "Event \"e\" is invalid: involvedObject.namespace: Invalid value: \"default\": does not "
        "match event.namespace";
    static const char nowhere[] =
        "Event \"e\" is invalid: involvedObject.namespace: Invalid value: "
        "\"\": does not match event.namespace";
    struct api_client client;
    (void)state;
    api_init(&client);
    expect_refused(&client, "POST", KUBE_SYSTEM,
                   "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"namespace\":\"default\"}}",
                   away);
    expect_refused(&client, "POST", KUBE_SYSTEM,
                   "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"kind\":\"Node\"}}",
                   nowhere);
    expect_refused(&client, "POST", "/api/v1/namespaces/kube-public/events",
                   "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{}," TIMED "," REPORTER "}",
                   nowhere);
    json_decref(api_call(&client, "POST", KUBE_SYSTEM, NULL,
                         "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{}," TIMED "," REPORTER
                         "}"));
    api_expect(&client, 201);
    json_decref(api_call(&client, "POST", KUBE_SYSTEM, NULL,
                         "{\"metadata\":{\"name\":\"f\"},\"involvedObject\":{\"namespace\":"
                         "\"default\"}," TIMED "," REPORTER "}"));
    api_expect(&client, 201);
    json_decref(api_call(&client, "POST", CORE, NULL,
                         "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"kind\":\"Node\"}}"));
    api_expect(&client, 201);
    api_finish(&client);
}

static void an_event_with_a_time_says_who_reports(void **state) {
    struct api_client client;
    char body[4096], note[1100], word[140];
    (void)state;
    make(&client);
    expect_refused(
        &client, "POST", CORE,
        "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{},\"reportingComponent\":\"c\","
        "" TIMED "}",
        "Event \"e\" is invalid: [reportingInstance: Required value, action: Required "
        "value, reason: Required value]");
    memset(note, 'n', sizeof note);
    memset(word, 'w', sizeof word);
    snprintf(body, sizeof body,
             "{\"metadata\":{\"name\":\"e\"},\"reportingController\":\"-c\",\"reportingInstance\":"
             "\"%.129s\",\"action\":\"%.128s\",\"reason\":\"%.129s\",\"note\":\"%.1025s\","
             "\"type\":\"Odd\",\"deprecatedCount\":1,\"series\":{\"count\":1,"
             "\"lastObservedTime\":\"2026-01-01T00:00:00.000000Z\"}," TIMED "}",
             word, word, word, note);
    json_t *answer = api_call(&client, "POST", GROUP, NULL, body), *causes, *cause;
    size_t i;
    static const char *const fields[] = {"reportingController",
                                         "reportingInstance",
                                         "reason",
                                         "message",
                                         "series.count",
                                         "type",
                                         "count"};
    api_expect(&client, 422);
    causes = value_at(answer, "details.causes");
    assert_int_equal(json_array_size(causes), 7);
    json_array_foreach(causes, i, cause) assert_string_equal(text_at(cause, "field"), fields[i]);
    assert_string_equal(text_at(answer, "details.causes.2.message"),
                        "Invalid value: \"\": can have at most 128 characters");
    json_decref(answer);
    api_finish(&client);
}

/* client-go's two recorders: counts of v1, series of events.k8s.io/v1. */
static void recorders_go_on(void **state) {
    struct api_client client;
    (void)state;
    make(&client);
    expect_refused(&client, "PATCH", GROUP "/b", "{\"note\":\"x\",\"regarding\":null}",
                   "Event \"b\" is invalid: [involvedObject: Invalid value: {}: field is "
                   "immutable, message: Invalid value: \"x\": field is immutable]");
    expect_refused(
        &client, "PATCH", GROUP "/b", "{\"series\":{\"count\":1}}",
        "Event \"b\" is invalid: series.count: Invalid value: \"\": should be at least 2");
    expect_refused(
        &client, "PATCH", GROUP "/b", "{\"eventTime\":\"2026-01-01T00:00:01.000000Z\"}",
        "Event \"b\" is invalid: eventTime: Invalid value: \"2026-01-01T00:00:01.000000Z\": "
        "field is immutable");
    json_decref(api_call(&client, "PATCH", CORE "/a", "application/strategic-merge-patch+json",
                         "{\"count\":3,\"lastTimestamp\":\"2026-01-01T00:00:09Z\"}"));
    api_expect(&client, 200);
    json_decref(api_call(&client, "PATCH", GROUP "/b", "application/strategic-merge-patch+json",
                         "{\"series\":{\"count\":3,\"lastObservedTime\":"
                         "\"2026-01-01T00:00:09.000000Z\"}}"));
    api_expect(&client, 200);
    json_decref(
        api_call(&client, "PATCH", GROUP "/b", "application/strategic-merge-patch+json",
                 "{\"series\":{\"count\":4},\"eventTime\":\"2026-01-01T01:00:00.000000+01:00\"}"));
    api_expect(&client, 200);
    api_finish(&client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_events_are_refused),
        cmocka_unit_test(an_event_is_where_its_object_is),
        cmocka_unit_test(an_event_with_a_time_says_who_reports),
        cmocka_unit_test(recorders_go_on),
        cmocka_unit_test(each_is_seen_through_both),
        cmocka_unit_test(fields_are_those_of_the_version),
        cmocka_unit_test(both_are_changed_and_watched),
        cmocka_unit_test(dry_runs_and_tables_speak_the_version),
        cmocka_unit_test(a_folder_keeps_them_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
