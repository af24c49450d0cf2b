#ifndef MOONLET_CACHE_STORE_INDEX_H
#define MOONLET_CACHE_STORE_INDEX_H

#include "base/list.h"
#include "base/map.h"
#include "cache/store.h"
#include "cache/table.h"

/*
 * The inside of the store: entries, their groups by namespace and by owner, tombstones.
 *
 * Threads: the core writes; what is marked atomic, and what is reached by it, any thread reads in a
 * read section (object.h).
 */
struct group { /* the entries of one namespace, of one owner's UID, or with the same labels */
    struct keyed keyed;
    struct link *first; /* atomic */
    size_t count;
    struct dag *dag;
    struct limbo limbo;
};

struct owned {
    struct link link;
    struct group *group;
};
struct owners {
    struct limbo limbo;
    size_t count;
    struct owned each[];
};

/* A place in the index by labels. Made anew when the labels change, as readers may stand on it. */
struct labelled {
    struct limbo limbo;
    struct link link;
    struct group *group;
};

struct entry { /* one namespace and name, from the first object to the last */
    struct keyed keyed;
    const struct object *now; /* atomic; one pin is the store's */
    struct link in_ns;
    struct group *ns_group;
    struct owners *owners; /* NULL: none */
    struct labelled *labelled;
    uint64_t seen;   /* the replace in which it was last put */
    bool distrusted; /* its version may be from a future that was rolled back */
    struct dag *dag;
    struct limbo limbo;
};

struct stream {        /* what one list and watch has brought */
    uint64_t newest;   /* version up to which everything is here */
    uint64_t disputed; /* 1 + the oldest version that an item of a list was older than; 0 = none */
};

struct store {
    struct store_options options;
    char *api_version, *kind;
    struct table objects, by_ns, by_owner;
    struct table by_labels; /* by node: equal labels are one node */
    uint64_t label_moves;   /* atomic; counts objects that went from one group to another */
    struct map dead;        /* uid → struct tombstone */
    struct list dead_order; /* oldest first */
    uint64_t replaces;      /* begun */
    struct stream stream;   /* when there is one for all */
    struct map streams;     /* namespace → struct stream, when they are split */
    node_t last_version;    /* of the last event */
    uint64_t noops, own_writes, passed_over;
    struct entry *last; /* put: the next one may look like it; NULL: it is gone */
};

/* Gets or makes the group of `text`, a string node. NULL: no memory. */
struct group *group_get(struct store *store, struct table *table, node_t text);
/* Removes a group that has become empty; NULL is fine. */
void group_settle(struct store *store, struct table *table, struct group *group);

/* The owner links of `object`, unlinked. 0 (*ret NULL when there are none) or ERROR_NOMEM. */
int owners_create(struct store *store, const struct object *object, struct owners **ret);
void owners_link(struct owners *owners, struct entry *entry); /* NULL is fine */
/* Unlinks and retires; NULL is fine. */
void owners_remove(struct store *store, struct owners *owners);
/* Gives back what was never linked; NULL is fine. */
void owners_discard(struct store *store, struct owners *owners);

/* The object's place by labels, not linked yet. NULL: no memory. */
struct labelled *labelled_create(struct store *store, const struct object *object);
void labelled_link(struct labelled *labelled, struct entry *entry);
void labelled_remove(struct store *store, struct labelled *labelled);  /* unlinks and retires */
void labelled_discard(struct store *store, struct labelled *labelled); /* never linked; NULL fine */

/* Deleted UIDs, at most so many, the oldest forgotten first. */
enum { STORE_TOMBSTONES = 4096 };
/* `version` of the deletion, 0 when not known. 0 or ERROR_NOMEM. */
int tombstone_add(struct store *store, struct str ns, struct str uid, uint64_t version);
/* Is this a state from before the deletion (*ret_version) of its UID? One from after it shows that
 * the server has lost the deletion, and ends the tombstone. */
bool tombstone_covers(struct store *store, const struct object *object, uint64_t *ret_version);
void tombstones_expire(struct store *store, uint64_t version); /* those up to that version */
void tombstones_clear(struct store *store, struct str ns);     /* NULL data: all */

/* R5: is this older than what we know, a deletion too, and to be dropped? An item of a list that is
 * has the list disputed (store_replace_contradicts). `entry`: NULL when there is none. */
bool store_knows_better(struct store *store, const struct entry *entry, const struct object *object,
                        enum store_source source);

/* Are these equal but for metadata.resourceVersion? Members in another order are equal. */
bool store_same(const struct dag *dag, node_t a, node_t b);

#endif
