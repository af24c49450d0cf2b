#include "cache/store.h"

#include "base/list.h"
#include "base/mem.h"
#include "cache/dag.h"
#include "cache/store_index.h"

struct store *store_create(const struct store_options *options, struct error *err) {
    struct store *store = mem_zalloc(sizeof *store);
    if (store == NULL)
        goto nomem;
    store->options = *options;
    list_init(&store->dead_order);
    store->api_version = mem_strdup(options->api_version);
    store->kind = mem_strdup(options->kind);
    if ((options->api_version && !store->api_version) || (options->kind && !store->kind))
        goto nomem;
    return store;
nomem:
    store_destroy(store);
    error_set(err, ERROR_NOMEM, "no memory for a store");
    return NULL;
}

static void free_entry(struct limbo *limbo) {
    struct entry *entry = CONTAINER_OF(limbo, struct entry, limbo);
    node_unref(entry->dag, entry->keyed.a);
    node_unref(entry->dag, entry->keyed.b);
    mem_free(entry);
}

static void drop_object(struct limbo *limbo) {
    object_drop(CONTAINER_OF(limbo, struct object, limbo));
}

/* The store's pin goes once no reader can be about to take one. */
static void retire_object(struct store *store, const struct object *object) {
    epochs_limbo(store->options.epochs, &((struct object *)object)->limbo, drop_object);
}

/* Out of every table; entry->now stays for readers, and with its pin for the caller to retire. */
static void unlink_entry(struct store *store, struct entry *entry) {
    if (store->last == entry)
        store->last = NULL;
    table_remove(&store->objects, &entry->keyed);
    link_remove(&entry->in_ns);
    entry->ns_group->count--;
    group_settle(store, &store->by_ns, entry->ns_group);
    owners_remove(store, entry->owners);
    labelled_remove(store, entry->labelled);
    epochs_limbo(store->options.epochs, &entry->limbo, free_entry);
}

void store_destroy(struct store *store) {
    if (store == NULL)
        return;
    struct table_slots *slots = store->objects.slots;
    for (size_t i = 0; slots && i <= slots->mask; i++) {
        struct keyed *keyed = table_slot(slots, i);
        if (keyed == NULL)
            continue;
        struct entry *entry = CONTAINER_OF(keyed, struct entry, keyed);
        const struct object *object = entry->now;
        unlink_entry(store, entry);
        retire_object(store, object);
    }
    epochs_reclaim(store->options.epochs);
    table_finish(&store->objects);
    table_finish(&store->by_ns);
    table_finish(&store->by_owner);
    table_finish(&store->by_labels);
    tombstones_clear(store, (struct str){0});
    node_unref(store->options.dag, store->last_version);
    map_finish(&store->dead);
    size_t at = 0;
    for (struct map_entry *each; (each = map_next(&store->streams, &at));)
        mem_free(each->value);
    map_finish(&store->streams);
    mem_free(store->api_version);
    mem_free(store->kind);
    mem_free(store);
}

static void emit(struct store *store, enum store_change change, const struct object *old,
                 const struct object *now, enum store_source source) {
    struct store_delta delta = {change, old, now, source == STORE_INITIAL};
    if (store->options.emit)
        store->options.emit(store->options.context, &delta);
}

/* `root` (taken over) with the kind it is of: list items come without, metadata-only objects as
 * PartialObjectMetadata. NODE_NONE: no memory. */
static node_t with_type(struct store *store, node_t root, struct error *err) {
    struct dag *dag = store->options.dag;
    node_t kind = node_get(dag, root, str_of("kind")), typed = root;
    if (node_type(dag, root) != NODE_OBJECT || !store->api_version || !store->kind)
        return root;
    if (kind == NODE_NONE && node_get(dag, root, str_of("apiVersion")) == NODE_NONE) {
        typed = dag_with_type(dag, root, store->api_version, store->kind, err);
    } else if (node_is(dag, kind, "PartialObjectMetadata")) {
        node_t rest = dag_with(dag, root, str_of("kind"), NODE_NONE, err);
        node_t bare = rest ? dag_with(dag, rest, str_of("apiVersion"), NODE_NONE, err) : NODE_NONE;
        typed = bare ? dag_with_type(dag, bare, store->api_version, store->kind, err) : NODE_NONE;
        node_unref(dag, rest);
        node_unref(dag, bare);
    }
    if (typed != root)
        node_unref(dag, root);
    return typed;
}

static struct entry *find(const struct store *store, struct str ns, struct str name) {
    struct keyed *keyed = table_find(&store->objects, store->options.dag, ns, name);
    return keyed ? CONTAINER_OF(keyed, struct entry, keyed) : NULL;
}

static node_t find_root(void *context, struct str ns, struct str name) {
    const struct entry *entry = find(context, ns, name);
    return entry ? entry->now->root : NODE_NONE;
}

node_t store_parse(struct store *store, struct str json, struct error *err) {
    struct dag *dag = store->options.dag;
    const struct dag_guess guess = {.like = store->last ? store->last->now->root : NODE_NONE,
                                    .find = find_root,
                                    .context = store};
    node_t root = dag_parse_like(dag, json, store->options.drop, &guess, err);
    return root == NODE_NONE ? NODE_NONE : with_type(store, root, err);
}

/* A new object with one pin; takes over the root. */
static struct object *make(struct store *store, node_t root, struct error *err) {
    struct object *object = root ? object_create(store->options.epochs, root, err) : NULL;
    if (object == NULL) {
        node_unref(store->options.dag, root);
        return NULL;
    }
    if (object_name(object).len == 0) {
        object_drop(object);
        error_set(err, ERROR_REJECTED, "an object of kind %s came without metadata.name",
                  store->kind ? store->kind : "(unknown)");
        return NULL;
    }
    return object;
}

static void remember_version(struct store *store, const struct object *object) {
    struct dag *dag = store->options.dag;
    node_t version = node_path(dag, object->root, "metadata.resourceVersion");
    node_ref(dag, version);
    node_unref(dag, store->last_version);
    store->last_version = version;
}

struct str store_last_version(const struct store *store) {
    return node_text(store->options.dag, store->last_version);
}

static int no_memory(struct error *err) {
    return error_set(err, ERROR_NOMEM, "no memory for an object of the cache");
}

/* Takes over the object's pin; on failure it stays with the caller and nothing has changed. */
static int add(struct store *store, struct object *object, enum store_source source,
               struct error *err) {
    struct dag *dag = store->options.dag;
    struct entry *entry = mem_zalloc(sizeof *entry);
    struct owners *owners = NULL;
    struct labelled *labelled = NULL;
    struct group *group = NULL;
    if (entry == NULL || table_reserve(&store->objects, store->options.epochs) < 0 ||
        owners_create(store, object, &owners) < 0 ||
        (labelled = labelled_create(store, object)) == NULL)
        goto nomem;
    group = group_get(store, &store->by_ns, object->ns);
    if (group == NULL)
        goto nomem;
    *entry =
        (struct entry){.keyed = {.hash = keyed_hash(object_namespace(object), object_name(object)),
                                 .a = node_ref(dag, object->ns),
                                 .b = node_ref(dag, object->name)},
                       .now = object,
                       .ns_group = group,
                       .owners = owners,
                       .labelled = labelled,
                       .seen = source == STORE_WRITE ? 0 : store->replaces,
                       .dag = dag};
    entry->in_ns.item = entry;
    link_add(&group->first, &entry->in_ns);
    group->count++;
    owners_link(owners, entry);
    labelled_link(labelled, entry);
    table_add(&store->objects, &entry->keyed);
    store->last = entry;
    emit(store, STORE_ADDED, NULL, object, source);
    return 0;
nomem:
    labelled_discard(store, labelled);
    owners_discard(store, owners);
    mem_free(entry);
    return no_memory(err);
}

static bool differs_at(const struct object *a, const struct object *b, const char *path) {
    return node_path(a->dag, a->root, path) != node_path(b->dag, b->root, path);
}

/* Places in the indexes that the new version has and the old one has not. 0 or ERROR_NOMEM. */
static int move(struct store *store, struct entry *entry, const struct object *object) {
    const struct object *old = entry->now;
    bool owners_differ = differs_at(old, object, "metadata.ownerReferences");
    bool labels_differ = differs_at(old, object, "metadata.labels");
    struct owners *owners = NULL;
    struct labelled *labelled = NULL;
    if (owners_differ && owners_create(store, object, &owners) < 0)
        return ERROR_NOMEM;
    if (labels_differ && (labelled = labelled_create(store, object)) == NULL) {
        owners_discard(store, owners);
        return ERROR_NOMEM;
    }
    if (owners_differ) {
        owners_link(owners, entry);
        owners_remove(store, entry->owners);
        entry->owners = owners;
    }
    if (labels_differ) {
        __atomic_add_fetch(&store->label_moves, 1, __ATOMIC_SEQ_CST);
        labelled_link(labelled, entry);
        labelled_remove(store, entry->labelled);
        entry->labelled = labelled;
        __atomic_add_fetch(&store->label_moves, 1, __ATOMIC_SEQ_CST);
    }
    return 0;
}

/* As add(). An equal object takes the old one's place without a word. */
static int update(struct store *store, struct entry *entry, struct object *object,
                  enum store_source source, struct error *err) {
    struct dag *dag = store->options.dag;
    const struct object *old = entry->now;
    if (move(store, entry, object) < 0)
        return no_memory(err);
    entry->distrusted = false;
    __atomic_store_n(&entry->now, object, __ATOMIC_SEQ_CST);
    store->last = entry;
    if (store_same(dag, old->root, object->root))
        store->noops++;
    else
        emit(store, STORE_UPDATED, old, object, source);
    retire_object(store, old);
    return 0;
}

static void delete_entry(struct store *store, struct entry *entry, const struct object *last,
                         enum store_source source) {
    const struct object *old = entry->now;
    tombstone_add(store, object_namespace(old), object_uid(old),
                  last ? last->version : 0); /* at best */
    unlink_entry(store, entry);
    emit(store, STORE_DELETED, last ? last : old, NULL, source);
    retire_object(store, old);
}

static int put(struct store *store, struct object *object, enum store_source source,
               struct error *err) {
    struct entry *entry = find(store, object_namespace(object), object_name(object));
    if (entry && source != STORE_WRITE)
        entry->seen = store->replaces;
    if (source == STORE_EVENT) /* of a list, only the end says that all up to it is here */
        store_saw_version(store, object_namespace(object), object->version);
    if (store_knows_better(store, entry, object, source)) {
        store->noops++;
        store->passed_over += source != STORE_WRITE;
        object_drop(object);
        return 0;
    }
    store->own_writes += source == STORE_WRITE;
    if (entry && !str_equal(object_uid(entry->now), object_uid(object))) {
        delete_entry(store, entry, NULL, source);
        entry = NULL;
    }
    return entry ? update(store, entry, object, source, err) : add(store, object, source, err);
}

int store_put_root(struct store *store, node_t root, enum store_source source,
                   const struct object **ret_object, struct error *err) {
    if (ret_object)
        *ret_object = NULL;
    struct object *object = make(store, root, err);
    if (object == NULL)
        return err ? err->code : ERROR_REJECTED;
    object_pin(object); /* its name is needed below, whatever becomes of it */
    int rc = put(store, object, source, err);
    if (rc < 0)
        object_drop(object);
    else if (source != STORE_WRITE)
        remember_version(store, object);
    if (rc == 0 && ret_object) {
        struct entry *entry = find(store, object_namespace(object), object_name(object));
        *ret_object = entry ? object_pin(entry->now) : NULL;
    }
    object_drop(object);
    epochs_reclaim(store->options.epochs);
    return rc;
}

int store_put(struct store *store, struct str json, enum store_source source,
              const struct object **ret_object, struct error *err) {
    return store_put_root(store, store_parse(store, json, err), source, ret_object, err);
}

int store_delete_event(struct store *store, struct str json, struct error *err) {
    struct object *last = make(store, store_parse(store, json, err), err);
    if (last == NULL)
        return err ? err->code : ERROR_REJECTED;
    struct entry *entry = find(store, object_namespace(last), object_name(last));
    int rc = tombstone_add(store, object_namespace(last), object_uid(last), last->version);
    store_saw_version(store, object_namespace(last), last->version);
    if (entry && str_equal(object_uid(entry->now), object_uid(last)))
        delete_entry(store, entry, last, STORE_EVENT);
    remember_version(store, last);
    object_drop(last);
    epochs_reclaim(store->options.epochs);
    return rc < 0 ? no_memory(err) : 0;
}

void store_tombstone(struct store *store, struct str ns, struct str name, struct str uid) {
    struct entry *entry = find(store, ns, name);
    tombstone_add(store, ns, uid, 0); /* without memory the DELETED event alone must do */
    if (entry && str_equal(object_uid(entry->now), uid)) {
        store->own_writes++;
        delete_entry(store, entry, NULL, STORE_WRITE);
    }
    epochs_reclaim(store->options.epochs);
}

uint64_t store_replace_begin(struct store *store) {
    return ++store->replaces;
}

void store_replace_end(struct store *store, uint64_t begun, struct str ns, uint64_t version) {
    /* Slots of one table: a delete leaves marks and never moves anything. */
    struct table_slots *slots = store->objects.slots;
    for (size_t i = 0; slots && i <= slots->mask; i++) {
        struct keyed *keyed = table_slot(slots, i);
        struct entry *entry = keyed ? CONTAINER_OF(keyed, struct entry, keyed) : NULL;
        if (entry == NULL || entry->seen >= begun ||
            (ns.data && !str_equal(object_namespace(entry->now), ns)))
            continue;
        if (entry->distrusted || version == 0 || entry->now->version <= version)
            delete_entry(store, entry, NULL, STORE_EVENT);
    }
    store_saw_version(store, ns, version);
    tombstones_expire(store, version);
    epochs_reclaim(store->options.epochs);
}
