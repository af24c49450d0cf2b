#include "http/curl.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/support/server.h"
#include "support/given.h"

/* What the callbacks of one exchange saw. */
struct seen {
    struct http_transport *transport;
    struct http_call *call;
    int status, headers, data, done;
    struct http_call *also; /* cancelled by `done` */
    int cancel_in;          /* 1: cancels itself in on_headers, 2: in on_data */
    char type[64];
    struct strbuf body;
    struct error err; /* code 0 = none */
};

static void on_headers(void *context, const struct http_answer *answer) {
    struct seen *seen = context;
    seen->headers++;
    seen->status = answer->status;
    const char *type = http_answer_header(answer, "content-TYPE");
    snprintf(seen->type, sizeof seen->type, "%s", type ? type : "");
    if (seen->cancel_in == 1)
        seen->transport->cancel(seen->transport, seen->call);
}

static void on_data(void *context, const char *data, size_t len) {
    struct seen *seen = context;
    seen->data++;
    strbuf_add(&seen->body, data, len);
    if (seen->cancel_in == 2)
        seen->transport->cancel(seen->transport, seen->call);
}

static void on_done(void *context, const struct http_answer *answer, struct str body,
                    const struct error *err) {
    struct seen *seen = context;
    seen->done++;
    seen->status = answer ? answer->status : 0;
    if (body.len)
        strbuf_add(&seen->body, body.data, body.len);
    if (err)
        seen->err = *err;
    if (seen->also)
        seen->transport->cancel(seen->transport, seen->also);
}

struct world {
    struct loop *loop;
    struct http_transport *transport;
    struct server *server;
    struct mem_stats before;
    atomic_int once; /* requests for /once */
};

static int serve(void *context, int fd, const char *request);

static void begin(struct world *world) {
    atomic_init(&world->once, 0);
    world->before = mem_stats();
    struct error err;
    world->loop = loop_create(clock_real(), &err);
    assert_non_null(world->loop);
    world->transport = http_curl_create(world->loop, &err);
    assert_non_null(world->transport);
    world->server = server_start(serve, world);
}

static void end(struct world *world) {
    world->transport->destroy(world->transport);
    loop_destroy(world->loop);
    server_stop(world->server);
    assert_int_equal(mem_stats().blocks, world->before.blocks);
}

static struct http_request request_for(struct world *world, struct seen *seen, const char *path,
                                       char url[256]) {
    snprintf(url, 256, "http://127.0.0.1:%d%s", server_port(world->server), path);
    seen->transport = world->transport;
    return (struct http_request){.method = "GET",
                                 .url = url,
                                 .proxy = "",
                                 .on_headers = on_headers,
                                 .on_done = on_done,
                                 .context = seen};
}

static void run(struct world *world, struct seen *seen, const struct http_request *request) {
    struct error err;
    seen->call = world->transport->start(world->transport, request, &err);
    assert_non_null(seen->call);
    loop_run(world->loop);
}

static void get(struct world *world, struct seen *seen, const char *path) {
    char url[256];
    struct http_request request = request_for(world, seen, path, url);
    run(world, seen, &request);
}

/* 4000 times '7' */
static const unsigned char packed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
                                       0xed, 0xc1, 0x31, 0x01, 0x00, 0x00, 0x00, 0xc2, 0xa0, 0x58,
                                       0xeb, 0xdf, 0xcc, 0x18, 0x3e, 0x40, 0x01, 0x00, 0x00, 0x00,
                                       0x6f, 0x03, 0xa3, 0x77, 0xe5, 0xb6, 0xa0, 0x0f, 0x00, 0x00};

static int serve(void *context, int fd, const char *request) {
    char path[64] = "";
    sscanf(request, "%*s %63s", path);
    if (strcmp(path, "/hello") == 0) {
        server_say(
            fd, "HTTP/1.1 200 OK\r\nContent-Type:  text/plain \r\nContent-Length: 5\r\n\r\nhello");
    } else if (strcmp(path, "/interim") == 0) {
        server_say(fd, "HTTP/1.1 103 Early Hints\r\nContent-Type: no\r\n\r\n"
                       "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    } else if (strcmp(path, "/echo") == 0) {
        server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(request),
                   request);
    } else if (strcmp(path, "/cut") == 0) {
        server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf");
        return 1;
    } else if (strcmp(path, "/drop") == 0) {
        return 1;
    } else if (strcmp(path, "/once") == 0) { /* does it, and says nothing */
        ((struct world *)context)->once++;
        return 1;
    } else if (strcmp(path, "/garbage") == 0) {
        server_say(fd, "HTTP/9 whatever\r\n\r\n");
        return 1;
    } else if (strcmp(path, "/big") == 0) {
        server_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n%4000d", 7);
    } else if (strcmp(path, "/packed") == 0) {
        bool asked = strstr(request, "Accept-Encoding: gzip\r\n") != NULL;
        server_say(fd, "HTTP/1.1 %s\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                   asked ? "200 OK" : "406 Not Acceptable", sizeof packed);
        assert_int_equal(write(fd, packed, sizeof packed), (ssize_t)sizeof packed);
    } else if (strcmp(path, "/packed-badly") == 0) {
        server_say(fd,
                   "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello");
    } else if (strcmp(path, "/headers") == 0) {
        server_say(fd, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 1100; i++)
            server_say(fd, "X-%d: y\r\n", i);
        server_say(fd, "Content-Length: 0\r\n\r\n");
    } else if (strcmp(path, "/stream") == 0) {
        server_say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        server_say(fd, "5\r\nfirst\r\n");
        server_await_close(fd);
        return 1;
    } else { /* /silent */
        server_await_close(fd);
        return 1;
    }
    return 0;
}

GIVEN(struct world, begin, end)

static void curl_answer_comes_with_headers_and_body(void **state) {
    struct world *world = *state;
    for (int i = 0; i < 2; i++) { /* the second over the same connection */
        struct seen seen = {0};
        get(world, &seen, "/hello");
        assert_int_equal(seen.headers, 1);
        assert_int_equal(seen.done, 1);
        assert_int_equal(seen.err.code, 0);
        assert_int_equal(seen.status, 200);
        assert_string_equal(seen.type, "text/plain");
        assert_string_equal(seen.body.data, "hello");
        strbuf_finish(&seen.body);
    }
    assert_int_equal(server_most_connections(world->server), 1);
}

static void curl_interim_answer_is_not_the_answer(void **state) {
    struct world *world = *state;
    struct seen seen = {0};
    get(world, &seen, "/interim");
    assert_int_equal(seen.headers, 1);
    assert_int_equal(seen.status, 404);
    assert_string_equal(seen.type, "");
    assert_string_equal(seen.body.data, "no");
    strbuf_finish(&seen.body);
}

static void curl_request_carries_method_headers_and_body(void **state) {
    struct world *world = *state;
    struct seen seen = {0};
    char url[256];
    struct http_request request = request_for(world, &seen, "/echo", url);
    struct http_header headers[] = {
        {"Content-Type", "application/merge-patch+json"}, {"X-Empty", ""}, {0}};
    request.method = "PATCH";
    request.headers = headers;
    char body[] = "{\"a\":1}";
    request.body = str_of(body);
    struct error err;
    seen.call = world->transport->start(world->transport, &request, &err);
    assert_non_null(seen.call);
    memset(body, 'x', sizeof body - 1); /* it was copied */
    loop_run(world->loop);
    assert_int_equal(seen.err.code, 0);
    assert_non_null(strstr(seen.body.data, "PATCH /echo HTTP/1.1\r\n"));
    assert_non_null(strstr(seen.body.data, "Content-Type: application/merge-patch+json\r\n"));
    assert_non_null(strstr(seen.body.data, "X-Empty:\r\n"));
    assert_null(strstr(seen.body.data, "Expect"));
    assert_non_null(strstr(seen.body.data, "\r\n\r\n{\"a\":1}"));
    strbuf_finish(&seen.body);

    seen = (struct seen){0};
    request = request_for(world, &seen, "/echo", url);
    request.method = "POST"; /* without a body, and so without a type */
    run(world, &seen, &request);
    assert_non_null(strstr(seen.body.data, "Content-Length: 0\r\n"));
    assert_null(strstr(seen.body.data, "Content-Type"));
    strbuf_finish(&seen.body);
}

static void curl_failures_have_codes(void **state) {
    struct world *world = *state;
    static const struct {
        const char *path;
        int code, status;
    } cases[] = {{"/cut", ERROR_UNAVAILABLE, 0},
                 {"/drop", ERROR_UNAVAILABLE, 0},
                 {"/headers", ERROR_PROTOCOL, 0},
                 {"/garbage", ERROR_PROTOCOL, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seen seen = {0};
        get(world, &seen, cases[i].path);
        assert_int_equal(seen.done, 1);
        assert_int_equal(seen.err.code, cases[i].code);
        assert_int_equal(seen.err.status, cases[i].status);
        assert_non_null(strstr(seen.err.message, cases[i].path));
        strbuf_finish(&seen.body);
    }
}

static void curl_refused_connection_never_left(void **state) {
    struct world *world = *state;
    struct seen seen = {0};
    char url[256];
    struct http_request request = request_for(world, &seen, "/hello", url);
    request.url = "http://127.0.0.1:1/";
    run(world, &seen, &request);
    assert_int_equal(seen.err.code, ERROR_UNAVAILABLE);
    assert_int_equal(seen.err.status, -1);
    assert_int_equal(seen.headers, 0);
    struct error err;
    request.url = "ftp://127.0.0.1/";
    seen.call = world->transport->start(world->transport, &request, &err);
    if (seen.call) { /* told later */
        loop_run(world->loop);
        err = seen.err;
    }
    assert_int_equal(err.code, ERROR_INVALID);
}

/* A kept connection that ends without an answer: who knows what the server did. */
static void curl_unsafe_request_is_sent_once(void **state) {
    (void)state;
    static const struct {
        const char *method, *body;
        int code, sent;
    } cases[] = {{"POST", "{}", ERROR_UNAVAILABLE, 1},
                 {"POST", "", ERROR_UNAVAILABLE, 1},
                 {"PATCH", "{}", ERROR_UNAVAILABLE, 1},
                 {"GET", "", ERROR_UNAVAILABLE, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world world;
        begin(&world);
        struct seen seen = {0};
        get(&world, &seen, "/hello"); /* leaves a connection to use again */
        strbuf_finish(&seen.body);
        seen = (struct seen){0};
        char url[256];
        struct http_request request = request_for(&world, &seen, "/once", url);
        request.method = cases[i].method;
        request.body = str_of(cases[i].body);
        run(&world, &seen, &request);
        assert_int_equal(seen.done, 1);
        assert_int_equal(seen.err.code, cases[i].code);
        assert_int_equal(seen.err.status, 0); /* it did leave */
        assert_int_equal(world.once, cases[i].sent);
        strbuf_finish(&seen.body);
        end(&world);
    }
}

static void curl_body_above_the_limit_is_rejected(void **state) {
    struct world *world = *state;
    for (size_t limit = 3999; limit <= 4000; limit++) {
        struct seen seen = {0};
        char url[256];
        struct http_request request = request_for(world, &seen, "/big", url);
        request.max_body = limit;
        run(world, &seen, &request);
        assert_int_equal(seen.err.code, limit == 4000 ? 0 : ERROR_REJECTED);
        strbuf_finish(&seen.body);
    }
}

static void curl_packed_answer_is_unpacked_up_to_the_limit(void **state) {
    struct world *world = *state;
    for (size_t limit = 3999; limit <= 4000; limit++) {
        struct seen seen = {0};
        char url[256];
        struct http_request request = request_for(world, &seen, "/packed", url);
        request.gzip = true;
        request.max_body = limit; /* of what comes out, so no small answer grows without end */
        run(world, &seen, &request);
        assert_int_equal(seen.err.code, limit == 4000 ? 0 : ERROR_REJECTED);
        assert_int_equal(seen.status, 200);
        if (limit == 4000) {
            assert_int_equal(seen.body.len, 4000);
            assert_int_equal(strspn(seen.body.data, "7"), 4000);
        }
        strbuf_finish(&seen.body);
    }
    struct seen plain = {0}, bad = {0};
    char url[256];
    get(world, &plain, "/packed"); /* not asked for: as it came */
    assert_int_equal(plain.status, 406);
    assert_int_equal(plain.body.len, sizeof packed);
    strbuf_finish(&plain.body);
    struct http_request request = request_for(world, &bad, "/packed-badly", url);
    request.gzip = true;
    run(world, &bad, &request);
    assert_int_equal(bad.err.code, ERROR_PROTOCOL);
    strbuf_finish(&bad.body);
}

static void curl_silence_ends_at_the_timeout(void **state) {
    struct world *world = *state;
    struct seen seen = {0};
    char url[256];
    struct http_request request = request_for(world, &seen, "/silent", url);
    request.timeout_ns = 500 * NS_PER_MS; /* it is sent by then, though the machine be busy */
    run(world, &seen, &request);
    assert_int_equal(seen.err.code, ERROR_TIMEOUT);
    assert_int_equal(seen.err.status, 0); /* it was sent */
}

static void curl_cancel_from_its_own_callback_is_the_end(void **state) {
    (void)state;
    for (int where = 1; where <= 2; where++) {
        struct world world;
        begin(&world);
        struct seen seen = {.cancel_in = where};
        char url[256];
        struct http_request request = request_for(&world, &seen, "/stream", url);
        request.stream = true;
        request.on_data = on_data;
        run(&world, &seen, &request);
        struct seen after = {0};
        get(&world, &after, "/hello"); /* the transport works on */
        assert_int_equal(after.status, 200);
        assert_int_equal(seen.headers, 1);
        assert_int_equal(seen.data, where - 1);
        assert_int_equal(seen.done, 0);
        strbuf_finish(&seen.body);
        strbuf_finish(&after.body);
        end(&world);
    }
}

static void curl_cancel_and_destroy_call_nobody(void **state) {
    (void)state;
    struct world world;
    begin(&world);
    struct seen seen[3] = {{0}};
    char url[256];
    for (int i = 0; i < 3; i++) {
        struct http_request request = request_for(&world, &seen[i], "/silent", url);
        struct error err;
        seen[i].call = world.transport->start(world.transport, &request, &err);
        assert_non_null(seen[i].call);
    }
    loop_poll(world.loop);
    world.transport->cancel(world.transport, seen[1].call);
    loop_poll(world.loop);
    end(&world);
    for (int i = 0; i < 3; i++)
        assert_int_equal(seen[i].headers + seen[i].done, 0);
}

/* Starts a second request from inside a callback of the first. */
struct chain {
    struct seen first, second;
    const char *url;
};

static void start_second(void *context, const char *data, size_t len) {
    struct chain *chain = context;
    (void)data;
    (void)len;
    struct http_request request = {.method = "GET",
                                   .url = chain->url,
                                   .proxy = "",
                                   .on_done = on_done,
                                   .context = &chain->second};
    chain->second.also = chain->first.call;
    chain->second.call = chain->first.transport->start(chain->first.transport, &request, NULL);
    assert_non_null(chain->second.call);
}

static void curl_request_may_start_in_a_callback(void **state) {
    struct world *world = *state;
    struct chain chain = {0};
    char url[256], second[256];
    struct http_request request = request_for(world, &chain.first, "/stream", url);
    request_for(world, &chain.second, "/hello", second);
    chain.url = second;
    request.on_headers = NULL;
    request.on_data = start_second;
    request.context = &chain;
    run(world, &chain.first, &request);
    assert_string_equal(chain.second.body.data, "hello");
    strbuf_finish(&chain.second.body);
}

/* R21: on HTTP/1.1 each watch has its own connection, without limit. */
static void curl_fifty_streams_on_http1_all_flow(void **state) {
    struct world *world = *state;
    enum { STREAMS = 50 };
    struct seen seen[STREAMS] = {{0}};
    char url[256];
    struct seen warm = {0};
    get(world, &warm, "/hello"); /* the host is known by now */
    strbuf_finish(&warm.body);
    for (int i = 0; i < STREAMS; i++) {
        struct http_request request = request_for(world, &seen[i], "/stream", url);
        struct error err;
        request.stream = true;
        request.on_data = on_data;
        seen[i].call = world->transport->start(world->transport, &request, &err);
        assert_non_null(seen[i].call);
    }
    int flowing = 0;
    for (int turn = 0; turn < 5000000 && flowing < STREAMS; turn++) {
        loop_poll(world->loop);
        flowing = 0;
        for (int i = 0; i < STREAMS; i++)
            flowing += seen[i].data > 0;
    }
    assert_int_equal(flowing, STREAMS);
    assert_int_equal(server_most_connections(world->server), STREAMS);
    for (int i = 0; i < STREAMS; i++)
        strbuf_finish(&seen[i].body);
}

static void curl_survives_each_failed_allocation(void **state) {
    struct world *world = *state;
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
        struct seen seen = {0};
        char url[256];
        struct http_request request = request_for(world, &seen, "/hello", url);
        struct error err = {0};
        mem_fail_at(n, /* forever= */ false);
        seen.call = world->transport->start(world->transport, &request, &err);
        if (seen.call)
            loop_run(world->loop);
        else
            assert_true(err.code == ERROR_NOMEM || err.code == ERROR_INVALID);
        failed = mem_fail_stop();
        assert_int_equal(seen.done, seen.call ? 1 : 0);
        strbuf_finish(&seen.body);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(curl_answer_comes_with_headers_and_body),
        TEST(curl_interim_answer_is_not_the_answer),
        TEST(curl_request_carries_method_headers_and_body),
        TEST(curl_failures_have_codes),
        TEST(curl_refused_connection_never_left),
        cmocka_unit_test(curl_unsafe_request_is_sent_once),
        TEST(curl_body_above_the_limit_is_rejected),
        TEST(curl_packed_answer_is_unpacked_up_to_the_limit),
        TEST(curl_silence_ends_at_the_timeout),
        cmocka_unit_test(curl_cancel_from_its_own_callback_is_the_end),
        cmocka_unit_test(curl_cancel_and_destroy_call_nobody),
        TEST(curl_request_may_start_in_a_callback),
        TEST(curl_fifty_streams_on_http1_all_flow),
        TEST(curl_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
