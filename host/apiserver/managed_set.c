/* The sets of values, and sets seen through a type. */
#include "apiserver/managed_walk.h"
#include "base/mem.h"

void managed_walk_init(struct managed_walk *walk, struct fieldset_pool *pool, struct error *err) {
    *walk = (struct managed_walk){.pool = pool, .err = err};
    for (int i = 0; i < 3; i++)
        walk->sets[i].pool = pool;
}

void managed_walk_finish(struct managed_walk *walk) {
    for (int i = 0; i < 3; i++)
        fieldset_builder_finish(&walk->sets[i]);
}

int managed_walk_result(const struct managed_walk *walk) {
    if (walk->rc < 0)
        return walk->rc;
    return walk->pool->failed ? error_set(walk->err, ERROR_NOMEM, "managed fields: no memory") : 0;
}

/* The set below `value`; *ret_member: the value itself belongs to it. */
static const struct fieldset *set_of(struct managed_walk *walk, struct managed_type type,
                                     const json_t *value, bool *ret_member);

static const struct fieldset *set_of_items(struct managed_walk *walk, struct managed_type type,
                                           const json_t *list) {
    struct managed_type items = managed_type_items(type);
    struct fieldset_builder *set = &walk->sets[0];
    size_t begin = fieldset_begin(set);
    struct managed_index index;
    if (managed_index_init(&index, walk->pool, type, list, NULL) < 0)
        return NULL;
    for (size_t i = 0, same; i < index.count; i += same) {
        const struct fieldset_element *element = &index.elements[index.order[i]];
        const struct fieldset *below = NULL;
        bool member;
        same = managed_index_same(&index, i);
        if (same == 1) /* twins are owned whole */
            below = set_of(walk, items, json_array_get(list, index.order[i]), &member);
        fieldset_add(set, element, true, below);
    }
    return fieldset_end(set, begin);
}

static const struct fieldset *set_of_members(struct managed_walk *walk, struct managed_type type,
                                             const json_t *map) {
    struct fieldset_builder *set = &walk->sets[0];
    size_t begin = fieldset_begin(set);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)map, name, value) {
        struct fieldset_element element = fieldset_field(str_of(name));
        bool declared, member;
        struct managed_type inner = managed_type_member(type, element.name, &declared);
        const struct fieldset *below = set_of(walk, inner, value, &member);
        member |= !declared || json_is_null(value) ||
                  (json_is_object(value) && json_object_size(value) == 0);
        fieldset_add(set, &element, member, below);
    }
    return fieldset_end(set, begin);
}

static const struct fieldset *set_of(struct managed_walk *walk, struct managed_type type,
                                     const json_t *value, bool *ret_member) {
    enum managed_shape shape = managed_type_shape(type, value);
    *ret_member = shape == MANAGED_SCALAR || managed_type_is_atomic(type, shape);
    if (*ret_member)
        return NULL;
    if (shape == MANAGED_LIST)
        return json_is_array(value) ? set_of_items(walk, type, value) : NULL;
    return json_is_object(value) ? set_of_members(walk, type, value) : NULL;
}

const struct fieldset *managed_set_of(struct managed_walk *walk, const struct schema *schema,
                                      const json_t *value) {
    bool member;
    return value ? set_of(walk, managed_type_root(schema), value, &member) : NULL;
}

/* Without a type nothing below is named, atomic or else worth a look. */
static bool type_is_known(struct managed_type type) {
    return type.schema || type.place != MANAGED_ANYWHERE;
}

static struct managed_type type_below(struct managed_type type,
                                      const struct fieldset_element *element, bool *ret_declared) {
    enum managed_shape shape = managed_type_shape(type, json_null());
    *ret_declared = false;
    if (element->kind == FIELDSET_FIELD && shape == MANAGED_MAP)
        return managed_type_member(type, element->name, ret_declared);
    if (element->kind == FIELDSET_KEY && shape == MANAGED_LIST)
        return managed_type_items(type);
    return (struct managed_type){0};
}

const struct fieldset *managed_with_parents(struct managed_walk *walk, struct managed_type type,
                                            const struct fieldset *set) {
    if (!set || !type_is_known(type))
        return set;
    struct fieldset_builder *with = &walk->sets[0];
    size_t begin = fieldset_begin(with);
    for (size_t i = 0; i < set->count; i++) {
        const struct fieldset_entry *entry = &set->entries[i];
        bool declared;
        struct managed_type below = type_below(type, &entry->element, &declared);
        fieldset_add(with, &entry->element, entry->member || declared,
                     managed_with_parents(walk, below, entry->children));
    }
    return fieldset_end(with, begin);
}

const struct fieldset *managed_reconcile(struct managed_walk *walk, struct managed_type type,
                                         const struct fieldset *set) {
    if (!set || !type_is_known(type))
        return set;
    struct fieldset_builder *with = &walk->sets[0];
    size_t begin = fieldset_begin(with);
    bool changed = false;
    for (size_t i = 0; i < set->count; i++) {
        const struct fieldset_entry *entry = &set->entries[i];
        bool declared;
        struct managed_type below = type_below(type, &entry->element, &declared);
        enum managed_shape shape = managed_type_shape(below, json_null());
        bool whole = entry->children && type_is_known(below) && shape != MANAGED_SCALAR &&
                     managed_type_is_atomic(below, shape);
        const struct fieldset *children =
            whole ? NULL : managed_reconcile(walk, below, entry->children);
        changed |= children != entry->children;
        fieldset_add(with, &entry->element, entry->member || whole, children);
    }
    if (changed)
        return fieldset_end(with, begin);
    with->count = begin;
    return set;
}
