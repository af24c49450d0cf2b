#ifndef MOONLET_QUEUE_ITEMS_H
#define MOONLET_QUEUE_ITEMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/str.h"
#include "loop/loop.h"

/*
 * The keys of a workqueue: one struct item per key that is ready, delayed, in work, or has
 * failures.
 *
 * Is:      the item and a hash table of them. A queue holds as many as a cluster has objects for
 * the seconds of a first list alone, so an item is small, and what is not for all is aside. Is not:
 * the order in which they come (queue/lines.h). Threads: core.
 */
struct item_delay { /* of one item, in a block of its own */
    struct loop_timer timer;
    struct workqueue *queue;
    struct item *item;
    const char *reason; /* of the add that is to come */
};

struct item {
    struct list ready;        /* of its line's items */
    struct line *line;        /* of its namespace, once it was added */
    struct item_delay *delay; /* owned; once it was delayed, else NULL */
    const char *reason;
    uint64_t since_ns; /* it is ready, or in work */
    uint32_t hash;     /* of the key */
    uint32_t key_len;
    unsigned failures;
    uint8_t priority;              /* enum workqueue_priority */
    bool is_ready, in_work, dirty; /* dirty: added while in work */
    char key[];                    /* or, of a long one, a pointer to it */
};

struct item_slot {
    uint32_t hash;
    uint32_t at; /* in the arena; 0 = free */
};
struct items { /* zeroed = empty */
    struct item_slot *slots;
    size_t slot_count; /* a power of two, or 0 */
    size_t count;
    struct arena arena; /* of items */
};

static inline uint32_t items_hash(struct str key) {
    const uint64_t hash = str_hash(key);
    return (uint32_t)(hash ^ hash >> 32);
}
/* Frees all; delays must not be running. */
void items_finish(struct items *items);
struct item *items_find(const struct items *items, struct str key, uint32_t hash);
/* A new one, with neither line nor delay; NULL: no memory. */
struct item *items_add(struct items *items, struct str key, uint32_t hash);
/* Frees it too; its delay must not be running. */
void items_remove(struct items *items, struct item *item);
/* Iterates: size_t at = 0; while ((item = items_next(&items, &at))) ... */
struct item *items_next(const struct items *items, size_t *at);

struct str item_key(const struct item *item);
static inline bool item_is_delayed(const struct item *item) {
    return item->delay && loop_timer_active(&item->delay->timer);
}

#endif
