#include "apiserver/schema_check.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Paths */

const char *check_path(const struct check *check) {
    return check->path.len > 0 ? check->path.data : "";
}

const char *check_root(const struct check *check) {
    return check->base;
}

const char *check_field(struct check *check) {
    const char *path = check_path(check);
    strbuf_clear(&check->field);
    strbuf_adds(&check->field, check->base);
    if (*path == '.')
        path++;
    if (*path && *path != '[' && *check->base)
        strbuf_addc(&check->field, '.');
    strbuf_adds(&check->field, path);
    return check->field.data ? check->field.data : "";
}

size_t check_push_key(struct check *check, const char *key) {
    if (check->path.len > 0)
        return check_push_member(check, key);
    strbuf_adds(&check->path, key);
    return 0;
}

size_t check_push_member(struct check *check, const char *key) {
    size_t before = check->path.len;
    strbuf_addc(&check->path, '.');
    strbuf_adds(&check->path, key);
    return before;
}

size_t check_push_map_key(struct check *check, const char *key) {
    size_t before = check->path.len;
    strbuf_addc(&check->path, '[');
    strbuf_adds(&check->path, key);
    strbuf_addc(&check->path, ']');
    return before;
}

size_t check_push_index(struct check *check, size_t index) {
    size_t before = check->path.len;
    strbuf_printf(&check->path, "[%zu]", index);
    return before;
}

void check_pop(struct check *check, size_t before) {
    strbuf_cut(&check->path, before);
}

/* Types */

static const char *const type_names[] = {[SCHEMA_ANY] = "",
                                         [SCHEMA_OBJECT] = "object",
                                         [SCHEMA_ARRAY] = "array",
                                         [SCHEMA_STRING] = "string",
                                         [SCHEMA_INTEGER] = "integer",
                                         [SCHEMA_NUMBER] = "number",
                                         [SCHEMA_BOOLEAN] = "boolean",
                                         [SCHEMA_INT_OR_STRING] = "integer,string"};

static enum schema_type type_of(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return SCHEMA_OBJECT;
    case JSON_ARRAY:
        return SCHEMA_ARRAY;
    case JSON_STRING:
        return SCHEMA_STRING;
    case JSON_INTEGER:
        return SCHEMA_INTEGER;
    case JSON_REAL:
        return SCHEMA_NUMBER;
    default:
        return SCHEMA_BOOLEAN;
    }
}

static void add_type(struct check *check, const char *wanted, const char *is) {
    json_t *value = json_string(is);
    if (value == NULL)
        check->causes.failed = true;
    cause_type(&check->causes, check_field(check), value, "%s in body must be of type %s: \"%s\"",
               check_path(check), wanted, is);
    json_decref(value);
}

/* As a float that came through JSON: rounding may have left a little. */
static bool is_whole(double value) {
    double whole = trunc(value);
    if (fabs(value) > 9007199254740991.0)
        return false;
    return value == whole ||
           (whole != 0 && fabs(value - whole) / (fabs(value) + fabs(whole)) < 1e-9);
}

static bool is_of_type(enum schema_type wanted, enum schema_type is, const json_t *value) {
    if (wanted == SCHEMA_INT_OR_STRING)
        return is == SCHEMA_STRING || is_of_type(SCHEMA_INTEGER, is, value);
    return wanted == is || (wanted == SCHEMA_NUMBER && is == SCHEMA_INTEGER) ||
           (wanted == SCHEMA_INTEGER && is == SCHEMA_NUMBER && is_whole(json_real_value(value)));
}

int check_type(struct check *check, const struct schema *schema, bool nullable,
               const json_t *value) {
    const char *format = schema_rules_of(schema)->format;
    if (json_is_null(value)) {
        if (schema->type == SCHEMA_ANY || nullable)
            return 1;
        add_type(check, type_names[schema->type], "null");
        return 0;
    }
    enum schema_type is = type_of(value);
    bool fits = is_of_type(schema->type, is, value),
         textual = is == SCHEMA_STRING || is == SCHEMA_ARRAY;
    if (!fits && format && !textual) {
        add_type(check, format,
                 is == SCHEMA_INTEGER  ? "int64"
                 : is == SCHEMA_NUMBER ? "float64"
                                       : "");
        return 0;
    }
    bool numeric = schema->type == SCHEMA_INTEGER || schema->type == SCHEMA_NUMBER ||
                   schema->type == SCHEMA_INT_OR_STRING;
    if (fits || (format && textual && !numeric))
        return 1;
    add_type(check, type_names[schema->type], type_names[is]);
    return 0;
}

/* Strings */

static int64_t count_points(const json_t *value) {
    const char *text = json_string_value(value);
    int64_t count = 0;
    for (size_t i = 0; i < json_string_length(value); i++)
        count += (text[i] & 0xc0) != 0x80;
    return count;
}

static bool fits_pattern(struct check *check, const struct schema_pattern *pattern,
                         const json_t *value) {
    struct error err;
    int found = schema_pattern_find(
        pattern, str_n(json_string_value(value), json_string_length(value)), &err);
    check->causes.failed = check->causes.failed || found == ERROR_NOMEM;
    return found == 1;
}

void check_string(struct check *check, const struct schema_rules *rules, const json_t *value) {
    int64_t length = count_points(value);
    if (rules->max_length != SCHEMA_NO_BOUND && length > rules->max_length)
        cause_too_long(&check->causes, check_field(check), rules->max_length);
    else if (rules->min_length != SCHEMA_NO_BOUND && length < rules->min_length)
        cause_invalid(&check->causes, check_field(check), value,
                      "%s in body should be at least %lld chars long", check_path(check),
                      (long long)rules->min_length);
    else if (rules->pattern && !fits_pattern(check, rules->pattern, value))
        cause_invalid(&check->causes, check_field(check), value, "%s in body should match '%s'",
                      check_path(check), schema_pattern_text(rules->pattern));
}

void check_format(struct check *check, const struct schema_rules *rules, const json_t *value) {
    struct str text = str_n(json_string_value(value), json_string_length(value));
    struct strbuf quoted = {0};
    if (rules->format_check->fits(text))
        return;
    cause_write_quoted(&quoted, text);
    cause_type(&check->causes, check_field(check), value, "%s in body must be of type %s: %s",
               check_path(check), rules->format, quoted.data ? quoted.data : "");
    check->causes.failed = check->causes.failed || quoted.failed;
    strbuf_finish(&quoted);
}

/* Numbers */

static bool is_in_range(double value, bool integer, const char *type, const char *format) {
    if (strcmp(type, "integer") == 0) {
        bool small = format && strcmp(format, "int32") == 0;
        return (integer || value == trunc(value)) && fabs(value) <= 9223372036854775807.0 &&
               (!small || (value >= INT32_MIN && value <= INT32_MAX));
    }
    return !format || strcmp(format, "float") != 0 || fabs(value) <= (double)FLT_MAX;
}

/* The schema's own numbers must be of its type too. */
static bool check_range(struct check *check, const struct schema *schema, const char *what,
                        double value, bool integer) {
    const char *type = schema->type == SCHEMA_INTEGER || schema->type == SCHEMA_NUMBER
                           ? type_names[schema->type]
                           : "";
    const char *format = *type ? schema_rules_of(schema)->format : NULL;
    if (is_in_range(value, integer, type, format))
        return true;
    if (format)
        cause_invalid(&check->causes, check_root(check), NULL,
                      "%s value must be of type %s with format %s in %s", what, type, format,
                      check_path(check));
    else
        cause_invalid(&check->causes, check_root(check), NULL,
                      "%s value must be of type %s (default format) in %s", what, type,
                      check_path(check));
    return false;
}

static void add_number(struct check *check, const json_t *value, const char *should, double bound,
                       bool integer) {
    struct strbuf text = {0};
    if (integer)
        strbuf_printf(&text, "%lld", (long long)bound);
    else
        cause_write_real(&text, bound);
    cause_invalid(&check->causes, check_field(check), value, "%s in body should be %s %s",
                  check_path(check), should, text.data ? text.data : "");
    check->causes.failed = check->causes.failed || text.failed;
    strbuf_finish(&text);
}

/* -1, 0, 1: below, at, above the bound; whole numbers are compared as such. */
static int compare(const json_t *value, double bound, bool integer) {
    if (integer) {
        int64_t is = json_integer_value(value), limit = (int64_t)bound;
        return (is > limit) - (is < limit);
    }
    double is = json_number_value(value);
    return (is > bound) - (is < bound);
}

static void check_multiple(struct check *check, const struct schema *schema, const json_t *value) {
    double factor = schema->rules->multiple_of, is = json_number_value(value);
    bool integer =
        check_range(check, schema, "MultipleOf", factor, false) && json_is_integer(value);
    bool whole = integer && fabs(factor) < 9e18;
    if (factor <= 0 || (whole && (int64_t)factor == 0)) {
        json_t *bad = json_real(factor);
        struct strbuf text = {0};
        cause_write_real(&text, whole ? trunc(factor) : factor);
        cause_invalid(&check->causes, check_field(check), bad,
                      "factor MultipleOf declared for %s must be positive: %s", check_path(check),
                      text.data ? text.data : "");
        strbuf_finish(&text);
        json_decref(bad);
    } else if (whole ? json_integer_value(value) % (int64_t)factor != 0
                     : !is_whole(factor < 1 ? 1 / factor * is : is / factor)) {
        add_number(check, value, "a multiple of", factor, whole);
    }
}

void check_number(struct check *check, const struct schema *schema, const json_t *value) {
    const struct schema_rules *rules = schema_rules_of(schema);
    check_range(check, schema, "Checked", json_number_value(value), json_is_integer(value));
    if (!isnan(rules->multiple_of))
        check_multiple(check, schema, value);
    if (!isnan(rules->minimum)) {
        bool integer = check_range(check, schema, "Minimum boundary", rules->minimum, false) &&
                       json_is_integer(value) && fabs(rules->minimum) < 9e18;
        int is = compare(value, rules->minimum, integer);
        if (is < 0 || (is == 0 && rules->exclusive_minimum))
            add_number(check, value,
                       rules->exclusive_minimum ? "greater than" : "greater than or equal to",
                       rules->minimum, integer);
    }
    if (!isnan(rules->maximum)) {
        bool integer = check_range(check, schema, "Maximum boundary", rules->maximum, false) &&
                       json_is_integer(value) && fabs(rules->maximum) < 9e18;
        int is = compare(value, rules->maximum, integer);
        if (is > 0 || (is == 0 && rules->exclusive_maximum))
            add_number(check, value,
                       rules->exclusive_maximum ? "less than" : "less than or equal to",
                       rules->maximum, integer);
    }
}

/* Enumerations: a number is brought to the type of the one it is compared with. */

static bool is_same(const json_t *value, const json_t *allowed) {
    if (json_is_integer(allowed) && json_is_real(value))
        return (double)json_integer_value(allowed) == trunc(json_real_value(value));
    if (json_is_real(allowed) && json_is_integer(value))
        return json_real_value(allowed) == (double)json_integer_value(value);
    return !json_is_null(allowed) && json_equal(value, allowed);
}

void check_enum(struct check *check, const struct schema_rules *rules, const json_t *value) {
    json_t *allowed;
    size_t i;
    json_array_foreach(rules->enumeration, i, allowed) if (is_same(value, allowed)) return;
    cause_unsupported(&check->causes, check_field(check), value, rules->enumeration);
}
