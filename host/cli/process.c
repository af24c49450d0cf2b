#include "cli/process.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addon/registration.h"
#include "base/mem.h"
#include "cli/load.h"
#include "kube/config.h"
#include "lease/elector.h"
#include "runtime/stand_ins.h"
#include "serve/listen.h"

static void close_all(struct process *process) {
    for (int i = 0; i < 3; i++)
        if (process->transports[i])
            process->transports[i]->destroy(process->transports[i]);
    kube_config_destroy(process->config);
    loop_destroy(process->loop);
    mem_free(process->script_config);
    mem_free(process->service);
    mem_free(process->secret);
}

static int open_all(struct process *process, const struct command_context *context,
                    const struct options *options, struct error *err) {
    char host[64] = "moonlet";
    gethostname(host, sizeof host - 1);
    snprintf(process->identity, sizeof process->identity, "%s_%llx", host,
             (unsigned long long)context->seed);
    process->log = (struct log){
        .clock = context->clock,
        .format = strcmp(option_text(options, "log-format"), "json") == 0 ? LOG_JSON : LOG_HUMAN,
        .write = log_write_fd,
        .context = (void *)(intptr_t)STDERR_FILENO};
    log_level_from_name(option_text(options, "log-level"), &process->log.level);
    process->script_config = cli_script_config(options, err);
    if (process->script_config == NULL ||
        (process->loop = loop_create(context->clock, err)) == NULL)
        return err->code;
    for (int i = 0; i < 3; i++)
        if ((process->transports[i] = context->open_transport(process->loop, err)) == NULL)
            return err->code;
    return 0;
}

int process_connect(struct process *process, const struct kube_config_options *where,
                    struct error *err) {
    process->config = kube_config_load(where, err);
    return process->config ? 0 : err->code;
}

static bool in_cluster(const struct kube_config *config) {
    return config->context[0] == '\0';
}

static bool is(const char *text, const char *word) {
    return text && strcmp(text, word) == 0;
}

static enum crd_mode crd_mode(const char *text) {
    return is(text, "check") ? CRDS_CHECK : is(text, "skip") ? CRDS_SKIP : CRDS_APPLY;
}

/* Which installation webhooks belong to: in a cluster the lease's, else this machine's with these
 * folders, so that a next run finds what a killed one has left. A label's value. */
static void name_instance(struct process *process, const struct options *options,
                          const char *const *folders) {
    char host[33] = "moonlet", *out = process->instance;
    uint64_t hash = 0;
    if (in_cluster(process->config)) {
        snprintf(out, sizeof process->instance, "%s.%s", process->config->namespace_,
                 option_text(options, "lease-name"));
    } else {
        gethostname(host, sizeof host - 1);
        for (; *folders; folders++) {
            char *path = realpath(*folders, NULL);
            hash = hash * 31 + str_hash(str_of(path ? path : *folders));
            free(path);
        }
        snprintf(out, sizeof process->instance, "%s.%08x", host, (unsigned)(hash ^ hash >> 32));
    }
    size_t len = strlen(out);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)out[i]) && out[i] != '.')
            out[i] = '-';
    while (len > 0 && !isalnum((unsigned char)out[len - 1])) /* a label's value ends so */
        out[--len] = '\0';
}

static enum registrar_mode webhook_mode(const struct options *options) {
    const char *text = option_text(options, "webhooks");
    switch (crd_mode(text ? text : option_text(options, "crds"))) {
    case CRDS_CHECK:
        return REGISTRAR_CHECK;
    case CRDS_SKIP:
        return REGISTRAR_SKIP;
    default:
        return REGISTRAR_APPLY;
    }
}

static struct hooks_options hooks_options(struct process *process, const struct options *options,
                                          const char *const *folders) {
    struct hooks_options hooks = {.address = option_text(options, "webhook-bind-address"),
                                  .may_move = !option_given(options, "webhook-bind-address"),
                                  .host = option_text(options, "webhook-host"),
                                  .port = (unsigned)option_number(options, "webhook-port"),
                                  .service = option_text(options, "webhook-service"),
                                  .cert_dir = option_text(options, "webhook-cert-dir"),
                                  .secret = option_text(options, "webhook-secret"),
                                  .lifetime_ns = option_duration(options, "webhook-cert-lifetime"),
                                  .resync_ns = option_duration(options, "webhook-resync"),
                                  .client_ca = option_text(options, "webhook-client-ca"),
                                  .instance = process->instance,
                                  .mode = webhook_mode(options)};
    const char *ns = process->config->namespace_;
    name_instance(process, options, folders);
    if (hooks.service == NULL && hooks.host == NULL && in_cluster(process->config))
        hooks.service = process->service = mem_printf("%s/moonlet", ns);
    if (hooks.service && hooks.secret == NULL && hooks.cert_dir == NULL)
        hooks.secret = process->secret = mem_printf("%s/moonlet-webhook", ns);
    return hooks;
}

/* The folders' files and the stand-ins, but for one that a folder has in their place. */
static int with_stand_ins(void *context, struct source_set *set, struct error *err) {
    struct error none;
    int rc = source_scan(context, set, err);
    struct script_source *source = stand_ins_source(rc < 0 ? &none : err);
    int added = source ? source_set_add(set, source, &none) : ERROR_NOMEM;
    script_source_unref(source);
    if (rc == 0 && added == ERROR_NOMEM)
        return error_set(err, ERROR_NOMEM, "no memory for the stand-ins");
    return rc;
}

int process_run(struct process *process, const struct command_context *context,
                const struct options *options, const char *const *folders,
                const struct observer *observer) {
    const char *lease_ns = option_text(options, "lease-namespace");
    struct manager_options manager = {
        .clock = context->clock,
        .log = &process->log,
        .seed = context->seed,
        .loop = process->loop,
        .config = process->config,
        .watches = process->transports[0],
        .calls = process->transports[1],
        .fetches = process->transports[2],
        .engine = context->engine,
        .folders = folders,
        .sources = option_flag(options, "stand-ins") ? with_stand_ins : NULL,
        .context = (void *)folders,
        .namespaces = cli_namespaces(options),
        .workers = (unsigned)option_number(options, "workers"),
        .limits = {.memory = option_size(options, "lua-memory"),
                   .cpu_ns = option_duration(options, "lua-cpu")},
        .script_config = process->script_config,
        .config_map = option_text(options, "config-map"),
        .crds = {.mode = crd_mode(option_text(options, "crds")),
                 .any_update = is(option_text(options, "crd-update"), "any")},
        .reload_grace_ns = option_duration(options, "reload-grace"),
        .watch_files = option_flag(options, "watch-files") && !option_flag(options, "once"),
        .once = option_flag(options, "once"),
        .strict = option_flag(options, "strict"),
        .metrics_address = option_text(options, "metrics-bind-address"),
        .probe_address = option_text(options, "health-probe-bind-address"),
        .metrics_may_move = !option_given(options, "metrics-bind-address"),
        .probe_may_move = !option_given(options, "health-probe-bind-address"),
        .leader_elect = option_flag(options, "leader-elect"),
        .lease_name = option_text(options, "lease-name"),
        .lease_namespace = lease_ns ? lease_ns : process->config->namespace_,
        .identity = process->identity,
        .hooks = hooks_options(process, options, folders),
        .observer = observer,
        .lease_duration_ns = option_duration(options, "lease-duration"),
        .renew_deadline_ns = option_duration(options, "renew-deadline"),
        .retry_period_ns = option_duration(options, "retry-period"),
    };
    struct log_field fields[] = {{"version", MOONLET_VERSION, false},
                                 {"server", process->config->server, false},
                                 {"context", process->config->context, false},
                                 {0}};
    log_emit(&process->log, LOG_INFO, fields, "moonlet starts");
    int exit_code = manager_run(&manager);
    log_info(&process->log, "moonlet ends");
    return exit_code;
}

static int check_addresses(const struct options *options, struct error *err) {
    static const struct {
        const char *name;
        bool may_be_off;
    } rows[] = {{"bind-address", false},
                {"webhook-bind-address", false},
                {"metrics-bind-address", true},
                {"health-probe-bind-address", true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *text = option_text(options, rows[i].name);
        bool off = text == NULL || (rows[i].may_be_off && (is(text, "0") || *text == '\0'));
        if (!off && listen_check(text, err) < 0)
            return error_prefix(err, "--%s", rows[i].name);
    }
    return 0;
}

static int check_lease(const struct options *options, struct error *err) {
    struct elector_options times = {.lease_ns = option_duration(options, "lease-duration"),
                                    .renew_deadline_ns = option_duration(options, "renew-deadline"),
                                    .retry_period_ns = option_duration(options, "retry-period")};
    return option_flag(options, "leader-elect") ? elector_check_times(&times, err) : 0;
}

static int check_usage(const struct options *options, struct error *err) {
    uint64_t workers = option_number(options, "workers");
    const char *service = option_text(options, "webhook-service");
    if (workers < 1 || workers > 40)
        return error_set(err, ERROR_INVALID, "--workers: between 1 and 40");
    if (service && registration_check_service(service, err) < 0)
        return error_prefix(err, "--webhook-service");
    int rc = check_addresses(options, err);
    return rc < 0 ? rc : check_lease(options, err);
}

static int check(const struct command_context *context, const struct options *options,
                 const char *const *folders) {
    struct error err;
    if (check_usage(options, &err) < 0)
        return cli_usage(options->command, &err);
    for (const char *const *folder = folders; *folder; folder++)
        if (access(*folder, F_OK) < 0) {
            error_set(&err, ERROR_NOT_FOUND, "%s: %s", *folder, strerror(errno));
            return cli_fail(&err);
        }
    if (option_given(options, "set")) { /* to be told of a wrong name before anything runs */
        struct loader *loader = loader_open(context, options, folders, &err);
        if (loader == NULL)
            return cli_fail(&err);
        loader_close(loader);
    }
    return EXIT_OK;
}

int process_start(const struct command_context *context, const struct options *options,
                  int (*serve)(struct process *process, const struct command_context *context,
                               const struct options *options, const char *const *folders)) {
    const char *const *folders = cli_folders(options);
    struct process process = {0};
    struct error err;
    int exit_code = folders ? check(context, options, folders) : EXIT_USAGE;
    if (exit_code != EXIT_OK)
        return exit_code;
    exit_code = open_all(&process, context, options, &err) < 0
                    ? cli_fail(&err)
                    : serve(&process, context, options, folders);
    close_all(&process);
    return exit_code;
}
