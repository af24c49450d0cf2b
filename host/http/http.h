#ifndef MOONLET_HTTP_HTTP_H
#define MOONLET_HTTP_HTTP_H

#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "loop/loop.h"

/*
 * HTTP client: requests whose answers may be streams, over a transport.
 *
 * Is:      the one interface to the network; http/curl.h is the real transport, tests bring their
 *          own. curl's types stop in this room.
 * Is not:  aware of Kubernetes (kube/client.h).
 * Threads: the thread of the loop. Yields: never; everything ends in a callback.
 */
struct http_header {
    const char *name, *value;
};

/* How to reach and trust the server; compared by pointer, so share one per server. Immutable. */
struct http_tls {
    const char *ca_pem;      /* bytes, or NULL: the system's */
    const char *cert_pem;    /* client certificate, or NULL */
    const char *key_pem;     /* its key; unencrypted */
    const char *server_name; /* to verify instead of the URL's host, or NULL */
    bool insecure;           /* do not verify */
};

struct http_answer {
    int status;                        /* 200..., 0 until headers came */
    const struct http_header *headers; /* borrowed; names as sent */
    size_t header_count;
};
const char *http_answer_header(const struct http_answer *answer, const char *name); /* any case */

struct http_request {
    const char *method, *url;
    const struct http_header *headers; /* ends with {0}; may be NULL */
    struct str body;                   /* copied */
    const struct http_tls *tls;        /* borrowed until `done`; NULL: defaults */
    const char *proxy;                 /* URL, or NULL: environment as curl reads it */
    const char *unix_socket;           /* path, or NULL */
    uint64_t timeout_ns;               /* of the whole exchange; 0 = none */
    uint64_t connect_timeout_ns;       /* 0 = 30 s */
    size_t max_body;                   /* more is ERROR_REJECTED; 0 = no limit (streams) */
    bool stream;                       /* long-lived (a watch): its own share of connections */
    bool gzip;                         /* the answer may come packed; `data` and `body` are not */
    /* In order: headers once, data 0..n times (not when NULL; then `done` gets the whole body),
     * done once. A callback may cancel its own request; then nothing more is called. */
    void (*on_headers)(void *context, const struct http_answer *answer);
    void (*on_data)(void *context, const char *data, size_t len);
    /* err is NULL when an answer came, whatever its status. body is borrowed. Codes: UNAVAILABLE
     * (refused, cut, TLS), TIMEOUT, REJECTED (too large), PROTOCOL, INVALID (bad URL), NOMEM.
     * `sent` in the answer's absence: err->status is -1 when the request surely never left. */
    void (*on_done)(void *context, const struct http_answer *answer, struct str body,
                    const struct error *err);
    void *context;
};

struct http_call; /* under way; owned by the transport until done or cancelled */

struct http_transport {
    /* NULL with err (INVALID, NOMEM) when it could not start; then no callback comes. */
    struct http_call *(*start)(struct http_transport *transport, const struct http_request *request,
                               struct error *err);
    void (*cancel)(struct http_transport *transport, struct http_call *call); /* no callback */
    void (*destroy)(struct http_transport *transport); /* cancels what is under way */
};

#endif
