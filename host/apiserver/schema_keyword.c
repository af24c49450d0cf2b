#include "apiserver/schema_parser.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

int schema_no_memory(struct schema_parser *parser) {
    return error_set(parser->err, ERROR_NOMEM, "no memory for a schema");
}

int schema_read_bool(struct schema_parser *parser, const json_t *from, const char *key, bool *ret) {
    const json_t *value = schema_keyword(from, key);
    if (value == NULL)
        return 0;
    if (!json_is_boolean(value))
        return error_set(parser->err, ERROR_REJECTED, "%s must be true or false", key);
    *ret = json_is_true(value);
    return 0;
}

int schema_read_number(struct schema_parser *parser, const json_t *from, const char *key,
                       double *ret) {
    const json_t *value = schema_keyword(from, key);
    *ret = NAN;
    if (value == NULL)
        return 0;
    if (!json_is_number(value))
        return error_set(parser->err, ERROR_REJECTED, "%s must be a number", key);
    *ret = json_number_value(value);
    return 0;
}

int schema_read_bound(struct schema_parser *parser, const json_t *from, const char *key,
                      int64_t *ret) {
    double number;
    *ret = SCHEMA_NO_BOUND;
    if (schema_read_number(parser, from, key, &number) < 0)
        return ERROR_REJECTED;
    if (isnan(number))
        return 0;
    if (number != floor(number) || fabs(number) > 9e18)
        return error_set(parser->err, ERROR_REJECTED, "%s must be an integer", key);
    const json_t *value = schema_keyword(from, key);
    *ret = json_is_integer(value) ? json_integer_value(value) : (int64_t)number;
    return 0;
}

int schema_peek_string(struct schema_parser *parser, const json_t *from, const char *key,
                       const char **ret) {
    const json_t *value = schema_keyword(from, key);
    *ret = NULL;
    if (value == NULL)
        return 0;
    if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
        return error_set(parser->err, ERROR_REJECTED, "%s must be a string", key);
    if (json_string_length(value) > 0)
        *ret = json_string_value(value);
    return 0;
}

int schema_read_string(struct schema_parser *parser, const json_t *from, const char *key,
                       char **ret) {
    const char *text;
    int rc = schema_peek_string(parser, from, key, &text);
    if (rc < 0 || text == NULL)
        return rc;
    *ret = mem_strdup(text);
    return *ret ? 0 : schema_no_memory(parser);
}

int schema_read_strings(struct schema_parser *parser, const json_t *from, const char *key,
                        char ***ret) {
    const json_t *value = schema_keyword(from, key), *item;
    size_t i, count = json_array_size(value);
    if (value == NULL)
        return 0;
    json_array_foreach(value, i, item) if (!json_is_string(item)) break;
    if (!json_is_array(value) || i < count)
        return error_set(parser->err, ERROR_REJECTED, "%s must be a list of strings", key);
    if (count == 0)
        return 0;
    *ret = mem_calloc(count + 1, sizeof **ret);
    if (*ret == NULL)
        return schema_no_memory(parser);
    json_array_foreach(value, i, item) {
        (*ret)[i] = mem_strdup(json_string_value(item));
        if ((*ret)[i] == NULL)
            return schema_no_memory(parser);
    }
    return 0;
}
