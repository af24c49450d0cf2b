#include "kube/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "kube/support/fake_transport.h"

struct world {
    struct mem_stats before;
    struct clock_fake clock;
    struct loop *loop;
    struct fake_transport calls, watches;
    struct kube_config config;
    struct kube_client *client;
    int requests, last_status; /* of on_request */
};

/* What the callbacks of one call saw. */
struct seen {
    int done;
    int status;
    struct kube_call *cancel; /* in `data` */
    struct strbuf body;
    struct error err; /* code 0 = none */
};

static void on_done(void *context, const struct kube_answer *answer, const struct error *err) {
    struct seen *seen = context;
    seen->done++;
    if (answer) {
        seen->status = answer->status;
        strbuf_add(&seen->body, answer->body.data, answer->body.len);
    }
    if (err)
        seen->err = *err;
}

static void on_data(void *context, const char *bytes, size_t len) {
    struct seen *seen = context;
    strbuf_add(&seen->body, bytes, len);
    if (seen->cancel)
        kube_call_cancel(seen->cancel);
}

static void on_request(void *context, const char *method, int status) {
    struct world *world = context;
    assert_non_null(method);
    world->requests++;
    world->last_status = status;
}

static void begin(struct world *world, struct kube_config config) {
    struct error err = {0};
    *world = (struct world){.before = mem_stats(), .config = config};
    if (world->config.server == NULL)
        world->config.server = "https://api.example:6443/";
    clock_fake_init(&world->clock, 1, 1);
    world->loop = loop_create(&world->clock.clock, &err);
    fake_transport_init(&world->calls);
    fake_transport_init(&world->watches);
    struct kube_client_options options = {.loop = world->loop,
                                          .config = &world->config,
                                          .watches = &world->watches.base,
                                          .calls = &world->calls.base,
                                          .user_agent = "moonlet/test",
                                          .on_request = on_request,
                                          .context = world};
    world->client = kube_client_create(&options, &err);
    if (world->client == NULL)
        fail_msg("%s", err.message);
}

static void end(struct world *world) {
    kube_client_destroy(world->client);
    assert_int_equal(fake_transport_waiting(&world->calls), 0);
    assert_int_equal(fake_transport_waiting(&world->watches), 0);
    loop_destroy(world->loop);
    assert_int_equal(mem_stats().blocks, world->before.blocks);
}

static struct kube_call *get(struct world *world, struct seen *seen) {
    struct kube_request request = {.method = "GET", .path = "/api/v1/pods", .query = "limit=5"};
    return kube_call_start(world->client, &request, on_done, seen, NULL);
}

static void client_refusal_becomes_an_error_with_the_servers_words(void **state) {
    (void)state;
    static const struct {
        int status;
        const char *body;
        int code;
        const char *reason, *message;
        uint64_t retry_after_s;
    } cases[] = {
        {404,
         "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"pods \\\"x\\\" not found\"}",
         ERROR_NOT_FOUND, "NotFound", "pods \"x\" not found", 0},
        {409, "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"message\":\"m\"}", ERROR_EXISTS,
         "AlreadyExists", "m", 0},
        {409, "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"m\"}", ERROR_CONFLICT,
         "Conflict", "m", 0},
        {410, "{\"kind\":\"Status\",\"reason\":\"Expired\",\"message\":\"old\"}", ERROR_GONE,
         "Expired", "old", 0},
        {429, "{\"kind\":\"Status\",\"message\":\"m\",\"details\":{\"retryAfterSeconds\":7}}",
         ERROR_THROTTLED, "", "m", 7},
        {422, "{\"kind\":\"Status\",\"reason\":\"Invalid\"}", ERROR_REJECTED, "Invalid",
         "GET https://api.example:6443/api/v1/pods: HTTP 422 Invalid", 0},
        {403, "{}", ERROR_FORBIDDEN, "", "GET https://api.example:6443/api/v1/pods: HTTP 403: {}",
         0},
        {502, "<html>bad\x01gateway\nmore", ERROR_UNAVAILABLE, "",
         "GET https://api.example:6443/api/v1/pods: HTTP 502: <html>bad gateway", 0},
        {500, "", ERROR_UNAVAILABLE, "", "GET https://api.example:6443/api/v1/pods: HTTP 500", 0},
        {302, "", ERROR_PROTOCOL, "", "GET https://api.example:6443/api/v1/pods: HTTP 302", 0},
        {401, "Unauthorized", ERROR_UNAUTHORIZED, "",
         "GET https://api.example:6443/api/v1/pods: HTTP 401: Unauthorized", 0},
    };
    struct world world;
    begin(&world, (struct kube_config){.token = "abc"});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct seen seen = {0};
        assert_non_null(get(&world, &seen));
        fake_transport_answer(&world.calls, cases[i].status, cases[i].body);
        assert_int_equal(seen.done, 1);
        assert_int_equal(seen.err.code, cases[i].code);
        assert_int_equal(seen.err.status, cases[i].status);
        assert_string_equal(seen.err.reason, cases[i].reason);
        assert_string_equal(seen.err.message, cases[i].message);
        assert_int_equal(seen.err.retry_after_ns, cases[i].retry_after_s * NS_PER_S);
        assert_int_equal(world.last_status, cases[i].status);
        strbuf_finish(&seen.body);
    }
    assert_int_equal(world.requests, sizeof cases / sizeof *cases);
    end(&world);
}

static void client_retry_after_header_counts(void **state) {
    (void)state;
    struct world world;
    begin(&world, (struct kube_config){0});
    struct seen seen = {0};
    get(&world, &seen);
    const struct http_header headers[] = {{"retry-after", "3"}};
    fake_transport_headers(&world.calls, 429, headers, 1);
    fake_transport_end(&world.calls, NULL);
    assert_int_equal(seen.err.retry_after_ns, 3 * NS_PER_S);
    strbuf_finish(&seen.body);
    end(&world);
}

static void client_network_failure_comes_through(void **state) {
    (void)state;
    struct world world;
    begin(&world, (struct kube_config){0});
    struct seen seen = {0};
    get(&world, &seen);
    fake_transport_fail(&world.calls, ERROR_UNAVAILABLE, -1);
    assert_int_equal(seen.err.code, ERROR_UNAVAILABLE);
    assert_int_equal(seen.err.status, -1);
    assert_int_equal(world.requests, 1);
    assert_int_equal(world.last_status, 0);
    end(&world);
}

static void client_request_carries_who_and_what(void **state) {
    (void)state;
    struct world world;
    char *groups[] = {"dev", "ops", NULL};
    begin(&world, (struct kube_config){.token = " abc\n",
                                       .ca_pem = "CA",
                                       .tls_server_name = "kube",
                                       .proxy_url = "http://proxy:3128",
                                       .as_user = "jane",
                                       .as_uid = "7",
                                       .as_groups = groups});
    struct seen seen = {0};
    struct kube_request request = {.method = "PATCH",
                                   .path = "/api/v1/x",
                                   .content_type = "application/apply-patch+yaml",
                                   .body = str_of("{}")};
    assert_non_null(kube_call_start(world.client, &request, on_done, &seen, NULL));
    const struct fake_transport *t = &world.calls;
    assert_string_equal(fake_transport_what(t), "PATCH https://api.example:6443/api/v1/x");
    assert_string_equal(fake_transport_header(t, "Authorization"), "Bearer abc");
    assert_string_equal(fake_transport_header(t, "User-Agent"), "moonlet/test");
    assert_string_equal(fake_transport_header(t, "Accept"), "application/json");
    assert_string_equal(fake_transport_header(t, "Content-Type"), "application/apply-patch+yaml");
    assert_string_equal(fake_transport_header(t, "Impersonate-User"), "jane");
    assert_string_equal(fake_transport_header(t, "Impersonate-Uid"), "7");
    assert_string_equal(fake_transport_header(t, "Impersonate-Group"), "dev");
    assert_true(str_is(fake_transport_body(t), "{}"));
    const struct http_request *http = fake_transport_request(t);
    assert_string_equal(http->tls->ca_pem, "CA");
    assert_string_equal(http->tls->server_name, "kube");
    assert_string_equal(http->proxy, "http://proxy:3128");
    assert_int_equal(http->timeout_ns, 60 * NS_PER_S);
    fake_transport_answer(&world.calls, 201, "{\"a\":1}");
    assert_int_equal(seen.err.code, 0);
    assert_int_equal(seen.status, 201);
    assert_string_equal(seen.body.data, "{\"a\":1}");
    strbuf_finish(&seen.body);
    end(&world);
}

static void client_basic_credentials_are_encoded(void **state) {
    (void)state;
    struct world world;
    begin(&world, (struct kube_config){.username = "jane", .password = "secret"});
    struct seen seen = {0};
    get(&world, &seen);
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"),
                        "Basic amFuZTpzZWNyZXQ=");
    end(&world);
    assert_int_equal(seen.done, 0); /* destroy calls nobody */
}

static void client_refuses_what_it_cannot_read(void **state) {
    (void)state;
    struct error err;
    struct loop *loop = loop_create(clock_real(), &err);
    static struct kube_config configs[] = {
        {.server = "https://a", .ca_file = "/nowhere/ca.pem"},
        {.server = "https://a", .token = "a\nX-Evil: b"},
        {.server = "https://a", .token = "a\x01"},
    };
    static const char *const messages[] = {
        "certificate-authority '/nowhere/ca.pem': No such file or directory",
        "token: a token has no blanks inside", "token: a token has no control characters"};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        struct kube_client_options options = {.loop = loop, .config = &configs[i]};
        struct mem_stats before = mem_stats();
        assert_null(kube_client_create(&options, &err));
        assert_int_equal(err.code, ERROR_INVALID);
        assert_string_equal(err.message, messages[i]);
        assert_int_equal(mem_stats().blocks, before.blocks);
    }
    loop_destroy(loop);
}

static void write_token(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void client_401_is_tried_once_more_when_the_token_changed(void **state) {
    (void)state;
    char path[] = "/tmp/moonlet-token-XXXXXX";
    close(mkstemp(path));
    write_token(path, "old");
    struct world world;
    begin(&world, (struct kube_config){.token_file = path, .token = "not this"});
    struct seen seen = {0};
    get(&world, &seen);
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer old");
    write_token(path, "fresh");
    fake_transport_answer(&world.calls, 401, "");
    assert_int_equal(seen.done, 0);
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer fresh");
    fake_transport_answer(&world.calls, 401, ""); /* nothing new: this is the answer */
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.err.code, ERROR_UNAUTHORIZED);
    assert_int_equal(world.calls.started, 2);
    strbuf_finish(&seen.body);

    struct seen stream = {0};
    struct kube_request request = {.method = "GET", .path = "/watch"};
    write_token(path, "third");
    assert_non_null(kube_stream_start(world.client, &request, on_data, on_done, &stream, NULL));
    assert_string_equal(fake_transport_header(&world.watches, "Authorization"), "Bearer third");
    unlink(path); /* what was read stays good */
    fake_transport_answer(&world.watches, 401, "");
    assert_int_equal(stream.done, 1);
    assert_int_equal(get(&world, &seen) != NULL, 1);
    assert_string_equal(fake_transport_header(&world.calls, "Authorization"), "Bearer third");
    strbuf_finish(&stream.body);
    end(&world);
}

static void client_stream_gives_data_as_it_comes(void **state) {
    (void)state;
    struct world world;
    begin(&world, (struct kube_config){0});
    struct seen seen = {0};
    struct kube_request request = {.method = "GET", .path = "/watch"};
    assert_non_null(kube_stream_start(world.client, &request, on_data, on_done, &seen, NULL));
    assert_int_equal(fake_transport_request(&world.watches)->timeout_ns, 0);
    assert_true(fake_transport_request(&world.watches)->stream);
    fake_transport_headers(&world.watches, 200, NULL, 0);
    fake_transport_data(&world.watches, "ab", 2);
    assert_string_equal(seen.body.data, "ab");
    fake_transport_data(&world.watches, "c", 1);
    fake_transport_end(&world.watches, NULL);
    assert_string_equal(seen.body.data, "abc");
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.err.code, 0);
    strbuf_finish(&seen.body);

    seen = (struct seen){0}; /* a refusal is no data */
    assert_non_null(kube_stream_start(world.client, &request, on_data, on_done, &seen, NULL));
    fake_transport_answer(&world.watches, 403, "{\"kind\":\"Status\",\"message\":\"no\"}");
    assert_string_equal(seen.err.message, "no");
    strbuf_finish(&seen.body);

    seen = (struct seen){0};
    seen.cancel = kube_stream_start(world.client, &request, on_data, on_done, &seen, NULL);
    fake_transport_headers(&world.watches, 200, NULL, 0);
    assert_false(fake_transport_data(&world.watches, "ab", 2));
    assert_int_equal(seen.done, 0);
    strbuf_finish(&seen.body);
    end(&world);
}

static void client_escape_keeps_unreserved_characters(void **state) {
    (void)state;
    struct strbuf out = {0};
    kube_escape(&out, str_of("a-Z_0.9~ /?&=,!\xC3\xA9"));
    assert_string_equal(out.data, "a-Z_0.9~%20%2F%3F%26%3D%2C%21%C3%A9");
    strbuf_finish(&out);
}

static void client_survives_each_failed_allocation(void **state) {
    (void)state;
    struct world world;
    begin(&world, (struct kube_config){.token = "abc"});
    bool failed = true;
    for (uint64_t n = 0; failed; n++) {
        struct seen seen = {0};
        struct kube_request request = {.method = "PUT", .path = "/x", .body = str_of("{}")};
        struct error err = {0};
        mem_fail_at(n, /* forever= */ false);
        struct kube_call *call = kube_call_start(world.client, &request, on_done, &seen, &err);
        failed = mem_fail_stop();
        assert_true(call || err.code == ERROR_NOMEM);
        kube_call_cancel(call);
    }
    end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_refusal_becomes_an_error_with_the_servers_words),
        cmocka_unit_test(client_retry_after_header_counts),
        cmocka_unit_test(client_network_failure_comes_through),
        cmocka_unit_test(client_request_carries_who_and_what),
        cmocka_unit_test(client_basic_credentials_are_encoded),
        cmocka_unit_test(client_refuses_what_it_cannot_read),
        cmocka_unit_test(client_401_is_tried_once_more_when_the_token_changed),
        cmocka_unit_test(client_stream_gives_data_as_it_comes),
        cmocka_unit_test(client_escape_keeps_unreserved_characters),
        cmocka_unit_test(client_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
