#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "runtime/folder.h"
#include "runtime/source.h"

struct place { /* a folder of our own */
    char path[64];
    const char *folders[3];
    struct source_set set;
    uint64_t blocks;
};

static const char *in(const struct place *place, const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", place->path, name);
    return path;
}

static void write_file(const struct place *place, const char *name, const char *text) {
    FILE *file = fopen(in(place, name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_folder(const struct place *place, const char *name) {
    assert_int_equal(mkdir(in(place, name), 0700), 0);
}

static void begin(struct place *place) {
    *place = (struct place){.path = "/tmp/moonlet-source-XXXXXX", .blocks = mem_stats().blocks};
    assert_non_null(mkdtemp(place->path));
    place->folders[0] = place->path;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw) {
    (void)info, (void)type, (void)ftw;
    return remove(path);
}

static void end(struct place *place) {
    source_set_finish(&place->set);
    nftw(place->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    assert_int_equal(mem_stats().blocks, place->blocks);
}

static size_t scan(struct place *place) {
    struct error err;
    source_set_finish(&place->set);
    assert_int_equal(source_scan(place->folders, &place->set, &err), 0);
    return place->set.by_name.count;
}

static const struct source_entry *entry(const struct place *place, const char *name) {
    const struct source_entry *found = map_get(&place->set.by_name, str_of(name));
    if (found == NULL)
        fail_msg("no %s", name);
    return found;
}

static void source_scan_takes_controllers_and_passes_over_the_rest(void **state) {
    (void)state;
    struct place place;
    begin(&place);
    write_file(&place, "app.lua", "return 1");
    write_file(&place, "app_test.lua", "x");
    write_file(&place, ".hidden.lua", "x");
    write_file(&place, "#app.lua#", "x");
    write_file(&place, "app.lua~", "x");
    write_file(&place, "README.md", "x");
    make_folder(&place, "no_controller");
    write_file(&place, "no_controller/x.lua", "x");
    assert_int_equal(scan(&place), 1);
    const struct script_source *source = entry(&place, "app")->source;
    assert_int_equal(source->count, 1);
    assert_string_equal(source->files[0].path, "app.lua");
    assert_string_equal(source->files[0].text, "return 1");
    end(&place);
}

static void source_scan_reads_a_folder_with_its_modules(void **state) {
    (void)state;
    struct place place;
    begin(&place);
    make_folder(&place, "net");
    make_folder(&place, "net/deep");
    write_file(&place, "net/init.lua", "return 1");
    write_file(&place, "net/util.lua", "return 2");
    write_file(&place, "net/util_test.lua", "x");
    write_file(&place, "net/deep/init.lua", "return 3");
    assert_int_equal(scan(&place), 1);
    const struct script_source *source = entry(&place, "net")->source;
    assert_int_equal(source->count, 3);
    assert_string_equal(source->files[0].module, "net"); /* the entry first */
    assert_string_equal(source->files[1].module, "net.deep.init");
    assert_string_equal(source->files[2].module, "net.util");
    assert_string_equal(source->files[2].path, "net/util.lua");
    uint64_t before = source->hash;
    write_file(&place, "net/util.lua", "return 4");
    scan(&place);
    assert_int_not_equal(entry(&place, "net")->source->hash, before);
    end(&place);
}

static void source_scan_follows_the_links_of_a_mounted_config_map(void **state) {
    (void)state;
    struct place place;
    begin(&place);
    make_folder(&place, "..2026_1");
    write_file(&place, "..2026_1/app.lua", "return 1");
    assert_int_equal(symlink("..2026_1", in(&place, "..data")), 0);
    assert_int_equal(symlink("..data/app.lua", in(&place, "app.lua")), 0);
    assert_int_equal(scan(&place), 1);
    assert_string_equal(entry(&place, "app")->source->files[0].text, "return 1");
    end(&place);
}

static void source_scan_tells_of_each_file_that_cannot_be_taken(void **state) {
    (void)state;
    struct place place;
    struct error err;
    begin(&place);
    write_file(&place, "empty.lua", " \n\t");
    write_file(&place, "good.lua", "return 1");
    assert_int_equal(symlink("nowhere", in(&place, "lost.lua")), 0);
    char *large = malloc((1 << 20) + 2);
    memset(large, ' ', (1 << 20) + 1);
    large[0] = 'x', large[(1 << 20) + 1] = '\0';
    write_file(&place, "large.lua", large);
    free(large);
    assert_int_equal(scan(&place), 4);
    assert_non_null(entry(&place, "good")->source);
    assert_int_equal(entry(&place, "empty")->error.code, ERROR_INVALID);
    assert_int_equal(entry(&place, "lost")->error.code, ERROR_NOT_FOUND);
    assert_int_equal(entry(&place, "large")->error.code, ERROR_INVALID);
    assert_non_null(strstr(entry(&place, "large")->error.message, "larger than 1024 KiB"));
    source_set_finish(&place.set);
    place.folders[1] = "/nowhere/at/all"; /* the set has the rest */
    assert_int_equal(source_scan(place.folders, &place.set, &err), ERROR_NOT_FOUND);
    assert_int_equal(place.set.by_name.count, 4);
    end(&place);
}

static void source_scan_fails_the_second_of_one_name(void **state) {
    (void)state;
    struct place place, other;
    begin(&place);
    begin(&other);
    write_file(&place, "app.lua", "return 1");
    write_file(&other, "app.lua", "return 2");
    place.folders[1] = other.path;
    assert_int_equal(scan(&place), 2);
    assert_string_equal(entry(&place, "app")->source->files[0].text, "return 1");
    assert_int_equal(entry(&place, "app (second)")->error.code, ERROR_EXISTS);
    source_set_finish(&place.set);
    end(&other);
    end(&place);
}

/* Folder watch: inotify is real, time is the test's. */

struct watched {
    struct place place;
    struct clock_fake clock;
    struct loop *loop;
    struct folder_watch *watch;
    int told;
};

static void on_changed(void *context) {
    ((struct watched *)context)->told++;
}

static void begin_watch(struct watched *watched) {
    struct error err;
    begin(&watched->place);
    clock_fake_init(&watched->clock, NS_PER_S, 0);
    watched->told = 0;
    watched->loop = loop_create(&watched->clock.clock, &err);
    watched->watch =
        folder_watch_create(watched->loop, watched->place.folders, on_changed, watched, &err);
    assert_non_null(watched->watch);
}

static void end_watch(struct watched *watched) {
    folder_watch_destroy(watched->watch);
    loop_poll(watched->loop);
    loop_destroy(watched->loop);
    end(&watched->place);
}

static void pass(struct watched *watched, uint64_t ms) {
    loop_poll(watched->loop); /* what inotify has */
    loop_advance(watched->loop, &watched->clock, ms * NS_PER_MS);
}

static void folder_watch_tells_once_after_a_burst(void **state) {
    (void)state;
    struct watched watched;
    begin_watch(&watched);
    pass(&watched, 1000);
    assert_int_equal(watched.told, 0);
    for (int i = 0; i < 3; i++) {
        write_file(&watched.place, "app.lua", "return 1");
        pass(&watched, 3);
    }
    assert_int_equal(watched.told, 0); /* not quiet yet */
    pass(&watched, 5);
    assert_int_equal(watched.told, 1);
    pass(&watched, 1000);
    assert_int_equal(watched.told, 1);
    end_watch(&watched);
}

static void folder_watch_does_not_wait_for_ever(void **state) {
    (void)state;
    struct watched watched;
    begin_watch(&watched);
    for (int i = 0; i < 20; i++) { /* never quiet for 5 ms */
        write_file(&watched.place, "app.lua", "return 1");
        pass(&watched, 3);
    }
    assert_int_equal(watched.told, 1);
    end_watch(&watched);
}

static void folder_watch_sees_into_folders_that_come_later(void **state) {
    (void)state;
    struct watched watched;
    begin_watch(&watched);
    make_folder(&watched.place, "net");
    pass(&watched, 5);
    assert_int_equal(watched.told, 1);
    write_file(&watched.place, "net/init.lua", "return 1");
    pass(&watched, 5);
    assert_int_equal(watched.told, 2);
    assert_int_equal(symlink("net", in(&watched.place, "..data")), 0);
    pass(&watched, 50); /* it could be a file that is being written */
    assert_int_equal(watched.told, 3);
    unlink(in(&watched.place, "net/init.lua"));
    pass(&watched, 5);
    assert_int_equal(watched.told, 4);
    end_watch(&watched);
}

static void texts_in_memory_are_a_source(void **state) {
    struct mem_stats before = mem_stats();
    struct source_set set = {0};
    struct error err;
    char text[] = "return 1", blank[] = " \n";
    struct script_file file = {(char *)"a.lua", (char *)"a", text, sizeof text - 1};
    (void)state;
    struct script_source *source = source_create("a", &file, 1, &err);
    assert_non_null(source);
    assert_int_equal(source_set_add(&set, source, &err), 0);
    assert_int_equal(source_set_add(&set, source, &err), ERROR_EXISTS);
    uint64_t hash = source->hash;
    text[7] = '2';
    assert_string_equal(source->files[0].text, "return 1");
    struct script_source *other = source_create("a", &file, 1, &err);
    assert_true(other->hash != hash);
    file.text = blank;
    file.len = sizeof blank - 1;
    assert_null(source_create("a", &file, 1, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_null(source_create("a", NULL, 0, &err));
    script_source_unref(other);
    script_source_unref(source);
    source_set_finish(&set);
    assert_int_equal(mem_stats().blocks, before.blocks);
}

static void source_tells_where_it_first_changed(void **state) {
    (void)state;
    static const struct {
        const char *old[2], *now[2], *where;
    } cases[] = {
        {{"a\nb\n", "c"}, {"a\nb\n", "c"}, ""},
        {{"a\nb\n", "c"}, {"a\nB\n", "d"}, "x.lua:2"},
        {{"a\nb\n", "c"}, {"a\nb\nc", "c"}, "x.lua:3"},
        {{"a\nb\n", "c"}, {"a", "c"}, "x.lua:1"},
        {{"a", "c\nd"}, {"a", "c\ne"}, "x/util.lua:2"},
        {{"a", NULL}, {"a", "c"}, "x/util.lua:1"},
        {{"a", "c"}, {"a", NULL}, "x/util.lua is gone"},
    };
    struct error err;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct script_source *sources[2];
        char where[64];
        for (int k = 0; k < 2; k++) {
            const char *const *texts = k ? cases[i].now : cases[i].old;
            struct script_file files[2] = {
                {(char *)(uintptr_t) "x.lua", (char *)(uintptr_t) "x", (char *)(uintptr_t)texts[0],
                 strlen(texts[0])},
                {(char *)(uintptr_t) "x/util.lua", (char *)(uintptr_t) "x.util",
                 (char *)(uintptr_t)texts[1], texts[1] ? strlen(texts[1]) : 0}};
            sources[k] = source_create("x", files, texts[1] ? 2 : 1, &err);
            assert_non_null(sources[k]);
        }
        source_first_change(sources[0], sources[1], where, sizeof where);
        assert_string_equal(where, cases[i].where);
        script_source_unref(sources[0]);
        script_source_unref(sources[1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(source_scan_takes_controllers_and_passes_over_the_rest),
        cmocka_unit_test(source_scan_reads_a_folder_with_its_modules),
        cmocka_unit_test(source_scan_follows_the_links_of_a_mounted_config_map),
        cmocka_unit_test(source_scan_tells_of_each_file_that_cannot_be_taken),
        cmocka_unit_test(source_scan_fails_the_second_of_one_name),
        cmocka_unit_test(folder_watch_tells_once_after_a_burst),
        cmocka_unit_test(folder_watch_does_not_wait_for_ever),
        cmocka_unit_test(texts_in_memory_are_a_source),
        cmocka_unit_test(source_tells_where_it_first_changed),
        cmocka_unit_test(folder_watch_sees_into_folders_that_come_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
