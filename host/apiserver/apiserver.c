#include <string.h>

#include "apiserver/collect.h"
#include "apiserver/crds.h"
#include "apiserver/discovery.h"
#include "apiserver/errand.h"
#include "apiserver/journal.h"
#include "apiserver/webhook.h"
#include "base/mem.h"

static void answer_unknown_path(struct api_exchange *x) {
    exchange_answer(x, 404, "text/plain; charset=utf-8", str_of("404 page not found\n"));
}

static void refuse(struct api_exchange *x, json_t *status) {
    exchange_refuse(x, status);
    exchange_fail(x);
}

/* --- what has no resource ------------------------------------------------------------------ */

static void serve_discovery(struct api_exchange *x, struct discovery_answer *found) {
    struct http_header headers[] = {{"Content-Type", found->content_type},
                                    {found->etag[0] ? "ETag" : NULL, found->etag},
                                    {NULL, NULL}};
    x->handler.begin(x->context, found->status, headers);
    if (strcmp(x->request.method, "HEAD") != 0)
        exchange_send(x, strbuf_view(&found->body));
    exchange_end(x);
}

static void serve_path(struct api_exchange *x) {
    static const char *const health[] = {"/healthz", "/livez", "/readyz"};
    const struct request *request = &x->request;
    struct discovery_answer found = {0};
    struct error err = {0};
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(health[i]);
        if (strncmp(request->path, health[i], len) == 0 && strchr("/", request->path[len])) {
            exchange_answer(x, 200, "text/plain; charset=utf-8", str_of("ok"));
            return;
        }
    }
    if (discovery_serve(x->server->kinds, str_of(request->path), request->accept,
                        request->if_none_match, &found, &err)) {
        serve_discovery(x, &found);
        strbuf_finish(&found.body);
        return;
    }
    answer_unknown_path(x);
}

/* A version of a built-in group says so in JSON. */
static void answer_unknown_resource(struct api_exchange *x) {
    const struct kinds *kinds = x->server->kinds;
    for (size_t i = 0; i < kinds_count(kinds); i++) {
        const struct api_resource *resource = kinds_at(kinds, i);
        if (!resource->builtin || strcmp(resource->group, x->request.group) != 0)
            continue;
        exchange_unserved(x);
        exchange_fail(x);
        return;
    }
    answer_unknown_path(x);
}

/* --- what has ------------------------------------------------------------------------------ */

static int check_scope(struct api_exchange *x) {
    const struct request *request = &x->request;
    if (!x->kind->resource->namespaced)
        return request->ns[0] ? -1 : 0;
    return request->ns[0] || !request->name[0] ? 0 : -1;
}

static void serve_verb(struct api_exchange *x) {
    switch (x->request.verb) {
    case VERB_GET:
        rest_get(x);
        break;
    case VERB_LIST:
        rest_list(x);
        break;
    case VERB_WATCH:
        rest_watch(x);
        break;
    case VERB_CREATE:
        rest_create(x);
        break;
    case VERB_UPDATE:
        rest_update(x);
        break;
    case VERB_PATCH:
        rest_patch(x);
        break;
    case VERB_DELETE:
        rest_delete(x);
        break;
    case VERB_DELETE_COLLECTION:
        rest_delete_collection(x);
        break;
    default:
        break;
    }
}

/* A method that the path does not have. */
static bool is_allowed(const struct api_exchange *x) {
    const struct request *request = &x->request;
    bool spaceless = x->kind->resource->namespaced && !request->ns[0];
    if (request->verb == VERB_OTHER || (request->verb == VERB_CREATE && request->name[0]))
        return false;
    if (request->verb == VERB_DELETE_COLLECTION &&
        kinds_is_builtin(x->kind->resource, "namespaces"))
        return false;
    return !spaceless || request->verb == VERB_LIST || request->verb == VERB_WATCH;
}

/* dryRun and fieldValidation, which the query of every write may have. */
static int check_options(struct api_exchange *x) {
    static const char *const names[] = {[VERB_CREATE] = "CreateOptions",
                                        [VERB_UPDATE] = "UpdateOptions",
                                        [VERB_PATCH] = "PatchOptions",
                                        [VERB_DELETE] = "DeleteOptions",
                                        [VERB_DELETE_COLLECTION] = "DeleteOptions",
                                        [VERB_OTHER] = NULL};
    const struct request *request = &x->request;
    if (names[request->verb] == NULL)
        return 0;
    struct causes causes = {json_array(), false};
    json_t *all = json_pack("[s]", "All"), *dry = json_pack("[s]", request->dry_run_text);
    json_t *fields = json_pack("[s, s, s, s]", "", "Ignore", "Strict", "Warn");
    json_t *validation = json_string(request->fields_text);
    causes.failed = all == NULL || dry == NULL || fields == NULL || validation == NULL;
    if (!causes.failed && request->dry_run && strcmp(request->dry_run_text, "All") != 0)
        cause_unsupported(&causes, "dryRun", dry, all);
    if (!causes.failed && !document_has_string(fields, request->fields_text))
        cause_unsupported(&causes, "fieldValidation", validation, fields);
    json_decref(all);
    json_decref(dry);
    json_decref(fields);
    json_decref(validation);
    return exchange_causes(x, "meta.k8s.io", names[request->verb], "", &causes);
}

static void serve_resource(struct api_exchange *x) {
    const struct request *request = &x->request;
    if (exchange_kind(x) == NULL || check_scope(x) < 0) {
        answer_unknown_resource(x);
        return;
    }
    if (x->kind->deprecated && x->kind->deprecation_warning &&
        (request->subresource[0] || is_allowed(x)))
        exchange_warn(x, "%s", x->kind->deprecation_warning);
    if (!request->acceptable)
        refuse(x, status_make(406, "NotAcceptable", NULL,
                              "only the following media types are accepted: application/json, "
                              "application/yaml"));
    else if (check_options(x) < 0 || rest_table_check(x) < 0)
        exchange_fail(x);
    else if (x->kind->resource->virtual_)
        rest_review(x);
    else if (request->subresource[0])
        rest_subresource(x);
    else if (!is_allowed(x))
        refuse(x, status_make(405, "MethodNotAllowed", json_object(),
                              "the server does not allow this method on the requested resource"));
    else
        serve_verb(x);
}

static struct api_exchange *exchange_create(struct apiserver *server,
                                            const struct api_handler *handler, void *context) {
    struct api_exchange *x = mem_zalloc(sizeof *x);
    if (x == NULL)
        return NULL;
    x->server = server;
    x->handler = *handler;
    x->context = context;
    list_append(&server->exchanges, &x->link);
    return x;
}

static void serve(struct api_exchange *x, const struct api_request *request) {
    struct error err = {0};
    if (request_parse(&x->request, request, &err) < 0) {
        if (x->request.method == NULL)
            x->request.method = "";
        exchange_error(x, &err);
        exchange_fail(x);
    } else if (x->server->ending) {
        refuse(x, status_make(503, "ServiceUnavailable", NULL, "the server is shutting down"));
    } else if (x->request.is_resource) {
        serve_resource(x);
    } else {
        serve_path(x);
    }
}

struct api_exchange *apiserver_serve(struct apiserver *server, const struct api_request *request,
                                     const struct api_handler *handler, void *context) {
    static const struct http_header none[] = {{NULL, NULL}};
    struct api_exchange *x = exchange_create(server, handler, context);
    if (x == NULL) {
        handler->begin(context, 500, none);
        handler->end(context);
        return NULL;
    }
    exchange_enter(x);
    fieldset_known_trim(server->known);
    serve(x, request);
    return exchange_leave(x) ? x : NULL;
}

/* --- life ---------------------------------------------------------------------------------- */

static void boot_done(struct errand *errand) {
    (void)errand;
}

/* The namespaces that every cluster has. */
static int boot(struct apiserver *server, struct error *err) {
    static const char *const names[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (server_find(server, "", "namespaces", "", names[i]) != NODE_NONE)
            continue;
        struct errand errand = {.done = boot_done};
        json_t *body = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace",
                                 "metadata", "name", names[i]);
        const struct errand_order order = {.user = "system:apiserver",
                                           .method = "POST",
                                           .path = "/api/v1/namespaces",
                                           .query = "",
                                           .body = body};
        int rc = body ? errand_start(server, &errand, &order) : ERROR_NOMEM;
        bool made = rc == 0 && errand.status == 201;
        errand_finish(&errand);
        json_decref(body);
        if (!made)
            return error_set(err, ERROR_NOMEM, "namespace %s: it could not be made", names[i]);
    }
    return 0;
}

static void name_resource(void *context, unsigned resource, char text[]) {
    const struct apiserver *server = context;
    snprintf(text, STORAGE_NAME, "%u", resource);
    for (size_t i = 0; i < kinds_count(server->kinds); i++) {
        const struct api_resource *known = kinds_at(server->kinds, i);
        if (known->id == resource && !kinds_is_view(known))
            snprintf(text, STORAGE_NAME, "%s/%s", known->group, known->plural);
    }
}

static int open_storage(struct apiserver *server, const struct apiserver_options *options,
                        struct error *err) {
    struct storage_options how = {
        .dag = server->dag, .history = options->history, .name = name_resource, .context = server};
    if (options->folder) {
        server->journal = journal_open(
            &(struct journal_options){.folder = options->folder, .log = options->log}, err);
        if (server->journal == NULL)
            return err->code;
        how.journal = server->journal;
    }
    server->storage = storage_create(&how, err);
    return server->storage ? 0 : err->code;
}

static bool recall_object(void *context, const struct storage_item *item) {
    struct apiserver *server = context;
    collector_changed(server->collector, &item->key, NODE_NONE, item->node);
    return true;
}

/* What a folder kept goes on as if it had just come. */
static int recall(struct apiserver *server, struct error *err) {
    for (size_t i = 0; i < kinds_count(server->kinds); i++) {
        if (kinds_is_view(kinds_at(server->kinds, i)))
            continue;
        if (storage_list(server->storage, kinds_at(server->kinds, i)->id, (struct str){0}, NULL, 0,
                         recall_object, server, err) < 0)
            return err->code;
    }
    return 0;
}

static int open_parts(struct apiserver *server, const struct apiserver_options *options,
                      struct error *err) {
    server->dag = dag_create(NULL, err);
    if (server->dag == NULL)
        return err->code;
    server->known = fieldset_known_create(server->dag, err);
    if (server->known == NULL)
        return err->code;
    server->kinds = options->builtin ? kinds_create_over(options->builtin, err) : kinds_create(err);
    if (server->kinds == NULL || open_storage(server, options, err) < 0 ||
        token_key_find(server->token_key, options->folder, options->seed, err) < 0)
        return err->code;
    server->collector = collector_create(server, err);
    if (server->collector == NULL || crds_recall(server, err) < 0 || recall(server, err) < 0)
        return err->code;
    return boot(server, err);
}

struct apiserver *apiserver_create(const struct apiserver_options *options, struct error *err) {
    struct apiserver *server = mem_zalloc(sizeof *server);
    struct error own;
    if (server == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for an API server");
        return NULL;
    }
    server->loop = options->loop;
    server->log = options->log;
    server->webhooks = options->webhooks;
    server->ignore_rules = options->ignore_rules;
    rng_init(&server->rng, options->seed);
    list_init(&server->exchanges);
    list_init(&server->trusts);
    if (open_parts(server, options, err ? err : &own) < 0) {
        apiserver_destroy(server);
        return NULL;
    }
    return server;
}

/* Ends one exchange: a watch as after its timeout, another one with 503. */
static void end_exchange(struct api_exchange *x) {
    exchange_enter(x);
    if (!x->watch && !x->ended && !x->gone)
        refuse(x, status_make(503, "ServiceUnavailable", NULL, "the server is shutting down"));
    exchange_end(x);
    exchange_leave(x);
}

void apiserver_destroy(struct apiserver *server) {
    if (server == NULL)
        return;
    server->ending = true;
    collector_destroy(server->collector);
    server->collector = NULL;
    while (!list_empty(&server->exchanges))
        end_exchange(CONTAINER_OF(server->exchanges.next, struct api_exchange, link));
    storage_destroy(server->storage);
    journal_close(server->journal);
    kinds_destroy(server->kinds);
    webhook_forget(server);
    fieldset_known_destroy(server->known);
    dag_destroy(server->dag);
    mem_free(server);
}

uint64_t apiserver_revision(const struct apiserver *server) {
    return storage_revision(server->storage);
}

void apiserver_compact(struct apiserver *server) {
    storage_compact(server->storage, storage_revision(server->storage));
}

void apiserver_end_watches(struct apiserver *server) {
    struct list *link, *next;
    LIST_EACH(link, next, &server->exchanges) {
        struct api_exchange *x = CONTAINER_OF(link, struct api_exchange, link);
        if (x->watch && !x->ended && !x->gone)
            watch_end(x);
    }
}

bool apiserver_idle(const struct apiserver *server) {
    return collector_idle(server->collector);
}
