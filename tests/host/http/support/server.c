#include "server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 256, REQUEST = 1 << 20 };

struct connection {
    struct server *server;
    pthread_t thread;
    int fd;
    int open;
};

struct server {
    int fd, port;
    int (*serve)(void *context, int fd, const char *request);
    void *context;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest */
    struct connection connections[CONNECTIONS];
    size_t count, open, most;
};

/* Reads one request into `text`; 0 at the end of the connection. */
static size_t read_request(int fd, char *text) {
    size_t len = 0, want = 0;
    while (len < REQUEST - 1) {
        ssize_t got = recv(fd, text + len, want ? want - len : 1, 0);
        if (got <= 0)
            return 0;
        len += (size_t)got;
        text[len] = '\0';
        if (want == 0 && len >= 4 && memcmp(text + len - 4, "\r\n\r\n", 4) == 0) {
            const char *at = strcasestr(text, "content-length:");
            want = len + (at ? strtoul(at + 15, NULL, 10) : 0);
        }
        if (want && len == want)
            return len;
    }
    return 0;
}

static void *serve_connection(void *argument) {
    struct connection *connection = argument;
    struct server *server = connection->server;
    char *text = malloc(REQUEST);
    while (text && read_request(connection->fd, text) &&
           server->serve(server->context, connection->fd, text) == 0)
        continue;
    free(text);
    shutdown(connection->fd, SHUT_RDWR);
    pthread_mutex_lock(&server->lock);
    server->open--;
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

static void *accept_all(void *argument) {
    struct server *server = argument;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&server->lock);
        if (server->count == CONNECTIONS)
            abort();
        struct connection *connection = &server->connections[server->count++];
        connection->server = server;
        connection->fd = fd;
        server->open++;
        server->most = server->open > server->most ? server->open : server->most;
        if (pthread_create(&connection->thread, NULL, serve_connection, connection))
            abort();
        pthread_mutex_unlock(&server->lock);
    }
}

struct server *server_start(int (*serve)(void *context, int fd, const char *request),
                            void *context) {
    struct server *server = calloc(1, sizeof *server);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    if (server == NULL)
        abort();
    server->serve = serve;
    server->context = context;
    pthread_mutex_init(&server->lock, NULL);
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->fd, (struct sockaddr *)&address, len) || listen(server->fd, 128) ||
        getsockname(server->fd, (struct sockaddr *)&address, &len))
        abort();
    server->port = ntohs(address.sin_port);
    if (pthread_create(&server->thread, NULL, accept_all, server))
        abort();
    return server;
}

int server_port(const struct server *server) {
    return server->port;
}

size_t server_open_connections(struct server *server) {
    pthread_mutex_lock(&server->lock);
    size_t open = server->open;
    pthread_mutex_unlock(&server->lock);
    return open;
}

size_t server_most_connections(struct server *server) {
    pthread_mutex_lock(&server->lock);
    size_t most = server->most;
    pthread_mutex_unlock(&server->lock);
    return most;
}

void server_stop(struct server *server) {
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    for (size_t i = 0; i < server->count; i++) {
        shutdown(server->connections[i].fd, SHUT_RDWR);
        pthread_join(server->connections[i].thread, NULL);
        close(server->connections[i].fd);
    }
    pthread_mutex_destroy(&server->lock);
    free(server);
}

void server_say(int fd, const char *format, ...) {
    char text[8192];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (int sent = 0; sent < len;) {
        ssize_t now = send(fd, text + sent, (size_t)(len - sent), MSG_NOSIGNAL);
        if (now <= 0)
            return;
        sent += (int)now;
    }
}

void server_await_close(int fd) {
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        continue;
}
