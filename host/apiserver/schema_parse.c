#include "apiserver/document.h"
#include "apiserver/schema_parser.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Schemas in schemas */

static int read_schema(struct schema_parser *parser, const json_t *from, const char *key,
                       struct schema **ret) {
    const json_t *value = schema_keyword(from, key);
    if (value == NULL)
        return 0;
    *ret = schema_parse_part(parser, value);
    return *ret ? 0 : error_prefix(parser->err, "%s", key);
}

static int compare_properties(const void *a, const void *b) {
    const struct schema_property *one = a, *other = b;
    return str_compare(str_n(one->name, one->len), str_n(other->name, other->len));
}

static int read_properties(struct schema_parser *parser, const json_t *from,
                           struct schema *schema) {
    json_t *properties = schema_keyword(from, "properties"), *value;
    const char *key;
    if (properties == NULL)
        return 0;
    if (!json_is_object(properties))
        return error_set(parser->err, ERROR_REJECTED, "properties must be an object");
    schema->properties = mem_calloc(json_object_size(properties), sizeof *schema->properties);
    if (schema->properties == NULL)
        return schema_no_memory(parser);
    json_object_foreach(properties, key, value) {
        struct schema_property *property = &schema->properties[schema->property_count];
        property->name = mem_strdup(key);
        if (property->name == NULL)
            return schema_no_memory(parser);
        property->len = strlen(key);
        schema->property_count++;
        property->schema = schema_parse_part(parser, value);
        if (property->schema == NULL)
            return error_prefix(parser->err, "%s", key);
    }
    qsort(schema->properties, schema->property_count, sizeof *schema->properties,
          compare_properties);
    return 0;
}

static int read_additional(struct schema_parser *parser, const json_t *from,
                           struct schema *schema) {
    const json_t *value = json_object_get(from, "additionalProperties");
    if (!json_is_boolean(value))
        return read_schema(parser, from, "additionalProperties", &schema->additional);
    schema->additional_any = json_is_true(value);
    schema->additional_none = json_is_false(value);
    return 0;
}

/* References */

static enum schema_form form_of(const char *name) {
    static const char *const words[] = {[SCHEMA_TIME] = ".Time",
                                        [SCHEMA_MICRO_TIME] = ".MicroTime",
                                        [SCHEMA_QUANTITY] = ".Quantity"};
    const char *dot = strrchr(name, '.');
    for (int form = SCHEMA_TIME; dot && form <= SCHEMA_QUANTITY; form++)
        if (strcmp(dot, words[form]) == 0)
            return (enum schema_form)form;
    return SCHEMA_PLAIN;
}

static int read_reference(struct schema_parser *parser, const json_t *ref, struct schema *schema) {
    static const char before[] = "#/components/schemas/";
    const char *text = json_string_value(ref);
    if (text == NULL || !str_starts_with(str_of(text), before))
        return error_set(parser->err, ERROR_REJECTED, "$ref must begin with %s", before);
    if (parser->resolve == NULL || parser->nested)
        return error_set(parser->err, ERROR_REJECTED, "$ref is not supported here");
    const char *name = text + sizeof before - 1;
    schema->reference = mem_alloc(sizeof *schema->reference + strlen(name) + 1);
    if (schema->reference == NULL)
        return schema_no_memory(parser);
    schema->reference->resolve = parser->resolve;
    schema->reference->context = parser->context;
    schema->reference->target = NULL;
    schema->reference->form = form_of(name);
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

static int read_type(struct schema_parser *parser, const json_t *from, struct schema *schema) {
    static const char *const names[] = {
        [SCHEMA_OBJECT] = "object",   [SCHEMA_ARRAY] = "array",   [SCHEMA_STRING] = "string",
        [SCHEMA_INTEGER] = "integer", [SCHEMA_NUMBER] = "number", [SCHEMA_BOOLEAN] = "boolean"};
    const char *type, *format;
    bool either = false;
    if (schema_peek_string(parser, from, "type", &type) < 0 ||
        schema_peek_string(parser, from, "format", &format) < 0 ||
        schema_read_bool(parser, from, "x-kubernetes-int-or-string", &either) < 0)
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

static int read_list(struct schema_parser *parser, const json_t *from, struct schema *schema) {
    const char *list, *map;
    if (schema_peek_string(parser, from, "x-kubernetes-list-type", &list) < 0 ||
        schema_peek_string(parser, from, "x-kubernetes-map-type", &map) < 0)
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
    return schema_read_strings(parser, from, "x-kubernetes-list-map-keys", &schema->list_keys);
}

static int read_extensions(struct schema_parser *parser, const json_t *from,
                           struct schema *schema) {
    int rc;
    if ((rc = schema_read_bool(parser, from, "nullable", &schema->nullable)) < 0 ||
        (rc = schema_read_bool(parser, from, "x-kubernetes-preserve-unknown-fields",
                               &schema->preserve)) < 0 ||
        (rc = schema_read_bool(parser, from, "x-kubernetes-embedded-resource", &schema->embedded)) <
            0 ||
        (rc = read_list(parser, from, schema)) < 0 ||
        (rc = schema_read_string(parser, from, "x-kubernetes-patch-strategy",
                                 &schema->patch_strategy)) < 0 ||
        (rc = schema_read_string(parser, from, "x-kubernetes-patch-merge-key",
                                 &schema->patch_merge_key)) < 0)
        return rc;
    const json_t *value = schema_keyword(from, "default");
    if (value == NULL)
        return 0;
    schema->default_value = document_copy(value);
    return schema->default_value ? 0 : schema_no_memory(parser);
}

static int fill(struct schema_parser *parser, const json_t *from, struct schema *schema) {
    int rc = read_extensions(parser, from, schema);
    if (rc < 0)
        return rc;
    const json_t *reference = find_reference(from);
    if (reference)
        return read_reference(parser, reference, schema);
    if ((rc = read_type(parser, from, schema)) < 0 ||
        (rc = read_properties(parser, from, schema)) < 0 ||
        (rc = read_additional(parser, from, schema)) < 0 ||
        (rc = read_schema(parser, from, "items", &schema->items)) < 0 ||
        (rc = schema_read_rules(parser, from, schema->type, &schema->rules)) < 0)
        return rc;
    return schema_index_properties(schema, parser->err);
}

struct schema *schema_parse_part(struct schema_parser *parser, const json_t *from) {
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
        schema_no_memory(parser);
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
    struct schema_parser parser = {
        .resolve = resolve, .context = context, .err = err ? err : &unused};
    return schema_parse_part(&parser, openapi);
}
