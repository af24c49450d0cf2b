#include <string.h>

#include "apiserver/convert.h"
#include "apiserver/deletion.h"
#include "apiserver/rules.h"

static void delete_run(struct api_exchange *x);

static int check_preconditions(struct api_exchange *x) {
    const json_t *wanted = json_object_get(x->change.options, "preconditions");
    const char *uid = document_string(wanted, "uid"), *now = document_meta(x->change.old, "uid");
    const char *version = document_string(wanted, "resourceVersion");
    const char *live = document_meta(x->change.old, "resourceVersion");
    char why[512];
    if (uid[0] && strcmp(uid, now) != 0)
        snprintf(why, sizeof why,
                 "the UID in the precondition (%.100s) does not match the UID in record (%s). The "
                 "object might have been deleted and then recreated",
                 uid, now);
    else if (version[0] && strcmp(version, live) != 0)
        snprintf(why, sizeof why,
                 "the ResourceVersion in the precondition (%.100s) does not match the "
                 "ResourceVersion in record (%s). The object might have been modified",
                 version, live);
    else
        return 0;
    return exchange_refuse(x, status_conflict_kind(x->kind->resource, x->request.name, why));
}

static int check_immortal(struct api_exchange *x) {
    static const char *const names[] = {"default", "kube-system", "kube-public"};
    for (size_t i = 0; kinds_is_builtin(x->kind->resource, "namespaces") && i < 3; i++) {
        if (strcmp(x->request.name, names[i]) == 0)
            return exchange_refuse(x, status_forbidden(x->kind->resource, names[i],
                                                       "this namespace may not be deleted"));
    }
    return 0;
}

static void answer(struct api_exchange *x, enum deletion outcome) {
    const struct api_resource *resource = x->kind->resource;
    const json_t *orphan = json_object_get(x->change.options, "orphanDependents");
    if (outcome == DELETION_REMOVE && !(rules_of(resource)->flags & RULE_RETURNS_DELETED)) {
        json_t *status =
            status_success(resource, x->request.name, document_meta(x->change.now, "uid"));
        exchange_answer_json(x, 200, status);
        json_decref(status);
        return;
    }
    exchange_answer_object(x, outcome == DELETION_MARK && json_is_false(orphan) ? 202 : 200,
                           x->change.now);
}

/* A deletion changes nothing that a webhook would convert: the stored object with the metadata that
 * it has now. NULL: NOMEM. */
static json_t *kept_object(struct api_exchange *x) {
    const struct change *change = &x->change;
    json_t *kept = document_of(x->server->dag, change->seen);
    json_t *metadata = document_share(document_metadata(change->now));
    const json_t *before = json_object_get(kept, "metadata");
    int rc = metadata == NULL || document_copy_member(metadata, before, "labels") < 0 ||
             document_copy_member(metadata, before, "annotations") < 0;
    if (json_object_set_new(kept, "metadata", metadata) < 0 || rc) {
        json_decref(kept);
        return NULL;
    }
    return kept;
}

static int put(struct api_exchange *x, enum deletion outcome) {
    struct change *change = &x->change;
    struct error err;
    bool converted = convert_needed_node(x, change->seen);
    json_t *kept = converted ? kept_object(x) : json_incref(change->now);
    if (kept == NULL)
        return exchange_nomem(x);
    int rc = outcome == DELETION_MARK ? server_put(x->server, &change->key, kept, NULL, &err)
                                      : server_delete(x->server, &change->key, kept, &err);
    if (rc == 0 && converted)
        document_set_meta(change->now, "resourceVersion", document_meta(kept, "resourceVersion"));
    json_decref(kept);
    return rc < 0 ? exchange_error(x, &err) : 0;
}

static int delete_store(struct api_exchange *x, enum deletion *ret) {
    struct change *change = &x->change;
    if (deletion_decide(x, ret) < 0)
        return exchange_nomem(x);
    if (x->request.dry_run || *ret == DELETION_KEEP ||
        (*ret == DELETION_MARK && json_equal(change->now, change->old)))
        return 0;
    return put(x, *ret);
}

static void delete_admitted(struct api_exchange *x) {
    enum deletion outcome = DELETION_KEEP;
    if (storage_get(x->server->storage, &x->change.key, NULL) != x->change.seen) {
        delete_run(x);
        return;
    }
    int rc = exchange_kind(x) ? delete_store(x, &outcome) : exchange_unserved(x);
    if (rc < 0)
        exchange_fail(x);
    else
        answer(x, outcome);
}

static void delete_mutated(struct api_exchange *x) {
    admission_pass(x, ADMIT_VALIDATE, delete_admitted);
}

static void delete_loaded(struct api_exchange *x) {
    admission_pass(x, ADMIT_MUTATE, delete_mutated);
}

static void delete_run(struct api_exchange *x) {
    node_t node;
    if (check_immortal(x) < 0 || write_load(x, &node) < 0 || check_preconditions(x) < 0)
        exchange_fail(x);
    else
        write_convert(x, delete_loaded);
}

void rest_delete(struct api_exchange *x) {
    bool namespaced = x->kind->resource->namespaced;
    x->change.operation = "DELETE";
    x->change.key = (struct storage_key){
        x->kind->resource->id, str_of(namespaced ? x->request.ns : ""), str_of(x->request.name)};
    if (body_delete_options(x, &x->change.options) < 0) {
        exchange_fail(x);
        return;
    }
    if (kinds_is_builtin(x->kind->resource, "jobs") &&
        !json_object_get(x->change.options, "propagationPolicy") &&
        !json_object_get(x->change.options, "orphanDependents"))
        exchange_warn(x, "child pods are preserved by default when jobs are deleted; set "
                         "propagationPolicy=Background to remove them or set "
                         "propagationPolicy=Orphan to suppress this warning");
    delete_run(x);
}
