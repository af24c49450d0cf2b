#include <string.h>

#include "apiserver/managed.h"
#include "apiserver/metadata.h"
#include "apiserver/patch.h"
#include "apiserver/rules.h"
#include "apiserver/sub.h"

static bool is(const struct api_exchange *x, const char *type) {
    return request_is_type(x->request.content_type, type);
}

static json_t *patched(struct api_exchange *x, const json_t *live, struct error *err) {
    const json_t *patch = x->change.body;
    if (is(x, "application/json-patch+json"))
        return patch_json(live, patch, err);
    if (is(x, "application/merge-patch+json"))
        return patch_merge(live, patch, err);
    return patch_strategic(live, patch, x->kind->schema, err);
}

/* Head and metadata are its own, and all of a custom object, whose shared parts may have to be
 * pruned. */
static json_t *own(const struct api_exchange *x, json_t *now) {
    json_t *metadata = json_object_get(now, "metadata"), *copy = now;
    if (!write_trusts_stored(x))
        copy = document_copy(now);
    else if (json_is_object(metadata) &&
             json_object_set_new(now, "metadata", document_share(metadata)) < 0)
        copy = NULL;
    if (copy != now)
        json_decref(now);
    return copy;
}

static int compute(struct api_exchange *x, const json_t *live, json_t **ret_now) {
    struct error err = {0};
    json_t *now = patched(x, live, &err);
    if (now == NULL && err.status == 422)
        return exchange_refuse(x, status_make(422, "Invalid", json_object(), "%s", err.message));
    if (now == NULL)
        return exchange_error(x, &err);
    now = own(x, now);
    if (now == NULL)
        return exchange_nomem(x);
    /* A resourceVersion that the patch did not touch asks for nothing. */
    if (!document_path(x->change.body, "metadata.resourceVersion") &&
        strcmp(document_meta(now, "resourceVersion"), document_meta(live, "resourceVersion")) == 0)
        json_object_del(json_object_get(now, "metadata"), "resourceVersion");
    *ret_now = now;
    return body_accept(x, x->kind, now);
}

static int refuse_type(struct api_exchange *x) {
    if (!x->kind->resource->builtin)
        return exchange_refuse(
            x, status_make(415, "UnsupportedMediaType", NULL,
                           "the body of the request was in an unknown format - accepted media "
                           "types include: application/json-patch+json, "
                           "application/merge-patch+json, application/apply-patch+yaml"));
    return exchange_refuse(
        x, status_make(415, "UnsupportedMediaType", json_object(), "415: Unsupported Media Type"));
}

/* --- apply ------------------------------------------------------------------------------- */

static int refuse_apply(struct api_exchange *x, json_t *causes, const struct error *err) {
    if (err->code != ERROR_CONFLICT) {
        json_decref(causes);
        return exchange_error(x, err);
    }
    json_t *details = causes ? json_pack("{s:o}", "causes", causes) : NULL;
    return exchange_refuse(x, status_make(409, "Conflict", details, "%s", err->message));
}

/* Nothing has changed, unless something else makes it so. */
static int keep_live(struct api_exchange *x, json_t **ret_now) {
    if (rules_of(x->kind->resource)->prepare == NULL)
        return 0;
    json_t *copy = document_copy(*ret_now);
    json_decref(*ret_now);
    *ret_now = copy;
    return copy ? 0 : exchange_nomem(x);
}

int apply_compute(struct api_exchange *x, const json_t *live, const json_t *applied,
                  const char *told_version, json_t **ret_now) {
    char time[CLOCK_TEXT];
    const struct api_kind *kind = x->kind;
    json_t *causes = NULL;
    struct error err = {0};
    server_time(x->server, time);
    struct managed_change how = {.manager = x->request.field_manager,
                                 .apply = true,
                                 .builtin = kind->resource->builtin,
                                 .api_version = kind->api_version,
                                 .subresource = x->request.subresource,
                                 .told_version = told_version,
                                 .time = time,
                                 .known = x->server->known};
    json_t *now = managed_apply(kind->schema, live, applied, kind->subresources & KIND_STATUS, &how,
                                x->request.force, &causes, &err);
    if (now == NULL)
        return refuse_apply(x, causes, &err);
    x->change.managed = true;
    *ret_now = now;
    if (live == NULL && !document_meta(now, "name")[0])
        return body_refuse_nameless(x);
    if (live == NULL) {
        json_object_del(json_object_get(now, "metadata"), "resourceVersion");
        return body_prune(x, kind, now);
    }
    if (now == live)
        return keep_live(x, ret_now);
    if (body_check_names(x, kind, now) < 0)
        return -1;
    if (!document_path(applied, "metadata.resourceVersion"))
        json_object_del(json_object_get(now, "metadata"), "resourceVersion");
    /* The schema of a built-in kind has not changed since both parts were pruned. */
    return kind->resource->builtin ? body_default(x, kind, now) : body_accept(x, kind, now);
}

static int compute_apply(struct api_exchange *x, const json_t *live, json_t **ret_now) {
    return apply_compute(x, live, x->change.body, NULL, ret_now);
}

static int refuse_kind(struct api_exchange *x, const char *version, const char *kind) {
    return exchange_refuse(x, status_bad_request("invalid object type: %s%s, Kind=%s",
                                                 strchr(version, '/') ? "" : "/", version, kind));
}

int apply_parse(struct api_exchange *x) {
    const struct request *request = &x->request;
    if (!request->field_manager[0]) {
        struct causes causes = {json_array(), false};
        cause_required(&causes, "fieldManager", "is required for apply patch");
        return exchange_causes(x, "meta.k8s.io", "PatchOptions", "", &causes);
    }
    if (body_parse(x, &x->change.body) < 0)
        return -1;
    json_t *body = x->change.body;
    const char *version = document_string(body, "apiVersion"),
               *kind = document_string(body, "kind");
    if (!version[0] || !kind[0])
        return refuse_kind(x, version, kind);
    if (document_metadata(body) == NULL)
        return exchange_nomem(x);
    return 0;
}

static int parse_apply(struct api_exchange *x) {
    if (apply_parse(x) < 0)
        return -1;
    const json_t *body = x->change.body;
    const char *version = document_string(body, "apiVersion"),
               *kind = document_string(body, "kind");
    if (strcmp(version, x->kind->api_version) != 0 || strcmp(kind, x->kind->resource->kind) != 0)
        return refuse_kind(x, version, kind);
    return 0;
}

void rest_patch(struct api_exchange *x) {
    struct change *change = &x->change;
    bool strategic = is(x, "application/strategic-merge-patch+json");
    bool apply = is(x, "application/apply-patch+yaml");
    int rc;
    if (apply)
        rc = parse_apply(x);
    else if ((strategic && x->kind->resource->builtin) || is(x, "application/json-patch+json") ||
             is(x, "application/merge-patch+json"))
        rc = body_parse(x, &change->body);
    else
        rc = refuse_type(x);
    if (rc < 0) {
        exchange_fail(x);
        return;
    }
    change->compute = apply ? compute_apply : compute;
    change->create_too = apply && !x->request.subresource[0];
    write_update(x);
}
