#include <string.h>

#include "apiserver/convert.h"
#include "apiserver/crds.h"
#include "apiserver/errand.h"
#include "apiserver/fields.h"
#include "apiserver/metadata.h"
#include "apiserver/rules.h"
#include "base/mem.h"

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

static bool is_namespace(const struct api_resource *resource) {
    return resource->builtin && !resource->group[0] && strcmp(resource->plural, "namespaces") == 0;
}

static bool is_definition(const struct api_resource *resource) {
    return resource->builtin && strcmp(resource->plural, "customresourcedefinitions") == 0;
}

static int check_immortal(struct api_exchange *x) {
    static const char *const names[] = {"default", "kube-system", "kube-public"};
    for (size_t i = 0; is_namespace(x->kind->resource) && i < 3; i++) {
        if (strcmp(x->request.name, names[i]) == 0)
            return exchange_refuse(x, status_forbidden(x->kind->resource, names[i],
                                                       "this namespace may not be deleted"));
    }
    return 0;
}

/* --- what a deletion does to the object ---------------------------------------------------- */

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

enum outcome { KEEP, MARK, REMOVE }; /* as it is; being deleted from now on; at once */

/* A pod that is being deleted already: its time can only become shorter. */
static enum outcome shorten(const struct apiserver *server, const json_t *options, json_t *pod) {
    const json_t *wanted = json_object_get(options, "gracePeriodSeconds");
    json_int_t left = json_integer_value(document_path(pod, "metadata.deletionGracePeriodSeconds"));
    json_int_t grace = json_integer_value(wanted);
    char text[CLOCK_TEXT];
    int64_t due = 0, now = clock_wall(loop_clock(server->loop));
    if (left == 0)
        return REMOVE;
    if (wanted == NULL || grace >= left)
        return KEEP;
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
    return grace > 0 ? MARK : REMOVE;
}

/* change.now becomes the object as the deletion leaves it, or as its last state. 0 or NOMEM. */
static int decide(struct api_exchange *x, enum outcome *ret) {
    struct change *change = &x->change;
    const struct api_resource *resource = x->kind->resource;
    bool graceful = rules_of(resource)->flags & RULE_GRACEFUL;
    json_t *now = document_copy(change->old);
    json_int_t grace = 0;
    json_decref(change->now);
    change->now = now;
    *ret = REMOVE;
    if (now == NULL)
        return ERROR_NOMEM;
    if (graceful && metadata_deleting(now))
        *ret = shorten(x->server, change->options, now);
    else if (graceful && (grace = pod_grace(change->options, now)) > 0)
        *ret = MARK;
    if (*ret == KEEP)
        return 0;
    if (set_finalizers(now, policy_of(resource, change->options, now)) < 0)
        return ERROR_NOMEM;
    if (is_definition(resource) && !metadata_deleting(now) &&
        crds_mark_deleting(x->server, now) < 0)
        return ERROR_NOMEM;
    if (!document_empty(document_path(now, "metadata.finalizers")) ||
        (is_namespace(resource) && !document_empty(document_path(now, "spec.finalizers"))))
        *ret = MARK;
    if (*ret == MARK && is_namespace(resource) &&
        json_object_set_new(json_object_get(now, "status"), "phase", json_string("Terminating")) <
            0)
        return ERROR_NOMEM;
    if ((*ret == MARK || graceful) && !metadata_deleting(now) &&
        metadata_mark_deleting(x->server, now, grace) < 0)
        return ERROR_NOMEM;
    if (is_namespace(resource) || is_definition(resource)) {
        json_object_del(document_metadata(now), "deletionGracePeriodSeconds");
        return document_copy_member(document_metadata(now),
                                    json_object_get(change->old, "metadata"), "generation");
    }
    return 0;
}

/* --- one ----------------------------------------------------------------------------------- */

static void answer(struct api_exchange *x, enum outcome outcome) {
    const struct api_resource *resource = x->kind->resource;
    const json_t *orphan = json_object_get(x->change.options, "orphanDependents");
    if (outcome == REMOVE && !(rules_of(resource)->flags & RULE_RETURNS_DELETED)) {
        json_t *status =
            status_success(resource, x->request.name, document_meta(x->change.now, "uid"));
        exchange_answer_json(x, 200, status);
        json_decref(status);
        return;
    }
    exchange_answer_object(x, outcome == MARK && json_is_false(orphan) ? 202 : 200, x->change.now);
}

/* A deletion changes nothing that a webhook would convert: the stored object with the metadata that
 * it has now. NULL: NOMEM. */
static json_t *kept_object(struct api_exchange *x) {
    const struct change *change = &x->change;
    json_t *kept = document_of(x->server->dag, change->seen);
    json_t *metadata = json_copy(document_metadata(change->now));
    const json_t *before = json_object_get(kept, "metadata");
    int rc = metadata == NULL || document_copy_member(metadata, before, "labels") < 0 ||
             document_copy_member(metadata, before, "annotations") < 0;
    if (json_object_set_new(kept, "metadata", metadata) < 0 || rc) {
        json_decref(kept);
        return NULL;
    }
    return kept;
}

static int put(struct api_exchange *x, enum outcome outcome) {
    struct change *change = &x->change;
    struct error err;
    bool converted = convert_needed_node(x, change->seen);
    json_t *kept = converted ? kept_object(x) : json_incref(change->now);
    if (kept == NULL)
        return exchange_nomem(x);
    int rc = outcome == MARK ? server_put(x->server, &change->key, kept, NULL, &err)
                             : server_delete(x->server, &change->key, kept, &err);
    if (rc == 0 && converted)
        document_set_meta(change->now, "resourceVersion", document_meta(kept, "resourceVersion"));
    json_decref(kept);
    return rc < 0 ? exchange_error(x, &err) : 0;
}

static int delete_store(struct api_exchange *x, enum outcome *ret) {
    struct change *change = &x->change;
    if (decide(x, ret) < 0)
        return exchange_nomem(x);
    if (x->request.dry_run || *ret == KEEP ||
        (*ret == MARK && json_equal(change->now, change->old)))
        return 0;
    return put(x, *ret);
}

static void delete_admitted(struct api_exchange *x) {
    enum outcome outcome = KEEP;
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
    if (x->kind->resource->builtin && strcmp(x->kind->resource->plural, "jobs") == 0 &&
        !json_object_get(x->change.options, "propagationPolicy") &&
        !json_object_get(x->change.options, "orphanDependents"))
        exchange_warn(x, "child pods are preserved by default when jobs are deleted; set "
                         "propagationPolicy=Background to remove them or set "
                         "propagationPolicy=Orphan to suppress this warning");
    delete_run(x);
}

/* --- many ---------------------------------------------------------------------------------- */

struct purge {
    struct api_exchange *x;
    struct errand errand;
    struct strbuf list;  /* what is answered */
    json_t *paths;       /* of the objects, from the last to the first */
    bool running, again; /* purge_next() is on the stack, and is to go on */
};

static void purge_cancel(struct api_exchange *x) {
    struct purge *purge = x->pending;
    x->pending = NULL;
    x->cancel = NULL;
    errand_finish(&purge->errand);
    strbuf_finish(&purge->list);
    json_decref(purge->paths);
    mem_free(purge);
}

static bool collect_path(void *context, const struct storage_item *item) {
    struct purge *purge = ((void **)context)[0];
    const struct choice *choice = ((void **)context)[1];
    struct api_exchange *x = purge->x;
    struct strbuf path = {0};
    if (!choice_has(choice, x->server->dag, &item->key, item->node))
        return true;
    errand_path(&path, x->kind->resource, item->key.ns, item->key.name, "");
    bool added =
        !path.failed && json_array_insert_new(purge->paths, 0, json_string(path.data)) == 0;
    strbuf_finish(&path);
    return added;
}

static int find_paths(struct purge *purge) {
    struct api_exchange *x = purge->x;
    struct choice choice;
    struct error err;
    void *context[] = {purge, &choice};
    int rc = choice_parse(x, &choice);
    if (rc == 0 && storage_list(x->server->storage, x->kind->resource->id, choice.ns, NULL, 0,
                                collect_path, context, &err) < 0)
        rc = exchange_error(x, &err);
    choice_finish(&choice);
    return rc;
}

static void purge_end(struct purge *purge) {
    struct api_exchange *x = purge->x;
    struct strbuf list = purge->list;
    purge->list = (struct strbuf){0};
    purge_cancel(x);
    exchange_answer_text(x, 200, &list);
}

/* A delete was refused: so is the rest. */
static void purge_fail(struct purge *purge) {
    struct api_exchange *x = purge->x;
    struct error err;
    exchange_refuse(x, document_parse(strbuf_view(&purge->errand.body), &err));
    purge_cancel(x);
    exchange_fail(x);
}

static int delete_next(struct purge *purge) {
    struct api_exchange *x = purge->x;
    size_t count = json_array_size(purge->paths);
    json_t *path = json_incref(json_array_get(purge->paths, count - 1));
    json_array_remove(purge->paths, count - 1);
    const struct errand_order order = {.user = x->request.user,
                                       .groups = x->request.groups,
                                       .method = "DELETE",
                                       .path = json_string_value(path),
                                       .query = x->request.dry_run ? "dryRun=All" : "",
                                       .body = x->change.options};
    int rc = errand_start(x->server, &purge->errand, &order);
    json_decref(path);
    return rc;
}

static void purge_next(struct purge *purge) {
    struct api_exchange *x = purge->x;
    exchange_enter(x);
    purge->running = true;
    do {
        int status = purge->errand.status;
        purge->again = false;
        if (status >= 400 && status != 404) {
            purge_fail(purge);
            break;
        }
        if (json_array_size(purge->paths) == 0) {
            purge_end(purge);
            break;
        }
        if (delete_next(purge) < 0) {
            exchange_nomem(x);
            purge_cancel(x);
            exchange_fail(x);
            break;
        }
        if (!purge->again)
            purge->running = false; /* its answer comes later */
    } while (purge->again);
    exchange_leave(x);
}

static void purge_deleted(struct errand *errand) {
    struct purge *purge = CONTAINER_OF(errand, struct purge, errand);
    if (purge->running)
        purge->again = true;
    else
        purge_next(purge);
}

void rest_delete_collection(struct api_exchange *x) {
    struct purge *purge = mem_zalloc(sizeof *purge);
    int rc;
    if (purge) {
        purge->x = x;
        purge->errand.done = purge_deleted;
        purge->paths = json_array();
        x->pending = purge;
        x->cancel = purge_cancel;
    }
    rc = purge && purge->paths ? body_delete_options(x, &x->change.options) : exchange_nomem(x);
    if (rc == 0)
        rc = rest_list_text(x, &purge->list);
    if (rc == 0)
        rc = find_paths(purge);
    if (rc < 0)
        exchange_fail(x);
    else
        purge_next(purge);
}
