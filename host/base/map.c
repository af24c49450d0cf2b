#include "base/map.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

void map_borrow(struct map *map) {
    map->borrows = true;
}

void map_finish(struct map *map) {
    for (size_t i = 0; i < map->used && !map->borrows; i++)
        mem_free(map->entries[i].key);
    mem_free(map->entries);
    mem_free(map->slots);
    *map = (struct map){0};
}

/* The slot of the key, or the free slot where it would go. slots_cap must not be 0. */
static size_t find_slot(const struct map *map, struct str key, uint64_t hash) {
    size_t mask = map->slots_cap - 1, at = hash & mask;
    for (; map->slots[at].entry != 0; at = (at + 1) & mask) {
        if (map->slots[at].hash != (uint32_t)hash)
            continue;
        const struct map_entry *entry = &map->entries[map->slots[at].entry - 1];
        if (str_equal(str_n(entry->key, entry->key_len), key))
            return at;
    }
    return at;
}

static struct map_entry *find(const struct map *map, struct str key, uint64_t hash) {
    if (map->count == 0)
        return NULL;
    uint32_t entry = map->slots[find_slot(map, key, hash)].entry;
    return entry ? &map->entries[entry - 1] : NULL;
}

/* All entries into slots that are free. */
static void fill_slots(struct map *map) {
    size_t mask = map->slots_cap - 1;
    for (size_t i = 0; i < map->used; i++) {
        size_t at = map->entries[i].hash & mask;
        if (map->entries[i].key == NULL)
            continue;
        while (map->slots[at].entry != 0)
            at = (at + 1) & mask;
        map->slots[at] = (struct map_slot){(uint32_t)map->entries[i].hash, (uint32_t)i + 1};
    }
}

static int grow_slots(struct map *map) {
    size_t cap = map->slots_cap ? map->slots_cap * 2 : 8;
    struct map_slot *slots = mem_calloc(cap, sizeof *slots);
    if (slots == NULL)
        return ERROR_NOMEM;
    mem_free(map->slots);
    map->slots = slots;
    map->slots_cap = cap;
    fill_slots(map);
    return 0;
}

/* Room for one more entry: where others were removed, when that is half of it or more. */
static int make_room(struct map *map) {
    if (map->used < map->entries_cap)
        return 0;
    if (map->used == 0 || map->count > map->used / 2)
        return mem_grow(&map->entries, &map->entries_cap, map->used + 1, sizeof *map->entries);
    size_t kept = 0;
    for (size_t i = 0; i < map->used; i++)
        if (map->entries[i].key)
            map->entries[kept++] = map->entries[i];
    map->used = kept;
    memset(map->slots, 0, map->slots_cap * sizeof *map->slots);
    fill_slots(map);
    return 0;
}

static char *own_key(const struct map *map, struct str key) {
    return map->borrows ? (char *)key.data : mem_strndup(key.data, key.len);
}

int map_add_hashed(struct map *map, struct str key, uint64_t hash, void *value) {
    if ((map->count + 1) * 4 > map->slots_cap * 3 && grow_slots(map) < 0)
        return ERROR_NOMEM;
    if (make_room(map) < 0)
        return ERROR_NOMEM;
    char *own = own_key(map, key);
    if (own == NULL)
        return ERROR_NOMEM;
    size_t mask = map->slots_cap - 1, at = hash & mask;
    while (map->slots[at].entry != 0)
        at = (at + 1) & mask;
    map->entries[map->used++] = (struct map_entry){own, key.len, hash, value};
    map->slots[at] = (struct map_slot){(uint32_t)hash, (uint32_t)map->used};
    map->count++;
    return 0;
}

int map_set(struct map *map, struct str key, void *value, void **ret_old) {
    uint64_t hash = str_hash(key);
    struct map_entry *entry = find(map, key, hash);
    if (ret_old)
        *ret_old = entry ? entry->value : NULL;
    if (entry == NULL)
        return map_add_hashed(map, key, hash, value);
    entry->value = value;
    if (map->borrows)
        entry->key = (char *)key.data;
    return 0;
}

void *map_get_hashed(const struct map *map, struct str key, uint64_t hash) {
    const struct map_entry *entry = find(map, key, hash);
    return entry ? entry->value : NULL;
}

void *map_get(const struct map *map, struct str key) {
    return map_get_hashed(map, key, str_hash(key));
}

/* Frees the slot; what was put behind it because of it moves up. */
static void free_slot(struct map *map, size_t hole) {
    size_t mask = map->slots_cap - 1;
    for (size_t at = (hole + 1) & mask; map->slots[at].entry != 0; at = (at + 1) & mask) {
        size_t home = map->slots[at].hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        map->slots[hole] = map->slots[at];
        hole = at;
    }
    map->slots[hole] = (struct map_slot){0};
}

void *map_remove_hashed(struct map *map, struct str key, uint64_t hash) {
    if (map->count == 0)
        return NULL;
    size_t slot = find_slot(map, key, hash);
    if (map->slots[slot].entry == 0)
        return NULL;
    struct map_entry *entry = &map->entries[map->slots[slot].entry - 1];
    void *value = entry->value;
    free_slot(map, slot);
    if (!map->borrows)
        mem_free(entry->key);
    *entry = (struct map_entry){0};
    map->count--;
    while (map->used > 0 && map->entries[map->used - 1].key == NULL)
        map->used--;
    return value;
}

void *map_remove(struct map *map, struct str key) {
    return map_remove_hashed(map, key, str_hash(key));
}

struct map_entry *map_next(const struct map *map, size_t *at) {
    while (*at < map->used) {
        struct map_entry *entry = &map->entries[(*at)++];
        if (entry->key)
            return entry;
    }
    return NULL;
}
