#ifndef MOONLET_CACHE_REFLECTOR_H
#define MOONLET_CACHE_REFLECTOR_H

#include "base/rng.h"
#include "cache/source.h"
#include "cache/store.h"

/*
 * Reflector: keeps a store equal to what the server has of one resource, in one namespace or all.
 *
 * Is:      the policy over list and watch: a streaming list, or pages where the server does not
 *          know it; then watches, one after the other, from the last version; relist when the
 *          server says that version is gone; backing off in between.
 * Is not:  shared, or aware of discovery (cache/informer.h).
 * Threads: core. Yields: never.
 */
enum reflector_phase {
    REFLECTOR_STOPPED,
    REFLECTOR_STREAMING, /* initial events of a watch */
    REFLECTOR_LISTING,
    REFLECTOR_WATCHING,
    REFLECTOR_BACKING_OFF
};

struct reflector_options {
    struct loop *loop;
    struct rng *rng;
    const struct source *source;
    struct dag *dag;
    struct store *store;
    struct kube_select select; /* what it points to is borrowed for the reflector's life */
    bool consistent; /* the first list is of the newest state, not what a server remembers */
    /* The first list is complete. */
    void (*on_synced)(void *context);
    /* Something failed and is retried, or (err NULL) works again. May stop the reflector. */
    void (*on_error)(void *context, const struct error *err);
    void *context;
};

struct reflector { /* owned by the caller; members are read, not written, by others */
    struct reflector_options options;
    enum reflector_phase phase;
    bool synced;
    uint64_t lists, watches, events, errors; /* since init */

    struct kube_watch *watch;
    struct kube_list *list;
    struct loop_timer retry; /* backing off, or the deadline of a streaming list */
    struct loop_timer alive; /* R22, and watches that outlive their timeoutSeconds */
    struct strbuf version;   /* last seen, "" before the first list */
    uint64_t number;         /* the same as an integer, 0 when it is not one */
    uint64_t begun;          /* of the store's replace */
    uint64_t opened;         /* the watch, monotonic ns */
    uint64_t watch_timeout;  /* of the watch, ns */
    uint64_t listed;         /* the last list's end, monotonic ns */
    uint64_t failed;         /* last failure, monotonic ns */
    unsigned failures;       /* in a row, for the backoff */
    bool relist;             /* what comes after backing off: a list, or a watch */
    bool no_streaming;       /* the server does not know streaming lists */
    bool consistent;         /* the next list asks for the newest state, whatever we have seen */
    bool believed;           /* the list under way is taken whatever its versions */
    bool unpaged;            /* the next list is in one piece */
    bool paging;             /* a page after the first is under way */
    bool bookmarked;         /* the watch has brought a periodic bookmark */
    bool failing;            /* on_error has been told, and nothing worked since */
};

void reflector_init(struct reflector *reflector, const struct reflector_options *options);
void reflector_start(struct reflector *reflector); /* from the stopped state */
/* Cancels what is under way; may be started again, and then lists anew. */
void reflector_stop(struct reflector *reflector);
void reflector_finish(struct reflector *reflector); /* stops; fine on zeroed ones */

#endif
