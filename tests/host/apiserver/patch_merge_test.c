#include "apiserver/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/oom_sweep.h"

static json_t *load(const char *text) {
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static void assert_merge(const char *from, const char *patch, const char *expected) {
    json_t *a = load(from), *b = load(patch), *c = load(expected);
    struct error err = {0};
    json_t *result = patch_merge(a, b, &err);
    if (result == NULL || !json_equal(result, c))
        fail_msg("%s + %s is not %s: %s", from, patch, expected, err.message);
    json_decref(result);
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

static void assert_refused(const char *from, const char *patch, const char *message) {
    json_t *a = load(from), *b = load(patch);
    struct error err = {0};
    assert_null(patch_merge(a, b, &err));
    assert_int_equal(err.code, ERROR_REJECTED);
    assert_int_equal(err.status, 400);
    assert_string_equal(err.reason, "BadRequest");
    assert_string_equal(err.message, message);
    json_decref(a);
    json_decref(b);
}

/* What RFC 7386, appendix A, shows. */
static void merge_sets_and_removes_members(void **state) {
    (void)state;
    assert_merge("{\"k\":\"old\"}", "{\"k\":\"new\"}", "{\"k\":\"new\"}");
    assert_merge("{\"k\":\"old\"}", "{\"j\":\"new\"}", "{\"k\":\"old\",\"j\":\"new\"}");
    assert_merge("{\"k\":\"old\"}", "{\"k\":null}", "{}");
    assert_merge("{\"k\":\"old\",\"j\":1}", "{\"k\":null}", "{\"j\":1}");
    assert_merge("{\"k\":[\"x\"]}", "{\"k\":\"y\"}", "{\"k\":\"y\"}");
    assert_merge("{\"k\":\"y\"}", "{\"k\":[\"x\"]}", "{\"k\":[\"x\"]}");
    assert_merge("{\"k\":{\"l\":1}}", "{\"k\":{\"l\":2,\"m\":null}}", "{\"k\":{\"l\":2}}");
    assert_merge("{\"k\":[{\"l\":1}]}", "{\"k\":[1]}", "{\"k\":[1]}");
    assert_merge("{\"k\":null}", "{\"j\":1}", "{\"k\":null,\"j\":1}");
    assert_merge("{}", "{\"k\":{\"l\":{\"m\":null}}}", "{\"k\":{\"l\":{}}}");
    assert_merge("{\"d\":[1,2]}", "{\"d\":{\"k\":\"v\",\"j\":null}}", "{\"d\":{\"k\":\"v\"}}");
    assert_merge("{\"d\":{\"k\":\"v\"}}", "{\"d\":[\"x\"]}", "{\"d\":[\"x\"]}");
    assert_merge("{\"d\":{\"k\":\"v\"}}", "{\"d\":\"x\"}", "{\"d\":\"x\"}");
    assert_merge("[1,2]", "{\"k\":\"v\",\"j\":null}", "{\"k\":\"v\"}");
}

static void merge_drops_nulls_in_lists_as_the_server_does(void **state) {
    (void)state;
    assert_merge("{}", "{\"k\":[null,{\"l\":null}]}", "{\"k\":[null,{}]}");
    assert_merge("{\"k\":1}", "{\"k\":[{\"l\":null}]}", "{\"k\":[{}]}");
    assert_merge("{\"k\":{}}", "{\"k\":[{\"l\":null}]}", "{\"k\":[{\"l\":null}]}");
}

static void merge_keeps_the_order_of_members(void **state) {
    (void)state;
    json_t *from = load("{\"b\":1,\"a\":2,\"c\":3}"), *patch = load("{\"d\":4,\"a\":5}");
    json_t *result = patch_merge(from, patch, NULL);
    char *text = json_dumps(result, JSON_COMPACT);
    assert_string_equal(text, "{\"b\":1,\"a\":5,\"c\":3,\"d\":4}");
    mem_free(text);
    json_decref(result);
    json_decref(from);
    json_decref(patch);
}

static void merge_shares_what_the_patch_does_not_name(void **state) {
    (void)state;
    json_t *from = load("{\"a\":{\"b\":1},\"$c/a\":{\"x\":{},\"y\":{}}}");
    json_t *patch = load("{\"c\":{\"d\":1},\"$c/a\":{\"x\":{\"z\":1}}}"),
           *before = json_deep_copy(from);
    json_t *result = patch_merge(from, patch, NULL);
    const json_t *was = json_object_get(from, "$c/a"), *is = json_object_get(result, "$c/a");
    assert_ptr_not_equal(is, was);
    assert_ptr_not_equal(json_object_get(is, "x"), json_object_get(was, "x"));
    assert_ptr_equal(json_object_get(is, "y"), json_object_get(was, "y"));
    assert_ptr_not_equal(json_object_get(result, "c"), json_object_get(patch, "c"));
    assert_true(json_equal(from, before));
    json_decref(before);
    json_decref(result);
    json_decref(from);
    json_decref(patch);
}

static void merge_of_no_object_is_refused(void **state) {
    (void)state;
    assert_refused("{}", "null", "Invalid JSON Patch");
    assert_refused("{}", "[]",
                   "error decoding patch: json: cannot unmarshal array into Go value of type "
                   "map[string]interface {}");
    assert_refused("{}", "true",
                   "error decoding patch: json: cannot unmarshal bool into Go value of type "
                   "map[string]interface {}");
    assert_refused("{}", "1.5",
                   "error decoding patch: json: cannot unmarshal number into Go value of type "
                   "map[string]interface {}");
}

static json_t *nested(int levels) {
    json_t *value = json_integer(1);
    for (int i = 0; i < levels; i++) {
        json_t *outer = json_object();
        json_object_set_new(outer, "a", value);
        value = outer;
    }
    return value;
}

static void merge_of_what_is_too_deep_is_refused(void **state) {
    (void)state;
    struct error err = {0};
    json_t *empty = json_object(), *fits = nested(512), *deep = nested(513);
    json_t *result = patch_merge(empty, fits, &err);
    assert_true(json_equal(result, fits));
    assert_null(patch_merge(empty, deep, &err));
    assert_int_equal(err.status, 400);
    assert_null(patch_merge(deep, empty, &err));
    assert_int_equal(err.status, 422);
    json_decref(result);
    json_decref(empty);
    json_decref(fits);
    json_decref(deep);
}

static void merge_survives_each_failed_allocation(void **state) {
    (void)state;
    json_t *from = load("{\"a\":{\"b\":[1,{\"c\":2}]},\"d\":3}");
    json_t *patch = load("{\"a\":{\"b\":[{\"x\":null}],\"y\":\"z\"},\"d\":null}");
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err = {0};
        json_t *result = patch_merge(from, patch, &err);
        assert_true(result ? err.code == 0 : err.code == ERROR_NOMEM);
        json_decref(result);
    }
    json_decref(from);
    json_decref(patch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merge_sets_and_removes_members),
        cmocka_unit_test(merge_drops_nulls_in_lists_as_the_server_does),
        cmocka_unit_test(merge_keeps_the_order_of_members),
        cmocka_unit_test(merge_shares_what_the_patch_does_not_name),
        cmocka_unit_test(merge_of_no_object_is_refused),
        cmocka_unit_test(merge_of_what_is_too_deep_is_refused),
        cmocka_unit_test(merge_survives_each_failed_allocation),
    };
    json_set_alloc_funcs(mem_alloc, mem_free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
