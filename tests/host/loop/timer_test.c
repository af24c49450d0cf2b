#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"
#include "loop/loop.h"

struct note {
    struct loop_timer timer;
    char name;
    char *log;
    const struct clock_fake *clock;
    uint64_t fired_ns;
};

static void fire(struct loop_timer *timer) {
    struct note *note = CONTAINER_OF(timer, struct note, timer);
    note->fired_ns = note->clock->mono_ns;
    while (*note->log)
        note->log++;
    *note->log = note->name;
}

static void timers_fire_in_order_of_time_then_of_start(void **state) {
    (void)state;
    struct clock_fake clock;
    struct error err;
    char log[8] = "";
    clock_fake_init(&clock, 1000, 0);
    struct loop *loop = loop_create(&clock.clock, &err);
    struct note notes[4];
    const uint64_t delays[4] = {30, 10, 20, 10};
    for (int i = 0; i < 4; i++) {
        notes[i] = (struct note){.name = (char)('a' + i), .log = log, .clock = &clock};
        loop_timer_init(loop, &notes[i].timer, fire);
        assert_int_equal(loop_timer_start(&notes[i].timer, delays[i] * NS_PER_MS), 0);
    }
    loop_advance(loop, &clock, 9 * NS_PER_MS);
    assert_string_equal(log, "");
    loop_advance(loop, &clock, 100 * NS_PER_MS);
    assert_string_equal(log, "bdca");
    assert_int_equal(notes[2].fired_ns, 1000 + 20 * NS_PER_MS); /* each at its own time */
    loop_destroy(loop);
}

static void timer_that_is_stopped_or_moved_fires_as_last_told(void **state) {
    (void)state;
    struct clock_fake clock;
    struct error err;
    char log[8] = "";
    clock_fake_init(&clock, 0, 0);
    struct loop *loop = loop_create(&clock.clock, &err);
    struct note a = {.name = 'a', .log = log, .clock = &clock}, b = a;
    b.name = 'b';
    loop_timer_init(loop, &a.timer, fire);
    loop_timer_init(loop, &b.timer, fire);
    loop_timer_start(&a.timer, 10);
    loop_timer_start(&b.timer, 20);
    loop_timer_start(&a.timer, 30);
    loop_timer_stop(&b.timer);
    loop_timer_stop(&b.timer); /* twice is fine */
    assert_false(loop_timer_active(&b.timer));
    loop_advance(loop, &clock, 100);
    assert_string_equal(log, "a");
    assert_int_equal(a.fired_ns, 30);
    loop_destroy(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_of_time_then_of_start),
        cmocka_unit_test(timer_that_is_stopped_or_moved_fires_as_last_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
