#ifndef MOONLET_APISERVER_WEBHOOK_H
#define MOONLET_APISERVER_WEBHOOK_H

#include "apiserver/rest.h"

/*
 * Webhook: one question to a webhook, and its answer; for admission and conversion.
 *
 * Is:      a POST of a review to the URL of a clientConfig, trusted by its caBundle.
 * Is not:  aware of what reviews say.
 * Threads: core. Yields: never.
 */
struct webhook_call { /* lives in its owner; zeroed = not under way */
    struct apiserver *server;
    struct http_call *http;
    char *url; /* owned */
    /* Later, once: an object (borrowed), or why there is none, in the real server's words. */
    void (*done)(struct webhook_call *call, json_t *answer, const char *failure);
};
/* `call->done` is set. 0; INVALID: it cannot be asked, with the reason as err->message; NOMEM. */
int webhook_call_start(struct apiserver *server, struct webhook_call *call,
                       const json_t *client_config, int64_t timeout_s, const json_t *review,
                       struct error *err);
void webhook_call_finish(struct webhook_call *call); /* `done` is not called any more */

void webhook_forget(struct apiserver *server); /* the CAs that were trusted; no call is under way */

#endif
