#include "apiserver/managed_type.h"

#include <stdlib.h>
#include <string.h>

/* ObjectMeta, of which managers own what is not a leaf by parts. */
static const struct {
    const char *name;
    enum managed_place place;
} metadata[] = {
    {"labels", MANAGED_STRINGS},
    {"annotations", MANAGED_STRINGS},
    {"finalizers", MANAGED_FINALIZERS},
    {"ownerReferences", MANAGED_OWNERS},
    {"name", MANAGED_LEAF},
    {"namespace", MANAGED_LEAF},
    {"generateName", MANAGED_LEAF},
    {"selfLink", MANAGED_LEAF},
    {"uid", MANAGED_LEAF},
    {"resourceVersion", MANAGED_LEAF},
    {"generation", MANAGED_LEAF},
    {"creationTimestamp", MANAGED_LEAF},
    {"deletionTimestamp", MANAGED_LEAF},
    {"deletionGracePeriodSeconds", MANAGED_LEAF},
    {"managedFields", MANAGED_LEAF},
};

/* Every question to a schema may follow a reference, so only those are asked that matter. */
static struct managed_type type_of(const struct schema *schema) {
    struct managed_type type = {.schema = schema, .type = SCHEMA_ANY};
    if (!schema)
        return type;
    type.type = (uint8_t)schema_type(schema);
    if (type.type == SCHEMA_ARRAY)
        type.atomic = schema_list_type(schema) == SCHEMA_LIST_ATOMIC;
    else if (type.type == SCHEMA_OBJECT || type.type == SCHEMA_ANY) {
        type.atomic = schema_is_atomic_map(schema);
        type.map = schema_is_map(schema);
        if (schema_is_embedded(schema))
            type.place = MANAGED_ROOT;
    }
    return type;
}

static struct managed_type type_at(enum managed_place place) {
    return (struct managed_type){.place = place,
                                 .type = place == MANAGED_LEAF ? SCHEMA_STRING
                                         : place == MANAGED_FINALIZERS || place == MANAGED_OWNERS
                                             ? SCHEMA_ARRAY
                                             : SCHEMA_OBJECT,
                                 .atomic = place == MANAGED_LEAF};
}

struct managed_type managed_type_root(const struct schema *schema) {
    struct managed_type type = type_of(schema);
    type.place = MANAGED_ROOT;
    type.type = SCHEMA_OBJECT;
    type.atomic = false;
    return type;
}

static struct managed_type metadata_member(struct str name, bool *ret_declared) {
    for (size_t i = 0; i < sizeof metadata / sizeof *metadata; i++)
        if (str_is(name, metadata[i].name)) {
            *ret_declared = true;
            return type_at(metadata[i].place);
        }
    *ret_declared = false;
    return type_of(NULL);
}

struct managed_type managed_type_member(struct managed_type type, struct str name,
                                        bool *ret_declared) {
    bool unused;
    if (!ret_declared)
        ret_declared = &unused;
    *ret_declared = false;
    switch (type.place) {
    case MANAGED_METADATA:
        return metadata_member(name, ret_declared);
    case MANAGED_STRINGS:
    case MANAGED_LEAF:
        return type_at(MANAGED_LEAF);
    case MANAGED_ROOT:
        *ret_declared = true;
        if (str_is(name, "metadata"))
            return type_at(MANAGED_METADATA);
        if (str_is(name, "apiVersion") || str_is(name, "kind"))
            return type_at(MANAGED_LEAF);
        break;
    default:
        break;
    }
    const struct schema *member = type.schema ? schema_member(type.schema, name) : NULL;
    *ret_declared = member && !type.map;
    return type_of(member);
}

struct managed_type managed_type_items(struct managed_type type) {
    if (type.place != MANAGED_ANYWHERE || !type.schema)
        return type_at(MANAGED_LEAF);
    return type_of(schema_items(type.schema));
}

enum managed_shape managed_type_shape(struct managed_type type, const json_t *value) {
    if (!value)
        return MANAGED_NONE;
    switch (type.type) {
    case SCHEMA_OBJECT:
        return MANAGED_MAP;
    case SCHEMA_ARRAY:
        return MANAGED_LIST;
    case SCHEMA_ANY:
        return json_is_object(value)  ? MANAGED_MAP
               : json_is_array(value) ? MANAGED_LIST
               : json_is_null(value)  ? MANAGED_OPEN
                                      : MANAGED_SCALAR;
    default:
        return MANAGED_SCALAR;
    }
}

bool managed_type_is_struct(struct managed_type type) {
    const json_t *absent = type.schema ? schema_default_of(type.schema) : NULL;
    return type.place == MANAGED_METADATA || (json_is_object(absent) && !json_object_size(absent));
}

bool managed_type_is_required(struct managed_type type, struct str name) {
    return type.schema && schema_requires(type.schema, name);
}

/* --- items ------------------------------------------------------------------------------------ */

enum { MAX_KEYS = 16 };

static int reject_keyless(const char *const *keys, struct error *err) {
    struct strbuf names = {0};
    for (size_t i = 0; keys[i]; i++)
        strbuf_printf(&names, i == 0 ? "\"%s\"" : " \"%s\"", keys[i]);
    error_set(err, ERROR_REJECTED,
              "associative list with keys has an element that omits all key fields [%s] (and "
              "doesn't have default values for any key fields)",
              names.data ? names.data : "");
    strbuf_finish(&names);
    return ERROR_REJECTED;
}

static int keys_of_item(struct fieldset_pool *pool, const char *const *names,
                        const struct schema *items, const json_t *item,
                        struct fieldset_element *ret, struct error *err) {
    struct fieldset_key keys[MAX_KEYS];
    uint32_t count = 0;
    for (size_t i = 0; names[i] && count < MAX_KEYS; i++) {
        struct str name = str_of(names[i]);
        const json_t *value = json_object_get(item, names[i]);
        if (!value && items)
            value = schema_default_of(schema_member(items, name));
        bool blank = !value && items && schema_refers_to(items); /* a built-in struct has "" */
        if (!value && !blank)
            continue;
        uint32_t at = count++;
        for (; at > 0 && str_compare(keys[at - 1].name, name) > 0; at--)
            keys[at] = keys[at - 1];
        keys[at] = (struct fieldset_key){
            name, blank ? (struct fieldset_value){.type = FIELDSET_STRING, .text = str_of("")}
                        : fieldset_value_of(pool, value)};
    }
    if (count == 0)
        return reject_keyless(names, err);
    struct fieldset_key *copy = fieldset_pool_alloc(pool, count * sizeof *copy);
    if (copy)
        memcpy(copy, keys, count * sizeof *copy);
    *ret = (struct fieldset_element){
        .kind = FIELDSET_KEY, .key_count = copy ? count : 0, .keys = copy};
    return 0;
}

static int keyed_element(struct fieldset_pool *pool, struct managed_type list, const json_t *item,
                         struct fieldset_element *ret, struct error *err) {
    static const char *const owner_keys[] = {"uid", NULL};
    if (json_is_null(item))
        return error_set(err, ERROR_REJECTED,
                         "associative list with keys may not have a null element");
    if (!json_is_object(item))
        return error_set(err, ERROR_REJECTED,
                         "associative list with keys may not have non-map elements");
    if (list.place == MANAGED_OWNERS)
        return keys_of_item(pool, owner_keys, NULL, item, ret, err);
    const char *const *keys = schema_list_keys(list.schema);
    return keys_of_item(pool, keys ? keys : owner_keys, schema_items(list.schema), item, ret, err);
}

int managed_type_element(struct fieldset_pool *pool, struct managed_type list, const json_t *item,
                         struct fieldset_element *ret, struct error *err) {
    if (list.place == MANAGED_OWNERS ||
        (list.place == MANAGED_ANYWHERE && schema_list_type(list.schema) == SCHEMA_LIST_MAP))
        return keyed_element(pool, list, item, ret, err);
    if (json_is_object(item))
        return error_set(err, ERROR_REJECTED,
                         "associative list without keys has an element that's a map type");
    if (json_is_array(item))
        return error_set(err, ERROR_REJECTED,
                         "not supported: associative list with lists as elements");
    if (json_is_null(item))
        return error_set(err, ERROR_REJECTED,
                         "associative list without keys has an element that's an explicit null");
    *ret =
        (struct fieldset_element){.kind = FIELDSET_VALUE, .value = fieldset_value_of(pool, item)};
    return 0;
}

/* qsort() has no context, so what is sorted carries what it is sorted by. */
struct ranked {
    const struct fieldset_element *element;
    uint32_t at;
};

static int compare_ranked(const void *a, const void *b) {
    const struct ranked *x = a, *y = b;
    int order = fieldset_element_compare(x->element, y->element);
    return order ? order : (x->at > y->at) - (x->at < y->at);
}

static void sort_ranked(struct ranked *ranked, size_t count) {
    size_t sorted = 1;
    while (sorted < count && compare_ranked(&ranked[sorted - 1], &ranked[sorted]) < 0)
        sorted++;
    if (sorted < count)
        qsort(ranked, count, sizeof *ranked, compare_ranked);
}

int managed_index_init(struct managed_index *index, struct fieldset_pool *pool,
                       struct managed_type type, const json_t *list, struct error *err) {
    size_t count = json_array_size(list);
    *index = (struct managed_index){0};
    struct fieldset_element *elements = fieldset_pool_alloc(pool, count * sizeof *elements);
    struct ranked *ranked = fieldset_pool_alloc(pool, count * sizeof *ranked);
    uint32_t *order = fieldset_pool_alloc(pool, count * sizeof *order);
    if (!elements || !ranked || !order)
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (managed_type_element(pool, type, json_array_get(list, i), &elements[i], err) < 0)
            return error_prefix(err, "element %zu", i);
        ranked[i] = (struct ranked){&elements[i], (uint32_t)i};
    }
    sort_ranked(ranked, count);
    for (size_t i = 0; i < count; i++)
        order[i] = ranked[i].at;
    *index = (struct managed_index){list, count, elements, order};
    return 0;
}

size_t managed_index_same(const struct managed_index *index, size_t at) {
    const struct fieldset_element *element = &index->elements[index->order[at]];
    size_t same = 1;
    while (at + same < index->count &&
           fieldset_element_compare(&index->elements[index->order[at + same]], element) == 0)
        same++;
    return same;
}

size_t managed_index_find(const struct managed_index *index, const struct fieldset_element *element,
                          size_t *ret_first) {
    size_t low = 0, high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (fieldset_element_compare(&index->elements[index->order[middle]], element) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == index->count ||
        fieldset_element_compare(&index->elements[index->order[low]], element) != 0)
        return 0;
    *ret_first = index->order[low];
    return managed_index_same(index, low);
}
