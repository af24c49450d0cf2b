#include <string.h>

#include "runtime/manager_internal.h"

/* What a host is at: for who drives it, and waits until it has nothing left to do. */

struct search {
    struct manager_busy *busy;
    const struct controller *controller;
    struct strbuf *why;
    bool found;
};

/* A key that its handler wants to be called for later is not of interest, unless it has failed. */
static void on_waiting(void *context, struct str key, unsigned failures, const char *reason) {
    struct search *search = context;
    const struct manager_busy *busy = search->busy;
    const char *name = search->controller->name;
    const char *last = map_get(&search->controller->last_errors, key);
    bool failed = failures > 0 || last;
    if (search->found || (!failed && strcmp(reason, "requeue") == 0) ||
        (failed && busy->skip && busy->skip(busy->context, name, key, failures)))
        return;
    search->found = true;
    strbuf_printf(search->why, "controller %s: " STR_FORMAT, name, STR_ARG(key));
    if (failed)
        strbuf_printf(search->why, " failed and will be tried again: %s", last ? last : "");
    else
        strbuf_adds(search->why, " waits for its turn");
}

static bool controllers_busy(const struct manager *manager, struct manager_busy *busy,
                             struct strbuf *why) {
    struct list *link, *next;
    LIST_EACH(link, next, &manager->host.reload->controllers) {
        const struct controller *controller = CONTAINER_OF(link, struct controller, link);
        if (!controller_idle(controller)) {
            strbuf_printf(why, "controller %s: %zu keys in its queue, %u in work", controller->name,
                          workqueue_stats(controller->queue).depth, controller->in_work);
            return true;
        }
        struct search search = {.busy = busy, .controller = controller, .why = why};
        workqueue_each_waiting(controller->queue, on_waiting, &search);
        if (search.found)
            return true;
    }
    return false;
}

static bool program_busy(const struct program *program, struct strbuf *why) {
    bool busy = program->refs > 0 || program->inbox.count > 0;
    for (size_t i = 0; i < program->count; i++)
        busy |= program->editions[i].errand && !errand_idle(program->editions[i].errand);
    if (busy)
        strbuf_printf(why, "%s: a handler runs", program->source->name);
    return busy;
}

/* What a file waits for that others have to do; NULL: nothing. */
static const struct error *waits_for(const struct slot *slot) {
    const struct program *program = slot->next;
    if (program == NULL) /* it failed for reasons of its surroundings, and will be tried again */
        return loop_timer_active(&slot->retry) ? &slot->error : NULL;
    for (size_t i = 0; program->state == PROGRAM_SYNCING && i < program->count; i++)
        for (size_t k = 0; k < program->editions[i].feed_count; k++) {
            const struct feed *feed = &program->editions[i].feeds[k];
            if (!feed_synced(feed) && feed_error(feed)->code != 0)
                return feed_error(feed);
        }
    return NULL;
}

static bool files_busy(const struct manager *manager, struct manager_busy *busy,
                       struct strbuf *why) {
    struct list *link, *next;
    LIST_EACH(link, next, &manager->host.reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (waits_for(slot)) {
            busy->waits++;
        } else if (slot->next) {
            strbuf_printf(why, "%s: %s", slot->name, program_state_name(slot->next->state));
            return true;
        }
        if (slot->live && program_busy(slot->live, why))
            return true;
    }
    return false;
}

static bool informers_busy(const struct manager *manager, struct manager_busy *busy,
                           struct strbuf *why) {
    struct informer *informer = NULL;
    while ((informer = informer_next(manager->host.informers, informer))) {
        if (informer_follows(informer))
            continue;
        const struct error *err = informer_error(informer);
        if (informer_state(informer) == INFORMER_WAITING && informer_resource(informer) == NULL &&
            err->code != 0) {
            busy->waits++;
            continue;
        }
        strbuf_printf(why, "the cache of %s: %s", informer_kind(informer),
                      err->code ? err->message : "is behind");
        return true;
    }
    return false;
}

bool manager_busy(const struct manager *manager, struct manager_busy *busy, struct strbuf *why) {
    busy->waits = 0;
    if (manager->greeted)
        return strbuf_adds(why, "the API server has not answered yet"), true;
    if (files_busy(manager, busy, why) || informers_busy(manager, busy, why))
        return true;
    if (manager->host.leading && controllers_busy(manager, busy, why))
        return true;
    if (!hooks_settled(manager->host.hooks))
        return strbuf_adds(why, "webhooks are being registered"), true;
    if (!event_recorder_idle(manager->host.events))
        return strbuf_adds(why, "an Event is on its way"), true;
    return false;
}

bool manager_follows(const struct manager *manager) {
    struct informer *informer = NULL;
    while ((informer = informer_next(manager->host.informers, informer)))
        if (informer_state(informer) == INFORMER_SYNCED && !informer_follows(informer))
            return false;
    return true;
}

bool manager_leads(const struct manager *manager) {
    return manager->host.leading && !manager->stopping;
}

static const struct slot *find_slot(const struct manager *manager, const char *name) {
    struct list *link, *next;
    LIST_EACH(link, next, &manager->host.reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (strcmp(slot->name, name) == 0)
            return slot;
    }
    return NULL;
}

enum manager_file manager_file(const struct manager *manager, const char *name, bool *ret_stale,
                               struct error *reterr) {
    const struct slot *slot = find_slot(manager, name);
    *ret_stale = false;
    if (slot == NULL || slot->gone)
        return MANAGER_NO_FILE;
    const struct error *waited = waits_for(slot);
    if (waited) {
        *reterr = *waited;
        return MANAGER_WAITING;
    }
    if (slot->next)
        return MANAGER_LOADING;
    if (slot->error.code != 0)
        *reterr = slot->error;
    *ret_stale = slot->live && slot->error.code != 0;
    return slot->live ? MANAGER_LIVE : MANAGER_FAILED;
}
