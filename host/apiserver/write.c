#include <string.h>

#include "apiserver/convert.h"
#include "apiserver/managed.h"
#include "apiserver/metadata.h"
#include "apiserver/rules.h"
#include "base/mem.h"

enum { MAX_TRIES = 8 };

/* What the live object is to share with: the whole new one. */
static const json_t *like(const struct api_exchange *x) {
    return x->request.verb == VERB_UPDATE && write_trusts_stored(x) ? x->change.body : NULL;
}

int write_load(struct api_exchange *x, node_t *ret_node) {
    struct change *change = &x->change;
    struct dag *dag = x->server->dag;
    node_t node = storage_get(x->server->storage, &change->key, NULL);
    *ret_node = node;
    if (change->old && node == change->seen && like(x)) /* expected */
        return 0;
    json_decref(change->old);
    node_unref(dag, change->seen);
    change->seen = node == NODE_NONE ? NODE_NONE : node_ref(dag, node);
    change->old = node == NODE_NONE ? NULL : document_of_like(dag, x->server->known, node, like(x));
    if (node == NODE_NONE)
        return exchange_refuse(x, status_not_found(x->kind->resource, x->request.name));
    if (change->old == NULL)
        return exchange_nomem(x);
    return 0;
}

static void use_old(struct api_exchange *x, json_t *converted) {
    struct change *change = &x->change;
    json_t *old = json_incref(json_array_get(converted, 0));
    json_decref(change->old);
    change->old = old;
    if (json_object_set_new(old, "apiVersion", json_string(x->kind->api_version)) == 0) {
        change->then(x);
        return;
    }
    exchange_nomem(x);
    exchange_fail(x);
}

void write_convert(struct api_exchange *x, void (*then)(struct api_exchange *x)) {
    x->change.then = then;
    convert_then(x, json_pack("[O]", x->change.old), x->kind->api_version, use_old);
}

/* As read from storage: with that version's defaults, for what the other cannot say. */
static void use_kept(struct api_exchange *x, json_t *converted) {
    struct error err;
    json_decref(x->change.kept);
    x->change.kept = json_incref(json_array_get(converted, 0));
    if (kinds_default(x->kind->resource->storage, x->change.kept, /* known= */ NULL, &err) == 0) {
        x->change.then(x);
        return;
    }
    exchange_nomem(x);
    exchange_fail(x);
}

/* Goes on when change.now can be stored. */
static void keep(struct api_exchange *x, void (*then)(struct api_exchange *x)) {
    const struct api_resource *resource = x->kind->resource;
    const struct api_kind *storage = resource->storage;
    if (x->request.dry_run || x->change.same ||
        !convert_needed(resource, x->kind->api_version, storage->api_version)) {
        then(x);
        return;
    }
    x->change.then = then;
    convert_then(x, json_pack("[o]", json_deep_copy(x->change.now)), storage->api_version,
                 use_kept);
}

static int put(struct api_exchange *x, struct strbuf *ret_text) {
    struct change *change = &x->change;
    struct error err;
    int rc = server_put(x->server, &change->key, change->kept ? change->kept : change->now,
                        ret_text, &err);
    if (rc < 0)
        return exchange_error(x, &err);
    if (change->kept == NULL)
        return 0;
    if (change->stored) { /* it wants the object as it was asked for */
        const char *revision = document_meta(change->kept, "resourceVersion");
        return document_set_meta(change->now, "resourceVersion", revision) < 0 ? exchange_nomem(x)
                                                                               : 0;
    }
    json_decref(change->now);
    change->now = change->kept;
    change->kept = NULL;
    return 0;
}

/* "kubectl" of "kubectl/v1.36.0 (linux/amd64)". */
static void manager_name(const struct request *request, char name[129]) {
    const char *from = request->field_manager[0] ? request->field_manager : request->user_agent;
    size_t len = request->field_manager[0] ? strlen(from) : strcspn(from, "/");
    snprintf(name, 129, "%.*s", (int)(len < 128 ? len : 128), from);
}

static int manage(struct api_exchange *x, const json_t *old) {
    char manager[129], time[CLOCK_TEXT];
    struct error err;
    const struct api_kind *kind = x->kind;
    manager_name(&x->request, manager);
    server_time(x->server, time);
    struct managed_change how = {.manager = manager,
                                 .builtin = kind->resource->builtin,
                                 .api_version = kind->api_version,
                                 .subresource = x->request.subresource,
                                 .time = time,
                                 .known = x->server->known};
    if (x->change.managed)
        return 0;
    if (managed_update(kind->schema, old, x->change.now, kind->subresources & KIND_STATUS, &how,
                       &err) < 0)
        return exchange_error(x, &err);
    return 0;
}

/* `text` is what was stored, if it was; finishes it. */
static void answer_stored(struct api_exchange *x, bool created, struct strbuf *text) {
    const struct api_kind *kind = exchange_kind(x);
    bool shown = text->len > 0 && x->request.form == FORM_OBJECT && kind &&
                 strcmp(kind->api_version, kind->resource->storage->api_version) == 0;
    if (x->change.stored) {
        x->change.stored(x, created);
    } else if (shown) {
        exchange_answer_text(x, created ? 201 : 200, text);
        return;
    } else if (x->change.same) {
        exchange_answer_node(x, 200, x->change.seen);
    } else {
        exchange_answer_object(x, created ? 201 : 200, x->change.now);
    }
    strbuf_finish(text);
}

/* --- create ------------------------------------------------------------------------------ */

static int check_namespace(struct api_exchange *x) {
    const struct api_resource *resource = x->kind->resource;
    const char *ns = x->request.ns;
    struct dag *dag = x->server->dag;
    char why[512], phase[512];
    if (!resource->namespaced)
        return 0;
    node_t node = server_find(x->server, "", "namespaces", "", ns);
    if (node == NODE_NONE)
        return exchange_refuse(
            x, status_not_found(kinds_resource(x->server->kinds, str_of(""), str_of("namespaces")),
                                ns));
    if (node_path(dag, node, "metadata.deletionTimestamp") == NODE_NONE)
        return 0;
    snprintf(why, sizeof why,
             "unable to create new content in namespace %s because it is being terminated", ns);
    snprintf(phase, sizeof phase, "namespace %s is being terminated", ns);
    json_t *status = status_forbidden(resource, document_meta(x->change.now, "name"), why);
    json_t *details = json_object_get(status, "details");
    json_object_set_new(details, "causes",
                        json_pack("[{s:s, s:s, s:s}]", "reason", "NamespaceTerminating", "message",
                                  phase, "field", "metadata.namespace"));
    return exchange_refuse(x, status);
}

/* The key of what is created, with texts that the change owns. */
static int set_key(struct api_exchange *x) {
    struct change *change = &x->change;
    mem_free(change->name);
    change->name = mem_strdup(document_meta(change->now, "name"));
    if (change->name == NULL)
        return exchange_nomem(x);
    bool namespaced = x->kind->resource->namespaced;
    change->key = (struct storage_key){
        x->kind->resource->id, str_of(namespaced ? x->request.ns : ""), str_of(change->name)};
    return 0;
}

/* Only the server says in which version an object begins; a dry run lets it pass. */
static int check_unversioned(struct api_exchange *x) {
    const char *version = document_meta(x->change.now, "resourceVersion");
    if (x->request.dry_run || strspn(version, "0") == strlen(version))
        return 0;
    return exchange_refuse(
        x,
        status_make(500, NULL, NULL, "resourceVersion should not be set on objects to be created"));
}

static int generate_free_name(struct api_exchange *x) {
    json_t *now = x->change.now;
    bool generated = !document_meta(now, "name")[0];
    for (unsigned i = 0; i < MAX_TRIES; i++) {
        if (metadata_name(x->server, now) < 0)
            return exchange_nomem(x);
        if (set_key(x) < 0)
            return -1;
        if (storage_get(x->server->storage, &x->change.key, NULL) == NODE_NONE)
            return 0;
        if (!generated)
            break;
        json_object_del(document_metadata(now), "name");
    }
    return exchange_refuse(x, status_exists(x->kind->resource, x->change.name));
}

static void create_store(struct api_exchange *x) {
    struct strbuf text = {0};
    struct change *change = &x->change;
    int rc = 0;
    if (storage_get(x->server->storage, &change->key, NULL) != NODE_NONE)
        rc = exchange_refuse(x, status_exists(x->kind->resource, change->name));
    else if (!x->request.dry_run)
        rc = put(x, &text);
    if (rc < 0)
        exchange_fail(x);
    else
        answer_stored(x, true, &text);
}

static void create_admitted(struct api_exchange *x) {
    keep(x, create_store);
}

static int create_finish(struct api_exchange *x) {
    struct error err;
    if (exchange_kind(x) == NULL)
        return exchange_unserved(x);
    if (check_namespace(x) < 0 || check_unversioned(x) < 0 || generate_free_name(x) < 0)
        return -1;
    if (rules_prepare(x->server, x->kind, x->change.now, NULL, &err) < 0)
        return exchange_error(x, &err);
    return write_check(x);
}

static void create_mutated(struct api_exchange *x) {
    if (create_finish(x) < 0)
        exchange_fail(x);
    else
        admission_pass(x, ADMIT_VALIDATE, create_admitted);
}

void write_create(struct api_exchange *x) {
    struct change *change = &x->change;
    struct error err;
    change->operation = "CREATE";
    if (metadata_fill(x->server, change->now) < 0 ||
        rules_reset(x->kind, "", change->now, NULL) < 0 ||
        kinds_default(x->kind, change->now, /* known= */ NULL, &err) < 0 ||
        rules_read(x->kind->resource, change->now) < 0) {
        exchange_nomem(x);
        exchange_fail(x);
    } else if (manage(x, NULL) < 0 || check_namespace(x) < 0) {
        exchange_fail(x);
    } else if (rules_admit(x, change->now) < 0) {
        exchange_fail(x);
    } else {
        admission_pass(x, ADMIT_MUTATE, create_mutated);
    }
}

/* --- update ------------------------------------------------------------------------------ */

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
        return put(x, ret_text);
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
        answer_stored(x, false, &text);
    }
}

static void update_admitted(struct api_exchange *x) {
    keep(x, update_store);
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
    return manage(x, change->old);
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

static struct storage_key live_key(const struct api_exchange *x) {
    bool namespaced = x->kind->resource->namespaced;
    return (struct storage_key){x->kind->resource->id, str_of(namespaced ? x->request.ns : ""),
                                str_of(x->request.name)};
}

void write_expect(struct api_exchange *x) {
    struct change *change = &x->change;
    change->key = live_key(x);
    node_t node = storage_get(x->server->storage, &change->key, NULL);
    if (node == NODE_NONE || change->old || like(x) == NULL)
        return;
    change->old = document_of_like(x->server->dag, x->server->known, node, like(x));
    change->seen = change->old ? node_ref(x->server->dag, node) : NODE_NONE;
}

void write_update(struct api_exchange *x) {
    x->change.operation = "UPDATE";
    x->change.key = live_key(x);
    update_once(x);
}
