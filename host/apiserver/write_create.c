#include <string.h>

#include "apiserver/metadata.h"
#include "apiserver/rules.h"
#include "apiserver/write_internal.h"
#include "base/mem.h"

enum { MAX_TRIES = 8 }; /* to find a name that is free */

static int check_namespace(struct api_exchange *x) {
    const struct api_resource *resource = x->kind->resource;
    const char *ns = x->request.ns;
    struct dag *dag = x->server->dag;
    char why[512], phase[512];
    if (!resource->namespaced)
        return 0;
    node_t node = server_find(x->server, "", "namespaces", "", ns);
    if (node == NODE_NONE)
        return exchange_refuse(
            x, status_not_found(kinds_resource(x->server->kinds, str_of(""), str_of("namespaces")),
                                ns));
    if (node_path(dag, node, "metadata.deletionTimestamp") == NODE_NONE)
        return 0;
    snprintf(why, sizeof why,
             "unable to create new content in namespace %s because it is being terminated", ns);
    snprintf(phase, sizeof phase, "namespace %s is being terminated", ns);
    json_t *status = status_forbidden(resource, document_meta(x->change.now, "name"), why);
    json_t *details = json_object_get(status, "details");
    json_object_set_new(details, "causes",
                        json_pack("[{s:s, s:s, s:s}]", "reason", "NamespaceTerminating", "message",
                                  phase, "field", "metadata.namespace"));
    return exchange_refuse(x, status);
}

/* The key of what is created, with texts that the change owns. */
static int set_key(struct api_exchange *x) {
    struct change *change = &x->change;
    mem_free(change->name);
    change->name = mem_strdup(document_meta(change->now, "name"));
    if (change->name == NULL)
        return exchange_nomem(x);
    bool namespaced = x->kind->resource->namespaced;
    change->key = (struct storage_key){
        x->kind->resource->id, str_of(namespaced ? x->request.ns : ""), str_of(change->name)};
    return 0;
}

/* Only the server says in which version an object begins; a dry run lets it pass. */
static int check_unversioned(struct api_exchange *x) {
    const char *version = document_meta(x->change.now, "resourceVersion");
    if (x->request.dry_run || strspn(version, "0") == strlen(version))
        return 0;
    return exchange_refuse(
        x,
        status_make(500, NULL, NULL, "resourceVersion should not be set on objects to be created"));
}

static int generate_free_name(struct api_exchange *x) {
    json_t *now = x->change.now;
    bool generated = !document_meta(now, "name")[0];
    for (unsigned i = 0; i < MAX_TRIES; i++) {
        if (metadata_name(x->server, now) < 0)
            return exchange_nomem(x);
        if (set_key(x) < 0)
            return -1;
        if (storage_get(x->server->storage, &x->change.key, NULL) == NODE_NONE)
            return 0;
        if (!generated)
            break;
        json_object_del(document_metadata(now), "name");
    }
    return exchange_refuse(x, status_exists(x->kind->resource, x->change.name));
}

static void create_store(struct api_exchange *x) {
    struct strbuf text = {0};
    struct change *change = &x->change;
    int rc = 0;
    if (storage_get(x->server->storage, &change->key, NULL) != NODE_NONE)
        rc = exchange_refuse(x, status_exists(x->kind->resource, change->name));
    else if (!x->request.dry_run)
        rc = write_put(x, &text);
    if (rc < 0)
        exchange_fail(x);
    else
        write_answer(x, true, &text);
}

static void create_admitted(struct api_exchange *x) {
    write_keep(x, create_store);
}

static int create_finish(struct api_exchange *x) {
    struct error err;
    if (exchange_kind(x) == NULL)
        return exchange_unserved(x);
    if (check_namespace(x) < 0 || check_unversioned(x) < 0 || generate_free_name(x) < 0)
        return -1;
    if (rules_prepare(x->server, x->kind, x->change.now, NULL, &err) < 0)
        return exchange_error(x, &err);
    return write_check(x);
}

static void create_mutated(struct api_exchange *x) {
    if (create_finish(x) < 0)
        exchange_fail(x);
    else
        admission_pass(x, ADMIT_VALIDATE, create_admitted);
}

void write_create(struct api_exchange *x) {
    struct change *change = &x->change;
    struct error err;
    change->operation = "CREATE";
    if (metadata_fill(x->server, change->now) < 0 ||
        rules_reset(x->kind, "", change->now, NULL) < 0 ||
        kinds_default(x->kind, change->now, /* known= */ NULL, &err) < 0 ||
        rules_read(x->kind->resource, change->now) < 0) {
        exchange_nomem(x);
        exchange_fail(x);
    } else if (write_manage(x, NULL) < 0 || check_namespace(x) < 0) {
        exchange_fail(x);
    } else if (rules_admit(x, change->now) < 0) {
        exchange_fail(x);
    } else {
        admission_pass(x, ADMIT_MUTATE, create_mutated);
    }
}
