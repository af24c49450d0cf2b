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

static const struct server_route routes[] = {{"/x", handle, NULL}, {NULL, NULL, NULL}};

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
        cmocka_unit_test(server_moves_from_a_busy_port_only_when_it_may),
        cmocka_unit_test(metrics_are_written_as_prometheus_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
