#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apiserver/document.h"
#include "base/rng.h"
#include "support/oom_sweep.h"

/* A value of up to `depth` levels out of few keys and texts, so that two have much in common. */
static json_t *random_value(struct rng *rng, int depth) {
    static const char *const texts[] = {"", "a", "b", "a text of more than 16 bytes", "\"\n"};
    switch (rng_below(rng, depth > 0 ? 12 : 8)) {
    case 0:
        return json_null();
    case 1:
        return rng_below(rng, 2) ? json_true() : json_false();
    case 2:
        return json_real((double)rng_below(rng, 4) / 2);
    case 3:
    case 4:
        return json_integer((int64_t)rng_below(rng, 4) - 2);
    case 8: {
        json_t *array = json_array();
        for (uint64_t left = rng_below(rng, 4); left > 0; left--)
            json_array_append_new(array, random_value(rng, depth - 1));
        return array;
    }
    case 9:
    case 10:
    case 11: {
        static const char *const keys[] = {"a", "b", "c", "d", "fieldsV1", "\"", "a longer key"};
        json_t *object = json_object();
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (rng_below(rng, 2))
                json_object_set_new(object, keys[(i + depth) % 7], random_value(rng, depth - 1));
        return object;
    }
    default:
        return json_string(texts[rng_below(rng, sizeof texts / sizeof *texts)]);
    }
}

static node_t parsed(struct dag *dag, const json_t *value) {
    struct strbuf text = {0};
    struct error err;
    document_text(value, &text);
    node_t node = dag_parse(dag, strbuf_view(&text), 0, &err);
    strbuf_finish(&text);
    return node;
}

/* Whatever it was thought to be like. */
static void node_is_that_of_the_text(void **state) {
    struct error err;
    struct dag *dag = dag_create(NULL, &err);
    struct fieldset_known *known = fieldset_known_create(dag, &err);
    struct rng rng;
    node_t like = NODE_NONE;
    (void)state;
    rng_init(&rng, 7);
    for (int i = 0; i < 5000; i++) {
        json_t *value = random_value(&rng, 5);
        node_t wanted = parsed(dag, value), made = document_node(dag, known, value, like, &err);
        assert_int_equal(made, wanted);
        node_unref(dag, made);
        node_unref(dag, like);
        like = wanted;
        json_decref(value);
    }
    node_unref(dag, like);
    fieldset_known_destroy(known);
    assert_int_equal(dag_stats(dag).nodes, 0);
    dag_destroy(dag);
}

static void node_is_not_deeper_than_a_text_may_be(void **state) {
    struct error err;
    struct dag *dag = dag_create(NULL, &err);
    json_t *value = json_integer(1);
    (void)state;
    for (int i = 0; i < 512; i++)
        value = i % 2 ? json_pack("[o]", value) : json_pack("{s:o}", "a", value);
    node_t node = document_node(dag, NULL, value, NODE_NONE, &err);
    assert_int_not_equal(node, NODE_NONE);
    value = json_pack("[o]", value);
    assert_int_equal(document_node(dag, NULL, value, node, &err), NODE_NONE);
    assert_int_equal(err.code, ERROR_REJECTED);
    node_unref(dag, node);
    assert_int_equal(dag_stats(dag).nodes, 0);
    json_decref(value);
    dag_destroy(dag);
}

static void node_survives_each_failed_allocation(void **state) {
    struct oom_sweep sweep = {0};
    json_t *was = json_pack("{s:i, s:[i,i], s:{s:s}}", "a", 1, "b", 1, 2, "c", "d", "e");
    json_t *now = json_pack("{s:i, s:[i,i,f], s:{s:s, s:n}, s:b}", "a", 1, "b", 1, 3, 2.5, "c", "d",
                            "e", "f", "g", 1);
    (void)state;
    while (oom_sweep_next(&sweep)) {
        struct error err;
        struct dag *dag = dag_create(NULL, &err);
        node_t like = dag ? document_node(dag, NULL, was, NODE_NONE, &err) : NODE_NONE;
        node_t node = dag ? document_node(dag, NULL, now, like, &err) : NODE_NONE;
        assert_true(node != NODE_NONE || err.code == ERROR_NOMEM);
        if (dag) {
            node_unref(dag, node);
            node_unref(dag, like);
            assert_int_equal(dag_stats(dag).nodes, 0);
        }
        dag_destroy(dag);
    }
    json_decref(was);
    json_decref(now);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(node_is_that_of_the_text),
        cmocka_unit_test(node_is_not_deeper_than_a_text_may_be),
        cmocka_unit_test(node_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
