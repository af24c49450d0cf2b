#ifndef MOONLET_SERVE_SERVER_INTERNAL_H
#define MOONLET_SERVE_SERVER_INTERNAL_H

#include <microhttpd.h>

#include "base/list.h"
#include "serve/server.h"
#include "serve/tls.h"

/* What server.c (connections, start and end), request.c (one request) and stream.c (its answer by
 * stream) share. Nothing else includes this. */

enum { SERVER_BODY_LIMIT = 7 << 20 };

struct server {
    struct server_options options;
    struct MHD_Daemon *daemon;
    struct loop_fd *epoll;
    struct loop_timer timer, sweep;
    struct list requests;    /* accepted, not answered or ended */
    struct list connections; /* in the order in which their phases began */
    size_t connection_count, pending;
    size_t greeting;                     /* connections whose handshake is not through */
    size_t held;                         /* bytes of bodies in memory */
    struct tls_credentials *credentials; /* NULL: plain HTTP */
    char *client_ca;
    uint64_t swept_ns;  /* when the connections were last looked through */
    unsigned vain_runs; /* of libmicrohttpd since something came or was answered */
    bool draining, running;
    char address[128];
};

/* What a connection does, and with that how long it may. */
enum phase { PHASE_IDLE, PHASE_RECEIVING, PHASE_WORKING, PHASE_ANSWERING };

struct connection {
    struct list link;
    struct server *server;
    struct MHD_Connection *mhd;
    struct tls_credentials *credentials; /* that its handshake used */
    enum phase phase;
    uint64_t since_ns;    /* start of the phase */
    uint64_t quiet_bytes; /* received from it at the first sweep of its idle phase */
    uint64_t head_ns;     /* the first sweep of that phase that found more; 0: none */
    bool asked, known;    /* was its client's certificate looked at, and is it a good one? */
    bool greeted;         /* the handshake is through */
    bool hung_up;
    char *uri; /* of its request, as it came; only where a route has serve() */
};

struct server_request {
    struct list link;
    struct server *server; /* NULL: stopped before it was answered */
    struct connection *connection;
    struct MHD_Connection *mhd;       /* NULL: its connection is gone */
    const struct server_route *route; /* NULL: there is none */
    struct strbuf body;
    struct server_answer answer;
    const struct refusal *refusal; /* what is said once the body is through, or NULL */
    bool accepted, suspended, answered;
    struct server_exchange exchange;
    struct stream *stream;     /* NULL: its route has no serve() */
    struct server_local local; /* respond NULL: it came over a connection, or is forgotten */
};

struct connection *server_connection(struct MHD_Connection *mhd); /* NULL: no memory for one */
gnutls_session_t server_session(struct MHD_Connection *mhd);      /* TLS only */
void server_phase(struct connection *connection, enum phase phase);
/* libmicrohttpd sees the end of it at its next run and tells us. */
void server_hang_up(struct connection *connection);

/* request.c: lets libmicrohttpd go on with a suspended one. */
void server_wake(struct server_request *request);

/* stream.c: NULL: NOMEM. Takes the connection's uri. */
struct stream *stream_create(struct server_request *request);
void stream_destroy(struct stream *stream); /* NULL is fine */
/* Calls the handler; or, when it was called, goes on with its answer. */
enum MHD_Result stream_start(struct server_request *request, const char *path, const char *method);
enum MHD_Result stream_go_on(struct server_request *request);
/* Its request is through: tells a handler that has not ended it. */
void stream_completed(struct server_request *request);

/* request.c: libmicrohttpd's callbacks */
enum MHD_Result server_on_request(void *server, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state);
void server_on_completed(void *server, struct MHD_Connection *mhd, void **state,
                         enum MHD_RequestTerminationCode code);

#endif
