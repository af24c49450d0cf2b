#ifndef MOONLET_RUNTIME_CONVERSION_H
#define MOONLET_RUNTIME_CONVERSION_H

#include "runtime/hooks.h"
#include "serve/server.h"

/*
 * Conversion: one ConversionReview, from the request to its response.
 *
 * Is:      each object through the file's convert functions, one call after the other; all or
 *          nothing, and a failure names the object.
 * Checked: the metadata of what comes back differs from what went in by labels and annotations at
 *          most, and its kind and version are those asked for: the host does not rely on a script.
 * Deadline: as for an admission.
 * Threads: core. Yields: never; the answer is server_respond()'s.
 */
void conversion_accept(struct hooks *hooks, struct server_request *request,
                       const struct server_exchange *exchange);

#endif
