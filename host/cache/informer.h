#ifndef MOONLET_CACHE_INFORMER_H
#define MOONLET_CACHE_INFORMER_H

#include "base/list.h"
#include "base/log.h"
#include "cache/source.h"
#include "cache/store.h"

/*
 * Informers: a store kept current by list and watch, shared by everybody who asks for the same.
 *
 * Is:      one per (kind, namespaces, selectors, whole or metadata only), counted; a kind that the
 *          server does not have yet is waited for; survives reloads because the next version of a
 *          file acquires it before the old one releases it.
 * Threads: core; the store may be read by workers. Yields: never.
 */
struct informer_set;
struct informer_set_options {
    struct loop *loop;
    struct kube_client *client;
    struct discovery *discovery;
    struct dag *dag;
    struct epochs *epochs;
    struct rng *rng;
    struct log *log; /* or NULL; errors that are retried are told once, not at each try */
};
struct informer_set *informer_set_create(const struct informer_set_options *options,
                                         struct error *err);
/* The same over another source (borrowed for the life of the set) than options' client and
 * discovery, which may then be NULL. */
struct informer_set *informer_set_create_over(const struct informer_set_options *options,
                                              const struct source *source, struct error *err);
void informer_set_destroy(struct informer_set *set); /* all released by then; NULL is fine */

struct informer_key {
    const char *api_version, *kind;
    const char *const *namespaces; /* NULL-terminated; NULL or empty: all */
    const char *label_selector;    /* or NULL */
    const char *field_selector;    /* or NULL */
    bool metadata_only;            /* shares a full informer that runs with the same rest */
    bool keep_managed_fields;
};

enum informer_state {
    INFORMER_WAITING, /* not known yet, not found, forbidden, unreachable; see informer_error */
    INFORMER_SYNCING,
    INFORMER_SYNCED /* has been complete once; stays so over later relists */
};

struct informer;
/* The running informer for that key or a new one; one reference is the caller's. NULL: NOMEM,
 * INVALID (bad selector). */
struct informer *informer_acquire(struct informer_set *set, const struct informer_key *key,
                                  struct error *err);
/* The last one stops it, at once and also from within its handlers. NULL is fine. */
void informer_release(struct informer *informer);

enum informer_state informer_state(const struct informer *informer);
/* Why it is waiting, or the last watch error; code 0 when fine. Borrowed. */
const struct error *informer_error(const struct informer *informer);
/* Does it follow what happens: every watch is open? False also for what is waiting. */
bool informer_follows(const struct informer *informer);
const char *informer_kind(const struct informer *informer); /* "apps/v1/Deployment" */
bool informer_serves(const struct informer *informer, const char *api_version, const char *kind);
/* NULL until the kind is known to the server. */
const struct kube_resource *informer_resource(const struct informer *informer);
struct store *informer_store(const struct informer *informer); /* never NULL */

struct informer_stats {
    uint64_t lists, watches, events, noops, errors; /* since it started */
    uint64_t own_writes, passed_over;               /* see cache/store.h */
    uint64_t objects, bytes;                        /* now; see store_bytes() */
};
struct informer_stats informer_stats(const struct informer *informer);
/* Iterates for metrics: NULL starts. */
struct informer *informer_next(struct informer_set *set, struct informer *after);

/* Is called for every delta, for what is there already when it is added (as ADDED, initial), and
 * for each change of state. A handler may remove itself. */
struct informer_handler {
    struct list link; /* the informer's */
    void (*on_delta)(struct informer_handler *handler, const struct store_delta *delta);
    void (*on_state)(struct informer_handler *handler, enum informer_state state);
};
void informer_add_handler(struct informer *informer, struct informer_handler *handler, bool replay);
void informer_remove_handler(struct informer_handler *handler); /* fine when not added */

/* R5: the body of a write's answer goes to every informer of that kind whose namespaces and
 * selectors it fits, at once. Gives its root without what the scanner drops, in a new reference;
 * NODE_NONE: it is no object, or there is no memory. */
node_t informer_set_wrote(struct informer_set *set, const char *api_version, const char *kind,
                          struct str json, struct error *err);
void informer_set_deleted(struct informer_set *set, const char *api_version, const char *kind,
                          struct str ns, struct str name, struct str uid);
/* The set's whole-object view of one object, pinned, or NULL. */
const struct object *informer_set_find(struct informer_set *set, const char *api_version,
                                       const char *kind, struct str ns, struct str name);
/* Does an informer that would hold such an object have none of that name? One with other selectors
 * has a watch of its own, and may know sooner that the object is gone, or later that it is there.
 */
bool informer_set_doubts(struct informer_set *set, const char *api_version, const char *kind,
                         const struct object *object);

#endif
