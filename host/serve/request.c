#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "serve/server_internal.h"

/* One request: its head, its body, its answer. */

enum {
    RESERVE = 64 << 10, /* for a body that is only announced */
    MOST_BODIES = 32    /* of the largest size, held at once */
};

/* Why a request is not for a handler. */
struct refusal {
    int status;
    const char *text, *allow;
};
static const struct refusal no_client = {401,
                                         "a client certificate of the configured CA is needed\n",
                                         NULL},
                            no_path = {404, NULL, NULL}, /* the text says which there are */
    only_get = {405, "only GET and HEAD\n", "GET, HEAD"}, only_post = {405, "only POST\n", "POST"},
                            not_json = {415, "the body must be application/json\n", NULL},
                            too_large = {413, "the body is too large\n", NULL},
                            empty = {400, "the body is empty\n", NULL},
                            no_memory = {503, "no memory for the body\n", NULL};

/* Answers */

static enum MHD_Result send_answer(struct server_request *request, struct server_answer *answer,
                                   const char *allow) {
    struct strbuf *body = &answer->body;
    int status = body->failed ? no_memory.status : answer->status;
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
    if (request->server->draining)
        MHD_add_response_header(response, "Connection", "close");
    server_phase(request->connection, PHASE_ANSWERING);
    enum MHD_Result queued = MHD_queue_response(request->mhd, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

static enum MHD_Result refuse(struct server_request *request, const struct refusal *refusal) {
    struct server_answer answer = {.status = refusal->status};
    if (refusal->text)
        strbuf_adds(&answer.body, refusal->text);
    else
        strbuf_adds(&answer.body, "not found; there is:\n");
    const struct server_route *route = refusal->text ? NULL : request->server->options.routes;
    for (; route && route->path; route++)
        strbuf_printf(&answer.body, "%s%s\n", route->path, route->prefix ? "..." : "");
    return send_answer(request, &answer, refusal->allow);
}

static void drop_body(struct server_request *request) {
    if (request->server)
        request->server->held -= request->body.len;
    strbuf_finish(&request->body);
}

static void request_free(struct server_request *request) {
    drop_body(request);
    strbuf_finish(&request->answer.body);
    stream_destroy(request->stream);
    mem_free(request);
}

void server_wake(struct server_request *request) {
    if (!request->suspended)
        return;
    request->suspended = false;
    MHD_resume_connection(request->mhd);
    if (!request->server->running)
        loop_timer_start(&request->server->timer, 0);
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
    if (request->local.respond)
        request->local.respond(request->local.context, &request->answer);
    if (request->mhd == NULL) { /* nobody waits any more */
        request_free(request);
        return;
    }
    server_wake(request);
}

/* Requests */

static const struct server_route *find_route(const struct server *server, const char *path) {
    for (const struct server_route *route = server->options.routes; route->path; route++) {
        if (route->prefix ? strncmp(path, route->path, strlen(route->path)) == 0
                          : strcmp(path, route->path) == 0)
            return route;
    }
    return NULL;
}

static enum MHD_Result answer_get(struct server_request *request) {
    struct server_answer answer = {.status = 200};
    const char *verbose = NULL;
    bool asked = MHD_lookup_connection_value_n(request->mhd, MHD_GET_ARGUMENT_KIND, "verbose", 7,
                                               &verbose, NULL) == MHD_YES;
    request->route->handle(request->route->context, asked, &answer);
    return send_answer(request, &answer, NULL);
}

/* The handshake lets anybody in, so that it is HTTP that says what is missing. */
static bool client_is_known(struct connection *connection) {
    if (!connection->asked)
        connection->known = tls_client_is_known(server_session(connection->mhd));
    connection->asked = true;
    return connection->known;
}

static bool is_json(struct MHD_Connection *mhd) {
    const char *type = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Type");
    size_t len = strlen("application/json");
    return type && strncasecmp(type, "application/json", len) == 0 &&
           (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

static size_t body_limit(const struct server *server) {
    return server->options.body_limit ? server->options.body_limit : SERVER_BODY_LIMIT;
}

static const struct refusal *judge_head(const struct server_request *request, const char *method,
                                        unsigned long long length) {
    const struct server *server = request->server;
    if (server->client_ca && !client_is_known(request->connection))
        return &no_client;
    if (request->route == NULL)
        return &no_path;
    if (request->route->serve)
        return length > body_limit(server) ? &too_large : NULL;
    if (request->route->accept == NULL)
        return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ? NULL : &only_get;
    if (strcmp(method, "POST") != 0)
        return &only_post;
    if (length > body_limit(server))
        return &too_large;
    return is_json(request->mhd) ? NULL : &not_json;
}

/* The head has come. A body that is too large or of nobody we know is not taken in: it is answered
 * now, which ends the connection; after any other answer it goes on. */
static enum MHD_Result begin(struct server *server, struct MHD_Connection *mhd, const char *path,
                             const char *method, void **state) {
    struct connection *connection = server_connection(mhd);
    struct server_request *request = connection ? mem_zalloc(sizeof *request) : NULL;
    if (request == NULL)
        return MHD_NO;
    *state = request;
    *request = (struct server_request){
        .server = server, .connection = connection, .mhd = mhd, .route = find_route(server, path)};
    list_init(&request->link);
    server_phase(connection, PHASE_RECEIVING);
    const char *text = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Length");
    unsigned long long length = text ? strtoull(text, NULL, 10) : 0;
    request->refusal = judge_head(request, method, length);
    if (request->refusal == &no_client || request->refusal == &too_large)
        return refuse(request, request->refusal);
    if (request->refusal == NULL && length > 0)
        strbuf_reserve(&request->body, length < RESERVE ? length : RESERVE);
    return MHD_YES;
}

static void take_body(struct server_request *request, const char *bytes, size_t len) {
    struct server *server = request->server;
    size_t had = request->body.len;
    if (request->refusal)
        return;
    if (had + len > body_limit(server))
        request->refusal = &too_large;
    else if (server->held + len > MOST_BODIES * body_limit(server))
        request->refusal = &no_memory;
    else if (request->route->handle == NULL)
        strbuf_add(&request->body, bytes, len);
    server->held += request->body.len - had;
    if (request->body.failed)
        request->refusal = &no_memory;
    if (request->refusal)
        drop_body(request);
}

static uint64_t asked_timeout(struct MHD_Connection *mhd) {
    const char *text = MHD_lookup_connection_value(mhd, MHD_GET_ARGUMENT_KIND, "timeout");
    uint64_t timeout = 0;
    return text && clock_parse_duration(text, strlen(text), &timeout) == 0 ? timeout : 0;
}

static void take_up(struct server_request *request) {
    request->accepted = true;
    request->server->pending++;
    list_append(&request->server->requests, &request->link);
    server_phase(request->connection, PHASE_WORKING);
}

static enum MHD_Result serve_stream(struct server_request *request, const char *path,
                                    const char *method) {
    request->stream = stream_create(request);
    if (request->stream == NULL)
        return refuse(request, &no_memory);
    take_up(request);
    enum MHD_Result result = stream_start(request, path, method);
    drop_body(request);
    return result;
}

static enum MHD_Result accept_post(struct server_request *request, const char *path) {
    request->exchange = (struct server_exchange){.path = path,
                                                 .rest = path + strlen(request->route->path),
                                                 .body = strbuf_view(&request->body),
                                                 .timeout_ns = asked_timeout(request->mhd)};
    take_up(request);
    request->route->accept(request->route->context, request, &request->exchange);
    if (request->answered)
        return send_answer(request, &request->answer, NULL);
    request->suspended = true;
    MHD_suspend_connection(request->mhd);
    return MHD_YES;
}

static enum MHD_Result take_request(struct server_request *request, const char *path,
                                    const char *method) {
    if (request->refusal)
        return refuse(request, request->refusal);
    if (request->route->serve)
        return serve_stream(request, path, method);
    if (request->route->accept == NULL)
        return answer_get(request);
    return request->body.len ? accept_post(request, path) : refuse(request, &empty);
}

enum MHD_Result server_on_request(void *context, struct MHD_Connection *mhd, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state) {
    struct server_request *request = *state;
    (void)version;
    if (request == NULL)
        return begin(context, mhd, path, method, state);
    if (*upload_size > 0) {
        request->server->vain_runs = 0;
        take_body(request, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (request->stream)
        return stream_go_on(request);
    if (request->answered)
        return send_answer(request, &request->answer, NULL);
    return request->accepted ? MHD_YES : take_request(request, path, method);
}

void server_on_completed(void *context, struct MHD_Connection *mhd, void **state,
                         enum MHD_RequestTerminationCode code) {
    struct server_request *request = *state;
    (void)context;
    (void)mhd;
    (void)code;
    *state = NULL;
    if (request == NULL)
        return;
    server_phase(request->connection, PHASE_IDLE);
    if (request->stream) {
        stream_completed(request);
        request_free(request);
        return;
    }
    request->mhd = NULL;
    request->connection = NULL;
    if (!request->accepted || request->answered)
        request_free(request);
    else
        request->suspended = false; /* server_respond() frees it */
}
