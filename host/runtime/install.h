#ifndef MOONLET_RUNTIME_INSTALL_H
#define MOONLET_RUNTIME_INSTALL_H

#include "runtime/host.h"

/*
 * Install: brings the CRDs of one declaration to the server and waits until they are established.
 *
 * Is:      R6: dry-run first; an update that narrows is refused; never deletes; the previous
 *          object is applied again when the load fails later.
 * Threads: core. Yields: never.
 */
struct install;
/* `done` comes once, later: err NULL when every CRD is established. NULL: NOMEM. */
/* A CRD that stands in `installed` (NULL: none) with the same text is there already. */
struct install *install_start(struct host *host, const struct declaration *declaration,
                              const struct declaration *installed,
                              const struct install_options *options,
                              void (*done)(void *context, const struct error *err), void *context,
                              struct error *err);
/* The load failed after the install: what was changed is applied as it was before. Best effort,
 * goes on by itself. */
void install_undo(struct install *install);
void install_destroy(struct install *install); /* no callback any more; NULL is fine */

#endif
