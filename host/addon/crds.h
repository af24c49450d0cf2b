#ifndef MOONLET_ADDON_CRDS_H
#define MOONLET_ADDON_CRDS_H

#include "addon/declaration.h"

/*
 * CRDs: what an update may do to one that is installed (R6).
 *
 * Is:      pure functions on CustomResourceDefinition JSON.
 * Is not:  talking to a server (runtime/install.h).
 * Threads: pure. Yields: never.
 */

/* Does `wanted` keep every field, value and served version that `installed` allows? 0, or REJECTED
 * with the path and what was narrowed; INVALID when one of them is not a CRD. */
int crd_check_update(const char *installed, const char *wanted, struct error *err);

/* A version that is stored on the server must stay in spec.versions whatever is allowed. 0 or
 * REJECTED. */
int crd_check_stored(const char *installed, const char *wanted, struct error *err);

/* An installed CRD as something to apply: without status and what the server fills in. */
int crd_as_intent(const char *installed, struct strbuf *ret, struct error *err);

#endif
