#ifndef MOONLET_CACHE_STORE_H
#define MOONLET_CACHE_STORE_H

#include "cache/object.h"

/*
 * Store: the objects of one informer by namespace and name, with owner and namespace indexes.
 *
 * Is:      the one place where an event becomes a change: equal objects stop here, another UID
 *          under a name becomes delete + add, older versions than known are dropped (R5).
 * Is not:  a list/watch (cache/reflector.h) or shared between kinds.
 * Threads: changing: core. Reading: any thread inside a read section; what must outlive the
 *          section is pinned. Yields: never.
 */
enum store_change { STORE_ADDED, STORE_UPDATED, STORE_DELETED };

struct store_delta {
    enum store_change change;
    const struct object *old; /* NULL when added; the last known state when deleted */
    const struct object *now; /* NULL when deleted */
    bool initial;             /* part of the first list */
};
/* Borrowed for the call; pin what is kept. */
typedef void (*store_emit)(void *context, const struct store_delta *delta);

struct store;
struct store_options {
    struct epochs *epochs;
    struct dag *dag;
    int drop;                /* DAG_DROP_* */
    const char *api_version; /* put into items that come without (LIST) */
    const char *kind;
    bool split; /* one list and watch per namespace, not one for all */
    store_emit emit;
    void *context;
};
struct store *store_create(const struct store_options *options, struct error *err);
void store_destroy(struct store *store); /* no deltas; NULL is fine */

/* An ADDED or MODIFIED event, an item of the first list or of a later one, or the answer to one of
 * our own writes (R5: taken only when newer than all that its watch has brought). 0, REJECTED,
 * NOMEM. Emits 0..2 deltas. *ret_object (may be NULL) is what the store now holds for that key,
 * pinned for the caller; NULL when a tombstone or nothing is there. Core. An object that differs in
 * metadata.resourceVersion alone takes its place silently. */
enum store_source { STORE_EVENT, STORE_INITIAL, STORE_LISTED, STORE_WRITE };
int store_put(struct store *store, struct str json, enum store_source source,
              const struct object **ret_object, struct error *err);
/* The same in two steps: the bytes as this store keeps them, in a new reference (NODE_NONE: err
 * says why); and putting what store_parse() gave, here or in a store that drops as much, which
 * takes over the reference, NODE_NONE too. Core. */
node_t store_parse(struct store *store, struct str json, struct error *err);
int store_put_root(struct store *store, node_t root, enum store_source source,
                   const struct object **ret_object, struct error *err);
/* A DELETED event (json: last state) or the answer to our own delete without finalizer or grace:
 * leaves a tombstone for that UID so that older events do not bring it back (R5). The deletion of
 * another incarnation than the one that is there changes nothing. Core. */
int store_delete_event(struct store *store, struct str json, struct error *err);
void store_tombstone(struct store *store, struct str ns, struct str name, struct str uid);

/* Relist: begin, store_put each item, end. What was not put since is deleted with its last state,
 * in namespace `ns` (NULL data: everywhere), so lists of several namespaces may overlap. `version`
 * is the list's; objects newer than it (own writes) stay. Not ending it changes nothing more. */
uint64_t store_replace_begin(struct store *store);
/* Before the end: does the list, made at `version`, lack what we have seen up to that version? Then
 * the server has lost it (a restored backup), and the list must be made again after
 * store_distrust_versions(). True at most once for each item that was passed over. */
bool store_replace_contradicts(struct store *store, struct str ns, uint64_t version);
void store_replace_end(struct store *store, uint64_t begun, struct str ns, uint64_t version);
/* The watch has come to `version` (a bookmark): own writes up to it are in the store. */
void store_saw_version(struct store *store, struct str ns, uint64_t version);
/* metadata.resourceVersion of what was last put or deleted without an error, "" at first. Valid
 * until the next change. Core. */
struct str store_last_version(const struct store *store);
/* The server's versions went back (a restored backup): the next state of each object is taken
 * whatever its version, tombstones are forgotten. Call before store_replace_begin(). */
void store_distrust_versions(struct store *store, struct str ns);

/* Metrics: events that changed nothing, since creation. */
uint64_t store_noops(const struct store *store);
/* R5: own writes and deletes that were here before the watch told of them; events and items of
 * lists that were passed over, because they are older than what is here. */
uint64_t store_own_writes(const struct store *store);
uint64_t store_passed_over(const struct store *store);
size_t store_count(const struct store *store);
/* Bytes of the objects' nodes; what several share is divided among them (node_share()). Of many
 * objects it is an estimate by some of them. Core. */
uint64_t store_bytes(const struct store *store);

/* Reading, inside a read section (or on the core). Borrowed until the section ends. */
const struct object *store_get(const struct store *store, struct str ns, struct str name);
/* Calls `each` for the objects (of one namespace unless ns.data is NULL) in no order, until it
 * returns false. */
void store_each(const struct store *store, struct str ns,
                bool (*each)(void *context, const struct object *object), void *context);
/* Those whose labels fit, asked once for each set of labels there is. False: an object has changed
 * its labels meanwhile, so that one may be missing or there twice; forget what came, and use
 * store_each(). */
bool store_each_labelled(const struct store *store,
                         bool (*fits)(void *context, const struct dag *dag, node_t labels),
                         bool (*each)(void *context, const struct object *object), void *context);
/* Those with an owner reference to `uid`. */
void store_each_owned(const struct store *store, struct str uid,
                      bool (*each)(void *context, const struct object *object), void *context);

#endif
