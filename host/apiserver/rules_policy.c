#include <stdlib.h>
#include <string.h>

#include "apiserver/document.h"
#include "apiserver/rules.h"
#include "apiserver/rules_place.h"

/* Kinds that say what others may do: roles, budgets, autoscalers, leases, quotas, classes. */

/* --- roles --- */

void role_check(struct apiserver *server, const json_t *now, const json_t *old,
                struct causes *causes) {
    const json_t *rules = json_object_get(now, "rules"), *rule;
    bool namespaced = document_meta(now, "namespace")[0];
    char place[PLACE], field[PLACE];
    (void)server, (void)old;
    for (size_t i = 0; (rule = json_array_get(rules, i)); i++) {
        const json_t *urls = json_object_get(rule, "nonResourceURLs");
        place_index(place, "rules", i);
        place_needed(rule, place, "verbs", "verbs must contain at least one value", causes);
        if (json_array_size(urls) == 0) {
            place_needed(rule, place, "apiGroups",
                         "resource rules must supply at least one api group", causes);
            place_needed(rule, place, "resources",
                         "resource rules must supply at least one resource", causes);
            continue;
        }
        place_member(field, place, "nonResourceURLs");
        if (namespaced)
            cause_invalid(causes, field, urls,
                          "namespaced rules cannot apply to non-resource URLs");
        if (!document_empty(json_object_get(rule, "apiGroups")) ||
            !document_empty(json_object_get(rule, "resources")))
            cause_invalid(causes, field, urls,
                          "rules cannot apply to both regular resources and non-resource URLs");
    }
}

static void check_subject(const json_t *subject, const char *at, bool namespaced,
                          struct causes *causes) {
    const char *kind = document_string(subject, "kind");
    char field[PLACE];
    place_needed(subject, at, "name", "", causes);
    if (!kind[0])
        cause_invalid_text(causes, place_member(field, at, "kind"), "", "must be set");
    place_one_of(subject, at, "kind", "ServiceAccount User Group", causes);
    if (strcmp(kind, "ServiceAccount") == 0 && !namespaced)
        place_needed(subject, at, "namespace", "", causes);
    if (strcmp(kind, "User") == 0 || strcmp(kind, "Group") == 0)
        place_one_of(subject, at, "apiGroup", "rbac.authorization.k8s.io", causes);
}

/* The server prints the reference with the names of its own struct. */
static void check_role_ref(const json_t *ref, struct causes *causes) {
    json_t *shown =
        json_pack("{s:s, s:s, s:s}", "APIGroup", document_string(ref, "apiGroup"), "Kind",
                  document_string(ref, "kind"), "Name", document_string(ref, "name"));
    causes->failed |= shown == NULL;
    cause_invalid(causes, "roleRef", shown, "cannot change roleRef");
    json_decref(shown);
}

void role_binding_check(struct apiserver *server, const json_t *now, const json_t *old,
                        struct causes *causes) {
    const json_t *subjects = json_object_get(now, "subjects"), *subject;
    const json_t *ref = json_object_get(now, "roleRef");
    bool namespaced = document_meta(now, "namespace")[0];
    char place[PLACE];
    (void)server;
    place_one_of(ref, "roleRef", "apiGroup", "rbac.authorization.k8s.io", causes);
    place_one_of(ref, "roleRef", "kind", namespaced ? "Role ClusterRole" : "ClusterRole", causes);
    place_needed(ref, "roleRef", "name", "", causes);
    for (size_t i = 0; (subject = json_array_get(subjects, i)); i++)
        check_subject(subject, place_index(place, "subjects", i), namespaced, causes);
    if (old && !document_same(ref, json_object_get(old, "roleRef")))
        check_role_ref(ref, causes);
}

/* --- budgets, autoscalers --- */

void budget_check(struct apiserver *server, const json_t *now, const json_t *old,
                  struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    (void)server, (void)old;
    if (json_object_get(spec, "minAvailable") && json_object_get(spec, "maxUnavailable"))
        cause_invalid(causes, "spec", spec, "minAvailable and maxUnavailable cannot be both set");
    if (json_object_get(spec, "minAvailable"))
        place_count_or_percent(spec, "spec", "minAvailable", causes);
    if (json_object_get(spec, "maxUnavailable"))
        place_count_or_percent(spec, "spec", "maxUnavailable", causes);
}

void autoscaler_check(struct apiserver *server, const json_t *now, const json_t *old,
                      struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    const json_t *least = json_object_get(spec, "minReplicas");
    json_t *most = json_integer(json_integer_value(json_object_get(spec, "maxReplicas")));
    (void)server, (void)old;
    if (least && json_integer_value(least) < 1)
        cause_invalid(causes, "spec.minReplicas", least, "must be greater than or equal to 1");
    if (json_integer_value(most) == 0)
        cause_required(causes, "spec.maxReplicas", "must be set and greater than 0");
    else if (json_integer_value(most) < 0)
        cause_invalid(causes, "spec.maxReplicas", most, "must be greater than or equal to 1");
    if (least && json_integer_value(most) < json_integer_value(least))
        cause_invalid(causes, "spec.maxReplicas", most,
                      "must be greater than or equal to `minReplicas`");
    json_decref(most);
}

/* --- leases, quotas, classes --- */

void lease_check(struct apiserver *server, const json_t *now, const json_t *old,
                 struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    const json_t *duration = json_object_get(spec, "leaseDurationSeconds");
    (void)server, (void)old;
    if (duration && json_integer_value(duration) <= 0)
        cause_invalid(causes, "spec.leaseDurationSeconds", duration, "must be greater than 0");
    place_not_negative(spec, "spec", "leaseTransitions", causes);
}

void quota_check(struct apiserver *server, const json_t *now, const json_t *old,
                 struct causes *causes) {
    const char *name;
    json_t *value;
    char field[PLACE];
    (void)server, (void)old;
    json_object_foreach(document_path(now, "spec.hard"), name, value) {
        snprintf(field, sizeof field, "spec.hard[%.300s]", name);
        if (json_string_length(value) > 0 && json_string_value(value)[0] == '-')
            cause_invalid(causes, field, value, "must be greater than or equal to 0");
    }
}

void priority_class_check(struct apiserver *server, const json_t *now, const json_t *old,
                          struct causes *causes) {
    (void)server;
    if (old && json_integer_value(json_object_get(now, "value")) !=
                   json_integer_value(json_object_get(old, "value")))
        cause_forbidden(causes, "value", "may not be changed in an update.");
    if (old && !document_same(json_object_get(now, "preemptionPolicy"),
                              json_object_get(old, "preemptionPolicy")))
        cause_invalid(causes, "preemptionPolicy", json_object_get(now, "preemptionPolicy"),
                      "field is immutable");
}

void runtime_class_check(struct apiserver *server, const json_t *now, const json_t *old,
                         struct causes *causes) {
    (void)server;
    place_label(now, "", "handler", causes);
    place_immutable(now, old, "", "handler", causes);
}
