#ifndef MOONLET_SERVE_SERVER_H
#define MOONLET_SERVE_SERVER_H

#include "base/log.h"
#include "base/str.h"
#include "loop/loop.h"

/*
 * HTTP server: libmicrohttpd inside our loop (R24).
 *
 * Is:      GET and HEAD of a few paths with answers made on the spot (metrics, probes).
 * Is not:  TLS, bodies or suspended requests yet.
 * Limits:  1,000 connections, 120 s idle.
 * Threads: core. Yields: never.
 */
struct server_answer {
    int status; /* 200 unless the handler says otherwise */
    const char *content_type;
    struct strbuf body; /* owned by the answer until it is sent */
};

struct server_route {
    const char *path; /* exact */
    void (*handle)(void *context, bool verbose, struct server_answer *answer);
    void *context;
};

struct server;
struct server_options {
    struct loop *loop;
    struct log *log;
    const char *address; /* "127.0.0.1:8080", ":8080" (all interfaces), "[::1]:8080" */
    bool may_move;       /* the port is a default: a free one is taken when it is busy */
    const struct server_route *routes; /* ended by {0}; borrowed */
};
/* NULL: INVALID (not an address), UNAVAILABLE (busy), NOMEM. */
struct server *server_start(const struct server_options *options, struct error *err);
const char *server_address(const struct server *server); /* "127.0.0.1:8080", the real port */
/* Closes the listener and every connection. NULL is fine. */
void server_stop(struct server *server);

#endif
