#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/load.h"
#include "kube/config.h"
#include "runtime/manager.h"

static const struct option_spec specs[] = {
    {"kubeconfig", OPTION_TEXT, "FILE", NULL, NULL,
     "kubeconfig; else KUBECONFIG, the service account, ~/.kube/config"},
    {"context", OPTION_TEXT, "NAME", NULL, NULL, "context of the kubeconfig"},
    {"namespace", OPTION_LIST, "NAME", NULL, NULL, "watch this namespace only; may be repeated"},
    {"workers", OPTION_NUMBER, "N", "2", NULL, "threads that run Lua"},
    {"leader-elect", OPTION_FLAG, NULL, "false", NULL, "reconcile only while holding the lease"},
    {"lease-name", OPTION_TEXT, "NAME", "moonlet", NULL, "name of the lease"},
    {"lease-namespace", OPTION_TEXT, "NAME", NULL, NULL, "its namespace; else the kubeconfig's"},
    {"lease-duration", OPTION_DURATION, "TIME", "15s", NULL,
     "others may take the lease after this"},
    {"renew-deadline", OPTION_DURATION, "TIME", "10s", NULL, "the leader gives up after this"},
    {"retry-period", OPTION_DURATION, "TIME", "2s", NULL, "between tries to get or renew it"},
    {"metrics-bind-address", OPTION_TEXT, "ADDR", "127.0.0.1:8080", NULL,
     "/metrics; 0 turns it off"},
    {"health-probe-bind-address", OPTION_TEXT, "ADDR", "127.0.0.1:8081", NULL,
     "/healthz, /readyz; 0 turns it off"},
    {"log-format", OPTION_TEXT, "FORMAT", "human", "human|json", "how lines look"},
    {"log-level", OPTION_TEXT, "LEVEL", "info", "debug|info|warn|error", "the least level shown"},
    {"once", OPTION_FLAG, NULL, "false", NULL,
     "end when the queues are empty and nothing is in work"},
    {"strict", OPTION_FLAG, NULL, "false", NULL,
     "exit 1 when a file cannot be loaded at the start"},
    {"crds", OPTION_TEXT, "MODE", "apply", "apply|check|skip", "what to do about the files' CRDs"},
    {"crd-update", OPTION_TEXT, "MODE", "safe", "safe|any", "may an update of a CRD narrow it?"},
    {"webhooks", OPTION_TEXT, "MODE", NULL, "apply|check|skip",
     "what to do about webhook configurations; else as --crds"},
    {"webhook-bind-address", OPTION_TEXT, "ADDR", NULL, NULL,
     "HTTPS for webhooks; else :9443 with a Service, 127.0.0.1:9443 without"},
    {"webhook-host", OPTION_TEXT, "HOST", NULL, NULL,
     "what the API server calls without a Service; else the address's"},
    {"webhook-port", OPTION_NUMBER, "PORT", "0", NULL, "likewise; 0: the port listened on"},
    {"webhook-service", OPTION_TEXT, "NS/NAME[:PORT]", NULL, NULL,
     "Service in front of this host; in a cluster else moonlet"},
    {"webhook-secret", OPTION_TEXT, "NS/NAME", NULL, NULL,
     "Secret with the certificate replicas share; with a Service else moonlet-webhook"},
    {"webhook-cert-dir", OPTION_TEXT, "DIR", NULL, NULL,
     "tls.crt, tls.key, ca.crt that somebody else rotates, instead of our own"},
    {"webhook-cert-lifetime", OPTION_DURATION, "TIME", "2160h", NULL,
     "of a serving certificate of our own; renewed at two thirds"},
    {"webhook-client-ca", OPTION_TEXT, "FILE", NULL, NULL,
     "callers of webhooks need a certificate of this CA"},
    {"set", OPTION_LIST, "NAME.KEY=VALUE", NULL, NULL,
     "a config value of a controller; may be repeated"},
    {"config-map", OPTION_TEXT, "NS/NAME", NULL, NULL,
     "ConfigMap with config values, followed as it changes"},
    {"config", OPTION_TEXT, "FILE", NULL, NULL,
     "settings file; else ./moonlet.yaml if it is there"},
    {"lua-memory", OPTION_SIZE, "SIZE", "64MB", NULL, "memory per controller file"},
    {"lua-cpu", OPTION_DURATION, "TIME", "1s", NULL, "CPU time of a handler between two waits"},
    {"reload-grace", OPTION_DURATION, "TIME", "10s", NULL,
     "how long old calls may go on after a reload"},
    {"watch-files", OPTION_FLAG, NULL, "true", NULL, "load files anew when they change"},
    {"help", OPTION_FLAG, NULL, NULL, NULL, "this page"},
    {NULL, OPTION_FLAG, NULL, NULL, NULL, NULL},
};

/* The process's own things, closed in reverse order. */
struct process {
    struct loop *loop;
    struct kube_config *config;
    struct http_transport *transports[3]; /* watches, calls, fetches */
    char *script_config;
    char *service, *secret; /* of webhooks, when they are defaults */
    char identity[128], instance[64];
    struct log log;
};

static void close_process(struct process *process) {
    for (int i = 0; i < 3; i++)
        if (process->transports[i])
            process->transports[i]->destroy(process->transports[i]);
    kube_config_destroy(process->config);
    loop_destroy(process->loop);
    mem_free(process->script_config);
    mem_free(process->service);
    mem_free(process->secret);
}

static int open_process(struct process *process, const struct command_context *context,
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
    struct kube_config_options where = {.kubeconfig = option_text(options, "kubeconfig"),
                                        .context = option_text(options, "context"),
                                        .env = (const char *const *)context->env};
    process->script_config = cli_script_config(options, err);
    if (process->script_config == NULL ||
        (process->config = kube_config_load(&where, err)) == NULL ||
        (process->loop = loop_create(context->clock, err)) == NULL)
        return err->code;
    for (int i = 0; i < 3; i++)
        if ((process->transports[i] = context->open_transport(process->loop, err)) == NULL)
            return err->code;
    return 0;
}

static bool in_cluster(const struct kube_config *config) {
    return config->context[0] == '\0';
}

static enum crd_mode crd_mode(const char *text) {
    return strcmp(text, "check") == 0  ? CRDS_CHECK
           : strcmp(text, "skip") == 0 ? CRDS_SKIP
                                       : CRDS_APPLY;
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

static int run_host(struct process *process, const struct command_context *context,
                    const struct options *options, const char *const *folders) {
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
        .namespaces = cli_namespaces(options),
        .workers = (unsigned)option_number(options, "workers"),
        .limits = {.memory = option_size(options, "lua-memory"),
                   .cpu_ns = option_duration(options, "lua-cpu")},
        .script_config = process->script_config,
        .config_map = option_text(options, "config-map"),
        .crds = {.mode = crd_mode(option_text(options, "crds")),
                 .any_update = strcmp(option_text(options, "crd-update"), "any") == 0},
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

static int run(const struct command_context *context, struct options *options) {
    const char *const *folders = cli_folders(options);
    struct process process = {0};
    struct error err;
    if (folders == NULL)
        return EXIT_USAGE;
    uint64_t workers = option_number(options, "workers");
    if (workers < 1 || workers > 40) {
        error_set(&err, ERROR_INVALID, "--workers: between 1 and 40");
        return cli_usage(options->command, &err);
    }
    if (option_given(options, "set")) { /* to be told of a wrong name before anything runs */
        struct loader *loader = loader_open(context, options, folders, &err);
        if (loader == NULL)
            return cli_fail(&err);
        loader_close(loader);
    }
    int exit_code = open_process(&process, context, options, &err) < 0
                        ? cli_fail(&err)
                        : run_host(&process, context, options, folders);
    close_process(&process);
    return exit_code;
}

const struct command command_run = {"run",
                                    "DIR...",
                                    "Runs the controllers of the folders against a cluster.",
                                    "Every <name>.lua and <name>/init.lua is a controller file. A "
                                    "file that changes is loaded anew\n"
                                    "without losing anything; a broken one keeps its previous "
                                    "version. Each option may also be set\n"
                                    "as MOONLET_<NAME> or as a key of moonlet.yaml.",
                                    specs,
                                    run};
