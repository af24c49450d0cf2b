#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "support/client.h"
#include "support/oom_sweep.h"
#include "support/site.h"

/* R24: the daemon's own epoll descriptor runs in our loop. Requests and their answers; what becomes
 * of connections is in connections_test.c. */

static struct server *open_server(struct loop *loop, const char *address, bool may_move,
                                  struct error *err) {
    static const struct server_route none[] = {{0}};
    struct server_options options = {
        .loop = loop, .address = address, .may_move = may_move, .routes = none};
    return server_start(&options, err);
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

static void server_start_survives_each_failed_allocation(void **state) {
    (void)state;
    struct error err = {0};
    struct loop *loop = loop_create(clock_real(), &err);
    server_stop(open_server(loop, "127.0.0.1:0", false, &err)); /* the loop keeps what it needed */
    loop_poll(loop);
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct server *server = open_server(loop, "127.0.0.1:0", false, &err);
        assert_true(server || err.code == ERROR_NOMEM);
        server_stop(server);
        loop_poll(loop); /* handles close in the loop */
    }
    loop_destroy(loop);
}

/* One request, and whether the connection is good for another one. */
static void expect(struct site *site, const char *request, const char *answer, bool goes_on) {
    struct client client;
    client_open(&client, site->server, NULL, request);
    if (*answer)
        client_expect(site->loop, &client, answer);
    if (goes_on) {
        client_send(&client, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
        client_expect(site->loop, &client, "\r\n\r\nshort");
    } else {
        client_expect_closed(site->loop, &client);
    }
    client_close(&client);
}

static void server_refuses_what_it_must(void **state) {
    (void)state;
    static const struct {
        const char *request, *answer;
        bool goes_on;
    } cases[] = {
        {"rubbish\r\n\r\n", "", false},
        {"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "not found; there is:\n/x\n/post/...\n", true},
        {POST("/nowhere", "2", "{}"), "HTTP/1.1 404", true},
        {POST("/x", "2", "{}"), "Allow: GET, HEAD", true},
        {POST("/x", "2", "{}"), "HTTP/1.1 405", true},
        {"DELETE /x HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405", true},
        {"GET /post/a HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405", true},
        {"GET /post/a HTTP/1.1\r\nHost: x\r\n\r\n", "Allow: POST\r\n", true},
        {"PUT /post/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "only POST\n", true},
        {"POST /post/a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "HTTP/1.1 415", true},
        {"POST /post/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/jsonp\r\n"
         "Content-Length: 2\r\n\r\n{}",
         "HTTP/1.1 415", true},
        {POST("/post/a", "0", ""), "HTTP/1.1 400", true},
        {POST_HEAD("/post/a") "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "the body is empty\n",
         true},
        {POST("/post/a", "101", ""), "HTTP/1.1 413", false},
        {POST("/post/a", "18446744073709551615", ""), "HTTP/1.1 413", false},
        {POST_HEAD("/post/a") "Expect: 100-continue\r\nContent-Length: 101\r\n\r\n", "HTTP/1.1 413",
         false},
        {POST_HEAD("/post/a") "Transfer-Encoding: chunked\r\n\r\n"
                              "3c\r\n123456789012345678901234567890123456789012345678901234567890"
                              "\r\n3c\r\n123456789012345678901234567890123456789012345678901234567"
                              "890\r\n0\r\n\r\n",
         "HTTP/1.1 413", true},
        {POST("/post/a", "-1", "{}"), "wrong value for <b>Content-Length", false},
    };
    struct site site;
    struct server_options options = {.body_limit = 100};
    site_open(&site, clock_real(), &options);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(&site, cases[i].request, cases[i].answer, cases[i].goes_on);
    assert_int_equal(site.count, 0);
    assert_int_equal(server_pending(site.server), 0);
    site_close(&site);
}

static void server_answers_what_it_may(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"GET /x HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nshort"},
        {"GET /x?verbose HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\nlong"},
        {"GET /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody", "\r\n\r\nshort"},
        {"HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n", "Content-Length: 5\r\n"},
        {POST("/post/now", "2", "{}"), "Content-Type: application/json\r\n"},
        {"POST /post/now HTTP/1.1\r\nHost: x\r\nContent-Type: Application/JSON; charset=utf-8\r\n"
         "Content-Length: 2\r\n\r\n{}",
         "\r\n\r\nat once"},
        {POST_HEAD("/post/now") "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
         "\r\n\r\nat once"},
        {POST_HEAD("/post/now") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", "at once"},
    };
    struct site site;
    site_open(&site, clock_real(), NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(&site, cases[i][0], cases[i][1], true);
    site_close(&site);
}

static void server_takes_a_request_in_single_bytes(void **state) {
    (void)state;
    static const char text[] = POST("/post/a?timeout=10s", "3", "{1}");
    struct site site;
    struct client client;
    site_open(&site, clock_real(), NULL);
    client_open(&client, site.server, NULL, "");
    for (size_t i = 0; i < sizeof text - 1; i++) {
        client_send_bytes(&client, &text[i], 1);
        loop_poll(site.loop);
    }
    site_expect(&site, 1);
    assert_string_equal(site.waiting[0].body.data, "{1}");
    assert_string_equal(site.waiting[0].rest, "a");
    assert_int_equal(site.waiting[0].timeout_ns, 10 * NS_PER_S);
    site_answer(&site, 0, "yes");
    client_expect(site.loop, &client, "\r\n\r\nyes");
    client_close(&client);
    site_close(&site);
}

static void server_takes_a_body_up_to_its_limit(void **state) {
    (void)state;
    enum { LIMIT = 7 << 20 };
    struct site site;
    struct client client;
    site_open(&site, clock_real(), NULL);
    client_open(&client, site.server, NULL, POST("/post/a", "7340032", ""));
    struct strbuf body = {0};
    memset(strbuf_reserve(&body, LIMIT), 'x', LIMIT);
    client_send_bytes(&client, body.data, LIMIT);
    for (int turn = 0; turn < 20000 && site.count == 0; turn++) {
        client_turn(&client);
        loop_poll(site.loop);
    }
    site_expect(&site, 1);
    assert_int_equal(site.waiting[0].body.len, LIMIT);
    site_answer(&site, 0, "yes");
    client_expect(site.loop, &client, "\r\n\r\nyes");
    strbuf_finish(&body);
    client_close(&client);
    site_close(&site);
}

static void server_reads_only_timeouts_that_are_durations(void **state) {
    (void)state;
    static const struct {
        const char *request;
        uint64_t timeout_ns;
    } cases[] = {
        {POST("/post/a", "2", "{}"), 0},
        {POST("/post/a?timeout", "2", "{}"), 0},
        {POST("/post/a?timeout=10", "2", "{}"), 0},
        {POST("/post/a?timeout=-1s", "2", "{}"), 0},
        {POST("/post/a?timeout=1e300s", "2", "{}"), 0},
        {POST("/post/a?x=1&timeout=1m500ms", "2", "{}"), 60 * NS_PER_S + 500 * NS_PER_MS},
    };
    struct site site;
    site_open(&site, clock_real(), NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client client;
        client_open(&client, site.server, NULL, cases[i].request);
        site_expect(&site, i + 1);
        assert_int_equal(site.waiting[i].timeout_ns, cases[i].timeout_ns);
        client_close(&client);
    }
    site_close(&site);
}

static void server_answers_pipelined_requests_in_order(void **state) {
    (void)state;
    struct site site;
    struct client client;
    site_open(&site, clock_real(), NULL);
    client_open(&client, site.server, NULL,
                POST("/post/a", "2", "{}") POST("/post/now", "2", "{}")
                    POST("/post/b", "2", "{}") "GET /x HTTP/1.1\r\nHost: x\r\n\r\n");
    site_expect(&site, 1);
    site_answer(&site, 0, "first");
    site_expect(&site, 3);
    site_answer(&site, 2, "third");
    client_expect_count(site.loop, &client, "HTTP/1.1 200", 4);
    const char *in = client.in.data;
    assert_true(strstr(in, "first") < strstr(in, "at once"));
    assert_true(strstr(in, "at once") < strstr(in, "third"));
    assert_true(strstr(in, "third") < strstr(in, "short"));
    client_close(&client);
    site_close(&site);
}

static void server_answers_many_posts_out_of_order(void **state) {
    (void)state;
    enum { COUNT = 200 };
    struct site site;
    struct client clients[COUNT];
    site_open(&site, clock_real(), NULL);
    for (size_t i = 0; i < COUNT; i++) {
        client_open(&clients[i], site.server, NULL, POST("/post/a", "2", "{}"));
        site_expect(&site, i + 1);
    }
    assert_int_equal(server_pending(site.server), COUNT);
    for (size_t i = COUNT; i-- > 0;) {
        char text[32];
        snprintf(text, sizeof text, "answer %zu.", i);
        site_answer(&site, i, text);
        if (i % 2) /* some alone, some together */
            loop_poll(site.loop);
    }
    assert_int_equal(server_pending(site.server), 0);
    for (size_t i = 0; i < COUNT; i++) {
        char text[32];
        snprintf(text, sizeof text, "answer %zu.", i);
        client_expect(site.loop, &clients[i], text);
        client_close(&clients[i]);
    }
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_refuses_what_is_no_address),
        cmocka_unit_test(server_moves_from_a_busy_port_only_when_it_may),
        cmocka_unit_test(server_start_survives_each_failed_allocation),
        cmocka_unit_test(server_refuses_what_it_must),
        cmocka_unit_test(server_answers_what_it_may),
        cmocka_unit_test(server_takes_a_request_in_single_bytes),
        cmocka_unit_test(server_takes_a_body_up_to_its_limit),
        cmocka_unit_test(server_reads_only_timeouts_that_are_durations),
        cmocka_unit_test(server_answers_pipelined_requests_in_order),
        cmocka_unit_test(server_answers_many_posts_out_of_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
