#ifndef MOONLET_APISERVER_FIELDSET_H
#define MOONLET_APISERVER_FIELDSET_H

#include <jansson.h>

#include "base/error.h"
#include "base/str.h"

/*
 * Field set: which fields of an object somebody owns (FieldsV1), a tree of path elements.
 *
 * Is:      immutable sets in a pool, with union, difference and intersection by path, read from and
 *          written as FieldsV1 in the order and wording of sigs.k8s.io/structured-merge-diff v6.
 * Is not:  aware of schemas (managed_type.h, managed_walk.h) or of managers (managed_entries.h).
 * Threads: one owner at a time. Yields: never.
 */

/* Everything that lives as long as one request's work. Zeroed = empty. A failed allocation sets
 * `failed` and what is made from then on is wrong but safe, so one check at the end is enough. */
struct fieldset_pool {
    struct fieldset_chunk *chunks;
    char *at, *end; /* free bytes of the first chunk */
    bool failed;
};
void fieldset_pool_finish(struct fieldset_pool *pool);
/* Aligned and zeroed; NULL when there is no memory. */
void *fieldset_pool_alloc(struct fieldset_pool *pool, size_t size);
/* A 0-terminated copy; "" when there is no memory. */
const char *fieldset_pool_text(struct fieldset_pool *pool, struct str text);

/* A scalar in a path element. Text is borrowed: from a document or the pool. */
enum fieldset_value_type {
    FIELDSET_INTEGER, /* in the order in which values of several types are sorted */
    FIELDSET_REAL,
    FIELDSET_STRING,
    FIELDSET_BOOLEAN,
    FIELDSET_OTHER, /* a list or map, as JSON text */
    FIELDSET_NULL
};
struct fieldset_value {
    enum fieldset_value_type type;
    union {
        int64_t integer;
        double real;
        bool boolean;
        struct str text;
    };
};
struct fieldset_key {
    struct str name;
    struct fieldset_value value;
};

enum fieldset_kind { FIELDSET_FIELD, FIELDSET_KEY, FIELDSET_VALUE, FIELDSET_INDEX };
/* One step of a path. */
struct fieldset_element {
    enum fieldset_kind kind;
    uint32_t key_count;
    union {
        struct str name;                 /* f:name; borrowed */
        const struct fieldset_key *keys; /* k:{...}, sorted by name */
        struct fieldset_value value;     /* v:... */
        int64_t index;                   /* i:7 */
    };
};
static inline struct fieldset_element fieldset_field(struct str name) {
    return (struct fieldset_element){.kind = FIELDSET_FIELD, .name = name};
}
int fieldset_element_compare(const struct fieldset_element *a, const struct fieldset_element *b);
struct fieldset_value fieldset_value_of(struct fieldset_pool *pool, const json_t *value);

/* NULL is the empty set; no set or subset is empty otherwise. */
struct fieldset {
    size_t count;
    const struct fieldset_entry *entries; /* sorted, each element once */
};
struct fieldset_entry {
    struct fieldset_element element;
    bool member;                     /* the path up to here belongs to the set */
    const struct fieldset *children; /* what belongs to it below; a member or not */
};

/* Builds sets level by level: nested levels end before the outer one goes on. Zeroed but for
 * `pool` = empty. Finish it before the pool. */
struct fieldset_builder {
    struct fieldset_pool *pool;
    struct fieldset_entry *entries; /* owned; a stack */
    size_t count, cap;
};
void fieldset_builder_finish(struct fieldset_builder *builder);
static inline size_t fieldset_begin(const struct fieldset_builder *builder) {
    return builder->count;
}
/* Nothing when it is neither a member nor has children. */
void fieldset_add(struct fieldset_builder *builder, const struct fieldset_element *element,
                  bool member, const struct fieldset *children);
/* The set of what was added since `begin`, in any order; the same element twice is united. */
const struct fieldset *fieldset_end(struct fieldset_builder *builder, size_t begin);

/* Each gives `a` itself when that is what comes out. */
const struct fieldset *fieldset_union(struct fieldset_pool *pool, const struct fieldset *a,
                                      const struct fieldset *b);
const struct fieldset *fieldset_intersection(struct fieldset_pool *pool, const struct fieldset *a,
                                             const struct fieldset *b);
/* What is in `a` and not in `b`, path by path. */
const struct fieldset *fieldset_difference(struct fieldset_pool *pool, const struct fieldset *a,
                                           const struct fieldset *b);
/* The same, but a path in `b` takes all that is below it too. */
const struct fieldset *fieldset_exclude(struct fieldset_pool *pool, const struct fieldset *a,
                                        const struct fieldset *b);
bool fieldset_equal(const struct fieldset *a, const struct fieldset *b);
uint64_t fieldset_hash(const struct fieldset *set);
/* NULL: neither it nor anything below belongs to the set. */
const struct fieldset_entry *fieldset_find(const struct fieldset *set,
                                           const struct fieldset_element *element);

/* Each member's path (".spec.containers[name=\"web\"].image") in preorder; what has members of its
 * own comes after its leaf siblings. */
void fieldset_each(struct fieldset_pool *pool, const struct fieldset *set,
                   void (*each)(void *context, struct str path), void *context);
void fieldset_element_print(struct strbuf *out, const struct fieldset_element *element);

/* FieldsV1. Borrows the names of `fields`, so it must outlive the set. REJECTED: not FieldsV1;
 * elements of an unknown kind are left out. NOMEM shows in the pool alone. */
int fieldset_parse(struct fieldset_builder *builder, const json_t *fields,
                   const struct fieldset **ret, struct error *err);
/* Its leaves are one empty object: not to be changed in place. NULL: no memory. */
json_t *fieldset_json(const struct fieldset *set);
/* Appends the same as compact JSON. */
void fieldset_write(const struct fieldset *set, struct strbuf *out);

#endif
