#ifndef MOONLET_APISERVER_SCHEMA_INTERNAL_H
#define MOONLET_APISERVER_SCHEMA_INTERNAL_H

#include <stdatomic.h>

#include "apiserver/schema.h"
#include "apiserver/schema_format.h"
#include "apiserver/schema_pattern.h"

/*
 * What a schema is made of: for schema*.c alone.
 *
 * Threads: immutable once parsed, but for the count and what references have led to.
 */
struct schema_property {
    char *name;
    size_t len;
    struct schema *schema;
    bool required, standard; /* must be there; may have a default (a reference: who knows) */
};

struct schema_reference {
    schema_resolve resolve;
    void *context;
    const struct schema *_Atomic target; /* what it resolved to; NULL: not asked, or nothing */
    enum schema_form form;
    char name[];
};

struct schema_many {
    struct schema **items;
    size_t count;
};

/* Of a value: it has something in it. */
static inline bool schema_is_container(const json_t *value) {
    return json_is_object(value) || json_is_array(value);
}

/* The member that `known` (NULL: nothing is) has of that name. */
static inline const json_t *schema_known_member(const json_t *known, struct str name) {
    return known ? json_object_getn(known, name.data, name.len) : NULL;
}

/* What a value must fulfil beyond its type. Absent bounds are SCHEMA_NO_BOUND, absent numbers NAN.
 */
#define SCHEMA_NO_BOUND INT64_MIN
struct schema_rules {
    char *format; /* as written; NULL: none that is checked for this type */
    const struct schema_format *format_check;
    struct schema_pattern *pattern;
    json_t *enumeration; /* an array */
    double minimum, maximum, multiple_of;
    int64_t min_length, max_length, min_items, max_items, min_properties, max_properties;
    bool exclusive_minimum, exclusive_maximum, unique_items;
    char **required; /* NULL-terminated, or NULL */
    struct schema_many all_of, any_of, one_of;
    struct schema *not_of;
};

struct schema {
    atomic_uint refs;
    uint32_t property_count;
    uint8_t type; /* enum schema_type */
    uint8_t list; /* enum schema_list */
    bool nullable, preserve, embedded, atomic_map;
    bool additional_any, additional_none; /* additionalProperties: true, false */
    bool quantities;                      /* a member of it may be one */
    bool requires_unknown;                /* something that is no property */
    uint32_t required_count;              /* of properties */
    struct schema_property *properties;   /* sorted by name */
    uint16_t *places;    /* a table by hash of the name: 1 + which property, or 0 = free */
    uint32_t place_mask; /* its size - 1 */
    struct schema *additional, *items;
    struct schema_reference *reference;
    struct schema_rules *rules;
    json_t *default_value;
    char **list_keys; /* NULL-terminated, or NULL */
    char *patch_strategy, *patch_merge_key;
};

const struct schema *schema_follow_far(const struct schema *schema);
/* The schema that is meant: references followed. NULL when one leads nowhere. */
static inline const struct schema *schema_follow(const struct schema *schema) {
    if (schema == NULL || schema->reference == NULL)
        return schema;
    const struct schema *target =
        atomic_load_explicit(&schema->reference->target, memory_order_relaxed);
    return target && target->reference == NULL ? target : schema_follow_far(schema);
}
/* Once all properties are there and sorted, and rules: how they are found, and what walks ask of
 * them. 0, REJECTED (too many) or NOMEM. */
int schema_index_properties(struct schema *schema, struct error *err);
const struct schema_property *schema_find_property(const struct schema *schema, struct str name);
/* Of this schema's own properties (no reference is followed); NULL: none of that name. */
const struct schema *schema_own_property(const struct schema *schema, struct str name);

/* schema_validate() would not find anything, which is found out without words. */
bool schema_accepts(const struct schema *schema, const json_t *value);
/* As schema_prune() of a value that is no resource by where it stands. */
int schema_prune_part(const struct schema *schema, json_t *value, struct error *err);
/* Never NULL. */
const struct schema_rules *schema_rules_of(const struct schema *schema);
void schema_free_strings(char **strings);

#endif
