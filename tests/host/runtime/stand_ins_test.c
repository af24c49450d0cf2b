#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/stand_ins.h"
#include "support/oom_sweep.h"

static void stand_ins_are_a_folder_with_its_modules(void **state) {
    struct error err;
    struct script_source *source = stand_ins_source(&err);
    (void)state;
    assert_non_null(source);
    assert_string_equal(source->name, "stand-ins");
    assert_true(source->count > 5);
    assert_string_equal(source->files[0].path, "stand-ins/init.lua");
    assert_string_equal(source->files[0].module, "stand-ins");
    for (size_t i = 1; i < source->count; i++) {
        assert_int_equal(strncmp(source->files[i].module, "stand-ins.", 10), 0);
        assert_null(strstr(source->files[i].path, "_test"));
        assert_int_equal(strlen(source->files[i].text), source->files[i].len);
    }
    script_source_unref(source);
}

static void stand_ins_survive_each_failed_allocation(void **state) {
    struct oom_sweep sweep = {0};
    (void)state;
    while (oom_sweep_next(&sweep)) {
        struct error err = {0};
        struct script_source *source = stand_ins_source(&err);
        assert_true(source != NULL || err.code == ERROR_NOMEM);
        script_source_unref(source);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stand_ins_are_a_folder_with_its_modules),
        cmocka_unit_test(stand_ins_survive_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
