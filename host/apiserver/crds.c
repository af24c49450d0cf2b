#include "apiserver/crds.h"

#include <string.h>

#include "apiserver/crd.h"
#include "apiserver/metadata.h"

static const struct api_resource *definitions(const struct apiserver *server) {
    return kinds_resource(server->kinds, str_of("apiextensions.k8s.io"),
                          str_of("customresourcedefinitions"));
}

/* --- names ----------------------------------------------------------------------------------- */

struct others { /* who else has a name */
    struct apiserver *server;
    const char *but, *group, *name;
    bool of_kind, found;
};

static bool look_at(void *context, const struct storage_item *item) {
    struct others *others = context;
    if (str_is(item->key.name, others->but))
        return true;
    json_t *crd = document_of(others->server->dag, item->node);
    others->found = crd && crd_holds_name(crd, others->group, others->name, others->of_kind);
    json_decref(crd);
    return !others->found;
}

static bool is_taken(void *context, const char *group, const char *name, bool of_kind) {
    struct others others = *(const struct others *)context;
    struct error err;
    others.group = group;
    others.name = name;
    others.of_kind = of_kind;
    storage_list(others.server->storage, definitions(others.server)->id, (struct str){0}, NULL, 0,
                 look_at, &others, &err);
    return others.found;
}

int crds_prepare(struct apiserver *server, json_t *now, const json_t *old, struct error *err) {
    char time[CLOCK_TEXT];
    struct others others = {.server = server, .but = document_meta(now, "name")};
    server_time(server, time);
    int rc = crd_default(now, err);
    if (rc == 0)
        rc = crd_prepare(now, old, err);
    return rc == 0 ? crd_set_status(now, is_taken, &others, time, err) : rc;
}

void crds_check(struct apiserver *server, const json_t *now, const json_t *old,
                struct causes *causes) {
    struct error err;
    if (old && metadata_deleting(old) &&
        document_same(json_object_get(now, "spec"), json_object_get(old, "spec")))
        return; /* on its way out, whatever its status says */
    if (crd_check(now, old, server->ignore_rules, causes->list, &err) < 0)
        causes->failed = true;
}

int crds_mark_deleting(const struct apiserver *server, json_t *crd) {
    char time[CLOCK_TEXT];
    server_time(server, time);
    json_t *metadata = document_metadata(crd), *status = json_object_get(crd, "status");
    json_t *finalizers = json_object_get(metadata, "finalizers");
    json_t *conditions = json_object_get(status, "conditions");
    if (!json_is_array(finalizers)) {
        finalizers = json_array();
        if (json_object_set_new(metadata, "finalizers", finalizers) < 0)
            return ERROR_NOMEM;
    }
    int rc = 0;
    if (!document_has_string(finalizers, "customresourcecleanup.apiextensions.k8s.io"))
        rc |= json_array_append_new(finalizers,
                                    json_string("customresourcecleanup.apiextensions.k8s.io"));
    if (json_is_array(conditions))
        rc |= json_array_append_new(
            conditions,
            json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", "Terminating", "status", "True",
                      "lastTransitionTime", time, "reason", "InstanceDeletionPending", "message",
                      "CustomResourceDefinition marked for deletion; CustomResource "
                      "deletion will begin soon"));
    return rc ? ERROR_NOMEM : 0;
}

/* --- kinds ----------------------------------------------------------------------------------- */

static const struct api_resource *resource_of(const struct apiserver *server, node_t crd) {
    const struct dag *dag = server->dag;
    return kinds_resource(server->kinds, node_text(dag, node_path(dag, crd, "spec.group")),
                          node_text(dag, node_path(dag, crd, "spec.names.plural")));
}

static int serve(struct apiserver *server, node_t node, struct error *err) {
    json_t *crd = document_of(server->dag, node);
    int rc = 0;
    if (crd == NULL)
        rc = error_set(err, ERROR_NOMEM, "no memory for a definition");
    else if (crd_is_established(crd))
        rc = kinds_set_crd(server->kinds, crd, err);
    json_decref(crd);
    return rc;
}

static void remove_kind(struct apiserver *server, node_t crd) {
    const struct dag *dag = server->dag;
    const struct api_resource *resource = resource_of(server, crd);
    if (resource == NULL)
        return;
    watch_end_resource(server, resource->id);
    kinds_remove_crd(server->kinds, node_text(dag, node_path(dag, crd, "spec.group")),
                     node_text(dag, node_path(dag, crd, "spec.names.plural")));
}

/* Watches end, and cannot go on from before: their clients list again. */
static void show_anew(struct apiserver *server, const struct api_resource *resource) {
    struct error err;
    if (crds_reread(server, resource, storage_revision(server->storage), &err) < 0)
        log_error(server->log, "%s.%s: %s", resource->plural, resource->group, err.message);
    watch_end_resource(server, resource->id);
}

void crds_changed(struct apiserver *server, const struct storage_key *key, node_t old, node_t now) {
    const struct dag *dag = server->dag;
    const struct api_resource *crds = definitions(server), *resource;
    struct error err;
    if (crds == NULL || key->resource != crds->id)
        return;
    if (now == NODE_NONE) {
        remove_kind(server, old);
        return;
    }
    resource = resource_of(server, now);
    if (resource && old != NODE_NONE &&
        node_get(dag, old, str_of("spec")) == node_get(dag, now, str_of("spec")))
        return;
    if (serve(server, now, &err) < 0)
        log_error(server->log, "%.*s is not served: %s", STR_ARG(key->name), err.message);
    else if (resource)
        show_anew(server, resource);
}

struct recall {
    struct apiserver *server;
    struct error *err;
    int rc;
};

static bool recall_one(void *context, const struct storage_item *item) {
    struct recall *recall = context;
    recall->rc = serve(recall->server, item->node, recall->err);
    const struct api_resource *resource = resource_of(recall->server, item->node);
    if (recall->rc == 0 && resource)
        recall->rc = crds_reread(recall->server, resource, item->revision, recall->err);
    return recall->rc == 0;
}

int crds_recall(struct apiserver *server, struct error *err) {
    const struct api_resource *crds = definitions(server);
    struct recall recall = {server, err, 0};
    if (crds == NULL)
        return 0;
    int rc =
        storage_list(server->storage, crds->id, (struct str){0}, NULL, 0, recall_one, &recall, err);
    return rc < 0 ? rc : recall.rc;
}
