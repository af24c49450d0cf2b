#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apiserver/front.h"
#include "base/mem.h"
#include "cli/dev_view.h"
#include "cli/process.h"
#include "kube/config.h"

static const struct option_spec specs[] = {
    {"bind-address", OPTION_TEXT, "ADDR", "127.0.0.1:6443", NULL,
     "of the API server; the default moves to a free port when it is busy"},
    {"data", OPTION_TEXT, "DIR", NULL, NULL, "keep the objects there; else they end with moonlet"},
    {"kubeconfig-out", OPTION_TEXT, "FILE", NULL, NULL,
     "kubeconfig to write; else in --data, or in a folder of the user's for running programs"},
    {"stand-ins", OPTION_FLAG, NULL, "false", NULL,
     "also run simple versions of the controllers of a cluster, so that Pods become Ready"},
    {"ignore-cel-rules", OPTION_FLAG, NULL, "false", NULL,
     "take CRDs with CEL rules (x-kubernetes-validations), and do not evaluate them"},
    PROCESS_OPTIONS_SERVING,
    {"webhook-bind-address", OPTION_TEXT, "ADDR", NULL, NULL,
     "HTTPS for webhooks; else 127.0.0.1:9443"},
    PROCESS_OPTIONS_SCRIPTS,
};

struct cluster { /* the API server in this process */
    struct http_transport *webhooks;
    struct apiserver *api;
    struct front *front;
    char *kubeconfig;
    bool forget; /* the kubeconfig goes with the process */
};

static void close_cluster(struct cluster *cluster) {
    if (cluster->front && cluster->forget)
        unlink(cluster->kubeconfig);
    front_stop(cluster->front);
    apiserver_destroy(cluster->api);
    if (cluster->webhooks)
        cluster->webhooks->destroy(cluster->webhooks);
    mem_free(cluster->kubeconfig);
}

static const char *environment(char *const *env, const char *name) {
    size_t len = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=' && (*env)[len + 1] != '\0')
            return *env + len + 1;
    return NULL;
}

/* A folder that is ours alone: others could put a link where the token is written. */
static int make_private(const char *folder, struct error *err) {
    struct stat facts;
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return error_set(err, ERROR_UNAVAILABLE, "make %s: %s", folder, strerror(errno));
    if (lstat(folder, &facts) < 0 || !S_ISDIR(facts.st_mode) || facts.st_uid != geteuid() ||
        (facts.st_mode & 0022) != 0)
        return error_set(err, ERROR_FORBIDDEN,
                         "%s is not a folder of ours alone: say where with --kubeconfig-out",
                         folder);
    return 0;
}

static int place_kubeconfig(struct cluster *cluster, const struct options *options,
                            char *const *env, struct error *err) {
    const char *file = option_text(options, "kubeconfig-out"), *data = option_text(options, "data");
    const char *runtime = environment(env, "XDG_RUNTIME_DIR");
    cluster->forget = file == NULL && data == NULL;
    if (!cluster->forget) {
        cluster->kubeconfig = file ? mem_strdup(file) : mem_printf("%s/kubeconfig", data);
    } else {
        CLEANUP(mem_freep)
        char *folder = runtime ? mem_printf("%s/moonlet", runtime)
                               : mem_printf("/tmp/moonlet-%u", (unsigned)geteuid());
        if (folder && make_private(folder, err) < 0)
            return err->code;
        cluster->kubeconfig = folder ? mem_printf("%s/dev-%d", folder, (int)getpid()) : NULL;
    }
    return cluster->kubeconfig ? 0 : error_set(err, ERROR_NOMEM, "no memory for a kubeconfig");
}

static int open_cluster(struct cluster *cluster, struct process *process,
                        const struct command_context *context, const struct options *options,
                        struct error *err) {
    cluster->webhooks = context->open_transport(process->loop, err);
    if (cluster->webhooks == NULL)
        return err->code;
    struct apiserver_options api = {.loop = process->loop,
                                    .log = &process->log,
                                    .seed = context->seed,
                                    .webhooks = cluster->webhooks,
                                    .folder = option_text(options, "data"),
                                    .ignore_rules = option_flag(options, "ignore-cel-rules")};
    cluster->api = apiserver_create(&api, err);
    if (cluster->api == NULL)
        return err->code;
    struct front_options front = {.loop = process->loop,
                                  .log = &process->log,
                                  .api = cluster->api,
                                  .address = option_text(options, "bind-address"),
                                  .may_move = !option_given(options, "bind-address")};
    cluster->front = front_start(&front, err);
    if (cluster->front == NULL || place_kubeconfig(cluster, options, context->env, err) < 0 ||
        front_write_kubeconfig(cluster->front, cluster->kubeconfig, err) < 0)
        return err->code;
    return 0;
}

/* The host finds it as every client does; only a proxy is not asked. */
static int connect_host(struct process *process, const struct cluster *cluster,
                        const struct command_context *context, struct error *err) {
    struct kube_config_options where = {.kubeconfig = cluster->kubeconfig,
                                        .env = (const char *const *)context->env};
    if (process_connect(process, &where, err) < 0)
        return err->code;
    process->config->proxy_url = mem_strdup("");
    return process->config->proxy_url ? 0 : error_set(err, ERROR_NOMEM, "no memory to start");
}

/* Each watch is two descriptors here. */
static void allow_files(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void greet(const struct cluster *cluster, const struct options *options) {
    const char *data = option_text(options, "data");
    char whole[PATH_MAX]; /* the other terminal may be in another folder */
    printf("API server %s, objects %s%s\n", front_url(cluster->front),
           data ? "in " : "in memory alone", data ? data : "");
    printf("  export KUBECONFIG=%s\n  kubectl get namespaces\n",
           realpath(cluster->kubeconfig, whole) ? whole : cluster->kubeconfig);
    fflush(stdout);
}

static int serve(struct process *process, const struct command_context *context,
                 const struct options *options, const char *const *folders) {
    struct dev_view view;
    struct cluster cluster = {0};
    struct error err;
    int exit_code;
    dev_view_init(&view, context->clock, STDOUT_FILENO, context->env);
    process->log.write = dev_view_log;
    process->log.context = &view;
    allow_files();
    if (open_cluster(&cluster, process, context, options, &err) < 0 ||
        connect_host(process, &cluster, context, &err) < 0) {
        exit_code = cli_fail(&err);
    } else {
        greet(&cluster, options);
        exit_code = process_run(process, context, options, folders, &view.observer);
    }
    close_cluster(&cluster);
    return exit_code;
}

static int dev(const struct command_context *context, struct options *options) {
    return process_start(context, options, serve);
}

const struct command command_dev = {
    "dev",
    "DIR...",
    "Runs the controllers of the folders with an API server of its own: no cluster.",
    "The API server is in the same process and answers kubectl and every other client; the line\n"
    "to use it is printed first, then what the controllers do, as it happens. It runs no Pods.\n"
    "A file that changes is loaded anew. Each option may also be set as MOONLET_<NAME> or as a\n"
    "key of moonlet.yaml.",
    specs,
    dev};
