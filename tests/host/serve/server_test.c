#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/metrics.h"
#include "serve/server.h"

/* R24: the daemon's own epoll descriptor runs in our loop. */

static void handle(void *context, bool verbose, struct server_answer *answer) {
    (void)context;
    strbuf_adds(&answer->body, verbose ? "long" : "short");
}

/* POSTs wait until the test answers them. */
static struct server_request *waiting[8];
static char bodies[8][64];
static uint64_t timeouts[8];
static size_t waiting_count;

static void accept_post(void *context, struct server_request *request,
                        const struct server_exchange *exchange) {
    struct server_answer answer = {.status = 200};
    (void)context;
    if (strcmp(exchange->rest, "now") == 0) {
        strbuf_adds(&answer.body, "at once");
        server_respond(request, &answer);
        return;
    }
    snprintf(bodies[waiting_count], sizeof bodies[0], STR_FORMAT, STR_ARG(exchange->body));
    timeouts[waiting_count] = exchange->timeout_ns;
    waiting[waiting_count++] = request;
}

static const struct server_route routes[] = {
    {.path = "/x", .handle = handle},
    {.path = "/post/", .prefix = true, .accept = accept_post},
    {0}};

static struct server *open_server(struct loop *loop, const char *address, bool may_move,
                                  struct error *err) {
    struct server_options options = {
        .loop = loop, .address = address, .may_move = may_move, .routes = routes};
    return server_start(&options, err);
}

/* Sends one request and turns the loop until the connection is closed by the server. */
static void ask(struct loop *loop, const struct server *server, const char *request, char *answer,
                size_t size) {
    const char *colon = strrchr(server_address(server), ':');
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    size_t len = 0;
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_true(write(fd, request, strlen(request)) > 0);
    for (int turn = 0; turn < 100000; turn++) {
        loop_poll(loop);
        ssize_t got = recv(fd, answer + len, size - 1 - len, MSG_DONTWAIT);
        if (got == 0)
            break;
        len += got > 0 ? (size_t)got : 0;
    }
    answer[len] = '\0';
    close(fd);
}

static void expect(struct loop *loop, const struct server *server, const char *line,
                   const char *status, const char *body) {
    char request[256], answer[4096];
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line);
    ask(loop, server, request, answer, sizeof answer);
    if (strstr(answer, status) == NULL || strstr(answer, body) == NULL)
        fail_msg("%s gave %s", line, answer);
}

static void server_answers_get_and_refuses_the_rest(void **state) {
    (void)state;
    struct error err = {0};
    struct loop *loop = loop_create(clock_real(), &err);
    struct server *server = open_server(loop, "127.0.0.1:0", false, &err);
    assert_non_null(server);
    expect(loop, server, "GET /x", "200 OK", "short");
    expect(loop, server, "GET /x?verbose", "200 OK", "long");
    expect(loop, server, "GET /nowhere", "404", "there is:\n/x");
    expect(loop, server, "POST /x", "405", "Allow: GET, HEAD");
    expect(loop, server, "rubbish", "400", "");
    server_stop(server);
    loop_destroy(loop);
}

#define POST(path, body)                                                                           \
    "POST " path " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " body

static int open_client(const struct server *server, const char *request) {
    const char *colon = strrchr(server_address(server), ':');
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_true(write(fd, request, strlen(request)) > 0);
    return fd;
}

static void turn_until(struct loop *loop, size_t count) {
    for (int turn = 0; turn < 100000 && waiting_count < count; turn++)
        loop_poll(loop);
    assert_int_equal(waiting_count, count);
}

static void assert_answer(struct loop *loop, int fd, const char *text) {
    char answer[4096];
    size_t len = 0;
    for (int turn = 0; turn < 100000; turn++) {
        loop_poll(loop);
        ssize_t got = recv(fd, answer + len, sizeof answer - 1 - len, MSG_DONTWAIT);
        len += got > 0 ? (size_t)got : 0;
        answer[len] = '\0';
        if (strstr(answer, text))
            return;
    }
    fail_msg("no %s in %s", text, answer);
}

static void answer_waiting(size_t i, const char *text) {
    struct server_answer answer = {.status = 200};
    strbuf_adds(&answer.body, text);
    server_respond(waiting[i], &answer);
}

static void server_answers_posts_out_of_order(void **state) {
    (void)state;
    struct error err = {0};
    struct loop *loop = loop_create(clock_real(), &err);
    struct server *server = open_server(loop, "127.0.0.1:0", false, &err);
    waiting_count = 0;
    int one = open_client(server, POST("/post/a?timeout=10s", "3\r\n\r\n{1}"));
    turn_until(loop, 1);
    int two = open_client(server, POST("/post/b?timeout=1m500ms", "3\r\n\r\n{2}"));
    turn_until(loop, 2);
    assert_string_equal(bodies[0], "{1}");
    assert_string_equal(bodies[1], "{2}");
    assert_int_equal(timeouts[0], 10 * NS_PER_S);
    assert_int_equal(timeouts[1], 60 * NS_PER_S + 500 * NS_PER_MS);
    assert_int_equal(server_pending(server), 2);
    answer_waiting(1, "second");
    assert_answer(loop, two, "\r\n\r\nsecond");
    answer_waiting(0, "first");
    assert_answer(loop, one, "\r\n\r\nfirst");
    assert_true(write(one, POST("/post/now", "2\r\n\r\n{}"),
                      sizeof POST("/post/now", "2\r\n\r\n{}") - 1) > 0); /* kept alive */
    assert_answer(loop, one, "at once");
    close(one);
    close(two);
    server_stop(server);
    loop_destroy(loop);
}

static void server_refuses_posts_by_their_head(void **state) {
    (void)state;
    struct error err = {0};
    struct loop *loop = loop_create(clock_real(), &err);
    struct server *server = open_server(loop, "127.0.0.1:0", false, &err);
    static const char *const cases[][2] = {
        {POST("/post/a", "8000000\r\n\r\n{"), "413"},
        {POST("/post/a", "0\r\n\r\n"), "400"},
        {"POST /post/a HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n"
         "\r\n{}",
         "415"},
        {"GET /post/a HTTP/1.1\r\nHost: x\r\n\r\n", "405"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = open_client(server, cases[i][0]);
        assert_answer(loop, fd, cases[i][1]);
        close(fd);
    }
    server_stop(server);
    loop_destroy(loop);
}

static void server_stops_with_posts_unanswered(void **state) {
    (void)state;
    struct error err = {0};
    struct loop *loop = loop_create(clock_real(), &err);
    struct server *server = open_server(loop, "127.0.0.1:0", false, &err);
    waiting_count = 0;
    int fd = open_client(server, POST("/post/a", "2\r\n\r\n{}"));
    turn_until(loop, 1);
    server_stop(server);
    answer_waiting(0, "into the void");
    close(fd);
    loop_destroy(loop);
}

static void server_moves_from_a_busy_port_only_when_it_may(void **state) {
    (void)state;
    struct error err = {0};
    struct loop *loop = loop_create(clock_real(), &err);
    struct server *first = open_server(loop, "127.0.0.1:0", false, &err);
    assert_non_null(first);
    assert_null(open_server(loop, server_address(first), false, &err));
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    struct server *second = open_server(loop, server_address(first), true, &err);
    assert_non_null(second);
    assert_string_not_equal(server_address(first), server_address(second));
    server_stop(second);
    server_stop(first);
    loop_destroy(loop);
}

static void server_refuses_what_is_no_address(void **state) {
    (void)state;
    static const char *const bad[] = {"",          "8080",         "127.0.0.1:", "127.0.0.1:70000",
                                      "nohost:80", "127.0.0.1:80x"};
    struct error err = {0};
    struct loop *loop = loop_create(clock_real(), &err);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(open_server(loop, bad[i], true, &err));
        assert_int_equal(err.code, ERROR_INVALID);
    }
    loop_destroy(loop);
}

static void metrics_are_written_as_prometheus_reads_them(void **state) {
    (void)state;
    static const char *const labels[] = {"name", NULL};
    const char *const value[] = {"a\"b\\c\nd", NULL}, *const none[] = {NULL};
    struct error err = {0};
    struct strbuf text = {0};
    struct metrics *metrics = metrics_create(&err);
    struct metric *count =
        metric_register(metrics, METRIC_COUNTER, "adds_total", "Adds.", labels, &err);
    struct metric *times =
        metric_register(metrics, METRIC_HISTOGRAM, "seconds", "Times.", NULL, &err);
    assert_null(metric_register(metrics, METRIC_GAUGE, "adds_total", "", labels, &err));
    assert_null(metric_register(metrics, METRIC_GAUGE, "1x", "", NULL, &err));
    metric_record(count, 2, value);
    metric_record(times, 0.2, none);
    metrics_write(metrics, &text);
    assert_non_null(strstr(text.data, "adds_total{name=\"a\\\"b\\\\c\\nd\"} 2\n"));
    assert_non_null(strstr(text.data, "seconds_bucket{le=\"0.15\"} 0\n"));
    assert_non_null(strstr(text.data, "seconds_bucket{le=\"+Inf\"} 1\n"));
    assert_non_null(strstr(text.data, "seconds_count 1\n"));
    strbuf_finish(&text);
    metrics_destroy(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_refuses_what_is_no_address),
        cmocka_unit_test(server_answers_get_and_refuses_the_rest),
        cmocka_unit_test(server_answers_posts_out_of_order),
        cmocka_unit_test(server_refuses_posts_by_their_head),
        cmocka_unit_test(server_stops_with_posts_unanswered),
        cmocka_unit_test(server_moves_from_a_busy_port_only_when_it_may),
        cmocka_unit_test(metrics_are_written_as_prometheus_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
