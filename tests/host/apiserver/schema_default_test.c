#include "apiserver/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "apiserver/support/docs.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

static void check(const char *schema_text, const char *before, const char *after) {
    struct schema *schema = doc_schema(schema_text);
    json_t *value = doc(before);
    assert_int_equal(schema_default(schema, value, NULL), 0);
    schema_unref(schema);
    assert_doc(value, after);
}

static const char sample[] = "{'properties':{"
                             "'a':{'type':'integer','default':1},"
                             "'b':{'type':'object','properties':{'c':{'default':{'d':[2]}}}},"
                             "'n':{'type':'string','nullable':true,'default':'x'},"
                             "'m':{'additionalProperties':{'type':'string','default':'y'}},"
                             "'l':{'type':'array','items':{'type':'object','default':{},"
                             "'properties':{'p':{'default':'TCP'}}}},"
                             "'z':{'type':'string'}}}";

static void default_fills_what_is_absent(void **state) {
    (void)state;
    check(sample, "{}", "{'a':1,'n':'x'}");
    check(sample, "{'a':7,'n':''}", "{'a':7,'n':''}");
    check(sample, "{'a':0,'n':'x','b':{}}", "{'a':0,'n':'x','b':{'c':{'d':[2]}}}");
    check(sample, "{'a':1,'n':'x','l':[{},{'p':'UDP'}]}",
          "{'a':1,'n':'x','l':[{'p':'TCP'},{'p':'UDP'}]}");
}

static void a_null_is_absent_unless_nullable(void **state) {
    (void)state;
    check(sample, "{'a':null,'n':null,'z':null,'unknown':null}", "{'a':1,'n':null,'unknown':null}");
    check(sample, "{'a':1,'n':'','m':{'k':null},'l':[null]}",
          "{'a':1,'n':'','m':{'k':'y'},'l':[{'p':'TCP'}]}");
}

static void default_leaves_other_types_alone(void **state) {
    (void)state;
    check(sample, "[{}]", "[{}]");
    check(sample, "null", "null");
    check(sample, "{'a':[],'n':'','b':'text','l':{'p':null}}",
          "{'a':[],'n':'','b':'text','l':{'p':null}}");
    json_t *value = doc("{'a':null}");
    assert_int_equal(schema_default(NULL, value, NULL), 0);
    assert_doc(value, "{'a':null}");
}

static void default_copies(void **state) {
    (void)state;
    struct schema *schema = doc_schema(sample);
    json_t *one = doc("{'b':{}}"), *other = doc("{'b':{}}");
    schema_default(schema, one, NULL);
    json_object_clear(json_object_get(json_object_get(one, "b"), "c"));
    schema_default(schema, other, NULL);
    schema_unref(schema);
    json_decref(one);
    assert_doc(other, "{'a':1,'n':'x','b':{'c':{'d':[2]}}}");
}

static void default_survives_each_failed_allocation(void **state) {
    (void)state;
    struct schema *schema = doc_schema(sample);
    json_t *from = doc("{'b':{},'l':[null,{}],'m':{'k':null}}");
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        json_t *value = json_deep_copy(from);
        int rc = value ? schema_default(schema, value, NULL) : ERROR_NOMEM;
        assert_true(rc == 0 || rc == ERROR_NOMEM);
        json_decref(value);
    }
    json_decref(from);
    schema_unref(schema);
}

int main(void) {
    json_set_alloc_funcs(mem_alloc, mem_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(default_survives_each_failed_allocation),
        cmocka_unit_test(default_leaves_other_types_alone),
        cmocka_unit_test(a_null_is_absent_unless_nullable),
        cmocka_unit_test(default_fills_what_is_absent),
        cmocka_unit_test(default_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
