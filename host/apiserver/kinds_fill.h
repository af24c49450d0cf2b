#ifndef MOONLET_APISERVER_KINDS_FILL_H
#define MOONLET_APISERVER_KINDS_FILL_H

#include "apiserver/schema.h"

/*
 * Fill: the defaults of built-in kinds that depend on other fields, after those of the schema.
 *
 * Is:      what Kubernetes' defaults.go does by code.
 * Is not:  what its strategies and admission plugins add (addresses, tolerations, selectors).
 * Threads: any. Yields: never.
 */
struct kinds_fill {
    json_t *object;
    const json_t *known; /* the stored object, with which it may share members; or NULL */
    bool failed;         /* an allocation did */
};
/* Sets what is absent or null; takes `value`, NULL is a failed allocation. `into` NULL: nothing. */
void kinds_fill_put(struct kinds_fill *fill, json_t *into, const char *key, json_t *value);
/* The object of that name, made if need be; NULL when it is something else, or no memory. */
json_t *kinds_fill_object(struct kinds_fill *fill, json_t *into, const char *key);
const char *kinds_fill_text(const json_t *object, const char *key); /* "" when there is none */

void kinds_fill_pod(struct kinds_fill *fill);
void kinds_fill_pod_spec(struct kinds_fill *fill, json_t *spec); /* of a Pod or a template */
void kinds_fill_service(struct kinds_fill *fill);

#endif
