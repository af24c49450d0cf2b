#ifndef MOONLET_CACHE_SOURCE_H
#define MOONLET_CACHE_SOURCE_H

#include "kube/watch.h"

/*
 * Source: what informers need of an API server, as a table, so that tests and the simulation can
 * script it. `source_of_kube` is the real one. The contracts are those of kube/watch.h and
 * kube/discovery.h: handles are over with their last callback or when cancelled.
 *
 * Threads: core. Yields: never.
 */
struct source {
    struct kube_watch *(*watch_open)(const struct source *source,
                                     const struct kube_watch_options *options, struct error *err);
    void (*watch_close)(struct kube_watch *watch);
    struct kube_list *(*list_start)(const struct source *source,
                                    const struct kube_list_options *options, struct error *err);
    void (*list_cancel)(struct kube_list *list);
    struct discovery_lookup *(*resolve)(
        const struct source *source, const char *api_version, const char *kind,
        void (*done)(void *context, const struct kube_resource *resource, const struct error *err),
        void *context);
    void (*resolve_cancel)(struct discovery_lookup *lookup);
    void (*forget)(const struct source *source, const char *api_version);
    struct kube_client *client;
    struct discovery *discovery;
};

/* Borrows both; copies of the struct are as good. */
struct source source_of_kube(struct kube_client *client, struct discovery *discovery);

#endif
