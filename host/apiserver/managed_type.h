#ifndef MOONLET_APISERVER_MANAGED_TYPE_H
#define MOONLET_APISERVER_MANAGED_TYPE_H

#include "apiserver/fieldset.h"
#include "apiserver/schema.h"

/*
 * Types of server-side apply: a schema as structured merge sees it.
 *
 * Is:      what a value is merged as, whether whole or by parts; what names an item of a list. The
 *          object's own metadata is ObjectMeta whatever the schema says of it, and so is that of an
 *          embedded resource.
 * Is not:  the walks (managed_walk.h).
 * Threads: any. Yields: never.
 */
enum managed_shape {
    MANAGED_NONE, /* there is no value */
    MANAGED_MAP,  /* objects too */
    MANAGED_LIST,
    MANAGED_SCALAR,
    MANAGED_OPEN /* null where anything fits: merged as a map */
};
enum managed_place { /* where we are in an object's frame */
                     MANAGED_ANYWHERE,
                     MANAGED_ROOT,
                     MANAGED_METADATA,
                     MANAGED_STRINGS, /* labels, annotations */
                     MANAGED_FINALIZERS,
                     MANAGED_OWNERS,
                     MANAGED_LEAF /* the other members: nothing inside is anybody's */
};
struct managed_type {
    const struct schema *schema; /* borrowed; NULL: nothing is known */
    enum managed_place place;
    uint8_t type;     /* enum schema_type: what the schema says, asked once */
    bool map, atomic; /* of an object: its members are entries; of it or a list: owned whole */
};

struct managed_type managed_type_root(const struct schema *schema);
/* *ret_declared (may be NULL): the type names this field; entries of a map are not declared. */
struct managed_type managed_type_member(struct managed_type type, struct str name,
                                        bool *ret_declared);
struct managed_type managed_type_items(struct managed_type type);
/* What `value` (NULL: absent) is merged as. */
enum managed_shape managed_type_shape(struct managed_type type, const json_t *value);
/* All or nothing: there is one owner of the whole. */
static inline bool managed_type_is_atomic(struct managed_type type, enum managed_shape shape) {
    return type.atomic || (shape == MANAGED_LIST && type.type == SCHEMA_ANY);
}
/* What an empty object has there when a Go type stands behind: {}; or null, for what it must have.
 */
bool managed_type_is_struct(struct managed_type type);
bool managed_type_is_required(struct managed_type type, struct str name);

/* The path element of an item of a list that is not atomic: its keys or its value. REJECTED: it has
 * none. NOMEM shows in the pool alone. */
int managed_type_element(struct fieldset_pool *pool, struct managed_type list, const json_t *item,
                         struct fieldset_element *ret, struct error *err);

/* The items of a list by element. */
struct managed_index {
    const json_t *list; /* NULL: no items */
    size_t count;
    const struct fieldset_element *elements; /* in the list's order; the pool's */
    const uint32_t *order;                   /* positions, sorted by element, then position */
};
/* REJECTED: an item has no element; then the index is empty. */
int managed_index_init(struct managed_index *index, struct fieldset_pool *pool,
                       struct managed_type type, const json_t *list, struct error *err);
/* How many items, from the one at `at` in order on, have the same element. */
size_t managed_index_same(const struct managed_index *index, size_t at);
/* How many items have the element; *ret_first: the position of the first. */
size_t managed_index_find(const struct managed_index *index, const struct fieldset_element *element,
                          size_t *ret_first);

#endif
