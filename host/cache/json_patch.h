#ifndef MOONLET_CACHE_JSON_PATCH_H
#define MOONLET_CACHE_JSON_PATCH_H

#include "cache/node.h"

/*
 * JSON Patch (RFC 6902) from the difference of two documents.
 *
 * Is:      add, remove and replace, as few as the longest common subsequence of each array allows;
 *          shared subtrees cost one pointer compare.
 * Is not:  move, copy or test; applying a patch is the API server's.
 * Threads: any, with both pinned; the core for documents of its own. Yields: never.
 */

/* Appends the array of operations that turns `from` into `to`, `[]` when they are equal as JSON.
 * Returns how many there are, or ERROR_NOMEM with the writer's text unusable. */
int node_json_patch(const struct dag *dag, node_t from, node_t to, struct json_writer *writer);
/* The same for `changes`, a list of {path, value}: each says what the member of `from` at `path`, a
 * list of keys, is now; without `value` it is gone. Also ERROR_INVALID: a path leads through what
 * is no object. */
int node_json_patch_changes(const struct dag *dag, node_t from, node_t changes,
                            struct json_writer *writer);

#endif
