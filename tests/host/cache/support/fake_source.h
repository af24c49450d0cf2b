#ifndef TESTS_FAKE_SOURCE_H
#define TESTS_FAKE_SOURCE_H

#include "cache/source.h"

/* A scripted API server for reflectors and informers: the test sees what was asked and says what
 * comes back. One watch, list and lookup at a time for each namespace (at most FAKE_STREAMS). */
enum { FAKE_STREAMS = 8 };
struct kube_watch {
    struct kube_watch_options options;
    char version[64], ns[64];
    bool open;
};
struct kube_list {
    struct kube_list_options options;
    char version[64], token[64];
    bool open;
};
struct discovery_lookup {
    char kind[64];
    void (*done)(void *context, const struct kube_resource *resource, const struct error *err);
    void *context;
    bool open;
};
struct fake_source {
    struct source source; /* the first member */
    struct kube_watch watch[FAKE_STREAMS];
    struct kube_list list[FAKE_STREAMS];
    struct discovery_lookup lookup[FAKE_STREAMS];
    struct kube_watch *last_watch; /* opened last, NULL when none is open since */
    struct kube_list *last_list;
    struct discovery_lookup *last_lookup;
    int watches, lists, lookups, forgotten;
};

void fake_source_init(struct fake_source *fake);
int fake_source_open(const struct fake_source *fake); /* handles under way */
void fake_event(struct kube_watch *watch, enum kube_event type, const char *json);
/* A pod of namespace "ns" (or the watch's), uid = "u-" name. */
void fake_pod(struct kube_watch *watch, enum kube_event type, const char *name, int version);
void fake_bookmark(struct kube_watch *watch, int version, bool ends_initial);
/* code 0: a normal end */
void fake_watch_end(struct kube_watch *watch, int code, int status, uint64_t retry_after_ns);
void fake_item(struct kube_list *list, const char *name, int version);
void fake_item_json(struct kube_list *list, const char *json);
void fake_list_end(struct kube_list *list, const char *version, const char *token);
void fake_list_fail(struct kube_list *list, int code, int status, uint64_t retry_after_ns);
void fake_resolve(struct discovery_lookup *lookup, const struct kube_resource *resource, int code);

#endif
