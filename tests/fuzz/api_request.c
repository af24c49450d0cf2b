/* Requests of any shape, one after the other, on one API server: no crash, each is answered, and
 * what is a watch ends with the server. Input: requests between NUL bytes, each four lines and a
 * body: method, path and query, Content-Type, Accept. */
#include <stdlib.h>
#include <string.h>

#include "apiserver/apiserver.h"
#include "base/clock.h"

enum { MAX_LINE = 512, MAX_WATCHES = 64 };

struct answer {
    int begun, ended;
};

static void begin(void *context, int status, const struct http_header *headers) {
    struct answer *answer = context;
    (void)headers;
    if (answer->begun++ > 0 || status < 200)
        abort();
}

static void send_bytes(void *context, struct str bytes) {
    struct answer *answer = context;
    if (answer->begun != 1 || answer->ended || bytes.len == 0)
        abort();
}

static void end(void *context) {
    struct answer *answer = context;
    if (answer->begun != 1 || answer->ended++ > 0)
        abort();
}

static int write_nothing(void *context, const char *line, size_t len) {
    (void)context;
    (void)line;
    (void)len;
    return 0;
}

/* The next line of *rest, at most MAX_LINE - 1 bytes of it. */
static void take_line(struct str *rest, char line[MAX_LINE]) {
    const char *newline = rest->len > 0 ? memchr(rest->data, '\n', rest->len) : NULL;
    size_t len = newline ? (size_t)(newline - rest->data) : rest->len;
    size_t kept = len < MAX_LINE ? len : MAX_LINE - 1;
    if (kept > 0)
        memcpy(line, rest->data, kept);
    line[kept] = 0;
    rest->data += len + (newline != NULL);
    rest->len -= len + (newline != NULL);
}

static void serve(struct apiserver *server, struct str text, struct answer *answer) {
    static const struct api_handler handler = {begin, send_bytes, end, NULL};
    char method[MAX_LINE], path[MAX_LINE], type[MAX_LINE], accept[MAX_LINE];
    take_line(&text, method);
    take_line(&text, path);
    take_line(&text, type);
    take_line(&text, accept);
    char *query = strchr(path, '?');
    size_t len = query ? (size_t)(query - path) : strlen(path);
    struct api_request request = {.method = method,
                                  .path = str_n(path, len),
                                  .query = str_of(query ? query + 1 : ""),
                                  .content_type = type,
                                  .accept = accept,
                                  .user_agent = "fuzz",
                                  .if_none_match = "",
                                  .body = text,
                                  .user = "fuzz"};
    if (apiserver_serve(server, &request, &handler, answer) == NULL && !answer->ended)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct clock_fake clock;
    struct error err;
    struct answer answers[MAX_WATCHES] = {0};
    clock_fake_init(&clock, NS_PER_S, 1767225600 * (int64_t)NS_PER_S);
    struct log log = {.clock = &clock.clock, .write = write_nothing};
    struct loop *loop = loop_create(&clock.clock, &err);
    struct apiserver *server =
        apiserver_create(&(struct apiserver_options){.loop = loop, .log = &log, .seed = 1}, &err);
    if (server == NULL)
        abort();
    struct str rest = {(const char *)data, size};
    for (size_t i = 0; i < MAX_WATCHES && rest.len > 0; i++) {
        const char *zero = memchr(rest.data, 0, rest.len);
        size_t len = zero ? (size_t)(zero - rest.data) : rest.len;
        serve(server, str_n(rest.data, len), &answers[i]);
        rest.data += len + (zero != NULL);
        rest.len -= len + (zero != NULL);
        loop_advance(loop, &clock, NS_PER_S);
    }
    apiserver_destroy(server);
    for (size_t i = 0; i < MAX_WATCHES; i++) {
        if (answers[i].begun != answers[i].ended)
            abort();
    }
    loop_destroy(loop);
    return 0;
}
