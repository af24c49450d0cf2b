#include "apiserver/storage_internal.h"

/* Objects that are not shown as they were put: what their definition says has changed since. */

static int reread(struct dag *dag, struct storage_entry *entry,
                  node_t (*read)(void *context, node_t put), void *context) {
    node_t put = entry->put != NODE_NONE ? entry->put : entry->node;
    node_t shown = read(context, put);
    if (shown == NODE_NONE)
        return ERROR_NOMEM;
    node_ref(dag, put);
    node_unref(dag, entry->node);
    node_unref(dag, entry->put);
    entry->node = shown;
    entry->put = put;
    if (shown == put) {
        node_unref(dag, put);
        entry->put = NODE_NONE;
    }
    return 0;
}

int storage_reread(struct storage *storage, unsigned id, uint64_t until,
                   node_t (*read)(void *context, node_t put), void *context, struct error *err) {
    struct storage_resource *resource = storage_resource_need(storage, id, err);
    int rc = 0;
    if (resource == NULL)
        return err->code;
    resource->reread = until;
    for (struct storage_entry *entry = resource->index.first[0]; entry; entry = entry->next[0])
        if (entry->revision <= until)
            rc |= reread(storage->dag, entry, read, context);
    return rc == 0 ? 0 : error_set(err, ERROR_NOMEM, "no memory for objects as they are now read");
}

int storage_reread_reaches(const struct storage_resource *resource, uint64_t revision,
                           struct error *err) {
    return revision >= resource->reread ? 0
                                        : storage_history_refuse(revision, resource->reread, err);
}

bool storage_is_reread(const struct storage *storage, const struct storage_key *key) {
    struct storage_resource *resource = storage_resource_peek(storage, key->resource);
    struct storage_place place;
    const struct storage_entry *entry =
        resource ? storage_index_find(&resource->index, storage->dag, key, &place) : NULL;
    return entry && entry->put != NODE_NONE;
}
