#include "runtime/feed.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/body.h"

static const char *const role_names[] = {"resource", "owns", "watches", "reads"};

/* Field selectors that every API server serves for every kind; other fields are the host's. */
static bool server_selects(const char *fields) {
    for (const char *at = fields; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, "metadata.name", 13) != 0 && strncmp(at, "metadata.namespace", 18) != 0)
            return false;
    }
    return true;
}

static int compile(struct feed *feed, bool push_labels, bool push_fields, struct error *err) {
    const struct kind_match *match = feed->match;
    if (match->labels && !push_labels &&
        (feed->labels = selector_parse(match->labels, err)) == NULL)
        return error_prefix(err, "label selector \"%s\"", match->labels);
    if (match->fields && !push_fields &&
        (feed->fields = field_selector_parse(match->fields, err)) == NULL)
        return err->code;
    if (match->namespace_labels &&
        (feed->namespace_labels = selector_parse(match->namespace_labels, err)) == NULL)
        return error_prefix(err, "label selector \"%s\"", match->namespace_labels);
    return 0;
}

static int acquire(struct feed *feed, bool push_labels, bool push_fields, struct error *err) {
    const struct kind_match *match = feed->match;
    char *const *namespaces = match->namespaces ? match->namespaces : feed->host->namespaces;
    struct informer_key key = {
        .api_version = match->api_version,
        .kind = match->kind_name,
        .namespaces = (const char *const *)namespaces,
        .label_selector = push_labels ? match->labels : NULL,
        .field_selector = push_fields ? match->fields : NULL,
        .metadata_only = match->metadata_only,
        .keep_managed_fields = match->managed_fields,
    };
    feed->informer = informer_acquire(feed->host->informers, &key, err);
    if (feed->informer == NULL)
        return err->code;
    if (match->namespace_labels == NULL)
        return 0;
    struct informer_key all = {.api_version = "v1", .kind = "Namespace", .metadata_only = true};
    feed->namespaces = informer_acquire(feed->host->informers, &all, err);
    return feed->namespaces ? 0 : err->code;
}

static void on_delta(struct informer_handler *handler, const struct store_delta *delta) {
    struct feed *feed = CONTAINER_OF(handler, struct feed, handler);
    feed->on_delta(feed, delta);
}

static void on_state(struct informer_handler *handler, enum informer_state state) {
    (void)state;
    struct feed *feed = CONTAINER_OF(handler, struct feed, handler);
    feed->on_state(feed);
}

static bool touch(void *context, const struct object *object) {
    struct feed *feed = context;
    struct store_delta delta = {.change = STORE_UPDATED, .old = object, .now = object};
    feed->on_delta(feed, &delta);
    return true;
}

/* A namespace's labels decide for all that is in it. */
static void on_namespace(struct informer_handler *handler, const struct store_delta *delta) {
    struct feed *feed = CONTAINER_OF(handler, struct feed, namespaces_handler);
    const struct object *ns = delta->now ? delta->now : delta->old;
    if (!delta->initial)
        store_each(informer_store(feed->informer), object_name(ns), touch, feed);
}

static void on_namespaces_state(struct informer_handler *handler, enum informer_state state) {
    (void)state;
    struct feed *feed = CONTAINER_OF(handler, struct feed, namespaces_handler);
    feed->on_state(feed);
}

static bool is_indexed(const struct definition *definition, const char *kind) {
    for (size_t i = 0; i < definition->index_count; i++)
        if (strcmp(definition->indexes[i].kind, kind) == 0)
            return true;
    return false;
}

static bool same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool selects_otherwise(const struct kind_match *matches, size_t count,
                              const struct kind_match *than) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(matches[i].kind, than->kind) == 0 &&
            !(same(matches[i].labels, than->labels) && same(matches[i].fields, than->fields)))
            return true;
    return false;
}

/* R7: an object that leaves the match must still be seen when a finalizer may be on it. */
static bool may_hold_finalizer(const struct definition *definition) {
    return definition->has_resource && definition->handlers & HANDLER_FINALIZE;
}

/* Who watches a kind in parts would hear of a change from one, and read of it in another one that
 * is behind. */
static bool is_watched_whole(const struct definition *d, const struct kind_match *match) {
    if (may_hold_finalizer(d) && strcmp(d->resource.kind, match->kind) == 0)
        return true;
    return (d->has_resource && selects_otherwise(&d->resource, 1, match)) ||
           selects_otherwise(d->owns, d->owns_count, match) ||
           selects_otherwise(d->watches, d->watches_count, match) ||
           selects_otherwise(d->reads, d->reads_count, match);
}

int feed_init(struct feed *feed, struct host *host, const struct definition *definition,
              unsigned index, const struct kind_match *match, enum feed_role role, size_t number,
              struct error *err) {
    *feed = (struct feed){.host = host,
                          .definition = definition,
                          .index = index,
                          .match = match,
                          .role = role,
                          .lua_filter = match->when == WHEN_LUA,
                          .lua_map = match->map,
                          .indexed = is_indexed(definition, match->kind)};
    feed->handler = (struct informer_handler){.on_delta = on_delta, .on_state = on_state};
    feed->namespaces_handler =
        (struct informer_handler){.on_delta = on_namespace, .on_state = on_namespaces_state};
    if (role == FEED_PRIMARY)
        snprintf(feed->path, sizeof feed->path, "resource");
    else
        snprintf(feed->path, sizeof feed->path, "%s.%zu", role_names[role], number + 1);
    bool push_labels = !is_watched_whole(definition, match);
    bool push_fields = push_labels && match->fields && server_selects(match->fields);
    int rc = compile(feed, push_labels, push_fields, err);
    if (rc == 0)
        rc = acquire(feed, push_labels, push_fields, err);
    if (rc < 0) {
        feed_finish(feed);
        return error_prefix(err, "%s \"%s\", %s", definition->source, definition->name, feed->path);
    }
    return 0;
}

void feed_finish(struct feed *feed) {
    if (feed->host == NULL)
        return;
    feed_mute(feed);
    informer_release(feed->namespaces);
    informer_release(feed->informer);
    selector_destroy(feed->labels);
    field_selector_destroy(feed->fields);
    selector_destroy(feed->namespace_labels);
    feed->informer = feed->namespaces = NULL;
    feed->labels = feed->namespace_labels = NULL;
    feed->fields = NULL;
}

void feed_mute(struct feed *feed) {
    if (feed->handler.link.next)
        informer_remove_handler(&feed->handler);
    if (feed->namespaces_handler.link.next)
        informer_remove_handler(&feed->namespaces_handler);
}

void feed_listen(struct feed *feed, bool replay) {
    if (feed->namespaces)
        informer_add_handler(feed->namespaces, &feed->namespaces_handler, /* replay= */ false);
    informer_add_handler(feed->informer, &feed->handler, replay);
}

bool feed_synced(const struct feed *feed) {
    return informer_state(feed->informer) == INFORMER_SYNCED &&
           (feed->namespaces == NULL || informer_state(feed->namespaces) == INFORMER_SYNCED);
}

const struct error *feed_error(const struct feed *feed) {
    const struct error *err = informer_error(feed->informer);
    if (err->code == 0 && feed->namespaces)
        err = informer_error(feed->namespaces);
    return err;
}

static bool annotation_matches(const struct annotation_match *wanted, const struct dag *dag,
                               node_t annotations) {
    node_t value = node_get(dag, annotations, str_of(wanted->name));
    if (wanted->values == NULL)
        return (value != NODE_NONE) == wanted->present;
    for (char **one = wanted->values; value != NODE_NONE && *one; one++)
        if (node_is(dag, value, *one))
            return true;
    return false;
}

static bool namespace_matches(const struct feed *feed, struct str ns) {
    for (char **one = feed->match->namespaces_except; one && *one; one++)
        if (str_is(ns, *one))
            return false;
    if (feed->namespace_labels == NULL)
        return true;
    const struct object *object = store_get(informer_store(feed->namespaces), str_of(""), ns);
    return object && selector_matches(feed->namespace_labels, object->dag,
                                      node_path(object->dag, object->root, "metadata.labels"));
}

bool feed_matches(const struct feed *feed, const struct object *object) {
    const struct dag *dag = object->dag;
    node_t meta = node_get(dag, object->root, str_of("metadata"));
    if (feed->labels && !selector_matches(feed->labels, dag, node_get(dag, meta, str_of("labels"))))
        return false;
    if (feed->fields && !field_selector_matches(feed->fields, dag, object->root))
        return false;
    node_t annotations = node_get(dag, meta, str_of("annotations"));
    for (size_t i = 0; i < feed->match->annotation_count; i++)
        if (!annotation_matches(&feed->match->annotations[i], dag, annotations))
            return false;
    return namespace_matches(feed, object_namespace(object));
}

static bool differs(const struct store_delta *delta, const char *path) {
    const struct dag *dag = delta->now->dag;
    return node_path(dag, delta->old->root, path) != node_path(dag, delta->now->root, path);
}

bool feed_wants(const struct feed *feed, const struct store_delta *delta) {
    if (delta->change != STORE_UPDATED || object_is_deleting(delta->now))
        return true;
    switch (feed->match->when) {
    case WHEN_GENERATION:
        return differs(delta, "metadata.generation");
    case WHEN_SPEC:
        return differs(delta, "spec");
    case WHEN_LABELS:
        return differs(delta, "metadata.labels");
    case WHEN_ANNOTATIONS:
        return differs(delta, "metadata.annotations");
    default:
        return true;
    }
}
