#include "base/mem.h"
#include "runtime/body.h"
#include "runtime/intents.h"
#include "runtime/write_internal.h"

/* Server-side apply: not sent when it would change nothing (R1), and with a uid where it must not
 * create (R2). */

static int finish_apply(struct operation *op, const struct kube_answer *answer, struct error *err) {
    int rc = write_finish_object(op, answer, err);
    if (rc < 0)
        return rc;
    const struct object *object = op->request->object;
    intents_remember(op->host->intents, object_uid(object), op->memory, op->intent, object->root);
    return 0;
}

static bool changes_nothing(const struct operation *op) {
    const struct object *current = op->current;
    return current &&
           intents_hold(op->host->intents, object_uid(current), op->memory, op->intent,
                        current->root) &&
           !informer_set_doubts(op->host->informers, op->api_version, op->kind, current);
}

int write_send_intent(struct operation *op, const char *subresource) {
    if (changes_nothing(op))
        return write_skip(op, op->current);
    op->method = "PATCH";
    op->content_type = "application/apply-patch+yaml";
    op->repeatable = true;
    op->finish = finish_apply;
    operation_path(op, subresource);
    write_manager_query(op);
    if (op->request->force != 0)
        strbuf_adds(&op->query, "&force=true");
    body_from_node(op->host->dag, op->intent, &op->body);
    return 0;
}

static int look_up(struct operation *op) {
    op->looking_up = true;
    op->method = "GET";
    operation_path(op, NULL);
    operation_send(op);
    return 1;
}

static int apply_with_uid(struct operation *op, struct str uid, struct error *err) {
    int rc = write_set_meta(op, "uid", uid, err);
    return rc < 0 ? rc : write_send_intent(op, NULL);
}

/* R2: the target is not in the cache; its uid came from the server, or it is not there. */
void write_looked_up(struct operation *op, const struct kube_answer *answer,
                     const struct error *failed) {
    struct error err;
    int rc;
    op->looking_up = false;
    strbuf_clear(&op->path);
    if (failed && failed->code == ERROR_NOT_FOUND) {
        rc = error_set(&err, ERROR_NOT_FOUND,
                       "%s %s is not there; this controller does not own the kind, so say "
                       "{ create = true } if apply may create it",
                       op->request->kind, op->name);
    } else if (failed) {
        err = *failed;
        rc = err.code;
    } else {
        node_t root = dag_parse(op->host->dag, answer->body,
                                DAG_DROP_MANAGED_FIELDS | DAG_DROP_LAST_APPLIED, &err);
        rc = root == NODE_NONE ? err.code
                               : apply_with_uid(op, write_meta(op->host->dag, root, "uid"), &err);
        node_unref(op->host->dag, root);
    }
    if (rc < 0)
        operation_end(op, &err);
    else if (rc == 0)
        operation_send(op);
}

int write_prepare_apply(struct operation *op, struct error *err) {
    struct dag *dag = op->host->dag;
    op->intent = dag_parse(dag, strbuf_view(&op->request->body), 0, err);
    if (op->intent == NODE_NONE)
        return error_prefix(err, "apply");
    int rc = write_begin(op, write_meta(dag, op->intent, "namespace"),
                         write_meta(dag, op->intent, "name"), "patch", err);
    if (rc == 0)
        rc = write_fill_intent(op, err);
    if (rc < 0)
        return rc;
    write_find_current(op);
    if (definition_owns(op->scope->definition, op->request->kind) || op->request->create == 1)
        return write_send_intent(op, NULL);
    return op->current ? apply_with_uid(op, object_uid(op->current), err) : look_up(op);
}
