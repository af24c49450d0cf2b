#include <string.h>

#include "apiserver/fault.h"
#include "apiserver/protobuf.h"
#include "apiserver/rules.h"
#include "base/mem.h"
#include "yaml/yaml.h"

static int unsupported(struct api_exchange *x) {
    return exchange_refuse(
        x, status_make(415, "UnsupportedMediaType", NULL,
                       "the body of the request was in an unknown format - accepted media types "
                       "include: application/json, application/yaml, "
                       "application/vnd.kubernetes.protobuf"));
}

/* Most of what comes as YAML is JSON, which is read faster. What is no JSON is YAML's to judge. */
static json_t *parse_yaml(struct str text, struct error *err) {
    json_t *value = text.len > 0 && *text.data == '{' ? document_parse(text, err) : NULL;
    return value ? value : yaml_load(text.data, text.len, err);
}

/* Built-in kinds, and the options of a deletion, can be protobuf. */
static int parse_protobuf(struct api_exchange *x, json_t **ret) {
    struct protobuf_body body;
    struct error err;
    if (!x->kind->resource->builtin && x->request.verb != VERB_DELETE &&
        x->request.verb != VERB_DELETE_COLLECTION)
        return unsupported(x);
    if (protobuf_open(x->request.body, &body, &err) < 0)
        return exchange_refuse(
            x, status_bad_request("the object provided is unrecognized (must be of type %s): %s",
                                  x->kind->resource->kind, err.message));
    if (body.kind.len == 0 && !x->request.subresource[0]) /* it need not say what is expected */
        body.kind = str_of(x->kind->resource->kind),
        body.api_version = str_of(x->kind->api_version);
    const struct protobuf_kind *kind = protobuf_find(&body);
    if (kind == NULL)
        return unsupported(x);
    *ret = protobuf_read(kind, &body, &err);
    if (*ret)
        return 0;
    if (err.code == ERROR_NOMEM)
        return exchange_nomem(x);
    return exchange_refuse(x, status_bad_request("%s in version \"%s\" cannot be handled as a %s: "
                                                 "%s",
                                                 kind->kind, kind->api_version,
                                                 x->kind->resource->kind, err.message));
}

static bool is_patch(const struct api_exchange *x) {
    return x->request.verb == VERB_PATCH;
}

/* What is no JSON, or no YAML, in the words of the reader that the real server has for it. */
static int refuse_text(struct api_exchange *x, bool yaml, const char *message) {
    struct strbuf why = {0};
    json_t *status = NULL;
    if (yaml)
        fault_yaml(message, &why);
    else if (!fault_json(x->request.body, &why))
        strbuf_adds(&why, message); /* JSON that is too deep */
    if (is_patch(x)) {
        status = status_bad_request(yaml ? "error decoding YAML: error converting YAML to JSON: %s"
                                         : "error decoding patch: %s",
                                    why.data);
    } else if (!why.failed) {
        const char *kind = x->kind->resource->kind;
        struct strbuf shown = {0};
        fault_summary(x->request.body, &shown);
        if (!shown.failed)
            status = status_bad_request(
                "the object provided is unrecognized (must be of type %s): %s%s (%s)", kind,
                yaml ? "" : "couldn't get version/kind; json parse error: ", why.data, shown.data);
        strbuf_finish(&shown);
    }
    strbuf_finish(&why);
    return exchange_refuse(x, status);
}

static json_t *parse_json(struct api_exchange *x, struct error *err) {
    struct str text = x->request.body;
    struct error why;
    json_t *document = document_parse_object(text, x->server->known, err);
    if (document || err->code == ERROR_NOMEM)
        return document;
    json_decref(x->twice);
    x->twice = json_array();
    why.code = ERROR_NOMEM;
    if (x->twice)
        document = document_parse_twice(text, x->twice, &why);
    if (document == NULL && why.code == ERROR_NOMEM)
        err->code = ERROR_NOMEM;
    return document;
}

int body_parse(struct api_exchange *x, json_t **ret) {
    const struct request *request = &x->request;
    const char *type = request->content_type;
    struct error err;
    bool yaml = request_is_type(type, "application/yaml") ||
                request_is_type(type, "application/apply-patch+yaml");
    err.code = ERROR_NOMEM;
    *ret = NULL;
    if (request_is_type(type, "application/vnd.kubernetes.protobuf"))
        return parse_protobuf(x, ret);
    if (yaml)
        *ret = parse_yaml(request->body, &err);
    else if (!type[0] || request_is_type(type, "application/json") || strstr(type, "+json"))
        *ret = parse_json(x, &err);
    else
        return unsupported(x);
    if (json_is_null(*ret) && !is_patch(x)) /* an object without anything */
        *ret = json_object();
    if (*ret)
        return 0;
    return err.code == ERROR_NOMEM ? exchange_nomem(x) : refuse_text(x, yaml, err.message);
}

/* A custom object says what it is. */
static int check_custom(struct api_exchange *x, const struct api_kind *kind, const json_t *object) {
    const char *api_version = document_string(object, "apiVersion");
    const char *name = document_string(object, "kind"), *expected = kind->resource->kind;
    if (!name[0] || !api_version[0])
        return exchange_refuse(
            x, status_bad_request("the object provided is unrecognized (must be of type %s): "
                                  "Object '%s' is missing",
                                  expected, name[0] ? "apiVersion" : "Kind"));
    if (strcmp(api_version, kind->api_version) != 0)
        return exchange_refuse(
            x, status_bad_request("the API version in the data (%s) does not match the expected "
                                  "API version (%s)",
                                  api_version, kind->api_version));
    if (strcmp(name, expected) == 0)
        return 0;
    struct causes causes = {json_array(), false};
    cause_invalid_text(&causes, "kind", name, "must be %s", expected);
    return exchange_causes(x, kind->resource->group, name, document_meta(object, "name"), &causes);
}

static int check_type(struct api_exchange *x, const struct api_kind *kind, const json_t *object) {
    const char *api_version = document_string(object, "apiVersion");
    const char *name = document_string(object, "kind"), *expected = kind->resource->kind;
    if (!kind->resource->builtin)
        return check_custom(x, kind, object);
    api_version = api_version[0] ? api_version : kind->api_version;
    name = name[0] ? name : expected;
    const char *slash = strchr(api_version, '/');
    if (strcmp(api_version, kind->api_version) == 0 && strcmp(name, expected) == 0)
        return 0;
    return exchange_refuse(
        x, status_bad_request("%s in version \"%s\" cannot be handled as a %s: no kind \"%s\" is "
                              "registered for version \"%s\" in scheme "
                              "\"pkg/runtime/scheme.go:111\"",
                              name, slash ? slash + 1 : api_version, expected, name, api_version));
}

static int set_type(const struct api_kind *kind, json_t *object) {
    int rc = json_object_set_new(object, "kind", json_string(kind->resource->kind));
    return rc | json_object_set_new(object, "apiVersion", json_string(kind->api_version));
}

int body_refuse_nameless(struct api_exchange *x) {
    return exchange_refuse(x, status_bad_request("the name of the object (%s based on URL) was "
                                                 "undeterminable: name must be provided",
                                                 x->request.name));
}

/* The URL and the object must speak of the same thing. */
int body_check_names(struct api_exchange *x, const struct api_kind *kind, json_t *object) {
    const struct request *request = &x->request;
    const char *name = document_meta(object, "name"), *ns = document_meta(object, "namespace");
    if (request->name[0] && name[0] && strcmp(name, request->name) != 0)
        return exchange_refuse(
            x, status_bad_request("the name of the object (%s) does not match the name on the URL "
                                  "(%s)",
                                  name, request->name));
    if (!kind->resource->namespaced) {
        json_object_del(json_object_get(object, "metadata"), "namespace");
        return 0;
    }
    if (ns[0] && strcmp(ns, request->ns) != 0)
        return exchange_refuse(x, status_bad_request("the namespace of the provided object does "
                                                     "not match the namespace sent on the "
                                                     "request"));
    return document_set_meta(object, "namespace", request->ns) < 0 ? exchange_nomem(x) : 0;
}

static int refuse_patched(struct api_exchange *x, const json_t *object, const char *why) {
    struct causes causes = {json_array(), false};
    struct strbuf text = {0};
    document_text(object, &text);
    if (text.failed)
        causes.failed = true;
    else
        cause_invalid_text(&causes, "patch", text.data, "%s", why);
    strbuf_finish(&text);
    return exchange_causes(x, "", "", "", &causes);
}

int body_refuse(struct api_exchange *x, const struct api_kind *kind, const json_t *object,
                const char *why) {
    const char *name = kind->resource->kind;
    if (is_patch(x))
        return refuse_patched(x, object, why);
    return exchange_refuse(x,
                           status_bad_request("%s in version \"%s\" cannot be handled as a %s: %s",
                                              name, kind->version, name, why));
}

/* What the body has twice, as it is told: a new array, or NULL: NOMEM. */
static json_t *told_twice(const struct api_exchange *x) {
    bool ops =
        is_patch(x) && request_is_type(x->request.content_type, "application/json-patch+json");
    json_t *told = json_array(), *path;
    size_t i;
    int rc = told == NULL;
    json_array_foreach(x->twice, i, path) {
        struct strbuf text = {0};
        strbuf_printf(&text, "%sduplicate field ", ops ? "json patch " : "");
        cause_write_quoted(&text, str_n(json_string_value(path), json_string_length(path)));
        rc |= text.failed || json_array_append_new(told, json_string(text.data)) < 0;
        strbuf_finish(&text);
    }
    if (rc == 0)
        return told;
    json_decref(told);
    return NULL;
}

/* Fields that are unknown, or there twice, are refused, warned of, or passed over. */
static int report_fields(struct api_exchange *x, const struct api_kind *kind, const json_t *object,
                         const json_t *unknown) {
    size_t i;
    json_t *text;
    struct strbuf all = {0};
    strbuf_adds(&all, "strict decoding error: ");
    json_array_foreach(unknown, i, text) {
        if (x->request.fields == FIELDS_WARN)
            exchange_warn(x, "%s", json_string_value(text));
        strbuf_printf(&all, "%s%s", i > 0 ? ", " : "", json_string_value(text));
    }
    int rc = 0;
    if (json_array_size(unknown) > 0 && x->request.fields == FIELDS_STRICT)
        rc = all.failed ? exchange_nomem(x) : body_refuse(x, kind, object, all.data);
    strbuf_finish(&all);
    return rc;
}

/* Is there an object, with metadata? */
static int check_shape(struct api_exchange *x, const struct api_kind *kind, const json_t *object) {
    const json_t *metadata = json_object_get(object, "metadata");
    const char *name = kind->resource->kind;
    if (json_is_object(object) && (!metadata || json_is_object(metadata) || json_is_null(metadata)))
        return 0;
    struct strbuf why = {0};
    int rc;
    if (json_is_array(object))
        fault_summary(x->request.body, &why);
    if (json_is_array(object) && !why.failed)
        rc = exchange_refuse(
            x,
            status_bad_request("the object provided is unrecognized (must be of type %s): couldn't "
                               "get version/kind; json parse error: json: cannot unmarshal array "
                               "into Go value of type struct { APIVersion string "
                               "\"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
                               "\"json:\\\"kind,omitempty\\\"\" } (%s)",
                               name, why.data));
    else if (json_is_object(object) && kind->resource->builtin &&
             fault_type(kind->schema, name, object, &why))
        rc = why.failed ? exchange_nomem(x) : body_refuse(x, kind, object, why.data);
    else
        rc = exchange_refuse(
            x,
            status_bad_request("the object provided is unrecognized (must be of type %s)", name));
    strbuf_finish(&why);
    return rc;
}

static int accept_shape(struct api_exchange *x, const struct api_kind *kind, json_t *object) {
    if (check_shape(x, kind, object) < 0 || check_type(x, kind, object) < 0)
        return -1;
    if (set_type(kind, object) != 0 || document_metadata(object) == NULL)
        return exchange_nomem(x);
    return body_check_names(x, kind, object);
}

int body_prune(struct api_exchange *x, const struct api_kind *kind, json_t *object) {
    struct error err;
    if (accept_shape(x, kind, object) < 0)
        return -1;
    json_t *unknown = told_twice(x);
    int rc = 0;
    if (unknown == NULL)
        rc = exchange_nomem(x);
    else if (schema_prune(kind->schema, object, write_known(x), unknown, &err) < 0)
        rc = exchange_error(x, &err);
    else
        rc = report_fields(x, kind, object, unknown);
    json_decref(unknown);
    return rc;
}

int body_accept(struct api_exchange *x, const struct api_kind *kind, json_t *object) {
    return body_prune(x, kind, object) < 0 ? -1 : body_default(x, kind, object);
}

int body_default(struct api_exchange *x, const struct api_kind *kind, json_t *object) {
    struct error err;
    if (kinds_default(kind, object, write_known(x), &err) < 0)
        return exchange_error(x, &err);
    return rules_read(kind->resource, object) < 0 ? exchange_nomem(x) : 0;
}

static int set_option(json_t *options, const char *key, json_t *value) {
    return json_object_get(options, key) ? (json_decref(value), 0)
                                         : json_object_set_new(options, key, value);
}

/* What the query says counts where the body says nothing. */
static int add_query(const struct request *request, json_t *options) {
    int rc = 0;
    if (request->grace >= 0)
        rc |= set_option(options, "gracePeriodSeconds", json_integer(request->grace));
    if (request->orphan >= 0)
        rc |= set_option(options, "orphanDependents", json_boolean(request->orphan));
    if (request->propagation[0])
        rc |= set_option(options, "propagationPolicy", json_string(request->propagation));
    return rc;
}

static int check_delete_options(struct api_exchange *x, const json_t *options) {
    const char *policy = document_string(options, "propagationPolicy");
    struct causes causes = {json_array(), false};
    json_t *dry_run = json_object_get(options, "dryRun"), *known;
    known = json_pack("[s, s, s, s]", "Foreground", "Background", "Orphan", "nil");
    if (policy[0] && !document_has_string(known, policy))
        cause_unsupported(&causes, "propagationPolicy",
                          json_object_get(options, "propagationPolicy"), known);
    json_decref(known);
    if (policy[0] && json_object_get(options, "orphanDependents"))
        cause_invalid(&causes, "propagationPolicy", json_object_get(options, "propagationPolicy"),
                      "orphanDependents and deletionPropagation cannot be both set");
    known = json_pack("[s]", "All");
    if (json_array_size(dry_run) > 0 && !document_has_string(dry_run, "All"))
        cause_unsupported(&causes, "dryRun", json_array_get(dry_run, 0), known);
    json_decref(known);
    if (json_array_size(dry_run) > 0)
        x->request.dry_run = true;
    return exchange_causes(x, "meta.k8s.io", "DeleteOptions", "", &causes);
}

int body_delete_options(struct api_exchange *x, json_t **ret) {
    *ret = NULL;
    if (x->request.body.len == 0)
        *ret = json_object();
    else if (body_parse(x, ret) < 0)
        return -1;
    if (*ret && !json_is_object(*ret))
        return exchange_refuse(x, status_bad_request("DeleteOptions must be an object"));
    if (*ret == NULL || add_query(&x->request, *ret) != 0)
        return exchange_nomem(x);
    return check_delete_options(x, *ret);
}
