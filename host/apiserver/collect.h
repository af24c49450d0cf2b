#ifndef MOONLET_APISERVER_COLLECT_H
#define MOONLET_APISERVER_COLLECT_H

#include "apiserver/rest.h"

/* What new volumes and claims get (rules_admit.c), and lose when they are deleted and nobody uses
 * them. */
#define COLLECT_VOLUME_FINALIZER "kubernetes.io/pv-protection"
#define COLLECT_CLAIM_FINALIZER "kubernetes.io/pvc-protection"

/*
 * Collector: what a cluster's controllers do with every kind's objects, done here, by errands:
 * owner-reference garbage collection (background, foreground, orphan, absent owners), the end of
 * namespaces and of custom resources whose definition goes, pods whose grace period is over,
 * volumes and claims that nobody uses any more, and the ServiceAccount "default" of every
 * namespace.
 *
 * Is:      level-based: a job looks at what is there, does one thing, and looks again.
 * Is not:  a kubelet: a pod that is deleted with a grace period is gone when that is over.
 * Threads: core. Yields: never; works from the loop's next turn on.
 */
struct collector *collector_create(struct apiserver *server, struct error *err);
void collector_destroy(struct collector *collector);
/* After each change; NODE_NONE: there is none. */
void collector_changed(struct collector *collector, const struct storage_key *key, node_t old,
                       node_t now);
bool collector_idle(const struct collector *collector);

#endif
