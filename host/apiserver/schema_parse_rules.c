#include "apiserver/document.h"
#include "apiserver/schema_parser.h"

#include <string.h>

#include "base/mem.h"

/* Schemas in allOf, anyOf, oneOf and not */

static struct schema *parse_nested(struct schema_parser *parser, const json_t *from) {
    bool before = parser->nested;
    parser->nested = true;
    struct schema *schema = schema_parse_part(parser, from);
    parser->nested = before;
    return schema;
}

static int read_schemas(struct schema_parser *parser, const json_t *from, const char *key,
                        struct schema_many *ret) {
    const json_t *value = schema_keyword(from, key), *item;
    size_t i;
    if (value == NULL)
        return 0;
    if (!json_is_array(value))
        return error_set(parser->err, ERROR_REJECTED, "%s must be a list of schemas", key);
    ret->items = mem_calloc(json_array_size(value), sizeof(struct schema *));
    if (ret->items == NULL)
        return schema_no_memory(parser);
    json_array_foreach(value, i, item) {
        ret->items[i] = parse_nested(parser, item);
        if (ret->items[i] == NULL)
            return error_prefix(parser->err, "%s[%zu]", key, i);
        ret->count++;
    }
    return 0;
}

/* Keywords that a value must fulfil */

static int read_bounds(struct schema_parser *parser, const json_t *from,
                       struct schema_rules *rules) {
    int rc;
    if ((rc = schema_read_number(parser, from, "minimum", &rules->minimum)) < 0 ||
        (rc = schema_read_number(parser, from, "maximum", &rules->maximum)) < 0 ||
        (rc = schema_read_number(parser, from, "multipleOf", &rules->multiple_of)) < 0 ||
        (rc = schema_read_bool(parser, from, "exclusiveMinimum", &rules->exclusive_minimum)) < 0 ||
        (rc = schema_read_bool(parser, from, "exclusiveMaximum", &rules->exclusive_maximum)) < 0 ||
        (rc = schema_read_bound(parser, from, "minLength", &rules->min_length)) < 0 ||
        (rc = schema_read_bound(parser, from, "maxLength", &rules->max_length)) < 0 ||
        (rc = schema_read_bound(parser, from, "minItems", &rules->min_items)) < 0 ||
        (rc = schema_read_bound(parser, from, "maxItems", &rules->max_items)) < 0 ||
        (rc = schema_read_bound(parser, from, "minProperties", &rules->min_properties)) < 0 ||
        (rc = schema_read_bound(parser, from, "maxProperties", &rules->max_properties)) < 0)
        return rc;
    return schema_read_bool(parser, from, "uniqueItems", &rules->unique_items);
}

static int read_pattern(struct schema_parser *parser, const json_t *from,
                        struct schema_rules *rules) {
    const char *pattern;
    int rc = schema_peek_string(parser, from, "pattern", &pattern);
    if (rc < 0 || pattern == NULL)
        return rc;
    rules->pattern = schema_pattern_create(pattern, parser->err);
    return rules->pattern ? 0 : error_prefix(parser->err, "pattern");
}

static int read_enum(struct schema_parser *parser, const json_t *from, struct schema_rules *rules) {
    const json_t *value = schema_keyword(from, "enum");
    if (value && !json_is_array(value))
        return error_set(parser->err, ERROR_REJECTED, "enum must be a list");
    if (json_array_size(value) == 0)
        return 0;
    rules->enumeration = document_copy(value);
    return rules->enumeration ? 0 : schema_no_memory(parser);
}

/* A format that the type does not have means nothing. */
static int read_format(struct schema_parser *parser, const json_t *from, enum schema_type type,
                       struct schema_rules *rules) {
    const char *format;
    int rc = schema_peek_string(parser, from, "format", &format);
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
    return rules->format ? 0 : schema_no_memory(parser);
}

static int fill(struct schema_parser *parser, const json_t *from, enum schema_type type,
                struct schema_rules *rules) {
    int rc;
    if ((rc = read_format(parser, from, type, rules)) < 0 ||
        (rc = read_bounds(parser, from, rules)) < 0 ||
        (rc = read_pattern(parser, from, rules)) < 0 || (rc = read_enum(parser, from, rules)) < 0 ||
        (rc = schema_read_strings(parser, from, "required", &rules->required)) < 0 ||
        (rc = read_schemas(parser, from, "allOf", &rules->all_of)) < 0 ||
        (rc = read_schemas(parser, from, "anyOf", &rules->any_of)) < 0 ||
        (rc = read_schemas(parser, from, "oneOf", &rules->one_of)) < 0)
        return rc;
    const json_t *not_of = schema_keyword(from, "not");
    if (not_of == NULL)
        return 0;
    rules->not_of = parse_nested(parser, not_of);
    return rules->not_of ? 0 : error_prefix(parser->err, "not");
}

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

int schema_read_rules(struct schema_parser *parser, const json_t *from, enum schema_type type,
                      struct schema_rules **ret) {
    if (!has_rules(from))
        return 0;
    *ret = mem_zalloc(sizeof **ret);
    return *ret ? fill(parser, from, type, *ret) : schema_no_memory(parser);
}
