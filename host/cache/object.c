#include "cache/object.h"

#include <assert.h>

#include "base/list.h"
#include "base/mem.h"
#include "cache/epochs.h"

static struct object *of_limbo(struct limbo *limbo) {
    return CONTAINER_OF(limbo, struct object, limbo);
}

static void object_free(struct object *object) {
    node_unref(object->dag, object->root);
    epochs_count_object(object->epochs, -1);
    mem_free(object);
}

struct object *object_create(struct epochs *epochs, node_t root, struct error *err) {
    struct dag *dag = epochs_dag(epochs);
    if (node_type(dag, root) != NODE_OBJECT) {
        error_set(err, ERROR_REJECTED, "an object of the API is a JSON object");
        return NULL;
    }
    struct object *object = mem_zalloc(sizeof *object);
    if (object == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for an object");
        return NULL;
    }
    int64_t version = 0;
    node_t metadata = node_get(dag, root, str_of("metadata"));
    *object = (struct object){.epochs = epochs,
                              .dag = dag,
                              .root = root,
                              .ns = node_get(dag, metadata, str_of("namespace")),
                              .name = node_get(dag, metadata, str_of("name")),
                              .uid = node_get(dag, metadata, str_of("uid")),
                              .pins = 1};
    struct str text = node_text(dag, node_get(dag, metadata, str_of("resourceVersion")));
    if (str_to_int64(text, &version) && version > 0)
        object->version = (uint64_t)version;
    epochs_count_object(epochs, 1);
    return object;
}

const struct object *object_pin(const struct object *object) {
    uint32_t before = __atomic_fetch_add(&((struct object *)object)->pins, 1, __ATOMIC_RELAXED);
    assert(before > 0);
    (void)before;
    return object;
}

static bool give_back(const struct object *object) {
    uint32_t before = __atomic_fetch_sub(&((struct object *)object)->pins, 1, __ATOMIC_ACQ_REL);
    assert(before > 0);
    return before == 1;
}

static void free_dead(struct limbo *limbo) {
    object_free(of_limbo(limbo));
}

void object_unpin(const struct object *object) {
    if (object == NULL || !give_back(object))
        return;
    struct limbo *limbo = &((struct object *)object)->limbo;
    limbo->release = free_dead;
    epochs_post(object->epochs, limbo);
}

void object_drop(const struct object *object) {
    if (object && give_back(object))
        object_free((struct object *)object);
}

struct str object_namespace(const struct object *object) {
    return node_text(object->dag, object->ns);
}

struct str object_name(const struct object *object) {
    return node_text(object->dag, object->name);
}

struct str object_uid(const struct object *object) {
    return node_text(object->dag, object->uid);
}
