#include "apiserver/storage_internal.h"

#include <string.h>

#include "base/mem.h"

/* "a/x" against "a-b/x": where one namespace ends, a '/' stands in its key. */
static int compare_ends(struct str shorter, struct str longer) {
    unsigned char next = (unsigned char)longer.data[shorter.len];
    return next < '/' ? 1 : -1;
}

int storage_key_compare(const struct storage_key *a, const struct storage_key *b) {
    size_t both = a->ns.len < b->ns.len ? a->ns.len : b->ns.len;
    int order = both > 0 ? memcmp(a->ns.data, b->ns.data, both) : 0;
    if (order != 0)
        return order;
    if (a->ns.len < b->ns.len)
        return compare_ends(a->ns, b->ns);
    if (a->ns.len > b->ns.len)
        return -compare_ends(b->ns, a->ns);
    return str_compare(a->name, b->name);
}

void storage_index_init(struct storage_index *index) {
    *index = (struct storage_index){0};
    rng_init(&index->rng, 1);
}

void storage_index_finish(struct storage_index *index, struct dag *dag) {
    for (struct storage_entry *entry = index->first[0], *next; entry; entry = next) {
        next = entry->next[0];
        storage_entry_destroy(entry, dag);
    }
    storage_index_init(index);
}

struct storage_entry *storage_index_find(struct storage_index *index, const struct dag *dag,
                                         const struct storage_key *key,
                                         struct storage_place *ret_place) {
    struct storage_entry **links = index->first;
    int order = -1;
    ret_place->before = NULL;
    for (int level = INDEX_LEVELS - 1; level >= 0; level--) {
        for (; links[level]; links = ret_place->before->next) {
            struct storage_entry *entry = links[level];
            struct storage_key at = {.ns = node_text(dag, entry->ns),
                                     .name = node_text(dag, entry->name)};
            order = storage_key_compare(&at, key);
            if (order >= 0)
                break;
            ret_place->before = entry;
        }
        ret_place->links[level] = &links[level];
    }
    struct storage_entry *found = *ret_place->links[0];
    return found && order == 0 ? found : NULL;
}

/* The node of a string; NODE_NONE: NOMEM or no UTF-8. */
static node_t intern(struct dag *dag, struct str text, struct error *err) {
    struct strbuf json = {0};
    struct json_writer writer;
    json_writer_init(&writer, &json);
    json_write_string(&writer, text);
    node_t node = NODE_NONE;
    if (json.failed)
        error_set(err, ERROR_NOMEM, "no memory for a key");
    else
        node = dag_parse(dag, strbuf_view(&json), /* drop= */ 0, err);
    strbuf_finish(&json);
    return node;
}

struct storage_entry *storage_entry_create(struct storage_index *index, struct dag *dag,
                                           const struct storage_key *key, struct error *err) {
    uint32_t height = 1;
    while (height < INDEX_LEVELS && rng_below(&index->rng, 4) == 0)
        height++;
    struct storage_entry *entry = mem_zalloc(sizeof *entry + height * sizeof *entry->next);
    if (entry == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for an object");
        return NULL;
    }
    entry->height = height;
    entry->ns = intern(dag, key->ns, err);
    if (entry->ns != NODE_NONE)
        entry->name = intern(dag, key->name, err);
    if (entry->name != NODE_NONE)
        return entry;
    storage_entry_destroy(entry, dag);
    return NULL;
}

void storage_entry_destroy(struct storage_entry *entry, struct dag *dag) {
    if (entry == NULL)
        return;
    node_unref(dag, entry->ns);
    node_unref(dag, entry->name);
    node_unref(dag, entry->node);
    node_unref(dag, entry->put);
    mem_free(entry);
}

void storage_index_add(struct storage_index *index, const struct storage_place *place,
                       struct storage_entry *entry) {
    for (uint32_t level = 0; level < entry->height; level++) {
        entry->next[level] = *place->links[level];
        *place->links[level] = entry;
    }
    index->count++;
}

void storage_index_remove(struct storage_index *index, const struct storage_place *place,
                          struct storage_entry *entry) {
    for (uint32_t level = 0; level < entry->height; level++)
        *place->links[level] = entry->next[level];
    index->count--;
}
