#include "kube/plugin.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "kube/base64.h"

#define TIMEOUT_NS (60 * NS_PER_S)
enum { OUTPUT_MAX = 1 << 20 };

struct kube_plugin {
    struct loop_process *process;
    const struct kube_exec *exec;
    void (*done)(void *context, const struct kube_plugin_result *result, const struct error *err);
    void *context;
};

static size_t count(char *const *list) {
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

/* The value of KUBERNETES_EXEC_INFO; mem_free() it. */
static char *describe(const struct kube_config *config, const char *ca_pem) {
    json_t *cluster = NULL;
    if (config->cluster_json) {
        cluster = json_loads(config->cluster_json, 0, NULL);
        struct strbuf ca = {0};
        if (ca_pem)
            base64_encode(&ca, ca_pem, strlen(ca_pem));
        if (ca.data)
            json_object_set_new(cluster, "certificate-authority-data", json_string(ca.data));
        strbuf_finish(&ca);
    }
    json_t *info =
        json_pack("{s:s, s:s, s:{s:b, s:o*}}", "apiVersion", config->exec->api_version, "kind",
                  "ExecCredential", "spec", "interactive", 0, "cluster", cluster);
    char *text = info ? json_dumps(info, JSON_COMPACT) : NULL;
    json_decref(info);
    char *value = mem_printf("KUBERNETES_EXEC_INFO=%s", text ? text : "");
    void (*release)(void *block) = NULL;
    json_get_alloc_funcs(NULL, &release);
    if (text)
        release(text);
    return value;
}

/* What the plugin said, or why it did not; err is set with `< 0`. */
static int read_result(const struct kube_plugin *plugin, const json_t *answer,
                       struct kube_plugin_result *ret, struct error *err) {
    const json_t *status = json_object_get(answer, "status");
    const char *kind = json_string_value(json_object_get(answer, "kind"));
    const char *version = json_string_value(json_object_get(answer, "apiVersion"));
    const char *expires = json_string_value(json_object_get(status, "expirationTimestamp"));
    const char *command = plugin->exec->command;
    if (kind == NULL || strcmp(kind, "ExecCredential") != 0)
        return error_set(err, ERROR_PROTOCOL, "plugin '%s': its output is no ExecCredential",
                         command);
    if (version == NULL || strcmp(version, plugin->exec->api_version) != 0)
        return error_set(err, ERROR_PROTOCOL, "plugin '%s': it answers in %s instead of %s",
                         command, version ? version : "no version", plugin->exec->api_version);
    ret->token = json_string_value(json_object_get(status, "token"));
    ret->cert_pem = json_string_value(json_object_get(status, "clientCertificateData"));
    ret->key_pem = json_string_value(json_object_get(status, "clientKeyData"));
    if (ret->token == NULL && ret->cert_pem == NULL)
        return error_set(err, ERROR_PROTOCOL, "plugin '%s': neither token nor certificate",
                         command);
    if ((ret->cert_pem == NULL) != (ret->key_pem == NULL))
        return error_set(err, ERROR_PROTOCOL, "plugin '%s': certificate and key go together",
                         command);
    if (expires && clock_parse(expires, &ret->expires) < 0)
        return error_set(err, ERROR_PROTOCOL, "plugin '%s': '%s' is no time", command, expires);
    return 0;
}

static void on_finished(void *context, const struct loop_process_result *result) {
    struct kube_plugin *plugin = context;
    const struct kube_exec *exec = plugin->exec;
    struct kube_plugin_result ours = {0};
    struct error err;
    json_t *answer = NULL;
    int rc;
    if (result->timed_out) {
        rc = error_set(&err, ERROR_TIMEOUT, "plugin '%s': no answer after 60 s", exec->command);
    } else if (result->exit_status) {
        size_t len = strcspn(result->errors, "\n");
        rc = error_set(&err, ERROR_UNAVAILABLE, "plugin '%s': exit status %d: %.*s%s%s",
                       exec->command, result->exit_status, (int)(len < 400 ? len : 400),
                       result->errors, exec->install_hint ? "; " : "",
                       exec->install_hint ? exec->install_hint : "");
    } else {
        answer = json_loadb(result->output, result->output_len, 0, NULL);
        rc = read_result(plugin, answer, &ours, &err);
    }
    plugin->process = NULL;
    plugin->done(plugin->context, rc < 0 ? NULL : &ours, rc < 0 ? &err : NULL);
    json_decref(answer);
    mem_free(plugin);
}

static int start(struct kube_plugin *plugin, struct loop *loop, const struct kube_config *config,
                 const char *ca_pem, struct error *err) {
    const struct kube_exec *exec = config->exec;
    size_t ours = count(environ), own = count(exec->env), args = count(exec->args);
    CLEANUP(mem_freep) const char **argv = mem_calloc(args + 2, sizeof *argv);
    CLEANUP(mem_freep) const char **envp = mem_calloc(ours + own + 2, sizeof *envp);
    CLEANUP(mem_freep) char *info = describe(config, ca_pem);
    if (argv == NULL || envp == NULL || info == NULL)
        return error_set(err, ERROR_NOMEM, "plugin '%s': no memory", exec->command);
    argv[0] = exec->command;
    for (size_t i = 0; i < args; i++)
        argv[1 + i] = exec->args[i];
    size_t n = 0;
    envp[n++] = info; /* the first of a name counts for getenv() */
    for (size_t i = 0; i < own; i++)
        envp[n++] = exec->env[i];
    for (size_t i = 0; i < ours; i++) {
        size_t len = strcspn(environ[i], "=") + 1;
        bool replaced = false;
        for (size_t k = 0; k < own + 1; k++)
            replaced = replaced || strncmp(envp[k], environ[i], len) == 0;
        if (!replaced)
            envp[n++] = environ[i];
    }
    struct loop_process_options options = {.argv = argv,
                                           .envp = envp,
                                           .max_output = OUTPUT_MAX,
                                           .timeout_ns = TIMEOUT_NS,
                                           .done = on_finished,
                                           .context = plugin};
    plugin->process = loop_process_start(loop, &options, err);
    if (plugin->process)
        return 0;
    error_prefix(err, "plugin '%s'%s%s", exec->command, exec->install_hint ? ", " : "",
                 exec->install_hint ? exec->install_hint : "");
    return ERROR_UNAVAILABLE;
}

struct kube_plugin *kube_plugin_start(
    struct loop *loop, const struct kube_config *config, const char *ca_pem,
    void (*done)(void *context, const struct kube_plugin_result *result, const struct error *err),
    void *context, struct error *err) {
    struct kube_plugin *plugin = mem_zalloc(sizeof *plugin);
    if (plugin == NULL) {
        error_set(err, ERROR_NOMEM, "plugin '%s': no memory", config->exec->command);
        return NULL;
    }
    *plugin = (struct kube_plugin){.exec = config->exec, .done = done, .context = context};
    if (start(plugin, loop, config, ca_pem, err) == 0)
        return plugin;
    if (err && err->code != ERROR_NOMEM)
        err->code = ERROR_UNAVAILABLE;
    mem_free(plugin);
    return NULL;
}

void kube_plugin_cancel(struct kube_plugin *plugin) {
    if (plugin == NULL)
        return;
    loop_process_cancel(plugin->process);
    mem_free(plugin);
}
