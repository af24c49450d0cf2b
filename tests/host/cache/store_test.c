#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cache/support/store/fixture.h"

static void store_events_become_changes(void **state) {
    struct fixture *f = *state;
    fixture_put(f, STORE_INITIAL, "ns", "a", "u1", 1, "");
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 2, ",\"labels\":{\"x\":\"1\"}");
    fixture_delete_event(f, "a", "u1", 3);
    fixture_assert_deltas(f, "+a:1 ~a:2 -a:3 ");
    assert_int_equal(f->initial, 1);
    assert_int_equal(store_count(f->store), 0);
    assert_null(fixture_get(f, "a"));
}

static void store_noop_updates_the_version_silently(void **state) {
    struct fixture *f = *state;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 1, ",\"managedFields\":[1]");
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 2, ",\"managedFields\":[2]");
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 2, "");
    fixture_assert_deltas(f, "+a:1 ");
    assert_int_equal(fixture_get(f, "a")->version, 2);
    assert_int_equal(store_noops(f->store), 2);
    /* a list item has no kind; members in another order are equal */
    const char *item = "{\"metadata\":{\"uid\":\"u1\",\"namespace\":\"ns\",\"name\":\"a\","
                       "\"resourceVersion\":\"3\"}}";
    assert_int_equal(store_put(f->store, str_of(item), STORE_EVENT, NULL, NULL), 0);
    fixture_assert_deltas(f, "");
    assert_true(node_is(f->dag, node_path(f->dag, fixture_get(f, "a")->root, "kind"), "Pod"));
    assert_true(str_is(node_key_at(f->dag, fixture_get(f, "a")->root, 0), "kind"));
}

static void store_another_uid_is_delete_and_add(void **state) {
    struct fixture *f = *state;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 5, "");
    fixture_put(f, STORE_EVENT, "ns", "a", "u2", 4, ""); /* older: of an incarnation before */
    fixture_assert_deltas(f, "+a:5 ");
    fixture_put(f, STORE_EVENT, "ns", "a", "u3", 9, "");
    fixture_assert_deltas(f, "-a:5 +a:9 ");
    fixture_delete_event(f, "a", "u1", 8); /* of the former: changes nothing */
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 7, "");
    fixture_assert_deltas(f, "");
    assert_true(str_is(object_uid(fixture_get(f, "a")), "u3"));
}

/* R5 */
static void store_own_writes_are_read_at_once(void **state) {
    struct fixture *f = *state;
    char buf[1000];
    const struct object *held;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 5, "");
    fixture_put(f, STORE_WRITE, "ns", "a", "u1", 8, ",\"labels\":{}");
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 6,
                ",\"labels\":{\"old\":\"1\"}"); /* from before our write */
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 8, ",\"labels\":{}");
    fixture_assert_deltas(f, "+a:5 ~a:8 ");
    fixture_put(f, STORE_WRITE, "ns", "a", "u1", 7, ",\"labels\":{\"late\":\"1\"}");
    fixture_put(f, STORE_WRITE, "ns", "new", "u9", 7, ""); /* the watch is past it: deleted since */
    fixture_assert_deltas(f, "");
    assert_int_equal(
        store_put(f->store, fixture_pod(buf, "ns", "new", "u9", 9, ""), STORE_WRITE, &held, NULL),
        0);
    assert_int_equal(held->version, 9);
    object_unpin(held);
    fixture_assert_deltas(f, "+new:9 ");
    assert_int_equal(store_own_writes(f->store), 2);
    assert_int_equal(store_passed_over(f->store), 1);
    store_tombstone(f->store, str_of("ns"), str_of("new"), str_of("u9"));
    assert_int_equal(store_own_writes(f->store), 3);
}

/* R5 */
static void store_deleted_uid_does_not_come_back(void **state) {
    struct fixture *f = *state;
    char buf[1000];
    const struct object *held;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 5, "");
    store_tombstone(f->store, str_of("ns"), str_of("a"), str_of("u1"));
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 6, ",\"labels\":{}");
    assert_int_equal(
        store_put(f->store, fixture_pod(buf, "ns", "a", "u1", 7, ""), STORE_WRITE, &held, NULL), 0);
    assert_null(held);
    fixture_assert_deltas(f, "+a:5 -a:5 ");
    uint64_t begun = store_replace_begin(f->store); /* a list older than the delete */
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 6, "");
    store_replace_end(f->store, begun, (struct str){0}, 6);
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 7, "");
    fixture_delete_event(f, "a", "u1", 8);
    fixture_put(f, STORE_EVENT, "ns", "a", "u2", 9, "");
    fixture_assert_deltas(f, "+a:9 ");
    for (int i = 0; i < 10000; i++) { /* bounded */
        char uid[32];
        snprintf(uid, sizeof uid, "gone-%d", i);
        store_tombstone(f->store, str_of("ns"), str_of("x"), str_of(uid));
    }
    fixture_put(f, STORE_EVENT, "ns", "x", "gone-9999", 12, "");
    fixture_assert_deltas(f, "");
    fixture_put(f, STORE_EVENT, "ns", "x", "gone-0", 12, "");
    fixture_assert_deltas(f, "+x:12 ");
}

static void store_replace_deletes_what_vanished(void **state) {
    struct fixture *f = *state;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 1, "");
    fixture_put(f, STORE_EVENT, "ns", "b", "u2", 2, "");
    fixture_put(f, STORE_EVENT, "ns", "c", "u3", 3, "");
    fixture_assert_deltas(f, "+a:1 +b:2 +c:3 ");
    store_replace_begin(f->store); /* aborted: nothing more */
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 1, "");
    uint64_t begun = store_replace_begin(f->store);
    fixture_put(f, STORE_EVENT, "ns", "b", "u2", 2, "");
    fixture_put(f, STORE_EVENT, "ns", "c", "u4", 7, "");
    fixture_put(f, STORE_WRITE, "ns", "own", "u5", 12, "");
    store_replace_end(f->store, begun, (struct str){0}, 10);
    fixture_assert_deltas(f, "-c:3 +c:7 +own:12 -a:1 ");
    begun = store_replace_begin(f->store);
    store_replace_end(f->store, begun, (struct str){0}, 20);
    assert_int_equal(store_count(f->store), 0);
}

static void store_replace_of_one_namespace_leaves_the_others(void **state) {
    (void)state;
    struct fixture f;
    fixture_begin(&f, true);
    fixture_put(&f, STORE_EVENT, "one", "a", "u1", 1, "");
    fixture_put(&f, STORE_EVENT, "two", "b", "u2", 20, "");
    uint64_t one = store_replace_begin(f.store), two = store_replace_begin(f.store);
    fixture_put(&f, STORE_EVENT, "two", "b", "u2", 20, "");
    store_replace_end(f.store, one, str_of("one"), 10);
    fixture_assert_deltas(&f, "+a:1 +b:20 -a:1 ");
    store_replace_end(f.store, two, str_of("two"), 21);
    fixture_put(&f, STORE_WRITE, "one", "c", "u3", 15, ""); /* newer than its own stream */
    fixture_assert_deltas(&f, "+c:15 ");
    fixture_end(&f);
}

static void store_follows_a_server_that_went_back(void **state) {
    struct fixture *f = *state;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 100, "");
    fixture_put(f, STORE_EVENT, "ns", "b", "u2", 101, "");
    store_distrust_versions(f->store, (struct str){0});
    uint64_t begun = store_replace_begin(f->store);
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 50, ",\"labels\":{}");
    store_replace_end(f->store, begun, (struct str){0}, 60);
    fixture_assert_deltas(f, "+a:100 +b:101 ~a:50 -b:101 ");
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 49, "");
    fixture_assert_deltas(f, "");
}

/* R5: only the end of a list says that everything up to its version is there. */
static void store_own_write_during_a_list_is_read(void **state) {
    struct fixture *f = *state;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 5, "");
    uint64_t begun = store_replace_begin(f->store);
    fixture_put(f, STORE_LISTED, "ns", "b", "u2", 60, "");
    fixture_put(f, STORE_WRITE, "ns", "a", "u1", 50, ",\"labels\":{}");
    fixture_assert_deltas(f, "+a:5 +b:60 ~a:50 ");
    fixture_put(f, STORE_LISTED, "ns", "a", "u1", 50, ",\"labels\":{}");
    store_replace_end(f->store, begun, (struct str){0}, 60);
    fixture_put(f, STORE_WRITE, "ns", "c", "u3", 55, ""); /* gone by 60 */
    fixture_assert_deltas(f, "");
}

/* A server restored from a backup whose versions were raised: lists are newer, what is in them is
 * not. */
static void store_list_without_what_was_seen_contradicts(void **state) {
    struct fixture *f = *state;
    struct str all = {0};
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 100, "");
    fixture_put(f, STORE_EVENT, "ns", "b", "u2", 90, "");
    fixture_delete_event(f, "b", "u2", 101);
    fixture_put(f, STORE_LISTED, "ns", "a", "u1", 50, ",\"labels\":{}");
    assert_false(store_replace_contradicts(f->store, all, 99)); /* another server, behind */
    fixture_put(f, STORE_LISTED, "ns", "a", "u1", 50, ",\"labels\":{}");
    assert_true(store_replace_contradicts(f->store, all, 1000));
    fixture_put(f, STORE_LISTED, "ns", "b", "u2", 90, "");
    assert_true(store_replace_contradicts(f->store, all, 1000));
    assert_false(store_replace_contradicts(f->store, all, 1000)); /* said once */
    fixture_assert_deltas(f, "+a:100 +b:90 -b:101 ");
    fixture_put(f, STORE_EVENT, "ns", "b", "u2", 102, ""); /* after its deletion: that was lost */
    fixture_assert_deltas(f, "+b:102 ");
}

static void store_distrust_of_one_namespace_leaves_the_others(void **state) {
    (void)state;
    struct fixture f;
    fixture_begin(&f, true);
    fixture_put(&f, STORE_EVENT, "ns", "a", "u1", 5, "");
    store_tombstone(f.store, str_of("ns"), str_of("a"), str_of("u1"));
    store_distrust_versions(f.store, str_of("other"));
    fixture_put(&f, STORE_EVENT, "ns", "a", "u1", 6, "");
    fixture_assert_deltas(&f, "+a:5 -a:5 ");
    store_distrust_versions(f.store, str_of("ns"));
    fixture_put(&f, STORE_EVENT, "ns", "a", "u1", 6, "");
    fixture_assert_deltas(&f, "+a:6 ");
    fixture_end(&f);
}

static void store_own_write_after_distrust_is_read(void **state) {
    struct fixture *f = *state;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 100, "");
    store_distrust_versions(f->store, (struct str){0});
    fixture_put(f, STORE_WRITE, "ns", "a", "u1", 50, ",\"labels\":{}");
    fixture_put(f, STORE_LISTED, "ns", "a", "u1", 40, ""); /* a page from before it */
    fixture_assert_deltas(f, "+a:100 ~a:50 ");
}

static void store_nonsense_is_rejected(void **state) {
    struct fixture *f = *state;
    static const char *const bad[] = {
        "[]", "{", "1", "{}", "{\"metadata\":{}}", "{\"metadata\":{\"name\":\"\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err;
        assert_int_equal(store_put(f->store, str_of(bad[i]), STORE_EVENT, NULL, &err),
                         ERROR_REJECTED);
        assert_int_equal(store_delete_event(f->store, str_of(bad[i]), &err), ERROR_REJECTED);
    }
}

static void store_put_survives_each_failed_allocation(void **state) {
    (void)state;
    const char *rest = ",\"ownerReferences\":[{\"uid\":\"o1\"},{\"uid\":\"o2\"}]";
    bool hit = true;
    for (uint64_t n = 0; hit; n++) {
        struct fixture f;
        char buf[1000];
        struct error err;
        fixture_begin(&f, false);
        strbuf_reserve(&f.deltas, 1000); /* the test's own */
        mem_fail_at(n, /* forever= */ true);
        int rc =
            store_put(f.store, fixture_pod(buf, "ns", "a", "u1", 1, rest), STORE_EVENT, NULL, &err);
        hit = mem_fail_stop();
        assert_int_equal(rc, hit ? ERROR_NOMEM : 0);
        assert_int_equal(store_count(f.store), rc == 0);
        fixture_put(&f, STORE_EVENT, "ns", "a", "u1", 2, rest); /* still usable */
        mem_fail_at(n, /* forever= */ true);
        rc = store_put(
            f.store,
            fixture_pod(buf, "ns", "a", "u1", 3, ",\"ownerReferences\":[{\"uid\":\"o3\"}]"),
            STORE_EVENT, NULL, &err);
        hit |= mem_fail_stop();
        assert_int_equal(fixture_get(&f, "a")->version, rc == 0 ? 3 : 2);
        mem_fail_at(n, /* forever= */ true);
        store_tombstone(f.store, str_of("ns"), str_of("a"), str_of("u1"));
        hit |= mem_fail_stop();
        assert_int_equal(store_count(f.store), 0);
        fixture_end(&f);
    }
}

static void store_pins_outlive_what_the_store_forgot(void **state) {
    struct fixture *f = *state;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 1, "");
    const struct object *held = object_pin(fixture_get(f, "a"));
    fixture_delete_event(f, "a", "u1", 2);
    assert_true(str_is(object_name(held), "a"));
    object_unpin(held);
    epochs_reclaim(f->epochs);
    assert_int_equal(dag_stats(f->dag).nodes, 1); /* the last version */
}

/* What the metrics moonlet_cache_node_bytes and moonlet_cache_bytes say. */
static void store_gives_back_what_updates_and_deletes_leave(void **state) {
    struct fixture *f = *state;
    char name[16], rest[128];
    uint64_t bytes[4] = {0}, of_kind[4] = {0};
    assert_int_equal(store_bytes(f->store), 0);
    for (int round = 0; round < 4; round++) { /* added, changed, changed back, gone */
        for (int i = 0; i < 150; i++) {
            snprintf(name, sizeof name, "pod-%d", i);
            snprintf(rest, sizeof rest, ",\"annotations\":{\"note\":\"%0*d\"}", round == 1 ? 40 : 4,
                     i);
            if (round < 3)
                fixture_put(f, STORE_EVENT, "ns", name, name, 100 * (round + 1) + i, rest);
            else
                fixture_delete_event(f, name, name, 100 * (round + 1) + i);
        }
        bytes[round] = dag_stats(f->dag).bytes;
        of_kind[round] = store_bytes(f->store);
    }
    assert_true(bytes[1] > bytes[0]);
    assert_int_equal(bytes[2], bytes[0]);
    assert_true(bytes[3] < bytes[0] / 10); /* the last event's version, tombstones */
    assert_in_range(of_kind[0], bytes[0] / 10 * 8, bytes[0]); /* a sample; indexes share strings */
    assert_in_range(of_kind[1], bytes[1] / 10 * 8, bytes[1]);
    assert_int_equal(of_kind[2], of_kind[0]);
    assert_int_equal(of_kind[3], 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(store_events_become_changes),
        TEST(store_noop_updates_the_version_silently),
        TEST(store_another_uid_is_delete_and_add),
        TEST(store_own_writes_are_read_at_once),
        TEST(store_deleted_uid_does_not_come_back),
        TEST(store_replace_deletes_what_vanished),
        cmocka_unit_test(store_replace_of_one_namespace_leaves_the_others),
        TEST(store_own_write_during_a_list_is_read),
        TEST(store_list_without_what_was_seen_contradicts),
        cmocka_unit_test(store_distrust_of_one_namespace_leaves_the_others),
        TEST(store_own_write_after_distrust_is_read),
        TEST(store_follows_a_server_that_went_back),
        TEST(store_nonsense_is_rejected),
        cmocka_unit_test(store_put_survives_each_failed_allocation),
        TEST(store_pins_outlive_what_the_store_forgot),
        TEST(store_gives_back_what_updates_and_deletes_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
