#include "apiserver/document.h"
#include "apiserver/schema_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct parser {
    schema_resolve resolve;
    void *context;
    int depth;
    bool
        nested; /* in allOf, anyOf, oneOf or not: a reference there could lead around in a circle */
    struct error *err;
};

static struct schema *parse(struct parser *parser, const json_t *from);

static int no_memory(struct parser *parser) {
    return error_set(parser->err, ERROR_NOMEM, "no memory for a schema");
}

/* Values */

static int read_bool(struct parser *parser, const json_t *from, const char *key, bool *ret) {
    const json_t *value = json_object_get(from, key);
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_boolean(value))
        return error_set(parser->err, ERROR_REJECTED, "%s must be true or false", key);
    *ret = json_is_true(value);
    return 0;
}

static int read_number(struct parser *parser, const json_t *from, const char *key, double *ret) {
    const json_t *value = json_object_get(from, key);
    *ret = NAN;
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_number(value))
        return error_set(parser->err, ERROR_REJECTED, "%s must be a number", key);
    *ret = json_number_value(value);
    return 0;
}

static int read_bound(struct parser *parser, const json_t *from, const char *key, int64_t *ret) {
    double number;
    *ret = SCHEMA_NO_BOUND;
    if (read_number(parser, from, key, &number) < 0)
        return ERROR_REJECTED;
    if (isnan(number))
        return 0;
    if (number != floor(number) || fabs(number) > 9e18)
        return error_set(parser->err, ERROR_REJECTED, "%s must be an integer", key);
    const json_t *value = json_object_get(from, key);
    *ret = json_is_integer(value) ? json_integer_value(value) : (int64_t)number;
    return 0;
}

/* *ret is NULL when there is none, or it is empty. */
static int peek_string(struct parser *parser, const json_t *from, const char *key,
                       const char **ret) {
    const json_t *value = json_object_get(from, key);
    *ret = NULL;
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return error_set(parser->err, ERROR_REJECTED, "%s must be a string", key);
    if (json_string_length(value) > 0)
        *ret = json_string_value(value);
    return 0;
}

static int read_string(struct parser *parser, const json_t *from, const char *key, char **ret) {
    const char *text;
    int rc = peek_string(parser, from, key, &text);
    if (rc < 0 || text == NULL)
        return rc;
    *ret = mem_strdup(text);
    return *ret ? 0 : no_memory(parser);
}

static int read_strings(struct parser *parser, const json_t *from, const char *key, char ***ret) {
    const json_t *value = json_object_get(from, key), *item;
    size_t i, count = json_array_size(value);
    if (value == NULL || json_is_null(value))
        return 0;
    json_array_foreach(value, i, item) if (!json_is_string(item)) break;
    if (!json_is_array(value) || i < count)
        return error_set(parser->err, ERROR_REJECTED, "%s must be a list of strings", key);
    if (count == 0)
        return 0;
    *ret = mem_calloc(count + 1, sizeof **ret);
    if (*ret == NULL)
        return no_memory(parser);
    json_array_foreach(value, i, item) {
        (*ret)[i] = mem_strdup(json_string_value(item));
        if ((*ret)[i] == NULL)
            return no_memory(parser);
    }
    return 0;
}

/* Schemas in schemas */

static int read_schema(struct parser *parser, const json_t *from, const char *key,
                       struct schema **ret) {
    const json_t *value = json_object_get(from, key);
    if (value == NULL || json_is_null(value))
        return 0;
    *ret = parse(parser, value);
    return *ret ? 0 : error_prefix(parser->err, "%s", key);
}

static struct schema *parse_nested(struct parser *parser, const json_t *from) {
    bool before = parser->nested;
    parser->nested = true;
    struct schema *schema = parse(parser, from);
    parser->nested = before;
    return schema;
}

static int read_schemas(struct parser *parser, const json_t *from, const char *key,
                        struct schema_many *ret) {
    const json_t *value = json_object_get(from, key), *item;
    size_t i;
    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_array(value))
        return error_set(parser->err, ERROR_REJECTED, "%s must be a list of schemas", key);
    ret->items = mem_calloc(json_array_size(value), sizeof(struct schema *));
    if (ret->items == NULL)
        return no_memory(parser);
    json_array_foreach(value, i, item) {
        ret->items[i] = parse_nested(parser, item);
        if (ret->items[i] == NULL)
            return error_prefix(parser->err, "%s[%zu]", key, i);
        ret->count++;
    }
    return 0;
}

static int compare_properties(const void *a, const void *b) {
    const struct schema_property *one = a, *other = b;
    return str_compare(str_n(one->name, one->len), str_n(other->name, other->len));
}

static int read_properties(struct parser *parser, const json_t *from, struct schema *schema) {
    json_t *properties = json_object_get(from, "properties"), *value;
    const char *key;
    if (properties == NULL || json_is_null(properties))
        return 0;
    if (!json_is_object(properties))
        return error_set(parser->err, ERROR_REJECTED, "properties must be an object");
    schema->properties = mem_calloc(json_object_size(properties), sizeof *schema->properties);
    if (schema->properties == NULL)
        return no_memory(parser);
    json_object_foreach(properties, key, value) {
        struct schema_property *property = &schema->properties[schema->property_count];
        property->name = mem_strdup(key);
        if (property->name == NULL)
            return no_memory(parser);
        property->len = strlen(key);
        schema->property_count++;
        property->schema = parse(parser, value);
        if (property->schema == NULL)
            return error_prefix(parser->err, "%s", key);
    }
    qsort(schema->properties, schema->property_count, sizeof *schema->properties,
          compare_properties);
    return schema_index_properties(schema, parser->err);
}

static int read_additional(struct parser *parser, const json_t *from, struct schema *schema) {
    const json_t *value = json_object_get(from, "additionalProperties");
    if (!json_is_boolean(value))
        return read_schema(parser, from, "additionalProperties", &schema->additional);
    schema->additional_any = json_is_true(value);
    schema->additional_none = json_is_false(value);
    return 0;
}

/* References */

static int read_reference(struct parser *parser, const json_t *ref, struct schema *schema) {
    static const char before[] = "#/components/schemas/";
    const char *text = json_string_value(ref);
    if (text == NULL || !str_starts_with(str_of(text), before))
        return error_set(parser->err, ERROR_REJECTED, "$ref must begin with %s", before);
    if (parser->resolve == NULL || parser->nested)
        return error_set(parser->err, ERROR_REJECTED, "$ref is not supported here");
    const char *name = text + sizeof before - 1;
    schema->reference = mem_alloc(sizeof *schema->reference + strlen(name) + 1);
    if (schema->reference == NULL)
        return no_memory(parser);
    schema->reference->resolve = parser->resolve;
    schema->reference->context = parser->context;
    schema->reference->target = NULL;
    memcpy(schema->reference->name, name, strlen(name) + 1);
    return 0;
}

/* The reference that a schema is: its own, or the one of an only allOf. */
static const json_t *find_reference(const json_t *from) {
    const json_t *ref = json_object_get(from, "$ref"), *all = json_object_get(from, "allOf");
    if (ref == NULL && json_array_size(all) == 1)
        ref = json_object_get(json_array_get(all, 0), "$ref");
    return ref;
}

/* Kinds of keywords */

static int read_type(struct parser *parser, const json_t *from, struct schema *schema) {
    static const char *const names[] = {
        [SCHEMA_OBJECT] = "object",   [SCHEMA_ARRAY] = "array",   [SCHEMA_STRING] = "string",
        [SCHEMA_INTEGER] = "integer", [SCHEMA_NUMBER] = "number", [SCHEMA_BOOLEAN] = "boolean"};
    const char *type, *format;
    bool either = false;
    if (peek_string(parser, from, "type", &type) < 0 ||
        peek_string(parser, from, "format", &format) < 0 ||
        read_bool(parser, from, "x-kubernetes-int-or-string", &either) < 0)
        return ERROR_REJECTED;
    if (either || (format && strcmp(format, "int-or-string") == 0)) {
        schema->type = SCHEMA_INT_OR_STRING;
        return 0;
    }
    for (int i = SCHEMA_OBJECT; type && i <= SCHEMA_BOOLEAN; i++)
        if (strcmp(type, names[i]) == 0) {
            schema->type = (uint8_t)i;
            return 0;
        }
    return type ? error_set(parser->err, ERROR_REJECTED, "type \"%s\" is unknown", type) : 0;
}

static int read_list(struct parser *parser, const json_t *from, struct schema *schema) {
    const char *list, *map;
    if (peek_string(parser, from, "x-kubernetes-list-type", &list) < 0 ||
        peek_string(parser, from, "x-kubernetes-map-type", &map) < 0)
        return ERROR_REJECTED;
    if (list && strcmp(list, "set") == 0)
        schema->list = SCHEMA_LIST_SET;
    else if (list && strcmp(list, "map") == 0)
        schema->list = SCHEMA_LIST_MAP;
    else if (list && strcmp(list, "atomic") != 0)
        return error_set(parser->err, ERROR_REJECTED, "x-kubernetes-list-type \"%s\" is unknown",
                         list);
    if (map && strcmp(map, "atomic") != 0 && strcmp(map, "granular") != 0)
        return error_set(parser->err, ERROR_REJECTED, "x-kubernetes-map-type \"%s\" is unknown",
                         map);
    schema->atomic_map = map && strcmp(map, "atomic") == 0;
    return read_strings(parser, from, "x-kubernetes-list-map-keys", &schema->list_keys);
}

static int read_extensions(struct parser *parser, const json_t *from, struct schema *schema) {
    int rc;
    if ((rc = read_bool(parser, from, "nullable", &schema->nullable)) < 0 ||
        (rc = read_bool(parser, from, "x-kubernetes-preserve-unknown-fields", &schema->preserve)) <
            0 ||
        (rc = read_bool(parser, from, "x-kubernetes-embedded-resource", &schema->embedded)) < 0 ||
        (rc = read_list(parser, from, schema)) < 0 ||
        (rc = read_string(parser, from, "x-kubernetes-patch-strategy", &schema->patch_strategy)) <
            0 ||
        (rc = read_string(parser, from, "x-kubernetes-patch-merge-key", &schema->patch_merge_key)) <
            0)
        return rc;
    const json_t *value = json_object_get(from, "default");
    if (value == NULL || json_is_null(value))
        return 0;
    schema->default_value = document_copy(value);
    return schema->default_value ? 0 : no_memory(parser);
}

static int read_bounds(struct parser *parser, const json_t *from, struct schema_rules *rules) {
    int rc;
    if ((rc = read_number(parser, from, "minimum", &rules->minimum)) < 0 ||
        (rc = read_number(parser, from, "maximum", &rules->maximum)) < 0 ||
        (rc = read_number(parser, from, "multipleOf", &rules->multiple_of)) < 0 ||
        (rc = read_bool(parser, from, "exclusiveMinimum", &rules->exclusive_minimum)) < 0 ||
        (rc = read_bool(parser, from, "exclusiveMaximum", &rules->exclusive_maximum)) < 0 ||
        (rc = read_bound(parser, from, "minLength", &rules->min_length)) < 0 ||
        (rc = read_bound(parser, from, "maxLength", &rules->max_length)) < 0 ||
        (rc = read_bound(parser, from, "minItems", &rules->min_items)) < 0 ||
        (rc = read_bound(parser, from, "maxItems", &rules->max_items)) < 0 ||
        (rc = read_bound(parser, from, "minProperties", &rules->min_properties)) < 0 ||
        (rc = read_bound(parser, from, "maxProperties", &rules->max_properties)) < 0)
        return rc;
    return read_bool(parser, from, "uniqueItems", &rules->unique_items);
}

static int read_pattern(struct parser *parser, const json_t *from, struct schema_rules *rules) {
    const char *pattern;
    int rc = peek_string(parser, from, "pattern", &pattern);
    if (rc < 0 || pattern == NULL)
        return rc;
    rules->pattern = schema_pattern_create(pattern, parser->err);
    return rules->pattern ? 0 : error_prefix(parser->err, "pattern");
}

static int read_enum(struct parser *parser, const json_t *from, struct schema_rules *rules) {
    const json_t *value = json_object_get(from, "enum");
    if (value == NULL || json_is_null(value) || json_array_size(value) == 0)
        return value == NULL || json_is_null(value) || json_is_array(value)
                   ? 0
                   : error_set(parser->err, ERROR_REJECTED, "enum must be a list");
    rules->enumeration = document_copy(value);
    return rules->enumeration ? 0 : no_memory(parser);
}

/* A format that the type does not have means nothing. */
static int read_format(struct parser *parser, const json_t *from, enum schema_type type,
                       struct schema_rules *rules) {
    const char *format;
    int rc = peek_string(parser, from, "format", &format);
    if (rc < 0 || format == NULL)
        return rc;
    bool textual = type == SCHEMA_ANY || type == SCHEMA_STRING || type == SCHEMA_INT_OR_STRING;
    const struct schema_format *check = textual ? schema_format_find(format) : NULL;
    bool integer = strcmp(format, "int32") == 0 || strcmp(format, "int64") == 0;
    bool real = strcmp(format, "float") == 0 || strcmp(format, "double") == 0;
    if (!check && !(type == SCHEMA_INTEGER && integer) && !(type == SCHEMA_NUMBER && real))
        return 0;
    rules->format_check = check;
    rules->format = mem_strdup(format);
    return rules->format ? 0 : no_memory(parser);
}

static int read_rules(struct parser *parser, const json_t *from, struct schema_rules *rules) {
    int rc;
    if ((rc = read_bounds(parser, from, rules)) < 0 ||
        (rc = read_pattern(parser, from, rules)) < 0 || (rc = read_enum(parser, from, rules)) < 0 ||
        (rc = read_strings(parser, from, "required", &rules->required)) < 0 ||
        (rc = read_schemas(parser, from, "allOf", &rules->all_of)) < 0 ||
        (rc = read_schemas(parser, from, "anyOf", &rules->any_of)) < 0 ||
        (rc = read_schemas(parser, from, "oneOf", &rules->one_of)) < 0)
        return rc;
    const json_t *not_of = json_object_get(from, "not");
    if (not_of == NULL || json_is_null(not_of))
        return 0;
    rules->not_of = parse_nested(parser, not_of);
    return rules->not_of ? 0 : error_prefix(parser->err, "not");
}

/* Most schemas have a type and a description: they get no rules. */
static bool has_rules(const json_t *from) {
    static const char *const keys[] = {"minimum",
                                       "maximum",
                                       "exclusiveMinimum",
                                       "exclusiveMaximum",
                                       "multipleOf",
                                       "minLength",
                                       "maxLength",
                                       "pattern",
                                       "format",
                                       "minItems",
                                       "maxItems",
                                       "uniqueItems",
                                       "minProperties",
                                       "maxProperties",
                                       "enum",
                                       "required",
                                       "allOf",
                                       "anyOf",
                                       "oneOf",
                                       "not"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_object_get(from, keys[i]))
            return true;
    return false;
}

static int fill(struct parser *parser, const json_t *from, struct schema *schema) {
    int rc = read_extensions(parser, from, schema);
    if (rc < 0)
        return rc;
    const json_t *reference = find_reference(from);
    if (reference)
        return read_reference(parser, reference, schema);
    if ((rc = read_type(parser, from, schema)) < 0 ||
        (rc = read_properties(parser, from, schema)) < 0 ||
        (rc = read_additional(parser, from, schema)) < 0 ||
        (rc = read_schema(parser, from, "items", &schema->items)) < 0 || !has_rules(from))
        return rc;
    schema->rules = mem_zalloc(sizeof *schema->rules);
    if (schema->rules == NULL)
        return no_memory(parser);
    rc = read_format(parser, from, schema->type, schema->rules);
    return rc < 0 ? rc : read_rules(parser, from, schema->rules);
}

static struct schema *parse(struct parser *parser, const json_t *from) {
    if (!json_is_object(from)) {
        error_set(parser->err, ERROR_REJECTED, "a schema must be an object");
        return NULL;
    }
    if (parser->depth == SCHEMA_MAX_DEPTH) {
        error_set(parser->err, ERROR_REJECTED, "deeper than %d levels", SCHEMA_MAX_DEPTH);
        return NULL;
    }
    struct schema *schema = mem_zalloc(sizeof *schema);
    if (schema == NULL) {
        no_memory(parser);
        return NULL;
    }
    atomic_init(&schema->refs, 1);
    parser->depth++;
    int rc = fill(parser, from, schema);
    parser->depth--;
    if (rc == 0)
        return schema;
    schema_unref(schema);
    return NULL;
}

struct schema *schema_parse(const json_t *openapi, schema_resolve resolve, void *context,
                            struct error *err) {
    struct error unused;
    struct parser parser = {.resolve = resolve, .context = context, .err = err ? err : &unused};
    return parse(&parser, openapi);
}
