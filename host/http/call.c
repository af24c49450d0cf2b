/* One exchange: an easy handle, its options and its callbacks. */

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "http/internal.h"

enum {
    CONNECT_TIMEOUT_MS = 30 * 1000,
    DEAD_PEER_MS = 30 * 1000, /* sent bytes without an acknowledgement */
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_EVERY_S = 10,
    KEEPALIVE_COUNT = 3,
    CALL_BUFFER = 128 * 1024 /* a stream keeps curl's 16 KiB: there are hundreds of them */
};

/* Sockets: not inherited by exec plugins, and a dead peer is noticed without traffic. Failures are
 * fine: a unix socket knows none of the TCP options. */
static int on_socket(void *context, curl_socket_t fd, curlsocktype purpose) {
    (void)context;
    (void)purpose;
    int on = 1, idle = KEEPALIVE_IDLE_S, every = KEEPALIVE_EVERY_S, count = KEEPALIVE_COUNT;
    unsigned dead = DEAD_PEER_MS;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead, sizeof dead);
    return CURL_SOCKOPT_OK;
}

/* curl sends a request again by itself when a connection it had kept ends without an answer. The
 * server may have done what the first one asked, so what is not safe to repeat fails instead. */
static int on_send(void *context, char *remote, char *local, int remote_port, int local_port) {
    struct http_call *call = context;
    const char *method = call->request.method;
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    bool unsafe = strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0;
    if (call->sent && unsafe) {
        error_set(&call->failure, ERROR_UNAVAILABLE,
                  "the connection ended without an answer; the request may have arrived");
        return CURL_PREREQFUNC_ABORT;
    }
    call->sent = true;
    return CURL_PREREQFUNC_OK;
}

/* A new status line: forgets what an interim answer (100, 103) said. */
static void on_status_line(struct http_call *call, struct str line) {
    call->head.len = 0;
    call->answer = (struct http_answer){0};
    call->h2 = str_starts_with(line, "HTTP/2");
    const char *space = memchr(line.data, ' ', line.len);
    if (space == NULL)
        return;
    for (const char *at = space + 1; at < line.data + line.len && *at >= '0' && *at <= '9'; at++)
        if (call->answer.status < 1000)
            call->answer.status = call->answer.status * 10 + (*at - '0');
}

static int add_header(struct http_call *call, struct str line) {
    const char *colon = memchr(line.data, ':', line.len);
    if (colon == NULL)
        return 0; /* curl lets folded or odd lines through; nobody here needs them */
    const char *value = colon + 1, *end = line.data + line.len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    size_t need = call->answer.header_count + 1;
    if (call->head.len + line.len > HTTP_HEAD_MAX || need > HTTP_HEADERS_MAX)
        return error_set(&call->failure, ERROR_PROTOCOL, "the answer's headers are too large");
    strbuf_add(&call->head, line.data, (size_t)(colon - line.data));
    strbuf_addc(&call->head, '\0');
    strbuf_add(&call->head, value, (size_t)(end - value));
    strbuf_addc(&call->head, '\0');
    if (call->head.failed || mem_grow(&call->list, &call->list_cap, need, sizeof *call->list) < 0)
        return error_set(&call->failure, ERROR_NOMEM, "no memory for the answer's headers");
    call->answer.header_count = need;
    return 0;
}

static void on_head_complete(struct http_call *call) {
    const char *at = call->head.data; /* final: it grows no more */
    for (size_t i = 0; i < call->answer.header_count; i++) {
        call->list[i].name = at;
        at += strlen(at) + 1;
        call->list[i].value = at;
        at += strlen(at) + 1;
    }
    call->answer.headers = call->list;
    call->headers_done = true;
    http_curl_learn(call->transport, call->host, call->h2);
    if (call->request.on_headers)
        call->request.on_headers(call->request.context, &call->answer);
}

static size_t on_header(char *data, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    size_t len = size * count;
    struct str line = {data, len};
    if (call->state == HTTP_CALL_CANCELLED)
        return 0;
    if (call->headers_done)
        return len; /* trailers */
    while (line.len && (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
        line.len--;
    if (str_starts_with(line, "HTTP/"))
        on_status_line(call, line);
    else if (line.len == 0 && call->answer.status >= 200)
        on_head_complete(call);
    else if (line.len && (memchr(line.data, '\0', line.len) || add_header(call, line) < 0))
        return 0;
    return call->state == HTTP_CALL_CANCELLED ? 0 : len;
}

static size_t on_body(char *data, size_t size, size_t count, void *context) {
    struct http_call *call = context;
    size_t len = size * count;
    if (call->state == HTTP_CALL_CANCELLED)
        return 0;
    call->received += len;
    if (call->request.max_body && call->received > call->request.max_body) {
        error_set(&call->failure, ERROR_REJECTED, "the answer is larger than %zu bytes",
                  call->request.max_body);
        return 0;
    }
    if (call->request.on_data) {
        call->request.on_data(call->request.context, data, len);
        return call->state == HTTP_CALL_CANCELLED ? 0 : len;
    }
    strbuf_add(&call->body, data, len);
    if (!call->body.failed)
        return len;
    error_set(&call->failure, ERROR_NOMEM, "no memory for an answer of %zu bytes", call->received);
    return 0;
}

static bool add_line(struct curl_slist **list, const char *line) {
    struct curl_slist *grown = curl_slist_append(*list, line);
    if (grown)
        *list = grown;
    return grown != NULL;
}

static bool set_headers(struct http_call *call, const struct http_request *request) {
    bool typed = false;
    for (const struct http_header *h = request->headers; h && h->name; h++) {
        /* curl drops "Name:" without a value; "Name;" sends an empty one */
        CLEANUP(mem_freep)
        char *line =
            *h->value ? mem_printf("%s: %s", h->name, h->value) : mem_printf("%s;", h->name);
        if (line == NULL || !add_line(&call->headers, line))
            return false;
        typed = typed || strcasecmp(h->name, "Content-Type") == 0;
    }
    if (!typed && !add_line(&call->headers, "Content-Type:"))
        return false;
    return add_line(&call->headers, "Expect:"); /* no 100-continue round trip */
}

/* Verifies `server_name` instead of the URL's host: curl asks for that name, but connects to the
 * host, whose name stays in the Host header. */
static CURLcode set_server_name(struct http_call *call, const struct http_request *request) {
    CURLU *url = curl_url();
    char *host = NULL, *port = NULL, *changed = NULL, *target = NULL, *header = NULL;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (url == NULL)
        return code;
    if (curl_url_set(url, CURLUPART_URL, request->url, CURLU_PATH_AS_IS) ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) ||
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
        curl_url_set(url, CURLUPART_HOST, request->tls->server_name, 0) ||
        curl_url_get(url, CURLUPART_URL, &changed, 0)) {
        code = CURLE_URL_MALFORMAT;
        goto out;
    }
    target = mem_printf("::%s:%s", host, port);
    header = mem_printf("Host: %s:%s", host, port);
    if (target && header && add_line(&call->connect_to, target) && add_line(&call->headers, header))
        code = curl_easy_setopt(call->easy, CURLOPT_URL, changed);
    if (code == CURLE_OK)
        code = curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to);
out:
    mem_free(target);
    mem_free(header);
    curl_free(host);
    curl_free(port);
    curl_free(changed);
    curl_url_cleanup(url);
    return code;
}

/* The first failure sticks. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        if (code == CURLE_OK)                                                                      \
            code = curl_easy_setopt(call->easy, (option), (value));                                \
    } while (0)

/* Copied: a cancelled exchange may still be under way in curl when its owner lets go. */
static struct curl_blob blob_of(const char *pem) {
    return (struct curl_blob){(void *)pem, strlen(pem), CURL_BLOB_COPY};
}

static CURLcode set_tls(struct http_call *call, const struct http_request *request) {
    CURLcode code = CURLE_OK;
    const struct http_tls *tls = request->tls;
    if (tls == NULL)
        return code;
    if (tls->ca_pem) {
        struct curl_blob ca = blob_of(tls->ca_pem);
        SET(CURLOPT_CAINFO_BLOB, &ca);
        SET(CURLOPT_CAPATH, NULL); /* else the system's are trusted as well */
    }
    if (tls->cert_pem) {
        struct curl_blob cert = blob_of(tls->cert_pem);
        SET(CURLOPT_SSLCERTTYPE, "PEM");
        SET(CURLOPT_SSLCERT_BLOB, &cert);
    }
    if (tls->key_pem) {
        struct curl_blob key = blob_of(tls->key_pem);
        SET(CURLOPT_SSLKEYTYPE, "PEM");
        SET(CURLOPT_SSLKEY_BLOB, &key);
    }
    SET(CURLOPT_SSL_VERIFYPEER, tls->insecure ? 0L : 1L);
    SET(CURLOPT_SSL_VERIFYHOST, tls->insecure ? 0L : 2L);
    if (code == CURLE_OK && tls->server_name)
        code = set_server_name(call, request);
    return code;
}

static CURLcode set_method(struct http_call *call, const struct http_request *request) {
    CURLcode code = CURLE_OK;
    if (strcmp(request->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
        return code;
    }
    if (request->body.len || strcmp(request->method, "POST") == 0) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        SET(CURLOPT_COPYPOSTFIELDS, request->body.len ? request->body.data : "");
    }
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    return code;
}

static long to_ms(uint64_t ns) {
    uint64_t ms = (ns + NS_PER_MS - 1) / NS_PER_MS;
    return ms > INT32_MAX ? INT32_MAX : (long)ms;
}

static CURLcode set_options(struct http_call *call, const struct http_request *request) {
    CURLcode code = CURLE_OK;
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_ERRORBUFFER, call->text);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* cancelling does not wait for a name server */
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(CURLOPT_PREREQFUNCTION, on_send);
    SET(CURLOPT_PREREQDATA, call);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, call);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_TIMEOUT_MS, to_ms(request->timeout_ns));
    SET(CURLOPT_CONNECTTIMEOUT_MS, request->connect_timeout_ns ? to_ms(request->connect_timeout_ns)
                                                               : (long)CONNECT_TIMEOUT_MS);
    if (!request->stream)
        SET(CURLOPT_BUFFERSIZE, (long)CALL_BUFFER);
    if (request->gzip)
        SET(CURLOPT_ACCEPT_ENCODING, "gzip");
    if (request->proxy)
        SET(CURLOPT_PROXY, request->proxy);
    if (request->unix_socket) {
        SET(CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
        SET(CURLOPT_PROXY, "");
    }
    if (code == CURLE_OK)
        code = set_method(call, request);
    if (code == CURLE_OK)
        code = set_tls(call, request);
    if (code == CURLE_OK && !set_headers(call, request))
        code = CURLE_OUT_OF_MEMORY;
    SET(CURLOPT_HTTPHEADER, call->headers);
    return code;
}

struct http_call *http_call_create(struct http_curl *transport, const struct http_request *request,
                                   struct error *err) {
    struct http_call *call = mem_zalloc(sizeof *call);
    CURLcode code = CURLE_OUT_OF_MEMORY;
    if (call) {
        list_init(&call->link);
        call->transport = transport;
        call->request = *request;
        call->request.url = mem_strdup(request->url);
        call->request.method = mem_strdup(request->method);
        call->host = http_curl_host(transport, request->url);
        call->easy = curl_easy_init();
        if (call->request.url && call->request.method && call->host && call->easy)
            code = set_options(call, request);
    }
    if (code == CURLE_OK)
        return call;
    http_call_free(call);
    if (code == CURLE_OUT_OF_MEMORY)
        error_set(err, ERROR_NOMEM, "%s %s: no memory", request->method, request->url);
    else
        error_set(err, ERROR_INVALID, "%s %s: %s", request->method, request->url,
                  curl_easy_strerror(code));
    return NULL;
}

void http_call_share(struct http_call *call, bool share) {
    curl_easy_setopt(call->easy, CURLOPT_PIPEWAIT, share ? 1L : 0L);
}

void http_call_free(struct http_call *call) {
    if (call == NULL)
        return;
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    mem_free((char *)call->request.url);
    mem_free((char *)call->request.method);
    mem_free(call->list);
    strbuf_finish(&call->head);
    strbuf_finish(&call->body);
    mem_free(call);
}

static int code_of(CURLcode code, bool sent) {
    switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL: /* of the URL, or "HTTP/9 200" in the answer */
        return sent ? ERROR_PROTOCOL : ERROR_INVALID;
    case CURLE_URL_MALFORMAT:
        return ERROR_INVALID;
    case CURLE_OUT_OF_MEMORY:
        return ERROR_NOMEM;
    case CURLE_OPERATION_TIMEDOUT:
        return ERROR_TIMEOUT;
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return ERROR_PROTOCOL;
    default:
        return ERROR_UNAVAILABLE;
    }
}

int http_call_result(struct http_call *call, CURLcode code, struct error *err) {
    const char *method = call->request.method, *url = call->request.url;
    int len = (int)strcspn(url, "?#"); /* the query is long, and may say more than a log should */
    if (call->failure.code) {
        *err = call->failure;
        return error_prefix(err, "%s %.*s", method, len, url);
    }
    if (code == CURLE_OK)
        return 0;
    /* Set, and never 0, once curl has a connection and begins to send; repeats do not clear it. */
    curl_off_t sending = 0;
    curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &sending);
    error_set(err, code_of(code, sending != 0), "%s %.*s: %s", method, len, url,
              *call->text ? call->text : curl_easy_strerror(code));
    err->status = sending == 0 ? -1 : 0;
    return err->code;
}
