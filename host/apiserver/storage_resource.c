#include "apiserver/storage_internal.h"

#include <stdio.h>

#include "base/mem.h"

void storage_resources_init(struct storage *storage) {
    list_init(&storage->all);
}

void storage_resources_finish(struct storage *storage) {
    struct list *link, *next;
    LIST_EACH(link, next, &storage->all) {
        struct storage_resource *resource = CONTAINER_OF(link, struct storage_resource, link);
        while (!list_empty(&resource->watchers))
            list_remove(resource->watchers.next);
        storage_index_finish(&resource->index, storage->dag);
        mem_free(resource->name);
        mem_free(resource);
    }
    list_init(&storage->all);
    map_finish(&storage->named);
    mem_free(storage->resources);
}

static void name_of(const struct storage *storage, unsigned id, char text[STORAGE_NAME]) {
    if (storage->name)
        storage->name(storage->context, id, text);
    else
        snprintf(text, STORAGE_NAME, "%u", id);
}

struct storage_resource *storage_resource_peek(const struct storage *storage, unsigned id) {
    struct storage_resource *resource = id < storage->resources_cap ? storage->resources[id] : NULL;
    if (resource || !storage->is_named)
        return resource;
    char text[STORAGE_NAME];
    name_of(storage, id, text);
    return map_get(&storage->named, str_of(text));
}

struct storage_resource *storage_resource_named(struct storage *storage, struct str name,
                                                struct error *err) {
    struct storage_resource *resource = map_get(&storage->named, name);
    if (resource)
        return resource;
    resource = mem_zalloc(sizeof *resource);
    if (resource == NULL)
        goto nomem;
    if (storage->is_named && ((resource->name = mem_strndup(name.data, name.len)) == NULL ||
                              map_set(&storage->named, name, resource, NULL) < 0))
        goto nomem;
    storage_index_init(&resource->index);
    list_init(&resource->watchers);
    list_append(&storage->all, &resource->link);
    return resource;
nomem:
    if (resource)
        mem_free(resource->name);
    mem_free(resource);
    error_set(err, ERROR_NOMEM, "no memory for a resource");
    return NULL;
}

struct storage_resource *storage_resource_need(struct storage *storage, unsigned id,
                                               struct error *err) {
    if (id < storage->resources_cap && storage->resources[id])
        return storage->resources[id];
    if (id >= STORAGE_RESOURCES) {
        error_set(err, ERROR_INVALID, "resource %u: more than %d", id, STORAGE_RESOURCES);
        return NULL;
    }
    size_t had = storage->resources_cap;
    if (mem_grow(&storage->resources, &storage->resources_cap, (size_t)id + 1,
                 sizeof *storage->resources) < 0) {
        error_set(err, ERROR_NOMEM, "no memory for a resource");
        return NULL;
    }
    for (; had < storage->resources_cap; had++)
        storage->resources[had] = NULL;
    char text[STORAGE_NAME] = "";
    if (storage->is_named)
        name_of(storage, id, text);
    storage->resources[id] = storage_resource_named(storage, str_of(text), err);
    return storage->resources[id];
}
