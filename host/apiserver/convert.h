#ifndef MOONLET_APISERVER_CONVERT_H
#define MOONLET_APISERVER_CONVERT_H

#include "apiserver/rest.h"

/*
 * Convert: custom objects from one version into another, by the webhook of their definition or,
 * with strategy None, by the defaults of the one version and the fields of the other; Events of
 * events.k8s.io, which are stored as v1 (events.h), here.
 *
 * Is not:  for versions with one schema and strategy None, which differ in nothing but the
 *          apiVersion; whoever writes an object does.
 * Threads: core. Yields: never; what a webhook converts comes later.
 */

/* Is more to be done than to change the apiVersion? `from` "": as it is stored. */
bool convert_needed(const struct api_resource *resource, const char *from, const char *to);
bool convert_asks(const struct api_resource *resource); /* the webhook */
/* Without a webhook. A new array; NULL: NOMEM. */
json_t *convert_local(const struct api_resource *resource, const json_t *objects,
                      const char *api_version);
bool convert_needed_node(const struct api_exchange *x, node_t node); /* as x->kind has it */

struct conversion; /* one ConversionReview under way; its own, until `done` or cancelled */
/* Brings those of `objects` (an array, taken) that are of another version to `api_version`. `done`
 * comes later, once: a new array (borrowed), or why not, as the real server says it. NULL: the
 * webhook cannot be asked (err->message in the same words), NOMEM. */
struct conversion *conversion_start(struct apiserver *server, const struct api_resource *resource,
                                    json_t *objects, const char *api_version,
                                    void (*done)(void *context, json_t *converted,
                                                 const char *failure),
                                    void *context, struct error *err);
void conversion_cancel(struct conversion *conversion); /* NULL is fine */

/* For an exchange: goes on with `then` when `objects` (taken) are in that version; fails the
 * exchange when they cannot be. At once when there is nothing to ask. */
void convert_then(struct api_exchange *x, json_t *objects, const char *api_version,
                  void (*then)(struct api_exchange *x, json_t *converted));

/* The events of a watch, in order, each in the version that was asked for. */
struct convert_queue { /* lives in its owner, the exchange's; zeroed = not in use */
    struct api_exchange *x;
    struct conversion *conversion;
    json_t *events; /* owned: [type, object] */
    /* The exchange is entered. `object` NULL: it could not be converted, and `type` says why. */
    void (*send)(struct convert_queue *queue, const char *type, json_t *object);
};
/* The exchange is entered. `object` is taken. False: no memory. */
bool convert_queue_add(struct convert_queue *queue, const char *type, json_t *object);
bool convert_queue_empty(const struct convert_queue *queue);
void convert_queue_finish(struct convert_queue *queue);

#endif
