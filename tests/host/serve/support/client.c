#include "client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_TURNS = 20000 };

static gnutls_datum_t datum(const char *text) {
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

static void start_tls(struct client *client, const struct client_tls *tls) {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t ca = datum(tls->ca_pem);
    assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
    assert_true(gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM) > 0);
    if (tls->cert_pem) {
        gnutls_datum_t cert = datum(tls->cert_pem), key = datum(tls->key_pem);
        assert_int_equal(
            gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM), 0);
        /* shown even when it is of no CA that the server names */
        gnutls_init(&session,
                    GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_FORCE_CLIENT_CERT);
    } else {
        gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    }
    assert_int_equal(
        gnutls_priority_set_direct(session, tls->priority ? tls->priority : "NORMAL", NULL), 0);
    assert_int_equal(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials), 0);
    gnutls_session_set_verify_cert(session, "localhost", 0);
    gnutls_transport_set_int(session, client->fd);
    client->session = session;
    client->credentials = credentials;
}

void client_open(struct client *client, const struct server *server, const struct client_tls *tls,
                 const char *text) {
    client_open_at(client, server_address(server), tls, text);
}

void client_open_at(struct client *client, const char *address, const struct client_tls *tls,
                    const char *text) {
    int on = 1;
    const char *colon = strrchr(address, ':');
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    *client = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)};
    assert_true(client->fd > 0);
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (struct sockaddr *)&to, sizeof to) < 0)
        assert_int_equal(errno, EINPROGRESS);
    if (tls)
        start_tls(client, tls);
    client->greeted = tls == NULL;
    client_send(client, text);
}

void client_send_bytes(struct client *client, const void *bytes, size_t len) {
    strbuf_add(&client->out, bytes, len);
    client_turn(client);
}

void client_send(struct client *client, const char *text) {
    client_send_bytes(client, text, strlen(text));
}

static void end(struct client *client, const char *why) {
    client->closed = true;
    snprintf(client->why, sizeof client->why, "%s", why);
}

/* Bytes moved, 0 at the end, -1 when it must wait; anything else ends the client. */
static ssize_t outcome(struct client *client, ssize_t rc) {
    if (client->session) {
        if (rc >= 0)
            return rc;
        if (rc != GNUTLS_E_AGAIN && rc != GNUTLS_E_INTERRUPTED)
            end(client, gnutls_strerror((int)rc));
        return -1;
    }
    if (rc < 0 && errno != EAGAIN)
        end(client, strerror(errno));
    return rc;
}

static void greet(struct client *client) {
    int rc = gnutls_handshake(client->session);
    if (rc == 0)
        client->greeted = true;
    else if (gnutls_error_is_fatal(rc))
        end(client, gnutls_strerror(rc));
}

void client_turn(struct client *client) {
    if (client->fd <= 0) /* closed by us */
        return;
    if (!client->greeted && !client->closed)
        greet(client);
    while (client->greeted && !client->closed && client->out.len > 0) {
        ssize_t sent = outcome(
            client, client->session
                        ? gnutls_record_send(client->session, client->out.data, client->out.len)
                        : send(client->fd, client->out.data, client->out.len, MSG_NOSIGNAL));
        if (sent <= 0)
            break;
        strbuf_consume(&client->out, (size_t)sent);
    }
    while (client->greeted && !client->closed) {
        char *room = strbuf_reserve(&client->in, 4096);
        assert_non_null(room);
        ssize_t got =
            outcome(client, client->session ? gnutls_record_recv(client->session, room, 4096)
                                            : recv(client->fd, room, 4096, 0));
        if (got < 0)
            break;
        if (got == 0)
            end(client, "end of stream");
        room[got] = '\0';
        client->in.len += (size_t)got;
    }
}

void client_peer_serial(struct client *client, char *ret, size_t size) {
    unsigned count = 0;
    const gnutls_datum_t *peers = gnutls_certificate_get_peers(client->session, &count);
    gnutls_x509_crt_t cert;
    unsigned char serial[64];
    size_t len = sizeof serial;
    assert_true(count > 0);
    gnutls_x509_crt_init(&cert);
    assert_int_equal(gnutls_x509_crt_import(cert, &peers[0], GNUTLS_X509_FMT_DER), 0);
    assert_int_equal(gnutls_x509_crt_get_serial(cert, serial, &len), 0);
    gnutls_x509_crt_deinit(cert);
    assert_true(2 * len < size);
    for (size_t i = 0; i < len; i++)
        snprintf(ret + 2 * i, 3, "%02x", serial[i]);
}

void client_close(struct client *client) {
    if (client->session)
        gnutls_deinit(client->session);
    if (client->credentials)
        gnutls_certificate_free_credentials(client->credentials);
    if (client->fd > 0)
        close(client->fd);
    strbuf_finish(&client->out);
    strbuf_finish(&client->in);
    *client = (struct client){0};
}

/* Waiting */

/* By memmem, which is linear: glibc's strstr is quadratic on processors with AVX-512. */
static size_t occurrences(const struct client *client, const char *text) {
    size_t count = 0, len = strlen(text);
    if (client->in.len == 0)
        return 0;
    const char *at = client->in.data, *end = at + client->in.len;
    for (; (at = memmem(at, (size_t)(end - at), text, len)); at += len)
        count++;
    return count;
}

void client_expect_count(struct loop *loop, struct client *client, const char *text, size_t count) {
    for (int turn = 0; turn < MOST_TURNS && occurrences(client, text) < count; turn++) {
        loop_poll(loop);
        client_turn(client);
        if (client->closed && occurrences(client, text) < count)
            break;
    }
    if (occurrences(client, text) != count)
        fail_msg("%zu of %zu \"%s\" in \"%s\" (%s)", occurrences(client, text), count, text,
                 client->in.data ? client->in.data : "", client->why);
}

void client_expect(struct loop *loop, struct client *client, const char *text) {
    client_expect_count(loop, client, text, 1);
    strbuf_clear(&client->in);
}

void client_expect_closed(struct loop *loop, struct client *client) {
    for (int turn = 0; turn < MOST_TURNS && !client->closed; turn++) {
        loop_poll(loop);
        client_turn(client);
    }
    if (!client->closed)
        fail_msg("still open after \"%s\"", client->in.data ? client->in.data : "");
}
