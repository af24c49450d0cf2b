#include "cache/support/fake_source.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct fake_source *fake_of(const struct source *source) {
    return (struct fake_source *)source;
}

static void copy(char to[64], const char *from) {
    snprintf(to, 64, "%s", from ? from : "(null)");
}

static struct kube_watch *watch_open(const struct source *source,
                                     const struct kube_watch_options *options, struct error *err) {
    struct fake_source *fake = fake_of(source);
    (void)err;
    for (int i = 0; i < FAKE_STREAMS; i++) {
        struct kube_watch *watch = &fake->watch[(fake->watches + i) % FAKE_STREAMS];
        if (watch->open)
            continue;
        *watch = (struct kube_watch){.options = *options, .open = true};
        copy(watch->version, options->resource_version);
        copy(watch->ns, options->select.ns);
        fake->watches++;
        return fake->last_watch = watch;
    }
    return NULL;
}

static void watch_close(struct kube_watch *watch) {
    watch->open = false;
}

static struct kube_list *list_start(const struct source *source,
                                    const struct kube_list_options *options, struct error *err) {
    struct fake_source *fake = fake_of(source);
    (void)err;
    for (int i = 0; i < FAKE_STREAMS; i++) {
        struct kube_list *list = &fake->list[(fake->lists + i) % FAKE_STREAMS];
        if (list->open)
            continue;
        *list = (struct kube_list){.options = *options, .open = true};
        copy(list->version, options->resource_version);
        copy(list->token, options->continue_token);
        fake->lists++;
        return fake->last_list = list;
    }
    return NULL;
}

static void list_cancel(struct kube_list *list) {
    list->open = false;
}

static struct discovery_lookup *
resolve(const struct source *source, const char *api_version, const char *kind,
        void (*done)(void *context, const struct kube_resource *resource, const struct error *err),
        void *context) {
    struct fake_source *fake = fake_of(source);
    (void)api_version;
    struct discovery_lookup *lookup = &fake->lookup[fake->lookups++ % FAKE_STREAMS];
    *lookup = (struct discovery_lookup){.done = done, .context = context, .open = true};
    copy(lookup->kind, kind);
    return fake->last_lookup = lookup;
}

static void resolve_cancel(struct discovery_lookup *lookup) {
    lookup->open = false;
}

static void forget(const struct source *source, const char *api_version) {
    (void)api_version;
    fake_of(source)->forgotten++;
}

void fake_source_init(struct fake_source *fake) {
    *fake = (struct fake_source){.source = {.watch_open = watch_open,
                                            .watch_close = watch_close,
                                            .list_start = list_start,
                                            .list_cancel = list_cancel,
                                            .resolve = resolve,
                                            .resolve_cancel = resolve_cancel,
                                            .forget = forget}};
}

int fake_source_open(const struct fake_source *fake) {
    int open = 0;
    for (int i = 0; i < FAKE_STREAMS; i++)
        open += fake->watch[i].open + fake->list[i].open + fake->lookup[i].open;
    return open;
}

void fake_event(struct kube_watch *watch, enum kube_event type, const char *json) {
    assert(watch && watch->open);
    if (watch->open)
        watch->options.on_event(watch->options.context, type, str_of(json));
}

static void pod_json(char json[512], const char *ns, const char *name, int version) {
    snprintf(
        json, 512,
        "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"u-%s\",\"resourceVersion\":"
        "\"%d\",\"labels\":{\"v\":\"%d\"}}}",
        name, ns ? ns : "ns", name, version, version);
}

void fake_pod(struct kube_watch *watch, enum kube_event type, const char *name, int version) {
    char json[512];
    pod_json(json, watch->options.select.ns, name, version);
    fake_event(watch, type, json);
}

void fake_bookmark(struct kube_watch *watch, int version, bool ends_initial) {
    char json[512];
    snprintf(json, sizeof json,
             "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"%d\"%s}}",
             version,
             ends_initial ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
    fake_event(watch, KUBE_BOOKMARK, json);
}

static struct error *make(struct error *err, int code, int status, uint64_t retry_after_ns) {
    error_set(err, code, "said the test");
    err->status = status;
    err->retry_after_ns = retry_after_ns;
    return code ? err : NULL;
}

void fake_watch_end(struct kube_watch *watch, int code, int status, uint64_t retry_after_ns) {
    struct error err;
    struct kube_watch_options options = watch->options;
    watch->open = false;
    options.on_end(options.context, make(&err, code, status, retry_after_ns));
}

void fake_item(struct kube_list *list, const char *name, int version) {
    char json[512];
    pod_json(json, list->options.select.ns, name, version);
    fake_item_json(list, json);
}

/* The list ends with the error that its owner gives. */
void fake_item_json(struct kube_list *list, const char *json) {
    struct error err = {0};
    struct kube_list_options options = list->options;
    if (!list->open || options.on_item(options.context, str_of(json), &err) == 0)
        return;
    list->open = false;
    options.on_done(options.context, NULL, NULL, &err);
}

void fake_list_end(struct kube_list *list, const char *version, const char *token) {
    struct kube_list_options options = list->options;
    list->open = false;
    options.on_done(options.context, version, token, NULL);
}

void fake_list_fail(struct kube_list *list, int code, int status, uint64_t retry_after_ns) {
    struct error err;
    struct kube_list_options options = list->options;
    list->open = false;
    options.on_done(options.context, NULL, NULL, make(&err, code, status, retry_after_ns));
}

void fake_resolve(struct discovery_lookup *lookup, const struct kube_resource *resource, int code) {
    struct error err;
    lookup->open = false;
    lookup->done(lookup->context, resource, make(&err, code, 0, 0));
}
