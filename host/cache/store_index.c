#include "cache/store_index.h"

#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "cache/dag.h"

static void free_group(struct limbo *limbo) {
    struct group *group = CONTAINER_OF(limbo, struct group, limbo);
    node_unref(group->dag, group->keyed.a);
    mem_free(group);
}

struct group *group_get(struct store *store, struct table *table, node_t text) {
    struct dag *dag = store->options.dag;
    struct str key = node_text(dag, text);
    struct keyed *found = table_find(table, dag, key, str_of(""));
    if (found)
        return CONTAINER_OF(found, struct group, keyed);
    struct group *group = mem_zalloc(sizeof *group);
    if (group == NULL || table_reserve(table, store->options.epochs) < 0) {
        mem_free(group);
        return NULL;
    }
    group->dag = dag;
    group->keyed.a = node_ref(dag, text);
    group->keyed.hash = keyed_hash(key, str_of(""));
    table_add(table, &group->keyed);
    return group;
}

void group_settle(struct store *store, struct table *table, struct group *group) {
    if (group == NULL || group->count > 0)
        return;
    table_remove(table, &group->keyed);
    epochs_limbo(store->options.epochs, &group->limbo, free_group);
}

static void free_owners(struct limbo *limbo) {
    mem_free(CONTAINER_OF(limbo, struct owners, limbo));
}

int owners_create(struct store *store, const struct object *object, struct owners **ret) {
    struct dag *dag = store->options.dag;
    node_t list = node_path(dag, object->root, "metadata.ownerReferences");
    size_t count = node_type(dag, list) == NODE_ARRAY ? node_count(dag, list) : 0;
    *ret = NULL;
    if (count == 0)
        return 0;
    struct owners *owners = mem_zalloc(sizeof *owners + count * sizeof *owners->each);
    if (owners == NULL)
        return ERROR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        node_t uid = node_get(dag, node_at(dag, list, i), str_of("uid"));
        if (node_type(dag, uid) != NODE_STRING)
            continue;
        struct group *group = group_get(store, &store->by_owner, uid);
        if (group == NULL) {
            owners_discard(store, owners);
            return ERROR_NOMEM;
        }
        bool twice = false;
        for (size_t j = 0; j < owners->count; j++)
            twice |= owners->each[j].group == group;
        if (!twice)
            owners->each[owners->count++].group = group;
    }
    *ret = owners;
    return 0;
}

void owners_link(struct owners *owners, struct entry *entry) {
    for (size_t i = 0; owners && i < owners->count; i++) {
        struct owned *owned = &owners->each[i];
        owned->link.item = entry;
        link_add(&owned->group->first, &owned->link);
        owned->group->count++;
    }
}

void owners_remove(struct store *store, struct owners *owners) {
    if (owners == NULL)
        return;
    for (size_t i = 0; i < owners->count; i++) {
        struct owned *owned = &owners->each[i];
        link_remove(&owned->link);
        owned->group->count--;
        group_settle(store, &store->by_owner, owned->group);
    }
    epochs_limbo(store->options.epochs, &owners->limbo, free_owners);
}

void owners_discard(struct store *store, struct owners *owners) {
    for (size_t i = 0; owners && i < owners->count; i++)
        group_settle(store, &store->by_owner, owners->each[i].group);
    mem_free(owners);
}

static struct group *labels_group(struct store *store, node_t labels) {
    struct keyed *found = table_find_node(&store->by_labels, labels);
    if (found)
        return CONTAINER_OF(found, struct group, keyed);
    struct group *group = mem_zalloc(sizeof *group);
    if (group == NULL || table_reserve(&store->by_labels, store->options.epochs) < 0) {
        mem_free(group);
        return NULL;
    }
    group->dag = store->options.dag;
    group->keyed.a = labels == NODE_NONE ? NODE_NONE : node_ref(group->dag, labels);
    group->keyed.hash = keyed_hash_node(labels);
    table_add(&store->by_labels, &group->keyed);
    return group;
}

struct labelled *labelled_create(struct store *store, const struct object *object) {
    struct labelled *labelled = mem_zalloc(sizeof *labelled);
    node_t labels = node_path(object->dag, object->root, "metadata.labels");
    if (labelled && (labelled->group = labels_group(store, labels)) == NULL) {
        mem_free(labelled);
        labelled = NULL;
    }
    return labelled;
}

void labelled_link(struct labelled *labelled, struct entry *entry) {
    labelled->link.item = entry;
    link_add(&labelled->group->first, &labelled->link);
    labelled->group->count++;
}

static void free_labelled(struct limbo *limbo) {
    mem_free(CONTAINER_OF(limbo, struct labelled, limbo));
}

void labelled_remove(struct store *store, struct labelled *labelled) {
    link_remove(&labelled->link);
    labelled->group->count--;
    group_settle(store, &store->by_labels, labelled->group);
    epochs_limbo(store->options.epochs, &labelled->limbo, free_labelled);
}

void labelled_discard(struct store *store, struct labelled *labelled) {
    if (labelled)
        group_settle(store, &store->by_labels, labelled->group);
    mem_free(labelled);
}

struct tombstone {
    struct list link;
    uint64_t version; /* of the deletion; 0 = not known yet */
    size_t ns_len, uid_len;
    char text[]; /* namespace, then UID */
};

static struct str tombstone_ns(const struct tombstone *tombstone) {
    return str_n(tombstone->text, tombstone->ns_len);
}

static void tombstone_free(struct store *store, struct tombstone *tombstone) {
    list_remove(&tombstone->link);
    map_remove(&store->dead, str_n(tombstone->text + tombstone->ns_len, tombstone->uid_len));
    mem_free(tombstone);
}

int tombstone_add(struct store *store, struct str ns, struct str uid, uint64_t version) {
    if (uid.len == 0)
        return 0;
    struct tombstone *tombstone = map_get(&store->dead, uid);
    if (tombstone) {
        if (version > tombstone->version)
            tombstone->version = version;
        return 0;
    }
    tombstone = mem_alloc(sizeof *tombstone + ns.len + uid.len);
    if (tombstone == NULL)
        return ERROR_NOMEM;
    *tombstone = (struct tombstone){.version = version, .ns_len = ns.len, .uid_len = uid.len};
    memcpy(tombstone->text, ns.data ? ns.data : "", ns.len);
    memcpy(tombstone->text + ns.len, uid.data, uid.len);
    if (map_set(&store->dead, uid, tombstone, NULL) < 0) {
        mem_free(tombstone);
        return ERROR_NOMEM;
    }
    list_append(&store->dead_order, &tombstone->link);
    if (store->dead.count > STORE_TOMBSTONES)
        tombstone_free(store, CONTAINER_OF(store->dead_order.next, struct tombstone, link));
    return 0;
}

bool tombstone_covers(struct store *store, const struct object *object, uint64_t *ret_version) {
    struct str uid = object_uid(object);
    struct tombstone *tombstone = uid.len > 0 ? map_get(&store->dead, uid) : NULL;
    if (tombstone == NULL)
        return false;
    *ret_version = tombstone->version;
    if (tombstone->version == 0 || object->version <= tombstone->version)
        return true;
    tombstone_free(store, tombstone);
    return false;
}

void tombstones_expire(struct store *store, uint64_t version) {
    struct list *link, *next;
    LIST_EACH(link, next, &store->dead_order) {
        struct tombstone *tombstone = CONTAINER_OF(link, struct tombstone, link);
        if (tombstone->version > 0 && tombstone->version <= version)
            tombstone_free(store, tombstone);
    }
}

void tombstones_clear(struct store *store, struct str ns) {
    struct list *link, *next;
    LIST_EACH(link, next, &store->dead_order) {
        struct tombstone *tombstone = CONTAINER_OF(link, struct tombstone, link);
        if (ns.data == NULL || str_equal(tombstone_ns(tombstone), ns))
            tombstone_free(store, tombstone);
    }
}

/* Are the members equal, looked up by name, but for `ignored`? */
static bool same_members(const struct dag *dag, node_t a, node_t b, const char *ignored,
                         bool (*same)(const struct dag *dag, node_t a, node_t b),
                         const char *deeper) {
    size_t count = node_count(dag, a);
    if (node_type(dag, a) != NODE_OBJECT || node_type(dag, b) != NODE_OBJECT ||
        node_count(dag, b) != count)
        return a == b;
    const node_t *mine = dag_parts(dag, a), *theirs = dag_parts(dag, b);
    bool same_keys = mine[0] == theirs[0];
    for (size_t i = 0; i < count; i++) {
        if (same_keys && mine[i + 1] == theirs[i + 1])
            continue;
        struct str key = node_key_at(dag, a, i);
        node_t value = same_keys ? theirs[i + 1] : node_get(dag, b, key);
        if (value == NODE_NONE)
            return false;
        if (mine[i + 1] == value || (ignored && str_is(key, ignored)))
            continue;
        if (deeper == NULL || !str_is(key, deeper) || !same(dag, mine[i + 1], value))
            return false;
    }
    return true;
}

static bool same_metadata(const struct dag *dag, node_t a, node_t b) {
    return same_members(dag, a, b, "resourceVersion", NULL, NULL);
}

bool store_same(const struct dag *dag, node_t a, node_t b) {
    return a == b || same_members(dag, a, b, NULL, same_metadata, "metadata");
}
