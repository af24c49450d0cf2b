#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "testbed/internal.h"

/* Between the wire of a host and the API server: requests go in, answers come back, and what can go
 * wrong with their meaning does. Faults of connections are the wire's. */

struct piece { /* of a watch that lags */
    struct list link;
    uint64_t due;
    size_t len;
    char data[];
};

struct exchange {
    struct node *node;
    struct sim_exchange *wire;
    struct api_exchange *api; /* NULL: the server has said all */
    char method[8];
    char *target; /* "path?query" */
    bool serving; /* apiserver_serve() has not returned */
    bool watch, write, ended;
    struct list pieces; /* struct piece.link: not on the wire yet */
    struct loop_timer late;
};

static struct testbed *testbed_of(const struct exchange *x) {
    return x->node->testbed;
}

static const char *header_of(const struct http_request *request, const char *name) {
    for (const struct http_header *at = request->headers; at && at->name; at++)
        if (strcasecmp(at->name, name) == 0)
            return at->value;
    return "";
}

/* Answers */

static void drop(struct exchange *x, struct piece *piece) {
    testbed_of(x)->held_back--;
    list_remove(&piece->link);
    mem_free(piece);
}

static void pass_on(struct exchange *x) {
    uint64_t now = drive_now(testbed_of(x));
    while (!list_empty(&x->pieces)) {
        struct piece *piece = CONTAINER_OF(x->pieces.next, struct piece, link);
        if (piece->due > now) {
            loop_timer_start(&x->late, piece->due - now);
            return;
        }
        sim_exchange_send(x->wire, str_n(piece->data, piece->len));
        drop(x, piece);
    }
    if (x->ended)
        sim_exchange_end(x->wire);
}

static void on_late(struct loop_timer *timer) {
    pass_on(CONTAINER_OF(timer, struct exchange, late));
}

/* A server behind the address has not heard of it yet: what comes after waits, too. */
static void hold_back(struct exchange *x, struct str bytes, uint64_t lag_ns) {
    struct piece *piece = mem_alloc(sizeof *piece + bytes.len);
    if (piece == NULL)
        return; /* lost, with its watch: the client finds out at the next relist */
    piece->due = drive_now(testbed_of(x)) + lag_ns;
    piece->len = bytes.len;
    memcpy(piece->data, bytes.data, bytes.len);
    list_append(&x->pieces, &piece->link);
    testbed_of(x)->held_back++;
    pass_on(x);
}

static void stop_server(struct exchange *x) {
    struct api_exchange *api = x->api;
    x->api = NULL;
    if (api)
        apiserver_abandon(api);
}

static const char expired[] =
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
    "\"status\":\"Failure\",\"message\":\"too old resource version\",\"reason\":\"Expired\","
    "\"code\":410}}\n";

/* One event of a watch. */
static void send_event(struct exchange *x, struct str bytes) {
    struct testbed *testbed = testbed_of(x);
    struct sim *sim = &testbed->sim;
    bool whole = bytes.len > 0 && memchr(bytes.data, '\n', bytes.len) == bytes.data + bytes.len - 1;
    bool bookmark = str_starts_with(bytes, "{\"type\":\"BOOKMARK\"");
    bool initial = bookmark && memmem(bytes.data, bytes.len, "initial-events-end", 18);
    if (bookmark && !initial && sim_happens(sim, SIM_LOST_BOOKMARK))
        return;
    bool end = !x->serving && !bookmark && sim_happens(sim, SIM_EARLY_END);
    bool gone = !end && !x->serving && !bookmark && sim_happens(sim, SIM_ERROR_EVENT);
    if (end || gone) {
        trace_add(testbed, x->node, "fault: %s %s: %s", x->method, x->target,
                  end ? "the watch ends early" : "the watch ends with 410");
        stop_server(x);
        if (gone)
            hold_back(x, str_of(expired), 0);
        x->ended = true;
        pass_on(x);
        return;
    }
    uint64_t lag = !bookmark && sim_happens(sim, SIM_LAG)
                       ? sim_between(sim, 0, (sim_chance(sim, 80) ? 3 : 60) * NS_PER_S)
                       : 0;
    if (lag > 0)
        trace_add(testbed, x->node, "fault: %s is behind by %.3f s", x->target, (double)lag / 1e9);
    hold_back(x, bytes, lag);
    if (whole && !bookmark && !str_starts_with(bytes, "{\"type\":\"DELETED\"") &&
        sim_happens(sim, SIM_DUPLICATE)) {
        trace_add(testbed, x->node, "fault: %s tells a change twice", x->target);
        hold_back(x, bytes, lag);
    }
}

static void on_begin(void *context, int status, const struct http_header *headers) {
    struct exchange *x = context;
    trace_add(testbed_of(x), x->node, "%s %s: %d", x->method, x->target, status);
    sim_exchange_begin_with(x->wire, status, headers);
}

static void on_send(void *context, struct str bytes) {
    struct exchange *x = context;
    if (x->watch)
        send_event(x, bytes);
    else
        sim_exchange_send(x->wire, bytes);
}

static void on_end(void *context) {
    struct exchange *x = context;
    x->api = NULL;
    x->ended = true;
    pass_on(x);
}

/* Requests */

static bool is_write(const char *method, const char *target) {
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 &&
           strstr(target, "selfsubjectaccessreviews") == NULL;
}

static void answer_conflict(struct exchange *x) {
    static const char body[] =
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
        "\"message\":\"the object has been modified; please apply your changes to the latest "
        "version and try again\",\"reason\":\"Conflict\",\"code\":409}";
    static const struct http_header headers[] = {{"Content-Type", "application/json"}, {0}};
    trace_add(testbed_of(x), x->node, "fault: %s %s: 409", x->method, x->target);
    sim_exchange_begin_with(x->wire, 409, headers);
    sim_exchange_send(x->wire, str_of(body));
    sim_exchange_end(x->wire);
    x->ended = true;
}

/* The fault that people fear most: done, and the doer is dead. */
static void after_write(struct exchange *x) {
    struct testbed *testbed = testbed_of(x);
    struct sim *sim = &testbed->sim;
    testbed->stats.writes++;
    bool forced = sim->forced[SIM_CLIENT_RESTART] > 0;
    if (sim_happens(sim, SIM_CLIENT_RESTART) && (forced || sim_chance(sim, 10)))
        x->node->doomed = true;
}

static void ask(struct exchange *x, const struct http_request *request) {
    static const struct api_handler handler = {on_begin, on_send, on_end, NULL};
    static const char *const groups[] = {"system:serviceaccounts", "system:authenticated",
                                         "system:masters", NULL};
    const char *mark = strchr(x->target, '?');
    size_t len = mark ? (size_t)(mark - x->target) : strlen(x->target);
    struct api_request asked = {.method = request->method,
                                .path = str_n(x->target, len),
                                .query = str_of(mark ? mark + 1 : ""),
                                .content_type = header_of(request, "Content-Type"),
                                .accept = header_of(request, "Accept"),
                                .user_agent = header_of(request, "User-Agent"),
                                .if_none_match = header_of(request, "If-None-Match"),
                                .body = request->body,
                                .user = "system:serviceaccount:moonlet:moonlet",
                                .groups = groups};
    x->serving = true;
    struct api_exchange *api = apiserver_serve(testbed_of(x)->server, &asked, &handler, x);
    x->serving = false;
    if (!x->ended)
        x->api = api;
    if (x->write)
        after_write(x);
}

void link_serve(void *context, struct sim_exchange *exchange, const struct http_request *request) {
    struct node *node = context;
    struct testbed *testbed = node->testbed;
    struct exchange *x = mem_zalloc(sizeof *x);
    const char *target = request->url + strlen(TESTBED_SERVER);
    if (x == NULL || (x->target = mem_strdup(target)) == NULL) {
        mem_free(x);
        sim_exchange_answer(exchange, 500, str_of("no memory"));
        return;
    }
    x->node = node;
    x->wire = exchange;
    x->watch = request->stream;
    x->write = is_write(request->method, target);
    snprintf(x->method, sizeof x->method, "%s", request->method);
    list_init(&x->pieces);
    loop_timer_init(testbed->sim.loop, &x->late, on_late);
    sim_exchange_keep(exchange, x);
    testbed->stats.requests++;
    if (x->write && sim_happens(&testbed->sim, SIM_CONFLICT))
        answer_conflict(x);
    else
        ask(x, request);
}

void link_closed(void *context, struct sim_exchange *exchange) {
    struct exchange *x = sim_exchange_kept(exchange);
    (void)context;
    if (x == NULL)
        return;
    stop_server(x);
    loop_timer_stop(&x->late);
    while (!list_empty(&x->pieces)) {
        struct piece *piece = CONTAINER_OF(x->pieces.next, struct piece, link);
        drop(x, piece);
    }
    mem_free(x->target);
    mem_free(x);
}
