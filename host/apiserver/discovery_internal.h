#ifndef MOONLET_APISERVER_DISCOVERY_INTERNAL_H
#define MOONLET_APISERVER_DISCOVERY_INTERNAL_H

#include "apiserver/discovery.h"
#include "apiserver/kinds_internal.h"

/*
 * The inside of discovery: documents under construction. Every function here returns a new
 * reference, or NULL without memory, which the next one takes as such.
 *
 * Threads: core.
 */
struct discovery_maker {
    const struct kinds *kinds;
    bool failed; /* an allocation did */
};
/* Takes `value`. */
void discovery_put(struct discovery_maker *maker, json_t *into, const char *key, json_t *value);
void discovery_append(struct discovery_maker *maker, json_t *into, json_t *value);
json_t *discovery_texts(struct discovery_maker *maker, const char *const *texts);

/* Borrowed names, each once. */
struct discovery_names {
    const char **items;
    size_t count, cap;
};
void discovery_names_finish(struct discovery_names *names);
/* Groups that have a served version, in order; the served versions of one, preferred first. */
void discovery_groups(struct discovery_maker *maker, struct discovery_names *ret);
void discovery_versions(struct discovery_maker *maker, const char *group,
                        struct discovery_names *ret);
/* The resource's version if it is served, else NULL. */
const struct api_kind *discovery_kind(const struct api_resource *resource, const char *group,
                                      const char *version);

/* A subresource as discovery shows it: the kind of its own, if it has one. */
struct discovery_subresource {
    enum kind_subresource bit;
    const char *name, *group, *version, *kind; /* kind NULL: the resource's */
    const char *const *verbs;
};
extern const struct discovery_subresource discovery_subresources[]; /* by name; ends with bit 0 */
extern const struct discovery_subresource discovery_custom_subresources[]; /* the same of CRDs */
const char *const *discovery_verbs(const struct api_resource *resource);

/* /api (`core`) or /apis as APIGroupDiscoveryList. */
json_t *discovery_aggregated(struct discovery_maker *maker, bool core);
json_t *discovery_openapi_index(struct discovery_maker *maker);
/* The document of a served group and version. */
json_t *discovery_openapi(struct discovery_maker *maker, const char *group, const char *version);

#endif
