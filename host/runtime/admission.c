#include "runtime/admission.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cache/json_patch.h"
#include "kube/base64.h"
#include "runtime/hooks_internal.h"
#include "serve/admission.h"

struct admission {
    struct hook_call call; /* what every request has */
    struct admission_review review;
    const struct object *object; /* as sent: what the patch is against; NULL on DELETE */
    bool validating;
};

static void release(struct hook_call *call) {
    struct admission *admission = CONTAINER_OF(call, struct admission, call);
    admission_review_finish(&admission->review);
    object_unpin(admission->object);
    mem_free(admission);
}

/* Parses one of the review's objects whole: the patch is against what was sent. What a definition
 * is asked about looks much like what it was asked about before. */
static const struct object *read_object(struct admission *admission, struct str json,
                                        struct error *err) {
    struct host *host = admission->call.hooks->host;
    const struct object **last = &admission->call.edition->last_asked;
    struct dag_guess guess = {.like = *last ? (*last)->root : NODE_NONE};
    node_t root = dag_parse_like(host->dag, json, /* drop= */ 0, &guess, err);
    const struct object *object = root == NODE_NONE ? NULL : object_create(host->epochs, root, err);
    if (object) {
        object_unpin(*last);
        *last = object_pin(object);
    }
    return object;
}

/* The response */

static struct str text_at(const struct dag *dag, node_t answer, const char *key) {
    return node_text(dag, node_get(dag, answer, str_of(key)));
}

static void write_json(const struct dag *dag, node_t node, struct strbuf *out) {
    struct json_writer writer;
    json_writer_init(&writer, out);
    if (node_count(dag, node) > 0)
        node_write(dag, node, &writer);
}

/* The document at `at`, with what the changes' path[i..] leads to set or removed. One reference. */
static node_t with_change(struct dag *dag, node_t at, node_t path, size_t i, node_t value,
                          struct error *err) {
    struct str key;
    if (i == node_count(dag, path))
        return node_ref(dag, value);
    key = node_text(dag, node_at(dag, path, i));
    if (i + 1 == node_count(dag, path))
        return dag_with(dag, at, key, value, err);
    node_t inner = with_change(dag, node_get(dag, at, key), path, i + 1, value, err);
    node_t whole = inner == NODE_NONE ? NODE_NONE : dag_with(dag, at, key, inner, err);
    node_unref(dag, inner);
    return whole;
}

/* `from` with all changes. One reference. */
static node_t with_changes(struct dag *dag, node_t from, node_t changes, struct error *err) {
    node_t document = node_ref(dag, from);
    for (size_t i = 0; document != NODE_NONE && i < node_count(dag, changes); i++) {
        node_t change = node_at(dag, changes, i), before = document;
        document = with_change(dag, before, node_get(dag, change, str_of("path")), 0,
                               node_get(dag, change, str_of("value")), err);
        node_unref(dag, before);
    }
    return document;
}

/* Appends the patch in base64, nothing when the object is as it was. */
static int write_patch(const struct admission *admission, struct dag *dag, node_t said,
                       struct strbuf *out, struct error *err) {
    struct json_writer writer;
    CLEANUP(strbuf_finish) struct strbuf patch = {0};
    node_t changes = node_get(dag, said, str_of("changes"));
    if (changes == NODE_NONE || admission->validating)
        return 0;
    if (admission->object == NULL)
        return error_set(err, ERROR_INVALID, "there is no object to change");
    node_t changed = with_changes(dag, admission->object->root, changes, err);
    if (changed == NODE_NONE)
        return err->code;
    json_writer_init(&writer, &patch);
    int count = node_json_patch(dag, admission->object->root, changed, &writer);
    node_unref(dag, changed);
    if (count > 0)
        base64_encode(out, patch.data, patch.len);
    return count < 0 || out->failed ? error_set(err, ERROR_NOMEM, "no memory for a patch") : 0;
}

static int write_answer(struct admission *admission, node_t said, struct strbuf *out,
                        struct error *err) {
    struct dag *dag = admission->call.hooks->host->dag;
    int64_t code = 0;
    struct strbuf patch = {0}, warnings = {0}, audit = {0};
    node_int(dag, node_get(dag, said, str_of("code")), &code);
    int rc = write_patch(admission, dag, said, &patch, err);
    write_json(dag, node_get(dag, said, str_of("warnings")), &warnings);
    write_json(dag, node_get(dag, said, str_of("audit")), &audit);
    struct admission_answer answer = {
        .allowed = node_type(dag, node_get(dag, said, str_of("allowed"))) == NODE_TRUE,
        .code = (int)code,
        .reason = text_at(dag, said, "reason"),
        .message = text_at(dag, said, "message"),
        .patch_base64 = strbuf_view(&patch),
        .warnings = strbuf_view(&warnings),
        .audit = strbuf_view(&audit)};
    if (rc == 0)
        admission_answer_write(&admission->review, &answer, out);
    if (rc == 0 && (out->failed || warnings.failed || audit.failed))
        rc = error_set(err, ERROR_NOMEM, "no memory for an answer");
    strbuf_finish(&patch);
    strbuf_finish(&warnings);
    strbuf_finish(&audit);
    return rc;
}

static void respond(struct hook_call *call, struct script_result *result) {
    struct admission *admission = CONTAINER_OF(call, struct admission, call);
    struct dag *dag = call->hooks->host->dag;
    struct server_answer answer = {.status = 200, .content_type = "application/json"};
    struct error err;
    node_t said = dag_parse(dag, strbuf_view(&result->answer), 0, &err);
    if (said == NODE_NONE || write_answer(admission, said, &answer.body, &err) < 0) {
        strbuf_finish(&answer.body);
        hook_call_fail(call, 500, &err);
    } else {
        hook_call_respond(call, &answer);
    }
    node_unref(dag, said);
}

/* 400 as a review where its uid is known. */
static void refuse(struct admission *admission, const struct error *err) {
    struct server_answer answer = {.status = 400, .content_type = "application/json"};
    if (admission->review.uid[0] == '\0') {
        hook_call_fail(&admission->call, 400, err);
        return;
    }
    struct admission_answer said = {
        .code = 400, .reason = str_of("BadRequest"), .message = str_of(err->message)};
    admission_answer_write(&admission->review, &said, &answer.body);
    hook_call_respond(&admission->call, &answer);
}

static int read_objects(struct admission *admission, const struct object **ret_now,
                        const struct object **ret_old, struct error *err) {
    const struct admission_review *review = &admission->review;
    *ret_now = *ret_old = NULL;
    if (review->object.len && (*ret_now = read_object(admission, review->object, err)) == NULL)
        return error_prefix(err, "object");
    if (review->old.len && (*ret_old = read_object(admission, review->old, err)) == NULL)
        return error_prefix(err, "oldObject");
    return 0;
}

static const struct hook_call_type type = {.result = respond, .release = release};

void admission_accept(struct hooks *hooks, struct server_request *request,
                      const struct server_exchange *exchange, bool validating) {
    struct admission *admission = mem_zalloc(sizeof *admission);
    const struct object *now, *old;
    struct error err;
    if (admission == NULL) {
        hook_refuse(request, 503, "no memory");
        return;
    }
    struct hook_call *call = &admission->call;
    struct admission_review *review = &admission->review;
    admission->validating = validating;
    if (hook_call_open(call, hooks, request, exchange, /* conversion= */ false, &type, &err) < 0) {
        hook_call_fail(call, 503, &err);
        return;
    }
    if (admission_review_parse(review, exchange->body, &err) < 0) {
        refuse(admission, &err);
        return;
    }
    snprintf(call->uid, sizeof call->uid, "%s", review->uid);
    snprintf(call->key, sizeof call->key, "%s%s%s", review->ns, review->ns[0] ? "/" : "",
             review->name);
    if (read_objects(admission, &now, &old, &err) == 0) {
        admission->object = now ? object_pin(now) : NULL;
        /* on DELETE the handler sees what goes, as the object */
        hook_call_start(call, validating ? "validate" : "mutate", now ? now : old, old,
                        strbuf_view(&review->info));
    } else {
        refuse(admission, &err);
    }
    object_unpin(now);
    object_unpin(old);
}
