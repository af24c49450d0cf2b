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
    const struct object *old;    /* NULL on CREATE */
    bool validating;
};

static void release(struct hook_call *call) {
    struct admission *admission = CONTAINER_OF(call, struct admission, call);
    admission_review_finish(&admission->review);
    object_unpin(admission->object);
    object_unpin(admission->old);
    mem_free(admission);
}

/* One of the review's objects, whole: the patch is against what was sent. What a definition is
 * asked about looks much like what it was last asked about. */
static int take_object(void *context, bool old, struct str ahead, size_t *ret_len,
                       struct error *err) {
    struct admission *admission = context;
    struct host *host = admission->call.hooks->host;
    const struct object **last = &admission->call.edition->last_asked, *object;
    struct dag_guess guess = {.like = *last ? (*last)->root : NODE_NONE};
    node_t root = dag_parse_value(host->dag, ahead, /* drop= */ 0, &guess, ret_len, err);
    object = root == NODE_NONE ? NULL : object_create(host->epochs, root, err);
    if (object == NULL)
        return err->code;
    object_unpin(*last);
    *last = object_pin(object);
    *(old ? &admission->old : &admission->object) = object;
    return 0;
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
    json_writer_init(&writer, &patch);
    int count = node_json_patch_changes(dag, admission->object->root, changes, &writer);
    if (count == ERROR_INVALID)
        return error_set(err, count, "a change below what is no object");
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
    node_t *last = &call->edition->last_said;
    struct dag_guess guess = {.like = *last};
    node_t said = dag_parse_like(dag, strbuf_view(&result->answer), /* drop= */ 0, &guess, &err);
    if (said == NODE_NONE || write_answer(admission, said, &answer.body, &err) < 0) {
        strbuf_finish(&answer.body);
        hook_call_fail(call, 500, &err);
    } else {
        hook_call_respond(call, &answer);
    }
    node_unref(dag, *last);
    *last = said;
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

static const struct hook_call_type type = {.result = respond, .release = release};

void admission_accept(struct hooks *hooks, struct server_request *request,
                      const struct server_exchange *exchange, bool validating) {
    struct admission *admission = mem_zalloc(sizeof *admission);
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
    review->take = take_object;
    review->context = admission;
    if (admission_review_parse(review, exchange->body, &err) < 0) {
        refuse(admission, &err);
        return;
    }
    call->uid = review->uid;
    snprintf(call->key, sizeof call->key, "%s%s%s", review->ns, review->ns[0] ? "/" : "",
             review->name);
    struct script_call told = {.function = validating ? "validate" : "mutate",
                               .event = review->operation,
                               .ns = str_of(review->ns),
                               .name = str_of(review->name),
                               .request = strbuf_view(&review->info)};
    /* on DELETE the handler sees what goes, as the object */
    hook_call_start(call, &told, admission->object ? admission->object : admission->old,
                    admission->old);
}
