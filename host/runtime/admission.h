#ifndef MOONLET_RUNTIME_ADMISSION_H
#define MOONLET_RUNTIME_ADMISSION_H

#include "runtime/hooks.h"
#include "serve/server.h"

/*
 * Admission: one AdmissionReview, from the request to its response.
 *
 * Is:      parse -> the definition's handler in its serving isolate -> JSON patch of what changed.
 * Is not:  a queue: each runs at once, as a coroutine of its file's own thread.
 * Errors:  no such webhook, or not ready: 503; not a review: 400; a raised error, a timeout, a dead
 *          isolate: 500 with the uid in plain text, so that the failure policy decides and kubectl
 *          shows the reason.
 * Deadline: a little before the API server's `?timeout=` and the definition's own; the answer goes
 *          out then even if the script still runs.
 * Threads: core. Yields: never; the answer is server_respond()'s.
 */
void admission_accept(struct hooks *hooks, struct server_request *request,
                      const struct server_exchange *exchange, bool validating);

#endif
