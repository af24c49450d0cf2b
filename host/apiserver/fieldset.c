#include "apiserver/fieldset.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct fieldset_chunk {
    struct fieldset_chunk *next;
    max_align_t data[];
};
enum { CHUNK_SIZE = 16 << 10, SORT_BY_INSERTION = 12 };

void fieldset_pool_finish(struct fieldset_pool *pool) {
    while (pool->chunks) {
        struct fieldset_chunk *next = pool->chunks->next;
        mem_free(pool->chunks);
        pool->chunks = next;
    }
    *pool = (struct fieldset_pool){0};
}

void *fieldset_pool_alloc(struct fieldset_pool *pool, size_t size) {
    size = (size / sizeof(max_align_t) + 1) * sizeof(max_align_t);
    if (size > (size_t)(pool->end - pool->at)) {
        size_t room = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        struct fieldset_chunk *chunk = mem_alloc(sizeof *chunk + room);
        if (!chunk) {
            pool->failed = true;
            return NULL;
        }
        chunk->next = pool->chunks;
        pool->chunks = chunk;
        pool->at = (char *)chunk->data;
        pool->end = pool->at + room;
    }
    void *block = pool->at;
    pool->at += size;
    return memset(block, 0, size);
}

const char *fieldset_pool_text(struct fieldset_pool *pool, struct str text) {
    char *copy = fieldset_pool_alloc(pool, text.len + 1);
    if (!copy)
        return "";
    if (text.len)
        memcpy(copy, text.data, text.len);
    return copy;
}

static int compare_numbers(const struct fieldset_value *a, const struct fieldset_value *b) {
    if (a->type == FIELDSET_INTEGER && b->type == FIELDSET_INTEGER)
        return (a->integer > b->integer) - (a->integer < b->integer);
    double x = a->type == FIELDSET_INTEGER ? (double)a->integer : a->real;
    double y = b->type == FIELDSET_INTEGER ? (double)b->integer : b->real;
    return (x > y) - (x < y);
}

static int compare_values(const struct fieldset_value *a, const struct fieldset_value *b) {
    if (a->type <= FIELDSET_REAL && b->type <= FIELDSET_REAL)
        return compare_numbers(a, b);
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    switch (a->type) {
    case FIELDSET_STRING:
    case FIELDSET_OTHER:
        return str_compare(a->text, b->text);
    case FIELDSET_BOOLEAN:
        return (int)a->boolean - (int)b->boolean;
    default:
        return 0;
    }
}

static int compare_keys(const struct fieldset_element *a, const struct fieldset_element *b) {
    for (uint32_t i = 0; i < a->key_count && i < b->key_count; i++) {
        int order = str_compare(a->keys[i].name, b->keys[i].name);
        if (order == 0)
            order = compare_values(&a->keys[i].value, &b->keys[i].value);
        if (order != 0)
            return order;
    }
    return (a->key_count > b->key_count) - (a->key_count < b->key_count);
}

int fieldset_element_compare(const struct fieldset_element *a, const struct fieldset_element *b) {
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    switch (a->kind) {
    case FIELDSET_FIELD:
        return a->name.data == b->name.data && a->name.len == b->name.len
                   ? 0
                   : str_compare(a->name, b->name);
    case FIELDSET_KEY:
        return compare_keys(a, b);
    case FIELDSET_VALUE:
        return compare_values(&a->value, &b->value);
    case FIELDSET_INDEX:
        break;
    }
    return (a->index > b->index) - (a->index < b->index);
}

void fieldset_builder_finish(struct fieldset_builder *builder) {
    mem_free(builder->entries);
    *builder = (struct fieldset_builder){.pool = builder->pool};
}

void fieldset_add(struct fieldset_builder *builder, const struct fieldset_element *element,
                  bool member, const struct fieldset *children) {
    if (!member && !children)
        return;
    if (mem_grow(&builder->entries, &builder->cap, builder->count + 1, sizeof *builder->entries) <
        0) {
        builder->pool->failed = true;
        return;
    }
    builder->entries[builder->count++] = (struct fieldset_entry){*element, member, children};
}

static int compare_entries(const void *a, const void *b) {
    const struct fieldset_entry *x = a, *y = b;
    return fieldset_element_compare(&x->element, &y->element);
}

static void sort_entries(struct fieldset_entry *entries, size_t count) {
    size_t sorted = 1;
    while (sorted < count && compare_entries(&entries[sorted - 1], &entries[sorted]) <= 0)
        sorted++;
    if (sorted < count && count > SORT_BY_INSERTION) {
        qsort(entries, count, sizeof *entries, compare_entries);
        return;
    }
    for (; sorted < count; sorted++) {
        struct fieldset_entry entry = entries[sorted];
        size_t at = sorted;
        for (; at > 0 && compare_entries(&entry, &entries[at - 1]) < 0; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

static const struct fieldset *make_set(struct fieldset_pool *pool,
                                       const struct fieldset_entry *entries, size_t count) {
    if (count == 0)
        return NULL;
    struct fieldset *set =
        fieldset_pool_alloc(pool, sizeof *set + count * sizeof(struct fieldset_entry));
    if (!set)
        return NULL;
    struct fieldset_entry *copy = (struct fieldset_entry *)(set + 1);
    *set = (struct fieldset){count, copy};
    memcpy(copy, entries, count * sizeof *entries);
    return set;
}

const struct fieldset *fieldset_end(struct fieldset_builder *builder, size_t begin) {
    size_t added = builder->count - begin, kept = 0;
    builder->count = begin;
    if (added == 0)
        return NULL;
    struct fieldset_entry *entries = builder->entries + begin;
    sort_entries(entries, added);
    for (size_t i = 1; i < added; i++) {
        if (compare_entries(&entries[kept], &entries[i]) != 0) {
            entries[++kept] = entries[i];
            continue;
        }
        entries[kept].member |= entries[i].member;
        entries[kept].children =
            fieldset_union(builder->pool, entries[kept].children, entries[i].children);
    }
    return make_set(builder->pool, entries, kept + 1);
}

/* Which of both sides' entries a merge of two sorted sets keeps, and how it joins equal ones. */
struct operation {
    bool keep_a, keep_b; /* an entry that only this side has */
    void (*join)(struct fieldset_pool *pool, const struct fieldset_entry *a,
                 const struct fieldset_entry *b, struct fieldset_entry *ret);
};

static const struct fieldset *combine(struct fieldset_pool *pool, const struct fieldset *a,
                                      const struct fieldset *b, const struct operation *operation) {
    size_t room = operation->keep_b ? a->count + b->count : a->count, count = 0;
    struct fieldset *set = fieldset_pool_alloc(pool, sizeof *set + room * sizeof *set->entries);
    if (!set)
        return NULL;
    struct fieldset_entry *entries = (struct fieldset_entry *)(set + 1);
    bool same = true; /* as `a` */
    for (size_t i = 0, j = 0; i < a->count || j < b->count;) {
        int order = i == a->count   ? 1
                    : j == b->count ? -1
                                    : compare_entries(&a->entries[i], &b->entries[j]);
        struct fieldset_entry entry = {0};
        if (order < 0 && operation->keep_a)
            entry = a->entries[i];
        else if (order > 0 && operation->keep_b)
            entry = b->entries[j];
        else if (order == 0)
            operation->join(pool, &a->entries[i], &b->entries[j], &entry);
        same = same && (order > 0 ? !operation->keep_b
                                  : entry.member == a->entries[i].member &&
                                        entry.children == a->entries[i].children);
        i += order <= 0;
        j += order >= 0;
        if (entry.member || entry.children)
            entries[count++] = entry;
    }
    if (same)
        return a;
    *set = (struct fieldset){count, entries};
    return count > 0 ? set : NULL;
}

static void join_union(struct fieldset_pool *pool, const struct fieldset_entry *a,
                       const struct fieldset_entry *b, struct fieldset_entry *ret) {
    *ret = (struct fieldset_entry){a->element, a->member || b->member,
                                   fieldset_union(pool, a->children, b->children)};
}

const struct fieldset *fieldset_union(struct fieldset_pool *pool, const struct fieldset *a,
                                      const struct fieldset *b) {
    static const struct operation operation = {true, true, join_union};
    if (!a || !b || a == b)
        return a ? a : b;
    return combine(pool, a, b, &operation);
}

static void join_intersection(struct fieldset_pool *pool, const struct fieldset_entry *a,
                              const struct fieldset_entry *b, struct fieldset_entry *ret) {
    *ret = (struct fieldset_entry){a->element, a->member && b->member,
                                   fieldset_intersection(pool, a->children, b->children)};
}

const struct fieldset *fieldset_intersection(struct fieldset_pool *pool, const struct fieldset *a,
                                             const struct fieldset *b) {
    static const struct operation operation = {false, false, join_intersection};
    if (!a || !b || a == b)
        return a && b ? a : NULL;
    return combine(pool, a, b, &operation);
}

static void join_difference(struct fieldset_pool *pool, const struct fieldset_entry *a,
                            const struct fieldset_entry *b, struct fieldset_entry *ret) {
    *ret = (struct fieldset_entry){a->element, a->member && !b->member,
                                   fieldset_difference(pool, a->children, b->children)};
}

const struct fieldset *fieldset_difference(struct fieldset_pool *pool, const struct fieldset *a,
                                           const struct fieldset *b) {
    static const struct operation operation = {true, false, join_difference};
    if (!a || !b || a == b)
        return a == b ? NULL : a;
    return combine(pool, a, b, &operation);
}

static void join_exclude(struct fieldset_pool *pool, const struct fieldset_entry *a,
                         const struct fieldset_entry *b, struct fieldset_entry *ret) {
    if (!b->member)
        *ret = (struct fieldset_entry){a->element, a->member,
                                       fieldset_exclude(pool, a->children, b->children)};
}

const struct fieldset *fieldset_exclude(struct fieldset_pool *pool, const struct fieldset *a,
                                        const struct fieldset *b) {
    static const struct operation operation = {true, false, join_exclude};
    if (!a || !b)
        return a;
    return combine(pool, a, b, &operation);
}

bool fieldset_equal(const struct fieldset *a, const struct fieldset *b) {
    if (a == b || !a || !b)
        return a == b;
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (compare_entries(&a->entries[i], &b->entries[i]) != 0 ||
            a->entries[i].member != b->entries[i].member ||
            !fieldset_equal(a->entries[i].children, b->entries[i].children))
            return false;
    return true;
}

static uint64_t hash_value(const struct fieldset_value *value) {
    switch (value->type) {
    case FIELDSET_INTEGER:
        return (uint64_t)value->integer;
    case FIELDSET_STRING:
    case FIELDSET_OTHER:
        return str_hash(value->text);
    case FIELDSET_BOOLEAN:
        return value->boolean;
    default: /* a real may be equal to an integer */
        return 0;
    }
}

static uint64_t hash_element(const struct fieldset_element *element) {
    uint64_t hash = element->kind;
    switch (element->kind) {
    case FIELDSET_FIELD:
        return str_hash(element->name);
    case FIELDSET_KEY:
        for (uint32_t i = 0; i < element->key_count; i++)
            hash =
                hash * 31 + str_hash(element->keys[i].name) + hash_value(&element->keys[i].value);
        return hash;
    case FIELDSET_VALUE:
        return hash_value(&element->value);
    case FIELDSET_INDEX:
        break;
    }
    return (uint64_t)element->index;
}

uint64_t fieldset_hash(const struct fieldset *set) {
    uint64_t hash = 1;
    for (size_t i = 0; set && i < set->count; i++) {
        const struct fieldset_entry *entry = &set->entries[i];
        hash = (hash ^ hash_element(&entry->element)) * 0x9e3779b97f4a7c15u + entry->member;
        if (entry->children)
            hash = (hash ^ hash >> 32) + fieldset_hash(entry->children);
    }
    return hash ^ hash >> 29;
}

const struct fieldset_entry *fieldset_find(const struct fieldset *set,
                                           const struct fieldset_element *element) {
    size_t low = 0, high = set ? set->count : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = fieldset_element_compare(&set->entries[middle].element, element);
        if (order == 0)
            return &set->entries[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
