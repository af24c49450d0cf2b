/* Server-side apply: merge, prune, conflicts. */
#include <string.h>

#include "apiserver/document.h"
#include "apiserver/managed_internal.h"

/* What was there before anybody was tracked has an owner of its own. */
static void own_before(struct managed_work *work, const json_t *live) {
    struct managed_entry before = managed_work_entry(work, /* apply= */ false);
    struct managed_comparison changes =
        managed_work_compare(work, managed_work_blank(work, live), live);
    before.manager = "before-first-apply";
    const struct fieldset *set =
        managed_work_strip(work, fieldset_union(&work->pool, changes.modified, changes.added));
    struct managed_entry *entry =
        set ? managed_entries_get(&work->entries, &work->pool, &before) : NULL;
    if (entry) {
        entry->set = set;
        entry->time = work->change->time;
    }
}

/* Every path that leads to `last` is in `now`, both with the named fields above their members. */
static bool is_covered(const struct fieldset *last, const struct fieldset *now) {
    for (size_t i = 0; last && i < last->count; i++) {
        const struct fieldset_entry *entry = &last->entries[i];
        const struct fieldset_entry *same = fieldset_find(now, &entry->element);
        if (!same || !same->member || !is_covered(entry->children, same->children))
            return false;
    }
    return true;
}

/* What the manager applied last and applies no more goes, unless somebody else owns it. A new
 * reference; NULL when something failed. */
static json_t *prune(struct managed_work *work, json_t *merged, const struct fieldset *last,
                     const struct fieldset *now) {
    struct managed_walk *walk = &work->walk;
    struct managed_type type = managed_type_root(work->schema);
    const struct fieldset *managed = NULL;
    if (!fieldset_difference(&work->pool, last, now))
        return json_incref(merged);
    last = managed_with_parents(walk, type, last);
    if (is_covered(last, managed_with_parents(walk, type, now)))
        return json_incref(merged);
    for (size_t i = 0; i < work->entries.count; i++)
        managed = fieldset_union(&work->pool, managed, work->entries.items[i].set);
    const struct fieldset *all =
        managed_with_parents(walk, type, managed_set_of(walk, work->schema, merged));
    managed = managed_with_parents(walk, type, managed);

    json_t *pruned = managed_remove(walk, type, merged, last);
    const struct fieldset *left =
        managed_with_parents(walk, type, managed_set_of(walk, work->schema, pruned));
    json_t *owned = managed_remove(
        walk, type, merged,
        fieldset_difference(&work->pool, all, fieldset_union(&work->pool, left, managed)));
    left = managed_with_parents(walk, type, managed_set_of(walk, work->schema, owned));
    json_t *result = managed_remove(
        walk, type, merged,
        fieldset_intersection(&work->pool, fieldset_difference(&work->pool, all, left), last));
    json_decref(pruned);
    json_decref(owned);
    return result;
}

static int settle_conflicts(struct managed_work *work, const struct managed_entry *self,
                            const json_t *live, const struct managed_comparison *changes,
                            bool force, json_t **reterr_causes) {
    struct managed_conflicts conflicts = {0};
    if (!force)
        conflicts = managed_conflicts_of(work, changes, self);
    if (conflicts.count && strcmp(self->manager, "kubectl") == 0)
        managed_kubectl_allow(work, live, &conflicts);
    if (managed_walk_result(&work->walk) < 0)
        return ERROR_NOMEM;
    if (conflicts.count)
        return managed_conflicts_tell(work, &conflicts, reterr_causes);
    managed_work_take(work, changes, self);
    return 0;
}

/* A copy that shares nothing and has no managedFields. */
static json_t *copy_without_entries(const json_t *object) {
    json_t *copy = json_object(), *value;
    const char *name;
    bool failed = !copy;
    json_object_foreach((json_t *)object, name, value) {
        json_t *member = NULL;
        if (strcmp(name, "metadata") == 0 && json_is_object(value)) {
            member = document_share(value);
            json_object_del(member, "managedFields");
            value = member;
        }
        failed |= json_object_set_new_nocheck(copy, name, document_copy(value)) < 0;
        json_decref(member);
    }
    if (!json_is_object(json_object_get(copy, "metadata")))
        failed |= json_object_set_new(copy, "metadata", json_object()) < 0;
    if (failed) {
        json_decref(copy);
        copy = NULL;
    }
    return copy;
}

static json_t *result_of(struct managed_work *work, const json_t *object, const json_t *applied) {
    json_t *result = copy_without_entries(object);
    if (!result) {
        error_set(work->err, ERROR_NOMEM, "apply: no memory");
        return NULL;
    }
    if (managed_entries_store(&work->entries, result, work->err) < 0 ||
        (strcmp(work->change->manager, "kubectl") == 0 &&
         managed_kubectl_annotate(result, applied, work->err) < 0)) {
        json_decref(result);
        return NULL;
    }
    return result;
}

/* Sets are as they were read, but for what is applied now: is that as it was, too? And kubectl's
 * annotation has nothing to follow. */
static bool is_repeated(struct managed_work *work, const struct managed_entry *was,
                        const struct managed_entry *self) {
    for (size_t i = 0; i < work->entries.count; i++) {
        const struct managed_entry *entry = &work->entries.items[i];
        if (entry != self && (!entry->set || entry->set != entry->stored_set))
            return false;
    }
    return was->set && was->set == was->stored_set &&
           strcmp(was->api_version, self->api_version) == 0 &&
           fieldset_equal(was->set, managed_work_strip(work, self->set)) &&
           strcmp(self->manager, "kubectl") != 0;
}

/* Whose is what, once `merged` has come out of `live`; NULL: refused, or the walk says why not. */
static json_t *settle(struct managed_work *work, const json_t *live, const json_t *merged,
                      const json_t *applied, struct managed_entry *self, bool force,
                      json_t **reterr_causes) {
    struct managed_comparison changes = managed_work_compare(work, live, merged);
    if (settle_conflicts(work, self, live, &changes, force, reterr_causes) < 0)
        return NULL;
    if (!managed_equal(live, merged))
        self->time = work->change->time;
    self->set = managed_work_strip(work, self->set);
    if (fieldset_equal(self->set, self->stored_set))
        self->set = self->stored_set;
    managed_entries_drop_empty(&work->entries);
    return managed_walk_result(&work->walk) == 0 ? result_of(work, merged, applied) : NULL;
}

static json_t *merge_and_settle(struct managed_work *work, json_t *live, const json_t *applied,
                                struct managed_entry *self, bool force, json_t **reterr_causes) {
    const struct managed_entry was = *self;
    json_t *merged = managed_merge(&work->walk, work->schema, live, applied), *result = NULL;
    self->set = managed_work_filter(work, managed_set_of(&work->walk, work->schema, applied));
    self->api_version = work->change->api_version;
    if (merged == live && is_repeated(work, &was, self))
        return merged;
    if (merged && was.set) {
        json_t *pruned = prune(work, merged, was.set, self->set);
        json_decref(merged);
        merged = pruned;
    }
    if (managed_walk_result(&work->walk) == 0)
        result = settle(work, live, merged, applied, self, force, reterr_causes);
    json_decref(merged);
    return result;
}

static json_t *apply(struct managed_work *work, const json_t *live, const json_t *applied,
                     bool force, json_t **reterr_causes) {
    struct managed_entry like = managed_work_entry(work, /* apply= */ true);
    if (work->entries.count == 0 && live)
        own_before(work, live);
    managed_work_reconcile(work);
    struct managed_entry *self = managed_entries_get(&work->entries, &work->pool, &like);
    json_t *base = live ? json_incref((json_t *)live) : json_object(), *result = NULL;
    if (self && base && managed_walk_result(&work->walk) == 0)
        result = merge_and_settle(work, base, applied, self, force, reterr_causes);
    else
        error_set(work->err, ERROR_NOMEM, "apply: no memory");
    json_decref(base);
    return result;
}

static const char *member_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

static int check(struct managed_work *work, const json_t *applied) {
    const json_t *metadata = json_object_get(applied, "metadata");
    const json_t *entries = json_object_get(metadata, "managedFields");
    int status = 400;
    if (entries && !json_is_null(entries))
        error_set(work->err, ERROR_REJECTED, "metadata.managedFields must be nil");
    else {
        status = 500;
        managed_check(&work->walk, work->schema, applied);
        if (managed_walk_result(&work->walk) == 0)
            return 0;
        if (work->walk.rc == 0)
            return ERROR_NOMEM;
        const char *version = member_text(applied, "apiVersion");
        error_prefix(work->err, "failed to create typed patch object (%s/%s; %s%s, Kind=%s)",
                     member_text(metadata, "namespace"), member_text(metadata, "name"),
                     strchr(version, '/') ? "" : "/", version, member_text(applied, "kind"));
    }
    work->err->status = status;
    strcpy(work->err->reason, status == 400 ? "BadRequest" : "");
    return ERROR_REJECTED;
}

json_t *managed_apply(const struct schema *schema, const json_t *live, const json_t *applied,
                      bool status_split, const struct managed_change *change, bool force,
                      json_t **reterr_causes, struct error *err) {
    struct managed_work work;
    struct error unused;
    json_t *result = NULL;
    if (!err)
        err = &unused;
    managed_work_init(&work, schema, status_split, change, err);
    const json_t *entries = json_object_get(json_object_get(live, "metadata"), "managedFields");
    if (check(&work, applied) == 0) {
        if (managed_entries_parse(&work.entries, &work.walk.sets[0], entries, true, err) < 0)
            error_prefix(err, "failed to decode managed fields");
        else
            result = apply(&work, live, applied, force, reterr_causes);
    }
    managed_work_finish(&work);
    return result;
}
