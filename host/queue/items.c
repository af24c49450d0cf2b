#include "queue/items.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"

enum {
    FIRST_SLOTS = 16,
    KEPT_SLOTS = 1 << 14, /* by an empty table */
    SMALL_CHUNKS = 1,
    LONG_KEY = ARENA_MAX - sizeof(struct item) + 1
};

static bool is_long(const struct item *item) {
    return item->key_len >= LONG_KEY;
}

/* Of a long key, the one place where its pointer is. */
static char *long_key(const struct item *item) {
    char *key;
    memcpy(&key, item->key, sizeof key);
    return key;
}

struct str item_key(const struct item *item) {
    return str_n(is_long(item) ? long_key(item) : item->key, item->key_len);
}

static size_t size_of(size_t key_len) {
    return sizeof(struct item) + (key_len < LONG_KEY ? key_len : sizeof(char *));
}

static struct item *at(const struct items *items, struct item_slot slot) {
    return slot.at ? arena_at(&items->arena, slot.at) : NULL;
}

/* What it has beside itself. */
static void finish_item(struct item *item) {
    mem_free(item->delay);
    if (is_long(item))
        mem_free(long_key(item));
}

static bool is_huge(size_t slot_count) {
    return slot_count * sizeof(struct item_slot) >= MEM_HUGE_PAGE;
}

static void free_slots(struct item_slot *slots, size_t count) {
    if (is_huge(count))
        mem_huge_free(slots, count * sizeof *slots);
    else
        mem_free(slots);
}

void items_finish(struct items *items) {
    size_t from = 0;
    for (struct item *item; (item = items_next(items, &from));)
        finish_item(item);
    free_slots(items->slots, items->slot_count);
    arena_finish(&items->arena);
    *items = (struct items){0};
}

/* A free slot for what has this hash. */
static struct item_slot *free_slot(const struct items *items, uint32_t hash) {
    size_t mask = items->slot_count - 1, i = hash & mask;
    while (items->slots[i].at)
        i = (i + 1) & mask;
    return &items->slots[i];
}

/* Room for one more. */
static int reserve(struct items *items) {
    if (items->arena.chunks == NULL && arena_init(&items->arena, SMALL_CHUNKS) < 0)
        return ERROR_NOMEM;
    if (items->count * 4 < items->slot_count * 3)
        return 0;
    struct item_slot *old = items->slots;
    const size_t before = items->slot_count, count = before ? before * 2 : FIRST_SLOTS;
    struct item_slot *slots = is_huge(count) ? mem_huge_grow(NULL, 0, count * sizeof *slots)
                                             : mem_calloc(count, sizeof *slots);
    if (slots == NULL)
        return ERROR_NOMEM;
    items->slots = slots;
    items->slot_count = count;
    for (size_t i = 0; i < before; i++)
        if (old[i].at)
            *free_slot(items, old[i].hash) = old[i];
    free_slots(old, before);
    return 0;
}

struct item *items_find(const struct items *items, struct str key, uint32_t hash) {
    if (items->count == 0)
        return NULL;
    const size_t mask = items->slot_count - 1;
    for (size_t i = hash & mask; items->slots[i].at; i = (i + 1) & mask) {
        if (items->slots[i].hash != hash)
            continue;
        struct item *item = at(items, items->slots[i]);
        if (str_equal(item_key(item), key))
            return item;
    }
    return NULL;
}

struct item *items_add(struct items *items, struct str key, uint32_t hash) {
    if (key.len > UINT32_MAX || reserve(items) < 0)
        return NULL;
    char *aside = key.len < LONG_KEY ? NULL : mem_strndup(key.data, key.len);
    if (key.len >= LONG_KEY && aside == NULL)
        return NULL;
    const struct item_slot slot = {hash, arena_alloc(&items->arena, size_of(key.len))};
    if (slot.at == 0) {
        mem_free(aside);
        return NULL;
    }
    struct item *item = at(items, slot);
    *item = (struct item){.key_len = (uint32_t)key.len, .hash = hash};
    if (aside)
        memcpy(item->key, &aside, sizeof aside);
    else if (key.len > 0)
        memcpy(item->key, key.data, key.len);
    list_init(&item->ready);
    *free_slot(items, hash) = slot;
    items->count++;
    return item;
}

/* Frees the slot; what stood behind it because of it moves up. */
static void close_hole(struct items *items, size_t hole) {
    const size_t mask = items->slot_count - 1;
    struct item_slot *slots = items->slots;
    for (size_t i = (hole + 1) & mask; slots[i].at; i = (i + 1) & mask) {
        size_t home = slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        slots[hole] = slots[i];
        hole = i;
    }
    slots[hole] = (struct item_slot){0};
}

void items_remove(struct items *items, struct item *item) {
    const size_t mask = items->slot_count - 1;
    size_t i = item->hash & mask;
    while (at(items, items->slots[i]) != item)
        i = (i + 1) & mask;
    const uint32_t unit = items->slots[i].at;
    close_hole(items, i);
    finish_item(item);
    arena_free(&items->arena, unit, size_of(item->key_len));
    if (--items->count == 0 && (items->slot_count > KEPT_SLOTS || items->arena.used > SMALL_CHUNKS))
        items_finish(items); /* a first list is over */
}

struct item *items_next(const struct items *items, size_t *from) {
    while (*from < items->slot_count) {
        struct item *item = at(items, items->slots[(*from)++]);
        if (item)
            return item;
    }
    return NULL;
}
