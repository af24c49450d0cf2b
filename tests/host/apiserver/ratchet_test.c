/* KEP-4008: what was wrong before and has not changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "apiserver/document.h"
#include "apiserver/ratchet.h"

static const char text[] =
    "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"maxLength\":2},"
    "\"o\":{\"type\":\"object\",\"required\":[\"z\"],\"properties\":{\"z\":{\"type\":\"string\"},"
    "\"b\":{\"type\":\"string\"}}},"
    "\"l\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"maxLength\":2}},"
    "\"s\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":\"string\"}},"
    "\"m\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":["
    "\"k\"],\"items\":{\"type\":\"object\",\"properties\":{\"k\":{\"type\":\"string\"},\"v\":{"
    "\"type\":\"string\",\"maxLength\":2}}}}}}";

/* The fields that are refused, one after the other. */
static void expect(const char *now_text, const char *old_text, const char *fields) {
    struct error err;
    json_t *openapi = json_loads(text, 0, NULL), *causes = json_array(), *cause;
    struct schema *schema = schema_parse(openapi, NULL, NULL, &err);
    json_t *now = json_loads(now_text, 0, NULL), *old = json_loads(old_text, 0, NULL);
    struct strbuf left = {0};
    size_t i;
    assert_non_null(schema);
    assert_int_equal(schema_validate(schema, now, "", causes, &err), 0);
    ratchet(schema, now, old, causes);
    strbuf_adds(&left, "");
    json_array_foreach(causes, i, cause) {
        strbuf_printf(&left, "%s%s", i > 0 ? " " : "", document_string(cause, "field"));
    }
    assert_string_equal(left.data ? left.data : "", fields);
    strbuf_finish(&left);
    json_decref(now);
    json_decref(old);
    json_decref(causes);
    json_decref(openapi);
    schema_unref(schema);
}

static void what_has_not_changed_is_not_refused(void **state) {
    (void)state;
    expect("{\"a\":\"long\"}", "{\"a\":\"long\"}", "");
    expect("{\"a\":\"long\",\"l\":[\"x\"]}", "{\"a\":\"long\"}", "");
    expect("{\"a\":\"longer\"}", "{\"a\":\"long\"}", "a");
    expect("{\"a\":\"long\"}", "{}", "a");
}

static void a_missing_member_is_its_objects_fault(void **state) {
    (void)state;
    expect("{\"o\":{\"b\":\"x\"}}", "{\"o\":{\"b\":\"x\"}}", "");
    expect("{\"o\":{\"b\":\"y\"}}", "{\"o\":{\"b\":\"x\"}}", "o.z");
}

static void items_have_a_place_in_lists_of_type_map_alone(void **state) {
    (void)state;
    expect("{\"l\":[\"long\"]}", "{\"l\":[\"long\"]}", "");
    expect("{\"l\":[\"long\",\"x\"]}", "{\"l\":[\"long\"]}", "l[0]");
    expect("{\"m\":[{\"k\":\"2\"},{\"k\":\"1\",\"v\":\"long\"}]}",
           "{\"m\":[{\"k\":\"1\",\"v\":\"long\"},{\"k\":\"2\"}]}", "");
    expect("{\"m\":[{\"k\":\"1\",\"v\":\"longer\"}]}", "{\"m\":[{\"k\":\"1\",\"v\":\"long\"}]}",
           "m[0].v");
    expect("{\"m\":[{\"k\":\"2\",\"v\":\"long\"}]}", "{\"m\":[{\"k\":\"1\",\"v\":\"long\"}]}",
           "m[0].v");
}

static void items_that_are_there_twice_are_refused(void **state) {
    (void)state;
    expect("{\"s\":[\"x\",\"x\"]}", "{\"s\":[\"x\",\"x\"]}", "s[1]");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_not_changed_is_not_refused),
        cmocka_unit_test(a_missing_member_is_its_objects_fault),
        cmocka_unit_test(items_have_a_place_in_lists_of_type_map_alone),
        cmocka_unit_test(items_that_are_there_twice_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
