#include <string.h>

#include "apiserver/crd_internal.h"
#include "apiserver/schema.h"

/* What is said of a schema wherever it stands. */
struct place {
    bool root, inside_meta;
    const char *no_default; /* why a default may not be set; NULL: it may */
};

static void check_any(struct crd_check *check, const json_t *schema, struct place place);

static void forbid(struct crd_check *check, const json_t *schema, const char *key,
                   const char *detail) {
    if (crd_member(schema, key))
        cause_forbidden(&check->causes, crd_at(check, ".%s", key), detail);
}

static void add_unsupported(struct crd_check *check, const json_t *schema, const char *key,
                            const char *const *supported) {
    json_t *list = json_array();
    for (size_t i = 0; supported[i]; i++)
        if (json_array_append_new(list, json_string(supported[i])) < 0)
            check->causes.failed = true;
    cause_unsupported(&check->causes, crd_at(check, ".%s", key), json_object_get(schema, key),
                      list);
    json_decref(list);
}

static bool is_one_of(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

/* Keywords */

static void check_keywords(struct crd_check *check, const json_t *schema, struct place place) {
    static const char *const types[] = {"array",  "boolean", "integer", "number",
                                        "object", "string",  NULL};
    const char *type = crd_text(schema, "type");
    if (*type && !is_one_of(type, types))
        add_unsupported(check, schema, "type", types);
    if (strcmp(type, "null") == 0)
        forbid(check, schema, "type", "type cannot be set to null, use nullable as an alternative");
    if (place.no_default)
        forbid(check, schema, "default", place.no_default);
    forbid(check, schema, "id", "id is not supported");
    forbid(check, schema, "additionalItems", "additionalItems is not supported");
    forbid(check, schema, "patternProperties", "patternProperties is not supported");
    forbid(check, schema, "definitions", "definitions is not supported");
    forbid(check, schema, "dependencies", "dependencies is not supported");
    forbid(check, schema, "$ref", "$ref is not supported");
    if (json_is_array(json_object_get(schema, "items")))
        forbid(check, schema, "items", "items must be a schema object and not an array");
    if (place.inside_meta && crd_flag(schema, "x-kubernetes-embedded-resource"))
        forbid(check, schema, "x-kubernetes-embedded-resource",
               "must not be used inside of resource meta");
    if (crd_flag(schema, "uniqueItems"))
        forbid(check, schema, "uniqueItems",
               "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
    if (json_is_false(json_object_get(schema, "x-kubernetes-preserve-unknown-fields")))
        cause_invalid(&check->causes, crd_at(check, ".x-kubernetes-preserve-unknown-fields"),
                      json_object_get(schema, "x-kubernetes-preserve-unknown-fields"),
                      "must be true or undefined");
}

/* An extension that goes with one type. */
static void check_type_for(struct crd_check *check, const json_t *schema, const char *key,
                           const char *type) {
    const char *is = crd_text(schema, "type");
    struct strbuf detail = {0};
    if (crd_member(schema, key) == NULL || strcmp(is, type) == 0)
        return;
    strbuf_printf(&detail, "must be %s if %s is specified", type, key);
    check->causes.failed = check->causes.failed || detail.failed;
    if (*is)
        cause_invalid_text(&check->causes, crd_at(check, ".type"), is, "%s",
                           detail.data ? detail.data : "");
    else
        cause_required(&check->causes, crd_at(check, ".type"), detail.data ? detail.data : "");
    strbuf_finish(&detail);
}

/* Lists */

static void check_set(struct crd_check *check, const json_t *items) {
    static const char fault[] = "must be atomic as item of a list with x-kubernetes-list-type=set";
    const char *type = crd_text(items, "type"), *list = crd_text(items, "x-kubernetes-list-type");
    if (strcmp(type, "array") == 0 && *list && strcmp(list, "atomic") != 0)
        cause_invalid_text(&check->causes, crd_at(check, ".items.x-kubernetes-list-type"), list,
                           "%s", fault);
    if (strcmp(type, "object") == 0 &&
        strcmp(crd_text(items, "x-kubernetes-map-type"), "atomic") != 0) {
        const json_t *value = crd_member(items, "x-kubernetes-list-type"), *null = json_null();
        cause_invalid(&check->causes, crd_at(check, ".items.x-kubernetes-map-type"),
                      value ? value : null, "%s", fault);
    }
}

static bool contains(const json_t *list, const char *text, size_t before) {
    for (size_t i = 0; i < before && i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (item && strcmp(item, text) == 0)
            return true;
    }
    return false;
}

static void check_map_key(struct crd_check *check, const json_t *items, const char *key) {
    static const char in_keys[] = "this property is in x-kubernetes-list-map-keys, so it ";
    const json_t *property = crd_member(crd_member(items, "properties"), key);
    const char *type = crd_text(property, "type");
    struct strbuf detail = {0};
    if (strcmp(type, "array") == 0 || strcmp(type, "object") == 0)
        cause_invalid_text(&check->causes, crd_at(check, ".items.properties[%s].type", key), type,
                           "must be a scalar type if parent array's x-kubernetes-list-type is map");
    if (!contains(json_object_get(items, "required"), key, SIZE_MAX) &&
        crd_member(property, "default") == NULL) {
        strbuf_printf(&detail, "%smust have a default or be a required property", in_keys);
        cause_required(&check->causes, crd_at(check, ".items.properties[%s].default", key),
                       detail.data ? detail.data : "");
    }
    if (crd_flag(property, "nullable")) {
        strbuf_clear(&detail);
        strbuf_printf(&detail, "%scannot be nullable", in_keys);
        cause_forbidden(&check->causes, crd_at(check, ".items.properties[%s].nullable", key),
                        detail.data ? detail.data : "");
    }
    check->causes.failed = check->causes.failed || detail.failed;
    strbuf_finish(&detail);
}

static void check_map(struct crd_check *check, const json_t *schema) {
    const json_t *keys = json_object_get(schema, "x-kubernetes-list-map-keys");
    const json_t *items = crd_member(schema, "items");
    json_t *key;
    size_t i;
    if (json_array_size(keys) == 0)
        cause_required(&check->causes, crd_at(check, ".x-kubernetes-list-map-keys"),
                       "must not be empty if x-kubernetes-list-type is map");
    if (items == NULL)
        cause_required(&check->causes, crd_at(check, ".items"),
                       "must have a schema if x-kubernetes-list-type is map");
    else if (strcmp(crd_text(items, "type"), "object") != 0)
        cause_invalid_text(&check->causes, crd_at(check, ".items.type"), crd_text(items, "type"),
                           "must be object if parent array's x-kubernetes-list-type is map");
    json_array_foreach(keys, i, key) {
        const char *name = json_string_value(key);
        if (name == NULL || strcmp(crd_text(items, "type"), "object") != 0)
            continue;
        if (crd_member(crd_member(items, "properties"), name))
            check_map_key(check, items, name);
        else
            cause_invalid(&check->causes, crd_at(check, ".x-kubernetes-list-map-keys"), keys,
                          "entries must all be names of item properties");
        if (contains(keys, name, i))
            cause_invalid(&check->causes, crd_at(check, ".x-kubernetes-list-map-keys"), keys,
                          "must not contain duplicate entries");
    }
}

static void check_lists(struct crd_check *check, const json_t *schema) {
    static const char *const lists[] = {"atomic", "set", "map", NULL};
    static const char *const maps[] = {"atomic", "granular", NULL};
    const char *list = crd_text(schema, "x-kubernetes-list-type");
    const json_t *items = crd_member(schema, "items");
    check_type_for(check, schema, "x-kubernetes-map-type", "object");
    check_type_for(check, schema, "x-kubernetes-list-type", "array");
    if (crd_member(schema, "x-kubernetes-map-type") &&
        !is_one_of(crd_text(schema, "x-kubernetes-map-type"), maps))
        add_unsupported(check, schema, "x-kubernetes-map-type", maps);
    if (crd_member(schema, "x-kubernetes-list-type") && !is_one_of(list, lists))
        add_unsupported(check, schema, "x-kubernetes-list-type", lists);
    if (json_array_size(json_object_get(schema, "x-kubernetes-list-map-keys")) > 0 &&
        strcmp(list, "map") != 0) {
        static const char fault[] = "must be map if x-kubernetes-list-map-keys is non-empty";
        if (*list)
            cause_invalid_text(&check->causes, crd_at(check, ".x-kubernetes-list-type"), list, "%s",
                               fault);
        else
            cause_required(&check->causes, crd_at(check, ".x-kubernetes-list-type"), fault);
    }
    bool keyed = strcmp(list, "map") == 0;
    if (keyed)
        check_map(check, schema);
    if (strcmp(list, "set") == 0)
        check_set(check, items);
    if ((keyed || strcmp(list, "set") == 0) && crd_flag(items, "nullable"))
        cause_forbidden(&check->causes, crd_at(check, ".items.nullable"),
                        keyed ? "cannot be nullable when x-kubernetes-list-type is map"
                              : "cannot be nullable when x-kubernetes-list-type is set");
}

/* CEL */

static void check_rules(struct crd_check *check, const json_t *schema) {
    const json_t *rules = json_object_get(schema, "x-kubernetes-validations");
    json_t *rule;
    size_t i;
    if (json_array_size(rules) > 0 && !check->ignore_rules)
        cause_forbidden(&check->causes, crd_at(check, ".x-kubernetes-validations"),
                        "CEL rules are not evaluated by this API server; `moonlet dev "
                        "--ignore-cel-rules` takes them and ignores them");
    json_array_foreach(rules, i, rule) if (!*crd_text(rule, "rule"))
        cause_required(&check->causes, crd_at(check, ".x-kubernetes-validations[%zu].rule", i),
                       "rule is not specified");
}

/* Schemas in schemas */

static void check_member(struct crd_check *check, const json_t *schema, const char *key,
                         struct place place) {
    const json_t *value = crd_member(schema, key);
    size_t before = crd_push(check, ".%s", key), i;
    json_t *item;
    if (json_is_object(value))
        check_any(check, value, place);
    json_array_foreach(value, i, item) {
        size_t list = crd_push(check, "[%zu]", i);
        check_any(check, item, place);
        crd_pop(check, list);
    }
    crd_pop(check, before);
}

static struct place place_of_property(const json_t *schema, struct place place, const char *name) {
    struct place inner = {.inside_meta = place.inside_meta, .no_default = place.no_default};
    bool meta = strcmp(name, "metadata") == 0, kind = strcmp(name, "kind") == 0;
    bool version = strcmp(name, "apiVersion") == 0;
    if (!(meta || kind || version) ||
        !(place.root || crd_flag(schema, "x-kubernetes-embedded-resource")))
        return inner;
    inner.inside_meta = true;
    if (place.root)
        inner.no_default = meta   ? "must not be set in top-level metadata"
                           : kind ? "must not be set in top-level kind"
                                  : "must not be set in top-level apiVersion";
    return inner;
}

static void check_properties(struct crd_check *check, const json_t *schema, struct place place) {
    json_t *properties = json_object_get(schema, "properties"), *property;
    const char *name;
    json_object_foreach(properties, name, property) {
        size_t before = crd_push(check, ".properties[%s]", name);
        check_any(check, property, place_of_property(schema, place, name));
        crd_pop(check, before);
    }
}

static void check_additional(struct crd_check *check, const json_t *schema, struct place place) {
    const json_t *additional = crd_member(schema, "additionalProperties");
    if (additional == NULL)
        return;
    if (json_object_size(json_object_get(schema, "properties")) > 0 && !json_is_true(additional))
        cause_forbidden(&check->causes, crd_at(check, ".additionalProperties"),
                        "additionalProperties and properties are mutual exclusive");
    if (place.inside_meta)
        place.no_default =
            "must not be set inside additionalProperties applying to object metadata";
    check_member(check, schema, "additionalProperties", place);
}

static void check_any(struct crd_check *check, const json_t *schema, struct place place) {
    static const char *const nested[] = {"not", "allOf", "oneOf", "anyOf", "items"};
    struct place inner = {.inside_meta = place.inside_meta, .no_default = place.no_default};
    check_keywords(check, schema, place);
    check_additional(check, schema, inner);
    check_properties(check, schema, place);
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++)
        check_member(check, schema, nested[i], inner);
    check_lists(check, schema);
    check_rules(check, schema);
}

/* Beside a status subresource */

static void check_root_of_status(struct crd_check *check, const json_t *schema) {
    static const char *const allowed[] = {"description",
                                          "type",
                                          "format",
                                          "title",
                                          "maximum",
                                          "exclusiveMaximum",
                                          "minimum",
                                          "exclusiveMinimum",
                                          "maxLength",
                                          "minLength",
                                          "pattern",
                                          "maxItems",
                                          "minItems",
                                          "uniqueItems",
                                          "multipleOf",
                                          "required",
                                          "items",
                                          "properties",
                                          "externalDocs",
                                          "example",
                                          "x-kubernetes-preserve-unknown-fields",
                                          "x-kubernetes-validations",
                                          NULL};
    const char *key;
    json_t *value;
    if (*crd_text(schema, "type") && strcmp(crd_text(schema, "type"), "object") != 0) {
        cause_invalid_text(&check->causes, crd_at(check, ".type"), crd_text(schema, "type"),
                           "only \"object\" is allowed as the type at the root of the schema if "
                           "the status subresource is enabled");
        return;
    }
    json_object_foreach((json_t *)schema, key, value) {
        bool zero = json_is_null(value) || json_is_false(value) ||
                    (json_is_array(value) && json_array_size(value) == 0);
        if (zero || is_one_of(key, allowed))
            continue;
        cause_invalid_text(
            &check->causes, crd_at(check, "%s", ""), key,
            "only [Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum "
            "MaxLength MinLength Pattern MaxItems MinItems UniqueItems MultipleOf Required Items "
            "Properties ExternalDocs Example XPreserveUnknownFields XValidations] fields are "
            "allowed at the root of the schema if the status subresource is enabled");
        return;
    }
}

/* Whatever else keeps it from being read: nonsense that a typed client could not have sent. */
static void check_readable(struct crd_check *check, const json_t *schema) {
    struct error err;
    struct schema *parsed = schema_parse(schema, NULL, NULL, &err);
    if (parsed == NULL && err.code == ERROR_NOMEM)
        check->causes.failed = true;
    else if (parsed == NULL)
        cause_invalid(&check->causes, crd_at(check, "%s", ""), NULL, "%s", err.message);
    schema_unref(parsed);
}

void crd_check_schema(struct crd_check *check, const json_t *schema, bool status) {
    size_t before = json_array_size(check->causes.list);
    if (status)
        check_root_of_status(check, schema);
    if (crd_flag(schema, "nullable"))
        cause_forbidden(&check->causes, crd_at(check, ".nullable"),
                        "nullable cannot be true at the root");
    crd_check_structural(check, schema);
    check_any(check, schema, (struct place){.root = true});
    if (json_array_size(check->causes.list) == before)
        check_readable(check, schema);
    if (json_array_size(check->causes.list) == before)
        crd_check_defaults(check, schema);
}
