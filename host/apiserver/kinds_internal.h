#ifndef MOONLET_APISERVER_KINDS_INTERNAL_H
#define MOONLET_APISERVER_KINDS_INTERNAL_H

#include "apiserver/builtin.h"
#include "apiserver/kinds.h"

/*
 * The inside of the registry: for kinds*.c and discovery*.c.
 *
 * Threads: core.
 */

/* What lives and dies together: names, lists of names, api_kinds. Zeroed = empty. */
struct kinds_block;
struct kinds_pool {
    struct kinds_block *first;
};
void kinds_pool_finish(struct kinds_pool *pool);
void *kinds_pool_zalloc(struct kinds_pool *pool, size_t size); /* NULL: NOMEM */
/* Copies. NULL in gives NULL out, as does no memory; then *failed is set. */
const char *kinds_pool_text(struct kinds_pool *pool, const char *text, bool *failed);
/* The strings of a JSON array, NULL-terminated; of anything else the empty list. */
const char *const *kinds_pool_texts(struct kinds_pool *pool, const json_t *array, bool *failed);

struct kinds_entry {
    struct api_resource resource;
    struct api_kind *kinds; /* resource.kinds, and after the served ones those that are not */
    size_t all;             /* of them */
    const char *definition; /* a built-in's */
    bool loaded;            /* all that the definition refers to is parsed */
    struct kinds_pool pool; /* a CRD's; those of built-ins are in kinds->pool */
};
void kinds_entry_destroy(struct kinds_entry *entry); /* NULL is fine */

struct kinds {
    struct builtin *builtin;
    bool borrowed; /* the table is */
    struct kinds_pool pool;
    struct kinds_entry **entries; /* built-ins first, in discovery's order */
    size_t count, cap;
    unsigned last_id;
    uint64_t revision;
};

/* A row of the built-in table; id is not set. NULL: NOMEM. */
struct kinds_entry *kinds_entry_builtin(struct kinds *kinds, const json_t *row, struct error *err);
/* A checked CRD; id is not set. NULL: REJECTED, NOMEM. */
struct kinds_entry *kinds_entry_crd(struct kinds *kinds, const json_t *crd, struct error *err);
/* v2 before v1 before v1beta1 before v1alpha1 before any other name, and those by the alphabet. */
int kinds_compare_versions(const char *one, const char *other);
unsigned kinds_subresource_named(const char *name); /* enum kind_subresource, or 0 */

#endif
