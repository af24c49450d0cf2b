#ifndef MOONLET_APISERVER_RATCHET_H
#define MOONLET_APISERVER_RATCHET_H

#include "apiserver/schema.h"

/*
 * Ratcheting (KEP-4008): an update is not refused for what was wrong before and has not changed.
 *
 * Is:      which of the causes that schema_validate() gave are dropped. A value has changed unless
 *          the old object has an equal one at the same place: by name, and in lists of type map by
 *          key; items of other lists have no place of their own.
 * Is not:  for what a list says of its items together (duplicates).
 * Threads: pure. Yields: never.
 */
void ratchet(const struct schema *schema, const json_t *now, const json_t *old, json_t *causes);

#endif
