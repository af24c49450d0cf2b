#ifndef MOONLET_BASE_MAP_H
#define MOONLET_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Hash map from a string to a pointer, in insertion order when iterated.
 *
 * Is:      open addressing over an ordered entry list; the map owns copies of the keys, not values,
 *          or borrows the keys where each lies in its value (map_borrow()).
 * Is not:  safe for readers on other threads (cache/store.h is).
 * Threads: one owner at a time. Yields: never. Zeroed = empty.
 */
struct map_entry {
    char *key; /* owned by the map unless it borrows; NULL = removed */
    size_t key_len;
    uint64_t hash;
    void *value;
};
struct map_slot {
    uint32_t hash;  /* its lower half: most that differ are told without a look at the entry */
    uint32_t entry; /* 1 + place in entries; 0 = free */
};
struct map {
    struct map_entry *entries;
    size_t used, entries_cap; /* used counts removed entries too */
    struct map_slot *slots;
    size_t slots_cap; /* a power of two, or 0 */
    size_t count;     /* live entries */
    bool borrows;
};

/* Before the first key: keys stay the caller's, unchanged for as long as they are in the map. */
void map_borrow(struct map *map);
/* Frees the map; values are the caller's business. */
void map_finish(struct map *map);
/* Sets key to value and gives the value that was there in *ret_old (may be NULL).
 * 0 or ERROR_NOMEM (map unchanged). */
int map_set(struct map *map, struct str key, void *value, void **ret_old);
void *map_get(const struct map *map, struct str key); /* NULL when absent */
/* The same for who has str_hash(key) at hand; added is only what is not there. */
void *map_get_hashed(const struct map *map, struct str key, uint64_t hash);
int map_add_hashed(struct map *map, struct str key, uint64_t hash, void *value); /* 0, NOMEM */
void *map_remove_hashed(struct map *map, struct str key, uint64_t hash);
void *map_remove(struct map *map, struct str key); /* the value, or NULL */
/* Iterates: size_t at = 0; while ((e = map_next(&map, &at))) ... Removing while iterating is
 * fine, setting is not. */
struct map_entry *map_next(const struct map *map, size_t *at);

#endif
