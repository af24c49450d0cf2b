#ifndef MOONLET_RUNTIME_ACCESS_H
#define MOONLET_RUNTIME_ACCESS_H

#include "runtime/host.h"

/*
 * Access: asks the server whether we may do what a declaration needs (R26).
 *
 * Is:      one SelfSubjectAccessReview per rule, a few at a time; what is missing is printed as the
 *          YAML of the rule to add.
 * Threads: core. Yields: never.
 */
struct access_check;
/* `done` comes once, later: err NULL when all is allowed; FORBIDDEN names the missing rules; any
 * other code is why a review was not answered, which allows nothing. NULL: NOMEM. */
/* Rules that `checked` (NULL: nothing) had too were allowed before and are not asked again when all
 * are the same. */
struct access_check *access_start(struct host *host, const struct declaration *declaration,
                                  const struct declaration *checked,
                                  void (*done)(void *context, const struct error *err),
                                  void *context, struct error *err);
void access_destroy(struct access_check *check); /* no callback any more; NULL is fine */

#endif
