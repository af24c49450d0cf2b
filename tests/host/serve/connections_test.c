#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "support/client.h"
#include "support/site.h"

/* R24: how many connections there are, how long each may do what it does, and how they end. The
 * clock is a fake one, so two minutes are over at once. */

static const char get_x[] = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";

static struct clock_fake fake;

static void open_site(struct site *site, unsigned connections) {
    struct server_options options = {.connections = connections};
    clock_fake_init(&fake, NS_PER_S, NS_PER_S);
    site_open(site, &fake.clock, &options);
}

static void pass(struct site *site, struct client *client, unsigned seconds) {
    loop_advance(site->loop, &fake, seconds * NS_PER_S);
    for (int turn = 0; turn < 10; turn++) {
        loop_poll(site->loop);
        client_turn(client);
    }
}

static void connection_that_is_idle_stays_for_two_minutes(void **state) {
    (void)state;
    struct site site;
    struct client client;
    open_site(&site, 0);
    client_open(&client, site.server, NULL, get_x);
    client_expect(site.loop, &client, "short");
    for (int i = 0; i < 3; i++) { /* Go's clients use one again after up to 90 s */
        pass(&site, &client, 115);
        client_send(&client, get_x);
        client_expect(site.loop, &client, "short");
    }
    pass(&site, &client, 130);
    client_expect_closed(site.loop, &client);
    client_close(&client);
    site_close(&site);
}

static void connection_that_never_speaks_is_closed(void **state) {
    (void)state;
    struct site site;
    struct client client;
    open_site(&site, 0);
    client_open(&client, site.server, NULL, "");
    pass(&site, &client, 115);
    assert_false(client.closed);
    pass(&site, &client, 15);
    client_expect_closed(site.loop, &client);
    client_close(&client);
    site_close(&site);
}

/* Sends `text` bit by bit and returns after how many seconds the server has had enough. */
static unsigned drip(struct site *site, const char *first, const char *text) {
    struct client client;
    unsigned seconds = 0;
    client_open(&client, site->server, NULL, first);
    if (first == get_x) /* a drip on a connection that was good before */
        client_expect(site->loop, &client, "short");
    pass(site, &client, 10);
    for (; *text && !client.closed; text++, seconds++) {
        client_send_bytes(&client, text, 1);
        pass(site, &client, 1);
    }
    client_close(&client);
    return seconds;
}

static void connection_that_drips_is_closed(void **state) {
    (void)state;
    static const char head[] =
        "GET /x HTTP/1.1\r\nHost: x\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    static const char body[] =
        "{\"a\": 1, \"b\": 2, \"c\": 3, \"d\": 4, \"e\": 5, \"f\": 6, \"g\":";
    struct site site;
    open_site(&site, 0);
    unsigned seconds = drip(&site, "", head);
    assert_in_range(seconds, 25, 45);
    seconds = drip(&site, get_x, head);
    assert_in_range(seconds, 25, 45);
    seconds = drip(&site, POST("/post/a", "1000", ""), body);
    assert_in_range(seconds, 15, 40);
    assert_int_equal(site.count, 0);
    site_close(&site);
}

static void connection_in_work_waits_as_long_as_its_handler(void **state) {
    (void)state;
    struct site site;
    struct client client;
    open_site(&site, 0);
    client_open(&client, site.server, NULL, POST("/post/a", "2", "{}"));
    site_expect(&site, 1);
    pass(&site, &client, 1000);
    site_answer(&site, 0, "late");
    client_expect(site.loop, &client, "late");
    client_close(&client);
    site_close(&site);
}

static void connection_that_does_not_read_its_answer_is_closed(void **state) {
    (void)state;
    struct site site;
    struct client client;
    open_site(&site, 0);
    client_open(&client, site.server, NULL, POST("/post/a", "2", "{}"));
    site_expect(&site, 1);
    char *large = mem_zalloc((8 << 20) + 1);
    memset(large, 'x', 8 << 20);
    site_answer(&site, 0, large);
    mem_free(large);
    loop_advance(site.loop, &fake, 130 * NS_PER_S);
    for (int turn = 0; turn < 10; turn++)
        loop_poll(site.loop);
    client_expect_closed(site.loop, &client);
    assert_true(client.in.len < 8 << 20);
    client_close(&client);
    site_close(&site);
}

static void connection_beyond_the_limit_replaces_the_longest_idle(void **state) {
    (void)state;
    struct site site;
    struct client busy, clients[5];
    open_site(&site, 4);
    client_open(&busy, site.server, NULL, POST("/post/a", "2", "{}"));
    site_expect(&site, 1);
    for (size_t i = 0; i < 5; i++) {
        client_open(&clients[i], site.server, NULL, get_x);
        client_expect(site.loop, &clients[i], "short");
        if (i == 2) { /* the oldest was used last */
            client_send(&clients[0], get_x);
            client_expect(site.loop, &clients[0], "short");
        }
    }
    client_expect_closed(site.loop, &clients[1]);
    client_expect_closed(site.loop, &clients[2]);
    client_send(&clients[0], get_x);
    client_expect(site.loop, &clients[0], "short");
    site_answer(&site, 0, "still there");
    client_expect(site.loop, &busy, "still there");
    for (size_t i = 0; i < 5; i++)
        client_close(&clients[i]);
    client_close(&busy);
    site_close(&site);
}

static void connection_is_refused_when_all_are_busy(void **state) {
    (void)state;
    struct site site;
    struct client busy[2], late;
    open_site(&site, 2);
    for (size_t i = 0; i < 2; i++) {
        client_open(&busy[i], site.server, NULL, POST("/post/a", "2", "{}"));
        site_expect(&site, i + 1);
    }
    client_open(&late, site.server, NULL, get_x);
    client_expect_closed(site.loop, &late);
    for (size_t i = 0; i < 2; i++) {
        site_answer(&site, i, "done");
        client_expect(site.loop, &busy[i], "done");
        client_close(&busy[i]);
    }
    client_close(&late);
    site_close(&site);
}

static void thousands_of_connections_leave_the_newest(void **state) {
    enum { COUNT = 10000, LIMIT = 1000 };
    struct rlimit files;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    if (files.rlim_max < COUNT + 2 * LIMIT || setrlimit(RLIMIT_NOFILE, &files) < 0)
        skip();
    struct site site;
    struct client *clients = mem_calloc(COUNT, sizeof *clients);
    size_t open = 0;
    open_site(&site, 0);
    uint64_t before = mem_stats().bytes;
    for (size_t i = 0; i < COUNT; i++) {
        client_open(&clients[i], site.server, NULL, "");
        loop_poll(site.loop);
    }
    client_send(&clients[COUNT - 1], get_x);
    client_expect(site.loop, &clients[COUNT - 1], "short");
    uint64_t after = mem_stats().bytes;
    for (size_t i = 0; i < COUNT; i++) {
        client_turn(&clients[i]);
        open += !clients[i].closed;
        assert_true(i < COUNT - LIMIT || !clients[i].closed);
    }
    assert_int_equal(open, LIMIT);
    assert_true(after - before < LIMIT * 512 + COUNT * (8192 + 128));
    for (size_t i = 0; i < COUNT; i++)
        client_close(&clients[i]);
    mem_free(clients);
    site_close(&site);
}

static void bodies_are_bounded_together(void **state) {
    enum { COUNT = 33, LIMIT = 100 }; /* 32 whole ones are held at most */
    (void)state;
    struct server_options options = {.body_limit = LIMIT};
    struct client clients[COUNT], next;
    char most[LIMIT];
    struct site site;
    memset(most, 'x', sizeof most);
    most[LIMIT - 1] = '\0';
    site_open(&site, clock_real(), &options);
    for (size_t i = 0; i < COUNT; i++) {
        client_open(&clients[i], site.server, NULL, POST("/post/a", "100", ""));
        client_send(&clients[i], most);
        for (int turn = 0; turn < 10; turn++)
            loop_poll(site.loop);
    }
    client_send(&clients[COUNT - 1], "x");
    client_expect(site.loop, &clients[COUNT - 1], "HTTP/1.1 503");
    for (size_t i = 0; i < COUNT - 1; i++) {
        client_send(&clients[i], "x");
        site_expect(&site, i + 1);
    }
    client_open(&next, site.server, NULL, POST("/post/now", "1", "1"));
    client_expect(site.loop, &next, "HTTP/1.1 503");
    for (size_t i = 0; i < COUNT - 1; i++) { /* now there is room again */
        site_answer(&site, i, "done");
        client_expect(site.loop, &clients[i], "done");
    }
    client_send(&next, POST("/post/now", "1", "1"));
    client_expect(site.loop, &next, "at once");
    for (size_t i = 0; i < COUNT; i++)
        client_close(&clients[i]);
    client_close(&next);
    site_close(&site);
}

static void client_that_disappears_is_still_answered(void **state) {
    (void)state;
    struct site site;
    struct client client;
    open_site(&site, 0);
    client_open(&client, site.server, NULL, POST("/post/a", "100", "{")); /* half a body */
    loop_poll(site.loop);
    client_close(&client);
    for (size_t i = 0; i < 3; i++) {
        client_open(&client, site.server, NULL, POST("/post/a", "2", "{}"));
        site_expect(&site, i + 1);
        if (i == 1) { /* with a reset instead of an end */
            struct linger none = {.l_onoff = 1, .l_linger = 0};
            setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        }
        client_close(&client);
        pass(&site, &client, 1);
        if (i < 2)
            site_answer(&site, i, "to nobody");
        pass(&site, &client, 1);
    }
    assert_int_equal(server_pending(site.server), 1);
    client_open(&client, site.server, NULL, get_x);
    client_expect(site.loop, &client, "short");
    client_close(&client);
    site_close(&site);
}

static void drain_ends_what_is_idle_and_finishes_what_is_not(void **state) {
    (void)state;
    struct site site;
    struct client idle, busy, half, late;
    open_site(&site, 0);
    client_open(&idle, site.server, NULL, get_x);
    client_expect(site.loop, &idle, "short");
    client_open(&busy, site.server, NULL, POST("/post/a", "2", "{}"));
    site_expect(&site, 1);
    client_open(&half, site.server, NULL, POST("/post/now", "4", "{ "));
    for (int turn = 0; turn < 10; turn++)
        loop_poll(site.loop);
    server_drain(site.server);
    server_drain(site.server);
    client_expect_closed(site.loop, &idle);
    client_open(&late, site.server, NULL, get_x);
    client_expect_closed(site.loop, &late);
    client_send(&half, " }");
    client_expect(site.loop, &half, "Connection: close\r\n");
    client_expect_closed(site.loop, &half);
    assert_int_equal(server_pending(site.server), 1);
    site_answer(&site, 0, "done");
    client_expect(site.loop, &busy, "Connection: close\r\n");
    client_expect_closed(site.loop, &busy);
    assert_int_equal(server_pending(site.server), 0);
    client_close(&idle);
    client_close(&busy);
    client_close(&half);
    client_close(&late);
    site_close(&site);
}

static void stop_lets_requests_be_answered_into_the_void(void **state) {
    (void)state;
    struct site site;
    struct client waiting, answered, half;
    open_site(&site, 0);
    client_open(&waiting, site.server, NULL, POST("/post/a", "2", "{}"));
    site_expect(&site, 1);
    client_open(&answered, site.server, NULL, POST("/post/a", "2", "{}"));
    site_expect(&site, 2);
    client_open(&half, site.server, NULL, POST("/post/a", "100", "{"));
    for (int turn = 0; turn < 10; turn++)
        loop_poll(site.loop);
    site_answer(&site, 1, "not sent yet");
    server_stop(site.server);
    site.server = NULL;
    client_expect_closed(site.loop, &waiting);
    client_expect_closed(site.loop, &half);
    client_close(&waiting);
    client_close(&answered);
    client_close(&half);
    site_close(&site); /* answers the first one */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_that_is_idle_stays_for_two_minutes),
        cmocka_unit_test(connection_that_never_speaks_is_closed),
        cmocka_unit_test(connection_that_drips_is_closed),
        cmocka_unit_test(connection_in_work_waits_as_long_as_its_handler),
        cmocka_unit_test(connection_that_does_not_read_its_answer_is_closed),
        cmocka_unit_test(connection_beyond_the_limit_replaces_the_longest_idle),
        cmocka_unit_test(connection_is_refused_when_all_are_busy),
        cmocka_unit_test(thousands_of_connections_leave_the_newest),
        cmocka_unit_test(bodies_are_bounded_together),
        cmocka_unit_test(client_that_disappears_is_still_answered),
        cmocka_unit_test(drain_ends_what_is_idle_and_finishes_what_is_not),
        cmocka_unit_test(stop_lets_requests_be_answered_into_the_void),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
