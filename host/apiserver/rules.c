#include "apiserver/rules.h"

#include <string.h>

#include "apiserver/crds.h"
#include "apiserver/metadata.h"

#include "kube/base64.h"

static int need(int rc, struct error *err) {
    return rc == 0 ? 0 : error_set(err, ERROR_NOMEM, "no memory for an object");
}

static int read_secret(json_t *secret) {
    const char *key;
    json_t *value, *strings = json_object_get(secret, "stringData");
    json_t *data = json_object_get(secret, "data");
    int rc = 0;
    if (json_object_size(strings) > 0) { /* what there was may be the old object's, too */
        data = json_is_object(data) ? document_share(data) : json_object();
        if (json_object_set_new(secret, "data", data) < 0)
            return ERROR_NOMEM;
    }
    json_object_foreach(strings, key, value) {
        struct strbuf text = {0};
        base64_encode(&text, json_string_value(value) ? json_string_value(value) : "",
                      json_string_length(value));
        rc |= text.failed ? -1
                          : json_object_set_new(data, key, json_string(text.data ? text.data : ""));
        strbuf_finish(&text);
    }
    json_object_del(secret, "stringData");
    return rc ? ERROR_NOMEM : 0;
}

static int read_namespace(json_t *namespace) {
    static const char label[] = "kubernetes.io/metadata.name";
    const char *name = document_meta(namespace, "name");
    json_t *labels = document_path(namespace, "metadata.labels");
    const char *there = json_string_value(json_object_get(labels, label));
    if (!name[0] || (there && strcmp(there, name) == 0))
        return 0;
    if (!json_is_object(labels)) {
        labels = json_object();
        if (json_object_set_new(document_metadata(namespace), "labels", labels) < 0)
            return ERROR_NOMEM;
    }
    return json_object_set_new(labels, label, json_string(name));
}

/* Only a subresource changes them. */
static int keep_finalizers(json_t *now, const json_t *old) {
    json_t *spec = document_share(json_object_get(now, "spec"));
    int rc = document_copy_member(spec, json_object_get(old, "spec"), "finalizers");
    return rc | json_object_set_new(now, "spec", spec);
}

static int namespace_prepare(struct apiserver *server, json_t *now, const json_t *old,
                             struct error *err) {
    json_t *finalizers = document_path(now, "spec.finalizers");
    (void)server;
    int rc = read_namespace(now);
    if (old)
        return need(rc | keep_finalizers(now, old), err);
    if (!document_has_string(finalizers, "kubernetes"))
        rc |= json_object_set_new(now, "spec", json_pack("{s:[s]}", "finalizers", "kubernetes"));
    rc |= json_object_set_new(now, "status", json_pack("{s:s}", "phase", "Active"));
    return need(rc, err);
}

int rules_read(const struct api_resource *resource, json_t *object) {
    if (kinds_is_builtin(resource, "secrets"))
        return read_secret(object);
    return kinds_is_builtin(resource, "namespaces") ? read_namespace(object) : 0;
}

enum {
    G = RULE_GENERATION,
    R = RULE_RETURNS_DELETED,
    N = RULE_NEEDS_VERSION,
    C = RULE_CREATE_ON_UPDATE,
    M = RULE_READ_WHOLE
};
static const struct rules known[] = {
    {"", "configmaps", 0, NAME_SUBDOMAIN, NULL, config_map_check, NULL},
    {"", "secrets", 0, NAME_SUBDOMAIN, NULL, secret_check, NULL},
    {"", "namespaces", R, NAME_LABEL, namespace_prepare, NULL, NULL},
    {"", "pods", G | R | M | RULE_GRACEFUL, NAME_SUBDOMAIN, pod_prepare, pod_check, NULL},
    {"", "services", R | C, NAME_LABEL, service_prepare, service_check, NULL},
    {"", "serviceaccounts", R, NAME_SUBDOMAIN, NULL, NULL, NULL},
    {"", "persistentvolumes", R | M, NAME_SUBDOMAIN, volume_prepare, volume_check,
     volume_prepare_status},
    {"", "persistentvolumeclaims", R | M, NAME_SUBDOMAIN, claim_prepare, claim_check, NULL},
    {"", "resourcequotas", R | M, NAME_SUBDOMAIN, NULL, quota_check, NULL},
    {"", "podtemplates", G | R, NAME_SUBDOMAIN, NULL, NULL, NULL},
    {"", "replicationcontrollers", G | M | RULE_ORPHANS, NAME_SUBDOMAIN, NULL, replication_check,
     NULL},
    {"", "nodes", RULE_KEEPS_STATUS, NAME_SUBDOMAIN, NULL, NULL, NULL},
    {"", "limitranges", C | M, NAME_SUBDOMAIN, NULL, NULL, NULL},
    {"", "events", C | M, NAME_PATH_SEGMENT, NULL, event_check, NULL},
    {"", "endpoints", C, NAME_SUBDOMAIN, NULL, endpoints_check, NULL},
    {"apps", "deployments", G | M, NAME_SUBDOMAIN, NULL, deployment_check, NULL},
    {"apps", "replicasets", G | M, NAME_SUBDOMAIN, NULL, replica_set_check, NULL},
    {"apps", "daemonsets", G | M, NAME_SUBDOMAIN, daemon_set_prepare, daemon_set_check, NULL},
    {"apps", "statefulsets", G | M, NAME_LABEL, NULL, stateful_set_check, NULL},
    {"autoscaling", "horizontalpodautoscalers", M, NAME_SUBDOMAIN, NULL, autoscaler_check, NULL},
    {"batch", "jobs", G | M | RULE_ORPHANS, NAME_SUBDOMAIN, job_prepare, job_check, NULL},
    {"batch", "cronjobs", G | M, NAME_SUBDOMAIN, NULL, cron_job_check, NULL},
    {"networking.k8s.io", "networkpolicies", G, NAME_SUBDOMAIN, NULL, network_policy_check, NULL},
    {"networking.k8s.io", "ingresses", G, NAME_SUBDOMAIN, NULL, ingress_check, NULL},
    {"networking.k8s.io", "ingressclasses", G, NAME_SUBDOMAIN, NULL, ingress_class_check, NULL},
    {"policy", "poddisruptionbudgets", G | N, NAME_PATH_SEGMENT, NULL, budget_check, NULL},
    {"coordination.k8s.io", "leases", C | N | M, NAME_SUBDOMAIN, NULL, lease_check, NULL},
    {"discovery.k8s.io", "endpointslices", G, NAME_SUBDOMAIN, NULL, endpoint_slice_check, NULL},
    {"events.k8s.io", "events", C | M, NAME_SUBDOMAIN, NULL, event_check, NULL},
    {"scheduling.k8s.io", "priorityclasses", RULE_GENERATION_FIXED, NAME_SUBDOMAIN, NULL,
     priority_class_check, NULL},
    {"node.k8s.io", "runtimeclasses", C | N, NAME_SUBDOMAIN, NULL, runtime_class_check, NULL},
    {"rbac.authorization.k8s.io", "roles", C, NAME_PATH_SEGMENT, NULL, role_check, NULL},
    {"rbac.authorization.k8s.io", "clusterroles", C, NAME_PATH_SEGMENT, NULL, role_check, NULL},
    {"rbac.authorization.k8s.io", "rolebindings", C, NAME_PATH_SEGMENT, NULL, role_binding_check,
     NULL},
    {"rbac.authorization.k8s.io", "clusterrolebindings", C, NAME_PATH_SEGMENT, NULL,
     role_binding_check, NULL},
    {"storage.k8s.io", "storageclasses", R, NAME_SUBDOMAIN, NULL, storage_class_check, NULL},
    {"storage.k8s.io", "csidrivers", R | N, NAME_SUBDOMAIN, NULL, NULL, NULL},
    {"storage.k8s.io", "csinodes", R | N, NAME_SUBDOMAIN, NULL, NULL, NULL},
    {"storage.k8s.io", "volumeattachments", R | N, NAME_SUBDOMAIN, NULL, NULL, NULL},
    {"admissionregistration.k8s.io", "validatingwebhookconfigurations", G | N, NAME_SUBDOMAIN, NULL,
     webhook_check, NULL},
    {"admissionregistration.k8s.io", "mutatingwebhookconfigurations", G | N, NAME_SUBDOMAIN, NULL,
     webhook_check, NULL},
    {"admissionregistration.k8s.io", "validatingadmissionpolicies", G | N, NAME_SUBDOMAIN, NULL,
     NULL, NULL},
    {"admissionregistration.k8s.io", "validatingadmissionpolicybindings", G | N, NAME_SUBDOMAIN,
     NULL, NULL, NULL},
    {"apiextensions.k8s.io", "customresourcedefinitions", G | N | RULE_AFTER_SCHEMA, NAME_SUBDOMAIN,
     crds_prepare, crds_check, NULL},
};
static const struct rules other = {"", "", 0, NAME_SUBDOMAIN, NULL, NULL, NULL};
static const struct rules custom = {"", "", G | N, NAME_SUBDOMAIN, NULL, NULL, NULL};

const struct rules *rules_of(const struct api_resource *resource) {
    if (!resource->builtin)
        return &custom;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].plural, resource->plural) == 0 &&
            strcmp(known[i].group, resource->group) == 0)
            return &known[i];
    }
    return &other;
}

static bool is_head(const char *key) {
    return strcmp(key, "apiVersion") == 0 || strcmp(key, "kind") == 0 ||
           strcmp(key, "metadata") == 0;
}

static int share_member(json_t *to, const json_t *from, const char *key) {
    json_t *value = json_object_get(from, key);
    if (value)
        return json_object_set(to, key, value);
    json_object_del(to, key);
    return 0;
}

/* All but the head and status is as in `old`, and is shared with it; of a custom object its
 * metadata, too, but for the version that the client knows and what an apply owns; of a Deployment
 * its labels. */
static int keep_all_but_status(const struct api_kind *kind, json_t *now, const json_t *old) {
    const char *key;
    json_t *value, *made = document_share(old);
    if (made == NULL)
        return ERROR_NOMEM;
    json_t *version = json_incref(document_path(now, "metadata.resourceVersion"));
    int rc = share_member(made, now, "status");
    if (kinds_is_builtin(kind->resource, "deployments"))
        rc |= share_member(made, now, "metadata") |
              document_copy_member(document_metadata(made), json_object_get(old, "metadata"),
                                   "labels");
    else if (kind->resource->builtin)
        rc |= share_member(made, now, "metadata");
    else
        rc |= document_copy_member(made, old, "metadata");
    if (!kind->resource->builtin && version)
        rc |= json_object_set(document_metadata(made), "resourceVersion", version);
    if (!kind->resource->builtin && json_is_object(json_object_get(now, "metadata")))
        rc |= document_copy_member(document_metadata(made), json_object_get(now, "metadata"),
                                   "managedFields");
    json_decref(version);
    json_object_clear(now);
    json_object_foreach(made, key, value) rc |= json_object_set(now, key, value);
    json_decref(made);
    return rc ? ERROR_NOMEM : 0;
}

int rules_reset(const struct api_kind *kind, const char *subresource, json_t *now,
                const json_t *old) {
    if (!(kind->subresources & KIND_STATUS) || now == old)
        return 0;
    if (old && strcmp(subresource, "status") == 0)
        return keep_all_but_status(kind, now, old);
    if (subresource[0] && strcmp(subresource, "scale") != 0)
        return 0;
    if (rules_of(kind->resource)->flags & RULE_KEEPS_STATUS)
        return 0;
    if (old)
        return share_member(now, old, "status");
    json_object_del(now, "status");
    return 0;
}

/* Some member of `a` is another in `b`, or `absent` there. */
static bool changed(const struct api_kind *kind, const json_t *a, const json_t *b, bool absent) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)a, key, value) {
        if (is_head(key) || ((kind->subresources & KIND_STATUS) && strcmp(key, "status") == 0))
            continue;
        const json_t *there = json_object_get(b, key);
        if ((!absent || !there) && !document_same(value, there))
            return true;
    }
    return false;
}

/* Some metadata of these two is part of what others act on. */
static bool metadata_counts(const struct api_resource *resource, const json_t *now,
                            const json_t *old) {
    const char *part = !resource->builtin                                ? NULL
                       : strcmp(resource->plural, "deployments") == 0    ? "metadata.annotations"
                       : strcmp(resource->plural, "endpointslices") == 0 ? "metadata.labels"
                                                                         : NULL;
    return part && !document_same(document_path(now, part), document_path(old, part));
}

static int set_generation(const struct api_kind *kind, unsigned flags, json_t *now,
                          const json_t *old) {
    json_t *metadata = document_metadata(now);
    if (!(flags & (RULE_GENERATION | RULE_GENERATION_FIXED))) {
        if (old == NULL)
            json_object_del(metadata, "generation");
        return 0;
    }
    if (old == NULL)
        return metadata_set_generation(now, 1);
    if (!(flags & RULE_GENERATION))
        return 0;
    if (!metadata_counts(kind->resource, now, old) &&
        !changed(kind, now, old, /* absent= */ false) &&
        !changed(kind, old, now, /* absent= */ true))
        return 0;
    return metadata_set_generation(now, metadata_generation(old) + 1);
}

int rules_prepare(struct apiserver *server, const struct api_kind *kind, json_t *now,
                  const json_t *old, struct error *err) {
    const struct rules *rules = rules_of(kind->resource);
    if (rules->prepare) {
        int rc = rules->prepare(server, now, old, err);
        if (rc < 0)
            return rc;
    }
    return need(set_generation(kind, rules->flags, now, old), err);
}

int rules_prepare_status(struct apiserver *server, const struct api_kind *kind, json_t *now,
                         const json_t *old, struct error *err) {
    const struct rules *rules = rules_of(kind->resource);
    return rules->prepare_status ? rules->prepare_status(server, now, old, err) : 0;
}
