#include "base/mem.h"
#include "kube/base64.h"
#include "runtime/operation.h"

#include <string.h>

/* Reads straight from the server: ctx.live:get, ctx.live:list, ctx:secret. */

enum { PAGE = 500, MOST_LISTED = 256 << 20 };

/* Lists are of everything that this host may see, as those of the cache are. */
static struct str list_namespace(const struct operation *op, struct error *err) {
    char *const *visible = op->host->namespaces;
    *err = (struct error){0};
    if (op->request->ns)
        return str_of(op->request->ns);
    if (visible == NULL || visible[0] == NULL || !op->resource->namespaced)
        return (struct str){0};
    if (visible[1])
        error_set(err, ERROR_INVALID,
                  "list %s: this host watches several namespaces (--namespace); say which: "
                  "{ namespace = … }",
                  op->request->kind);
    return str_of(visible[0]);
}

static struct str object_or_host_namespace(const struct operation *op) {
    const struct object *object = op->scope->object;
    struct str ns = op->request->ns ? str_of(op->request->ns)
                    : object        ? object_namespace(object)
                                    : (struct str){0};
    return ns.len > 0 ? ns : str_of(op->host->ns);
}

static int set_target(struct operation *op, struct error *err) {
    struct script_request *request = op->request;
    bool list = request->op == SCRIPT_LIVE_LIST;
    struct str ns = list ? list_namespace(op, err) : object_or_host_namespace(op);
    if (list && err->code != 0)
        return err->code;
    op->ns = ns.len > 0 && op->resource->namespaced ? mem_strndup(ns.data, ns.len) : NULL;
    op->name = mem_strdup(request->name ? request->name : "");
    op->method = "GET";
    op->repeatable = true;
    return op->name ? 0 : error_set(err, ERROR_NOMEM, "no memory for a request");
}

static int finish_get(struct operation *op, const struct kube_answer *answer, struct error *err) {
    if (answer == NULL && err->code == ERROR_NOT_FOUND)
        return 0;
    if (answer == NULL)
        return error_prefix(err, "get %s %s", op->request->kind, op->name);
    node_t root = dag_parse(op->host->dag, answer->body,
                            DAG_DROP_MANAGED_FIELDS | DAG_DROP_LAST_APPLIED, err);
    if (root == NODE_NONE)
        return err->code;
    op->request->object = object_create(op->host->epochs, root, err);
    return op->request->object ? 0 : err->code;
}

static void write_list_query(struct operation *op, const char *continue_token) {
    const struct script_request *request = op->request;
    strbuf_clear(&op->query);
    strbuf_printf(&op->query, "limit=%d", PAGE);
    if (request->labels) {
        strbuf_adds(&op->query, "&labelSelector=");
        kube_escape(&op->query, str_of(request->labels));
    }
    if (request->fields) {
        strbuf_adds(&op->query, "&fieldSelector=");
        kube_escape(&op->query, str_of(request->fields));
    }
    if (continue_token) {
        strbuf_adds(&op->query, "&continue=");
        kube_escape(&op->query, str_of(continue_token));
    }
}

/* Appends the page's items, each with apiVersion and kind. 0 or < 0. */
static int take_page(struct operation *op, node_t root, struct error *err) {
    struct dag *dag = op->host->dag;
    node_t items = node_get(dag, root, str_of("items"));
    for (size_t i = 0; i < node_count(dag, items); i++) {
        struct json_writer writer;
        json_writer_init(&writer, &op->items);
        if (op->items.len > 1)
            strbuf_addc(&op->items, ',');
        json_write_object_begin(&writer);
        json_write_key_string(&writer, "apiVersion", str_of(op->api_version));
        json_write_key_string(&writer, "kind", str_of(op->kind));
        node_t item = node_at(dag, items, i);
        for (size_t k = 0; k < node_count(dag, item); k++) {
            struct str key = node_key_at(dag, item, k);
            if (str_is(key, "apiVersion") || str_is(key, "kind"))
                continue;
            json_write_key(&writer, key);
            node_write(dag, node_at(dag, item, k), &writer);
        }
        json_write_object_end(&writer);
    }
    if (op->items.failed)
        return error_set(err, ERROR_NOMEM, "no memory for a list of %s", op->request->kind);
    if (op->items.len > MOST_LISTED)
        return error_set(err, ERROR_REJECTED, "a live list of %s is above %d MiB: narrow it down",
                         op->request->kind, MOST_LISTED >> 20);
    return 0;
}

static int finish_list(struct operation *op, const struct kube_answer *answer, struct error *err) {
    struct dag *dag = op->host->dag;
    if (answer == NULL)
        return error_prefix(err, "list %s", op->request->kind);
    node_t root = dag_parse(dag, answer->body, 0, err);
    if (root == NODE_NONE)
        return error_prefix(err, "list %s", op->request->kind);
    int rc = take_page(op, root, err);
    struct str more = node_text(dag, node_path(dag, root, "metadata.continue"));
    if (rc == 0 && more.len > 0) {
        CLEANUP(mem_freep) char *token = mem_strndup(more.data, more.len);
        node_unref(dag, root);
        write_list_query(op, token);
        operation_send(op);
        return 1;
    }
    node_unref(dag, root);
    if (rc < 0)
        return rc;
    strbuf_addc(&op->items, ']');
    op->request->text = op->items;
    op->items = (struct strbuf){0};
    return 0;
}

/* Secrets: one key of one declared Secret, never logged. */
static bool secret_declared(const struct operation *op) {
    for (char **entry = op->scope->definition->secrets; *entry; entry++) {
        const char *slash = strchr(*entry, '/');
        if (slash == NULL ? strcmp(*entry, op->name) == 0
                          : op->ns && strncmp(*entry, op->ns, (size_t)(slash - *entry)) == 0 &&
                                op->ns[slash - *entry] == '\0' && strcmp(slash + 1, op->name) == 0)
            return true;
    }
    return false;
}

static int take_secret(struct operation *op, struct str value, struct error *err) {
    CLEANUP(mem_freep) char *text = mem_strndup(value.data, value.len);
    if (text && base64_decode(text, &op->request->text))
        return 0;
    return error_set(err, text ? ERROR_PROTOCOL : ERROR_NOMEM, "secret %s/%s: \"%s\" is not base64",
                     op->ns, op->name, op->request->key);
}

static int finish_secret(struct operation *op, const struct kube_answer *answer,
                         struct error *err) {
    struct dag *dag = op->host->dag;
    if (answer == NULL)
        return error_prefix(err, "secret %s/%s", op->ns, op->name);
    node_t root = dag_parse(dag, answer->body, 0, err);
    if (root == NODE_NONE)
        return error_prefix(err, "secret %s/%s", op->ns, op->name);
    node_t value = node_get(dag, node_get(dag, root, str_of("data")), str_of(op->request->key));
    if (value == NODE_NONE)
        error_set(err, ERROR_NOT_FOUND, "secret %s/%s has no key \"%s\"", op->ns, op->name,
                  op->request->key);
    else if (take_secret(op, node_text(dag, value), err) < 0)
        value = NODE_NONE;
    node_unref(dag, root);
    return value == NODE_NONE ? err->code : 0;
}

int read_prepare(struct operation *op, struct error *err) {
    int rc = set_target(op, err);
    if (rc < 0)
        return rc;
    if (op->request->op == SCRIPT_SECRET) {
        if (!secret_declared(op))
            return error_set(
                err, ERROR_FORBIDDEN, "%s \"%s\" may not read secret %s; add secrets = { \"%s\" }",
                op->scope->definition->source, op->scope->definition->name, op->name, op->name);
        op->finish = finish_secret;
        operation_path(op, NULL);
        return 0;
    }
    bool list = op->request->op == SCRIPT_LIVE_LIST;
    rc = operation_allow(op, list ? "list" : "get", err);
    if (rc < 0)
        return rc;
    op->finish = list ? finish_list : finish_get;
    if (list) {
        strbuf_addc(&op->items, '[');
        kube_resource_path(&op->path, op->resource, op->ns, NULL, NULL);
        write_list_query(op, NULL);
    } else {
        operation_path(op, NULL);
    }
    return 0;
}
