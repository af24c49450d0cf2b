#ifndef MOONLET_TESTS_KUBE_FAKE_TRANSPORT_H
#define MOONLET_TESTS_KUBE_FAKE_TRANSPORT_H

#include "base/list.h"
#include "http/http.h"

/*
 * A transport without a network: requests wait until the test answers them.
 */
struct fake_transport {
    struct http_transport base; /* first */
    struct list calls;          /* struct http_call, oldest first */
    size_t started, cancelled;
};
void fake_transport_init(struct fake_transport *fake);
size_t fake_transport_waiting(const struct fake_transport *fake);
/* "GET https://host/path?query", "" when nothing waits. */
const char *fake_transport_what(const struct fake_transport *fake);
const char *fake_transport_header(const struct fake_transport *fake, const char *name);
struct str fake_transport_body(const struct fake_transport *fake);
const struct http_request *fake_transport_request(const struct fake_transport *fake);

/* Answer the oldest request. Pieces: headers, data..., end; or all at once. */
void fake_transport_headers(struct fake_transport *fake, int status,
                            const struct http_header *headers, size_t count);
/* False when the call went away while it was told. */
bool fake_transport_data(struct fake_transport *fake, const char *data, size_t len);
void fake_transport_end(struct fake_transport *fake, const struct error *err);
void fake_transport_answer(struct fake_transport *fake, int status, const char *body);
void fake_transport_fail(struct fake_transport *fake, int code, int status);

#endif
