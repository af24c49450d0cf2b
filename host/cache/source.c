#include "cache/source.h"

static struct kube_watch *watch_open(const struct source *source,
                                     const struct kube_watch_options *options, struct error *err) {
    return kube_watch_open(source->client, options, err);
}

static struct kube_list *list_start(const struct source *source,
                                    const struct kube_list_options *options, struct error *err) {
    return kube_list_start(source->client, options, err);
}

static struct discovery_lookup *
resolve(const struct source *source, const char *api_version, const char *kind,
        void (*done)(void *context, const struct kube_resource *resource, const struct error *err),
        void *context) {
    return discovery_resolve(source->discovery, api_version, kind, done, context);
}

static void forget(const struct source *source, const char *api_version) {
    discovery_forget(source->discovery, api_version);
}

struct source source_of_kube(struct kube_client *client, struct discovery *discovery) {
    return (struct source){.watch_open = watch_open,
                           .watch_close = kube_watch_close,
                           .list_start = list_start,
                           .list_cancel = kube_list_cancel,
                           .resolve = resolve,
                           .resolve_cancel = discovery_cancel,
                           .forget = forget,
                           .client = client,
                           .discovery = discovery};
}
