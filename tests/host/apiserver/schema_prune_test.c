#include "apiserver/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "apiserver/support/docs.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

#include <string.h>

static void prune_with(const struct schema *schema, const char *before, const char *after,
                       const char *unknown) {
    json_t *value = doc(before), *pruned = json_array();
    assert_int_equal(schema_prune(schema, value, NULL, pruned, NULL), 0);
    assert_doc(value, after);
    json_t *fields = json_array(), *text;
    size_t i;
    json_array_foreach(pruned, i, text) {
        const char *name = json_string_value(text);
        size_t skip = strlen("unknown field \"");
        json_array_append_new(fields, json_stringn(name + skip, strlen(name) - skip - 1));
    }
    json_decref(pruned);
    assert_doc(fields, unknown);
}

static void check(const char *schema_text, const char *before, const char *after,
                  const char *unknown) {
    struct schema *schema = doc_schema(schema_text);
    prune_with(schema, before, after, unknown);
    schema_unref(schema);
}

static const char sample[] =
    "{'type':'object','properties':{'spec':{'type':'object','properties':{"
    "'a':{'type':'string'},"
    "'l':{'type':'array','items':{'type':'object','properties':{'p':{}}}},"
    "'m':{'type':'object','additionalProperties':{'type':'object','properties':{'q':{}}}},"
    "'any':{'type':'object','additionalProperties':true},"
    "'e':{'type':'object','x-kubernetes-embedded-resource':true,'properties':{'spec':{}}},"
    "'raw':{'type':'object','x-kubernetes-preserve-unknown-fields':true,"
    "'properties':{'known':{'type':'object','properties':{'r':{}}}}},"
    "'rawlist':{'type':'array','x-kubernetes-preserve-unknown-fields':true,"
    "'items':{'type':'object','properties':{'s':{}}}}}}}}";

static void unknown_fields_go_and_are_named_in_order(void **state) {
    (void)state;
    check(sample, "{'z':1,'spec':{'b':{},'a':'x','l':[{'p':1},{'o':2}],'aa':1}}",
          "{'spec':{'a':'x','l':[{'p':1},{}]}}", "['spec.aa','spec.b','spec.l[1].o','z']");
    check(sample, "{'spec':{'m':{'k':{'q':1,'w':2}},'any':{'x':1,'y':{'z':1}}}}",
          "{'spec':{'m':{'k':{'q':1}},'any':{'x':1,'y':{}}}}", "['spec.any.y.z','spec.m.k.w']");
}

static void resources_keep_their_metadata(void **state) {
    (void)state;
    check(sample, "{'apiVersion':'v1','kind':'A','metadata':{'odd':1},'spec':{'metadata':{}}}",
          "{'apiVersion':'v1','kind':'A','metadata':{'odd':1},'spec':{}}", "['spec.metadata']");
    check(sample, "{'spec':{'e':{'kind':'B','metadata':{'x':1},'spec':1,'status':1}}}",
          "{'spec':{'e':{'kind':'B','metadata':{'x':1},'spec':1}}}", "['spec.e.status']");
}

static void preserved_fields_stay_but_not_inside_known_ones(void **state) {
    (void)state;
    check(sample, "{'spec':{'raw':{'x':{'y':1},'known':{'r':1,'t':2}}}}",
          "{'spec':{'raw':{'x':{'y':1},'known':{'r':1}}}}", "['spec.raw.known.t']");
    check(sample, "{'spec':{'rawlist':[{'s':1,'t':{'u':1}},[[{'v':1}]]]}}",
          "{'spec':{'rawlist':[{'s':1,'t':{'u':1}},[[{'v':1}]]]}}", "[]");
}

static void nothing_is_pruned_without_a_schema(void **state) {
    (void)state;
    prune_with(NULL, "{'a':{'b':1}}", "{'a':{'b':1}}", "[]");
    json_t *value = doc("{'spec':{'b':1}}");
    struct schema *schema = doc_schema(sample);
    assert_int_equal(schema_prune(schema, value, NULL, NULL, NULL), 0);
    schema_unref(schema);
    assert_doc(value, "{'spec':{}}");
}

static const struct schema *lend(void *context, const char *name) {
    struct schema **schemas = context;
    return strcmp(name, "meta") == 0 ? schemas[0] : strcmp(name, "raw") == 0 ? schemas[1] : NULL;
}

static void referred_metadata_is_pruned_and_what_says_nothing_is_free(void **state) {
    (void)state;
    struct schema *schemas[2] = {doc_schema("{'type':'object','properties':{'name':{}}}"),
                                 doc_schema("{'type':'object'}")};
    json_t *openapi = doc("{'type':'object','properties':{"
                          "'metadata':{'allOf':[{'$ref':'#/components/schemas/meta'}]},"
                          "'raw':{'$ref':'#/components/schemas/raw'},"
                          "'lost':{'$ref':'#/components/schemas/lost'}}}");
    struct schema *schema = schema_parse(openapi, lend, schemas, NULL);
    prune_with(schema, "{'kind':'A','metadata':{'name':'a','nam':1},'raw':{'x':1},'lost':{'y':1}}",
               "{'kind':'A','metadata':{'name':'a'},'raw':{'x':1},'lost':{'y':1}}",
               "['metadata.nam']");
    json_decref(openapi);
    schema_unref(schema);
    schema_unref(schemas[0]);
    schema_unref(schemas[1]);
}

static void prune_survives_each_failed_allocation(void **state) {
    (void)state;
    struct schema *schema = doc_schema(sample);
    json_t *from = doc("{'z':1,'spec':{'b':{},'a':'x','l':[{'p':1},{'o':2}],'aa':1}}");
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        json_t *value = json_deep_copy(from), *pruned = json_array();
        int rc = value && pruned ? schema_prune(schema, value, NULL, pruned, NULL) : ERROR_NOMEM;
        assert_true(rc == ERROR_NOMEM || json_array_size(pruned) == 4);
        json_decref(pruned);
        json_decref(value);
    }
    json_decref(from);
    schema_unref(schema);
}

int main(void) {
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prune_survives_each_failed_allocation),
        cmocka_unit_test(nothing_is_pruned_without_a_schema),
        cmocka_unit_test(unknown_fields_go_and_are_named_in_order),
        cmocka_unit_test(resources_keep_their_metadata),
        cmocka_unit_test(preserved_fields_stay_but_not_inside_known_ones),
        cmocka_unit_test(referred_metadata_is_pruned_and_what_says_nothing_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
