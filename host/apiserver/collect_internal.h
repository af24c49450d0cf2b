#ifndef MOONLET_APISERVER_COLLECT_INTERNAL_H
#define MOONLET_APISERVER_COLLECT_INTERNAL_H

#include "apiserver/collect.h"
#include "apiserver/errand.h"
#include "base/map.h"

/* The inside of the collector: who depends on whom (collect_owners.c), what changes mean
 * (collect_changes.c), the queue (collect.c) and what is done (collect_jobs.c, collect_spaces.c,
 * collect_volumes.c).
 */
struct owner { /* of that uid, whether it exists or not */
    char *uid;
    struct list edges;
};
struct edge {
    struct list link; /* of its owner */
    struct owner *owner;
    struct dependent *dependent;
};
struct dependent {          /* an object with owner references */
    struct storage_key key; /* texts behind the struct */
    struct edge *edges;
    size_t edge_count;
};

enum job_type {
    JOB_OBJECT,    /* has owners: are they there? Is being deleted: what do its dependents say? */
    JOB_NAMESPACE, /* is being deleted, or lacks its ServiceAccount */
    JOB_GRACE,     /* a pod: is its time over? */
    JOB_CRD,       /* is being deleted: its objects go first */
    JOB_VOLUME     /* or a claim: is being deleted; does anybody use it? */
};
struct job {
    struct list link; /* of collector->jobs, in order */
    enum job_type type;
    struct storage_key key; /* texts behind the struct */
    uint64_t due;           /* monotonic ns; 0 = now */
    unsigned tries;         /* that failed */
};

struct collector {
    struct apiserver *server;
    struct map owners;     /* uid -> struct owner */
    struct map dependents; /* key text -> struct dependent */
    struct list jobs;
    struct map queued; /* type and key text -> struct job, while it is in `jobs` */
    struct loop_timer timer;
    struct errand errand;
    struct job *job; /* whose errand is under way; owned */
    uint64_t before; /* storage's revision before it */
    bool working;
};

void collector_queue(struct collector *collector, enum job_type type, const struct storage_key *key,
                     uint64_t delay_ns);

/* collect_owners.c */
void collector_key_text(struct strbuf *out, const struct storage_key *key);
/* `size` bytes, zeroed, with a copy of `key` at `key_at` and its texts behind. NULL: no memory. */
void *collector_alloc(size_t size, size_t key_at, const struct storage_key *key);
/* `key` refers to these owners (metadata.ownerReferences) from now on. 0 or NOMEM. */
int collector_note(struct collector *collector, const struct storage_key *key, node_t references);
void collector_forget(struct collector *collector, const struct storage_key *key);
void collector_free_dependent(struct collector *collector, struct dependent *dependent);
/* NULL: nobody refers to it. */
struct owner *collector_owner(const struct collector *collector, struct str uid);

/* Does one step of a job: starts at most one errand (collector->errand.busy or its answer tells).
 * True: look again after the errand. */
enum job_outcome { JOB_DONE, JOB_AGAIN, JOB_FAILED };
enum job_outcome job_step(struct collector *collector, const struct job *job);
/* Sends one; JOB_AGAIN or JOB_FAILED. `body` is taken. */
enum job_outcome job_send(struct collector *collector, const char *method,
                          const struct storage_key *key, const char *subresource, json_t *body);

enum job_outcome job_namespace(struct collector *collector, const struct storage_key *key,
                               node_t node);
enum job_outcome job_crd(struct collector *collector, const struct storage_key *key, node_t node);
/* collect_volumes.c */
enum job_outcome job_volume(struct collector *collector, const struct storage_key *key,
                            node_t node);
/* A pod has gone, or is another: claims may be free. */
void collector_note_claims(struct collector *collector, const struct storage_key *pod, node_t old);
enum job_outcome job_remove_finalizer(struct collector *collector, const struct storage_key *key,
                                      node_t node, const char *finalizer);
const struct api_resource *job_resource(const struct collector *collector, unsigned id);
bool job_has(const struct dag *dag, node_t array, const char *text);
bool job_deleting(const struct dag *dag, node_t node);

#endif
