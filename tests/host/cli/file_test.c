#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

/* Reads `text` as the settings file of a command. */
static int parse(struct options *options, const struct command *command, const char *text,
                 struct error *err) {
    char path[] = "/tmp/moonlet-file-XXXXXX", option[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    snprintf(option, sizeof option, "--config=%s", path);
    char *env[] = {NULL}, *argv[] = {option, NULL};
    int rc = options_parse(options, command, 1, argv, env, err);
    unlink(path);
    return rc;
}

static void file_key_of_the_command_is_its_option(void **state) {
    (void)state;
    struct options options;
    struct error err;
    assert_int_equal(parse(&options, &command_run, "workers: 4\nlog-format: json\n", &err), 0);
    assert_int_equal(option_number(&options, "workers"), 4);
    assert_string_equal(option_text(&options, "log-format"), "json");
    options_finish(&options);
}

static void file_key_of_another_command_is_passed_over(void **state) {
    (void)state;
    struct options options;
    struct error err;
    assert_int_equal(parse(&options, &command_check, "workers: 4\n", &err), 0);
    assert_false(option_given(&options, "workers"));
    options_finish(&options);
}

static void file_key_of_no_command_names_the_closest(void **state) {
    (void)state;
    struct options options;
    struct error err;
    assert_int_equal(parse(&options, &command_run, "wrkers: 4\n", &err), ERROR_INVALID);
    assert_non_null(strstr(err.message, "unknown key wrkers; did you mean workers?"));
    options_finish(&options);
}

static void file_config_must_be_a_map_of_maps(void **state) {
    (void)state;
    struct options options;
    struct error err;
    assert_int_equal(parse(&options, &command_run, "config: {hello: 1}\n", &err), ERROR_INVALID);
    assert_non_null(strstr(err.message, "config.hello must be a map of values"));
    options_finish(&options);
}

static void file_list_for_an_option_of_one_value_is_refused(void **state) {
    (void)state;
    struct options options;
    struct error err;
    assert_int_equal(parse(&options, &command_run, "workers: [1, 2]\n", &err), ERROR_INVALID);
    assert_non_null(strstr(err.message, "workers takes one value, not a list"));
    options_finish(&options);
    assert_int_equal(parse(&options, &command_run, "namespace: [a, b]\n", &err), 0);
    options_finish(&options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_key_of_the_command_is_its_option),
        cmocka_unit_test(file_key_of_another_command_is_passed_over),
        cmocka_unit_test(file_key_of_no_command_names_the_closest),
        cmocka_unit_test(file_list_for_an_option_of_one_value_is_refused),
        cmocka_unit_test(file_config_must_be_a_map_of_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
