#include "kube/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/support/fake_transport.h"
#include "support/given.h"
#include "json/scan.h"

static const struct kube_resource pods = {.group = "",
                                          .version = "v1",
                                          .kind = "Pod",
                                          .plural = "pods",
                                          .api_version = "v1",
                                          .namespaced = true};

struct world {
    struct mem_stats before;
    struct loop *loop;
    struct fake_transport calls, watches;
    struct kube_config config;
    struct kube_client *client;
    /* seen */
    struct strbuf log; /* "ADDED {...};" */
    int ends;
    struct error err; /* code 0 = none */
    struct kube_watch *watch;
    struct kube_list *list;
    int close_at; /* event that closes */
};

static void on_event(void *context, enum kube_event type, struct str object) {
    static const char *const names[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK"};
    struct world *world = context;
    strbuf_printf(&world->log, "%s " STR_FORMAT ";", names[type], STR_ARG(object));
    if (world->close_at && --world->close_at == 0)
        kube_watch_close(world->watch);
}

static void on_end(void *context, const struct error *err) {
    struct world *world = context;
    world->ends++;
    if (err)
        world->err = *err;
}

static int on_item(void *context, struct str object, struct error *err) {
    struct world *world = context;
    strbuf_printf(&world->log, STR_FORMAT ";", STR_ARG(object));
    if (world->close_at && --world->close_at == 0)
        kube_list_cancel(world->list);
    return json_check(object, err);
}

static void on_done(void *context, const char *version, const char *more, const struct error *err) {
    struct world *world = context;
    world->ends++;
    if (err)
        world->err = *err;
    else
        strbuf_printf(&world->log, "%s/%s", version, more);
}

static void begin(struct world *world) {
    struct error err;
    *world = (struct world){.before = mem_stats(), .config = {.server = "https://a"}};
    world->loop = loop_create(clock_real(), &err);
    fake_transport_init(&world->calls);
    fake_transport_init(&world->watches);
    struct kube_client_options options = {.loop = world->loop,
                                          .config = &world->config,
                                          .watches = &world->watches.base,
                                          .calls = &world->calls.base};
    world->client = kube_client_create(&options, &err);
    assert_non_null(world->client);
}

static void end(struct world *world) {
    kube_client_destroy(world->client);
    loop_destroy(world->loop);
    strbuf_finish(&world->log);
    assert_int_equal(mem_stats().blocks, world->before.blocks);
}

static void ask_watch(struct world *world) {
    struct kube_watch_options options = {.select = {.resource = &pods},
                                         .resource_version = "5",
                                         .on_event = on_event,
                                         .on_end = on_end,
                                         .context = world};
    world->ends = 0;
    world->err = (struct error){0};
    strbuf_finish(&world->log);
    world->watch = kube_watch_open(world->client, &options, NULL);
    assert_non_null(world->watch);
}

static void open_watch(struct world *world) {
    ask_watch(world);
    fake_transport_headers(&world->watches, 200, NULL, 0);
}

static bool feed(struct world *world, const char *text) {
    return fake_transport_data(&world->watches, text, strlen(text));
}

GIVEN(struct world, begin, end)

static void watch_bad_frames_end_it(void **state) {
    struct world *world = *state;
    static const struct {
        const char *frame;
        int code;
        const char *message;
    } cases[] = {
        {"nonsense\n", ERROR_PROTOCOL, "watch /api/v1/pods: byte"},
        {"[]\n", ERROR_PROTOCOL, "a frame is no object"},
        {"{}\n", ERROR_PROTOCOL, "a frame of type '' without an object"},
        {"{\"type\":\"ADDED\"}\n", ERROR_PROTOCOL, "a frame of type 'ADDED' without an object"},
        {"{\"type\":\"ADDED\",\"object\":7}\n", ERROR_PROTOCOL, "without an object"},
        {"{\"type\":\"WHAT\",\"object\":{}}\n", ERROR_PROTOCOL, "'WHAT'"},
        {"{\"type\":5,\"object\":{}}\n", ERROR_PROTOCOL, "type is not known"},
        {"{\"type\":\"ADDED\",\"object\":{}} x\n", ERROR_PROTOCOL, "byte"},
        {"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\","
         "\"message\":\"too old resource version: 1 (9)\"}}\n",
         ERROR_GONE, "watch /api/v1/pods: too old resource version: 1 (9)"},
        {"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":500,\"message\":\"etcd\"}}"
         "\n",
         ERROR_UNAVAILABLE, "etcd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_watch(world);
        assert_false(feed(world, cases[i].frame));
        assert_int_equal(world->ends, 1);
        assert_int_equal(world->err.code, cases[i].code);
        if (strstr(world->err.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].frame, world->err.message);
    }
}

static void watch_end_is_normal_only_between_frames(void **state) {
    struct world *world = *state;
    open_watch(world);
    fake_transport_end(&world->watches, NULL);
    assert_int_equal(world->ends, 1);
    assert_int_equal(world->err.code, 0);
    open_watch(world);
    feed(world, "{\"type\":");
    fake_transport_end(&world->watches, NULL);
    assert_int_equal(world->ends, 1);
    assert_int_equal(world->err.code, ERROR_UNAVAILABLE);
    assert_int_equal(world->err.status, 200);
    open_watch(world);
    fake_transport_fail(&world->watches, ERROR_UNAVAILABLE, 0);
    assert_int_equal(world->err.status, 200); /* cut */
    assert_string_equal(world->err.message, "watch /api/v1/pods: the network is away");
    ask_watch(world);
    fake_transport_fail(&world->watches, ERROR_UNAVAILABLE, 0);
    assert_int_equal(world->err.status, 0); /* refused */
}

static void watch_frames_may_be_split_anywhere(void **state) {
    struct world *world = *state;
    static const char text[] =
        "{\"type\":\"ADDED\",\"object\":{\"a\":\"x\\n\"}}\n\n"
        "{\"object\":{\"b\":[1, 2]},\"more\":{},\"type\":\"MODIFIED\"}\r\n"
        "{\"type\":\"DELETED\",\"object\":{}}\n{\"type\":\"BOOKMARK\",\"object\":{\"c\":1}}\n";
    static const char expected[] =
        "ADDED {\"a\":\"x\\n\"};MODIFIED {\"b\":[1, 2]};DELETED {};BOOKMARK {\"c\":1};";
    for (size_t size = 1; size <= sizeof text; size++) {
        open_watch(world);
        for (size_t at = 0; at < sizeof text - 1; at += size) {
            size_t left = sizeof text - 1 - at;
            assert_true(fake_transport_data(&world->watches, text + at, left < size ? left : size));
        }
        assert_string_equal(world->log.data, expected);
        fake_transport_end(&world->watches, NULL);
        assert_int_equal(world->err.code, 0);
    }
}

static void watch_closed_by_its_own_event_hears_no_more(void **state) {
    struct world *world = *state;
    open_watch(world);
    world->close_at = 2;
    assert_false(feed(world, "{\"type\":\"ADDED\",\"object\":{\"a\":1}}\n"
                             "{\"type\":\"ADDED\",\"object\":{\"a\":2}}\n"
                             "{\"type\":\"ADDED\",\"object\":{\"a\":3}}\n"));
    assert_string_equal(world->log.data, "ADDED {\"a\":1};ADDED {\"a\":2};");
    assert_int_equal(world->ends, 0);
    open_watch(world);
    kube_watch_close(world->watch);
    assert_int_equal(world->ends, 0);
}

static void watch_asks_for_what_was_selected(void **state) {
    struct world *world = *state;
    struct kube_watch_options options = {.select = {.resource = &pods,
                                                    .ns = "team",
                                                    .label_selector = "a in (b,c)",
                                                    .field_selector = "metadata.name=x",
                                                    .metadata_only = true},
                                         .resource_version = "",
                                         .resource_version_match = "NotOlderThan",
                                         .send_initial_events = true,
                                         .bookmarks = true,
                                         .timeout_s = 300,
                                         .on_event = on_event,
                                         .on_end = on_end,
                                         .context = world};
    struct kube_watch *watch = kube_watch_open(world->client, &options, NULL);
    assert_string_equal(
        fake_transport_what(&world->watches),
        "GET https://a/api/v1/namespaces/team/pods?labelSelector=a%20in%20%28b%2Cc%29"
        "&fieldSelector=metadata.name%3Dx&watch=1&resourceVersionMatch=NotOlderThan"
        "&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=300");
    assert_string_equal(fake_transport_header(&world->watches, "Accept"),
                        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1");
    kube_watch_close(watch);
}

static void start_list(struct world *world, const char *more) {
    struct kube_list_options options = {.select = {.resource = &pods},
                                        .resource_version = more ? NULL : "0",
                                        .limit = 500,
                                        .continue_token = more,
                                        .on_item = on_item,
                                        .on_done = on_done,
                                        .context = world};
    world->ends = 0;
    world->err = (struct error){0};
    strbuf_finish(&world->log);
    world->list = kube_list_start(world->client, &options, NULL);
    assert_non_null(world->list);
}

static bool list_answer(struct world *world, const char *text, size_t piece) {
    size_t len = strlen(text);
    fake_transport_headers(&world->calls, 200, NULL, 0);
    for (size_t at = 0; at < len; at += piece)
        if (!fake_transport_data(&world->calls, text + at, len - at < piece ? len - at : piece))
            return false;
    fake_transport_end(&world->calls, NULL);
    return true;
}

/* Those that are told before the answer is complete among them. */
static void list_bad_answers_are_protocol_errors(void **state) {
    struct world *world = *state;
    static const struct {
        int status;
        const char *body;
        int code;
        const char *message;
    } cases[] = {
        {200, "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{}],\"items\":[null]}",
         ERROR_PROTOCOL, "item 2: it is no object"},
        {200, "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{},]}", ERROR_PROTOCOL,
         "item 2: it is no object"},
        {200, "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{}}", ERROR_PROTOCOL, "byte"},
        {200, "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{}]} x", ERROR_PROTOCOL,
         "byte"},
        {200,
         "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{},{\"metadata\":{\"name\":"
         "\"web\",\"namespace\":\"team\"},\"spec\":{]}]}",
         ERROR_PROTOCOL, "item 2 team/web: byte"},
        {200, "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{} {}]}", ERROR_PROTOCOL,
         "item 1: byte"},
        {200, "{\"metadata\":{\"resourceVersion\":\"5\"},\"\\\"items\":[{}]}", ERROR_PROTOCOL,
         "the answer is no list"},
        {200, "{\"a\":{\"items\":[{}]},\"metadata\":{\"resourceVersion\":\"5\"}}", ERROR_PROTOCOL,
         "the answer is no list"},
        {200, "", ERROR_PROTOCOL, ""},
        {200, "[]", ERROR_PROTOCOL, ""},
        {200, "{}", ERROR_PROTOCOL, ""},
        {200, "{\"items\":[]}", ERROR_PROTOCOL, ""},
        {200, "{\"metadata\":{\"resourceVersion\":\"5\"}}", ERROR_PROTOCOL, ""},
        {200, "{\"metadata\":{\"resourceVersion\":5},\"items\":[]}", ERROR_PROTOCOL, ""},
        {200, "{\"metadata\":7,\"items\":[]}", ERROR_PROTOCOL, ""},
        {200, "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":{}}", ERROR_PROTOCOL, ""},
        {200, "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[7]}", ERROR_PROTOCOL, ""},
        {200, "{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":[{}", ERROR_PROTOCOL, ""},
        {410, "{\"kind\":\"Status\",\"reason\":\"Expired\"}", ERROR_GONE, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start_list(world, NULL);
        if (*cases[i].body)
            fake_transport_answer(&world->calls, cases[i].status, cases[i].body);
        else
            list_answer(world, "", 1);
        assert_int_equal(world->ends, 1);
        if (world->err.code != cases[i].code ||
            strstr(world->err.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].body, world->err.message);
        assert_non_null(strstr(world->err.message, "list /api/v1/pods: "));
    }
}

/* As a proxy ends an answer: well, and in the middle. */
static void list_cut_short_anywhere_is_an_error(void **state) {
    struct world *world = *state;
    static const char text[] = "{\"items\":[{\"a\":[1]},{\"b\":\"]}\"}],\"metadata\":"
                               "{\"resourceVersion\":\"9\"}}";
    for (size_t len = 1; len < sizeof text - 1; len++) {
        char part[sizeof text] = "";
        memcpy(part, text, len);
        start_list(world, NULL);
        assert_true(list_answer(world, part, 7));
        assert_int_equal(world->ends, 1);
        assert_int_equal(world->err.code, ERROR_PROTOCOL);
    }
}

static void list_items_come_before_the_answer_is_complete(void **state) {
    struct world *world = *state;
    static const char first[] = "{\"items\":[{\"a\":1},{\"b\":";
    start_list(world, NULL);
    assert_true(fake_transport_request(&world->calls)->gzip);
    fake_transport_headers(&world->calls, 200, NULL, 0);
    fake_transport_data(&world->calls, first, strlen(first));
    assert_string_equal(world->log.data, "{\"a\":1};");
    fake_transport_fail(&world->calls, ERROR_UNAVAILABLE, 0);
    assert_int_equal(world->ends, 1);
    assert_string_equal(world->err.message, "list /api/v1/pods: the network is away");
}

static void list_may_be_split_anywhere(void **state) {
    struct world *world = *state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"9\",\"continue\":\"t\","
         "\"managed\":[[]]},\"items\":[{\"a\":\"\\\\\"},{\"b\":\"}],\\\"\"}]}\n",
         "{\"a\":\"\\\\\"};{\"b\":\"}],\\\"\"};9/t"},
        {" { \"items\" : [ {\"a\":[{},[1,2]]} , {\"items\":[3]}\n] ,\r\n\"metadata\" : "
         "{\"resourceVersion\":\"9\"} , \"kind\":\"PodList\" } ",
         "{\"a\":[{},[1,2]]};{\"items\":[3]};9/"},
        {"{\"it\\u0065ms\":[{\"a\":1}, {}],\"metadata\":{\"resourceVersion\":\"9\"}}",
         "{\"a\":1};{};9/"},
        {"{\"metadata\":{\"resourceVersion\":\"9\",\"items\":[5]},\"items\":[ ]}", "9/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t size = 1; size <= strlen(cases[i].text); size++) {
            start_list(world, NULL);
            assert_true(list_answer(world, cases[i].text, size));
            assert_int_equal(world->err.code, 0);
            assert_string_equal(world->log.data, cases[i].expected);
        }
    }
}

static void list_gives_items_version_and_token(void **state) {
    struct world *world = *state;
    start_list(world, NULL);
    assert_string_equal(fake_transport_what(&world->calls),
                        "GET https://a/api/v1/pods?limit=500&resourceVersion=0");
    fake_transport_answer(&world->calls, 200,
                          "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"9\","
                          "\"continue\":\"t=\",\"x\":[]},\"items\":[{\"a\":1}, {\"b\":{}}]}");
    assert_string_equal(world->log.data, "{\"a\":1};{\"b\":{}};9/t=");
    start_list(world, "t=");
    assert_string_equal(fake_transport_what(&world->calls),
                        "GET https://a/api/v1/pods?limit=500&continue=t%3D");
    fake_transport_answer(&world->calls, 200,
                          "{\"items\":null,\"metadata\":{\"resourceVersion\":\"9\"}}");
    assert_string_equal(world->log.data, "9/");
}

static void list_cancelled_hears_no_more(void **state) {
    struct world *world = *state;
    start_list(world, NULL);
    world->close_at = 1;
    fake_transport_answer(&world->calls, 200,
                          "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[{},{}]}");
    assert_string_equal(world->log.data, "{};");
    assert_int_equal(world->ends, 0);
    start_list(world, NULL);
    kube_list_cancel(world->list);
    assert_int_equal(fake_transport_waiting(&world->calls), 0);
    assert_int_equal(world->ends, 0);
}

static void watch_and_list_survive_each_failed_allocation(void **state) {
    struct world *world = *state;
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
        struct error err = {0};
        struct kube_watch_options watch = {.select = {.resource = &pods, .label_selector = "a"},
                                           .on_event = on_event,
                                           .on_end = on_end,
                                           .context = world};
        struct kube_list_options list = {.select = {.resource = &pods},
                                         .on_item = on_item,
                                         .on_done = on_done,
                                         .context = world};
        mem_fail_at(n, /* forever= */ false);
        world->watch = kube_watch_open(world->client, &watch, &err);
        if (world->watch) {
            fake_transport_headers(&world->watches, 200, NULL, 0);
            if (feed(world, "{\"type\":\"ADDED\",") && feed(world, "\"object\":{}}\n"))
                kube_watch_close(world->watch);
            else
                assert_int_equal(world->err.code, ERROR_NOMEM);
        } else {
            assert_int_equal(err.code, ERROR_NOMEM);
        }
        world->list = kube_list_start(world->client, &list, &err);
        if (world->list)
            fake_transport_answer(&world->calls, 200,
                                  "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[{}]}");
        failed = mem_fail_stop();
        strbuf_finish(&world->log);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(watch_bad_frames_end_it),
        TEST(watch_end_is_normal_only_between_frames),
        TEST(watch_frames_may_be_split_anywhere),
        TEST(watch_closed_by_its_own_event_hears_no_more),
        TEST(watch_asks_for_what_was_selected),
        TEST(list_bad_answers_are_protocol_errors),
        TEST(list_cut_short_anywhere_is_an_error),
        TEST(list_items_come_before_the_answer_is_complete),
        TEST(list_may_be_split_anywhere),
        TEST(list_gives_items_version_and_token),
        TEST(list_cancelled_hears_no_more),
        TEST(watch_and_list_survive_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
