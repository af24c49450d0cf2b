#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/managed.h"

/*
 * What a real API server made of sequences of requests, recorded by tests/e2e/record/apply,
 * replayed against managed_*: who owns what afterwards, conflicts, and the merged object. What is
 * not this unit's (defaults, validation, patches) is taken from the record.
 */

/* Steps in which what we compare differs, and why. */
static const struct {
    const char *name;
    size_t step;
    const char *why;
} differences[] = {
    {"cm-unknown-field", 3, "the server tells complaints in the order of a Go map"},
    {"dep-quantity", 0, "quantities become canonical when a built-in object is read"},
    {"dep-quantity", 1, "the same"},
};

struct schemas {
    const json_t *components;
    json_t *parsed; /* name -> the struct schema's address */
};

static const struct schema *resolve(void *context, const char *name) {
    struct schemas *schemas = context;
    json_t *known = json_object_get(schemas->parsed, name);
    if (!known) {
        struct error err;
        const json_t *from = json_object_get(schemas->components, name);
        struct schema *schema = schema_parse(from, resolve, schemas, &err);
        if (!schema)
            fail_msg("%s: %s", name, err.message);
        known = json_integer((json_int_t)(intptr_t)schema);
        json_object_set_new(schemas->parsed, name, known);
    }
    return (const struct schema *)(intptr_t)json_integer_value(known);
}

static void forget_schemas(struct schemas *schemas) {
    const char *name;
    json_t *address;
    json_object_foreach(schemas->parsed, name, address)
        schema_unref((const struct schema *)(intptr_t)json_integer_value(address));
    json_decref(schemas->parsed);
}

/* One case while it is replayed. */
struct replay {
    const char *name;
    size_t at;
    const json_t *kind, *step;
    const struct schema *schema;
    bool builtin, split;
    const json_t *live; /* as the server had it before the step; NULL: none */
    char time[32];
    unsigned *differ;
};

static const char *text(const json_t *object, const char *name) {
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

static void differ(struct replay *replay, const char *what, const json_t *ours,
                   const json_t *theirs) {
    for (size_t i = 0; i < sizeof differences / sizeof *differences; i++)
        if (strcmp(differences[i].name, replay->name) == 0 && differences[i].step == replay->at)
            return;
    ++*replay->differ;
    char *a = ours ? json_dumps(ours, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    char *b = theirs ? json_dumps(theirs, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    print_error("%s, step %zu: %s differs\n  ours   %s\n  theirs %s\n", replay->name, replay->at,
                what, a ? a : "-", b ? b : "-");
    free(a);
    free(b);
}

static json_t *entries_of(const json_t *object) {
    return json_object_get(json_object_get(object, "metadata"), "managedFields");
}

static void compare_entries(struct replay *replay, const json_t *ours, const json_t *theirs) {
    const json_t *a = entries_of(ours), *b = entries_of(theirs);
    if ((a || b) && (!a || !b || !json_equal(a, b)))
        differ(replay, "managedFields", a, b);
}

/* Takes what the server set after it had decided about ownership out of a created object. */
static void forget_later(const struct replay *replay, json_t *object, const json_t *sent) {
    size_t i;
    json_t *path;
    json_array_foreach(json_object_get(replay->kind, "later"), i, path) {
        const char *field = strchr(json_string_value(path), '.') + 1;
        if (!json_object_get(json_object_get(sent, "spec"), field))
            json_object_del(json_object_get(object, "spec"), field);
    }
}

/* The object as it was when ownership was decided: with the entries that the client sent. */
static json_t *object_sent(const struct replay *replay) {
    const json_t *sent = json_object_get(replay->step, "body");
    const char *verb = text(replay->step, "do");
    json_t *now = json_deep_copy(json_object_get(replay->step, "object"));
    json_t *metadata = json_object_get(now, "metadata"), *entries = entries_of(sent);
    json_object_del(metadata, "managedFields");
    if (!entries && strcmp(verb, "create") != 0)
        entries = entries_of(replay->live);
    if (entries)
        json_object_set_new(metadata, "managedFields", json_deep_copy(entries));
    if (!replay->live)
        forget_later(replay, now, sent);
    return now;
}

static void replay_update(struct replay *replay, const struct managed_change *change) {
    struct error err;
    const json_t *theirs = json_object_get(replay->step, "object");
    json_t *now = object_sent(replay);
    int rc = managed_update(replay->schema, replay->live, now, replay->split, change, &err);
    assert_int_equal(rc, 0);
    if (replay->live)
        managed_settle(replay->live, now);
    compare_entries(replay, now, theirs);
    json_decref(now);
}

/* Leaves of ours that theirs has not so, null being nothing; and what was there, is no more in
 * ours, yet is in theirs. */
static bool fits(const json_t *ours, const json_t *theirs, const json_t *live, bool builtin) {
    const char *name;
    json_t *value;
    if (json_is_null(ours) && builtin)
        return true;
    if (!json_is_object(ours) || !json_is_object(theirs)) {
        if (json_is_array(ours) && json_is_array(theirs)) {
            if (json_array_size(ours) != json_array_size(theirs))
                return false;
            for (size_t i = 0; i < json_array_size(ours); i++)
                if (!fits(json_array_get(ours, i), json_array_get(theirs, i), NULL, builtin))
                    return false;
            return true;
        }
        return json_is_number(ours) ? json_number_value(ours) == json_number_value(theirs)
                                    : json_equal(ours, theirs);
    }
    json_object_foreach((json_t *)ours, name, value) {
        const json_t *other = json_object_get(theirs, name);
        if (!other && builtin && json_is_object(value) && json_object_size(value) == 0)
            continue;
        if (!fits(value, other, json_object_get(live, name), builtin))
            return false;
    }
    if (!builtin)
        return json_object_size(ours) == json_object_size(theirs);
    json_object_foreach((json_t *)theirs, name, value) {
        const json_t *was = json_object_get(live, name);
        if (!json_object_get(ours, name) && was && json_equal(was, value))
            return false;
    }
    return true;
}

static json_t *copy_without_server_metadata(const json_t *object) {
    static const char *const names[] = {"managedFields", "generation", "uid", "resourceVersion",
                                        "creationTimestamp"};
    json_t *copy = json_deep_copy(object);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        json_object_del(json_object_get(copy, "metadata"), names[i]);
    return copy;
}

static void compare_objects(struct replay *replay, const json_t *ours, const json_t *theirs) {
    json_t *a = copy_without_server_metadata(ours), *b = copy_without_server_metadata(theirs);
    if (!replay->builtin)
        assert_int_equal(schema_default(replay->schema, a, NULL), 0);
    bool of_status = strcmp(text(replay->step, "subresource"), "status") == 0;
    if (of_status) { /* the rest is the caller's to put back */
        json_object_del(a, "spec");
        json_object_del(b, "spec");
    } else if (replay->split) {
        json_object_del(a, "status");
        json_object_del(b, "status");
    }
    json_t *was = copy_without_server_metadata(replay->live);
    json_object_del(was, "status");
    if (!fits(a, b, was, replay->builtin))
        differ(replay, "object", a, b);
    json_decref(a);
    json_decref(b);
    json_decref(was);
}

static int compare_causes(const void *a, const void *b) {
    json_t *const *x = a, *const *y = b;
    int order = strcmp(text(*x, "message"), text(*y, "message"));
    return order ? order : strcmp(text(*x, "field"), text(*y, "field"));
}

/* The server tells causes in the order of a Go map. */
static json_t *sorted_causes(const json_t *causes) {
    json_t *items[32], *sorted = json_array();
    size_t count = json_array_size(causes);
    assert_true(count <= 32);
    for (size_t i = 0; i < count; i++)
        items[i] = json_array_get(causes, i);
    qsort(items, count, sizeof *items, compare_causes);
    for (size_t i = 0; i < count; i++)
        json_array_append(sorted, items[i]);
    return sorted;
}

static void replay_failure(struct replay *replay, int status, json_t *causes,
                           const struct error *err) {
    const json_t *message = json_object_get(replay->step, "message");
    if (status == 422) /* validation: not ours */
        return;
    json_t *ours = json_string(err->message);
    if (err->status != status || !json_equal(ours, message))
        differ(replay, "message", ours, message);
    if (status == 409) {
        json_t *a = sorted_causes(causes);
        json_t *b = sorted_causes(json_object_get(replay->step, "causes"));
        if (!json_equal(a, b))
            differ(replay, "causes", a, b);
        json_decref(a);
        json_decref(b);
    }
    json_decref(ours);
}

static void replay_apply(struct replay *replay, const struct managed_change *change) {
    struct error err = {0};
    json_t *causes = NULL;
    int status = (int)json_integer_value(json_object_get(replay->step, "status"));
    const json_t *theirs = json_object_get(replay->step, "object");
    json_t *result = managed_apply(
        replay->schema, replay->live, json_object_get(replay->step, "body"), replay->split, change,
        json_is_true(json_object_get(replay->step, "force")), &causes, &err);
    if (!result && !theirs)
        replay_failure(replay, status, causes, &err);
    else if (!result || (!theirs && status != 422)) {
        json_t *message = json_string(err.message);
        differ(replay, "outcome", result ? result : message,
               json_object_get(replay->step, "message"));
        json_decref(message);
    } else if (theirs) {
        compare_objects(replay, result, theirs);
        json_t *settled = json_deep_copy(theirs);
        json_object_set(json_object_get(settled, "metadata"), "managedFields",
                        entries_of(result) ? entries_of(result) : json_null());
        if (!entries_of(result))
            json_object_del(json_object_get(settled, "metadata"), "managedFields");
        if (replay->live)
            managed_settle(replay->live, settled);
        compare_entries(replay, settled, theirs);
        json_decref(settled);
    }
    json_decref(result);
    json_decref(causes);
}

static void replay_case(const json_t *from, const json_t *kind, const struct schema *schema,
                        unsigned *differ) {
    struct replay replay = {.name = text(from, "name"),
                            .kind = kind,
                            .schema = schema,
                            .builtin = json_is_true(json_object_get(kind, "builtin")),
                            .split = json_is_true(json_object_get(kind, "statusSplit")),
                            .differ = differ};
    json_t *step;
    json_array_foreach(json_object_get(from, "steps"), replay.at, step) {
        replay.step = step;
        snprintf(replay.time, sizeof replay.time, "2026-01-01T00:00:%02zuZ", replay.at);
        struct managed_change change = {.manager = text(step, "by"),
                                        .builtin = replay.builtin,
                                        .api_version = text(kind, "apiVersion"),
                                        .subresource = text(step, "subresource"),
                                        .time = replay.time};
        if (strcmp(text(step, "do"), "apply") == 0)
            replay_apply(&replay, &change);
        else if (json_object_get(step, "object"))
            replay_update(&replay, &change);
        if (json_object_get(step, "object"))
            replay.live = json_object_get(step, "object");
    }
}

static void managed_replays_the_api_server(void **state) {
    (void)state;
    json_error_t why;
    json_t *record = json_load_file(TEST_FOLDER "/apply_cases.json", JSON_REJECT_DUPLICATES, &why);
    if (!record)
        fail_msg("%s: %s", TEST_FOLDER "/apply_cases.json", why.text);
    struct schemas schemas = {json_object_get(record, "components"), json_object()};
    const json_t *kinds = json_object_get(record, "kinds");
    unsigned differ = 0;
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(record, "cases"), i, one) {
        struct error err;
        const json_t *kind = json_object_get(kinds, text(one, "kind"));
        struct schema *schema =
            schema_parse(json_object_get(kind, "schema"), resolve, &schemas, &err);
        if (!schema)
            fail_msg("%s: %s", text(one, "kind"), err.message);
        replay_case(one, kind, schema, &differ);
        schema_unref(schema);
    }
    assert_true(i >= 80);
    forget_schemas(&schemas);
    json_decref(record);
    assert_int_equal(differ, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(managed_replays_the_api_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
