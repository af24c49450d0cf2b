#ifndef MOONLET_APISERVER_KINDS_H
#define MOONLET_APISERVER_KINDS_H

#include <string.h>

#include "apiserver/schema.h"

/*
 * Kinds: which resources are served, built in and by CRDs.
 *
 * Is:      the registry: resource names, kinds, scopes, subresources, schemas; look-ups by path and
 *          by apiVersion/kind. Built-ins are a generated table (builtin.h).
 * Is not:  objects (storage.h) or documents about kinds (discovery.h).
 * Threads: core. Yields: never.
 */
enum kind_subresource {
    KIND_STATUS = 1,
    KIND_SCALE = 2,
    KIND_EVICTION = 4,
    KIND_BINDING = 8,
    KIND_TOKEN = 16,
    KIND_FINALIZE = 32, /* namespaces */
    KIND_APPROVAL = 64, /* certificate signing requests */
    KIND_LOG = 128      /* answers 501 */
};

struct api_resource; /* one resource whatever the version: what is stored together */
struct api_kind {    /* one version of it; immutable while it is registered */
    const struct api_resource *resource;
    const char *version, *api_version; /* "v1"; "apps/v1" */
    const struct schema *schema;       /* of the whole object; NULL: any */
    const json_t *columns;             /* a CRD's additionalPrinterColumns, or NULL */
    unsigned subresources;             /* enum kind_subresource */
    /* a CRD's scale paths, ".spec.replicas"; NULL without KIND_SCALE or for built-ins; the selector
     * may be NULL */
    const char *scale_spec, *scale_status, *scale_selector;
    bool deprecated;
    const char *deprecation_warning;      /* NULL unless deprecated */
    const char *const *selectable_fields; /* ".spec.color" of a CRD; NULL-terminated or NULL */
};
struct api_resource {
    const char *group, *plural, *singular, *kind, *list_kind; /* group "" = core */
    const char *const *short_names, *const *categories;       /* NULL-terminated, never NULL */
    bool namespaced, builtin;
    bool virtual_;                  /* only create, nothing stored: SelfSubjectAccessReview... */
    unsigned id;                    /* small, from 1, never used again; unique but for views */
    const struct api_kind *kinds;   /* served versions, preferred first; none: nothing is served */
    size_t kind_count;              /* of served versions */
    const struct api_kind *storage; /* the version objects are stored in, served or not; of
                                        another resource when this one shows its objects */
    size_t version_count;           /* of kinds, with those that are not served */
    bool differs;                   /* its versions have other schemas */
    const json_t *crd;              /* the CRD's object as of its last change, or NULL */
};

/* Its objects are those of another resource, under its id: Events of events.k8s.io (events.h). */
static inline bool kinds_is_view(const struct api_resource *resource) {
    return resource->storage->resource != resource;
}

/* The built-in resource of that name; of two groups have only Events it. */
static inline bool kinds_is_builtin(const struct api_resource *resource, const char *plural) {
    return resource->builtin && strcmp(resource->plural, plural) == 0;
}

struct kinds;
struct kinds *kinds_create(struct error *err); /* with the built-ins. NULL: NOMEM */
/* The same over a table that others use, too (borrowed): a definition is parsed once for all. */
struct builtin;
struct kinds *kinds_create_over(struct builtin *builtin, struct error *err);
void kinds_destroy(struct kinds *kinds); /* NULL is fine */
/* "" , "v1", "pods". NULL: not served (or no memory for a built-in's schema). */
const struct api_kind *kinds_find(const struct kinds *kinds, struct str group, struct str version,
                                  struct str plural);
const struct api_kind *kinds_by_kind(const struct kinds *kinds, struct str api_version,
                                     struct str kind);
const struct api_resource *kinds_resource(const struct kinds *kinds, struct str group,
                                          struct str plural);
/* "apps/v1" of a resource, served or not; NULL: it has no such version. */
const struct api_kind *kinds_version(const struct api_resource *resource, const char *api_version);
size_t kinds_count(const struct kinds *kinds); /* of resources */
const struct api_resource *kinds_at(const struct kinds *kinds, size_t index);
/* The schema of a built-in definition that no resource has: "io.k8s.api.autoscaling.v1.Scale",
 * ...policy.v1.Eviction, ...core.v1.Binding, ...authentication.v1.TokenRequest, and of ObjectMeta,
 * ListMeta, DeleteOptions in io.k8s.apimachinery.pkg.apis.meta.v1. Lent; NULL: none, or NOMEM. */
const struct schema *kinds_definition(const struct kinds *kinds, const char *name);
/* A CRD that was checked (crd.h); copied. An older definition of the same resource is replaced: its
 * api_resource stays where it is and keeps its id, pointers to its api_kinds are void. 0; REJECTED:
 * it is built in, or another resource of the group has the kind; NOMEM. Then nothing changed. */
int kinds_set_crd(struct kinds *kinds, const json_t *crd, struct error *err);
void kinds_remove_crd(struct kinds *kinds, struct str group, struct str plural);
uint64_t kinds_revision(const struct kinds *kinds); /* grows with each change; discovery's ETag */
/* Fills in what the real server fills in on create and update: the schema's defaults and, for
 * built-in kinds, those that depend on other fields. Of built-in kinds it first respells quantities
 * and drops empty lists and maps. Status is given its empty form where the server sends one, so
 * remove a client's status before. `known` as in schema.h, for built-in kinds alone. 0 or NOMEM
 * (then `object` is half done). */
int kinds_default(const struct api_kind *kind, json_t *object, const json_t *known,
                  struct error *err);

#endif
