#include "base/list.h"
#include "cache/store_index.h"

enum { SAMPLE = 100 }; /* objects that stand for all */

size_t store_count(const struct store *store) {
    return store->objects.count;
}

struct sample {
    const struct dag *dag;
    double bytes;
    size_t left;
};

static bool weigh(void *context, const struct object *object) {
    struct sample *sample = context;
    sample->bytes += node_share(sample->dag, object->root);
    return --sample->left > 0;
}

uint64_t store_bytes(const struct store *store) {
    size_t count = store_count(store), size = count < SAMPLE ? count : SAMPLE;
    struct sample sample = {.dag = store->options.dag, .left = size};
    if (count == 0)
        return 0;
    store_each(store, (struct str){0}, weigh, &sample); /* in order of hashes: at random */
    return (uint64_t)(sample.bytes / (double)size * (double)count);
}

uint64_t store_noops(const struct store *store) {
    return store->noops;
}

uint64_t store_own_writes(const struct store *store) {
    return store->own_writes;
}

uint64_t store_passed_over(const struct store *store) {
    return store->passed_over;
}

static const struct object *now_of(const struct entry *entry) {
    return __atomic_load_n(&entry->now, __ATOMIC_SEQ_CST);
}

const struct object *store_get(const struct store *store, struct str ns, struct str name) {
    struct keyed *keyed = table_find(&store->objects, store->options.dag, ns, name);
    return keyed ? now_of(CONTAINER_OF(keyed, struct entry, keyed)) : NULL;
}

static void each_of_group(const struct table *table, const struct dag *dag, struct str key,
                          bool (*each)(void *context, const struct object *object), void *context) {
    struct keyed *keyed = table_find(table, dag, key, str_of(""));
    if (keyed == NULL)
        return;
    struct group *group = CONTAINER_OF(keyed, struct group, keyed);
    for (struct link *link = link_next(&group->first); link; link = link_next(&link->next))
        if (!each(context, now_of(link->item)))
            return;
}

void store_each(const struct store *store, struct str ns,
                bool (*each)(void *context, const struct object *object), void *context) {
    if (ns.data) {
        each_of_group(&store->by_ns, store->options.dag, ns, each, context);
        return;
    }
    const struct table_slots *slots = table_slots(&store->objects);
    for (size_t i = 0; slots && i <= slots->mask; i++) {
        struct keyed *keyed = table_slot(slots, i);
        if (keyed && !each(context, now_of(CONTAINER_OF(keyed, struct entry, keyed))))
            return;
    }
}

void store_each_owned(const struct store *store, struct str uid,
                      bool (*each)(void *context, const struct object *object), void *context) {
    each_of_group(&store->by_owner, store->options.dag, uid, each, context);
}

bool store_each_labelled(const struct store *store,
                         bool (*fits)(void *context, const struct dag *dag, node_t labels),
                         bool (*each)(void *context, const struct object *object), void *context) {
    uint64_t moves = __atomic_load_n(&store->label_moves, __ATOMIC_SEQ_CST);
    const struct table_slots *slots = table_slots(&store->by_labels);
    for (size_t i = 0; slots && i <= slots->mask; i++) {
        struct keyed *keyed = table_slot(slots, i);
        if (keyed == NULL || !fits(context, store->options.dag, keyed->a))
            continue;
        struct group *group = CONTAINER_OF(keyed, struct group, keyed);
        for (struct link *link = link_next(&group->first); link; link = link_next(&link->next))
            if (!each(context, now_of(link->item)))
                return true;
    }
    return moves % 2 == 0 && moves == __atomic_load_n(&store->label_moves, __ATOMIC_SEQ_CST);
}
