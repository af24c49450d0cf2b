#ifndef MOONLET_SERVE_SERVER_INTERNAL_H
#define MOONLET_SERVE_SERVER_INTERNAL_H

#include <microhttpd.h>

#include "base/list.h"
#include "serve/server.h"
#include "serve/tls.h"

/* What server.c (connections, start and end) and request.c (one request) share. Nothing else
 * includes this. */

enum { SERVER_BODY_LIMIT = 7 << 20 };

struct server {
    struct server_options options;
    struct MHD_Daemon *daemon;
    struct loop_fd *epoll;
    struct loop_timer timer, sweep;
    struct list requests;    /* accepted, not answered */
    struct list connections; /* the one longest without a request first */
    size_t connection_count, pending;
    struct tls_credentials *credentials;
    char *client_ca;
    int quiesced; /* the listener after server_drain(), or -1 */
    bool draining, running;
    char address[128];
};

struct connection {
    struct list link;
    struct server *server;
    struct MHD_Connection *mhd;
    struct tls_credentials *credentials; /* that its handshake used */
    uint64_t since_ns;                   /* start of its request, or end of its last one */
    unsigned requests;                   /* being received or in work: 0 or 1 */
    bool receiving;
};

struct server_request {
    struct list link;
    struct server *server; /* NULL: stopped before it was answered */
    struct connection *connection;
    struct MHD_Connection *mhd; /* NULL: its connection is gone */
    const struct server_route *route;
    struct strbuf body;
    struct server_answer answer;
    int refused; /* the status to answer with once the body is through, or 0 */
    bool accepted, suspended, answered;
    struct server_exchange exchange;
};

struct connection *server_connection(struct MHD_Connection *mhd); /* NULL: no memory for one */
/* The connection has begun or ended a request. */
void server_touch(struct connection *connection);

/* request.c: libmicrohttpd's callbacks */
enum MHD_Result server_on_request(void *server, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state);
void server_on_completed(void *server, struct MHD_Connection *mhd, void **state,
                         enum MHD_RequestTerminationCode code);

#endif
