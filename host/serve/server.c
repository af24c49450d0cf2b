#include "serve/server.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/certificate.h"
#include "serve/listen.h"
#include "serve/server_internal.h"

enum {
    MOST_CONNECTIONS = 1000,
    SPARE_CONNECTIONS = 32, /* taken in while the longest idle ones are closed */
    IDLE_S = 120,           /* Go's clients keep idle ones for 90 s */
    REQUEST_S = 30,         /* for a head, and then for its body */
    ANSWER_S = 120,         /* until the client has read it */
    SWEEP_S = 5,
    MOST_VAIN_RUNS = 8,
    POOL = 16 << 10 /* of libmicrohttpd per connection: head and a part of the body */
};

/* libmicrohttpd has its own epoll descriptor; data that TLS has buffered does not wake it, so after
 * each run its own timeout is armed too (R24). It also wants to run again at once, over and over,
 * while half a handshake is there: runs that bring nothing are made once a millisecond. */
static void run(struct server *server) {
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    server->running = true;
    MHD_run(server->daemon);
    server->running = false;
    if (MHD_get_timeout(server->daemon, &timeout_ms) != MHD_YES) {
        loop_timer_stop(&server->timer);
        return;
    }
    if (timeout_ms == 0 && server->greeting > 0 && ++server->vain_runs > MOST_VAIN_RUNS)
        timeout_ms = 1;
    loop_timer_start(&server->timer, (uint64_t)timeout_ms * NS_PER_MS);
}

static void on_readable(void *context, int fd, int events) {
    struct server *server = context;
    (void)fd;
    (void)events;
    server->vain_runs = 0;
    run(server);
}

static void on_timer(struct loop_timer *timer) {
    run(CONTAINER_OF(timer, struct server, timer));
}

/* Connections */

void server_hang_up(struct connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    connection->hung_up = true;
    shutdown(info->connect_fd, SHUT_RDWR);
}

static void close_longest_idle(struct server *server) {
    struct list *link, *next;
    LIST_EACH(link, next, &server->connections) {
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        if (connection->phase == PHASE_IDLE && !connection->hung_up) {
            server_hang_up(connection);
            return;
        }
    }
}

static uint64_t bytes_received(const struct connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct tcp_info tcp = {0};
    socklen_t len = sizeof tcp;
    getsockopt(info->connect_fd, IPPROTO_TCP, TCP_INFO, &tcp, &len);
    return tcp.tcpi_bytes_received;
}

/* libmicrohttpd tells of a head that is complete; one that drips shows in the bytes received. */
static void look_for_head(struct connection *connection, uint64_t now) {
    uint64_t bytes = bytes_received(connection);
    if (connection->since_ns >= connection->server->swept_ns) {
        connection->quiet_bytes = bytes;
        connection->head_ns = 0;
    } else if (connection->head_ns == 0 && bytes != connection->quiet_bytes) {
        connection->head_ns = now;
    }
}

static bool is_overdue(struct connection *connection, uint64_t now) {
    uint64_t spent = now - connection->since_ns;
    switch (connection->phase) {
    case PHASE_RECEIVING:
        return spent > REQUEST_S * NS_PER_S;
    case PHASE_ANSWERING:
        return spent > ANSWER_S * NS_PER_S;
    case PHASE_WORKING: /* its handler knows when to give up */
        return false;
    case PHASE_IDLE:
        look_for_head(connection, now);
        return spent > (connection->greeted ? IDLE_S : REQUEST_S) * NS_PER_S ||
               (connection->head_ns && now - connection->head_ns > REQUEST_S * NS_PER_S);
    }
    return false;
}

static void on_sweep(struct loop_timer *timer) {
    struct server *server = CONTAINER_OF(timer, struct server, sweep);
    uint64_t now = loop_now(server->options.loop);
    struct list *link, *next;
    LIST_EACH(link, next, &server->connections) {
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        if (!connection->hung_up && is_overdue(connection, now))
            server_hang_up(connection);
    }
    server->swept_ns = now;
    loop_timer_start(timer, SWEEP_S * NS_PER_S);
}

void server_phase(struct connection *connection, enum phase phase) {
    connection->server->vain_runs = 0;
    connection->phase = phase;
    connection->since_ns = loop_now(connection->server->options.loop);
    list_remove(&connection->link);
    list_append(&connection->server->connections, &connection->link);
}

static int on_finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                       const gnutls_datum_t *message) {
    struct connection *connection = gnutls_session_get_ptr(session);
    (void)type; /* FINISHED */
    (void)when;
    (void)message;
    if (incoming && !connection->greeted) {
        connection->greeted = true;
        connection->server->greeting--;
    }
    return 0;
}

static void on_connection(void *context, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
    struct server *server = context;
    struct connection *connection = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        *socket_context = NULL;
        if (connection == NULL)
            return;
        list_remove(&connection->link);
        server->connection_count--;
        server->greeting -= !connection->greeted;
        tls_credentials_unref(connection->credentials);
        mem_free(connection->uri);
        mem_free(connection);
        return;
    }
    connection = mem_zalloc(sizeof *connection);
    *socket_context = connection; /* NULL: its requests are refused */
    if (connection == NULL) {
        if (server->credentials)
            gnutls_session_set_ptr(server_session(mhd), NULL); /* on_handshake() refuses it */
        return;
    }
    connection->server = server;
    connection->mhd = mhd;
    list_init(&connection->link);
    server_phase(connection, PHASE_IDLE);
    connection->greeted = server->credentials == NULL;
    if (server->credentials) {
        server->greeting++;
        gnutls_session_set_ptr(server_session(mhd), connection); /* for these two */
        gnutls_handshake_set_hook_function(server_session(mhd), GNUTLS_HANDSHAKE_FINISHED,
                                           GNUTLS_HOOK_POST, on_finished);
    }
    unsigned most = server->options.connections ? server->options.connections : MOST_CONNECTIONS;
    if (++server->connection_count > most)
        close_longest_idle(server);
}

struct connection *server_connection(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

gnutls_session_t server_session(struct MHD_Connection *mhd) {
    return MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
}

static int on_handshake(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                        gnutls_pcert_st **chain, unsigned *length, gnutls_ocsp_data_st **ocsp,
                        unsigned *ocsp_length, gnutls_privkey_t *key, unsigned *flags) {
    struct connection *connection = gnutls_session_get_ptr(session);
    (void)info;
    *ocsp = NULL;
    *ocsp_length = 0;
    *flags = 0; /* chain and key stay ours */
    if (connection == NULL)
        return -1;
    tls_credentials_unref(connection->credentials);
    connection->credentials = tls_credentials_ref(connection->server->credentials);
    tls_credentials_lend(connection->credentials, chain, length, key);
    return 0;
}

/* Start and end */

/* libmicrohttpd decodes a path and its arguments where they stand, so it is copied before. */
static void *on_uri(void *context, const char *uri, struct MHD_Connection *mhd) {
    struct connection *connection = server_connection(mhd);
    (void)context;
    if (connection) {
        mem_free(connection->uri);
        connection->uri = mem_strdup(uri);
    }
    return NULL;
}

static bool has_streams(const struct server *server) {
    for (const struct server_route *route = server->options.routes; route->path; route++)
        if (route->serve)
            return true;
    return false;
}

static struct MHD_Daemon *start_daemon(struct server *server, int fd) {
    unsigned most = server->options.connections ? server->options.connections : MOST_CONNECTIONS;
    unsigned flags = MHD_USE_EPOLL | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(uintptr_t)on_handshake},
        {MHD_OPTION_HTTPS_PRIORITIES, 0,
         (void *)(uintptr_t) "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {server->client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, server->client_ca},
        {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem uris[] = {
        {has_streams(server) ? MHD_OPTION_URI_LOG_CALLBACK : MHD_OPTION_END, (intptr_t)on_uri,
         NULL},
        {MHD_OPTION_END, 0, NULL}};
    if (server->credentials)
        flags |= MHD_USE_TLS;
    else
        tls[0].option = MHD_OPTION_END;
    return MHD_start_daemon(flags, 0, NULL, NULL, server_on_request, server,
                            MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                            most + SPARE_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)POOL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
                            MHD_OPTION_NOTIFY_COMPLETED, server_on_completed, server,
                            MHD_OPTION_ARRAY, uris, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static int take_tls(struct server *server, const struct server_tls *tls, struct error *err) {
    size_t count;
    if (tls == NULL)
        return 0;
    server->credentials = tls_credentials_create(tls->cert_pem, tls->key_pem, err);
    if (server->credentials == NULL)
        return err->code;
    if (tls->client_ca_pem == NULL)
        return 0;
    if (certificate_count(tls->client_ca_pem, &count, err) < 0)
        return error_prefix(err, "the clients' CA");
    if (count == 0) /* nobody could come in */
        return error_set(err, ERROR_INVALID, "the clients' CA: there is no certificate");
    server->client_ca = mem_strdup(tls->client_ca_pem);
    return server->client_ca ? 0 : error_set(err, ERROR_NOMEM, "no memory for a server");
}

static int watch_daemon(struct server *server, struct error *err) {
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    server->epoll = loop_fd_open(server->options.loop, info->epoll_fd, on_readable, server, err);
    if (server->epoll == NULL || loop_fd_set(server->epoll, LOOP_READABLE, err) < 0)
        return err->code;
    if (loop_timer_start(&server->sweep, SWEEP_S * NS_PER_S) < 0)
        return error_set(err, ERROR_NOMEM, "no memory for a server");
    return 0;
}

static void free_server(struct server *server) {
    tls_credentials_unref(server->credentials);
    mem_free(server->client_ca);
    mem_free(server);
}

struct server *server_start(const struct server_options *options, struct error *err) {
    struct server *server = mem_zalloc(sizeof *server);
    if (server == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a server");
        return NULL;
    }
    server->options = *options;
    server->options.tls = NULL;
    list_init(&server->requests);
    list_init(&server->connections);
    loop_timer_init(options->loop, &server->timer, on_timer);
    loop_timer_init(options->loop, &server->sweep, on_sweep);
    int fd = take_tls(server, options->tls, err) < 0
                 ? -1
                 : listen_open(options->address, options->may_move, err);
    if (fd < 0) {
        free_server(server);
        return NULL;
    }
    listen_name(fd, server->address, sizeof server->address);
    server->daemon = start_daemon(server, fd);
    if (server->daemon == NULL) {
        close(fd);
        error_set(err, ERROR_UNAVAILABLE, "start the server on %s", options->address);
        free_server(server);
        return NULL;
    }
    if (watch_daemon(server, err) < 0) {
        server_stop(server);
        return NULL;
    }
    run(server);
    return server;
}

const char *server_address(const struct server *server) {
    return server->address;
}

int server_set_certificate(struct server *server, const char *cert_pem, const char *key_pem,
                           struct error *err) {
    if (server->credentials == NULL)
        return error_set(err, ERROR_INVALID, "%s is served without TLS", server->address);
    struct tls_credentials *fresh = tls_credentials_create(cert_pem, key_pem, err);
    if (fresh == NULL)
        return err->code;
    tls_credentials_unref(server->credentials);
    server->credentials = fresh;
    return 0;
}

void server_drain(struct server *server) {
    struct list *link, *next;
    if (server->draining)
        return;
    server->draining = true;
    close(MHD_quiesce_daemon(server->daemon));
    LIST_EACH(link, next, &server->connections) {
        struct connection *connection = CONTAINER_OF(link, struct connection, link);
        if (connection->phase == PHASE_IDLE && !connection->hung_up)
            server_hang_up(connection);
    }
    loop_timer_start(&server->timer, 0);
}

size_t server_pending(const struct server *server) {
    return server->pending;
}

/* libmicrohttpd does not end with suspended connections. */
static void let_go(struct server *server) {
    struct list *link, *next;
    LIST_EACH(link, next, &server->requests) {
        struct server_request *request = CONTAINER_OF(link, struct server_request, link);
        list_remove(link);
        request->server = NULL;
        if (request->suspended)
            MHD_resume_connection(request->mhd);
        request->suspended = false;
    }
}

void server_stop(struct server *server) {
    if (server == NULL)
        return;
    if (server->epoll)
        loop_fd_close(server->epoll);
    loop_timer_stop(&server->timer);
    loop_timer_stop(&server->sweep);
    let_go(server);
    MHD_stop_daemon(server->daemon);
    free_server(server);
}
