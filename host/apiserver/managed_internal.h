#ifndef MOONLET_APISERVER_MANAGED_INTERNAL_H
#define MOONLET_APISERVER_MANAGED_INTERNAL_H

#include "apiserver/managed.h"
#include "apiserver/managed_entries.h"
#include "apiserver/managed_walk.h"

/*
 * What managed*.c share: one request's work.
 */
struct managed_work {
    struct fieldset_pool pool;
    struct managed_walk walk;
    struct managed_entries entries;
    const struct schema *schema;
    const struct managed_change *change;
    const struct fieldset *ignored; /* what the request cannot change: is no one's */
    json_t *blank;                  /* sets borrow its names */
    struct error *err;
};
void managed_work_init(struct managed_work *work, const struct schema *schema, bool status_split,
                       const struct managed_change *change, struct error *err);
void managed_work_finish(struct managed_work *work);
struct managed_entry managed_work_entry(const struct managed_work *work, bool apply);
/* Without what is nobody's and what is ignored. */
const struct fieldset *managed_work_filter(struct managed_work *work, const struct fieldset *set);
const struct fieldset *managed_work_strip(struct managed_work *work, const struct fieldset *set);
/* What is new about `now`: the comparison, filtered. */
struct managed_comparison managed_work_compare(struct managed_work *work, const json_t *old,
                                               const json_t *now);
/* An empty object: of a built-in kind it has its structs, as far as `now` has them too. Lent; NULL
 * shows in the pool. Once per work. */
const json_t *managed_work_blank(struct managed_work *work, const json_t *now);
/* The changed fields belong to none of the entries but `self` (may be NULL). */
void managed_work_take(struct managed_work *work, const struct managed_comparison *changes,
                       const struct managed_entry *self);
void managed_work_reconcile(struct managed_work *work);

/* Conflicts of an apply: by entry, what the others own of what would change. */
struct managed_conflicts {
    size_t count; /* of entries that conflict */
    struct managed_conflict {
        const struct managed_entry *entry;
        const struct fieldset *set;
    } * items; /* the pool's, in the order in which they are told */
};
struct managed_conflicts managed_conflicts_of(struct managed_work *work,
                                              const struct managed_comparison *changes,
                                              const struct managed_entry *self);
/* Fills the sentence and, when not NULL, *reterr_causes. CONFLICT or NOMEM. */
int managed_conflicts_tell(struct managed_work *work, const struct managed_conflicts *conflicts,
                           json_t **reterr_causes);

/* kubectl's way from client-side to server-side apply: what its annotation says and the object
 * still has is no conflict. */
void managed_kubectl_allow(struct managed_work *work, const json_t *live,
                           struct managed_conflicts *conflicts);
/* The annotation, if there is one, says what was applied. 0 or NOMEM. */
int managed_kubectl_annotate(json_t *object, const json_t *applied, struct error *err);

#endif
