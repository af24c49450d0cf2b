#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/support/folder.h"
#include "cli/tests.h"

static int run_at(struct folder *folder, const char *path, struct tests_count *count) {
    struct command_context context = {.clock = clock_real(), .engine = &fake_engine};
    struct options options = {.command = &command_check};
    const char *folders[] = {path, NULL};
    struct error err;
    struct loader *loader = loader_open(&context, &options, folders, &err);
    assert_non_null(loader);
    struct capture capture;
    capture_begin(&capture, STDERR_FILENO);
    int rc = tests_run(&context, loader, folders, count, &err);
    capture_end(&capture, folder->said, sizeof folder->said);
    loader_close(loader);
    options_finish(&options);
    return rc;
}

static const char nothing[] = "{\"definitions\":[],\"crds\":[]}";

static void tests_failures_are_counted_and_named(void **state) {
    (void)state;
    struct folder folder;
    struct tests_count count;
    folder_make(&folder);
    folder_write(&folder, "app.lua", nothing);
    folder_write(&folder, "app_test.lua",
                 "{\"tests\":[{\"sentence\":\"fine\",\"run\":{\"ok\":true}},{\"sentence\":"
                 "\"makes two\",\"run\":{\"ok\":false,\"problem\":\"app_test.lua:7: expected 2, "
                 "got 1\"}},{\"sentence\":\"storms\",\"chaos\":true}]}");
    folder_write(&folder, "b.lua", nothing);
    folder_write(&folder, "b_test.lua", "broken");
    folder_write(&folder, "c.lua", nothing);
    folder_write(&folder, "c_test.lua", "{\"tests\":[]}");
    folder_write(&folder, "lost_test.lua", "{}");
    assert_int_equal(run_at(&folder, folder.path, &count), 0);
    assert_int_equal(count.passed, 1);
    assert_int_equal(count.failed, 4);
    assert_int_equal(count.passed_over, 1); /* chaos */
    assert_string_equal(folder.said, "app_test.lua:7: makes two: expected 2, got 1\n"
                                     "b_test.lua:1: it is broken\n"
                                     "c_test.lua: there is no t.case in it\n"
                                     "lost_test.lua: there is no lost.lua beside it\n");
    folder_drop(&folder);
}

static void tests_of_a_broken_controller_are_passed_over(void **state) {
    (void)state;
    struct folder folder;
    struct tests_count count;
    folder_make(&folder);
    folder_write(&folder, "app.lua", "broken");
    folder_write(&folder, "app_test.lua",
                 "{\"tests\":[{\"sentence\":\"fine\",\"run\":{\"ok\":true}}]}");
    assert_int_equal(run_at(&folder, folder.path, &count), 0);
    assert_int_equal(count.passed + count.failed, 0);
    folder_drop(&folder);
}

static void tests_find_the_controller_as_modules(void **state) {
    (void)state;
    struct folder folder;
    struct tests_count count;
    char path[256];
    const char *one = "{\"tests\":[{\"sentence\":\"fine\",\"run\":{\"ok\":true}}]}";
    folder_make(&folder);
    folder_write(&folder, "app.lua", nothing);
    folder_write(&folder, "app_test.lua", one);
    snprintf(path, sizeof path, "%s/net", folder.path);
    assert_int_equal(mkdir(path, 0777), 0);
    folder_write(&folder, "net/init.lua", nothing);
    folder_write(&folder, "net/util.lua", "return {}");
    folder_write(&folder, "net/util_test.lua", one);
    assert_int_equal(run_at(&folder, folder.path, &count), 0);
    assert_int_equal(count.passed, 2);
    assert_int_equal(count.failed, 0);
    assert_string_equal(fake_engine_seen, "app_test app\nutil_test net net.util\n");
    folder_drop(&folder);
}

static void tests_of_one_named_file_are_those_beside_it(void **state) {
    (void)state;
    struct folder folder;
    struct tests_count count;
    char path[256];
    folder_make(&folder);
    folder_write(&folder, "app.lua", nothing);
    folder_write(&folder, "other_test.lua", "broken");
    snprintf(path, sizeof path, "%s/app.lua", folder.path);
    assert_int_equal(run_at(&folder, path, &count), 0);
    assert_int_equal(count.passed + count.failed, 0);
    folder_write(&folder, "app_test.lua",
                 "{\"tests\":[{\"sentence\":\"fine\",\"run\":{\"ok\":true}}]}");
    assert_int_equal(run_at(&folder, path, &count), 0);
    assert_int_equal(count.passed, 1);
    folder_drop(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tests_failures_are_counted_and_named),
        cmocka_unit_test(tests_of_a_broken_controller_are_passed_over),
        cmocka_unit_test(tests_find_the_controller_as_modules),
        cmocka_unit_test(tests_of_one_named_file_are_those_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
