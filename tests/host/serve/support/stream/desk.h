#ifndef MOONLET_TESTS_SERVE_DESK_H
#define MOONLET_TESTS_SERVE_DESK_H

#include "serve/support/client.h"

/* A server whose answers the test gives, by stream. "/now..." is answered whole, "/large" begins
 * with 20 MiB; all others are left to the test. */
#define HEAD(method, path) method " " path " HTTP/1.1\r\nHost: x\r\n"
enum { MOST = 1100 };

struct open_stream {
    struct server_request *request;
    bool gone;
};

struct desk {
    struct loop *loop;
    struct server *server;
    struct log log;
    struct strbuf logged, seen; /* `seen`: what the last request was */
    struct open_stream streams[MOST];
    size_t count, gone;
};

/* `options` NULL: the defaults. */
void desk_open(struct desk *desk, const struct clock *clock, const struct server_options *options);
void desk_close(struct desk *desk); /* each stream has ended, or its client is gone */
void desk_turn(struct desk *desk, int turns);
void desk_expect_streams(struct desk *desk, struct client *client, size_t count);
void desk_expect_gone(struct desk *desk, size_t count);

void desk_begin(struct server_request *request, int status);
void desk_say(struct server_request *request, const char *text);
void desk_say_all(struct server_request *request, size_t len); /* that many bytes */
void desk_end(struct desk *desk, size_t i);

#endif
