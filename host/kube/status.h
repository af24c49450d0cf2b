#ifndef MOONLET_KUBE_STATUS_H
#define MOONLET_KUBE_STATUS_H

#include "base/error.h"
#include "base/str.h"

/*
 * Status: the API server's answer when something went wrong, as a struct error.
 *
 * Is:      decoding of meta/v1 Status bodies, and of whatever proxies send instead.
 * Threads: any. Yields: never.
 */

/* Fills err with code, status, reason, message and retry_after_ns, and returns the code.
 * `http_status` 0 means that the body alone tells (a watch's ERROR event). `what` names the
 * request in the message when the server gave none of its own. */
int kube_status_decode(struct str body, int http_status, const char *what, struct error *err);

#endif
