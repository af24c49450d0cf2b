#ifndef MOONLET_CACHE_INFORMER_INTERNAL_H
#define MOONLET_CACHE_INFORMER_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "cache/informer.h"
#include "cache/match.h"
#include "cache/reflector.h"

/* The inside of informers, for informer.c and informer_set.c. */
struct informer_set {
    struct informer_set_options options;
    const struct source *source; /* borrowed, or &own */
    struct source own;
    struct list informers;
    struct list dying;  /* released, and freed in the next turn of the loop */
    struct map written; /* "apps/v1/Deployment" of each kind that we have written */
    struct loop_timer bury;
};

struct informer {
    struct list link; /* of the set, or of its dying */
    struct informer_set *set;
    unsigned refs;
    char *api_version, *kind, *title;
    char **namespaces; /* sorted; NULL: all */
    size_t namespace_count;
    char *label_text, *field_text; /* or NULL */
    bool metadata_only, keep_managed_fields;
    struct selector *labels;
    struct field_selector *fields;
    struct store *store;

    enum informer_state state;
    struct error error;
    const struct kube_resource *resource;
    struct discovery_lookup *lookup;
    struct loop_timer retry; /* of the discovery */
    unsigned tries;
    struct reflector *reflectors; /* one, or one per namespace */
    size_t reflector_count;
    struct informer_stats former; /* of reflectors that are gone */
    struct list handlers;
};

struct informer *informer_create(struct informer_set *set, const struct informer_key *key,
                                 struct error *err);
void informer_destroy(struct informer *informer); /* NULL and half-built ones are fine */
void informer_start(struct informer *informer);
void informer_stop(struct informer *informer);
/* Does an informer with these properties do for `key`? */
bool informer_fits(const struct informer *informer, const struct informer_key *key);

#endif
