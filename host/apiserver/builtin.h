#ifndef MOONLET_APISERVER_BUILTIN_H
#define MOONLET_APISERVER_BUILTIN_H

#include "apiserver/schema.h"

/*
 * Built-in: the table of Kubernetes' own kinds, made by tests/plane/kinds/generate.
 *
 * Is:      the embedded text and an index of its lines; a definition is parsed when it is first
 *          asked for and shared by all kinds that refer to it.
 * Is not:  the registry of what is served (kinds.h).
 * Threads: core. Yields: never.
 */
struct builtin;
struct builtin *builtin_create(struct error *err); /* NULL: NOMEM */
void builtin_destroy(struct builtin *builtin);     /* NULL is fine */

/* The rows, in the order of discovery: {"group","version","plural","singular","kind","definition"}
 * and, when there are any, "namespaced", "virtual", "shortNames", "categories", "subresources".
 * Lent; NULL: NOMEM. */
const json_t *builtin_rows(struct builtin *builtin, struct error *err);

/* "io.k8s.api.core.v1.Pod" as OpenAPI v3 (a new reference). NULL: NOT_FOUND, NOMEM. */
json_t *builtin_definition(const struct builtin *builtin, const char *name, struct error *err);

/* Lends the schema of that name, parsing it if need be. NULL: there is none, or no memory. Fits
 * schema_resolve, with the table as its context. */
const struct schema *builtin_schema(void *builtin, const char *name);

/* Parses the definition and all it refers to, so that builtin_schema() cannot fail for any of
 * them. 0, NOT_FOUND, NOMEM (may be tried again). */
int builtin_load(struct builtin *builtin, const char *name, struct error *err);

/* Calls `each` with the name of the definition and of all it refers to, each once; `each` says 0 or
 * a code that ends it. */
int builtin_closure(struct builtin *builtin, const char *name,
                    int (*each)(void *context, const char *name, struct error *err), void *context,
                    struct error *err);

#endif
