#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "support/oom_sweep.h"

static void str_compares_bytes(void **state) {
    (void)state;
    struct str a = str_n("a\0b", 3), c = str_n("a\0c", 3);
    assert_true(str_equal(a, a));
    assert_false(str_equal(a, c));
    assert_true(str_compare(a, c) < 0);
    assert_true(str_compare(str_of("a"), str_of("ab")) < 0);
    assert_true(str_compare(str_of("\xff"), str_of("a")) > 0); /* unsigned */
    assert_true(str_is(str_of(NULL), ""));
    assert_false(str_is(str_n("abc", 2), "abc"));
    assert_true(str_starts_with(str_of("abc"), "") && str_starts_with(str_of("abc"), "abc"));
    assert_false(str_starts_with(str_of("ab"), "abc"));
    assert_true(str_ends_with(str_of("abc"), "bc"));
    assert_false(str_ends_with(str_of("c"), "bc"));
    assert_int_not_equal(str_hash(str_of("a")), str_hash(str_of("b")));
}

static void str_to_int64_takes_whole_numbers_in_range(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      "1 ",
                                      " 1",
                                      "+",
                                      "1.0",
                                      "0x1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999"};
    int64_t value = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(str_to_int64(str_of(bad[i]), &value));
    assert_true(str_to_int64(str_of("9223372036854775807"), &value));
    assert_true(value == INT64_MAX);
    assert_true(str_to_int64(str_of("-9223372036854775808"), &value));
    assert_true(value == INT64_MIN);
    assert_true(str_to_int64(str_n("12345", 2), &value));
    assert_int_equal(value, 12);
}

static void str_nearest_is_near_or_nothing(void **state) {
    (void)state;
    static const char *const names[] = {"workers", "watch-files", "once"};
    assert_string_equal(str_nearest("wrkers", names, 3), "workers");
    assert_null(str_nearest("kubeconfig", names, 3));
    assert_null(str_nearest("", names, 3));
    assert_null(str_nearest("workers", NULL, 0));
}

static void strbuf_grows_and_hands_over(void **state) {
    (void)state;
    struct strbuf buf = {0};
    for (int i = 0; i < 1000; i++)
        strbuf_printf(&buf, "%d,", i);
    assert_int_equal(buf.len, 10 * 2 + 90 * 3 + 900 * 4);
    assert_int_equal(strlen(buf.data), buf.len);
    strbuf_consume(&buf, 4);
    assert_int_equal(strncmp(buf.data, "2,3,", 4), 0);
    strbuf_cut(&buf, buf.len + 1); /* there is not so much */
    assert_int_equal(strlen(buf.data), buf.len);
    strbuf_cut(&buf, 3);
    assert_string_equal(buf.data, "2,3");
    strbuf_clear(&buf);
    assert_string_equal(buf.data, "");
    strbuf_add(&buf, "a\0b", 3);
    assert_true(str_equal(strbuf_view(&buf), str_n("a\0b", 3)));
    char *text = strbuf_take(&buf);
    assert_memory_equal(text, "a\0b", 4);
    assert_null(buf.data);
    mem_free(text);
    strbuf_finish(&buf);
}

static void strbuf_that_failed_says_so_once_for_all(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct strbuf buf = {0};
        for (int i = 0; i < 5; i++)
            strbuf_printf(&buf, "%0200d", i);
        strbuf_adds(&buf, "end");
        if (!buf.failed)
            assert_true(str_ends_with(strbuf_view(&buf), "end"));
        char *text = strbuf_take(&buf);
        assert_true(text == NULL || strlen(text) == 1003);
        mem_free(text);
        strbuf_finish(&buf);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(str_compares_bytes),
        cmocka_unit_test(str_to_int64_takes_whole_numbers_in_range),
        cmocka_unit_test(str_nearest_is_near_or_nothing),
        cmocka_unit_test(strbuf_grows_and_hands_over),
        cmocka_unit_test(strbuf_that_failed_says_so_once_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
