#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/mem.h"
#include "serve/certificate.h"
#include "support/client.h"

/* Answers by stream: any method, now or later; a client that does not read or goes away. */

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

static void say(struct server_request *request, const char *text) {
    server_send(request, str_of(text));
}

static void begin(struct server_request *request, int status) {
    static const struct server_header headers[] = {
        {"Content-Type", "application/json"}, {"Warning", "299 - \"old\""}, {0}};
    server_begin(request, status, headers);
}

static void add_value(void *context, const char *value) {
    strbuf_printf(context, " [%s]", value);
}

static void say_all(struct server_request *request, size_t len) {
    char *bytes = mem_zalloc(len + 1);
    memset(bytes, 'x', len);
    server_send(request, str_n(bytes, len));
    mem_free(bytes);
}

/* "/now..." is answered whole, "/large" begins with 20 MiB; all others are left to the test. */
static void *serve(void *context, struct server_request *request,
                   const struct server_exchange *exchange) {
    struct desk *desk = context;
    const char *wish = server_header(request, "X-Wish");
    strbuf_clear(&desk->seen);
    strbuf_printf(&desk->seen, "%s %s " STR_FORMAT " ? " STR_FORMAT " : " STR_FORMAT " %s",
                  exchange->method, exchange->rest, STR_ARG(exchange->raw_path),
                  STR_ARG(exchange->query), STR_ARG(exchange->body), wish ? wish : "-");
    server_each_header(request, "x-group", add_value, &desk->seen);
    if (strncmp(exchange->path, "/now", 4) == 0) {
        begin(request, 207);
        say(request, "at");
        say(request, " once");
        server_end(request);
        return NULL;
    }
    if (strcmp(exchange->path, "/large") == 0) {
        begin(request, 200);
        for (int i = 0; i < 20; i++)
            say_all(request, 1 << 20);
    }
    struct open_stream *stream = &desk->streams[desk->count++];
    *stream = (struct open_stream){.request = request};
    return stream;
}

static void gone(void *context, void *mine) {
    struct desk *desk = context;
    struct open_stream *stream = mine;
    assert_false(stream->gone);
    stream->gone = true;
    stream->request = NULL;
    desk->gone++;
}

static int write_log(void *context, const char *line, size_t len) {
    strbuf_add(context, line, len);
    return 0;
}

static void open_desk(struct desk *desk, const struct clock *clock,
                      const struct server_options *options) {
    static struct desk *current;
    static struct server_route routes[2];
    struct error err = {0};
    struct server_options all = options ? *options : (struct server_options){0};
    memset(desk, 0, sizeof *desk);
    current = desk;
    routes[0] = (struct server_route){
        .path = "/", .prefix = true, .serve = serve, .gone = gone, .context = current};
    desk->log = (struct log){.clock = clock, .write = write_log, .context = &desk->logged};
    desk->loop = loop_create(clock, &err);
    all.loop = desk->loop;
    all.log = &desk->log;
    all.address = "127.0.0.1:0";
    all.routes = routes;
    desk->server = server_start(&all, &err);
    if (desk->server == NULL)
        fail_msg("%s", err.message);
}

static void close_desk(struct desk *desk) {
    server_stop(desk->server);
    for (size_t i = 0; i < desk->count; i++)
        assert_null(desk->streams[i].request); /* ended, or gone */
    strbuf_finish(&desk->logged);
    strbuf_finish(&desk->seen);
    loop_destroy(desk->loop);
}

static void turn(struct desk *desk, int turns) {
    for (int i = 0; i < turns; i++)
        loop_poll(desk->loop);
}

static void expect_streams(struct desk *desk, struct client *client, size_t count) {
    for (int i = 0; i < 20000 && desk->count < count; i++) {
        loop_poll(desk->loop);
        client_turn(client);
    }
    assert_int_equal(desk->count, count);
}

static void expect_gone(struct desk *desk, size_t count) {
    for (int i = 0; i < 20000 && desk->gone < count; i++)
        loop_poll(desk->loop);
    assert_int_equal(desk->gone, count);
}

static void end(struct desk *desk, size_t i) {
    server_end(desk->streams[i].request);
    desk->streams[i].request = NULL;
}

#define HEAD(method, path) method " " path " HTTP/1.1\r\nHost: x\r\n"

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
    open_desk(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) { /* all on one connection */
        client_send(&client, cases[i][0]);
        client_expect(desk.loop, &client, "\r\n\r\nat once");
        assert_string_equal(desk.seen.data, cases[i][1]);
    }
    assert_int_equal(server_pending(desk.server), 0);
    client_close(&client);
    close_desk(&desk);
}

static void stream_that_is_known_whole_has_its_length(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    open_desk(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, HEAD("GET", "/now") "\r\n");
    client_expect_count(desk.loop, &client, "at once", 1);
    assert_non_null(strstr(client.in.data, "HTTP/1.1 207 "));
    assert_non_null(strstr(client.in.data, "Content-Length: 7\r\n"));
    assert_non_null(strstr(client.in.data, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(client.in.data, "Warning: 299 - \"old\"\r\n"));
    assert_null(strstr(client.in.data, "chunked"));
    strbuf_clear(&client.in);
    client_send(&client, HEAD("GET", "/later") "\r\n");
    expect_streams(&desk, &client, 1);
    begin(desk.streams[0].request, 200);
    say(desk.streams[0].request, "later");
    end(&desk, 0);
    client_expect_count(desk.loop, &client, "\r\n\r\nlater", 1);
    assert_non_null(strstr(client.in.data, "Content-Length: 5\r\n"));
    strbuf_clear(&client.in);
    client_send(&client, HEAD("GET", "/nothing") "\r\n");
    expect_streams(&desk, &client, 2);
    server_begin(desk.streams[1].request, 200, NULL);
    end(&desk, 1);
    client_expect(desk.loop, &client, "Content-Length: 0\r\n");
    client_send(&client, HEAD("HEAD", "/now") "\r\n" HEAD("GET", "/now") "\r\n");
    client_expect_count(desk.loop, &client, "Content-Length: 7\r\n", 2);
    client_expect_count(desk.loop, &client, "at once", 1);
    client_close(&client);
    close_desk(&desk);
}

static void stream_goes_on_as_long_as_it_is_fed(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    open_desk(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, HEAD("GET", "/watch") "\r\n");
    expect_streams(&desk, &client, 1);
    turn(&desk, 20);
    struct server_request *request = desk.streams[0].request;
    begin(request, 200);
    client_expect(desk.loop, &client, "Transfer-Encoding: chunked\r\n");
    for (int i = 0; i < 100; i++) {
        char text[32];
        snprintf(text, sizeof text, "event %d;", i);
        say(request, text);
        client_expect(desk.loop, &client, text);
    }
    assert_int_equal(server_pending(desk.server), 1);
    say(request, "the last");
    end(&desk, 0);
    client_expect(desk.loop, &client, "the last\r\n0\r\n\r\n");
    client_send(&client, HEAD("GET", "/now") "\r\n"); /* on the same connection */
    client_expect(desk.loop, &client, "at once");
    assert_int_equal(desk.gone, 0);
    client_close(&client);
    close_desk(&desk);
}

static void head_of_a_stream_is_only_a_head(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    open_desk(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, HEAD("HEAD", "/watch") "\r\n");
    expect_streams(&desk, &client, 1);
    begin(desk.streams[0].request, 200);
    say(desk.streams[0].request, "unseen");
    expect_gone(&desk, 1); /* nothing more is wanted */
    client_send(&client, HEAD("GET", "/now") "\r\n");
    client_expect_count(desk.loop, &client, "at once", 1);
    assert_null(strstr(client.in.data, "unseen"));
    client_close(&client);
    close_desk(&desk);
}

static void stream_body_beyond_the_limit_is_refused(void **state) {
    (void)state;
    struct server_options options = {.body_limit = 100};
    struct desk desk;
    struct client client;
    open_desk(&desk, clock_real(), &options);
    client_open(&client, desk.server, NULL, HEAD("PUT", "/now") "Content-Length: 101\r\n\r\n");
    client_expect(desk.loop, &client, "HTTP/1.1 413");
    client_expect_closed(desk.loop, &client);
    client_close(&client);
    assert_int_equal(desk.count, 0);
    close_desk(&desk);
}

static void client_that_goes_is_noticed_at_once(void **state) {
    (void)state;
    struct desk desk;
    struct client clients[3];
    open_desk(&desk, clock_real(), NULL);
    for (size_t i = 0; i < 3; i++) {
        client_open(&clients[i], desk.server, NULL, HEAD("GET", "/watch") "\r\n");
        expect_streams(&desk, &clients[i], i + 1);
    }
    begin(desk.streams[1].request, 200); /* 0: not even begun */
    begin(desk.streams[2].request, 200);
    say(desk.streams[2].request, "something");
    client_expect(desk.loop, &clients[2], "something");
    for (size_t i = 0; i < 3; i++) {
        client_close(&clients[i]);
        expect_gone(&desk, i + 1);
        assert_true(desk.streams[i].gone);
    }
    assert_int_equal(server_pending(desk.server), 0);
    close_desk(&desk);
}

static void client_that_does_not_read_is_cut_off(void **state) {
    (void)state;
    struct server_options options = {.unsent_limit = 1 << 20};
    struct desk desk;
    struct client slow, good;
    open_desk(&desk, clock_real(), &options);
    client_open(&slow, desk.server, NULL, HEAD("GET", "/slow?watch=1") "\r\n");
    expect_streams(&desk, &slow, 1);
    client_open(&good, desk.server, NULL, HEAD("GET", "/good") "\r\n");
    expect_streams(&desk, &good, 2);
    begin(desk.streams[0].request, 200);
    begin(desk.streams[1].request, 200);
    size_t sent = 0;
    for (; sent < 64 && desk.gone == 0; sent++) {
        say_all(desk.streams[0].request, 1 << 20);
        say_all(desk.streams[1].request, 1 << 20);
        for (int i = 0; i < 100; i++) {
            loop_poll(desk.loop);
            client_turn(&good);
            strbuf_clear(&good.in);
        }
    }
    assert_true(desk.streams[0].gone);
    assert_in_range(sent, 2, 32); /* the kernel holds some */
    assert_non_null(strstr(desk.logged.data, "does not read"));
    assert_non_null(strstr(desk.logged.data, "/slow?watch=1"));
    say(desk.streams[1].request, "still there");
    client_expect(desk.loop, &good, "still there");
    end(&desk, 1);
    client_close(&slow);
    client_close(&good);
    close_desk(&desk);
}

static void opening_of_a_stream_may_be_larger_than_the_limit(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    size_t got = 0;
    open_desk(&desk, clock_real(), NULL); /* 16 MiB */
    client_open(&client, desk.server, NULL, HEAD("GET", "/large") "\r\n");
    expect_streams(&desk, &client, 1);
    for (int i = 0; i < 5; i++)
        say(desk.streams[0].request, "more");
    for (int i = 0; i < 200000 && got < (20 << 20) + 20; i++) {
        loop_poll(desk.loop);
        client_turn(&client);
        got += client.in.len;
        if (client.in.len > 100)
            strbuf_clear(&client.in);
        assert_false(client.closed);
    }
    assert_true(got >= (20 << 20) + 20);
    say(desk.streams[0].request, "the end");
    end(&desk, 0);
    client_expect(desk.loop, &client, "the end");
    assert_int_equal(desk.gone, 0);
    client_close(&client);
    close_desk(&desk);
}

static void stream_waits_for_its_handler_but_not_for_its_client(void **state) {
    (void)state;
    struct clock_fake fake;
    struct desk desk;
    struct client client;
    clock_fake_init(&fake, NS_PER_S, NS_PER_S);
    open_desk(&desk, &fake.clock, NULL);
    client_open(&client, desk.server, NULL, HEAD("GET", "/watch") "\r\n");
    expect_streams(&desk, &client, 1);
    begin(desk.streams[0].request, 200);
    for (int i = 0; i < 3; i++) {
        loop_advance(desk.loop, &fake, 1000 * NS_PER_S);
        turn(&desk, 10);
        say(desk.streams[0].request, "event");
        client_expect(desk.loop, &client, "event");
    }
    say_all(desk.streams[0].request, 8 << 20); /* which it does not read */
    turn(&desk, 100);
    loop_advance(desk.loop, &fake, 115 * NS_PER_S);
    turn(&desk, 10);
    assert_int_equal(desk.gone, 0);
    loop_advance(desk.loop, &fake, 15 * NS_PER_S);
    expect_gone(&desk, 1);
    client_close(&client);
    close_desk(&desk);
}

static void a_thousand_streams_are_open_together(void **state) {
    enum { COUNT = 1000 };
    struct server_options options = {.connections = COUNT + 10};
    struct rlimit files;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    if (files.rlim_max < 2 * COUNT + 200 || setrlimit(RLIMIT_NOFILE, &files) < 0)
        skip();
    struct desk *desk = mem_alloc(sizeof *desk);
    struct client *clients = mem_calloc(COUNT, sizeof *clients), one;
    open_desk(desk, clock_real(), &options);
    for (size_t i = 0; i < COUNT; i++) {
        client_open(&clients[i], desk->server, NULL, HEAD("GET", "/watch") "\r\n");
        expect_streams(desk, &clients[i], i + 1);
        begin(desk->streams[i].request, 200);
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++)
            say(desk->streams[i].request, "event");
        for (size_t i = 0; i < COUNT; i++)
            client_expect(desk->loop, &clients[i], "event");
    }
    client_open(&one, desk->server, NULL, HEAD("GET", "/now") "\r\n"); /* beside all of them */
    client_expect(desk->loop, &one, "at once");
    client_close(&one);
    for (size_t i = 0; i < COUNT; i++) {
        if (i % 2)
            end(desk, i);
        else
            client_close(&clients[i]);
    }
    expect_gone(desk, COUNT / 2);
    assert_int_equal(server_pending(desk->server), 0);
    for (size_t i = 0; i < COUNT; i++)
        client_close(&clients[i]);
    close_desk(desk);
    mem_free(clients);
    mem_free(desk);
}

static void drain_lets_streams_end(void **state) {
    (void)state;
    struct desk desk;
    struct client client, late;
    open_desk(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, HEAD("GET", "/watch") "\r\n");
    expect_streams(&desk, &client, 1);
    begin(desk.streams[0].request, 200);
    say(desk.streams[0].request, "event");
    client_expect(desk.loop, &client, "event");
    client_open(&late, desk.server, NULL, HEAD("GET", "/later") "\r\n");
    expect_streams(&desk, &late, 2);
    server_drain(desk.server);
    assert_int_equal(server_pending(desk.server), 2);
    end(&desk, 0);
    client_expect(desk.loop, &client, "0\r\n\r\n");
    begin(desk.streams[1].request, 200);
    end(&desk, 1);
    client_expect(desk.loop, &late, "Connection: close\r\n");
    client_expect_closed(desk.loop, &late);
    assert_int_equal(server_pending(desk.server), 0);
    client_close(&client);
    client_close(&late);
    close_desk(&desk);
}

static void stop_tells_every_stream(void **state) {
    (void)state;
    struct desk desk;
    struct client clients[4];
    open_desk(&desk, clock_real(), NULL);
    for (size_t i = 0; i < 4; i++) {
        client_open(&clients[i], desk.server, NULL, HEAD("GET", "/watch") "\r\n");
        expect_streams(&desk, &clients[i], i + 1);
    }
    begin(desk.streams[1].request, 200);
    begin(desk.streams[2].request, 200);
    say(desk.streams[2].request, "event");
    client_expect(desk.loop, &clients[2], "event");
    begin(desk.streams[3].request, 200);
    end(&desk, 3); /* its answer has not gone out */
    server_stop(desk.server);
    desk.server = NULL;
    assert_int_equal(desk.gone, 3);
    for (size_t i = 0; i < 4; i++)
        client_close(&clients[i]);
    close_desk(&desk);
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
    open_desk(&desk, clock_real(), &options);
    client_open(&client, desk.server, &trust, HEAD("GET", "/watch") "\r\n");
    expect_streams(&desk, &client, 1);
    begin(desk.streams[0].request, 200);
    say(desk.streams[0].request, "first");
    client_expect(desk.loop, &client, "first");
    assert_int_equal(server_set_certificate(desk.server, second.cert, second.key, &err), 0);
    say(desk.streams[0].request, "second");
    client_expect(desk.loop, &client, "second");
    client_open(&other, desk.server, &trust, HEAD("GET", "/now") "\r\n");
    client_expect(desk.loop, &other, "at once");
    client_close(&other);
    client_close(&client);
    expect_gone(&desk, 1);
    close_desk(&desk);
    certificate_pair_finish(&ca);
    certificate_pair_finish(&first);
    certificate_pair_finish(&second);
}

/* Everything of the server fails, nothing of its client. */
static bool converse(struct desk *desk, uint64_t n, bool forever) {
    struct client client;
    client_open(&client, desk->server, NULL, HEAD("GET", "/watch") "\r\n");
    mem_fail_at(n, forever);
    turn(desk, 5);
    if (desk->count > 0) {
        begin(desk->streams[0].request, 200);
        turn(desk, 3);
        if (desk->streams[0].request)
            say(desk->streams[0].request, "event");
        turn(desk, 3);
        if (desk->streams[0].request)
            end(desk, 0);
    }
    turn(desk, 3);
    bool failed = mem_fail_stop();
    client_close(&client);
    turn(desk, 5);
    return failed;
}

static void stream_survives_each_failed_allocation(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    open_desk(&desk, clock_real(), NULL);
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
    close_desk(&desk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stream_takes_any_method_and_path),
        cmocka_unit_test(stream_that_is_known_whole_has_its_length),
        cmocka_unit_test(stream_goes_on_as_long_as_it_is_fed),
        cmocka_unit_test(head_of_a_stream_is_only_a_head),
        cmocka_unit_test(stream_body_beyond_the_limit_is_refused),
        cmocka_unit_test(client_that_goes_is_noticed_at_once),
        cmocka_unit_test(client_that_does_not_read_is_cut_off),
        cmocka_unit_test(opening_of_a_stream_may_be_larger_than_the_limit),
        cmocka_unit_test(stream_waits_for_its_handler_but_not_for_its_client),
        cmocka_unit_test(a_thousand_streams_are_open_together),
        cmocka_unit_test(drain_lets_streams_end),
        cmocka_unit_test(stop_tells_every_stream),
        cmocka_unit_test(stream_over_tls_outlives_its_certificate),
        cmocka_unit_test(stream_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
