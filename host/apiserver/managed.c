#include "apiserver/document.h"
#include "apiserver/managed_internal.h"

#include <string.h>

#define FIELD(text)                                                                                \
    {                                                                                              \
        .kind = FIELDSET_FIELD, .name = { text, sizeof text - 1 }                                  \
    }

static const struct fieldset_entry nobodys_metadata[] = {{FIELD("clusterName"), true, NULL},
                                                         {FIELD("creationTimestamp"), true, NULL},
                                                         {FIELD("generation"), true, NULL},
                                                         {FIELD("managedFields"), true, NULL},
                                                         {FIELD("name"), true, NULL},
                                                         {FIELD("namespace"), true, NULL},
                                                         {FIELD("resourceVersion"), true, NULL},
                                                         {FIELD("selfLink"), true, NULL},
                                                         {FIELD("uid"), true, NULL}};
static const struct fieldset nobodys_metadata_set = {9, nobodys_metadata};
static const struct fieldset_entry nobodys[] = {{FIELD("apiVersion"), true, NULL},
                                                {FIELD("kind"), true, NULL},
                                                {FIELD("metadata"), true, &nobodys_metadata_set}};
static const struct fieldset nobodys_set = {3, nobodys};

static const struct fieldset_entry frame[] = {{FIELD("metadata"), true, NULL},
                                              {FIELD("spec"), true, NULL}};
static const struct fieldset frame_set = {2, frame}, spec_set = {1, &frame[1]};
static const struct fieldset_entry status = {FIELD("status"), true, NULL};
static const struct fieldset status_set = {1, &status};

void managed_work_init(struct managed_work *work, const struct schema *schema, bool status_split,
                       const struct managed_change *change, struct error *err) {
    *work = (struct managed_work){
        .schema = schema, .change = change, .entries.known = change->known, .err = err};
    managed_walk_init(&work->walk, &work->pool, err);
    if (status_split)
        work->ignored = strcmp(change->subresource, "status") != 0 ? &status_set
                        : change->builtin                          ? &spec_set
                                                                   : &frame_set;
}

void managed_work_finish(struct managed_work *work) {
    managed_walk_finish(&work->walk);
    fieldset_pool_finish(&work->pool);
    json_decref(work->blank);
}

struct managed_entry managed_work_entry(const struct managed_work *work, bool apply) {
    const struct managed_change *change = work->change;
    return (struct managed_entry){.manager = *change->manager ? change->manager : "unknown",
                                  .api_version = change->api_version,
                                  .subresource = change->subresource,
                                  .time = change->time,
                                  .apply = apply};
}

const struct fieldset *managed_work_filter(struct managed_work *work, const struct fieldset *set) {
    return fieldset_exclude(&work->pool, set, work->ignored);
}

const struct fieldset *managed_work_strip(struct managed_work *work, const struct fieldset *set) {
    return fieldset_difference(&work->pool, set, &nobodys_set);
}

struct managed_comparison managed_work_compare(struct managed_work *work, const json_t *old,
                                               const json_t *now) {
    struct managed_comparison changes = managed_compare(&work->walk, work->schema, old, now);
    changes.removed = managed_work_filter(work, changes.removed);
    changes.modified = managed_work_filter(work, changes.modified);
    changes.added = managed_work_filter(work, changes.added);
    return changes;
}

static json_t *blank(struct managed_work *work, struct managed_type type, const json_t *now) {
    json_t *object = json_object(), *value;
    const char *name;
    if (!object)
        work->pool.failed = true;
    json_object_foreach((json_t *)now, name, value) {
        struct managed_type member = managed_type_member(type, str_of(name), NULL);
        json_t *empty = NULL;
        if (json_is_object(value) && managed_type_is_struct(member))
            empty = blank(work, member, value);
        else if (managed_type_is_required(type, str_of(name)))
            empty = json_null();
        if (empty && json_object_set_new_nocheck(object, name, empty) < 0)
            work->pool.failed = true;
    }
    return object;
}

const json_t *managed_work_blank(struct managed_work *work, const json_t *now) {
    work->blank = blank(work, managed_type_root(work->schema), work->change->builtin ? now : NULL);
    return work->blank;
}

void managed_work_take(struct managed_work *work, const struct managed_comparison *changes,
                       const struct managed_entry *self) {
    struct fieldset_pool *pool = &work->pool;
    for (size_t i = 0; i < work->entries.count; i++) {
        struct managed_entry *entry = &work->entries.items[i];
        if (entry == self)
            continue;
        entry->set = fieldset_difference(pool, entry->set, changes->modified);
        entry->set = fieldset_difference(pool, entry->set, changes->added);
        entry->set = fieldset_difference(pool, entry->set, changes->removed);
    }
}

static void reconcile(struct managed_work *work, struct managed_entry *entry) {
    struct fieldset_form *form = entry->form;
    if (form && form->fits && form->fits == work->schema)
        return;
    const struct fieldset *was = entry->set;
    entry->set = managed_reconcile(&work->walk, managed_type_root(work->schema), was);
    if (form && entry->set == was && !work->pool.failed)
        fieldset_form_fits(form, work->schema);
}

void managed_work_reconcile(struct managed_work *work) {
    for (size_t i = 0; i < work->entries.count; i++)
        reconcile(work, &work->entries.items[i]);
}

/* --- update ----------------------------------------------------------------------------------- */

static const json_t *entries_of(const json_t *object) {
    return json_object_get(json_object_get(object, "metadata"), "managedFields");
}

/* An empty list of a custom resource is lost on the way: as if the client had sent none. */
static bool is_reset(const json_t *list, bool builtin) {
    size_t count = json_array_size(list);
    return json_is_array(list) && ((count == 0 && builtin) ||
                                   (count == 1 && json_object_size(json_array_get(list, 0)) == 0));
}

static void read_entries(struct managed_work *work, const json_t *old, const json_t *now) {
    struct fieldset_builder *builder = &work->walk.sets[0];
    if (!*work->change->subresource) {
        const json_t *sent = entries_of(now);
        bool stored = managed_equal(sent, entries_of(old));
        if (is_reset(sent, work->change->builtin))
            return;
        if (managed_entries_parse(&work->entries, builder, stored ? entries_of(old) : sent, stored,
                                  NULL) == 0 &&
            work->entries.count > 0)
            return;
    }
    managed_entries_parse(&work->entries, builder, entries_of(old), /* stored= */ true, NULL);
}

/* Objects that nobody has been tracked of stay so until they are applied. */
static bool is_untracked(const struct managed_work *work, const json_t *old) {
    return work->entries.count == 0 &&
           json_string_length(json_object_get(json_object_get(old, "metadata"), "uid")) > 0;
}

static void own_changes(struct managed_work *work, const struct managed_entry *self,
                        const json_t *old, const json_t *now) {
    struct managed_comparison changes = managed_work_compare(work, old, now);
    const struct fieldset *mine =
        managed_work_strip(work, fieldset_union(&work->pool, changes.modified, changes.added));
    managed_work_take(work, &changes, NULL);
    managed_entries_drop_empty(&work->entries);
    if (!mine)
        return;
    struct managed_entry *entry = managed_entries_get(&work->entries, &work->pool, self);
    if (!entry)
        return;
    entry->set = fieldset_union(&work->pool, entry->set, mine);
    if (fieldset_equal(entry->set, entry->stored_set))
        entry->set = entry->stored_set;
    entry->time = self->time;
    managed_entries_cap(&work->entries, &work->pool);
}

int managed_update(const struct schema *schema, const json_t *old, json_t *now, bool status_split,
                   const struct managed_change *change, struct error *err) {
    struct managed_work work;
    if (!json_is_object(json_object_get(now, "metadata")))
        return 0;
    managed_work_init(&work, schema, status_split, change, err);
    read_entries(&work, old, now);
    if (!is_untracked(&work, old)) {
        struct managed_entry self = managed_work_entry(&work, /* apply= */ false);
        managed_work_reconcile(&work);
        own_changes(&work, &self, old ? old : managed_work_blank(&work, now), now);
    }
    int rc = managed_walk_result(&work.walk);
    if (rc == 0)
        rc = managed_entries_store(&work.entries, now, err);
    managed_work_finish(&work);
    return rc;
}

/* --- settle ----------------------------------------------------------------------------------- */

static bool same_but_for(const json_t *a, const json_t *b, const char *name,
                         bool (*same)(const json_t *a, const json_t *b)) {
    const char *key;
    json_t *value;
    if (json_object_size(a) != json_object_size(b))
        return false;
    json_object_foreach((json_t *)a, key, value) {
        const json_t *other = json_object_get(b, key);
        bool apart = strcmp(key, name) == 0;
        if (!other || !(apart ? same(value, other) : managed_equal(value, other)))
            return false;
    }
    return true;
}

static bool same_time(const json_t *a, const json_t *b) {
    (void)a, (void)b;
    return true;
}

static bool same_entries(const json_t *a, const json_t *b) {
    if (json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!same_but_for(json_array_get(a, i), json_array_get(b, i), "time", same_time))
            return false;
    return true;
}

static bool same_metadata(const json_t *a, const json_t *b) {
    return same_but_for(a, b, "managedFields", same_entries);
}

bool managed_settle(const json_t *old, json_t *now) {
    if (old == now)
        return true;
    if (!same_but_for(old, now, "metadata", same_metadata))
        return false;
    json_t *entries = (json_t *)entries_of(old);
    return !entries ||
           json_object_set(json_object_get(now, "metadata"), "managedFields", entries) == 0;
}
