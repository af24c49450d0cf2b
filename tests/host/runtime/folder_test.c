#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/folder.h"

static int watches_left; /* < 0: as many as the system allows */

/* In place of libc's: a system with a limit. */
int inotify_add_watch(int fd, const char *path, uint32_t mask) {
    if (watches_left == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (watches_left > 0)
        watches_left--;
    return (int)syscall(SYS_inotify_add_watch, fd, path, mask);
}

struct bench {
    char dir[64];
    struct clock_fake clock;
    struct loop *loop;
    struct folder_watch *watch;
    const char *folders[2];
    char folder[128];
    int told;
};

static void on_changed(void *context) {
    ((struct bench *)context)->told++;
}

static void shell(const struct bench *bench, const char *command) {
    char line[512];
    snprintf(line, sizeof line, "cd %s && %s", bench->dir, command);
    assert_int_equal(system(line), 0);
}

static int open_in(const struct bench *bench, const char *name, int how) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", bench->dir, name);
    int fd = open(path, O_WRONLY | how, 0600);
    assert_true(fd >= 0);
    return fd;
}

/* Watches `folder` after `prepare` has run in an empty place. */
static void start(struct bench *bench, const char *prepare, const char *folder) {
    struct error err;
    *bench = (struct bench){0};
    strcpy(bench->dir, "/tmp/moonlet-folder-XXXXXX");
    assert_non_null(mkdtemp(bench->dir));
    shell(bench, prepare);
    snprintf(bench->folder, sizeof bench->folder, "%s/%s", bench->dir, folder);
    bench->folders[0] = bench->folder;
    clock_fake_init(&bench->clock, 1, 0);
    bench->loop = loop_create(&bench->clock.clock, &err);
    bench->watch = folder_watch_create(bench->loop, bench->folders, on_changed, bench, &err);
    assert_non_null(bench->watch);
}

static void stop(struct bench *bench) {
    folder_watch_destroy(bench->watch);
    loop_destroy(bench->loop);
    shell(bench, "rm -r \"$PWD\"");
}

/* Events are in the descriptor when the command has ended; how often it was told since. */
static int told_after(struct bench *bench, const char *command) {
    bench->told = 0;
    shell(bench, command);
    loop_poll(bench->loop);
    loop_advance(bench->loop, &bench->clock, 60 * NS_PER_MS);
    loop_poll(bench->loop);
    return bench->told;
}

static void folder_change_is_told_once(void **state) {
    (void)state;
    struct bench bench;
    watches_left = -1;
    start(&bench, "mkdir -p c/net", "c");
    assert_int_equal(told_after(&bench, "echo 1 > c/a.lua; echo 2 > c/b.lua"), 1);
    assert_int_equal(told_after(&bench, "echo 1 > c/net/init.lua"), 1);
    assert_int_equal(told_after(&bench, "mkdir c/new"), 1);
    assert_int_equal(told_after(&bench, "echo 1 > c/new/init.lua"), 1);
    assert_int_equal(told_after(&bench, "true"), 0);
    assert_false(folder_watch_polls(bench.watch));
    stop(&bench);
}

/* `sed ... > file` cuts the file first: what is in it then is nobody's wish. */
static void folder_waits_for_a_file_to_be_written(void **state) {
    (void)state;
    struct bench bench;
    watches_left = -1;
    start(&bench, "mkdir c && echo 1 > c/a.lua", "c");
    bench.told = 0;
    int fd = open_in(&bench, "c/a.lua", O_TRUNC);
    loop_poll(bench.loop);
    loop_advance(bench.loop, &bench.clock, 40 * NS_PER_MS);
    assert_int_equal(bench.told, 0);
    assert_int_equal(write(fd, "2", 1), 1);
    close(fd);
    assert_int_equal(told_after(&bench, "true"), 1);
    fd = open_in(&bench, "c/b.lua", O_CREAT);
    assert_int_equal(told_after(&bench, "true"), 1); /* one that stays open is read as it is */
    close(fd);
    stop(&bench);
}

static void folder_that_is_a_link_is_followed_when_it_is_swapped(void **state) {
    (void)state;
    struct bench bench;
    watches_left = -1;
    start(&bench, "mkdir -p 1 2 && ln -s 1 c", "c");
    assert_int_equal(told_after(&bench, "ln -s 2 next && mv -T next c"), 1);
    assert_int_equal(told_after(&bench, "echo 1 > 2/a.lua"), 1);
    assert_int_equal(told_after(&bench, "echo 1 > 1/a.lua"), 0); /* where it led before */
    assert_int_equal(told_after(&bench, "echo 1 > beside"), 0);  /* the link's neighbour */
    assert_int_equal(told_after(&bench, "rm c && ln -s 1 c"), 1);
    assert_int_equal(told_after(&bench, "echo 2 > 1/a.lua"), 1);
    stop(&bench);
}

static void folder_behind_a_link_on_its_way_is_followed(void **state) {
    (void)state;
    struct bench bench;
    watches_left = -1;
    start(&bench, "mkdir -p r/1/c r/2/c && ln -s r/1 now && ln -s \"$PWD/now\" again", "again/c/");
    assert_int_equal(told_after(&bench, "ln -s r/2 next && mv -T next now"), 1);
    assert_int_equal(told_after(&bench, "echo 1 > r/2/c/a.lua"), 1);
    assert_int_equal(told_after(&bench, "rm again && ln -s r/1 again"), 1);
    assert_int_equal(told_after(&bench, "echo 1 > r/1/c/a.lua"), 1);
    stop(&bench);
}

static void folder_projected_as_a_config_map_is_told_when_data_is_swapped(void **state) {
    (void)state;
    struct bench bench;
    watches_left = -1;
    start(&bench, "mkdir -p c/..1 && ln -s ..1 c/..data && ln -s ..data/a.lua c/a.lua", "c");
    assert_int_equal(told_after(&bench, "mkdir c/..2 && echo 1 > c/..2/a.lua && "
                                        "ln -s ..2 c/tmp && mv -T c/tmp c/..data && rm -r c/..1"),
                     1);
    stop(&bench);
}

static void folder_beyond_the_limit_is_polled(void **state) {
    (void)state;
    struct bench bench;
    watches_left = 2;
    start(&bench, "mkdir -p c/a c/b", "c");
    assert_true(folder_watch_polls(bench.watch));
    assert_int_equal(told_after(&bench, "echo 1 > c/a/init.lua; echo 1 > c/b/init.lua") > 1, 0);
    bench.told = 0;
    loop_advance(bench.loop, &bench.clock, 2 * NS_PER_S);
    assert_int_equal(bench.told, 1);
    watches_left = -1; /* somebody raised it */
    loop_advance(bench.loop, &bench.clock, 2 * NS_PER_S);
    assert_false(folder_watch_polls(bench.watch));
    bench.told = 0;
    loop_advance(bench.loop, &bench.clock, 20 * NS_PER_S);
    assert_int_equal(bench.told, 0);
    assert_int_equal(told_after(&bench, "echo 2 > c/b/init.lua"), 1);
    stop(&bench);
}

static void folder_that_comes_later_is_found(void **state) {
    (void)state;
    struct bench bench;
    watches_left = -1;
    start(&bench, "true", "c");
    shell(&bench, "mkdir c");
    loop_advance(bench.loop, &bench.clock, 2 * NS_PER_S);
    assert_int_equal(bench.told, 1);
    assert_int_equal(told_after(&bench, "echo 1 > c/a.lua"), 1);
    stop(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_change_is_told_once),
        cmocka_unit_test(folder_waits_for_a_file_to_be_written),
        cmocka_unit_test(folder_that_is_a_link_is_followed_when_it_is_swapped),
        cmocka_unit_test(folder_behind_a_link_on_its_way_is_followed),
        cmocka_unit_test(folder_projected_as_a_config_map_is_told_when_data_is_swapped),
        cmocka_unit_test(folder_beyond_the_limit_is_polled),
        cmocka_unit_test(folder_that_comes_later_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
