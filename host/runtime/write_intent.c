#include "base/mem.h"
#include "runtime/body.h"
#include "runtime/write_internal.h"

/* What is added to an object that a script wants before it is sent. */

struct str write_meta(const struct dag *dag, node_t root, const char *field) {
    return node_text(dag, node_get(dag, node_get(dag, root, str_of("metadata")), str_of(field)));
}

static int check_owner(const struct operation *op, struct error *err) {
    const struct object *owner = op->scope->object;
    if (owner == NULL)
        return error_set(err, ERROR_INVALID, "%s %s cannot have an owner: no object is in hand",
                         op->request->kind, op->name);
    struct str ns = object_namespace(owner);
    if (ns.len > 0 && !op->resource->namespaced)
        return error_set(err, ERROR_INVALID,
                         "%s %s is cluster-scoped and cannot be owned by the namespaced %s",
                         op->request->kind, op->name, op->scope->kind);
    if (ns.len > 0 && !str_is(ns, op->ns))
        return error_set(err, ERROR_INVALID,
                         "%s %s/%s cannot be owned from namespace " STR_FORMAT
                         ": say { owner = false }",
                         op->request->kind, op->ns, op->name, STR_ARG(ns));
    return 0;
}

/* Sets metadata.<field> in the intent. */
static int set_meta(struct operation *op, const char *field, const char *json, struct error *err) {
    node_t next = body_with_meta(op->host->dag, op->intent, field, str_of(json), err);
    if (next == NODE_NONE)
        return err->code;
    node_unref(op->host->dag, op->intent);
    op->intent = next;
    return 0;
}

int write_set_meta(struct operation *op, const char *field, struct str text, struct error *err) {
    struct strbuf json = {0};
    struct json_writer writer;
    json_writer_init(&writer, &json);
    json_write_string(&writer, text);
    int rc = json.failed ? error_set(err, ERROR_NOMEM, "no memory for a request")
                         : set_meta(op, field, json.data, err);
    strbuf_finish(&json);
    return rc;
}

static int add_owner(struct operation *op, struct error *err) {
    const struct dag *dag = op->host->dag;
    node_t given = node_path(dag, op->intent, "metadata.ownerReferences");
    int rc = given == NODE_NONE ? check_owner(op, err) : 0;
    if (rc < 0 || given != NODE_NONE)
        return rc;
    struct strbuf json = {0};
    body_owner(&json, op->scope->definition->resource.api_version,
               op->scope->definition->resource.kind_name, op->scope->object);
    rc = json.failed ? error_set(err, ERROR_NOMEM, "no memory for a request")
                     : set_meta(op, "ownerReferences", json.data, err);
    strbuf_finish(&json);
    return rc;
}

int write_fill_intent(struct operation *op, struct error *err) {
    const struct script_request *request = op->request;
    int rc = 0;
    if (op->ns && write_meta(op->host->dag, op->intent, "namespace").len == 0)
        rc = write_set_meta(op, "namespace", str_of(op->ns), err);
    bool owner =
        request->owner < 0 ? definition_owns(op->scope->definition, request->kind) : request->owner;
    return rc == 0 && owner ? add_owner(op, err) : rc;
}
