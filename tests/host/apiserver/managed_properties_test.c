#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "apiserver/managed_walk.h"
#include "apiserver/support/managed/bench.h"
#include "base/mem.h"
#include "base/rng.h"

/* What holds of server-side apply whatever the schema and the documents. */

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
    assert_null(bench_entry(left, "c"));

    json_t *gone = must_apply(bench, left, "a", nothing, "2026-01-01T00:00:05Z");
    json_t *bare_gone = without_entries(gone);
    assert_same_content(bench, bare_gone, other);
    json_t *all[] = {nothing, whole, one,  other,     first, again,    both,
                     bare,    third, left, bare_left, gone,  bare_gone};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        json_decref(all[i]);
}

static struct schema *schema_of(json_t *spec) {
    struct error err;
    json_t *openapi = json_pack("{s:s,s:{s:O}}", "type", "object", "properties", "spec", spec);
    struct schema *schema = schema_parse(openapi, NULL, NULL, &err);
    json_decref(openapi);
    if (schema == NULL)
        fail_msg("%s", err.message);
    return schema;
}

static void managed_properties_hold_for_random_schemas(void **state) {
    struct bench *bench = *state;
    struct schema *kept = bench->schema;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        json_t *spec = random_object_type(&rng, 3, false);
        bench->schema = schema_of(spec);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(managed_properties_hold_for_random_schemas, bench_setup,
                                        bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
