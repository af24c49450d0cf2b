#ifndef MOONLET_RUNTIME_WRITE_INTERNAL_H
#define MOONLET_RUNTIME_WRITE_INTERNAL_H

#include "runtime/operation.h"

/* What write.c and subresource.c share. Nothing else includes this. Core thread. */

/* Fills op->name and op->ns; without `ns`, the namespace of the object in hand, or the host's. */
int write_target(struct operation *op, struct str ns, struct str name, struct error *err);
int write_target_from_ref(struct operation *op, struct error *err);
/* Fills op->manager and op->memory. */
int write_manager(struct operation *op, struct error *err);
/* What the cache has of the target, or the object in hand, pinned in op->current; or NULL. */
void write_find_current(struct operation *op);
/* op->intent is complete: ends the operation (1) when it would change nothing (R1), else makes it a
 * request (0). */
int write_send_intent(struct operation *op, const char *subresource);

/* As write_prepare(), for status, scale, eviction, binding and token. */
int subresource_prepare(struct operation *op, struct error *err);

#endif
