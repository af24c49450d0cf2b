#include "apiserver/rules.h"

#include <stdio.h>
#include <string.h>

/* A status against the spec, and its numbers against each other. */

struct status_check {
    const json_t *status;
    struct causes *causes;
};

static json_int_t number(const struct status_check *check, const char *key) {
    return json_integer_value(json_object_get(check->status, key));
}

static void check_below(const struct status_check *check, const char *key, const char *other,
                        const char *called) {
    char at[64];
    if (number(check, key) <= number(check, other))
        return;
    snprintf(at, sizeof at, "status.%s", key);
    cause_invalid(check->causes, at, json_object_get(check->status, key),
                  "cannot be greater than %s", called);
}

/* `counts` are some of what `replicas` is all of; NULL-terminated. */
static void check_counts(const json_t *now, const char *const *counts, const char *ready,
                         struct causes *causes) {
    struct status_check check = {json_object_get(now, "status"), causes};
    for (; *counts; counts++)
        check_below(&check, *counts, "replicas", "status.replicas");
    check_below(&check, "availableReplicas", "readyReplicas", ready);
}

static void check_service(const json_t *now, struct causes *causes) {
    if (json_array_size(document_path(now, "status.loadBalancer.ingress")) > 0 &&
        strcmp(document_string(now, "spec.type"), "LoadBalancer") != 0)
        cause_forbidden(causes, "status.loadBalancer.ingress",
                        "may only be used when `spec.type` is 'LoadBalancer'");
}

void rules_check_status(const struct api_resource *resource, const json_t *now,
                        struct causes *causes) {
    static const char *const of_deployments[] = {"updatedReplicas", "readyReplicas",
                                                 "availableReplicas", NULL};
    static const char *const of_sets[] = {"fullyLabeledReplicas", "readyReplicas",
                                          "availableReplicas", NULL};
    static const char *const of_stateful[] = {"readyReplicas", "currentReplicas", "updatedReplicas",
                                              "availableReplicas", NULL};
    if (kinds_is_builtin(resource, "services"))
        check_service(now, causes);
    else if (kinds_is_builtin(resource, "deployments"))
        check_counts(now, of_deployments, "readyReplicas", causes);
    else if (kinds_is_builtin(resource, "replicasets") ||
             kinds_is_builtin(resource, "replicationcontrollers"))
        check_counts(now, of_sets, "readyReplicas", causes);
    else if (kinds_is_builtin(resource, "statefulsets"))
        check_counts(now, of_stateful, "status.readyReplicas", causes);
}
