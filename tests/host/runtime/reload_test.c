#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "runtime/support/world.h"

#define DEFINITION(name, file, more)                                                               \
    "{\"definitions\":[{\"type\":\"controller\",\"name\":\"" name "\",\"source\":\"" file          \
    ".lua:1\",\"resource\":{\"kind\":\"v1/ConfigMap\"" more "}],\"crds\":[]}"
#define APP(name, file) DEFINITION(name, file, "},\"handlers\":[\"reconcile\"]")
#define CONFIG_MAP(name, version)                                                                  \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" name                 \
    "\",\"namespace\":\"ns\",\"uid\":\"u-" name "\",\"resourceVersion\":\"" version                \
    "\"},\"data\":{\"v\":\"" version "\"}}"

static void settle(struct world *world) {
    world_until(world, reload_settled(world->host.reload));
    char line[128];
    while (fake_engine_next(&world->engine, line, sizeof line))
        ;
}

/* R16 */
static void reload_fails_the_later_of_two_files_with_one_name(void **state) {
    struct world *world = *state;
    world_has(world, "ConfigMap", CONFIG_MAP("a", "5"));
    world_file(world, "one", APP("app", "one"));
    world_live(world, "one");
    world_file(world, "two", APP("app", "two"));
    const struct slot *two = world_slot(world, "two");
    world_until(world, two->next == NULL);
    assert_null(two->live);
    assert_int_equal(two->error.code, ERROR_EXISTS);
    assert_non_null(strstr(two->error.message, "the name \"app\" is taken by one.lua:1"));
    assert_non_null(world_slot(world, "one")->live);
}

static void reload_takes_a_name_over_once_it_is_free(void **state) {
    struct world *world = *state;
    world_file(world, "one", APP("app", "one"));
    world_live(world, "one");
    world_file(world, "two", APP("app", "two")); /* the file is moved: first the copy... */
    world_until(world, world_slot(world, "two")->next == NULL);
    world_file(world, "one", NULL); /* ...then the removal */
    world_until(world, world_slot(world, "two")->live);
    world_file(world, "three", APP("other", "three"));
    world_live(world, "three");
    world_file(world, "one", APP("other", "one"));
    world_until(world, world_slot(world, "one")->next == NULL);
    world_file(world, "three", APP("third", "three")); /* gives the name up in an edit */
    world_until(world, world_slot(world, "one")->live);
}

static void reload_keeps_the_version_that_runs_when_the_next_fails(void **state) {
    struct world *world = *state;
    world_has(world, "ConfigMap", CONFIG_MAP("a", "5"));
    world_file(world, "app", APP("app", "app"));
    world_live(world, "app");
    settle(world);
    world_file(world, "app", "!app.lua:7: no");
    const struct slot *slot = world_slot(world, "app");
    world_until(world, slot->next == NULL);
    assert_string_equal(slot->error.message, "app.lua:7: no");
    assert_true(fake_engine_logged(&world->engine, "the previous version keeps running"));
    settle(world);
    world_event(world, "ConfigMap", KUBE_MODIFIED, CONFIG_MAP("a", "102"));
    world_expect(world, "s1 reconcile ns/a event 1");
}

/* R9 */

static void inbox_coalesces_by_key_first_old_latest_new(void **state) {
    struct world *world = *state;
    world_has(world, "ConfigMap", CONFIG_MAP("a", "5"));
    world_file(world, "app",
               DEFINITION("app", "app", ",\"when\":true},\"handlers\":[\"reconcile\"]"));
    world_live(world, "app");
    settle(world);
    world_event(world, "ConfigMap", KUBE_MODIFIED, CONFIG_MAP("a", "102"));
    world_event(world, "ConfigMap", KUBE_MODIFIED, CONFIG_MAP("a", "103"));
    world_event(world, "ConfigMap", KUBE_ADDED, CONFIG_MAP("b", "104"));
    world_event(world, "ConfigMap", KUBE_MODIFIED, CONFIG_MAP("a", "105"));
    world_expect(world, "s1 observe resource ns/a 5>105");
    world_expect(world, "s1 observe resource ns/b ->104");
    world_expect(world, "s1 reconcile ns/a event 1");
    world_expect(world, "s1 reconcile ns/b event 1");
    world_event(world, "ConfigMap", KUBE_MODIFIED, CONFIG_MAP("a", "106"));
    world_event(world, "ConfigMap", KUBE_DELETED, CONFIG_MAP("a", "107"));
    settle(world);
    assert_int_equal(world_slot(world, "app")->live->inbox.count, 0);
}

static void inbox_queues_the_keys_that_a_map_gives(void **state) {
    struct world *world = *state;
    world->engine.keys = "[\"ns/b\"]";
    world_has(world, "ConfigMap", CONFIG_MAP("a", "5"));
    world_has(world, "ConfigMap", CONFIG_MAP("b", "6"));
    world_file(world, "app",
               DEFINITION("app", "app",
                          "},\"handlers\":[\"reconcile\"],\"watches\":[{\"kind\":\"v1/Pod\","
                          "\"map\":true}]"));
    world_live(world, "app");
    settle(world);
    world_event(world, "Pod", KUBE_ADDED,
                "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\","
                "\"resourceVersion\":\"102\"}}");
    world_expect(world, "s1 observe watches.1 ns/p ->102");
    world_expect(world, "s1 reconcile ns/b event 1");
}

static void on_event_sees_every_change_in_order(void **state) {
    struct world *world = *state;
    world_file(world, "app", DEFINITION("app", "app", "},\"handlers\":[\"on.event\"]"));
    world_live(world, "app");
    world_expect(world, "s1 load app");
    world_expect(world, "s1 bind 1");
    world_event(world, "ConfigMap", KUBE_ADDED, CONFIG_MAP("a", "102"));
    world_event(world, "ConfigMap", KUBE_MODIFIED, CONFIG_MAP("a", "103"));
    world_event(world, "ConfigMap", KUBE_MODIFIED, CONFIG_MAP("a", "104"));
    world_event(world, "ConfigMap", KUBE_DELETED, CONFIG_MAP("a", "105"));
    world_expect(world, "s1 on.event ns/a added 1");
    world_expect(world, "s1 on.event ns/a updated 1");
    world_expect(world, "s1 on.event ns/a updated 1");
    world_expect(world, "s1 on.event ns/a deleted 1");
}

static void on_event_that_falls_behind_is_reported_and_made_up_for(void **state) {
    struct world *world = *state;
    char json[256];
    world_has(world, "ConfigMap", CONFIG_MAP("a", "5"));
    world_has(world, "ConfigMap", CONFIG_MAP("b", "6"));
    world_file(world, "app",
               DEFINITION("app", "app", "},\"handlers\":[\"reconcile\",\"on.event\"]"));
    world_live(world, "app");
    settle(world);
    struct controller *app = world_controller(world, "app");
    world->host.leading = false; /* nothing is called meanwhile */
    for (int version = 1000; version < 1000 + 4096; version++) {
        snprintf(json, sizeof json, CONFIG_MAP("a", "%d"), version, version);
        world_event(world, "ConfigMap", KUBE_MODIFIED, json);
    }
    assert_int_equal(app->event_count, 4096);
    assert_false(fake_engine_logged(&world->engine, "on.event is behind"));
    world_event(world, "ConfigMap", KUBE_MODIFIED, CONFIG_MAP("a", "9000"));
    world_event(world, "ConfigMap", KUBE_MODIFIED, CONFIG_MAP("a", "9001"));
    assert_int_equal(app->event_count, 4096);
    assert_true(fake_engine_logged(&world->engine, "on.event is behind by 4096 changes"));
    edge_clear(app);
    world->host.leading = true;
    reload_wake(world->host.reload);
    world_until(world, fake_engine_saw(&world->engine, "s1 reconcile ns/b resync 1"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(reload_fails_the_later_of_two_files_with_one_name),
        TEST(reload_takes_a_name_over_once_it_is_free),
        TEST(reload_keeps_the_version_that_runs_when_the_next_fails),
        TEST(inbox_coalesces_by_key_first_old_latest_new),
        TEST(inbox_queues_the_keys_that_a_map_gives),
        TEST(on_event_sees_every_change_in_order),
        TEST(on_event_that_falls_behind_is_reported_and_made_up_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
