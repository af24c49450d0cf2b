#include "base/mem.h"
#include "runtime/body.h"
#include "runtime/write_internal.h"

/* Writes to subresources: status, scale, eviction, binding, token. */

/* Status: a forced apply on /status of the object in hand. */
static int prepare_status(struct operation *op, struct error *err) {
    struct dag *dag = op->host->dag;
    const struct object *object = op->scope->object;
    if (object == NULL)
        return error_set(err, ERROR_INVALID, "set_status: no object is in hand");
    int rc = write_target(op, object_namespace(object), object_name(object), err);
    if (rc == 0)
        rc = write_manager(op, err);
    if (rc < 0)
        return rc;
    struct strbuf text = {0};
    body_status(&text, op->api_version, op->kind, object, strbuf_view(&op->request->body));
    op->intent = text.failed ? NODE_NONE : dag_parse(dag, strbuf_view(&text), 0, err);
    if (text.failed)
        error_set(err, ERROR_NOMEM, "no memory for a status");
    strbuf_finish(&text);
    if (op->intent == NODE_NONE)
        return error_prefix(err, "set_status");
    write_find_current(op);
    return write_send_intent(op, op->resource->has_status ? "status" : NULL);
}

static int finish_text(struct operation *op, const struct kube_answer *answer, struct error *err) {
    if (answer == NULL)
        return error_prefix(err, "%s %s", op->request->kind, op->name);
    strbuf_add(&op->request->text, answer->body.data, answer->body.len);
    return 0;
}

int subresource_prepare(struct operation *op, struct error *err) {
    struct script_request *request = op->request;
    if (request->op == SCRIPT_SET_STATUS)
        return prepare_status(op, err);
    int rc = write_target_from_ref(op, err);
    if (rc < 0)
        return rc;
    op->finish = finish_text;
    op->method = "POST";
    if (request->op == SCRIPT_SCALE) {
        op->method = "PATCH";
        op->content_type = "application/merge-patch+json";
        op->repeatable = true;
        strbuf_printf(&op->body, "{\"spec\":{\"replicas\":%lld}}", (long long)request->replicas);
        operation_path(op, "scale");
        return operation_allow(op, "scale", err);
    }
    if (request->op == SCRIPT_EVICT) {
        body_eviction(&op->body, op->ns, op->name, request->grace_s);
        operation_path(op, "eviction");
        return operation_allow(op, "evict", err);
    }
    if (request->op == SCRIPT_BIND) {
        body_binding(&op->body, op->ns, op->name, request->precondition_uid,
                     strbuf_view(&request->body));
        operation_path(op, "binding");
        return operation_allow(op, "bind", err);
    }
    body_token_request(&op->body, strbuf_view(&request->body));
    operation_path(op, "token");
    return operation_allow(op, "token", err);
}
