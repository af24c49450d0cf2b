#include "addon/migration.h"

#include <jansson.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "kube/watch.h"

enum { PAGE = 250, AT_ONCE = 8, MOST_TRIES = 5 };

struct item {
    char *path;
    unsigned tries;
};

struct slot { /* one patch under way */
    struct migration *migration;
    struct kube_call *call;
    struct loop_timer wait;
    size_t item;
};

struct migration {
    struct migration_options options;
    struct kube_call *call;
    struct kube_list *list;
    struct strbuf path; /* of the CRD */
    struct kube_resource resource;
    json_t *stored; /* status.storedVersions as it was read */
    char *uid, *group, *version, *kind, *plural, *api_version, *token;
    size_t storage; /* index of the storage version in spec.versions */
    struct item *items;
    size_t count, cap, next, under_way, migrated;
    struct slot slots[AT_ONCE];
    struct error failure;
    bool last_page;
};

static void end(struct migration *migration, bool needed) {
    struct migration_result result = {migration->version, migration->migrated, needed};
    struct error *failure = migration->failure.code ? &migration->failure : NULL;
    if (failure)
        error_prefix(failure, "CRD %s", migration->options.crd);
    migration->options.done(migration->options.context, &result, failure);
}

static void fail(struct migration *migration, const struct error *err) {
    migration->failure = *err;
    end(migration, true);
}

/* The end: storedVersions, if the CRD is still as it was. */

static void on_cut_down(void *context, const struct kube_answer *answer, const struct error *err) {
    struct migration *migration = context;
    (void)answer;
    migration->call = NULL;
    if (err)
        fail(migration, err);
    else
        end(migration, true);
}

static void cut_down(struct migration *migration) {
    struct error err;
    CLEANUP(mem_freep)
    char *path = mem_printf("/spec/versions/%zu", migration->storage);
    CLEANUP(mem_freep)
    char *status = mem_printf("%s/status", migration->path.data ? migration->path.data : "");
    json_t *patch =
        json_pack("[{s:s,s:s,s:s}, {s:s,s:s+,s:s}, {s:s,s:s+,s:b}, {s:s,s:s,s:O}, {s:s,s:s,s:[s]}]",
                  "op", "test", "path", "/metadata/uid", "value", migration->uid, "op", "test",
                  "path", path ? path : "", "/name", "value", migration->version, "op", "test",
                  "path", path ? path : "", "/storage", "value", 1, "op", "test", "path",
                  "/status/storedVersions", "value", migration->stored, "op", "replace", "path",
                  "/status/storedVersions", "value", migration->version);
    char *text = patch ? json_dumps(patch, JSON_COMPACT) : NULL;
    json_decref(patch);
    struct kube_request request = {.method = "PATCH",
                                   .path = status,
                                   .query = "fieldManager=moonlet",
                                   .content_type = "application/json-patch+json",
                                   .body = str_of(text)};
    if (path == NULL || status == NULL || text == NULL)
        error_set(&err, ERROR_NOMEM, "no memory to migrate");
    else
        migration->call =
            kube_call_start(migration->options.client, &request, on_cut_down, migration, &err);
    free(text);
    if (migration->call == NULL)
        fail(migration, &err);
}

/* One page: AT_ONCE patches under way */

static void list_page(struct migration *migration);
static void fill(struct migration *migration);

static void free_items(struct migration *migration) {
    for (size_t i = 0; i < migration->count; i++)
        mem_free(migration->items[i].path);
    migration->count = migration->next = 0;
}

static void patch_item(struct slot *slot);

static void on_wait(struct loop_timer *timer) {
    patch_item(CONTAINER_OF(timer, struct slot, wait));
}

static bool may_try_again(const struct error *err) {
    return err->code == ERROR_CONFLICT || err->code == ERROR_THROTTLED ||
           err->code == ERROR_UNAVAILABLE || err->code == ERROR_TIMEOUT;
}

static void on_patched(void *context, const struct kube_answer *answer, const struct error *err) {
    struct slot *slot = context;
    struct migration *migration = slot->migration;
    struct item *item = &migration->items[slot->item];
    (void)answer;
    slot->call = NULL;
    if (err && may_try_again(err) && ++item->tries < MOST_TRIES) {
        uint64_t wait = err->retry_after_ns ? err->retry_after_ns : NS_PER_S << item->tries;
        loop_timer_start(&slot->wait, wait);
        return;
    }
    migration->under_way--;
    if (err == NULL)
        migration->migrated++;
    else if (err->code != ERROR_NOT_FOUND && migration->failure.code == 0) {
        migration->failure = *err;
        error_prefix(&migration->failure, "%s", item->path);
    }
    fill(migration);
}

static void patch_item(struct slot *slot) {
    struct migration *migration = slot->migration;
    struct error err;
    struct kube_request request = {.method = "PATCH",
                                   .path = migration->items[slot->item].path,
                                   .query = "fieldManager=moonlet",
                                   .content_type = "application/merge-patch+json",
                                   .body = str_of("{}")};
    slot->call = kube_call_start(migration->options.client, &request, on_patched, slot, &err);
    if (slot->call)
        return;
    migration->failure = err;
    migration->under_way--;
}

static void fill(struct migration *migration) {
    for (int i = 0; i < AT_ONCE && migration->failure.code == 0; i++) {
        struct slot *slot = &migration->slots[i];
        if (slot->call || loop_timer_active(&slot->wait) || migration->next == migration->count)
            continue;
        slot->item = migration->next++;
        migration->under_way++;
        patch_item(slot);
    }
    if (migration->under_way > 0)
        return;
    free_items(migration);
    if (migration->failure.code != 0) {
        end(migration, true);
        return;
    }
    migration->options.progress(migration->options.context, migration->options.crd,
                                migration->migrated);
    if (migration->last_page)
        cut_down(migration);
    else
        list_page(migration);
}

static int on_item(void *context, struct str object, struct error *err) {
    struct migration *migration = context;
    json_t *root = json_loadb(object.data, object.len, 0, NULL);
    const json_t *metadata = json_object_get(root, "metadata");
    const char *name = json_string_value(json_object_get(metadata, "name"));
    struct strbuf path = {0};
    if (name == NULL || *name == '\0') {
        json_decref(root);
        return error_set(err, ERROR_PROTOCOL, "it has no name");
    }
    kube_resource_path(&path, &migration->resource,
                       json_string_value(json_object_get(metadata, "namespace")), name, NULL);
    char *text = strbuf_take(&path);
    json_decref(root);
    if (text == NULL || mem_grow(&migration->items, &migration->cap, migration->count + 1,
                                 sizeof *migration->items) < 0) {
        mem_free(text);
        return error_set(err, ERROR_NOMEM, "no memory for a page");
    }
    migration->items[migration->count++] = (struct item){.path = text};
    return 0;
}

static void on_page(void *context, const char *resource_version, const char *continue_token,
                    const struct error *err) {
    struct migration *migration = context;
    (void)resource_version;
    migration->list = NULL;
    if (err) { /* 410: the pages are too old; a new run goes quickly over what is done */
        fail(migration, err);
        return;
    }
    mem_free(migration->token);
    migration->token = mem_strdup(continue_token);
    migration->last_page = continue_token == NULL || continue_token[0] == '\0';
    fill(migration);
}

static void list_page(struct migration *migration) {
    struct error err;
    struct kube_list_options options = {
        .select = {.resource = &migration->resource, .metadata_only = true},
        .limit = PAGE,
        .continue_token = migration->token,
        .on_item = on_item,
        .on_done = on_page,
        .context = migration};
    migration->list = kube_list_start(migration->options.client, &options, &err);
    if (migration->list == NULL)
        fail(migration, &err);
}

/* The CRD */

static char *copy(const json_t *from, const char *key) {
    return mem_strdup(json_string_value(json_object_get(from, key)));
}

static bool only_stores(const struct migration *migration) {
    return json_array_size(migration->stored) == 1 &&
           strcmp(json_string_value(json_array_get(migration->stored, 0)), migration->version) == 0;
}

static int read_crd(struct migration *migration, const json_t *root, struct error *err) {
    const json_t *spec = json_object_get(root, "spec"), *names = json_object_get(spec, "names");
    const json_t *versions = json_object_get(spec, "versions"), *one;
    const char *scope = json_string_value(json_object_get(spec, "scope"));
    json_array_foreach(versions, migration->storage, one) {
        if (json_is_true(json_object_get(one, "storage")))
            break;
    }
    one = json_array_get(versions, migration->storage);
    migration->stored =
        json_deep_copy(json_object_get(json_object_get(root, "status"), "storedVersions"));
    migration->uid = copy(json_object_get(root, "metadata"), "uid");
    migration->group = copy(spec, "group");
    migration->version = copy(one, "name");
    migration->kind = copy(names, "kind");
    migration->plural = copy(names, "plural");
    migration->api_version = mem_printf("%s/%s", migration->group ? migration->group : "",
                                        migration->version ? migration->version : "");
    migration->resource =
        (struct kube_resource){.group = migration->group,
                               .version = migration->version,
                               .kind = migration->kind,
                               .plural = migration->plural,
                               .api_version = migration->api_version,
                               .namespaced = scope && strcmp(scope, "Namespaced") == 0};
    if (migration->uid && migration->group && migration->version && migration->kind &&
        migration->plural && migration->api_version && json_is_array(migration->stored))
        return 0;
    return error_set(err, ERROR_PROTOCOL, "the server's answer is not a CRD in use");
}

static void on_crd(void *context, const struct kube_answer *answer, const struct error *err) {
    struct migration *migration = context;
    struct error failure;
    migration->call = NULL;
    if (err) {
        fail(migration, err);
        return;
    }
    json_t *root = json_loadb(answer->body.data, answer->body.len, 0, NULL);
    int rc = read_crd(migration, root, &failure);
    json_decref(root);
    if (rc < 0)
        fail(migration, &failure);
    else if (only_stores(migration))
        end(migration, /* needed= */ false);
    else
        list_page(migration);
}

struct migration *migration_start(const struct migration_options *options, struct error *err) {
    struct migration *migration = mem_zalloc(sizeof *migration);
    if (migration == NULL) {
        error_set(err, ERROR_NOMEM, "no memory to migrate");
        return NULL;
    }
    migration->options = *options;
    for (int i = 0; i < AT_ONCE; i++) {
        migration->slots[i].migration = migration;
        loop_timer_init(options->loop, &migration->slots[i].wait, on_wait);
    }
    strbuf_adds(&migration->path, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/");
    kube_escape(&migration->path, str_of(options->crd));
    struct kube_request request = {.method = "GET", .path = migration->path.data};
    migration->call = migration->path.failed
                          ? NULL
                          : kube_call_start(options->client, &request, on_crd, migration, err);
    if (migration->call)
        return migration;
    migration_destroy(migration);
    return NULL;
}

void migration_destroy(struct migration *migration) {
    if (migration == NULL)
        return;
    kube_call_cancel(migration->call);
    kube_list_cancel(migration->list);
    for (int i = 0; i < AT_ONCE; i++) {
        kube_call_cancel(migration->slots[i].call);
        loop_timer_stop(&migration->slots[i].wait);
    }
    free_items(migration);
    mem_free(migration->items);
    json_decref(migration->stored);
    mem_free(migration->uid);
    mem_free(migration->group);
    mem_free(migration->version);
    mem_free(migration->kind);
    mem_free(migration->plural);
    mem_free(migration->api_version);
    mem_free(migration->token);
    strbuf_finish(&migration->path);
    mem_free(migration);
}
