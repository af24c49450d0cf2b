#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "cli/fault_list.h"
#include "support/oom_sweep.h"

static void refuses(const char *text, const char *message) {
    struct fault_list list = {0};
    struct error err;
    assert_int_equal(fault_list_read(text, &list, &err), ERROR_INVALID);
    assert_string_equal(err.message, message);
    assert_null(list.items);
}

static void fault_list_read_says_what_is_wrong(void **state) {
    static const char form[] = ": a fault is written as conflict@3, with numbers that rise";
    (void)state;
    refuses("", "unknown fault \"\"");
    refuses("conflct@3", "unknown fault \"conflct\", did you mean \"conflict\"?");
    refuses("conflict@3,", "unknown fault \"\"");
    refuses("none,conflict@3", "unknown fault \"none\", did you mean \"gone\"?");
    for (const char *const *text =
             (const char *const[]){"conflict", "conflict@", "conflict@0", "conflict@-1",
                                   "conflict@3x", "conflict@99999999999999999999", NULL};
         *text; text++) {
        char message[128];
        snprintf(message, sizeof message, "\"%s\"%s", *text, form);
        refuses(*text, message);
    }
    refuses("lag@4,conflict@4", "\"conflict@4\": a fault is written as conflict@3, with numbers "
                                "that rise");
}

static void fault_list_read_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct fault_list list = {0};
        struct error err;
        int rc = fault_list_read("conflict@1,lag@2,status@3,cut@4,stall@5", &list, &err);
        assert_true(rc == 0 || (rc == ERROR_NOMEM && list.items == NULL));
        fault_list_finish(&list);
    }
}

static void fault_list_that_was_written_is_read_as_it_was(void **state) {
    (void)state;
    for (const char *const *text =
             (const char *const[]){"none", "conflict@3", "lost_answer@3,client_restart@17", NULL};
         *text; text++) {
        struct fault_list list = {0};
        struct strbuf out = {0};
        struct error err;
        assert_int_equal(fault_list_read(*text, &list, &err), 0);
        fault_list_write(&list, &out);
        assert_string_equal(out.data, *text);
        strbuf_finish(&out);
        fault_list_finish(&list);
    }
}

static void fault_list_has_a_fault_by_kind_and_number(void **state) {
    (void)state;
    struct fault_list list = {0};
    struct error err;
    assert_int_equal(fault_list_read("conflict@3,lag@5", &list, &err), 0);
    assert_true(fault_list_has(&list, SIM_CONFLICT, 3));
    assert_true(fault_list_has(&list, SIM_LAG, 5));
    assert_false(fault_list_has(&list, SIM_LAG, 3));
    assert_false(fault_list_has(&list, SIM_CONFLICT, 4));
    assert_false(fault_list_has(&list, SIM_CONFLICT, 6));
    fault_list_finish(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_list_read_says_what_is_wrong),
        cmocka_unit_test(fault_list_read_survives_each_failed_allocation),
        cmocka_unit_test(fault_list_that_was_written_is_read_as_it_was),
        cmocka_unit_test(fault_list_has_a_fault_by_kind_and_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
