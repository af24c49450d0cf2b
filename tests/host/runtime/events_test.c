#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "runtime/support/world.h"

static void tell(struct world *world, const char *name, const char *message) {
    struct event_about about = {"v1", "Pod", "ns", name, name, "5"};
    event_record(world->host.events, "app", &about, "Normal", "Tested", message);
}

static bool body_has(struct world *world, const char *text) {
    struct str body = fake_transport_body(&world->calls);
    return memmem(body.data, body.len, text, strlen(text)) != NULL;
}

static bool is_create(struct world *world) {
    return strcmp(fake_transport_what(&world->calls),
                  "POST https://a/api/v1/namespaces/ns/events") == 0;
}

static bool is_count(struct world *world) {
    return strncmp(fake_transport_what(&world->calls),
                   "PATCH https://a/api/v1/namespaces/ns/events/", 44) == 0;
}

static void accept(struct world *world) {
    fake_transport_answer(&world->calls, 201, "{}");
}

static void event_again_is_a_count(void **state) {
    (void)state;
    struct world world;
    char count[32];
    world_begin(&world);
    tell(&world, "a", "hello");
    assert_true(is_create(&world) && body_has(&world, "\"message\":\"hello\""));
    assert_true(body_has(&world, "\"involvedObject\":{\"apiVersion\":\"v1\",\"kind\":\"Pod\""));
    tell(&world, "a", "hello"); /* the first is still on its way */
    assert_int_equal(fake_transport_waiting(&world.calls), 1);
    accept(&world);
    for (int i = 2; i <= 20; i++) { /* the same text never counts as "similar" */
        tell(&world, "a", "hello");
        snprintf(count, sizeof count, "\"count\":%d,", i);
        assert_true(is_count(&world) && body_has(&world, count));
        assert_false(body_has(&world, "combined"));
        accept(&world);
    }
    assert_true(event_recorder_idle(world.host.events));
    world_end(&world);
}

static void event_that_differs_in_its_text_is_combined_after_ten(void **state) {
    (void)state;
    struct world world;
    char text[32];
    world_begin(&world);
    for (int i = 1; i <= 10; i++) {
        snprintf(text, sizeof text, "text %d", i);
        tell(&world, "a", text);
        assert_true(is_create(&world) && !body_has(&world, "combined"));
        accept(&world);
    }
    tell(&world, "a", "text 11");
    assert_true(is_create(&world));
    assert_true(body_has(&world, "\"message\":\"(combined from similar events): text 11\""));
    accept(&world);
    tell(&world, "a", "text 12");
    assert_true(is_count(&world) && body_has(&world, "\"count\":2"));
    accept(&world);
    tell(&world, "b", "text 12"); /* another object is another matter */
    assert_true(is_create(&world) && !body_has(&world, "combined"));
    accept(&world);
    world_pass(&world, 601 * NS_PER_S);
    tell(&world, "a", "text 13");
    assert_true(is_create(&world) && !body_has(&world, "combined"));
    accept(&world);
    world_end(&world);
}

static void event_source_that_talks_too_much_is_cut_off(void **state) {
    (void)state;
    struct world world;
    world_begin(&world);
    for (int i = 0; i < 25; i++) {
        tell(&world, "a", "hello");
        assert_int_equal(fake_transport_waiting(&world.calls), 1);
        accept(&world);
    }
    tell(&world, "a", "hello");
    assert_int_equal(fake_transport_waiting(&world.calls), 0);
    assert_int_equal(event_recorder_stats(world.host.events).dropped, 1);
    tell(&world, "b", "hello");
    assert_true(is_create(&world));
    accept(&world);
    world_pass(&world, 301 * NS_PER_S); /* one more in five minutes */
    tell(&world, "a", "hello");
    assert_true(is_count(&world));
    accept(&world);
    tell(&world, "a", "hello");
    assert_int_equal(fake_transport_waiting(&world.calls), 0);
    world_end(&world);
}

static void event_that_was_refused_is_made_anew(void **state) {
    (void)state;
    struct world world;
    world_begin(&world);
    tell(&world, "a", "hello");
    fake_transport_answer(&world.calls, 403, "{\"kind\":\"Status\",\"reason\":\"Forbidden\"}");
    assert_int_equal(event_recorder_stats(world.host.events).failed, 1);
    tell(&world, "a", "hello");
    assert_true(is_create(&world));
    accept(&world);
    tell(&world, "a", "hello");
    fake_transport_answer(&world.calls, 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\"}");
    tell(&world, "a", "hello"); /* the server has let it expire */
    assert_true(is_create(&world) && body_has(&world, "\"count\":1"));
    world_end(&world); /* what is under way is given up */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(event_again_is_a_count),
        cmocka_unit_test(event_that_differs_in_its_text_is_combined_after_ten),
        cmocka_unit_test(event_source_that_talks_too_much_is_cut_off),
        cmocka_unit_test(event_that_was_refused_is_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
