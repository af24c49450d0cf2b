#include "apiserver/storage_internal.h"

static int begin(void *context, uint64_t revision, struct error *err) {
    struct storage *storage = context;
    if (revision < storage->revision || revision > INT64_MAX)
        return error_set(err, ERROR_REJECTED, "%llu is no revision", (unsigned long long)revision);
    if (revision > storage->revision) /* what led there is not known any more */
        storage->history.compacted = revision;
    storage->revision = storage->told = revision;
    return 0;
}

/* An object as of the revision that the file begins with. */
static int add_object(struct storage *storage, struct storage_resource *resource,
                      const struct storage_key *key, const struct journal_record *record,
                      struct error *err) {
    struct storage_place place;
    if (record->revision > storage->revision)
        return error_set(err, ERROR_REJECTED, "'%.*s' is newer than the file",
                         STR_ARG(record->name));
    if (storage_index_find(&resource->index, storage->dag, key, &place))
        return error_set(err, ERROR_REJECTED, "'%.*s' is there twice", STR_ARG(record->name));
    node_t node = storage_parse(storage, NULL, &place, record->json, err);
    if (node == NODE_NONE)
        return err->code;
    struct storage_entry *entry = storage_entry_create(&resource->index, storage->dag, key, err);
    if (entry == NULL) {
        node_unref(storage->dag, node);
        return err->code;
    }
    entry->node = node;
    entry->revision = record->revision;
    storage_index_add(&resource->index, &place, entry);
    return 0;
}

static int each(void *context, const struct journal_record *record, struct error *err) {
    struct storage *storage = context;
    struct storage_key key = {.ns = record->ns, .name = record->name};
    struct storage_resource *resource = storage_resource_named(storage, record->resource, err);
    if (resource == NULL)
        return err->code;
    if (!str_is(record->resource, resource->name) || record->resource.len >= STORAGE_NAME)
        return error_set(err, ERROR_REJECTED, "that is no name of a resource");
    if (record->type == JOURNAL_OBJECT)
        return add_object(storage, resource, &key, record, err);
    if (record->revision != storage->revision + 1)
        return error_set(err, ERROR_REJECTED, "revision %llu follows %llu",
                         (unsigned long long)record->revision,
                         (unsigned long long)storage->revision);
    int rc = record->type == JOURNAL_PUT
                 ? storage_change_put(storage, resource, &key, NODE_NONE, record->json, err)
                 : storage_change_delete(storage, resource, &key, record->json, err);
    storage->told = storage->revision;
    storage_history_trim(storage);
    if (rc < 0 && rc != ERROR_NOMEM)
        err->code = rc = ERROR_REJECTED;
    return rc;
}

int storage_journal_read(struct storage *storage, struct journal *journal, struct error *err) {
    struct journal_reader reader = {.begin = begin, .each = each, .context = storage};
    storage->is_named = true;
    int rc = journal_read(journal, &reader, err);
    storage->journal = journal;
    return rc;
}

static int renew_resource(struct storage *storage, const struct storage_resource *resource,
                          struct strbuf *json, struct error *err) {
    const struct dag *dag = storage->dag;
    int rc = 0;
    for (const struct storage_entry *entry = resource->index.first[0]; rc == 0 && entry;
         entry = entry->next[0]) {
        struct json_writer writer;
        strbuf_clear(json);
        json_writer_init(&writer, json);
        node_write(dag, entry->put != NODE_NONE ? entry->put : entry->node, &writer);
        if (json->failed) {
            error_set(err, ERROR_NOMEM, "no memory to write objects anew");
            return journal_renew_cancel(storage->journal, err);
        }
        struct journal_record record = {.type = JOURNAL_OBJECT,
                                        .revision = entry->revision,
                                        .resource = str_of(resource->name),
                                        .ns = node_text(dag, entry->ns),
                                        .name = node_text(dag, entry->name),
                                        .json = strbuf_view(json)};
        rc = journal_renew_add(storage->journal, &record, err);
    }
    return rc;
}

static int renew(struct storage *storage, struct error *err) {
    struct list *link, *next;
    uint64_t objects = 0;
    LIST_EACH(link, next, &storage->all)
    objects += CONTAINER_OF(link, struct storage_resource, link)->index.count;
    int rc = journal_renew_begin(storage->journal, storage->revision, objects, err);
    struct strbuf json = {0};
    LIST_EACH(link, next, &storage->all)
    if (rc == 0)
        rc = renew_resource(storage, CONTAINER_OF(link, struct storage_resource, link), &json, err);
    strbuf_finish(&json);
    return rc == 0 ? journal_renew_end(storage->journal, err) : rc;
}

int storage_journal_append(struct storage *storage, enum journal_type type,
                           const struct storage_resource *resource, const struct storage_key *key,
                           struct str json, struct error *err) {
    struct journal *journal = storage->journal;
    if (journal == NULL)
        return 0;
    if ((journal_is_long(journal) || journal_is_suspect(journal)) && renew(storage, err) < 0 &&
        journal_is_suspect(journal))
        return err->code;
    struct journal_record record = {.type = type,
                                    .revision = storage->revision + 1,
                                    .resource = str_of(resource->name),
                                    .ns = key->ns,
                                    .name = key->name,
                                    .json = json};
    return journal_append(journal, &record, err);
}
