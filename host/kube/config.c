#include "kube/config.h"

#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "kube/kubeconfig.h"

enum { NAMESPACE_MAX = 4096 }; /* of a file with a name in it */

static const char service_account[] = "/var/run/secrets/kubernetes.io/serviceaccount";

/* The variable's value, or NULL when it is unset or empty. */
static const char *env_of(const struct kube_config_options *options, const char *name) {
    size_t len = strlen(name);
    for (const char *const *at = options->env; at && *at; at++)
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=' && (*at)[len + 1])
            return *at + len + 1;
    return NULL;
}

static int no_memory(struct error *err) {
    return error_set(err, ERROR_NOMEM, "no memory for the configuration");
}

/* The namespace a pod runs in; "default" when the file is missing. */
static char *read_namespace(const char *folder) {
    CLEANUP(mem_freep) char *path = mem_printf("%s/namespace", folder);
    struct strbuf text = {0};
    if (path == NULL)
        return NULL;
    size_t len = fd_read_file(path, NAMESPACE_MAX, &text) == 0 ? strcspn(text.data, " \r\n\t") : 0;
    char *name = len ? mem_strndup(text.data, len) : mem_strdup("default");
    strbuf_finish(&text);
    return name;
}

static int fill_in_cluster(struct kube_config *config, const char *folder, const char *host,
                           const char *port, struct error *err) {
    bool v6 = strchr(host, ':') && *host != '[';
    config->context = mem_strdup("");
    config->server = mem_printf(v6 ? "https://[%s]:%s" : "https://%s:%s", host, port);
    config->token_file = mem_printf("%s/token", folder);
    config->ca_file = mem_printf("%s/ca.crt", folder);
    config->namespace_ = read_namespace(folder);
    if (config->context && config->server && config->token_file && config->ca_file &&
        config->namespace_)
        return 0;
    return no_memory(err);
}

/* 0, NOT_FOUND when this is no pod, or NOMEM. */
static int read_in_cluster(struct kube_config *config, const struct kube_config_options *options,
                           struct error *err) {
    const char *folder = options->service_account ? options->service_account : service_account;
    const char *host = env_of(options, "KUBERNETES_SERVICE_HOST");
    const char *port = env_of(options, "KUBERNETES_SERVICE_PORT");
    if (host == NULL || port == NULL)
        return error_set(err, ERROR_NOT_FOUND, "not in a pod");
    CLEANUP(mem_freep) char *token = mem_printf("%s/token", folder);
    if (token == NULL)
        return no_memory(err);
    if (access(token, F_OK) < 0)
        return error_set(err, ERROR_NOT_FOUND, "no service account at '%s'", folder);
    return fill_in_cluster(config, folder, host, port, err);
}

static int read_home(struct kube_config *config, const struct kube_config_options *options,
                     struct error *err) {
    const char *home = env_of(options, "HOME");
    if (home == NULL)
        return error_set(err, ERROR_NOT_FOUND, "HOME is not set");
    CLEANUP(mem_freep) char *path = mem_printf("%s/.kube/config", home);
    if (path == NULL)
        return no_memory(err);
    return kubeconfig_read(config, path, options->context, err);
}

static int pass_on(int rc, const struct error *from, struct error *err) {
    if (rc < 0 && err)
        *err = *from;
    return rc;
}

static int choose(struct kube_config *config, const struct kube_config_options *options,
                  struct error *err) {
    if (options->kubeconfig)
        return kubeconfig_read(config, options->kubeconfig, options->context, err);
    const char *paths = env_of(options, "KUBECONFIG");
    struct error list = {.message = "KUBECONFIG is not set"}, pod, home;
    int rc = paths ? kubeconfig_read(config, paths, options->context, &list) : ERROR_NOT_FOUND;
    if (rc != ERROR_NOT_FOUND) /* a list of nothing but missing files is as good as none */
        return pass_on(rc, &list, err);
    rc = options->context ? error_set(&pod, ERROR_NOT_FOUND, "a pod has no contexts")
                          : read_in_cluster(config, options, &pod);
    if (rc != ERROR_NOT_FOUND)
        return pass_on(rc, &pod, err);
    rc = paths ? error_set(&home, ERROR_NOT_FOUND, "KUBECONFIG stands in for ~/.kube/config")
               : read_home(config, options, &home);
    if (rc != ERROR_NOT_FOUND)
        return pass_on(rc, &home, err);
    return error_set(err, ERROR_NOT_FOUND,
                     "no API server is configured: no --kubeconfig, %s, %s, %s", list.message,
                     pod.message, home.message);
}

struct kube_config *kube_config_load(const struct kube_config_options *options, struct error *err) {
    struct kube_config *config = mem_zalloc(sizeof *config);
    if (config == NULL) {
        no_memory(err);
        return NULL;
    }
    if (choose(config, options, err) == 0)
        return config;
    kube_config_destroy(config);
    return NULL;
}

static void wipe(char *text) {
    if (text)
        explicit_bzero(text, strlen(text));
    mem_free(text);
}

static void wipe_list(char **list) {
    for (char **at = list; at && *at; at++)
        wipe(*at);
    mem_free(list);
}

void kube_config_destroy(struct kube_config *config) {
    if (config == NULL)
        return;
    char *const texts[] = {config->context,    config->server,    config->namespace_,
                           config->ca_file,    config->ca_pem,    config->tls_server_name,
                           config->proxy_url,  config->cert_file, config->cert_pem,
                           config->key_file,   config->key_pem,   config->token,
                           config->token_file, config->username,  config->password,
                           config->as_user,    config->as_uid,    config->cluster_json};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        wipe(texts[i]);
    wipe_list(config->as_groups);
    if (config->exec) {
        mem_free(config->exec->api_version);
        mem_free(config->exec->command);
        mem_free(config->exec->install_hint);
        wipe_list(config->exec->args);
        wipe_list(config->exec->env);
        mem_free(config->exec);
    }
    mem_free(config);
}
