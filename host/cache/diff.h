#ifndef MOONLET_CACHE_DIFF_H
#define MOONLET_CACHE_DIFF_H

#include "cache/node.h"

/* Equal as JSON: members in another order make another node but the same value. Any thread with
 * both pinned. */
bool node_same(const struct dag *dag, node_t a, node_t b);

/* Appends the JSON merge patch (RFC 7386) that turns `from` into `to`, `{}` when they are equal.
 * Returns whether there is a difference. Any thread with both pinned. */
bool node_merge_patch(const struct dag *dag, node_t from, node_t to, struct json_writer *writer);

/* R1: does every field that `intent` names have the same value in `now` as in `answer`? Objects
 * are compared member by member, arrays and scalars whole. Any thread with all pinned. */
bool node_intent_holds(const struct dag *dag, node_t intent, node_t answer, node_t now);

#endif
