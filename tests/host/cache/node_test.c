#include "cache/node.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "json/scan.h"

static node_t parse(struct dag *dag, const char *json) {
    struct error err;
    node_t node = dag_parse(dag, str_of(json), 0, &err);
    if (node == NODE_NONE)
        fail_msg("%s: %s", json, err.message);
    return node;
}

static void assert_json(const struct dag *dag, node_t node, const char *expected) {
    struct strbuf buf = {0};
    struct json_writer writer;
    json_writer_init(&writer, &buf);
    node_write(dag, node, &writer);
    assert_string_equal(buf.data, expected);
    strbuf_finish(&buf);
}

static void done(struct dag *dag) {
    assert_int_equal(dag_stats(dag).nodes, 0);
    assert_int_equal(dag_stats(dag).bytes, 0);
    dag_destroy(dag);
}

/* Values that a document makes and holds more than once, in whole and as parts of each other. */
static void node_is_one_within_a_document_that_makes_it(void **state) {
    (void)state;
    static const char *const documents[] = {
        "[\"x\",\"x\",[\"x\"],[\"x\"],[\"x\",\"x\"],[[\"x\"]],[[\"x\"],[\"x\"]]]",
        "[{\"a\":1.25},{\"a\":1.25},{\"b\":{\"a\":1.25}},{\"b\":{\"a\":1.25}},[{\"a\":1.25}]]",
        ("{\"a\":{\"a\":{\"a\":\"y\"}},\"b\":{\"a\":{\"a\":\"y\"}},\"c\":{\"a\":\"y\"},\"d\":["
         "\"y\","
         "{\"a\":\"y\"}]}"),
    };
    struct dag *dag = dag_create(NULL, NULL);
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        node_t node = parse(dag, documents[i]);
        const uint64_t nodes = dag_stats(dag).nodes;
        node_t again = parse(dag, documents[i]);
        assert_int_equal(again, node);
        for (size_t at = 0; at < node_count(dag, node); at++) { /* each part is what it is alone */
            struct strbuf text = {0};
            struct json_writer writer;
            node_t value = node_at(dag, node, at);
            json_writer_init(&writer, &text);
            node_write(dag, value, &writer);
            node_t alone = parse(dag, text.data);
            assert_int_equal(alone, value);
            node_unref(dag, alone);
            strbuf_finish(&text);
        }
        assert_int_equal(dag_stats(dag).nodes, nodes);
        node_unref(dag, node);
        node_unref(dag, again);
    }
    done(dag);
}

static void node_documents_come_back_as_they_were(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    static const char *const documents[] = {
        "{}",
        "[]",
        "null",
        "true",
        "\"\"",
        "{\"b\":1,\"a\":[],\"c\":{},\"d\":null,\"e\":[null,[[]]]}",
        "[0,-0,1,1.0,1.50,0.1,1e5,1E5,1e+21,9223372036854775807,9223372036854775808,-"
        "9223372036854775808,"
        "12345678901234567890123456789,0.1000000000000000055511151231257827]",
        "{\"a\\u0001\\n\":\"\xc3\xa9\"}"};
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        node_t node = parse(dag, documents[i]);
        assert_json(dag, node, documents[i]);
        assert_true(parse(dag, documents[i]) == node); /* equal is the same */
        node_unref(dag, node);
        node_unref(dag, node);
    }
    done(dag);
}

static void node_numbers_are_exact_or_text(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    static const struct {
        const char *text;
        enum node_type type;
    } numbers[] = {{"0", NODE_INT},
                   {"-5", NODE_INT},
                   {"9223372036854775807", NODE_INT},
                   {"9223372036854775808", NODE_NUMBER},
                   {"0.5", NODE_DOUBLE},
                   {"-0", NODE_DOUBLE},
                   {"1.0", NODE_NUMBER},
                   {"1e5", NODE_NUMBER},
                   {"1e+300", NODE_DOUBLE},
                   {"0.30", NODE_NUMBER},
                   {"1e999", NODE_NUMBER}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        node_t node = parse(dag, numbers[i].text);
        assert_int_equal(node_type(dag, node), numbers[i].type);
        assert_true(str_is(node_text(dag, node), numbers[i].text));
        int64_t integer;
        double value;
        assert_int_equal(node_int(dag, node, &integer), numbers[i].type == NODE_INT);
        assert_int_equal(node_double(dag, node, &value), numbers[i].type != NODE_NUMBER);
        node_unref(dag, node);
    }
    done(dag);
}

static void node_lookups_chain_over_what_is_absent(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    node_t root =
        parse(dag, "{\"metadata\":{\"name\":\"a\",\"labels\":{\"x.y/z\":\"1\"}},\"n\":[1,2]}");
    assert_true(node_is(dag, node_path(dag, root, "metadata.name"), "a"));
    assert_int_equal(node_path(dag, root, "metadata.none.deeper"), NODE_NONE);
    assert_int_equal(node_path(dag, root, "n.x"), NODE_NONE);
    assert_true(node_path(dag, root, "") == root);
    node_t labels = node_path(dag, root, "metadata.labels");
    assert_true(node_is(dag, node_get(dag, labels, str_of("x.y/z")), "1"));
    assert_int_equal(node_count(dag, node_path(dag, root, "n")), 2);
    assert_int_equal(node_at(dag, root, 9), NODE_NONE);
    assert_true(str_is(node_key_at(dag, root, 1), "n"));
    assert_true(str_is(node_key_at(dag, root, 2), ""));
    assert_int_equal(node_type(dag, NODE_NONE), NODE_NULL);
    assert_int_equal(node_count(dag, NODE_NONE), 0);
    assert_int_equal(node_get(dag, NODE_NONE, str_of("a")), NODE_NONE);
    assert_int_equal(node_text(dag, NODE_NONE).len, 0);
    node_unref(dag, root);
    done(dag);
}

static void node_large_objects_are_searched_and_checked(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    struct strbuf buf = {0};
    struct error err;
    enum { KEYS = 200000 };
    strbuf_adds(&buf, "{");
    for (int i = 0; i < KEYS; i++)
        strbuf_printf(&buf, "%s\"key%d\":%d", i ? "," : "", i * 7919 % KEYS, i);
    size_t len = buf.len;
    strbuf_adds(&buf, "}");
    node_t node = dag_parse(dag, strbuf_view(&buf), 0, &err);
    assert_int_not_equal(node, NODE_NONE);
    for (int i = 0; i < KEYS; i += 997) {
        char key[32];
        int64_t value = -1;
        snprintf(key, sizeof key, "key%d", i * 7919 % KEYS);
        assert_true(node_int(dag, node_get(dag, node, str_of(key)), &value));
        assert_int_equal(value, i);
    }
    assert_int_equal(node_get(dag, node, str_of("key")), NODE_NONE);
    node_unref(dag, node);
    buf.len = len;
    strbuf_adds(&buf, ",\"key77\":1}");
    assert_int_equal(dag_parse(dag, strbuf_view(&buf), 0, &err), NODE_NONE);
    assert_int_equal(err.code, ERROR_REJECTED);
    assert_non_null(strstr(err.message, "the key \"key77\" comes twice in one object"));
    assert_int_equal(dag_parse(dag, str_of("{\"a\":1,\"b\":{\"x\":1,\"x\":2}}"), 0, &err),
                     NODE_NONE);
    assert_string_equal(err.message, "byte 24: the key \"x\" comes twice in one object");
    strbuf_finish(&buf);
    done(dag);
}

static void node_parse_drops_what_nobody_asked_for(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    const char *json = "{\"managedFields\":1,\"metadata\":{\"managedFields\":[{\"f:a\":{}}],"
                       "\"name\":\"a\",\"annotations\":"
                       "{\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\",\"b\":\"c\"}},"
                       "\"spec\":{\"metadata\":{\"managedFields\":[]}}}";
    node_t node =
        dag_parse(dag, str_of(json), DAG_DROP_MANAGED_FIELDS | DAG_DROP_LAST_APPLIED, NULL);
    assert_json(dag, node,
                "{\"managedFields\":1,\"metadata\":{\"name\":\"a\",\"annotations\":{\"b\":\"c\"}},"
                "\"spec\":{\"metadata\":{\"managedFields\":[]}}}");
    node_unref(dag, node);
    node = parse(dag, json);
    assert_json(dag, node, json);
    node_unref(dag, node);
    done(dag);
}

static void node_limits_are_errors(void **state) {
    (void)state;
    struct dag *dag = dag_create(&(struct dag_options){.max_bytes = 2000}, NULL);
    struct strbuf deep = {0};
    struct error err;
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        strbuf_adds(&deep, "[");
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        strbuf_adds(&deep, "]");
    node_t node = dag_parse(dag, strbuf_view(&deep), 0, &err);
    assert_int_not_equal(node, NODE_NONE);
    assert_int_equal(dag_with(dag, NODE_NONE, str_of("a"), node, &err), NODE_NONE);
    assert_int_equal(err.code, ERROR_REJECTED);
    node_unref(dag, node);
    for (int i = 0; i < 1000; i++)
        strbuf_adds(&deep, " ");
    assert_int_equal(dag_parse(dag, strbuf_view(&deep), 0, &err), NODE_NONE);
    assert_int_equal(err.code, ERROR_REJECTED);
    assert_int_equal(dag_parse(dag, str_of("[1,{\"a\":\"b\"},"), 0, &err), NODE_NONE);
    assert_int_equal(err.code, ERROR_REJECTED);
    strbuf_finish(&deep);
    done(dag);
}

static void node_with_shares_the_rest(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    node_t from = parse(dag, "{\"a\":{\"x\":[1]},\"b\":2}"), value = parse(dag, "\"new\"");
    node_t changed = dag_with(dag, from, str_of("b"), value, NULL);
    node_t added = dag_with(dag, from, str_of("c"), value, NULL);
    node_t removed = dag_with(dag, from, str_of("b"), NODE_NONE, NULL);
    node_t single = dag_with(dag, NODE_NONE, str_of("k"), value, NULL);
    assert_json(dag, changed, "{\"a\":{\"x\":[1]},\"b\":\"new\"}");
    assert_json(dag, added, "{\"a\":{\"x\":[1]},\"b\":2,\"c\":\"new\"}");
    assert_json(dag, removed, "{\"a\":{\"x\":[1]}}");
    assert_json(dag, single, "{\"k\":\"new\"}");
    assert_true(node_at(dag, changed, 0) == node_at(dag, from, 0));
    node_t all[] = {from, value, changed, added, removed, single};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        node_unref(dag, all[i]);
    done(dag);
}

static void node_memory_is_reused(void **state) {
    (void)state;
    struct dag *dag = dag_create(NULL, NULL);
    uint64_t bytes = mem_stats().bytes;
    struct rng rng;
    rng_init(&rng, 5);
    for (int round = 0; round < 400; round++) {
        node_t nodes[50];
        for (int i = 0; i < 50; i++) {
            char json[2000];
            uint64_t len = rng_below(&rng, 900);
            int used = snprintf(json, sizeof json, "{\"k%d\":[%d,%d.5,\"", i, round, i);
            for (uint64_t j = 0; j < len; j++)
                json[used++] = (char)('a' + rng_below(&rng, 26));
            snprintf(json + used, sizeof json - (size_t)used, "\"]}");
            nodes[i] = parse(dag, json);
        }
        for (int i = 0; i < 50; i++)
            node_unref(dag, nodes[i]);
        assert_int_equal(dag_stats(dag).nodes, 0);
        if (round == 100)
            bytes = mem_stats().bytes;
    }
    assert_true(mem_stats().bytes <= bytes + (2 << 20)); /* chunks do not pile up */
    done(dag);
}

static void node_parse_survives_each_failed_allocation(void **state) {
    (void)state;
    char *big = mem_alloc(5000);
    memset(big, 'x', 5000);
    struct strbuf json = {0};
    strbuf_adds(&json, "{\"list\":[1,2.5,\"text\\n\",{\"a\":null}],\"big\":\"");
    strbuf_add(&json, big, 5000);
    strbuf_adds(&json, "\",\"wide\":{");
    for (int i = 0; i < 200; i++)
        strbuf_printf(&json, "%s\"k%d\":%d", i ? "," : "", i, i);
    strbuf_adds(&json, "}}");
    mem_free(big);
    for (int forever = 0; forever < 2; forever++) {
        bool hit = true;
        for (uint64_t n = 0; hit; n++) {
            uint64_t blocks = mem_stats().blocks;
            struct dag *dag = dag_create(NULL, NULL);
            struct error err;
            node_t before = parse(dag, "[1]");
            struct dag_stats stats = dag_stats(dag);
            mem_fail_at(n, forever);
            node_t node = dag_parse(dag, strbuf_view(&json), 0, &err);
            hit = mem_fail_stop();
            assert_true(hit ? node == NODE_NONE && err.code == ERROR_NOMEM : node != NODE_NONE);
            node_unref(dag, node);
            assert_int_equal(dag_stats(dag).nodes, stats.nodes);
            assert_int_equal(dag_stats(dag).bytes, stats.bytes);
            node_unref(dag, before);
            done(dag);
            assert_int_equal(mem_stats().blocks, blocks);
        }
    }
    bool hit = true;
    for (uint64_t n = 0; hit; n++) {
        uint64_t blocks = mem_stats().blocks;
        mem_fail_at(n, /* forever= */ false);
        struct dag *dag = dag_create(NULL, NULL);
        hit = mem_fail_stop();
        assert_true(hit == (dag == NULL));
        dag_destroy(dag);
        assert_int_equal(mem_stats().blocks, blocks);
    }
    strbuf_finish(&json);
}

static void parse_of_one_value_leaves_what_is_behind_it(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t len; /* 0: refused */
    } cases[] = {{"{\"a\":[1,{}]},\"next\":1}", 12},
                 {"{}", 2},
                 {"[]]", 2},
                 {"\"x\",", 3},
                 {"true}", 4},
                 {"{\"a\":1", 0},
                 {"}", 0},
                 {"", 0}};
    struct dag *dag = dag_create(NULL, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err;
        size_t len = 0;
        node_t node =
            dag_parse_value(dag, str_of(cases[i].text), 0, &(struct dag_guess){0}, &len, &err);
        assert_int_equal(len, cases[i].len);
        assert_int_equal(node != NODE_NONE, cases[i].len > 0);
        node_unref(dag, node);
    }
    dag_destroy(dag);
}

static void shares_of_all_references_are_all_bytes(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"a\":{\"shared\":[1,2.5,1e400,true]},\"b\":\"text\"}",
        "{\"a\":{\"shared\":[1,2.5,1e400,true]},\"c\":[\"text\",\"text\",null]}", "\"text\"",
        "{\"b\":\"text\",\"a\":{}}"};
    enum { COUNT = sizeof texts / sizeof *texts };
    struct dag *dag = dag_create(NULL, NULL);
    node_t roots[COUNT + 1];
    double sum = 0;
    for (size_t i = 0; i < COUNT; i++)
        roots[i] = dag_parse(dag, str_of(texts[i]), 0, NULL);
    roots[COUNT] = node_ref(dag, roots[0]);
    for (size_t i = 0; i <= COUNT; i++)
        sum += node_share(dag, roots[i]);
    assert_int_equal((uint64_t)(sum + 0.5), dag_stats(dag).bytes);
    assert_true(node_share(dag, NODE_NONE) == 0);
    for (size_t i = 0; i <= COUNT; i++)
        node_unref(dag, roots[i]);
    dag_destroy(dag);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_of_one_value_leaves_what_is_behind_it),
        cmocka_unit_test(shares_of_all_references_are_all_bytes),
        cmocka_unit_test(node_documents_come_back_as_they_were),
        cmocka_unit_test(node_is_one_within_a_document_that_makes_it),
        cmocka_unit_test(node_numbers_are_exact_or_text),
        cmocka_unit_test(node_lookups_chain_over_what_is_absent),
        cmocka_unit_test(node_large_objects_are_searched_and_checked),
        cmocka_unit_test(node_parse_drops_what_nobody_asked_for),
        cmocka_unit_test(node_limits_are_errors),
        cmocka_unit_test(node_with_shares_the_rest),
        cmocka_unit_test(node_memory_is_reused),
        cmocka_unit_test(node_parse_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
