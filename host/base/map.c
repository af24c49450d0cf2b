#include "base/map.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

void map_finish(struct map *map) {
    for (size_t i = 0; i < map->used; i++)
        mem_free(map->entries[i].key);
    mem_free(map->entries);
    mem_free(map->slots);
    *map = (struct map){0};
}

/* The slot of the key, or the free slot where it would go. slots_cap must not be 0. */
static size_t find_slot(const struct map *map, struct str key, uint64_t hash) {
    size_t mask = map->slots_cap - 1, at = hash & mask;
    for (; map->slots[at] != 0; at = (at + 1) & mask) {
        const struct map_entry *entry = &map->entries[map->slots[at] - 1];
        if (entry->key && entry->hash == hash && str_equal(str_n(entry->key, entry->key_len), key))
            return at;
    }
    return at;
}

static int rebuild(struct map *map) {
    size_t cap = 8;
    while (cap < (map->count + 1) * 2)
        cap *= 2;
    uint32_t *slots = mem_calloc(cap, sizeof *slots);
    if (slots == NULL)
        return ERROR_NOMEM;
    size_t kept = 0;
    for (size_t i = 0; i < map->used; i++)
        if (map->entries[i].key)
            map->entries[kept++] = map->entries[i];
    map->used = kept;
    for (size_t i = 0; i < kept; i++) {
        size_t at = map->entries[i].hash & (cap - 1);
        while (slots[at] != 0)
            at = (at + 1) & (cap - 1);
        slots[at] = (uint32_t)i + 1;
    }
    mem_free(map->slots);
    map->slots = slots;
    map->slots_cap = cap;
    return 0;
}

int map_set(struct map *map, struct str key, void *value, void **ret_old) {
    uint64_t hash = str_hash(key);
    if (map->slots_cap == 0 || (map->used + 1) * 4 > map->slots_cap * 3)
        if (rebuild(map) < 0)
            return ERROR_NOMEM;
    size_t at = find_slot(map, key, hash);
    if (map->slots[at] != 0) {
        struct map_entry *entry = &map->entries[map->slots[at] - 1];
        if (ret_old)
            *ret_old = entry->value;
        entry->value = value;
        return 0;
    }
    char *copy = mem_strndup(key.data, key.len);
    if (copy == NULL)
        return ERROR_NOMEM;
    if (mem_grow(&map->entries, &map->entries_cap, map->used + 1, sizeof *map->entries) < 0) {
        mem_free(copy);
        return ERROR_NOMEM;
    }
    map->entries[map->used] = (struct map_entry){copy, key.len, hash, value};
    map->slots[at] = (uint32_t)++map->used;
    map->count++;
    if (ret_old)
        *ret_old = NULL;
    return 0;
}

static struct map_entry *find(const struct map *map, struct str key) {
    if (map->count == 0)
        return NULL;
    uint32_t slot = map->slots[find_slot(map, key, str_hash(key))];
    return slot ? &map->entries[slot - 1] : NULL;
}

void *map_get(const struct map *map, struct str key) {
    struct map_entry *entry = find(map, key);
    return entry ? entry->value : NULL;
}

void *map_remove(struct map *map, struct str key) {
    struct map_entry *entry = find(map, key);
    if (entry == NULL)
        return NULL;
    void *value = entry->value;
    mem_free(entry->key); /* the slot keeps pointing here until the next rebuild */
    *entry = (struct map_entry){0};
    map->count--;
    return value;
}

struct map_entry *map_next(const struct map *map, size_t *at) {
    while (*at < map->used) {
        struct map_entry *entry = &map->entries[(*at)++];
        if (entry->key)
            return entry;
    }
    return NULL;
}
