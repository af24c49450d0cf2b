#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/tests.h"

/* An engine whose "language" is the declaration itself: what a file says is what it declares. */
struct script {
    char *text;
};

static char seen[2048]; /* the modules of each test source, in order */

static struct script_engine *engine_open(const struct script_host *host, struct error *err) {
    (void)host;
    (void)err;
    return (struct script_engine *)&seen;
}

static void engine_close(struct script_engine *engine) {
    (void)engine;
}

static struct script *engine_load(struct script_engine *engine, const struct script_source *source,
                                  const struct script_limits *limits, const char *config,
                                  struct error *err) {
    (void)engine, (void)limits, (void)config;
    if (strstr(source->name, "_test")) {
        for (size_t i = 0; i < source->count; i++) {
            strcat(seen, source->files[i].module);
            strcat(seen, i + 1 < source->count ? " " : "\n");
        }
    }
    if (source->files[0].text[0] != '{') {
        error_set(err, ERROR_INVALID, "%s:1: it is broken", source->files[0].path);
        return NULL;
    }
    struct script *script = mem_alloc(sizeof *script);
    assert_non_null(script);
    script->text = mem_strdup(source->files[0].text);
    return script;
}

static const char *engine_declaration(const struct script *script) {
    return script->text;
}

static void engine_unload(struct script *script) {
    mem_free(script->text);
    mem_free(script);
}

static const struct script_engine_type fake = {.name = "fake",
                                               .open = engine_open,
                                               .close = engine_close,
                                               .load = engine_load,
                                               .declaration = engine_declaration,
                                               .unload = engine_unload};

struct folder {
    char path[64];
    char said[4096]; /* what went to stderr */
};

static void write_text(const struct folder *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make(struct folder *folder) {
    strcpy(folder->path, "/tmp/moonlet-tests-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    seen[0] = '\0';
}

static void drop(struct folder *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder->path);
    assert_int_equal(system(command), 0);
}

static int run_at(struct folder *folder, const char *path, struct tests_count *count) {
    struct command_context context = {.clock = clock_real(), .engine = &fake};
    struct options options = {.command = &command_check};
    const char *folders[] = {path, NULL};
    struct error err;
    FILE *capture = tmpfile();
    assert_non_null(capture);
    struct loader *loader = loader_open(&context, &options, folders, &err);
    assert_non_null(loader);
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    dup2(fileno(capture), STDERR_FILENO);
    int rc = tests_run(loader, folders, count, &err);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(capture);
    folder->said[fread(folder->said, 1, sizeof folder->said - 1, capture)] = '\0';
    fclose(capture);
    loader_close(loader);
    options_finish(&options);
    return rc;
}

static const char nothing[] = "{\"definitions\":[],\"crds\":[]}";

static void tests_failures_are_counted_and_named(void **state) {
    (void)state;
    struct folder folder;
    struct tests_count count;
    make(&folder);
    write_text(&folder, "app.lua", nothing);
    write_text(&folder, "app_test.lua",
               "{\"tests\":[{\"ok\":true,\"sentence\":\"fine\"},{\"ok\":false,\"sentence\":"
               "\"makes two\",\"problem\":\"app_test.lua:7: expected 2, got 1\"}]}");
    write_text(&folder, "b.lua", nothing);
    write_text(&folder, "b_test.lua", "broken");
    write_text(&folder, "c.lua", nothing);
    write_text(&folder, "c_test.lua", "{\"tests\":[]}");
    write_text(&folder, "lost_test.lua", "{}");
    assert_int_equal(run_at(&folder, folder.path, &count), 0);
    assert_int_equal(count.passed, 1);
    assert_int_equal(count.failed, 4);
    assert_string_equal(folder.said, "app_test.lua:7: makes two: expected 2, got 1\n"
                                     "b_test.lua:1: it is broken\n"
                                     "c_test.lua: there is no t.case in it\n"
                                     "lost_test.lua: there is no lost.lua beside it\n");
    drop(&folder);
}

static void tests_of_a_broken_controller_are_passed_over(void **state) {
    (void)state;
    struct folder folder;
    struct tests_count count;
    make(&folder);
    write_text(&folder, "app.lua", "broken");
    write_text(&folder, "app_test.lua", "{\"tests\":[{\"ok\":true,\"sentence\":\"fine\"}]}");
    assert_int_equal(run_at(&folder, folder.path, &count), 0);
    assert_int_equal(count.passed + count.failed, 0);
    drop(&folder);
}

static void tests_find_the_controller_as_modules(void **state) {
    (void)state;
    struct folder folder;
    struct tests_count count;
    char path[256];
    const char *one = "{\"tests\":[{\"ok\":true,\"sentence\":\"fine\"}]}";
    make(&folder);
    write_text(&folder, "app.lua", nothing);
    write_text(&folder, "app_test.lua", one);
    snprintf(path, sizeof path, "%s/net", folder.path);
    assert_int_equal(mkdir(path, 0777), 0);
    write_text(&folder, "net/init.lua", nothing);
    write_text(&folder, "net/util.lua", "return {}");
    write_text(&folder, "net/util_test.lua", one);
    assert_int_equal(run_at(&folder, folder.path, &count), 0);
    assert_int_equal(count.passed, 2);
    assert_int_equal(count.failed, 0);
    assert_string_equal(seen, "app_test app\nutil_test net net.util\n");
    drop(&folder);
}

static void tests_of_one_named_file_are_those_beside_it(void **state) {
    (void)state;
    struct folder folder;
    struct tests_count count;
    char path[256];
    make(&folder);
    write_text(&folder, "app.lua", nothing);
    write_text(&folder, "other_test.lua", "broken");
    snprintf(path, sizeof path, "%s/app.lua", folder.path);
    assert_int_equal(run_at(&folder, path, &count), 0);
    assert_int_equal(count.passed + count.failed, 0);
    write_text(&folder, "app_test.lua", "{\"tests\":[{\"ok\":true,\"sentence\":\"fine\"}]}");
    assert_int_equal(run_at(&folder, path, &count), 0);
    assert_int_equal(count.passed, 1);
    drop(&folder);
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
