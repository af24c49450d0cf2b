#include "apiserver/schema_internal.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

enum { MOST_HOPS = 16 }; /* a reference that leads to itself leads nowhere */

/* Life */

struct schema *schema_ref(const struct schema *schema) {
    struct schema *counted = (struct schema *)schema;
    if (counted)
        atomic_fetch_add(&counted->refs, 1);
    return counted;
}

void schema_free_strings(char **strings) {
    for (char **at = strings; at && *at; at++)
        mem_free(*at);
    mem_free(strings);
}

static void free_many(struct schema_many *many) {
    for (size_t i = 0; i < many->count; i++)
        schema_unref(many->items[i]);
    mem_free(many->items);
}

static void free_rules(struct schema_rules *rules) {
    if (rules == NULL)
        return;
    mem_free(rules->format);
    schema_pattern_destroy(rules->pattern);
    json_decref(rules->enumeration);
    schema_free_strings(rules->required);
    free_many(&rules->all_of);
    free_many(&rules->any_of);
    free_many(&rules->one_of);
    schema_unref(rules->not_of);
    mem_free(rules);
}

void schema_unref(const struct schema *schema) {
    struct schema *gone = (struct schema *)schema;
    if (gone == NULL || atomic_fetch_sub(&gone->refs, 1) > 1)
        return;
    for (uint32_t i = 0; i < gone->property_count; i++) {
        mem_free(gone->properties[i].name);
        schema_unref(gone->properties[i].schema);
    }
    mem_free(gone->properties);
    mem_free(gone->places);
    schema_unref(gone->additional);
    schema_unref(gone->items);
    mem_free(gone->reference);
    free_rules(gone->rules);
    json_decref(gone->default_value);
    schema_free_strings(gone->list_keys);
    mem_free(gone->patch_strategy);
    mem_free(gone->patch_merge_key);
    mem_free(gone);
}

/* Ways through it */

const struct schema_rules *schema_rules_of(const struct schema *schema) {
    static const struct schema_rules none = {.minimum = NAN,
                                             .maximum = NAN,
                                             .multiple_of = NAN,
                                             .min_length = SCHEMA_NO_BOUND,
                                             .max_length = SCHEMA_NO_BOUND,
                                             .min_items = SCHEMA_NO_BOUND,
                                             .max_items = SCHEMA_NO_BOUND,
                                             .min_properties = SCHEMA_NO_BOUND,
                                             .max_properties = SCHEMA_NO_BOUND};
    return schema->rules ? schema->rules : &none;
}

/* A name that leads somewhere always leads there. */
static const struct schema *target_of(struct schema_reference *reference) {
    const struct schema *target = atomic_load_explicit(&reference->target, memory_order_relaxed);
    if (target == NULL) {
        target = reference->resolve(reference->context, reference->name);
        atomic_store_explicit(&reference->target, target, memory_order_relaxed);
    }
    return target;
}

const struct schema *schema_follow_far(const struct schema *schema) {
    for (int hops = 0; schema && schema->reference; hops++) {
        if (hops == MOST_HOPS)
            return NULL;
        schema = target_of(schema->reference);
    }
    return schema;
}

/* A power of two, at least twice as many as there are properties. */
static size_t place_count(const struct schema *schema) {
    size_t count = 4;
    while (count < 2 * (size_t)schema->property_count)
        count *= 2;
    return count;
}

/* Names of one schema differ in length or at an end, mostly. */
static size_t place_of(const char *name, size_t len) {
    size_t hash = len;
    if (len > 0)
        hash += (unsigned char)name[0] * 31u + (unsigned char)name[len / 2] * 7u +
                (unsigned char)name[len - 1] * 131u;
    return hash ^ hash >> 5;
}

static void note_property(const struct schema *schema, struct schema_property *property) {
    char **required = schema->rules ? schema->rules->required : NULL;
    property->standard = property->schema->default_value || property->schema->reference;
    for (; required && *required && !property->required; required++)
        property->required = strcmp(*required, property->name) == 0;
}

static int index_names(struct schema *schema, struct error *err) {
    size_t count = place_count(schema);
    schema->place_mask = (uint32_t)(count - 1);
    if (schema->property_count >= UINT16_MAX)
        return error_set(err, ERROR_REJECTED, "too many properties");
    schema->places = mem_calloc(count, sizeof *schema->places);
    if (schema->places == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for a schema");
    for (uint32_t i = 0; i < schema->property_count; i++) {
        size_t at = place_of(schema->properties[i].name, schema->properties[i].len);
        while (schema->places[at & schema->place_mask])
            at++;
        schema->places[at & schema->place_mask] = (uint16_t)(i + 1);
    }
    return 0;
}

int schema_index_properties(struct schema *schema, struct error *err) {
    char **required = schema->rules ? schema->rules->required : NULL;
    int rc = schema->property_count > 0 ? index_names(schema, err) : 0;
    schema->quantities = schema_form(schema->additional) == SCHEMA_QUANTITY;
    for (uint32_t i = 0; rc == 0 && i < schema->property_count; i++) {
        struct schema_property *property = &schema->properties[i];
        note_property(schema, property);
        schema->required_count += property->required;
        schema->quantities |= schema_form(property->schema) == SCHEMA_QUANTITY;
    }
    for (; rc == 0 && required && *required; required++)
        schema->requires_unknown |= schema_find_property(schema, str_of(*required)) == NULL;
    return rc;
}

const struct schema_property *schema_find_property(const struct schema *schema, struct str name) {
    if (schema->places == NULL)
        return NULL;
    size_t mask = schema->place_mask, at = place_of(name.data, name.len);
    for (uint16_t place; (place = schema->places[at & mask]) != 0; at++) {
        const struct schema_property *property = &schema->properties[place - 1];
        if (property->len == name.len && memcmp(property->name, name.data, name.len) == 0)
            return property;
    }
    return NULL;
}

const struct schema *schema_own_property(const struct schema *schema, struct str name) {
    const struct schema_property *property = schema_find_property(schema, name);
    return property ? property->schema : NULL;
}

const struct schema *schema_member(const struct schema *schema, struct str name) {
    schema = schema_follow(schema);
    if (schema == NULL)
        return NULL;
    const struct schema *property = schema_own_property(schema, name);
    return property ? property : schema->additional;
}

bool schema_is_map(const struct schema *schema) {
    schema = schema_follow(schema);
    return schema && schema->property_count == 0 && (schema->additional || schema->additional_any);
}

bool schema_is_open(const struct schema *schema) {
    schema = schema_follow(schema);
    return !schema || schema->preserve || schema->additional || schema->additional_any ||
           (schema->property_count == 0 && !schema->additional_none);
}

bool schema_requires(const struct schema *schema, struct str name) {
    schema = schema_follow(schema);
    char **required = schema && schema->rules ? schema->rules->required : NULL;
    for (; required && *required; required++)
        if (str_is(name, *required))
            return true;
    return false;
}

const struct schema *schema_items(const struct schema *schema) {
    schema = schema_follow(schema);
    return schema ? schema->items : NULL;
}

/* What is said: beside a reference first, then by what it leads to. */

enum schema_type schema_type(const struct schema *schema) {
    schema = schema_follow(schema);
    return schema ? schema->type : SCHEMA_ANY;
}

enum schema_list schema_list_type(const struct schema *schema) {
    if (schema && schema->list != SCHEMA_LIST_ATOMIC)
        return schema->list;
    schema = schema_follow(schema);
    return schema ? schema->list : SCHEMA_LIST_ATOMIC;
}

const char *const *schema_list_keys(const struct schema *schema) {
    if (schema_list_type(schema) != SCHEMA_LIST_MAP)
        return NULL;
    if (schema->list_keys == NULL)
        schema = schema_follow(schema);
    return (const char *const *)(schema ? schema->list_keys : NULL);
}

const char *schema_patch_strategy(const struct schema *schema) {
    if (schema && schema->patch_strategy == NULL)
        schema = schema_follow(schema);
    return schema && schema->patch_strategy ? schema->patch_strategy : "";
}

const char *schema_patch_merge_key(const struct schema *schema) {
    if (schema && schema->patch_merge_key == NULL)
        schema = schema_follow(schema);
    return schema ? schema->patch_merge_key : NULL;
}

const char *schema_refers_to(const struct schema *schema) {
    return schema && schema->reference ? schema->reference->name : NULL;
}

enum schema_form schema_form(const struct schema *schema) {
    return schema && schema->reference ? schema->reference->form : SCHEMA_PLAIN;
}

bool schema_has_format(const struct schema *schema, const char *format) {
    const struct schema *meant = schema_follow(schema);
    const char *own = meant ? schema_rules_of(meant)->format : NULL;
    return own && strcmp(own, format) == 0;
}

bool schema_is_small(const struct schema *schema) {
    return schema_has_format(schema, "int32");
}

const json_t *schema_default_of(const struct schema *schema) {
    if (schema && schema->default_value == NULL)
        schema = schema_follow(schema);
    return schema ? schema->default_value : NULL;
}

bool schema_is_atomic_map(const struct schema *schema) {
    const struct schema *meant = schema_follow(schema);
    return (schema && schema->atomic_map) || (meant && meant->atomic_map);
}

bool schema_is_nullable(const struct schema *schema) {
    const struct schema *meant = schema_follow(schema);
    return (schema && schema->nullable) || (meant && meant->nullable);
}

bool schema_preserves_unknown(const struct schema *schema) {
    const struct schema *meant = schema_follow(schema);
    return (schema && schema->preserve) || (meant && meant->preserve);
}

bool schema_is_embedded(const struct schema *schema) {
    const struct schema *meant = schema_follow(schema);
    return (schema && schema->embedded) || (meant && meant->embedded);
}
