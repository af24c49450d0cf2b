#include "apiserver/write_internal.h"

#include <string.h>

#include "apiserver/convert.h"
#include "apiserver/managed.h"
#include "base/mem.h"

/* What the live object is to share with: the whole new one. */
static const json_t *like(const struct api_exchange *x) {
    return x->request.verb == VERB_UPDATE && write_trusts_stored(x) ? x->change.body : NULL;
}

struct storage_key write_live_key(const struct api_exchange *x) {
    bool namespaced = x->kind->resource->namespaced;
    return (struct storage_key){x->kind->resource->id, str_of(namespaced ? x->request.ns : ""),
                                str_of(x->request.name)};
}

void write_expect(struct api_exchange *x) {
    struct change *change = &x->change;
    change->key = write_live_key(x);
    node_t node = storage_get(x->server->storage, &change->key, NULL);
    if (node == NODE_NONE || change->old || like(x) == NULL)
        return;
    change->old = document_of_like(x->server->dag, x->server->known, node, like(x));
    change->seen = change->old ? node_ref(x->server->dag, node) : NODE_NONE;
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

void write_keep(struct api_exchange *x, void (*then)(struct api_exchange *x)) {
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

int write_put(struct api_exchange *x, struct strbuf *ret_text) {
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

int write_manage(struct api_exchange *x, const json_t *old) {
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

void write_answer(struct api_exchange *x, bool created, struct strbuf *text) {
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
