#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apiserver/document.h"
#include "base/mem.h"

static const char all[] =
    "{\"a\":[1,-2,1.0,2.5,true,false,null,\"\"],\"b\":{\"\\\"\\\\\\n\\u0001\":"
    "\"\xc3\xa4\"},\"c\":{},\"d\":[]}";

static void text_is_what_was_parsed(void **state) {
    struct error err;
    struct strbuf text = {0};
    json_t *document = document_parse(str_of(all), &err);
    (void)state;
    document_text(document, &text);
    assert_string_equal(text.data, all);
    strbuf_finish(&text);
    json_decref(document);
}

/* Whoever reads it: the scanner, or jansson what that leaves. */
static void parse_takes_what_jansson_takes(void **state) {
    static const char *const texts[] = {
        "1",
        "-0",
        "123456789012345678",
        "1234567890123456789",
        "12345678901234567890",
        "1.5e3",
        "1e999",
        "\"\"",
        "\"a\\u0000b\"",
        "{\"a\\n\":1}",
        "{\"a\\u0000\":1}",
        "{\"k:{\\\"a\\\":1}\":{\"\\\"\":\"\\n\"},\"b\\n\":[{\"\\t\":2}]}",
        "{\"a\":1,\"\\u0061\":2}",
        "{\"\\n\":}",
        "{\"\":{\"\":[]}}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,}",
        "[1,]",
        "[1] 2",
        "",
        " ",
        "nul",
        "{\"a\" : [ ] }\n",
        "\"\xff\"",
        "01",
        "[1",
        "{\"a\"",
        "\"\\ud800\""};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct error err;
        json_error_t why;
        json_t *wanted =
            json_loads(texts[i], JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
        json_t *got = document_parse(str_of(texts[i]), &err);
        if (wanted == NULL) {
            assert_null(got);
            assert_int_equal(err.code, ERROR_REJECTED);
        } else {
            assert_true(json_equal(got, wanted));
        }
        json_decref(wanted);
        json_decref(got);
    }
}

static void of_a_key_twice_the_last_counts(void **state) {
    static const struct {
        const char *text, *document, *found;
    } cases[] = {
        {"{\"a\":1,\"a\":2}", "{\"a\":2}", "[\"a\"]"},
        {"{\"a\":1,\"a\":{\"b\":1,\"c\":2,\"\\u0062\":3},\"a\":4}", "{\"a\":4}", "[\"a\",\"a.b\"]"},
        {"[0,{\"x.y\":[{\"\":1,\"\":[]}]}]", "[0,{\"x.y\":[{\"\":[]}]}]", "[\"[1].x.y[0].\"]"},
        {"{\"l\":[{\"a\":1},{\"a\":1,\"a\":2}],\"a\":{\"a\":{}}}",
         "{\"l\":[{\"a\":1},{\"a\":2}],\"a\":{\"a\":{}}}", "[\"l[1].a\"]"},
        {"{\"a\":1}", NULL, "[]"},
        {"{\"a\":1,\"a\":2", NULL, NULL},
        {"{\"a\":1,\"a\":2}}", NULL, NULL},
        {"{\"a\\u0000\":1,\"a\\u0000\":1}", NULL, NULL},
        {"", NULL, "[]"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        json_t *found = json_array();
        json_t *document = document_parse_twice(str_of(cases[i].text), found, &err);
        json_t *wanted = cases[i].document ? json_loads(cases[i].document, 0, NULL) : NULL;
        json_t *paths = cases[i].found ? json_loads(cases[i].found, 0, NULL) : NULL;
        assert_true(document ? json_equal(document, wanted) : !wanted);
        assert_int_equal(err.code, document ? 0 : ERROR_REJECTED);
        assert_true(!paths || json_equal(paths, found));
        json_decref(paths);
        json_decref(wanted);
        json_decref(document);
        json_decref(found);
    }
}

static void copy_has_containers_of_its_own(void **state) {
    struct error err;
    json_t *document = document_parse(str_of(all), &err), *copy = document_copy(document);
    (void)state;
    assert_true(json_equal(document, copy));
    json_array_clear(json_object_get(copy, "a"));
    json_object_clear(json_object_get(copy, "b"));
    assert_int_equal(json_array_size(json_object_get(document, "a")), 8);
    assert_int_equal(json_object_size(json_object_get(document, "b")), 1);
    json_decref(copy);
    json_decref(document);
    assert_null(document_copy(NULL));
}

static json_t *beside(struct dag *dag, const char *stored, json_t *like) {
    struct error err;
    node_t node = dag_parse(dag, str_of(stored), 0, &err);
    json_t *whole = document_of(dag, node), *shared = document_of_like(dag, NULL, node, like);
    assert_true(json_equal(whole, shared));
    json_decref(whole);
    node_unref(dag, node);
    return shared;
}

static const json_t *at(const json_t *document, const char *path) {
    const json_t *value = document_path(document, path);
    assert_non_null(value);
    return value;
}

static void what_is_stored_shares_what_a_like_document_says(void **state) {
    static const char stored[] =
        "{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"y\"}},\"spec\":{\"same\":[1,1.5,true,"
        "false,null,{\"b\":1,\"a\":[]}],\"other\":[{\"k\":{\"v\":1}},{\"k\":2}],\"number\":{\"n\":"
        "1}},"
        "\"status\":{\"s\":{}}}";
    struct error err;
    struct dag *dag = dag_create(NULL, &err);
    json_t *like = document_parse(
        str_of("{\"status\":{\"s\":{}},\"metadata\":{\"labels\":{\"x\":\"y\"},\"name\":\"a\"},"
               "\"spec\":"
               "{\"same\":[1,1.5,true,false,null,{\"a\":[],\"b\":1}],\"other\":[{\"k\":{\"v\":1}}],"
               "\"number\":{\"n\":1.0},\"more\":{}}}"),
        &err);
    json_t *document = beside(dag, stored, like);
    (void)state;
    assert_ptr_not_equal(document, like);
    assert_ptr_not_equal(at(document, "metadata"), at(like, "metadata"));
    assert_ptr_equal(at(document, "metadata.labels"), at(like, "metadata.labels"));
    assert_ptr_equal(at(document, "spec.same"), at(like, "spec.same"));
    assert_ptr_not_equal(at(document, "spec.other"), at(like, "spec.other"));
    assert_ptr_equal(json_array_get(at(document, "spec.other"), 0),
                     json_array_get(at(like, "spec.other"), 0));
    assert_ptr_not_equal(at(document, "spec.number"), at(like, "spec.number"));
    assert_ptr_equal(at(document, "status"), at(like, "status"));
    json_decref(document);
    json_decref(beside(dag, stored, NULL));
    json_decref(like);
    like = json_pack("{s:s, s:[i], s:{}}", "metadata", "a", "spec", 1, "status");
    json_decref(beside(dag, stored, like));
    json_decref(like);
    dag_destroy(dag);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_what_was_parsed),
        cmocka_unit_test(parse_takes_what_jansson_takes),
        cmocka_unit_test(of_a_key_twice_the_last_counts),
        cmocka_unit_test(copy_has_containers_of_its_own),
        cmocka_unit_test(what_is_stored_shares_what_a_like_document_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
