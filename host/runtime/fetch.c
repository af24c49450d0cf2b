#include <string.h>

#include "base/mem.h"
#include "http/http.h"
#include "runtime/operation.h"
#include "json/scan.h"
#include "json/write.h"

/* moonlet.http: a request to a URL that the definition has declared in `http`. */

enum { MOST_HEADERS = 64, MOST_BODY = 16 << 20 };

static bool declared(const struct operation *op) {
    const char *url = op->request->url;
    for (char **prefix = op->scope->definition->http; *prefix; prefix++) {
        size_t len = strlen(*prefix);
        if (strncmp(url, *prefix, len) != 0)
            continue;
        /* "https://a.example" must not allow "https://a.example.evil" or
         * "https://a.example:x@evil"; a socket's path ends with a colon. */
        bool socket = strncmp(*prefix, "http://unix:", 12) == 0;
        if (len > 0 &&
            ((*prefix)[len - 1] == '/' || strchr("/?#", url[len]) || (socket && url[len] == ':')))
            return strstr(url + len, "/../") == NULL && !str_ends_with(str_of(url), "/..") &&
                   strcasestr(url + len, "%2e") == NULL;
    }
    return false;
}

static bool safe_to_repeat(const char *method) {
    return strcmp(method, "POST") != 0 && strcmp(method, "PATCH") != 0;
}

static void write_headers(struct script_request *request, const struct http_answer *answer) {
    struct strbuf text = {0};
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_write_object_begin(&writer);
    for (size_t i = 0; i < answer->header_count; i++) {
        const struct http_header *header = &answer->headers[i];
        char name[128];
        size_t len = strlen(header->name);
        if (len >= sizeof name)
            continue;
        for (size_t k = 0; k <= len; k++)
            name[k] = (char)(header->name[k] >= 'A' && header->name[k] <= 'Z' ? header->name[k] + 32
                                                                              : header->name[k]);
        bool repeated = false; /* the first of a repeated header wins: keys must be unique */
        for (size_t k = 0; k < i && !repeated; k++)
            repeated = strcasecmp(answer->headers[k].name, header->name) == 0;
        if (!repeated)
            json_write_key_string(&writer, name, str_of(header->value));
    }
    json_write_object_end(&writer);
    request->headers_out = strbuf_take(&text);
}

static void send_fetch(struct operation *op);

static void on_retry(struct loop_timer *timer) {
    send_fetch(CONTAINER_OF(timer, struct operation, timer));
}

static bool retry(struct operation *op, const struct http_answer *answer, const struct error *err) {
    struct script_request *request = op->request;
    bool worth = err ? err->code == ERROR_UNAVAILABLE || err->code == ERROR_TIMEOUT
                     : answer->status == 429 || answer->status == 502 || answer->status == 503 ||
                           answer->status == 504;
    bool safe = safe_to_repeat(request->method) || (err && err->status == -1) ||
                (!err && answer->status == 429);
    if (!worth || !safe || op->tries > request->retries || request->cancelled)
        return false;
    uint64_t wait = (100 * NS_PER_MS) << (op->tries < 8 ? op->tries : 8);
    wait = wait / 2 + rng_below(&op->host->rng, wait / 2);
    loop_timer_init(op->host->loop, &op->timer, on_retry);
    return loop_timer_start(&op->timer, wait) == 0;
}

static void on_done(void *context, const struct http_answer *answer, struct str body,
                    const struct error *err) {
    struct operation *op = context;
    op->fetch = NULL;
    if (retry(op, answer, err))
        return;
    if (err == NULL) {
        op->request->status = answer->status;
        write_headers(op->request, answer);
        strbuf_add(&op->request->text, body.data, body.len);
    }
    operation_end(op, err);
}

/* {"name": "value"} as a list ended by {0}; names and values point into `storage`. */
static int read_headers(const char *json, struct http_header headers[MOST_HEADERS + 1],
                        struct strbuf *storage, struct error *err) {
    struct json_scanner scanner;
    size_t offsets[MOST_HEADERS * 2], count = 0;
    enum json_token token = JSON_TOKEN_NULL;
    int rc = 0;
    json_scanner_init(&scanner, json, strlen(json));
    while (rc == 0 && token != JSON_TOKEN_END) {
        rc = json_next(&scanner, &token, err);
        if (rc < 0 || (token != JSON_TOKEN_KEY && token != JSON_TOKEN_STRING))
            continue;
        if (count == MOST_HEADERS * 2)
            rc = error_set(err, ERROR_INVALID, "more than %d headers", MOST_HEADERS);
        else if (memchr(scanner.text.data, '\n', scanner.text.len) ||
                 memchr(scanner.text.data, '\r', scanner.text.len))
            rc = error_set(err, ERROR_INVALID, "a header with a line break");
        else {
            offsets[count++] = storage->len;
            strbuf_add(storage, scanner.text.data, scanner.text.len);
            strbuf_addc(storage, '\0');
        }
    }
    json_scanner_finish(&scanner);
    if (rc == 0 && storage->failed)
        rc = error_set(err, ERROR_NOMEM, "no memory for headers");
    for (size_t i = 0; rc == 0 && i + 1 < count; i += 2)
        headers[i / 2] =
            (struct http_header){storage->data + offsets[i], storage->data + offsets[i + 1]};
    return rc;
}

/* nginx's form "http://unix:/run/driver.sock:/v1/volumes" -> socket path and
 * "http://localhost/v1/volumes". */
static int split_unix(const char *url, char **ret_socket, char **ret_url, struct error *err) {
    static const char prefix[] = "http://unix:";
    if (strncmp(url, prefix, sizeof prefix - 1) != 0)
        return 0;
    const char *path = url + sizeof prefix - 1;
    const char *colon = strchr(path, ':');
    size_t len = colon ? (size_t)(colon - path) : strlen(path);
    *ret_socket = mem_strndup(path, len);
    *ret_url = mem_printf("http://localhost%s", colon ? colon + 1 : "/");
    return *ret_socket && *ret_url ? 0 : error_set(err, ERROR_NOMEM, "no memory for a request");
}

static void send_fetch(struct operation *op) {
    struct script_request *asked = op->request;
    struct error err = {0};
    struct http_header headers[MOST_HEADERS + 1] = {{0}};
    struct strbuf storage = {0};
    CLEANUP(mem_freep) char *socket = NULL;
    CLEANUP(mem_freep) char *url = NULL;
    op->tries++;
    if (read_headers(asked->headers ? asked->headers : "{}", headers, &storage, &err) == 0 &&
        split_unix(asked->url, &socket, &url, &err) == 0) {
        struct http_request request = {
            .method = asked->method,
            .url = url ? url : asked->url,
            .headers = headers,
            .body = strbuf_view(&asked->body),
            .unix_socket = socket,
            .timeout_ns = asked->delay_ns ? asked->delay_ns : 30 * NS_PER_S,
            .max_body = MOST_BODY,
            .on_done = on_done,
            .context = op,
        };
        op->fetch = op->host->fetches->start(op->host->fetches, &request, &err);
    }
    strbuf_finish(&storage);
    if (op->fetch == NULL)
        operation_end(op, &err);
}

void fetch_start(struct operation *op) {
    struct error err;
    if (!declared(op)) {
        error_set(&err, ERROR_FORBIDDEN,
                  "%s \"%s\" may not call %s; add http = { \"%s\" } or a prefix of it",
                  op->scope->definition->source, op->scope->definition->name, op->request->url,
                  op->request->url);
        operation_end(op, &err);
        return;
    }
    send_fetch(op);
}
