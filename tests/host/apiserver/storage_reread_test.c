/* Objects that are shown otherwise than they were put. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/folder.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

struct reader {
    struct dag *dag;
    int64_t more; /* added to the value that was put */
};

static node_t read_more(void *context, node_t put) {
    struct reader *reader = context;
    struct error err;
    char text[24];
    int64_t value = 0;
    node_int(reader->dag, node_get(reader->dag, put, str_of("value")), &value);
    snprintf(text, sizeof text, "%lld", (long long)(value + reader->more));
    node_t sum = dag_parse(reader->dag, str_of(text), /* drop= */ 0, &err);
    if (sum == NODE_NONE)
        return NODE_NONE;
    node_t made = dag_with(reader->dag, put, str_of("value"), sum, &err);
    node_unref(reader->dag, sum);
    return made;
}

static int reread(struct kept *kept, int64_t more) {
    struct reader reader = {kept->dag, more};
    struct error err;
    return storage_reread(kept->storage, 1, storage_revision(kept->storage), read_more, &reader,
                          &err);
}

static void assert_told(struct kept *kept, const char *expected) {
    CLEANUP(mem_freep) char *text = kept_tell(kept);
    assert_string_equal(text, expected);
}

static bool is_reread(const struct kept *kept, const char *name) {
    struct storage_key key = {1, str_of("a"), str_of(name)};
    return storage_is_reread(kept->storage, &key);
}

static void nobody(struct storage_watcher *watcher, const struct storage_change *change) {
    (void)watcher;
    (void)change;
}

static void storage_reread_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err;
        struct dag *dag = dag_create(NULL, &err);
        struct storage *storage =
            dag ? storage_create(&(struct storage_options){.dag = dag}, &err) : NULL;
        struct reader reader = {dag, 1000};
        struct storage_key key = {1, str_of("a"), str_of("x")};
        if (storage && storage_put(storage, &key, str_of("{\"value\":1}"), &err) == 0) {
            int64_t value = 0;
            int rc = storage_reread(storage, 1, 2, read_more, &reader, &err);
            node_int(dag, node_get(dag, storage_get(storage, &key, NULL), str_of("value")), &value);
            assert_true(rc == 0 || rc == ERROR_NOMEM);
            assert_int_equal(value, rc == 0 ? 1001 : 1);
        }
        storage_destroy(storage);
        if (dag)
            assert_int_equal(dag_stats(dag).nodes, 0);
        dag_destroy(dag);
    }
}

static void storage_watch_from_before_a_reread_is_gone(void **state) {
    (void)state;
    CLEANUP(mem_freep) char *folder = folder_create();
    struct kept kept = {0};
    struct error err;
    struct storage_watcher watcher = {.resource = 1, .changed = nobody};
    struct storage_watcher other = {.resource = 2, .changed = nobody};
    assert_int_equal(kept_open(&kept, folder, &err), 0);
    assert_int_equal(kept_put(&kept, 1, "a", 1, &err), 0);
    assert_int_equal(kept_put(&kept, 2, "x", 1, &err), 0);
    assert_int_equal(reread(&kept, /* more= */ 1), 0);
    assert_int_equal(storage_watch(kept.storage, &watcher, 2, &err), ERROR_GONE);
    assert_string_equal(err.message, "too old resource version: 2 (3)");
    assert_int_equal(err.status, 410);
    assert_int_equal(storage_watch(kept.storage, &watcher, 3, &err), 0);
    assert_int_equal(storage_watch(kept.storage, &other, 2, &err), 0);
    storage_unwatch(&watcher);
    storage_unwatch(&other);
    kept_close(&kept);
    folder_remove(folder);
}

static void storage_reread_is_of_what_was_put(void **state) {
    (void)state;
    CLEANUP(mem_freep) char *folder = folder_create();
    struct kept kept = {.slack = 1}; /* so each change writes the journal anew */
    struct error err;
    assert_int_equal(kept_open(&kept, folder, &err), 0);
    assert_int_equal(kept_put(&kept, 1, "a", 1, &err), 0);
    assert_int_equal(kept_put(&kept, 1, "b", 2, &err), 0);
    assert_int_equal(reread(&kept, /* more= */ 10), 0);
    assert_int_equal(reread(&kept, /* more= */ 20), 0);
    assert_told(&kept, "3: 1/a=21@2 1/b=22@3 ");
    assert_int_equal(kept_put(&kept, 1, "b", 5, &err), 0);
    assert_told(&kept, "4: 1/a=21@2 1/b=5@4 ");
    assert_true(is_reread(&kept, "a"));
    assert_false(is_reread(&kept, "b"));
    assert_int_equal(kept_put(&kept, 2, "x", 7, &err), 0);
    kept_close(&kept);
    assert_int_equal(kept_open(&kept, folder, &err), 0);
    assert_told(&kept, "5: 1/a=1@2 1/b=5@4 2/x=7@5 ");
    kept_close(&kept);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_reread_survives_each_failed_allocation),
        cmocka_unit_test(storage_watch_from_before_a_reread_is_gone),
        cmocka_unit_test(storage_reread_is_of_what_was_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
