#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apiserver/front.h"
#include "apiserver/front_user.h"
#include "base/mem.h"
#include "serve/support/client.h"
#include "support/oom_sweep.h"

/* The front before an API server that this file plays: requests come as they were sent, answers go
 * as they are given, now or later, and a client that goes is abandoned. */

struct apiserver { /* ours */
    struct strbuf seen;
    const struct api_handler *handler; /* of the exchange that is under way */
    void *context;
    int abandoned;
};

struct api_exchange *apiserver_serve(struct apiserver *server, const struct api_request *request,
                                     const struct api_handler *handler, void *context) {
    static const struct http_header headers[] = {
        {"Content-Type", "application/json"}, {"Audit-Id", "7"}, {0}};
    strbuf_clear(&server->seen);
    strbuf_printf(&server->seen, "%s " STR_FORMAT "?" STR_FORMAT " %s|%s|%s|%s " STR_FORMAT " %s:",
                  request->method, STR_ARG(request->path), STR_ARG(request->query),
                  request->content_type, request->accept, request->user_agent,
                  request->if_none_match, STR_ARG(request->body), request->user);
    for (size_t i = 0; request->groups && request->groups[i]; i++)
        strbuf_printf(&server->seen, " %s", request->groups[i]);
    handler->begin(context, 201, headers);
    if (str_is(request->path, "/watch")) {
        server->handler = handler;
        server->context = context;
        return (struct api_exchange *)server;
    }
    handler->send(context, str_of("{\"done\":"));
    handler->send(context, str_of("true}"));
    handler->end(context);
    return NULL;
}

void apiserver_abandon(struct api_exchange *exchange) {
    struct apiserver *server = (struct apiserver *)exchange;
    server->abandoned++;
    server->handler = NULL;
}

char *apiserver_account(const struct apiserver *server, const char *token) {
    (void)server;
    return strcmp(token, "robot") == 0 ? mem_strdup("system:serviceaccount:web:robot") : NULL;
}

struct stage {
    struct loop *loop;
    struct front *front;
    struct apiserver api;
};

static void open_stage(struct stage *stage, bool anonymous) {
    struct error err = {0};
    *stage = (struct stage){.loop = loop_create(clock_real(), &err)};
    struct front_options options = {.loop = stage->loop,
                                    .api = &stage->api,
                                    .address = "127.0.0.1:0",
                                    .token = "sesame",
                                    .anonymous = anonymous};
    stage->front = front_start(&options, &err);
    if (stage->front == NULL)
        fail_msg("%s", err.message);
}

static void close_stage(struct stage *stage) {
    front_stop(stage->front);
    strbuf_finish(&stage->api.seen);
    loop_destroy(stage->loop);
}

static void connect_client(struct stage *stage, struct client *client) {
    struct client_tls trust = {.ca_pem = front_ca_pem(stage->front)};
    client_open_at(client, front_url(stage->front), &trust, "");
}

#define HEAD(method, path) method " " path " HTTP/1.1\r\nHost: x\r\n"
#define TOKEN "Authorization: Bearer sesame\r\n"

static void front_passes_on_what_it_is_asked(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {HEAD("GET", "/api/v1/pods?limit=5&labelSelector=a%3Db") TOKEN
         "Accept: application/json\r\n"
         "User-Agent: kubectl/v1\r\nIf-None-Match: \"abc\"\r\n\r\n",
         "GET /api/v1/pods?limit=5&labelSelector=a%3Db |application/json|kubectl/v1|\"abc\"  "
         "kubernetes-admin: system:masters system:authenticated"},
        {HEAD("PATCH", "/a%2Fb") TOKEN "Content-Type: application/apply-patch+yaml\r\n"
                                       "Content-Length: 2\r\n\r\n{}",
         "PATCH /a%2Fb? application/apply-patch+yaml||| {} "
         "kubernetes-admin: system:masters system:authenticated"},
        {HEAD("GET", "/x") TOKEN "Impersonate-User: jane\r\nImpersonate-Group: a\r\n"
                                 "Impersonate-Group: b\r\n\r\n",
         "GET /x? |||  jane: a b system:authenticated"},
        {HEAD("GET", "/x") "Authorization: Bearer robot\r\n\r\n",
         "GET /x? |||  system:serviceaccount:web:robot: system:serviceaccounts "
         "system:serviceaccounts:web system:authenticated"},
    };
    struct stage stage;
    struct client client;
    open_stage(&stage, false);
    connect_client(&stage, &client);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        client_send(&client, cases[i][0]);
        client_expect_count(stage.loop, &client, "{\"done\":true}", 1);
        assert_non_null(strstr(client.in.data, "HTTP/1.1 201 "));
        assert_non_null(strstr(client.in.data, "Audit-Id: 7\r\n"));
        assert_non_null(strstr(client.in.data, "Content-Length: 13\r\n"));
        strbuf_clear(&client.in);
        assert_string_equal(stage.api.seen.data, cases[i][1]);
    }
    client_close(&client);
    close_stage(&stage);
}

static void front_refuses_whom_it_does_not_know(void **state) {
    (void)state;
    static const struct {
        const char *request, *answer;
        bool anonymous;
    } cases[] = {
        {HEAD("GET", "/x") "\r\n", "HTTP/1.1 401 ", false},
        {HEAD("GET", "/x") "\r\n", "\"reason\":\"Unauthorized\",\"code\":401}", false},
        {HEAD("GET", "/x") "Authorization: Bearer sesamE\r\n\r\n", "HTTP/1.1 401 ", true},
        {HEAD("GET", "/x") "Authorization: Basic c2VzYW1l\r\n\r\n", "HTTP/1.1 401 ", true},
        {HEAD("GET", "/x") TOKEN "Impersonate-Group: a\r\n\r\n", "HTTP/1.1 400 ", false},
        {HEAD("GET", "/x") "Impersonate-User: a\r\n\r\n", "HTTP/1.1 400 ", true},
        {HEAD("GET", "/x") "\r\n", "HTTP/1.1 201 ", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stage stage;
        struct client client;
        open_stage(&stage, cases[i].anonymous);
        connect_client(&stage, &client);
        client_send(&client, cases[i].request);
        client_expect(stage.loop, &client, cases[i].answer);
        client_close(&client);
        close_stage(&stage);
    }
}

static int ask(const char *authorization, const char *user, const char *group, bool anonymous,
               struct strbuf *who) {
    struct front_user found = {0};
    struct front_claim claim = {authorization, user, "sesame", NULL, anonymous};
    if (strcmp(front_user_bearer(authorization), "robot") == 0)
        claim.account = "system:serviceaccount:web:robot";
    struct error err;
    if (group)
        front_user_add_group(&found, group);
    int rc = front_user_find(&found, &claim, &err);
    strbuf_clear(who);
    if (rc == 0) {
        strbuf_printf(who, "%s:", found.name);
        for (size_t i = 0; i < found.count; i++)
            strbuf_printf(who, " %s", found.groups[i]);
        assert_null(found.groups[found.count]);
    }
    front_user_finish(&found);
    return rc;
}

static void user_is_who_the_headers_say(void **state) {
    (void)state;
    static const struct {
        const char *authorization, *user, *group, *who;
        bool anonymous;
    } cases[] = {
        {"Bearer sesame", NULL, NULL, "kubernetes-admin: system:masters system:authenticated",
         false},
        {"bearer  sesame", NULL, NULL, "kubernetes-admin: system:masters system:authenticated",
         true},
        {NULL, NULL, NULL, ": system:unauthenticated", true},
        {NULL, NULL, NULL, NULL, false},
        {"Bearer sesam", NULL, NULL, NULL, true},
        {"Bearer sesamesesame", NULL, NULL, NULL, true},
        {"Bearer ", NULL, NULL, NULL, true},
        {"sesame", NULL, NULL, NULL, true},
        {"Bearer sesame", "jane", NULL, "jane: system:authenticated", false},
        {"Bearer sesame", "system:anonymous", NULL, "system:anonymous: system:unauthenticated",
         false},
        {"Bearer sesame", "system:serviceaccount:web:builder", NULL,
         "system:serviceaccount:web:builder: system:serviceaccounts system:serviceaccounts:web "
         "system:authenticated",
         false},
        {"Bearer sesame", "system:serviceaccount:web:builder", "a",
         "system:serviceaccount:web:builder: a system:authenticated", false},
        {"Bearer robot", NULL, NULL,
         "system:serviceaccount:web:robot: system:serviceaccounts system:serviceaccounts:web "
         "system:authenticated",
         false},
        {"Bearer robot", "jane", NULL, "jane: system:authenticated", false},
        {"robot", NULL, NULL, NULL, true},
        {"Bearer sesame", "jane", "system:authenticated", "jane: system:authenticated", false},
    };
    struct strbuf who = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int rc =
            ask(cases[i].authorization, cases[i].user, cases[i].group, cases[i].anonymous, &who);
        assert_int_equal(rc, cases[i].who ? 0 : ERROR_UNAUTHORIZED);
        if (cases[i].who)
            assert_string_equal(who.data, cases[i].who);
    }
    strbuf_finish(&who);
}

static void watch_goes_on_until_its_client_goes(void **state) {
    (void)state;
    struct stage stage;
    struct client client;
    open_stage(&stage, false);
    for (int round = 0; round < 2; round++) {
        connect_client(&stage, &client);
        client_send(&client, HEAD("GET", "/watch") TOKEN "\r\n");
        client_expect(stage.loop, &client, "chunked\r\n");
        for (int i = 0; i < 10; i++) {
            stage.api.handler->send(stage.api.context, str_of("{\"type\":\"ADDED\"}\n"));
            client_expect(stage.loop, &client, "{\"type\":\"ADDED\"}\n");
        }
        if (round == 0) {
            stage.api.handler->end(stage.api.context);
            client_expect(stage.loop, &client, "0\r\n\r\n");
            assert_int_equal(stage.api.abandoned, 0);
        }
        client_close(&client);
        for (int turn = 0; turn < 20000 && round == 1 && stage.api.abandoned == 0; turn++)
            loop_poll(stage.loop);
        assert_int_equal(stage.api.abandoned, round);
    }
    connect_client(&stage, &client);
    client_send(&client, HEAD("GET", "/watch") TOKEN "\r\n");
    client_expect(stage.loop, &client, "chunked\r\n");
    front_stop(stage.front);
    stage.front = NULL;
    assert_int_equal(stage.api.abandoned, 2);
    client_close(&client);
    close_stage(&stage);
}

static void kubeconfig_is_whole_and_its_owners_alone(void **state) {
    (void)state;
    char folder[] = "/tmp/moonlet-front-XXXXXX", path[64], text[8192];
    struct stage stage;
    struct error err;
    struct stat facts;
    open_stage(&stage, false);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/config", folder);
    for (int i = 0; i < 2; i++) { /* the second replaces the first */
        assert_int_equal(front_write_kubeconfig(stage.front, path, &err), 0);
        assert_int_equal(stat(path, &facts), 0);
        assert_int_equal(facts.st_mode & 0777, 0600);
    }
    FILE *file = fopen(path, "r");
    size_t len = fread(text, 1, sizeof text - 1, file);
    text[len] = '\0';
    fclose(file);
    assert_non_null(strstr(text, front_url(stage.front)));
    assert_non_null(strstr(text, "current-context: moonlet\n"));
    assert_non_null(strstr(text, "    token: sesame\n"));
    assert_non_null(strstr(text, "certificate-authority-data: LS0tLS1CRUdJTiB"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else is left there */
    assert_int_equal(front_write_kubeconfig(stage.front, path, &err), ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.message, path));
    close_stage(&stage);
}

static void front_makes_its_own_token_and_says_what_is_wrong(void **state) {
    (void)state;
    struct apiserver api = {0};
    struct error err = {0};
    struct loop *loop = loop_create(clock_real(), &err);
    struct front_options options = {.loop = loop, .api = &api, .address = "localhost:0"};
    struct front *a = front_start(&options, &err), *b = front_start(&options, &err);
    assert_int_equal(strlen(front_token(a)), 64);
    assert_string_not_equal(front_token(a), front_token(b));
    options.address = front_url(a) + strlen("https://");
    assert_null(front_start(&options, &err));
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    options.address = "nonsense";
    assert_null(front_start(&options, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    front_stop(a);
    front_stop(b);
    front_stop(NULL);
    loop_destroy(loop);
}

static void front_start_survives_each_failed_allocation(void **state) {
    (void)state;
    struct apiserver api = {0};
    struct error err = {0};
    struct loop *loop = loop_create(clock_real(), &err);
    struct front_options options = {.loop = loop, .api = &api, .address = "127.0.0.1:0"};
    front_stop(front_start(&options, &err)); /* the loop keeps what it needed */
    loop_poll(loop);
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct front *front = front_start(&options, &err);
        assert_true(front || err.code == ERROR_NOMEM);
        front_stop(front);
        loop_poll(loop);
    }
    loop_destroy(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(front_passes_on_what_it_is_asked),
        cmocka_unit_test(front_refuses_whom_it_does_not_know),
        cmocka_unit_test(user_is_who_the_headers_say),
        cmocka_unit_test(watch_goes_on_until_its_client_goes),
        cmocka_unit_test(kubeconfig_is_whole_and_its_owners_alone),
        cmocka_unit_test(front_makes_its_own_token_and_says_what_is_wrong),
        cmocka_unit_test(front_start_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
