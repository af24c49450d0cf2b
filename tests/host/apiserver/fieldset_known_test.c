#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "apiserver/document.h"
#include "apiserver/fieldset_known.h"
#include "support/oom_sweep.h"

#define FIELDS                                                                                     \
    "{\"f:spec\":{\".\":{},\"f:a\\\"b\":{},\"f:ports\":{\"k:{\\\"port\\\":80}\":{\".\":{},"        \
    "\"f:port\":{}}},\"f:z\":{}}}"

struct bench {
    struct dag *dag;
    struct fieldset_known *known;
    struct fieldset_pool pool;
    struct fieldset_builder builder;
    json_t *fields;
};

static void init(struct bench *bench) {
    struct error err;
    *bench = (struct bench){.dag = dag_create(NULL, &err), .fields = json_loads(FIELDS, 0, NULL)};
    bench->builder.pool = &bench->pool;
    bench->known = fieldset_known_create(bench->dag, &err);
    assert_non_null(bench->known);
}

static void finish(struct bench *bench) {
    fieldset_builder_finish(&bench->builder);
    fieldset_pool_finish(&bench->pool);
    fieldset_known_destroy(bench->known);
    dag_destroy(bench->dag);
    json_decref(bench->fields);
}

static const struct fieldset *set_of(struct bench *bench) {
    const struct fieldset *set;
    assert_int_equal(fieldset_parse(&bench->builder, bench->fields, &set, NULL), 0);
    return set;
}

static node_t node_of(struct bench *bench, const char *text) {
    struct error err;
    node_t node = dag_parse(bench->dag, str_of(text), 0, &err);
    assert_int_not_equal(node, NODE_NONE);
    return node;
}

static void a_known_set_is_one_document(void **state) {
    struct bench bench;
    (void)state;
    init(&bench);
    node_t node = node_of(&bench, FIELDS);
    json_t *first = fieldset_known_of_set(bench.known, set_of(&bench));
    json_t *again = fieldset_known_of_set(bench.known, set_of(&bench));
    json_t *stored = fieldset_known_of_node(bench.known, node);
    json_t *read = fieldset_known_of_text(bench.known, str_of(FIELDS));
    assert_true(json_equal(first, bench.fields));
    assert_ptr_equal(first, again);
    assert_ptr_equal(first, stored);
    assert_ptr_equal(first, read);
    assert_true(str_is(fieldset_known_text(bench.known, first), FIELDS));
    struct fieldset_form *form = fieldset_known_form(bench.known, first);
    assert_true(fieldset_equal(form->set, set_of(&bench)));
    json_decref(first), json_decref(again), json_decref(stored), json_decref(read);
    node_unref(bench.dag, node);
    finish(&bench);
}

static void a_document_that_came_from_elsewhere_is_not_known(void **state) {
    struct bench bench;
    (void)state;
    init(&bench);
    json_decref(fieldset_known_of_set(bench.known, set_of(&bench)));
    assert_null(fieldset_known_form(bench.known, bench.fields));
    assert_null(fieldset_known_text(bench.known, bench.fields).data);
    assert_null(fieldset_known_of_text(bench.known, str_of("{}")));
    assert_null(fieldset_known_form(NULL, bench.fields));
    finish(&bench);
}

/* Whatever is stored there comes back as it is; only its order may tell two apart. */
static void a_node_that_is_no_set_is_a_document_still(void **state) {
    static const char *const texts[] = {"{\"x\":[1,{},\"a\"]}", "{\"f:b\":{},\"f:a\":{}}",
                                        "{\"f:a\":{},\"f:b\":{}}", "{}"};
    struct bench bench;
    (void)state;
    init(&bench);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        node_t node = node_of(&bench, texts[i]);
        json_t *document = fieldset_known_of_node(bench.known, node);
        char *text = json_dumps(document, JSON_COMPACT);
        assert_string_equal(text, texts[i]);
        assert_true(str_is(fieldset_known_text(bench.known, document), texts[i]));
        assert_true(!fieldset_known_form(bench.known, document) == (i == 0 || i == 3));
        free(text);
        json_decref(document);
        node_unref(bench.dag, node);
    }
    finish(&bench);
}

#define ENTRIES "[{\"fieldsV1\":" FIELDS "}]"
#define OBJECT                                                                                     \
    "{\"metadata\":{\"managedFields\":" ENTRIES "},\"spec\":{\"managedFields\":" ENTRIES "}}"

/* Where it is not shared, it may be changed. */
static void known_sets_are_shared_where_they_are_managed_fields(void **state) {
    struct bench bench;
    struct error err;
    struct strbuf text = {0};
    (void)state;
    init(&bench);
    json_t *known = fieldset_known_of_set(bench.known, set_of(&bench));
    node_t node = node_of(&bench, OBJECT);
    json_t *objects[] = {document_parse_object(str_of(OBJECT), bench.known, &err),
                         document_of_object(bench.dag, bench.known, node)};
    for (int i = 0; i < 2; i++) {
        const json_t *managed = document_path(objects[i], "metadata.managedFields");
        const json_t *other = document_path(objects[i], "spec.managedFields");
        assert_ptr_equal(json_object_get(json_array_get(managed, 0), "fieldsV1"), known);
        assert_ptr_not_equal(json_object_get(json_array_get(other, 0), "fieldsV1"), known);
        strbuf_clear(&text);
        document_object_text(objects[i], bench.known, &text);
        assert_string_equal(text.data, OBJECT);
        node_t again = document_node(bench.dag, bench.known, objects[i], NODE_NONE, &err);
        assert_int_equal(again, node);
        node_unref(bench.dag, again);
        json_decref(objects[i]);
    }
    strbuf_finish(&text);
    node_unref(bench.dag, node);
    json_decref(known);
    finish(&bench);
}

static void too_many_are_forgotten_and_documents_stay(void **state) {
    enum { MANY = 4000 };
    struct bench bench;
    (void)state;
    init(&bench);
    json_t *kept = fieldset_known_of_set(bench.known, set_of(&bench));
    fieldset_known_trim(bench.known);
    assert_non_null(fieldset_known_form(bench.known, kept));
    for (int i = 0; i < MANY; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"f:a\":{},\"f:some-field-of-a-long-name-%d\":{}}", i);
        node_t node = node_of(&bench, text);
        json_decref(fieldset_known_of_node(bench.known, node));
        node_unref(bench.dag, node);
    }
    assert_non_null(fieldset_known_form(bench.known, kept));
    fieldset_known_trim(bench.known);
    assert_null(fieldset_known_form(bench.known, kept));
    assert_true(json_equal(kept, bench.fields));
    json_decref(kept);
    finish(&bench);
}

static void without_memory_nothing_wrong_is_known(void **state) {
    struct oom_sweep sweep = {0};
    (void)state;
    while (oom_sweep_next(&sweep)) {
        struct error err;
        struct dag *dag = dag_create(NULL, &err);
        struct fieldset_known *known = dag ? fieldset_known_create(dag, &err) : NULL;
        node_t node = known ? dag_parse(dag, str_of(FIELDS), 0, &err) : NODE_NONE;
        for (int i = 0; node != NODE_NONE && i < 2; i++) {
            json_t *document = fieldset_known_of_node(known, node), *again = NULL;
            struct fieldset_form *form = fieldset_known_form(known, document);
            if (form)
                again = fieldset_known_of_set(known, form->set);
            assert_true(again == NULL || again == document);
            assert_true(document == NULL || json_object_size(document) == 1);
            json_decref(again);
            json_decref(document);
        }
        node_unref(dag, node);
        fieldset_known_destroy(known);
        dag_destroy(dag);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_set_is_one_document),
        cmocka_unit_test(a_document_that_came_from_elsewhere_is_not_known),
        cmocka_unit_test(a_node_that_is_no_set_is_a_document_still),
        cmocka_unit_test(known_sets_are_shared_where_they_are_managed_fields),
        cmocka_unit_test(too_many_are_forgotten_and_documents_stay),
        cmocka_unit_test(without_memory_nothing_wrong_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
