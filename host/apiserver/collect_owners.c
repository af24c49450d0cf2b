#include <string.h>

#include "apiserver/collect_internal.h"
#include "base/mem.h"

/* The graph: who depends on whom, by uid. */

void collector_key_text(struct strbuf *out, const struct storage_key *key) {
    strbuf_printf(out, "%u/" STR_FORMAT "/" STR_FORMAT, key->resource, STR_ARG(key->ns),
                  STR_ARG(key->name));
}

void *collector_alloc(size_t size, size_t key_at, const struct storage_key *key) {
    char *block = mem_zalloc(size + key->ns.len + key->name.len + 2);
    if (block == NULL)
        return NULL;
    char *ns = block + size, *name = ns + key->ns.len + 1;
    if (key->ns.len > 0)
        memcpy(ns, key->ns.data, key->ns.len);
    memcpy(name, key->name.data, key->name.len);
    *(struct storage_key *)(void *)(block + key_at) =
        (struct storage_key){key->resource, str_n(ns, key->ns.len), str_n(name, key->name.len)};
    return block;
}

struct owner *collector_owner(const struct collector *collector, struct str uid) {
    return map_get(&collector->owners, uid);
}

static struct owner *owner_need(struct collector *collector, struct str uid) {
    struct owner *owner = collector_owner(collector, uid);
    if (owner)
        return owner;
    owner = mem_zalloc(sizeof *owner);
    if (owner == NULL)
        return NULL;
    list_init(&owner->edges);
    owner->uid = mem_strndup(uid.data, uid.len);
    if (owner->uid == NULL || map_set(&collector->owners, uid, owner, NULL) < 0) {
        mem_free(owner->uid);
        mem_free(owner);
        return NULL;
    }
    return owner;
}

void collector_free_dependent(struct collector *collector, struct dependent *dependent) {
    for (size_t i = 0; i < dependent->edge_count; i++) {
        struct owner *owner = dependent->edges[i].owner;
        list_remove(&dependent->edges[i].link);
        if (!list_empty(&owner->edges))
            continue;
        map_remove(&collector->owners, str_of(owner->uid));
        mem_free(owner->uid);
        mem_free(owner);
    }
    mem_free(dependent->edges);
    mem_free(dependent);
}

void collector_forget(struct collector *collector, const struct storage_key *key) {
    struct strbuf text = {0};
    collector_key_text(&text, key);
    struct dependent *dependent =
        text.failed ? NULL : map_remove(&collector->dependents, strbuf_view(&text));
    if (dependent)
        collector_free_dependent(collector, dependent);
    strbuf_finish(&text);
}

static int add_edges(struct collector *collector, struct dependent *dependent, node_t references) {
    const struct dag *dag = collector->server->dag;
    size_t count = node_count(dag, references);
    dependent->edges = mem_calloc(count, sizeof *dependent->edges);
    if (dependent->edges == NULL)
        return ERROR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        struct str uid = node_text(dag, node_get(dag, node_at(dag, references, i), str_of("uid")));
        struct edge *edge = &dependent->edges[i];
        edge->owner = owner_need(collector, uid);
        if (edge->owner == NULL)
            return ERROR_NOMEM;
        edge->dependent = dependent;
        list_append(&edge->owner->edges, &edge->link);
        dependent->edge_count++;
    }
    return 0;
}

int collector_note(struct collector *collector, const struct storage_key *key, node_t references) {
    struct strbuf text = {0};
    struct dependent *dependent =
        collector_alloc(sizeof *dependent, offsetof(struct dependent, key), key);
    int rc = dependent ? add_edges(collector, dependent, references) : ERROR_NOMEM;
    collector_key_text(&text, key);
    if (rc == 0)
        rc = text.failed ? ERROR_NOMEM
                         : map_set(&collector->dependents, strbuf_view(&text), dependent, NULL);
    if (rc < 0 && dependent)
        collector_free_dependent(collector, dependent);
    strbuf_finish(&text);
    return rc;
}
