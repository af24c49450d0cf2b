#include "apiserver/managed_entries.h"

#include <stdlib.h>
#include <string.h>

#include "json/write.h"

static const char *text_of(const json_t *entry, const char *name) {
    const char *text = json_string_value(json_object_get(entry, name));
    return text ? text : "";
}

static int parse_entry(struct managed_entries *entries, struct fieldset_builder *builder,
                       const json_t *from, size_t at, struct error *err) {
    struct managed_entry entry = {.manager = text_of(from, "manager"),
                                  .api_version = text_of(from, "apiVersion"),
                                  .subresource = text_of(from, "subresource"),
                                  .time = text_of(from, "time")};
    const char *operation = text_of(from, "operation"), *type = text_of(from, "fieldsType");
    entry.apply = strcmp(operation, "Apply") == 0;
    if (!entry.apply && strcmp(operation, "Update") != 0)
        return error_set(err, ERROR_REJECTED, "operation must be `Apply` or `Update`");
    if (!*entry.api_version)
        return error_set(err, ERROR_REJECTED, "apiVersion must not be empty");
    if (!*type)
        return error_set(err, ERROR_REJECTED, "missing fieldsType in managed fields entry %zu", at);
    if (strcmp(type, "FieldsV1") != 0)
        return error_set(err, ERROR_REJECTED,
                         "invalid fieldsType \"%s\" in managed fields entry %zu", type, at);
    const json_t *fields = json_object_get(from, "fieldsV1");
    entry.form = fieldset_known_form(entries->known, fields);
    if (entry.form)
        entry.set = entry.form->set;
    else if (fields && fieldset_parse(builder, fields, &entry.set, err) < 0)
        return error_prefix(err, "error decoding set");
    if (entries->stored) {
        entry.stored = (json_t *)fields;
        entry.stored_set = entry.set;
    }
    struct managed_entry *place = managed_entries_get(entries, builder->pool, &entry);
    if (place)
        *place = entry;
    return 0;
}

int managed_entries_parse(struct managed_entries *entries, struct fieldset_builder *builder,
                          const json_t *list, bool stored, struct error *err) {
    *entries = (struct managed_entries){.stored = stored, .known = entries->known};
    for (size_t i = 0; i < json_array_size(list); i++)
        if (parse_entry(entries, builder, json_array_get(list, i), i, err) < 0) {
            *entries = (struct managed_entries){.known = entries->known};
            return ERROR_REJECTED;
        }
    return 0;
}

struct managed_entry *managed_entries_find(const struct managed_entries *entries,
                                           const struct managed_entry *like) {
    for (size_t i = 0; i < entries->count; i++) {
        struct managed_entry *entry = &entries->items[i];
        if (entry->apply == like->apply && strcmp(entry->manager, like->manager) == 0 &&
            strcmp(entry->subresource, like->subresource) == 0 &&
            (like->apply || strcmp(entry->api_version, like->api_version) == 0))
            return entry;
    }
    return NULL;
}

struct managed_entry *managed_entries_get(struct managed_entries *entries,
                                          struct fieldset_pool *pool,
                                          const struct managed_entry *like) {
    struct managed_entry *found = managed_entries_find(entries, like);
    if (found)
        return found;
    if (entries->count == entries->cap) {
        size_t cap = entries->cap ? 2 * entries->cap : 8;
        struct managed_entry *more = fieldset_pool_alloc(pool, cap * sizeof *more);
        if (!more)
            return NULL;
        if (entries->count)
            memcpy(more, entries->items, entries->count * sizeof *more);
        entries->items = more;
        entries->cap = cap;
    }
    found = &entries->items[entries->count++];
    *found = *like;
    found->set = found->stored_set = NULL;
    found->stored = NULL;
    found->form = NULL;
    found->time = "";
    return found;
}

void managed_entries_drop_empty(struct managed_entries *entries) {
    size_t kept = 0;
    for (size_t i = 0; i < entries->count; i++)
        if (entries->items[i].set)
            entries->items[kept++] = entries->items[i];
    entries->count = kept;
}

void managed_entry_identity(const struct managed_entry *entry, struct strbuf *out) {
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "manager", str_of(entry->manager));
    json_write_key_string(&writer, "operation", str_of(entry->apply ? "Apply" : "Update"));
    if (!entry->apply)
        json_write_key_string(&writer, "apiVersion", str_of(entry->api_version));
    if (*entry->subresource)
        json_write_key_string(&writer, "subresource", str_of(entry->subresource));
    json_write_object_end(&writer);
}

/* Times are all "2026-01-02T03:04:05Z", so their text is their order; none is the oldest. */
static int compare_entries(const void *a, const void *b) {
    const struct managed_entry *x = a, *y = b;
    int order = (int)y->apply - (int)x->apply;
    if (order == 0)
        order = strcmp(x->time, y->time);
    if (order == 0)
        order = strcmp(x->manager, y->manager);
    if (order == 0)
        order = strcmp(x->api_version, y->api_version);
    return order ? order : strcmp(x->subresource, y->subresource);
}

/* The first of the entries before `entry` that has its version. */
static struct managed_entry *older_of(struct managed_entry *oldest,
                                      const struct managed_entry *entry) {
    for (; oldest < entry; oldest++)
        if (oldest->set && strcmp(oldest->api_version, entry->api_version) == 0)
            return oldest;
    return NULL;
}

static void join_entries(struct managed_entries *entries, struct fieldset_pool *pool,
                         struct managed_entry *older, struct managed_entry *entry) {
    struct managed_entry like = {.manager = "ancient-changes",
                                 .api_version = entry->api_version,
                                 .subresource = "",
                                 .time = entry->time};
    struct managed_entry *bucket = managed_entries_find(entries, &like);
    like.set = fieldset_union(pool, older->set, entry->set);
    if (bucket && bucket != older && bucket != entry) {
        bucket->set = fieldset_union(pool, bucket->set, entry->set);
        bucket->time = entry->time;
    } else
        *older = like;
    entry->set = NULL;
}

void managed_entries_cap(struct managed_entries *entries, struct fieldset_pool *pool) {
    size_t updaters = 0;
    for (size_t i = 0; i < entries->count; i++)
        updaters += !entries->items[i].apply;
    if (updaters <= MANAGED_MAX_UPDATERS)
        return;
    qsort(entries->items, entries->count, sizeof *entries->items, compare_entries);
    struct managed_entry *oldest = &entries->items[entries->count - updaters];
    for (size_t i = 1, left = updaters; i < updaters && left > MANAGED_MAX_UPDATERS; i++) {
        struct managed_entry *older = older_of(oldest, &oldest[i]);
        if (!older)
            continue;
        join_entries(entries, pool, older, &oldest[i]);
        left--;
    }
    managed_entries_drop_empty(entries);
}

static json_t *entry_json(struct fieldset_known *known, const struct managed_entry *entry) {
    bool same = entry->stored && entry->set == entry->stored_set;
    json_t *fields = same ? json_incref(entry->stored) : fieldset_known_of_set(known, entry->set);
    json_t *json = fields ? json_pack("{s:s, s:s, s:s, s:s}", "manager", entry->manager,
                                      "operation", entry->apply ? "Apply" : "Update", "apiVersion",
                                      entry->api_version, "time", entry->time)
                          : NULL;
    if (json && !*entry->time)
        json_object_del(json, "time");
    if (!json || json_object_set_new_nocheck(json, "fieldsType", json_string("FieldsV1")) < 0 ||
        json_object_set_nocheck(json, "fieldsV1", fields) < 0 ||
        (*entry->subresource &&
         json_object_set_new(json, "subresource", json_string(entry->subresource)) < 0)) {
        json_decref(json);
        json = NULL;
    }
    json_decref(fields);
    return json;
}

int managed_entries_store(struct managed_entries *entries, json_t *object, struct error *err) {
    json_t *metadata = json_object_get(object, "metadata"), *list = NULL;
    if (entries->count == 0) {
        json_object_del(metadata, "managedFields");
        return 0;
    }
    qsort(entries->items, entries->count, sizeof *entries->items, compare_entries);
    list = json_array();
    for (size_t i = 0; list && i < entries->count; i++)
        if (json_array_append_new(list, entry_json(entries->known, &entries->items[i])) < 0) {
            json_decref(list);
            list = NULL;
        }
    if (!list || json_object_set_new_nocheck(metadata, "managedFields", list) < 0)
        return error_set(err, ERROR_NOMEM, "managed fields: no memory");
    return 0;
}
