#include "addon/crds.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static json_t *load(const char *text, struct error *err) {
    json_error_t at;
    json_t *root = json_loads(text, 0, &at);
    if (root == NULL)
        error_set(err, ERROR_INVALID, "a CRD: line %d: %s", at.line, at.text);
    return root;
}

static const json_t *find_version(const json_t *crd, const char *name) {
    const json_t *versions = json_object_get(json_object_get(crd, "spec"), "versions");
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *one = json_array_get(versions, i);
        const char *its = json_string_value(json_object_get(one, "name"));
        if (its && strcmp(its, name) == 0)
            return one;
    }
    return NULL;
}

static bool contains(const json_t *list, const json_t *value) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), value))
            return true;
    return false;
}

/* Limits that allow less when they are larger (1) or smaller (-1). */
static const struct {
    const char *name;
    int sign;
} limits[] = {{"minimum", 1},  {"minLength", 1},  {"minItems", 1},  {"minProperties", 1},
              {"maximum", -1}, {"maxLength", -1}, {"maxItems", -1}, {"maxProperties", -1}};

/* What was not there before, or says something else, may refuse what was allowed. */
static const char *const constraints[] = {"pattern",
                                          "format",
                                          "multipleOf",
                                          "exclusiveMinimum",
                                          "exclusiveMaximum",
                                          "uniqueItems",
                                          "allOf",
                                          "anyOf",
                                          "oneOf",
                                          "not",
                                          "x-kubernetes-validations",
                                          "x-kubernetes-list-type"};

static int narrowed(struct error *err, const char *path, const char *what) {
    return error_set(err, ERROR_REJECTED,
                     "%s: %s, which narrows the CRD; --crd-update=any allows it", path, what);
}

static int other_rule(struct error *err, const char *path, const char *keyword) {
    char what[80];
    snprintf(what, sizeof what, "its %s is new or another one", keyword);
    return narrowed(err, path, what);
}

static int check_values(const json_t *old, const json_t *now, const char *path, struct error *err) {
    const json_t *before = json_object_get(old, "enum"), *after = json_object_get(now, "enum");
    if (after && before == NULL)
        return narrowed(err, path, "an enum was added");
    for (size_t i = 0; after && i < json_array_size(before); i++)
        if (!contains(after, json_array_get(before, i)))
            return narrowed(err, path, "a value of its enum was removed");
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const json_t *a = json_object_get(old, limits[i].name);
        const json_t *b = json_object_get(now, limits[i].name);
        if (b && (a == NULL || (json_number_value(b) - json_number_value(a)) * limits[i].sign > 0))
            return other_rule(err, path, limits[i].name);
    }
    for (size_t i = 0; i < sizeof constraints / sizeof *constraints; i++) {
        const json_t *rule = json_object_get(now, constraints[i]);
        if (rule && !json_equal(rule, json_object_get(old, constraints[i])))
            return other_rule(err, path, constraints[i]);
    }
    if (json_is_true(json_object_get(old, "nullable")) &&
        !json_is_true(json_object_get(now, "nullable")))
        return narrowed(err, path, "it is not nullable any more");
    return 0;
}

static int check_required(const json_t *old, const json_t *now, const char *path,
                          struct error *err) {
    const json_t *before = json_object_get(old, "required");
    const json_t *after = json_object_get(now, "required");
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *name = json_array_get(after, i);
        char what[160];
        if (contains(before, name))
            continue;
        snprintf(what, sizeof what, "\"%s\" became required", json_string_value(name));
        return narrowed(err, path, what);
    }
    return 0;
}

static bool keeps_unknown(const json_t *schema) {
    return json_is_true(json_object_get(schema, "x-kubernetes-preserve-unknown-fields"));
}

static int check_schema(const json_t *old, const json_t *now, const char *path, int depth,
                        struct error *err) {
    const json_t *type = json_object_get(old, "type");
    char inner[512];
    if (depth > 64 || old == NULL)
        return 0;
    if (now == NULL)
        return narrowed(err, path, "it was removed");
    if (keeps_unknown(now) && json_object_get(now, "type") == NULL)
        return 0;
    if (keeps_unknown(old) && !keeps_unknown(now))
        return narrowed(err, path, "it kept unknown fields, and would drop them");
    if (!json_equal(type, json_object_get(now, "type")) && (type || json_object_get(now, "type")))
        return narrowed(err, path, "its type changed");
    int rc = check_values(old, now, path, err);
    if (rc == 0)
        rc = check_required(old, now, path, err);
    const char *key;
    json_t *value, *properties = json_object_get(old, "properties");
    json_object_foreach(properties, key, value) {
        const json_t *other = json_object_get(json_object_get(now, "properties"), key);
        if (rc < 0 || (other == NULL && keeps_unknown(now)))
            continue;
        snprintf(inner, sizeof inner, "%s.%s", path, key);
        rc = check_schema(value, other, inner, depth + 1, err);
    }
    static const char *const nested[] = {"items", "additionalProperties"};
    for (size_t i = 0; rc == 0 && i < 2; i++) {
        const json_t *before = json_object_get(old, nested[i]);
        snprintf(inner, sizeof inner, "%s[]", path);
        if (json_is_object(before) && !keeps_unknown(now))
            rc = check_schema(before, json_object_get(now, nested[i]), inner, depth + 1, err);
    }
    return rc;
}

static const json_t *schema_of(const json_t *version) {
    return json_object_get(json_object_get(version, "schema"), "openAPIV3Schema");
}

static int check_versions(const json_t *old, const json_t *now, struct error *err) {
    const json_t *versions = json_object_get(json_object_get(old, "spec"), "versions");
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *before = json_array_get(versions, i);
        const char *name = json_string_value(json_object_get(before, "name"));
        const json_t *after = name ? find_version(now, name) : NULL;
        if (!json_is_true(json_object_get(before, "served")))
            continue;
        if (after == NULL || !json_is_true(json_object_get(after, "served")))
            return narrowed(err, name ? name : "?", "this served version was removed");
        int rc = check_schema(schema_of(before), schema_of(after), name, 0, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int crd_check_stored(const char *installed, const char *wanted, struct error *err) {
    json_t *old = load(installed, err), *now = old ? load(wanted, err) : NULL;
    const json_t *stored = json_object_get(json_object_get(old, "status"), "storedVersions");
    int rc = now ? 0 : ERROR_INVALID;
    for (size_t i = 0; rc == 0 && i < json_array_size(stored); i++) {
        const char *name = json_string_value(json_array_get(stored, i));
        if (name && find_version(now, name) == NULL)
            rc = error_set(err, ERROR_REJECTED,
                           "version %s is stored on the server and cannot be dropped", name);
    }
    json_decref(old);
    json_decref(now);
    return rc;
}

int crd_check_update(const char *installed, const char *wanted, struct error *err) {
    int rc = crd_check_stored(installed, wanted, err);
    if (rc < 0)
        return rc;
    json_t *old = load(installed, err), *now = old ? load(wanted, err) : NULL;
    rc = now ? check_versions(old, now, err) : ERROR_INVALID;
    json_decref(old);
    json_decref(now);
    return rc;
}

int crd_as_intent(const char *installed, struct strbuf *ret, struct error *err) {
    static const char *const filled_in[] = {"managedFields",     "resourceVersion", "uid",
                                            "creationTimestamp", "generation",      "selfLink"};
    json_t *crd = load(installed, err);
    if (crd == NULL)
        return err->code;
    json_object_del(crd, "status");
    for (size_t i = 0; i < sizeof filled_in / sizeof *filled_in; i++)
        json_object_del(json_object_get(crd, "metadata"), filled_in[i]);
    char *text = json_dumps(crd, JSON_COMPACT);
    json_decref(crd);
    if (text)
        strbuf_adds(ret, text);
    free(text);
    return text && !ret->failed ? 0 : error_set(err, ERROR_NOMEM, "no memory for a CRD");
}
