#ifndef MOONLET_CACHE_TABLE_H
#define MOONLET_CACHE_TABLE_H

#include "cache/object.h"

/*
 * Table: an open-addressing hash table that one thread changes while others read (R17), and the
 * chains that make indexes of it.
 *
 * Is:      pointers to things that begin with a struct keyed; a full table is replaced whole and
 *          the old one retired, removed things leave a mark until then.
 * Is not:  the owner of what it points to.
 * Threads: table_find, table_each_slot, chain walks: any inside a read section; the rest: core.
 */
struct keyed {
    uint64_t hash;
    node_t a, b; /* strings; b may be NODE_NONE, which equals "" */
};
/* Things that are found by a node itself have it in `a`; NODE_NONE is one of them. */

struct table_slots {
    struct limbo limbo;
    size_t mask;
    struct keyed *at[]; /* atomic; NULL = free */
};
struct table {
    struct table_slots *slots; /* atomic; NULL = empty */
    size_t count, used;        /* used counts removal marks too */
};

uint64_t keyed_hash(struct str a, struct str b);
struct keyed *table_find(const struct table *table, const struct dag *dag, struct str a,
                         struct str b);
uint64_t keyed_hash_node(node_t a);
struct keyed *table_find_node(const struct table *table, node_t a);
/* Makes room for one more table_add(). 0 or ERROR_NOMEM. */
int table_reserve(struct table *table, struct epochs *epochs);
void table_add(struct table *table, struct keyed *item); /* reserved, and not there yet */
void table_remove(struct table *table, struct keyed *item);
void table_finish(struct table *table); /* no readers any more */
/* The things in slots; NULL when that slot is free. */
struct table_slots *table_slots(const struct table *table);
struct keyed *table_slot(const struct table_slots *slots, size_t index);

/* A doubly linked chain whose `next` pointers readers follow. A removed link keeps its `next` until
 * it is freed after a grace period. */
struct link {
    struct link *next; /* atomic */
    struct link **before;
    void *item;
};
void link_add(struct link **first, struct link *link);
void link_remove(struct link *link);
struct link *link_next(struct link *const *at);

#endif
