#include <string.h>

#include "base/mem.h"
#include "serve/server_internal.h"

/* Requests without a connection. */

static const struct server_route *find_route(const struct server_route *route, const char *path) {
    for (; route->path; route++)
        if (route->accept && (route->prefix ? strncmp(path, route->path, strlen(route->path)) == 0
                                            : strcmp(path, route->path) == 0))
            return route;
    return NULL;
}

struct server_request *server_post(const struct server_route *routes,
                                   const struct server_local *post, struct error *err) {
    const struct server_route *route = find_route(routes, post->path);
    if (route == NULL) {
        error_set(err, ERROR_NOT_FOUND, "nobody takes a POST at %s", post->path);
        return NULL;
    }
    struct server_request *request = mem_zalloc(sizeof *request);
    if (request)
        strbuf_add(&request->body, post->body.data, post->body.len);
    if (request == NULL || request->body.failed) {
        mem_free(request);
        error_set(err, ERROR_NOMEM, "no memory for a request");
        return NULL;
    }
    list_init(&request->link);
    request->route = route;
    request->local = *post;
    request->exchange = (struct server_exchange){.path = post->path,
                                                 .rest = post->path + strlen(route->path),
                                                 .body = strbuf_view(&request->body),
                                                 .timeout_ns = post->timeout_ns};
    route->accept(route->context, request, &request->exchange);
    return request; /* may be answered already: only its not being NULL means something then */
}

void server_forget(struct server_request *request) {
    request->local.respond = NULL;
}
