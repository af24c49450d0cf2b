#include <string.h>

#include "apiserver/patch.h"
#include "apiserver/sub.h"

static const char scale_version[] = "autoscaling/v1";

static void add_separator(struct strbuf *out) {
    if (out->len > 0)
        strbuf_addc(out, ',');
}

static void add_labels(const json_t *labels, struct strbuf *out) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)labels, key, value) {
        add_separator(out);
        strbuf_printf(out, "%s=%s", key, json_string_value(value) ? json_string_value(value) : "");
    }
}

static void add_expression(const json_t *expression, struct strbuf *out) {
    const char *key = document_string(expression, "key");
    const char *operator= document_string(expression, "operator");
    json_t *values = json_object_get(expression, "values"), *value;
    size_t i;
    add_separator(out);
    if (strcmp(operator, "Exists") == 0) {
        strbuf_adds(out, key);
    } else if (strcmp(operator, "DoesNotExist") == 0) {
        strbuf_printf(out, "!%s", key);
    } else {
        strbuf_printf(out, "%s %s (", key, strcmp(operator, "In") == 0 ? "in" : "notin");
        json_array_foreach(values, i, value) {
            strbuf_adds(out, i > 0 ? "," : "");
            if (json_is_string(value))
                strbuf_adds(out, json_string_value(value));
        }
        strbuf_addc(out, ')');
    }
}

void sub_selector_text(const json_t *selector, struct strbuf *out) {
    json_t *labels = json_object_get(selector, "matchLabels"), *expression;
    json_t *expressions = json_object_get(selector, "matchExpressions");
    size_t i;
    if (labels == NULL && expressions == NULL)
        add_labels(selector, out);
    add_labels(labels, out);
    json_array_foreach(expressions, i, expression) {
        add_expression(expression, out);
    }
}

static const char *plain(const char *path, const char *otherwise) {
    return path == NULL ? otherwise : path[0] == '.' ? path + 1 : path;
}

static void write_selector(const struct api_kind *kind, const json_t *object, struct strbuf *out) {
    if (kind->resource->builtin)
        sub_selector_text(document_path(object, "spec.selector"), out);
    else if (kind->scale_selector)
        strbuf_adds(out, document_string(object, plain(kind->scale_selector, "")));
}

json_t *sub_scale_of(const struct api_kind *kind, const json_t *object) {
    static const char *const kept[] = {"name", "namespace", "uid", "resourceVersion",
                                       "creationTimestamp"};
    struct strbuf selector = {0};
    const json_t *wanted = document_path(object, plain(kind->scale_spec, "spec.replicas"));
    const json_t *there = document_path(object, plain(kind->scale_status, "status.replicas"));
    write_selector(kind, object, &selector);
    json_t *scale = json_pack(
        "{s:s, s:s, s:{}, s:{s:I}, s:{s:I, s:s*}}", "kind", "Scale", "apiVersion", scale_version,
        "metadata", "spec", "replicas", json_integer_value(wanted), "status", "replicas",
        json_integer_value(there), "selector", selector.len > 0 ? selector.data : NULL);
    for (size_t i = 0; scale && i < sizeof kept / sizeof *kept; i++)
        document_copy_member(json_object_get(scale, "metadata"),
                             json_object_get(object, "metadata"), kept[i]);
    strbuf_finish(&selector);
    return scale;
}

static void answer(struct api_exchange *x, const json_t *object) {
    json_t *scale = sub_scale_of(x->kind, object);
    exchange_answer_json(x, 200, scale);
    json_decref(scale);
}

static void answer_loaded(struct api_exchange *x) {
    answer(x, x->change.old);
}

static void stored(struct api_exchange *x, bool created) {
    (void)created;
    answer(x, x->change.now);
}

/* The Scale that the client wants. */
static json_t *wanted_scale(struct api_exchange *x, const json_t *live, struct error *err) {
    if (x->request.verb == VERB_UPDATE)
        return json_incref(x->change.body);
    json_t *scale = sub_scale_of(x->kind, live), *now;
    bool json_patch = request_is_type(x->request.content_type, "application/json-patch+json");
    now = json_patch ? patch_json(scale, x->change.body, err)
                     : patch_merge(scale, x->change.body, err);
    json_decref(scale);
    return now;
}

static int set_replicas(const struct api_kind *kind, json_t *object, json_int_t replicas) {
    const char *path = plain(kind->scale_spec, "spec.replicas"), *dot;
    while ((dot = strchr(path, '.'))) {
        json_t *member = json_object_getn(object, path, (size_t)(dot - path));
        if (!json_is_object(member)) {
            member = json_object();
            if (json_object_setn_new_nocheck(object, path, (size_t)(dot - path), member) < 0)
                return ERROR_NOMEM;
        }
        object = member;
        path = dot + 1;
    }
    return json_object_set_new(object, path, json_integer(replicas)) == 0 ? 0 : ERROR_NOMEM;
}

static int check_scale(struct api_exchange *x, const json_t *scale) {
    const char *name = document_meta(scale, "name");
    const json_t *replicas = document_path(scale, "spec.replicas");
    struct causes causes = {json_array(), false};
    if (name[0] && strcmp(name, x->request.name) != 0) {
        json_decref(causes.list);
        return exchange_refuse(
            x, status_bad_request("the name of the object (%s) does not match the name on the URL "
                                  "(%s)",
                                  name, x->request.name));
    }
    const struct api_resource *resource = x->kind->resource;
    bool negative = json_integer_value(replicas) < 0;
    if (!resource->builtin) {
        if (negative)
            cause_invalid(&causes, x->kind->scale_spec, replicas,
                          "should be a non-negative integer");
        return exchange_causes(x, resource->group, resource->kind, x->request.name, &causes);
    }
    if (negative)
        cause_invalid(&causes, "spec.replicas", replicas, "must be greater than or equal to 0");
    return exchange_causes(x, "autoscaling", "Scale", x->request.name, &causes);
}

static int compute(struct api_exchange *x, const json_t *live, json_t **ret_now) {
    struct error err;
    json_t *scale = wanted_scale(x, live, &err);
    if (scale == NULL)
        return exchange_error(x, &err);
    if (check_scale(x, scale) < 0) {
        json_decref(scale);
        return -1;
    }
    json_t *now = document_copy(live);
    json_int_t replicas = json_integer_value(document_path(scale, "spec.replicas"));
    int rc = now ? set_replicas(x->kind, now, replicas) : ERROR_NOMEM;
    if (rc == 0)
        rc = document_set_meta(now, "resourceVersion", document_meta(scale, "resourceVersion"));
    json_decref(scale);
    *ret_now = now;
    return rc < 0 ? exchange_nomem(x) : 0;
}

/* --- server-side apply --------------------------------------------------------------------- */

/* What the Scale says of the object that it scales. */
static json_t *applied_of(struct api_exchange *x) {
    const json_t *scale = x->change.body, *replicas = document_path(scale, "spec.replicas");
    const char *version = document_meta(scale, "resourceVersion");
    json_t *applied = json_pack("{s:s, s:s, s:{s:s, s:s*}}", "apiVersion", x->kind->api_version,
                                "kind", x->kind->resource->kind, "metadata", "name",
                                x->request.name, "resourceVersion", version[0] ? version : NULL);
    if (applied && json_is_integer(replicas) &&
        set_replicas(x->kind, applied, json_integer_value(replicas)) < 0) {
        json_decref(applied);
        return NULL;
    }
    return applied;
}

static int compute_apply(struct api_exchange *x, const json_t *live, json_t **ret_now) {
    if (check_scale(x, x->change.body) < 0)
        return -1;
    json_t *applied = applied_of(x);
    if (applied == NULL)
        return exchange_nomem(x);
    int rc = apply_compute(x, live, applied, scale_version, ret_now);
    json_decref(applied);
    return rc;
}

static int parse_apply(struct api_exchange *x) {
    if (apply_parse(x) < 0)
        return -1;
    const json_t *replicas = document_path(x->change.body, "spec.replicas");
    const char *version = document_string(x->change.body, "apiVersion");
    const char *kind = document_string(x->change.body, "kind");
    if (strcmp(version, scale_version) != 0 || strcmp(kind, "Scale") != 0)
        return exchange_refuse(
            x, status_bad_request("invalid object type: %s, Kind=%s", version, kind));
    if (replicas && !json_is_integer(replicas) && !json_is_null(replicas))
        return exchange_refuse(x, status_bad_request("spec.replicas is no whole number"));
    return 0;
}

void sub_scale(struct api_exchange *x) {
    enum verb verb = x->request.verb;
    node_t node;
    bool namespaced = x->kind->resource->namespaced;
    x->change.key = (struct storage_key){
        x->kind->resource->id, str_of(namespaced ? x->request.ns : ""), str_of(x->request.name)};
    if (verb == VERB_GET) {
        if (write_load(x, &node) < 0)
            exchange_fail(x);
        else
            write_convert(x, answer_loaded);
        return;
    }
    bool apply = verb == VERB_PATCH &&
                 request_is_type(x->request.content_type, "application/apply-patch+yaml");
    int rc = 0;
    if (verb != VERB_UPDATE && verb != VERB_PATCH)
        rc = exchange_refuse(x, status_not_allowed(x->kind->resource, x->request.method));
    else if (apply)
        rc = parse_apply(x);
    else
        rc = body_parse(x, &x->change.body);
    if (rc < 0) {
        exchange_fail(x);
        return;
    }
    x->change.compute = apply ? compute_apply : compute;
    x->change.stored = stored;
    write_update(x);
}
