#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cache/object.h"

static void count(void *context) {
    ++*(int *)context;
}

static int released; /* of the test in progress */
static void release(void *block) {
    released++;
    mem_free(block);
}

static const struct object *make(struct dag *dag, struct epochs *epochs, const char *json) {
    return object_create(epochs, dag_parse(dag, str_of(json), 0, NULL), NULL);
}

/* R17 */
static void epochs_keep_what_a_reader_may_see(void **state) {
    (void)state;
    uint64_t blocks = mem_stats().blocks;
    struct dag *dag = dag_create(NULL, NULL);
    struct epochs *epochs = epochs_create(dag, NULL, NULL, NULL);
    struct epoch_reader *early = epoch_reader_create(epochs, NULL);
    struct epoch_reader *late = epoch_reader_create(epochs, NULL);
    released = 0;
    epoch_enter(early);
    assert_int_equal(epochs_retire(epochs, mem_alloc(1), release), 0);
    epoch_enter(late); /* cannot have seen it */
    epochs_reclaim(epochs);
    assert_int_equal(released, 0);
    epoch_leave(early);
    epochs_reclaim(epochs);
    assert_int_equal(released, 1);
    assert_int_equal(epochs_retire(epochs, mem_alloc(1), release), 0);
    epochs_reclaim(epochs);
    assert_int_equal(released, 1);
    epoch_leave(late);
    assert_int_equal(epochs_retire(epochs, mem_alloc(1), release), 0);
    epoch_reader_destroy(early);
    epoch_reader_destroy(late);
    epochs_destroy(epochs); /* frees the rest */
    assert_int_equal(released, 3);
    dag_destroy(dag);
    assert_int_equal(mem_stats().blocks, blocks);
}

/* R17 */
static void epochs_last_unpin_goes_to_the_core(void **state) {
    (void)state;
    int woken = 0;
    struct dag *dag = dag_create(NULL, NULL);
    struct epochs *epochs = epochs_create(dag, count, &woken, NULL);
    const struct object *a =
        make(dag, epochs, "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"12\"}}");
    const struct object *b =
        make(dag, epochs, "{\"metadata\":{\"name\":\"b\",\"resourceVersion\":\"x\"}}");
    assert_int_equal(a->version, 12);
    assert_int_equal(b->version, 0);
    assert_true(object_pin(a) == a);
    object_unpin(a);
    assert_int_equal(woken, 0);
    object_unpin(a);
    assert_int_equal(woken, 1);
    object_unpin(b);
    assert_int_equal(woken, 1); /* the core is awake already */
    assert_true(dag_stats(dag).nodes > 0);
    epochs_reclaim(epochs);
    assert_int_equal(dag_stats(dag).nodes, 0);
    object_drop(make(dag, epochs, "{}")); /* on the core: at once */
    assert_int_equal(dag_stats(dag).nodes, 0);
    object_unpin(NULL);
    object_drop(NULL);
    epochs_destroy(epochs);
    dag_destroy(dag);
}

static void epochs_object_must_be_an_object(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    struct epochs *epochs = epochs_create(dag, NULL, NULL, NULL);
    struct error err;
    node_t list = dag_parse(dag, str_of("[]"), 0, NULL);
    assert_null(object_create(epochs, list, &err));
    assert_int_equal(err.code, ERROR_REJECTED);
    node_unref(dag, list); /* stays the caller's */
    epochs_destroy(epochs);
    dag_destroy(dag);
}

static void epochs_readers_are_bounded(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    struct epochs *epochs = epochs_create(dag, NULL, NULL, NULL);
    struct epoch_reader *readers[64];
    struct error err;
    for (int i = 0; i < 64; i++) {
        readers[i] = epoch_reader_create(epochs, &err);
        assert_non_null(readers[i]);
    }
    assert_null(epoch_reader_create(epochs, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    epoch_reader_destroy(readers[7]);
    assert_true(epoch_reader_create(epochs, &err) == readers[7]);
    for (int i = 0; i < 64; i++)
        epoch_reader_destroy(readers[i]);
    epochs_destroy(epochs);
    dag_destroy(dag);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epochs_keep_what_a_reader_may_see),
        cmocka_unit_test(epochs_last_unpin_goes_to_the_core),
        cmocka_unit_test(epochs_object_must_be_an_object),
        cmocka_unit_test(epochs_readers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
