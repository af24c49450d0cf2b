#include <string.h>

#include "apiserver/admit.h"
#include "apiserver/patch.h"
#include "base/mem.h"

/* One webhook's question: perhaps a conversion, the review, its patch, and a conversion back. */

void question_finish(struct question *question) {
    webhook_call_finish(&question->call);
    conversion_cancel(question->conversion);
    json_decref(question->hook);
    json_decref(question->shown);
    json_decref(question->refusal);
    mem_free(question->api_version);
    *question = (struct question){0};
}

static const char *name_of(const struct question *question) {
    return document_string(question->hook, "name");
}

static void refuse(struct question *question, json_t *status) {
    json_decref(question->refusal);
    question->refusal = status;
    question->nomem |= status == NULL;
}

/* The webhook could not be asked, or said nonsense: its failurePolicy decides. */
static void failed(struct question *question, const char *why) {
    const char *name = name_of(question);
    if (strcmp(document_string(question->hook, "failurePolicy"), "Ignore") == 0)
        log_warn(question->admission->x->server->log, "webhook %s is passed over: %s", name, why);
    else
        refuse(question, status_internal("failed calling webhook \"%s\": %s", name, why));
}

static void fill_failed(struct question *question, struct strbuf *why) {
    if (why->failed || why->data == NULL)
        question->nomem = true;
    else
        failed(question, why->data);
    strbuf_finish(why);
}

/* --- the patch ----------------------------------------------------------------------------- */

/* The object as the webhook wants it takes the place of the one that is being written. */
static void take(struct question *question, json_t *object) {
    struct api_exchange *x = question->admission->x;
    enum field_validation fields = x->request.fields;
    if (strcmp(document_string(object, "apiVersion"), x->kind->api_version) != 0)
        json_object_set_new(object, "apiVersion", json_string(x->kind->api_version));
    x->request.fields = FIELDS_IGNORE;
    int rc = body_accept(x, x->kind, object);
    x->request.fields = fields;
    if (rc < 0) {
        refuse(question, x->failure);
        x->failure = NULL;
        json_decref(object);
        return;
    }
    question->changed = !json_equal(object, x->change.now);
    json_decref(x->change.now);
    x->change.now = object;
}

static void converted_back(void *context, json_t *objects, const char *failure) {
    struct question *question = context;
    question->conversion = NULL;
    if (failure)
        refuse(question, status_internal("%s", failure));
    else if (exchange_kind(question->admission->x))
        take(question, json_deep_copy(json_array_get(objects, 0)));
    admission_heard(question);
}

/* True: the webhook of the kind's definition is asked first. */
static bool convert_back(struct question *question, json_t *object) {
    struct api_exchange *x = question->admission->x;
    struct error err = {0};
    if (!convert_asks(x->kind->resource) ||
        !convert_needed(x->kind->resource, document_string(object, "apiVersion"),
                        x->kind->api_version)) {
        take(question, object);
        return false;
    }
    question->conversion = conversion_start(x->server, x->kind->resource, json_pack("[o]", object),
                                            x->kind->api_version, converted_back, question, &err);
    if (question->conversion == NULL)
        refuse(question, status_internal("%s", err.message));
    return question->conversion != NULL;
}

/* Takes the patch. */
static bool apply(struct question *question, json_t *patch) {
    struct error err = {0};
    bool empty = json_is_array(patch) && json_array_size(patch) == 0, waits = false;
    json_t *object = json_array_get(question->shown, 0), *now = NULL;
    if (!empty && !json_is_object(object))
        refuse(question, status_internal("admission webhook \"%s\" attempted to modify the object, "
                                         "which is not supported for this operation",
                                         name_of(question)));
    else if (!empty && question->api_version == NULL)
        refuse(question, status_internal("admission webhook \"%s\": moonlet's embedded API server "
                                         "lets no webhook modify a %s",
                                         name_of(question), document_string(object, "kind")));
    else if (!empty && (now = patch_json(object, patch, &err)) == NULL)
        refuse(question, status_internal("%s", err.message));
    else if (!empty)
        waits = convert_back(question, now);
    json_decref(patch);
    return waits;
}

/* --- the review ---------------------------------------------------------------------------- */

static void on_answer(struct webhook_call *call, json_t *review, const char *failure) {
    struct question *question = CONTAINER_OF(call, struct question, call);
    struct api_exchange *x = question->admission->x;
    struct strbuf why = {0};
    json_t *refusal = NULL, *patch = NULL;
    bool waits = false;
    if (failure) {
        strbuf_printf(&why, "failed to call webhook: %s", failure);
        fill_failed(question, &why);
    } else if (!admit_judge(x, question, review, &refusal, &patch, &why)) {
        fill_failed(question, &why);
    } else if (refusal) {
        refuse(question, refusal);
    } else if (patch && exchange_kind(x)) {
        waits = apply(question, patch);
    } else {
        json_decref(patch);
    }
    strbuf_finish(&why);
    if (!waits)
        admission_heard(question);
}

/* False: it has ended already. */
static bool send(struct question *question, const struct subject *subject,
                 const struct api_kind *kind) {
    struct api_exchange *x = question->admission->x;
    const json_t *seconds = json_object_get(question->hook, "timeoutSeconds");
    struct error err = {0};
    server_uid(x->server, question->uid);
    json_t *review = admit_review(x, subject, question, kind);
    question->call.done = on_answer;
    int rc = review == NULL
                 ? ERROR_NOMEM
                 : webhook_call_start(x->server, &question->call,
                                      json_object_get(question->hook, "clientConfig"),
                                      seconds ? json_integer_value(seconds) : 10, review, &err);
    json_decref(review);
    if (rc == 0)
        return true;
    struct strbuf why = {0};
    strbuf_printf(&why, "could not get REST client: %s", err.message);
    if (rc == ERROR_NOMEM)
        question->nomem = true;
    else
        failed(question, why.data ? why.data : "");
    strbuf_finish(&why);
    return false;
}

/* --- the object in the version that the webhook wants ---------------------------------------- */

static json_t *in_version(const json_t *object, const char *api_version) {
    if (object == NULL)
        return json_null();
    json_t *made = document_share(object);
    if (json_object_set_new(made, "apiVersion", json_string(api_version)) == 0)
        return made;
    json_decref(made);
    return NULL;
}

static const struct api_kind *wanted_kind(struct question *question) {
    struct api_exchange *x = question->admission->x;
    const struct api_kind *kind = exchange_kind(x);
    for (size_t i = 0; kind && i < kind->resource->kind_count; i++) {
        if (strcmp(kind->resource->kinds[i].api_version, question->api_version) == 0)
            return &kind->resource->kinds[i];
    }
    return NULL;
}

static void converted(void *context, json_t *objects, const char *failure) {
    struct question *question = context;
    struct api_exchange *x = question->admission->x;
    const struct api_kind *kind = wanted_kind(question);
    struct subject subject;
    bool waits = false;
    question->conversion = NULL;
    if (failure || kind == NULL || subject_of(x, &subject) < 0) {
        refuse(question, status_internal("%s", failure ? failure : "the kind is served no more"));
        admission_heard(question);
        return;
    }
    json_t *object = json_incref(json_array_get(objects, 0));
    json_t *old = json_incref(json_array_get(objects, json_array_size(objects) - 1));
    json_decref(question->shown);
    question->shown =
        json_pack("[o, o]", subject.object ? object : json_null(), subject.old ? old : json_null());
    if (!subject.object)
        json_decref(object);
    if (!subject.old)
        json_decref(old);
    waits = send(question, &subject, kind);
    subject_finish(&subject);
    if (!waits)
        admission_heard(question);
}

static bool ask_converted(struct question *question, const struct subject *subject) {
    struct api_exchange *x = question->admission->x;
    struct error err = {0};
    json_t *objects = json_array();
    int rc = objects == NULL;
    if (subject->object)
        rc |= json_array_append_new(objects, json_deep_copy(subject->object));
    if (subject->old)
        rc |= json_array_append_new(objects, json_deep_copy(subject->old));
    question->nomem |= rc != 0;
    if (rc == 0)
        question->conversion = conversion_start(x->server, x->kind->resource, objects,
                                                question->api_version, converted, question, &err);
    else
        json_decref(objects);
    if (rc == 0 && question->conversion == NULL)
        refuse(question, status_internal("%s", err.message));
    return question->conversion != NULL;
}

bool question_ask(struct question *question, const struct subject *subject,
                  const struct api_kind *kind) {
    struct api_exchange *x = question->admission->x;
    bool custom = subject->whole || subject->object == NULL;
    question->changed = false;
    json_decref(question->shown);
    question->shown = NULL;
    mem_free(question->api_version);
    question->api_version = NULL;
    if (!document_has_string(json_object_get(question->hook, "admissionReviewVersions"), "v1")) {
        failed(question, "could not create admission objects: webhook does not accept known "
                         "AdmissionReview versions (v1)");
        return false;
    }
    if (custom && (question->api_version = mem_strdup(kind->api_version)) == NULL) {
        question->nomem = true;
        return false;
    }
    if (custom && convert_asks(x->kind->resource) &&
        convert_needed(x->kind->resource, x->kind->api_version, kind->api_version))
        return ask_converted(question, subject);
    const char *version = custom ? kind->api_version : subject->kind_version;
    question->shown = json_pack("[o, o]", in_version(subject->object, version),
                                in_version(subject->old, version));
    question->nomem |= question->shown == NULL;
    return question->shown && send(question, subject, kind);
}
