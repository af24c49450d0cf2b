#include <string.h>

#include "apiserver/metadata.h"
#include "apiserver/sub.h"

static void refuse(struct api_exchange *x, json_t *status) {
    exchange_refuse(x, status);
    exchange_fail(x);
}

static void not_allowed(struct api_exchange *x) {
    refuse(x, status_make(405, "MethodNotAllowed", json_object(),
                          "the server does not allow this method on the requested resource"));
}

/* What eviction, binding and their like answer. */
static void answer_done(struct api_exchange *x, bool created) {
    json_t *status = json_pack("{s:s, s:s, s:{}, s:s, s:i}", "kind", "Status", "apiVersion", "v1",
                               "metadata", "status", "Success", "code", 201);
    (void)created;
    exchange_answer_json(x, 201, status);
    json_decref(status);
}

/* --- binding ------------------------------------------------------------------------------- */

static int refuse_binding(struct api_exchange *x, const char *why) {
    struct api_resource binding = *x->kind->resource;
    binding.plural = "pods/binding";
    return exchange_refuse(x, status_conflict(&binding, x->request.name, why));
}

static int check_bindable(struct api_exchange *x, const json_t *pod) {
    const char *bound = document_string(pod, "spec.nodeName");
    char why[768] = "";
    if (metadata_deleting(pod))
        snprintf(why, sizeof why, "pod %s is being deleted, cannot be assigned to a host",
                 x->request.name);
    else if (bound[0])
        snprintf(why, sizeof why, "pod %s is already assigned to node \"%s\"", x->request.name,
                 bound);
    else if (json_array_size(document_path(pod, "spec.schedulingGates")) > 0)
        snprintf(why, sizeof why, "pod %s has non-empty .spec.schedulingGates", x->request.name);
    return why[0] ? refuse_binding(x, why) : 0;
}

static int set_scheduled(const struct apiserver *server, json_t *pod) {
    json_t *status = json_object_get(pod, "status"), *condition;
    json_t *conditions = json_object_get(status, "conditions");
    char time[CLOCK_TEXT];
    size_t i;
    server_time(server, time);
    if (!json_is_array(conditions)) {
        conditions = json_array();
        if (json_object_set_new(status, "conditions", conditions) < 0)
            return ERROR_NOMEM;
    }
    json_array_foreach(conditions, i, condition) {
        if (strcmp(document_string(condition, "type"), "PodScheduled") == 0)
            json_array_remove(conditions, i--);
    }
    return json_array_append_new(conditions,
                                 json_pack("{s:s, s:s, s:s}", "lastTransitionTime", time, "status",
                                           "True", "type", "PodScheduled"));
}

static int compute_binding(struct api_exchange *x, const json_t *live, json_t **ret_now) {
    const char *node = document_string(x->change.body, "target.name");
    if (write_check_uid(x, x->change.body, live) < 0 || check_bindable(x, live) < 0)
        return -1;
    json_t *pod = document_copy(live), *spec = json_object_get(pod, "spec");
    if (json_object_set_new(spec, "nodeName", json_string(node)) < 0 ||
        set_scheduled(x->server, pod) < 0) {
        json_decref(pod);
        return exchange_nomem(x);
    }
    *ret_now = pod;
    return 0;
}

static void rest_binding(struct api_exchange *x) {
    if (x->request.verb != VERB_CREATE) {
        not_allowed(x);
        return;
    }
    if (body_parse(x, &x->change.body) < 0) {
        exchange_fail(x);
        return;
    }
    if (strcmp(document_meta(x->change.body, "name"), x->request.name) != 0) {
        refuse(x, status_bad_request("name in URL does not match name in Binding object"));
        return;
    }
    if (!document_string(x->change.body, "target.name")[0]) {
        struct causes causes = {json_array(), false};
        cause_required(&causes, "target.name", "");
        exchange_causes(x, "", "Binding", x->request.name, &causes);
        exchange_fail(x);
        return;
    }
    x->change.compute = compute_binding;
    x->change.stored = answer_done;
    write_update(x);
}

/* --- finalize, approval -------------------------------------------------------------------- */

/* The live object with one member of the body's `part`. */
static int compute_part(struct api_exchange *x, const json_t *live, const char *part,
                        const char *member, json_t **ret_now) {
    json_t *now = document_copy(live), *to = json_object_get(now, part);
    if (!json_is_object(to)) {
        to = json_object();
        json_object_set_new(now, part, to);
    }
    if (now == NULL ||
        document_copy_member(to, json_object_get(x->change.body, part), member) < 0) {
        json_decref(now);
        return exchange_nomem(x);
    }
    const char *version = document_meta(x->change.body, "resourceVersion");
    if (version[0])
        document_set_meta(now, "resourceVersion", version);
    *ret_now = now;
    return 0;
}

static int compute_finalize(struct api_exchange *x, const json_t *live, json_t **ret_now) {
    return compute_part(x, live, "spec", "finalizers", ret_now);
}

static int compute_approval(struct api_exchange *x, const json_t *live, json_t **ret_now) {
    return compute_part(x, live, "status", "conditions", ret_now);
}

static void rest_part(struct api_exchange *x,
                      int (*compute)(struct api_exchange *x, const json_t *live,
                                     json_t **ret_now)) {
    if (x->request.verb == VERB_GET) {
        rest_get(x);
    } else if (x->request.verb != VERB_UPDATE) {
        not_allowed(x);
    } else if (body_parse(x, &x->change.body) < 0 || body_accept(x, x->kind, x->change.body) < 0) {
        exchange_fail(x);
    } else {
        x->change.compute = compute;
        write_update(x);
    }
}

/* --- which --------------------------------------------------------------------------------- */

static unsigned flag_of(const char *subresource) {
    static const struct {
        const char *name;
        unsigned flag;
    } known[] = {{"status", KIND_STATUS},     {"scale", KIND_SCALE}, {"eviction", KIND_EVICTION},
                 {"binding", KIND_BINDING},   {"token", KIND_TOKEN}, {"finalize", KIND_FINALIZE},
                 {"approval", KIND_APPROVAL}, {"log", KIND_LOG}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i].name, subresource) == 0)
            return known[i].flag;
    }
    return 0;
}

static bool needs_kubelet(const char *subresource) {
    static const char *const names[] = {
        "log", "exec", "attach", "proxy", "portforward", "ephemeralcontainers", "resize"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], subresource) == 0)
            return true;
    }
    return false;
}

static void rest_status(struct api_exchange *x) {
    if (x->request.verb == VERB_GET)
        rest_get(x);
    else if (x->request.verb == VERB_UPDATE)
        rest_update(x);
    else if (x->request.verb == VERB_PATCH)
        rest_patch(x);
    else if (!x->kind->resource->builtin && x->request.verb == VERB_CREATE)
        refuse(x, status_not_allowed(x->kind->resource, "create"));
    else if (!x->kind->resource->builtin && x->request.verb == VERB_DELETE)
        refuse(x, status_not_allowed(x->kind->resource, "delete"));
    else
        not_allowed(x);
}

/* Of an object that is there; else that is what is wrong. */
static void refuse_kubelet(struct api_exchange *x) {
    bool namespaced = x->kind->resource->namespaced;
    struct storage_key key = {x->kind->resource->id, str_of(namespaced ? x->request.ns : ""),
                              str_of(x->request.name)};
    if (storage_get(x->server->storage, &key, NULL) == NODE_NONE)
        refuse(x, status_not_found(x->kind->resource, x->request.name));
    else
        refuse(x,
               status_make(501, "NotImplemented", NULL,
                           "no container runs here, so there is no '%s' of %s \"%s\": moonlet's "
                           "embedded API server has no nodes; run the program yourself, or use "
                           "a cluster with nodes, such as kind",
                           x->request.subresource, x->kind->resource->singular, x->request.name));
}

void rest_subresource(struct api_exchange *x) {
    const char *subresource = x->request.subresource;
    unsigned flag = flag_of(subresource) & x->kind->subresources;
    if (x->kind->resource->builtin && needs_kubelet(subresource))
        refuse_kubelet(x);
    else if (flag == KIND_STATUS)
        rest_status(x);
    else if (flag == KIND_SCALE)
        sub_scale(x);
    else if (flag == KIND_EVICTION)
        sub_eviction(x);
    else if (flag == KIND_BINDING)
        rest_binding(x);
    else if (flag == KIND_TOKEN)
        sub_token(x);
    else if (flag == KIND_FINALIZE)
        rest_part(x, compute_finalize);
    else if (flag == KIND_APPROVAL)
        rest_part(x, compute_approval);
    else if (!x->kind->resource->builtin && flag_of(subresource) & (KIND_STATUS | KIND_SCALE))
        refuse(x, status_not_found(x->kind->resource, x->request.name));
    else
        refuse(x, status_make(404, "NotFound", json_object(),
                              "the server could not find the requested resource"));
}
