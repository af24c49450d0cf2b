#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "runtime/schedule.h"

static void next_is(const char *cron, const char *zone, const char *from, const char *want) {
    struct error err;
    struct schedule *schedule = schedule_parse(cron, zone, &err);
    char text[CLOCK_TEXT];
    int64_t at = 0, next = 0;
    assert_non_null(schedule);
    assert_int_equal(clock_parse(from, &at), 0);
    int rc = schedule_next(schedule, at, &next);
    schedule_destroy(schedule);
    if (want == NULL) {
        assert_int_equal(rc, ERROR_NOT_FOUND);
        return;
    }
    assert_int_equal(rc, 0);
    clock_format(next, /* micros= */ 0, text);
    assert_string_equal(text, want);
}

static void refuses(const char *cron, const char *zone, int code) {
    struct error err;
    assert_null(schedule_parse(cron, zone, &err));
    assert_int_equal(err.code, code);
}

static void schedule_parse_refuses_what_is_no_cron(void **state) {
    (void)state;
    refuses("", "UTC", ERROR_INVALID);
    refuses("* * * *", "UTC", ERROR_INVALID);
    refuses("60 * * * *", "UTC", ERROR_INVALID);
    refuses("*/0 * * * *", "UTC", ERROR_INVALID);
    refuses("5-1 * * * *", "UTC", ERROR_INVALID);
    refuses("* * * FOO *", "UTC", ERROR_INVALID);
    refuses("* * * * *", "../etc/passwd", ERROR_INVALID);
    refuses("* * * * *", "Nowhere/City", ERROR_NOT_FOUND);
}

static void schedule_next_follows_fields(void **state) {
    (void)state;
    next_is("*/5 * * * *", NULL, "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z");
    next_is("*/5 * * * *", NULL, "2026-01-01T00:04:59Z", "2026-01-01T00:05:00Z");
    next_is("30 0 12 * * *", NULL, "2026-01-01T12:00:30Z", "2026-01-02T12:00:30Z");
    next_is("@monthly", NULL, "2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z");
    next_is("0 0 29 2 *", NULL, "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z");
    next_is("0 0 30 2 *", NULL, "2026-01-01T00:00:00Z", NULL);
    next_is("0 9 * JAN MON-FRI", NULL, "2026-01-02T09:00:00Z", "2026-01-05T09:00:00Z");
    next_is("0 0 13 * 5", NULL, "2026-02-10T00:00:00Z", "2026-02-13T00:00:00Z");
    next_is("0 0 1 * 7", NULL, "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z");
}

static void schedule_next_follows_zones(void **state) {
    (void)state;
    next_is("0 12 * * *", "+02:00", "2026-01-01T00:00:00Z", "2026-01-01T10:00:00Z");
    next_is("0 12 * * *", "Europe/Berlin", "2026-01-01T00:00:00Z", "2026-01-01T11:00:00Z");
    next_is("0 12 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01T10:00:00Z");
    /* 02:30 does not exist on March 29: it runs when the clocks have moved. */
    next_is("30 2 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z");
    /* 02:30 occurs twice on October 25: it runs at the first, then the next day. */
    next_is("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
    next_is("30 2 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_parse_refuses_what_is_no_cron),
        cmocka_unit_test(schedule_next_follows_fields),
        cmocka_unit_test(schedule_next_follows_zones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
