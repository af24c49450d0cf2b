#include "apiserver/storage_internal.h"

struct storage_replay {
    bool gone; /* the watcher was taken away, and perhaps freed, inside its own call */
};

/* The watcher may be no more afterwards. */
static void tell_one(struct storage *storage, struct storage_watcher *watcher, uint64_t revision) {
    const struct storage_record *record = storage_history_at(storage, revision);
    struct storage_change change = {.key = storage_record_key(storage, record),
                                    .revision = revision,
                                    .old = record->old,
                                    .now = record->now,
                                    .last = record->last};
    change.key.resource = watcher->resource;
    watcher->seen = revision;
    watcher->changed(watcher, &change);
}

/* The cursor stands behind the watcher that is being told, so any may leave the list meanwhile. */
static void tell_all(struct storage *storage, struct list *watchers, uint64_t revision) {
    struct list *cursor = &storage->cursor;
    list_insert_before(watchers->next, cursor);
    while (cursor->next != watchers) {
        struct list *link = cursor->next;
        struct storage_watcher *watcher = CONTAINER_OF(link, struct storage_watcher, link);
        list_remove(cursor);
        list_insert_before(link->next, cursor);
        if (watcher->replay == NULL && watcher->seen < revision)
            tell_one(storage, watcher, revision);
    }
    list_remove(cursor);
}

void storage_tell(struct storage *storage) {
    if (storage->telling)
        return; /* inside `changed`: the loop below goes on with it */
    storage->telling = true;
    storage->busy++;
    while (storage->told < storage->revision) {
        uint64_t revision = storage->told + 1;
        tell_all(storage, &storage_history_at(storage, revision)->resource->watchers, revision);
        storage->told = revision;
    }
    storage->busy--;
    storage->telling = false;
    storage_history_trim(storage);
}

int storage_watch(struct storage *storage, struct storage_watcher *watcher, uint64_t since,
                  struct error *err) {
    list_init(&watcher->link);
    struct storage_resource *resource = storage_resource_need(storage, watcher->resource, err);
    if (resource == NULL || storage_history_reaches(storage, since, err) < 0 ||
        storage_reread_reaches(resource, since, err) < 0)
        return err->code;
    struct storage_replay replay = {0};
    watcher->seen = since;
    watcher->replay = &replay;
    list_append(&resource->watchers, &watcher->link);
    storage->busy++;
    uint64_t forgotten = storage->revision - storage->history.count;
    for (uint64_t at = since > forgotten ? since : forgotten;
         !replay.gone && at < storage->revision;)
        if (storage_history_at(storage, ++at)->resource == resource)
            tell_one(storage, watcher, at);
    storage->busy--;
    if (!replay.gone)
        watcher->replay = NULL;
    storage_history_trim(storage);
    return 0;
}

void storage_unwatch(struct storage_watcher *watcher) {
    if (watcher->link.next == NULL)
        return;
    if (watcher->replay)
        watcher->replay->gone = true;
    watcher->replay = NULL;
    list_remove(&watcher->link);
}
