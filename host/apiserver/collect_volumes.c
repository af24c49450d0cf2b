#include <string.h>

#include "apiserver/collect_internal.h"

/* Finalizers that protect volumes and claims in use. */

/* The claim of that volume of a pod; "" when it has none. `text` holds what is made. */
static struct str claim_of(const struct dag *dag, node_t pod, node_t volume, struct strbuf *text) {
    node_t named = node_path(dag, volume, "persistentVolumeClaim.claimName");
    if (named != NODE_NONE)
        return node_text(dag, named);
    if (node_get(dag, volume, str_of("ephemeral")) == NODE_NONE)
        return str_of("");
    strbuf_clear(text);
    strbuf_printf(text, STR_FORMAT "-" STR_FORMAT,
                  STR_ARG(node_text(dag, node_path(dag, pod, "metadata.name"))),
                  STR_ARG(node_text(dag, node_get(dag, volume, str_of("name")))));
    return strbuf_view(text);
}

struct users {
    const struct dag *dag;
    struct str claim;
    bool found;
};

/* Only a pod on a node has its volumes, and while it is there. */
static bool look_at_pod(void *context, const struct storage_item *item) {
    struct users *users = context;
    const struct dag *dag = users->dag;
    node_t volumes = node_path(dag, item->node, "spec.volumes");
    struct strbuf text = {0};
    bool bound = node_text(dag, node_path(dag, item->node, "spec.nodeName")).len > 0;
    for (size_t i = 0; bound && i < node_count(dag, volumes); i++) {
        struct str claim = claim_of(dag, item->node, node_at(dag, volumes, i), &text);
        users->found |= text.failed || str_equal(claim, users->claim);
    }
    strbuf_finish(&text);
    return !users->found;
}

static bool is_used(struct collector *collector, const struct storage_key *claim) {
    const struct apiserver *server = collector->server;
    struct users users = {.dag = server->dag, .claim = claim->name};
    const struct api_resource *pods = kinds_resource(server->kinds, str_of(""), str_of("pods"));
    struct error err;
    return pods == NULL ||
           storage_list(server->storage, pods->id, claim->ns, NULL, 0, look_at_pod, &users, &err) <
               0 ||
           users.found;
}

enum job_outcome job_volume(struct collector *collector, const struct storage_key *key,
                            node_t node) {
    const struct dag *dag = collector->server->dag;
    bool claim = key->ns.len > 0;
    const char *finalizer = claim ? COLLECT_CLAIM_FINALIZER : COLLECT_VOLUME_FINALIZER;
    if (!job_deleting(dag, node) ||
        !job_has(dag, node_path(dag, node, "metadata.finalizers"), finalizer))
        return JOB_DONE;
    bool used = claim ? is_used(collector, key)
                      : node_is(dag, node_path(dag, node, "status.phase"), "Bound");
    return used ? JOB_DONE : job_remove_finalizer(collector, key, node, finalizer);
}

void collector_note_claims(struct collector *collector, const struct storage_key *pod, node_t old) {
    const struct apiserver *server = collector->server;
    const struct dag *dag = server->dag;
    const struct api_resource *claims =
        kinds_resource(server->kinds, str_of(""), str_of("persistentvolumeclaims"));
    node_t volumes = node_path(dag, old, "spec.volumes");
    struct strbuf text = {0};
    for (size_t i = 0; claims && i < node_count(dag, volumes); i++) {
        struct str name = claim_of(dag, old, node_at(dag, volumes, i), &text);
        struct storage_key key = {claims->id, pod->ns, name};
        if (name.len > 0 && !text.failed &&
            job_deleting(dag, storage_get(server->storage, &key, NULL)))
            collector_queue(collector, JOB_VOLUME, &key, 0);
    }
    strbuf_finish(&text);
}
