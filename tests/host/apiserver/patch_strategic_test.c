#include "apiserver/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/kinds.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

/* Recorded from the real server by tests/e2e/strategic_cases_test.go, to be run again when
 * patches are added. */
static json_t *recorded;
static struct kinds *kinds;

static json_t *load(const char *text) {
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static const struct schema *schema_of(const char *name) {
    const json_t *object = json_object_get(json_object_get(recorded, "objects"), name);
    const char *version = json_string_value(json_object_get(object, "apiVersion"));
    const char *word = json_string_value(json_object_get(object, "kind"));
    const struct api_kind *kind = kinds_by_kind(kinds, str_of(version), str_of(word));
    assert_non_null(kind);
    return kind->schema;
}

/* What the real server fills in or leaves out when it reads a patched object. */

static bool is_default(const char *key) {
    static const char *const names[] = {
        "terminationMessagePath",
        "terminationMessagePolicy",
        "imagePullPolicy",
        "resources",
        "protocol",
        "targetPort",
        "sessionAffinityConfig",
        "apiVersion",
        "defaultMode",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], key) == 0)
            return true;
    return false;
}

static bool is_empty(const json_t *value) {
    return json_is_null(value) || (json_is_object(value) && json_object_size(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

static bool same(const json_t *is, const json_t *expected);

static bool same_members(const json_t *is, const json_t *expected) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)expected, key, value) {
        const json_t *ours = json_object_get(is, key);
        if (ours ? !same(ours, value) : !is_default(key))
            return false;
    }
    json_object_foreach((json_t *)is, key, value) {
        if (!json_object_get(expected, key) && !is_empty(value) && *key != '$')
            return false;
    }
    return true;
}

static bool same(const json_t *is, const json_t *expected) {
    if (json_is_object(is) && json_is_object(expected))
        return same_members(is, expected);
    if (!json_is_array(is) || !json_is_array(expected))
        return json_equal(is, expected);
    for (size_t i = 0; i < json_array_size(is); i++)
        if (!same(json_array_get(is, i), json_array_get(expected, i)))
            return false;
    return json_array_size(is) == json_array_size(expected);
}

static void check_case(const json_t *one) {
    const char *object = json_string_value(json_object_get(one, "object"));
    const json_t *from = json_object_get(json_object_get(recorded, "objects"), object);
    const json_t *after = json_object_get(one, "after"), *status = json_object_get(one, "status");
    struct error err = {0};
    json_t *result = patch_strategic(from, json_object_get(one, "patch"), schema_of(object), &err);
    char *patch = json_dumps(json_object_get(one, "patch"), JSON_ENCODE_ANY);
    if (after) {
        char *text = result ? json_dumps(result, 0) : NULL;
        if (result == NULL || !same(result, after))
            fail_msg("%s + %s: %s", object, patch, text ? text : err.message);
        mem_free(text);
    } else {
        const char *message = json_string_value(json_object_get(status, "message"));
        if (result || err.status != json_integer_value(json_object_get(status, "code")) ||
            strcmp(err.message, message) != 0)
            fail_msg("%s + %s: %d %s, not %s", object, patch, err.status, err.message, message);
        assert_string_equal(err.reason, json_string_value(json_object_get(status, "reason")));
    }
    mem_free(patch);
    json_decref(result);
}

/* Objects that the server refuses after they have been patched are not the patch's matter. */
static bool is_of_the_patch(const json_t *one) {
    const json_t *status = json_object_get(one, "status");
    return status == NULL || json_integer_value(json_object_get(status, "code")) != 422;
}

static void strategic_does_what_the_server_does(void **state) {
    (void)state;
    size_t i, count = 0;
    json_t *one;
    json_array_foreach(json_object_get(recorded, "cases"), i, one) {
        if (is_of_the_patch(one)) {
            check_case(one);
            count++;
        }
    }
    assert_true(count >= 60);
}

static const char schema_text[] =
    "{\"type\":\"object\",\"properties\":{"
    "\"m\":{\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\","
    "\"x-kubernetes-patch-merge-key\":\"k\",\"items\":{\"type\":\"object\"}},"
    "\"n\":{\"type\":\"array\",\"x-kubernetes-patch-strategy\":\"merge\",\"items\":{}},"
    "\"r\":{\"type\":\"object\",\"x-kubernetes-patch-strategy\":\"replace\"},"
    "\"l\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\"}}}}";

static json_t *apply(const char *from, const char *patch, struct error *err) {
    json_t *a = load(from), *b = load(patch), *described = load(schema_text);
    struct schema *schema = schema_parse(described, NULL, NULL, err);
    json_t *result = patch_strategic(a, b, schema, err);
    schema_unref(schema);
    json_decref(described);
    json_decref(a);
    json_decref(b);
    return result;
}

static void assert_gives(const char *from, const char *patch, const char *expected) {
    struct error err = {0};
    json_t *result = apply(from, patch, &err), *c = load(expected);
    if (result == NULL || !json_equal(result, c))
        fail_msg("%s + %s is not %s: %s", from, patch, expected, err.message);
    json_decref(result);
    json_decref(c);
}

static void assert_refused(const char *from, const char *patch, int status, const char *message) {
    struct error err = {0};
    json_t *result = apply(from, patch, &err);
    if (result)
        fail_msg("%s + %s is not refused", from, patch);
    assert_int_equal(err.code, ERROR_REJECTED);
    assert_int_equal(err.status, status);
    assert_string_equal(err.message, message);
}

static void strategic_of_unusual_lists(void **state) {
    (void)state;
    assert_gives("{\"r\":{\"a\":1}}", "{\"r\":{\"b\":2}}", "{\"r\":{\"b\":2}}");
    assert_gives("{\"m\":[]}", "{\"m\":[]}", "{\"m\":[]}");
    assert_gives("{\"n\":[1,2]}", "{\"n\":[2,3]}", "{\"n\":[1,2,3]}");
    assert_gives("{\"n\":[1,1,2]}", "{\"n\":[]}", "{\"n\":[1,2]}");
    assert_gives("{}", "{\"m\":[{\"k\":1,\"$patch\":\"delete\"},{\"k\":2,\"x\":null}]}",
                 "{\"m\":[{\"k\":2}]}");
    assert_gives("{}", "{\"$deleteFromPrimitiveList/n\":[1]}", "{}");
    /* 1 and "1" are two keys; the two with one key move together */
    assert_gives("{\"m\":[{\"k\":1,\"a\":1},{\"k\":\"1\"},{\"k\":1,\"a\":2}]}",
                 "{\"m\":[{\"k\":\"1\",\"a\":3},{\"k\":1,\"a\":4}]}",
                 "{\"m\":[{\"k\":\"1\",\"a\":3},{\"k\":1,\"a\":4},{\"k\":1,\"a\":2}]}");
}

static void strategic_that_does_not_fit_is_refused(void **state) {
    (void)state;
    assert_refused("{\"n\":[[1]]}", "{\"n\":[1]}", 422,
                   "the server rejected our request due to an error in our request");
    assert_refused("{\"n\":[1]}", "{\"n\":[\"a\"]}", 500,
                   "list element types are not identical: [[1] [a]]");
    assert_refused("{\"n\":[{}]}", "{\"n\":[{\"a\":{\"c\":null,\"b\":[true]}}]}", 500,
                   "cannot merge lists without merge key for struct");
    assert_refused("{\"m\":[{\"k\":1}]}", "{\"m\":[{\"a\":{\"c\":null,\"b\":[true,1.5]}}]}", 500,
                   "map: map[a:map[b:[true 1.5] c:<nil>]] does not contain declared merge key: k");
    assert_refused("{\"m\":[{\"k\":1}]}", "{\"m\":[{\"k\":{}}]}", 500,
                   "runtime error: hash of unhashable type map[string]interface {}");
    assert_refused("{\"l\":{\"a\":{}}}", "{\"l\":{\"a\":{}}}", 500,
                   "merging an object in json but data type is not struct, instead is: map");
    assert_refused("{\"m\":[{\"k\":1}]}", "{\"m\":[{\"k\":1,\"$patch\":\"merge\"}]}", 500,
                   "merging lists cannot yet be specified in the patch");
    assert_refused("{}", "{\"$setElementOrder/x\":[1],\"x\":[1]}", 500,
                   "unable to find api field in struct for the json field \"x\"");
}

/* Long lists in an unlucky order: a minute when it takes quadratic time. */
static void strategic_of_long_lists_is_quick(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    json_t *up = json_array(), *down = json_array(), *described = load(schema_text);
    for (int i = 0; i < COUNT; i++) {
        json_array_append_new(up, json_pack("{si}", "k", i));
        json_array_append_new(down, json_pack("{sisi}", "k", COUNT - i, "a", i));
    }
    json_t *from = json_pack("{so}", "m", up), *patch = json_pack("{so}", "m", down);
    struct schema *schema = schema_parse(described, NULL, NULL, NULL);
    json_t *result = patch_strategic(from, patch, schema, NULL);
    json_t *list = json_object_get(result, "m");
    assert_int_equal(json_array_size(list), COUNT + 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "k")), COUNT);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, COUNT), "k")), 1);
    schema_unref(schema);
    json_decref(described);
    json_decref(result);
    json_decref(from);
    json_decref(patch);
}

static void strategic_changes_neither_input(void **state) {
    (void)state;
    const json_t *objects = json_object_get(recorded, "objects");
    json_t *before = json_deep_copy(recorded), *one;
    size_t i;
    json_array_foreach(json_object_get(recorded, "cases"), i, one) {
        const char *object = json_string_value(json_object_get(one, "object"));
        json_decref(patch_strategic(json_object_get(objects, object), json_object_get(one, "patch"),
                                    schema_of(object), NULL));
    }
    assert_true(json_equal(recorded, before));
    json_decref(before);
}

static void strategic_survives_each_failed_allocation(void **state) {
    (void)state;
    json_t *from = load("{\"m\":[{\"k\":1},{\"k\":2}],\"n\":[1,2],\"o\":{\"a\":1}}");
    json_t *patch = load("{\"m\":[{\"k\":2,\"$patch\":\"delete\"},{\"k\":1,\"a\":1},{\"k\":3}],"
                         "\"$setElementOrder/m\":[{\"k\":1},{\"k\":3}],\"n\":[3],"
                         "\"$deleteFromPrimitiveList/n\":[1],"
                         "\"o\":{\"$retainKeys\":[\"b\"],\"b\":{\"c\":null}}}");
    json_t *bad = load("{\"m\":[{\"a\":[1]}]}"), *described = load(schema_text);
    struct schema *schema = schema_parse(described, NULL, NULL, NULL);
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err = {0};
        json_t *result = patch_strategic(from, patch, schema, &err);
        assert_true(result ? err.code == 0 : err.code == ERROR_NOMEM);
        json_decref(result);
        assert_null(patch_strategic(from, bad, schema, &err));
        assert_true(err.code == ERROR_REJECTED || err.code == ERROR_NOMEM);
    }
    schema_unref(schema);
    json_decref(described);
    json_decref(from);
    json_decref(patch);
    json_decref(bad);
}

static int open_record(void **state) {
    (void)state;
    json_error_t error;
    recorded = json_load_file(TEST_FOLDER "/strategic_cases.json", 0, &error);
    kinds = kinds_create(NULL);
    return recorded == NULL || kinds == NULL;
}

static int close_record(void **state) {
    (void)state;
    kinds_destroy(kinds);
    json_decref(recorded);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategic_does_what_the_server_does),
        cmocka_unit_test(strategic_of_unusual_lists),
        cmocka_unit_test(strategic_that_does_not_fit_is_refused),
        cmocka_unit_test(strategic_of_long_lists_is_quick),
        cmocka_unit_test(strategic_changes_neither_input),
        cmocka_unit_test(strategic_survives_each_failed_allocation),
    };
    json_set_alloc_funcs(mem_alloc, mem_free);
    return cmocka_run_group_tests(tests, open_record, close_record);
}
