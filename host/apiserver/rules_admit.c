#include "apiserver/rules.h"

#include <string.h>

#include "apiserver/collect.h"

/* The admission plug-ins that no cluster is without. */

static int add_new(json_t *parent, const char *key, json_t *member) {
    json_t *list = json_object_get(parent, key);
    if (json_is_array(list))
        return json_array_append_new(list, member);
    list = json_array();
    return json_array_append_new(list, member) | json_object_set_new(parent, key, list);
}

/* StorageObjectInUseProtection; the collector releases it. */
static int protect(json_t *object, const char *finalizer) {
    json_t *metadata = document_metadata(object);
    if (document_has_string(json_object_get(metadata, "finalizers"), finalizer))
        return 0;
    return add_new(metadata, "finalizers", json_string(finalizer));
}

/* TaintNodesByCondition. */
static int taint(json_t *node) {
    static const char key[] = "node.kubernetes.io/not-ready";
    json_t *spec = json_object_get(node, "spec"), *one;
    size_t i;
    json_array_foreach(json_object_get(spec, "taints"), i, one) {
        if (strcmp(document_string(one, "key"), key) == 0 &&
            strcmp(document_string(one, "effect"), "NoSchedule") == 0)
            return 0;
    }
    if (!json_is_object(spec)) {
        spec = json_object();
        if (json_object_set_new(node, "spec", spec) < 0)
            return -1;
    }
    return add_new(spec, "taints", json_pack("{s:s, s:s}", "key", key, "effect", "NoSchedule"));
}

/* ServiceAccount. `default` is always on its way. */
static int check_account(struct api_exchange *x, const json_t *pod) {
    const char *account = document_string(pod, "spec.serviceAccountName"), *ns = x->request.ns;
    const char *name = document_meta(pod, "name");
    const json_t *annotations = document_path(pod, "metadata.annotations");
    char why[1024];
    if (strcmp(account, "default") == 0 ||
        json_object_get(annotations, "kubernetes.io/config.mirror") ||
        server_find(x->server, "", "serviceaccounts", ns, account) != NODE_NONE)
        return 0;
    snprintf(why, sizeof why,
             "error looking up service account %s/%s: serviceaccount \"%s\" not found", ns, account,
             account);
    return exchange_refuse(x, status_forbidden(x->kind->resource,
                                               name[0] ? name : document_meta(pod, "generateName"),
                                               why));
}

static int admit_pod(struct api_exchange *x, json_t *pod) {
    if (pod_admit(pod) < 0)
        return exchange_nomem(x);
    return json_is_object(json_object_get(pod, "spec")) ? check_account(x, pod) : 0;
}

int rules_admit(struct api_exchange *x, json_t *object) {
    const struct api_resource *resource = x->kind->resource;
    int rc = 0;
    if (!resource->builtin)
        return 0;
    if (kinds_is_builtin(resource, "pods"))
        return admit_pod(x, object);
    if (kinds_is_builtin(resource, "nodes"))
        rc = taint(object);
    else if (kinds_is_builtin(resource, "persistentvolumes"))
        rc = protect(object, COLLECT_VOLUME_FINALIZER);
    else if (kinds_is_builtin(resource, "persistentvolumeclaims"))
        rc = protect(object, COLLECT_CLAIM_FINALIZER);
    return rc < 0 ? exchange_nomem(x) : 0;
}
