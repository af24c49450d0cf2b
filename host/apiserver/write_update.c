#include <string.h>

#include "apiserver/managed.h"
#include "apiserver/metadata.h"
#include "apiserver/rules.h"
#include "apiserver/write_internal.h"

enum { MAX_TRIES = 8 }; /* while others write the same object */

static int check_uid(struct api_exchange *x) {
    bool patch = x->request.verb == VERB_PATCH &&
                 !request_is_type(x->request.content_type, "application/apply-patch+yaml");
    if (patch) /* check() refuses a patch */
        return 0;
    return write_check_uid(x, x->change.now, x->change.old);
}

int write_check_uid(struct api_exchange *x, const json_t *given, const json_t *live) {
    const char *wanted = document_meta(given, "uid"), *uid = document_meta(live, "uid");
    if (!wanted[0] || strcmp(wanted, uid) == 0)
        return 0;
    return write_refuse_uid(x, wanted, uid);
}

/* The client's resourceVersion is the live one, or there is none and none is needed. */
static int check_version(struct api_exchange *x) {
    struct change *change = &x->change;
    const char *wanted = document_meta(change->now, "resourceVersion");
    const char *live = document_meta(change->old, "resourceVersion");
    change->pinned = wanted[0] && change->now != change->old;
    if (wanted[0] && strcmp(wanted, live) != 0)
        return exchange_refuse(x, status_conflict(x->kind->resource, x->request.name, NULL));
    if (!wanted[0] && (rules_of(x->kind->resource)->flags & RULE_NEEDS_VERSION) &&
        x->request.verb == VERB_UPDATE) {
        struct causes causes = {json_array(), false};
        json_t *none = json_integer(0);
        cause_invalid(&causes, "metadata.resourceVersion", none, "must be specified for an update");
        json_decref(none);
        return exchange_causes(x, x->kind->resource->group, x->kind->resource->plural,
                               x->request.name, &causes);
    }
    return document_set_meta(change->now, "resourceVersion", live) < 0 ? exchange_nomem(x) : 0;
}

/* Nothing keeps an object that is being deleted any longer. */
static bool is_finished(const struct api_resource *resource, const json_t *now, const json_t *old) {
    bool holds = resource->builtin && strcmp(resource->plural, "namespaces") == 0 &&
                 !document_empty(document_path(now, "spec.finalizers"));
    return metadata_deleting(old) && !holds &&
           document_empty(document_path(now, "metadata.finalizers")) &&
           document_empty(document_path(old, "metadata.deletionGracePeriodSeconds"));
}

static void update_once(struct api_exchange *x);

static int update_put(struct api_exchange *x, struct strbuf *ret_text) {
    struct change *change = &x->change;
    struct error err;
    if (x->request.dry_run || change->same)
        return 0;
    if (!is_finished(x->kind->resource, change->now, change->old))
        return write_put(x, ret_text);
    int rc =
        server_delete(x->server, &change->key, change->kept ? change->kept : change->now, &err);
    if (rc < 0)
        return exchange_error(x, &err);
    const char *seen = document_meta(change->old, "resourceVersion");
    return document_set_meta(change->now, "resourceVersion", seen) < 0 ? exchange_nomem(x) : 0;
}

static void update_store(struct api_exchange *x) {
    struct change *change = &x->change;
    struct strbuf text = {0};
    if (storage_get(x->server->storage, &change->key, NULL) != change->seen) {
        if (!change->pinned && change->tries++ < MAX_TRIES) {
            update_once(x);
            return;
        }
        exchange_refuse(x, status_conflict(x->kind->resource, x->request.name, NULL));
        exchange_fail(x);
    } else if (update_put(x, &text) < 0) {
        exchange_fail(x);
    } else {
        write_answer(x, false, &text);
    }
}

static void update_admitted(struct api_exchange *x) {
    write_keep(x, update_store);
}

/* What is stored needs no second look. */
static int update_finish(struct api_exchange *x) {
    struct change *change = &x->change;
    struct error err;
    if (exchange_kind(x) == NULL)
        return exchange_unserved(x);
    if (write_is_whole(x) && rules_prepare(x->server, x->kind, change->now, change->old, &err) < 0)
        return exchange_error(x, &err);
    if (!write_is_whole(x) &&
        rules_prepare_status(x->server, x->kind, change->now, change->old, &err) < 0)
        return exchange_error(x, &err);
    change->same = !is_finished(x->kind->resource, change->now, change->old) &&
                   managed_settle(change->old, change->now) &&
                   !storage_is_reread(x->server->storage, &change->key);
    return change->same ? 0 : write_check(x);
}

static void update_mutated(struct api_exchange *x) {
    if (update_finish(x) < 0)
        exchange_fail(x);
    else
        admission_pass(x, ADMIT_VALIDATE, update_admitted);
}

/* change.now of the live object. */
static int update_compute(struct api_exchange *x) {
    struct change *change = &x->change;
    json_decref(change->now);
    change->now = NULL;
    change->managed = false;
    if (change->compute(x, change->old, &change->now) < 0)
        return -1;
    if (change->now == NULL)
        return exchange_nomem(x);
    if (check_uid(x) < 0 || check_version(x) < 0)
        return -1;
    if (metadata_keep(change->now, change->old) < 0 ||
        rules_reset(x->kind, x->request.subresource, change->now, change->old) < 0)
        return exchange_nomem(x);
    return write_manage(x, change->old);
}

static void create_instead(struct api_exchange *x) {
    struct change *change = &x->change;
    json_decref(x->failure);
    x->failure = NULL;
    if (change->compute(x, NULL, &change->now) < 0 || change->now == NULL)
        exchange_fail(x);
    else
        write_create(x);
}

static bool names_uid(const struct api_exchange *x) {
    return x->request.verb == VERB_UPDATE && document_meta(x->change.body, "uid")[0] &&
           (rules_of(x->kind->resource)->flags & RULE_CREATE_ON_UPDATE) &&
           !x->request.subresource[0];
}

static void update_loaded(struct api_exchange *x) {
    if (update_compute(x) < 0)
        exchange_fail(x);
    else
        admission_pass(x, ADMIT_MUTATE, update_mutated);
}

static void update_once(struct api_exchange *x) {
    node_t node;
    int rc = write_load(x, &node);
    if (rc < 0 && node == NODE_NONE && x->change.create_too)
        create_instead(x);
    else if (rc < 0 && node == NODE_NONE && names_uid(x))
        write_refuse_uid(x, document_meta(x->change.body, "uid"), ""), exchange_fail(x);
    else if (rc < 0)
        exchange_fail(x);
    else
        write_convert(x, update_loaded);
}

void write_update(struct api_exchange *x) {
    x->change.operation = "UPDATE";
    x->change.key = write_live_key(x);
    update_once(x);
}
