#ifndef MOONLET_SERVE_SERVER_H
#define MOONLET_SERVE_SERVER_H

#include "base/log.h"
#include "base/str.h"
#include "loop/loop.h"

/*
 * HTTP server: libmicrohttpd inside our loop (R24).
 *
 * Is:      GET and HEAD answered on the spot (metrics, probes); POST of JSON answered whenever its
 *          handler is through, many at a time (webhooks); HTTPS whose certificate may change while
 *          connections are open.
 * Is not:  aware of what is asked (serve/admission.h) or where certificates come from.
 * Limits:  1,000 connections, beyond them the one that is idle longest is closed; idle 120 s;
 *          30 s each for a handshake, a head and a body of up to 7 MiB, and 32 times that for all
 *          bodies together (beyond: 503); 120 s to read an answer.
 *          Looked at every 5 s. How long an answer takes is up to the handler.
 * Threads: core. Yields: never.
 */
struct server_answer {
    int status;               /* 200 unless the handler says otherwise */
    const char *content_type; /* static; NULL = text/plain */
    struct strbuf body;       /* owned by the answer until it is sent */
};

struct server_request;       /* one POST under way; lives until server_respond() */
struct server_exchange {     /* what its handler sees; borrowed until it is answered */
    const char *path, *rest; /* whole; what follows a prefix route's path; during accept() only */
    struct str body;
    uint64_t timeout_ns; /* the API server's ?timeout=10s; 0 = none given */
};

struct server_route {
    const char *path; /* exact, or with `prefix` what it begins with: "/mutate/" */
    bool prefix;
    /* GET and HEAD; `verbose` is ?verbose. Or: */
    void (*handle)(void *context, bool verbose, struct server_answer *answer);
    /* POST of application/json: answers with server_respond(), now or later, exactly once. */
    void (*accept)(void *context, struct server_request *request,
                   const struct server_exchange *exchange);
    void *context;
};
/* Answers; takes the body. The client may be gone, and the server stopped: that is fine. */
void server_respond(struct server_request *request, struct server_answer *answer);

struct server_tls {
    const char *cert_pem, *key_pem;
    const char *client_ca_pem; /* clients must show a certificate for clients of it, or
                                  every request gets 401; NULL: they are not asked */
};

struct server;
struct server_options {
    struct loop *loop;
    struct log *log;
    const char *address; /* "127.0.0.1:8080", ":8080" (all interfaces), "[::1]:8080" */
    bool may_move;       /* the port is a default: a free one is taken when it is busy */
    const struct server_route *routes; /* ended by {0}; borrowed */
    const struct server_tls *tls;      /* NULL: plain HTTP; copied */
    unsigned connections;              /* 0 = 1,000 */
    size_t body_limit;                 /* 0 = 7 MiB */
};
/* NULL: INVALID (not an address, not a certificate), REJECTED (the key is another's), UNAVAILABLE
 * (busy), NOMEM. */
struct server *server_start(const struct server_options *options, struct error *err);
const char *server_address(const struct server *server); /* "127.0.0.1:8080", the real port */
/* New handshakes get this certificate; open connections go on. 0, or with the old one kept INVALID
 * (or there is no TLS), REJECTED (the key is another's), NOMEM. */
int server_set_certificate(struct server *server, const char *cert_pem, const char *key_pem,
                           struct error *err);
/* No new connections; idle ones are closed; answers say Connection: close. */
void server_drain(struct server *server);
size_t server_pending(const struct server *server); /* POSTs not answered yet */
/* Closes the listener and every connection. A request that is not answered yet is still to be
 * answered, into the void. NULL is fine. */
void server_stop(struct server *server);

#endif
