#ifndef MOONLET_RUNTIME_EVENTS_H
#define MOONLET_RUNTIME_EVENTS_H

#include "base/log.h"
#include "kube/client.h"

/*
 * Event recorder: core/v1 Events about objects, best effort, never in anyone's way.
 *
 * Is:      client-go's correlation (tools/record/events_cache.go): the same Event again is a PATCH
 *          of its count; more than 10 that differ in their message only become one "(combined from
 *          similar events)" within 10 minutes; a source may make 25 about one object, then one in
 *          5 minutes.
 * Is not:  a log: an Event that the server refuses is counted and dropped.
 * Threads: core. Yields: never.
 */
struct event_about {
    const char *api_version, *kind, *ns, *name, *uid, *resource_version; /* "" or NULL: not known */
};

struct event_recorder;
struct event_recorder *event_recorder_create(struct kube_client *client, struct loop *loop,
                                             struct rng *rng, const char *instance,
                                             struct error *err);
void event_recorder_destroy(struct event_recorder *recorder); /* NULL is fine */
/* `component` is the controller; `type` "Normal" or "Warning". Copies what it needs. */
void event_record(struct event_recorder *recorder, const char *component,
                  const struct event_about *about, const char *type, const char *reason,
                  const char *message);
struct event_stats {
    uint64_t sent, dropped, failed;
};
struct event_stats event_recorder_stats(const struct event_recorder *recorder);
bool event_recorder_idle(const struct event_recorder *recorder);

#endif
