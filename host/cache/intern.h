#ifndef MOONLET_CACHE_INTERN_H
#define MOONLET_CACHE_INTERN_H

#include <stddef.h>
#include <stdint.h>

#include "cache/node.h"

/*
 * The intern table: from a hash to the nodes that have it.
 *
 * Is:      open addressing in order of the hash, which grows where it lies; what is added waits a
 *          little beside it, so that its place comes into the caches meanwhile.
 * Is not:  about what nodes contain; who looks one up compares (dag.c).
 * Threads: the core.
 */
struct intern_slot {
    uint32_t hash;
    node_t node; /* NODE_NONE = free */
};

enum { INTERN_LATE = 8 };

struct intern { /* zeroed = empty */
    struct intern_slot *slots;
    size_t slot_count;
    size_t used;  /* the late ones too */
    size_t reach; /* no node stands further behind its home */
    struct intern_slot late[INTERN_LATE];
    unsigned next_late;
};

void intern_finish(struct intern *table);

/* Makes room for one more. 0, or ERROR_NOMEM and the table is as it was. */
int intern_reserve(struct intern *table);
/* After intern_reserve(). */
void intern_add(struct intern *table, uint32_t hash, node_t node);
void intern_remove(struct intern *table, uint32_t hash, node_t node); /* which is there */

/* The slots are as many as the hash says, of any number of them. */
static inline size_t intern_home(size_t slot_count, uint32_t hash) {
    return (size_t)((uint64_t)hash * slot_count >> 32);
}

static inline size_t intern_after(size_t slot_count, size_t at) {
    return at + 1 == slot_count ? 0 : at + 1;
}

#endif
