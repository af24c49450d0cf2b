#include "apiserver/deletion.h"

#include <string.h>

#include "apiserver/crds.h"
#include "apiserver/metadata.h"
#include "apiserver/rules.h"

static const char *policy_of(const struct api_resource *resource, const json_t *options,
                             const json_t *object) {
    const json_t *orphan = json_object_get(options, "orphanDependents");
    const json_t *finalizers = document_path(object, "metadata.finalizers");
    const char *policy = document_string(options, "propagationPolicy");
    if (json_is_boolean(orphan))
        return json_is_true(orphan) ? "Orphan" : "Background";
    if (policy[0])
        return policy;
    if (document_has_string(finalizers, "orphan"))
        return "Orphan";
    if (document_has_string(finalizers, "foregroundDeletion"))
        return "Foreground";
    return rules_of(resource)->flags & RULE_ORPHANS ? "Orphan" : "Background";
}

/* The garbage collector's own finalizers are as the policy says. 0 or NOMEM. */
static int set_finalizers(json_t *object, const char *policy) {
    static const char *const names[] = {"orphan", "foregroundDeletion"};
    static const char *const policies[] = {"Orphan", "Foreground"};
    json_t *metadata = document_metadata(object);
    json_t *finalizers = json_object_get(metadata, "finalizers");
    for (size_t i = 0; i < 2; i++) {
        bool wanted = strcmp(policy, policies[i]) == 0;
        if (!wanted)
            document_remove_string(finalizers, names[i]);
        if (!wanted || document_has_string(finalizers, names[i]))
            continue;
        if (!json_is_array(finalizers)) {
            finalizers = json_array();
            if (json_object_set_new(metadata, "finalizers", finalizers) < 0)
                return ERROR_NOMEM;
        }
        if (json_array_append_new(finalizers, json_string(names[i])) < 0)
            return ERROR_NOMEM;
    }
    if (json_is_array(finalizers) && json_array_size(finalizers) == 0)
        json_object_del(metadata, "finalizers");
    return 0;
}

/* How long a pod may take: nobody runs it before it is bound or after it has ended. */
static json_int_t pod_grace(const json_t *options, const json_t *pod) {
    const json_t *wanted = json_object_get(options, "gracePeriodSeconds");
    const json_t *own = document_path(pod, "spec.terminationGracePeriodSeconds");
    const char *phase = document_string(pod, "status.phase");
    json_int_t grace = wanted ? json_integer_value(wanted) : own ? json_integer_value(own) : 30;
    if (!document_string(pod, "spec.nodeName")[0] || strcmp(phase, "Failed") == 0 ||
        strcmp(phase, "Succeeded") == 0)
        return 0;
    return grace < 0 ? 1 : grace;
}

/* A pod that is being deleted already: its time can only become shorter. */
static enum deletion shorten(const struct apiserver *server, const json_t *options, json_t *pod) {
    const json_t *wanted = json_object_get(options, "gracePeriodSeconds");
    json_int_t left = json_integer_value(document_path(pod, "metadata.deletionGracePeriodSeconds"));
    json_int_t grace = json_integer_value(wanted);
    char text[CLOCK_TEXT];
    int64_t due = 0, now = clock_wall(loop_clock(server->loop));
    if (left == 0)
        return DELETION_REMOVE;
    if (wanted == NULL || grace >= left)
        return DELETION_KEEP;
    if (grace < 0)
        grace = 1;
    clock_parse(document_meta(pod, "deletionTimestamp"), &due);
    due += (grace - left) * (int64_t)NS_PER_S;
    if (due < now) {
        due = now;
        grace = grace > 0 ? 1 : 0;
    }
    clock_format(due, 0, text);
    document_set_meta(pod, "deletionTimestamp", text);
    json_object_set_new(document_metadata(pod), "deletionGracePeriodSeconds", json_integer(grace));
    return grace > 0 ? DELETION_MARK : DELETION_REMOVE;
}

/* Namespaces and definitions end when what is in them has gone, and are not told how long. */
static bool is_container(const struct api_resource *resource) {
    return kinds_is_builtin(resource, "namespaces") ||
           kinds_is_builtin(resource, "customresourcedefinitions");
}

int deletion_decide(struct api_exchange *x, enum deletion *ret) {
    struct change *change = &x->change;
    const struct api_resource *resource = x->kind->resource;
    bool graceful = rules_of(resource)->flags & RULE_GRACEFUL;
    json_t *now = document_copy(change->old);
    json_int_t grace = 0;
    json_decref(change->now);
    change->now = now;
    *ret = DELETION_REMOVE;
    if (now == NULL)
        return ERROR_NOMEM;
    if (graceful && metadata_deleting(now))
        *ret = shorten(x->server, change->options, now);
    else if (graceful && (grace = pod_grace(change->options, now)) > 0)
        *ret = DELETION_MARK;
    if (*ret == DELETION_KEEP)
        return 0;
    if (set_finalizers(now, policy_of(resource, change->options, now)) < 0)
        return ERROR_NOMEM;
    if (kinds_is_builtin(resource, "customresourcedefinitions") && !metadata_deleting(now) &&
        crds_mark_deleting(x->server, now) < 0)
        return ERROR_NOMEM;
    bool space = kinds_is_builtin(resource, "namespaces");
    if (!document_empty(document_path(now, "metadata.finalizers")) ||
        (space && !document_empty(document_path(now, "spec.finalizers"))))
        *ret = DELETION_MARK;
    if (*ret == DELETION_MARK && space &&
        json_object_set_new(json_object_get(now, "status"), "phase", json_string("Terminating")) <
            0)
        return ERROR_NOMEM;
    if ((*ret == DELETION_MARK || graceful) && !metadata_deleting(now) &&
        metadata_mark_deleting(x->server, now, grace) < 0)
        return ERROR_NOMEM;
    if (is_container(resource)) {
        json_object_del(document_metadata(now), "deletionGracePeriodSeconds");
        return document_copy_member(document_metadata(now),
                                    json_object_get(change->old, "metadata"), "generation");
    }
    return 0;
}
