#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/support/folder.h"

static int parse(struct options *options, char *const *words, char *const *env, struct error *err) {
    char *argv[8] = {0};
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = words[argc];
    return options_parse(options, &command_run, argc, argv, (char **)(uintptr_t)env, err);
}

#define WORDS(...) ((char *const[]){__VA_ARGS__, NULL})
#define TEXT(text) ((char *)(uintptr_t)(text))

/* flag, then MOONLET_*, then moonlet.yaml, then the default */
static void option_value_comes_from_the_first_source_that_has_one(void **state) {
    (void)state;
    struct folder folder;
    struct options options;
    struct error err;
    char file[128], config[160];
    folder_make(&folder);
    folder_write(&folder, "moonlet.yaml",
                 "workers: 3\nlog-level: warn\nlog-format: json\nnamespace: [x, y]\n");
    snprintf(file, sizeof file, "%s/moonlet.yaml", folder.path);
    snprintf(config, sizeof config, "MOONLET_CONFIG=%s", file);
    char *const *env = WORDS(config, TEXT("MOONLET_WORKERS=4"), TEXT("MOONLET_LOG_LEVEL=error"),
                             TEXT("MOONLET_NAMESPACE=e"), TEXT("MOONLET_ONCE="));
    char *const *words = WORDS(TEXT("--workers=5"), TEXT("dir"));
    assert_int_equal(parse(&options, words, env, &err), 0);
    assert_int_equal(option_number(&options, "workers"), 5);             /* flag */
    assert_string_equal(option_text(&options, "log-level"), "error");    /* environment */
    assert_string_equal(option_text(&options, "log-format"), "json");    /* file */
    assert_string_equal(option_text(&options, "lease-name"), "moonlet"); /* default */
    assert_false(option_given(&options, "lease-name"));
    assert_string_equal(option_list(&options, "namespace")[0], "e"); /* not added up */
    assert_null(option_list(&options, "namespace")[1]);
    assert_false(option_given(&options, "once")); /* an empty variable is none */
    options_finish(&options);
    folder_drop(&folder);
}

static void option_of_a_wrong_kind_says_what_is_expected_and_where(void **state) {
    (void)state;
    static const struct {
        const char *word, *env, *says;
    } cases[] = {
        {"--workers=many", NULL, "--workers: \"many\" is not a number of 0 or more"},
        {"--log-format=xml", NULL, "--log-format: \"xml\" is not one of human|json"},
        {"--once=perhaps", NULL, "--once: \"perhaps\" is not true or false"},
        {"--lua-memory=1XB", NULL, "--lua-memory: \"1XB\" is not a size"},
        {"dir", "MOONLET_LEASE_DURATION=soon", "environment: lease-duration: \"soon\" is not a"},
        {"--wrkers=1", NULL, "did you mean --workers"},
        {"--kubeconfig", NULL, "--kubeconfig needs a value"},
        {"--webhook-secret=x", NULL, "--webhook-secret: \"x\" is not a namespace and a name"},
        {"--webhook-secret=a/", NULL, "is not a namespace and a name, NS/NAME"},
        {"--webhook-secret=a/b/c", NULL, "is not a namespace and a name"},
        {"--webhook-secret=a.b/c", NULL, "is not a namespace and a name"},
        {"--webhook-secret=a/b-.c", NULL, "is not a namespace and a name"},
        {"dir", "MOONLET_CONFIG_MAP=x", "environment: config-map: \"x\" is not a namespace and"},
        {"--namespace=Team_A", NULL, "--namespace: \"Team_A\" is not the name of a namespace"},
        {"--namespace=a-", NULL, "is not the name of a namespace"},
        {"--lease-namespace=", NULL, "is not the name of a namespace"},
        {"-w", NULL, "unknown option -w"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct options options;
        struct error err = {0};
        char *const env[] = {TEXT(cases[i].env), NULL};
        assert_int_equal(parse(&options, WORDS(TEXT(cases[i].word)), env, &err), ERROR_INVALID);
        if (strstr(err.message, cases[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", err.message, cases[i].says);
        options_finish(&options);
    }
}

static void option_that_names_something_takes_what_a_server_does(void **state) {
    (void)state;
    struct options options;
    struct error err;
    char *const *words = WORDS(TEXT("--webhook-secret=team-a/web.hooks-1"), TEXT("--namespace=0a"),
                               TEXT("--namespace=a--b"));
    assert_int_equal(parse(&options, words, NULL, &err), 0);
    assert_string_equal(option_text(&options, "webhook-secret"), "team-a/web.hooks-1");
    assert_string_equal(option_list(&options, "namespace")[1], "a--b");
    options_finish(&options);
}

static void options_end_at_two_dashes(void **state) {
    (void)state;
    struct options options;
    struct error err;
    char *const *words = WORDS(TEXT("a"), TEXT("--"), TEXT("--once"));
    assert_int_equal(parse(&options, words, NULL, &err), 0);
    assert_int_equal(options.argument_count, 2);
    assert_string_equal(options.arguments[1], "--once");
    assert_false(option_flag(&options, "once"));
    options_finish(&options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(option_value_comes_from_the_first_source_that_has_one),
        cmocka_unit_test(option_of_a_wrong_kind_says_what_is_expected_and_where),
        cmocka_unit_test(option_that_names_something_takes_what_a_server_does),
        cmocka_unit_test(options_end_at_two_dashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
