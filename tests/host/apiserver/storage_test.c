#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "apiserver/support/storage/values.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

/* --- lists ----------------------------------------------------------------------------------- */

struct names {
    const struct dag *dag;
    struct strbuf text; /* "a/x=1 a/y=2 " */
    size_t left;        /* items until it says "enough"; 0 = never */
};

static bool add_name(void *context, const struct storage_item *item) {
    struct names *names = context;
    strbuf_printf(&names->text, "%.*s/%.*s=%d@%d ", STR_ARG(item->key.ns), STR_ARG(item->key.name),
                  (int)values_of(names->dag, item->node), (int)item->revision);
    return names->left == 0 || --names->left > 0;
}

static void assert_list(struct storage *storage, struct dag *dag, const char *ns,
                        const struct storage_key *after, uint64_t revision, size_t limit,
                        const char *expected) {
    struct names names = {.dag = dag, .left = limit};
    struct error err;
    assert_int_equal(
        storage_list(storage, 1, values_namespace(ns), after, revision, add_name, &names, &err), 0);
    assert_string_equal(names.text.data ? names.text.data : "", expected);
    strbuf_finish(&names.text);
}

static void storage_lists_in_the_order_of_etcd_keys(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = values_storage(&dag, 0);
    values_put(storage, 1, "a", "y", 1);
    values_put(storage, 1, "a", "x", 2);
    values_put(storage, 1, "a-b", "x", 3);
    values_put(storage, 1, "ab", "x", 4);
    values_put(storage, 2, "a", "other", 5);
    assert_list(storage, dag, NULL, NULL, 0, 0, "a-b/x=3@4 a/x=2@3 a/y=1@2 ab/x=4@5 ");
    assert_list(storage, dag, "a", NULL, 0, 0, "a/x=2@3 a/y=1@2 ");
    assert_list(storage, dag, "", NULL, 0, 0, "");
    struct storage_key after = values_key(1, "a", "x");
    assert_list(storage, dag, NULL, &after, 0, 1, "a/y=1@2 ");
    assert_list(storage, dag, "ab", &after, 0, 0, "ab/x=4@5 ");
    assert_list(storage, dag, "a-b", &after, 0, 0, "");
    assert_int_equal(storage_count(storage, 1), 4);
    assert_int_equal(storage_count(storage, 77), 0);
    values_finish(storage, dag);
}

static void storage_lists_as_of_an_older_revision(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = values_storage(&dag, 0);
    values_put(storage, 1, "a", "x", 1);
    values_put(storage, 1, "a", "y", 2);
    values_put(storage, 1, "a", "z", 3); /* revision 4 */
    values_put(storage, 1, "a", "x", 10);
    assert_int_equal(values_drop(storage, 1, "a", "y"), 0);
    values_put(storage, 1, "a", "y", 20);
    assert_int_equal(values_drop(storage, 1, "a", "z"), 0);
    values_put(storage, 1, "a", "w", 40);
    struct storage_key after = values_key(1, "a", "x");
    assert_list(storage, dag, NULL, NULL, 4, 0, "a/x=1@2 a/y=2@3 a/z=3@4 ");
    assert_list(storage, dag, "a", &after, 4, 0, "a/y=2@3 a/z=3@4 ");
    assert_list(storage, dag, NULL, NULL, 6, 0, "a/x=10@5 a/z=3@4 ");
    assert_list(storage, dag, NULL, NULL, 0, 0, "a/w=40@9 a/x=10@5 a/y=20@7 ");
    struct names names = {.dag = dag};
    struct error err;
    assert_int_equal(storage_list(storage, 1, (struct str){0}, NULL, 10, add_name, &names, &err),
                     ERROR_TIMEOUT);
    storage_compact(storage, 5);
    assert_list(storage, dag, NULL, NULL, 5, 0, "a/x=10@5 a/y=2@3 a/z=3@4 ");
    assert_int_equal(storage_list(storage, 1, (struct str){0}, NULL, 4, add_name, &names, &err),
                     ERROR_GONE);
    assert_int_equal(err.status, 410);
    assert_string_equal(err.reason, "Expired");
    values_finish(storage, dag);
}

static void storage_refuses_what_it_cannot_hold(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = values_storage(&dag, 0);
    struct storage_key key = values_key(1, "a", "x"), far = values_key(STORAGE_RESOURCES, "a", "x");
    struct error err;
    assert_int_equal(storage_put(storage, &key, str_of("{"), &err), ERROR_REJECTED);
    assert_int_equal(storage_put(storage, &key, str_of("[]"), &err), ERROR_REJECTED);
    assert_int_equal(storage_put(storage, &far, str_of("{}"), &err), ERROR_INVALID);
    assert_int_equal(storage_delete(storage, &key, str_of("{}"), &err), ERROR_NOT_FOUND);
    values_put(storage, 1, "a", "x", 1);
    assert_int_equal(storage_delete(storage, &key, str_of("1"), &err), ERROR_REJECTED);
    uint64_t revision;
    assert_int_equal(values_of(dag, storage_get(storage, &key, &revision)), 1);
    assert_int_equal(revision, 2);
    assert_int_equal(storage_revision(storage), 2);
    values_finish(storage, dag);
}

/* --- watches --------------------------------------------------------------------------------- */

struct teller {
    struct storage_watcher watcher;
    struct storage *storage;
    const struct dag *dag;
    struct strbuf text; /* "+x=1 " created, "=x=2 " changed, "-x=2 " deleted */
    void (*also)(struct teller *teller);
    struct teller *other;
    int calls;
};

static void tell(struct storage_watcher *watcher, const struct storage_change *change) {
    struct teller *teller = CONTAINER_OF(watcher, struct teller, watcher);
    char sign = change->old == NODE_NONE ? '+' : change->now == NODE_NONE ? '-' : '=';
    assert_int_equal(change->key.resource, watcher->resource);
    assert_true((change->last != NODE_NONE) == (sign == '-'));
    strbuf_printf(&teller->text, "%c%.*s=%d ", sign, STR_ARG(change->key.name),
                  (int)values_of(teller->dag, sign == '-' ? change->old : change->now));
    teller->calls++;
    if (teller->also)
        teller->also(teller);
}

static struct teller teller_of(struct storage *storage, struct dag *dag) {
    return (struct teller){
        .watcher = {.resource = 1, .changed = tell}, .storage = storage, .dag = dag};
}

static void assert_told(struct teller *teller, const char *expected) {
    assert_string_equal(teller->text.data ? teller->text.data : "", expected);
    strbuf_clear(&teller->text);
}

static void storage_watch_replays_and_goes_on(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = values_storage(&dag, /* history= */ 4);
    struct teller teller = teller_of(storage, dag), later = teller_of(storage, dag);
    struct error err;
    values_put(storage, 1, "a", "x", 1);
    values_put(storage, 2, "a", "other", 1);
    values_put(storage, 1, "a", "x", 2); /* revision 4 */
    assert_int_equal(storage_watch(storage, &teller.watcher, 2, &err), 0);
    assert_told(&teller, "=x=2 ");
    storage_unwatch(&teller.watcher);
    assert_int_equal(storage_watch(storage, &teller.watcher, 0, &err), 0);
    assert_told(&teller, "+x=1 =x=2 ");
    assert_int_equal(storage_watch(storage, &later.watcher, 5, &err), 0); /* in the future */
    values_drop(storage, 1, "a", "x");
    values_put(storage, 2, "a", "other", 2);
    assert_told(&teller, "-x=2 ");
    assert_told(&later, "");
    storage_unwatch(&teller.watcher);
    storage_unwatch(&teller.watcher);
    values_put(storage, 1, "a", "y", 3);
    assert_told(&teller, "");
    assert_told(&later, "+y=3 ");
    assert_int_equal(storage_watch(storage, &teller.watcher, 2, &err), ERROR_GONE);
    storage_unwatch(&teller.watcher);
    assert_int_equal(storage_watch(storage, &teller.watcher, 3, &err), 0);
    assert_told(&teller, "=x=2 -x=2 +y=3 ");
    storage_compact(storage, UINT64_MAX);
    storage_unwatch(&teller.watcher);
    assert_int_equal(storage_watch(storage, &teller.watcher, 6, &err), ERROR_GONE);
    assert_int_equal(storage_watch(storage, &teller.watcher, UINT64_MAX, &err), 0);
    values_finish(storage, dag);
    storage_unwatch(&later.watcher); /* after the storage: nothing happens */
    strbuf_finish(&teller.text);
    strbuf_finish(&later.text);
}

static void put_twice(struct teller *teller) {
    if (teller->calls > 1)
        return;
    values_put(teller->storage, 1, "a", "y", 7);
    values_put(teller->storage, 1, "a", "z", 8);
    struct storage_key key = values_key(1, "a", "z");
    assert_int_equal(values_of(teller->dag, storage_get(teller->storage, &key, NULL)), 8);
}

static void storage_change_inside_a_call_is_told_in_order(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = values_storage(&dag, /* history= */ 1);
    struct teller first = teller_of(storage, dag), second = teller_of(storage, dag);
    struct error err;
    first.also = put_twice;
    assert_int_equal(storage_watch(storage, &first.watcher, 1, &err), 0);
    assert_int_equal(storage_watch(storage, &second.watcher, 1, &err), 0);
    values_put(storage, 1, "a", "x", 1);
    assert_told(&first, "+x=1 +y=7 +z=8 ");
    assert_told(&second, "+x=1 +y=7 +z=8 ");
    assert_int_equal(storage_revision(storage), 4);
    values_finish(storage, dag);
    strbuf_finish(&first.text);
    strbuf_finish(&second.text);
}

/* The same while a watch replays: the history is kept for it however short it should be. */
static void storage_change_inside_a_replay_is_told_in_order(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = values_storage(&dag, /* history= */ 2);
    struct teller first = teller_of(storage, dag), second = teller_of(storage, dag);
    struct error err;
    values_put(storage, 1, "a", "w", 0);
    values_put(storage, 1, "a", "x", 1);
    first.also = put_twice;
    assert_int_equal(storage_watch(storage, &second.watcher, 3, &err), 0);
    assert_int_equal(storage_watch(storage, &first.watcher, 1, &err), 0);
    assert_told(&first, "+w=0 +x=1 +y=7 +z=8 ");
    assert_told(&second, "+y=7 +z=8 ");
    storage_unwatch(&second.watcher);
    assert_int_equal(storage_watch(storage, &second.watcher, 2, &err), ERROR_GONE);
    values_finish(storage, dag);
    strbuf_finish(&first.text);
    strbuf_finish(&second.text);
}

static void leave(struct teller *teller) {
    storage_unwatch(&teller->watcher);
    memset(&teller->watcher, 0xee, sizeof teller->watcher); /* as if it were freed */
}

static void leave_both(struct teller *teller) {
    leave(teller->other);
    leave(teller);
}

static void storage_watcher_may_leave_inside_a_call(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = values_storage(&dag, 0);
    struct teller tellers[4];
    struct error err;
    for (int i = 0; i < 4; i++) {
        tellers[i] = teller_of(storage, dag);
        assert_int_equal(storage_watch(storage, &tellers[i].watcher, 1, &err), 0);
    }
    tellers[1].also = leave_both;
    tellers[1].other = &tellers[2]; /* the very next one */
    values_put(storage, 1, "a", "x", 1);
    values_put(storage, 1, "a", "x", 2);
    assert_told(&tellers[0], "+x=1 =x=2 ");
    assert_told(&tellers[1], "+x=1 ");
    assert_told(&tellers[2], "");
    assert_told(&tellers[3], "+x=1 =x=2 ");
    strbuf_finish(&tellers[1].text);
    tellers[1] = teller_of(storage, dag);
    tellers[1].also = leave;
    assert_int_equal(storage_watch(storage, &tellers[1].watcher, 1, &err),
                     0); /* while it replays */
    assert_told(&tellers[1], "+x=1 ");
    values_finish(storage, dag);
    for (int i = 0; i < 4; i++)
        strbuf_finish(&tellers[i].text);
}

static void watch_other(struct teller *teller) {
    struct error err;
    if (teller->calls == 1)
        assert_int_equal(storage_watch(teller->storage, &teller->other->watcher, 1, &err), 0);
}

static void storage_watch_inside_a_call_is_told_once(void **state) {
    (void)state;
    struct dag *dag;
    struct storage *storage = values_storage(&dag, 0);
    struct teller first = teller_of(storage, dag), second = teller_of(storage, dag);
    struct error err;
    first.also = watch_other;
    first.other = &second;
    second.also = put_twice;
    assert_int_equal(storage_watch(storage, &first.watcher, 1, &err), 0);
    values_put(storage, 1, "a", "x", 1);
    assert_told(&first, "+x=1 +y=7 +z=8 ");
    assert_told(&second, "+x=1 +y=7 +z=8 ");
    values_finish(storage, dag);
    strbuf_finish(&first.text);
    strbuf_finish(&second.text);
}

/* --- many, and little memory -------------------------------------------------------------------
 */

static void count_change(struct storage_watcher *watcher, const struct storage_change *change) {
    (void)change;
    struct teller *teller = CONTAINER_OF(watcher, struct teller, watcher);
    teller->calls++;
}

static bool count_item(void *context, const struct storage_item *item) {
    (void)item;
    ++*(size_t *)context;
    return true;
}

static void storage_bears_many_objects_and_watchers(void **state) {
    (void)state;
    enum { OBJECTS = 100000, TELLERS = 1000 };
    struct dag *dag;
    struct storage *storage = values_storage(&dag, 0);
    struct error err;
    char ns[16], name[16];
    for (int i = 0; i < OBJECTS; i++) {
        int scattered = (int)((int64_t)i * 7919 % OBJECTS);
        snprintf(ns, sizeof ns, "ns-%d", scattered % 100);
        snprintf(name, sizeof name, "pod-%06d", scattered);
        assert_int_equal(values_put(storage, 1, ns, name, scattered), 0);
    }
    struct teller *tellers = mem_calloc(TELLERS, sizeof *tellers);
    for (unsigned i = 0; i < TELLERS; i++) {
        tellers[i].watcher.resource = 1 + i % 2;
        tellers[i].watcher.changed = count_change;
        uint64_t revision = storage_revision(storage);
        assert_int_equal(storage_watch(storage, &tellers[i].watcher, revision, &err), 0);
    }
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "pod-%06d", i);
        snprintf(ns, sizeof ns, "ns-%d", i);
        assert_int_equal(values_put(storage, 1, ns, name, -i), 0);
    }
    for (unsigned i = 0; i < TELLERS; i++)
        assert_int_equal(tellers[i].calls, i % 2 == 0 ? 100 : 0);
    size_t listed = 0;
    assert_int_equal(
        storage_list(storage, 1, str_of("ns-7"), NULL, OBJECTS, count_item, &listed, &err), 0);
    assert_int_equal(listed, OBJECTS / 100);
    assert_int_equal(storage_count(storage, 1), OBJECTS);
    values_finish(storage, dag);
    mem_free(tellers);
}

static void storage_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err;
        struct dag *dag = dag_create(NULL, &err);
        struct storage *storage =
            dag ? storage_create(&(struct storage_options){.dag = dag}, &err) : NULL;
        if (storage) {
            struct storage_watcher watcher = {.resource = 1, .changed = count_change};
            struct teller teller = {.watcher = watcher};
            struct storage_key key = values_key(1, "a", "x");
            size_t listed = 0;
            storage_watch(storage, &teller.watcher, 1, &err);
            for (int i = 0; i < 3; i++) {
                uint64_t revision = storage_revision(storage), at = 0;
                int rc =
                    i < 2 ? values_put(storage, 1, "a", "x", i) : values_drop(storage, 1, "a", "x");
                assert_true(rc == 0 || rc == ERROR_NOMEM || (i == 2 && rc == ERROR_NOT_FOUND));
                assert_int_equal(storage_revision(storage), rc == 0 ? revision + 1 : revision);
                storage_get(storage, &key, &at);
                if (rc == 0 && i < 2)
                    assert_int_equal(at, revision + 1);
            }
            int rc = storage_list(storage, 1, (struct str){0}, NULL, 1, count_item, &listed, &err);
            assert_true(rc == 0 || rc == ERROR_NOMEM);
            assert_int_equal(listed, 0);
            storage_unwatch(&teller.watcher);
        }
        storage_destroy(storage);
        if (dag)
            assert_int_equal(dag_stats(dag).nodes, 0);
        dag_destroy(dag);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storage_lists_in_the_order_of_etcd_keys),
        cmocka_unit_test(storage_lists_as_of_an_older_revision),
        cmocka_unit_test(storage_refuses_what_it_cannot_hold),
        cmocka_unit_test(storage_watch_replays_and_goes_on),
        cmocka_unit_test(storage_change_inside_a_call_is_told_in_order),
        cmocka_unit_test(storage_change_inside_a_replay_is_told_in_order),
        cmocka_unit_test(storage_watcher_may_leave_inside_a_call),
        cmocka_unit_test(storage_watch_inside_a_call_is_told_once),
        cmocka_unit_test(storage_bears_many_objects_and_watchers),
        cmocka_unit_test(storage_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
