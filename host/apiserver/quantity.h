#ifndef MOONLET_APISERVER_QUANTITY_H
#define MOONLET_APISERVER_QUANTITY_H

#include "base/str.h"

/*
 * Quantities: amounts such as 500m or 1Gi in the one spelling that the API server stores.
 *
 * Threads: any. Yields: never.
 */
enum { QUANTITY_MAX = 64 };

/* Writes the canonical text ("0.5" is "500m", "1024Mi" is "1Gi") with a 0. `listed`: it stands in a
 * list of resources, whose amounts are rounded up to thousandths. False: it is no quantity, or
 * larger than 2^63, and *ret is untouched. */
bool quantity_canonical(struct str text, bool listed, char ret[QUANTITY_MAX]);

#endif
