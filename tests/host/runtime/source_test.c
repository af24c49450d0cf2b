#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/source.h"

struct place {
    char dir[64];
    char folder[80];
    struct source_set set;
};

static void shell(const struct place *place, const char *command) {
    char line[512];
    snprintf(line, sizeof line, "cd %s && %s", place->dir, command);
    assert_int_equal(system(line), 0);
}

static void scan(struct place *place, const char *prepare) {
    struct error err;
    *place = (struct place){.dir = "/tmp/moonlet-source-XXXXXX"};
    assert_non_null(mkdtemp(place->dir));
    shell(place, "mkdir c out && echo 'return secret' > out/out.lua");
    shell(place, prepare);
    snprintf(place->folder, sizeof place->folder, "%s/c", place->dir);
    const char *folders[] = {place->folder, NULL};
    assert_int_equal(source_scan(folders, &place->set, &err), 0);
}

static void drop(struct place *place) {
    source_set_finish(&place->set);
    shell(place, "rm -r \"$PWD\"");
}

static const struct source_entry *entry(const struct place *place, const char *name) {
    return map_get(&place->set.by_name, str_of(name));
}

static void assert_outside(const struct place *place, const char *name) {
    const struct source_entry *one = entry(place, name);
    assert_non_null(one);
    assert_null(one->source);
    assert_int_equal(one->error.code, ERROR_FORBIDDEN);
    assert_non_null(strstr(one->error.message, "leads out of the folder"));
    assert_null(strstr(one->error.message, "secret"));
}

static void link_out_of_the_folder_is_refused(void **state) {
    (void)state;
    struct place place;
    scan(&place,
         "ln -s ../out/out.lua c/relative.lua && ln -s \"$PWD/out/out.lua\" c/absolute.lua && "
         "ln -s relative.lua c/twice.lua && echo 'return 1' > c/fine.lua && "
         "mkdir ca && echo 'return secret' > ca/x.lua && ln -s ../ca/x.lua c/prefix.lua");
    assert_outside(&place, "relative");
    assert_outside(&place, "absolute");
    assert_outside(&place, "twice");
    assert_outside(&place, "prefix"); /* /…/ca begins like /…/c */
    assert_non_null(entry(&place, "fine")->source);
    drop(&place);
}

static void link_to_a_folder_outside_is_refused(void **state) {
    (void)state;
    struct place place;
    scan(&place,
         "echo 'return 1' > out/init.lua && ln -s ../out c/whole && "
         "mkdir c/part && echo 'return 1' > c/part/init.lua && ln -s ../../out c/part/inner && "
         "mkdir c/all && echo 'return 1' > c/all/init.lua && ln -s / c/all/root");
    assert_outside(&place, "whole");
    assert_outside(&place, "part");
    assert_outside(&place, "all");
    drop(&place);
}

static void link_within_the_folder_is_followed(void **state) {
    (void)state;
    struct place place;
    scan(&place, "mkdir c/..2026 && echo 'return 1' > c/..2026/app.lua && ln -s ..2026 c/..data && "
                 "ln -s ..data/app.lua c/app.lua && "
                 "mkdir c/net c/lib && echo 'return 1' > c/net/init.lua && "
                 "echo 'return 2' > c/lib/x.lua && ln -s ../lib/x.lua c/net/x.lua && "
                 "ln -s \"$PWD/c/app.lua\" c/other.lua");
    assert_non_null(entry(&place, "app")->source);
    assert_non_null(entry(&place, "other")->source);
    const struct script_source *net = entry(&place, "net")->source;
    assert_non_null(net);
    assert_int_equal(net->count, 2);
    assert_string_equal(net->files[1].module, "net.x");
    drop(&place);
}

static void folder_that_is_a_link_is_read(void **state) {
    (void)state;
    struct place place;
    scan(&place, "rmdir c && mkdir real && echo 'return 1' > real/app.lua && ln -s real c && "
                 "ln -s app.lua real/same.lua");
    assert_non_null(entry(&place, "app")->source);
    assert_non_null(entry(&place, "same")->source);
    drop(&place);
}

static void file_that_was_named_may_be_anywhere(void **state) {
    (void)state;
    struct place place;
    struct error err;
    char path[128];
    scan(&place, "ln -s ../out/out.lua c/named.lua");
    snprintf(path, sizeof path, "%s/named.lua", place.folder);
    const char *folders[] = {path, NULL};
    struct source_set set;
    assert_int_equal(source_scan(folders, &set, &err), 0);
    const struct source_entry *one = map_get(&set.by_name, str_of("named"));
    assert_non_null(one->source);
    source_set_finish(&set);
    drop(&place);
}

static void entries_that_cannot_be_read_say_why(void **state) {
    (void)state;
    struct place place;
    scan(&place, "ln -s nowhere.lua c/dangling.lua && : > c/empty.lua && mkfifo c/pipe.lua && "
                 "ln -s loop.lua c/loop.lua");
    static const struct {
        const char *name, *says;
    } cases[] = {{"dangling", "No such file"},
                 {"empty", "the file is empty"},
                 {"pipe", "not a file"},
                 {"loop", "Too many levels"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(entry(&place, cases[i].name)->source);
        assert_non_null(strstr(entry(&place, cases[i].name)->error.message, cases[i].says));
    }
    drop(&place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_out_of_the_folder_is_refused),
        cmocka_unit_test(link_to_a_folder_outside_is_refused),
        cmocka_unit_test(link_within_the_folder_is_followed),
        cmocka_unit_test(folder_that_is_a_link_is_read),
        cmocka_unit_test(file_that_was_named_may_be_anywhere),
        cmocka_unit_test(entries_that_cannot_be_read_say_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
