/* What came, went and changed between two documents. */
#include <string.h>

#include "apiserver/managed_walk.h"

static bool equal_lists(const json_t *a, const json_t *b) {
    if (json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!managed_equal(json_array_get(a, i), json_array_get(b, i)))
            return false;
    return true;
}

/* Of the name that the other one has here: mostly, members come in the same order. */
static const json_t *member_of(const json_t *map, struct str name, void **beside) {
    void *at = *beside;
    if (at && json_object_iter_key_len(at) == name.len &&
        memcmp(json_object_iter_key(at), name.data, name.len) == 0) {
        *beside = json_object_iter_next((json_t *)map, at);
        return json_object_iter_value(at);
    }
    return json_object_getn(map, name.data, name.len);
}

static bool equal_maps(const json_t *a, const json_t *b) {
    if (json_object_size(a) != json_object_size(b))
        return false;
    void *at = json_object_iter((json_t *)a), *beside = json_object_iter((json_t *)b);
    for (; at; at = json_object_iter_next((json_t *)a, at)) {
        struct str name = str_n(json_object_iter_key(at), json_object_iter_key_len(at));
        if (!managed_equal(json_object_iter_value(at), member_of(b, name, &beside)))
            return false;
    }
    return true;
}

bool managed_equal(const json_t *a, const json_t *b) {
    if (a == b || !a || !b)
        return a == b;
    if (json_is_number(a) && json_is_number(b) && json_typeof(a) != json_typeof(b))
        return json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_object(a))
        return equal_maps(a, b);
    return json_is_array(a) ? equal_lists(a, b) : json_equal(a, b) != 0;
}

enum { REMOVED, MODIFIED, ADDED, CHANGES };
/* Of one field. */
struct change {
    bool member[CHANGES];
    const struct fieldset *below[CHANGES];
};

/* --- one side is not there: the other came or went with all that is in it ------------------- */

static const struct fieldset *all_of(struct managed_walk *walk, struct managed_type type,
                                     const json_t *value, int which);

static const struct fieldset *all_of_members(struct managed_walk *walk, struct managed_type type,
                                             const json_t *map, int which) {
    struct fieldset_builder *set = &walk->sets[which];
    size_t begin = fieldset_begin(set);
    void *at = json_object_iter((json_t *)map);
    for (; at; at = json_object_iter_next((json_t *)map, at)) {
        struct fieldset_element element =
            fieldset_field(str_n(json_object_iter_key(at), json_object_iter_key_len(at)));
        fieldset_add(set, &element, true,
                     all_of(walk, managed_type_member(type, element.name, NULL),
                            json_object_iter_value(at), which));
    }
    return fieldset_end(set, begin);
}

/* Twins are one field. */
static const struct fieldset *all_of_items(struct managed_walk *walk, struct managed_type type,
                                           const json_t *list, int which) {
    struct managed_type items = managed_type_items(type);
    struct fieldset_builder *set = &walk->sets[which];
    size_t begin = fieldset_begin(set);
    struct managed_index index;
    if (managed_index_init(&index, walk->pool, type, list, NULL) < 0)
        return NULL;
    for (size_t i = 0, same; i < index.count; i += same) {
        const struct fieldset_element *element = &index.elements[index.order[i]];
        const struct fieldset *below = NULL;
        same = managed_index_same(&index, i);
        if (same == 1)
            below = all_of(walk, items, json_array_get(list, index.order[i]), which);
        fieldset_add(set, element, true, below);
    }
    return fieldset_end(set, begin);
}

static const struct fieldset *all_of(struct managed_walk *walk, struct managed_type type,
                                     const json_t *value, int which) {
    enum managed_shape shape = managed_type_shape(type, value);
    if (shape == MANAGED_SCALAR || managed_type_is_atomic(type, shape))
        return NULL;
    if (shape == MANAGED_LIST)
        return json_is_array(value) ? all_of_items(walk, type, value, which) : NULL;
    return json_is_object(value) ? all_of_members(walk, type, value, which) : NULL;
}

/* --- both are there ------------------------------------------------------------------------- */

/* Of values that are not equal. */
static void compare(struct managed_walk *walk, struct managed_type type, const json_t *old,
                    const json_t *now, struct change *ret);

static void begin(struct managed_walk *walk, size_t begins[CHANGES]) {
    for (int i = 0; i < CHANGES; i++)
        begins[i] = fieldset_begin(&walk->sets[i]);
}

static void add(struct managed_walk *walk, const struct fieldset_element *element,
                const struct change *change) {
    for (int i = 0; i < CHANGES; i++)
        fieldset_add(&walk->sets[i], element, change->member[i], change->below[i]);
}

static void end(struct managed_walk *walk, const size_t begins[CHANGES], struct change *ret) {
    for (int i = 0; i < CHANGES; i++)
        ret->below[i] =
            fieldset_union(walk->pool, ret->below[i], fieldset_end(&walk->sets[i], begins[i]));
}

static void compare_member(struct managed_walk *walk, struct managed_type type, struct str name,
                           const json_t *old, const json_t *now) {
    struct fieldset_element element = fieldset_field(name);
    struct change change = {0};
    compare(walk, managed_type_member(type, name, NULL), old, now, &change);
    add(walk, &element, &change);
}

static void compare_members(struct managed_walk *walk, struct managed_type type, const json_t *old,
                            const json_t *now, struct change *ret) {
    size_t begins[CHANGES];
    begin(walk, begins);
    void *at = json_object_iter((json_t *)old), *beside = json_object_iter((json_t *)now);
    for (; at; at = json_object_iter_next((json_t *)old, at)) {
        struct str name = str_n(json_object_iter_key(at), json_object_iter_key_len(at));
        const json_t *was = json_object_iter_value(at), *is = member_of(now, name, &beside);
        if (!managed_equal(was, is))
            compare_member(walk, type, name, was, is);
    }
    at = json_object_iter((json_t *)now), beside = json_object_iter((json_t *)old);
    for (; at; at = json_object_iter_next((json_t *)now, at)) {
        struct str name = str_n(json_object_iter_key(at), json_object_iter_key_len(at));
        if (!member_of(old, name, &beside))
            compare_member(walk, type, name, NULL, json_object_iter_value(at));
    }
    end(walk, begins, ret);
}

/* Items that have the same element. */
struct twins {
    const struct managed_index *index;
    size_t count, first;
};

static struct twins twins_of(const struct managed_index *index,
                             const struct fieldset_element *element) {
    struct twins twins = {index, 0, 0};
    twins.count = managed_index_find(index, element, &twins.first);
    return twins;
}

static const json_t *only_one(const struct twins *twins) {
    return twins->count == 1 ? json_array_get(twins->index->list, twins->first) : NULL;
}

static bool equal_twins(const struct twins *old, const struct twins *now,
                        const struct fieldset_element *element) {
    if (old->count != now->count)
        return false;
    size_t i = old->first, j = now->first;
    for (size_t left = old->count; left > 0; left--, i++, j++) {
        while (fieldset_element_compare(&old->index->elements[i], element) != 0)
            i++;
        while (fieldset_element_compare(&now->index->elements[j], element) != 0)
            j++;
        if (!managed_equal(json_array_get(old->index->list, i),
                           json_array_get(now->index->list, j)))
            return false;
    }
    return true;
}

/* Twins are one field: it came, went or changed as a whole. */
static void compare_item(struct managed_walk *walk, struct managed_type items,
                         const struct fieldset_element *element, const struct twins *old,
                         const struct twins *now) {
    struct change change = {0};
    if (old->count >= 2 && now->count >= 2)
        change.member[MODIFIED] = !equal_twins(old, now, element);
    else if (!managed_equal(only_one(old), only_one(now)))
        compare(walk, items, only_one(old), only_one(now), &change);
    change.member[REMOVED] |= old->count >= 2 && now->count < 2;
    change.member[ADDED] |= now->count >= 2 && old->count < 2;
    add(walk, element, &change);
}

static void compare_items(struct managed_walk *walk, struct managed_type type, const json_t *old,
                          const json_t *now, struct change *ret) {
    struct managed_type items = managed_type_items(type);
    struct managed_index olds, nows;
    size_t begins[CHANGES];
    if (managed_index_init(&olds, walk->pool, type, old, NULL) < 0 ||
        managed_index_init(&nows, walk->pool, type, now, NULL) < 0)
        return;
    begin(walk, begins);
    for (size_t i = 0; i < olds.count;) {
        const struct fieldset_element *element = &olds.elements[olds.order[i]];
        struct twins was = twins_of(&olds, element), is = twins_of(&nows, element);
        compare_item(walk, items, element, &was, &is);
        i += was.count;
    }
    for (size_t i = 0; i < nows.count;) {
        const struct fieldset_element *element = &nows.elements[nows.order[i]];
        struct twins was = twins_of(&olds, element), is = twins_of(&nows, element);
        if (was.count == 0)
            compare_item(walk, items, element, &was, &is);
        i += is.count;
    }
    end(walk, begins, ret);
}

static bool is_empty(const json_t *value) {
    return json_object_size(value) == 0 && json_array_size(value) == 0;
}

static void compare_as(struct managed_walk *walk, struct managed_type type,
                       enum managed_shape shape, const json_t *old, const json_t *now,
                       struct change *ret) {
    bool list = shape == MANAGED_LIST;
    const json_t *a = list ? json_is_array(old) ? old : NULL : json_is_object(old) ? old : NULL;
    const json_t *b = list ? json_is_array(now) ? now : NULL : json_is_object(now) ? now : NULL;
    if (shape == MANAGED_SCALAR || managed_type_is_atomic(type, shape) ||
        (is_empty(a) && is_empty(b)))
        ret->member[MODIFIED] |= !managed_equal(old, now);
    else if (list)
        compare_items(walk, type, a, b, ret);
    else
        compare_members(walk, type, a, b, ret);
}

static void compare(struct managed_walk *walk, struct managed_type type, const json_t *old,
                    const json_t *now, struct change *ret) {
    if (!old || !now) {
        int which = now ? ADDED : REMOVED;
        ret->member[which] = true;
        ret->below[which] = all_of(walk, type, now ? now : old, which);
        return;
    }
    enum managed_shape was = managed_type_shape(type, old), is = managed_type_shape(type, now);
    if (was != is)
        compare_as(walk, type, was, old, now, ret);
    compare_as(walk, type, is, old, now, ret);
}

struct managed_comparison managed_compare(struct managed_walk *walk, const struct schema *schema,
                                          const json_t *old, const json_t *now) {
    struct change change = {0};
    if (old != now)
        compare(walk, managed_type_root(schema), old, now, &change);
    return (struct managed_comparison){change.below[REMOVED], change.below[MODIFIED],
                                       change.below[ADDED]};
}
