#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/kinds.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

/* defaults.json is what the real API server made of objects: see tests/plane/kinds/record. */

static json_t *load(void) {
    json_error_t at;
    json_t *pairs = json_load_file(TEST_FOLDER "/defaults.json", 0, &at);
    if (pairs == NULL)
        fail_msg("defaults.json: %s", at.text);
    return pairs;
}

static const struct api_kind *kind_of(const struct kinds *kinds, const json_t *object) {
    const struct api_kind *kind =
        kinds_by_kind(kinds, str_of(json_string_value(json_object_get(object, "apiVersion"))),
                      str_of(json_string_value(json_object_get(object, "kind"))));
    assert_non_null(kind);
    return kind;
}

static json_t *filled(const struct kinds *kinds, const json_t *given) {
    struct error err;
    json_t *object = json_deep_copy(given);
    if (kinds_default(kind_of(kinds, given), object, NULL, &err) < 0)
        fail_msg("%s", err.message);
    return object;
}

static void print_difference(const char *path, const json_t *ours, const json_t *theirs) {
    char below[512];
    const char *key;
    json_t *value;
    size_t i;
    if (json_equal(ours, theirs))
        return;
    if (json_is_object(ours) && json_is_object(theirs)) {
        json_object_foreach((json_t *)ours, key, value) {
            snprintf(below, sizeof below, "%s.%s", path, key);
            print_difference(below, value, json_object_get(theirs, key));
        }
        json_object_foreach((json_t *)theirs, key, value) {
            snprintf(below, sizeof below, "%s.%s", path, key);
            if (json_object_get(ours, key) == NULL)
                print_difference(below, NULL, value);
        }
        return;
    }
    if (json_is_array(ours) && json_is_array(theirs) &&
        json_array_size(ours) == json_array_size(theirs)) {
        json_array_foreach(ours, i, value) {
            snprintf(below, sizeof below, "%s[%zu]", path, i);
            print_difference(below, value, json_array_get(theirs, i));
        }
        return;
    }
    char *mine = json_dumps(ours, JSON_ENCODE_ANY | JSON_COMPACT);
    char *other = json_dumps(theirs, JSON_ENCODE_ANY | JSON_COMPACT);
    print_error("%s: ours %s, the real server's %s\n", path, mine ? mine : "absent",
                other ? other : "absent");
    mem_free(mine);
    mem_free(other);
}

static void defaults_are_those_of_the_real_server(void **state) {
    (void)state;
    struct kinds *kinds = kinds_create(NULL);
    json_t *pairs = load(), *pair;
    size_t i, wrong = 0;
    json_array_foreach(pairs, i, pair) {
        const json_t *given = json_array_get(pair, 0), *expected = json_array_get(pair, 1);
        json_t *ours = filled(kinds, given);
        if (!json_equal(ours, expected)) {
            char path[64];
            snprintf(path, sizeof path, "%zu %s", i,
                     json_string_value(json_object_get(given, "kind")));
            print_difference(path, ours, expected);
            wrong++;
        }
        json_decref(ours);
    }
    json_decref(pairs);
    kinds_destroy(kinds);
    assert_int_equal(wrong, 0);
}

static void what_has_its_defaults_is_left_as_it_is(void **state) {
    (void)state;
    struct kinds *kinds = kinds_create(NULL);
    json_t *pairs = load(), *pair;
    size_t i;
    json_array_foreach(pairs, i, pair) {
        json_t *once = filled(kinds, json_array_get(pair, 1));
        json_t *twice = filled(kinds, once);
        assert_true(json_equal(once, twice));
        json_decref(once);
        json_decref(twice);
    }
    json_decref(pairs);
    kinds_destroy(kinds);
}

static void what_we_fill_in_fits_the_schema(void **state) {
    (void)state;
    struct kinds *kinds = kinds_create(NULL);
    json_t *pairs = load(), *pair;
    size_t i;
    json_array_foreach(pairs, i, pair) {
        json_t *ours = filled(kinds, json_array_get(pair, 0));
        const struct api_kind *kind = kind_of(kinds, ours);
        json_t *causes = json_array(), *pruned = json_array();
        assert_int_equal(schema_validate(kind->schema, ours, "", causes, NULL), 0);
        assert_int_equal(schema_prune(kind->schema, ours, NULL, pruned, NULL), 0);
        if (json_array_size(causes) || json_array_size(pruned)) {
            char *text = json_dumps(json_array_size(causes) ? causes : pruned, 0);
            fail_msg("%zu %s: %s", i, kind->resource->kind, text);
        }
        json_decref(causes);
        json_decref(pruned);
        json_decref(ours);
    }
    json_decref(pairs);
    kinds_destroy(kinds);
}

static void defaulting_survives_each_failed_allocation(void **state) {
    (void)state;
    struct kinds *kinds = kinds_create(NULL);
    json_t *pairs = load(), *pair;
    size_t i;
    json_array_foreach(pairs, i, pair) {
        const json_t *given = json_array_get(pair, 0);
        const struct api_kind *kind = kind_of(kinds, given);
        struct oom_sweep sweep = {0};
        while (oom_sweep_next(&sweep)) {
            struct error err = {0};
            json_t *object = json_deep_copy(given);
            int rc = object ? kinds_default(kind, object, NULL, &err) : ERROR_NOMEM;
            assert_true(rc == 0 || rc == ERROR_NOMEM);
            json_decref(object);
        }
    }
    json_decref(pairs);
    kinds_destroy(kinds);
}

int main(void) {
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_real_server),
        cmocka_unit_test(what_has_its_defaults_is_left_as_it_is),
        cmocka_unit_test(what_we_fill_in_fits_the_schema),
        cmocka_unit_test(defaulting_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
