#include "apiserver/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "apiserver/support/docs.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

#include <string.h>

/* One cause as "reason field: message", without "FieldValue". */
static json_t *lines_of(const json_t *causes) {
    json_t *lines = json_array(), *cause;
    size_t i;
    json_array_foreach(causes, i, cause) {
        const char *reason = json_string_value(json_object_get(cause, "reason"));
        assert_int_equal(strncmp(reason, "FieldValue", 10), 0);
        json_array_append_new(lines,
                              json_sprintf("%s %s: %s", reason + 10,
                                           json_string_value(json_object_get(cause, "field")),
                                           json_string_value(json_object_get(cause, "message"))));
    }
    return lines;
}

static void check_at(const char *path, const char *schema_text, const char *value_text,
                     const char *const *expected) {
    struct schema *schema = doc_schema(schema_text);
    json_t *value = doc(value_text), *causes = json_array();
    assert_int_equal(schema_validate(schema, value, path, causes, NULL), 0);
    json_t *lines = lines_of(causes);
    size_t count = 0;
    for (; expected[count]; count++) {
        const char *line = json_string_value(json_array_get(lines, count));
        assert_non_null(line);
        assert_string_equal(line, expected[count]);
    }
    if (count != json_array_size(lines))
        fail_msg("more: %s", json_string_value(json_array_get(lines, count)));
    json_decref(lines);
    json_decref(causes);
    json_decref(value);
    schema_unref(schema);
}
#define check(schema, value, ...) check_at("", schema, value, (const char *const[]){__VA_ARGS__})

/* The schema of the member "a". */
#define A(text) "{'type':'object','properties':{'a':{" text "}}}"

static void types(void **state) {
    (void)state;
    check(A("'type':'integer'"), "{'a':'x'}",
          "TypeInvalid a: Invalid value: \"string\": a in body must be of type integer: \"string\"",
          NULL);
    check(A("'type':'string'"), "{'a':null}",
          "TypeInvalid a: Invalid value: \"null\": a in body must be of type string: \"null\"",
          NULL);
    check(A("'type':'string','nullable':true"), "{'a':null}", NULL);
    check(A("'type':'integer'"), "{'a':3.0}", NULL);
    check(A("'type':'number'"), "{'a':3}", NULL);
    check(A("'type':'integer'"), "{'a':1.5}",
          "TypeInvalid a: Invalid value: \"number\": a in body must be of type integer: \"number\"",
          "Invalid <nil>: Invalid value: \"\": Checked value must be of type integer (default "
          "format) "
          "in a",
          NULL);
    check(A("'x-kubernetes-int-or-string':true"), "{'a':'80%'}", NULL);
    check(A("'x-kubernetes-int-or-string':true"), "{'a':true}",
          "TypeInvalid a: Invalid value: \"boolean\": a in body must be of type integer,string: "
          "\"boolean\"",
          NULL);
    check(A("'type':'integer','format':'int64'"), "{'a':{}}",
          "TypeInvalid a: Invalid value: \"\": a in body must be of type int64: \"\"", NULL);
    check(A("'type':'array'"), "{'a':{}}",
          "TypeInvalid a: Invalid value: \"object\": a in body must be of type array: \"object\"",
          NULL);
    check(A("'description':'any'"), "{'a':[1,{}]}", NULL);
}

static void strings(void **state) {
    (void)state;
    check(A("'maxLength':3"), "{'a':'\u00e4\u00f6\u00fc'}", NULL);
    check(A("'maxLength':3"), "{'a':'abcd'}", "TooLong a: Too long: may not be more than 3 bytes",
          NULL);
    check(A("'maxLength':1"), "{'a':'abcd'}", "TooLong a: Too long: may not be more than 1 byte",
          NULL);
    check(A("'minLength':2"), "{'a':'x'}",
          "Invalid a: Invalid value: \"x\": a in body should be at least 2 chars long", NULL);
    check(A("'pattern':'^[a-z]+$'"), "{'a':'A\\n'}",
          "Invalid a: Invalid value: \"A\\n\": a in body should match '^[a-z]+$'", NULL);
    check(A("'pattern':'^a$'"), "{'a':'a\\n'}",
          "Invalid a: Invalid value: \"a\\n\": a in body should match '^a$'", NULL);
    check(A("'pattern':'b'"), "{'a':'abc'}", NULL);
    check(A("'format':'date','type':'string'"), "{'a':'x'}",
          "TypeInvalid a: Invalid value: \"x\": a in body must be of type date: \"x\"", NULL);
    check(A("'format':'colour','type':'string'"), "{'a':'x'}", NULL);
}

static void a_pattern_that_works_too_hard_does_not_match(void **state) {
    (void)state;
    check(A("'pattern':'^(a+)+$'"), "{'a':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab'}",
          "Invalid a: Invalid value: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\": a in body "
          "should match '^(a+)+$'",
          NULL);
}

static void numbers(void **state) {
    (void)state;
    check(A("'type':'integer','minimum':1,'maximum':5"), "{'a':7}",
          "Invalid a: Invalid value: 7: a in body should be less than or equal to 5", NULL);
    check(A("'type':'integer','minimum':1,'exclusiveMinimum':true"), "{'a':1}",
          "Invalid a: Invalid value: 1: a in body should be greater than 1", NULL);
    check(A("'type':'number','minimum':0.5,'maximum':1e21"), "{'a':0.25}",
          "Invalid a: Invalid value: 0.25: a in body should be greater than or equal to 0.5", NULL);
    check(A("'type':'number','maximum':1e21"), "{'a':1e22}",
          "Invalid a: Invalid value: 1e+22: a in body should be less than or equal to 1e+21", NULL);
    check(A("'type':'number','maximum':100000000000000000000.0"), "{'a':0.00001}", NULL);
    check(A("'type':'integer','format':'int32'"), "{'a':2147483648}",
          "Invalid <nil>: Invalid value: \"\": Checked value must be of type integer with format "
          "int32 in a",
          NULL);
    check(A("'type':'integer','multipleOf':3"), "{'a':7}",
          "Invalid a: Invalid value: 7: a in body should be a multiple of 3", NULL);
    check(A("'type':'number','multipleOf':0.1"), "{'a':0.7}", NULL);
    check(A("'type':'integer','multipleOf':0"), "{'a':7}",
          "Invalid a: Invalid value: 0: factor MultipleOf declared for a must be positive: 0",
          NULL);
    check(
        A("'type':'integer','maximum':9007199254740993"), "{'a':9223372036854775807}",
        "Invalid a: Invalid value: 9223372036854775807: a in body should be less than or equal to "
        "9007199254740992",
        NULL);
}

static void enumerations(void **state) {
    (void)state;
    check(A("'enum':['x','y']"), "{'a':'z'}",
          "NotSupported a: Unsupported value: \"z\": supported values: \"x\", \"y\"", NULL);
    check(A("'enum':[1,{'k':true}]"), "{'a':2}",
          "NotSupported a: Unsupported value: 2: supported values: \"1\", \"{\\\"k\\\":true}\"",
          NULL);
    check(A("'enum':[1]"), "{'a':1.0}", NULL);
    check(A("'enum':['x'],'nullable':true"), "{'a':null}",
          "NotSupported a: Unsupported value: null: supported values: \"x\"", NULL);
}

static void arrays_and_objects(void **state) {
    (void)state;
    check(A("'type':'array','maxItems':1,'items':{'type':'string'}"), "{'a':['x',1]}",
          "TypeInvalid a[1]: Invalid value: \"integer\": a[1] in body must be of type string: "
          "\"integer\"",
          "TooMany a: Too many: 2: must have at most 1 item", NULL);
    check(A("'type':'array','minItems':2"), "{'a':[]}",
          "Invalid a: Invalid value: 0: a in body should have at least 2 items", NULL);
    check(A("'type':'array','uniqueItems':true"), "{'a':[{'b':1},2,{'b':1}]}",
          "Invalid a: Invalid value: \"\": a in body shouldn't contain duplicates", NULL);
    check(A("'required':['b','c']"), "{'a':{'b':null}}", "Required a.c: Required value", NULL);
    check("{'required':['spec']}", "{}", "Required spec: Required value", NULL);
    check(A("'minProperties':1"), "{'a':{}}",
          "Invalid a: Invalid value: 0: a in body should have at least 1 properties", NULL);
    check(A("'maxProperties':1"), "{'a':{'b':1,'c':2}}",
          "TooMany a: Too many: 2: must have at most 1 item", NULL);
    check(A("'additionalProperties':{'type':'string'}"), "{'a':{'b':1}}",
          "TypeInvalid a.b: Invalid value: \"integer\": a.b in body must be of type string: "
          "\"integer\"",
          NULL);
    check(A("'additionalProperties':false"), "{'a':{'b':1}}",
          "Invalid a: Invalid value: \"b\": a.b in body is a forbidden property", NULL);
}

static void several_schemas(void **state) {
    (void)state;
    check(A("'anyOf':[{'minLength':3},{'pattern':'^x'}]"), "{'a':'xy'}", NULL);
    check(A("'anyOf':[{'minLength':3},{'pattern':'^x'}]"), "{'a':'y'}",
          "Invalid <nil>: Invalid value: \"\": \"a\" must validate at least one schema (anyOf)",
          "Invalid a: Invalid value: \"y\": a in body should be at least 3 chars long", NULL);
    check(
        A("'oneOf':[{'required':['b']},{'required':['c']}]"), "{'a':{}}",
        "Invalid <nil>: Invalid value: \"\": \"a\" must validate one and only one schema (oneOf). "
        "Found none valid",
        "Required a.b: Required value", NULL);
    check(
        A("'oneOf':[{'required':['b']},{'required':['c']}]"), "{'a':{'b':1,'c':1}}",
        "Invalid <nil>: Invalid value: \"\": \"a\" must validate one and only one schema (oneOf). "
        "Found 2 valid alternatives",
        NULL);
    check(A("'allOf':[{'minLength':3},{'maxLength':9}]"), "{'a':'y'}",
          "Invalid a: Invalid value: \"y\": a in body should be at least 3 chars long",
          "Invalid <nil>: Invalid value: \"\": \"a\" must validate all the schemas (allOf)", NULL);
    check(A("'allOf':[{'minLength':3}]"), "{'a':'y'}",
          "Invalid a: Invalid value: \"y\": a in body should be at least 3 chars long",
          "Invalid <nil>: Invalid value: \"\": \"a\" must validate all the schemas (allOf). None "
          "validated",
          NULL);
    check(A("'not':{'enum':['y']}"), "{'a':'y'}",
          "Invalid <nil>: Invalid value: \"\": \"a\" must not validate the schema (not)", NULL);
}

static void embedded_resources(void **state) {
    (void)state;
    check(
        A("'type':'object','x-kubernetes-embedded-resource':true"),
        "{'a':{'kind':'A_b','metadata':{'name':'x/y'}}}", "Required a.apiVersion: Required value",
        "Invalid a.kind: Invalid value: \"A_b\": may have mixed case, but should otherwise match: "
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
        "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        "Invalid a.metadata.name: Invalid value: \"x/y\": may not contain '/'", NULL);
    check(A("'type':'object','x-kubernetes-embedded-resource':true"),
          "{'a':{'kind':'Pod','apiVersion':'v1'}}", NULL);
}

static void lists_that_are_sets_or_maps(void **state) {
    (void)state;
    check(A("'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}"),
          "{'a':['x','y','x','x']}", "Duplicate a[2]: Duplicate value: \"x\"", NULL);
    check(A("'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['n'],"
            "'items':{'type':'object'}"),
          "{'a':[{'n':'x','v':1},{'n':'y'},{'n':'x'},{},{'v':2}]}",
          "Duplicate a[2]: Duplicate value: {\"n\":\"x\"}", "Duplicate a[4]: Duplicate value: {}",
          NULL);
    check(A("'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['n']"),
          "{'a':[1]}",
          "Invalid a[0]: Invalid value: 1: must be an object for an array of list-type map", NULL);
    check(A("'additionalProperties':{'type':'array','x-kubernetes-list-type':'set'}"),
          "{'a':{'k':[1,1]}}", "Duplicate a[k][1]: Duplicate value: 1", NULL);
    check(A("'type':'array','x-kubernetes-list-type':'set'"), "{'a':[1,1.0,'1',null,{},[]]}", NULL);
    check(A("'type':'array','x-kubernetes-list-type':'set'"), "{'a':[{'b':[1]},{'b':[1]}]}",
          "Duplicate a[1]: Duplicate value: {\"b\":[1]}", NULL);
    check(A("'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['n','p']"),
          "{'a':[{'n':1},{'n':1,'p':1},{'p':1},{'n':true,'p':1},{'n':null,'p':1}]}", NULL);
}

static void a_long_list_may_repeat_itself(void **state) {
    (void)state;
    struct strbuf text = {0};
    for (int i = 0; i < 100; i++)
        strbuf_printf(&text, "%s%d", i ? "," : "{'a':[", i);
    strbuf_adds(&text, ",7]}");
    check(A("'type':'array','x-kubernetes-list-type':'set'"), text.data,
          "Duplicate a[100]: Duplicate value: 7", NULL);
    strbuf_finish(&text);
}

static void fields_stand_under_the_path_given(void **state) {
    (void)state;
    check_at("spec.x", A("'type':'string','anyOf':[{'minLength':1}]"), "{'a':''}",
             (const char *const[]){
                 "Invalid spec.x: Invalid value: \"\": \"a\" must validate at least one schema "
                 "(anyOf)",
                 "Invalid spec.x.a: Invalid value: \"\": a in body should be at least 1 chars long",
                 NULL});
    check_at(
        "spec.x", "{'type':'string'}", "1",
        (const char *const[]){"TypeInvalid spec.x: Invalid value: \"integer\":  in body must be "
                              "of type string: \"integer\"",
                              NULL});
}

static void nothing_is_wrong_without_a_schema(void **state) {
    (void)state;
    json_t *value = doc("{'a':[1]}"), *causes = json_array();
    assert_int_equal(schema_validate(NULL, value, "", causes, NULL), 0);
    json_decref(value);
    assert_doc(causes, "[]");
}

static void validate_survives_each_failed_allocation(void **state) {
    (void)state;
    struct schema *schema = doc_schema(
        "{'type':'object','required':['z'],'properties':{'a':{'type':'string','enum':['x','y'],"
        "'pattern':'^x','format':'date'},'b':{'type':'integer','maximum':1},"
        "'c':{'anyOf':[{'type':'integer'},{'minLength':3}],'oneOf':[{},{}],'allOf':[{'maxLength':"
        "0}]},"
        "'l':{'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':['n']}}}");
    json_t *value = doc("{'a':'q','b':7,'c':'a','l':[{'n':{'o':1}},{'n':{'o':1}}]}");
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        json_t *causes = json_array();
        int rc = causes ? schema_validate(schema, value, "", causes, NULL) : ERROR_NOMEM;
        assert_true(rc == ERROR_NOMEM || json_array_size(causes) == 11);
        json_decref(causes);
    }
    json_decref(value);
    schema_unref(schema);
}

int main(void) {
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(validate_survives_each_failed_allocation),
        cmocka_unit_test(nothing_is_wrong_without_a_schema),
        cmocka_unit_test(a_pattern_that_works_too_hard_does_not_match),
        cmocka_unit_test(types),
        cmocka_unit_test(strings),
        cmocka_unit_test(numbers),
        cmocka_unit_test(enumerations),
        cmocka_unit_test(arrays_and_objects),
        cmocka_unit_test(several_schemas),
        cmocka_unit_test(embedded_resources),
        cmocka_unit_test(lists_that_are_sets_or_maps),
        cmocka_unit_test(a_long_list_may_repeat_itself),
        cmocka_unit_test(fields_stand_under_the_path_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
