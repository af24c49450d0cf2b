#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apiserver/document.h"
#include "apiserver/rules.h"
#include "apiserver/rules_place.h"

/* What keeps pods alive: Deployments and their like, Jobs, CronJobs. */

static bool expression_matches(const json_t *expression, const json_t *labels) {
    const char *operator= document_string(expression, "operator");
    const json_t *value = json_object_get(labels, document_string(expression, "key"));
    const char *text = json_string_value(value);
    bool listed = text && document_has_string(json_object_get(expression, "values"), text);
    if (strcmp(operator, "Exists") == 0)
        return value;
    if (strcmp(operator, "DoesNotExist") == 0)
        return !value;
    return strcmp(operator, "NotIn") == 0 ? !listed : listed;
}

static bool selector_matches(const json_t *selector, const json_t *labels) {
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach(json_object_get(selector, "matchLabels"), key, value) {
        const json_t *label = json_object_get(labels, key);
        if (label == NULL || !document_same(label, value))
            return false;
    }
    json_array_foreach(json_object_get(selector, "matchExpressions"), i, value) {
        if (!expression_matches(value, labels))
            return false;
    }
    return true;
}

/* A template must be what its selector selects. `kind`: whom an empty one is invalid for. */
static void check_selector(const json_t *now, const char *kind, struct causes *causes) {
    const json_t *selector = document_path(now, "spec.selector");
    const json_t *labels = document_path(now, "spec.template.metadata.labels");
    json_t *none = labels ? NULL : json_null();
    bool empty = document_empty(json_object_get(selector, "matchLabels")) &&
                 document_empty(json_object_get(selector, "matchExpressions"));
    if (selector == NULL)
        cause_required(causes, "spec.selector", "");
    else if (empty)
        cause_invalid(causes, "spec.selector", selector, "empty selector is invalid for %s", kind);
    if (selector == NULL || (!empty && !selector_matches(selector, labels)))
        cause_invalid(causes, "spec.template.metadata.labels", labels ? labels : none,
                      "`selector` does not match template `labels`");
}

static void check_template(const json_t *now, const char *kind, struct causes *causes) {
    const json_t *spec = document_path(now, "spec.template.spec");
    pod_spec_check(spec, document_path(now, "spec.volumeClaimTemplates"), "spec.template.spec",
                   causes);
    if (document_string(spec, "restartPolicy")[0] &&
        !json_is_null(json_object_get(spec, "restartPolicy")))
        place_one_of(spec, "spec.template.spec", "restartPolicy", "Always", causes);
    if (json_object_get(spec, "activeDeadlineSeconds"))
        cause_forbidden(causes, "spec.template.spec.activeDeadlineSeconds", kind);
}

static void check_counts(const json_t *spec, struct causes *causes) {
    place_not_negative(spec, "spec", "minReadySeconds", causes);
    place_not_negative(spec, "spec", "revisionHistoryLimit", causes);
}

/* --- rolling updates --- */

static json_int_t count_or_percent(const json_t *value) {
    return json_is_string(value) ? atoi(json_string_value(value)) : json_integer_value(value);
}

void place_count_or_percent(const json_t *object, const char *at, const char *name,
                            struct causes *causes) {
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    char field[PLACE];
    size_t digits = text ? strspn(text, "0123456789") : 0;
    place_member(field, at, name);
    if (text && (digits == 0 || strcmp(text + digits, "%") != 0))
        cause_invalid(causes, field, value,
                      "a valid percent string must be a numeric string followed by an ending '%%' "
                      "(e.g. '1%%',  or '93%%', regex used for validation is '[0-9]+%%')");
    else if (text && atoi(text) > 100)
        cause_invalid(causes, field, value, "must not be greater than 100%%");
    else if (!text)
        place_not_negative(object, at, name, causes);
}

static void check_rolling(const json_t *rolling, const char *at, struct causes *causes) {
    const json_t *unavailable = json_object_get(rolling, "maxUnavailable");
    const json_t *surge = json_object_get(rolling, "maxSurge");
    char field[PLACE];
    if (!json_is_object(rolling))
        return;
    place_count_or_percent(rolling, at, "maxUnavailable", causes);
    place_count_or_percent(rolling, at, "maxSurge", causes);
    if (count_or_percent(unavailable) == 0 && count_or_percent(surge) == 0)
        cause_invalid(causes, place_member(field, at, "maxUnavailable"), unavailable,
                      "may not be 0 when `maxSurge` is 0");
}

static void check_strategy(const json_t *spec, struct causes *causes) {
    const json_t *strategy = json_object_get(spec, "strategy");
    const json_t *rolling = json_object_get(strategy, "rollingUpdate");
    if (rolling && strcmp(document_string(strategy, "type"), "Recreate") == 0)
        cause_forbidden(causes, "spec.strategy.rollingUpdate",
                        "may not be specified when strategy `type` is 'Recreate'");
    else
        check_rolling(rolling, "spec.strategy.rollingUpdate", causes);
}

/* --- kinds --- */

#define TEMPLATE_DEADLINE(kind) "activeDeadlineSeconds in " kind " is not Supported"

void replication_check(struct apiserver *server, const json_t *now, const json_t *old,
                       struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    (void)server, (void)old;
    place_not_negative(spec, "spec", "replicas", causes);
    check_counts(spec, causes);
    check_template(now, TEMPLATE_DEADLINE("ReplicationController"), causes);
}

void replica_set_check(struct apiserver *server, const json_t *now, const json_t *old,
                       struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    (void)server;
    place_not_negative(spec, "spec", "replicas", causes);
    place_not_negative(spec, "spec", "minReadySeconds", causes);
    check_selector(now, "deployment", causes);
    check_template(now, TEMPLATE_DEADLINE("ReplicaSet"), causes);
    place_immutable(spec, json_object_get(old, "spec"), "spec", "selector", causes);
}

void deployment_check(struct apiserver *server, const json_t *now, const json_t *old,
                      struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    const json_t *deadline = json_object_get(spec, "progressDeadlineSeconds");
    (void)server;
    place_not_negative(spec, "spec", "replicas", causes);
    check_selector(now, "deployment", causes);
    check_template(now, TEMPLATE_DEADLINE("ReplicaSet"), causes);
    check_strategy(spec, causes);
    check_counts(spec, causes);
    place_not_negative(spec, "spec", "progressDeadlineSeconds", causes);
    if (deadline && json_integer_value(deadline) <=
                        json_integer_value(json_object_get(spec, "minReadySeconds")))
        cause_invalid(causes, "spec.progressDeadlineSeconds", deadline,
                      "must be greater than minReadySeconds");
    place_immutable(spec, json_object_get(old, "spec"), "spec", "selector", causes);
}

void daemon_set_check(struct apiserver *server, const json_t *now, const json_t *old,
                      struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    (void)server;
    place_immutable(spec, json_object_get(old, "spec"), "spec", "selector", causes);
    check_selector(now, "daemonset", causes);
    check_template(now, TEMPLATE_DEADLINE("DaemonSet"), causes);
    place_not_negative(spec, "spec", "minReadySeconds", causes);
    check_rolling(document_path(spec, "updateStrategy.rollingUpdate"),
                  "spec.updateStrategy.rollingUpdate", causes);
    place_not_negative(spec, "spec", "revisionHistoryLimit", causes);
}

/* An annotation counts the templates that there were. */
int daemon_set_prepare(struct apiserver *server, json_t *now, const json_t *old,
                       struct error *err) {
    static const char key[] = "deprecated.daemonset.template.generation";
    json_t *metadata = document_metadata(now), *annotations;
    const json_t *before = json_object_get(document_path(old, "metadata.annotations"), key);
    long count = before ? strtol(json_string_value(before), NULL, 10) : 0;
    char text[32];
    (void)server;
    if (!document_same(document_path(now, "spec.template"), document_path(old, "spec.template")))
        count++;
    snprintf(text, sizeof text, "%ld", count > 0 ? count : 1);
    annotations = document_copy(json_object_get(metadata, "annotations"));
    if (!json_is_object(annotations)) /* what there was may be the old object's, too */
        annotations = json_object();
    if (json_object_set_new(metadata, "annotations", annotations) < 0)
        annotations = NULL;
    return json_object_set_new(annotations, key, json_string(text)) == 0
               ? 0
               : error_set(err, ERROR_NOMEM, "no memory for a DaemonSet");
}

static bool stateful_may_change(const char *key) {
    static const char *const keys[] = {"replicas",
                                       "ordinals",
                                       "template",
                                       "updateStrategy",
                                       "revisionHistoryLimit",
                                       "persistentVolumeClaimRetentionPolicy",
                                       "minReadySeconds"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strcmp(keys[i], key) == 0)
            return true;
    }
    return false;
}

void stateful_set_check(struct apiserver *server, const json_t *now, const json_t *old,
                        struct causes *causes) {
    const char *key;
    json_t *value, *spec = json_object_get(now, "spec"), *before = json_object_get(old, "spec");
    (void)server;
    place_not_negative(spec, "spec", "replicas", causes);
    check_counts(spec, causes);
    if (document_string(spec, "serviceName")[0])
        place_label(spec, "spec", "serviceName", causes);
    check_selector(now, "statefulset", causes);
    check_template(now, TEMPLATE_DEADLINE("StatefulSet"), causes);
    json_object_foreach(spec, key, value) {
        if (old == NULL || stateful_may_change(key) ||
            document_same(value, json_object_get(before, key)))
            continue;
        cause_forbidden(causes, "spec",
                        "updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                        "'template', 'updateStrategy', 'revisionHistoryLimit', "
                        "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
                        "forbidden");
        return;
    }
}

/* --- jobs --- */

static int no_job(int rc, struct error *err) {
    return rc == 0 ? 0 : error_set(err, ERROR_NOMEM, "no memory for a Job");
}

/* Jobs find their pods by a label that nobody else can have. */
int job_prepare(struct apiserver *server, json_t *now, const json_t *old, struct error *err) {
    static const char *const keys[] = {"controller-uid", "batch.kubernetes.io/controller-uid",
                                       "job-name", "batch.kubernetes.io/job-name"};
    json_t *spec = json_object_get(now, "spec"), *template, *metadata, *labels;
    (void)server;
    if (old || json_is_true(json_object_get(spec, "manualSelector")) ||
        !json_is_object(template = json_object_get(spec, "template")))
        return 0;
    if ((metadata = document_metadata(template)) == NULL)
        return no_job(-1, err);
    labels = json_object_get(metadata, "labels");
    if (!json_is_object(labels)) {
        labels = json_object();
        if (json_object_set_new(metadata, "labels", labels) < 0)
            return no_job(-1, err);
    }
    int rc = 0;
    for (size_t i = 0; i < 4; i++)
        rc |= json_object_set_new(labels, keys[i],
                                  json_string(document_meta(now, i < 2 ? "uid" : "name")));
    if (document_empty(document_path(now, "metadata.labels")))
        rc |= json_object_set_new(document_metadata(now), "labels", document_copy(labels));
    if (json_object_get(spec, "selector") == NULL)
        rc |= json_object_set_new(
            spec, "selector",
            json_pack("{s:{s:s}}", "matchLabels", keys[1], document_meta(now, "uid")));
    return no_job(rc, err);
}

static void check_job_spec(const json_t *spec, const char *at, struct causes *causes) {
    static const char *const counts[] = {"parallelism",
                                         "completions",
                                         "activeDeadlineSeconds",
                                         "backoffLimit",
                                         "ttlSecondsAfterFinished",
                                         "backoffLimitPerIndex",
                                         "maxFailedIndexes"};
    const json_t *pod = document_path(spec, "template.spec");
    bool indexed = strcmp(document_string(spec, "completionMode"), "Indexed") == 0;
    const char *policy = document_string(pod, "restartPolicy");
    char field[PLACE], place[PLACE];
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        place_not_negative(spec, at, counts[i], causes);
    if (indexed && json_object_get(spec, "completions") == NULL)
        cause_required(causes, place_member(field, at, "completions"),
                       "when completion mode is Indexed");
    place_member(place, at, "template.spec");
    pod_spec_check(pod, NULL, place, causes);
    if (!policy[0] || strcmp(policy, "Always") == 0)
        cause_required(causes, place_member(field, place, "restartPolicy"),
                       "valid values: \"OnFailure\", \"Never\"");
}

void job_check(struct apiserver *server, const json_t *now, const json_t *old,
               struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec"), *before = json_object_get(old, "spec");
    (void)server;
    check_job_spec(spec, "spec", causes);
    if (!selector_matches(json_object_get(spec, "selector"),
                          document_path(spec, "template.metadata.labels")))
        cause_invalid(causes, "spec.template.metadata.labels",
                      document_path(spec, "template.metadata.labels"),
                      "`selector` does not match template `labels`");
    if (strcmp(document_string(spec, "completionMode"), "Indexed") != 0)
        place_immutable(spec, before, "spec", "completions", causes);
    place_immutable(spec, before, "spec", "selector", causes);
    if (!json_is_true(json_object_get(before, "suspend")))
        place_immutable(spec, before, "spec", "template", causes);
    place_immutable(spec, before, "spec", "completionMode", causes);
}

void cron_job_check(struct apiserver *server, const json_t *now, const json_t *old,
                    struct causes *causes) {
    const json_t *spec = json_object_get(now, "spec");
    (void)server, (void)old;
    if (place_needed(spec, "spec", "schedule", "", causes))
        cron_schedule_check(json_object_get(spec, "schedule"), "spec.schedule", causes);
    place_not_negative(spec, "spec", "startingDeadlineSeconds", causes);
    place_one_of(spec, "spec", "concurrencyPolicy", "Allow Forbid Replace", causes);
    check_job_spec(document_path(spec, "jobTemplate.spec"), "spec.jobTemplate.spec", causes);
    if (document_path(spec, "jobTemplate.spec.selector"))
        cause_invalid(causes, "spec.jobTemplate.spec.selector",
                      document_path(spec, "jobTemplate.spec.selector"),
                      "`selector` will be auto-generated");
    place_not_negative(spec, "spec", "successfulJobsHistoryLimit", causes);
    place_not_negative(spec, "spec", "failedJobsHistoryLimit", causes);
}
