#include "apiserver/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/oom_sweep.h"

static json_t *json(const char *text) {
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    return value;
}

static struct schema *parse(const char *text) {
    struct error err;
    json_t *openapi = json(text);
    struct schema *schema = schema_parse(openapi, NULL, NULL, &err);
    json_decref(openapi);
    if (schema == NULL)
        fail_msg("%s", err.message);
    return schema;
}

static void assert_rejected(const char *text, const char *message) {
    struct error err = {0};
    json_t *openapi = json(text);
    assert_null(schema_parse(openapi, NULL, NULL, &err));
    json_decref(openapi);
    assert_int_equal(err.code, ERROR_REJECTED);
    assert_string_equal(err.message, message);
}

static const struct schema *at(const struct schema *schema, const char *name) {
    return schema_member(schema, str_of(name));
}

static void parse_of_nonsense_says_where(void **state) {
    (void)state;
    assert_rejected("[]", "a schema must be an object");
    assert_rejected("{\"type\":7}", "type must be a string");
    assert_rejected("{\"type\":\"set\"}", "type \"set\" is unknown");
    assert_rejected("{\"properties\":{\"spec\":{\"properties\":{\"size\":{\"minimum\":\"1\"}}}}}",
                    "spec: size: minimum must be a number");
    assert_rejected("{\"maxLength\":1.5}", "maxLength must be an integer");
    assert_rejected("{\"nullable\":\"yes\"}", "nullable must be true or false");
    assert_rejected("{\"required\":\"a\"}", "required must be a list of strings");
    assert_rejected("{\"required\":[1]}", "required must be a list of strings");
    assert_rejected("{\"items\":[{}]}", "items: a schema must be an object");
    assert_rejected("{\"anyOf\":{}}", "anyOf must be a list of schemas");
    assert_rejected("{\"anyOf\":[{},{\"type\":\"x\"}]}", "anyOf[1]: type \"x\" is unknown");
    assert_rejected("{\"additionalProperties\":1}",
                    "additionalProperties: a schema must be an object");
    assert_rejected("{\"enum\":{}}", "enum must be a list");
    assert_rejected("{\"x-kubernetes-list-type\":\"bag\"}",
                    "x-kubernetes-list-type \"bag\" is unknown");
    assert_rejected("{\"$ref\":\"#/components/schemas/a\"}", "$ref is not supported here");
    assert_rejected("{\"$ref\":\"#/definitions/a\"}", "$ref must begin with #/components/schemas/");
}

static void pattern_beyond_re2_is_rejected(void **state) {
    (void)state;
    assert_rejected("{\"pattern\":\"a(\"}",
                    "pattern: error parsing regexp: missing closing ): `a(`");
    assert_rejected("{\"pattern\":\"a(?=b)\"}",
                    "pattern: error parsing regexp: invalid or unsupported Perl syntax: `(?=`");
    assert_rejected("{\"pattern\":\"(a)\\\\1\"}",
                    "pattern: error parsing regexp: invalid escape sequence: `\\1`");
    assert_rejected("{\"pattern\":\"a++\"}",
                    "pattern: error parsing regexp: invalid nested repetition operator: `++`");
    schema_unref(parse("{\"pattern\":\"^[]a(?=*+]+(?:b|(?P<n>c))\\\\d{2,3}$\"}"));
}

static void depth_is_bounded(void **state) {
    (void)state;
    struct error err;
    json_t *openapi = json_object();
    for (int i = 0; i < SCHEMA_MAX_DEPTH; i++) {
        struct schema *fits = schema_parse(openapi, NULL, NULL, &err);
        assert_non_null(fits);
        schema_unref(fits);
        openapi = json_pack("{s:o}", "items", openapi);
    }
    assert_null(schema_parse(openapi, NULL, NULL, &err));
    assert_int_equal(err.code, ERROR_REJECTED);
    assert_true(str_starts_with(str_of(err.message), "items: items: "));
    json_decref(openapi);
}

static const char sample[] =
    "{\"type\":\"object\",\"required\":[\"spec\"],\"x-unknown\":[1],\"properties\":{"
    "\"spec\":{\"type\":\"object\",\"properties\":{"
    "\"size\":{\"type\":\"integer\",\"default\":3,\"minimum\":1,\"enum\":[1,3]},"
    "\"port\":{\"x-kubernetes-int-or-string\":true},"
    "\"labels\":{\"type\":\"object\",\"x-kubernetes-map-type\":\"atomic\","
    "\"additionalProperties\":{\"type\":\"string\",\"pattern\":\"^a\",\"nullable\":true}},"
    "\"raw\":{\"x-kubernetes-preserve-unknown-fields\":true,\"type\":\"object\"},"
    "\"template\":{\"x-kubernetes-embedded-resource\":true,\"type\":\"object\"},"
    "\"tags\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\","
    "\"items\":{\"type\":\"string\",\"anyOf\":[{\"minLength\":1},{\"not\":{\"maxLength\":2}}]}},"
    "\"ports\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\","
    "\"x-kubernetes-list-map-keys\":[\"port\",\"protocol\"],"
    "\"x-kubernetes-patch-strategy\":\"merge\",\"x-kubernetes-patch-merge-key\":\"port\","
    "\"items\":{\"type\":\"object\",\"properties\":{\"port\":{\"type\":\"integer\"}}}}"
    "}}}}";

static void navigation_finds_what_was_said(void **state) {
    (void)state;
    struct schema *root = parse(sample);
    const struct schema *spec = at(root, "spec"), *ports = at(spec, "ports");
    assert_int_equal(schema_type(root), SCHEMA_OBJECT);
    assert_null(at(root, "status"));
    assert_int_equal(schema_type(at(spec, "size")), SCHEMA_INTEGER);
    assert_int_equal(json_integer_value(schema_default_of(at(spec, "size"))), 3);
    assert_int_equal(schema_type(at(spec, "port")), SCHEMA_INT_OR_STRING);
    assert_true(schema_is_map(at(spec, "labels")));
    assert_false(schema_is_map(spec));
    assert_true(schema_is_atomic_map(at(spec, "labels")));
    assert_true(schema_is_nullable(at(at(spec, "labels"), "any")));
    assert_true(schema_preserves_unknown(at(spec, "raw")));
    assert_true(schema_is_embedded(at(spec, "template")));
    assert_int_equal(schema_list_type(at(spec, "tags")), SCHEMA_LIST_SET);
    assert_null(schema_list_keys(at(spec, "tags")));
    assert_int_equal(schema_list_type(ports), SCHEMA_LIST_MAP);
    assert_string_equal(schema_list_keys(ports)[1], "protocol");
    assert_null(schema_list_keys(ports)[2]);
    assert_string_equal(schema_patch_strategy(ports), "merge");
    assert_string_equal(schema_patch_merge_key(ports), "port");
    assert_int_equal(schema_type(at(schema_items(ports), "port")), SCHEMA_INTEGER);
    schema_unref(root);
}

static void nothing_is_known_of_null(void **state) {
    (void)state;
    assert_int_equal(schema_type(NULL), SCHEMA_ANY);
    assert_null(at(NULL, "x"));
    assert_null(schema_items(NULL));
    assert_null(schema_list_keys(NULL));
    assert_int_equal(schema_list_type(NULL), SCHEMA_LIST_ATOMIC);
    assert_string_equal(schema_patch_strategy(NULL), "");
    assert_null(schema_patch_merge_key(NULL));
    assert_null(schema_default_of(NULL));
    assert_false(schema_is_map(NULL) || schema_is_atomic_map(NULL) || schema_is_embedded(NULL) ||
                 schema_preserves_unknown(NULL) || schema_is_nullable(NULL));
    assert_null(schema_ref(NULL));
    schema_unref(NULL);
}

static void a_part_outlives_its_root(void **state) {
    (void)state;
    struct schema *root = parse(sample);
    struct schema *size = schema_ref(at(at(root, "spec"), "size"));
    schema_unref(root);
    assert_int_equal(schema_type(size), SCHEMA_INTEGER);
    schema_unref(size);
}

struct table {
    struct schema *node, *loop;
};

static const struct schema *lend(void *context, const char *name) {
    struct table *table = context;
    return strcmp(name, "node") == 0 ? table->node : strcmp(name, "loop") == 0 ? table->loop : NULL;
}

static struct schema *parse_in(struct table *table, const char *text) {
    json_t *openapi = json(text);
    struct schema *schema = schema_parse(openapi, lend, table, NULL);
    json_decref(openapi);
    assert_non_null(schema);
    return schema;
}

static void references_may_lead_back(void **state) {
    (void)state;
    struct table table = {0};
    table.node = parse_in(
        &table,
        "{\"type\":\"object\",\"x-kubernetes-map-type\":\"atomic\",\"properties\":{"
        "\"next\":{\"$ref\":\"#/components/schemas/node\"},"
        "\"other\":{\"allOf\":[{\"$ref\":\"#/components/schemas/node\"}],\"default\":{},"
        "\"x-kubernetes-patch-strategy\":\"retainKeys\"},"
        "\"lost\":{\"$ref\":\"#/components/schemas/lost\"},"
        "\"all\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/components/schemas/node\"}}}}");
    table.loop = parse_in(&table, "{\"$ref\":\"#/components/schemas/loop\"}");
    const struct schema *deep = at(schema_items(at(at(table.node, "next"), "all")), "other");
    assert_int_equal(schema_type(deep), SCHEMA_OBJECT);
    assert_true(schema_is_atomic_map(deep));
    assert_string_equal(schema_patch_strategy(deep), "retainKeys");
    assert_true(json_is_object(schema_default_of(deep)));
    assert_null(schema_default_of(at(deep, "next")));
    assert_int_equal(schema_type(at(table.node, "lost")), SCHEMA_ANY);
    assert_null(at(table.loop, "x"));
    assert_int_equal(schema_type(table.loop), SCHEMA_ANY);
    schema_unref(table.loop);
    schema_unref(table.node);
}

static void reference_in_a_junctor_is_rejected(void **state) {
    (void)state;
    struct table table = {0};
    struct error err;
    json_t *openapi = json("{\"anyOf\":[{\"$ref\":\"#/components/schemas/node\"},{}]}");
    assert_null(schema_parse(openapi, lend, &table, &err));
    assert_string_equal(err.message, "anyOf[0]: $ref is not supported here");
    json_decref(openapi);
}

static void parse_survives_each_failed_allocation(void **state) {
    (void)state;
    json_t *openapi = json(sample);
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct error err;
        struct schema *schema = schema_parse(openapi, NULL, NULL, &err);
        if (schema == NULL)
            assert_int_equal(err.code, ERROR_NOMEM);
        schema_unref(schema);
    }
    json_decref(openapi);
}

int main(void) {
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_of_nonsense_says_where),
        cmocka_unit_test(pattern_beyond_re2_is_rejected),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(parse_survives_each_failed_allocation),
        cmocka_unit_test(nothing_is_known_of_null),
        cmocka_unit_test(navigation_finds_what_was_said),
        cmocka_unit_test(a_part_outlives_its_root),
        cmocka_unit_test(references_may_lead_back),
        cmocka_unit_test(reference_in_a_junctor_is_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
