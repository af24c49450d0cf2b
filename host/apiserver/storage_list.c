#include "apiserver/storage_internal.h"

#include <stdlib.h>

#include "base/mem.h"

struct listing {
    struct storage *storage;
    struct storage_resource *resource;
    unsigned id;
    struct str ns;
    const struct storage_key *after;
    uint64_t revision;
    bool (*each)(void *context, const struct storage_item *item);
    void *context;
    /* What has changed since `revision`, in order of keys: the first change of each. */
    uint64_t *changed;
    size_t changed_count, changed_cap;
};

static struct storage_key key_of(const struct listing *listing, node_t ns, node_t name) {
    const struct dag *dag = listing->storage->dag;
    return (struct storage_key){listing->id, node_text(dag, ns), node_text(dag, name)};
}

/* The first entry that may belong to the list. */
static const struct storage_entry *start(const struct listing *listing) {
    struct storage_index *index = &listing->resource->index;
    const struct storage_key *after = listing->after;
    struct storage_key from = {.ns = listing->ns};
    struct storage_place place;
    if (after && (listing->ns.data == NULL || storage_key_compare(&from, after) < 0))
        from = *after;
    else if (listing->ns.data == NULL)
        return index->first[0];
    const struct storage_entry *found =
        storage_index_find(index, listing->storage->dag, &from, &place);
    if (found && after && storage_key_compare(&from, after) == 0)
        return found->next[0];
    return *place.links[0];
}

static bool belongs(const struct listing *listing, const struct storage_key *key) {
    return (listing->ns.data == NULL || str_equal(listing->ns, key->ns)) &&
           (listing->after == NULL || storage_key_compare(key, listing->after) > 0);
}

static bool show(const struct listing *listing, const struct storage_key *key, node_t node,
                 uint64_t revision) {
    return node == NODE_NONE ||
           listing->each(listing->context,
                         &(struct storage_item){.key = *key, .node = node, .revision = revision});
}

static int compare_changed(const void *a, const void *b, void *context) {
    const struct storage *storage = context;
    const uint64_t *x = a, *y = b;
    struct storage_key left = storage_record_key(storage, storage_history_at(storage, *x));
    struct storage_key right = storage_record_key(storage, storage_history_at(storage, *y));
    int order = storage_key_compare(&left, &right);
    return order != 0 ? order : *x < *y ? -1 : *x > *y;
}

static int gather_changed(struct listing *listing, struct error *err) {
    struct storage *storage = listing->storage;
    for (uint64_t at = listing->revision + 1; at <= storage->revision; at++) {
        const struct storage_record *record = storage_history_at(storage, at);
        struct storage_key key = storage_record_key(storage, record);
        if (record->resource != listing->resource || !belongs(listing, &key))
            continue;
        if (mem_grow(&listing->changed, &listing->changed_cap, listing->changed_count + 1,
                     sizeof *listing->changed) < 0)
            return error_set(err, ERROR_NOMEM, "no memory for a list of older objects");
        listing->changed[listing->changed_count++] = at;
    }
    if (listing->changed_count > 1)
        qsort_r(listing->changed, listing->changed_count, sizeof *listing->changed, compare_changed,
                storage);
    return 0;
}

/* Past the changes of the same key, of which only the first counts. */
static size_t next_changed(const struct listing *listing, size_t at) {
    const struct storage *storage = listing->storage;
    const struct storage_record *record = storage_history_at(storage, listing->changed[at]);
    node_t ns = record->ns, name = record->name;
    for (at++; at < listing->changed_count; at++) {
        record = storage_history_at(storage, listing->changed[at]);
        if (record->ns != ns || record->name != name)
            break;
    }
    return at;
}

/* Two lists in order become one: what is there now, and what was there of that which has changed.
 */
static void merge(const struct listing *listing) {
    const struct storage *storage = listing->storage;
    size_t at = 0;
    bool more = true;
    for (const struct storage_entry *entry = start(listing); more;) {
        struct storage_key key, old_key;
        const struct storage_record *record = NULL;
        if (entry) {
            key = key_of(listing, entry->ns, entry->name);
            if (!belongs(listing, &key))
                entry = NULL;
        }
        if (at < listing->changed_count) {
            record = storage_history_at(storage, listing->changed[at]);
            old_key = key_of(listing, record->ns, record->name);
        }
        if (entry == NULL && record == NULL)
            return;
        int order = entry == NULL ? 1 : record == NULL ? -1 : storage_key_compare(&key, &old_key);
        if (order < 0)
            more = show(listing, &key, entry->node, entry->revision);
        else
            more = show(listing, &old_key, record->old, record->old_revision);
        if (order <= 0)
            entry = entry->next[0];
        if (order >= 0)
            at = next_changed(listing, at);
    }
}

int storage_list(struct storage *storage, unsigned resource, struct str ns,
                 const struct storage_key *after, uint64_t revision,
                 bool (*each)(void *context, const struct storage_item *item), void *context,
                 struct error *err) {
    struct listing listing = {.storage = storage,
                              .resource = storage_resource_peek(storage, resource),
                              .id = resource,
                              .ns = ns,
                              .after = after,
                              .revision = revision ? revision : storage->revision,
                              .each = each,
                              .context = context};
    if (listing.revision > storage->revision)
        return error_set(err, ERROR_TIMEOUT, "Too large resource version: %llu, current: %llu",
                         (unsigned long long)revision, (unsigned long long)storage->revision);
    int rc = storage_history_reaches(storage, listing.revision, err);
    if (rc == 0 && listing.resource)
        rc = gather_changed(&listing, err);
    if (rc == 0 && listing.resource)
        merge(&listing);
    mem_free(listing.changed);
    return rc;
}
