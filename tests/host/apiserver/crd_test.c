#include "apiserver/crd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/docs.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

static json_t *crd_with(const char *schema) {
    json_t *crd =
        doc("{'metadata':{'name':'webs.example.com'},'spec':{'group':'example.com','scope':"
            "'Namespaced','names':{'plural':'webs','kind':'Web'},'versions':[{'name':'v1','served':"
            "true,'storage':true,'schema':{}}]}}");
    json_t *versions = json_object_get(json_object_get(crd, "spec"), "versions");
    json_object_set_new(json_object_get(json_array_get(versions, 0), "schema"), "openAPIV3Schema",
                        doc(schema));
    assert_int_equal(crd_default(crd, NULL), 0);
    assert_int_equal(crd_prepare(crd, NULL, NULL), 0);
    return crd;
}

static json_t *spec_of(json_t *crd) {
    return json_object_get(crd, "spec");
}

static void set(json_t *crd, const char *key, const char *value) {
    json_object_set_new(spec_of(crd), key, doc(value));
}

static void set_version(json_t *crd, const char *key, const char *value) {
    json_object_set_new(json_array_get(json_object_get(spec_of(crd), "versions"), 0), key,
                        doc(value));
}

/* Takes `crd`. Each line is "field: message". */
static void check_update(json_t *crd, const json_t *old, bool ignore_rules,
                         const char *const *expected) {
    json_t *causes = json_array(), *cause;
    size_t i = 0;
    assert_int_equal(crd_check(crd, old, ignore_rules, causes, NULL), 0);
    json_array_foreach(causes, i, cause) {
        char *line = mem_printf("%s: %s", json_string_value(json_object_get(cause, "field")),
                                json_string_value(json_object_get(cause, "message")));
        if (expected[i] == NULL)
            fail_msg("more: %s", line);
        assert_string_equal(line, expected[i]);
        mem_free(line);
    }
    assert_null(expected[i]);
    json_decref(causes);
    json_decref(crd);
}
#define check(crd, ...) check_update(crd, NULL, false, (const char *const[]){__VA_ARGS__})
#define check_schema(schema, ...) check(crd_with(schema), __VA_ARGS__)
#define SPEC(text) "{'type':'object','properties':{'spec':{" text "}}}"
#define AT "spec.validation.openAPIV3Schema"

static const char good[] =
    SPEC("'type':'object','required':['size'],'properties':{'size':{'type':'integer',"
         "'minimum':1,'default':1},'port':{'x-kubernetes-int-or-string':true,'anyOf':[{'type':"
         "'integer'},{'type':'string'}]},'ports':{'type':'array','x-kubernetes-list-type':'map',"
         "'x-kubernetes-list-map-keys':['port'],'items':{'type':'object','required':['port'],"
         "'properties':{'port':{'type':'integer'}}}},'raw':{'x-kubernetes-preserve-unknown-fields':"
         "true,'type':'object'}},'oneOf':[{'required':['size']},{'required':['port'],'properties':"
         "{'size':{'maximum':3}}}]");

static void a_good_crd_has_no_cause(void **state) {
    (void)state;
    check_schema(good, NULL);
}

static void default_fills_names_and_conversion(void **state) {
    (void)state;
    json_t *crd = crd_with(good);
    assert_doc(json_incref(json_object_get(spec_of(crd), "names")),
               "{'plural':'webs','kind':'Web','singular':'web','listKind':'WebList'}");
    assert_doc(json_incref(json_object_get(spec_of(crd), "conversion")), "{'strategy':'None'}");
    assert_doc(json_incref(json_object_get(crd, "status")), "{'storedVersions':['v1']}");
    set(crd, "conversion", "{'strategy':'Webhook','webhook':{'clientConfig':{'service':{}}}}");
    assert_int_equal(crd_default(crd, NULL), 0);
    assert_doc(json_incref(json_object_get(spec_of(crd), "conversion")),
               "{'strategy':'Webhook','webhook':{'clientConfig':{'service':{'port':443}}}}");
    json_decref(crd);
}

static void nonsense_is_told_and_does_not_crash(void **state) {
    (void)state;
    json_t *crd = doc("{'spec':{'versions':7,'names':[],'conversion':1,'scope':{}}}");
    json_t *causes = json_array();
    assert_int_equal(crd_default(crd, NULL), 0);
    assert_int_equal(crd_prepare(crd, NULL, NULL), 0);
    assert_int_equal(crd_check(crd, NULL, false, causes, NULL), 0);
    assert_true(json_array_size(causes) > 5);
    json_decref(causes);
    json_decref(crd);
    check_schema(SPEC("'type':'object','properties':{'a':{'type':'string','maxLength':'x'}}"),
                 AT ": Invalid value: \"\": spec: a: maxLength must be a number", NULL);
}

static void names_and_versions_are_checked(void **state) {
    (void)state;
    json_t *crd = crd_with(good);
    set(crd, "group", "'local'");
    set(crd, "scope", "'Global'");
    set(crd, "names",
        "{'plural':'Webs','kind':'Web','listKind':'Web','singular':'web',"
        "'shortNames':['w','w.']}");
    set_version(crd, "storage", "false");
    set_version(crd, "deprecationWarning", "'old'");
    json_t *causes = json_array(), *cause;
    size_t i;
    assert_int_equal(crd_check(crd, NULL, false, causes, NULL), 0);
    static const char *const fields[] = {"metadata.name",
                                         "spec.group",
                                         "spec.scope",
                                         "spec.versions[0].deprecationWarning",
                                         "spec.versions",
                                         "spec.names.plural",
                                         "spec.names.shortNames[1]",
                                         "spec.names.listKind"};
    json_array_foreach(causes, i, cause) {
        assert_true(i < sizeof fields / sizeof *fields);
        assert_string_equal(json_string_value(json_object_get(cause, "field")), fields[i]);
    }
    assert_int_equal(i, sizeof fields / sizeof *fields);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(causes, 4), "message")),
        "Invalid value: [{\"name\":\"v1\",\"served\":true,\"storage\":false}]: must "
        "have exactly one version marked as storage version");
    json_decref(causes);
    json_decref(crd);
}

static void a_version_needs_a_schema(void **state) {
    (void)state;
    json_t *crd = crd_with(good);
    set_version(crd, "schema", "null");
    check(crd, "spec.versions[0].schema.openAPIV3Schema: Required value", NULL);
}

static void a_schema_must_be_structural(void **state) {
    (void)state;
    check_schema("{'properties':{'a':{}}}",
                 AT ".properties[a].type: Required value: must not be empty for specified object "
                    "fields",
                 AT ".type: Required value: must not be empty at the root", NULL);
    check_schema(SPEC("'type':'array'"),
                 AT ".properties[spec].items: Required value: must be "
                    "specified",
                 NULL);
    check_schema(SPEC("'type':'object','anyOf':[{'type':'object','description':'x','properties':"
                      "{'a':{}}}]"),
                 AT ".properties[spec].anyOf[0].description: Forbidden: must be empty to be "
                    "structural",
                 AT ".properties[spec].anyOf[0].type: Forbidden: must be empty to be structural",
                 NULL);
    check_schema("{'type':'object','anyOf':[{'properties':{'a':{}}}]}",
                 AT ".properties[a]: Required value: because it is defined in " AT
                    ".anyOf[0].properties[a]",
                 NULL);
    check_schema(SPEC("'type':'string','pattern':'a('"),
                 AT ".properties[spec].pattern: Invalid value: \"a(\": must be a valid regular "
                    "expression, but isn't: error parsing regexp: missing closing ): "
                    "`a(`",
                 NULL);
    check_schema("{'type':'object','properties':{'metadata':{'type':'object','properties':{'name':"
                 "{'type':'string'},'labels':{'type':'object'}}}}}",
                 AT ".properties[metadata]: Forbidden: must not specify anything other than name "
                    "and generateName, but metadata is implicitly specified",
                 NULL);
}

static void keywords_are_checked(void **state) {
    (void)state;
    check_schema(SPEC("'type':'set'"),
                 AT ".properties[spec].type: Unsupported value: \"set\": supported values: "
                    "\"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
                 NULL);
    check_schema(SPEC("'$ref':'#/definitions/x','type':'array','items':[{}]"),
                 AT ".properties[spec].$ref: Forbidden: $ref is not supported",
                 AT ".properties[spec].items: Forbidden: items must be a schema object and not an "
                    "array",
                 NULL);
    check_schema(SPEC("'type':'array','items':{'type':'string'},'uniqueItems':true"),
                 AT ".properties[spec].uniqueItems: Forbidden: uniqueItems cannot be set to true "
                    "since the runtime complexity becomes quadratic",
                 NULL);
    check_schema(SPEC("'type':'object','properties':{'a':{'type':'string'}},'additionalProperties':"
                      "{'type':'string'}"),
                 AT ".properties[spec].additionalProperties: Forbidden: additionalProperties and "
                    "properties are mutual exclusive",
                 NULL);
    check_schema("{'type':'object','properties':{'kind':{'type':'string','default':'A'}}}",
                 AT ".properties[kind].default: Forbidden: must not be set in top-level kind",
                 NULL);
}

static void lists_are_checked(void **state) {
    (void)state;
    check_schema(SPEC("'type':'array','x-kubernetes-list-type':'map','x-kubernetes-list-map-keys':"
                      "['a','b'],'items':{'type':'object','properties':{'a':{'type':'string'}}}"),
                 AT ".properties[spec].items.properties[a].default: Required value: this property "
                    "is in x-kubernetes-list-map-keys, so it must have a default or be a required "
                    "property",
                 AT ".properties[spec].x-kubernetes-list-map-keys: Invalid value: [\"a\",\"b\"]: "
                    "entries must all be names of item properties",
                 NULL);
    check_schema(SPEC("'type':'array','x-kubernetes-list-type':'set','items':{'type':'object',"
                      "'nullable':true}"),
                 AT ".properties[spec].items.x-kubernetes-map-type: Invalid value: null: must be "
                    "atomic as item of a list with x-kubernetes-list-type=set",
                 AT ".properties[spec].items.nullable: Forbidden: cannot be nullable when "
                    "x-kubernetes-list-type is set",
                 NULL);
    check_schema(SPEC("'type':'object','x-kubernetes-list-type':'set'"),
                 AT ".properties[spec].type: Invalid value: \"object\": must be array if "
                    "x-kubernetes-list-type is specified",
                 NULL);
}

static void defaults_must_fit_their_schema(void **state) {
    (void)state;
    check_schema(SPEC("'type':'object','default':{'a':1,'b':2},'properties':{'a':{'type':'string'}"
                      "}"),
                 AT ".properties[spec].default: Invalid value: {\"a\":1,\"b\":2}: must not have "
                    "unknown fields",
                 AT ".properties[spec].default.a: Invalid value: \"integer\": a in body must be of "
                    "type string: \"integer\"",
                 NULL);
}

static void rules_in_cel_are_refused_unless_ignored(void **state) {
    (void)state;
    static const char schema[] =
        SPEC("'type':'object','x-kubernetes-validations':[{'rule':'self.a'}]");
    check_schema(schema,
                 AT ".properties[spec].x-kubernetes-validations: Forbidden: CEL rules are not "
                    "evaluated by this API server; `moonlet dev --ignore-cel-rules` takes them and "
                    "ignores them",
                 NULL);
    check_update(crd_with(schema), NULL, true, (const char *const[]){NULL});
    check_update(crd_with(SPEC("'type':'object','x-kubernetes-validations':[{}]")), NULL, true,
                 (const char *const[]){AT ".properties[spec].x-kubernetes-validations[0].rule: "
                                          "Required value: rule is not specified",
                                       NULL});
}

static void parts_of_a_version_are_checked(void **state) {
    (void)state;
    json_t *crd = crd_with(good);
    set_version(crd, "additionalPrinterColumns",
                "[{'name':'a','type':'int','jsonPath':'x','format':'hex'},{}]");
    set_version(crd, "subresources",
                "{'scale':{'specReplicasPath':'.status.x','labelSelectorPath':'x'}}");
    set_version(crd, "selectableFields",
                "[{'jsonPath':'.spec.size'},{'jsonPath':'.spec.ports'},{'jsonPath':'.spec.size'},"
                "{'jsonPath':'.x'},{}]");
    check(
        crd,
        "spec.subresources.scale.specReplicasPath: Invalid value: \".status.x\": should be a "
        "json path under .spec",
        "spec.subresources.scale.statusReplicasPath: Required value",
        "spec.subresources.scale.labelSelectorPath: Invalid value: \"x\": must be a simple json "
        "path starting with .",
        "spec.additionalPrinterColumns[0].type: Invalid value: \"int\": must be one of "
        "boolean,date,integer,number,string",
        "spec.additionalPrinterColumns[0].format: Invalid value: \"hex\": must be one of "
        "byte,date,date-time,double,float,int32,int64,password",
        "spec.additionalPrinterColumns[0].JSONPath: Invalid value: \"x\": must be a simple json "
        "path starting with .",
        "spec.additionalPrinterColumns[1].name: Required value",
        "spec.additionalPrinterColumns[1].type: Required value: must be one of "
        "boolean,date,integer,number,string",
        "spec.additionalPrinterColumns[1].JSONPath: Required value",
        "spec.selectableFields[1].jsonPath: Invalid value: \".spec.ports\": must point to a field "
        "of type string, boolean or integer. Enum string fields and strings with formats are "
        "allowed.",
        "spec.selectableFields[2].jsonPath: Duplicate value: \".spec.size\"",
        "spec.selectableFields[3].jsonPath: Invalid value: \".x\": is an invalid path: does not "
        "refer to a valid field",
        "spec.selectableFields[4].jsonPath: Required value", NULL);
}

static void a_conversion_webhook_is_checked(void **state) {
    (void)state;
    json_t *crd = crd_with(good);
    set(crd, "conversion",
        "{'strategy':'Webhook','webhook':{'clientConfig':{'url':'http://a'},"
        "'conversionReviewVersions':['v2']}}");
    check(crd,
          "spec.conversion.webhookClientConfig.url: Invalid value: \"http\": 'https' is the "
          "only allowed URL scheme; desired format: https://host[/path]",
          "spec.conversion.conversionReviewVersions: Invalid value: [\"v2\"]: must include at "
          "least one of v1, v1beta1",
          NULL);
}

static void a_protected_group_needs_approval(void **state) {
    (void)state;
    json_t *crd = crd_with(good);
    set(crd, "group", "'x.k8s.io'");
    json_object_set_new(crd, "metadata", doc("{'name':'webs.x.k8s.io'}"));
    check(crd,
          "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must "
          "have approval annotation \"api-approved.kubernetes.io\", see "
          "https://github.com/kubernetes/enhancements/pull/1111",
          NULL);
}

static bool none_taken(void *context, const char *group, const char *name, bool of_kind) {
    (void)context, (void)group, (void)name, (void)of_kind;
    return false;
}

static bool taken_by(void *context, const char *group, const char *name, bool of_kind) {
    return crd_holds_name(context, group, name, of_kind);
}

static void what_is_stored_or_established_may_not_change(void **state) {
    (void)state;
    json_t *old = crd_with(good), *crd;
    assert_int_equal(crd_set_status(old, none_taken, NULL, "2024-01-01T00:00:00Z", NULL), 0);
    crd = crd_with(good);
    set(crd, "scope", "'Cluster'");
    set_version(crd, "name", "'v2'");
    assert_int_equal(crd_prepare(crd, old, NULL), 0);
    check_update(
        crd, old, false,
        (const char *const[]){
            "spec.scope: Invalid value: \"Cluster\": field is immutable",
            "status.storedVersions[0]: Invalid value: \"v1\": missing from spec.versions; "
            "v1 was previously a storage version, and must remain in spec.versions until a "
            "storage migration ensures no data remains persisted in v1 and removes v1 from "
            "status.storedVersions",
            NULL});
    json_decref(old);
}

static void free_names_are_accepted_and_keep_their_time(void **state) {
    (void)state;
    static const char status[] =
        "{'storedVersions':['v1'],'acceptedNames':{'plural':'webs','singular':'web','kind':'Web',"
        "'listKind':'WebList'},'conditions':[{'lastTransitionTime':'2024-01-01T00:00:00Z','message'"
        ":'no conflicts found','reason':'NoConflicts','status':'True','type':'NamesAccepted'},"
        "{'lastTransitionTime':'2024-01-01T00:00:00Z','message':'the initial names have been "
        "accepted','reason':'InitialNamesAccepted','status':'True','type':'Established'}]}";
    json_t *crd = crd_with(good);
    assert_false(crd_is_established(crd));
    assert_int_equal(crd_set_status(crd, none_taken, NULL, "2024-01-01T00:00:00Z", NULL), 0);
    assert_doc(json_incref(json_object_get(crd, "status")), status);
    assert_int_equal(crd_set_status(crd, none_taken, NULL, "2025-01-01T00:00:00Z", NULL), 0);
    assert_doc(json_incref(json_object_get(crd, "status")), status);
    assert_true(crd_is_established(crd));
    json_decref(crd);
}

static void taken_names_are_refused(void **state) {
    (void)state;
    json_t *first = crd_with(good), *second = crd_with(good);
    assert_int_equal(crd_set_status(first, none_taken, NULL, "2024-01-01T00:00:00Z", NULL), 0);
    set(second, "names",
        "{'plural':'pages','singular':'web','kind':'Web','listKind':'PageList',"
        "'shortNames':['webs','p','web']}");
    assert_int_equal(crd_set_status(second, taken_by, first, "2024-01-01T00:00:00Z", NULL), 0);
    assert_false(crd_is_established(second));
    assert_doc(json_incref(json_object_get(second, "status")),
               "{'storedVersions':['v1'],'acceptedNames':{'plural':'pages','listKind':'PageList'},"
               "'conditions':[{'lastTransitionTime':'2024-01-01T00:00:00Z','message':'\\u0022Web"
               "\\u0022 is already in use','reason':'KindConflict','status':'False','type':"
               "'NamesAccepted'},{'lastTransitionTime':'2024-01-01T00:00:00Z','message':'not all "
               "names are accepted','reason':'NotAccepted','status':'False','type':'Established'}]"
               "}");
    assert_int_equal(crd_set_status(second, none_taken, NULL, "2025-01-01T00:00:00Z", NULL), 0);
    assert_true(crd_is_established(second));
    json_decref(first);
    json_decref(second);
}

static void write_once(const json_t *from, const json_t *old) {
    json_t *crd = json_deep_copy(from), *causes = json_array();
    if (crd && causes) {
        int rc[] = {crd_default(crd, NULL), crd_prepare(crd, old, NULL),
                    crd_check(crd, NULL, false, causes, NULL),
                    crd_set_status(crd, taken_by, (void *)old, "2024-01-01T00:00:00Z", NULL)};
        for (size_t i = 0; i < sizeof rc / sizeof *rc; i++)
            assert_true(rc[i] == 0 || rc[i] == ERROR_NOMEM);
    }
    json_decref(causes);
    json_decref(crd);
}

static void a_write_survives_each_failed_allocation(void **state) {
    (void)state;
    json_t *bad = crd_with("{'properties':{'a':{'type':'array','pattern':'a(','anyOf':[{'type':'x'}"
                           "],'x-kubernetes-list-type':'map'}}}");
    json_t *fine = crd_with(good);
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep))
        write_once(bad, fine);
    sweep = (struct oom_sweep){0};
    while (oom_sweep_next(&sweep))
        write_once(fine, bad);
    json_decref(bad);
    json_decref(fine);
}

int main(void) {
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_survives_each_failed_allocation),
        cmocka_unit_test(nonsense_is_told_and_does_not_crash),
        cmocka_unit_test(names_and_versions_are_checked),
        cmocka_unit_test(a_version_needs_a_schema),
        cmocka_unit_test(a_schema_must_be_structural),
        cmocka_unit_test(keywords_are_checked),
        cmocka_unit_test(lists_are_checked),
        cmocka_unit_test(defaults_must_fit_their_schema),
        cmocka_unit_test(rules_in_cel_are_refused_unless_ignored),
        cmocka_unit_test(parts_of_a_version_are_checked),
        cmocka_unit_test(a_conversion_webhook_is_checked),
        cmocka_unit_test(a_protected_group_needs_approval),
        cmocka_unit_test(what_is_stored_or_established_may_not_change),
        cmocka_unit_test(taken_names_are_refused),
        cmocka_unit_test(a_good_crd_has_no_cause),
        cmocka_unit_test(default_fills_names_and_conversion),
        cmocka_unit_test(free_names_are_accepted_and_keep_their_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
