#ifndef MOONLET_KUBE_DISCOVERY_H
#define MOONLET_KUBE_DISCOVERY_H

#include "kube/client.h"

/*
 * Discovery: which resource serves a kind.
 *
 * Is:      a cache of APIResourceLists by group/version, filled on demand.
 * Is not:  a REST mapper of everything: only what was asked for is fetched.
 * Threads: the loop's thread. Yields: never; unresolved kinds answer by callback.
 */
struct kube_resource { /* immutable; lives as long as the discovery that gave it */
    char *group, *version, *kind, *plural; /* group "" for core */
    char *api_version;                     /* "v1", "apps/v1" */
    bool namespaced, has_status, has_scale;
};

struct discovery;
struct discovery *discovery_create(struct kube_client *client, struct error *err);
/* Pending answers do not come. Not from within an answer. */
void discovery_destroy(struct discovery *discovery);

/* What is known now, or NULL. No request. */
const struct kube_resource *discovery_peek(const struct discovery *discovery,
                                           const char *api_version, const char *kind);
/* Answers once, at once when known: the resource, or err NOT_FOUND ("the server has no kind
 * app.example.com/v1 AppService"), FORBIDDEN, UNAVAILABLE... An unknown kind is asked anew each
 * time, so a CRD that appears later is found. */
struct discovery_lookup;
struct discovery_lookup *discovery_resolve(
    struct discovery *discovery, const char *api_version, const char *kind,
    void (*done)(void *context, const struct kube_resource *resource, const struct error *err),
    void *context); /* NULL when already answered */
void discovery_cancel(struct discovery_lookup *lookup);
/* Forgets one group/version (its CRD went or changed); resources handed out stay valid. */
void discovery_forget(struct discovery *discovery, const char *api_version);

/* "/apis/apps/v1/namespaces/NS/deployments/NAME/SUB"; ns, name, sub may be NULL. */
void kube_resource_path(struct strbuf *buf, const struct kube_resource *resource, const char *ns,
                        const char *name, const char *subresource);

#endif
