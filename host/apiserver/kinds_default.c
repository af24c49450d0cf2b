#include <string.h>

#include "apiserver/document.h"
#include "apiserver/kinds.h"
#include "apiserver/kinds_fill.h"

void kinds_fill_put(struct kinds_fill *fill, json_t *into, const char *key, json_t *value) {
    const json_t *now = json_object_get(into, key);
    if (json_is_object(into) && (now == NULL || json_is_null(now)))
        fill->failed |= json_object_set_new(into, key, value) < 0;
    else
        json_decref(value);
}

json_t *kinds_fill_object(struct kinds_fill *fill, json_t *into, const char *key) {
    kinds_fill_put(fill, into, key, json_object());
    json_t *now = json_object_get(into, key);
    return json_is_object(now) ? now : NULL;
}

const char *kinds_fill_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool says(const json_t *object, const char *key, const char *text) {
    return strcmp(kinds_fill_text(object, key), text) == 0;
}

static json_t *spec_of(struct kinds_fill *fill) {
    return json_object_get(fill->object, "spec");
}

/* core */

static void fill_template(struct kinds_fill *fill, json_t *template) {
    kinds_fill_pod_spec(fill, json_object_get(template, "spec"));
}

static void fill_pod_template(struct kinds_fill *fill) {
    fill_template(fill, json_object_get(fill->object, "template"));
}

/* The labels of the template, where the object has none of its own. */
static json_t *labels_from_template(struct kinds_fill *fill) {
    json_t *template = json_object_get(spec_of(fill), "template");
    json_t *labels = json_object_get(json_object_get(template, "metadata"), "labels");
    json_t *metadata = json_object_get(fill->object, "metadata");
    if (json_object_size(labels) > 0 && json_object_size(json_object_get(metadata, "labels")) == 0)
        kinds_fill_put(fill, metadata, "labels", document_share(labels));
    return labels;
}

static void fill_replication_controller(struct kinds_fill *fill) {
    json_t *labels = labels_from_template(fill);
    if (json_object_size(labels) > 0)
        kinds_fill_put(fill, spec_of(fill), "selector", document_share(labels));
    fill_template(fill, json_object_get(spec_of(fill), "template"));
}

/* The spec, made if need be and no longer shared. NULL: it is something else, or no memory. */
static json_t *own_spec(struct kinds_fill *fill) {
    json_t *spec = kinds_fill_object(fill, fill->object, "spec");
    if (spec == NULL || spec != json_object_get(fill->known, "spec"))
        return spec;
    spec = document_share(spec);
    if (json_object_set_new(fill->object, "spec", spec) == 0)
        return spec;
    fill->failed = true;
    return NULL;
}

static void fill_namespace(struct kinds_fill *fill) {
    json_t *metadata = json_object_get(fill->object, "metadata");
    const char *name = kinds_fill_text(metadata, "name");
    json_t *spec = own_spec(fill);
    if (*name == '\0')
        return;
    json_t *labels = kinds_fill_object(fill, metadata, "labels");
    if (labels && !says(labels, "kubernetes.io/metadata.name", name))
        fill->failed |=
            json_object_set_new(labels, "kubernetes.io/metadata.name", json_string(name)) < 0;
    if (!json_object_get(metadata, "deletionTimestamp"))
        kinds_fill_put(fill, spec, "finalizers", json_pack("[s]", "kubernetes"));
}

static void fill_node(struct kinds_fill *fill) {
    json_t *status = json_object_get(fill->object, "status");
    const json_t *capacity = json_object_get(status, "capacity");
    if (capacity)
        kinds_fill_put(fill, status, "allocatable", document_copy(capacity));
}

static void put_all(struct kinds_fill *fill, json_t *item, const char *from, const char *to) {
    json_t *values = json_object_get(item, from), *value;
    const char *key;
    if (json_object_size(values) == 0)
        return;
    json_t *target = kinds_fill_object(fill, item, to);
    json_object_foreach(values, key, value) kinds_fill_put(fill, target, key, json_incref(value));
}

static void fill_limit_range(struct kinds_fill *fill) {
    json_t *item;
    size_t i;
    json_array_foreach(json_object_get(spec_of(fill), "limits"), i, item) {
        if (!says(item, "type", "Container"))
            continue;
        put_all(fill, item, "max", "default");
        put_all(fill, item, "default", "defaultRequest");
        put_all(fill, item, "min", "defaultRequest");
    }
}

/* apps, batch */

static void fill_deployment(struct kinds_fill *fill) {
    json_t *strategy = json_object_get(spec_of(fill), "strategy");
    if (says(strategy, "type", "RollingUpdate")) {
        json_t *rolling = kinds_fill_object(fill, strategy, "rollingUpdate");
        kinds_fill_put(fill, rolling, "maxUnavailable", json_string("25%"));
        kinds_fill_put(fill, rolling, "maxSurge", json_string("25%"));
    }
    fill_template(fill, json_object_get(spec_of(fill), "template"));
}

static void fill_daemon_set(struct kinds_fill *fill) {
    json_t *strategy = json_object_get(spec_of(fill), "updateStrategy");
    if (says(strategy, "type", "RollingUpdate")) {
        json_t *rolling = kinds_fill_object(fill, strategy, "rollingUpdate");
        kinds_fill_put(fill, rolling, "maxUnavailable", json_integer(1));
        kinds_fill_put(fill, rolling, "maxSurge", json_integer(0));
    }
    fill_template(fill, json_object_get(spec_of(fill), "template"));
}

static void fill_stateful_set(struct kinds_fill *fill) {
    json_t *strategy = json_object_get(spec_of(fill), "updateStrategy"), *claim;
    size_t i;
    if (says(strategy, "type", "")) {
        kinds_fill_put(fill, strategy, "type", json_string("RollingUpdate"));
        kinds_fill_object(fill, strategy, "rollingUpdate");
    }
    if (says(strategy, "type", "RollingUpdate"))
        kinds_fill_put(fill, json_object_get(strategy, "rollingUpdate"), "partition",
                       json_integer(0));
    fill_template(fill, json_object_get(spec_of(fill), "template"));
    json_array_foreach(json_object_get(spec_of(fill), "volumeClaimTemplates"), i, claim) {
        kinds_fill_put(fill, claim, "apiVersion", json_string("v1"));
        kinds_fill_put(fill, claim, "kind", json_string("PersistentVolumeClaim"));
    }
}

static void fill_template_alone(struct kinds_fill *fill) {
    fill_template(fill, json_object_get(spec_of(fill), "template"));
}

static void fill_job(struct kinds_fill *fill) {
    json_t *spec = spec_of(fill);
    bool per_index = json_object_get(spec, "backoffLimitPerIndex") != NULL;
    bool policy = json_object_get(spec, "podFailurePolicy") != NULL;
    if (!json_object_get(spec, "parallelism"))
        kinds_fill_put(fill, spec, "completions", json_integer(1));
    kinds_fill_put(fill, spec, "parallelism", json_integer(1));
    kinds_fill_put(fill, spec, "backoffLimit", json_integer(per_index ? INT32_MAX : 6));
    kinds_fill_put(fill, spec, "completionMode", json_string("NonIndexed"));
    kinds_fill_put(fill, spec, "suspend", json_false());
    kinds_fill_put(fill, spec, "podReplacementPolicy",
                   json_string(policy ? "Failed" : "TerminatingOrFailed"));
    kinds_fill_put(fill, spec, "manualSelector", json_false());
    labels_from_template(fill);
    fill_template(fill, json_object_get(spec, "template"));
}

static void fill_cron_job(struct kinds_fill *fill) {
    json_t *job = json_object_get(json_object_get(spec_of(fill), "jobTemplate"), "spec");
    fill_template(fill, json_object_get(job, "template"));
}

/* The others */

static void fill_network_policy(struct kinds_fill *fill) {
    bool egress = json_array_size(json_object_get(spec_of(fill), "egress")) > 0;
    kinds_fill_put(fill, spec_of(fill), "policyTypes",
                   egress ? json_pack("[ss]", "Ingress", "Egress") : json_pack("[s]", "Ingress"));
}

static void fill_binding(struct kinds_fill *fill) {
    json_t *subject;
    size_t i;
    json_array_foreach(json_object_get(fill->object, "subjects"), i, subject) {
        if (says(subject, "kind", "User") || says(subject, "kind", "Group"))
            kinds_fill_put(fill, subject, "apiGroup", json_string("rbac.authorization.k8s.io"));
    }
}

static json_t *policies(int pods, int percent) {
    if (pods)
        return json_pack("[{s:s,s:i,s:i},{s:s,s:i,s:i}]", "type", "Pods", "value", pods,
                         "periodSeconds", 15, "type", "Percent", "value", percent, "periodSeconds",
                         15);
    return json_pack("[{s:s,s:i,s:i}]", "type", "Percent", "value", percent, "periodSeconds", 15);
}

static void fill_autoscaler(struct kinds_fill *fill) {
    json_t *behavior = json_object_get(spec_of(fill), "behavior");
    if (!json_is_object(behavior))
        return;
    json_t *up = kinds_fill_object(fill, behavior, "scaleUp");
    kinds_fill_put(fill, up, "stabilizationWindowSeconds", json_integer(0));
    kinds_fill_put(fill, up, "selectPolicy", json_string("Max"));
    kinds_fill_put(fill, up, "policies", policies(/* pods= */ 4, /* percent= */ 100));
    json_t *down = kinds_fill_object(fill, behavior, "scaleDown");
    kinds_fill_put(fill, down, "selectPolicy", json_string("Max"));
    kinds_fill_put(fill, down, "policies", policies(/* pods= */ 0, /* percent= */ 100));
}

static void fill_crd(struct kinds_fill *fill) {
    json_t *names = json_object_get(spec_of(fill), "names");
    const char *kind = kinds_fill_text(names, "kind");
    json_t *list = json_sprintf("%sList", kind), *singular = json_string(kind);
    if (singular == NULL || list == NULL)
        fill->failed = true;
    char *lower = (char *)json_string_value(singular); /* nobody else's yet */
    for (; lower && *lower; lower++)
        if (*lower >= 'A' && *lower <= 'Z')
            *lower = (char)(*lower - 'A' + 'a');
    if (*kind) {
        kinds_fill_put(fill, names, "singular", json_incref(singular));
        kinds_fill_put(fill, names, "listKind", json_incref(list));
    }
    json_decref(singular);
    json_decref(list);
}

static const struct {
    const char *api_version, *kind;
    void (*fill)(struct kinds_fill *fill);
} rules[] = {
    {"v1", "Pod", kinds_fill_pod},
    {"v1", "Service", kinds_fill_service},
    {"v1", "PodTemplate", fill_pod_template},
    {"v1", "ReplicationController", fill_replication_controller},
    {"v1", "Namespace", fill_namespace},
    {"v1", "Node", fill_node},
    {"v1", "LimitRange", fill_limit_range},
    {"apps/v1", "Deployment", fill_deployment},
    {"apps/v1", "DaemonSet", fill_daemon_set},
    {"apps/v1", "StatefulSet", fill_stateful_set},
    {"apps/v1", "ReplicaSet", fill_template_alone},
    {"batch/v1", "Job", fill_job},
    {"batch/v1", "CronJob", fill_cron_job},
    {"networking.k8s.io/v1", "NetworkPolicy", fill_network_policy},
    {"rbac.authorization.k8s.io/v1", "RoleBinding", fill_binding},
    {"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", fill_binding},
    {"autoscaling/v2", "HorizontalPodAutoscaler", fill_autoscaler},
    {"apiextensions.k8s.io/v1", "CustomResourceDefinition", fill_crd},
};

int kinds_default(const struct api_kind *kind, json_t *object, const json_t *known,
                  struct error *err) {
    struct kinds_fill fill = {.object = object, .known = known};
    if (!kind->resource->builtin)
        return schema_default(kind->schema, object, err);
    if (schema_read(kind->schema, object, known, err) < 0)
        return ERROR_NOMEM;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (strcmp(rules[i].kind, kind->resource->kind) == 0 &&
            strcmp(rules[i].api_version, kind->api_version) == 0)
            rules[i].fill(&fill);
    return fill.failed ? error_set(err, ERROR_NOMEM, "no memory for defaults") : 0;
}
