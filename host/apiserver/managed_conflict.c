/* Conflicts of server-side apply, as the API server tells them. */
#include <stdlib.h>
#include <string.h>

#include "apiserver/managed_internal.h"
#include "json/write.h"

struct managed_conflicts managed_conflicts_of(struct managed_work *work,
                                              const struct managed_comparison *changes,
                                              const struct managed_entry *self) {
    struct fieldset_pool *pool = &work->pool;
    const struct fieldset *touched = fieldset_union(pool, changes->modified, changes->added);
    struct managed_conflicts conflicts = {
        .items = fieldset_pool_alloc(pool, work->entries.count * sizeof *conflicts.items)};
    for (size_t i = 0; conflicts.items && i < work->entries.count; i++) {
        const struct managed_entry *entry = &work->entries.items[i];
        const struct fieldset *set =
            entry == self ? NULL : fieldset_intersection(pool, entry->set, touched);
        if (set)
            conflicts.items[conflicts.count++] = (struct managed_conflict){entry, set};
    }
    return conflicts;
}

struct told {
    struct strbuf identity, manager; /* for order; for people */
    const struct fieldset *set;
};
struct telling {
    struct strbuf sentence;
    const char *manager, *before; /* what stands before a path */
    json_t *causes;               /* NULL: nobody asks */
    size_t count;
    bool failed;
};

static int compare_told(const void *a, const void *b) {
    const struct told *x = a, *y = b;
    return strcmp(x->identity.data, y->identity.data);
}

static void print_manager(const struct managed_work *work, const struct managed_entry *entry,
                          struct strbuf *out) {
    const char *told = work->change->told_version;
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_write_string(&writer, str_of(entry->manager));
    if (*entry->subresource)
        strbuf_printf(out, " with subresource \"%s\"", entry->subresource);
    if (!entry->apply)
        strbuf_printf(out, " using %s", told ? told : entry->api_version);
}

static void tell_path(void *context, struct str path) {
    struct telling *telling = context;
    telling->count++;
    strbuf_adds(&telling->sentence, telling->before);
    strbuf_add(&telling->sentence, path.data, path.len);
    if (!telling->causes)
        return;
    struct strbuf message = {0};
    strbuf_printf(&message, "conflict with %s", telling->manager);
    json_t *cause = message.failed
                        ? NULL
                        : json_pack("{s:s, s:s, s:s%}", "reason", "FieldManagerConflict", "message",
                                    message.data, "field", path.data, path.len);
    telling->failed |= json_array_append_new(telling->causes, cause) < 0;
    strbuf_finish(&message);
}

/* One conflict is told in one line, several by manager. */
static void tell(struct managed_work *work, struct telling *telling, struct told *told,
                 size_t count, bool alone) {
    for (size_t i = 0; i < count; i++) {
        strbuf_printf(&telling->sentence,
                      alone    ? "conflict with %s: "
                      : i == 0 ? "conflicts with %s:"
                               : "\nconflicts with %s:",
                      told[i].manager.data);
        telling->before = alone ? "" : "\n- ";
        telling->manager = told[i].manager.data;
        fieldset_each(&work->pool, told[i].set, tell_path, telling);
    }
}

static void count_path(void *context, struct str path) {
    (void)path;
    ++*(size_t *)context;
}

static bool prepare(struct managed_work *work, const struct managed_conflicts *conflicts,
                    struct told *told, size_t *ret_count) {
    bool failed = false;
    for (size_t i = 0; i < conflicts->count; i++) {
        told[i].set = conflicts->items[i].set;
        managed_entry_identity(conflicts->items[i].entry, &told[i].identity);
        print_manager(work, conflicts->items[i].entry, &told[i].manager);
        fieldset_each(&work->pool, told[i].set, count_path, ret_count);
        failed |= told[i].identity.failed || told[i].manager.failed;
    }
    return !failed && !work->pool.failed;
}

int managed_conflicts_tell(struct managed_work *work, const struct managed_conflicts *conflicts,
                           json_t **reterr_causes) {
    struct told *told = fieldset_pool_alloc(&work->pool, conflicts->count * sizeof *told);
    struct telling telling = {.causes = reterr_causes ? json_array() : NULL};
    size_t paths = 0;
    bool ready =
        told && (!reterr_causes || telling.causes) && prepare(work, conflicts, told, &paths);
    if (ready) {
        qsort(told, conflicts->count, sizeof *told, compare_told);
        tell(work, &telling, told, conflicts->count, paths == 1);
    }
    for (size_t i = 0; told && i < conflicts->count; i++) {
        strbuf_finish(&told[i].identity);
        strbuf_finish(&told[i].manager);
    }
    if (!ready || telling.failed || telling.sentence.failed || work->pool.failed) {
        json_decref(telling.causes);
        strbuf_finish(&telling.sentence);
        return error_set(work->err, ERROR_NOMEM, "apply: no memory");
    }
    error_set(work->err, ERROR_CONFLICT, "Apply failed with %zu conflict%s: %s", paths,
              paths == 1 ? "" : "s", telling.sentence.data);
    work->err->status = 409;
    strcpy(work->err->reason, "Conflict");
    if (reterr_causes)
        *reterr_causes = telling.causes;
    strbuf_finish(&telling.sentence);
    return ERROR_CONFLICT;
}
