#include "addon/migration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/support/fake_transport.h"

#define CRD "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tales.example.com"
#define TALES "/apis/example.com/v2/namespaces/n/tales/"

struct world {
    struct mem_stats before;
    struct clock_fake clock;
    struct loop *loop;
    struct fake_transport calls;
    struct kube_config config;
    struct kube_client *client;
    struct migration *migration;
    int done;
    size_t progress;
    struct error err;
    bool needed;
};

static void on_progress(void *context, const char *crd, size_t migrated) {
    struct world *world = context;
    assert_string_equal(crd, "tales.example.com");
    world->progress = migrated;
}

static void on_done(void *context, const struct migration_result *result, const struct error *err) {
    struct world *world = context;
    world->done++;
    world->needed = result->needed;
    if (err)
        world->err = *err;
}

static void turn(struct world *world) {
    for (int i = 0; i < 20; i++)
        loop_poll(world->loop);
}

static void begin(struct world *world) {
    struct error err;
    *world = (struct world){.before = mem_stats(), .config = {.server = "https://a"}};
    clock_fake_init(&world->clock, 1000 * NS_PER_S, 0);
    world->loop = loop_create(&world->clock.clock, &err);
    fake_transport_init(&world->calls);
    struct kube_client_options client = {.loop = world->loop,
                                         .config = &world->config,
                                         .watches = &world->calls.base,
                                         .calls = &world->calls.base,
                                         .user_agent = "test"};
    world->client = kube_client_create(&client, &err);
    struct migration_options options = {.client = world->client,
                                        .loop = world->loop,
                                        .crd = "tales.example.com",
                                        .progress = on_progress,
                                        .done = on_done,
                                        .context = world};
    world->migration = migration_start(&options, &err);
    assert_non_null(world->migration);
}

static void finish(struct world *world) {
    migration_destroy(world->migration);
    kube_client_destroy(world->client);
    turn(world);
    loop_destroy(world->loop);
    assert_int_equal(mem_stats().blocks, world->before.blocks);
}

/* The oldest request is `what`; answers it. */
static void answer(struct world *world, const char *what, int status, const char *body) {
    turn(world);
    if (strcmp(fake_transport_what(&world->calls), what) != 0)
        fail_msg("%s, expected %s", fake_transport_what(&world->calls), what);
    fake_transport_answer(&world->calls, status, body);
    turn(world);
}

static void answer_crd(struct world *world, const char *stored) {
    char text[512];
    snprintf(text, sizeof text,
             "{\"metadata\":{\"uid\":\"u\"},\"spec\":{\"group\":\"example.com\",\"scope\":"
             "\"Namespaced\",\"names\":{\"plural\":\"tales\",\"kind\":\"Tale\"},\"versions\":[{"
             "\"name\":\"v1\"},{\"name\":\"v2\",\"storage\":true}]},\"status\":{\"storedVersions\":"
             "%s}}",
             stored);
    answer(world, "GET https://a" CRD, 200, text);
}

static const char page_of_two[] =
    "{\"kind\":\"PartialObjectMetadataList\",\"metadata\":{\"resourceVersion\":\"5\"},\"items\":["
    "{\"metadata\":{\"namespace\":\"n\",\"name\":\"a\"}},"
    "{\"metadata\":{\"namespace\":\"n\",\"name\":\"b\"}}]}";
#define LIST "GET https://a/apis/example.com/v2/tales?limit=250"
#define PATCH(name) "PATCH https://a" TALES name "?fieldManager=moonlet"

static void migration_of_a_crd_that_stores_one_version_does_nothing(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    answer_crd(&world, "[\"v2\"]");
    assert_int_equal(world.done, 1);
    assert_int_equal(world.err.code, 0);
    assert_false(world.needed);
    finish(&world);
}

static void migration_that_fails_leaves_stored_versions(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    answer_crd(&world, "[\"v1\",\"v2\"]");
    answer(&world, LIST, 200, page_of_two);
    answer(&world, PATCH("a"), 200, "{}");
    answer(&world, PATCH("b"), 422,
           "{\"kind\":\"Status\",\"code\":422,\"reason\":\"Invalid\",\"message\":\"conversion "
           "failed\"}");
    assert_int_equal(world.done, 1);
    assert_int_equal(world.err.code, ERROR_REJECTED);
    assert_non_null(strstr(world.err.message, "CRD tales.example.com: " TALES "b"));
    assert_int_equal(fake_transport_waiting(&world.calls), 0);
    finish(&world);
}

static void migration_passes_over_what_is_gone_and_tries_conflicts_again(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    answer_crd(&world, "[\"v1\",\"v2\"]");
    answer(&world, LIST, 200, page_of_two);
    answer(&world, PATCH("a"), 404, "{\"kind\":\"Status\",\"code\":404,\"reason\":\"NotFound\"}");
    answer(&world, PATCH("b"), 409, "{\"kind\":\"Status\",\"code\":409,\"reason\":\"Conflict\"}");
    assert_int_equal(fake_transport_waiting(&world.calls), 0);
    loop_advance(world.loop, &world.clock, 10 * NS_PER_S);
    answer(&world, PATCH("b"), 200, "{}");
    assert_int_equal(world.progress, 1);
    turn(&world);
    assert_string_equal(fake_transport_what(&world.calls),
                        "PATCH https://a" CRD "/status?fieldManager=moonlet");
    struct str body = fake_transport_body(&world.calls);
    assert_true(str_is(
        body, "[{\"op\":\"test\",\"path\":\"/metadata/uid\",\"value\":\"u\"},{\"op\":\"test\","
              "\"path\":\"/spec/versions/1/name\",\"value\":\"v2\"},{\"op\":\"test\",\"path\":"
              "\"/spec/versions/1/storage\",\"value\":true},{\"op\":\"test\",\"path\":"
              "\"/status/storedVersions\",\"value\":[\"v1\",\"v2\"]},{\"op\":\"replace\",\"path\":"
              "\"/status/storedVersions\",\"value\":[\"v2\"]}]"));
    fake_transport_answer(&world.calls, 200, "{}");
    turn(&world);
    assert_int_equal(world.done, 1);
    assert_int_equal(world.err.code, 0);
    assert_true(world.needed);
    finish(&world);
}

static void migration_can_be_dropped_in_the_middle(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    answer_crd(&world, "[\"v1\",\"v2\"]");
    answer(&world, LIST, 200, page_of_two);
    finish(&world);
    assert_int_equal(world.done, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(migration_of_a_crd_that_stores_one_version_does_nothing),
        cmocka_unit_test(migration_that_fails_leaves_stored_versions),
        cmocka_unit_test(migration_passes_over_what_is_gone_and_tries_conflicts_again),
        cmocka_unit_test(migration_can_be_dropped_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
