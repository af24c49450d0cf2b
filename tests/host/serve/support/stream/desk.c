#include "serve/support/stream/desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

void desk_say(struct server_request *request, const char *text) {
    server_send(request, str_of(text));
}

void desk_begin(struct server_request *request, int status) {
    static const struct server_header headers[] = {
        {"Content-Type", "application/json"}, {"Warning", "299 - \"old\""}, {0}};
    server_begin(request, status, headers);
}

static void add_value(void *context, const char *value) {
    strbuf_printf(context, " [%s]", value);
}

void desk_say_all(struct server_request *request, size_t len) {
    char *bytes = mem_zalloc(len + 1);
    memset(bytes, 'x', len);
    server_send(request, str_n(bytes, len));
    mem_free(bytes);
}

/* "/now..." is answered whole, "/large" begins with 20 MiB; all others are left to the test. */
static void *serve(void *context, struct server_request *request,
                   const struct server_exchange *exchange) {
    struct desk *desk = context;
    const char *wish = server_header(request, "X-Wish");
    strbuf_clear(&desk->seen);
    strbuf_printf(&desk->seen, "%s %s " STR_FORMAT " ? " STR_FORMAT " : " STR_FORMAT " %s",
                  exchange->method, exchange->rest, STR_ARG(exchange->raw_path),
                  STR_ARG(exchange->query), STR_ARG(exchange->body), wish ? wish : "-");
    server_each_header(request, "x-group", add_value, &desk->seen);
    if (strncmp(exchange->path, "/now", 4) == 0) {
        desk_begin(request, 207);
        desk_say(request, "at");
        desk_say(request, " once");
        server_end(request);
        return NULL;
    }
    if (strcmp(exchange->path, "/large") == 0) {
        desk_begin(request, 200);
        for (int i = 0; i < 20; i++)
            desk_say_all(request, 1 << 20);
    }
    struct open_stream *stream = &desk->streams[desk->count++];
    *stream = (struct open_stream){.request = request};
    return stream;
}

static void gone(void *context, void *mine) {
    struct desk *desk = context;
    struct open_stream *stream = mine;
    assert_false(stream->gone);
    stream->gone = true;
    stream->request = NULL;
    desk->gone++;
}

static int write_log(void *context, const char *line, size_t len) {
    strbuf_add(context, line, len);
    return 0;
}

void desk_open(struct desk *desk, const struct clock *clock, const struct server_options *options) {
    static struct desk *current;
    static struct server_route routes[2];
    struct error err = {0};
    struct server_options all = options ? *options : (struct server_options){0};
    memset(desk, 0, sizeof *desk);
    current = desk;
    routes[0] = (struct server_route){
        .path = "/", .prefix = true, .serve = serve, .gone = gone, .context = current};
    desk->log = (struct log){.clock = clock, .write = write_log, .context = &desk->logged};
    desk->loop = loop_create(clock, &err);
    all.loop = desk->loop;
    all.log = &desk->log;
    all.address = "127.0.0.1:0";
    all.routes = routes;
    desk->server = server_start(&all, &err);
    if (desk->server == NULL)
        fail_msg("%s", err.message);
}

void desk_close(struct desk *desk) {
    server_stop(desk->server);
    for (size_t i = 0; i < desk->count; i++)
        assert_null(desk->streams[i].request); /* ended, or gone */
    strbuf_finish(&desk->logged);
    strbuf_finish(&desk->seen);
    loop_destroy(desk->loop);
}

void desk_turn(struct desk *desk, int turns) {
    for (int i = 0; i < turns; i++)
        loop_poll(desk->loop);
}

void desk_expect_streams(struct desk *desk, struct client *client, size_t count) {
    for (int i = 0; i < 20000 && desk->count < count; i++) {
        loop_poll(desk->loop);
        client_turn(client);
    }
    assert_int_equal(desk->count, count);
}

void desk_expect_gone(struct desk *desk, size_t count) {
    for (int i = 0; i < 20000 && desk->gone < count; i++)
        loop_poll(desk->loop);
    assert_int_equal(desk->gone, count);
}

void desk_end(struct desk *desk, size_t i) {
    server_end(desk->streams[i].request);
    desk->streams[i].request = NULL;
}
