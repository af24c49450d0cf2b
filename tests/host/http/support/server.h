#ifndef MOONLET_TESTS_HTTP_SERVER_H
#define MOONLET_TESTS_HTTP_SERVER_H

#include <stddef.h>

/*
 * A scripted HTTP/1.1 server on a free loopback port: a thread per connection.
 * `serve` runs in that thread once per request, with its head and body as text, and writes the
 * answer to `fd`; 0 keeps the connection, anything else closes it.
 */
struct server;
struct server *server_start(int (*serve)(void *context, int fd, const char *request),
                            void *context);
int server_port(const struct server *server);
size_t server_open_connections(struct server *server);
size_t server_most_connections(struct server *server); /* at once, so far */
void server_stop(struct server *server);               /* cuts what is open and joins */

void server_say(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Waits until the client closes the connection. */
void server_await_close(int fd);

#endif
