#include "base/mem.h"
#include "runtime/body.h"
#include "runtime/write_internal.h"

#include <string.h>

/* What each write sends (R1 to R5). The shape of a request is decided here, once per operation. */

/* The namespace of the target: what was said, the object in hand's, or the host's. */
static int choose_namespace(struct operation *op, struct str said, struct error *err) {
    if (!op->resource->namespaced)
        return 0;
    struct str ns = said;
    if (ns.len == 0 && op->scope->object)
        ns = object_namespace(op->scope->object);
    if (ns.len == 0)
        ns = str_of(op->host->ns);
    op->ns = mem_strndup(ns.data, ns.len);
    return op->ns ? 0 : error_set(err, ERROR_NOMEM, "no memory for a request");
}

int write_target(struct operation *op, struct str ns, struct str name, struct error *err) {
    if (name.len == 0)
        return error_set(err, ERROR_INVALID, "%s: metadata.name is missing", op->request->kind);
    op->name = mem_strndup(name.data, name.len);
    if (op->name == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for a request");
    return choose_namespace(op, ns, err);
}

int write_target_from_ref(struct operation *op, struct error *err) {
    return write_target(op, str_of(op->request->ns), str_of(op->request->name), err);
}

int write_manager(struct operation *op, struct error *err) {
    const char *suffix = op->request->manager;
    op->manager = mem_printf("moonlet/%s%s%s", op->scope->definition->name, suffix ? "/" : "",
                             suffix ? suffix : "");
    bool status = op->request->op == SCRIPT_SET_STATUS && op->resource->has_status;
    op->memory = op->manager ? mem_printf("%s%s", op->manager, status ? " status" : "") : NULL;
    return op->memory ? 0 : error_set(err, ERROR_NOMEM, "no memory for a request");
}

int write_begin(struct operation *op, struct str ns, struct str name, const char *verb,
                struct error *err) {
    int rc = write_target(op, ns, name, err);
    if (rc == 0)
        rc = write_manager(op, err);
    return rc == 0 ? operation_allow(op, verb, err) : rc;
}

int write_skip(struct operation *op, const struct object *object) {
    op->request->object = object_pin(object);
    op->request->skipped = true;
    operation_end(op, NULL);
    return 1;
}

void write_manager_query(struct operation *op) {
    strbuf_adds(&op->query, "fieldManager=");
    kube_escape(&op->query, str_of(op->manager));
}

static bool is_object_in_hand(const struct operation *op) {
    const struct scope *scope = op->scope;
    return scope->object && scope->kind && strcmp(scope->kind, op->request->kind) == 0 &&
           str_is(object_name(scope->object), op->name) &&
           (op->ns == NULL || str_is(object_namespace(scope->object), op->ns));
}

void write_find_current(struct operation *op) {
    op->current = informer_set_find(op->host->informers, op->api_version, op->kind, str_of(op->ns),
                                    str_of(op->name));
    if (op->current == NULL && is_object_in_hand(op))
        op->current = object_pin(op->scope->object);
}

/* The answer is an object: into the cache (R5) and to the script. */
static int take_object(struct operation *op, const struct kube_answer *answer, struct error *err) {
    node_t root =
        informer_set_wrote(op->host->informers, op->api_version, op->kind, answer->body, err);
    if (root == NODE_NONE)
        return error_prefix(err, "the answer for %s %s", op->request->kind, op->name);
    op->request->object = object_create(op->host->epochs, root, err);
    if (op->request->object)
        return 0;
    node_unref(op->host->dag, root);
    return err->code;
}

int write_finish_object(struct operation *op, const struct kube_answer *answer, struct error *err) {
    if (answer == NULL)
        return error_prefix(err, "%s %s%s%s", op->request->kind, op->ns ? op->ns : "",
                            op->ns ? "/" : "", op->name);
    return take_object(op, answer, err);
}

static int finish_delete(struct operation *op, const struct kube_answer *answer,
                         struct error *err) {
    if (answer == NULL && err->code == ERROR_NOT_FOUND) {
        op->request->found = false;
        return 0;
    }
    if (answer == NULL)
        return error_prefix(err, "delete %s %s", op->request->kind, op->name);
    op->request->found = true;
    struct dag *dag = op->host->dag;
    node_t root = dag_parse(dag, answer->body, 0, err);
    if (root == NODE_NONE)
        return 0; /* deleted all the same; the event will tell */
    bool status = node_is(dag, node_get(dag, root, str_of("kind")), "Status");
    int64_t grace = 0;
    node_int(dag, node_path(dag, root, "metadata.deletionGracePeriodSeconds"), &grace);
    bool stays =
        !status && (grace > 0 || node_count(dag, node_path(dag, root, "metadata.finalizers")) > 0);
    struct str uid =
        status ? node_text(dag, node_path(dag, root, "details.uid")) : write_meta(dag, root, "uid");
    if (stays)
        node_unref(dag, informer_set_wrote(op->host->informers, op->api_version, op->kind,
                                           answer->body, NULL));
    else if (uid.len > 0)
        informer_set_deleted(op->host->informers, op->api_version, op->kind, str_of(op->ns),
                             str_of(op->name), uid);
    node_unref(dag, root);
    return 0;
}

static int prepare_delete(struct operation *op, struct error *err) {
    struct script_request *request = op->request;
    int rc = write_target_from_ref(op, err);
    if (rc == 0)
        rc = operation_allow(op, "delete", err);
    if (rc < 0)
        return rc;
    op->method = "DELETE";
    op->repeatable = true; /* a second one finds nothing, or the same object dying */
    op->finish = finish_delete;
    operation_path(op, NULL);
    body_deletion(&op->body, request);
    return 0;
}

static int prepare_create(struct operation *op, struct error *err) {
    struct dag *dag = op->host->dag;
    op->intent = dag_parse(dag, strbuf_view(&op->request->body), 0, err);
    if (op->intent == NODE_NONE)
        return error_prefix(err, "create");
    struct str name = write_meta(dag, op->intent, "name");
    if (name.len == 0 && write_meta(dag, op->intent, "generateName").len == 0)
        return error_set(err, ERROR_INVALID, "%s: metadata.name is missing", op->request->kind);
    op->name = mem_strndup(name.data, name.len);
    int rc = op->name ? choose_namespace(op, write_meta(dag, op->intent, "namespace"), err)
                      : error_set(err, ERROR_NOMEM, "no memory for a request");
    if (rc == 0)
        rc = write_manager(op, err);
    if (rc == 0)
        rc = operation_allow(op, "create", err);
    if (rc == 0)
        rc = write_fill_intent(op, err);
    if (rc < 0)
        return rc;
    op->method = "POST";
    op->finish = write_finish_object;
    kube_resource_path(&op->path, op->resource, op->ns, NULL, NULL);
    write_manager_query(op);
    body_from_node(dag, op->intent, &op->body);
    return 0;
}

static int prepare_patch(struct operation *op, struct error *err) {
    struct script_request *request = op->request;
    const char *type = request->patch_type ? request->patch_type : "merge";
    int rc = write_begin(op, str_of(request->ns), str_of(request->name), "patch", err);
    if (rc < 0)
        return rc;
    op->method = "PATCH";
    op->content_type = strcmp(type, "json") == 0        ? "application/json-patch+json"
                       : strcmp(type, "strategic") == 0 ? "application/strategic-merge-patch+json"
                                                        : "application/merge-patch+json";
    op->finish = write_finish_object;
    operation_path(op, request->subresource);
    write_manager_query(op);
    strbuf_add(&op->body, request->body.data, request->body.len);
    return 0;
}

int write_prepare(struct operation *op, struct error *err) {
    switch (op->request->op) {
    case SCRIPT_APPLY:
        return write_prepare_apply(op, err);
    case SCRIPT_CREATE:
        return prepare_create(op, err);
    case SCRIPT_UPDATE:
        return write_prepare_update(op, err);
    case SCRIPT_PATCH:
        return prepare_patch(op, err);
    case SCRIPT_DELETE:
        return prepare_delete(op, err);
    default:
        return subresource_prepare(op, err);
    }
}
