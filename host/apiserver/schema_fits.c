#include "apiserver/quantity.h"
#include "apiserver/schema_check.h"

#include <math.h>
#include <string.h>

/* Most values are fine, and this is all that is done with them. Whoever is not sure says no. */
struct fitting {
    bool read;  /* as Go's decoder does, too */
    bool lists; /* items of sets and maps differ */
};

static bool fits(const struct fitting *how, const struct schema *schema, const json_t *value,
                 const json_t *known);

/* Texts */

/* "2026-01-31T12:00:00Z" and, of a MicroTime, ".000000" before its end. */
static bool is_time(struct str text, bool micro) {
    static const char form[] = "dddd-dd-ddTdd:dd:dd", fraction[] = ".dddddd";
    size_t len = micro ? sizeof form + sizeof fraction - 2 : sizeof form - 1;
    if (text.len != len + 1 || text.data[len] != 'Z')
        return false;
    for (size_t i = 0; i < len; i++) {
        char wanted = i < sizeof form - 1 ? form[i] : fraction[i - (sizeof form - 1)];
        bool digit = text.data[i] >= '0' && text.data[i] <= '9';
        if (wanted == 'd' ? !digit : text.data[i] != wanted)
            return false;
    }
    return true;
}

/* "100m", "1Gi", "2": some digits, and a letter or two that may follow them. */
static bool is_plain_quantity(struct str text) {
    size_t digits = 0;
    while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
        digits++;
    size_t unit = text.len - digits;
    return digits > 0 && digits < 9 &&
           (unit == 0 || (unit == 1 && memchr("mkMG", text.data[digits], 4)) ||
            (unit == 2 && memchr("KMG", text.data[digits], 3) && text.data[digits + 1] == 'i'));
}

static bool is_quantity(struct str text) {
    char spelled[QUANTITY_MAX];
    if (is_plain_quantity(text))
        return true;
    return quantity_canonical(text, false, spelled);
}

static bool fits_form(enum schema_form form, const json_t *value) {
    struct str text = str_n(json_string_value(value), json_string_length(value));
    return json_is_string(value) &&
           (form == SCHEMA_QUANTITY ? is_quantity(text) : is_time(text, form == SCHEMA_MICRO_TIME));
}

static bool fits_length(const struct schema_rules *rules, struct str text) {
    int64_t points = 0;
    if (rules->max_length == SCHEMA_NO_BOUND && rules->min_length == SCHEMA_NO_BOUND)
        return true;
    for (size_t i = 0; i < text.len; i++)
        points += (text.data[i] & 0xc0) != 0x80;
    return (rules->max_length == SCHEMA_NO_BOUND || points <= rules->max_length) &&
           (rules->min_length == SCHEMA_NO_BOUND || points >= rules->min_length);
}

static bool fits_text(const struct schema_rules *rules, const json_t *value) {
    struct str text = str_n(json_string_value(value), json_string_length(value));
    struct error err;
    return fits_length(rules, text) && (!rules->format_check || rules->format_check->fits(text)) &&
           (!rules->pattern || schema_pattern_find(rules->pattern, text, &err) == 1);
}

/* Numbers */

/* Of any type and format, and exact as a double. */
static bool is_tame(double number) {
    return number == trunc(number) && fabs(number) <= INT32_MAX;
}

static bool fits_bounds(const struct schema_rules *rules, const json_t *value) {
    double is = json_number_value(value);
    if (!isnan(rules->multiple_of) || !is_tame(is))
        return false;
    if (!isnan(rules->minimum) && (!is_tame(rules->minimum) || is < rules->minimum ||
                                   (is == rules->minimum && rules->exclusive_minimum)))
        return false;
    return isnan(rules->maximum) || (is_tame(rules->maximum) && is <= rules->maximum &&
                                     !(is == rules->maximum && rules->exclusive_maximum));
}

static bool has_bounds(const struct schema_rules *rules) {
    return !isnan(rules->multiple_of) || !isnan(rules->minimum) || !isnan(rules->maximum);
}

/* 64 bits always hold an integer; what else may be wrong with a number needs a closer look. */
static bool fits_number(const struct schema *schema, const json_t *value) {
    const struct schema_rules *rules = schema->rules;
    if (rules == NULL || (!has_bounds(rules) && rules->format == NULL))
        return true;
    if (!has_bounds(rules) && json_is_integer(value) && strcmp(rules->format, "int64") == 0)
        return true;
    return fits_bounds(rules, value);
}

/* Rules */

static bool fits_enum(const json_t *enumeration, const json_t *value) {
    const json_t *allowed;
    size_t i;
    json_array_foreach(enumeration, i, allowed) {
        if (json_equal(value, allowed))
            return true;
    }
    return false;
}

static bool fits_some(const struct fitting *how, const struct schema_many *many,
                      const json_t *value) {
    for (size_t i = 0; i < many->count; i++)
        if (fits(how, many->items[i], value, NULL))
            return true;
    return many->count == 0;
}

static bool fits_one(const struct schema_many *many, const json_t *value) {
    size_t fitting = 0;
    for (size_t i = 0; i < many->count; i++)
        fitting += schema_accepts(many->items[i], value);
    return many->count == 0 || fitting == 1;
}

static bool fits_all(const struct fitting *how, const struct schema_many *many,
                     const json_t *value) {
    for (size_t i = 0; i < many->count; i++)
        if (!fits(how, many->items[i], value, NULL))
            return false;
    return true;
}

static bool fits_rules(const struct fitting *how, const struct schema_rules *rules,
                       const json_t *value) {
    return (!rules->enumeration || fits_enum(rules->enumeration, value)) &&
           fits_some(how, &rules->any_of, value) && fits_one(&rules->one_of, value) &&
           fits_all(how, &rules->all_of, value) &&
           (!rules->not_of || !schema_accepts(rules->not_of, value));
}

/* Containers */

static bool fits_size(size_t size, int64_t least, int64_t most) {
    return (least == SCHEMA_NO_BOUND || (int64_t)size >= least) &&
           (most == SCHEMA_NO_BOUND || (int64_t)size <= most);
}

static bool fits_array(const struct fitting *how, const struct schema *schema,
                       const struct schema *meant, const json_t *array, const json_t *known) {
    const struct schema_rules *rules = meant->rules;
    size_t count = json_array_size(array);
    if (rules && (rules->unique_items || !fits_size(count, rules->min_items, rules->max_items)))
        return false;
    if (how->lists && check_list_is_suspect(schema, array))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!fits(how, meant->items, json_array_get(array, i), json_array_get(known, i)))
            return false;
    return true;
}

static bool fits_object(const struct fitting *how, const struct schema *schema, json_t *object,
                        const json_t *known) {
    const struct schema_rules *rules = schema->rules;
    uint32_t required = 0;
    if (schema->requires_unknown ||
        (rules &&
         !fits_size(json_object_size(object), rules->min_properties, rules->max_properties)))
        return false;
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        struct str key = str_n(json_object_iter_key(at), json_object_iter_key_len(at));
        const struct schema_property *property = schema_find_property(schema, key);
        if (property == NULL && schema->additional_none)
            return false;
        required += property && property->required;
        const json_t *value = json_object_iter_value(at);
        if (!fits(how, property ? property->schema : schema->additional, value,
                  schema_is_container(value) ? schema_known_member(known, key) : NULL))
            return false;
    }
    return required == schema->required_count;
}

/* Any value */

static bool fits_type(const struct schema *meant, const json_t *value) {
    enum schema_type type = meant->type;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return type == SCHEMA_OBJECT;
    case JSON_ARRAY:
        return type == SCHEMA_ARRAY;
    case JSON_STRING:
        return type == SCHEMA_STRING || type == SCHEMA_INT_OR_STRING;
    case JSON_INTEGER:
        return type == SCHEMA_INTEGER || type == SCHEMA_NUMBER || type == SCHEMA_INT_OR_STRING;
    case JSON_REAL:
        return type == SCHEMA_NUMBER;
    default:
        return type == SCHEMA_BOOLEAN;
    }
}

static bool fits_null(const struct schema *schema, const struct schema *meant) {
    return (meant->type == SCHEMA_ANY || meant->nullable || schema->nullable) &&
           !(meant->rules && meant->rules->enumeration);
}

static bool fits(const struct fitting *how, const struct schema *schema, const json_t *value,
                 const json_t *known) {
    const struct schema *meant = schema_follow(schema);
    if (meant == NULL || value == known)
        return true;
    if (json_is_null(value))
        return fits_null(schema, meant);
    if (how->read && schema_form(schema) != SCHEMA_PLAIN && !fits_form(schema_form(schema), value))
        return false;
    if (how->read && schema_form(schema) == SCHEMA_QUANTITY)
        return true; /* a text, then; of numbers others decide */
    if (meant->type == SCHEMA_ANY ? meant->rules && meant->rules->format && !json_is_string(value)
                                  : !fits_type(meant, value))
        return false;
    if (meant->rules && !fits_rules(how, meant->rules, value))
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return !meant->embedded && !schema->embedded &&
               fits_object(how, meant, (json_t *)value, known);
    case JSON_ARRAY:
        return fits_array(how, schema, meant, value, known);
    case JSON_STRING:
        return meant->rules == NULL || fits_text(meant->rules, value);
    case JSON_INTEGER:
    case JSON_REAL:
        return fits_number(meant, value);
    default:
        return true;
    }
}

bool schema_fits(const struct schema *schema, const json_t *value, const json_t *known, bool read) {
    struct fitting how = {.read = read, .lists = !schema_refers_to(schema)};
    return fits(&how, schema, value, known);
}
