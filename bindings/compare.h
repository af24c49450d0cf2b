#ifndef MOONLET_BINDINGS_COMPARE_H
#define MOONLET_BINDINGS_COMPARE_H

#include "bindings/isolate.h"

/*
 * Compare: values with each other, and what a handler made of an object with the object as it was.
 *
 * Is:      deep equality (value_equal() of value.h) and the list of changes. An untouched view is
 *          compared by reference and is not filled.
 * Is not:  the JSON patch, which the core makes of the nodes (cache/json_patch.h).
 * Threads: the isolate's. Yields: never.
 */

/* core.changes(before, after) -> a list of { path =, value = }, one for each member that makes
 * `after` of `before`, without a value where it goes; a list that differs is one value. Raises for
 * memory, and when nested too deep. */
int compare_changes(lua_State *L);

#endif
