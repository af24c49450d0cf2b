#ifndef MOONLET_APISERVER_MANAGED_WALK_H
#define MOONLET_APISERVER_MANAGED_WALK_H

#include "apiserver/managed_type.h"

/*
 * Walks of server-side apply over documents and their types.
 *
 * Is:      what structured merge is made of: the set of a value, comparison, merge, removal of
 *          items, and the check of what a client applies. Documents may share subtrees with those
 *          they were made of, and sets borrow their strings from them: nothing is changed in place.
 * Is not:  who owns what (managed.c).
 * Threads: one walk at a time. Yields: never.
 */
struct managed_walk {
    struct fieldset_pool *pool;
    struct fieldset_builder sets[3]; /* by comparison; the first also for single sets */
    struct error *err;               /* filled when `rc` is; may be NULL */
    int rc;                          /* the first failure but for those of the pool */
};
void managed_walk_init(struct managed_walk *walk, struct fieldset_pool *pool, struct error *err);
void managed_walk_finish(struct managed_walk *walk); /* before the pool */
/* 0, or what went wrong since the beginning, out of memory included. */
int managed_walk_result(const struct managed_walk *walk);

/* All leaves and items of a value. */
const struct fieldset *managed_set_of(struct managed_walk *walk, const struct schema *schema,
                                      const json_t *value);
/* With the named fields that have members of the set below them. */
const struct fieldset *managed_with_parents(struct managed_walk *walk, struct managed_type type,
                                            const struct fieldset *set);
/* A set that was made when fields were owned by parts which are atomic now: they are owned whole.
 */
const struct fieldset *managed_reconcile(struct managed_walk *walk, struct managed_type type,
                                         const struct fieldset *set);

/* No field is in two of them. */
struct managed_comparison {
    const struct fieldset *removed, *modified, *added;
};
struct managed_comparison managed_compare(struct managed_walk *walk, const struct schema *schema,
                                          const json_t *old, const json_t *now);
/* Numbers by value, members in any order. NULL equals NULL alone. */
bool managed_equal(const json_t *a, const json_t *b);

/* `live` with what `applied` says; new references, NULL when something failed. */
json_t *managed_merge(struct managed_walk *walk, const struct schema *schema, const json_t *live,
                      const json_t *applied);
json_t *managed_remove(struct managed_walk *walk, struct managed_type type, const json_t *value,
                       const struct fieldset *items);

/* Fails as REJECTED, in the API server's words, when `applied` does not fit its type. */
void managed_check(struct managed_walk *walk, const struct schema *schema, const json_t *applied);

#endif
