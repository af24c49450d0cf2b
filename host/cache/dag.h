#ifndef MOONLET_CACHE_DAG_H
#define MOONLET_CACHE_DAG_H

#include "base/arena.h"
#include "cache/intern.h"
#include "cache/node.h"
#include "json/scan.h"

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
    DAG_MAX_COUNT = (1 << 26) - 1
};

struct node_head {
    uint32_t refs;     /* core; while dying, the next of that list */
    uint32_t type : 4; /* these four bytes are immutable */
    uint32_t outside : 1;
    uint32_t plain : 1;  /* a string that is written without escapes */
    uint32_t count : 26; /* bytes of a string or number's text, items, members, keys */
};

/* How far an open level is what was guessed: in whole; in its keys, and the values are on the
 * stack; or not, and the keys are on theirs. */
enum dag_fit { DAG_FIT_ALL, DAG_FIT_KEYS, DAG_FIT_NONE };

/* The texts of arrays and objects that many hold and that are not parts of such, by node: of many
 * with the same hash the last two. A text stands for its node wherever nothing is dropped. */
struct dag_text {
    node_t node; /* NODE_NONE = free */
    uint32_t len;
    char *bytes; /* owned */
};
struct dag_texts { /* zeroed = empty */
    struct dag_text *slots;
    size_t slot_count, count, bytes;
    unsigned shift;
};
enum { DAG_TEXT_REFS = 4, DAG_TEXT_MIN = 48, DAG_TEXT_MAX = 4096 };

struct dag_frame {     /* one open level while parsing */
    size_t first;      /* on the stack: of an object a place for its shape; its values */
    size_t first_key;  /* on the stack of keys */
    const char *start; /* its bracket */
    node_t guess;      /* of the same type, or NODE_NONE */
    uint32_t at;       /* what is expected next in `guess` */
    uint32_t member;   /* the place in `guess` of the value that is read now, or DAG_NO_MEMBER */
    uint8_t type, role, fit; /* role: where in the Kubernetes object we are */
    bool is_new;             /* one of its values was made for it, so no node has these values */
};
enum { DAG_NO_MEMBER = DAG_MAX_COUNT, DAG_ROLE_OTHER = 0 };

struct dag {
    struct arena arena;
    node_t fixed[4];
    struct intern table;
    node_t newest; /* the last node that was made: nothing was since that could refer to it */
    struct dag_stats stats;
    size_t max_bytes;
    node_t *stack, *keys, *scratch; /* of the parser */
    size_t stack_len, stack_cap, keys_len, keys_cap, scratch_cap;
    struct dag_frame *frames;
    size_t frames_cap;
    struct dag_texts texts;
};

static inline struct node_head *dag_head(const struct dag *dag, node_t node) {
    return arena_at(&dag->arena, node);
}
static inline const void *dag_payload(const struct node_head *head) {
    return head->outside ? *(const void *const *)(head + 1) : head + 1;
}

/* The items of an array, the keys of a shape; the shape of an object and then its values. */
static inline const node_t *dag_parts(const struct dag *dag, node_t node) {
    return dag_payload(dag_head(dag, node));
}

static inline bool dag_is_shared(const struct dag *dag, node_t node) {
    return node != NODE_NONE && dag_head(dag, node)->refs >= DAG_TEXT_REFS;
}

void dag_texts_finish(struct dag_texts *texts);
/* At best: without memory, or with more of them than pays, it is not kept. */
void dag_texts_keep(struct dag *dag, node_t node, struct str text);
/* After the text at p if it is known to be that of the node, else NULL. */
const char *dag_texts_match(const struct dag *dag, node_t node, const char *p, const char *end);
void dag_texts_forget(struct dag *dag, node_t node); /* it is about to be freed */

/* The level, part of one that is guessed to be `outer`, has come as it was guessed, up to `end`. */
static inline void dag_texts_see(struct dag *dag, const struct dag_frame *frame, node_t outer,
                                 const char *end) {
    size_t len = (size_t)(end - frame->start);
    if (len >= DAG_TEXT_MIN && len <= DAG_TEXT_MAX && dag_is_shared(dag, frame->guess) &&
        !dag_is_shared(dag, outer))
        dag_texts_keep(dag, frame->guess, str_n(frame->start, len));
}

/* Interning: the caller's references to the parts pass to the node; on failure (NODE_NONE: no
 * memory) they stay with the caller. Texts give one reference. */
node_t dag_intern_string(struct dag *dag, struct str text);
node_t dag_intern_number(struct dag *dag, struct str text); /* must be a JSON number */
node_t dag_intern_array(struct dag *dag, const node_t *items, size_t count);
/* `parts`: a free place for the shape, then `count` values. 0, ERROR_NOMEM, or ERROR_REJECTED for
 * a key that comes twice (*reterr_key, borrowed). `is_new`: no such node can be there. */
int dag_intern_object(struct dag *dag, const node_t *keys, node_t *parts, size_t count, bool is_new,
                      node_t *ret, node_t *reterr_key);
/* The place of `key` in a shape, or -1. */
ptrdiff_t dag_shape_find(const struct dag *dag, node_t shape, struct str key);

/* With the level on top fitting so far, of no role, and at the start of a member or item: steps
 * over all that is as guessed, into levels and out of them, and leaves the rest to the parser. */
void dag_match(struct dag *dag, struct json_scanner *scanner, size_t *depth);

/* For dag.c and dag_shape.c: */
node_t dag_find_shape(const struct dag *dag, const node_t *keys, size_t count);
/* Adds a shape, one reference; takes its own of the keys. NODE_NONE: no memory. */
node_t dag_add_shape(struct dag *dag, const node_t *keys, const uint32_t *sorted, size_t count);
/* Interns an array, or an object of parts[0], the shape, and values; as dag_intern_array. */
node_t dag_intern_parts(struct dag *dag, enum node_type type, size_t count, const node_t *parts,
                        size_t part_count, bool is_new);
/* `from`, an object with neither, with kind and apiVersion before its members, where the server
 * puts them. One reference; takes none. NODE_NONE: NOMEM. */
node_t dag_with_type(struct dag *dag, node_t from, const char *api_version, const char *kind,
                     struct error *err);
/* Makes room for `need` nodes in dag->scratch. 0 or ERROR_NOMEM. */
int dag_scratch(struct dag *dag, size_t need);

#endif
