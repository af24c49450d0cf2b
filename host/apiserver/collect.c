#include <string.h>

#include "apiserver/collect_internal.h"
#include "base/mem.h"

enum { MAX_BACKOFF_SECONDS = 64 };

static void key_text(struct strbuf *out, const struct storage_key *key) {
    strbuf_printf(out, "%u/" STR_FORMAT "/" STR_FORMAT, key->resource, STR_ARG(key->ns),
                  STR_ARG(key->name));
}

/* Copies the key's texts behind a struct of `size` bytes, zeroed. NULL: no memory. */
static void *alloc_with_key(size_t size, size_t key_at, const struct storage_key *key) {
    char *block = mem_zalloc(size + key->ns.len + key->name.len + 2);
    if (block == NULL)
        return NULL;
    char *ns = block + size, *name = ns + key->ns.len + 1;
    if (key->ns.len > 0)
        memcpy(ns, key->ns.data, key->ns.len);
    memcpy(name, key->name.data, key->name.len);
    *(struct storage_key *)(void *)(block + key_at) =
        (struct storage_key){key->resource, str_n(ns, key->ns.len), str_n(name, key->name.len)};
    return block;
}

/* --- who depends on whom ------------------------------------------------------------------- */

struct owner *collector_owner(const struct collector *collector, struct str uid) {
    return map_get(&collector->owners, uid);
}

static struct owner *owner_need(struct collector *collector, struct str uid) {
    struct owner *owner = collector_owner(collector, uid);
    if (owner)
        return owner;
    owner = mem_zalloc(sizeof *owner);
    if (owner == NULL)
        return NULL;
    list_init(&owner->edges);
    owner->uid = mem_strndup(uid.data, uid.len);
    if (owner->uid == NULL || map_set(&collector->owners, uid, owner, NULL) < 0) {
        mem_free(owner->uid);
        mem_free(owner);
        return NULL;
    }
    return owner;
}

static void dependent_destroy(struct collector *collector, struct dependent *dependent) {
    for (size_t i = 0; i < dependent->edge_count; i++) {
        struct owner *owner = dependent->edges[i].owner;
        list_remove(&dependent->edges[i].link);
        if (!list_empty(&owner->edges))
            continue;
        map_remove(&collector->owners, str_of(owner->uid));
        mem_free(owner->uid);
        mem_free(owner);
    }
    mem_free(dependent->edges);
    mem_free(dependent);
}

static void forget_dependent(struct collector *collector, const struct storage_key *key) {
    struct strbuf text = {0};
    key_text(&text, key);
    struct dependent *dependent =
        text.failed ? NULL : map_remove(&collector->dependents, strbuf_view(&text));
    if (dependent)
        dependent_destroy(collector, dependent);
    strbuf_finish(&text);
}

static int add_edges(struct collector *collector, struct dependent *dependent, node_t references) {
    const struct dag *dag = collector->server->dag;
    size_t count = node_count(dag, references);
    dependent->edges = mem_calloc(count, sizeof *dependent->edges);
    if (dependent->edges == NULL)
        return ERROR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        struct str uid = node_text(dag, node_get(dag, node_at(dag, references, i), str_of("uid")));
        struct edge *edge = &dependent->edges[i];
        edge->owner = owner_need(collector, uid);
        if (edge->owner == NULL)
            return ERROR_NOMEM;
        edge->dependent = dependent;
        list_append(&edge->owner->edges, &edge->link);
        dependent->edge_count++;
    }
    return 0;
}

static int note_dependent(struct collector *collector, const struct storage_key *key,
                          node_t references) {
    struct strbuf text = {0};
    struct dependent *dependent =
        alloc_with_key(sizeof *dependent, offsetof(struct dependent, key), key);
    int rc = dependent ? add_edges(collector, dependent, references) : ERROR_NOMEM;
    key_text(&text, key);
    if (rc == 0)
        rc = text.failed ? ERROR_NOMEM
                         : map_set(&collector->dependents, strbuf_view(&text), dependent, NULL);
    if (rc < 0 && dependent)
        dependent_destroy(collector, dependent);
    strbuf_finish(&text);
    return rc;
}

/* --- jobs ---------------------------------------------------------------------------------- */

static void job_text(struct strbuf *out, enum job_type type, const struct storage_key *key) {
    strbuf_printf(out, "%d:", (int)type);
    key_text(out, key);
}

/* Looks at the jobs at `due`, or earlier if that is known already. */
static void arm_at(struct collector *collector, uint64_t due) {
    uint64_t now = loop_now(collector->server->loop);
    if (collector->errand.busy || collector->working ||
        (loop_timer_active(&collector->timer) && collector->timer.due <= due))
        return;
    if (loop_timer_start(&collector->timer, due > now ? due - now : 0) < 0)
        log_error(collector->server->log, "garbage collection: no memory for a timer");
}

static void arm(struct collector *collector) {
    struct list *link, *next;
    uint64_t due = UINT64_MAX;
    LIST_EACH(link, next, &collector->jobs) {
        struct job *job = CONTAINER_OF(link, struct job, link);
        due = job->due < due ? job->due : due;
    }
    if (due < UINT64_MAX)
        arm_at(collector, due);
}

static void job_queue(struct collector *collector, struct job *job) {
    struct strbuf text = {0};
    uint64_t due = job->due;
    job_text(&text, job->type, &job->key);
    struct job *there = text.failed ? NULL : map_get(&collector->queued, strbuf_view(&text));
    if (there) {
        there->due = job->due < there->due ? job->due : there->due;
        mem_free(job);
    } else if (text.failed || map_set(&collector->queued, strbuf_view(&text), job, NULL) < 0) {
        log_error(collector->server->log, "garbage collection: no memory for %.*s",
                  STR_ARG(job->key.name));
        mem_free(job);
    } else {
        list_append(&collector->jobs, &job->link);
    }
    strbuf_finish(&text);
    arm_at(collector, due);
}

void collector_queue(struct collector *collector, enum job_type type, const struct storage_key *key,
                     uint64_t delay_ns) {
    struct job *job = alloc_with_key(sizeof *job, offsetof(struct job, key), key);
    if (job == NULL) {
        log_error(collector->server->log, "garbage collection: no memory for %.*s",
                  STR_ARG(key->name));
        return;
    }
    job->type = type;
    job->due = delay_ns > 0 ? loop_now(collector->server->loop) + delay_ns : 0;
    list_init(&job->link);
    job_queue(collector, job);
}

static void job_unqueue(struct collector *collector, struct job *job) {
    struct strbuf text = {0};
    job_text(&text, job->type, &job->key);
    list_remove(&job->link);
    if (!text.failed)
        map_remove(&collector->queued, strbuf_view(&text));
    strbuf_finish(&text);
}

static void job_end(struct collector *collector, enum job_outcome outcome) {
    struct job *job = collector->job;
    collector->job = NULL;
    if (outcome == JOB_DONE) {
        mem_free(job);
        return;
    }
    unsigned shift = job->tries < 6 ? job->tries : 6;
    job->due = 0;
    if (outcome == JOB_FAILED) {
        job->due = loop_now(collector->server->loop) + (NS_PER_S << shift);
        job->tries++;
    }
    job_queue(collector, job);
}

/* What the errand's answer means for the job; what changes nothing is not asked again at once. */
static enum job_outcome judge(const struct collector *collector) {
    int status = collector->errand.status;
    bool changed = storage_revision(collector->server->storage) != collector->before;
    return status == 404 || (status < 400 && changed) ? JOB_AGAIN : JOB_FAILED;
}

static struct job *next_due(struct collector *collector) {
    struct list *link, *next;
    uint64_t now = loop_now(collector->server->loop);
    LIST_EACH(link, next, &collector->jobs) {
        struct job *job = CONTAINER_OF(link, struct job, link);
        if (job->due <= now)
            return job;
    }
    return NULL;
}

static void work(struct collector *collector) {
    enum { JOBS_AT_ONCE = 256 };
    collector->working = true;
    for (unsigned i = 0; i < JOBS_AT_ONCE && !collector->errand.busy; i++) {
        struct job *job = next_due(collector);
        if (job == NULL)
            break;
        job_unqueue(collector, job);
        collector->job = job;
        collector->errand.status = 0;
        collector->before = storage_revision(collector->server->storage);
        enum job_outcome outcome = job_step(collector, job);
        if (collector->errand.busy)
            break; /* answered() ends the job */
        if (outcome == JOB_AGAIN && collector->errand.status > 0)
            outcome = judge(collector);
        job_end(collector, outcome);
    }
    collector->working = false;
    arm(collector);
}

static void answered(struct errand *errand) {
    struct collector *collector = CONTAINER_OF(errand, struct collector, errand);
    if (collector->working)
        return;
    job_end(collector, judge(collector));
    arm(collector);
}

static void fire(struct loop_timer *timer) {
    work(CONTAINER_OF(timer, struct collector, timer));
}

/* --- what changes mean --------------------------------------------------------------------- */

/* The owners of an object may wait for it to go, or to stop referring to them. */
static void queue_owners(struct collector *collector, const struct storage_key *key,
                         node_t object) {
    const struct dag *dag = collector->server->dag;
    node_t references = node_path(dag, object, "metadata.ownerReferences");
    for (size_t i = 0; i < node_count(dag, references); i++) {
        node_t reference = node_at(dag, references, i);
        const struct api_kind *kind =
            kinds_by_kind(collector->server->kinds,
                          node_text(dag, node_get(dag, reference, str_of("apiVersion"))),
                          node_text(dag, node_get(dag, reference, str_of("kind"))));
        if (kind == NULL)
            continue;
        struct storage_key owner = {kind->resource->id,
                                    kind->resource->namespaced ? key->ns : str_of(""),
                                    node_text(dag, node_get(dag, reference, str_of("name")))};
        if (owner.name.len > 0)
            collector_queue(collector, JOB_OBJECT, &owner, 0);
    }
}

static void queue_dependents(struct collector *collector, node_t object) {
    const struct dag *dag = collector->server->dag;
    struct owner *owner =
        collector_owner(collector, node_text(dag, node_path(dag, object, "metadata.uid")));
    struct list *link, *next;
    if (owner == NULL)
        return;
    LIST_EACH(link, next, &owner->edges)
    collector_queue(collector, JOB_OBJECT, &CONTAINER_OF(link, struct edge, link)->dependent->key,
                    0);
}

static void note_references(struct collector *collector, const struct storage_key *key, node_t old,
                            node_t now) {
    const struct dag *dag = collector->server->dag;
    node_t before = node_path(dag, old, "metadata.ownerReferences");
    node_t after = node_path(dag, now, "metadata.ownerReferences");
    if (before == after && old != NODE_NONE && now != NODE_NONE)
        return;
    if (node_count(dag, before) > 0) {
        forget_dependent(collector, key);
        queue_owners(collector, key, old);
    }
    if (node_count(dag, after) == 0)
        return;
    if (note_dependent(collector, key, after) < 0)
        log_error(collector->server->log, "garbage collection: no memory for the owners of %.*s",
                  STR_ARG(key->name));
    collector_queue(collector, JOB_OBJECT, key, 0);
}

static void note_namespaced(struct collector *collector, const struct storage_key *key,
                            node_t now) {
    struct apiserver *server = collector->server;
    const struct api_resource *namespaces =
        kinds_resource(server->kinds, str_of(""), str_of("namespaces"));
    if (now != NODE_NONE || key->ns.len == 0 || namespaces == NULL)
        return;
    struct storage_key ns = {namespaces->id, str_of(""), key->ns};
    node_t node = storage_get(server->storage, &ns, NULL);
    bool account = str_is(key->name, "default");
    if (job_deleting(server->dag, node) || (account && node != NODE_NONE))
        collector_queue(collector, JOB_NAMESPACE, &ns, 0);
}

static void note_pod(struct collector *collector, const struct storage_key *key, node_t now) {
    struct apiserver *server = collector->server;
    int64_t due = 0, wall = clock_wall(loop_clock(server->loop)), grace = 0;
    node_t time = node_path(server->dag, now, "metadata.deletionTimestamp");
    node_int(server->dag, node_path(server->dag, now, "metadata.deletionGracePeriodSeconds"),
             &grace);
    struct str text = node_text(server->dag, time);
    char copy[64];
    if (text.len == 0 || text.len >= sizeof copy || grace == 0)
        return;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    if (clock_parse(copy, &due) == 0)
        collector_queue(collector, JOB_GRACE, key, due > wall ? (uint64_t)(due - wall) : 1);
}

/* The definition of a custom resource may wait for its objects to go. */
static void note_custom(struct collector *collector, const struct api_resource *resource) {
    const struct api_resource *crds =
        kinds_resource(collector->server->kinds, str_of("apiextensions.k8s.io"),
                       str_of("customresourcedefinitions"));
    struct strbuf name = {0};
    status_qualify(&name, resource->plural, resource->group);
    struct storage_key key = {crds ? crds->id : 0, str_of(""), strbuf_view(&name)};
    if (crds && !name.failed &&
        job_deleting(collector->server->dag, storage_get(collector->server->storage, &key, NULL)))
        collector_queue(collector, JOB_CRD, &key, 0);
    strbuf_finish(&name);
}

void collector_changed(struct collector *collector, const struct storage_key *key, node_t old,
                       node_t now) {
    const struct dag *dag = collector->server->dag;
    const struct api_resource *resource = job_resource(collector, key->resource);
    if (resource == NULL)
        return;
    note_references(collector, key, old, now);
    if (now == NODE_NONE)
        queue_dependents(collector, old);
    else if (job_deleting(dag, now))
        collector_queue(collector, JOB_OBJECT, key, 0);
    if (job_deleting(dag, now))
        queue_owners(collector, key, now);
    note_namespaced(collector, key, now);
    if (!resource->builtin && now == NODE_NONE)
        note_custom(collector, resource);
    if (!resource->builtin || now == NODE_NONE)
        return;
    if (strcmp(resource->plural, "namespaces") == 0)
        collector_queue(collector, JOB_NAMESPACE, key, 0);
    else if (strcmp(resource->plural, "pods") == 0)
        note_pod(collector, key, now);
    else if (strcmp(resource->plural, "customresourcedefinitions") == 0 && job_deleting(dag, now))
        collector_queue(collector, JOB_CRD, key, 0);
}

/* --- life ---------------------------------------------------------------------------------- */

struct collector *collector_create(struct apiserver *server, struct error *err) {
    struct collector *collector = mem_zalloc(sizeof *collector);
    if (collector == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for the garbage collector");
        return NULL;
    }
    collector->server = server;
    collector->errand.done = answered;
    list_init(&collector->jobs);
    loop_timer_init(server->loop, &collector->timer, fire);
    return collector;
}

void collector_destroy(struct collector *collector) {
    struct list *link, *next;
    struct map_entry *entry;
    size_t at = 0;
    if (collector == NULL)
        return;
    loop_timer_stop(&collector->timer);
    errand_finish(&collector->errand);
    mem_free(collector->job);
    LIST_EACH(link, next, &collector->jobs)
    mem_free(CONTAINER_OF(link, struct job, link));
    while ((entry = map_next(&collector->dependents, &at)))
        dependent_destroy(collector, entry->value);
    map_finish(&collector->dependents);
    map_finish(&collector->owners);
    map_finish(&collector->queued);
    mem_free(collector);
}

bool collector_idle(const struct collector *collector) {
    return list_empty(&collector->jobs) && collector->job == NULL;
}
