#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "serve/certificate.h"
#include "serve/support/stream/desk.h"

/* Answers by stream: any method, now or later. */

static void stream_takes_any_method_and_path(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {HEAD("GET", "/now/a%2Fb?x=%20&y=1+2") "\r\n", "GET now/a/b /now/a%2Fb ? x=%20&y=1+2 :  -"},
        {HEAD("PUT", "/now") "X-Wish: some\r\nContent-Length: 2\r\n\r\n{}",
         "PUT now /now ?  : {} some"},
        {HEAD("DELETE", "/now?") "Content-Length: 3\r\n\r\nabc", "DELETE now /now ?  : abc -"},
        {HEAD("DELETE", "/now") "\r\n", "DELETE now /now ?  :  -"},
        {HEAD("PATCH", "/now") "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
         "PATCH now /now ?  : abc -"},
        {HEAD("OPTIONS", "/now") "x-Group: a\r\nX-GROUP: b\r\n\r\n",
         "OPTIONS now /now ?  :  - [a] [b]"},
        {HEAD("POST", "/now") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n[]",
         "POST now /now ?  : [] -"},
        {HEAD("FANCY", "/now") "\r\n", "FANCY now /now ?  :  -"},
    };
    struct desk desk;
    struct client client;
    desk_open(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) { /* all on one connection */
        client_send(&client, cases[i][0]);
        client_expect(desk.loop, &client, "\r\n\r\nat once");
        assert_string_equal(desk.seen.data, cases[i][1]);
    }
    assert_int_equal(server_pending(desk.server), 0);
    client_close(&client);
    desk_close(&desk);
}

static void stream_that_is_known_whole_has_its_length(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    desk_open(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, HEAD("GET", "/now") "\r\n");
    client_expect_count(desk.loop, &client, "at once", 1);
    assert_non_null(strstr(client.in.data, "HTTP/1.1 207 "));
    assert_non_null(strstr(client.in.data, "Content-Length: 7\r\n"));
    assert_non_null(strstr(client.in.data, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(client.in.data, "Warning: 299 - \"old\"\r\n"));
    assert_null(strstr(client.in.data, "chunked"));
    strbuf_clear(&client.in);
    client_send(&client, HEAD("GET", "/later") "\r\n");
    desk_expect_streams(&desk, &client, 1);
    desk_begin(desk.streams[0].request, 200);
    desk_say(desk.streams[0].request, "later");
    desk_end(&desk, 0);
    client_expect_count(desk.loop, &client, "\r\n\r\nlater", 1);
    assert_non_null(strstr(client.in.data, "Content-Length: 5\r\n"));
    strbuf_clear(&client.in);
    client_send(&client, HEAD("GET", "/nothing") "\r\n");
    desk_expect_streams(&desk, &client, 2);
    server_begin(desk.streams[1].request, 200, NULL);
    desk_end(&desk, 1);
    client_expect(desk.loop, &client, "Content-Length: 0\r\n");
    client_send(&client, HEAD("HEAD", "/now") "\r\n" HEAD("GET", "/now") "\r\n");
    client_expect_count(desk.loop, &client, "Content-Length: 7\r\n", 2);
    client_expect_count(desk.loop, &client, "at once", 1);
    client_close(&client);
    desk_close(&desk);
}

static void stream_takes_over_what_nothing_is_before(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    struct strbuf first = {0}, second = {0};
    strbuf_adds(&first, "taken, ");
    strbuf_adds(&second, "and copied");
    desk_open(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, HEAD("GET", "/later") "\r\n");
    desk_expect_streams(&desk, &client, 1);
    desk_begin(desk.streams[0].request, 200);
    server_take(desk.streams[0].request, &first);
    server_take(desk.streams[0].request, &second);
    assert_null(first.data);
    assert_non_null(second.data);
    desk_end(&desk, 0);
    client_expect_count(desk.loop, &client, "\r\n\r\ntaken, and copied", 1);
    strbuf_finish(&first);
    strbuf_finish(&second);
    client_close(&client);
    desk_close(&desk);
}

static void stream_goes_on_as_long_as_it_is_fed(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    desk_open(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, HEAD("GET", "/watch") "\r\n");
    desk_expect_streams(&desk, &client, 1);
    desk_turn(&desk, 20);
    struct server_request *request = desk.streams[0].request;
    desk_begin(request, 200);
    client_expect(desk.loop, &client, "Transfer-Encoding: chunked\r\n");
    for (int i = 0; i < 100; i++) {
        char text[32];
        snprintf(text, sizeof text, "event %d;", i);
        desk_say(request, text);
        client_expect(desk.loop, &client, text);
    }
    assert_int_equal(server_pending(desk.server), 1);
    desk_say(request, "the last");
    desk_end(&desk, 0);
    client_expect(desk.loop, &client, "the last\r\n0\r\n\r\n");
    client_send(&client, HEAD("GET", "/now") "\r\n"); /* on the same connection */
    client_expect(desk.loop, &client, "at once");
    assert_int_equal(desk.gone, 0);
    client_close(&client);
    desk_close(&desk);
}

static void head_of_a_stream_is_only_a_head(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    desk_open(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, HEAD("HEAD", "/watch") "\r\n");
    desk_expect_streams(&desk, &client, 1);
    desk_begin(desk.streams[0].request, 200);
    desk_say(desk.streams[0].request, "unseen");
    desk_expect_gone(&desk, 1); /* nothing more is wanted */
    client_send(&client, HEAD("GET", "/now") "\r\n");
    client_expect_count(desk.loop, &client, "at once", 1);
    assert_null(strstr(client.in.data, "unseen"));
    client_close(&client);
    desk_close(&desk);
}

static void stream_body_beyond_the_limit_is_refused(void **state) {
    (void)state;
    struct server_options options = {.body_limit = 100};
    struct desk desk;
    struct client client;
    desk_open(&desk, clock_real(), &options);
    client_open(&client, desk.server, NULL, HEAD("PUT", "/now") "Content-Length: 101\r\n\r\n");
    client_expect(desk.loop, &client, "HTTP/1.1 413");
    client_expect_closed(desk.loop, &client);
    client_close(&client);
    assert_int_equal(desk.count, 0);
    desk_close(&desk);
}

static void stream_over_tls_outlives_its_certificate(void **state) {
    static const char *const names[] = {"localhost", NULL};
    struct certificate_pair ca = {0}, first = {0}, second = {0};
    struct desk desk;
    struct client client, other;
    struct error err;
    int64_t now = time(NULL);
    (void)state;
    assert_int_equal(certificate_make_ca("test", now, now + 3600, &ca, &err), 0);
    assert_int_equal(certificate_make_serving(ca.cert, ca.key, names, now, now + 600, &first, &err),
                     0);
    assert_int_equal(
        certificate_make_serving(ca.cert, ca.key, names, now, now + 600, &second, &err), 0);
    struct server_tls tls = {first.cert, first.key, NULL};
    struct server_options options = {.tls = &tls};
    struct client_tls trust = {.ca_pem = ca.cert};
    desk_open(&desk, clock_real(), &options);
    client_open(&client, desk.server, &trust, HEAD("GET", "/watch") "\r\n");
    desk_expect_streams(&desk, &client, 1);
    desk_begin(desk.streams[0].request, 200);
    desk_say(desk.streams[0].request, "first");
    client_expect(desk.loop, &client, "first");
    assert_int_equal(server_set_certificate(desk.server, second.cert, second.key, &err), 0);
    desk_say(desk.streams[0].request, "second");
    client_expect(desk.loop, &client, "second");
    client_open(&other, desk.server, &trust, HEAD("GET", "/now") "\r\n");
    client_expect(desk.loop, &other, "at once");
    client_close(&other);
    client_close(&client);
    desk_expect_gone(&desk, 1);
    desk_close(&desk);
    certificate_pair_finish(&ca);
    certificate_pair_finish(&first);
    certificate_pair_finish(&second);
}

/* Everything of the server fails, nothing of its client. */
static bool converse(struct desk *desk, uint64_t n, bool forever) {
    struct client client;
    client_open(&client, desk->server, NULL, HEAD("GET", "/watch") "\r\n");
    mem_fail_at(n, forever);
    desk_turn(desk, 5);
    if (desk->count > 0) {
        desk_begin(desk->streams[0].request, 200);
        desk_turn(desk, 3);
        if (desk->streams[0].request)
            desk_say(desk->streams[0].request, "event");
        desk_turn(desk, 3);
        if (desk->streams[0].request)
            desk_end(desk, 0);
    }
    desk_turn(desk, 3);
    bool failed = mem_fail_stop();
    client_close(&client);
    desk_turn(desk, 5);
    return failed;
}

static void stream_survives_each_failed_allocation(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    desk_open(&desk, clock_real(), NULL);
    converse(&desk, 1000, false); /* the loop keeps what it needed */
    for (int forever = 0; forever < 2; forever++) {
        bool failed = true;
        for (uint64_t n = 0; failed; n++) {
            strbuf_finish(&desk.seen);
            desk.count = desk.gone = 0;
            uint64_t before = mem_stats().blocks;
            failed = converse(&desk, n, forever);
            strbuf_finish(&desk.seen);
            assert_int_equal(mem_stats().blocks, before);
            assert_int_equal(server_pending(desk.server), 0);
        }
    }
    client_open(&client, desk.server, NULL, HEAD("GET", "/now") "\r\n");
    client_expect(desk.loop, &client, "at once");
    client_close(&client);
    desk_close(&desk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_takes_any_method_and_path),
        cmocka_unit_test(stream_that_is_known_whole_has_its_length),
        cmocka_unit_test(stream_takes_over_what_nothing_is_before),
        cmocka_unit_test(stream_goes_on_as_long_as_it_is_fed),
        cmocka_unit_test(head_of_a_stream_is_only_a_head),
        cmocka_unit_test(stream_body_beyond_the_limit_is_refused),
        cmocka_unit_test(stream_over_tls_outlives_its_certificate),
        cmocka_unit_test(stream_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
