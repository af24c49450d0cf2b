#include "base/mem.h"
#include "cache/diff.h"
#include "runtime/body.h"
#include "runtime/write_internal.h"

/* The whole object as the script wants it. Annotations that it took away altogether are an empty
 * object: `null` in a merge patch would take those, too, that the scanner dropped. */
static node_t parse_wanted(struct operation *op, const struct object *base, struct error *err) {
    struct dag *dag = op->host->dag;
    node_t wanted = dag_parse(dag, strbuf_view(&op->request->body), 0, err);
    if (wanted == NODE_NONE || node_path(dag, wanted, "metadata.annotations") != NODE_NONE ||
        node_path(dag, base->root, "metadata.annotations") == NODE_NONE)
        return wanted;
    node_t with = body_with_meta(dag, wanted, "annotations", str_of("{}"), err);
    node_unref(dag, wanted);
    return with;
}

/* The merge patch from what was read to what is wanted, or none (1). Status has a way of its own.
 */
static int make_difference(struct operation *op, const struct object *base, struct strbuf *patch,
                           struct error *err) {
    struct dag *dag = op->host->dag;
    struct str status = str_of("status");
    struct json_writer writer;
    node_t wanted = parse_wanted(op, base, err);
    if (wanted == NODE_NONE)
        return error_prefix(err, "update");
    int rc = 0;
    json_writer_init(&writer, patch);
    if (op->resource->has_status &&
        !node_same(dag, node_get(dag, wanted, status), node_get(dag, base->root, status)))
        rc = error_set(err, ERROR_INVALID,
                       "%s %s: ctx:update does not write status; use ctx:set_status",
                       op->request->kind, op->name);
    else if (!node_merge_patch(dag, base->root, wanted, &writer))
        rc = 1;
    if (patch->failed)
        rc = error_set(err, ERROR_NOMEM, "no memory for a patch");
    node_unref(dag, wanted);
    return rc;
}

/* R4: the difference from the version that was read, with its uid and resourceVersion. */
int write_prepare_update(struct operation *op, struct error *err) {
    struct dag *dag = op->host->dag;
    const struct object *base = op->request->base;
    if (base == NULL)
        return error_set(err, ERROR_INVALID,
                         "ctx:update needs an object that was read; use ctx:apply or ctx:create");
    int rc = write_begin(op, object_namespace(base), object_name(base), "update", err);
    struct strbuf patch = {0};
    if (rc == 0)
        rc = make_difference(op, base, &patch, err);
    if (rc == 1)
        write_skip(op, base);
    if (rc == 0 && (op->intent = dag_parse(dag, strbuf_view(&patch), 0, err)) == NODE_NONE)
        rc = err->code;
    strbuf_finish(&patch);
    if (rc == 0)
        rc = write_set_meta(op, "uid", object_uid(base), err);
    if (rc == 0)
        rc = write_set_meta(op, "resourceVersion", write_meta(dag, base->root, "resourceVersion"),
                            err);
    if (rc != 0)
        return rc;
    op->method = "PATCH";
    op->content_type = "application/merge-patch+json";
    op->finish = write_finish_object;
    operation_path(op, NULL);
    write_manager_query(op);
    body_from_node(dag, op->intent, &op->body);
    return 0;
}
