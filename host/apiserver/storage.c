#include "apiserver/storage_internal.h"

#include "base/mem.h"

enum { DEFAULT_HISTORY = 10000, FIRST_REVISION = 1 };

struct storage *storage_create(const struct storage_options *options, struct error *err) {
    struct storage *storage = mem_zalloc(sizeof *storage);
    if (storage == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for the storage");
        return NULL;
    }
    storage->dag = options->dag;
    storage->revision = storage->told = FIRST_REVISION;
    storage->history.limit = options->history ? options->history : DEFAULT_HISTORY;
    storage->name = options->name;
    storage->context = options->context;
    list_init(&storage->cursor);
    storage_resources_init(storage);
    if (options->journal == NULL || storage_journal_read(storage, options->journal, err) == 0)
        return storage;
    storage_destroy(storage);
    return NULL;
}

void storage_destroy(struct storage *storage) {
    if (storage == NULL)
        return;
    storage_history_finish(storage);
    storage_resources_finish(storage);
    mem_free(storage);
}

uint64_t storage_revision(const struct storage *storage) {
    return storage->revision;
}

size_t storage_count(const struct storage *storage, unsigned resource) {
    const struct storage_resource *found = storage_resource_peek(storage, resource);
    return found ? found->index.count : 0;
}

node_t storage_get(const struct storage *storage, const struct storage_key *key,
                   uint64_t *ret_revision) {
    struct storage_resource *resource = storage_resource_peek(storage, key->resource);
    struct storage_place place;
    const struct storage_entry *entry =
        resource ? storage_index_find(&resource->index, storage->dag, key, &place) : NULL;
    if (entry == NULL)
        return NODE_NONE;
    if (ret_revision)
        *ret_revision = entry->revision;
    return entry->node;
}

static node_t like_of(const struct storage_entry *entry, const struct storage_place *place) {
    const struct storage_entry *like = entry           ? entry
                                       : place->before ? place->before
                                                       : *place->links[0];
    return like ? like->node : NODE_NONE;
}

node_t storage_like(const struct storage *storage, const struct storage_key *key) {
    struct storage_resource *resource = storage_resource_peek(storage, key->resource);
    struct storage_place place;
    if (resource == NULL)
        return NODE_NONE;
    return like_of(storage_index_find(&resource->index, storage->dag, key, &place), &place);
}

node_t storage_parse(struct storage *storage, const struct storage_entry *entry,
                     const struct storage_place *place, struct str json, struct error *err) {
    struct dag_guess guess = {.like = like_of(entry, place)};
    node_t node = dag_parse_like(storage->dag, json, /* drop= */ 0, &guess, err);
    if (node == NODE_NONE || node_type(storage->dag, node) == NODE_OBJECT)
        return node;
    node_unref(storage->dag, node);
    error_set(err, ERROR_REJECTED, "only a JSON object can be stored");
    return NODE_NONE;
}

static void put_done(struct storage *storage, struct storage_resource *resource,
                     struct storage_entry *entry, node_t node) {
    struct storage_record record = {.resource = resource,
                                    .ns = node_ref(storage->dag, entry->ns),
                                    .name = node_ref(storage->dag, entry->name),
                                    .old = entry->node,
                                    .old_revision = entry->revision,
                                    .now = node_ref(storage->dag, node)};
    storage_history_add(storage, &record);
    node_unref(storage->dag, entry->put);
    entry->put = NODE_NONE;
    entry->node = node;
    entry->revision = storage->revision;
}

int storage_change_put(struct storage *storage, struct storage_resource *resource,
                       const struct storage_key *key, node_t made, struct str json,
                       struct error *err) {
    struct dag *dag = storage->dag;
    struct storage_place place;
    if (storage_history_reserve(storage, err) < 0)
        return err->code;
    struct storage_entry *entry = storage_index_find(&resource->index, dag, key, &place);
    struct storage_entry *created = NULL;
    node_t node =
        made == NODE_NONE ? storage_parse(storage, entry, &place, json, err) : node_ref(dag, made);
    if (node == NODE_NONE)
        return err->code;
    if (entry == NULL)
        entry = created = storage_entry_create(&resource->index, dag, key, err);
    if (entry == NULL ||
        storage_journal_append(storage, JOURNAL_PUT, resource, key, json, err) < 0) {
        storage_entry_destroy(created, dag);
        node_unref(dag, node);
        return err->code;
    }
    if (created)
        storage_index_add(&resource->index, &place, created);
    put_done(storage, resource, entry, node);
    return 0;
}

int storage_change_delete(struct storage *storage, struct storage_resource *resource,
                          const struct storage_key *key, struct str last, struct error *err) {
    struct dag *dag = storage->dag;
    struct storage_place place;
    struct storage_entry *entry = storage_index_find(&resource->index, dag, key, &place);
    if (entry == NULL)
        return error_set(err, ERROR_NOT_FOUND, "'%.*s' is not there", STR_ARG(key->name));
    if (storage_history_reserve(storage, err) < 0)
        return err->code;
    node_t node = storage_parse(storage, entry, &place, last, err);
    if (node == NODE_NONE)
        return err->code;
    if (storage_journal_append(storage, JOURNAL_DELETE, resource, key, last, err) < 0) {
        node_unref(dag, node);
        return err->code;
    }
    struct storage_record record = {.resource = resource,
                                    .ns = node_ref(dag, entry->ns),
                                    .name = node_ref(dag, entry->name),
                                    .old = node_ref(dag, entry->node),
                                    .old_revision = entry->revision,
                                    .last = node};
    storage_index_remove(&resource->index, &place, entry);
    storage_entry_destroy(entry, dag);
    storage_history_add(storage, &record);
    return 0;
}

int storage_put_node(struct storage *storage, const struct storage_key *key, node_t node,
                     struct str json, struct error *err) {
    struct storage_resource *resource = storage_resource_need(storage, key->resource, err);
    if (resource == NULL || storage_change_put(storage, resource, key, node, json, err) < 0)
        return err->code;
    storage_tell(storage);
    return 0;
}

int storage_put(struct storage *storage, const struct storage_key *key, struct str json,
                struct error *err) {
    return storage_put_node(storage, key, NODE_NONE, json, err);
}

int storage_delete(struct storage *storage, const struct storage_key *key, struct str last,
                   struct error *err) {
    struct storage_resource *resource = storage_resource_peek(storage, key->resource);
    if (resource == NULL)
        return error_set(err, ERROR_NOT_FOUND, "'%.*s' is not there", STR_ARG(key->name));
    int rc = storage_change_delete(storage, resource, key, last, err);
    if (rc == 0)
        storage_tell(storage);
    return rc;
}
