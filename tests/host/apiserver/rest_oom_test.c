/* Requests while memory fails: each is answered, nothing leaks, and the server goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "apiserver/support/rest/api.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

#define MAPS "/api/v1/namespaces/default/configmaps"
#define APPS "/apis/apps/v1/namespaces/default/deployments"

struct request {
    const char *method, *path, *type, *body;
};
static const struct request requests[] = {
    {"GET", MAPS "?labelSelector=a&limit=1", NULL, NULL},
    {"GET", MAPS "/x", NULL, NULL},
    {"GET", MAPS "/y", NULL, NULL},
    {"POST", MAPS "?dryRun=All", NULL,
     "{\"metadata\":{\"generateName\":\"g\",\"labels\":{\"a\":\"b\"}},\"data\":{\"k\":\"v\"}}"},
    {"POST", MAPS, NULL, "{\"metadata\":{\"name\":\"?\"}}"},
    {"PUT", MAPS "/x?dryRun=All", NULL, "{\"metadata\":{\"name\":\"x\"},\"data\":{\"k\":\"w\"}}"},
    {"PATCH", MAPS "/x?dryRun=All", "application/merge-patch+json", "{\"data\":{\"k\":\"u\"}}"},
    {"PATCH", MAPS "/x?dryRun=All&force=1&fieldManager=m", "application/apply-patch+yaml",
     "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":{\"k\":\"u\"}}"},
    {"DELETE", MAPS "/x?dryRun=All", NULL, NULL},
    {"DELETE", MAPS "?dryRun=All", NULL, NULL},
    {"GET", MAPS "?watch=1&resourceVersion=x", NULL, NULL},
};

struct result {
    int status;
    bool ended;
    char text[8192]; /* its beginning */
    size_t len;
};

static void begin(void *context, int status, const struct http_header *headers) {
    (void)headers;
    ((struct result *)context)->status = status;
}

static void send(void *context, struct str bytes) {
    struct result *result = context;
    size_t room = sizeof result->text - 1 - result->len;
    size_t len = bytes.len < room ? bytes.len : room;
    memcpy(result->text + result->len, bytes.data, len);
    result->len += len;
}

static void end(void *context) {
    ((struct result *)context)->ended = true;
}

static struct result serve(struct api_client *client, const struct request *from) {
    static const struct api_handler handler = {begin, send, end, NULL};
    struct result result = {0};
    const char *query = strchr(from->path, '?');
    struct api_request request = {
        .method = from->method,
        .path = str_n(from->path, query ? (size_t)(query - from->path) : strlen(from->path)),
        .query = str_of(query ? query + 1 : ""),
        .content_type = from->type ? from->type : "application/json",
        .accept = "application/json",
        .user_agent = "test",
        .if_none_match = "",
        .body = str_of(from->body),
        .user = "tester"};
    assert_null(apiserver_serve(client->server, &request, &handler, &result));
    return result;
}

static void every_request_survives_each_failed_allocation(void **state) {
    struct api_client client;
    (void)state;
    api_init(&client);
    api_put(&client, "POST", MAPS, "{\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"b\"}}}");
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int expected = serve(&client, &requests[i]).status;
        struct oom_sweep sweep = {0};
        while (oom_sweep_next(&sweep)) {
            struct result result = serve(&client, &requests[i]);
            assert_true(result.ended);
            assert_true(result.status == expected || result.status == 500);
        }
        assert_int_equal(serve(&client, &requests[i]).status, expected);
    }
    api_finish(&client);
}

/* What a write does not name is there after it, or it fails. */
static void no_write_loses_members_to_a_failed_allocation(void **state) {
    static const struct request writes[] = {
        {"PUT", APPS "/a/status?dryRun=All", NULL,
         "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"a.b/"
         "c\"],\"annotations\":{\"note\":\"n\"}},"
         "\"status\":{\"replicas\":1}}"},
        {"PATCH", APPS "/a?dryRun=All&force=1&fieldManager=m", "application/apply-patch+yaml",
         "{\"apiVersion\":\"apps/"
         "v1\",\"kind\":\"Deployment\",\"metadata\":{\"labels\":{\"l\":\"m\"}},"
         "\"spec\":{\"paused\":true}}"},
        {"PATCH", APPS "/a?dryRun=All", "application/strategic-merge-patch+json",
         "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"one\","
         "\"image\":\"i:3\"}]}}}}"},
    };
    static const char *const kept[] = {"\"note\":\"n\"", "\"a.b/c\"", "\"x\":\"y\"",
                                       "\"replicas\":3", "\"i:2\"",   "\"uid\":"};
    struct api_client client;
    (void)state;
    api_init(&client);
    api_put(&client, "POST", APPS,
            "{\"metadata\":{\"name\":\"a\",\"finalizers\":[\"a.b/"
            "c\"],\"annotations\":{\"note\":\"n\"}},"
            "\"spec\":{\"replicas\":3,\"selector\":{\"matchLabels\":{\"x\":\"y\"}},\"template\":{"
            "\"metadata\":{\"labels\":{\"x\":\"y\"}},\"spec\":{\"containers\":["
            "{\"name\":\"one\",\"image\":\"i:1\"},{\"name\":\"two\",\"image\":\"i:2\"}]}}}}");
    api_expect(&client, 201);
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++) {
        struct oom_sweep sweep = {0};
        assert_int_equal(serve(&client, &writes[i]).status, 200);
        while (oom_sweep_next(&sweep)) {
            struct result result = serve(&client, &writes[i]);
            for (size_t k = 0; result.status == 200 && k < sizeof kept / sizeof *kept; k++)
                assert_non_null(strstr(result.text, kept[k]));
            assert_true(result.status == 200 || result.status == 500);
        }
    }
    api_finish(&client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_write_loses_members_to_a_failed_allocation),
        cmocka_unit_test(every_request_survives_each_failed_allocation),
    };
    json_set_alloc_funcs(mem_alloc, mem_free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
