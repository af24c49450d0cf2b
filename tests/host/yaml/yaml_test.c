#include "yaml/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static json_t *load(const char *text, struct error *err) {
    return yaml_load(text, strlen(text), err);
}

/* `text` reads as the JSON `expected`. */
static void check(const char *text, const char *expected) {
    struct error err = {0};
    json_t *value = load(text, &err);
    if (value == NULL)
        fail_msg("%s: %s", text, err.message);
    char *json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(json, expected);
    free(json);
    json_decref(value);
}

static void yaml_load_refuses_with_line_and_column(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "line 3, column 1: key \"a\" is there twice"},
        {"a: 1\n'a': 3\n", "line 2, column 1: key \"a\" is there twice"},
        {"a: [1\n", "line 2, column 1: "},
        {"a: *b\n", "line 1, column 4: unknown anchor"},
        {"a: &b [*b]\n", "line 1, column 8: unknown anchor"},
        {"[a]: 1\n", "line 1, column 1: a key must be a scalar"},
        {"? [a]\n: 1\n", "line 1, column 3: a key must be a scalar"},
        {"~: 1\n", "line 1, column 1: a key must not be null"},
        {"\"a\\0b\": 1\n", "line 1, column 1: a key must not hold a NUL"},
        {"a: .inf\n", "line 1, column 4: JSON has no infinity"},
        {"a: !!int x\n", "line 1, column 4: the value is not what its tag says"},
        {"a: !!binary aGk=\n", "line 1, column 4: !!binary is not supported: JSON has no bytes"},
        {"<<: 1\n", "<< needs a map"},
        {"a: 1\n---\nb: 2\n", "line 3, column 1: a second document"},
        {"a: \"\\x01", "line "},
        {"a: \x01", "byte "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        json_t *value = load(cases[i].text, &err);
        assert_null(value);
        assert_int_equal(err.code, ERROR_REJECTED);
        if (strstr(err.message, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].text, err.message);
    }
}

static void yaml_load_refuses_depth_and_expansion(void **state) {
    (void)state;
    struct strbuf text = {0};
    struct error err;
    for (int depth = YAML_MAX_DEPTH; depth <= YAML_MAX_DEPTH + 1; depth++) {
        strbuf_clear(&text);
        for (int i = 0; i < depth; i++)
            strbuf_addc(&text, '[');
        for (int i = 0; i < depth; i++)
            strbuf_addc(&text, ']');
        json_t *value = load(text.data, &err);
        assert_int_equal(value != NULL, depth == YAML_MAX_DEPTH);
        json_decref(value);
    }
    assert_string_equal(err.message, "line 1, column 101: nested too deeply");
    strbuf_clear(&text);
    strbuf_adds(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        strbuf_printf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            strbuf_printf(&text, "*a%d%s", i - 1, k < 8 ? ", " : "]\n");
    }
    assert_null(load(text.data, &err));
    assert_non_null(strstr(err.message, "too many values"));
    strbuf_finish(&text);
}

static void yaml_scalars_resolve_as_kubernetes_tools_do(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "null"},
        {"~", "null"},
        {"Null", "null"},
        {"yes", "true"},
        {"on", "true"},
        {"Off", "false"},
        {"n", "false"},
        {"'yes'", "\"yes\""},
        {"!!str yes", "\"yes\""},
        {"! 12", "\"12\""},
        {"yEs", "\"yEs\""},
        {"12", "12"},
        {"+12", "12"},
        {"-12", "-12"},
        {"0o17", "15"},
        {"017", "15"},
        {"0x1F", "31"},
        {"0b101", "5"},
        {"-0b101", "-5"},
        {"1_000", "1000"},
        {"08", "8"}, /* not octal, and so a float */
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"1.5", "1.5"},
        {"1e3", "1000"},
        {".5", "0.5"},
        {"1.0", "1"},
        {"1.2.3", "\"1.2.3\""},
        {"1:30", "\"1:30\""},
        {"2026-01-02", "\"2026-01-02\""},
        {"2026-01-02T03:04:05Z", "\"2026-01-02T03:04:05Z\""},
        {"-", "[null]"},
        {"--", "\"--\""},
        {"0x", "\"0x\""},
        {"100m", "\"100m\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(cases[i][0], cases[i][1]);
}

static void yaml_structures_become_json(void **state) {
    (void)state;
    check("a: 1\nb: [x, {c: ~}]\n", "{\"a\":1,\"b\":[\"x\",{\"c\":null}]}");
    check("1: a\ntrue: b\n1.5: c\n", "{\"1\":\"a\",\"1.5\":\"c\",\"true\":\"b\"}");
    check("0.1: a\n1.10: b\n", "{\"0.1\":\"a\",\"1.1\":\"b\"}");
    check("a: &x {k: 1}\nb: *x\n", "{\"a\":{\"k\":1},\"b\":{\"k\":1}}");
    check("a: &x {k: 1, j: 2}\nb: {<<: *x, k: 3}\n",
          "{\"a\":{\"j\":2,\"k\":1},\"b\":{\"j\":2,\"k\":3}}");
    check("b: {k: 3, <<: [{k: 1, m: 1}, {m: 2, o: 2}]}\n", "{\"b\":{\"k\":3,\"m\":1,\"o\":2}}");
    check("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}");
    check("# nothing\n", "null");
    check("---\n---\na: 1\n---\n", "{\"a\":1}");
    check("{\"json\": [1, \"\\u00e9\"]}", "{\"json\":[1,\"\xC3\xA9\"]}");
}

static int collect(void *context, json_t *document, size_t line, struct error *err) {
    struct strbuf *seen = context;
    (void)document;
    (void)err;
    strbuf_printf(seen, "%zu ", line);
    return 0;
}

static void yaml_load_all_gives_each_document_with_its_line(void **state) {
    (void)state;
    struct strbuf seen = {0};
    const char *text = "a: &x 1\n---\n# empty\n---\n\nb: 2\n";
    assert_int_equal(yaml_load_all(text, strlen(text), collect, &seen, NULL), 0);
    assert_string_equal(seen.data, "1 6 ");
    strbuf_finish(&seen);
    struct error err;
    text = "a: &x 1\n---\nb: *x\n"; /* anchors end with their document */
    assert_int_equal(yaml_load_all(text, strlen(text), collect, &seen, &err), ERROR_REJECTED);
    strbuf_finish(&seen);
}

static void yaml_dump_reads_back_as_the_same_value(void **state) {
    (void)state;
    static const char *const cases[] = {
        "{}",
        "[]",
        "\"yes\"",
        "12",
        "{\"a\":[],\"b\":{},\"c\":null,\"d\":[[1,[2]],{\"e\":[{\"f\":1,\"g\":[1]}]}]}",
        "{\"text\":\"a\\nb\\n\",\"tail\":\"a\\n\\nb\\n\\n\",\"none\":\"a\\nb\",\"list\":[\"x\\ny\"]"
        "}",
        "{\"odd\":[\"\",\" \",\"a \",\"a: b\",\"a #b\",\"- "
        "a\",\"12\",\"true\",\"~\",\".inf\",\"1e3\"]}",
        "{\"odd\":[\"\\t\",\"\\u0000\",\"\\u007f\\u0085\\u2028\\ufeff\",\"\\\"\\\\\",\" "
        "x\\ny\",\"x \\ny\"]}",
        "{\"a b\":1,\"12\":2,\"x\\ny\":3,\"true\":4,\"<<\":5}",
        "[0.1,1e+20,-3,1.5e-7,1.2345678901234568e+20,66666666266666664.0]",
        "\"top\\nlevel\"",
        "{\"url\":\"https://x.example:6443/a?b=c\",\"image\":\"nginx:1.25\"}",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *value = json_loads(cases[i], JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        struct strbuf text = {0};
        struct error err = {0};
        yaml_dump(value, &text);
        json_t *back = load(text.data, &err);
        if (!json_equal(value, back))
            fail_msg("%s\n%s\n%s", cases[i], text.data, err.message);
        json_decref(back);
        json_decref(value);
        strbuf_finish(&text);
    }
}

static void yaml_dump_is_block_style(void **state) {
    (void)state;
    json_t *value = json_loads("{\"kind\":\"Role\",\"rules\":[{\"verbs\":[\"get\"],\"v\":\"1\"}],"
                               "\"s\":\"a\\nb\\n\",\"z\":{}}",
                               0, NULL);
    struct strbuf text = {0};
    yaml_dump(value, &text);
    assert_string_equal(text.data, "kind: Role\nrules:\n- verbs:\n  - get\n  v: \"1\"\n"
                                   "s: |\n  a\n  b\nz: {}\n");
    strbuf_finish(&text);
    json_decref(value);
}

static void yaml_load_survives_each_failed_allocation(void **state) {
    (void)state;
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
        struct error err = {0};
        mem_fail_at(n, /* forever= */ false);
        json_t *value = load("a: &x {k: 1}\nb: *x\n<<: *x\n", &err);
        failed = mem_fail_stop();
        assert_true(value || err.code == ERROR_NOMEM);
        if (value) {
            char *json = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
            assert_string_equal(json, "{\"a\":{\"k\":1},\"b\":{\"k\":1},\"k\":1}");
            free(json);
        }
        json_decref(value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_load_refuses_with_line_and_column),
        cmocka_unit_test(yaml_load_refuses_depth_and_expansion),
        cmocka_unit_test(yaml_scalars_resolve_as_kubernetes_tools_do),
        cmocka_unit_test(yaml_structures_become_json),
        cmocka_unit_test(yaml_load_all_gives_each_document_with_its_line),
        cmocka_unit_test(yaml_dump_reads_back_as_the_same_value),
        cmocka_unit_test(yaml_dump_is_block_style),
        cmocka_unit_test(yaml_load_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
