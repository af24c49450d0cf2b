#ifndef MOONLET_TESTS_FUZZ_PIECES_H
#define MOONLET_TESTS_FUZZ_PIECES_H

#include <stdlib.h>
#include <string.h>

#include "http/http.h"

/* A transport with one request, whose answer comes in pieces. */
struct http_call {
    struct http_request request;
    bool open;
};
struct pieces {
    struct http_transport transport; /* first */
    struct http_call call;
};

static inline struct http_call *pieces_start(struct http_transport *transport,
                                             const struct http_request *request,
                                             struct error *err) {
    struct pieces *pieces = (struct pieces *)transport;
    (void)err;
    pieces->call = (struct http_call){*request, true};
    return &pieces->call;
}

static inline void pieces_cancel(struct http_transport *transport, struct http_call *call) {
    (void)transport;
    call->open = false;
}

static inline struct pieces pieces_of(void) {
    return (struct pieces){.transport = {.start = pieces_start, .cancel = pieces_cancel}};
}

/* Pieces of 1 to `most` bytes, by a xorshift; most 0: in one. */
static inline void pieces_feed(struct pieces *pieces, const char *data, size_t size,
                               unsigned most) {
    const struct http_answer answer = {.status = 200};
    const struct http_request *request = &pieces->call.request;
    unsigned state = most + 1;
    request->on_headers(request->context, &answer);
    for (size_t at = 0; at < size && pieces->call.open;) {
        state ^= state << 13, state ^= state >> 17, state ^= state << 5;
        size_t piece = most ? 1 + state % most : size;
        piece = piece < size - at ? piece : size - at;
        char *copy = malloc(piece); /* reading past a piece is seen */
        memcpy(copy, data + at, piece);
        request->on_data(request->context, copy, piece);
        free(copy);
        at += piece;
    }
    if (pieces->call.open)
        request->on_done(request->context, &answer, str_of(""), NULL);
}

#endif
