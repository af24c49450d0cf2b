#include "runtime/manager.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "lease/elector.h"
#include "runtime/hooks.h"
#include "runtime/intents.h"
#include "runtime/probes.h"
#include "runtime/reload.h"
#include "runtime/settings_map.h"
#include "runtime/telemetry.h"
#include "runtime/workers.h"

#define DRAIN_NS (30 * NS_PER_S)

struct reclaim { /* a worker's wish that the core frees objects */
    struct message message;
    struct manager *manager;
    uint32_t posted;
};

struct manager {
    const struct manager_options *options;
    struct host host;
    struct metrics *metrics;
    struct probes *probes;
    struct elector *elector;
    struct settings_map *settings;
    struct loop_signal *signals[2];
    struct loop_timer drain, settle, housekeeping, greeting;
    struct kube_call *greeted;
    struct reclaim reclaim;
    unsigned told; /* signals received */
    int exit_code;
    bool stopping, withdrawn, drained, left;
};

static void begin_stop(struct manager *manager, int exit_code);

/* Epochs */

static void on_reclaim(struct message *message) {
    struct reclaim *reclaim = CONTAINER_OF(message, struct reclaim, message);
    __atomic_store_n(&reclaim->posted, 0, __ATOMIC_SEQ_CST);
    epochs_reclaim(reclaim->manager->host.epochs);
}

static void wake_core(void *context) {
    struct manager *manager = context;
    if (__atomic_exchange_n(&manager->reclaim.posted, 1, __ATOMIC_SEQ_CST) == 0)
        mailbox_post(manager->host.mailbox, &manager->reclaim.message);
}

static void on_housekeeping(struct loop_timer *timer) {
    struct manager *manager = CONTAINER_OF(timer, struct manager, housekeeping);
    epochs_reclaim(manager->host.epochs);
    loop_timer_start(timer, NS_PER_S);
}

/* Says hello until the server has answered once: /readyz must not wait for the first file. */

static void on_greeted(void *context, const struct kube_answer *answer, const struct error *err) {
    struct manager *manager = context;
    (void)answer;
    manager->greeted = NULL;
    if (err && err->status <= 0) {
        log_warn(manager->host.log, "the API server does not answer: %s", err->message);
        loop_timer_start(&manager->greeting, 2 * NS_PER_S);
    }
}

static void on_greeting(struct loop_timer *timer) {
    struct manager *manager = CONTAINER_OF(timer, struct manager, greeting);
    struct kube_request request = {
        .method = "GET", .path = "/version", .timeout_ns = 10 * NS_PER_S};
    struct error err;
    manager->greeted = kube_call_start(manager->host.client, &request, on_greeted, manager, &err);
}

/* What the rest of the host tells */

static void on_request(void *context, const char *method, int status) {
    struct manager *manager = context;
    manager->host.reachable |= status > 0;
    if (manager->host.telemetry)
        telemetry_request(manager->host.telemetry, method, status);
}

static void on_result(struct controller *controller, const char *result, double seconds) {
    telemetry_result(controller->host->telemetry, controller->name, result, seconds);
}

static void on_outcome(struct reload *reload, struct slot *slot, bool ok) {
    struct manager *manager = CONTAINER_OF(reload->host, struct manager, host);
    struct event_about about = {
        .api_version = "v1", .kind = "Namespace", .ns = manager->host.ns, .name = manager->host.ns};
    telemetry_reload(manager->host.telemetry, slot->name, ok);
    if (!manager->host.leading) /* R12: only the leader writes Events about files */
        return;
    char text[1100];
    snprintf(text, sizeof text, "%s: %s", slot->name, ok ? "is live" : slot->error.message);
    event_record(manager->host.events, "moonlet", &about, ok ? "Normal" : "Warning",
                 ok ? "ControllerLoaded" : "ControllerLoadFailed", text);
}

static void on_settle(struct loop_timer *timer);

static void on_changed(struct host *host) {
    struct manager *manager = CONTAINER_OF(host, struct manager, host);
    if (!loop_timer_active(&manager->settle))
        loop_timer_start(&manager->settle, 0);
}

/* Leadership */

static void on_started(void *context) {
    struct manager *manager = context;
    manager->host.leading = true;
    log_info(manager->host.log, "leading");
    telemetry_leader(manager->host.telemetry, manager->options->lease_name, true);
    reload_wake(manager->host.reload);
    hooks_update(manager->host.hooks);
    on_changed(&manager->host);
}

static void on_stopped(void *context) {
    struct manager *manager = context;
    manager->host.leading = false;
    telemetry_leader(manager->host.telemetry, manager->options->lease_name, false);
    log_error(manager->host.log, "the lease is lost; ending");
    elector_destroy(manager->elector);
    manager->elector = NULL;
    reload_cancel_all(manager->host.reload);
    hooks_cancel_all(manager->host.hooks);
    begin_stop(manager, 3);
}

static void on_leader(void *context, const char *identity) {
    struct manager *manager = context;
    struct log_field fields[] = {{"leader", identity, false}, {0}};
    log_emit(manager->host.log, LOG_INFO, fields, "leader election");
}

static int start_leadership(struct manager *manager, struct error *err) {
    const struct manager_options *options = manager->options;
    if (!options->leader_elect) {
        manager->host.leading = true;
        return 0;
    }
    struct elector_options how = {.loop = manager->host.loop,
                                  .client = manager->host.client,
                                  .rng = &manager->host.rng,
                                  .ns = options->lease_namespace,
                                  .name = options->lease_name,
                                  .identity = options->identity,
                                  .lease_ns = options->lease_duration_ns,
                                  .renew_deadline_ns = options->renew_deadline_ns,
                                  .retry_period_ns = options->retry_period_ns,
                                  .on_started = on_started,
                                  .on_stopped = on_stopped,
                                  .on_leader = on_leader,
                                  .context = manager};
    telemetry_leader(manager->host.telemetry, options->lease_name, false);
    manager->elector = elector_start(&how, err);
    return manager->elector ? 0 : err->code;
}

/* The end */

static void quit(struct manager *manager) {
    loop_timer_stop(&manager->drain);
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
    on_changed(&manager->host);
}

static void begin_stop(struct manager *manager, int exit_code) {
    if (manager->stopping)
        return;
    manager->stopping = manager->host.draining = true;
    manager->exit_code = exit_code;
    reload_free_quiet(manager->host.reload);
    hooks_drain(manager->host.hooks, on_withdrawn, manager);
    loop_timer_start(&manager->drain, DRAIN_NS);
    on_changed(&manager->host);
}

static void on_signal(void *context, int signum) {
    struct manager *manager = context;
    if (manager->told++ > 0) {
        log_warn(manager->host.log, "second signal: ending at once");
        _Exit(130);
    }
    log_info(manager->host.log, "%s: draining; a second signal ends at once",
             signum == SIGINT ? "SIGINT" : "SIGTERM");
    begin_stop(manager, 0);
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
    begin_stop(manager, reload_any_failed(manager->host.reload) ? 1 : 0);
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
    if (manager->options->strict && reload_any_failed(reload) && reload->swaps == 0) {
        begin_stop(manager, 1);
        return;
    }
    if (!manager->options->once || !manager->host.leading)
        return;
    if (reload_settled(reload) && hooks_settled(manager->host.hooks) &&
        event_recorder_idle(manager->host.events))
        end_once(manager);
    else
        loop_timer_start(timer, 20 * NS_PER_MS);
}

/* Config values from a ConfigMap */

static void on_settings(void *context, const char *json) {
    struct manager *manager = context;
    struct error err;
    reload_set_config(manager->host.reload, json);
    if (reload_scan(manager->host.reload, &err) < 0)
        log_error(manager->host.log, "controllers: %s", err.message);
}

/* Start */

static int start_cache(struct manager *manager, struct error *err) {
    struct host *host = &manager->host;
    const struct manager_options *options = manager->options;
    struct kube_client_options how = {.loop = host->loop,
                                      .config = options->config,
                                      .watches = options->watches,
                                      .calls = options->calls,
                                      .user_agent = "moonlet/" MOONLET_VERSION " (linux)",
                                      .on_request = on_request,
                                      .context = manager};
    if ((host->mailbox = mailbox_create(host->loop, err)) == NULL ||
        (host->client = kube_client_create(&how, err)) == NULL ||
        (host->discovery = discovery_create(host->client, err)) == NULL ||
        (host->dag = dag_create(&(struct dag_options){0}, err)) == NULL ||
        (host->epochs = epochs_create(host->dag, wake_core, manager, err)) == NULL ||
        (host->intents = intents_create(host->dag, 200000, err)) == NULL ||
        (host->events = event_recorder_create(host->client, host->loop, &host->rng,
                                              options->identity, err)) == NULL)
        return err->code;
    struct informer_set_options informers = {.loop = host->loop,
                                             .client = host->client,
                                             .discovery = host->discovery,
                                             .dag = host->dag,
                                             .epochs = host->epochs,
                                             .rng = &host->rng,
                                             .log = host->log};
    host->informers = informer_set_create(&informers, err);
    return host->informers ? 0 : err->code;
}

static int start(struct manager *manager, struct error *err) {
    struct host *host = &manager->host;
    const struct manager_options *options = manager->options;
    int rc = start_cache(manager, err);
    struct workers_options workers = {
        .engine = options->engine, .count = options->workers, .identity = options->identity};
    if (rc == 0)
        rc = workers_start(host, &workers, err);
    if (rc < 0)
        return rc;
    host->reload =
        reload_create(host, options->folders, options->script_config, options->watch_files, err);
    if (host->reload == NULL || (manager->metrics = metrics_create(err)) == NULL ||
        (host->telemetry = telemetry_create(host, manager->metrics, err)) == NULL ||
        (host->hooks = hooks_create(host, &options->hooks, err)) == NULL)
        return err->code;
    host->reload->on_outcome = on_outcome;
    struct probes_options probes = {.host = host,
                                    .metrics = manager->metrics,
                                    .metrics_address = options->metrics_address,
                                    .probe_address = options->probe_address,
                                    .metrics_may_move = options->metrics_may_move,
                                    .probe_may_move = options->probe_may_move};
    manager->probes = probes_start(&probes, err);
    rc = manager->probes ? 0 : err->code;
    if (rc == 0)
        rc = start_leadership(manager, err);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 2; i++) {
        manager->signals[i] =
            loop_signal_open(host->loop, i ? SIGINT : SIGTERM, on_signal, manager, err);
        if (manager->signals[i] == NULL)
            return err->code;
    }
    loop_timer_start(&manager->housekeeping, NS_PER_S);
    loop_timer_start(&manager->greeting, 0);
    if (options->config_map == NULL)
        return reload_scan(host->reload, err);
    manager->settings = settings_map_start(host, options->config_map, options->script_config,
                                           on_settings, manager, err);
    return manager->settings ? 0 : err->code;
}

static void stop(struct manager *manager) {
    struct host *host = &manager->host;
    settings_map_stop(manager->settings);
    elector_destroy(manager->elector);
    hooks_destroy(host->hooks);
    probes_stop(manager->probes);
    reload_destroy(host->reload);
    workers_stop(host);
    informer_set_destroy(host->informers);
    event_recorder_destroy(host->events);
    intents_destroy(host->intents);
    metrics_destroy(manager->metrics);
    telemetry_destroy(host->telemetry);
    host->telemetry = NULL;
    loop_timer_stop(&manager->drain);
    loop_timer_stop(&manager->settle);
    loop_timer_stop(&manager->housekeeping);
    loop_timer_stop(&manager->greeting);
    kube_call_cancel(manager->greeted);
    for (int i = 0; i < 2; i++)
        loop_signal_close(manager->signals[i]);
    mailbox_destroy(host->mailbox);
    if (epochs_destroy(host->epochs))
        dag_destroy(host->dag);
    discovery_destroy(host->discovery);
    kube_client_destroy(host->client);
}

int manager_run(const struct manager_options *options) {
    struct manager *manager = mem_zalloc(sizeof *manager);
    struct error err;
    if (manager == NULL) {
        log_error(options->log, "no memory to start");
        return 1;
    }
    struct host *host = &manager->host;
    manager->options = options;
    manager->reclaim = (struct reclaim){.message = {.deliver = on_reclaim}, .manager = manager};
    host->loop = options->loop;
    host->clock = options->clock;
    host->log = options->log;
    rng_init(&host->rng, options->seed);
    host->config = options->config;
    host->fetches = options->fetches;
    host->limits = options->limits;
    host->ns = options->config->namespace_ ? options->config->namespace_ : "default";
    host->namespaces = options->namespaces;
    host->reload_grace_ns = options->reload_grace_ns ? options->reload_grace_ns : 10 * NS_PER_S;
    host->install_options = options->crds;
    host->changed = on_changed;
    host->on_result = on_result;
    loop_timer_init(host->loop, &manager->drain, on_drain);
    loop_timer_init(host->loop, &manager->settle, on_settle);
    loop_timer_init(host->loop, &manager->housekeeping, on_housekeeping);
    loop_timer_init(host->loop, &manager->greeting, on_greeting);
    if (start(manager, &err) < 0) {
        log_error(host->log, "%s", err.message);
        manager->exit_code = 1;
    } else {
        loop_run(host->loop);
    }
    stop(manager);
    int exit_code = manager->exit_code;
    mem_free(manager);
    return exit_code;
}
