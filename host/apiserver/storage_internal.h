#ifndef MOONLET_APISERVER_STORAGE_INTERNAL_H
#define MOONLET_APISERVER_STORAGE_INTERNAL_H

#include "apiserver/journal.h"
#include "apiserver/storage.h"
#include "base/map.h"
#include "base/rng.h"

/* The inside of the storage: an index per resource, and the history. Threads: core. */

/* An ordered index is a skip list: little code, and no more memory than a tree. */
enum { INDEX_LEVELS = 12 }; /* each level has a quarter of the entries of the one below */
struct storage_entry {
    uint64_t revision;
    node_t ns, name, node; /* one reference each */
    node_t put;            /* what was put, when it is read as another `node`; else NODE_NONE */
    uint32_t height;
    struct storage_entry *next[]; /* `height` of them */
};
struct storage_index {
    struct storage_entry *first[INDEX_LEVELS];
    size_t count;
    struct rng rng;
};
/* Where a key is or belongs: on each level, the link that leads there. */
struct storage_place {
    struct storage_entry **links[INDEX_LEVELS];
    struct storage_entry *before; /* the neighbour, or NULL */
};

void storage_index_init(struct storage_index *index);
void storage_index_finish(struct storage_index *index, struct dag *dag);
/* The entry of that key or NULL, and the place. */
struct storage_entry *storage_index_find(struct storage_index *index, const struct dag *dag,
                                         const struct storage_key *key,
                                         struct storage_place *ret_place);
/* A new entry without an object, not in the index; NULL: NOMEM. */
struct storage_entry *storage_entry_create(struct storage_index *index, struct dag *dag,
                                           const struct storage_key *key, struct error *err);
void storage_entry_destroy(struct storage_entry *entry, struct dag *dag); /* NULL is fine */
void storage_index_add(struct storage_index *index, const struct storage_place *place,
                       struct storage_entry *entry);
void storage_index_remove(struct storage_index *index, const struct storage_place *place,
                          struct storage_entry *entry);

struct storage_resource {
    struct list link;
    struct storage_index index;
    struct list watchers;
    uint64_t reread; /* watches from before are GONE */
    char *name;      /* with a journal */
};

struct storage_record { /* one change; one reference for each node */
    struct storage_resource *resource;
    uint64_t old_revision;
    node_t ns, name, old, now, last;
};
struct storage_history { /* a ring; the newest record is that of storage->revision */
    struct storage_record *records;
    size_t first, count, cap, limit;
    uint64_t compacted; /* what came after it is here */
};

struct storage {
    struct dag *dag;
    struct journal *journal; /* NULL: none, or it is being read */
    void (*name)(void *context, unsigned resource, char text[]);
    void *context;
    struct list all;                     /* the resources */
    struct map named;                    /* the same by name, with a journal */
    bool is_named;                       /* there is one */
    struct storage_resource **resources; /* by id; NULL = not known yet */
    size_t resources_cap;
    uint64_t revision, told; /* watchers have been told up to `told` */
    struct storage_history history;
    struct list cursor; /* in the list of watchers that is walked */
    bool telling;
    unsigned busy; /* the history must not be cut while it is read */
};

/* NULL when nothing has ever asked for it. */
struct storage_resource *storage_resource_peek(const struct storage *storage, unsigned resource);
/* Makes it when need be. NULL: NOMEM, INVALID. */
struct storage_resource *storage_resource_need(struct storage *storage, unsigned resource,
                                               struct error *err);

struct storage_resource *storage_resource_named(struct storage *storage, struct str name,
                                                struct error *err);
void storage_resources_init(struct storage *storage);
void storage_resources_finish(struct storage *storage);

/* As storage_put_node() (NODE_NONE: to be parsed) and storage_delete(), but nobody is told. */
int storage_change_put(struct storage *storage, struct storage_resource *resource,
                       const struct storage_key *key, node_t made, struct str json,
                       struct error *err);
int storage_change_delete(struct storage *storage, struct storage_resource *resource,
                          const struct storage_key *key, struct str last, struct error *err);
/* One reference to the object; most bytes are those of its last version, or of its neighbour. */
node_t storage_parse(struct storage *storage, const struct storage_entry *entry,
                     const struct storage_place *place, struct str json, struct error *err);

int storage_journal_read(struct storage *storage, struct journal *journal, struct error *err);
/* Makes the next change last; 0 without a journal. */
int storage_journal_append(struct storage *storage, enum journal_type type,
                           const struct storage_resource *resource, const struct storage_key *key,
                           struct str json, struct error *err);

/* Makes room for one more record. 0 or NOMEM. */
int storage_history_reserve(struct storage *storage, struct error *err);
/* Takes over the record's references; there is room. The revision grows. */
void storage_history_add(struct storage *storage, const struct storage_record *record);
/* Of a revision that is there. Valid until the next change. */
const struct storage_record *storage_history_at(const struct storage *storage, uint64_t revision);
/* GONE unless all that came after `revision` is there. */
int storage_history_reaches(const struct storage *storage, uint64_t revision, struct error *err);
int storage_history_refuse(uint64_t revision, uint64_t oldest, struct error *err); /* gives GONE */
/* GONE when the objects are read otherwise than those who know `revision` have seen them. */
int storage_reread_reaches(const struct storage_resource *resource, uint64_t revision,
                           struct error *err);
void storage_history_trim(struct storage *storage); /* does nothing while it is read */
void storage_history_finish(struct storage *storage);
/* The key; the resource is left to the caller. */
struct storage_key storage_record_key(const struct storage *storage,
                                      const struct storage_record *record);

void storage_tell(struct storage *storage); /* the watchers, what they do not know yet */

#endif
