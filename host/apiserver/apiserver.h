#ifndef MOONLET_APISERVER_APISERVER_H
#define MOONLET_APISERVER_APISERVER_H

#include "base/log.h"
#include "base/rng.h"
#include "http/http.h"
#include "loop/loop.h"

/*
 * API server: the Kubernetes API that a controller author needs, in this process.
 *
 * Is:      requests in, answers and streams out, over no network: front.h puts HTTPS before it, the
 *          simulation a wire. Time, chance and the way to webhooks come from outside.
 * Is not:  etcd, a scheduler or a kubelet. What is left out answers 501 or a clear error;
 *          docs/reference/embedded-api-server.md lists it.
 * Threads: core. Yields: never; an answer may come later (webhooks) and a watch goes on.
 */
struct apiserver;
struct apiserver_options {
    struct loop *loop; /* its clock gives timestamps, watch timeouts, grace periods */
    struct log *log;
    uint64_t seed;                   /* uids and generated names */
    struct http_transport *webhooks; /* for admission and conversion; NULL: none is called, and a
                                        kind that needs one answers 500 */
    const char *folder;              /* kept there; NULL: in memory */
    struct builtin *builtin;         /* Kubernetes' own kinds, shared by the servers of a thread
                                        (builtin.h), borrowed; NULL: its own */
    bool ignore_rules;               /* CRDs with CEL rules are taken, and nobody evaluates them */
    size_t history;                  /* changes that watches can go back; 0 = 10,000 */
};
struct apiserver *apiserver_create(const struct apiserver_options *options, struct error *err);
void apiserver_destroy(struct apiserver *server); /* ends every exchange; NULL is fine */

struct api_request {    /* borrowed for the call */
    const char *method; /* GET, POST, PUT, PATCH, DELETE, HEAD */
    struct str path;    /* "/api/v1/pods", percent-encoded as it came */
    struct str query;   /* "watch=1&limit=500", without '?' */
    const char *content_type, *accept, *user_agent, *if_none_match; /* "" when absent */
    struct str body;
    const char *user;          /* "" = system:anonymous */
    const char *const *groups; /* NULL-terminated; may be NULL */
};
struct api_exchange; /* one request under way; the server's, until `end` or apiserver_abandon() */
struct api_handler { /* the front's; may be called during apiserver_serve() or later */
    /* Once, first. `headers` ends with {0}: Content-Type, Retry-After, Warning, ETag, Audit-Id...
     */
    void (*begin)(void *context, int status, const struct http_header *headers);
    void (*send)(void *context, struct str bytes); /* 0..n times */
    void (*end)(void *context);                    /* once, last; the exchange is no more */
    /* The same as `send` of bytes that may be taken over; NULL: they are sent. */
    void (*take)(void *context, struct strbuf *bytes);
};
/* NULL when the answer has been given whole already. */
struct api_exchange *apiserver_serve(struct apiserver *server, const struct api_request *request,
                                     const struct api_handler *handler, void *context);
/* The client has gone: nothing more is called. */
void apiserver_abandon(struct api_exchange *exchange);

/* Whose token this is: "system:serviceaccount:NS:NAME", mem_free it. NULL: nobody's (the server did
 * not make it, it has ended, it is for others, its account or what it was bound to is gone), NOMEM.
 */
char *apiserver_account(const struct apiserver *server, const char *token);

/* For tests and the simulation. */
uint64_t apiserver_revision(const struct apiserver *server);
void apiserver_compact(struct apiserver *server);     /* watches from before now get 410 */
void apiserver_end_watches(struct apiserver *server); /* as after timeoutSeconds */
/* Nothing is left to happen by itself but watches: no garbage collection, grace period or namespace
 * deletion under way. */
bool apiserver_idle(const struct apiserver *server);
#endif
