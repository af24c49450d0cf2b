#ifndef MOONLET_SIM_WIRE_H
#define MOONLET_SIM_WIRE_H

#include "base/list.h"
#include "http/http.h"
#include "sim/sim.h"

/*
 * Wire: an http_transport whose other end is a function, over a network as bad as the plan wants.
 *
 * Is:      requests that arrive after a drawn delay, answers that come in pieces cut at any byte,
 *          and the faults of connections: SIM_REFUSED to SIM_STALL.
 * Is not:  aware of what is said; the server is its user's.
 * Threads: one. Yields: never.
 */
struct sim_exchange; /* the server's side of one request */

struct sim_wire_options {
    struct sim *sim;
    /* A request has arrived. What it points to lasts as long as the exchange. */
    void (*serve)(void *context, struct sim_exchange *exchange, const struct http_request *request);
    /* The client has gone away, or has had everything: the exchange is no more. */
    void (*closed)(void *context, struct sim_exchange *exchange);
    void *context;
    uint64_t delay_ns; /* the longest that a request, or a piece of an answer, is on its way */
};

struct sim_wire {
    struct http_transport base; /* first */
    struct sim_wire_options options;
    struct list exchanges;
    uint64_t requests; /* that have arrived */
    size_t fault_at;   /* 1 + the bytes before SIM_CUT, SIM_SHORT, SIM_STALL; 0 = drawn */
    int next_status;   /* the next request is answered so, once; 0 = it is not */
    unsigned next_retry_after_s;
    bool down;    /* requests are refused */
    bool severed; /* requests do not even start; see sim_wire_sever() */
};
void sim_wire_init(struct sim_wire *wire, const struct sim_wire_options *options);
/* Breaks every connection, as a server that goes down does; clients hear UNAVAILABLE. */
void sim_wire_break(struct sim_wire *wire);
/* Breaks every connection for good: the client is dead, and what it still does nobody hears. */
void sim_wire_sever(struct sim_wire *wire);
/* Nothing is on its way: what is under way are streams that have begun, and all sent has come. */
bool sim_wire_quiet(const struct sim_wire *wire);
bool sim_wire_stalls(const struct sim_wire *wire); /* a stream brings nothing any more */
bool sim_wire_idle(const struct sim_wire *wire);   /* no request is under way */

/* The server's part: begin, send..., end. `retry_after_s` 0: no such header. */
void sim_exchange_begin(struct sim_exchange *exchange, int status, unsigned retry_after_s);
void sim_exchange_begin_with(struct sim_exchange *exchange, int status,
                             const struct http_header *headers); /* ends with {0}; copied */
void sim_exchange_send(struct sim_exchange *exchange, struct str bytes);
void sim_exchange_end(struct sim_exchange *exchange);
/* Instead: as if nobody were there. */
void sim_exchange_refuse(struct sim_exchange *exchange);
/* All three. */
void sim_exchange_answer(struct sim_exchange *exchange, int status, struct str body);
void sim_exchange_keep(struct sim_exchange *exchange, void *user); /* for the server */
void *sim_exchange_kept(const struct sim_exchange *exchange);

#endif
