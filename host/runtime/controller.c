#include "runtime/controller.h"

#include <string.h>

#include "base/mem.h"
#include "runtime/body.h"

static void on_ready(void *context) {
    controller_pump(context);
}

static void on_pump(struct loop_timer *timer) {
    controller_pump(CONTAINER_OF(timer, struct controller, pump));
}

static void on_resync(struct loop_timer *timer) {
    struct controller *controller = CONTAINER_OF(timer, struct controller, resync);
    if (controller->edition == NULL)
        return;
    controller_enqueue_all(controller, "resync");
    loop_timer_start(timer, controller->edition->definition->resync_ns);
}

static struct workqueue_options queue_options(struct controller *controller,
                                              const struct definition *definition) {
    struct workqueue_options options = {.loop = controller->host->loop,
                                        .rng = &controller->host->rng,
                                        .name = controller->name,
                                        .on_ready = on_ready,
                                        .context = controller};
    if (definition) {
        options.backoff_base_ns = definition->retry_base_ns;
        options.backoff_max_ns = definition->retry_max_ns;
        options.rate = definition->rate;
        options.burst = definition->burst;
        options.debounce_ns = definition->debounce_ns;
    }
    return options;
}

struct controller *controller_create(struct host *host, const char *name, struct error *err) {
    struct controller *controller = mem_zalloc(sizeof *controller);
    if (controller == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for controller %s", name);
        return NULL;
    }
    controller->host = host;
    controller->name = mem_strdup(name);
    controller->finalizer = mem_printf("moonlet.dev/%s", name);
    list_init(&controller->link);
    list_init(&controller->jobs);
    list_init(&controller->events);
    loop_timer_init(host->loop, &controller->resync, on_resync);
    loop_timer_init(host->loop, &controller->pump, on_pump);
    if (controller->name && controller->finalizer) {
        struct workqueue_options options = queue_options(controller, NULL);
        controller->queue = workqueue_create(&options, err);
    } else {
        error_set(err, ERROR_NOMEM, "no memory for controller %s", name);
    }
    if (controller->queue)
        return controller;
    controller_destroy(controller);
    return NULL;
}

void controller_destroy(struct controller *controller) {
    if (controller == NULL)
        return;
    controller->removed = true;
    if (controller->in_work > 0 || controller->event_in_work)
        return;
    edge_clear(controller);
    list_remove(&controller->link);
    loop_timer_stop(&controller->resync);
    loop_timer_stop(&controller->pump);
    workqueue_destroy(controller->queue);
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&controller->known, &at));)
        node_unref(controller->host->dag, (node_t)(uintptr_t)entry->value);
    map_finish(&controller->known);
    at = 0;
    for (struct map_entry *entry; (entry = map_next(&controller->last_errors, &at));)
        mem_free(entry->value);
    map_finish(&controller->last_errors);
    mem_free(controller->name);
    mem_free(controller->finalizer);
    mem_free(controller);
}

int controller_know(struct controller *controller, struct str key, const struct object *object) {
    struct dag *dag = controller->host->dag;
    node_t uid = node_ref(dag, object->uid);
    void *old = NULL;
    if (map_set(&controller->known, key, (void *)(uintptr_t)uid, &old) < 0) {
        node_unref(dag, uid);
        return ERROR_NOMEM;
    }
    node_unref(dag, (node_t)(uintptr_t)old);
    return 0;
}

node_t controller_knows(const struct controller *controller, struct str key) {
    return (node_t)(uintptr_t)map_get(&controller->known, key);
}

void controller_forget(struct controller *controller, struct str key) {
    node_unref(controller->host->dag, (node_t)(uintptr_t)map_remove(&controller->known, key));
}

void controller_key(struct strbuf *buf, const struct object *object) {
    struct str ns = object_namespace(object), name = object_name(object);
    if (ns.len > 0) {
        strbuf_add(buf, ns.data, ns.len);
        strbuf_addc(buf, '/');
    }
    strbuf_add(buf, name.data, name.len);
}

void controller_enqueue(struct controller *controller, struct str key, bool low,
                        const char *reason) {
    enum workqueue_priority priority = low ? WORKQUEUE_LOW : WORKQUEUE_LIVE;
    if (workqueue_add(controller->queue, key, priority, reason) < 0)
        log_error(controller->host->log, "controller %s: no memory to queue " STR_FORMAT,
                  controller->name, STR_ARG(key));
}

static void enqueue_object(struct controller *controller, const struct object *object, bool low,
                           const char *reason) {
    struct strbuf key = {0};
    controller_key(&key, object);
    if (!key.failed)
        controller_enqueue(controller, strbuf_view(&key), low, reason);
    strbuf_finish(&key);
}

struct sweep {
    struct controller *controller;
    struct feed *feed;
    const char *reason;
    bool not_waiting; /* keys that wait for their time go on waiting */
};

static bool waits(struct controller *controller, const struct object *object) {
    struct strbuf key = {0};
    controller_key(&key, object);
    bool yes = !key.failed && workqueue_waits(controller->queue, strbuf_view(&key));
    strbuf_finish(&key);
    return yes;
}

/* What matches, and what does not any more but still carries our finalizer (R7). */
static bool sweep_one(void *context, const struct object *object) {
    struct sweep *sweep = context;
    struct controller *controller = sweep->controller;
    bool matches = feed_matches(sweep->feed, object);
    bool held = object_has_finalizer(object, controller->finalizer);
    if (sweep->not_waiting && waits(controller, object))
        return true;
    if (matches && sweep->feed->lua_filter && strcmp(sweep->reason, "resync") != 0) {
        struct store_delta delta = {.change = STORE_ADDED, .now = object, .initial = true};
        program_observe(sweep->feed, &delta, /* filter= */ true, /* map= */ false);
    } else if (matches || held) {
        enqueue_object(controller, object, /* low= */ true, sweep->reason);
    }
    return true;
}

static void enqueue_all(struct controller *controller, const char *reason, bool not_waiting) {
    struct feed *primary = &controller->edition->feeds[0];
    struct sweep sweep = {controller, primary, reason, not_waiting};
    store_each(informer_store(primary->informer), (struct str){0}, sweep_one, &sweep);
    size_t at = 0; /* what went while no version was listening */
    for (struct map_entry *entry; (entry = map_next(&controller->known, &at));) {
        struct str key = str_n(entry->key, entry->key_len), ns, name;
        workqueue_split_key(key, &ns, &name);
        if (store_get(informer_store(primary->informer), ns, name) == NULL)
            controller_enqueue(controller, key, /* low= */ true, reason);
    }
}

void controller_enqueue_all(struct controller *controller, const char *reason) {
    enqueue_all(controller, reason, /* not_waiting= */ false);
}

static bool edge_initial(void *context, const struct object *object) {
    struct controller *controller = context;
    struct store_delta delta = {.change = STORE_ADDED, .now = object, .initial = true};
    if (feed_matches(&controller->edition->feeds[0], object))
        edge_push(controller, &delta);
    return true;
}

void controller_adopt(struct controller *controller, struct edition *edition,
                      enum controller_start start) {
    bool reload = start != CONTROLLER_FIRST;
    struct workqueue_options options = queue_options(controller, edition->definition);
    controller->edition = edition;
    edition->controller = controller;
    workqueue_configure(controller->queue, &options);
    enqueue_all(controller, reload ? "reload" : "event", start == CONTROLLER_REBUILD);
    if (!reload && edition->definition->handlers & HANDLER_EVENT)
        store_each(informer_store(edition->feeds[0].informer), (struct str){0}, edge_initial,
                   controller);
    loop_timer_stop(&controller->resync);
    if (edition->definition->resync_ns > 0)
        loop_timer_start(&controller->resync, edition->definition->resync_ns);
    loop_timer_start(&controller->pump, 0);
}

void controller_release(struct controller *controller) {
    controller->edition = NULL;
    loop_timer_stop(&controller->resync);
    edge_clear(controller);
}

void controller_cancel_jobs(struct controller *controller, const struct edition *edition) {
    struct list *link, *next;
    LIST_EACH(link, next, &controller->jobs) {
        struct job *job = job_of(link);
        if (job_runs(job, edition))
            job_cancel(job, ERROR_CANCELLED);
    }
}

void controller_pump(struct controller *controller) {
    struct host *host = controller->host;
    while (controller->edition && !controller->edition->program->dead && host->leading &&
           !host->draining && controller->in_work < controller->edition->definition->concurrency) {
        struct workqueue_item item;
        struct error err;
        if (!workqueue_get(controller->queue, &item))
            break;
        program_flush(controller->edition->program);
        controller->in_work++;
        struct job *job = job_start(controller, &item, &err);
        if (job == NULL) {
            log_error(host->log, "controller %s: %s", controller->name, err.message);
            controller->in_work--;
            workqueue_add_backoff(controller->queue, item.key, item.reason);
            workqueue_done(controller->queue, item.key);
            return;
        }
    }
    edge_pump(controller);
}

void controller_job_done(struct controller *controller, struct job *job) {
    (void)job;
    controller->in_work--;
    if (controller->removed) {
        controller_destroy(controller);
        return;
    }
    loop_timer_start(&controller->pump, 0);
    controller->host->changed(controller->host);
}

bool controller_idle(const struct controller *controller) {
    return controller->in_work == 0 && controller->event_count == 0 &&
           workqueue_stats(controller->queue).depth == 0;
}

/* The key of the controller owner, if it is of our primary kind; group and kind decide, as the
 * version may differ. */
static bool owner_key(const struct feed *feed, const struct object *object, struct strbuf *key) {
    const struct dag *dag = object->dag;
    const struct kind_match *primary = &feed->definition->resource;
    node_t owners = node_path(dag, object->root, "metadata.ownerReferences");
    const char *slash = strchr(primary->api_version, '/');
    size_t group = slash ? (size_t)(slash - primary->api_version) + 1 : 0;
    for (size_t i = 0; i < node_count(dag, owners); i++) {
        node_t owner = node_at(dag, owners, i);
        struct str version = node_text(dag, node_get(dag, owner, str_of("apiVersion")));
        bool same =
            group ? version.len >= group && memcmp(version.data, primary->api_version, group) == 0
                  : memchr(version.data, '/', version.len) == NULL;
        if (!same || !node_is(dag, node_get(dag, owner, str_of("kind")), primary->kind_name) ||
            node_type(dag, node_get(dag, owner, str_of("controller"))) != NODE_TRUE)
            continue;
        const struct kube_resource *resource = informer_resource(
            feed->definition->has_resource ? ((struct edition *)feed->context)->feeds[0].informer
                                           : feed->informer);
        struct str ns = object_namespace(object);
        struct str name = node_text(dag, node_get(dag, owner, str_of("name")));
        if (resource && resource->namespaced && ns.len > 0) {
            strbuf_add(key, ns.data, ns.len);
            strbuf_addc(key, '/');
        }
        strbuf_add(key, name.data, name.len);
        return !key->failed;
    }
    return false;
}

static void enqueue_owner(struct controller *controller, const struct feed *feed,
                          const struct object *object) {
    struct strbuf key = {0};
    if (object && owner_key(feed, object, &key))
        controller_enqueue(controller, strbuf_view(&key), /* low= */ false, "event");
    strbuf_finish(&key);
}

void controller_matched(struct controller *controller, struct feed *feed, const struct object *old,
                        const struct object *now, bool initial) {
    if (feed->role == FEED_PRIMARY) {
        enqueue_object(controller, now ? now : old, initial, "event");
    } else if (feed->role == FEED_OWNED) {
        enqueue_owner(controller, feed, old);
        enqueue_owner(controller, feed, now);
    }
}

/* A primary object leaves or enters the match, or changes inside it. */
static void primary_delta(struct controller *controller, struct feed *feed,
                          const struct store_delta *delta) {
    bool old = delta->old && feed_matches(feed, delta->old);
    bool now = delta->now && feed_matches(feed, delta->now);
    bool held = delta->now && object_has_finalizer(delta->now, controller->finalizer);
    if (!old && !now && !held)
        return;
    if ((old || now) && feed->definition->handlers & HANDLER_EVENT)
        edge_push(controller, delta);
    bool crosses = old != now || delta->change == STORE_DELETED || held != now;
    bool deleting = delta->now && object_is_deleting(delta->now);
    if (feed->lua_filter && now && !deleting)
        program_observe(feed, delta, /* filter= */ true, /* map= */ false);
    else if ((crosses && delta->change != STORE_UPDATED) || old != now || deleting ||
             feed_wants(feed, delta))
        enqueue_object(controller, delta->now ? delta->now : delta->old, delta->initial, "event");
}

void controller_delta(struct controller *controller, struct feed *feed,
                      const struct store_delta *delta) {
    if (feed->role == FEED_PRIMARY) {
        primary_delta(controller, feed, delta);
        return;
    }
    bool old = delta->old && feed_matches(feed, delta->old);
    bool now = delta->now && feed_matches(feed, delta->now);
    if ((!old && !now) || !feed_wants(feed, delta) || feed->role == FEED_READ)
        return;
    if (feed->lua_filter || feed->lua_map)
        program_observe(feed, delta, feed->lua_filter, feed->lua_map);
    else
        controller_matched(controller, feed, delta->old, delta->now, delta->initial);
}
