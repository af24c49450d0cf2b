#ifndef MOONLET_KUBE_CLIENT_H
#define MOONLET_KUBE_CLIENT_H

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/str.h"
#include "kube/config.h"
#include "loop/loop.h"

/*
 * Client: one API server, with credentials, answers turned into errors.
 *
 * Is:      requests and streams with authentication (token files re-read, exec plugins rerun once
 *          on 401), impersonation, user agent, Status bodies decoded into struct error.
 * Is not:  retrying (the caller knows whether repeating is safe), caching, or aware of kinds
 *          (kube/discovery.h).
 * Threads: the loop's thread. Yields: never; answers come by callback.
 */
struct kube_client;
struct http_transport; /* http/http.h */

struct kube_client_options {
    struct loop *loop;
    const struct kube_config *config;       /* borrowed for the client's life */
    struct http_transport *watches, *calls; /* borrowed; two, so neither starves */
    const char *user_agent;                 /* "moonlet/0.1.0 (linux/amd64)" */
    void (*on_request)(void *context, const char *method, int status); /* metrics; may be NULL;
                                                          status 0: no answer came */
    void *context;
};
/* NULL: NOMEM, INVALID (unreadable CA or key file; the message names it). */
struct kube_client *kube_client_create(const struct kube_client_options *options,
                                       struct error *err);
void kube_client_destroy(struct kube_client *client); /* cancels what is under way; NULL is fine */
const char *kube_client_server(const struct kube_client *client); /* URL, for messages */

struct kube_request {
    const char *method;
    const char *path;         /* "/api/v1/namespaces/default/pods", already escaped */
    const char *query;        /* "limit=500&watch=1", escaped; NULL = none */
    const char *content_type; /* of the body; NULL = application/json */
    const char *accept;       /* NULL = application/json */
    struct str body;          /* copied */
    uint64_t timeout_ns;      /* 0 = 60 s for calls, none for streams */
    /* The 2xx body in pieces, as they come; may cancel. NULL: whole, in the answer. */
    void (*on_data)(void *context, const char *bytes, size_t len);
};

struct kube_answer {
    int status;
    struct str body; /* borrowed */
};

struct kube_call;
/* Sends one request. `done` comes once, in the loop: err NULL and a 2xx answer, or err with code,
 * status, reason, message and retry_after from the server's Status (answer may then be NULL).
 * err->status 0 means no answer came; -1 that the request surely never left. */
struct kube_call *kube_call_start(struct kube_client *client, const struct kube_request *request,
                                  void (*done)(void *context, const struct kube_answer *answer,
                                               const struct error *err),
                                  void *context, struct error *err);
void kube_call_cancel(struct kube_call *call); /* no callback comes; NULL is fine */

/* Like a call, but the 2xx body comes in pieces and does not time out (watch, logs). `done` has
 * err NULL when the server ended the stream normally, and err->status 200 when it was cut. */
struct kube_call *kube_stream_start(struct kube_client *client, const struct kube_request *request,
                                    void (*data)(void *context, const char *bytes, size_t len),
                                    void (*done)(void *context, const struct kube_answer *answer,
                                                 const struct error *err),
                                    void *context, struct error *err);

/* Appends text percent-escaped for a path segment or query value. */
void kube_escape(struct strbuf *buf, struct str text);

#endif
