/* Bytes that a client sends: the first one says how they are cut, whether the answers come now or
 * later, and whether the server ends before them. Nothing crashes, hangs or leaks. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/server.h"

enum { MOST_WAITING = 16, BODY_LIMIT = 1 << 16, LATER = 1, EARLY_STOP = 2, DRAIN = 4 };

struct desk {
    struct server_request *waiting[MOST_WAITING], *stream;
    size_t count;
    bool later;
};

static void answer(struct server_request *request) {
    struct server_answer yes = {.status = 200, .content_type = "application/json"};
    strbuf_adds(&yes.body, "{}");
    server_respond(request, &yes);
}

static void answer_stream(struct server_request *request, struct str echo) {
    static const struct server_header headers[] = {{"Content-Type", "text/plain"}, {0}};
    server_begin(request, 200, headers);
    server_send(request, echo);
    server_end(request);
}

static void answer_waiting(struct desk *desk) {
    if (desk->stream)
        answer_stream(desk->stream, str_of("late"));
    desk->stream = NULL;
    while (desk->count > 0)
        answer(desk->waiting[--desk->count]);
}

static void handle_get(void *context, bool verbose, struct server_answer *ret) {
    (void)context;
    strbuf_adds(&ret->body, verbose ? "long" : "short");
}

static void accept_post(void *context, struct server_request *request,
                        const struct server_exchange *exchange) {
    struct desk *desk = context;
    size_t sum = strlen(exchange->path) + strlen(exchange->rest);
    for (size_t i = 0; i < exchange->body.len; i++)
        sum += (unsigned char)exchange->body.data[i];
    if (exchange->body.len == 0 || exchange->body.len > BODY_LIMIT || sum == 0)
        abort();
    if (desk->later && desk->count < MOST_WAITING)
        desk->waiting[desk->count++] = request;
    else
        answer(request);
}

/* At most one is open for longer. */
static void *serve(void *context, struct server_request *request,
                   const struct server_exchange *exchange) {
    struct desk *desk = context;
    if (exchange->raw_path.len == 0 && exchange->query.len == 0)
        abort();
    if (desk->later && desk->stream == NULL) {
        desk->stream = request;
        return desk;
    }
    answer_stream(request, exchange->body);
    return NULL;
}

static void gone(void *context, void *mine) {
    if (context != mine)
        abort();
    ((struct desk *)mine)->stream = NULL;
}

static int open_client(const struct server *server) {
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    to.sin_port = htons((uint16_t)atoi(strrchr(server_address(server), ':') + 1));
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        abort();
    return fd;
}

static void turn(struct loop *loop, int fd) {
    char sink[4096];
    for (int i = 0; i < 4; i++) {
        loop_poll(loop);
        while (recv(fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
            ;
    }
}

static void converse(struct loop *loop, struct desk *desk, const uint8_t *data, size_t size) {
    struct server_route routes[] = {
        {.path = "/x", .handle = handle_get},
        {.path = "/post/", .prefix = true, .accept = accept_post, .context = desk},
        {.path = "/any/", .prefix = true, .serve = serve, .gone = gone, .context = desk},
        {0}};
    struct server_options options = {
        .loop = loop, .address = "127.0.0.1:0", .routes = routes, .body_limit = BODY_LIMIT};
    struct error err;
    uint8_t how = data[0];
    size_t cut = (how >> 3) ? (size_t)(how >> 3) * 8 : size;
    struct server *server = server_start(&options, &err);
    if (server == NULL)
        abort();
    int fd = open_client(server);
    desk->later = how & LATER;
    for (size_t at = 1; at < size; at += cut) {
        (void)!send(fd, data + at, size - at < cut ? size - at : cut, MSG_NOSIGNAL | MSG_DONTWAIT);
        turn(loop, fd);
        if (!(how & EARLY_STOP))
            answer_waiting(desk);
    }
    if (how & DRAIN)
        server_drain(server);
    turn(loop, fd);
    if (how & EARLY_STOP)
        close(fd);
    server_stop(server);
    answer_waiting(desk);
    if (!(how & EARLY_STOP))
        close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct error err;
    struct desk desk = {0};
    if (size == 0)
        return 0;
    uint64_t before = mem_stats().blocks;
    struct loop *loop = loop_create(clock_real(), &err);
    if (loop == NULL)
        abort();
    converse(loop, &desk, data, size);
    loop_destroy(loop);
    if (mem_stats().blocks != before)
        abort();
    return 0;
}
