#include <string.h>

#include "apiserver/metadata.h"
#include "apiserver/rules.h"

static int need(int rc, struct error *err) {
    return rc == 0 ? 0 : error_set(err, ERROR_NOMEM, "no memory for a pod");
}

/* What a container asks for: 0 nothing, 1 something, 2 limits of cpu and memory, requested whole.
 */
static int container_class(const json_t *container) {
    static const char *const names[] = {"cpu", "memory"};
    const json_t *limits = document_path(container, "resources.limits");
    const json_t *requests = document_path(container, "resources.requests");
    bool any = false, whole = true;
    for (size_t i = 0; i < 2; i++) {
        const json_t *limit = json_object_get(limits, names[i]);
        const json_t *request = json_object_get(requests, names[i]);
        any |= limit || request;
        whole &= limit && (request == NULL || json_equal(limit, request));
    }
    return whole ? 2 : any ? 1 : 0;
}

static const char *qos_class(const json_t *pod) {
    static const char *const lists[] = {"spec.containers", "spec.initContainers"};
    bool all = true, none = true;
    size_t i;
    json_t *container;
    for (size_t list = 0; list < 2; list++) {
        json_array_foreach(document_path(pod, lists[list]), i, container) {
            int class = container_class(container);
            all &= class == 2;
            none &= class == 0;
        }
    }
    return none ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

static int set_status(struct apiserver *server, json_t *pod) {
    json_t *status = json_pack("{s:s, s:s}", "phase", "Pending", "qosClass", qos_class(pod));
    char time[CLOCK_TEXT];
    server_time(server, time);
    if (json_array_size(document_path(pod, "spec.schedulingGates")) > 0)
        json_object_set_new(
            status, "conditions",
            json_pack("[{s:s, s:s, s:s, s:s, s:s}]", "lastTransitionTime", time, "message",
                      "Scheduling is blocked due to non-empty scheduling gates", "reason",
                      "SchedulingGated", "status", "False", "type", "PodScheduled"));
    return json_object_set_new(pod, "status", status);
}

static bool tolerates(const json_t *tolerations, const char *key) {
    size_t i;
    json_t *toleration;
    json_array_foreach(tolerations, i, toleration) {
        const char *own = document_string(toleration, "key");
        const char *effect = document_string(toleration, "effect");
        if ((!own[0] || strcmp(own, key) == 0) && (!effect[0] || strcmp(effect, "NoExecute") == 0))
            return true;
    }
    return false;
}

static int add_tolerations(json_t *spec) {
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    json_t *tolerations = json_object_get(spec, "tolerations");
    if (!json_is_array(tolerations)) {
        tolerations = json_array();
        if (json_object_set_new(spec, "tolerations", tolerations) < 0)
            return -1;
    }
    int rc = 0;
    for (size_t i = 0; i < 2; i++) {
        if (!tolerates(tolerations, keys[i]))
            rc |= json_array_append_new(
                tolerations, json_pack("{s:s, s:s, s:s, s:i}", "key", keys[i], "operator", "Exists",
                                       "effect", "NoExecute", "tolerationSeconds", 300));
    }
    return rc;
}

/* What the admission plug-ins of every cluster put into a pod. */
static int fill(json_t *spec) {
    int rc = add_tolerations(spec);
    if (document_empty(json_object_get(spec, "serviceAccountName")))
        rc |= json_object_set_new(spec, "serviceAccountName", json_string("default"));
    rc |= json_object_set(spec, "serviceAccount", json_object_get(spec, "serviceAccountName"));
    if (json_object_get(spec, "priority") == NULL)
        rc |= json_object_set_new(spec, "priority", json_integer(0));
    if (json_object_get(spec, "preemptionPolicy") == NULL)
        rc |= json_object_set_new(spec, "preemptionPolicy", json_string("PreemptLowerPriority"));
    return rc;
}

int pod_admit(json_t *pod) {
    json_t *spec = json_object_get(pod, "spec");
    return json_is_object(spec) && fill(spec) ? ERROR_NOMEM : 0;
}

int pod_prepare(struct apiserver *server, json_t *now, const json_t *old, struct error *err) {
    if (old)
        return 0;
    return need(set_status(server, now) | pod_admit(now), err);
}

/* In place of the list, which is somebody else's, one of containers without images. */
static int drop_images(json_t *spec, const char *list) {
    json_t *containers = json_object_get(spec, list), *container;
    if (!json_is_array(containers))
        return 0;
    json_t *bare = json_array();
    int rc = 0;
    size_t i;
    json_array_foreach(containers, i, container) {
        json_t *copy = document_share(container);
        json_object_del(copy, "image");
        rc |= json_array_append_new(bare, copy);
    }
    return rc | json_object_set_new(spec, list, bare);
}

/* The part of a pod's spec that stays as it is; what it is made of is shared. NULL: NOMEM. */
static json_t *fixed_part(const json_t *pod, bool gated) {
    static const char *const free_keys[] = {"activeDeadlineSeconds", "tolerations",
                                            "terminationGracePeriodSeconds", "schedulingGates"};
    json_t *spec = document_share(json_object_get(pod, "spec"));
    for (size_t i = 0; spec && i < 4; i++)
        json_object_del(spec, free_keys[i]);
    if (spec && gated) {
        json_object_del(spec, "nodeSelector");
        json_object_del(spec, "affinity");
    }
    if (drop_images(spec, "containers") == 0 && drop_images(spec, "initContainers") == 0)
        return spec;
    json_decref(spec);
    return NULL;
}

/* Everything of `old` is still in `now`. */
static bool keeps_all(const json_t *now, const json_t *old) {
    size_t i, j;
    json_t *item, *other;
    json_array_foreach(old, i, item) {
        bool found = false;
        json_array_foreach(now, j, other) {
            found |= json_equal(item, other);
        }
        if (!found)
            return false;
    }
    return true;
}

void pod_check(struct apiserver *server, const json_t *now, const json_t *old,
               struct causes *causes) {
    (void)server;
    if (old && json_object_get(now, "spec") == json_object_get(old, "spec"))
        return;
    pod_spec_check(json_object_get(now, "spec"), NULL, "spec", causes);
    if (old == NULL)
        return;
    if (json_array_size(document_path(now, "spec.containers")) !=
        json_array_size(document_path(old, "spec.containers"))) {
        cause_forbidden(causes, "spec.containers", "pod updates may not add or remove containers");
        return;
    }
    const json_t *gates = document_path(old, "spec.schedulingGates");
    bool gated = json_array_size(gates) > 0;
    json_t *before = fixed_part(old, gated), *after = fixed_part(now, gated);
    causes->failed |= before == NULL || after == NULL;
    if (!document_same(before, after) ||
        !keeps_all(document_path(now, "spec.tolerations"), document_path(old, "spec.tolerations")))
        cause_forbidden(
            causes, "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,"
            "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
            "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to "
            "be set to 1 if it was previously negative)");
    if (!keeps_all(gates, document_path(now, "spec.schedulingGates")))
        cause_forbidden(causes, "spec.schedulingGates",
                        "only deletion is allowed, but found new scheduling gates");
    json_decref(before);
    json_decref(after);
}
