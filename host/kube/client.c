#include "kube/client.h"

#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "kube/credentials.h"
#include "kube/status.h"

#define CALL_TIMEOUT_NS (60 * NS_PER_S)
enum { ERROR_BODY_MAX = 1 << 20, CALL_BODY_MAX = 1 << 30 };

struct kube_client {
    struct kube_client_options options;
    struct kube_credentials *credentials;
    char *server, *user_agent;
    struct list calls;
};

struct kube_call {
    struct list link; /* in client->calls */
    struct kube_client *client;
    struct kube_waiter waiter; /* for credentials */
    bool stream, retried;
    int status; /* the headers said; 0: none came */
    char *method, *url, *accept, *content_type;
    struct strbuf body; /* ours */
    uint64_t timeout_ns;
    struct kube_identity *identity; /* of the request under way */
    struct http_call *http;         /* under way, or NULL */
    struct strbuf refusal;          /* body that comes in pieces of an answer that is no 2xx */
    void (*data)(void *context, const char *bytes, size_t len);
    void (*done)(void *context, const struct kube_answer *answer, const struct error *err);
    void *context;
};

static struct http_transport *transport_of(const struct kube_call *call) {
    return call->stream ? call->client->options.watches : call->client->options.calls;
}

static void free_call(struct kube_call *call) {
    list_remove(&call->link);
    list_remove(&call->waiter.link);
    kube_identity_unref(call->identity);
    mem_free(call->method);
    mem_free(call->url);
    mem_free(call->accept);
    mem_free(call->content_type);
    strbuf_finish(&call->body);
    strbuf_finish(&call->refusal);
    mem_free(call);
}

/* The last callback; the call leaves its list first, so that it cannot be cancelled any more. */
static void end(struct kube_call *call, const struct kube_answer *answer, const struct error *err) {
    list_remove(&call->link);
    call->http = NULL;
    call->done(call->context, answer, err);
    free_call(call);
}

static void on_headers(void *context, const struct http_answer *answer) {
    struct kube_call *call = context;
    call->status = answer->status;
}

static bool is_ok(int status) {
    return status >= 200 && status < 300;
}

static void on_data(void *context, const char *bytes, size_t len) {
    struct kube_call *call = context;
    if (is_ok(call->status))
        call->data(call->context, bytes, len); /* may cancel: nothing after it */
    else if (call->refusal.len < ERROR_BODY_MAX)
        strbuf_add(&call->refusal, bytes, len);
}

static int send_request(struct kube_call *call, struct error *err);

static void read_retry_after(const struct http_answer *answer, struct error *err) {
    const char *text = http_answer_header(answer, "Retry-After");
    int64_t seconds;
    if (text && str_to_int64(str_of(text), &seconds) && seconds > 0 && seconds <= 24 * 3600 &&
        err->retry_after_ns == 0)
        err->retry_after_ns = (uint64_t)seconds * NS_PER_S;
}

/* 401: once more with fresh credentials, if there are any. True when under way. */
static bool try_again(struct kube_call *call) {
    if (call->retried || !kube_credentials_refused(call->client->credentials, call->identity))
        return false;
    call->retried = true;
    call->http = NULL;
    strbuf_clear(&call->refusal);
    struct error err;
    if (send_request(call, &err) < 0)
        end(call, NULL, &err);
    return true;
}

static void on_done(void *context, const struct http_answer *answer, struct str body,
                    const struct error *failure) {
    struct kube_call *call = context;
    const struct kube_client_options *options = &call->client->options;
    int status = answer ? answer->status : 0;
    if (options->on_request)
        options->on_request(options->context, call->method, failure ? 0 : status);
    if (failure) {
        struct error cut = *failure;
        if (call->stream && is_ok(call->status))
            cut.status = call->status;
        end(call, NULL, &cut);
        return;
    }
    struct kube_answer ours = {status, call->data ? strbuf_view(&call->refusal) : body};
    if (is_ok(status)) {
        end(call, &ours, NULL);
        return;
    }
    if (status == 401 && try_again(call))
        return;
    char what[512];
    struct error err;
    snprintf(what, sizeof what, "%s %.*s", call->method, (int)strcspn(call->url, "?"), call->url);
    kube_status_decode(ours.body, status, what, &err);
    read_retry_after(answer, &err);
    end(call, &ours, &err);
}

/* Headers of one request; `list` has room for all. */
static void fill_headers(const struct kube_call *call, struct http_header *list) {
    const struct kube_config *config = call->client->options.config;
    *list++ = (struct http_header){"Accept", call->accept};
    *list++ = (struct http_header){"User-Agent", call->client->user_agent};
    if (call->body.len)
        *list++ = (struct http_header){"Content-Type", call->content_type};
    if (call->identity->authorization)
        *list++ = (struct http_header){"Authorization", call->identity->authorization};
    if (config->as_user)
        *list++ = (struct http_header){"Impersonate-User", config->as_user};
    if (config->as_uid)
        *list++ = (struct http_header){"Impersonate-Uid", config->as_uid};
    for (char **group = config->as_groups; group && *group; group++)
        *list++ = (struct http_header){"Impersonate-Group", *group};
}

static int start_http(struct kube_call *call, struct error *err) {
    const struct kube_config *config = call->client->options.config;
    size_t count = 8;
    for (char **group = config->as_groups; group && *group; group++)
        count++;
    struct http_header *headers = mem_calloc(count, sizeof *headers);
    if (headers == NULL)
        return error_set(err, ERROR_NOMEM, "%s %s: no memory", call->method, call->url);
    fill_headers(call, headers);
    struct http_request request = {.method = call->method,
                                   .url = call->url,
                                   .headers = headers,
                                   .body = strbuf_view(&call->body),
                                   .tls = &call->identity->tls,
                                   .proxy = config->proxy_url,
                                   .timeout_ns = call->timeout_ns,
                                   .max_body = call->data ? 0 : CALL_BODY_MAX,
                                   .stream = call->stream,
                                   .gzip = !call->stream, /* lists; a watch is told at once */
                                   .on_headers = on_headers,
                                   .on_data = call->data ? on_data : NULL,
                                   .on_done = on_done,
                                   .context = call};
    struct http_transport *transport = transport_of(call);
    call->http = transport->start(transport, &request, err);
    mem_free(headers);
    if (call->http)
        return 0;
    err->status = -1; /* it never left */
    return err->code;
}

static void on_credentials(struct kube_waiter *waiter, const struct error *failure) {
    struct kube_call *call = CONTAINER_OF(waiter, struct kube_call, waiter);
    struct error err;
    if (failure) {
        err = *failure;
        err.status = -1; /* it never left */
        end(call, NULL, &err);
    } else if (send_request(call, &err) < 0) {
        end(call, NULL, &err);
    }
}

static int send_request(struct kube_call *call, struct error *err) {
    kube_identity_unref(call->identity);
    call->identity = NULL;
    struct kube_credentials *credentials = call->client->credentials;
    int rc = kube_credentials_get(credentials, &call->identity, err);
    if (rc == KUBE_CREDENTIALS_PENDING) {
        kube_credentials_wait(credentials, &call->waiter);
        return 0;
    }
    if (rc < 0) {
        err->status = -1;
        return rc;
    }
    return start_http(call, err);
}

static bool copy_request(struct kube_call *call, const struct kube_request *request) {
    call->method = mem_strdup(request->method);
    call->url = mem_printf("%s%s%s%s", call->client->server, request->path,
                           request->query && *request->query ? "?" : "",
                           request->query ? request->query : "");
    call->accept = mem_strdup(request->accept ? request->accept : "application/json");
    call->content_type =
        mem_strdup(request->content_type ? request->content_type : "application/json");
    strbuf_add(&call->body, request->body.data, request->body.len);
    return call->method && call->url && call->accept && call->content_type && !call->body.failed;
}

static struct kube_call *start(struct kube_client *client, const struct kube_request *request,
                               const struct kube_call *callbacks, struct error *err) {
    struct kube_call *call = mem_alloc(sizeof *call);
    if (call == NULL) {
        error_set(err, ERROR_NOMEM, "%s %s: no memory", request->method, request->path);
        return NULL;
    }
    *call = *callbacks;
    struct error local;
    err = err ? err : &local;
    call->client = client;
    call->waiter.ready = on_credentials;
    call->timeout_ns = request->timeout_ns || call->stream ? request->timeout_ns : CALL_TIMEOUT_NS;
    list_init(&call->waiter.link);
    list_init(&call->link);
    list_append(&client->calls, &call->link);
    bool copied = copy_request(call, request);
    if (!copied)
        error_set(err, ERROR_NOMEM, "%s %s: no memory", request->method, request->path);
    if (!copied || send_request(call, err) < 0) {
        free_call(call);
        return NULL;
    }
    return call;
}

struct kube_call *kube_call_start(struct kube_client *client, const struct kube_request *request,
                                  void (*done)(void *context, const struct kube_answer *answer,
                                               const struct error *err),
                                  void *context, struct error *err) {
    struct kube_call callbacks = {.data = request->on_data, .done = done, .context = context};
    return start(client, request, &callbacks, err);
}

struct kube_call *kube_stream_start(struct kube_client *client, const struct kube_request *request,
                                    void (*data)(void *context, const char *bytes, size_t len),
                                    void (*done)(void *context, const struct kube_answer *answer,
                                                 const struct error *err),
                                    void *context, struct error *err) {
    struct kube_call callbacks = {.stream = true, .data = data, .done = done, .context = context};
    return start(client, request, &callbacks, err);
}

void kube_call_cancel(struct kube_call *call) {
    if (call == NULL)
        return;
    struct http_transport *transport = transport_of(call);
    if (call->http)
        transport->cancel(transport, call->http);
    free_call(call);
}

struct kube_client *kube_client_create(const struct kube_client_options *options,
                                       struct error *err) {
    struct kube_client *client = mem_zalloc(sizeof *client);
    if (client == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a client");
        return NULL;
    }
    client->options = *options;
    list_init(&client->calls);
    const char *server = options->config->server;
    size_t len = strlen(server);
    while (len && server[len - 1] == '/')
        len--;
    client->server = mem_strndup(server, len);
    client->user_agent = mem_strdup(options->user_agent ? options->user_agent : "moonlet");
    if (client->server == NULL || client->user_agent == NULL)
        error_set(err, ERROR_NOMEM, "no memory for a client");
    else
        client->credentials = kube_credentials_create(options->loop, options->config, err);
    if (client->credentials)
        return client;
    kube_client_destroy(client);
    return NULL;
}

void kube_client_destroy(struct kube_client *client) {
    if (client == NULL)
        return;
    while (!list_empty(&client->calls))
        kube_call_cancel(CONTAINER_OF(client->calls.next, struct kube_call, link));
    kube_credentials_destroy(client->credentials);
    mem_free(client->server);
    mem_free(client->user_agent);
    mem_free(client);
}

const char *kube_client_server(const struct kube_client *client) {
    return client->server;
}

void kube_escape(struct strbuf *buf, struct str text) {
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte && strchr(plain, byte))
            strbuf_addc(buf, (char)byte);
        else
            strbuf_printf(buf, "%%%02X", byte);
    }
}
