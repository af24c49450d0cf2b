#include "cache/table.h"

#include "base/list.h"
#include "base/mem.h"

enum { FIRST_SLOTS = 16 };

static const struct keyed mark; /* of a removed thing; only its address is used */
#define REMOVED ((struct keyed *)&mark)

uint64_t keyed_hash(struct str a, struct str b) {
    return str_hash(a) * 31 + str_hash(b);
}

struct table_slots *table_slots(const struct table *table) {
    return __atomic_load_n(&table->slots, __ATOMIC_SEQ_CST);
}

static struct keyed *load(const struct table_slots *slots, size_t index) {
    return __atomic_load_n(&slots->at[index], __ATOMIC_SEQ_CST);
}

struct keyed *table_slot(const struct table_slots *slots, size_t index) {
    struct keyed *item = load(slots, index);
    return item == REMOVED ? NULL : item;
}

struct keyed *table_find(const struct table *table, const struct dag *dag, struct str a,
                         struct str b) {
    const struct table_slots *slots = table_slots(table);
    if (slots == NULL)
        return NULL;
    uint64_t hash = keyed_hash(a, b);
    struct keyed *item;
    for (size_t at = hash & slots->mask; (item = load(slots, at)); at = (at + 1) & slots->mask)
        if (item != REMOVED && item->hash == hash && str_equal(node_text(dag, item->b), b) &&
            str_equal(node_text(dag, item->a), a))
            return item;
    return NULL;
}

uint64_t keyed_hash_node(node_t a) {
    return (a + 1) * 0x9e3779b97f4a7c15u >> 16;
}

struct keyed *table_find_node(const struct table *table, node_t a) {
    const struct table_slots *slots = table_slots(table);
    uint64_t hash = keyed_hash_node(a);
    struct keyed *item;
    if (slots == NULL)
        return NULL;
    for (size_t at = hash & slots->mask; (item = load(slots, at)); at = (at + 1) & slots->mask)
        if (item != REMOVED && item->a == a)
            return item;
    return NULL;
}

static void put(struct table_slots *slots, struct keyed *item) {
    size_t at = item->hash & slots->mask;
    while (load(slots, at))
        at = (at + 1) & slots->mask;
    __atomic_store_n(&slots->at[at], item, __ATOMIC_SEQ_CST);
}

static void free_slots(struct limbo *limbo) {
    mem_free(CONTAINER_OF(limbo, struct table_slots, limbo));
}

int table_reserve(struct table *table, struct epochs *epochs) {
    struct table_slots *old = table->slots;
    if (old && (table->used + 1) * 4 <= (old->mask + 1) * 3)
        return 0;
    size_t size = FIRST_SLOTS;
    while (size < (table->count + 1) * 2)
        size *= 2;
    struct table_slots *slots = mem_calloc(1, sizeof *slots + size * sizeof *slots->at);
    if (slots == NULL)
        return ERROR_NOMEM;
    slots->mask = size - 1;
    for (size_t i = 0; old && i <= old->mask; i++)
        if (table_slot(old, i))
            put(slots, table_slot(old, i));
    table->used = table->count;
    __atomic_store_n(&table->slots, slots, __ATOMIC_SEQ_CST);
    if (old)
        epochs_limbo(epochs, &old->limbo, free_slots);
    return 0;
}

void table_add(struct table *table, struct keyed *item) {
    put(table->slots, item);
    table->count++;
    table->used++;
}

void table_remove(struct table *table, struct keyed *item) {
    struct table_slots *slots = table->slots;
    size_t at = item->hash & slots->mask;
    while (load(slots, at) != item)
        at = (at + 1) & slots->mask;
    __atomic_store_n(&slots->at[at], REMOVED, __ATOMIC_SEQ_CST);
    table->count--;
}

void table_finish(struct table *table) {
    mem_free(table->slots);
    *table = (struct table){0};
}

struct link *link_next(struct link *const *at) {
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

void link_add(struct link **first, struct link *link) {
    link->next = *first;
    link->before = first;
    if (link->next)
        link->next->before = &link->next;
    __atomic_store_n(first, link, __ATOMIC_SEQ_CST);
}

void link_remove(struct link *link) {
    __atomic_store_n(link->before, link->next, __ATOMIC_SEQ_CST);
    if (link->next)
        link->next->before = link->before;
}
