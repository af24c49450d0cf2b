#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serve/server_internal.h"

/* One request: its head, its body, its answer. */

static bool client_is_known(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned problems = 0;
    return info && gnutls_certificate_verify_peers2(info->tls_session, &problems) == 0 &&
           problems == 0;
}

/* Answers */

static enum MHD_Result send_answer(struct server *server, struct MHD_Connection *mhd,
                                   struct server_answer *answer, const char *allow) {
    struct strbuf *body = &answer->body;
    size_t len = body->failed ? 0 : body->len;
    char *bytes = len ? strbuf_take(body) : NULL;
    struct MHD_Response *response =
        bytes ? MHD_create_response_from_buffer_with_free_callback(len, bytes, mem_free)
              : MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    strbuf_finish(body);
    if (response == NULL) {
        mem_free(bytes);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type",
                            answer->content_type ? answer->content_type
                                                 : "text/plain; charset=utf-8");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (allow)
        MHD_add_response_header(response, "Allow", allow);
    if (server->draining)
        MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result queued = MHD_queue_response(mhd, (unsigned)answer->status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse(struct server *server, struct MHD_Connection *mhd, int status,
                              const char *why, const char *allow) {
    struct server_answer answer = {.status = status};
    strbuf_adds(&answer.body, why);
    return send_answer(server, mhd, &answer, allow);
}

static void request_free(struct server_request *request) {
    strbuf_finish(&request->body);
    strbuf_finish(&request->answer.body);
    mem_free(request);
}

void server_respond(struct server_request *request, struct server_answer *answer) {
    struct server *server = request->server;
    request->answer = *answer;
    answer->body = (struct strbuf){0};
    request->answered = true;
    if (server) {
        list_remove(&request->link);
        server->pending--;
    }
    if (request->mhd == NULL) { /* nobody waits any more */
        request_free(request);
        return;
    }
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->mhd);
        if (!server->running)
            loop_timer_start(&server->timer, 0);
    }
}

/* Requests */

static char plain_request; /* stands for one that is answered on the spot */

static const struct server_route *find_route(const struct server *server, const char *path) {
    for (const struct server_route *route = server->options.routes; route->path; route++) {
        if (route->prefix ? strncmp(path, route->path, strlen(route->path)) == 0
                          : strcmp(path, route->path) == 0)
            return route;
    }
    return NULL;
}

static enum MHD_Result answer_unknown(struct server *server, struct MHD_Connection *mhd) {
    struct server_answer answer = {.status = 404};
    strbuf_adds(&answer.body, "not found; there is:\n");
    for (const struct server_route *route = server->options.routes; route->path; route++)
        strbuf_printf(&answer.body, "%s%s\n", route->path, route->prefix ? "..." : "");
    return send_answer(server, mhd, &answer, NULL);
}

static enum MHD_Result answer_get(struct server *server, struct MHD_Connection *mhd,
                                  const struct server_route *route) {
    struct server_answer answer = {.status = 200};
    const char *verbose = NULL;
    bool asked = MHD_lookup_connection_value_n(mhd, MHD_GET_ARGUMENT_KIND, "verbose", 7, &verbose,
                                               NULL) == MHD_YES;
    route->handle(route->context, asked, &answer);
    return send_answer(server, mhd, &answer, NULL);
}

/* "10s", "1m30s", "500ms", as Go writes durations; 0 for anything else. */
static uint64_t parse_timeout(const char *text) {
    uint64_t total = 0;
    while (text && *text) {
        char *end;
        double value = strtod(text, &end);
        double unit = strncmp(end, "ms", 2) == 0 ? 1e6
                      : *end == 's'              ? 1e9
                      : *end == 'm'              ? 60e9
                      : *end == 'h'              ? 3600e9
                                                 : 0;
        if (end == text || unit == 0 || !(value >= 0 && value < 1e6))
            return 0;
        total += (uint64_t)(value * unit);
        text = end + (unit == 1e6 ? 2 : 1);
    }
    return total;
}

static bool is_json(struct MHD_Connection *mhd) {
    const char *type = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Type");
    size_t len = strlen("application/json");
    return type && strncasecmp(type, "application/json", len) == 0 &&
           (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

/* The head has come. What is refused by its head is answered before a body is taken in. */
static enum MHD_Result begin(struct server *server, struct MHD_Connection *mhd, const char *path,
                             const char *method, void **state) {
    const struct server_route *route = find_route(server, path);
    struct connection *connection = server_connection(mhd);
    const char *length = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Length");
    size_t limit = server->options.body_limit ? server->options.body_limit : SERVER_BODY_LIMIT;
    if (connection == NULL)
        return MHD_NO;
    server_touch(connection);
    if (route == NULL || route->accept == NULL) {
        *state = &plain_request;
        return MHD_YES;
    }
    if (strcmp(method, "POST") != 0)
        return refuse(server, mhd, 405, "only POST\n", "POST");
    if (server->client_ca && !client_is_known(mhd))
        return refuse(server, mhd, 401, "a client certificate of the configured CA is needed\n",
                      NULL);
    if (!is_json(mhd))
        return refuse(server, mhd, 415, "the body must be application/json\n", NULL);
    if (length && strtoull(length, NULL, 10) > limit)
        return refuse(server, mhd, 413, "the body is too large\n", NULL);
    struct server_request *request = mem_zalloc(sizeof *request);
    if (request == NULL)
        return MHD_NO;
    *request = (struct server_request){
        .server = server, .connection = connection, .mhd = mhd, .route = route};
    list_init(&request->link);
    connection->requests = 1;
    connection->receiving = true;
    *state = request;
    return MHD_YES;
}

static void take_body(struct server_request *request, const char *bytes, size_t len) {
    const struct server_options *options = &request->server->options;
    size_t limit = options->body_limit ? options->body_limit : SERVER_BODY_LIMIT;
    if (request->refused)
        return;
    if (request->body.len + len > limit)
        request->refused = 413;
    else
        strbuf_add(&request->body, bytes, len);
    if (request->body.failed)
        request->refused = 503;
    if (request->refused)
        strbuf_finish(&request->body);
}

static enum MHD_Result accept_request(struct server_request *request, const char *path) {
    struct server *server = request->server;
    request->connection->receiving = false;
    if (request->refused)
        return refuse(server, request->mhd, request->refused,
                      request->refused == 413 ? "the body is too large\n" : "no memory\n", NULL);
    if (request->body.len == 0)
        return refuse(server, request->mhd, 400, "the body is empty\n", NULL);
    request->exchange =
        (struct server_exchange){.path = path,
                                 .rest = path + strlen(request->route->path),
                                 .body = strbuf_view(&request->body),
                                 .timeout_ns = parse_timeout(MHD_lookup_connection_value(
                                     request->mhd, MHD_GET_ARGUMENT_KIND, "timeout"))};
    request->accepted = true;
    server->pending++;
    list_append(&server->requests, &request->link);
    request->route->accept(request->route->context, request, &request->exchange);
    if (request->answered)
        return send_answer(server, request->mhd, &request->answer, NULL);
    request->suspended = true;
    MHD_suspend_connection(request->mhd);
    return MHD_YES;
}

enum MHD_Result server_on_request(void *context, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state) {
    struct server *server = context;
    (void)version;
    if (*state == NULL)
        return begin(server, mhd, path, method, state);
    const struct server_route *route = find_route(server, path);
    if (route == NULL || route->accept == NULL) {
        if (*upload_size > 0) { /* a body that nobody wants */
            *upload_size = 0;
            return MHD_YES;
        }
        if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
            return refuse(server, mhd, 405, "only GET and HEAD\n", "GET, HEAD");
        return route ? answer_get(server, mhd, route) : answer_unknown(server, mhd);
    }
    struct server_request *request = *state;
    if (*upload_size > 0) {
        take_body(request, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (request->answered)
        return send_answer(server, mhd, &request->answer, NULL);
    return request->accepted ? MHD_YES : accept_request(request, path);
}

void server_on_completed(void *context, struct MHD_Connection *mhd, void **state,
                         enum MHD_RequestTerminationCode code) {
    struct connection *connection = server_connection(mhd);
    struct server_request *request = *state == &plain_request ? NULL : *state;
    (void)context;
    (void)code;
    *state = NULL;
    if (connection) {
        server_touch(connection);
        connection->requests = 0;
        connection->receiving = false;
    }
    if (request == NULL)
        return;
    request->mhd = NULL;
    request->connection = NULL;
    if (!request->accepted || request->answered)
        request_free(request);
    else
        request->suspended = false; /* server_respond() frees it */
}
