#include "apiserver/support/rest/api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static int write_nothing(void *context, const char *line, size_t len) {
    (void)context;
    (void)line;
    (void)len;
    return 0;
}

void api_init(struct api_client *client) {
    api_init_at(client, NULL);
}

static void init(struct api_client *client, const char *folder, struct http_transport *webhooks) {
    struct error err = {0};
    *client = (struct api_client){0};
    clock_fake_init(&client->clock, 1000 * NS_PER_S, 1767225600 * (int64_t)NS_PER_S);
    client->log = (struct log){.clock = &client->clock.clock, .write = write_nothing};
    client->loop = loop_create(&client->clock.clock, &err);
    assert_non_null(client->loop);
    client->server = apiserver_create(&(struct apiserver_options){.loop = client->loop,
                                                                  .log = &client->log,
                                                                  .seed = 7,
                                                                  .webhooks = webhooks,
                                                                  .folder = folder},
                                      &err);
    if (client->server == NULL)
        fail_msg("%s", err.message);
    api_wait(client, 0);
}

void api_init_at(struct api_client *client, const char *folder) {
    init(client, folder, NULL);
}

void api_init_webhooks(struct api_client *client, struct http_transport *webhooks) {
    init(client, NULL, webhooks);
}

void api_finish(struct api_client *client) {
    apiserver_destroy(client->server);
    loop_destroy(client->loop);
    strbuf_finish(&client->warnings);
}

int api_setup(void **state) {
    static struct api_client client;
    api_init(&client);
    *state = &client;
    return 0;
}

int api_teardown(void **state) {
    api_finish(*state);
    return 0;
}

void api_wait(struct api_client *client, unsigned seconds) {
    loop_advance(client->loop, &client->clock, seconds * NS_PER_S);
    for (int i = 0; i < 100 && !apiserver_idle(client->server); i++)
        loop_advance(client->loop, &client->clock, 0);
}

struct call {
    struct api_client *client;
    struct strbuf text;
    bool ended;
};

static void call_begin(void *context, int status, const struct http_header *headers) {
    struct call *call = context;
    call->client->status = status;
    for (; headers->name; headers++) {
        if (strcmp(headers->name, "Warning") == 0)
            strbuf_printf(&call->client->warnings, "%s\n", headers->value);
    }
}

static void call_send(void *context, struct str bytes) {
    strbuf_add(&((struct call *)context)->text, bytes.data, bytes.len);
}

static void call_end(void *context) {
    ((struct call *)context)->ended = true;
}

static struct api_request request_of(const struct api_client *client, const char *method,
                                     const char *path, const char *content_type, struct str body) {
    const char *query = strchr(path, '?');
    return (struct api_request){.method = method,
                                .path = str_n(path, query ? (size_t)(query - path) : strlen(path)),
                                .query = str_of(query ? query + 1 : ""),
                                .content_type = content_type ? content_type : "application/json",
                                .accept = client->accept ? client->accept : "application/json",
                                .user_agent = client->user_agent ? client->user_agent : "test/1.0",
                                .if_none_match = "",
                                .body = body,
                                .user = "tester"};
}

json_t *api_call(struct api_client *client, const char *method, const char *path,
                 const char *content_type, const char *body) {
    return api_call_bytes(client, method, path, content_type, str_of(body));
}

json_t *api_call_bytes(struct api_client *client, const char *method, const char *path,
                       const char *content_type, struct str body) {
    static const struct api_handler handler = {call_begin, call_send, call_end, NULL};
    struct call call = {.client = client};
    struct api_request request = request_of(client, method, path, content_type, body);
    strbuf_clear(&client->warnings);
    client->status = 0;
    assert_null(apiserver_serve(client->server, &request, &handler, &call));
    assert_true(call.ended);
    json_t *answer =
        json_loadb(call.text.data ? call.text.data : "", call.text.len, JSON_DECODE_ANY, NULL);
    if (answer == NULL && call.text.len > 0)
        answer = json_stringn_nocheck(call.text.data, call.text.len);
    strbuf_finish(&call.text);
    return answer;
}

int api_put(struct api_client *client, const char *method, const char *path, const char *format,
            ...) {
    struct strbuf body = {0};
    va_list args;
    va_start(args, format);
    strbuf_vprintf(&body, format, args);
    va_end(args);
    bool patch = strcmp(method, "PATCH") == 0;
    json_t *answer =
        api_call(client, method, path, patch ? "application/merge-patch+json" : NULL, body.data);
    if (client->status >= 400)
        print_message("%s %s: %s\n", method, path, text_at(answer, "message"));
    json_decref(answer);
    strbuf_finish(&body);
    return client->status;
}

void api_expect(const struct api_client *client, int status) {
    assert_int_equal(client->status, status);
}

json_t *value_at(const json_t *document, const char *path) {
    while (document && *path) {
        size_t len = strcspn(path, ".");
        document = json_is_array(document) ? json_array_get(document, (size_t)atoi(path))
                                           : json_object_getn(document, path, len);
        path += len + (path[len] == '.');
    }
    return (json_t *)document;
}

const char *text_at(const json_t *document, const char *path) {
    const char *text = json_string_value(value_at(document, path));
    return text ? text : "";
}

/* --- watches ------------------------------------------------------------------------------- */

static void stream_begin(void *context, int status, const struct http_header *headers) {
    struct api_stream *stream = context;
    stream->status = status;
    for (; headers->name; headers++) {
        if (strcmp(headers->name, "Warning") == 0)
            strbuf_printf(&stream->warnings, "%s\n", headers->value);
    }
}

static void stream_send(void *context, struct str bytes) {
    strbuf_add(&((struct api_stream *)context)->text, bytes.data, bytes.len);
}

static void stream_end(void *context) {
    struct api_stream *stream = context;
    stream->ended = true;
    stream->exchange = NULL;
}

void stream_open(struct api_client *client, struct api_stream *stream, const char *path) {
    stream_ask(client, stream, "GET", path, NULL, NULL);
}

void stream_ask(struct api_client *client, struct api_stream *stream, const char *method,
                const char *path, const char *content_type, const char *body) {
    static const struct api_handler handler = {stream_begin, stream_send, stream_end, NULL};
    struct api_request request = request_of(client, method, path, content_type, str_of(body));
    *stream = (struct api_stream){0};
    stream->exchange = apiserver_serve(client->server, &request, &handler, stream);
}

json_t *stream_answer(struct api_stream *stream, int status) {
    assert_true(stream->ended);
    json_t *answer =
        json_loadb(stream->text.data ? stream->text.data : "", stream->text.len, 0, NULL);
    if (stream->status != status)
        fail_msg("%d instead of %d: %s", stream->status, status, text_at(answer, "message"));
    stream_close(stream);
    return answer;
}

json_t *stream_next(struct api_stream *stream) {
    char *end = stream->text.len > 0 ? memchr(stream->text.data, '\n', stream->text.len) : NULL;
    if (end == NULL)
        return NULL;
    size_t len = (size_t)(end - stream->text.data);
    json_t *event = json_loadb(stream->text.data, len, 0, NULL);
    assert_non_null(event);
    strbuf_consume(&stream->text, len + 1);
    return event;
}

void stream_expect(struct api_stream *stream, const char *type, const char *name) {
    json_t *event = stream_next(stream);
    if (event == NULL)
        fail_msg("there is no event, but %s %s was expected", type, name);
    assert_string_equal(text_at(event, "type"), type);
    assert_string_equal(text_at(event, "object.metadata.name"), name);
    json_decref(event);
}

void stream_close(struct api_stream *stream) {
    if (stream->exchange)
        apiserver_abandon(stream->exchange);
    stream->exchange = NULL;
    strbuf_finish(&stream->text);
    strbuf_finish(&stream->warnings);
}
