#ifndef MOONLET_APISERVER_STORAGE_H
#define MOONLET_APISERVER_STORAGE_H

#include "base/list.h"
#include "cache/node.h"

/*
 * Storage: every object by resource, namespace and name; one revision counter; the history that
 * watches read. What etcd and the watch cache are to the real server.
 *
 * Is:      interned objects (as in the cache: equal subtrees once), a log of changes until
 *          compaction, ordered lists from any place on, now or as of an older revision; with a
 *          journal (journal.h), it lasts.
 * Is not:  aware of requests, metadata rules or selectors' syntax (a list takes a predicate).
 * Threads: core. Yields: never.
 */
struct storage;
struct journal;
struct storage_options {
    struct dag *dag; /* borrowed */
    size_t history;  /* changes kept for watches; 0 = 10,000 */
    /* What was opened and not yet read; borrowed. NULL: memory alone. */
    struct journal *journal;
    /* What the journal calls a resource, as ids may be others at the next start: writes the same
     * text each time, 0-terminated, at most STORAGE_NAME bytes ("apps/deployments"). NULL: the id
     * as a number. */
    void (*name)(void *context, unsigned resource, char text[]);
    void *context;
};
enum { STORAGE_NAME = 512 };
/* With a journal, it holds what that does, and its history as far as it goes back. NULL: NOMEM, and
 * the codes of journal_read(). */
struct storage *storage_create(const struct storage_options *options, struct error *err);
/* Watchers that are left are told nothing any more. Not from inside `changed`. NULL is fine. */
void storage_destroy(struct storage *storage);

struct storage_key {
    unsigned resource;   /* below STORAGE_RESOURCES */
    struct str ns, name; /* ns "" = cluster-scoped */
};
enum { STORAGE_RESOURCES = 1 << 20 };
/* Of the last change; starts at 1. */
uint64_t storage_revision(const struct storage *storage);

/* The object's node, borrowed until the next change, and the revision it came with (may be NULL).
 * NODE_NONE: there is none. */
node_t storage_get(const struct storage *storage, const struct storage_key *key,
                   uint64_t *ret_revision);
/* Puts the JSON of an object, its `resourceVersion` already storage_revision() + 1, or deletes one;
 * `last` is what watchers are shown of the deleted (its resourceVersion, too, is the new revision).
 * On success the revision has grown by one and the watchers were called; when this is called
 * inside `changed`, they are called as soon as all have been told what went before. With a
 * journal it is on the disk before anybody sees it. A failure changes nothing: NOMEM, REJECTED (no
 * JSON object), INVALID (resource), NOT_FOUND (delete), UNAVAILABLE (the disk). */
int storage_put(struct storage *storage, const struct storage_key *key, struct str json,
                struct error *err);
/* The same for who has made the node that the JSON stands for, which stays his. */
int storage_put_node(struct storage *storage, const struct storage_key *key, node_t node,
                     struct str json, struct error *err);
/* An object that the next one of that key may be like: its last version or a neighbour, as
 * storage_get() gives it. */
node_t storage_like(const struct storage *storage, const struct storage_key *key);
int storage_delete(struct storage *storage, const struct storage_key *key, struct str last,
                   struct error *err);

/* The order of lists: that of the bytes of "namespace/name", as etcd's keys are. The resource is
 * not compared. */
int storage_key_compare(const struct storage_key *a, const struct storage_key *b);

struct storage_item {
    struct storage_key key;
    node_t node;
    uint64_t revision; /* of its last change */
};
/* Lists in order, from after `after` (NULL: the start), only namespace `ns` unless ns.data is NULL
 * (as in (struct str){0}, not in str_of(NULL)), until `each` returns false; `each` must change
 * nothing here. Objects are as of now or, when `revision` is not 0, as of that one. 0, NOMEM, GONE
 * (the history does not reach back to it), TIMEOUT (it is not there yet). */
int storage_list(struct storage *storage, unsigned resource, struct str ns,
                 const struct storage_key *after, uint64_t revision,
                 bool (*each)(void *context, const struct storage_item *item), void *context,
                 struct error *err);
/* From now on the objects of a resource that were put until `until` are shown as `read` has them:
 * it is given each as it was put, and gives a reference to what that is read as; the same node when
 * it is as it was, NODE_NONE when there is no memory. Their revisions stay, the journal keeps what
 * was put, and watches from before `until` are GONE. 0; NOMEM: some are as they were. */
int storage_reread(struct storage *storage, unsigned resource, uint64_t until,
                   node_t (*read)(void *context, node_t put), void *context, struct error *err);
/* Is the object shown otherwise than it was put? */
bool storage_is_reread(const struct storage *storage, const struct storage_key *key);
size_t storage_count(const struct storage *storage, unsigned resource);

struct storage_change {
    struct storage_key key; /* all of it borrowed for the call */
    uint64_t revision;
    node_t old, now; /* NODE_NONE: created, deleted */
    node_t last;     /* when deleted, what to show; else NODE_NONE */
};
/* Lives in its owner; zeroed = not in use. `changed` may watch, unwatch itself and others (and free
 * them), and change objects: every watcher is told every change once and in order. Those that
 * begin meanwhile are told what came after their `since`, too. */
struct storage_watcher {
    struct list link;
    unsigned resource;
    void (*changed)(struct storage_watcher *watcher, const struct storage_change *change);
    uint64_t seen;                 /* what it was told up to; the storage's business */
    struct storage_replay *replay; /* while storage_watch() is at it; the storage's, too */
};
/* Tells through `changed` what came after `since`, then goes on with what comes; a `since` that is
 * not there yet is waited for. 0, NOMEM, INVALID (resource), GONE (it was compacted). */
int storage_watch(struct storage *storage, struct storage_watcher *watcher, uint64_t since,
                  struct error *err);
void storage_unwatch(struct storage_watcher *watcher); /* not watching is fine */
/* The history up to `revision` is forgotten: watches from before it and lists as of then are GONE.
 */
void storage_compact(struct storage *storage, uint64_t revision);

#endif
