#ifndef MOONLET_TESTS_SIM_API_H
#define MOONLET_TESTS_SIM_API_H

#include "sim/wire.h"

/*
 * Api: a model of an API server with ConfigMaps, kept as the history of what happened to each.
 *
 * Is:      lists (whole, paged, from a cache), watches (streaming lists, bookmarks, 410), get,
 *          server-side apply, delete; one or two servers behind one address, each with a view that
 *          follows the newest state after a while; restored from a backup when told.
 * Is not:  more of Kubernetes than list, watch and these writes need.
 *
 * Versions say which restore they come after (API_TIMELINES), so that a watch or a page from one
 * that was lost is refused by 410. A real server whose versions were not raised when it was
 * restored cannot know that; nobody can follow such a one.
 *
 * An object is a slot (namespace and name), a UID, and two values: `label`, which other people
 * set, and `own`, which the controller under test applies.
 */
enum { API_NAMESPACES = 2, API_NAMES = 4, API_SLOTS = API_NAMESPACES * API_NAMES, API_NONE = -1 };
enum { API_SERVERS = 2, API_TIMELINES = 16 /* version modulo this: restores before it */ };

enum api_change { API_ADDED, API_MODIFIED, API_DELETED };
struct api_entry {            /* one change; also the state after it */
    uint64_t version, former; /* former: the entry of that slot before this one, 0 = none */
    enum api_change change;
    int slot, label, own; /* own: API_NONE = never applied */
    unsigned uid;
};

enum api_streaming { API_STREAMS, API_STREAM_REFUSED, API_STREAM_IGNORED };
struct api_options {
    struct sim *sim;
    enum api_streaming streaming;
    unsigned page;  /* most items of a page of a list with a limit; 0 = as asked */
    bool bookmarks; /* once a minute */
    unsigned servers;
    uint64_t lag_ns; /* a server is behind for at most so long, unless SIM_LAG happens */
};

struct api_server {
    struct api *api;
    uint64_t view; /* version up to which it knows */
    bool frozen;   /* and stays there */
    struct loop_timer catch_up;
};

struct api {
    struct api_options options;
    struct sim_wire wire;
    struct api_entry *log; /* oldest first */
    size_t count, cap;
    uint64_t head;      /* the newest version */
    uint64_t compacted; /* watches and pages from before it are gone */
    uint64_t restored_to[API_TIMELINES];
    uint64_t written;  /* by the client, as far as it was told */
    uint64_t invented; /* the newest version given out before a restore */
    unsigned uids, restores;
    struct api_server servers[API_SERVERS];
    struct list requests; /* watches, and what waits for a view */
    uint64_t lists, watches, gone, writes, writes_without_effect;
};
void api_init(struct api *api, const struct api_options *options);
void api_finish(struct api *api);

void api_slot_name(int slot, char ns[8], char name[8]);
int api_slot_of(struct str ns, struct str name); /* API_NONE: no such */
/* The state of a slot at `version`, or NULL when there is no object then. */
const struct api_entry *api_state(const struct api *api, int slot, uint64_t version);
/* Was that version given out by a server that was restored since to before it? */
bool api_is_lost(const struct api *api, uint64_t version);
/* Was the object in that slot deleted after `version`? */
bool api_deleted_since(const struct api *api, int slot, uint64_t version);

/* What other people do: create, change, touch (nothing but the version), delete, delete and create
 * again. One of them at random, as the slot allows. */
void api_disturb(struct api *api, int slot);
void api_put(struct api *api, int slot, int label); /* creates or changes */
void api_touch(struct api *api, int slot);
void api_delete(struct api *api, int slot);
void api_compact(struct api *api);
/* Back to an earlier version, all connections cut. Versions continue from there, or, when
 * `bumped`, or a write of the client is lost, above all that were given out: else such a write
 * could not be told from one that this server has not come to yet. */
void api_restore(struct api *api, uint64_t version, bool bumped);
/* The servers know everything now. */
void api_catch_up(struct api *api);
/* Ends, cuts or fails watches: 0 a normal end, else an ERROR event with that status. */
void api_end_watches(struct api *api, int status);
void api_bookmark(struct api *api); /* to every watch that asked for them */

#endif
