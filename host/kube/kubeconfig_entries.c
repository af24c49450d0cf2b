#include <string.h>

#include "base/mem.h"
#include "kube/kubeconfig_internal.h"

static int read_exec(struct merge *m, const struct entry *e, struct kube_config *config) {
    const json_t *exec = json_object_get(e->body, "exec");
    if (exec == NULL || json_is_null(exec))
        return 0;
    if (!json_is_object(exec))
        return kubeconfig_bad(m, e, "exec", "must be a map");
    struct kube_exec *x = config->exec = mem_zalloc(sizeof *x);
    int rc = x ? 0 : kubeconfig_no_memory(m);
    char *mode = NULL;
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, exec, "apiVersion", &x->api_version);
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, exec, "command", &x->command);
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, exec, "installHint", &x->install_hint);
    if (rc == 0)
        rc = kubeconfig_get_list(m, e, exec, "args", &x->args);
    if (rc == 0)
        rc = kubeconfig_get_env(m, e, exec, &x->env);
    if (rc == 0)
        rc = kubeconfig_get_bool(m, e, exec, "provideClusterInfo", &x->provide_cluster_info);
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, exec, "interactiveMode", &mode);
    if (rc == 0 && mode && strcmp(mode, "Always") == 0)
        rc = kubeconfig_bad(m, e, "exec.interactiveMode",
                            "is Always, but nobody is there to answer");
    mem_free(mode);
    if (rc < 0)
        return rc;
    if (x->command == NULL)
        return kubeconfig_bad(m, e, "exec.command", "is missing");
    if (x->api_version == NULL ||
        (strcmp(x->api_version, "client.authentication.k8s.io/v1") != 0 &&
         strcmp(x->api_version, "client.authentication.k8s.io/v1beta1") != 0))
        return kubeconfig_bad(m, e, "exec.apiVersion",
                              "must be client.authentication.k8s.io/v1 or v1beta1");
    return strchr(x->command, '/') ? kubeconfig_make_absolute(m, e, &x->command) : 0;
}

int kubeconfig_read_user(struct merge *m, const struct entry *e, struct kube_config *config) {
    static const char *const unsupported[] = {"auth-provider", "as-user-extra"};
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) {
        const json_t *value = json_object_get(e->body, unsupported[i]);
        if (value && !json_is_null(value))
            return kubeconfig_bad(m, e, unsupported[i], "is not supported");
    }
    int rc = kubeconfig_get_path(m, e, "client-certificate", &config->cert_file);
    if (rc == 0)
        rc = kubeconfig_get_data(m, e, "client-certificate-data", &config->cert_pem);
    if (rc == 0)
        rc = kubeconfig_get_path(m, e, "client-key", &config->key_file);
    if (rc == 0)
        rc = kubeconfig_get_data(m, e, "client-key-data", &config->key_pem);
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, e->body, "token", &config->token);
    if (rc == 0)
        rc = kubeconfig_get_path(m, e, "tokenFile", &config->token_file);
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, e->body, "username", &config->username);
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, e->body, "password", &config->password);
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, e->body, "as", &config->as_user);
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, e->body, "as-uid", &config->as_uid);
    if (rc == 0)
        rc = kubeconfig_get_list(m, e, e->body, "as-groups", &config->as_groups);
    if (rc == 0)
        rc = read_exec(m, e, config);
    if (rc < 0)
        return rc;
    if ((config->cert_pem || config->cert_file) != (config->key_pem || config->key_file))
        return kubeconfig_bad(m, e, "client-certificate and client-key", "go together");
    if ((config->as_uid || config->as_groups) && config->as_user == NULL)
        return kubeconfig_bad(m, e, "as-uid and as-groups", "need as");
    return 0;
}

int kubeconfig_read_cluster(struct merge *m, const struct entry *e, struct kube_config *config) {
    int rc = kubeconfig_get_text(m, e, e->body, "server", &config->server);
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, e->body, "tls-server-name", &config->tls_server_name);
    if (rc == 0)
        rc = kubeconfig_get_text(m, e, e->body, "proxy-url", &config->proxy_url);
    if (rc == 0)
        rc = kubeconfig_get_bool(m, e, e->body, "insecure-skip-tls-verify",
                                 &config->insecure_skip_tls_verify);
    if (rc == 0)
        rc = kubeconfig_get_path(m, e, "certificate-authority", &config->ca_file);
    if (rc == 0)
        rc = kubeconfig_get_data(m, e, "certificate-authority-data", &config->ca_pem);
    if (rc < 0)
        return rc;
    if (config->server == NULL)
        return kubeconfig_bad(m, e, "server", "is missing");
    if (strncmp(config->server, "https://", 8) != 0 && strncmp(config->server, "http://", 7) != 0)
        return kubeconfig_bad(m, e, "server", "must begin with https:// or http://");
    if (config->insecure_skip_tls_verify && (config->ca_file || config->ca_pem))
        return kubeconfig_bad(m, e, "insecure-skip-tls-verify",
                              "contradicts a certificate-authority");
    return 0;
}

int kubeconfig_describe_cluster(struct merge *m, const struct entry *e,
                                struct kube_config *config) {
    static const char *const same[] = {"server", "tls-server-name", "insecure-skip-tls-verify",
                                       "certificate-authority-data", "proxy-url"};
    json_t *cluster = json_object();
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        json_t *value = json_object_get(e->body, same[i]);
        if (value && !json_is_null(value))
            json_object_set(cluster, same[i], value);
    }
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(e->body, "extensions"), i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && strcmp(name, "client.authentication.k8s.io/exec") == 0)
            json_object_set(cluster, "config", json_object_get(item, "extension"));
    }
    char *text = json_dumps(cluster, JSON_COMPACT);
    json_decref(cluster);
    config->cluster_json = mem_strdup(text);
    void (*release)(void *block) = NULL;
    json_get_alloc_funcs(NULL, &release);
    if (text)
        release(text);
    return config->cluster_json ? 0 : kubeconfig_no_memory(m);
}
