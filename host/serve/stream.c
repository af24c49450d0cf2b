#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "serve/server_internal.h"

/* An answer by stream: what its handler has sent and its client has not read yet. */

enum {
    UNSENT_LIMIT = 16 << 20,
    KEPT = 64 << 10, /* of memory, by a stream that has nothing to send */
    BLOCK = 512      /* libmicrohttpd reads chunks into the connection's pool, not into this */
};

struct stream {
    char *uri;            /* owned */
    void *mine;           /* the handler's */
    struct strbuf head;   /* "name\0value\0" each, until they are sent */
    struct strbuf unsent; /* from `at` on */
    size_t at;
    size_t opening; /* of the unsent, what was there before the handler returned first */
    int status;     /* 0: not begun */
    bool started;   /* the handler has returned */
    bool queued;    /* with libmicrohttpd */
    bool ended, cut;
    struct loop_fd *watch; /* tells of the client's end */
};

struct stream *stream_create(struct server_request *request) {
    if (request->connection->uri == NULL)
        return NULL;
    struct stream *stream = mem_zalloc(sizeof *stream);
    if (stream) {
        stream->uri = request->connection->uri;
        request->connection->uri = NULL;
    }
    return stream;
}

void stream_destroy(struct stream *stream) {
    if (stream == NULL)
        return;
    loop_fd_close(stream->watch);
    strbuf_finish(&stream->head);
    strbuf_finish(&stream->unsent);
    mem_free(stream->uri);
    mem_free(stream);
}

static size_t unsent(const struct stream *stream) {
    return stream->unsent.len - stream->at;
}

static void leave_unsent(struct stream *stream, size_t len) {
    stream->at += len;
    stream->opening -= len < stream->opening ? len : stream->opening;
    if (stream->at == stream->unsent.len) {
        stream->at = 0;
        strbuf_clear(&stream->unsent);
        if (stream->unsent.cap > KEPT)
            strbuf_finish(&stream->unsent);
    } else if (stream->at > KEPT && stream->at > stream->unsent.len / 2) {
        strbuf_consume(&stream->unsent, stream->at);
        stream->at = 0;
    }
}

/* The client's end */

static void cut_off(struct server_request *request) {
    request->stream->cut = true;
    strbuf_finish(&request->stream->unsent);
    request->stream->at = request->stream->opening = 0;
    if (!request->connection->hung_up)
        server_hang_up(request->connection);
    server_wake(request);
}

static void on_hangup(void *context, int fd, int events) {
    struct server_request *request = context;
    (void)fd;
    (void)events;
    loop_fd_close(request->stream->watch);
    request->stream->watch = NULL;
    cut_off(request);
}

/* libmicrohttpd does not look at suspended connections, so we do. Without memory for that, the end
 * shows when there is something to send. */
static void watch_client(struct server_request *request) {
    struct stream *stream = request->stream;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (stream->watch)
        return;
    stream->watch =
        loop_fd_open(request->server->options.loop, info->connect_fd, on_hangup, request, NULL);
    if (stream->watch)
        loop_fd_set(stream->watch, LOOP_HANGUP, NULL);
}

static void wait_for_handler(struct server_request *request) {
    server_phase(request->connection, PHASE_WORKING);
    request->suspended = true;
    MHD_suspend_connection(request->mhd);
    watch_client(request);
}

/* Answers */

static ssize_t on_read(void *context, uint64_t position, char *room, size_t size) {
    struct server_request *request = context;
    struct stream *stream = request->stream;
    size_t len = unsent(stream) < size ? unsent(stream) : size;
    (void)position;
    if (stream->cut)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (len == 0 && stream->ended)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (len == 0) {
        wait_for_handler(request);
        return 0;
    }
    server_phase(request->connection, PHASE_ANSWERING);
    memcpy(room, stream->unsent.data + stream->at, len);
    leave_unsent(stream, len);
    return (ssize_t)len;
}

static struct MHD_Response *respond_whole(struct stream *stream) {
    size_t len = stream->unsent.len;
    char *bytes = len ? strbuf_take(&stream->unsent) : NULL;
    struct MHD_Response *response =
        bytes ? MHD_create_response_from_buffer_with_free_callback(len, bytes, mem_free)
              : MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        mem_free(bytes);
    return response;
}

static enum MHD_Result queue(struct server_request *request) {
    struct stream *stream = request->stream;
    struct MHD_Response *response =
        stream->ended
            ? respond_whole(stream)
            : MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, request, NULL);
    if (response == NULL)
        return MHD_NO;
    for (size_t at = 0; at < stream->head.len;) {
        const char *name = stream->head.data + at, *value = name + strlen(name) + 1;
        MHD_add_response_header(response, name, value);
        at += strlen(name) + strlen(value) + 2;
    }
    strbuf_finish(&stream->head);
    if (request->server->draining)
        MHD_add_response_header(response, "Connection", "close");
    server_phase(request->connection, PHASE_ANSWERING);
    stream->queued = true;
    enum MHD_Result queued = MHD_queue_response(request->mhd, (unsigned)stream->status, response);
    MHD_destroy_response(response);
    return queued;
}

enum MHD_Result stream_go_on(struct server_request *request) {
    struct stream *stream = request->stream;
    if (stream->cut || stream->head.failed)
        return MHD_NO;
    if (stream->queued)
        return MHD_YES;
    if (stream->status)
        return queue(request);
    wait_for_handler(request);
    return MHD_YES;
}

enum MHD_Result stream_start(struct server_request *request, const char *path, const char *method) {
    struct stream *stream = request->stream;
    const struct server_route *route = request->route;
    struct str uri = str_of(stream->uri);
    const char *mark = memchr(uri.data, '?', uri.len);
    size_t len = mark ? (size_t)(mark - uri.data) : uri.len;
    struct server_exchange exchange = {.path = path,
                                       .rest = path + strlen(route->path),
                                       .body = strbuf_view(&request->body),
                                       .method = method,
                                       .raw_path = str_n(uri.data, len),
                                       .query = mark ? str_n(mark + 1, uri.len - len - 1)
                                                     : str_n("", 0)};
    void *mine = route->serve(route->context, request, &exchange);
    stream->mine = mine;
    stream->started = true;
    return stream_go_on(request);
}

void stream_completed(struct server_request *request) {
    struct stream *stream = request->stream;
    loop_fd_close(stream->watch); /* the descriptor is closed next */
    stream->watch = NULL;
    request->suspended = false;
    if (stream->ended)
        return;
    list_remove(&request->link);
    if (request->server)
        request->server->pending--;
    if (request->route->gone)
        request->route->gone(request->route->context, stream->mine);
}

/* The handler's side */

const char *server_header(struct server_request *request, const char *name) {
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

struct header_wish {
    const char *name;
    void (*each)(void *context, const char *value);
    void *context;
};

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name,
                                 const char *value) {
    const struct header_wish *wish = context;
    (void)kind;
    if (strcasecmp(name, wish->name) == 0)
        wish->each(wish->context, value ? value : "");
    return MHD_YES;
}

void server_each_header(struct server_request *request, const char *name,
                        void (*each)(void *context, const char *value), void *context) {
    struct header_wish wish = {name, each, context};
    MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, on_header, &wish);
}

void server_begin(struct server_request *request, int status, const struct server_header *headers) {
    struct stream *stream = request->stream;
    for (; headers && headers->name; headers++) {
        strbuf_add(&stream->head, headers->name, strlen(headers->name) + 1);
        strbuf_add(&stream->head, headers->value, strlen(headers->value) + 1);
    }
    stream->status = status;
    server_wake(request);
}

static void log_slow(const struct server_request *request) {
    struct log *log = request->server ? request->server->options.log : NULL;
    char text[32];
    snprintf(text, sizeof text, "%zu", unsent(request->stream));
    struct log_field fields[] = {
        {"uri", request->stream->uri, false}, {"unsent_bytes", text, true}, {0}};
    if (log)
        log_emit(log, LOG_WARN, fields, "a client that does not read its stream is cut off");
}

/* Says whether there may be more to send. */
static bool check_slow(struct server_request *request) {
    struct stream *stream = request->stream;
    size_t wish = request->server ? request->server->options.unsent_limit : 0;
    if (stream->cut)
        return false;
    if (unsent(stream) - stream->opening <= (wish ? wish : UNSENT_LIMIT))
        return true;
    log_slow(request);
    cut_off(request);
    return false;
}

static void added(struct server_request *request) {
    struct stream *stream = request->stream;
    if (stream->unsent.failed)
        cut_off(request);
    else if (!stream->started)
        stream->opening = unsent(stream);
    server_wake(request);
}

void server_send(struct server_request *request, struct str bytes) {
    if (bytes.len == 0 || !check_slow(request))
        return;
    strbuf_add(&request->stream->unsent, bytes.data, bytes.len);
    added(request);
}

void server_take(struct server_request *request, struct strbuf *bytes) {
    struct stream *stream = request->stream;
    if (unsent(stream) > 0 || bytes->len == 0 || stream->cut) {
        server_send(request, strbuf_view(bytes));
        return;
    }
    strbuf_finish(&stream->unsent);
    stream->unsent = *bytes;
    stream->at = 0;
    *bytes = (struct strbuf){0};
    added(request);
}

void server_end(struct server_request *request) {
    struct stream *stream = request->stream;
    list_remove(&request->link);
    if (request->server)
        request->server->pending--;
    stream->ended = true;
    server_wake(request);
}
