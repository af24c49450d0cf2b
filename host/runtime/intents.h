#ifndef MOONLET_RUNTIME_INTENTS_H
#define MOONLET_RUNTIME_INTENTS_H

#include "cache/node.h"

/*
 * Intents: what each server-side apply last said and what the server made of it (R1).
 *
 * Is:      a bounded memory by (object UID, field manager, subresource); it outlives reloads.
 * Is not:  a cache of objects: it holds the intent and the answer's root, shared nodes.
 * Threads: core. Yields: never.
 */
struct intents;
struct intents *intents_create(struct dag *dag, size_t limit, struct error *err);
void intents_destroy(struct intents *intents); /* NULL is fine */

/* Was exactly this intent the last one acknowledged there, and does `now` still have, for every
 * field of it, what that answer had? */
bool intents_hold(struct intents *intents, struct str uid, const char *manager, node_t intent,
                  node_t now);
/* Remembers; takes own references. Out of memory forgets instead: the next apply is sent. */
void intents_remember(struct intents *intents, struct str uid, const char *manager, node_t intent,
                      node_t answer);
size_t intents_count(const struct intents *intents);

#endif
