#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "apiserver/managed.h"
#include "apiserver/managed_walk.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support/oom_sweep.h"

static const char widget[] =
    "{'type':'object','properties':{'spec':{'type':'object','properties':{"
    "'replicas':{'type':'integer'},'color':{'type':'string'},"
    "'labels':{'type':'object','additionalProperties':{'type':'string'}},"
    "'tags':{'type':'array','x-kubernetes-list-type':'set','items':{'type':'string'}},"
    "'rules':{'type':'array','items':{'type':'string'}},"
    "'ports':{'type':'array','x-kubernetes-list-type':'map',"
    "'x-kubernetes-list-map-keys':['port','protocol'],'items':{'type':'object','properties':{"
    "'port':{'type':'integer'},'protocol':{'type':'string','default':'TCP'},"
    "'name':{'type':'string'}}}}}},'status':{'type':'object','properties':{"
    "'phase':{'type':'string'}}}}}";

/* JSON with ' for ". */
static json_t *json(const char *text) {
    char copy[2048];
    size_t len = strlen(text);
    assert_true(len < sizeof copy);
    for (size_t i = 0; i <= len; i++)
        copy[i] = text[i] == '\'' ? '"' : text[i];
    json_error_t why;
    json_t *value = json_loads(copy, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (!value)
        fail_msg("%s: %s", text, why.text);
    return value;
}

static struct schema *schema_of(json_t *from) {
    struct error err;
    struct schema *schema = schema_parse(from, NULL, NULL, &err);
    if (!schema)
        fail_msg("%s", err.message);
    json_decref(from);
    return schema;
}

struct bench {
    struct schema *schema;
    struct managed_change change;
    json_t *live, *causes; /* owned */
    struct error err;
};

static int setup(void **state) {
    struct bench *bench = mem_zalloc(sizeof *bench);
    bench->schema = schema_of(json(widget));
    bench->change = (struct managed_change){.manager = "a",
                                            .api_version = "x.io/v1",
                                            .subresource = "",
                                            .time = "2026-01-01T00:00:00Z"};
    *state = bench;
    return 0;
}

static int teardown(void **state) {
    struct bench *bench = *state;
    schema_unref(bench->schema);
    json_decref(bench->live);
    json_decref(bench->causes);
    mem_free(bench);
    return 0;
}

/* The live object becomes what came out, if anything did. */
static bool apply(struct bench *bench, const char *manager, const char *text, bool force) {
    json_t *applied = json(text);
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
    json_t *expected = json(text);
    json_t *spec = json_object_get(bench->live, "spec");
    if (!json_equal(spec, expected)) {
        char *ours = json_dumps(spec, JSON_ENCODE_ANY);
        fail_msg("%s is not %s", ours, text);
    }
    json_decref(expected);
}

static json_t *entry_of(const json_t *object, const char *manager) {
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(json_object_get(object, "metadata"), "managedFields"), i,
                       entry) {
        if (strcmp(json_string_value(json_object_get(entry, "manager")), manager) == 0)
            return entry;
    }
    return NULL;
}

static void assert_owns(const struct bench *bench, const char *manager, const char *fields) {
    json_t *expected = fields ? json(fields) : NULL;
    json_t *owned = json_object_get(entry_of(bench->live, manager), "fieldsV1");
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
    json_t *causes = json("[{'reason':'FieldManagerConflict','message':'conflict with \\'a\\'',"
                          "'field':'.spec.color'},{'reason':'FieldManagerConflict','message':"
                          "'conflict with \\'a\\'','field':'.spec.labels.x'}]");
    assert_true(json_equal(bench->causes, causes));
    assert_true(json_equal(bench->live, before));
    json_decref(causes);
    json_decref(before);
}

static void managed_apply_rejects_a_live_object_with_broken_entries(void **state) {
    struct bench *bench = *state;
    bench->live = json("{'metadata':{'managedFields':[{'manager':'z'}]}}");
    assert_false(apply(bench, "a", "{}", false));
    assert_string_equal(bench->err.message,
                        "failed to decode managed fields: operation must be `Apply` or `Update`");
}

static void managed_update_without_metadata_does_nothing(void **state) {
    struct bench *bench = *state;
    json_t *now = json("{'spec':{}}");
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
    json_t *applied = json("{'spec':{'color':'blue','tags':['d'],'ports':[{'port':2}]}}");
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
    bench->live = json("{'metadata':{},'spec':{'color':'red'},'status':{'phase':'x'}}");
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
        json("{'metadata':{'managedFields':[{'manager':'a','operation':'Apply','apiVersion':"
             "'x.io/v1','fieldsType':'FieldsV1','fieldsV1':{'f:spec':{'f:rules':{'.':{},"
             "'v:\\'x\\'':{}}}}}]},'spec':{'rules':['x']}}");
    assert_true(apply(bench, "b", "{'spec':{'color':'red'}}", false));
    assert_owns(bench, "a", "{'f:spec':{'f:rules':{}}}");
}

static void managed_settle_puts_old_times_back(void **state) {
    struct bench *bench = *state;
    assert_true(apply(bench, "a", "{'spec':{'color':'red'}}", false));
    json_t *now = json_deep_copy(bench->live);
    json_object_set_new(entry_of(now, "a"), "time", json_string("2027-01-01T00:00:00Z"));
    assert_true(managed_settle(bench->live, now));
    assert_true(json_equal(bench->live, now));
    json_object_set_new(entry_of(now, "a"), "time", json_string("2027-01-01T00:00:00Z"));
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
    json_t *applied = json("{'spec':{'color':'red','tags':['x'],'labels':{'l':'1'}}}");
    json_t *less = json("{'spec':{'color':'red','tags':['x']}}");
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
    assert_ptr_equal(json_object_get(entry_of(now, "a"), "fieldsV1"),
                     json_object_get(entry_of(bench->live, "a"), "fieldsV1"));
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

/* --- properties: random schemas and documents ------------------------------------------------- */

static const char *const names[] = {"a", "b", "c", "d", "e"};
enum { NAMES = 5 };

static json_t *random_type(struct rng *rng, int depth);

static json_t *random_object_type(struct rng *rng, int depth, bool keyed) {
    json_t *properties = json_object();
    for (size_t i = 0; i < NAMES; i++)
        if (rng_below(rng, 3) > 0)
            json_object_set_new(properties, names[i], random_type(rng, depth - 1));
    if (keyed) {
        json_object_set_new(properties, "id", json_pack("{s:s}", "type", "integer"));
        json_object_set_new(properties, "way",
                            json_pack("{s:s,s:s}", "type", "string", "default", "in"));
    }
    if (json_object_size(properties) == 0)
        json_object_set_new(properties, "a", json_pack("{s:s}", "type", "string"));
    return json_pack("{s:s,s:o}", "type", "object", "properties", properties);
}

static json_t *random_type(struct rng *rng, int depth) {
    json_t *type;
    switch (depth > 0 ? rng_below(rng, 8) : rng_below(rng, 2)) {
    case 0:
        return json_pack("{s:s}", "type", "integer");
    case 1:
        return json_pack("{s:s}", "type", "string");
    case 2:
        return json_pack("{s:s,s:s,s:{s:s}}", "type", "array", "x-kubernetes-list-type", "set",
                         "items", "type", "string");
    case 3:
        return json_pack("{s:s,s:{s:s}}", "type", "array", "items", "type", "integer");
    case 4:
        return json_pack("{s:s,s:o}", "type", "object", "additionalProperties",
                         random_type(rng, depth - 1));
    case 5:
        type = random_object_type(rng, depth, false);
        json_object_set_new(type, "x-kubernetes-map-type", json_string("atomic"));
        return type;
    case 6:
        return json_pack("{s:s,s:s,s:[s,s],s:o}", "type", "array", "x-kubernetes-list-type", "map",
                         "x-kubernetes-list-map-keys", "id", "way", "items",
                         random_object_type(rng, depth, true));
    default:
        return random_object_type(rng, depth, false);
    }
}

static bool is_type(const json_t *type, const char *key, const char *value) {
    const char *text = json_string_value(json_object_get(type, key));
    return text && strcmp(text, value) == 0;
}

/* A document and how it is dealt out to two managers (both may be NULL: to none). */
struct deal {
    json_t *whole, *one, *other;
};

static struct deal random_value(struct rng *rng, const json_t *type);

static void deal_whole(struct rng *rng, struct deal *deal) {
    json_t **to = rng_below(rng, 2) ? &deal->one : &deal->other;
    *to = json_deep_copy(deal->whole);
}

static void put(json_t *object, const char *name, json_t *value) {
    if (value)
        json_object_set_new(object, name, value);
}

static struct deal random_object(struct rng *rng, const json_t *type, bool split) {
    const json_t *properties = json_object_get(type, "properties");
    struct deal deal = {json_object(), json_object(), json_object()};
    for (size_t i = 0; i < NAMES; i++) {
        const json_t *member = properties ? json_object_get(properties, names[i])
                                          : json_object_get(type, "additionalProperties");
        if (!member || rng_below(rng, 2))
            continue;
        struct deal inner = random_value(rng, member);
        put(deal.whole, names[i], inner.whole);
        put(deal.one, names[i], inner.one);
        put(deal.other, names[i], inner.other);
    }
    if (!split || json_object_size(deal.one) == 0 || json_object_size(deal.other) == 0) {
        json_decref(deal.one);
        json_decref(deal.other);
        deal.one = deal.other = NULL;
        deal_whole(rng, &deal);
    }
    return deal;
}

static struct deal random_list(struct rng *rng, const json_t *type) {
    const json_t *items = json_object_get(type, "items");
    bool map = is_type(type, "x-kubernetes-list-type", "map");
    struct deal deal = {json_array(), json_array(), json_array()};
    for (int i = 0; i < 4; i++) {
        json_t *item;
        if (i > 0 && rng_below(rng, 2)) /* nobody can own an empty list */
            continue;
        if (map) {
            struct deal inner = random_object(rng, items, false);
            json_decref(inner.one);
            json_decref(inner.other);
            item = inner.whole;
            json_object_set_new(item, "id", json_integer(i / 2));
            if (i % 2)
                json_object_set_new(item, "way", json_string("out"));
        } else
            item = is_type(items, "type", "string") ? json_sprintf("s%d", i) : json_integer(i);
        json_array_append(rng_below(rng, 2) ? deal.one : deal.other, item);
        json_array_append_new(deal.whole, item);
    }
    bool atomic = json_object_get(type, "x-kubernetes-list-type") == NULL;
    if (atomic || json_array_size(deal.one) == 0 || json_array_size(deal.other) == 0) {
        json_decref(deal.one);
        json_decref(deal.other);
        deal.one = deal.other = NULL;
        deal_whole(rng, &deal);
    }
    return deal;
}

static struct deal random_value(struct rng *rng, const json_t *type) {
    if (is_type(type, "type", "object"))
        return random_object(rng, type, !json_object_get(type, "x-kubernetes-map-type"));
    if (is_type(type, "type", "array"))
        return random_list(rng, type);
    struct deal deal = {is_type(type, "type", "string")
                            ? json_string("text")
                            : json_integer((json_int_t)rng_below(rng, 9)),
                        NULL, NULL};
    deal_whole(rng, &deal);
    return deal;
}

static json_t *object_of(json_t *spec) {
    json_t *object = json_pack("{s:s,s:{s:s}}", "kind", "R", "metadata", "name", "n");
    put(object, "spec", spec);
    return object;
}

static json_t *must_apply(struct bench *bench, const json_t *live, const char *manager,
                          const json_t *applied, const char *time) {
    bench->change.manager = manager;
    bench->change.time = time;
    json_t *now =
        managed_apply(bench->schema, live, applied, true, &bench->change, false, NULL, &bench->err);
    if (!now)
        fail_msg("%s", bench->err.message);
    return now;
}

/* Both have the same fields and items, in whatever order. */
static void assert_same_content(struct bench *bench, const json_t *a, const json_t *b) {
    struct fieldset_pool pool = {0};
    struct managed_walk walk;
    managed_walk_init(&walk, &pool, NULL);
    const struct fieldset *of_a = managed_set_of(&walk, bench->schema, a);
    const struct fieldset *of_b = managed_set_of(&walk, bench->schema, b);
    if (!fieldset_equal(of_a, of_b)) {
        char *x = json_dumps(a, 0), *y = json_dumps(b, 0);
        fail_msg("%s\nis not\n%s", x, y);
    }
    managed_walk_finish(&walk);
    fieldset_pool_finish(&pool);
}

static json_t *without_entries(const json_t *object) {
    json_t *copy = json_deep_copy(object);
    json_object_del(json_object_get(copy, "metadata"), "managedFields");
    return copy;
}

static void check_deal(struct bench *bench, const struct deal *deal) {
    json_t *nothing = object_of(NULL);
    json_t *whole = object_of(json_incref(deal->whole)), *one = object_of(json_incref(deal->one));
    json_t *other = object_of(json_incref(deal->other));
    json_t *first = must_apply(bench, NULL, "a", one, "2026-01-01T00:00:00Z");
    json_t *again = must_apply(bench, first, "a", one, "2026-01-01T00:00:01Z");
    assert_true(json_equal(first, again)); /* applying twice changes nothing, no time either */

    json_t *both = must_apply(bench, again, "b", other, "2026-01-01T00:00:02Z");
    json_t *bare = without_entries(both);
    assert_same_content(bench, bare, whole);
    json_t *third = must_apply(bench, both, "c", whole, "2026-01-01T00:00:03Z"); /* same values */
    json_t *left = must_apply(bench, third, "c", nothing, "2026-01-01T00:00:04Z");
    json_t *bare_left = without_entries(left);
    assert_same_content(bench, bare_left, whole); /* the others own it all */
    assert_null(entry_of(left, "c"));

    json_t *gone = must_apply(bench, left, "a", nothing, "2026-01-01T00:00:05Z");
    json_t *bare_gone = without_entries(gone);
    assert_same_content(bench, bare_gone, other);
    json_t *all[] = {nothing, whole, one,  other,     first, again,    both,
                     bare,    third, left, bare_left, gone,  bare_gone};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        json_decref(all[i]);
}

static void managed_properties_hold_for_random_schemas(void **state) {
    struct bench *bench = *state;
    struct schema *kept = bench->schema;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        json_t *spec = random_object_type(&rng, 3, false);
        bench->schema =
            schema_of(json_pack("{s:s,s:{s:O}}", "type", "object", "properties", "spec", spec));
        for (int i = 0; i < 5; i++) {
            struct deal deal = random_object(&rng, spec, true);
            check_deal(bench, &deal);
            json_decref(deal.whole);
            json_decref(deal.one);
            json_decref(deal.other);
        }
        json_decref(spec);
        schema_unref(bench->schema);
    }
    bench->schema = kept;
}

int main(void) {
    json_set_alloc_funcs(mem_alloc, mem_free);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
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
        TEST(managed_properties_hold_for_random_schemas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
