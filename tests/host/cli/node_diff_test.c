#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/node_diff.h"

static void expect(const char *before, const char *after, const struct node_diff_options *how,
                   const char *lines) {
    struct error err;
    struct strbuf out = {0};
    struct dag *dag = dag_create(&(struct dag_options){0}, &err);
    node_t a = dag_parse(dag, str_of(before), 0, &err);
    node_t b = dag_parse(dag, str_of(after), 0, &err);
    assert_true(a != NODE_NONE && b != NODE_NONE);
    strbuf_adds(&out, "");
    node_diff(dag, a, b, how, &out);
    assert_string_equal(out.data, lines);
    strbuf_finish(&out);
    node_unref(dag, a);
    node_unref(dag, b);
    dag_destroy(dag);
}

static void diff_names_each_change_by_its_path(void **state) {
    (void)state;
    static const struct node_diff_options how = {.indent = " ", .most = 10};
    expect("{\"a\":1}", "{\"a\":1}", &how, "");
    expect("{\"spec\":{\"replicas\":2,\"paused\":true}}",
           "{\"spec\":{\"replicas\":3,\"x\":{\"y\":[]}}}", &how,
           " ~ spec.replicas: 2 -> 3\n + spec.x: {\"y\":[]}\n - spec.paused: true\n");
    expect("{\"a\":[{\"n\":1},{\"n\":2}]}", "{\"a\":[{\"n\":1},{\"n\":3},4]}", &how,
           " ~ a[1].n: 2 -> 3\n + a[2]: 4\n");
    expect("{\"a\":[1,2]}", "{\"a\":[1]}", &how, " - a[1]: 2\n");
    expect("{\"metadata\":{\"annotations\":{\"x.io/y\":\"1\"}}}",
           "{\"metadata\":{\"annotations\":{\"x.io/y\":\"\\u001b2\"}}}", &how,
           " ~ metadata.annotations[\"x.io/y\"]: \"1\" -> \"\\u001b2\"\n");
    expect("{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"c\":2,\"b\":1}}", &how, ""); /* other order */
    expect("{\"a\":{}}", "{\"a\":null}", &how, " ~ a: {} -> null\n");
}

static void diff_leaves_out_what_the_server_counts(void **state) {
    (void)state;
    static const struct node_diff_options how = {.indent = "", .most = 10};
    expect("{\"metadata\":{\"resourceVersion\":\"1\",\"generation\":1}}",
           "{\"metadata\":{\"resourceVersion\":\"2\",\"generation\":2,\"uid\":\"u\"}}", &how, "");
}

static void diff_is_short(void **state) {
    (void)state;
    static const struct node_diff_options how = {.indent = "", .most = 2};
    expect("{}", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", &how, "+ a: 1\n+ b: 2\n... and 2 more\n");
    expect("{}",
           "{\"a\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
           "\xc3\xa4\xc3\xa4\"}",
           &how,
           "+ a: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\n");
}

static void diff_hides_secrets_and_paints(void **state) {
    (void)state;
    static const struct node_diff_options how = {
        .indent = "", .most = 10, .colour = true, .secret = true};
    expect("{\"data\":{\"a\":\"eA==\"}}", "{\"data\":{\"a\":\"eQ==\"},\"type\":\"x\"}", &how,
           "\033[33m~ data.a: (hidden) -> (hidden)\033[0m\n\033[32m+ type: \"x\"\033[0m\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diff_names_each_change_by_its_path),
        cmocka_unit_test(diff_leaves_out_what_the_server_counts),
        cmocka_unit_test(diff_is_short),
        cmocka_unit_test(diff_hides_secrets_and_paints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
