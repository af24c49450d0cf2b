#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/support/docs.h"
#include "apiserver/table.h"
#include "base/clock.h"
#include "base/mem.h"

/* Rows as a real API server wrote them, recorded by tests/e2e/table_cases_test.go, and what a
 * record cannot show. */

static const char NOW[] = "2026-06-01T12:00:00Z";

static struct table_form form_of(const struct api_kind *kind, enum table_include include) {
    struct table_form form = {.kind = kind, .include = include};
    assert_int_equal(clock_parse(NOW, &form.now), 0);
    return form;
}

static json_t *parse(struct strbuf *text) {
    json_error_t why;
    assert_false(text->failed);
    json_t *value = json_loadb(text->data, text->len, JSON_DECODE_ANY, &why);
    if (value == NULL)
        fail_msg("%s: %s", why.text, text->data);
    strbuf_finish(text);
    return value;
}

static json_t *table_of(const struct table_form *form, const json_t *object, bool columns) {
    struct strbuf text = {0};
    struct json_writer writer;
    json_writer_init(&writer, &text);
    table_write(&writer, form, object, columns);
    return parse(&text);
}

static const struct api_kind *kind_of(const struct kinds *kinds, const char *path) {
    const char *last = strrchr(path, '/'), *slash = strchr(path, '/');
    bool core = slash == last;
    const char *version = core ? path : slash + 1;
    const struct api_kind *kind =
        kinds_find(kinds, str_n(path, core ? 0 : (size_t)(slash - path)),
                   str_n(version, (size_t)(last - version)), str_of(last + 1));
    if (kind == NULL)
        fail_msg("%s is not served", path);
    return kind;
}

static void expect_same(const char *what, const json_t *object, const json_t *ours,
                        const json_t *theirs, unsigned *differ) {
    if (json_equal(ours ? ours : json_null(), theirs ? theirs : json_null()))
        return;
    char *a = json_dumps(ours ? ours : json_null(), JSON_COMPACT | JSON_ENCODE_ANY);
    char *b = json_dumps(theirs ? theirs : json_null(), JSON_COMPACT | JSON_ENCODE_ANY);
    char *of = json_dumps(json_object_get(object, "kind"), JSON_ENCODE_ANY);
    print_error("%s: %s differ\n  ours   %s\n  theirs %s\n", of, what, a, b);
    free(a);
    free(b);
    free(of);
    ++*differ;
}

/* Descriptions that are not recorded are not compared. */
static void forget_descriptions(json_t *columns, const json_t *theirs) {
    size_t i;
    json_t *column;
    json_array_foreach(columns, i, column) {
        if (!json_object_get(json_array_get(theirs, i), "description"))
            json_object_del(column, "description");
    }
}

static void replay(struct kinds *kinds, const json_t *one, unsigned *differ) {
    struct error err;
    json_t *object = json_object_get(one, "object"), *columns = json_object_get(one, "columns");
    struct table_form form =
        form_of(kind_of(kinds, json_string_value(json_object_get(one, "resource"))), TABLE_OBJECT);
    json_t *table = table_of(&form, object, true);
    json_t *row = json_array_get(json_object_get(table, "rows"), 0);
    forget_descriptions(json_object_get(table, "columnDefinitions"), columns);
    expect_same("columns", object, json_object_get(table, "columnDefinitions"), columns, differ);
    expect_same("cells", object, json_object_get(row, "cells"), json_object_get(one, "cells"),
                differ);
    expect_same("conditions", object, json_object_get(row, "conditions"),
                json_object_get(one, "conditions"), differ);
    expect_same("objects", object, json_object_get(row, "object"), object, differ);
    json_decref(table);
    if (strcmp(json_string_value(json_object_get(object, "kind")), "CustomResourceDefinition") == 0)
        assert_int_equal(kinds_set_crd(kinds, object, &err), 0);
}

static void tables_are_those_of_the_real_server(void **state) {
    struct error err;
    struct kinds *kinds = kinds_create(&err);
    json_error_t why;
    json_t *cases = json_load_file(TEST_FOLDER "/table_cases.json", 0, &why), *one;
    unsigned differ = 0;
    size_t i;
    (void)state;
    assert_non_null(kinds);
    assert_true(json_array_size(cases) > 60);
    json_array_foreach(cases, i, one) replay(kinds, one, &differ);
    assert_int_equal(differ, 0);
    json_decref(cases);
    kinds_destroy(kinds);
}

static void ages_have_few_figures(void **state) {
    static const struct {
        int64_t seconds;
        const char *text;
    } ages[] = {{-2, "<invalid>"},
                {-1, "0s"},
                {0, "0s"},
                {119, "119s"},
                {120, "2m"},
                {125, "2m5s"},
                {599, "9m59s"},
                {600, "10m"},
                {601, "10m"},
                {3 * 3600 - 1, "179m"},
                {3 * 3600, "3h"},
                {3 * 3600 + 60, "3h1m"},
                {8 * 3600, "8h"},
                {48 * 3600 - 1, "47h"},
                {48 * 3600, "2d"},
                {49 * 3600, "2d1h"},
                {8 * 86400 - 1, "7d23h"},
                {8 * 86400, "8d"},
                {730 * 86400 - 1, "729d"},
                {730 * 86400, "2y"},
                {731 * 86400, "2y1d"},
                {8 * 365 * 86400ll, "8y"},
                {9 * 365 * 86400ll + 86400, "9y"}};
    char text[TABLE_AGE];
    (void)state;
    for (size_t i = 0; i < sizeof ages / sizeof *ages; i++) {
        table_age(ages[i].seconds * (int64_t)NS_PER_S, text);
        assert_string_equal(text, ages[i].text);
    }
}

static void a_row_shows_what_was_asked_for(void **state) {
    struct error err;
    struct kinds *kinds = kinds_create(&err);
    const struct api_kind *maps = kind_of(kinds, "v1/configmaps");
    json_t *map = doc("{'apiVersion':'v1','kind':'ConfigMap','metadata':{'name':'x',"
                      "'resourceVersion':'7','creationTimestamp':'2026-06-01T11:55:00Z'},"
                      "'data':{'a':'b'}}");
    enum table_include include;
    (void)state;
    assert_true(table_parse_include("", &include));
    assert_int_equal(include, TABLE_METADATA);
    struct table_form form = form_of(maps, include);
    assert_doc(table_of(&form, map, false),
               "{'kind':'Table','apiVersion':'meta.k8s.io/v1','metadata':{'resourceVersion':'7'},"
               "'columnDefinitions':null,'rows':[{'cells':['x',1,'5m'],'object':{'kind':"
               "'PartialObjectMetadata','apiVersion':'meta.k8s.io/v1','metadata':{'name':'x',"
               "'resourceVersion':'7','creationTimestamp':'2026-06-01T11:55:00Z'}}}]}");
    assert_true(table_parse_include("None", &include));
    form = form_of(maps, include);
    json_t *table = table_of(&form, map, true);
    json_t *row = json_array_get(json_object_get(table, "rows"), 0);
    assert_true(json_is_null(json_object_get(row, "object")));
    assert_int_equal(json_array_size(json_object_get(table, "columnDefinitions")), 3);
    json_decref(table);
    assert_true(table_parse_include("Object", &include));
    assert_int_equal(include, TABLE_OBJECT);
    assert_false(table_parse_include("All", &include));
    json_decref(map);
    kinds_destroy(kinds);
}

static json_t *cells_by(struct kinds *kinds, const char *columns, const char *spec) {
    struct error err;
    char text[2048];
    snprintf(text, sizeof text,
             "{'apiVersion':'apiextensions.k8s.io/v1','kind':'CustomResourceDefinition',"
             "'metadata':{'name':'things.example.com'},'spec':{'group':'example.com','scope':"
             "'Namespaced','names':{'kind':'Thing','plural':'things','singular':'thing',"
             "'listKind':'ThingList'},'versions':[{'name':'v1','served':true,'storage':true,"
             "'schema':{'openAPIV3Schema':{'type':'object',"
             "'x-kubernetes-preserve-unknown-fields':true}},'additionalPrinterColumns':%s}]}}",
             columns);
    json_t *crd = doc(text);
    assert_int_equal(kinds_set_crd(kinds, crd, &err), 0);
    json_decref(crd);
    struct table_form form = form_of(kind_of(kinds, "example.com/v1/things"), TABLE_NONE);
    snprintf(text, sizeof text, "{'metadata':{'name':'x'},'spec':%s}", spec);
    json_t *thing = doc(text), *table = table_of(&form, thing, true);
    json_t *rows = json_object_get(table, "rows");
    json_t *cells = json_incref(json_object_get(json_array_get(rows, 0), "cells"));
    json_decref(table);
    json_decref(thing);
    return cells;
}

static void paths_that_lead_nowhere_are_null(void **state) {
    static const char *const paths[] = {
        ".spec.x.y",      ".spec.list[9]",     ".spec.list[-9]",
        ".spec.list[",    ".spec.list[x]",     ".spec[\\\"a",
        ".spec.list[?(",  ".spec.list[?()].a", ".spec.list[?(@.a==3)].b",
        "spec",           ".spec.text[0]",     ".spec[?(@.a)]",
        ".spec.list[].a", ".spec.list[?(a)].a"};
    struct error err;
    struct kinds *kinds = kinds_create(&err);
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char columns[256];
        snprintf(columns, sizeof columns, "[{'name':'X','type':'string','jsonPath':'%s'}]",
                 paths[i]);
        json_t *cells = cells_by(kinds, columns, "{'list':[{'a':1},{'a':2,'b':'c'}],'text':'t'}");
        if (!json_is_null(json_array_get(cells, 1)))
            fail_msg("%s leads somewhere", paths[i]);
        json_decref(cells);
    }
    kinds_destroy(kinds);
}

static void filters_compare(void **state) {
    struct error err;
    struct kinds *kinds = kinds_create(&err);
    (void)state;
    assert_doc(cells_by(kinds,
                        "[{'name':'A','type':'string','jsonPath':'.spec.l[?(@.n==2)].v'},"
                        "{'name':'B','type':'string','jsonPath':'.spec.l[?( @.n != 1 )].v'},"
                        "{'name':'C','type':'string','jsonPath':'.spec.l[?(@.on==true)].v'},"
                        "{'name':'D','type':'string','jsonPath':'.spec.l[?(@.w)].v'},"
                        "{'name':'E','type':'string','jsonPath':'.spec.l[*].w'}]",
                        "{'l':[{'n':1,'v':'one'},{'n':2,'v':'two','on':true},{'n':3,'w':4,"
                        "'v':'three'}]}"),
               "['x','two','two','two','three','4']");
    kinds_destroy(kinds);
}

static void a_crd_without_columns_shows_ages(void **state) {
    struct error err;
    struct kinds *kinds = kinds_create(&err);
    (void)state;
    json_t *cells = cells_by(kinds, "[]", "{}");
    assert_int_equal(json_array_size(cells), 2);
    assert_true(json_is_null(json_array_get(cells, 1)));
    json_decref(cells);
    kinds_destroy(kinds);
}

static void no_memory_fails_the_text(void **state) {
    struct error err;
    struct kinds *kinds = kinds_create(&err);
    struct table_form form = form_of(kind_of(kinds, "v1/services"), TABLE_OBJECT);
    json_t *service = doc("{'metadata':{'name':'x'},'spec':{'type':'ClusterIP','selector':"
                          "{'a':'b'},'ports':[{'port':80,'protocol':'TCP'}]}}");
    (void)state;
    for (uint64_t n = 0;; n++) {
        struct strbuf text = {0};
        struct json_writer writer;
        json_writer_init(&writer, &text);
        mem_fail_at(n, true);
        table_write(&writer, &form, service, true);
        bool failed = mem_fail_stop();
        assert_int_equal(text.failed, failed);
        strbuf_finish(&text);
        if (!failed)
            break;
    }
    json_decref(service);
    kinds_destroy(kinds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_those_of_the_real_server),
        cmocka_unit_test(ages_have_few_figures),
        cmocka_unit_test(a_row_shows_what_was_asked_for),
        cmocka_unit_test(paths_that_lead_nowhere_are_null),
        cmocka_unit_test(filters_compare),
        cmocka_unit_test(no_memory_fails_the_text),
        cmocka_unit_test(a_crd_without_columns_shows_ages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
