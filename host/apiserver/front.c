#include "apiserver/front.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apiserver/front_user.h"
#include "base/mem.h"
#include "serve/certificate.h"
#include "serve/server.h"

enum { MOST_CONNECTIONS = 4000, BODY_LIMIT = 3 << 20, LIFETIME_S = 365 * 86400, MOST_HEADERS = 32 };

struct front {
    struct server *server;
    struct apiserver *api;
    struct certificate_pair ca, serving;
    char *url, *token;
    bool anonymous;
    struct server_route routes[2];
};

struct visit { /* one request under way */
    struct server_request *request;
    struct api_exchange *exchange;
    bool serving; /* apiserver_serve() has not returned yet */
    bool ended;
};

/* Answers */

static void on_begin(void *context, int status, const struct http_header *headers) {
    struct visit *visit = context;
    struct server_header out[MOST_HEADERS + 1] = {{0}};
    for (size_t i = 0; headers && headers[i].name && i < MOST_HEADERS; i++)
        out[i] = (struct server_header){headers[i].name, headers[i].value};
    server_begin(visit->request, status, out);
}

static void on_send(void *context, struct str bytes) {
    struct visit *visit = context;
    server_send(visit->request, bytes);
}

static void on_take(void *context, struct strbuf *bytes) {
    struct visit *visit = context;
    server_take(visit->request, bytes);
}

static void on_end(void *context) {
    struct visit *visit = context;
    server_end(visit->request);
    visit->ended = true;
    if (!visit->serving)
        mem_free(visit);
}

static void refuse(struct server_request *request, int code, const char *reason,
                   const char *message) {
    static const struct server_header headers[] = {
        {"Content-Type", "application/json"}, {"Cache-Control", "no-cache, private"}, {0}};
    char body[512];
    int len = snprintf(body, sizeof body,
                       "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                       "\"status\":\"Failure\",\"message\":\"%s\",\"reason\":\"%s\",\"code\":%d}\n",
                       message, reason, code);
    server_begin(request, code, headers);
    server_send(request, str_n(body, (size_t)len));
    server_end(request);
}

/* Requests */

static const char *header(struct server_request *request, const char *name) {
    const char *value = server_header(request, name);
    return value ? value : "";
}

static void *pass_on(struct front *front, struct server_request *request,
                     const struct server_exchange *exchange, const struct front_user *user) {
    static const struct api_handler handler = {on_begin, on_send, on_end, on_take};
    struct api_request asked = {.method = exchange->method,
                                .path = exchange->raw_path,
                                .query = exchange->query,
                                .content_type = header(request, "Content-Type"),
                                .accept = header(request, "Accept"),
                                .user_agent = header(request, "User-Agent"),
                                .if_none_match = header(request, "If-None-Match"),
                                .body = exchange->body,
                                .user = user->name,
                                .groups = user->groups};
    struct visit *visit = mem_zalloc(sizeof *visit);
    if (visit == NULL) {
        refuse(request, 503, "ServiceUnavailable", "no memory for the request");
        return NULL;
    }
    visit->request = request;
    visit->serving = true;
    visit->exchange = apiserver_serve(front->api, &asked, &handler, visit);
    visit->serving = false;
    if (!visit->ended)
        return visit;
    mem_free(visit);
    return NULL;
}

static void add_group(void *context, const char *value) {
    front_user_add_group(context, value);
}

static void *on_serve(void *context, struct server_request *request,
                      const struct server_exchange *exchange) {
    struct front *front = context;
    struct front_user user = {0};
    void *visit = NULL;
    struct error err;
    server_each_header(request, "Impersonate-Group", add_group, &user);
    const char *authorization = server_header(request, "Authorization");
    CLEANUP(mem_freep)
    char *account = apiserver_account(front->api, front_user_bearer(authorization));
    struct front_claim claim = {.authorization = authorization,
                                .impersonate = server_header(request, "Impersonate-User"),
                                .token = front->token,
                                .account = account,
                                .anonymous = front->anonymous};
    int rc = front_user_find(&user, &claim, &err);
    if (rc == 0)
        visit = pass_on(front, request, exchange, &user);
    else if (rc == ERROR_UNAUTHORIZED)
        refuse(request, 401, "Unauthorized", "Unauthorized");
    else if (rc == ERROR_NOMEM)
        refuse(request, 503, "ServiceUnavailable", "no memory for the request");
    else
        refuse(request, 400, "BadRequest", err.message);
    front_user_finish(&user);
    return visit;
}

static void on_gone(void *context, void *mine) {
    struct visit *visit = mine;
    (void)context;
    apiserver_abandon(visit->exchange);
    mem_free(visit);
}

/* Start and end */

/* "0.0.0.0:1234" -> host "127.0.0.1", port "1234": where a client of this machine finds us. */
static void split_address(const char *address, char *host, size_t size, const char **ret_port) {
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : strlen(address);
    snprintf(host, size, "%.*s", (int)len, address);
    if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "[::]") == 0 || host[0] == '\0')
        snprintf(host, size, "127.0.0.1");
    *ret_port = colon ? colon + 1 : "";
}

/* As a name in a certificate: "[::1]" is written ::1. */
static void strip_brackets(char *host) {
    size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len - 2);
        host[len - 2] = '\0';
    }
}

/* The address as it was given may name a host; that name must be in the certificate, too. */
static int make_certificates(struct front *front, const struct front_options *options,
                             struct error *err) {
    char host[256], machine[65] = "";
    const char *port;
    const char *names[8] = {"localhost", "127.0.0.1", "::1", "kubernetes.default.svc"};
    size_t count = 4;
    int64_t now = (int64_t)(clock_wall(loop_clock(options->loop)) / NS_PER_S);
    split_address(options->address, host, sizeof host, &port);
    strip_brackets(host);
    if (strcmp(host, "localhost") != 0 && strcmp(host, "127.0.0.1") != 0 &&
        strcmp(host, "::1") != 0)
        names[count++] = host;
    if (gethostname(machine, sizeof machine - 1) == 0 && machine[0] != '\0' &&
        strspn(machine, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(machine) &&
        strcmp(machine, "localhost") != 0)
        names[count++] = machine;
    int rc = certificate_make_ca("moonlet", now, now + LIFETIME_S, &front->ca, err);
    if (rc == 0)
        rc = certificate_make_serving(front->ca.cert, front->ca.key, names, now, now + LIFETIME_S,
                                      &front->serving, err);
    return rc < 0 ? error_prefix(err, "the API server's certificate") : 0;
}

static int start_server(struct front *front, const struct front_options *options,
                        struct error *err) {
    struct server_tls tls = {front->serving.cert, front->serving.key, NULL};
    front->routes[0] = (struct server_route){
        .path = "/", .prefix = true, .serve = on_serve, .gone = on_gone, .context = front};
    struct server_options how = {.loop = options->loop,
                                 .log = options->log,
                                 .address = options->address,
                                 .may_move = options->may_move,
                                 .routes = front->routes,
                                 .tls = &tls,
                                 .connections = MOST_CONNECTIONS,
                                 .body_limit = BODY_LIMIT};
    front->server = server_start(&how, err);
    if (front->server == NULL)
        return error_prefix(err, "the API server");
    char host[256];
    const char *port;
    split_address(server_address(front->server), host, sizeof host, &port);
    front->url = mem_printf("https://%s:%s", host, port);
    return front->url ? 0 : error_set(err, ERROR_NOMEM, "no memory for the API server");
}

static int make_token(struct front *front, const struct front_options *options, struct error *err) {
    char token[65];
    if (options->token == NULL && certificate_make_secret(token, sizeof token, err) < 0)
        return err->code;
    front->token = mem_strdup(options->token ? options->token : token);
    return front->token ? 0 : error_set(err, ERROR_NOMEM, "no memory for the API server");
}

struct front *front_start(const struct front_options *options, struct error *err) {
    struct front *front = mem_zalloc(sizeof *front);
    if (front == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for the API server");
        return NULL;
    }
    front->api = options->api;
    front->anonymous = options->anonymous;
    if (make_token(front, options, err) < 0 || make_certificates(front, options, err) < 0 ||
        start_server(front, options, err) < 0) {
        front_stop(front);
        return NULL;
    }
    return front;
}

const char *front_url(const struct front *front) {
    return front->url;
}

const char *front_ca_pem(const struct front *front) {
    return front->ca.cert;
}

const char *front_token(const struct front *front) {
    return front->token;
}

void front_stop(struct front *front) {
    if (front == NULL)
        return;
    server_stop(front->server);
    certificate_pair_finish(&front->ca);
    certificate_pair_finish(&front->serving);
    mem_free(front->url);
    mem_free(front->token);
    mem_free(front);
}
