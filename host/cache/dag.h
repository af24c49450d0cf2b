#ifndef MOONLET_CACHE_DAG_H
#define MOONLET_CACHE_DAG_H

#include "cache/arena.h"
#include "cache/node.h"

/*
 * The inside of the dag (node.h is its outside): layout of nodes and the intern table.
 *
 * A node is a head and its payload, right behind it or, above ARENA_MAX, in a block of its own:
 *   strings   the bytes                      numbers  8 bytes of value, then the text
 *   arrays    node_t each                    shapes   node_t key each, then when there are more
 *   objects   the shape, node_t value each            than SHAPE_LINEAR their places in order of
 *                                                     (length, bytes)
 * Threads: nodes are immutable but for `refs`, which only the core reads and writes; the intern
 * table is the core's alone.
 */
enum {
    TYPE_SHAPE = NODE_OBJECT + 1, /* never handed out */
    NODE_ID_NULL = 1,             /* never freed, not in the table */
    NODE_ID_FALSE,
    NODE_ID_TRUE,
    SHAPE_LINEAR = 8,
    DAG_MAX_COUNT = (1 << 27) - 1
};

struct node_head {
    uint32_t refs;     /* core; while dying, the next of that list */
    uint32_t type : 4; /* these four bytes are immutable */
    uint32_t outside : 1;
    uint32_t count : 27; /* bytes of a string or number's text, items, members, keys */
};

struct intern_slot {
    uint32_t hash;
    node_t node; /* NODE_NONE = free */
};

struct dag_frame { /* one open level while parsing */
    size_t first;  /* of its values (and keys) on the stack */
    uint8_t type;
    uint8_t role; /* where in the Kubernetes object we are */
};

struct dag {
    struct arena arena;
    node_t fixed[4];
    struct intern_slot *slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t interned;
    struct dag_stats stats;
    size_t max_bytes;
    node_t *stack, *scratch; /* of the parser */
    size_t stack_len, stack_cap, scratch_cap;
    struct dag_frame *frames;
    size_t frames_cap;
};

static inline struct node_head *dag_head(const struct dag *dag, node_t node) {
    return arena_at(&dag->arena, node);
}
static inline const void *dag_payload(const struct node_head *head) {
    return head->outside ? *(const void *const *)(head + 1) : head + 1;
}

/* Interning: the caller's references to the parts pass to the node; on failure (NODE_NONE: no
 * memory) they stay with the caller. Texts give one reference. */
node_t dag_intern_string(struct dag *dag, struct str text);
node_t dag_intern_number(struct dag *dag, struct str text); /* must be a JSON number */
node_t dag_intern_array(struct dag *dag, const node_t *items, size_t count);
/* `parts`: a free place for the shape, then `count` values. 0, ERROR_NOMEM, or ERROR_REJECTED for
 * a key that comes twice (*reterr_key, borrowed). */
int dag_intern_object(struct dag *dag, const node_t *keys, node_t *parts, size_t count, node_t *ret,
                      node_t *reterr_key);
/* The place of `key` in a shape, or -1. */
ptrdiff_t dag_shape_find(const struct dag *dag, node_t shape, struct str key);

/* For dag.c and dag_shape.c: */
node_t dag_find_shape(const struct dag *dag, const node_t *keys, size_t count);
/* Adds a shape, one reference; takes its own of the keys. NODE_NONE: no memory. */
node_t dag_add_shape(struct dag *dag, const node_t *keys, const uint32_t *sorted, size_t count);
/* Interns an object of parts[0], the shape, and values; as dag_intern_array. */
node_t dag_intern_parts(struct dag *dag, enum node_type type, size_t count, const node_t *parts,
                        size_t part_count);
/* `from`, an object with neither, with kind and apiVersion before its members, where the server
 * puts them. One reference; takes none. NODE_NONE: NOMEM. */
node_t dag_with_type(struct dag *dag, node_t from, const char *api_version, const char *kind,
                     struct error *err);
/* Makes room for `need` nodes in dag->scratch. 0 or ERROR_NOMEM. */
int dag_scratch(struct dag *dag, size_t need);

#endif
