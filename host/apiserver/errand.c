#include "apiserver/errand.h"

#include <ctype.h>
#include <string.h>

static void on_begin(void *context, int status, const struct http_header *headers) {
    struct errand *errand = context;
    (void)headers;
    errand->status = status;
}

static void on_send(void *context, struct str bytes) {
    struct errand *errand = context;
    strbuf_add(&errand->body, bytes.data, bytes.len);
}

static void on_end(void *context) {
    struct errand *errand = context;
    errand->busy = false;
    errand->exchange = NULL;
    errand->done(errand);
}

int errand_start(struct apiserver *server, struct errand *errand,
                 const struct errand_order *order) {
    static const struct api_handler handler = {on_begin, on_send, on_end, NULL};
    struct strbuf body = {0};
    if (order->body)
        document_text(order->body, &body);
    if (body.failed) {
        strbuf_finish(&body);
        return ERROR_NOMEM;
    }
    struct api_request request = {.method = order->method,
                                  .path = str_of(order->path),
                                  .query = str_of(order->query),
                                  .content_type = order->content_type ? order->content_type
                                                                      : "application/json",
                                  .accept = "application/json",
                                  .user_agent = "kube-controller-manager",
                                  .if_none_match = "",
                                  .body = strbuf_view(&body),
                                  .user = order->user,
                                  .groups = order->groups};
    strbuf_finish(&errand->body);
    errand->busy = true;
    errand->status = 0;
    struct api_exchange *x = apiserver_serve(server, &request, &handler, errand);
    strbuf_finish(&body);
    if (x) /* else `done` was called, and the errand may be no more */
        errand->exchange = x;
    return 0;
}

void errand_finish(struct errand *errand) {
    if (errand->exchange)
        apiserver_abandon(errand->exchange);
    errand->exchange = NULL;
    errand->busy = false;
    strbuf_finish(&errand->body);
}

static void add_escaped(struct strbuf *out, struct str text) {
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (isalnum(c) || strchr("-._~:", c))
            strbuf_addc(out, (char)c);
        else
            strbuf_printf(out, "%%%02X", c);
    }
}

static void add_segment(struct strbuf *out, struct str text) {
    strbuf_addc(out, '/');
    add_escaped(out, text);
}

/* The version that objects are stored in needs no conversion. */
static const char *version_of(const struct api_resource *resource) {
    for (size_t i = 0; i < resource->kind_count; i++) {
        if (&resource->kinds[i] == resource->storage)
            return resource->storage->version;
    }
    return resource->kinds[0].version;
}

void errand_path(struct strbuf *out, const struct api_resource *resource, struct str ns,
                 struct str name, const char *subresource) {
    strbuf_adds(out, resource->group[0] ? "/apis" : "/api");
    if (resource->group[0])
        add_segment(out, str_of(resource->group));
    add_segment(out, str_of(version_of(resource)));
    if (ns.len > 0) {
        strbuf_adds(out, "/namespaces");
        add_segment(out, ns);
    }
    add_segment(out, str_of(resource->plural));
    if (name.len > 0)
        add_segment(out, name);
    if (subresource[0])
        add_segment(out, str_of(subresource));
}
