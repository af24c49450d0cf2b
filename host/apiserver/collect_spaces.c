#include <string.h>

#include "apiserver/collect_internal.h"

/* Namespaces and custom resource definitions: what is in them goes before they do. */
struct content {
    const struct dag *dag;
    size_t count, staying; /* staying: nobody has deleted them yet */
    char ns[64];           /* of the first that stays */
};

static bool count_content(void *context, const struct storage_item *item) {
    struct content *content = context;
    content->count++;
    if (job_deleting(content->dag, item->node))
        return true;
    content->staying++;
    snprintf(content->ns, sizeof content->ns, STR_FORMAT, STR_ARG(item->key.ns));
    return false;
}

static struct content content_of(struct collector *collector, unsigned resource, struct str ns) {
    struct content content = {.dag = collector->server->dag};
    struct error err;
    storage_list(collector->server->storage, resource, ns, NULL, 0, count_content, &content, &err);
    return content;
}

static enum job_outcome create_account(struct collector *collector, const struct storage_key *key) {
    const struct api_resource *accounts =
        kinds_resource(collector->server->kinds, str_of(""), str_of("serviceaccounts"));
    if (accounts == NULL)
        return JOB_DONE;
    struct storage_key account = {accounts->id, key->name, str_of("default")};
    if (storage_get(collector->server->storage, &account, NULL) != NODE_NONE)
        return JOB_DONE;
    account.name = str_of("");
    return job_send(collector, "POST", &account, "",
                    json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "ServiceAccount",
                              "metadata", "name", "default"));
}

static json_t *delete_options(void) {
    return json_pack("{s:s, s:s, s:s}", "kind", "DeleteOptions", "apiVersion", "v1",
                     "propagationPolicy", "Background");
}

static enum job_outcome finalize(struct collector *collector, const struct storage_key *key,
                                 node_t node) {
    const struct dag *dag = collector->server->dag;
    node_t finalizers = node_path(dag, node, "spec.finalizers");
    if (!job_has(dag, finalizers, "kubernetes"))
        return JOB_DONE;
    json_t *body = document_of(dag, node);
    document_remove_string(document_path(body, "spec.finalizers"), "kubernetes");
    return job_send(collector, "PUT", key, "finalize", body);
}

enum job_outcome job_namespace(struct collector *collector, const struct storage_key *key,
                               node_t node) {
    const struct kinds *kinds = collector->server->kinds;
    bool left = false;
    if (!job_deleting(collector->server->dag, node))
        return create_account(collector, key);
    for (size_t i = 0; i < kinds_count(kinds); i++) {
        const struct api_resource *resource = kinds_at(kinds, i);
        if (!resource->namespaced || resource->virtual_ || kinds_is_view(resource))
            continue;
        struct content content = content_of(collector, resource->id, key->name);
        struct storage_key all = {resource->id, key->name, str_of("")};
        if (content.staying > 0)
            return job_send(collector, "DELETE", &all, "", delete_options());
        left |= content.count > 0;
    }
    return left ? JOB_DONE : finalize(collector, key, node); /* looked at again when one goes */
}

enum job_outcome job_crd(struct collector *collector, const struct storage_key *key, node_t node) {
    static const char finalizer[] = "customresourcecleanup.apiextensions.k8s.io";
    const struct dag *dag = collector->server->dag;
    const struct api_resource *resource =
        kinds_resource(collector->server->kinds, node_text(dag, node_path(dag, node, "spec.group")),
                       node_text(dag, node_path(dag, node, "spec.names.plural")));
    if (!job_has(dag, node_path(dag, node, "metadata.finalizers"), finalizer))
        return JOB_DONE;
    if (resource) {
        struct content content = content_of(collector, resource->id, (struct str){0});
        struct storage_key all = {resource->id, str_of(content.ns), str_of("")};
        if (content.staying > 0)
            return job_send(collector, "DELETE", &all, "", delete_options());
        if (content.count > 0)
            return JOB_DONE; /* their finalizers; looked at again when one goes */
    }
    return job_remove_finalizer(collector, key, node, finalizer);
}
