#include "apiserver/kinds.h"

#include <string.h>

#include "apiserver/kinds_internal.h"
#include "base/list.h"
#include "base/mem.h"

static int add(struct kinds *kinds, struct kinds_entry *entry, struct error *err) {
    if (mem_grow(&kinds->entries, &kinds->cap, kinds->count + 1, sizeof(struct kinds_entry *)) < 0)
        return error_set(err, ERROR_NOMEM, "no memory for kinds");
    entry->resource.id = ++kinds->last_id;
    kinds->entries[kinds->count++] = entry;
    kinds->revision++;
    return 0;
}

/* One store for both. */
static void share_events(struct kinds *kinds) {
    struct api_resource *core = NULL;
    for (size_t i = 0; i < kinds->count; i++) {
        struct api_resource *resource = &kinds->entries[i]->resource;
        if (strcmp(resource->plural, "events") != 0)
            continue;
        if (core)
            resource->id = core->id, resource->storage = core->storage;
        else
            core = resource;
    }
}

static int add_rows(struct kinds *kinds, const json_t *rows, struct error *err) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        struct kinds_entry *entry = kinds_entry_builtin(kinds, json_array_get(rows, i), err);
        if (entry == NULL || add(kinds, entry, err) < 0) {
            kinds_entry_destroy(entry);
            return ERROR_NOMEM;
        }
    }
    share_events(kinds);
    return 0;
}

struct kinds *kinds_create(struct error *err) {
    struct builtin *builtin = builtin_create(err);
    struct kinds *kinds = builtin ? kinds_create_over(builtin, err) : NULL;
    if (kinds)
        kinds->borrowed = false;
    else
        builtin_destroy(builtin);
    return kinds;
}

struct kinds *kinds_create_over(struct builtin *builtin, struct error *err) {
    struct kinds *kinds = mem_zalloc(sizeof *kinds);
    if (kinds == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for kinds");
        return NULL;
    }
    kinds->builtin = builtin;
    kinds->borrowed = true;
    const json_t *rows = builtin_rows(kinds->builtin, err);
    int rc = rows ? add_rows(kinds, rows, err) : ERROR_NOMEM;
    if (rc == 0)
        return kinds;
    kinds_destroy(kinds);
    return NULL;
}

void kinds_destroy(struct kinds *kinds) {
    if (kinds == NULL)
        return;
    for (size_t i = 0; i < kinds->count; i++)
        kinds_entry_destroy(kinds->entries[i]);
    mem_free(kinds->entries);
    kinds_pool_finish(&kinds->pool);
    if (!kinds->borrowed)
        builtin_destroy(kinds->builtin);
    mem_free(kinds);
}

/* Look-ups */

static size_t index_of(const struct kinds *kinds, struct str group, struct str plural) {
    size_t i = 0;
    while (i < kinds->count && !(str_is(plural, kinds->entries[i]->resource.plural) &&
                                 str_is(group, kinds->entries[i]->resource.group)))
        i++;
    return i;
}

static const struct api_kind *version_of(struct kinds_entry *entry, struct str version) {
    for (size_t i = 0; i < entry->resource.kind_count; i++)
        if (str_is(version, entry->kinds[i].version))
            return &entry->kinds[i];
    return NULL;
}

/* From here on the schema's references lead somewhere, memory or not. */
static bool load(const struct kinds *kinds, struct kinds_entry *entry) {
    if (entry->definition && !entry->loaded)
        entry->loaded = builtin_load(kinds->builtin, entry->definition, NULL) == 0;
    return entry->definition == NULL || entry->loaded;
}

static const struct api_kind *loaded(const struct kinds *kinds, struct kinds_entry *entry,
                                     const struct api_kind *kind) {
    if (kind == NULL || !load(kinds, entry))
        return NULL;
    return !kinds_is_view(&entry->resource) ||
                   load(kinds,
                        CONTAINER_OF((struct api_resource *)entry->resource.storage->resource,
                                     struct kinds_entry, resource))
               ? kind
               : NULL;
}

const struct api_kind *kinds_find(const struct kinds *kinds, struct str group, struct str version,
                                  struct str plural) {
    size_t i = index_of(kinds, group, plural);
    if (i == kinds->count)
        return NULL;
    return loaded(kinds, kinds->entries[i], version_of(kinds->entries[i], version));
}

const struct api_kind *kinds_by_kind(const struct kinds *kinds, struct str api_version,
                                     struct str kind) {
    const char *slash = api_version.len ? memchr(api_version.data, '/', api_version.len) : NULL;
    size_t at = slash ? (size_t)(slash - api_version.data) : 0, skip = slash ? at + 1 : 0;
    struct str group = str_n(api_version.data, at),
               version = str_n(api_version.data + skip, api_version.len - skip);
    for (size_t i = 0; i < kinds->count; i++) {
        struct kinds_entry *entry = kinds->entries[i];
        if (str_is(kind, entry->resource.kind) && str_is(group, entry->resource.group))
            return loaded(kinds, entry, version_of(entry, version));
    }
    return NULL;
}

const struct api_resource *kinds_resource(const struct kinds *kinds, struct str group,
                                          struct str plural) {
    size_t i = index_of(kinds, group, plural);
    return i < kinds->count ? &kinds->entries[i]->resource : NULL;
}

const struct api_kind *kinds_version(const struct api_resource *resource, const char *api_version) {
    for (size_t i = 0; i < resource->version_count; i++) {
        if (strcmp(resource->kinds[i].api_version, api_version) == 0)
            return &resource->kinds[i];
    }
    return NULL;
}

size_t kinds_count(const struct kinds *kinds) {
    return kinds->count;
}

const struct api_resource *kinds_at(const struct kinds *kinds, size_t index) {
    return &kinds->entries[index]->resource;
}

const struct schema *kinds_definition(const struct kinds *kinds, const char *name) {
    return builtin_load(kinds->builtin, name, NULL) == 0 ? builtin_schema(kinds->builtin, name)
                                                         : NULL;
}

uint64_t kinds_revision(const struct kinds *kinds) {
    return kinds->revision;
}

/* CRDs */

/* All but the address and the id, which stay. `made` is left empty. */
static void replace(struct kinds_entry *entry, struct kinds_entry *made) {
    struct kinds_entry before = *entry;
    *entry = *made;
    *made = before;
    entry->resource.id = before.resource.id;
    for (size_t i = 0; i < entry->all; i++)
        entry->kinds[i].resource = &entry->resource;
    kinds_entry_destroy(made);
}

static int check_free(const struct kinds *kinds, size_t own, const struct api_resource *made,
                      struct error *err) {
    if (own < kinds->count && kinds->entries[own]->resource.builtin)
        return error_set(err, ERROR_REJECTED, "%s.%s is built in", made->plural, made->group);
    for (size_t i = 0; i < kinds->count; i++) {
        const struct api_resource *other = &kinds->entries[i]->resource;
        if (i != own && strcmp(other->kind, made->kind) == 0 &&
            strcmp(other->group, made->group) == 0)
            return error_set(err, ERROR_REJECTED, "\"%s\" is already in use", made->kind);
    }
    return 0;
}

int kinds_set_crd(struct kinds *kinds, const json_t *crd, struct error *err) {
    struct error unused;
    err = err ? err : &unused;
    struct kinds_entry *made = kinds_entry_crd(kinds, crd, err);
    if (made == NULL)
        return err->code;
    size_t own = index_of(kinds, str_of(made->resource.group), str_of(made->resource.plural));
    int rc = check_free(kinds, own, &made->resource, err);
    if (rc == 0 && own == kinds->count)
        rc = add(kinds, made, err);
    else if (rc == 0) {
        replace(kinds->entries[own], made);
        kinds->revision++;
    }
    if (rc < 0)
        kinds_entry_destroy(made);
    return rc;
}

void kinds_remove_crd(struct kinds *kinds, struct str group, struct str plural) {
    size_t i = index_of(kinds, group, plural);
    if (i == kinds->count || kinds->entries[i]->resource.builtin)
        return;
    struct kinds_entry *entry = kinds->entries[i];
    kinds->count--;
    memmove(&kinds->entries[i], &kinds->entries[i + 1],
            (kinds->count - i) * sizeof(struct kinds_entry *));
    kinds->revision++;
    kinds_entry_destroy(entry);
}
