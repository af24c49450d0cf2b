#include "apiserver/schema_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct pruner {
    json_t *found; /* of strings; NULL: nobody asks */
    bool failed;
};

/* Where a value stands, from the root: under a key, or at an index. Few places are ever told. */
struct step {
    const struct step *before; /* NULL: the root */
    struct str key;
    size_t index;
};

/* Who a value is: a resource keeps its apiVersion, kind and metadata; an item of a list that
 * preserves unknown fields keeps them too. */
enum place { PLAIN, RESOURCE, KEPT_ITEM };

/* A value, and the one that is known in its place. */
struct pair {
    json_t *value;
    const json_t *known;
};

static void prune(struct pruner *pruner, const struct schema *schema, struct pair pair,
                  enum place place, const struct step *at);

/* "spec.ports[0]" */
static void write_steps(struct strbuf *out, const struct step *at) {
    if (at == NULL)
        return;
    write_steps(out, at->before);
    if (at->key.data == NULL) {
        strbuf_printf(out, "[%zu]", at->index);
        return;
    }
    if (at->before)
        strbuf_addc(out, '.');
    strbuf_add(out, at->key.data, at->key.len);
}

static void record(struct pruner *pruner, const struct step *at) {
    struct strbuf path = {0};
    if (pruner->found == NULL)
        return;
    write_steps(&path, at);
    if (path.failed ||
        json_array_append_new(pruner->found,
                              json_sprintf("unknown field \"%.*s\"", (int)path.len, path.data)) < 0)
        pruner->failed = true;
    strbuf_finish(&path);
}

static bool is_meta(struct str key) {
    return str_is(key, "apiVersion") || str_is(key, "kind") || str_is(key, "metadata");
}

/* What a built-in kind refers to and says nothing about is free: RawExtension, FieldsV1. */
static bool is_free(const struct schema *schema, const struct schema *meant) {
    return meant == NULL || meant->preserve || schema->preserve ||
           (schema != meant && meant->property_count == 0 && !meant->additional &&
            !meant->additional_any);
}

/* Who keeps what, of one object. */
struct pruned {
    json_t *object;
    const json_t *known;
    const struct schema *schema; /* NULL: no member may be there */
    bool any, keep, resource;
};

static void prune_member(struct pruner *pruner, const struct pruned *of, void *member,
                         const struct step *before) {
    json_t *value = json_object_iter_value(member);
    struct step at = {before, str_n(json_object_iter_key(member), json_object_iter_key_len(member)),
                      0};
    const struct schema *own = of->schema ? schema_own_property(of->schema, at.key) : NULL;
    if (of->resource && is_meta(at.key) && !(own && own->reference))
        return;
    if (own || of->any) {
        struct pair pair = {value, NULL};
        if (!schema_is_container(value))
            return;
        pair.known = schema_known_member(of->known, at.key);
        prune(pruner, own ? own : of->schema->additional, pair, PLAIN, &at);
    } else if (!of->keep) {
        record(pruner, &at);
        json_object_del(of->object, at.key.data);
    }
}

static void prune_object(struct pruner *pruner, const struct pruned *of, const struct step *at) {
    void *member = json_object_iter(of->object), *next;
    for (; member; member = next) {
        next = json_object_iter_next(of->object, member);
        prune_member(pruner, of, member, at);
    }
}

static void prune_array(struct pruner *pruner, const struct schema *items, struct pair array,
                        enum place place, const struct step *before) {
    json_t *item;
    size_t i;
    json_array_foreach(array.value, i, item) {
        struct step at = {.before = before, .index = i};
        struct pair pair = {item, json_array_get(array.known, i)};
        if (schema_is_container(item))
            prune(pruner, items, pair, place, &at);
    }
}

/* NULL `schema`: no member may be there. */
static void prune(struct pruner *pruner, const struct schema *schema, struct pair pair,
                  enum place place, const struct step *at) {
    const struct schema *meant = schema_follow(schema);
    bool keep = place == KEPT_ITEM || (schema && is_free(schema, meant));
    if ((keep && meant == NULL) || pair.value == pair.known)
        return;
    if (json_is_array(pair.value)) {
        prune_array(pruner, meant ? meant->items : NULL, pair, keep ? KEPT_ITEM : PLAIN, at);
        return;
    }
    struct pruned of = {.object = pair.value,
                        .known = pair.known,
                        .schema = meant,
                        .any = meant && (meant->additional || meant->additional_any),
                        .keep = keep,
                        .resource = place == RESOURCE || schema_is_embedded(schema)};
    prune_object(pruner, &of, at);
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

static int prune_all(const struct schema *schema, struct pair pair, enum place place,
                     json_t *pruned, struct error *err) {
    struct pruner pruner = {.found = pruned ? json_array() : NULL};
    if (pruned && pruner.found == NULL)
        pruner.failed = true;
    else if (schema_follow(schema))
        prune(&pruner, schema, pair, place, NULL);
    bool failed = pruner.failed || (pruner.found && append_sorted(pruned, pruner.found) < 0);
    json_decref(pruner.found);
    return failed ? error_set(err, ERROR_NOMEM, "no memory to prune") : 0;
}

int schema_prune(const struct schema *schema, json_t *value, const json_t *known, json_t *pruned,
                 struct error *err) {
    return prune_all(schema, (struct pair){value, known}, RESOURCE, pruned, err);
}

int schema_prune_part(const struct schema *schema, json_t *value, struct error *err) {
    return prune_all(schema, (struct pair){value, NULL}, PLAIN, NULL, err);
}
