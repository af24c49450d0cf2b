#ifndef MOONLET_BASE_MAP_H
#define MOONLET_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/*
 * Hash map from a string to a pointer, in insertion order when iterated.
 *
 * Is:      open addressing over an ordered entry list; the map owns copies of the keys, not values.
 * Is not:  safe for readers on other threads (cache/store.h is).
 * Threads: one owner at a time. Yields: never. Zeroed = empty.
 */
struct map_entry {
    char *key; /* owned by the map; NULL = removed */
    size_t key_len;
    uint64_t hash;
    void *value;
};
struct map {
    struct map_entry *entries;
    size_t used, entries_cap; /* used counts removed entries too */
    uint32_t *slots;          /* index + 1 into entries; 0 = free */
    size_t slots_cap;         /* a power of two, or 0 */
    size_t count;             /* live entries */
};

/* Frees the map; values are the caller's business. */
void map_finish(struct map *map);
/* Sets key to value and gives the value that was there in *ret_old (may be NULL).
 * 0 or ERROR_NOMEM (map unchanged). */
int map_set(struct map *map, struct str key, void *value, void **ret_old);
void *map_get(const struct map *map, struct str key); /* NULL when absent */
void *map_remove(struct map *map, struct str key);    /* the value, or NULL */
/* Iterates: size_t at = 0; while ((e = map_next(&map, &at))) ... Removing while iterating is
 * fine, setting is not. */
struct map_entry *map_next(const struct map *map, size_t *at);

#endif
