#ifndef MOONLET_CACHE_OBJECT_H
#define MOONLET_CACHE_OBJECT_H

#include "cache/node.h"

/*
 * Object: one version of one Kubernetes object, shared with other threads by pins; and the epochs
 * that let workers read tables while the core replaces them (R17).
 *
 * Threads: as said at each function. Yields: never. No pin covers a whole store.
 */
/* What waits until no reader can see it; lives in the thing that waits. */
struct limbo {
    struct limbo *next;
    uint64_t epoch; /* readers that entered at or before it may see the thing */
    void (*release)(struct limbo *limbo);
};

struct object { /* immutable but for the counters */
    struct epochs *epochs;
    struct dag *dag;
    node_t root;
    node_t ns, name, uid; /* strings under root; NODE_NONE when absent */
    uint64_t version;     /* metadata.resourceVersion as an integer; 0 when it is not one */
    uint32_t pins;        /* atomic */
    struct limbo limbo;   /* the core's, or the last unpinner's */
};

/* The epoch domain of one host: one core, up to 64 readers. */
struct epochs;
/* `wake` is called on a reader's thread when its last unpin gives the core something to free; it
 * must make the core call epochs_reclaim() (a mailbox message does). */
struct epochs *epochs_create(struct dag *dag, void (*wake)(void *context), void *context,
                             struct error *err);
/* Frees everything; pins left are an assertion. False when a reader is left whose
 * thread was given up: then the memory stays, and the dag must, too. */
bool epochs_destroy(struct epochs *epochs);

struct epoch_reader; /* one per worker thread */
struct epoch_reader *epoch_reader_create(struct epochs *epochs, struct error *err); /* core */
void epoch_reader_destroy(struct epoch_reader *reader);                             /* core */
/* A read section: never wait or run Lua inside. Not nested. */
void epoch_enter(struct epoch_reader *reader);
void epoch_leave(struct epoch_reader *reader);

/* Frees what no reader can see any more. Core. */
void epochs_reclaim(struct epochs *epochs);
/* Frees `block` with `release` once every reader has left the epochs up to now. Core. */
int epochs_retire(struct epochs *epochs, void *block, void (*release)(void *block));
/* The same for what brings its own limbo; cannot fail. Core. */
void epochs_limbo(struct epochs *epochs, struct limbo *limbo, void (*release)(struct limbo *limbo));

/* Makes an object of a root node, taking over the caller's reference; starts with one pin, the
 * caller's. NULL: NOMEM, REJECTED (root is not an object). Core. */
struct object *object_create(struct epochs *epochs, node_t root, struct error *err);
/* Inside a read section, or when it is pinned already. Any thread. */
const struct object *object_pin(const struct object *object);
/* Gives one pin back; the last one hands the object to the core. Any thread. NULL is fine. */
void object_unpin(const struct object *object);
/* The same on the core: the last one frees at once. NULL is fine. */
void object_drop(const struct object *object);

struct str object_namespace(const struct object *object); /* "" when cluster-scoped */
struct str object_name(const struct object *object);
struct str object_uid(const struct object *object);

#endif
