#ifndef MOONLET_SERVE_SERVER_H
#define MOONLET_SERVE_SERVER_H

#include "base/log.h"
#include "base/str.h"
#include "loop/loop.h"

/*
 * HTTP server: libmicrohttpd inside our loop (R24).
 *
 * Is:      GET and HEAD answered on the spot (metrics, probes); POST of JSON answered whenever its
 *          handler is through, many at a time (webhooks); any method answered by a stream of bytes
 *          (an API and its watches); HTTPS whose certificate may change while connections are open.
 * Is not:  aware of what is asked (serve/admission.h) or where certificates come from.
 * Limits:  1,000 connections, beyond them the one that is idle longest is closed; idle 120 s;
 *          30 s each for a handshake, a head and a body of up to 7 MiB, and 32 times that for all
 *          bodies together (beyond: 503); 120 s to read an answer, or the next part of a stream.
 *          Looked at every 5 s. How long an answer takes is up to the handler. Of a stream 16 MiB
 *          may wait for its client, not counting what was sent before serve() returned; a client
 *          that lets more come together is cut off.
 * Threads: core. Yields: never.
 */
struct server_answer {
    int status;               /* 200 unless the handler says otherwise */
    const char *content_type; /* static; NULL = text/plain */
    struct strbuf body;       /* owned by the answer until it is sent */
};

/* One request under way; lives until server_respond(), or until server_end() or gone(). */
struct server_request;
struct server_exchange {     /* what its handler sees */
    const char *path, *rest; /* whole; what follows a prefix route's path; during accept() only */
    struct str body;         /* borrowed until it is answered; of serve() during the call only */
    uint64_t timeout_ns;     /* the API server's ?timeout=10s; 0 = none given; accept() */
    const char *method;      /* these three for serve(), during the call only */
    struct str raw_path, query; /* as they came, percent-encoded, without '?' */
};

struct server_route {
    const char *path; /* exact, or with `prefix` what it begins with: "/mutate/" */
    bool prefix;
    /* GET and HEAD; `verbose` is ?verbose. Or: */
    void (*handle)(void *context, bool verbose, struct server_answer *answer);
    /* POST of application/json: answers with server_respond(), now or later, exactly once. */
    void (*accept)(void *context, struct server_request *request,
                   const struct server_exchange *exchange);
    /* Any method: answers with server_begin(), server_send() and server_end(), now or later. What
     * it returns is for gone(): the client has gone or was cut off, or the server stops; the
     * request is no more. Not called once server_end() was. */
    void *(*serve)(void *context, struct server_request *request,
                   const struct server_exchange *exchange);
    void (*gone)(void *context, void *mine);
    void *context;
};
/* Answers; takes the body. The client may be gone, and the server stopped: that is fine. */
void server_respond(struct server_request *request, struct server_answer *answer);

/* A POST of JSON by this process to the routes of a server that is not listening (simulation).
 * `respond` has the answer, now or later, once; nobody keeps its body. Until then the request may
 * be forgotten. */
struct server_local {
    const char *path;
    struct str body; /* copied */
    uint64_t timeout_ns;
    void (*respond)(void *context, const struct server_answer *answer);
    void *context;
};
/* NULL: NOT_FOUND (nobody takes a POST there), NOMEM. */
struct server_request *server_post(const struct server_route *routes,
                                   const struct server_local *post, struct error *err);
/* `respond` will not be called. */
void server_forget(struct server_request *request);

struct server_header {
    const char *name, *value;
};
/* Of a request, any case; NULL: absent. During serve() only. */
const char *server_header(struct server_request *request, const char *name);
/* For one that may be repeated, in order. */
void server_each_header(struct server_request *request, const char *name,
                        void (*each)(void *context, const char *value), void *context);
/* An answer by stream, in this order; a client that was cut off is no reason to stop. What is
 * through before anything could go out is sent in one piece, with its length. */
void server_begin(struct server_request *request, int status,
                  const struct server_header *headers);             /* copied; end with {0} */
void server_send(struct server_request *request, struct str bytes); /* 0..n times; copied */
/* The same, taken over where nothing is before them; the buffer is the caller's to finish still. */
void server_take(struct server_request *request, struct strbuf *bytes);
void server_end(struct server_request *request); /* the request is no more */

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
    size_t unsent_limit;               /* of a stream; 0 = 16 MiB */
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
/* POSTs that are not answered and streams that have not ended; only their handlers end them. */
size_t server_pending(const struct server *server);
/* Closes the listener and every connection; streams are gone(). A POST that is not answered yet is
 * still to be answered, into the void. NULL is fine. */
void server_stop(struct server *server);

#endif
