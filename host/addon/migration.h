#ifndef MOONLET_ADDON_MIGRATION_H
#define MOONLET_ADDON_MIGRATION_H

#include "kube/discovery.h"

/*
 * Storage migration: every object of a CRD written anew in its storage version, so that older
 * versions may leave the CRD (status.storedVersions; the Kubernetes page "Versions in
 * CustomResourceDefinitions", "Upgrade existing objects to a new stored version").
 *
 * Is:      GET the CRD -> list, page by page -> an empty merge patch of each object, which changes
 *          nothing but how it is stored -> storedVersions cut down to the storage version, provided
 *          that the CRD is still the one it was.
 * Safe:    to be cut off and run again at any point; the last step is not taken after a failure.
 * Threads: the loop's. Yields: never; the end is `done`.
 */
struct migration;
struct migration_result {
    const char *version;
    size_t migrated;
    bool needed;
};
struct migration_options {
    struct kube_client *client;
    struct loop *loop;
    const char *crd; /* "crontabs.stable.example.com" */
    /* After each page: how many objects so far. */
    void (*progress)(void *context, const char *crd, size_t migrated);
    /* Once. err NULL: storedVersions is now [`version`]; `needed` false: it was before. */
    void (*done)(void *context, const struct migration_result *result, const struct error *err);
    void *context;
};
/* NULL: NOMEM. */
struct migration *migration_start(const struct migration_options *options, struct error *err);
void migration_destroy(struct migration *migration); /* after `done`; NULL is fine */

#endif
