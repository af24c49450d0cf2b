#ifndef MOONLET_KUBE_PLUGIN_H
#define MOONLET_KUBE_PLUGIN_H

#include "kube/config.h"
#include "loop/loop.h"

/*
 * Exec credential plugin: one run of user.exec (client.authentication.k8s.io).
 *
 * Is not:  caching (kube/credentials.h).
 * Threads: the loop's thread. Yields: never.
 */
struct kube_plugin_result {                 /* borrowed for the call */
    const char *token, *cert_pem, *key_pem; /* NULL: not given */
    int64_t expires;                        /* wall ns; 0 = not told */
};

struct kube_plugin;
/* Runs config->exec. `ca_pem` goes to plugins that ask for the cluster; may be NULL. `done` comes
 * once, in the loop. NULL: UNAVAILABLE (cannot be started) or NOMEM. */
struct kube_plugin *kube_plugin_start(
    struct loop *loop, const struct kube_config *config, const char *ca_pem,
    void (*done)(void *context, const struct kube_plugin_result *result, const struct error *err),
    void *context, struct error *err);
void kube_plugin_cancel(struct kube_plugin *plugin); /* kills it, no callback; NULL is fine */

#endif
