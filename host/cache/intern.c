#include "cache/intern.h"

#include <assert.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

enum { FIRST_SLOTS = 1024 };

static bool is_huge(size_t count) {
    return count * sizeof(struct intern_slot) >= MEM_HUGE_PAGE;
}

static void free_slots(struct intern_slot *slots, size_t count) {
    if (is_huge(count))
        mem_huge_free(slots, count * sizeof *slots);
    else
        mem_free(slots);
}

void intern_finish(struct intern *table) {
    free_slots(table->slots, table->slot_count);
    *table = (struct intern){0};
}

/* `count` slots: those that there are, and free ones. NULL leaves all as it was. */
static struct intern_slot *more_slots(const struct intern *table, size_t count) {
    const size_t before = table->slot_count * sizeof *table->slots;
    const size_t size = count * sizeof *table->slots;
    if (is_huge(table->slot_count))
        return mem_huge_grow(table->slots, before, size);
    struct intern_slot *slots = is_huge(count) ? mem_huge_grow(NULL, 0, size) : mem_zalloc(size);
    if (slots == NULL)
        return NULL;
    if (before > 0)
        memcpy(slots, table->slots, before);
    free_slots(table->slots, table->slot_count);
    return slots;
}

static void put(struct intern *table, struct intern_slot slot) {
    const size_t count = table->slot_count, home = intern_home(count, slot.hash);
    size_t at = home;
    while (table->slots[at].node != NODE_NONE)
        at = intern_after(count, at);
    table->slots[at] = slot;
    const size_t reach = at >= home ? at - home : at + count - home;
    if (reach > table->reach)
        table->reach = reach;
}

/* How many of the first of `before` slots may come to lie before where they are when there are
 * `count`: a home moves up by its share of what is added, which is less than the reach there. The
 * ones from the end that stand at the beginning are among them. */
static size_t low_slots(const struct intern *table, size_t before, size_t count) {
    size_t low = before > 0 ? table->reach + table->reach * before / (count - before) + 2 : 0;
    return low < before ? low : before;
}

/* Grows by little, so that there is never much more room than nodes, and in place: from the end on
 * each goes up, to where all is done already. Only the low ones could meet some that are to come;
 * they step aside. */
int intern_reserve(struct intern *table) {
    const size_t before = table->slot_count;
    if ((table->used + 1) * 5 <= before * 4)
        return 0;
    const size_t count = before ? before + before / 4 : FIRST_SLOTS;
    const size_t low = low_slots(table, before, count);
    CLEANUP(mem_freep) struct intern_slot *aside = mem_alloc(low * sizeof *aside);
    struct intern_slot *slots = aside ? more_slots(table, count) : NULL;
    if (slots == NULL)
        return ERROR_NOMEM;
    memcpy(aside, slots, low * sizeof *slots);
    memset(slots, 0, low * sizeof *slots);
    table->slots = slots;
    table->slot_count = count;
    table->reach = 0;
    for (size_t i = before; i-- > low;) {
        const struct intern_slot slot = slots[i];
        if (slot.node == NODE_NONE)
            continue;
        slots[i].node = NODE_NONE;
        put(table, slot);
    }
    for (size_t i = 0; i < low; i++)
        if (aside[i].node != NODE_NONE)
            put(table, aside[i]);
    return 0;
}

void intern_add(struct intern *table, uint32_t hash, node_t node) {
    struct intern_slot *late = &table->late[table->next_late++ % INTERN_LATE];
    if (late->node != NODE_NONE)
        put(table, *late);
    *late = (struct intern_slot){hash, node};
    __builtin_prefetch(&table->slots[intern_home(table->slot_count, hash)], /* rw= */ 1);
    table->used++;
}

/* Frees the slot, moving later ones of the run up. */
static void close_hole(struct intern *table, size_t at) {
    const size_t count = table->slot_count;
    struct intern_slot *slots = table->slots;
    for (size_t next = intern_after(count, at); slots[next].node != NODE_NONE;
         next = intern_after(count, next)) {
        size_t home = intern_home(count, slots[next].hash);
        size_t from_home = next >= home ? next - home : next + count - home;
        size_t from_hole = next >= at ? next - at : next + count - at;
        if (from_home >= from_hole) {
            slots[at] = slots[next];
            at = next;
        }
    }
    slots[at].node = NODE_NONE;
}

void intern_remove(struct intern *table, uint32_t hash, node_t node) {
    table->used--;
    for (size_t i = 0; i < INTERN_LATE; i++)
        if (table->late[i].node == node) {
            table->late[i].node = NODE_NONE;
            return;
        }
    size_t at = intern_home(table->slot_count, hash);
    while (table->slots[at].node != node)
        at = intern_after(table->slot_count, at);
    close_hole(table, at);
}
