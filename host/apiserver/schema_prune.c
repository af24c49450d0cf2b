#include "apiserver/schema_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "json/write.h"

struct pruner {
    struct strbuf path; /* of the value that is looked at: "spec.ports[0]" */
    json_t *found;      /* of strings; NULL: nobody asks */
    bool failed;
};

/* Where a value stands: a resource keeps its apiVersion, kind and metadata; an item of a list that
 * preserves unknown fields keeps them too. */
enum place { PLAIN, RESOURCE, KEPT_ITEM };

static void prune(struct pruner *pruner, const struct schema *schema, json_t *value,
                  enum place place);

/* Path: each push returns the length to cut back to. */

static size_t push_key(struct pruner *pruner, const char *key) {
    size_t before = pruner->path.len;
    if (before > 0)
        strbuf_addc(&pruner->path, '.');
    strbuf_adds(&pruner->path, key);
    return before;
}

static size_t push_index(struct pruner *pruner, size_t index) {
    size_t before = pruner->path.len;
    struct json_writer writer;
    json_writer_init(&writer, &pruner->path);
    strbuf_addc(&pruner->path, '[');
    json_write_int(&writer, (int64_t)index);
    strbuf_addc(&pruner->path, ']');
    return before;
}

static void pop(struct pruner *pruner, size_t before) {
    pruner->path.len = before;
}

static void record(struct pruner *pruner, const char *key) {
    if (pruner->found == NULL)
        return;
    size_t before = push_key(pruner, key);
    json_t *text = json_sprintf("unknown field \"%.*s\"", (int)pruner->path.len, pruner->path.data);
    if (json_array_append_new(pruner->found, text) < 0)
        pruner->failed = true;
    pop(pruner, before);
}

static bool is_meta(const char *key) {
    return strcmp(key, "apiVersion") == 0 || strcmp(key, "kind") == 0 ||
           strcmp(key, "metadata") == 0;
}

/* What a built-in kind refers to and says nothing about is free: RawExtension, FieldsV1. */
static bool is_free(const struct schema *schema, const struct schema *meant) {
    return meant == NULL || meant->preserve || schema->preserve ||
           (schema != meant && meant->property_count == 0 && !meant->additional &&
            !meant->additional_any);
}

static void prune_object(struct pruner *pruner, const struct schema *schema, json_t *value,
                         bool keep, bool resource) {
    const char *key;
    json_t *member;
    void *next;
    json_object_foreach_safe(value, next, key, member) {
        const struct schema *own = schema ? schema_own_property(schema, str_of(key)) : NULL;
        bool any = schema && (schema->additional || schema->additional_any);
        if (resource && is_meta(key) && !(own && own->reference))
            continue;
        if ((own || any) && !schema_is_container(member)) {
            continue;
        } else if (own || any) {
            size_t before = push_key(pruner, key);
            prune(pruner, own ? own : schema->additional, member, PLAIN);
            pop(pruner, before);
        } else if (!keep) {
            record(pruner, key);
            json_object_del(value, key);
        }
    }
}

/* NULL `schema`: no member may be there. */
static void prune(struct pruner *pruner, const struct schema *schema, json_t *value,
                  enum place place) {
    const struct schema *meant = schema_follow(schema);
    bool keep = place == KEPT_ITEM || (schema && is_free(schema, meant));
    json_t *item;
    size_t i;
    if (keep && meant == NULL)
        return;
    if (json_is_object(value))
        prune_object(pruner, meant, value, keep, place == RESOURCE || schema_is_embedded(schema));
    json_array_foreach(value, i, item) {
        if (!schema_is_container(item))
            continue;
        size_t before = push_index(pruner, i);
        prune(pruner, meant ? meant->items : NULL, item, keep ? KEPT_ITEM : PLAIN);
        pop(pruner, before);
    }
}

/* Their order is that of their bytes, whatever the document's was. */

static int compare_texts(const void *a, const void *b) {
    const json_t *const *one = a, *const *other = b;
    return strcmp(json_string_value(*one), json_string_value(*other));
}

static int append_sorted(json_t *to, const json_t *found) {
    size_t i, count = json_array_size(found);
    json_t *item, **items = mem_calloc(count, sizeof(json_t *));
    int rc = items ? 0 : ERROR_NOMEM;
    for (i = 0; rc == 0 && i < count; i++)
        items[i] = json_array_get(found, i);
    if (rc == 0)
        qsort(items, count, sizeof(json_t *), compare_texts);
    for (i = 0; rc == 0 && i < count; i++) {
        item = items[i];
        rc = json_array_append(to, item) < 0 ? ERROR_NOMEM : 0;
    }
    mem_free(items);
    return rc;
}

static int prune_all(const struct schema *schema, json_t *value, enum place place, json_t *pruned,
                     struct error *err) {
    struct pruner pruner = {.found = pruned ? json_array() : NULL};
    if (pruned && pruner.found == NULL)
        pruner.failed = true;
    else if (schema_follow(schema))
        prune(&pruner, schema, value, place);
    bool failed = pruner.failed || pruner.path.failed ||
                  (pruner.found && append_sorted(pruned, pruner.found) < 0);
    json_decref(pruner.found);
    strbuf_finish(&pruner.path);
    return failed ? error_set(err, ERROR_NOMEM, "no memory to prune") : 0;
}

int schema_prune(const struct schema *schema, json_t *value, json_t *pruned, struct error *err) {
    return prune_all(schema, value, RESOURCE, pruned, err);
}

int schema_prune_part(const struct schema *schema, json_t *value, struct error *err) {
    return prune_all(schema, value, PLAIN, NULL, err);
}
