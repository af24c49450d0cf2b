#ifndef MOONLET_RUNTIME_HOST_H
#define MOONLET_RUNTIME_HOST_H

#include "addon/declaration.h"
#include "base/map.h"
#include "base/rng.h"
#include "cache/informer.h"
#include "kube/discovery.h"
#include "loop/mailbox.h"
#include "runtime/events.h"
#include "runtime/worker.h"

/*
 * Host: what one running moonlet consists of; everything hangs off this struct.
 *
 * Is:      the wiring that runtime/manager.c makes and the files of this room share.
 * Is not:  seen by other rooms.
 * Threads: core.
 */
struct controller;
struct hooks;
struct intents;
struct invocation;
struct observer;
struct reload;
struct telemetry;

enum crd_mode { CRDS_APPLY, CRDS_CHECK, CRDS_SKIP };
struct install_options {
    enum crd_mode mode;
    bool any_update; /* --crd-update=any */
};

struct host {
    struct loop *loop;
    const struct clock *clock;
    struct log *log;
    struct rng rng;
    struct mailbox *mailbox; /* messages to the core from anywhere */
    struct kube_config *config;
    struct http_transport *watches, *calls, *fetches; /* fetches: what scripts ask for */
    struct kube_client *client;
    struct discovery *discovery;
    struct dag *dag;
    struct epochs *epochs;
    struct informer_set *informers;
    struct intents *intents;
    struct event_recorder *events;
    struct telemetry *telemetry;
    const struct script_engine_type *engine;
    const char *identity; /* of this process: ctx.host.name, the lease's holder */
    struct worker **workers, **serving_workers; /* runtime/workers.h */
    size_t worker_count, serving_worker_count;
    bool on_core; /* workers without threads */
    struct script_limits limits;
    const char *ns;          /* default for what names none: the kubeconfig's */
    char *const *namespaces; /* --namespace; NULL-terminated, NULL: all */
    uint64_t reload_grace_ns;
    bool leading;                       /* reconciles, schedules and startups run */
    bool reachable;                     /* the API server has answered */
    bool draining;                      /* no new work */
    void (*changed)(struct host *host); /* something may have become idle or ready */
    void (*on_result)(struct controller *controller, const char *result, double seconds);
    /* A handler's call begins, has ended; may be NULL. */
    void (*on_call)(struct host *host, const struct invocation *invocation, bool ended);
    const struct observer *observer; /* NULL: nobody looks */
    struct install_options install_options;
    struct reload *reload;
    struct hooks *hooks;
};

#endif
