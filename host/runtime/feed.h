#ifndef MOONLET_RUNTIME_FEED_H
#define MOONLET_RUNTIME_FEED_H

#include "cache/match.h"
#include "runtime/host.h"

/*
 * Feed: one kind that a definition watches, from its informer to its controller.
 *
 * Is:      the informer it needs, the part of the match that the server does not do, and the
 *          ready-made `when` predicates.
 * Is not:  Lua predicates and maps: those go through the program's inbox (R9).
 * Threads: core. Yields: never.
 */
enum feed_role { FEED_PRIMARY, FEED_OWNED, FEED_WATCHED, FEED_READ };

struct feed {
    struct host *host;
    const struct definition *definition;
    unsigned index; /* of the definition */
    const struct kind_match *match;
    enum feed_role role;
    char path[24]; /* "resource", "owns.1", "watches.2", "reads.1" */
    struct informer *informer;
    struct informer_handler handler;
    struct informer *namespaces; /* when the match selects namespaces by label */
    struct informer_handler namespaces_handler;
    struct selector *labels;       /* what the host evaluates; NULL: the server does */
    struct field_selector *fields; /* likewise */
    struct selector *namespace_labels;
    bool lua_filter, lua_map, indexed;
    void (*on_delta)(struct feed *feed, const struct store_delta *delta);
    void (*on_state)(struct feed *feed);
    void *context;
};

/* Acquires the informer. 0, or INVALID (bad selector; names it), NOMEM. */
int feed_init(struct feed *feed, struct host *host, const struct definition *definition,
              unsigned index, const struct kind_match *match, enum feed_role role, size_t number,
              struct error *err);
void feed_finish(struct feed *feed); /* releases; a zeroed feed is fine */
/* From now on deltas come; with `replay` also for what is there already. */
void feed_listen(struct feed *feed, bool replay);
/* No more deltas; the informer stays acquired. */
void feed_mute(struct feed *feed);

bool feed_synced(const struct feed *feed);
/* Why it is not synced; code 0 when it just takes time. */
const struct error *feed_error(const struct feed *feed);
/* Does the object pass the match (but `when`)? */
bool feed_matches(const struct feed *feed, const struct object *object);
/* Does the change pass the ready-made `when`? A deletionTimestamp always does. */
bool feed_wants(const struct feed *feed, const struct store_delta *delta);

#endif
