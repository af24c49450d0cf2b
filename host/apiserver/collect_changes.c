#include <string.h>

#include "apiserver/collect_internal.h"

/* What each change of an object gives the collector to do. */

/* The owners of an object may wait for it to go, or to stop referring to them. */
static void queue_owners(struct collector *collector, const struct storage_key *key,
                         node_t object) {
    const struct dag *dag = collector->server->dag;
    node_t references = node_path(dag, object, "metadata.ownerReferences");
    for (size_t i = 0; i < node_count(dag, references); i++) {
        node_t reference = node_at(dag, references, i);
        const struct api_kind *kind =
            kinds_by_kind(collector->server->kinds,
                          node_text(dag, node_get(dag, reference, str_of("apiVersion"))),
                          node_text(dag, node_get(dag, reference, str_of("kind"))));
        if (kind == NULL)
            continue;
        struct storage_key owner = {kind->resource->id,
                                    kind->resource->namespaced ? key->ns : str_of(""),
                                    node_text(dag, node_get(dag, reference, str_of("name")))};
        if (owner.name.len > 0)
            collector_queue(collector, JOB_OBJECT, &owner, 0);
    }
}

static void queue_dependents(struct collector *collector, node_t object) {
    const struct dag *dag = collector->server->dag;
    struct owner *owner =
        collector_owner(collector, node_text(dag, node_path(dag, object, "metadata.uid")));
    struct list *link, *next;
    if (owner == NULL)
        return;
    LIST_EACH(link, next, &owner->edges)
    collector_queue(collector, JOB_OBJECT, &CONTAINER_OF(link, struct edge, link)->dependent->key,
                    0);
}

static void note_references(struct collector *collector, const struct storage_key *key, node_t old,
                            node_t now) {
    const struct dag *dag = collector->server->dag;
    node_t before = node_path(dag, old, "metadata.ownerReferences");
    node_t after = node_path(dag, now, "metadata.ownerReferences");
    if (before == after && old != NODE_NONE && now != NODE_NONE)
        return;
    if (node_count(dag, before) > 0) {
        collector_forget(collector, key);
        queue_owners(collector, key, old);
    }
    if (node_count(dag, after) == 0)
        return;
    if (collector_note(collector, key, after) < 0)
        log_error(collector->server->log, "garbage collection: no memory for the owners of %.*s",
                  STR_ARG(key->name));
    collector_queue(collector, JOB_OBJECT, key, 0);
}

static void note_namespaced(struct collector *collector, const struct storage_key *key,
                            node_t now) {
    struct apiserver *server = collector->server;
    const struct api_resource *namespaces =
        kinds_resource(server->kinds, str_of(""), str_of("namespaces"));
    if (now != NODE_NONE || key->ns.len == 0 || namespaces == NULL)
        return;
    struct storage_key ns = {namespaces->id, str_of(""), key->ns};
    node_t node = storage_get(server->storage, &ns, NULL);
    bool account = str_is(key->name, "default");
    if (job_deleting(server->dag, node) || (account && node != NODE_NONE))
        collector_queue(collector, JOB_NAMESPACE, &ns, 0);
}

static void note_pod(struct collector *collector, const struct storage_key *key, node_t now) {
    struct apiserver *server = collector->server;
    int64_t due = 0, wall = clock_wall(loop_clock(server->loop)), grace = 0;
    node_t time = node_path(server->dag, now, "metadata.deletionTimestamp");
    node_int(server->dag, node_path(server->dag, now, "metadata.deletionGracePeriodSeconds"),
             &grace);
    struct str text = node_text(server->dag, time);
    char copy[64];
    if (text.len == 0 || text.len >= sizeof copy || grace == 0)
        return;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    if (clock_parse(copy, &due) == 0)
        collector_queue(collector, JOB_GRACE, key, due > wall ? (uint64_t)(due - wall) : 1);
}

/* The definition of a custom resource may wait for its objects to go. */
static void note_custom(struct collector *collector, const struct api_resource *resource) {
    const struct api_resource *crds =
        kinds_resource(collector->server->kinds, str_of("apiextensions.k8s.io"),
                       str_of("customresourcedefinitions"));
    struct strbuf name = {0};
    status_qualify(&name, resource->plural, resource->group);
    struct storage_key key = {crds ? crds->id : 0, str_of(""), strbuf_view(&name)};
    if (crds && !name.failed &&
        job_deleting(collector->server->dag, storage_get(collector->server->storage, &key, NULL)))
        collector_queue(collector, JOB_CRD, &key, 0);
    strbuf_finish(&name);
}

void collector_changed(struct collector *collector, const struct storage_key *key, node_t old,
                       node_t now) {
    const struct dag *dag = collector->server->dag;
    const struct api_resource *resource = job_resource(collector, key->resource);
    if (resource == NULL)
        return;
    note_references(collector, key, old, now);
    if (now == NODE_NONE)
        queue_dependents(collector, old);
    else if (job_deleting(dag, now))
        collector_queue(collector, JOB_OBJECT, key, 0);
    if (job_deleting(dag, now))
        queue_owners(collector, key, now);
    note_namespaced(collector, key, now);
    if (!resource->builtin && now == NODE_NONE)
        note_custom(collector, resource);
    if (kinds_is_builtin(resource, "pods") && old != NODE_NONE)
        collector_note_claims(collector, key, old);
    if (!resource->builtin || now == NODE_NONE)
        return;
    if (job_deleting(dag, now) && (kinds_is_builtin(resource, "persistentvolumes") ||
                                   kinds_is_builtin(resource, "persistentvolumeclaims")))
        collector_queue(collector, JOB_VOLUME, key, 0);
    if (kinds_is_builtin(resource, "namespaces"))
        collector_queue(collector, JOB_NAMESPACE, key, 0);
    else if (kinds_is_builtin(resource, "pods"))
        note_pod(collector, key, now);
    else if (kinds_is_builtin(resource, "customresourcedefinitions") && job_deleting(dag, now))
        collector_queue(collector, JOB_CRD, key, 0);
}
