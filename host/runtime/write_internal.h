#ifndef MOONLET_RUNTIME_WRITE_INTERNAL_H
#define MOONLET_RUNTIME_WRITE_INTERNAL_H

#include "runtime/operation.h"

/* What write*.c and subresource.c share. Nothing else includes this. Core thread. */

/* Fills op->name and op->ns; without `ns`, the namespace of the object in hand, or the host's. */
int write_target(struct operation *op, struct str ns, struct str name, struct error *err);
int write_target_from_ref(struct operation *op, struct error *err);
/* Fills op->manager and op->memory. */
int write_manager(struct operation *op, struct error *err);
/* write_target(), write_manager(), and whether the controller may (operation_allow). */
int write_begin(struct operation *op, struct str ns, struct str name, const char *verb,
                struct error *err);
/* Ends the operation without a request: `object` is as it should be. Returns 1. */
int write_skip(struct operation *op, const struct object *object);
void write_manager_query(struct operation *op); /* "fieldManager=..." into op->query */
/* What the cache has of the target, or the object in hand, pinned in op->current; or NULL. */
void write_find_current(struct operation *op);
/* op->intent is complete: ends the operation (1) when it would change nothing (R1), else makes it a
 * request (0). */
int write_send_intent(struct operation *op, const char *subresource);
/* op->finish of what is answered by the object: it goes into the cache (R5) and to the script. */
int write_finish_object(struct operation *op, const struct kube_answer *answer, struct error *err);

/* metadata.<field>, a text; empty when it is absent. Lends. */
struct str write_meta(const struct dag *dag, node_t root, const char *field);
/* Sets metadata.<field> of op->intent. */
int write_set_meta(struct operation *op, const char *field, struct str text, struct error *err);
/* Gives op->intent the namespace and the owner that it does not name and should have. */
int write_fill_intent(struct operation *op, struct error *err);

/* As write_prepare(), for one verb. */
int write_prepare_apply(struct operation *op, struct error *err);
int write_prepare_update(struct operation *op, struct error *err);
/* As write_prepare(), for status, scale, eviction, binding and token. */
int subresource_prepare(struct operation *op, struct error *err);

#endif
