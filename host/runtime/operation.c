#include "runtime/operation.h"

#include <string.h>

#include "base/mem.h"
#include "http/http.h"
#include "runtime/observer.h"

enum { MOST_TRIES = 5 };

void scope_init(struct scope *scope, struct host *host, const struct definition *definition,
                const struct object *object) {
    *scope = (struct scope){.host = host,
                            .definition = definition,
                            .object = object,
                            .kind = definition->has_resource ? definition->resource.kind : NULL};
    list_init(&scope->operations);
}

static void destroy(struct operation *operation) {
    list_remove(&operation->link);
    loop_timer_stop(&operation->timer);
    strbuf_finish(&operation->path);
    strbuf_finish(&operation->query);
    strbuf_finish(&operation->body);
    strbuf_finish(&operation->items);
    object_unpin(operation->current);
    object_drop(operation->before);
    node_unref(operation->host->dag, operation->intent);
    mem_free(operation->api_version);
    mem_free(operation->kind);
    mem_free(operation->ns);
    mem_free(operation->name);
    mem_free(operation->manager);
    mem_free(operation->memory);
    mem_free(operation);
}

void operation_end(struct operation *operation, const struct error *err) {
    struct script_request *request = operation->request;
    void (*done)(struct script_request *) = operation->done;
    if (err && err->code != 0)
        request->error = *err;
    else
        request->error.code = 0;
    destroy(operation);
    done(request);
}

static void on_answer(void *context, const struct kube_answer *answer, const struct error *err);

static void send_now(struct operation *operation) {
    struct error err;
    struct kube_request request = {
        .method = operation->method,
        .path = operation->path.data,
        .query = operation->query.len ? operation->query.data : NULL,
        .content_type = operation->content_type,
        .body = strbuf_view(&operation->body),
    };
    if (operation->path.failed || operation->query.failed || operation->body.failed)
        error_set(&err, ERROR_NOMEM, "no memory for a request");
    else
        operation->call =
            kube_call_start(operation->host->client, &request, on_answer, operation, &err);
    if (operation->call == NULL)
        operation_end(operation, &err);
}

static void on_timer(struct loop_timer *timer) {
    struct operation *operation = CONTAINER_OF(timer, struct operation, timer);
    if (operation->request->op == SCRIPT_SLEEP)
        operation_end(operation, NULL);
    else
        send_now(operation);
}

/* Is it worth and safe to send again? Then waits; true. */
static bool retry(struct operation *operation, const struct error *err) {
    bool later = err->code == ERROR_THROTTLED || err->code == ERROR_UNAVAILABLE;
    bool never_left = err->status == -1 || err->code == ERROR_THROTTLED;
    if (!later || !(operation->repeatable || never_left) || operation->tries >= MOST_TRIES ||
        operation->request->cancelled)
        return false;
    uint64_t wait = (100 * NS_PER_MS) << operation->tries;
    wait = wait / 2 + rng_below(&operation->host->rng, wait / 2);
    if (err->retry_after_ns > wait)
        wait = err->retry_after_ns;
    if (wait > 30 * NS_PER_S || loop_timer_start(&operation->timer, wait) < 0)
        return false;
    operation->tries++;
    return true;
}

/* NULL: this is no write of an object. */
static const char *verb_of(enum script_op op) {
    switch (op) {
    case SCRIPT_APPLY:
        return "apply";
    case SCRIPT_CREATE:
        return "create";
    case SCRIPT_UPDATE:
        return "update";
    case SCRIPT_PATCH:
        return "patch";
    case SCRIPT_DELETE:
        return "delete";
    case SCRIPT_SET_STATUS:
        return "set_status";
    case SCRIPT_SCALE:
        return "scale";
    case SCRIPT_EVICT:
        return "evict";
    case SCRIPT_BIND:
        return "bind";
    default:
        return NULL;
    }
}

/* What the cache has of the target, pinned; NULL: nothing, or nobody wants to see it. */
static const struct object *cached_state(const struct operation *operation) {
    if (operation->host->observer == NULL || verb_of(operation->request->op) == NULL ||
        operation->name == NULL)
        return NULL;
    return informer_set_find(operation->host->informers, operation->api_version, operation->kind,
                             str_of(operation->ns), str_of(operation->name));
}

void operation_send(struct operation *operation) {
    object_drop(operation->before);
    operation->before = cached_state(operation);
    operation->tries = 1;
    send_now(operation);
}

/* `cached`: before the answer went in. The watch may have told of the write before its answer came;
 * then what was there when it was sent is the last that is known to be older. */
static const struct object *state_before(const struct operation *operation,
                                         const struct object *cached) {
    const struct object *after = operation->request->object;
    bool told = cached && after && cached->version >= after->version;
    return cached == NULL || told ? operation->before : cached;
}

static void show_write(const struct operation *operation, const struct object *before,
                       const struct kube_answer *answer) {
    const struct observer *observer = operation->host->observer;
    const struct script_request *request = operation->request;
    const struct object *hand = operation->scope->object, *after = request->object;
    const char *verb = verb_of(request->op);
    if (observer == NULL || verb == NULL || answer == NULL)
        return;
    struct observed_write write = {.controller = operation->scope->definition->name,
                                   .key_ns = hand ? object_namespace(hand) : str_of(""),
                                   .key_name = hand ? object_name(hand) : str_of(""),
                                   .verb = verb,
                                   .kind = request->kind,
                                   .ns = after ? object_namespace(after) : str_of(operation->ns),
                                   .name = after ? object_name(after) : str_of(operation->name),
                                   .dag = operation->host->dag,
                                   .before = before ? before->root : NODE_NONE,
                                   .after = after ? after->root : NODE_NONE,
                                   .created = answer->status == 201};
    observer->wrote(observer->context, &write);
}

static void on_answer(void *context, const struct kube_answer *answer, const struct error *err) {
    struct operation *operation = context;
    operation->call = NULL;
    if (operation->looking_up) {
        write_looked_up(operation, answer, err);
        return;
    }
    if (err && retry(operation, err))
        return;
    struct error failure = {0};
    if (err)
        failure = *err;
    const struct object *cached = cached_state(operation);
    int rc = operation->finish(operation, err ? NULL : answer, &failure);
    if (rc == 0)
        show_write(operation, state_before(operation, cached), err ? NULL : answer);
    object_drop(cached);
    if (rc > 0) /* it goes on */
        return;
    operation_end(operation, rc < 0 ? &failure : NULL);
}

void operation_path(struct operation *operation, const char *subresource) {
    kube_resource_path(&operation->path, operation->resource,
                       operation->resource->namespaced ? operation->ns : NULL, operation->name,
                       subresource);
}

int operation_allow(struct operation *operation, const char *verb, struct error *err) {
    const char *kind = operation->request->kind;
    if (strcmp(verb, "get") == 0 || strcmp(verb, "list") == 0)
        return definition_may_read(operation->scope->definition, kind, err) ? 0 : ERROR_FORBIDDEN;
    return definition_may_write(operation->scope->definition, kind, verb, err) ? 0
                                                                               : ERROR_FORBIDDEN;
}

static bool is_read(enum script_op op) {
    return op == SCRIPT_LIVE_GET || op == SCRIPT_LIVE_LIST || op == SCRIPT_SECRET;
}

static void on_resolved(void *context, const struct kube_resource *resource,
                        const struct error *err) {
    struct operation *operation = context;
    operation->lookup = NULL;
    if (err) {
        operation_end(operation, err);
        return;
    }
    operation->resource = resource;
    struct error failure;
    int rc = is_read(operation->request->op) ? read_prepare(operation, &failure)
                                             : write_prepare(operation, &failure);
    if (rc < 0)
        operation_end(operation, &failure);
    else if (rc == 0)
        operation_send(operation);
}

/* "apps/v1/Deployment" -> api_version, kind. */
static int split_kind(struct operation *operation, struct error *err) {
    const char *kind =
        operation->request->op == SCRIPT_SECRET ? "v1/Secret" : operation->request->kind;
    const char *slash = kind ? strrchr(kind, '/') : NULL;
    if (slash == NULL)
        return error_set(err, ERROR_INVALID, "\"%s\" is not a kind: write \"apps/v1/Deployment\"",
                         kind ? kind : "");
    operation->api_version = mem_strndup(kind, (size_t)(slash - kind));
    operation->kind = mem_strdup(slash + 1);
    if (operation->api_version == NULL || operation->kind == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for a request");
    return 0;
}

void operation_start(struct scope *scope, struct script_request *request,
                     void (*done)(struct script_request *request)) {
    struct error err;
    struct operation *operation = mem_zalloc(sizeof *operation);
    if (operation == NULL) {
        error_set(&request->error, ERROR_NOMEM, "no memory for a request");
        done(request);
        return;
    }
    operation->scope = scope;
    operation->host = scope->host;
    operation->request = request;
    operation->done = done;
    loop_timer_init(scope->host->loop, &operation->timer, on_timer);
    list_append(&scope->operations, &operation->link);
    if (request->op == SCRIPT_SLEEP) {
        if (loop_timer_start(&operation->timer, request->delay_ns) < 0) {
            error_set(&err, ERROR_NOMEM, "no memory for a timer");
            operation_end(operation, &err);
        }
        return;
    }
    if (request->op == SCRIPT_HTTP) {
        fetch_start(operation);
        return;
    }
    if (split_kind(operation, &err) < 0) {
        operation_end(operation, &err);
        return;
    }
    struct discovery_lookup *lookup = discovery_resolve(
        scope->host->discovery, operation->api_version, operation->kind, on_resolved, operation);
    if (lookup) /* else it was answered, and the operation may be gone */
        operation->lookup = lookup;
}

static void cancel_one(struct operation *operation, int code) {
    struct error err;
    error_set(&err, code,
              code == ERROR_TIMEOUT ? "the handler's timeout has passed"
                                    : "the call was cancelled");
    operation->request->cancelled = true;
    if (operation->call && !operation->looking_up && !is_read(operation->request->op))
        return; /* a write under way: its outcome is awaited */
    kube_call_cancel(operation->call);
    if (operation->lookup)
        discovery_cancel(operation->lookup);
    if (operation->fetch)
        operation->host->fetches->cancel(operation->host->fetches, operation->fetch);
    operation_end(operation, &err);
}

void operations_cancel(struct scope *scope, int code) {
    struct list *link, *next;
    LIST_EACH(link, next, &scope->operations)
    cancel_one(CONTAINER_OF(link, struct operation, link), code);
}
