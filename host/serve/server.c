#include "serve/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"

enum { MOST_CONNECTIONS = 1000, IDLE_S = 120 };

struct server {
    struct server_options options;
    struct MHD_Daemon *daemon;
    struct loop_fd *epoll;
    struct loop_timer timer;
    char address[128];
};

/* libmicrohttpd has its own epoll descriptor; data that TLS has buffered does not wake it, so after
 * each run its own timeout is armed too (R24). */
static void run(struct server *server) {
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES)
        loop_timer_start(&server->timer, (uint64_t)timeout_ms * NS_PER_MS);
    else
        loop_timer_stop(&server->timer);
}

static void on_readable(void *context, int fd, int events) {
    (void)fd;
    (void)events;
    run(context);
}

static void on_timer(struct loop_timer *timer) {
    run(CONTAINER_OF(timer, struct server, timer));
}

static enum MHD_Result send_answer(struct MHD_Connection *connection,
                                   struct server_answer *answer) {
    size_t len = answer->body.len;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        len, answer->body.data ? answer->body.data : (void *)"", MHD_RESPMEM_MUST_COPY);
    strbuf_finish(&answer->body);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type",
                            answer->content_type ? answer->content_type
                                                 : "text/plain; charset=utf-8");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (answer->status == 405)
        MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result queued = MHD_queue_response(connection, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return queued;
}

static void handle(const struct server *server, const char *path, const char *method, bool verbose,
                   struct server_answer *answer) {
    const struct server_route *route = server->options.routes;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        answer->status = 405;
        strbuf_adds(&answer->body, "only GET and HEAD\n");
        return;
    }
    while (route->path && strcmp(route->path, path) != 0)
        route++;
    if (route->path) {
        route->handle(route->context, verbose, answer);
        return;
    }
    answer->status = 404;
    strbuf_adds(&answer->body, "not found; there is:\n");
    for (route = server->options.routes; route->path; route++)
        strbuf_printf(&answer->body, "%s\n", route->path);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *upload, size_t *upload_size, void **state) {
    static char seen;
    struct server_answer answer = {.status = 200};
    (void)version;
    (void)upload;
    if (*state == NULL) { /* headers only; a body may follow and is not wanted */
        *state = &seen;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    const char *verbose = NULL;
    bool asked = MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, "verbose", 7,
                                               &verbose, NULL) == MHD_YES;
    handle(context, path, method, asked, &answer);
    return send_answer(connection, &answer);
}

/* Addresses */

static int parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len,
                         struct error *err) {
    const char *colon = strrchr(text, ':');
    char host[64] = "";
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (colon == NULL || end == colon + 1 || *end || port < 0 || port > 65535 || len >= sizeof host)
        return error_set(err, ERROR_INVALID, "\"%s\" is not an address such as 127.0.0.1:8080",
                         text);
    memcpy(host, text, len);
    if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        memmove(host, host + 1, len - 1);
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &v4->sin_addr) ==
        1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        *ret_len = sizeof *v4;
        return 0;
    }
    if (*host == '\0' || inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6; /* "" is [::], which takes IPv4 too */
        v6->sin6_port = htons((uint16_t)port);
        *ret_len = sizeof *v6;
        return 0;
    }
    return error_set(err, ERROR_INVALID, "\"%s\" is not an IP address", host);
}

static int try_listen(struct sockaddr_storage *address, socklen_t len) {
    int on = 1, off = 0;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && address->ss_family == AF_INET6 &&
        memcmp(&((struct sockaddr_in6 *)address)->sin6_addr, &in6addr_any, 16) == 0) {
        uint16_t port = ((struct sockaddr_in6 *)address)->sin6_port; /* no IPv6 on this machine */
        struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = port};
        memcpy(address, &any, sizeof any);
        len = sizeof any;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, (struct sockaddr *)address, len) == 0 && listen(fd, 128) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static int open_listener(const struct server_options *options, struct error *err) {
    struct sockaddr_storage address;
    socklen_t len = 0;
    if (parse_address(options->address, &address, &len, err) < 0)
        return -1;
    int fd = try_listen(&address, len);
    if (fd < 0 && errno == EADDRINUSE && options->may_move) {
        if (address.ss_family == AF_INET)
            ((struct sockaddr_in *)&address)->sin_port = 0;
        else
            ((struct sockaddr_in6 *)&address)->sin6_port = 0;
        fd = try_listen(&address, len);
    }
    if (fd < 0)
        error_set(err, ERROR_UNAVAILABLE, "listen on %s: %s", options->address, strerror(errno));
    return fd;
}

static void name_address(struct server *server, int fd) {
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return;
    if (address.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        snprintf(server->address, sizeof server->address, "%s:%u", host, ntohs(v4->sin_port));
    } else {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
        snprintf(server->address, sizeof server->address, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}

struct server *server_start(const struct server_options *options, struct error *err) {
    struct server *server = mem_zalloc(sizeof *server);
    int fd = server ? open_listener(options, err) : -1;
    if (fd < 0) {
        if (server == NULL)
            error_set(err, ERROR_NOMEM, "no memory for a server");
        mem_free(server);
        return NULL;
    }
    server->options = *options;
    loop_timer_init(options->loop, &server->timer, on_timer);
    name_address(server, fd);
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ITC, 0, NULL, NULL, on_request, server, MHD_OPTION_LISTEN_SOCKET,
        fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_S, MHD_OPTION_END);
    if (server->daemon == NULL) {
        close(fd);
        error_set(err, ERROR_UNAVAILABLE, "start the server on %s", options->address);
        mem_free(server);
        return NULL;
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    server->epoll = loop_fd_open(options->loop, info->epoll_fd, on_readable, server, err);
    if (server->epoll == NULL || loop_fd_set(server->epoll, LOOP_READABLE, err) < 0) {
        server_stop(server);
        return NULL;
    }
    run(server);
    return server;
}

const char *server_address(const struct server *server) {
    return server->address;
}

void server_stop(struct server *server) {
    if (server == NULL)
        return;
    loop_fd_close(server->epoll);
    loop_timer_stop(&server->timer);
    MHD_stop_daemon(server->daemon);
    mem_free(server);
}
