#include "apiserver/storage_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_RECORDS = 64, HTTP_GONE = 410 };

static struct storage_record *record_at(const struct storage_history *history, size_t index) {
    size_t at = history->first + index;
    return &history->records[at < history->cap ? at : at - history->cap];
}

int storage_history_reserve(struct storage *storage, struct error *err) {
    struct storage_history *history = &storage->history;
    if (history->count < history->cap)
        return 0;
    size_t cap = history->cap ? history->cap * 2 : FIRST_RECORDS;
    if (history->cap <= history->limit && cap > history->limit)
        cap = history->limit + 1; /* the oldest goes when the newest is there */
    struct storage_record *records = mem_calloc(cap, sizeof *records);
    if (records == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for the history of changes");
    for (size_t i = 0; i < history->count; i++)
        records[i] = *record_at(history, i);
    mem_free(history->records);
    history->records = records;
    history->cap = cap;
    history->first = 0;
    return 0;
}

void storage_history_add(struct storage *storage, const struct storage_record *record) {
    struct storage_history *history = &storage->history;
    *record_at(history, history->count++) = *record;
    storage->revision++;
}

const struct storage_record *storage_history_at(const struct storage *storage, uint64_t revision) {
    const struct storage_history *history = &storage->history;
    uint64_t oldest = storage->revision - history->count + 1;
    return record_at(history, (size_t)(revision - oldest));
}

int storage_history_refuse(uint64_t revision, uint64_t oldest, struct error *err) {
    int rc = error_set(err, ERROR_GONE, "too old resource version: %llu (%llu)",
                       (unsigned long long)revision, (unsigned long long)oldest);
    err->status = HTTP_GONE;
    snprintf(err->reason, sizeof err->reason, "Expired");
    return rc;
}

int storage_history_reaches(const struct storage *storage, uint64_t revision, struct error *err) {
    uint64_t compacted = storage->history.compacted;
    return revision >= compacted ? 0 : storage_history_refuse(revision, compacted, err);
}

static void drop_oldest(struct storage *storage) {
    struct storage_history *history = &storage->history;
    struct storage_record *record = record_at(history, 0);
    node_t nodes[] = {record->ns, record->name, record->old, record->now, record->last};
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        node_unref(storage->dag, nodes[i]);
    history->first = history->first + 1 < history->cap ? history->first + 1 : 0;
    history->count--;
    uint64_t dropped = storage->revision - history->count;
    if (history->compacted < dropped)
        history->compacted = dropped;
}

void storage_history_trim(struct storage *storage) {
    struct storage_history *history = &storage->history;
    while (storage->busy == 0 && history->count > 0 &&
           (history->count > history->limit ||
            storage->revision - history->count < history->compacted))
        drop_oldest(storage);
}

void storage_history_finish(struct storage *storage) {
    while (storage->history.count > 0)
        drop_oldest(storage);
    mem_free(storage->history.records);
    storage->history = (struct storage_history){0};
}

void storage_compact(struct storage *storage, uint64_t revision) {
    struct storage_history *history = &storage->history;
    if (revision > storage->revision)
        revision = storage->revision;
    if (history->compacted < revision)
        history->compacted = revision;
    storage_history_trim(storage);
}

struct storage_key storage_record_key(const struct storage *storage,
                                      const struct storage_record *record) {
    return (struct storage_key){.ns = node_text(storage->dag, record->ns),
                                .name = node_text(storage->dag, record->name)};
}
