#ifndef MOONLET_APISERVER_DELETION_H
#define MOONLET_APISERVER_DELETION_H

#include "apiserver/rest.h"

/*
 * Deletion: what it makes of an object: finalizers by its propagation policy, a pod's grace period,
 * deletionTimestamp, the phase of a namespace.
 *
 * Is:      the rules of BeforeDelete and of the garbage collector's finalizers in the API server
 *          (apiserver/pkg/registry/rest/delete.go, registry/generic/registry/store.go).
 * Is not:  the request (rest_delete.c) or what goes with the object (collect.h).
 * Threads: core. Yields: never.
 */
enum deletion {
    DELETION_KEEP,  /* as it is */
    DELETION_MARK,  /* being deleted from now on */
    DELETION_REMOVE /* at once */
};

/* Makes change.now of change.old and change.options: the object as the deletion leaves it, or as
 * its last state. 0 or NOMEM. */
int deletion_decide(struct api_exchange *x, enum deletion *ret);

#endif
