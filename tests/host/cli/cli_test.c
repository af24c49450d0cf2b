#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/support/folder.h"

#define RUN(folder, ...) folder_run(folder, NULL, (char *const[]){__VA_ARGS__, NULL})
#define TEXT(text) ((char *)(uintptr_t)(text))

static const char copier[] =
    "{\"definitions\":[{\"type\":\"controller\",\"name\":\"copier\",\"source\":\"copier.lua:1\","
    "\"resource\":{\"kind\":\"v1/ConfigMap\"},\"reads\":[{\"kind\":\"v1/Node\"}],"
    "\"handlers\":[\"reconcile\"]}]}";

static void make(struct folder *folder) {
    folder_make(folder);
    folder_write(folder, "copier.lua", copier);
}

static void assert_says(const char *text, const char *part) {
    if (strstr(text, part) == NULL)
        fail_msg("it does not say \"%s\":\n%s", part, text);
}

static void output_that_does_not_arrive_is_a_failure(void **state) {
    (void)state;
    struct folder folder;
    make(&folder);
    char *words[][4] = {{TEXT("rbac"), folder.path},
                        {TEXT("check"), folder.path},
                        {TEXT("version")},
                        {TEXT("help"), TEXT("run")},
                        {TEXT("completion"), TEXT("bash")}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        pid_t child = fork(); /* stdout stays in error for good */
        assert_true(child >= 0);
        if (child == 0) {
            struct command_context context = {
                .clock = clock_real(), .engine = &fake_engine, .env = (char *[]){NULL}};
            char *argv[] = {TEXT("moonlet"), words[i][0], words[i][1], NULL};
            struct capture said;
            dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
            capture_begin(&said, STDERR_FILENO);
            int exit_code = cli_main(&context, words[i][1] ? 3 : 2, argv);
            capture_end(&said, folder.said, sizeof folder.said);
            _exit(exit_code == EXIT_FAILED && strstr(folder.said, "No space left") ? 0 : 9);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    folder_drop(&folder);
}

static void config_that_is_a_folder_is_wrong_usage(void **state) {
    (void)state;
    struct folder folder;
    make(&folder);
    assert_int_equal(RUN(&folder, TEXT("check"), TEXT("--config"), folder.path, folder.path),
                     EXIT_USAGE);
    assert_says(folder.said, "Is a directory");
    folder_drop(&folder);
}

static void setting_that_is_not_one_is_wrong_usage(void **state) {
    (void)state;
    static const char *const bad[] = {"copier", "copier=1", "copier.=1", ".a=1", "=1", "a=b.c"};
    struct folder folder;
    make(&folder);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(RUN(&folder, TEXT("check"), TEXT("--set"), TEXT(bad[i]), folder.path),
                         EXIT_USAGE);
        assert_says(folder.said, "written controller.key=value");
    }
    folder_drop(&folder);
}

static void value_that_cannot_be_is_wrong_usage(void **state) {
    (void)state;
    static const struct {
        const char *const words[3];
        const char *says;
    } rows[] = {
        {{"run", "--metrics-bind-address=nowhere"}, "--metrics-bind-address: \"nowhere\" is not"},
        {{"run", "--health-probe-bind-address=:99999"}, "--health-probe-bind-address: \":99999\""},
        {{"run", "--webhook-bind-address=0"}, "--webhook-bind-address: \"0\" is not an address"},
        {{"dev", "--bind-address=a.example:1"},
         "--bind-address: \"a.example\" is not an IP address"},
        {{"run", "--webhook-service=moonlet"}, "--webhook-service: \"moonlet\" is not a Service"},
        {{"run", "--webhook-service=a/b:c"}, "--webhook-service: \"a/b:c\" is not a Service"},
        {{"run", "--leader-elect", "--renew-deadline=15s"}, "must be below the lease duration"},
        {{"run", "--leader-elect", "--retry-period=9s"}, "1.2 retry periods below"},
        {{"run", "--workers=0"}, "--workers: between 1 and 40"},
    };
    struct folder folder;
    make(&folder);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const *words = rows[i].words;
        assert_int_equal(RUN(&folder, TEXT(words[0]), folder.path, TEXT(words[1]), TEXT(words[2])),
                         EXIT_USAGE);
        assert_says(folder.said, rows[i].says);
    }
    folder_drop(&folder);
}

static void setting_of_an_unknown_controller_names_the_closest(void **state) {
    (void)state;
    static const char *const commands_[] = {"check", "crds", "rbac", "run"};
    struct folder folder;
    make(&folder);
    for (size_t i = 0; i < sizeof commands_ / sizeof *commands_; i++) {
        assert_int_equal(RUN(&folder, TEXT(commands_[i]), TEXT("--set=copyer.a=1"), folder.path),
                         EXIT_FAILED);
        assert_says(folder.said, "no file defines \"copyer\"; did you mean \"copier\"?");
    }
    assert_int_equal(RUN(&folder, TEXT("check"), TEXT("--set=copier.a=1"), folder.path), EXIT_OK);
    /* a file that does not load may be the one that defines it */
    folder_write(&folder, "broken.lua", "no");
    assert_int_equal(RUN(&folder, TEXT("check"), TEXT("--set=other.a=1"), folder.path),
                     EXIT_FAILED);
    assert_null(strstr(folder.said, "no file defines"));
    folder_drop(&folder);
}

static void rbac_prints_an_account_and_roles_with_bindings(void **state) {
    (void)state;
    struct folder folder;
    make(&folder);
    assert_int_equal(RUN(&folder, TEXT("rbac"), folder.path, TEXT("--name=m")), EXIT_OK);
    assert_says(folder.printed, "kind: ServiceAccount\nmetadata:\n  name: m\n");
    assert_says(folder.printed, "kind: ClusterRole\nmetadata:\n  name: m-copier\n");
    assert_says(folder.printed, "kind: ClusterRoleBinding\nmetadata:\n  name: m-copier\n");
    assert_says(folder.printed, "  - leases\n  verbs:\n  - get\n  - update\n"
                                "  resourceNames:\n  - moonlet\n");
    folder_drop(&folder);
}

static void rbac_within_a_namespace_prints_roles(void **state) {
    (void)state;
    struct folder folder;
    make(&folder);
    assert_int_equal(RUN(&folder, TEXT("rbac"), folder.path, TEXT("--namespace=a"),
                         TEXT("--namespace=b"), TEXT("--lease-name=l"), TEXT("--config-map=c/d")),
                     EXIT_OK);
    assert_says(folder.printed, "kind: Role\nmetadata:\n  name: moonlet-copier\n  namespace: a\n");
    assert_says(folder.printed, "kind: Role\nmetadata:\n  name: moonlet-copier\n  namespace: b\n");
    assert_says(folder.printed, "  resourceNames:\n  - l\n");
    assert_says(folder.printed, "kind: Role\nmetadata:\n  name: moonlet\n  namespace: c\n");
    const char *cluster = strstr(folder.printed, "\nkind: ClusterRole\n");
    assert_non_null(cluster); /* nodes have no namespace */
    assert_null(strstr(cluster + 1, "\nkind: ClusterRole\n"));
    folder_drop(&folder);
}

static void rbac_of_a_broken_file_prints_nothing(void **state) {
    (void)state;
    struct folder folder;
    make(&folder);
    folder_write(&folder, "other.lua", "broken");
    assert_int_equal(RUN(&folder, TEXT("rbac"), folder.path), EXIT_FAILED);
    assert_string_equal(folder.printed, "");
    folder_drop(&folder);
}

static void new_writes_three_files_and_overwrites_none(void **state) {
    (void)state;
    struct folder folder;
    char dir[128];
    folder_make(&folder);
    snprintf(dir, sizeof dir, "--dir=%s/new", folder.path);
    assert_int_equal(RUN(&folder, TEXT("new"), TEXT("my-app"), dir), EXIT_OK);
    assert_says(folder.printed, "/new/my-app.lua\n");
    assert_says(folder.printed, "/new/my-app_test.lua\n");
    assert_says(folder.printed, "/new/my-app.yaml\n");
    assert_int_equal(RUN(&folder, TEXT("new"), TEXT("my-app"), dir), EXIT_FAILED);
    assert_says(folder.said, "File exists");
    assert_int_equal(RUN(&folder, TEXT("new"), TEXT("My_App"), dir), EXIT_USAGE);
    assert_int_equal(RUN(&folder, TEXT("new"), dir), EXIT_USAGE);
    folder_drop(&folder);
}

static void completion_names_every_command_and_option(void **state) {
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish"};
    struct folder folder;
    folder_make(&folder);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(RUN(&folder, TEXT("completion"), TEXT(shells[i])), EXIT_OK);
        for (size_t k = 0; commands[k]; k++) {
            assert_says(folder.printed, commands[k]->name);
            for (const struct option_spec *spec = commands[k]->specs; spec->name; spec++)
                assert_says(folder.printed, spec->name);
        }
    }
    assert_int_equal(RUN(&folder, TEXT("completion"), TEXT("cmd")), EXIT_USAGE);
    folder_drop(&folder);
}

static void completion_of_bash_is_bash(void **state) {
    (void)state;
    struct folder folder;
    folder_make(&folder);
    assert_int_equal(RUN(&folder, TEXT("completion"), TEXT("bash")), EXIT_OK);
    folder_write(&folder, "script", folder.printed);
    char command[128];
    snprintf(command, sizeof command, "bash -n %s/script", folder.path);
    assert_int_equal(system(command), 0);
    folder_drop(&folder);
}

static void unknown_command_names_the_closest(void **state) {
    (void)state;
    struct folder folder;
    folder_make(&folder);
    assert_int_equal(RUN(&folder, TEXT("chekc")), EXIT_USAGE);
    assert_says(folder.said, "did you mean \"check\"?");
    assert_int_equal(RUN(&folder, TEXT("check")), EXIT_USAGE);
    assert_says(folder.said, "which folder?");
    folder_drop(&folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_that_does_not_arrive_is_a_failure),
        cmocka_unit_test(config_that_is_a_folder_is_wrong_usage),
        cmocka_unit_test(setting_that_is_not_one_is_wrong_usage),
        cmocka_unit_test(value_that_cannot_be_is_wrong_usage),
        cmocka_unit_test(setting_of_an_unknown_controller_names_the_closest),
        cmocka_unit_test(rbac_prints_an_account_and_roles_with_bindings),
        cmocka_unit_test(rbac_within_a_namespace_prints_roles),
        cmocka_unit_test(rbac_of_a_broken_file_prints_nothing),
        cmocka_unit_test(new_writes_three_files_and_overwrites_none),
        cmocka_unit_test(completion_names_every_command_and_option),
        cmocka_unit_test(completion_of_bash_is_bash),
        cmocka_unit_test(unknown_command_names_the_closest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
