#include <string.h>

#include "apiserver/collect_internal.h"

const struct api_resource *job_resource(const struct collector *collector, unsigned id) {
    const struct kinds *kinds = collector->server->kinds;
    for (size_t i = 0; i < kinds_count(kinds); i++) {
        if (kinds_at(kinds, i)->id == id)
            return kinds_at(kinds, i);
    }
    return NULL;
}

bool job_has(const struct dag *dag, node_t array, const char *text) {
    for (size_t i = 0; i < node_count(dag, array); i++) {
        if (node_is(dag, node_at(dag, array, i), text))
            return true;
    }
    return false;
}

bool job_deleting(const struct dag *dag, node_t node) {
    return node_text(dag, node_path(dag, node, "metadata.deletionTimestamp")).len > 0;
}

enum job_outcome job_send(struct collector *collector, const char *method,
                          const struct storage_key *key, const char *subresource, json_t *body) {
    const struct api_resource *resource = job_resource(collector, key->resource);
    struct strbuf path = {0};
    int rc = ERROR_NOMEM;
    if (resource && body) {
        errand_path(&path, resource, key->ns, key->name, subresource);
        const struct errand_order order = {
            .user = "system:serviceaccount:kube-system:generic-garbage-collector",
            .method = method,
            .path = path.data,
            .query = "",
            .content_type = strcmp(method, "PATCH") == 0 ? "application/merge-patch+json" : NULL,
            .body = body};
        if (!path.failed)
            rc = errand_start(collector->server, &collector->errand, &order);
    }
    strbuf_finish(&path);
    json_decref(body);
    return rc < 0 ? JOB_FAILED : JOB_AGAIN;
}

/* A merge patch of one member of metadata, for this version of the object alone. */
static enum job_outcome patch_metadata(struct collector *collector, const struct storage_key *key,
                                       node_t node, const char *member, json_t *value) {
    const struct dag *dag = collector->server->dag;
    struct str version = node_text(dag, node_path(dag, node, "metadata.resourceVersion"));
    json_t *body = json_pack("{s:{s:s%, s:o}}", "metadata", "resourceVersion", version.data,
                             version.len, member, value);
    return job_send(collector, "PATCH", key, "", body);
}

enum job_outcome job_remove_finalizer(struct collector *collector, const struct storage_key *key,
                                      node_t node, const char *finalizer) {
    const struct dag *dag = collector->server->dag;
    json_t *finalizers = document_of(dag, node_path(dag, node, "metadata.finalizers"));
    document_remove_string(finalizers, finalizer);
    return patch_metadata(collector, key, node, "finalizers", finalizers);
}

/* --- owners of an object ------------------------------------------------------------------- */

enum owner_state { OWNER_SOLID, OWNER_ABSENT, OWNER_WAITING, OWNER_UNKNOWN };

static bool in_foreground(const struct dag *dag, node_t node) {
    return job_deleting(dag, node) &&
           job_has(dag, node_path(dag, node, "metadata.finalizers"), "foregroundDeletion");
}

static enum owner_state owner_state(struct collector *collector, const struct storage_key *key,
                                    node_t reference) {
    const struct dag *dag = collector->server->dag;
    const struct api_kind *kind = kinds_by_kind(
        collector->server->kinds, node_text(dag, node_get(dag, reference, str_of("apiVersion"))),
        node_text(dag, node_get(dag, reference, str_of("kind"))));
    if (kind == NULL || (kind->resource->namespaced && key->ns.len == 0))
        return OWNER_UNKNOWN;
    struct storage_key owner = {kind->resource->id,
                                kind->resource->namespaced ? key->ns : str_of(""),
                                node_text(dag, node_get(dag, reference, str_of("name")))};
    node_t node =
        owner.name.len > 0 ? storage_get(collector->server->storage, &owner, NULL) : NODE_NONE;
    if (node == NODE_NONE || !str_equal(node_text(dag, node_path(dag, node, "metadata.uid")),
                                        node_text(dag, node_get(dag, reference, str_of("uid")))))
        return OWNER_ABSENT;
    bool blocks =
        node_type(dag, node_get(dag, reference, str_of("blockOwnerDeletion"))) == NODE_TRUE;
    return blocks && in_foreground(dag, node) ? OWNER_WAITING : OWNER_SOLID;
}

static size_t dependents_of(struct collector *collector, node_t node) {
    const struct dag *dag = collector->server->dag;
    struct owner *owner =
        collector_owner(collector, node_text(dag, node_path(dag, node, "metadata.uid")));
    return owner != NULL;
}

static enum job_outcome delete_object(struct collector *collector, const struct storage_key *key,
                                      node_t node, bool waited_for) {
    const struct dag *dag = collector->server->dag;
    struct str uid = node_text(dag, node_path(dag, node, "metadata.uid"));
    node_t finalizers = node_path(dag, node, "metadata.finalizers");
    const char *policy = "Background";
    if (waited_for && dependents_of(collector, node))
        policy = "Foreground";
    else if (job_has(dag, finalizers, "orphan"))
        policy = "Orphan";
    else if (job_has(dag, finalizers, "foregroundDeletion"))
        policy = "Foreground";
    json_t *body =
        json_pack("{s:s, s:s, s:{s:s%}, s:s}", "kind", "DeleteOptions", "apiVersion", "v1",
                  "preconditions", "uid", uid.data, uid.len, "propagationPolicy", policy);
    return job_send(collector, "DELETE", key, "", body);
}

/* The references to owners that are there and stay. */
static enum job_outcome keep_solid(struct collector *collector, const struct storage_key *key,
                                   node_t node, node_t references) {
    const struct dag *dag = collector->server->dag;
    json_t *kept = json_array();
    for (size_t i = 0; i < node_count(dag, references); i++) {
        node_t reference = node_at(dag, references, i);
        if (owner_state(collector, key, reference) == OWNER_SOLID)
            json_array_append_new(kept, document_of(dag, reference));
    }
    return patch_metadata(collector, key, node, "ownerReferences", kept);
}

static enum job_outcome check_owners(struct collector *collector, const struct storage_key *key,
                                     node_t node) {
    const struct dag *dag = collector->server->dag;
    node_t references = node_path(dag, node, "metadata.ownerReferences");
    size_t count[4] = {0}, total = node_count(dag, references);
    for (size_t i = 0; i < total; i++)
        count[owner_state(collector, key, node_at(dag, references, i))]++;
    if (total == 0 || count[OWNER_UNKNOWN] > 0 || count[OWNER_SOLID] == total)
        return JOB_DONE;
    if (count[OWNER_SOLID] > 0)
        return keep_solid(collector, key, node, references);
    return delete_object(collector, key, node, count[OWNER_WAITING] > 0);
}

/* --- dependents of an object that is being deleted ------------------------------------------ */

static node_t reference_to(const struct dag *dag, node_t dependent, struct str uid) {
    node_t references = node_path(dag, dependent, "metadata.ownerReferences");
    for (size_t i = 0; i < node_count(dag, references); i++) {
        node_t reference = node_at(dag, references, i);
        if (str_equal(node_text(dag, node_get(dag, reference, str_of("uid"))), uid))
            return reference;
    }
    return NODE_NONE;
}

/* Takes the reference out of the first dependent; when there is none, the finalizer. */
static enum job_outcome orphan(struct collector *collector, const struct storage_key *key,
                               node_t node) {
    const struct dag *dag = collector->server->dag;
    struct str uid = node_text(dag, node_path(dag, node, "metadata.uid"));
    struct owner *owner = collector_owner(collector, uid);
    if (owner == NULL)
        return job_remove_finalizer(collector, key, node, "orphan");
    struct storage_key first = CONTAINER_OF(owner->edges.next, struct edge, link)->dependent->key;
    node_t dependent = storage_get(collector->server->storage, &first, NULL);
    node_t references = node_path(dag, dependent, "metadata.ownerReferences");
    json_t *kept = json_array();
    for (size_t i = 0; i < node_count(dag, references); i++) {
        node_t reference = node_at(dag, references, i);
        if (!str_equal(node_text(dag, node_get(dag, reference, str_of("uid"))), uid))
            json_array_append_new(kept, document_of(dag, reference));
    }
    return patch_metadata(collector, &first, dependent, "ownerReferences", kept);
}

/* All dependents are told to go; when none is left that blocks, the finalizer goes. */
static enum job_outcome foreground(struct collector *collector, const struct storage_key *key,
                                   node_t node) {
    const struct dag *dag = collector->server->dag;
    struct str uid = node_text(dag, node_path(dag, node, "metadata.uid"));
    struct owner *owner = collector_owner(collector, uid);
    struct list *link, *next;
    bool blocked = false;
    if (owner) {
        LIST_EACH(link, next, &owner->edges) {
            struct storage_key *at = &CONTAINER_OF(link, struct edge, link)->dependent->key;
            node_t dependent = storage_get(collector->server->storage, at, NULL);
            node_t reference = reference_to(dag, dependent, uid);
            blocked |=
                node_type(dag, node_get(dag, reference, str_of("blockOwnerDeletion"))) == NODE_TRUE;
            if (!job_deleting(dag, dependent))
                collector_queue(collector, JOB_OBJECT, at, 0);
        }
    }
    if (blocked)
        return JOB_DONE; /* looked at again when a dependent goes */
    return job_remove_finalizer(collector, key, node, "foregroundDeletion");
}

static enum job_outcome check_object(struct collector *collector, const struct storage_key *key,
                                     node_t node) {
    const struct dag *dag = collector->server->dag;
    node_t finalizers = node_path(dag, node, "metadata.finalizers");
    if (!job_deleting(dag, node))
        return check_owners(collector, key, node);
    if (job_has(dag, finalizers, "orphan"))
        return orphan(collector, key, node);
    if (job_has(dag, finalizers, "foregroundDeletion"))
        return foreground(collector, key, node);
    return JOB_DONE;
}

/* --- pods ---------------------------------------------------------------------------------- */

static enum job_outcome end_grace(struct collector *collector, const struct storage_key *key,
                                  node_t node) {
    const struct dag *dag = collector->server->dag;
    struct str uid = node_text(dag, node_path(dag, node, "metadata.uid"));
    int64_t grace = 0;
    node_int(dag, node_path(dag, node, "metadata.deletionGracePeriodSeconds"), &grace);
    if (!job_deleting(dag, node) || grace == 0)
        return JOB_DONE;
    return job_send(collector, "DELETE", key, "",
                    json_pack("{s:s, s:s, s:i, s:{s:s%}}", "kind", "DeleteOptions", "apiVersion",
                              "v1", "gracePeriodSeconds", 0, "preconditions", "uid", uid.data,
                              uid.len));
}

enum job_outcome job_step(struct collector *collector, const struct job *job) {
    node_t node = storage_get(collector->server->storage, &job->key, NULL);
    if (node == NODE_NONE)
        return JOB_DONE;
    switch (job->type) {
    case JOB_NAMESPACE:
        return job_namespace(collector, &job->key, node);
    case JOB_GRACE:
        return end_grace(collector, &job->key, node);
    case JOB_CRD:
        return job_crd(collector, &job->key, node);
    case JOB_VOLUME:
        return job_volume(collector, &job->key, node);
    default:
        return check_object(collector, &job->key, node);
    }
}
