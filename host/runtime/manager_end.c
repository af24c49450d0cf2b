#include "runtime/manager_internal.h"

/* The end: what begins it, and how it is come to. */

#define DRAIN_NS (30 * NS_PER_S)

static void quit(struct manager *manager) {
    loop_timer_stop(&manager->drain);
    manager->ended = true;
    if (manager->runs_loop)
        loop_stop(manager->host.loop);
}

static void on_released(void *context) {
    quit(context);
}

static void finish_stop(struct manager *manager) {
    if (manager->left)
        return;
    manager->left = true;
    loop_timer_stop(&manager->drain);
    struct elector *elector = manager->elector;
    manager->elector = NULL;
    if (elector)
        elector_release(elector, on_released, manager);
    else
        quit(manager);
}

static void on_drain(struct loop_timer *timer) {
    struct manager *manager = CONTAINER_OF(timer, struct manager, drain);
    if (manager->drained) { /* cancelled, and yet not back: a thread that was given up, say */
        log_error(manager->host.log, "calls that do not end are left behind");
        finish_stop(manager);
        return;
    }
    log_warn(manager->host.log, "calls still in work after %d s are cancelled",
             (int)(DRAIN_NS / NS_PER_S));
    manager->drained = true;
    reload_cancel_all(manager->host.reload);
    hooks_cancel_all(manager->host.hooks);
    loop_timer_start(timer, 10 * NS_PER_S);
}

static void on_withdrawn(void *context) {
    struct manager *manager = context;
    manager->withdrawn = true;
    manager_changed(&manager->host);
}

void manager_begin_stop(struct manager *manager, int exit_code) {
    if (manager->stopping)
        return;
    manager->stopping = manager->host.draining = true;
    manager->exit_code = exit_code;
    reload_free_quiet(manager->host.reload);
    hooks_drain(manager->host.hooks, on_withdrawn, manager);
    loop_timer_start(&manager->drain, DRAIN_NS);
    manager_changed(&manager->host);
}

static void list_delayed(void *context, struct str key, uint64_t left_ns) {
    const struct controller *controller = context;
    log_info(controller->host->log, "left for later: %s " STR_FORMAT " in %.1f s", controller->name,
             STR_ARG(key), (double)left_ns / 1e9);
}

/* --once: nothing queued, nothing in work (R13). */
static void end_once(struct manager *manager) {
    struct list *link, *next;
    LIST_EACH(link, next, &manager->host.reload->controllers) {
        struct controller *controller = CONTAINER_OF(link, struct controller, link);
        workqueue_each_delayed(controller->queue, list_delayed, controller);
    }
    manager_begin_stop(manager, reload_any_failed(manager->host.reload) ? 1 : 0);
}

/* Something changed: is there an end to come to? */
static void on_settle(struct loop_timer *timer) {
    struct manager *manager = CONTAINER_OF(timer, struct manager, settle);
    struct reload *reload = manager->host.reload;
    if (manager->stopping) {
        if (manager->withdrawn && hooks_quiet(manager->host.hooks) && reload_quiet(reload))
            finish_stop(manager);
        else
            loop_timer_start(timer, 10 * NS_PER_MS);
        return;
    }
    if (manager->options.strict && reload_any_failed(reload) && reload->swaps == 0) {
        manager_begin_stop(manager, 1);
        return;
    }
    if (!manager->options.once || !manager->host.leading)
        return;
    if (reload_settled(reload) && hooks_settled(manager->host.hooks) &&
        event_recorder_idle(manager->host.events))
        end_once(manager);
    else
        loop_timer_start(timer, 20 * NS_PER_MS);
}

void manager_changed(struct host *host) {
    struct manager *manager = CONTAINER_OF(host, struct manager, host);
    if (!loop_timer_active(&manager->settle))
        loop_timer_start(&manager->settle, 0);
}

void manager_end_init(struct manager *manager) {
    loop_timer_init(manager->host.loop, &manager->drain, on_drain);
    loop_timer_init(manager->host.loop, &manager->settle, on_settle);
}

void manager_stop(struct manager *manager, bool at_once) {
    manager_begin_stop(manager, 0);
    if (at_once && loop_timer_active(&manager->drain))
        on_drain(&manager->drain);
}

bool manager_quiet(const struct manager *manager) {
    return hooks_quiet(manager->host.hooks) && reload_quiet(manager->host.reload);
}

bool manager_ended(const struct manager *manager) {
    return manager->ended;
}
