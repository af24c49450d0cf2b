/* One document with what another says, and one without some of its items. */
#include "apiserver/document.h"
#include "apiserver/managed_walk.h"
#include "base/mem.h"

static void no_memory(struct managed_walk *walk) {
    walk->pool->failed = true;
}

/* Takes `value`; NULL is nothing to append. */
static void append(struct managed_walk *walk, json_t *list, json_t *value) {
    if (value && json_array_append_new(list, value) < 0)
        no_memory(walk);
}

static void put(struct managed_walk *walk, json_t *map, const char *name, json_t *value) {
    if (value && json_object_set_new_nocheck(map, name, value) < 0)
        no_memory(walk);
}

/* Takes `merged`; a list that came out as it was is `live` itself, so that a comparison ends here.
 */
static json_t *unless_same(json_t *merged, json_t *live) {
    bool same = json_array_size(merged) == json_array_size(live);
    for (size_t i = 0; same && i < json_array_size(live); i++)
        same = json_array_get(merged, i) == json_array_get(live, i);
    if (!same)
        return merged;
    json_decref(merged);
    return json_incref(live);
}

/* Takes `value`; what is empty is nothing. */
static json_t *unless_empty(json_t *value) {
    if (json_object_size(value) > 0 || json_array_size(value) > 0)
        return value;
    json_decref(value);
    return NULL;
}

/* The member of *map, which becomes a copy of `live` while it is that. Takes `value`; NULL: none.
 */
static void replace(struct managed_walk *walk, json_t **map, json_t *live, const char *name,
                    json_t *value) {
    if (*map == live) {
        json_t *copy = document_share(live);
        if (copy == NULL) {
            no_memory(walk);
            json_decref(value);
            return;
        }
        json_decref(*map);
        *map = copy;
    }
    if (value)
        put(walk, *map, name, value);
    else
        json_object_del(*map, name);
}

static json_t *merge(struct managed_walk *walk, struct managed_type type, json_t *live,
                     json_t *applied);

static json_t *merge_members(struct managed_walk *walk, struct managed_type type, json_t *live,
                             json_t *applied) {
    json_t *map = live ? json_incref(live) : json_object(), *value, *wish, *merged;
    const char *name;
    if (!map)
        no_memory(walk);
    json_object_foreach(applied, name, wish) {
        value = json_object_get(live, name);
        merged = value ? merge(walk, managed_type_member(type, str_of(name), NULL), value, wish)
                       : json_incref(wish);
        if (merged != value)
            replace(walk, &map, live, name, merged);
        else
            json_decref(merged);
    }
    return unless_empty(map);
}

/* Both lists while they are merged: the applied one's order wins for what it names, and what it
 * does not name stays between the same neighbours. */
struct zip {
    struct managed_walk *walk;
    struct managed_type items;
    struct managed_index live, applied;
    size_t at_live, at_applied;
    size_t shared; /* the next applied item that is live too; count when there is none */
    bool *merged;  /* by applied position */
    json_t *out;
};

static size_t next_shared(const struct zip *zip, size_t from) {
    size_t first;
    while (from < zip->applied.count &&
           managed_index_find(&zip->live, &zip->applied.elements[from], &first) == 0)
        from++;
    return from;
}

/* The applied item at `at` joins its live twin, unless that has twins itself. */
static void take_applied(struct zip *zip, size_t at) {
    size_t first = 0;
    size_t same = managed_index_find(&zip->live, &zip->applied.elements[at], &first);
    json_t *live = same == 0   ? NULL
                   : same == 1 ? json_array_get(zip->live.list, first)
                               : json_null();
    zip->merged[at] = true;
    append(zip->walk, zip->out,
           merge(zip->walk, zip->items, live, json_array_get(zip->applied.list, at)));
    if (zip->shared == at)
        zip->shared = next_shared(zip, at + 1);
}

static void take_live(struct zip *zip) {
    append(zip->walk, zip->out, json_incref(json_array_get(zip->live.list, zip->at_live)));
    zip->at_live++;
}

/* Looks at the next live item; true: the applied one waits. */
static bool step_live(struct zip *zip) {
    const struct fieldset_element *element = &zip->live.elements[zip->at_live];
    size_t named;
    bool applied = managed_index_find(&zip->applied, element, &named) > 0;
    if (zip->at_applied < zip->applied.count) {
        if (applied && named == zip->at_applied) {
            take_applied(zip, zip->at_applied++);
            zip->at_live++;
            return true;
        }
        if (applied && zip->shared < zip->applied.count && named != zip->shared) {
            zip->at_live++; /* it has another place in the applied order */
            return true;
        }
    }
    if (!applied) {
        take_live(zip);
        return true;
    }
    if (zip->merged[named])
        zip->at_live++;
    return false;
}

static json_t *merge_items(struct managed_walk *walk, struct managed_type type, json_t *live,
                           json_t *applied) {
    struct zip zip = {.walk = walk, .items = managed_type_items(type), .out = json_array()};
    int rc = managed_index_init(&zip.live, walk->pool, type, live, walk->err);
    if (rc == 0)
        rc = managed_index_init(&zip.applied, walk->pool, type, applied, walk->err);
    zip.merged = fieldset_pool_alloc(walk->pool, json_array_size(applied) + 1);
    if (!zip.out || !zip.merged)
        no_memory(walk);
    if (rc < 0 || walk->pool->failed) {
        walk->rc = walk->rc < 0 ? walk->rc : rc;
        json_decref(zip.out);
        return NULL;
    }
    zip.shared = next_shared(&zip, 0);
    while (zip.at_live < zip.live.count || zip.at_applied < zip.applied.count) {
        if (zip.at_live < zip.live.count && step_live(&zip))
            continue;
        if (zip.at_applied < zip.applied.count)
            take_applied(&zip, zip.at_applied++);
    }
    return unless_empty(zip.out);
}

static json_t *merge(struct managed_walk *walk, struct managed_type type, json_t *live,
                     json_t *applied) {
    if (!live || !applied || live == applied)
        return json_incref(applied ? applied : live);
    enum managed_shape shape = managed_type_shape(type, applied);
    bool list = shape == MANAGED_LIST;
    json_t *a = (list ? json_is_array(live) : json_is_object(live)) ? live : NULL;
    json_t *b = (list ? json_is_array(applied) : json_is_object(applied)) ? applied : NULL;
    bool empty =
        json_object_size(a) + json_array_size(a) + json_object_size(b) + json_array_size(b) == 0;
    if (shape == MANAGED_SCALAR || managed_type_is_atomic(type, shape) || empty)
        return json_incref(json_equal(live, applied) ? live : applied);
    if (!list)
        return merge_members(walk, type, a, b);
    json_t *merged = merge_items(walk, type, a, b);
    return merged && a ? unless_same(merged, a) : merged;
}

json_t *managed_merge(struct managed_walk *walk, const struct schema *schema, const json_t *live,
                      const json_t *applied) {
    json_t *merged = merge(walk, managed_type_root(schema), (json_t *)live, (json_t *)applied);
    if (managed_walk_result(walk) == 0)
        return merged ? merged : json_object();
    json_decref(merged);
    return NULL;
}

/* --- removal ---------------------------------------------------------------------------------- */

static json_t *without(struct managed_walk *walk, struct managed_type type, json_t *value,
                       const struct fieldset *items);

static json_t *list_without(struct managed_walk *walk, struct managed_type type, json_t *list,
                            const struct fieldset *items) {
    struct managed_type inner = managed_type_items(type);
    json_t *out = json_array();
    if (!out)
        no_memory(walk);
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *item = json_array_get(list, i);
        struct fieldset_element element;
        const struct fieldset_entry *entry = NULL;
        if (managed_type_element(walk->pool, type, item, &element, NULL) == 0)
            entry = fieldset_find(items, &element);
        if (!entry || !entry->member)
            append(walk, out,
                   entry ? without(walk, inner, item, entry->children) : json_incref(item));
    }
    return unless_empty(out);
}

static json_t *map_without(struct managed_walk *walk, struct managed_type type, json_t *map,
                           const struct fieldset *items) {
    json_t *out = json_object(), *value;
    const char *name;
    if (!out)
        no_memory(walk);
    json_object_foreach(map, name, value) {
        struct fieldset_element element = fieldset_field(str_of(name));
        const struct fieldset_entry *entry = fieldset_find(items, &element);
        if (!entry)
            put(walk, out, name, json_incref(value));
        else if (!entry->member)
            put(walk, out, name,
                without(walk, managed_type_member(type, element.name, NULL), value,
                        entry->children));
    }
    return unless_empty(out);
}

/* Null stands for a container of which nothing is left. */
static json_t *without(struct managed_walk *walk, struct managed_type type, json_t *value,
                       const struct fieldset *items) {
    enum managed_shape shape = managed_type_shape(type, value);
    json_t *out = NULL;
    if (!items || shape == MANAGED_SCALAR)
        return json_incref(value);
    if (!managed_type_is_atomic(type, shape)) {
        if (shape == MANAGED_LIST && json_is_array(value))
            out = list_without(walk, type, value, items);
        else if (shape != MANAGED_LIST && json_is_object(value))
            out = map_without(walk, type, value, items);
    }
    return out ? out : json_null();
}

json_t *managed_remove(struct managed_walk *walk, struct managed_type type, const json_t *value,
                       const struct fieldset *items) {
    json_t *out = without(walk, type, (json_t *)value, items);
    if (managed_walk_result(walk) == 0)
        return out;
    json_decref(out);
    return NULL;
}
