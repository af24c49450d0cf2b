#include "apiserver/quantity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Against the real server: defaults_test.c. */

static void assert_spelled(const char *text, bool listed, const char *expected) {
    char spelled[QUANTITY_MAX];
    assert_true(quantity_canonical(str_of(text), listed, spelled));
    assert_string_equal(spelled, expected);
}

static void amounts_have_one_spelling(void **state) {
    (void)state;
    static const char *const same[] = {
        "0",   "1",    "100m", "1500k", "1025Mi", "1Gi", "1e3", "-5", "9223372036854775807",
        "7Ei", "12E6", "5e-3"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_spelled(same[i], false, same[i]);
    assert_spelled("0.5", false, "500m");
    assert_spelled("-0.5", false, "-500m");
    assert_spelled("1024Mi", false, "1Gi");
    assert_spelled("1.5Gi", false, "1536Mi");
    assert_spelled("0.1Gi", false, "107374182400m");
    assert_spelled("1000e3", false, "1e6");
    assert_spelled("-0", false, "0");
    assert_spelled(" 2000m ", false, "2");
    assert_spelled(".5", false, "500m");
    assert_spelled("0.0000000001", false, "1n");
}

static void lists_of_resources_round_up_to_thousandths(void **state) {
    (void)state;
    assert_spelled("1u", false, "1u");
    assert_spelled("1u", true, "1m");
    assert_spelled("1000001u", true, "1001m");
    assert_spelled("123456789.123", true, "123456789.123");
}

static void what_is_no_quantity_is_left_alone(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",     "-",    ".",   "x",    "1x",  "1.2.3", "1 Gi",  "1e",
        "1e99", "1KiB", "--1", "0x10", "8Ei", "9.3E",  "1e-+5", "99999999999999999999999999999"};
    char spelled[QUANTITY_MAX] = "untouched";
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(quantity_canonical(str_of(wrong[i]), false, spelled));
    assert_string_equal(spelled, "untouched");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_have_one_spelling),
        cmocka_unit_test(lists_of_resources_round_up_to_thousandths),
        cmocka_unit_test(what_is_no_quantity_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
