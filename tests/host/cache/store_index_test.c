#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cache/support/store/fixture.h"

/* Indexes by owner, namespace and labels. */

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
    struct fixture *f = *state;
    struct strbuf names = {0};
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 1,
                ",\"ownerReferences\":[{\"uid\":\"o1\"},{\"uid\":\"o2\"},{\"uid\":\"o1\"}]");
    fixture_put(f, STORE_EVENT, "ns", "b", "u2", 2, ",\"ownerReferences\":[{\"uid\":\"o1\"}]");
    fixture_put(f, STORE_EVENT, "other", "c", "u3", 3, "");
    fixture_put(f, STORE_EVENT, "", "root", "u4", 4, "");
    assert_owned(f, "o1", "ba");
    assert_owned(f, "o2", "a");
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 5, ",\"ownerReferences\":[{\"uid\":\"o3\"}]");
    assert_owned(f, "o1", "b");
    assert_owned(f, "o2", "");
    assert_owned(f, "o3", "a");
    store_each(f->store, str_of("ns"), add_name, &names);
    assert_string_equal(names.data, "ba");
    fixture_delete_event(f, "b", "u2", 6);
    assert_owned(f, "o1", "");
    strbuf_clear(&names);
    store_each(f->store, str_of("ns"), add_name, &names);
    store_each(f->store, str_of(""), add_name, &names);
    store_each(f->store, str_of("none"), add_name, &names);
    assert_string_equal(names.data, "aroot");
    strbuf_clear(&names);
    store_each(f->store, (struct str){0}, add_name, &names);
    assert_int_equal(names.len, strlen("acroot"));
    strbuf_finish(&names);
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
        fixture_put(change, STORE_EVENT, "ns", "b", "u2", 9, ",\"labels\":{\"x\":\"2\"}");
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
    struct fixture *f = *state;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 1, ",\"labels\":{\"x\":\"1\"}");
    fixture_put(f, STORE_EVENT, "ns", "b", "u2", 2, ",\"labels\":{\"x\":\"1\"}");
    fixture_put(f, STORE_EVENT, "ns", "c", "u3", 3, "");
    assert_labelled(f, "1", "ba");
    assert_labelled(f, NULL, "c");
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 4, ",\"labels\":{\"x\":\"2\"}");
    assert_labelled(f, "1", "b");
    assert_labelled(f, "2", "a");
    fixture_delete_event(f, "a", "u1", 5);
    assert_labelled(f, "2", "");
    struct labelled_names names = {.wanted = "1"};
    assert_true(store_each_labelled(f->store, fits, add_labelled, &names));
    assert_int_equal(names.asked, 2); /* once for each set of labels that is left */
    strbuf_finish(&names.names);
}

static void store_index_of_labels_says_when_it_moved_under_a_reader(void **state) {
    struct fixture *f = *state;
    fixture_put(f, STORE_EVENT, "ns", "a", "u1", 1, ",\"labels\":{\"x\":\"1\"}");
    fixture_put(f, STORE_EVENT, "ns", "b", "u2", 2, ",\"labels\":{\"x\":\"1\"}");
    struct labelled_names names = {.wanted = "1", .change = f};
    struct epoch_reader *reader = epoch_reader_create(f->epochs, NULL);
    epoch_enter(reader); /* what it has been given stays, though the store has moved on */
    assert_false(store_each_labelled(f->store, fits, add_labelled, &names));
    epoch_leave(reader);
    epoch_reader_destroy(reader);
    strbuf_finish(&names.names);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(store_indexes_follow),
        TEST(store_index_of_labels_follows),
        TEST(store_index_of_labels_says_when_it_moved_under_a_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
