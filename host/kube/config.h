#ifndef MOONLET_KUBE_CONFIG_H
#define MOONLET_KUBE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * Config: where the API server is and who we are, from a kubeconfig or a service account.
 *
 * Is:      parsing, merging (KUBECONFIG's list: the first file to set a value wins, as
 *          client-go's clientcmd does), and the choice between the sources.
 * Is not:  reading of credentials that may rotate (kube/credentials.h does on use).
 * Threads: immutable after load. Yields: never.
 */
struct kube_exec { /* user.exec, client.authentication.k8s.io/v1 or v1beta1 */
    char *api_version, *command, *install_hint;
    char **args; /* NULL-terminated; may be NULL */
    char **env;  /* "NAME=value", NULL-terminated; may be NULL */
    bool provide_cluster_info;
};

struct kube_config {
    char *context;             /* name, "" for in-cluster */
    char *server, *namespace_; /* URL; namespace "default" when unset */
    char *ca_file, *ca_pem;    /* at most one; PEM wins */
    char *tls_server_name, *proxy_url;
    bool insecure_skip_tls_verify;
    char *cert_file, *cert_pem, *key_file, *key_pem;
    char *token, *token_file;  /* the file wins and is read again when it changes */
    char *username, *password; /* basic */
    struct kube_exec *exec;
    char *as_user, *as_uid, **as_groups; /* impersonation; groups NULL-terminated */
    char *cluster_json;                  /* for exec plugins that ask for cluster info */
};

struct kube_config_options {
    const char *kubeconfig;      /* --kubeconfig, or NULL */
    const char *context;         /* --context, or NULL: current-context */
    const char *const *env;      /* environ; KUBECONFIG, HOME, KUBERNETES_SERVICE_* are read here */
    const char *service_account; /* NULL: /var/run/secrets/kubernetes.io/serviceaccount */
};

/* --kubeconfig, then KUBECONFIG, then in-cluster, then ~/.kube/config. NULL: NOT_FOUND (says what
 * was looked at), INVALID (file, line, field). */
struct kube_config *kube_config_load(const struct kube_config_options *options, struct error *err);
void kube_config_destroy(struct kube_config *config); /* NULL is fine; wipes secrets */

#endif
