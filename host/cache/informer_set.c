#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cache/informer_internal.h"

static void free_dying(struct informer_set *set) {
    while (!list_empty(&set->dying))
        informer_destroy(CONTAINER_OF(set->dying.next, struct informer, link));
}

static void on_bury(struct loop_timer *timer) {
    free_dying(CONTAINER_OF(timer, struct informer_set, bury));
}

struct informer_set *informer_set_create_over(const struct informer_set_options *options,
                                              const struct source *source, struct error *err) {
    struct informer_set *set = mem_zalloc(sizeof *set);
    if (set == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for the informers");
        return NULL;
    }
    set->options = *options;
    set->source = source;
    list_init(&set->informers);
    list_init(&set->dying);
    loop_timer_init(options->loop, &set->bury, on_bury);
    return set;
}

void informer_set_destroy(struct informer_set *set) {
    if (set == NULL)
        return;
    free_dying(set);
    while (!list_empty(&set->informers)) /* not released: our caller's mistake, yet no leak */
        informer_destroy(CONTAINER_OF(set->informers.next, struct informer, link));
    loop_timer_stop(&set->bury);
    map_finish(&set->written);
    mem_free(set);
}

struct informer *informer_acquire(struct informer_set *set, const struct informer_key *key,
                                  struct error *err) {
    struct list *link, *next;
    LIST_EACH(link, next, &set->informers) {
        struct informer *informer = CONTAINER_OF(link, struct informer, link);
        if (informer_fits(informer, key)) {
            informer->refs++;
            return informer;
        }
    }
    struct informer *informer = informer_create(set, key, err);
    if (informer == NULL)
        return NULL;
    list_append(&set->informers, &informer->link);
    informer_start(informer);
    return informer;
}

void informer_release(struct informer *informer) {
    if (informer == NULL || --informer->refs > 0)
        return;
    struct informer_set *set = informer->set;
    informer_stop(informer);
    list_remove(&informer->link);
    list_append(&set->dying, &informer->link); /* frames of it may be on the stack */
    loop_timer_start(&set->bury, 0);
}

enum informer_state informer_state(const struct informer *informer) {
    return informer->state;
}

bool informer_follows(const struct informer *informer) {
    bool follows = informer->state == INFORMER_SYNCED && informer->resource;
    for (size_t i = 0; follows && i < informer->reflector_count; i++)
        follows = informer->reflectors[i].phase == REFLECTOR_WATCHING;
    return follows;
}

const struct error *informer_error(const struct informer *informer) {
    return &informer->error;
}

const char *informer_kind(const struct informer *informer) {
    return informer->title;
}

bool informer_serves(const struct informer *informer, const char *api_version, const char *kind) {
    return strcmp(informer->api_version, api_version) == 0 && strcmp(informer->kind, kind) == 0;
}

const struct kube_resource *informer_resource(const struct informer *informer) {
    return informer->resource;
}

struct store *informer_store(const struct informer *informer) {
    return informer->store;
}

struct informer_stats informer_stats(const struct informer *informer) {
    struct informer_stats stats = informer->former;
    for (size_t i = 0; i < informer->reflector_count; i++) {
        const struct reflector *r = &informer->reflectors[i];
        stats.lists += r->lists;
        stats.watches += r->watches;
        stats.events += r->events;
        stats.errors += r->errors;
    }
    stats.noops = store_noops(informer->store);
    stats.own_writes = store_own_writes(informer->store);
    stats.passed_over = store_passed_over(informer->store);
    stats.objects = store_count(informer->store);
    stats.bytes = store_bytes(informer->store);
    return stats;
}

struct informer *informer_next(struct informer_set *set, struct informer *after) {
    struct list *link = after ? after->link.next : set->informers.next;
    return link == &set->informers ? NULL : CONTAINER_OF(link, struct informer, link);
}

static bool replay_one(void *context, const struct object *object) {
    struct informer_handler *handler = context;
    struct store_delta delta = {STORE_ADDED, NULL, object, /* initial= */ true};
    handler->on_delta(handler, &delta);
    return !list_empty(&handler->link); /* it may have removed itself */
}

void informer_add_handler(struct informer *informer, struct informer_handler *handler,
                          bool replay) {
    list_append(&informer->handlers, &handler->link);
    if (replay && handler->on_delta)
        store_each(informer->store, (struct str){0}, replay_one, handler);
}

void informer_remove_handler(struct informer_handler *handler) {
    if (handler->link.next)
        list_remove(&handler->link);
}

static bool wants(const struct informer *informer, const struct dag *dag, node_t root) {
    node_t metadata = node_get(dag, root, str_of("metadata"));
    struct str ns = node_text(dag, node_get(dag, metadata, str_of("namespace")));
    bool inside = ns.len == 0 || informer->namespace_count == 0;
    for (size_t i = 0; !inside && i < informer->namespace_count; i++)
        inside = str_is(ns, informer->namespaces[i]);
    return inside &&
           selector_matches(informer->labels, dag, node_get(dag, metadata, str_of("labels"))) &&
           field_selector_matches(informer->fields, dag, root);
}

/* What a metadata-only informer keeps of an object: its metadata. */
static void write_metadata(const struct dag *dag, node_t root, struct strbuf *buf) {
    struct json_writer writer;
    json_writer_init(&writer, buf);
    json_write_object_begin(&writer);
    json_write_key(&writer, str_of("metadata"));
    node_write(dag, node_get(dag, root, str_of("metadata")), &writer);
    json_write_object_end(&writer);
}

/* R5: an informer that begins after this has not heard of the write; its first list must. Without
 * memory it may take a list from before. */
static void remember_written(struct informer_set *set, const char *api_version, const char *kind) {
    char title[256];
    int len = snprintf(title, sizeof title, "%s/%s", api_version, kind);
    if (len > 0 && (size_t)len < sizeof title && !map_get(&set->written, str_of(title)))
        map_set(&set->written, str_of(title), set, NULL);
}

/* At best: what there is no memory for now, the watch will bring. */
static void put_written(struct informer *informer, node_t root, struct str json) {
    struct dag *dag = informer->set->options.dag;
    struct strbuf metadata = {0};
    root = informer->keep_managed_fields ? dag_parse(dag, json, /* drop= */ 0, NULL)
                                         : node_ref(dag, root);
    if (!informer->metadata_only) {
        store_put_root(informer->store, root, STORE_WRITE, NULL, NULL);
        return;
    }
    write_metadata(dag, root, &metadata);
    if (!metadata.failed)
        store_put(informer->store, strbuf_view(&metadata), STORE_WRITE, NULL, NULL);
    strbuf_finish(&metadata);
    node_unref(dag, root);
}

/* Guesses what the answer looks like where such objects are kept. */
static node_t parse_written(struct informer_set *set, const char *api_version, const char *kind,
                            struct str json, struct error *err) {
    struct list *link, *next;
    LIST_EACH(link, next, &set->informers) {
        struct informer *informer = CONTAINER_OF(link, struct informer, link);
        if (informer_serves(informer, api_version, kind) && !informer->metadata_only &&
            !informer->keep_managed_fields)
            return store_parse(informer->store, json, err);
    }
    return dag_parse(set->options.dag, json, DAG_DROP_MANAGED_FIELDS | DAG_DROP_LAST_APPLIED, err);
}

node_t informer_set_wrote(struct informer_set *set, const char *api_version, const char *kind,
                          struct str json, struct error *err) {
    struct list *link, *next;
    remember_written(set, api_version, kind);
    node_t root = parse_written(set, api_version, kind, json, err);
    LIST_EACH(link, next, &set->informers) {
        struct informer *informer = CONTAINER_OF(link, struct informer, link);
        if (root && informer_serves(informer, api_version, kind) &&
            wants(informer, set->options.dag, root))
            put_written(informer, root, json);
    }
    return root;
}

void informer_set_deleted(struct informer_set *set, const char *api_version, const char *kind,
                          struct str ns, struct str name, struct str uid) {
    struct list *link, *next;
    remember_written(set, api_version, kind);
    LIST_EACH(link, next, &set->informers) {
        struct informer *informer = CONTAINER_OF(link, struct informer, link);
        if (informer_serves(informer, api_version, kind))
            store_tombstone(informer->store, ns, name, uid);
    }
}

const struct object *informer_set_find(struct informer_set *set, const char *api_version,
                                       const char *kind, struct str ns, struct str name) {
    const struct object *newest = NULL;
    struct list *link, *next;
    LIST_EACH(link, next, &set->informers) {
        struct informer *informer = CONTAINER_OF(link, struct informer, link);
        if (informer->metadata_only || !informer_serves(informer, api_version, kind))
            continue;
        const struct object *object = store_get(informer->store, ns, name);
        if (object && (newest == NULL || object->version > newest->version))
            newest = object;
    }
    return newest ? object_pin(newest) : NULL;
}

bool informer_set_doubts(struct informer_set *set, const char *api_version, const char *kind,
                         const struct object *object) {
    struct list *link, *next;
    LIST_EACH(link, next, &set->informers) {
        struct informer *informer = CONTAINER_OF(link, struct informer, link);
        if (informer_state(informer) == INFORMER_SYNCED &&
            informer_serves(informer, api_version, kind) &&
            store_get(informer->store, object_namespace(object), object_name(object)) == NULL &&
            wants(informer, object->dag, object->root))
            return true;
    }
    return false;
}
