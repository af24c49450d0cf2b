#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "serve/support/stream/desk.h"

/* Streams whose client does not read, or goes away, or are many; and a server that ends. */

static void client_that_goes_is_noticed_at_once(void **state) {
    (void)state;
    struct desk desk;
    struct client clients[3];
    desk_open(&desk, clock_real(), NULL);
    for (size_t i = 0; i < 3; i++) {
        client_open(&clients[i], desk.server, NULL, HEAD("GET", "/watch") "\r\n");
        desk_expect_streams(&desk, &clients[i], i + 1);
    }
    desk_begin(desk.streams[1].request, 200); /* 0: not even begun */
    desk_begin(desk.streams[2].request, 200);
    desk_say(desk.streams[2].request, "something");
    client_expect(desk.loop, &clients[2], "something");
    for (size_t i = 0; i < 3; i++) {
        client_close(&clients[i]);
        desk_expect_gone(&desk, i + 1);
        assert_true(desk.streams[i].gone);
    }
    assert_int_equal(server_pending(desk.server), 0);
    desk_close(&desk);
}

static void client_that_does_not_read_is_cut_off(void **state) {
    (void)state;
    struct server_options options = {.unsent_limit = 1 << 20};
    struct desk desk;
    struct client slow, good;
    desk_open(&desk, clock_real(), &options);
    client_open(&slow, desk.server, NULL, HEAD("GET", "/slow?watch=1") "\r\n");
    desk_expect_streams(&desk, &slow, 1);
    client_open(&good, desk.server, NULL, HEAD("GET", "/good") "\r\n");
    desk_expect_streams(&desk, &good, 2);
    desk_begin(desk.streams[0].request, 200);
    desk_begin(desk.streams[1].request, 200);
    size_t sent = 0;
    for (; sent < 64 && desk.gone == 0; sent++) {
        desk_say_all(desk.streams[0].request, 1 << 20);
        desk_say_all(desk.streams[1].request, 1 << 20);
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
    desk_say(desk.streams[1].request, "still there");
    client_expect(desk.loop, &good, "still there");
    desk_end(&desk, 1);
    client_close(&slow);
    client_close(&good);
    desk_close(&desk);
}

static void opening_of_a_stream_may_be_larger_than_the_limit(void **state) {
    (void)state;
    struct desk desk;
    struct client client;
    size_t got = 0;
    desk_open(&desk, clock_real(), NULL); /* 16 MiB */
    client_open(&client, desk.server, NULL, HEAD("GET", "/large") "\r\n");
    desk_expect_streams(&desk, &client, 1);
    for (int i = 0; i < 5; i++)
        desk_say(desk.streams[0].request, "more");
    for (int i = 0; i < 200000 && got < (20 << 20) + 20; i++) {
        loop_poll(desk.loop);
        client_turn(&client);
        got += client.in.len;
        if (client.in.len > 100)
            strbuf_clear(&client.in);
        assert_false(client.closed);
    }
    assert_true(got >= (20 << 20) + 20);
    desk_say(desk.streams[0].request, "the end");
    desk_end(&desk, 0);
    client_expect(desk.loop, &client, "the end");
    assert_int_equal(desk.gone, 0);
    client_close(&client);
    desk_close(&desk);
}

static void stream_waits_for_its_handler_but_not_for_its_client(void **state) {
    (void)state;
    struct clock_fake fake;
    struct desk desk;
    struct client client;
    clock_fake_init(&fake, NS_PER_S, NS_PER_S);
    desk_open(&desk, &fake.clock, NULL);
    client_open(&client, desk.server, NULL, HEAD("GET", "/watch") "\r\n");
    desk_expect_streams(&desk, &client, 1);
    desk_begin(desk.streams[0].request, 200);
    for (int i = 0; i < 3; i++) {
        loop_advance(desk.loop, &fake, 1000 * NS_PER_S);
        desk_turn(&desk, 10);
        desk_say(desk.streams[0].request, "event");
        client_expect(desk.loop, &client, "event");
    }
    desk_say_all(desk.streams[0].request, 8 << 20); /* which it does not read */
    desk_turn(&desk, 100);
    loop_advance(desk.loop, &fake, 115 * NS_PER_S);
    desk_turn(&desk, 10);
    assert_int_equal(desk.gone, 0);
    loop_advance(desk.loop, &fake, 15 * NS_PER_S);
    desk_expect_gone(&desk, 1);
    client_close(&client);
    desk_close(&desk);
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
    desk_open(desk, clock_real(), &options);
    for (size_t i = 0; i < COUNT; i++) {
        client_open(&clients[i], desk->server, NULL, HEAD("GET", "/watch") "\r\n");
        desk_expect_streams(desk, &clients[i], i + 1);
        desk_begin(desk->streams[i].request, 200);
    }
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++)
            desk_say(desk->streams[i].request, "event");
        for (size_t i = 0; i < COUNT; i++)
            client_expect(desk->loop, &clients[i], "event");
    }
    client_open(&one, desk->server, NULL, HEAD("GET", "/now") "\r\n"); /* beside all of them */
    client_expect(desk->loop, &one, "at once");
    client_close(&one);
    for (size_t i = 0; i < COUNT; i++) {
        if (i % 2)
            desk_end(desk, i);
        else
            client_close(&clients[i]);
    }
    desk_expect_gone(desk, COUNT / 2);
    assert_int_equal(server_pending(desk->server), 0);
    for (size_t i = 0; i < COUNT; i++)
        client_close(&clients[i]);
    desk_close(desk);
    mem_free(clients);
    mem_free(desk);
}

static void drain_lets_streams_end(void **state) {
    (void)state;
    struct desk desk;
    struct client client, late;
    desk_open(&desk, clock_real(), NULL);
    client_open(&client, desk.server, NULL, HEAD("GET", "/watch") "\r\n");
    desk_expect_streams(&desk, &client, 1);
    desk_begin(desk.streams[0].request, 200);
    desk_say(desk.streams[0].request, "event");
    client_expect(desk.loop, &client, "event");
    client_open(&late, desk.server, NULL, HEAD("GET", "/later") "\r\n");
    desk_expect_streams(&desk, &late, 2);
    server_drain(desk.server);
    assert_int_equal(server_pending(desk.server), 2);
    desk_end(&desk, 0);
    client_expect(desk.loop, &client, "0\r\n\r\n");
    desk_begin(desk.streams[1].request, 200);
    desk_end(&desk, 1);
    client_expect(desk.loop, &late, "Connection: close\r\n");
    client_expect_closed(desk.loop, &late);
    assert_int_equal(server_pending(desk.server), 0);
    client_close(&client);
    client_close(&late);
    desk_close(&desk);
}

static void stop_tells_every_stream(void **state) {
    (void)state;
    struct desk desk;
    struct client clients[4];
    desk_open(&desk, clock_real(), NULL);
    for (size_t i = 0; i < 4; i++) {
        client_open(&clients[i], desk.server, NULL, HEAD("GET", "/watch") "\r\n");
        desk_expect_streams(&desk, &clients[i], i + 1);
    }
    desk_begin(desk.streams[1].request, 200);
    desk_begin(desk.streams[2].request, 200);
    desk_say(desk.streams[2].request, "event");
    client_expect(desk.loop, &clients[2], "event");
    desk_begin(desk.streams[3].request, 200);
    desk_end(&desk, 3); /* its answer has not gone out */
    server_stop(desk.server);
    desk.server = NULL;
    assert_int_equal(desk.gone, 3);
    for (size_t i = 0; i < 4; i++)
        client_close(&clients[i]);
    desk_close(&desk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_that_goes_is_noticed_at_once),
        cmocka_unit_test(client_that_does_not_read_is_cut_off),
        cmocka_unit_test(opening_of_a_stream_may_be_larger_than_the_limit),
        cmocka_unit_test(stream_waits_for_its_handler_but_not_for_its_client),
        cmocka_unit_test(a_thousand_streams_are_open_together),
        cmocka_unit_test(drain_lets_streams_end),
        cmocka_unit_test(stop_tells_every_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
