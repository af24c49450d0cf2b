#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "serve/certificate.h"
#include "serve/server_internal.h"
#include "support/client.h"
#include "support/client_certificate.h"
#include "support/oom_sweep.h"
#include "support/site.h"

/* R24: certificates change under open connections; what TLS has buffered is not forgotten. */

static struct certificate_pair ca, other_ca, first, second, friend, stranger;

static int make_certificates(void **state) {
    static const char *const names[] = {"localhost", NULL};
    int64_t now = time(NULL);
    struct error err;
    (void)state;
    if (certificate_make_ca("test", now, now + 3600, &ca, &err) < 0 ||
        certificate_make_ca("other", now, now + 3600, &other_ca, &err) < 0 ||
        certificate_make_serving(ca.cert, ca.key, names, now, now + 600, &first, &err) < 0 ||
        certificate_make_serving(ca.cert, ca.key, names, now, now + 600, &second, &err) < 0)
        return -1;
    client_certificate_make(&ca, &friend);
    client_certificate_make(&other_ca, &stranger);
    return 0;
}

static int drop_certificates(void **state) {
    struct certificate_pair *const all[] = {&ca, &other_ca, &first, &second, &friend, &stranger};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        certificate_pair_finish(all[i]);
    return 0;
}

static void open_site(struct site *site, const char *client_ca) {
    struct server_tls tls = {first.cert, first.key, client_ca};
    struct server_options options = {.tls = &tls};
    site_open(site, clock_real(), &options);
}

static void expect_waiting(struct site *site, struct client *client, size_t count) {
    for (int turn = 0; turn < 20000 && site->count < count; turn++) {
        client_turn(client);
        loop_poll(site->loop);
    }
    site_expect(site, count);
}

static const char post_now[] = POST("/post/now", "2", "{}");

static void tls_refuses_a_bad_pair_and_keeps_the_old_one(void **state) {
    (void)state;
    const struct {
        const char *cert, *key;
        int code;
    } cases[] = {{"", first.key, ERROR_INVALID},         {"rubbish", first.key, ERROR_INVALID},
                 {first.cert, "", ERROR_INVALID},        {first.cert, "rubbish", ERROR_INVALID},
                 {first.key, first.cert, ERROR_INVALID}, {first.cert, second.key, ERROR_REJECTED}};
    struct client_tls trust = {.ca_pem = ca.cert};
    struct error err = {0};
    struct site site;
    open_site(&site, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct server_tls tls = {cases[i].cert, cases[i].key, NULL};
        struct server_options options = {.loop = site.loop, .address = "127.0.0.1:0", .tls = &tls};
        assert_null(server_start(&options, &err));
        assert_int_equal(err.code, cases[i].code);
        struct client client;
        assert_int_equal(server_set_certificate(site.server, cases[i].cert, cases[i].key, &err),
                         cases[i].code);
        client_open(&client, site.server, &trust, post_now);
        client_expect(site.loop, &client, "at once");
        client_close(&client);
    }
    struct server_tls tls = {first.cert, first.key, "rubbish"};
    struct server_options options = {.loop = site.loop, .address = "127.0.0.1:0", .tls = &tls};
    assert_null(server_start(&options, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    site_close(&site);
}

static void plain_server_takes_no_certificate(void **state) {
    (void)state;
    struct site site;
    struct error err;
    site_open(&site, clock_real(), NULL);
    assert_int_equal(server_set_certificate(site.server, first.cert, first.key, &err),
                     ERROR_INVALID);
    site_close(&site);
}

static void tls_survives_each_failed_allocation_of_ours(void **state) {
    (void)state;
    struct error err;
    struct site site;
    open_site(&site, NULL);
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        int rc = server_set_certificate(site.server, second.cert, second.key, &err);
        assert_true(rc == 0 || rc == ERROR_NOMEM);
        mem_fail_stop();
        assert_int_equal(server_set_certificate(site.server, first.cert, first.key, &err), 0);
        mem_fail_at(sweep.n, sweep.forever);
        rc = server_set_certificate(site.server, first.cert, first.key, &err);
        assert_true(rc == 0 || rc == ERROR_NOMEM);
    }
    site_close(&site);
}

static void tls_connection_without_memory_is_refused(void **state) {
    (void)state;
    struct client_tls trust = {.ca_pem = ca.cert};
    struct site site;
    struct client client;
    open_site(&site, NULL);
    client_open(&client, site.server, &trust, post_now);
    mem_fail_at(0, /* forever= */ true);
    for (int turn = 0; turn < 20; turn++)
        loop_poll(site.loop);
    assert_true(mem_fail_stop());
    client_expect_closed(site.loop, &client);
    client_close(&client);
    client_open(&client, site.server, &trust, post_now);
    client_expect(site.loop, &client, "at once");
    client_close(&client);
    site_close(&site);
}

static void tls_rubbish_costs_nothing_lasting(void **state) {
    (void)state;
    struct client_tls trust = {.ca_pem = ca.cert};
    struct site site;
    struct client client;
    open_site(&site, NULL);
    client_open(&client, site.server, &trust, post_now);
    client_expect(site.loop, &client, "at once");
    struct mem_stats before = mem_stats();
    uint64_t bits = 1;
    for (int i = 0; i < 200; i++) {
        unsigned char rubbish[300];
        struct client bad;
        for (size_t k = 0; k < sizeof rubbish; k++) {
            bits = bits * 6364136223846793005u + 1442695040888963407u;
            rubbish[k] = (unsigned char)(bits >> 56);
        }
        if (i % 3 == 1) /* as if it were a ClientHello */
            memcpy(rubbish, "\x16\x03\x01\x01\x27\x01\x00\x01\x23\x03\x03", 11);
        if (i % 3 == 2) /* HTTP in the clear */
            memcpy(rubbish, "GET / HTTP/1.1\r\n\r\n", 18);
        client_open(&bad, site.server, NULL, "");
        client_send_bytes(&bad, rubbish, sizeof rubbish);
        for (int turn = 0; turn < 10; turn++)
            loop_poll(site.loop);
        client_close(&bad); /* some look like the begin of a longer record */
    }
    for (int turn = 0; turn < 1000 && mem_stats().blocks > before.blocks; turn++)
        loop_poll(site.loop);
    assert_int_equal(mem_stats().blocks, before.blocks);
    client_send(&client, post_now);
    client_expect(site.loop, &client, "at once");
    client_close(&client);
    site_close(&site);
}

/* libmicrohttpd would run over and over while it waits for the rest. */
static void tls_half_a_handshake_costs_no_time_and_ends(void **state) {
    (void)state;
    struct clock_fake fake;
    struct server_tls tls = {first.cert, first.key, NULL};
    struct server_options options = {.tls = &tls};
    struct client_tls trust = {.ca_pem = ca.cert};
    struct site site;
    struct client half, whole;
    clock_fake_init(&fake, NS_PER_S, NS_PER_S);
    site_open(&site, &fake.clock, &options);
    client_open(&half, site.server, NULL, "");
    client_send_bytes(&half, "\x16\x03\x01\x01\x27\x01", 6);
    for (int turn = 0; turn < 100; turn++)
        loop_poll(site.loop);
    assert_true(site.server->timer.due > loop_now(site.loop));
    client_open(&whole, site.server, &trust, post_now);
    client_expect(site.loop, &whole, "at once");
    loop_advance(site.loop, &fake, 40 * NS_PER_S);
    client_expect_closed(site.loop, &half);
    client_send(&whole, post_now);
    client_expect(site.loop, &whole, "at once");
    client_close(&half);
    client_close(&whole);
    site_close(&site);
}

static void tls_versions_below_1_2_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *priority;
        bool good;
    } cases[] = {{"NORMAL:-VERS-ALL:+VERS-TLS1.3", true},
                 {"NORMAL:-VERS-ALL:+VERS-TLS1.2", true},
                 {"NORMAL:-VERS-ALL:+VERS-TLS1.1:%VERIFY_ALLOW_SIGN_WITH_SHA1", false},
                 {"NORMAL:-VERS-ALL:+VERS-TLS1.0:%VERIFY_ALLOW_SIGN_WITH_SHA1", false}};
    struct site site;
    open_site(&site, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct client_tls trust = {.ca_pem = ca.cert, .priority = cases[i].priority};
        struct client client;
        client_open(&client, site.server, &trust, post_now);
        if (cases[i].good)
            client_expect(site.loop, &client, "at once");
        else
            client_expect_closed(site.loop, &client);
        client_close(&client);
    }
    site_close(&site);
}

static void tls_client_without_the_right_certificate_is_refused(void **state) {
    (void)state;
    const struct {
        struct certificate_pair *pair;
        const char *answer;
    } cases[] = {{NULL, "HTTP/1.1 401"},
                 {&stranger, "HTTP/1.1 401"},
                 {&second, "HTTP/1.1 401"}, /* of the CA, but for servers */
                 {&friend, "at once"}};
    static const char *const requests[] = {post_now, "GET /x HTTP/1.1\r\nHost: x\r\n\r\n",
                                           "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
                                           POST("/post/now", "1000", "{")};
    static const char *const versions[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.3",
                                           "NORMAL:-VERS-ALL:+VERS-TLS1.2"};
    struct site site;
    open_site(&site, ca.cert);
    for (size_t i = 0; i < 4 * 2 * sizeof cases / sizeof *cases; i++) {
        struct certificate_pair *pair = cases[i / 8].pair;
        struct client_tls tls = {.ca_pem = ca.cert, .priority = versions[i % 2]};
        struct client client;
        if (pair == &friend && i % 8 > 1)
            break;
        if (pair) {
            tls.cert_pem = pair->cert;
            tls.key_pem = pair->key;
        }
        client_open(&client, site.server, &tls, requests[i % 8 / 2]);
        client_expect(site.loop, &client, cases[i / 8].answer);
        if (pair == &friend) {
            client_send(&client, post_now);
            client_expect(site.loop, &client, "at once");
        } else {
            client_expect_closed(site.loop, &client);
        }
        client_close(&client);
    }
    site_close(&site);
}

static void tls_certificate_changes_under_open_connections(void **state) {
    (void)state;
    struct client_tls trust = {.ca_pem = ca.cert};
    struct certificate_facts old, new;
    char serial[CERTIFICATE_SERIAL_TEXT];
    struct client before, after;
    struct error err;
    struct site site;
    assert_int_equal(certificate_read(first.cert, &old, &err), 0);
    assert_int_equal(certificate_read(second.cert, &new, &err), 0);
    open_site(&site, NULL);
    client_open(&before, site.server, &trust, POST("/post/a", "2", "{}"));
    expect_waiting(&site, &before, 1);
    assert_int_equal(server_set_certificate(site.server, second.cert, second.key, &err), 0);
    client_open(&after, site.server, &trust, post_now);
    client_expect(site.loop, &after, "at once");
    client_peer_serial(&after, serial, sizeof serial);
    assert_string_equal(serial, new.serial);
    client_peer_serial(&before, serial, sizeof serial);
    assert_string_equal(serial, old.serial);
    site_answer(&site, 0, "still there");
    client_expect(site.loop, &before, "still there");
    client_send(&before, post_now);
    client_expect(site.loop, &before, "at once");
    client_close(&before);
    client_close(&after);
    site_close(&site);
}

/* One record with several requests: the later ones never show on the socket (R24). */
static void tls_answers_what_was_buffered(void **state) {
    (void)state;
    struct client_tls trust = {.ca_pem = ca.cert};
    struct site site;
    struct client client;
    open_site(&site, NULL);
    client_open(&client, site.server, &trust,
                POST("/post/a", "2", "{}") POST("/post/now", "2", "{}") POST("/post/b", "2", "{}")
                    POST("/post/now", "2", "{}"));
    expect_waiting(&site, &client, 1);
    site_answer(&site, 0, "first");
    site_expect(&site, 3);
    site_answer(&site, 2, "third");
    client_expect_count(site.loop, &client, "HTTP/1.1 200", 4);
    client_close(&client);
    site_close(&site);
}

static void tls_carries_bodies_of_many_records(void **state) {
    (void)state;
    enum { LEN = 1 << 20 };
    struct client_tls trust = {.ca_pem = ca.cert};
    struct site site;
    struct client client;
    struct strbuf body = {0};
    memset(strbuf_reserve(&body, LEN + 1), 'x', LEN);
    body.data[LEN] = '\0';
    open_site(&site, NULL);
    client_open(&client, site.server, &trust, POST("/post/a", "1048576", ""));
    client_send_bytes(&client, body.data, LEN);
    expect_waiting(&site, &client, 1);
    assert_int_equal(site.waiting[0].body.len, LEN);
    site_answer(&site, 0, body.data);
    client_expect(site.loop, &client, body.data);
    strbuf_finish(&body);
    client_close(&client);
    site_close(&site);
}

static void tls_drain_and_stop_leave_nothing(void **state) {
    (void)state;
    struct client_tls trust = {.ca_pem = ca.cert};
    struct site site;
    struct client idle, busy, fresh;
    open_site(&site, NULL);
    client_open(&idle, site.server, &trust, post_now);
    client_expect(site.loop, &idle, "at once");
    client_open(&busy, site.server, &trust, POST("/post/a", "2", "{}"));
    expect_waiting(&site, &busy, 2);
    client_open(&fresh, site.server, &trust, ""); /* in its handshake */
    loop_poll(site.loop);
    server_drain(site.server);
    client_expect_closed(site.loop, &idle);
    client_expect_closed(site.loop, &fresh);
    server_stop(site.server);
    site.server = NULL;
    client_expect_closed(site.loop, &busy);
    client_close(&idle);
    client_close(&busy);
    client_close(&fresh);
    site_close(&site);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_refuses_a_bad_pair_and_keeps_the_old_one),
        cmocka_unit_test(plain_server_takes_no_certificate),
        cmocka_unit_test(tls_survives_each_failed_allocation_of_ours),
        cmocka_unit_test(tls_connection_without_memory_is_refused),
        cmocka_unit_test(tls_rubbish_costs_nothing_lasting),
        cmocka_unit_test(tls_half_a_handshake_costs_no_time_and_ends),
        cmocka_unit_test(tls_versions_below_1_2_are_refused),
        cmocka_unit_test(tls_client_without_the_right_certificate_is_refused),
        cmocka_unit_test(tls_certificate_changes_under_open_connections),
        cmocka_unit_test(tls_answers_what_was_buffered),
        cmocka_unit_test(tls_carries_bodies_of_many_records),
        cmocka_unit_test(tls_drain_and_stop_leave_nothing),
    };
    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
