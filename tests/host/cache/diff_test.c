#include "cache/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static node_t parse(struct dag *dag, const char *json) {
    node_t node = dag_parse(dag, str_of(json), 0, NULL);
    assert_int_not_equal(node, NODE_NONE);
    return node;
}

static void assert_patch(const char *from, const char *to, const char *expected) {
    struct dag *dag = dag_create(NULL, NULL);
    struct strbuf buf = {0};
    struct json_writer writer;
    node_t a = parse(dag, from), b = parse(dag, to);
    json_writer_init(&writer, &buf);
    assert_int_equal(node_merge_patch(dag, a, b, &writer), strcmp(expected, "{}") != 0);
    assert_string_equal(buf.data, expected);
    node_unref(dag, a);
    node_unref(dag, b);
    strbuf_finish(&buf);
    dag_destroy(dag);
}

static void diff_is_a_merge_patch(void **state) {
    (void)state;
    assert_patch("{\"a\":1}", "{\"a\":1}", "{}");
    assert_patch("{\"a\":1,\"b\":{\"x\":1,\"y\":[1]}}", "{\"b\":{\"y\":[1],\"x\":1},\"a\":1}",
                 "{}");
    assert_patch("{\"a\":1,\"b\":2}", "{\"a\":3,\"c\":4}", "{\"a\":3,\"c\":4,\"b\":null}");
    assert_patch("{\"m\":{\"l\":{\"a\":\"1\",\"b\":\"2\"},\"n\":1}}",
                 "{\"m\":{\"l\":{\"a\":\"1\"},\"n\":1}}", "{\"m\":{\"l\":{\"b\":null}}}");
    assert_patch("{\"a\":[1,2]}", "{\"a\":[2,1]}", "{\"a\":[2,1]}");
    assert_patch("{\"a\":{}}", "{\"a\":[]}", "{\"a\":[]}");
    assert_patch("{\"a\":1}", "{\"a\":1.0}", "{\"a\":1.0}");
}

static bool holds(const char *intent, const char *answer, const char *now) {
    struct dag *dag = dag_create(NULL, NULL);
    node_t a = parse(dag, intent), b = parse(dag, answer), c = parse(dag, now);
    bool result = node_intent_holds(dag, a, b, c);
    node_unref(dag, a);
    node_unref(dag, b);
    node_unref(dag, c);
    dag_destroy(dag);
    return result;
}

/* R1 */
static void diff_intent_is_compared_with_its_own_answer(void **state) {
    (void)state;
    const char *intent = "{\"spec\":{\"cpu\":\"1000m\",\"list\":[{\"n\":1}],\"empty\":{}}}";
    const char *answer =
        "{\"spec\":{\"cpu\":\"1\",\"list\":[{\"n\":1,\"d\":0}],\"empty\":{},\"o\":1}}";
    assert_true(holds(intent, answer, answer));
    assert_true(holds(intent, answer,
                      "{\"spec\":{\"cpu\":\"1\",\"list\":[{\"d\":0,\"n\":1}],\"empty\":{},\"o\":2},"
                      "\"status\":{}}"));
    assert_true(
        holds(intent, answer,
              "{\"spec\":{\"cpu\":\"1\",\"list\":[{\"n\":1,\"d\":0}],\"empty\":{\"z\":1}}}"));
    assert_false(holds(intent, answer,
                       "{\"spec\":{\"cpu\":\"2\",\"list\":[{\"n\":1,\"d\":0}],\"empty\":{}}}"));
    assert_false(holds(intent, answer,
                       "{\"spec\":{\"cpu\":\"1\",\"list\":[{\"n\":1,\"d\":1}],\"empty\":{}}}"));
    assert_false(holds(intent, answer, "{\"spec\":{\"cpu\":\"1\",\"list\":[{\"n\":1,\"d\":0}]}}"));
    assert_false(holds(intent, answer, "{}"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diff_is_a_merge_patch),
        cmocka_unit_test(diff_intent_is_compared_with_its_own_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
