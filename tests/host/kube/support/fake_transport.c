#include "fake_transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct http_call {
    struct list link;
    struct http_request request;
    char what[1024];
    char headers[2048]; /* "Name: value\n" */
    char *body;
    struct http_answer answer;
    struct str got; /* the one piece of a call's answer; borrowed */
};

static struct http_call *oldest(const struct fake_transport *fake) {
    return list_empty(&fake->calls) ? NULL : CONTAINER_OF(fake->calls.next, struct http_call, link);
}

static void free_call(struct http_call *call) {
    list_remove(&call->link);
    free(call->body);
    free(call);
}

static struct http_call *start(struct http_transport *transport, const struct http_request *request,
                               struct error *err) {
    struct fake_transport *fake = (struct fake_transport *)transport;
    struct http_call *call = calloc(1, sizeof *call);
    (void)err;
    if (call == NULL)
        abort();
    call->request = *request;
    snprintf(call->what, sizeof call->what, "%s %s", request->method, request->url);
    size_t len = 0;
    for (const struct http_header *h = request->headers; h && h->name; h++)
        len += (size_t)snprintf(call->headers + len, sizeof call->headers - len, "%s: %s\n",
                                h->name, h->value);
    call->body = malloc(request->body.len + 1);
    if (request->body.len)
        memcpy(call->body, request->body.data, request->body.len);
    call->request.body.data = call->body;
    list_append(&fake->calls, &call->link);
    fake->started++;
    return call;
}

static void cancel(struct http_transport *transport, struct http_call *call) {
    ((struct fake_transport *)transport)->cancelled++;
    free_call(call);
}

void fake_transport_init(struct fake_transport *fake) {
    *fake = (struct fake_transport){.base = {.start = start, .cancel = cancel}};
    list_init(&fake->calls);
}

size_t fake_transport_waiting(const struct fake_transport *fake) {
    size_t count = 0;
    for (const struct list *link = fake->calls.next; link != &fake->calls; link = link->next)
        count++;
    return count;
}

const char *fake_transport_what(const struct fake_transport *fake) {
    const struct http_call *call = oldest(fake);
    return call ? call->what : "";
}

const char *fake_transport_header(const struct fake_transport *fake, const char *name) {
    static char value[512];
    const struct http_call *call = oldest(fake);
    size_t len = strlen(name);
    for (const char *at = call ? call->headers : ""; *at; at = strchr(at, '\n') + 1) {
        if (strncasecmp(at, name, len) != 0 || at[len] != ':')
            continue;
        snprintf(value, sizeof value, "%.*s", (int)strcspn(at + len + 2, "\n"), at + len + 2);
        return value;
    }
    return NULL;
}

struct str fake_transport_body(const struct fake_transport *fake) {
    return oldest(fake)->request.body;
}

const struct http_request *fake_transport_request(const struct fake_transport *fake) {
    return &oldest(fake)->request;
}

void fake_transport_headers(struct fake_transport *fake, int status,
                            const struct http_header *headers, size_t count) {
    struct http_call *call = oldest(fake);
    call->answer = (struct http_answer){status, headers, count};
    if (call->request.on_headers)
        call->request.on_headers(call->request.context, &call->answer);
}

bool fake_transport_data(struct fake_transport *fake, const char *data, size_t len) {
    struct http_call *call = oldest(fake);
    if (call->request.on_data == NULL)
        call->got = str_n(data, len);
    else
        call->request.on_data(call->request.context, data, len);
    return oldest(fake) == call;
}

void fake_transport_end(struct fake_transport *fake, const struct error *err) {
    struct http_call *call = oldest(fake);
    list_remove(&call->link); /* may be asked for again from the callback */
    call->request.on_done(call->request.context, call->answer.status ? &call->answer : NULL,
                          call->got, err);
    free_call(call);
}

void fake_transport_answer(struct fake_transport *fake, int status, const char *body) {
    fake_transport_headers(fake, status, NULL, 0);
    if (*body == '\0' || fake_transport_data(fake, body, strlen(body)))
        fake_transport_end(fake, NULL);
}

void fake_transport_fail(struct fake_transport *fake, int code, int status) {
    struct error err;
    error_set(&err, code, "the network is away");
    err.status = status;
    fake_transport_end(fake, &err);
}
