#include "runtime/manager.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/trim.h"
#include "runtime/intents.h"
#include "runtime/invocation.h"
#include "runtime/manager_internal.h"
#include "runtime/probes.h"
#include "runtime/settings_map.h"
#include "runtime/telemetry.h"
#include "runtime/workers.h"

/* What a host is made of, in order; its end is manager_end.c. */

#define TRIM_AFTER (5 * NS_PER_S) /* files come together, and what they replace goes after them */

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
    if (manager->trim_ns && loop_now(manager->host.loop) >= manager->trim_ns) {
        manager->trim_ns = 0;
        trim_memory();
    }
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

static void on_call(struct host *host, const struct invocation *invocation, bool ended) {
    struct manager *manager = CONTAINER_OF(host, struct manager, host);
    struct manager_call call = {.definition = invocation->scope.definition->name,
                                .function = invocation->function,
                                .key = invocation->key,
                                .reason = invocation->call.call.reason,
                                .attempt = invocation->call.call.attempt,
                                .ended = ended};
    if (ended && invocation->call.aborted)
        call.failure = "aborted";
    else if (ended && invocation->call.result.state == SCRIPT_FAILED)
        call.failure = invocation->call.result.error.message;
    manager->options.on_call(manager->options.context, &call);
}

static void on_result(struct controller *controller, const char *result, double seconds) {
    telemetry_result(controller->host->telemetry, controller->name, result, seconds);
}

static void on_outcome(struct reload *reload, struct slot *slot, bool ok) {
    struct manager *manager = CONTAINER_OF(reload->host, struct manager, host);
    struct event_about about = {
        .api_version = "v1", .kind = "Namespace", .ns = manager->host.ns, .name = manager->host.ns};
    if (!slot->suspended)
        telemetry_reload(manager->host.telemetry, slot->name, ok);
    if (!manager->host.on_core) /* a simulation has other things to do */
        manager->trim_ns = loop_now(manager->host.loop) + TRIM_AFTER;
    if (!manager->host.leading) /* R12: only the leader writes Events about files */
        return;
    char text[1100];
    snprintf(text, sizeof text, "%s: %s", slot->name, ok ? "is live" : slot->error.message);
    event_record(manager->host.events, "moonlet", &about, ok ? "Normal" : "Warning",
                 ok                ? "ControllerLoaded"
                 : slot->suspended ? "ControllerSuspended"
                                   : "ControllerLoadFailed",
                 text);
}

/* Leadership */

static void on_started(void *context) {
    struct manager *manager = context;
    manager->host.leading = true;
    log_info(manager->host.log, "leading");
    telemetry_leader(manager->host.telemetry, manager->options.lease_name, true);
    reload_wake(manager->host.reload);
    hooks_update(manager->host.hooks);
    manager_changed(&manager->host);
}

static void on_stopped(void *context) {
    struct manager *manager = context;
    manager->host.leading = false;
    telemetry_leader(manager->host.telemetry, manager->options.lease_name, false);
    log_error(manager->host.log, "the lease is lost; ending");
    elector_destroy(manager->elector);
    manager->elector = NULL;
    reload_cancel_all(manager->host.reload);
    hooks_cancel_all(manager->host.hooks);
    manager_begin_stop(manager, 3);
}

static void on_leader(void *context, const char *identity) {
    struct manager *manager = context;
    struct log_field fields[] = {{"leader", identity, false}, {0}};
    log_emit(manager->host.log, LOG_INFO, fields, "leader election");
}

static int start_leadership(struct manager *manager, struct error *err) {
    const struct manager_options *options = &manager->options;
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
    const struct manager_options *options = &manager->options;
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

static int start_all(struct manager *manager, struct error *err) {
    struct host *host = &manager->host;
    const struct manager_options *options = &manager->options;
    int rc = start_cache(manager, err);
    struct workers_options workers = {.engine = options->engine,
                                      .count = options->workers,
                                      .on_core = options->on_core,
                                      .identity = options->identity};
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
    if (options->sources)
        reload_use_sources(host->reload, options->sources, options->context);
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
    loop_timer_start(&manager->housekeeping, NS_PER_S);
    loop_timer_start(&manager->greeting, 0);
    if (options->config_map == NULL)
        return reload_scan(host->reload, err);
    manager->settings = settings_map_start(host, options->config_map, options->script_config,
                                           on_settings, manager, err);
    return manager->settings ? 0 : err->code;
}

static void free_all(struct manager *manager) {
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

struct manager *manager_start(const struct manager_options *options, struct error *err) {
    struct manager *manager = mem_zalloc(sizeof *manager);
    if (manager == NULL) {
        error_set(err, ERROR_NOMEM, "no memory to start");
        return NULL;
    }
    struct host *host = &manager->host;
    manager->options = *options;
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
    host->changed = manager_changed;
    host->on_result = on_result;
    host->on_call = options->on_call ? on_call : NULL;
    host->observer = options->observer;
    loop_timer_init(host->loop, &manager->housekeeping, on_housekeeping);
    loop_timer_init(host->loop, &manager->greeting, on_greeting);
    manager_end_init(manager);
    if (start_all(manager, err) == 0)
        return manager;
    manager_destroy(manager);
    return NULL;
}

int manager_rescan(struct manager *manager, struct error *err) {
    return reload_scan(manager->host.reload, err);
}

struct server_request *manager_post(struct manager *manager, const struct server_local *post,
                                    struct error *err) {
    return hooks_post(manager->host.hooks, post, err);
}

int manager_destroy(struct manager *manager) {
    if (manager == NULL)
        return 0;
    int exit_code = manager->exit_code;
    free_all(manager);
    mem_free(manager);
    return exit_code;
}

static void on_signal(void *context, int signum) {
    struct manager *manager = context;
    if (manager->told++ > 0) {
        log_warn(manager->host.log, "second signal: ending at once");
        _Exit(130);
    }
    log_info(manager->host.log, "%s: draining; a second signal ends at once",
             signum == SIGINT ? "SIGINT" : "SIGTERM");
    manager_begin_stop(manager, 0);
}

static int catch_signals(struct manager *manager, struct error *err) {
    for (int i = 0; i < 2; i++) {
        manager->signals[i] =
            loop_signal_open(manager->host.loop, i ? SIGINT : SIGTERM, on_signal, manager, err);
        if (manager->signals[i] == NULL)
            return err->code;
    }
    return 0;
}

int manager_run(const struct manager_options *options) {
    struct error err;
    struct manager *manager = manager_start(options, &err);
    if (manager == NULL || catch_signals(manager, &err) < 0) {
        log_error(options->log, "%s", err.message);
        manager_destroy(manager);
        return 1;
    }
    manager->runs_loop = true;
    if (!manager->ended)
        loop_run(options->loop);
    return manager_destroy(manager);
}
