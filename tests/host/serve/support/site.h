#ifndef MOONLET_TESTS_SERVE_SITE_H
#define MOONLET_TESTS_SERVE_SITE_H

#include "base/str.h"
#include "serve/server.h"

/*
 * A server in a loop: GET /x says "short", or "long" with ?verbose. POST /post/now says "at once";
 * below /post/ any other waits until the test answers it.
 */
struct site_waiting {
    struct server_request *request; /* NULL once it is answered */
    struct strbuf body;
    char rest[32];
    uint64_t timeout_ns;
};

struct site {
    struct loop *loop;
    struct server *server;
    struct site_waiting *waiting;
    size_t count, cap;
};

/* `options` says what differs from 127.0.0.1:0, plain; NULL: nothing. Fails the test. */
void site_open(struct site *site, const struct clock *clock, const struct server_options *options);
/* The server may be NULL already. Unanswered requests are answered. */
void site_close(struct site *site);
/* Turns the loop until `count` POSTs have come, and fails the test when they do not. */
void site_expect(struct site *site, size_t count);
void site_answer(struct site *site, size_t i, const char *text);

#endif
