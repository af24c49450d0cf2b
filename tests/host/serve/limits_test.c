#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/server.h"

/* R24: who is let go when there are many, when it takes long, and when we end. */

struct world {
    struct clock_fake clock;
    struct loop *loop;
    struct server *server;
};

static void handle(void *context, bool verbose, struct server_answer *answer) {
    (void)context;
    (void)verbose;
    strbuf_adds(&answer->body, "fine");
}

static void accept_post(void *context, struct server_request *request,
                        const struct server_exchange *exchange) {
    struct server_answer answer = {.status = 200};
    (void)context, (void)exchange;
    server_respond(request, &answer);
}

static void begin(struct world *world) {
    static const struct server_route routes[] = {
        {.path = "/x", .handle = handle}, {.path = "/post", .accept = accept_post}, {0}};
    struct error err;
    clock_fake_init(&world->clock, 1000 * NS_PER_S, 0);
    world->loop = loop_create(&world->clock.clock, &err);
    struct server_options options = {
        .loop = world->loop, .address = "127.0.0.1:0", .routes = routes, .connections = 2};
    world->server = server_start(&options, &err);
    assert_non_null(world->server);
}

static void end(struct world *world) {
    server_stop(world->server);
    loop_destroy(world->loop);
}

static void turn(struct world *world) {
    for (int i = 0; i < 50; i++)
        loop_poll(world->loop);
}

static int dial(struct world *world, const char *request) {
    const char *colon = strrchr(server_address(world->server), ':');
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    turn(world);
    return fd;
}

/* What the server has said, or NULL: it has closed the connection. */
static const char *said(int fd) {
    static char text[4096];
    ssize_t got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[got > 0 ? got : 0] = '\0';
    return got == 0 ? NULL : text;
}

#define GET "GET /x HTTP/1.1\r\nHost: x\r\n\r\n"

static void server_above_its_limit_closes_the_longest_idle(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    int first = dial(&world, GET), second = dial(&world, GET);
    assert_non_null(strstr(said(first), "fine"));
    assert_non_null(strstr(said(second), "fine"));
    assert_int_equal(send(first, GET, strlen(GET), 0), (ssize_t)strlen(GET));
    turn(&world); /* now the second is idle longest */
    assert_non_null(strstr(said(first), "fine"));
    int third = dial(&world, GET);
    turn(&world);
    assert_non_null(strstr(said(third), "fine"));
    assert_null(said(second));
    assert_string_equal(said(first), ""); /* open, and silent */
    close(first);
    close(second);
    close(third);
    end(&world);
}

static void server_lets_nobody_drip_a_body_for_ever(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    int fd = dial(&world, "POST /post HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          "Content-Length: 1000\r\n\r\n");
    for (int second = 0; second < 29; second++) {
        assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
        turn(&world);
        loop_advance(world.loop, &world.clock, NS_PER_S);
        turn(&world);
    }
    assert_non_null(said(fd));
    loop_advance(world.loop, &world.clock, 30 * NS_PER_S);
    turn(&world);
    assert_null(said(fd));
    close(fd);
    end(&world);
}

static void server_that_drains_closes_what_is_idle(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    int idle = dial(&world, GET);
    assert_non_null(strstr(said(idle), "fine"));
    server_drain(world.server);
    turn(&world);
    assert_null(said(idle));
    close(idle);
    end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_above_its_limit_closes_the_longest_idle),
        cmocka_unit_test(server_lets_nobody_drip_a_body_for_ever),
        cmocka_unit_test(server_that_drains_closes_what_is_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
