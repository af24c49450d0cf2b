#include "sim/wire.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

/* How a connection ends. */
enum fate { FATE_WELL, FATE_CUT, FATE_SHORT, FATE_STALL };
enum { SOON = 2000 /* bytes after which a faulty answer ends, at most */ };

struct sim_exchange {
    struct list link;
    struct sim_wire *wire;
    struct http_request request; /* url and body are copies */
    char *url, *method;
    struct strbuf body; /* of the request */
    struct strbuf sent; /* of the answer, and not yet delivered */
    struct strbuf all;  /* of the answer, when the client wants it whole */
    struct loop_timer arrival, delivery, deadline;
    struct http_answer answer;
    struct http_header *asked, *told_headers; /* of the request, of the answer; one block each */
    enum fate fate;
    size_t left;      /* bytes until it meets its fate */
    bool lost;        /* the answer never leaves the server */
    bool arrived;     /* the server knows of it */
    bool begun, told; /* headers are sent; are delivered */
    bool ended;       /* by the server */
    bool refused;     /* likewise */
    bool busy, gone;  /* in a callback; and cancelled from it */
    void *user;
};

/* A copy, with its texts in the same block. NULL: none, or no memory. */
static struct http_header *copy_headers(const struct http_header *headers, size_t *ret_count) {
    size_t count = 0, bytes = 0;
    for (; headers && headers[count].name; count++)
        bytes += strlen(headers[count].name) + strlen(headers[count].value) + 2;
    struct http_header *copy = count ? mem_alloc((count + 1) * sizeof *copy + bytes) : NULL;
    *ret_count = copy ? count : 0;
    if (copy == NULL)
        return NULL;
    char *at = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        copy[i].name = strcpy(at, headers[i].name);
        at += strlen(at) + 1;
        copy[i].value = strcpy(at, headers[i].value);
        at += strlen(at) + 1;
    }
    copy[count] = (struct http_header){0};
    return copy;
}

static void release(struct sim_exchange *x) {
    list_remove(&x->link);
    loop_timer_stop(&x->arrival);
    loop_timer_stop(&x->delivery);
    loop_timer_stop(&x->deadline);
    if (x->arrived) {
        x->arrived = false;
        x->wire->options.closed(x->wire->options.context, x);
    }
    x->gone = true;
    if (x->busy) /* freed on the way back */
        return;
    strbuf_finish(&x->body);
    strbuf_finish(&x->sent);
    strbuf_finish(&x->all);
    mem_free(x->asked);
    mem_free(x->told_headers);
    mem_free(x->url);
    mem_free(x->method);
    mem_free(x);
}

static void finish(struct sim_exchange *x, const struct error *err) {
    struct http_request request = x->request;
    x->busy = true;
    release(x); /* first: the callback may ask for the same again */
    request.on_done(request.context, x->told ? &x->answer : NULL, strbuf_view(&x->all), err);
    x->busy = false;
    release(x);
}

static void fail(struct sim_exchange *x, int code, int status, const char *why) {
    struct error err;
    error_set(&err, code, "%s %s: %s", x->method, x->url, why);
    err.status = status;
    sim_tell(x->wire->options.sim, "wire: %s %s: %s", x->method, x->url, why);
    finish(x, &err);
}

static void deliver_later(struct sim_exchange *x) {
    struct sim *sim = x->wire->options.sim;
    if (x->begun && !x->lost && !loop_timer_active(&x->delivery))
        loop_timer_start(&x->delivery, sim_between(sim, 0, x->wire->options.delay_ns));
}

/* False when the client has cancelled it. */
static bool tell_headers(struct sim_exchange *x) {
    if (x->told)
        return true;
    x->told = true;
    if (x->request.on_headers)
        x->request.on_headers(x->request.context, &x->answer);
    return !x->gone;
}

static bool hand_over(struct sim_exchange *x, size_t len) {
    if (len == 0)
        return true;
    char *piece = mem_strndup(x->sent.data, len); /* what is sent grows when served meanwhile */
    strbuf_consume(&x->sent, len);
    x->left -= x->fate == FATE_WELL ? 0 : len;
    if (x->request.on_data)
        x->request.on_data(x->request.context, piece, len);
    else
        strbuf_add(&x->all, piece, len);
    mem_free(piece);
    return !x->gone;
}

/* The bytes are through that the fault lets through. */
static void meet_fate(struct sim_exchange *x) {
    struct sim *sim = x->wire->options.sim;
    if (x->fate == FATE_CUT) {
        fail(x, ERROR_UNAVAILABLE, 0, "the connection was cut");
    } else if (x->fate == FATE_SHORT) {
        sim_tell(sim, "wire: %s %s: ended short", x->method, x->url);
        finish(x, NULL);
    } else {
        sim_tell(sim, "wire: %s %s: stalls", x->method, x->url);
        x->lost = true;
        if (sim_chance(sim, 70)) { /* what keep-alive finds; else only the client's patience */
            uint64_t wait = sim_between(sim, NS_PER_S, 90 * NS_PER_S);
            if (!loop_timer_active(&x->deadline) || x->deadline.due > loop_now(sim->loop) + wait)
                loop_timer_start(&x->deadline, wait);
        }
    }
}

static void on_delivery(struct loop_timer *timer) {
    struct sim_exchange *x = CONTAINER_OF(timer, struct sim_exchange, delivery);
    struct sim *sim = x->wire->options.sim;
    size_t most = x->sent.len, len;
    if (x->refused) {
        fail(x, ERROR_UNAVAILABLE, -1, "connection refused");
        return;
    }
    if (x->fate != FATE_WELL && most > x->left)
        most = x->left;
    len = sim_chance(sim, 70) ? most : (size_t)sim_between(sim, 0, most);
    x->busy = true;
    bool there = tell_headers(x) && hand_over(x, len);
    x->busy = false;
    if (!there) {
        release(x);
    } else if (x->fate != FATE_WELL && (x->left == 0 || (x->ended && x->sent.len == 0))) {
        meet_fate(x);
    } else if (x->ended && x->sent.len == 0) {
        finish(x, NULL);
    } else if (x->sent.len) {
        deliver_later(x);
    }
}

static void on_deadline(struct loop_timer *timer) {
    struct sim_exchange *x = CONTAINER_OF(timer, struct sim_exchange, deadline);
    if (x->request.stream)
        fail(x, ERROR_UNAVAILABLE, 0, "the connection was found dead");
    else
        fail(x, ERROR_TIMEOUT, 0, "no answer in time");
}

static void draw_fate(struct sim_exchange *x) {
    struct sim *sim = x->wire->options.sim;
    if (sim_happens(sim, SIM_CUT))
        x->fate = FATE_CUT;
    else if (x->request.stream && sim_happens(sim, SIM_SHORT)) /* a length is missed elsewhere */
        x->fate = FATE_SHORT;
    else if (sim_happens(sim, SIM_STALL))
        x->fate = FATE_STALL;
    x->left = x->wire->fault_at ? x->wire->fault_at - 1 : (size_t)sim_between(sim, 0, SOON);
}

static void refuse(struct sim_exchange *x, int status, unsigned retry_after_s) {
    sim_tell(x->wire->options.sim, "wire: %s %s: answered %d", x->method, x->url, status);
    sim_exchange_begin(x, status, retry_after_s);
    sim_exchange_send(x, str_of("overloaded"));
    sim_exchange_end(x);
}

static void on_arrival(struct loop_timer *timer) {
    struct sim_exchange *x = CONTAINER_OF(timer, struct sim_exchange, arrival);
    struct sim *sim = x->wire->options.sim;
    static const int statuses[] = {401, 429, 500, 503};
    if (x->wire->down || sim_happens(sim, SIM_REFUSED)) {
        fail(x, ERROR_UNAVAILABLE, -1, "connection refused");
        return;
    }
    if (sim_happens(sim, SIM_RESET)) {
        fail(x, ERROR_UNAVAILABLE, 0, "connection reset");
        return;
    }
    if (x->wire->next_status) {
        refuse(x, x->wire->next_status, x->wire->next_retry_after_s);
        x->wire->next_status = 0;
        return;
    }
    if (sim_happens(sim, SIM_STATUS)) {
        int status = statuses[sim_between(sim, 0, 3)];
        refuse(x, status, status == 429 ? (unsigned)sim_between(sim, 1, 40) : 0);
        return;
    }
    draw_fate(x);
    x->lost = sim_happens(sim, SIM_LOST_ANSWER);
    if (x->lost) {
        loop_timer_stop(&x->deadline);
        loop_timer_start(&x->deadline, sim_between(sim, 0, 60 * NS_PER_S));
    }
    x->arrived = true;
    x->wire->requests++;
    x->wire->options.serve(x->wire->options.context, x, &x->request);
}

static struct http_call *start(struct http_transport *transport, const struct http_request *request,
                               struct error *err) {
    struct sim_wire *wire = (struct sim_wire *)transport;
    if (wire->severed) {
        error_set(err, ERROR_UNAVAILABLE, "%s %s: nothing leaves any more", request->method,
                  request->url);
        if (err)
            err->status = -1;
        return NULL;
    }
    struct sim_exchange *x = mem_zalloc(sizeof *x);
    if (x == NULL || (x->url = mem_strdup(request->url)) == NULL ||
        (x->method = mem_strdup(request->method)) == NULL) {
        if (x)
            mem_free(x->url);
        mem_free(x);
        error_set(err, ERROR_NOMEM, "no memory for a request");
        return NULL;
    }
    x->wire = wire;
    x->request = *request;
    x->request.url = x->url;
    x->request.method = x->method;
    strbuf_add(&x->body, request->body.data, request->body.len);
    x->request.body = strbuf_view(&x->body);
    size_t count;
    x->request.headers = x->asked = copy_headers(request->headers, &count);
    list_append(&wire->exchanges, &x->link);
    loop_timer_init(wire->options.sim->loop, &x->arrival, on_arrival);
    loop_timer_init(wire->options.sim->loop, &x->delivery, on_delivery);
    loop_timer_init(wire->options.sim->loop, &x->deadline, on_deadline);
    loop_timer_start(&x->arrival, sim_between(wire->options.sim, 0, wire->options.delay_ns));
    if (request->timeout_ns)
        loop_timer_start(&x->deadline, request->timeout_ns);
    return (struct http_call *)x;
}

static void cancel(struct http_transport *transport, struct http_call *call) {
    (void)transport;
    release((struct sim_exchange *)call);
}

void sim_wire_init(struct sim_wire *wire, const struct sim_wire_options *options) {
    *wire = (struct sim_wire){.base = {.start = start, .cancel = cancel}, .options = *options};
    list_init(&wire->exchanges);
}

void sim_wire_break(struct sim_wire *wire) {
    struct list doomed, *link, *next;
    list_init(&doomed);
    LIST_EACH(link, next, &wire->exchanges) { /* their ends may begin new ones */
        list_remove(link);
        list_append(&doomed, link);
    }
    while (!list_empty(&doomed))
        fail(CONTAINER_OF(doomed.next, struct sim_exchange, link), ERROR_UNAVAILABLE, 0,
             "the server went away");
}

void sim_wire_sever(struct sim_wire *wire) {
    wire->severed = true;
    sim_wire_break(wire);
}

bool sim_wire_quiet(const struct sim_wire *wire) {
    const struct list *link;
    for (link = wire->exchanges.next; link != &wire->exchanges; link = link->next) {
        const struct sim_exchange *x = CONTAINER_OF(link, struct sim_exchange, link);
        if (!x->request.stream || !x->told || x->lost || x->sent.len > 0 || x->ended)
            return false;
    }
    return true;
}

bool sim_wire_stalls(const struct sim_wire *wire) {
    const struct list *link;
    for (link = wire->exchanges.next; link != &wire->exchanges; link = link->next) {
        const struct sim_exchange *x = CONTAINER_OF(link, struct sim_exchange, link);
        if (x->request.stream && x->lost)
            return true;
    }
    return false;
}

bool sim_wire_idle(const struct sim_wire *wire) {
    return list_empty(&wire->exchanges);
}

void sim_exchange_begin_with(struct sim_exchange *x, int status,
                             const struct http_header *headers) {
    x->begun = true;
    x->answer = (struct http_answer){.status = status};
    x->answer.headers = x->told_headers = copy_headers(headers, &x->answer.header_count);
    deliver_later(x);
}

void sim_exchange_begin(struct sim_exchange *x, int status, unsigned retry_after_s) {
    char text[16];
    struct http_header headers[2] = {{0}};
    if (retry_after_s) {
        snprintf(text, sizeof text, "%u", retry_after_s);
        headers[0] = (struct http_header){"Retry-After", text};
    }
    sim_exchange_begin_with(x, status, headers);
}

void sim_exchange_send(struct sim_exchange *x, struct str bytes) {
    strbuf_add(&x->sent, bytes.data, bytes.len);
    deliver_later(x);
}

void sim_exchange_end(struct sim_exchange *x) {
    x->ended = true;
    deliver_later(x);
}

void sim_exchange_refuse(struct sim_exchange *x) {
    x->refused = x->begun = true;
    deliver_later(x);
}

void sim_exchange_answer(struct sim_exchange *x, int status, struct str body) {
    sim_exchange_begin(x, status, 0);
    sim_exchange_send(x, body);
    sim_exchange_end(x);
}

void sim_exchange_keep(struct sim_exchange *x, void *user) {
    x->user = user;
}

void *sim_exchange_kept(const struct sim_exchange *x) {
    return x->user;
}
