#include "cache/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

struct fixture {
    struct dag *dag;
    struct epochs *epochs;
    struct store *store;
    struct strbuf deltas; /* "+a:1 ~a:2 -a:2 " */
    int initial;
    uint64_t blocks;
};

static void record(void *context, const struct store_delta *delta) {
    struct fixture *f = context;
    const struct object *object = delta->now ? delta->now : delta->old;
    strbuf_printf(&f->deltas, "%c%.*s:%d ", "+~-"[delta->change], STR_ARG(object_name(object)),
                  (int)object -> version);
    f->initial += delta->initial;
}

static void setup_with(struct fixture *f, bool split) {
    *f = (struct fixture){.blocks = mem_stats().blocks};
    f->dag = dag_create(NULL, NULL);
    f->epochs = epochs_create(f->dag, NULL, NULL, NULL);
    struct store_options options = {.epochs = f->epochs,
                                    .dag = f->dag,
                                    .drop = DAG_DROP_MANAGED_FIELDS,
                                    .api_version = "v1",
                                    .kind = "Pod",
                                    .split = split,
                                    .emit = record,
                                    .context = f};
    f->store = store_create(&options, NULL);
}

static void setup(struct fixture *f) {
    setup_with(f, false);
}

static void finish(struct fixture *f) {
    store_destroy(f->store);
    epochs_destroy(f->epochs);
    assert_int_equal(dag_stats(f->dag).nodes, 0);
    dag_destroy(f->dag);
    strbuf_finish(&f->deltas);
    assert_int_equal(mem_stats().blocks, f->blocks);
}

static struct str pod(char *buf, const char *ns, const char *name, const char *uid, int version,
                      const char *rest) {
    int len = snprintf(
        buf, 1000,
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
        "\"%s\",\"uid\":\"%s\",\"resourceVersion\":\"%d\"%s}}",
        name, ns, uid, version, rest);
    return str_n(buf, (size_t)len);
}

static void put(struct fixture *f, enum store_source source, const char *ns, const char *name,
                const char *uid, int version, const char *rest) {
    char buf[1000];
    struct error err;
    if (store_put(f->store, pod(buf, ns, name, uid, version, rest), source, NULL, &err) < 0)
        fail_msg("%s", err.message);
}

static void delete_event(struct fixture *f, const char *name, const char *uid, int version) {
    char buf[1000];
    assert_int_equal(store_delete_event(f->store, pod(buf, "ns", name, uid, version, ""), NULL), 0);
}

static void assert_deltas(struct fixture *f, const char *expected) {
    assert_string_equal(f->deltas.data ? f->deltas.data : "", expected);
    strbuf_clear(&f->deltas);
}

static const struct object *get(struct fixture *f, const char *name) {
    return store_get(f->store, str_of("ns"), str_of(name));
}

static void store_events_become_changes(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, STORE_INITIAL, "ns", "a", "u1", 1, "");
    put(&f, STORE_EVENT, "ns", "a", "u1", 2, ",\"labels\":{\"x\":\"1\"}");
    delete_event(&f, "a", "u1", 3);
    assert_deltas(&f, "+a:1 ~a:2 -a:3 ");
    assert_int_equal(f.initial, 1);
    assert_int_equal(store_count(f.store), 0);
    assert_null(get(&f, "a"));
    finish(&f);
}

static void store_noop_updates_the_version_silently(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 1, ",\"managedFields\":[1]");
    put(&f, STORE_EVENT, "ns", "a", "u1", 2, ",\"managedFields\":[2]");
    put(&f, STORE_EVENT, "ns", "a", "u1", 2, "");
    assert_deltas(&f, "+a:1 ");
    assert_int_equal(get(&f, "a")->version, 2);
    assert_int_equal(store_noops(f.store), 2);
    /* a list item has no kind; members in another order are equal */
    const char *item = "{\"metadata\":{\"uid\":\"u1\",\"namespace\":\"ns\",\"name\":\"a\","
                       "\"resourceVersion\":\"3\"}}";
    assert_int_equal(store_put(f.store, str_of(item), STORE_EVENT, NULL, NULL), 0);
    assert_deltas(&f, "");
    assert_true(node_is(f.dag, node_path(f.dag, get(&f, "a")->root, "kind"), "Pod"));
    assert_true(str_is(node_key_at(f.dag, get(&f, "a")->root, 0), "kind"));
    finish(&f);
}

static void store_another_uid_is_delete_and_add(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 5, "");
    put(&f, STORE_EVENT, "ns", "a", "u2", 4, ""); /* older: of an incarnation before */
    assert_deltas(&f, "+a:5 ");
    put(&f, STORE_EVENT, "ns", "a", "u3", 9, "");
    assert_deltas(&f, "-a:5 +a:9 ");
    delete_event(&f, "a", "u1", 8); /* of the former: changes nothing */
    put(&f, STORE_EVENT, "ns", "a", "u1", 7, "");
    assert_deltas(&f, "");
    assert_true(str_is(object_uid(get(&f, "a")), "u3"));
    finish(&f);
}

/* R5 */
static void store_own_writes_are_read_at_once(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    char buf[1000];
    const struct object *held;
    put(&f, STORE_EVENT, "ns", "a", "u1", 5, "");
    put(&f, STORE_WRITE, "ns", "a", "u1", 8, ",\"labels\":{}");
    put(&f, STORE_EVENT, "ns", "a", "u1", 6,
        ",\"labels\":{\"old\":\"1\"}"); /* from before our write */
    put(&f, STORE_EVENT, "ns", "a", "u1", 8, ",\"labels\":{}");
    assert_deltas(&f, "+a:5 ~a:8 ");
    put(&f, STORE_WRITE, "ns", "a", "u1", 7, ",\"labels\":{\"late\":\"1\"}");
    put(&f, STORE_WRITE, "ns", "new", "u9", 7, ""); /* the watch is past it: deleted since */
    assert_deltas(&f, "");
    assert_int_equal(
        store_put(f.store, pod(buf, "ns", "new", "u9", 9, ""), STORE_WRITE, &held, NULL), 0);
    assert_int_equal(held->version, 9);
    object_unpin(held);
    assert_deltas(&f, "+new:9 ");
    assert_int_equal(store_own_writes(f.store), 2);
    assert_int_equal(store_passed_over(f.store), 1);
    store_tombstone(f.store, str_of("ns"), str_of("new"), str_of("u9"));
    assert_int_equal(store_own_writes(f.store), 3);
    finish(&f);
}

/* R5 */
static void store_deleted_uid_does_not_come_back(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    char buf[1000];
    const struct object *held;
    put(&f, STORE_EVENT, "ns", "a", "u1", 5, "");
    store_tombstone(f.store, str_of("ns"), str_of("a"), str_of("u1"));
    put(&f, STORE_EVENT, "ns", "a", "u1", 6, ",\"labels\":{}");
    assert_int_equal(store_put(f.store, pod(buf, "ns", "a", "u1", 7, ""), STORE_WRITE, &held, NULL),
                     0);
    assert_null(held);
    assert_deltas(&f, "+a:5 -a:5 ");
    uint64_t begun = store_replace_begin(f.store); /* a list older than the delete */
    put(&f, STORE_EVENT, "ns", "a", "u1", 6, "");
    store_replace_end(f.store, begun, (struct str){0}, 6);
    put(&f, STORE_EVENT, "ns", "a", "u1", 7, "");
    delete_event(&f, "a", "u1", 8);
    put(&f, STORE_EVENT, "ns", "a", "u2", 9, "");
    assert_deltas(&f, "+a:9 ");
    for (int i = 0; i < 10000; i++) { /* bounded */
        char uid[32];
        snprintf(uid, sizeof uid, "gone-%d", i);
        store_tombstone(f.store, str_of("ns"), str_of("x"), str_of(uid));
    }
    put(&f, STORE_EVENT, "ns", "x", "gone-9999", 12, "");
    assert_deltas(&f, "");
    put(&f, STORE_EVENT, "ns", "x", "gone-0", 12, "");
    assert_deltas(&f, "+x:12 ");
    finish(&f);
}

static void store_replace_deletes_what_vanished(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 1, "");
    put(&f, STORE_EVENT, "ns", "b", "u2", 2, "");
    put(&f, STORE_EVENT, "ns", "c", "u3", 3, "");
    assert_deltas(&f, "+a:1 +b:2 +c:3 ");
    store_replace_begin(f.store); /* aborted: nothing more */
    put(&f, STORE_EVENT, "ns", "a", "u1", 1, "");
    uint64_t begun = store_replace_begin(f.store);
    put(&f, STORE_EVENT, "ns", "b", "u2", 2, "");
    put(&f, STORE_EVENT, "ns", "c", "u4", 7, "");
    put(&f, STORE_WRITE, "ns", "own", "u5", 12, "");
    store_replace_end(f.store, begun, (struct str){0}, 10);
    assert_deltas(&f, "-c:3 +c:7 +own:12 -a:1 ");
    begun = store_replace_begin(f.store);
    store_replace_end(f.store, begun, (struct str){0}, 20);
    assert_int_equal(store_count(f.store), 0);
    finish(&f);
}

static void store_replace_of_one_namespace_leaves_the_others(void **state) {
    (void)state;
    struct fixture f;
    setup_with(&f, true);
    put(&f, STORE_EVENT, "one", "a", "u1", 1, "");
    put(&f, STORE_EVENT, "two", "b", "u2", 20, "");
    uint64_t one = store_replace_begin(f.store), two = store_replace_begin(f.store);
    put(&f, STORE_EVENT, "two", "b", "u2", 20, "");
    store_replace_end(f.store, one, str_of("one"), 10);
    assert_deltas(&f, "+a:1 +b:20 -a:1 ");
    store_replace_end(f.store, two, str_of("two"), 21);
    put(&f, STORE_WRITE, "one", "c", "u3", 15, ""); /* newer than its own stream */
    assert_deltas(&f, "+c:15 ");
    finish(&f);
}

static void store_follows_a_server_that_went_back(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 100, "");
    put(&f, STORE_EVENT, "ns", "b", "u2", 101, "");
    store_distrust_versions(f.store, (struct str){0});
    uint64_t begun = store_replace_begin(f.store);
    put(&f, STORE_EVENT, "ns", "a", "u1", 50, ",\"labels\":{}");
    store_replace_end(f.store, begun, (struct str){0}, 60);
    assert_deltas(&f, "+a:100 +b:101 ~a:50 -b:101 ");
    put(&f, STORE_EVENT, "ns", "a", "u1", 49, "");
    assert_deltas(&f, "");
    finish(&f);
}

/* R5: only the end of a list says that everything up to its version is there. */
static void store_own_write_during_a_list_is_read(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 5, "");
    uint64_t begun = store_replace_begin(f.store);
    put(&f, STORE_LISTED, "ns", "b", "u2", 60, "");
    put(&f, STORE_WRITE, "ns", "a", "u1", 50, ",\"labels\":{}");
    assert_deltas(&f, "+a:5 +b:60 ~a:50 ");
    put(&f, STORE_LISTED, "ns", "a", "u1", 50, ",\"labels\":{}");
    store_replace_end(f.store, begun, (struct str){0}, 60);
    put(&f, STORE_WRITE, "ns", "c", "u3", 55, ""); /* gone by 60 */
    assert_deltas(&f, "");
    finish(&f);
}

/* A server restored from a backup whose versions were raised: lists are newer, what is in them is
 * not. */
static void store_list_without_what_was_seen_contradicts(void **state) {
    (void)state;
    struct fixture f;
    struct str all = {0};
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 100, "");
    put(&f, STORE_EVENT, "ns", "b", "u2", 90, "");
    delete_event(&f, "b", "u2", 101);
    put(&f, STORE_LISTED, "ns", "a", "u1", 50, ",\"labels\":{}");
    assert_false(store_replace_contradicts(f.store, all, 99)); /* another server, behind */
    put(&f, STORE_LISTED, "ns", "a", "u1", 50, ",\"labels\":{}");
    assert_true(store_replace_contradicts(f.store, all, 1000));
    put(&f, STORE_LISTED, "ns", "b", "u2", 90, "");
    assert_true(store_replace_contradicts(f.store, all, 1000));
    assert_false(store_replace_contradicts(f.store, all, 1000)); /* said once */
    assert_deltas(&f, "+a:100 +b:90 -b:101 ");
    put(&f, STORE_EVENT, "ns", "b", "u2", 102, ""); /* after its deletion: that was lost */
    assert_deltas(&f, "+b:102 ");
    finish(&f);
}

static void store_distrust_of_one_namespace_leaves_the_others(void **state) {
    (void)state;
    struct fixture f;
    setup_with(&f, true);
    put(&f, STORE_EVENT, "ns", "a", "u1", 5, "");
    store_tombstone(f.store, str_of("ns"), str_of("a"), str_of("u1"));
    store_distrust_versions(f.store, str_of("other"));
    put(&f, STORE_EVENT, "ns", "a", "u1", 6, "");
    assert_deltas(&f, "+a:5 -a:5 ");
    store_distrust_versions(f.store, str_of("ns"));
    put(&f, STORE_EVENT, "ns", "a", "u1", 6, "");
    assert_deltas(&f, "+a:6 ");
    finish(&f);
}

static void store_own_write_after_distrust_is_read(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 100, "");
    store_distrust_versions(f.store, (struct str){0});
    put(&f, STORE_WRITE, "ns", "a", "u1", 50, ",\"labels\":{}");
    put(&f, STORE_LISTED, "ns", "a", "u1", 40, ""); /* a page from before it */
    assert_deltas(&f, "+a:100 ~a:50 ");
    finish(&f);
}

static bool add_name(void *context, const struct object *object) {
    struct str name = object_name(object);
    strbuf_add(context, name.data, name.len);
    return true;
}

static void assert_owned(struct fixture *f, const char *uid, const char *expected) {
    struct strbuf names = {0};
    strbuf_adds(&names, "");
    store_each_owned(f->store, str_of(uid), add_name, &names);
    assert_string_equal(names.data, expected);
    strbuf_finish(&names);
}

static void store_indexes_follow(void **state) {
    (void)state;
    struct fixture f;
    struct strbuf names = {0};
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 1,
        ",\"ownerReferences\":[{\"uid\":\"o1\"},{\"uid\":\"o2\"},{\"uid\":\"o1\"}]");
    put(&f, STORE_EVENT, "ns", "b", "u2", 2, ",\"ownerReferences\":[{\"uid\":\"o1\"}]");
    put(&f, STORE_EVENT, "other", "c", "u3", 3, "");
    put(&f, STORE_EVENT, "", "root", "u4", 4, "");
    assert_owned(&f, "o1", "ba");
    assert_owned(&f, "o2", "a");
    put(&f, STORE_EVENT, "ns", "a", "u1", 5, ",\"ownerReferences\":[{\"uid\":\"o3\"}]");
    assert_owned(&f, "o1", "b");
    assert_owned(&f, "o2", "");
    assert_owned(&f, "o3", "a");
    store_each(f.store, str_of("ns"), add_name, &names);
    assert_string_equal(names.data, "ba");
    delete_event(&f, "b", "u2", 6);
    assert_owned(&f, "o1", "");
    strbuf_clear(&names);
    store_each(f.store, str_of("ns"), add_name, &names);
    store_each(f.store, str_of(""), add_name, &names);
    store_each(f.store, str_of("none"), add_name, &names);
    assert_string_equal(names.data, "aroot");
    strbuf_clear(&names);
    store_each(f.store, (struct str){0}, add_name, &names);
    assert_int_equal(names.len, strlen("acroot"));
    strbuf_finish(&names);
    finish(&f);
}

struct labelled_names {
    struct strbuf names;
    const char *wanted;     /* value of label x; NULL: no labels */
    struct fixture *change; /* moves an object in the middle */
    int asked;
};

static bool fits(void *context, const struct dag *dag, node_t labels) {
    struct labelled_names *names = context;
    names->asked++;
    return names->wanted ? node_is(dag, node_get(dag, labels, str_of("x")), names->wanted)
                         : labels == NODE_NONE;
}

static bool add_labelled(void *context, const struct object *object) {
    struct labelled_names *names = context;
    struct fixture *change = names->change;
    names->change = NULL;
    if (change)
        put(change, STORE_EVENT, "ns", "b", "u2", 9, ",\"labels\":{\"x\":\"2\"}");
    return add_name(&names->names, object);
}

static void assert_labelled(struct fixture *f, const char *wanted, const char *expected) {
    struct labelled_names names = {.wanted = wanted};
    strbuf_adds(&names.names, "");
    assert_true(store_each_labelled(f->store, fits, add_labelled, &names));
    assert_string_equal(names.names.data, expected);
    strbuf_finish(&names.names);
}

static void store_index_of_labels_follows(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 1, ",\"labels\":{\"x\":\"1\"}");
    put(&f, STORE_EVENT, "ns", "b", "u2", 2, ",\"labels\":{\"x\":\"1\"}");
    put(&f, STORE_EVENT, "ns", "c", "u3", 3, "");
    assert_labelled(&f, "1", "ba");
    assert_labelled(&f, NULL, "c");
    put(&f, STORE_EVENT, "ns", "a", "u1", 4, ",\"labels\":{\"x\":\"2\"}");
    assert_labelled(&f, "1", "b");
    assert_labelled(&f, "2", "a");
    delete_event(&f, "a", "u1", 5);
    assert_labelled(&f, "2", "");
    struct labelled_names names = {.wanted = "1"};
    assert_true(store_each_labelled(f.store, fits, add_labelled, &names));
    assert_int_equal(names.asked, 2); /* once for each set of labels that is left */
    strbuf_finish(&names.names);
    finish(&f);
}

static void store_index_of_labels_says_when_it_moved_under_a_reader(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 1, ",\"labels\":{\"x\":\"1\"}");
    put(&f, STORE_EVENT, "ns", "b", "u2", 2, ",\"labels\":{\"x\":\"1\"}");
    struct labelled_names names = {.wanted = "1", .change = &f};
    struct epoch_reader *reader = epoch_reader_create(f.epochs, NULL);
    epoch_enter(reader); /* what it has been given stays, though the store has moved on */
    assert_false(store_each_labelled(f.store, fits, add_labelled, &names));
    epoch_leave(reader);
    epoch_reader_destroy(reader);
    strbuf_finish(&names.names);
    finish(&f);
}

static void store_nonsense_is_rejected(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    static const char *const bad[] = {
        "[]", "{", "1", "{}", "{\"metadata\":{}}", "{\"metadata\":{\"name\":\"\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct error err;
        assert_int_equal(store_put(f.store, str_of(bad[i]), STORE_EVENT, NULL, &err),
                         ERROR_REJECTED);
        assert_int_equal(store_delete_event(f.store, str_of(bad[i]), &err), ERROR_REJECTED);
    }
    finish(&f);
}

static void store_put_survives_each_failed_allocation(void **state) {
    (void)state;
    const char *rest = ",\"ownerReferences\":[{\"uid\":\"o1\"},{\"uid\":\"o2\"}]";
    bool hit = true;
    for (uint64_t n = 0; hit; n++) {
        struct fixture f;
        char buf[1000];
        struct error err;
        setup(&f);
        strbuf_reserve(&f.deltas, 1000); /* the test's own */
        mem_fail_at(n, /* forever= */ true);
        int rc = store_put(f.store, pod(buf, "ns", "a", "u1", 1, rest), STORE_EVENT, NULL, &err);
        hit = mem_fail_stop();
        assert_int_equal(rc, hit ? ERROR_NOMEM : 0);
        assert_int_equal(store_count(f.store), rc == 0);
        put(&f, STORE_EVENT, "ns", "a", "u1", 2, rest); /* still usable */
        mem_fail_at(n, /* forever= */ true);
        rc = store_put(f.store,
                       pod(buf, "ns", "a", "u1", 3, ",\"ownerReferences\":[{\"uid\":\"o3\"}]"),
                       STORE_EVENT, NULL, &err);
        hit |= mem_fail_stop();
        assert_int_equal(get(&f, "a")->version, rc == 0 ? 3 : 2);
        mem_fail_at(n, /* forever= */ true);
        store_tombstone(f.store, str_of("ns"), str_of("a"), str_of("u1"));
        hit |= mem_fail_stop();
        assert_int_equal(store_count(f.store), 0);
        finish(&f);
    }
}

static void store_pins_outlive_what_the_store_forgot(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    put(&f, STORE_EVENT, "ns", "a", "u1", 1, "");
    const struct object *held = object_pin(get(&f, "a"));
    delete_event(&f, "a", "u1", 2);
    assert_true(str_is(object_name(held), "a"));
    object_unpin(held);
    epochs_reclaim(f.epochs);
    assert_int_equal(dag_stats(f.dag).nodes, 1); /* the last version */
    finish(&f);
}

/* What the metrics moonlet_cache_node_bytes and moonlet_cache_bytes say. */
static void store_gives_back_what_updates_and_deletes_leave(void **state) {
    (void)state;
    struct fixture f;
    char name[16], rest[128];
    uint64_t bytes[4] = {0}, of_kind[4] = {0};
    setup(&f);
    assert_int_equal(store_bytes(f.store), 0);
    for (int round = 0; round < 4; round++) { /* added, changed, changed back, gone */
        for (int i = 0; i < 150; i++) {
            snprintf(name, sizeof name, "pod-%d", i);
            snprintf(rest, sizeof rest, ",\"annotations\":{\"note\":\"%0*d\"}", round == 1 ? 40 : 4,
                     i);
            if (round < 3)
                put(&f, STORE_EVENT, "ns", name, name, 100 * (round + 1) + i, rest);
            else
                delete_event(&f, name, name, 100 * (round + 1) + i);
        }
        bytes[round] = dag_stats(f.dag).bytes;
        of_kind[round] = store_bytes(f.store);
    }
    assert_true(bytes[1] > bytes[0]);
    assert_int_equal(bytes[2], bytes[0]);
    assert_true(bytes[3] < bytes[0] / 10); /* the last event's version, tombstones */
    assert_in_range(of_kind[0], bytes[0] / 10 * 8, bytes[0]); /* a sample; indexes share strings */
    assert_in_range(of_kind[1], bytes[1] / 10 * 8, bytes[1]);
    assert_int_equal(of_kind[2], of_kind[0]);
    assert_int_equal(of_kind[3], 0);
    finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store_events_become_changes),
        cmocka_unit_test(store_noop_updates_the_version_silently),
        cmocka_unit_test(store_another_uid_is_delete_and_add),
        cmocka_unit_test(store_own_writes_are_read_at_once),
        cmocka_unit_test(store_deleted_uid_does_not_come_back),
        cmocka_unit_test(store_replace_deletes_what_vanished),
        cmocka_unit_test(store_replace_of_one_namespace_leaves_the_others),
        cmocka_unit_test(store_own_write_during_a_list_is_read),
        cmocka_unit_test(store_list_without_what_was_seen_contradicts),
        cmocka_unit_test(store_distrust_of_one_namespace_leaves_the_others),
        cmocka_unit_test(store_own_write_after_distrust_is_read),
        cmocka_unit_test(store_follows_a_server_that_went_back),
        cmocka_unit_test(store_indexes_follow),
        cmocka_unit_test(store_index_of_labels_follows),
        cmocka_unit_test(store_index_of_labels_says_when_it_moved_under_a_reader),
        cmocka_unit_test(store_nonsense_is_rejected),
        cmocka_unit_test(store_put_survives_each_failed_allocation),
        cmocka_unit_test(store_pins_outlive_what_the_store_forgot),
        cmocka_unit_test(store_gives_back_what_updates_and_deletes_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
