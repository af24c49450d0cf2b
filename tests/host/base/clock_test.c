#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static void clock_parse_refuses_what_is_not_rfc3339(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "2026-01-02",
                                      "2026-13-02T03:04:05Z",
                                      "2026-02-30T03:04:05Z",
                                      "9999-01-02T03:04:05Z",
                                      "2026-01-02T24:04:05Z",
                                      "2026-01-02T03:04:05",
                                      "2026-01-02T03:04:05Zx"};
    int64_t ns;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (clock_parse(bad[i], &ns) != ERROR_INVALID)
            fail_msg("accepted: %s", bad[i]);
}

static void clock_parse_reads_what_format_wrote(void **state) {
    (void)state;
    char text[CLOCK_TEXT];
    int64_t ns = 0, back;
    assert_int_equal(clock_parse("2026-01-02T05:04:05.25+02:00", &ns), 0);
    clock_format(ns, 0, text);
    assert_string_equal(text, "2026-01-02T03:04:05Z");
    clock_format(ns, 1, text);
    assert_string_equal(text, "2026-01-02T03:04:05.250000Z");
    assert_int_equal(clock_parse(text, &back), 0);
    assert_true(back == ns);
    assert_int_equal(clock_parse("1970-01-01T00:00:00Z", &ns), 0);
    assert_true(ns == 0);
}

static void clock_parse_duration_takes_go_durations(void **state) {
    (void)state;
    static const char *const bad[] = {"", "2d", "10", "s", "1h ", "-1s", "1e3s"};
    uint64_t ns;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (clock_parse_duration(bad[i], strlen(bad[i]), &ns) != ERROR_INVALID)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(clock_parse_duration("1h30m", 5, &ns), 0);
    assert_int_equal(ns, 5400 * NS_PER_S);
    assert_int_equal(clock_parse_duration("500ms", 5, &ns), 0);
    assert_int_equal(ns, 500 * NS_PER_MS);
    assert_int_equal(clock_parse_duration("1.5s", 4, &ns), 0);
    assert_int_equal(ns, 1500 * NS_PER_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clock_parse_refuses_what_is_not_rfc3339),
        cmocka_unit_test(clock_parse_reads_what_format_wrote),
        cmocka_unit_test(clock_parse_duration_takes_go_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
