#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "apiserver/support/docs.h"
#include "apiserver/support/managed/bench.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

/* The live object becomes what came out, if anything did. */
static bool apply(struct bench *bench, const char *manager, const char *text, bool force) {
    json_t *applied = doc(text);
    bench->change.manager = manager;
    json_decref(bench->causes);
    bench->causes = NULL;
    json_t *now = managed_apply(bench->schema, bench->live, applied, true, &bench->change, force,
                                &bench->causes, &bench->err);
    json_decref(applied);
    if (!now)
        return false;
    json_decref(bench->live);
    bench->live = now;
    return true;
}

static void assert_spec(const struct bench *bench, const char *text) {
    assert_doc(json_incref(json_object_get(bench->live, "spec")), text);
}

static void assert_owns(const struct bench *bench, const char *manager, const char *fields) {
    json_t *expected = fields ? doc(fields) : NULL;
    json_t *owned = json_object_get(bench_entry(bench->live, manager), "fieldsV1");
    if (fields ? !json_equal(owned, expected) : owned != NULL) {
        char *ours = owned ? json_dumps(owned, 0) : NULL;
        fail_msg("%s owns %s, not %s", manager, ours ? ours : "nothing", fields);
    }
    json_decref(expected);
}

/* --- failures --------------------------------------------------------------------------------- */

static void managed_apply_rejects_what_does_not_fit(void **state) {
    struct bench *bench = *state;
    static const struct {
        const char *applied, *why;
        int status;
    } cases[] = {
        {"{'metadata':{'managedFields':[]}}", "metadata.managedFields must be nil", 400},
        {"{'kind':'W','apiVersion':'x.io/"
         "v1','metadata':{'name':'n','namespace':'s'},'spec':{'x':1}}",
         "failed to create typed patch object (s/n; x.io/v1, Kind=W): .spec.x: field not declared "
         "in schema",
         500},
        {"{'spec':{'tags':['a','a']}}",
         "failed to create typed patch object (/; /, Kind=): .spec.tags: duplicate entries for key "
         "[=\"a\"]",
         500},
        {"{'spec':{'ports':[{'port':1},{'protocol':'TCP','port':1}]}}",
         "failed to create typed patch object (/; /, Kind=): .spec.ports: duplicate entries for "
         "key [port=1,protocol=\"TCP\"]",
         500},
        {"{'spec':{'replicas':'1','labels':[]}}",
         "failed to create typed patch object (/; /, Kind=): errors:\n  .spec.replicas: expected "
         "numeric (int or float), got string\n  .spec.labels: expected map, got &{[]}",
         500},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(apply(bench, "a", cases[i].applied, false));
        assert_int_equal(bench->err.code, ERROR_REJECTED);
        assert_int_equal(bench->err.status, cases[i].status);
        assert_string_equal(bench->err.message, cases[i].why);
        assert_null(bench->causes);
    }
}

static void managed_apply_conflict_changes_nothing(void **state) {
    struct bench *bench = *state;
    assert_true(apply(bench, "a", "{'spec':{'color':'red','labels':{'x':'1'}}}", false));
    json_t *before = json_deep_copy(bench->live);
    assert_false(apply(bench, "b", "{'spec':{'color':'blue','labels':{'x':'2'}}}", false));
    assert_int_equal(bench->err.code, ERROR_CONFLICT);
    assert_int_equal(bench->err.status, 409);
    assert_string_equal(bench->err.reason, "Conflict");
    assert_string_equal(bench->err.message, "Apply failed with 2 conflicts: conflicts with \"a\":\n"
                                            "- .spec.color\n- .spec.labels.x");
    json_t *causes = doc("[{'reason':'FieldManagerConflict','message':'conflict with \\'a\\'',"
                         "'field':'.spec.color'},{'reason':'FieldManagerConflict','message':"
                         "'conflict with \\'a\\'','field':'.spec.labels.x'}]");
    assert_true(json_equal(bench->causes, causes));
    assert_true(json_equal(bench->live, before));
    json_decref(causes);
    json_decref(before);
}

static void managed_apply_rejects_a_live_object_with_broken_entries(void **state) {
    struct bench *bench = *state;
    bench->live = doc("{'metadata':{'managedFields':[{'manager':'z'}]}}");
    assert_false(apply(bench, "a", "{}", false));
    assert_string_equal(bench->err.message,
                        "failed to decode managed fields: operation must be `Apply` or `Update`");
}

static void managed_update_without_metadata_does_nothing(void **state) {
    struct bench *bench = *state;
    json_t *now = doc("{'spec':{}}");
    assert_int_equal(managed_update(bench->schema, NULL, now, true, &bench->change, NULL), 0);
    assert_int_equal(json_object_size(now), 1);
    json_decref(now);
}

static void one_round(const struct bench *bench, const json_t *live, const json_t *applied) {
    struct error err = {0};
    struct managed_change change = bench->change;
    json_t *causes = NULL, *now = json_deep_copy(live);
    change.manager = "kubectl";
    for (int force = 0; force < 2; force++) {
        json_t *result =
            managed_apply(bench->schema, live, applied, true, &change, force, &causes, &err);
        assert_true(result || err.code == ERROR_NOMEM || (!force && err.code == ERROR_CONFLICT));
        assert_true(!causes || err.code == ERROR_CONFLICT);
        json_decref(result);
        json_decref(causes);
        causes = NULL;
    }
    json_object_set_new(json_object_get(now, "spec"), "color", json_string("green"));
    if (now && managed_update(bench->schema, live, now, true, &change, &err) < 0)
        assert_int_equal(err.code, ERROR_NOMEM);
    json_decref(now);
}

static void managed_survives_each_failed_allocation(void **state) {
    struct bench *bench = *state;
    assert_true(
        apply(bench, "a", "{'spec':{'color':'red','tags':['b','a'],'ports':[{'port':1}]}}", false));
    assert_true(apply(bench, "kubectl",
                      "{'spec':{'replicas':1,'tags':['c']},'metadata':{"
                      "'annotations':{'kubectl.kubernetes.io/"
                      "last-applied-configuration':'{\\'apiVersion\\':\\'x.io/"
                      "v1\\'}'}}}",
                      false));
    json_t *applied = doc("{'spec':{'color':'blue','tags':['d'],'ports':[{'port':2}]}}");
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep))
        one_round(bench, bench->live, applied);
    json_decref(applied);
}

/* --- ownership -------------------------------------------------------------------------------- */

static void managed_apply_gives_up_what_it_drops(void **state) {
    struct bench *bench = *state;
    assert_true(
        apply(bench, "a", "{'spec':{'color':'red','tags':['x','y'],'labels':{'l':'1'}}}", false));
    assert_true(apply(bench, "b", "{'spec':{'color':'red','tags':['y']}}", false));
    assert_true(apply(bench, "a", "{'spec':{'labels':{'l':'1'}}}", false));
    assert_spec(bench, "{'color':'red','tags':['y'],'labels':{'l':'1'}}");
    assert_true(apply(bench, "a", "{}", false));
    assert_spec(bench, "{'color':'red','tags':['y']}");
    assert_owns(bench, "a", NULL);
    assert_owns(bench, "b", "{'f:spec':{'f:color':{},'f:tags':{'v:\\'y\\'':{}}}}");
}

static void managed_apply_uses_the_default_of_a_key(void **state) {
    struct bench *bench = *state;
    assert_true(apply(bench, "a", "{'spec':{'ports':[{'port':1}]}}", false));
    assert_true(
        apply(bench, "b", "{'spec':{'ports':[{'protocol':'TCP','port':1,'name':'n'}]}}", false));
    assert_spec(bench, "{'ports':[{'port':1,'protocol':'TCP','name':'n'}]}");
    assert_owns(bench, "b",
                "{'f:spec':{'f:ports':{'k:{\\'port\\':1,\\'protocol\\':\\'TCP\\'}':{"
                "'.':{},'f:name':{},'f:port':{},'f:protocol':{}}}}}");
}

static void managed_update_ignores_status_but_through_its_subresource(void **state) {
    struct bench *bench = *state;
    bench->live = doc("{'metadata':{},'spec':{'color':'red'},'status':{'phase':'x'}}");
    assert_int_equal(
        managed_update(bench->schema, NULL, bench->live, true, &bench->change, &bench->err), 0);
    assert_owns(bench, "a", "{'f:spec':{'.':{},'f:color':{}}}");
    json_t *now = json_deep_copy(bench->live);
    json_object_set_new(json_object_get(now, "status"), "phase", json_string("y"));
    json_object_set_new(json_object_get(now, "spec"), "color", json_string("blue"));
    bench->change.manager = "s";
    bench->change.subresource = "status";
    assert_int_equal(managed_update(bench->schema, bench->live, now, true, &bench->change, NULL),
                     0);
    json_decref(bench->live);
    bench->live = now;
    assert_owns(bench, "s", "{'f:status':{'f:phase':{}}}");
    assert_owns(bench, "a", "{'f:spec':{'.':{},'f:color':{}}}");
}

static void managed_fields_of_parts_become_whole_with_the_schema(void **state) {
    struct bench *bench = *state;
    bench->live =
        doc("{'metadata':{'managedFields':[{'manager':'a','operation':'Apply','apiVersion':"
            "'x.io/v1','fieldsType':'FieldsV1','fieldsV1':{'f:spec':{'f:rules':{'.':{},"
            "'v:\\'x\\'':{}}}}}]},'spec':{'rules':['x']}}");
    assert_true(apply(bench, "b", "{'spec':{'color':'red'}}", false));
    assert_owns(bench, "a", "{'f:spec':{'f:rules':{}}}");
}

static void managed_settle_puts_old_times_back(void **state) {
    struct bench *bench = *state;
    assert_true(apply(bench, "a", "{'spec':{'color':'red'}}", false));
    json_t *now = json_deep_copy(bench->live);
    json_object_set_new(bench_entry(now, "a"), "time", json_string("2027-01-01T00:00:00Z"));
    assert_true(managed_settle(bench->live, now));
    assert_true(json_equal(bench->live, now));
    json_object_set_new(bench_entry(now, "a"), "time", json_string("2027-01-01T00:00:00Z"));
    json_object_set_new(json_object_get(now, "spec"), "color", json_string("blue"));
    assert_false(managed_settle(bench->live, now));
    json_decref(now);
}

static json_t *apply_as(struct bench *bench, const char *manager, const json_t *applied) {
    bench->change.manager = manager;
    json_t *now = managed_apply(bench->schema, bench->live, applied, true, &bench->change, true,
                                NULL, &bench->err);
    assert_non_null(now);
    return now;
}

static void managed_apply_of_what_is_so_gives_the_live_object(void **state) {
    struct bench *bench = *state;
    json_t *applied = doc("{'spec':{'color':'red','tags':['x'],'labels':{'l':'1'}}}");
    json_t *less = doc("{'spec':{'color':'red','tags':['x']}}");
    bench->live = apply_as(bench, "a", applied);
    json_t *again = apply_as(bench, "a", applied);
    assert_ptr_equal(again, bench->live);
    json_decref(again);
    json_t *other = apply_as(bench, "b", less); /* owns some of it from now on */
    assert_ptr_not_equal(other, bench->live);
    json_decref(bench->live);
    bench->live = other;
    assert_owns(bench, "b", "{'f:spec':{'f:color':{},'f:tags':{'v:\\'x\\'':{}}}}");
    json_t *fewer = apply_as(bench, "a", less);
    assert_ptr_not_equal(fewer, bench->live);
    json_decref(fewer);
    bench->change.api_version = "x.io/v2"; /* is told of in the entry */
    json_t *newer = apply_as(bench, "a", applied);
    assert_ptr_not_equal(newer, bench->live);
    json_decref(newer);
    json_decref(less);
    json_decref(applied);
}

static void managed_entries_that_stay_are_shared(void **state) {
    struct bench *bench = *state;
    assert_true(apply(bench, "a", "{'spec':{'color':'red'}}", false));
    json_t *now = json_deep_copy(bench->live);
    json_object_set_new(json_object_get(now, "spec"), "size", json_integer(3));
    bench->change.manager = "b";
    assert_int_equal(managed_update(bench->schema, bench->live, now, true, &bench->change, NULL),
                     0);
    assert_ptr_equal(json_object_get(bench_entry(now, "a"), "fieldsV1"),
                     json_object_get(bench_entry(bench->live, "a"), "fieldsV1"));
    json_decref(bench->live);
    bench->live = now;
    assert_owns(bench, "a", "{'f:spec':{'f:color':{}}}");
    assert_owns(bench, "b", "{'f:spec':{'f:size':{}}}");
}

static void managed_apply_of_long_lists_is_not_quadratic(void **state) {
    struct bench *bench = *state;
    enum { ITEMS = 20000 };
    json_t *tags = json_array();
    for (int i = 0; i < ITEMS; i++)
        json_array_append_new(tags, json_sprintf("tag-%d", (i * 7919) % ITEMS));
    json_t *applied = json_pack("{s:{s:o}}", "spec", "tags", tags);
    for (int round = 0; round < 2; round++) {
        json_t *now = managed_apply(bench->schema, bench->live, applied, true, &bench->change,
                                    false, NULL, &bench->err);
        assert_non_null(now);
        json_decref(bench->live);
        bench->live = now;
    }
    assert_int_equal(json_array_size(json_object_get(json_object_get(bench->live, "spec"), "tags")),
                     ITEMS);
    json_decref(applied);
}

/* `levels` objects in each other. */
static json_t *deep_object(int levels) {
    json_t *value = json_integer(1);
    while (levels-- > 0)
        value = json_pack("{s:o}", "a", value);
    return value;
}

static void managed_apply_of_deep_documents_is_fine(void **state) {
    struct bench *bench = *state;
    json_t *applied = deep_object(2000); /* jansson reads no deeper ones than 2048 */
    for (int round = 0; round < 2; round++) {
        json_t *now = managed_apply(NULL, bench->live, applied, false, &bench->change, false, NULL,
                                    &bench->err);
        assert_non_null(now);
        json_decref(bench->live);
        bench->live = now;
    }
    json_decref(applied);
}

int main(void) {
    json_set_alloc_funcs(mem_alloc, mem_free);
#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)
    const struct CMUnitTest tests[] = {
        TEST(managed_apply_rejects_what_does_not_fit),
        TEST(managed_apply_conflict_changes_nothing),
        TEST(managed_apply_rejects_a_live_object_with_broken_entries),
        TEST(managed_update_without_metadata_does_nothing),
        TEST(managed_survives_each_failed_allocation),
        TEST(managed_apply_gives_up_what_it_drops),
        TEST(managed_apply_uses_the_default_of_a_key),
        TEST(managed_update_ignores_status_but_through_its_subresource),
        TEST(managed_fields_of_parts_become_whole_with_the_schema),
        TEST(managed_settle_puts_old_times_back),
        TEST(managed_apply_of_what_is_so_gives_the_live_object),
        TEST(managed_entries_that_stay_are_shared),
        TEST(managed_apply_of_long_lists_is_not_quadratic),
        TEST(managed_apply_of_deep_documents_is_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
