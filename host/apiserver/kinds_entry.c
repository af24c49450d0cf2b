#include <stdio.h>
#include <string.h>

#include "apiserver/kinds_internal.h"
#include "base/mem.h"

/* The registry's entries, and how they are made from a row of the built-in table. */

static const char *const subresource_names[] = {"status", "scale",    "eviction", "binding",
                                                "token",  "finalize", "approval", "log"};

unsigned kinds_subresource_named(const char *name) {
    for (unsigned i = 0; i < sizeof subresource_names / sizeof *subresource_names; i++)
        if (strcmp(name, subresource_names[i]) == 0)
            return 1u << i;
    return 0;
}

void kinds_entry_destroy(struct kinds_entry *entry) {
    if (entry == NULL)
        return;
    for (size_t i = 0; i < entry->all; i++)
        schema_unref(entry->kinds[i].schema);
    json_decref((json_t *)entry->resource.crd);
    kinds_pool_finish(&entry->pool);
    mem_free(entry);
}

static const char *get(const json_t *row, const char *key) {
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static struct schema *refer(struct kinds *kinds, const char *definition, struct error *err) {
    json_t *ref = json_pack("{s:s+}", "$ref", "#/components/schemas/", definition);
    struct schema *schema = ref ? schema_parse(ref, builtin_schema, kinds->builtin, err) : NULL;
    json_decref(ref);
    return schema;
}

static bool fill(struct kinds *kinds, struct kinds_entry *entry, const json_t *row) {
    struct kinds_pool *pool = &kinds->pool;
    struct api_resource *resource = &entry->resource;
    struct api_kind *kind = kinds_pool_zalloc(pool, sizeof *kind);
    bool failed = kind == NULL;
    char list_kind[128], api_version[128];
    snprintf(list_kind, sizeof list_kind, "%sList", get(row, "kind"));
    snprintf(api_version, sizeof api_version, "%s%s%s", get(row, "group"),
             *get(row, "group") ? "/" : "", get(row, "version"));
    resource->group = kinds_pool_text(pool, get(row, "group"), &failed);
    resource->plural = kinds_pool_text(pool, get(row, "plural"), &failed);
    resource->singular = kinds_pool_text(pool, get(row, "singular"), &failed);
    resource->kind = kinds_pool_text(pool, get(row, "kind"), &failed);
    resource->list_kind = kinds_pool_text(pool, list_kind, &failed);
    resource->short_names = kinds_pool_texts(pool, json_object_get(row, "shortNames"), &failed);
    resource->categories = kinds_pool_texts(pool, json_object_get(row, "categories"), &failed);
    resource->namespaced = json_is_true(json_object_get(row, "namespaced"));
    resource->virtual_ = json_is_true(json_object_get(row, "virtual"));
    resource->builtin = true;
    entry->definition = kinds_pool_text(pool, get(row, "definition"), &failed);
    if (failed)
        return false;
    kind->resource = resource;
    kind->version = kinds_pool_text(pool, get(row, "version"), &failed);
    kind->api_version = kinds_pool_text(pool, api_version, &failed);
    kind->deprecated = get(row, "warning")[0] != 0;
    if (kind->deprecated)
        kind->deprecation_warning = kinds_pool_text(pool, get(row, "warning"), &failed);
    const json_t *names = json_object_get(row, "subresources");
    for (size_t i = 0; i < json_array_size(names); i++)
        kind->subresources |= kinds_subresource_named(json_string_value(json_array_get(names, i)));
    resource->kinds = resource->storage = entry->kinds = kind;
    resource->kind_count = entry->all = 1;
    return !failed;
}

struct kinds_entry *kinds_entry_builtin(struct kinds *kinds, const json_t *row, struct error *err) {
    struct kinds_entry *entry = mem_zalloc(sizeof *entry);
    if (entry && fill(kinds, entry, row))
        entry->kinds->schema = refer(kinds, entry->definition, err);
    if (entry && entry->all && entry->kinds->schema)
        return entry;
    kinds_entry_destroy(entry);
    error_set(err, ERROR_NOMEM, "no memory for kinds");
    return NULL;
}
