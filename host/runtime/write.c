#include "base/mem.h"
#include "cache/diff.h"
#include "runtime/body.h"
#include "runtime/intents.h"
#include "runtime/write_internal.h"

#include <string.h>

/* What each write sends (R1 to R5). The shape of a request is decided here, once per operation. */

static struct str meta(const struct dag *dag, node_t root, const char *field) {
    return node_text(dag, node_get(dag, node_get(dag, root, str_of("metadata")), str_of(field)));
}

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

static int target_from_body(struct operation *op, node_t root, struct error *err) {
    return write_target(op, meta(op->host->dag, root, "namespace"),
                        meta(op->host->dag, root, "name"), err);
}

int write_manager(struct operation *op, struct error *err) {
    const char *suffix = op->request->manager;
    op->manager = mem_printf("moonlet/%s%s%s", op->scope->definition->name, suffix ? "/" : "",
                             suffix ? suffix : "");
    bool status = op->request->op == SCRIPT_SET_STATUS && op->resource->has_status;
    op->memory = op->manager ? mem_printf("%s%s", op->manager, status ? " status" : "") : NULL;
    return op->memory ? 0 : error_set(err, ERROR_NOMEM, "no memory for a request");
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

static int finish_object(struct operation *op, const struct kube_answer *answer,
                         struct error *err) {
    if (answer == NULL)
        return error_prefix(err, "%s %s%s%s", op->request->kind, op->ns ? op->ns : "",
                            op->ns ? "/" : "", op->name);
    return take_object(op, answer, err);
}

/* Apply */

static int finish_apply(struct operation *op, const struct kube_answer *answer, struct error *err) {
    int rc = finish_object(op, answer, err);
    if (rc < 0)
        return rc;
    const struct object *object = op->request->object;
    intents_remember(op->host->intents, object_uid(object), op->memory, op->intent, object->root);
    return 0;
}

int write_send_intent(struct operation *op, const char *subresource) {
    if (op->current && intents_hold(op->host->intents, object_uid(op->current), op->memory,
                                    op->intent, op->current->root)) {
        op->request->object = object_pin(op->current);
        op->request->skipped = true;
        operation_end(op, NULL);
        return 1;
    }
    op->method = "PATCH";
    op->content_type = "application/apply-patch+yaml";
    op->repeatable = true;
    op->finish = finish_apply;
    operation_path(op, subresource);
    strbuf_adds(&op->query, "fieldManager=");
    kube_escape(&op->query, str_of(op->manager));
    if (op->request->force != 0)
        strbuf_adds(&op->query, "&force=true");
    body_from_node(op->host->dag, op->intent, &op->body);
    return 0;
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

static int set_meta_text(struct operation *op, const char *field, struct str text,
                         struct error *err) {
    struct strbuf json = {0};
    struct json_writer writer;
    json_writer_init(&writer, &json);
    json_write_string(&writer, text);
    int rc = json.failed ? error_set(err, ERROR_NOMEM, "no memory for a request")
                         : set_meta(op, field, json.data, err);
    strbuf_finish(&json);
    return rc;
}

static int set_owner(struct operation *op, struct error *err) {
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

static int look_up(struct operation *op) {
    op->looking_up = true;
    op->method = "GET";
    operation_path(op, NULL);
    operation_send(op);
    return 1;
}

static int apply_with_uid(struct operation *op, struct str uid, struct error *err) {
    int rc = set_meta_text(op, "uid", uid, err);
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
                               : apply_with_uid(op, meta(op->host->dag, root, "uid"), &err);
        node_unref(op->host->dag, root);
    }
    if (rc < 0)
        operation_end(op, &err);
    else if (rc == 0)
        operation_send(op);
}

static int prepare_apply(struct operation *op, struct error *err) {
    struct dag *dag = op->host->dag;
    op->intent = dag_parse(dag, strbuf_view(&op->request->body), 0, err);
    if (op->intent == NODE_NONE)
        return error_prefix(err, "apply");
    int rc = target_from_body(op, op->intent, err);
    if (rc == 0)
        rc = write_manager(op, err);
    if (rc == 0)
        rc = operation_allow(op, "patch", err);
    if (rc == 0 && op->ns && meta(dag, op->intent, "namespace").len == 0)
        rc = set_meta_text(op, "namespace", str_of(op->ns), err);
    if (rc < 0)
        return rc;
    bool owns = definition_owns(op->scope->definition, op->request->kind);
    int owner = op->request->owner < 0 ? owns : op->request->owner;
    if (owner && (rc = set_owner(op, err)) < 0)
        return rc;
    write_find_current(op);
    if (owns || op->request->create == 1)
        return write_send_intent(op, NULL);
    return op->current ? apply_with_uid(op, object_uid(op->current), err) : look_up(op);
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
        status ? node_text(dag, node_path(dag, root, "details.uid")) : meta(dag, root, "uid");
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
    struct str name = meta(dag, op->intent, "name");
    if (name.len == 0 && meta(dag, op->intent, "generateName").len == 0)
        return error_set(err, ERROR_INVALID, "%s: metadata.name is missing", op->request->kind);
    op->name = mem_strndup(name.data, name.len);
    int rc = op->name ? choose_namespace(op, meta(dag, op->intent, "namespace"), err)
                      : error_set(err, ERROR_NOMEM, "no memory for a request");
    if (rc == 0)
        rc = write_manager(op, err);
    if (rc == 0)
        rc = operation_allow(op, "create", err);
    if (rc == 0 && op->ns && meta(dag, op->intent, "namespace").len == 0)
        rc = set_meta_text(op, "namespace", str_of(op->ns), err);
    int owner = op->request->owner < 0 ? definition_owns(op->scope->definition, op->request->kind)
                                       : op->request->owner;
    if (rc == 0 && owner)
        rc = set_owner(op, err);
    if (rc < 0)
        return rc;
    op->method = "POST";
    op->finish = finish_object;
    kube_resource_path(&op->path, op->resource, op->ns, NULL, NULL);
    strbuf_adds(&op->query, "fieldManager=");
    kube_escape(&op->query, str_of(op->manager));
    body_from_node(dag, op->intent, &op->body);
    return 0;
}

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
static int prepare_update(struct operation *op, struct error *err) {
    struct dag *dag = op->host->dag;
    const struct object *base = op->request->base;
    if (base == NULL)
        return error_set(err, ERROR_INVALID,
                         "ctx:update needs an object that was read; use ctx:apply or ctx:create");
    int rc = write_target(op, object_namespace(base), object_name(base), err);
    if (rc == 0)
        rc = write_manager(op, err);
    if (rc == 0)
        rc = operation_allow(op, "update", err);
    struct strbuf patch = {0};
    if (rc == 0)
        rc = make_difference(op, base, &patch, err);
    if (rc == 1) {
        op->request->object = object_pin(base);
        op->request->skipped = true;
        operation_end(op, NULL);
    }
    if (rc == 0 && (op->intent = dag_parse(dag, strbuf_view(&patch), 0, err)) == NODE_NONE)
        rc = err->code;
    strbuf_finish(&patch);
    if (rc == 0)
        rc = set_meta_text(op, "uid", object_uid(base), err);
    if (rc == 0)
        rc = set_meta_text(op, "resourceVersion", meta(dag, base->root, "resourceVersion"), err);
    if (rc != 0)
        return rc;
    op->method = "PATCH";
    op->content_type = "application/merge-patch+json";
    op->finish = finish_object;
    operation_path(op, NULL);
    strbuf_adds(&op->query, "fieldManager=");
    kube_escape(&op->query, str_of(op->manager));
    body_from_node(dag, op->intent, &op->body);
    return 0;
}

static int prepare_patch(struct operation *op, struct error *err) {
    struct script_request *request = op->request;
    const char *type = request->patch_type ? request->patch_type : "merge";
    int rc = write_target_from_ref(op, err);
    if (rc == 0)
        rc = write_manager(op, err);
    if (rc == 0)
        rc = operation_allow(op, "patch", err);
    if (rc < 0)
        return rc;
    op->method = "PATCH";
    op->content_type = strcmp(type, "json") == 0        ? "application/json-patch+json"
                       : strcmp(type, "strategic") == 0 ? "application/strategic-merge-patch+json"
                                                        : "application/merge-patch+json";
    op->finish = finish_object;
    operation_path(op, request->subresource);
    strbuf_adds(&op->query, "fieldManager=");
    kube_escape(&op->query, str_of(op->manager));
    strbuf_add(&op->body, request->body.data, request->body.len);
    return 0;
}

int write_prepare(struct operation *op, struct error *err) {
    switch (op->request->op) {
    case SCRIPT_APPLY:
        return prepare_apply(op, err);
    case SCRIPT_CREATE:
        return prepare_create(op, err);
    case SCRIPT_UPDATE:
        return prepare_update(op, err);
    case SCRIPT_PATCH:
        return prepare_patch(op, err);
    case SCRIPT_DELETE:
        return prepare_delete(op, err);
    default:
        return subresource_prepare(op, err);
    }
}
