#ifndef MOONLET_TESTS_APISERVER_VALUES_H
#define MOONLET_TESTS_APISERVER_VALUES_H

#include "apiserver/storage.h"

/* A storage whose objects are a number each. Failures of set-up end the test. */

/* `history`: as in struct storage_options. The dag is the caller's, until values_finish(). */
struct storage *values_storage(struct dag **ret_dag, size_t history);
/* Ends both, and the test if a node is left. */
void values_finish(struct storage *storage, struct dag *dag);

struct storage_key values_key(unsigned resource, const char *ns, const char *name);
/* As storage_put() and storage_delete(). */
int values_put(struct storage *storage, unsigned resource, const char *ns, const char *name,
               int value);
int values_drop(struct storage *storage, unsigned resource, const char *ns, const char *name);
int64_t values_of(const struct dag *dag, node_t node); /* -1: it was dropped */
struct str values_namespace(const char *ns);           /* NULL: all, as storage_list() has it */

#endif
