#include <stdlib.h>
#include <string.h>

#include "apiserver/crd_internal.h"
#include "apiserver/schema_pattern.h"
#include "base/mem.h"

enum level { ROOT, ITEM, FIELD };

static const char *const junctors[] = {"anyOf", "allOf", "oneOf", "not"};

/* Schemas that the server cannot make structural at all; crd_schema.c says which. */

static bool has_unsupported(const json_t *schema);

static bool any_unsupported(const json_t *schemas) {
    const char *key;
    json_t *schema;
    size_t i;
    if (json_is_object(schemas))
        json_object_foreach((json_t *)schemas, key,
                            schema) if (has_unsupported(schema)) return true;
    json_array_foreach(schemas, i, schema) if (has_unsupported(schema)) return true;
    return false;
}

static bool has_unsupported(const json_t *schema) {
    static const char *const keys[] = {
        "id",          "$schema",      "$ref",           "patternProperties",
        "definitions", "dependencies", "additionalItems"};
    if (!json_is_object(schema))
        return false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (crd_member(schema, keys[i]))
            return true;
    return json_is_array(json_object_get(schema, "items")) ||
           json_is_false(json_object_get(schema, "x-kubernetes-preserve-unknown-fields")) ||
           has_unsupported(json_object_get(schema, "items")) ||
           has_unsupported(json_object_get(schema, "not")) ||
           has_unsupported(json_object_get(schema, "additionalProperties")) ||
           any_unsupported(json_object_get(schema, "properties")) ||
           any_unsupported(json_object_get(schema, "allOf")) ||
           any_unsupported(json_object_get(schema, "anyOf")) ||
           any_unsupported(json_object_get(schema, "oneOf"));
}

/* Nested in a junctor: values may be checked there, nothing may be said of structure. */

static bool is_int_or_string(const json_t *any_of) {
    const json_t *one = json_array_get(any_of, 0), *other = json_array_get(any_of, 1);
    return json_array_size(any_of) == 2 && json_object_size(one) == 1 &&
           json_object_size(other) == 1 && strcmp(crd_text(one, "type"), "integer") == 0 &&
           strcmp(crd_text(other, "type"), "string") == 0;
}

static void check_junctors(struct crd_check *check, const json_t *schema, bool skip_any,
                           bool skip_first);

static void forbid(struct crd_check *check, const json_t *schema, const char *key,
                   const char *detail) {
    const json_t *value = crd_member(schema, key);
    bool empty = value == NULL || json_is_false(value) ||
                 (json_is_string(value) && json_string_length(value) == 0) ||
                 (json_is_array(value) && json_array_size(value) == 0);
    if (!empty)
        cause_forbidden(&check->causes, crd_at(check, ".%s", key), detail);
}

static void check_nested(struct crd_check *check, const json_t *schema, bool skip_any) {
    static const char *const forbidden[][2] = {
        {"type", "must be empty to be structural"},
        {"additionalProperties", "must be undefined to be structural"},
        {"default", "must be undefined to be structural"},
        {"title", "must be empty to be structural"},
        {"description", "must be empty to be structural"},
        {"nullable", "must be false to be structural"},
        {"x-kubernetes-preserve-unknown-fields", "must be false to be structural"},
        {"x-kubernetes-embedded-resource", "must be false to be structural"},
        {"x-kubernetes-int-or-string", "must be false to be structural"},
        {"x-kubernetes-list-map-keys", "must be empty to be structural"},
        {"x-kubernetes-list-type", "must be undefined to be structural"},
        {"x-kubernetes-map-type", "must be undefined to be structural"},
        {"x-kubernetes-validations", "must be empty to be structural"}};
    json_t *properties = json_object_get(schema, "properties"), *property;
    const char *name;
    if (!json_is_object(schema))
        return;
    check_junctors(check, schema, skip_any, false);
    size_t before = crd_push(check, ".items");
    check_nested(check, json_object_get(schema, "items"), false);
    crd_pop(check, before);
    json_object_foreach(properties, name, property) {
        before = crd_push(check, ".properties[%s]", name);
        check_nested(check, property, false);
        crd_pop(check, before);
    }
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        forbid(check, schema, forbidden[i][0], forbidden[i][1]);
    if (json_object_get(properties, "metadata"))
        cause_forbidden(&check->causes, crd_at(check, ".properties[metadata]"),
                        "must not be specified in a nested context");
}

static void check_pattern(struct crd_check *check, const json_t *schema) {
    const char *pattern = crd_text(schema, "pattern");
    struct error err;
    struct schema_pattern *compiled = *pattern ? schema_pattern_create(pattern, &err) : NULL;
    if (*pattern && compiled == NULL && err.code == ERROR_NOMEM)
        check->causes.failed = true;
    else if (*pattern && compiled == NULL)
        cause_invalid_text(&check->causes, crd_at(check, ".pattern"), pattern,
                           "must be a valid regular expression, but isn't: %s", err.message);
    schema_pattern_destroy(compiled);
}

static void check_junctors(struct crd_check *check, const json_t *schema, bool skip_any,
                           bool skip_first) {
    for (size_t k = skip_any ? 1 : 0; k < sizeof junctors / sizeof *junctors; k++) {
        const json_t *nested = json_object_get(schema, junctors[k]);
        bool all = strcmp(junctors[k], "allOf") == 0;
        size_t before = crd_push(check, ".%s", junctors[k]), i;
        json_t *item;
        if (json_is_object(nested))
            check_nested(check, nested, false);
        json_array_foreach(nested, i, item) {
            size_t list = crd_push(check, "[%zu]", i);
            check_nested(check, item, all && i == 0 && skip_first);
            crd_pop(check, list);
        }
        crd_pop(check, before);
    }
    check_pattern(check, schema);
}

/* The structure itself */

static void require(struct crd_check *check, const char *key, const char *detail) {
    cause_required(&check->causes, crd_at(check, ".%s", key), detail);
}

static void check_type(struct crd_check *check, const json_t *schema, enum level level) {
    static const char *const details[] = {[ROOT] = "must not be empty at the root",
                                          [ITEM] = "must not be empty for specified array items",
                                          [FIELD] =
                                              "must not be empty for specified object fields"};
    static const char embedded[] = "must be object if x-kubernetes-embedded-resource is true";
    const char *type = crd_text(schema, "type");
    if (crd_flag(schema, "x-kubernetes-embedded-resource") && strcmp(type, "object") != 0) {
        if (*type)
            cause_invalid_text(&check->causes, crd_at(check, ".type"), type, "%s", embedded);
        else
            require(check, "type", embedded);
    } else if (!*type && !crd_flag(schema, "x-kubernetes-int-or-string") &&
               !crd_flag(schema, "x-kubernetes-preserve-unknown-fields")) {
        require(check, "type", details[level]);
    }
    if (level == ROOT && *type && strcmp(type, "object") != 0)
        cause_invalid_text(&check->causes, crd_at(check, ".type"), type,
                           "must be object at the root");
    if (strcmp(type, "array") == 0 && crd_member(schema, "items") == NULL)
        require(check, "items", "must be specified");
}

static void check_either(struct crd_check *check, const json_t *schema, const char *key) {
    if (crd_flag(schema, "x-kubernetes-int-or-string") && crd_flag(schema, key))
        cause_invalid(&check->causes, crd_at(check, ".%s", key), json_object_get(schema, key),
                      "must be false if x-kubernetes-int-or-string is true");
}

/* Of the root's metadata, only name and generateName may be restricted. */
static bool is_plain_metadata(const json_t *metadata) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)metadata, key, value) {
        if (strcmp(key, "type") == 0 || strcmp(key, "default") == 0 || json_is_null(value))
            continue;
        size_t named = (json_object_get(value, "name") != NULL) +
                       (json_object_get(value, "generateName") != NULL);
        if (strcmp(key, "properties") != 0 || named != json_object_size(value))
            return false;
    }
    return true;
}

static void check_metadata(struct crd_check *check, const json_t *schema, enum level level) {
    static const char *const texts[] = {"kind", "apiVersion"};
    const json_t *properties = json_object_get(schema, "properties");
    const json_t *metadata = json_object_get(properties, "metadata");
    if (level != ROOT && !crd_flag(schema, "x-kubernetes-embedded-resource"))
        return;
    for (size_t i = 0; i < 2; i++) {
        const json_t *property = json_object_get(properties, texts[i]);
        if (property && strcmp(crd_text(property, "type"), "string") != 0)
            cause_invalid_text(&check->causes, crd_at(check, ".properties[%s].type", texts[i]),
                               crd_text(property, "type"), "must be string");
    }
    if (metadata && strcmp(crd_text(metadata, "type"), "object") != 0)
        cause_invalid_text(&check->causes, crd_at(check, ".properties[metadata].type"),
                           crd_text(metadata, "type"), "must be object");
    if (metadata && level == ROOT && !is_plain_metadata(metadata))
        cause_forbidden(&check->causes, crd_at(check, ".properties[metadata]"),
                        "must not specify anything other than name and generateName, but metadata "
                        "is implicitly specified");
}

static void check_level(struct crd_check *check, const json_t *schema, enum level level);

static void check_below(struct crd_check *check, const json_t *schema, enum level level) {
    json_t *properties = json_object_get(schema, "properties"), *property;
    const json_t *additional = crd_member(schema, "additionalProperties");
    const char *name;
    size_t before = crd_push(check, ".items");
    check_level(check, json_object_get(schema, "items"), ITEM);
    crd_pop(check, before);
    json_object_foreach(properties, name, property) {
        before = crd_push(check, ".properties[%s]", name);
        check_level(check, property, FIELD);
        crd_pop(check, before);
    }
    if (additional && level == ROOT)
        cause_forbidden(&check->causes, crd_at(check, ".additionalProperties"),
                        "must not be used at the root");
    before = crd_push(check, ".additionalProperties");
    check_level(check, additional, FIELD);
    crd_pop(check, before);
}

static void check_level(struct crd_check *check, const json_t *schema, enum level level) {
    const json_t *all_of = json_object_get(schema, "allOf");
    bool embedded = crd_flag(schema, "x-kubernetes-embedded-resource");
    if (!json_is_object(schema))
        return;
    check_below(check, schema, level);
    check_either(check, schema, "x-kubernetes-preserve-unknown-fields");
    check_either(check, schema, "x-kubernetes-embedded-resource");
    check_junctors(check, schema, is_int_or_string(json_object_get(schema, "anyOf")),
                   is_int_or_string(json_object_get(json_array_get(all_of, 0), "anyOf")));
    check_type(check, schema, level);
    check_metadata(check, schema, level);
    if (embedded && crd_member(schema, "additionalProperties"))
        cause_forbidden(&check->causes, crd_at(check, ".additionalProperties"),
                        "must not be used if x-kubernetes-embedded-resource is set");
    if (embedded && !crd_flag(schema, "x-kubernetes-preserve-unknown-fields") &&
        json_object_size(json_object_get(schema, "properties")) == 0)
        require(check, "properties",
                "must not be empty if x-kubernetes-embedded-resource is true without "
                "x-kubernetes-preserve-unknown-fields");
}

/* Completeness: what junctors speak of must be there. The path is the structure's, `said` the
 * junctors'. */

static void check_complete(struct crd_check *check, const json_t *nested, const json_t *schema,
                           struct strbuf *said);

static void check_complete_member(struct crd_check *check, const json_t *nested,
                                  const json_t *schema, struct strbuf *said) {
    if (!json_is_object(nested))
        return;
    if (json_is_object(schema)) {
        check_complete(check, nested, schema, said);
        return;
    }
    struct strbuf detail = {0};
    strbuf_printf(&detail, "because it is defined in %s", said->data ? said->data : "");
    cause_required(&check->causes, crd_at(check, "%s", ""), detail.data ? detail.data : "");
    check->causes.failed = check->causes.failed || detail.failed;
    strbuf_finish(&detail);
}

static void check_complete_junctors(struct crd_check *check, const json_t *nested,
                                    const json_t *schema, struct strbuf *said) {
    for (size_t k = 0; k < sizeof junctors / sizeof *junctors; k++) {
        const json_t *value = json_object_get(nested, junctors[k]);
        size_t before = said->len, i;
        json_t *item;
        strbuf_printf(said, ".%s", junctors[k]);
        if (json_is_object(value))
            check_complete(check, value, schema, said);
        json_array_foreach(value, i, item) {
            size_t list = said->len;
            strbuf_printf(said, "[%zu]", i);
            check_complete(check, item, schema, said);
            strbuf_cut(said, list);
        }
        strbuf_cut(said, before);
    }
}

static void check_complete(struct crd_check *check, const json_t *nested, const json_t *schema,
                           struct strbuf *said) {
    json_t *properties = json_object_get(nested, "properties"), *property;
    const char *name;
    check_complete_junctors(check, nested, schema, said);
    size_t before = crd_push(check, ".items"), text = said->len;
    strbuf_adds(said, ".items");
    check_complete_member(check, json_object_get(nested, "items"), json_object_get(schema, "items"),
                          said);
    crd_pop(check, before);
    strbuf_cut(said, text);
    json_object_foreach(properties, name, property) {
        before = crd_push(check, ".properties[%s]", name);
        strbuf_printf(said, ".properties[%s]", name);
        check_complete_member(check, property,
                              json_object_get(json_object_get(schema, "properties"), name), said);
        crd_pop(check, before);
        strbuf_cut(said, text);
    }
}

/* All of it, sorted as the server sorts */

static int compare_causes(const void *a, const void *b) {
    const json_t *const *one = a, *const *other = b;
    int by_field = strcmp(crd_text(*one, "field"), crd_text(*other, "field"));
    return by_field ? by_field : strcmp(crd_text(*one, "message"), crd_text(*other, "message"));
}

static void sort_from(struct crd_check *check, size_t from) {
    size_t count = json_array_size(check->causes.list) - from, i;
    json_t **sorted = mem_calloc(count, sizeof(json_t *));
    if (sorted == NULL) {
        check->causes.failed = true;
        return;
    }
    for (i = 0; i < count; i++)
        sorted[i] = json_incref(json_array_get(check->causes.list, from + i));
    qsort(sorted, count, sizeof(json_t *), compare_causes);
    for (i = 0; i < count; i++)
        json_array_set_new(check->causes.list, from + i, sorted[i]);
    mem_free(sorted);
}

void crd_check_structural(struct crd_check *check, const json_t *schema) {
    size_t from = json_array_size(check->causes.list);
    struct strbuf said = {0};
    if (has_unsupported(schema))
        return;
    check_level(check, schema, ROOT);
    strbuf_add(&said, check->path.data, check->path.len);
    check_complete_junctors(check, schema, schema, &said);
    check->causes.failed = check->causes.failed || said.failed;
    strbuf_finish(&said);
    sort_from(check, from);
}
