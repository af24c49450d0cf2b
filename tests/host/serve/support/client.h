#ifndef MOONLET_TESTS_SERVE_CLIENT_H
#define MOONLET_TESTS_SERVE_CLIENT_H

#include "base/str.h"
#include "serve/server.h"

/*
 * A client that shares the server's thread: it never blocks, so that the test can turn the loop
 * between its steps. Bytes go out and come in as they are; nothing knows HTTP here.
 */
struct client_tls {
    const char *ca_pem;             /* the server's certificate must be of it */
    const char *cert_pem, *key_pem; /* NULL: shows none */
    const char *priority;           /* NULL: GnuTLS's default */
};

struct client {
    int fd;
    void *session, *credentials; /* GnuTLS; NULL in plain HTTP */
    struct strbuf out, in;       /* not sent yet; received */
    bool greeted;                /* the handshake is through */
    bool closed;                 /* by the server, or refused; see `why` */
    char why[128];
};

/* Connects and queues `text`. `tls` NULL: plain. */
void client_open(struct client *client, const struct server *server, const struct client_tls *tls,
                 const char *text);
/* The same at "127.0.0.1:8080". */
void client_open_at(struct client *client, const char *address, const struct client_tls *tls,
                    const char *text);
void client_send(struct client *client, const char *text);
void client_send_bytes(struct client *client, const void *bytes, size_t len);
/* Moves what can be moved now; nothing on a closed one. */
void client_turn(struct client *client);
/* Serial number of the server's certificate, as certificate_read() writes it. */
void client_peer_serial(struct client *client, char *ret, size_t size);
void client_close(struct client *client); /* zeroed is fine */

/* These turn the loop; they fail the test when it does not come about. */
void client_expect(struct loop *loop, struct client *client, const char *text);
void client_expect_count(struct loop *loop, struct client *client, const char *text, size_t count);
void client_expect_closed(struct loop *loop, struct client *client);

#define POST_HEAD(path) "POST " path " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
/* A whole request: POST("/post/a", "2", "{}"). */
#define POST(path, length, body) POST_HEAD(path) "Content-Length: " length "\r\n\r\n" body

#endif
