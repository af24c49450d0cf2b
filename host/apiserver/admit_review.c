#include <string.h>

#include "apiserver/admit.h"
#include "apiserver/sub.h"
#include "kube/base64.h"

/* --- what is told -------------------------------------------------------------------------- */

static bool is(const struct api_exchange *x, const char *subresource) {
    return strcmp(x->request.subresource, subresource) == 0;
}

/* A scale is told as such; a binding as the creation of one. 0 or NOMEM. */
static int show_subresource(struct api_exchange *x, struct subject *subject) {
    const struct change *change = &x->change;
    bool failed = false;
    if (is(x, "scale")) {
        subject->kind = "Scale";
        subject->kind_version = "autoscaling/v1";
        subject->object = sub_scale_of(x->kind, change->now);
        subject->old = sub_scale_of(x->kind, change->old);
        failed = subject->object == NULL || subject->old == NULL;
    } else {
        subject->operation = "CREATE";
        subject->kind = "Binding";
        subject->kind_version = "v1";
        subject->object = document_share(change->body);
        failed = json_object_set_new(subject->object, "kind", json_string("Binding")) < 0 ||
                 json_object_set_new(subject->object, "apiVersion", json_string("v1")) < 0;
    }
    return failed ? ERROR_NOMEM : 0;
}

int subject_of(struct api_exchange *x, struct subject *ret) {
    const struct change *change = &x->change;
    const struct request *request = &x->request;
    bool space = kinds_is_builtin(x->kind->resource, "namespaces");
    bool gone = strcmp(change->operation, "DELETE") == 0;
    *ret = (struct subject){.operation = change->operation,
                            .name = request->name[0] ? request->name
                                                     : document_meta(change->now, "name"),
                            .ns = space ? request->name : request->ns,
                            .kind = x->kind->resource->kind,
                            .kind_version = x->kind->api_version};
    if (is(x, "scale") || is(x, "binding"))
        return show_subresource(x, ret);
    ret->object = gone ? NULL : json_incref(change->now);
    ret->old = json_incref(change->old);
    ret->whole = !gone;
    return 0;
}

void subject_finish(struct subject *subject) {
    json_decref(subject->object);
    json_decref(subject->old);
    *subject = (struct subject){0};
}

static json_t *options_of(const struct api_exchange *x, const struct subject *subject) {
    const struct request *request = &x->request;
    bool gone = strcmp(subject->operation, "DELETE") == 0;
    const char *kind = gone                                        ? "DeleteOptions"
                       : strcmp(subject->operation, "CREATE") == 0 ? "CreateOptions"
                                                                   : "UpdateOptions";
    json_t *options = gone ? json_deep_copy(x->change.options) : json_object();
    int rc = json_object_set_new(options, "kind", json_string(kind)) |
             json_object_set_new(options, "apiVersion", json_string("meta.k8s.io/v1"));
    if (!gone && request->field_manager[0])
        rc |= json_object_set_new(options, "fieldManager", json_string(request->field_manager));
    if (!gone && request->fields_text[0])
        rc |= json_object_set_new(options, "fieldValidation", json_string(request->fields_text));
    if (request->dry_run)
        rc |= json_object_set_new(options, "dryRun", json_pack("[s]", "All"));
    if (rc == 0)
        return options;
    json_decref(options);
    return NULL;
}

/* {"group","version",WORD} of "apps/v1". */
static json_t *typed(const char *api_version, const char *word, const char *name) {
    const char *slash = strchr(api_version, '/');
    size_t len = slash ? (size_t)(slash - api_version) : 0;
    return json_pack("{s:s%, s:s, s:s}", "group", api_version, len, "version",
                     slash ? slash + 1 : api_version, word, name);
}

static json_t *shown(const struct question *question, size_t index) {
    json_t *object = json_array_get(question->shown, index);
    return json_incref(object);
}

json_t *admit_review(struct api_exchange *x, const struct subject *subject,
                     const struct question *question, const struct api_kind *kind) {
    const struct request *request = &x->request;
    const char *plural = x->kind->resource->plural, *sub = request->subresource;
    const char *version =
        subject->whole || subject->object == NULL ? kind->api_version : subject->kind_version;
    json_t *about = json_pack(
        "{s:s, s:o, s:o, s:s*, s:o, s:o, s:s*, s:s*, s:s*, s:s, s:o, s:o, s:o, s:b, s:o}", "uid",
        question->uid, "kind", typed(version, "kind", subject->kind), "resource",
        typed(kind->api_version, "resource", plural), "subResource", sub[0] ? sub : NULL,
        "requestKind", typed(subject->kind_version, "kind", subject->kind), "requestResource",
        typed(x->kind->api_version, "resource", plural), "requestSubResource", sub[0] ? sub : NULL,
        "name", subject->name[0] ? subject->name : NULL, "namespace",
        subject->ns[0] ? subject->ns : NULL, "operation", subject->operation, "userInfo",
        rest_user_info(request), "object", shown(question, 0), "oldObject", shown(question, 1),
        "dryRun", request->dry_run, "options", options_of(x, subject));
    return json_pack("{s:s, s:s, s:o}", "kind", "AdmissionReview", "apiVersion",
                     "admission.k8s.io/v1", "request", about);
}

/* --- what is answered ---------------------------------------------------------------------- */

static const char *name_of(const struct question *question) {
    return document_string(question->hook, "name");
}

/* The webhook's own Status, in the server's sentence. */
static json_t *refusal_of(const struct question *question, const json_t *result) {
    struct strbuf text = {0};
    const char *message = document_string(result, "message");
    const char *reason = document_string(result, "reason");
    json_int_t code = json_integer_value(json_object_get(result, "code"));
    strbuf_printf(&text, "admission webhook \"%s\" denied the request", name_of(question));
    if (message[0] || reason[0])
        strbuf_printf(&text, ": %s", message[0] ? message : reason);
    else
        strbuf_adds(&text, " without explanation");
    json_t *details = json_object_get(result, "details");
    json_t *status = text.failed
                         ? NULL
                         : status_make(code < 400 ? 400 : (int)code, reason[0] ? reason : NULL,
                                       json_incref(details), "%s", text.data);
    strbuf_finish(&text);
    return status;
}

static void pass_warnings(struct api_exchange *x, const json_t *response) {
    size_t i;
    json_t *warning;
    json_array_foreach(json_object_get(response, "warnings"), i, warning) {
        if (json_is_string(warning))
            exchange_warn(x, "%s", json_string_value(warning));
    }
}

static void check_patch(const json_t *response, bool mutating, struct strbuf *why) {
    bool patch = document_string(response, "patch")[0];
    const json_t *type = json_object_get(response, "patchType");
    bool typed = type && !json_is_null(type);
    if (!mutating && patch)
        strbuf_adds(why, "validating webhook may not return response.patch");
    else if (!mutating && typed)
        strbuf_adds(why, "validating webhook may not return response.patchType");
    else if (patch && !typed)
        strbuf_adds(why, "webhook returned response.patch but not response.patchType");
    else if (!patch && typed)
        strbuf_adds(why, "webhook returned response.patchType but not response.patch");
    else if (typed && !document_string(response, "patchType")[0])
        strbuf_adds(why, "webhook returned invalid response.patchType of \"\"");
}

static void check_response(const struct question *question, const json_t *review,
                           struct strbuf *why) {
    const json_t *response = json_object_get(review, "response");
    const char *version = document_string(review, "apiVersion");
    const char *kind = document_string(review, "kind"), *uid = document_string(response, "uid");
    if (!json_is_object(response))
        strbuf_adds(why, "webhook response was absent");
    else if (strcmp(uid, question->uid) != 0)
        strbuf_printf(why, "expected response.uid=\"%s\", got \"%s\"", question->uid, uid);
    else if (strcmp(version, "admission.k8s.io/v1") != 0 || strcmp(kind, "AdmissionReview") != 0)
        strbuf_printf(why,
                      "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got "
                      "%s, Kind=%s",
                      version, kind);
    else
        check_patch(response, question->admission->phase == ADMIT_MUTATE, why);
}

static json_t *read_patch(const json_t *response, struct strbuf *why) {
    const char *type = document_string(response, "patchType");
    struct strbuf text = {0};
    struct error err = {0};
    json_t *patch = NULL;
    if (type[0] && strcmp(type, "JSONPatch") != 0) {
        strbuf_printf(why, "unsupported patch type \"%s\"", type);
        return NULL;
    }
    if (base64_decode(document_string(response, "patch"), &text) && !text.failed)
        patch = document_parse(strbuf_view(&text), &err);
    if (patch == NULL)
        strbuf_printf(why, "received undecodable patch in webhook response: %s",
                      err.message[0] ? err.message : "no base64");
    strbuf_finish(&text);
    return patch;
}

bool admit_judge(struct api_exchange *x, const struct question *question, const json_t *review,
                 json_t **ret_refusal, json_t **ret_patch, struct strbuf *why) {
    const json_t *response = json_object_get(review, "response");
    *ret_refusal = *ret_patch = NULL;
    check_response(question, review, why);
    if (why->len > 0) {
        struct strbuf text = {0};
        strbuf_printf(&text, "received invalid webhook response: %s", why->data);
        strbuf_finish(why);
        *why = text;
        return false;
    }
    pass_warnings(x, response);
    if (!json_is_true(json_object_get(response, "allowed"))) {
        *ret_refusal = refusal_of(question, json_object_get(response, "status"));
        return true;
    }
    if (document_string(response, "patch")[0])
        *ret_patch = read_patch(response, why);
    return why->len == 0;
}
