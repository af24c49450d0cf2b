#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "apiserver/fieldset.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support/oom_sweep.h"

struct bench {
    struct fieldset_pool pool;
    struct fieldset_builder builder;
    json_t *kept; /* documents that sets borrow from */
};

static int setup(void **state) {
    struct bench *bench = mem_zalloc(sizeof *bench);
    bench->builder.pool = &bench->pool;
    bench->kept = json_array();
    *state = bench;
    return 0;
}

static int teardown(void **state) {
    struct bench *bench = *state;
    fieldset_builder_finish(&bench->builder);
    fieldset_pool_finish(&bench->pool);
    json_decref(bench->kept);
    mem_free(bench);
    return 0;
}

static const struct fieldset *parse(struct bench *bench, const char *text) {
    json_t *fields = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    struct error err;
    const struct fieldset *set;
    assert_non_null(fields);
    json_array_append_new(bench->kept, fields);
    if (fieldset_parse(&bench->builder, fields, &set, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return set;
}

static void assert_prints(const struct fieldset *set, const char *expected) {
    json_t *json = fieldset_json(set);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, expected);
    mem_free(text);
    json_decref(json);
}

static void fieldset_parse_rejects_what_is_no_set(void **state) {
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"[]", "parsing fields: not an object"},
        {"{\"f:a\":1}", "parsing fields: not an object"},
        {"{\"f\":{}}", "parsing key as path element: key must be 2 characters long:"},
        {"{\"fa\":{}}", "parsing key as path element: missing colon: fa"},
        {"{\"f:a\":{\"i:x\":{}}}", "parsing key as path element: no index: i:x"},
        {"{\"k:[]\":{}}", "parsing key as path element: a key of a list is no object"},
    };
    struct bench *bench = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *fields = json_loads(cases[i].text, 0, NULL);
        struct error err;
        const struct fieldset *set;
        assert_int_equal(fieldset_parse(&bench->builder, fields, &set, &err), ERROR_REJECTED);
        assert_string_equal(err.message, cases[i].why);
        assert_null(set);
        json_decref(fields);
    }
    assert_int_equal(bench->builder.count, 0);
}

static void fieldset_parse_rejects_keys_that_are_no_json(void **state) {
    struct bench *bench = *state;
    static const char *const names[] = {"k:{",          "k:{\"a\":}", "v:", "v:nul",
                                        "k:{\"a\":1}x", "v:[1",       "k:"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        json_t *fields = json_pack("{s:{}}", names[i]);
        const struct fieldset *set;
        int rc = fieldset_parse(&bench->builder, fields, &set, NULL);
        assert_true(rc == ERROR_REJECTED || strcmp(names[i], "k:{\"a\":1}x") == 0);
        json_decref(fields);
    }
}

static void fieldset_parse_leaves_out_elements_of_the_future(void **state) {
    struct bench *bench = *state;
    assert_prints(parse(bench, "{\"f:a\":{\"z:new\":{}},\"q:new\":{\"f:b\":{}}}"), "{\"f:a\":{}}");
}

static void fieldset_prints_in_the_order_of_elements(void **state) {
    struct bench *bench = *state;
    const struct fieldset *set = parse(
        bench, "{\"i:10\":{},\"i:9\":{},\"v:\\\"b\\\"\":{},\"v:true\":{},\"v:10\":{},\"v:9.5\":{},"
               "\"k:{\\\"b\\\":1,\\\"a\\\":\\\"x\\\"}\":{\".\":{},\"f:z\":{}},"
               "\"k:{\\\"a\\\":\\\"x!\\\",\\\"b\\\":1}\":{},\"k:{\\\"a\\\":\\\"x\\\"}\":{},"
               "\"f:b\":{\"f:c\":{}},\"f:a\":{}}");
    assert_prints(set, "{\"f:a\":{},\"f:b\":{\"f:c\":{}},\"k:{\\\"a\\\":\\\"x\\\"}\":{},"
                       "\"k:{\\\"a\\\":\\\"x\\\",\\\"b\\\":1}\":{\".\":{},\"f:z\":{}},"
                       "\"k:{\\\"a\\\":\\\"x!\\\",\\\"b\\\":1}\":{},\"v:9.5\":{},\"v:10\":{},"
                       "\"v:\\\"b\\\"\":{},\"v:true\":{},\"i:9\":{},\"i:10\":{}}");
}

static void fieldset_prints_numbers_and_strings_as_go(void **state) {
    struct bench *bench = *state;
    const struct fieldset *set =
        parse(bench, "{\"v:1.0\":{},\"v:1e-6\":{},\"v:1e20\":{},\"v:2.5e21\":{},"
                     "\"v:\\\"<a&b>\\\"\":{},\"v:\\\"\xe2\x80\xa8\\\"\":{},\"v:null\":{}}");
    assert_prints(set, "{\"v:0.000001\":{},\"v:1\":{},\"v:100000000000000000000\":{},"
                       "\"v:2.5e+21\":{},\"v:\\\"\\\\u003ca\\\\u0026b\\\\u003e\\\"\":{},"
                       "\"v:\\\"\\\\u2028\\\"\":{},\"v:null\":{}}");
}

static void collect(void *context, struct str path) {
    strbuf_add(context, path.data, path.len);
    strbuf_addc(context, ' ');
}

static void fieldset_each_tells_leaves_before_what_is_deeper(void **state) {
    struct bench *bench = *state;
    struct strbuf paths = {0};
    const struct fieldset *set =
        parse(bench, "{\"f:a\":{\".\":{},\"f:x\":{}},\"f:b\":{},\"f:l\":{"
                     "\"k:{\\\"name\\\":\\\"n\\\",\\\"port\\\":1}\":{\"f:v\":{}},\"v:2\":{}}}");
    fieldset_each(&bench->pool, set, collect, &paths);
    assert_string_equal(paths.data, ".a .b .a.x .l[=2] .l[name=\"n\",port=1].v ");
    strbuf_finish(&paths);
}

static void fieldset_operations_go_by_path(void **state) {
    struct bench *bench = *state;
    struct fieldset_pool *pool = &bench->pool;
    const struct fieldset *a =
        parse(bench, "{\"f:a\":{\".\":{},\"f:x\":{},\"f:y\":{}},\"f:b\":{}}");
    const struct fieldset *b = parse(bench, "{\"f:a\":{\"f:x\":{}},\"f:b\":{\"f:z\":{}}}");
    assert_prints(fieldset_union(pool, a, b),
                  "{\"f:a\":{\".\":{},\"f:x\":{},\"f:y\":{}},\"f:b\":{\".\":{},\"f:z\":{}}}");
    assert_prints(fieldset_intersection(pool, a, b), "{\"f:a\":{\"f:x\":{}}}");
    assert_prints(fieldset_difference(pool, a, b), "{\"f:a\":{\".\":{},\"f:y\":{}},\"f:b\":{}}");
    assert_prints(fieldset_difference(pool, b, a), "{\"f:b\":{\"f:z\":{}}}");
    assert_null(fieldset_exclude(pool, b, a));
    assert_null(fieldset_difference(pool, a, a));
    assert_null(fieldset_union(pool, NULL, NULL));
    assert_ptr_equal(fieldset_difference(pool, a, NULL), a);
    assert_null(fieldset_intersection(pool, a, NULL));
}

/* --- properties ------------------------------------------------------------------------------- */

static json_t *random_fields(struct rng *rng, int depth) {
    static const char *const names[] = {"f:a",         "f:b", "f:c",     "k:{\"n\":\"x\"}",
                                        "k:{\"n\":2}", "v:1", "v:\"s\"", "i:3"};
    json_t *fields = json_object();
    for (size_t i = 0; i < 8; i++)
        if (rng_below(rng, 3) == 0)
            json_object_set_new(fields, names[i],
                                depth > 0 ? random_fields(rng, depth - 1) : json_object());
    if (json_object_size(fields) && rng_below(rng, 2) == 0)
        json_object_set_new(fields, ".", json_object());
    return fields;
}

static const struct fieldset *random_set(struct bench *bench, struct rng *rng) {
    json_t *fields = random_fields(rng, 3);
    const struct fieldset *set;
    json_object_del(fields, ".");
    json_array_append_new(bench->kept, fields);
    assert_int_equal(fieldset_parse(&bench->builder, fields, &set, NULL), 0);
    return set;
}

static void fieldset_algebra_holds_for_random_sets(void **state) {
    struct bench *bench = *state;
    struct fieldset_pool *pool = &bench->pool;
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 2000; i++) {
        const struct fieldset *a = random_set(bench, &rng), *b = random_set(bench, &rng);
        const struct fieldset *both = fieldset_intersection(pool, a, b);
        const struct fieldset *only_a = fieldset_difference(pool, a, b);
        assert_true(fieldset_equal(fieldset_union(pool, a, b), fieldset_union(pool, b, a)));
        assert_true(fieldset_equal(both, fieldset_intersection(pool, b, a)));
        assert_true(fieldset_equal(fieldset_union(pool, only_a, both), a));
        assert_null(fieldset_intersection(pool, only_a, b));
        assert_true(
            fieldset_equal(fieldset_difference(pool, fieldset_union(pool, a, b), b), only_a));
        assert_null(fieldset_difference(pool, fieldset_exclude(pool, a, b), only_a));
        json_t *printed = fieldset_json(a);
        const struct fieldset *again;
        json_array_append_new(bench->kept, printed);
        assert_int_equal(fieldset_parse(&bench->builder, printed, &again, NULL), 0);
        assert_true(fieldset_equal(a, again));
        if (i % 200 == 199) { /* the sets are as large as the documents they borrow from */
            fieldset_pool_finish(pool);
            json_array_clear(bench->kept);
        }
    }
}

static void fieldset_survives_each_failed_allocation(void **state) {
    (void)state;
    json_t *fields = json_loads("{\"f:b\":{\"k:{\\\"n\\\":\\\"\\\\u0041<\\\"}\":{\".\":{},\"f:x\":{"
                                "}}},\"f:a\":{\"v:[1]\":{}}}",
                                0, NULL);
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct fieldset_pool pool = {0};
        struct fieldset_builder builder = {.pool = &pool};
        const struct fieldset *set = NULL;
        struct strbuf paths = {0};
        struct error err;
        int rc = fieldset_parse(&builder, fields, &set, &err);
        assert_int_equal(rc, 0);
        set = fieldset_union(&pool, set, fieldset_difference(&pool, set, NULL));
        fieldset_each(&pool, set, collect, &paths);
        json_t *printed = fieldset_json(set);
        if (printed && !pool.failed)
            assert_int_equal(json_object_size(printed), 2);
        json_decref(printed);
        strbuf_finish(&paths);
        fieldset_builder_finish(&builder);
        fieldset_pool_finish(&pool);
    }
    json_decref(fields);
}

int main(void) {
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fieldset_parse_rejects_what_is_no_set, setup, teardown),
        cmocka_unit_test_setup_teardown(fieldset_parse_rejects_keys_that_are_no_json, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fieldset_parse_leaves_out_elements_of_the_future, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fieldset_prints_in_the_order_of_elements, setup, teardown),
        cmocka_unit_test_setup_teardown(fieldset_prints_numbers_and_strings_as_go, setup, teardown),
        cmocka_unit_test_setup_teardown(fieldset_each_tells_leaves_before_what_is_deeper, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fieldset_operations_go_by_path, setup, teardown),
        cmocka_unit_test_setup_teardown(fieldset_algebra_holds_for_random_sets, setup, teardown),
        cmocka_unit_test(fieldset_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
