/* Requests to the embedded API server behind HTTP, for callgrind: each kind is a dump of its own.
 * bench_verbs POD DEPLOYMENT COUNT. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#include "apiserver/apiserver.h"
#include "base/clock.h"
#include "base/mem.h"
#include "json/blocks.h"

#define PODS "/api/v1/namespaces/shop/pods"
#define MAPS "/api/v1/namespaces/shop/configmaps"
#define APPLIED "/apis/apps/v1/namespaces/shop/deployments"
enum { APPS = 8 };

struct bench {
    struct apiserver *server;
    int status;
    struct strbuf answer, body;
};

static void die(const char *why) {
    fprintf(stderr, "bench_verbs: %s\n", why);
    exit(1);
}

static int write_nothing(void *context, const char *line, size_t len) {
    (void)context, (void)line, (void)len;
    return 0;
}

static void begin(void *context, int status, const struct http_header *headers) {
    (void)headers;
    ((struct bench *)context)->status = status;
}

static void send(void *context, struct str bytes) {
    strbuf_add(&((struct bench *)context)->answer, bytes.data, bytes.len);
}

static void end(void *context) {
    (void)context;
}

static void ask(struct bench *bench, const char *method, const char *path, const char *type) {
    static const struct api_handler handler = {begin, send, end, NULL};
    const char *query = strchr(path, '?');
    struct api_request request = {.method = method,
                                  .path =
                                      str_n(path, query ? (size_t)(query - path) : strlen(path)),
                                  .query = str_of(query ? query + 1 : ""),
                                  .content_type = type,
                                  .accept = "application/json",
                                  .user_agent = "bench/1.0",
                                  .if_none_match = "",
                                  .body = strbuf_view(&bench->body),
                                  .user = "bench"};
    strbuf_clear(&bench->answer);
    if (apiserver_serve(bench->server, &request, &handler, bench) || bench->status / 100 != 2)
        die(bench->answer.data ? bench->answer.data : path);
}

static char *read_file(const char *path) {
    char *text = mem_zalloc(1 << 16);
    FILE *file = fopen(path, "rb");
    if (text == NULL || file == NULL || fread(text, 1, (1 << 16) - 1, file) == 0)
        die(path);
    fclose(file);
    return text;
}

static void cut(char *text, const char *from, const char *to) {
    char *begin_at = strstr(text, from), *end_at = begin_at ? strstr(begin_at, to) : NULL;
    if (end_at == NULL)
        die(from);
    memmove(begin_at, end_at + strlen(to), strlen(end_at + strlen(to)) + 1);
}

/* `text` with each `from` replaced. */
static void fill(struct bench *bench, const char *text, const char *from, const char *to) {
    const char *at;
    strbuf_clear(&bench->body);
    for (; (at = strstr(text, from)); text = at + strlen(from)) {
        strbuf_add(&bench->body, text, (size_t)(at - text));
        strbuf_adds(&bench->body, to);
    }
    strbuf_adds(&bench->body, text);
}

static const char *pod;
static char deployment[1 << 16];

static void create(struct bench *bench, int i) {
    char name[64];
    snprintf(name, sizeof name, "\"name\":\"pod-%d\"", i);
    fill(bench, pod, "\"generateName\":\"frontend-5d89f7c4b6-\"", name);
    ask(bench, "POST", PODS, "application/json");
}

static void get(struct bench *bench, int i) {
    char path[128];
    strbuf_clear(&bench->body);
    snprintf(path, sizeof path, PODS "/pod-%d", i);
    ask(bench, "GET", path, "");
}

static void list(struct bench *bench, int i) {
    (void)i;
    strbuf_clear(&bench->body);
    ask(bench, "GET", PODS "?limit=40", "");
}

/* What was read, with `from` replaced; the reading is not counted. */
static void change(struct bench *bench, const char *path, const char *from, const char *to) {
    CALLGRIND_TOGGLE_COLLECT;
    strbuf_clear(&bench->body);
    ask(bench, "GET", path, "");
    char *live = strbuf_take(&bench->answer);
    fill(bench, live, from, to);
    mem_free(live);
    CALLGRIND_TOGGLE_COLLECT;
    ask(bench, "PUT", path, "application/json");
}

static void update(struct bench *bench, int i) {
    char path[128];
    snprintf(path, sizeof path, PODS "/pod-%d", i);
    change(bench, path, "\"prometheus.io/port\":\"8080\"", "\"prometheus.io/port\":\"9090\"");
}

static void patch_status(struct bench *bench, int i) {
    char path[128];
    strbuf_clear(&bench->body);
    strbuf_printf(&bench->body,
                  "{\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.%d\",\"conditions\":["
                  "{\"type\":\"Ready\",\"status\":\"True\",\"lastProbeTime\":null,"
                  "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}]}}",
                  i % 250);
    snprintf(path, sizeof path, PODS "/pod-%d/status", i);
    ask(bench, "PATCH", path, "application/strategic-merge-patch+json");
}

static void patch_merge(struct bench *bench, int i) {
    char path[128];
    strbuf_clear(&bench->body);
    strbuf_printf(&bench->body, "{\"metadata\":{\"annotations\":{\"bench\":\"%d\"}}}", i);
    snprintf(path, sizeof path, PODS "/pod-%d", i);
    ask(bench, "PATCH", path, "application/merge-patch+json");
}

static void apply(struct bench *bench, int i, int replicas) {
    char path[128], name[32], text[16];
    snprintf(name, sizeof name, "web-%d", i % APPS);
    snprintf(text, sizeof text, "%d", replicas);
    fill(bench, deployment, "NAME", name);
    char *named = strbuf_take(&bench->body);
    fill(bench, named, "\"REPLICAS\"", text);
    mem_free(named);
    snprintf(path, sizeof path, APPLIED "/%s?fieldManager=bench&force=true", name);
    ask(bench, "PATCH", path, "application/apply-patch+yaml");
}

static void apply_changed(struct bench *bench, int i) {
    apply(bench, i, i);
}

static void apply_same(struct bench *bench, int i) {
    apply(bench, i, 7);
}

static void patch_deployment(struct bench *bench, int i) {
    char path[128];
    strbuf_clear(&bench->body);
    strbuf_printf(&bench->body,
                  "{\"status\":{\"observedGeneration\":%d,\"replicas\":3,\"updatedReplicas\":3,"
                  "\"readyReplicas\":%d,\"availableReplicas\":%d,\"conditions\":[{\"type\":"
                  "\"Available\",\"status\":\"True\",\"reason\":\"MinimumReplicasAvailable\","
                  "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}]}}",
                  i, i % 3, i % 3);
    snprintf(path, sizeof path, APPLIED "/web-%d/status", i % APPS);
    ask(bench, "PATCH", path, "application/merge-patch+json");
}

/* As `kubectl run` sends it, with --port, --env and --labels. */
static void create_small(struct bench *bench, int i) {
    strbuf_clear(&bench->body);
    strbuf_printf(&bench->body,
                  "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"run-%d\","
                  "\"creationTimestamp\":null,\"labels\":{\"app.kubernetes.io/name\":\"web\","
                  "\"app.kubernetes.io/part-of\":\"shop\"}},\"spec\":{\"containers\":[{\"name\":"
                  "\"run-%d\",\"image\":\"registry.example.com/shop/web:1.27.3\",\"ports\":["
                  "{\"containerPort\":8080}],\"env\":[{\"name\":\"DATABASE_HOST\",\"value\":"
                  "\"db.shop.svc.cluster.local\"},{\"name\":\"LOG_LEVEL\",\"value\":\"info\"}],"
                  "\"resources\":{}}],\"restartPolicy\":\"Always\",\"dnsPolicy\":"
                  "\"ClusterFirst\"},\"status\":{}}",
                  i, i);
    ask(bench, "POST", PODS, "application/json");
}

static void create_map(struct bench *bench, int i) {
    strbuf_clear(&bench->body);
    strbuf_printf(&bench->body,
                  "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                  "\"map-%d\",\"labels\":{\"app.kubernetes.io/name\":\"web\","
                  "\"app.kubernetes.io/part-of\":\"shop\"}},\"data\":{\"mode\":\"production\","
                  "\"application.properties\":\"",
                  i);
    for (int line = 0; line < 18; line++)
        strbuf_printf(&bench->body, "shop.feature.%02d.endpoint=http://svc-%02d:80\\n", line, line);
    strbuf_adds(&bench->body, "\"}}");
    ask(bench, "POST", MAPS, "application/json");
}

static void update_map(struct bench *bench, int i) {
    char path[128];
    snprintf(path, sizeof path, MAPS "/map-%d", i);
    change(bench, path, "\"mode\":\"production\"", "\"mode\":\"maintenance\"");
}

static void measure(struct bench *bench, const char *what, int count,
                    void (*one)(struct bench *bench, int i)) {
    for (int i = 0; i < APPS; i++)
        one(bench, i);
    CALLGRIND_ZERO_STATS;
    for (int i = APPS; i < APPS + count; i++)
        one(bench, i);
    CALLGRIND_DUMP_STATS_AT(what);
}

static void measure_all(struct bench *bench, int count) {
    measure(bench, "create a Pod of 5 KB", count, create);
    measure(bench, "get it", count, get);
    measure(bench, "list 40 of them", count, list);
    measure(bench, "update it", count, update);
    measure(bench, "patch its status", count, patch_status);
    measure(bench, "patch an annotation", count, patch_merge);
    measure(bench, "apply a Deployment, changed", count, apply_changed);
    measure(bench, "apply a Deployment, as it was", count, apply_same);
    measure(bench, "patch its status, some 300 bytes", count, patch_deployment);
    measure(bench, "create a Pod as `kubectl run` sends it", count, create_small);
    measure(bench, "create a ConfigMap of 1 KB", count, create_map);
    measure(bench, "update it: a key of its data", count, update_map);
}

int main(int argc, char **argv) {
    struct error err = {0};
    struct bench bench = {0};
    struct clock_fake clock;
    if (argc < 4)
        die("POD DEPLOYMENT COUNT");
    json_blocks_keep();
    char *text = read_file(argv[1]), *with = read_file(argv[2]);
    cut(text, "\"ownerReferences\":[", "],"); /* it is not there */
    pod = text;
    snprintf(deployment, sizeof deployment, "%s", with);
    clock_fake_init(&clock, 1000 * NS_PER_S, 1767225600 * (int64_t)NS_PER_S);
    struct log log = {.clock = &clock.clock, .write = write_nothing};
    struct loop *loop = loop_create(&clock.clock, &err);
    struct apiserver_options options = {.loop = loop, .log = &log, .seed = 7};
    bench.server = loop ? apiserver_create(&options, &err) : NULL;
    if (bench.server == NULL)
        die(err.message);
    strbuf_adds(&bench.body,
                "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\"}}");
    ask(&bench, "POST", "/api/v1/namespaces", "application/json");
    loop_advance(loop, &clock, 0);
    strbuf_clear(&bench.body);
    strbuf_adds(&bench.body, "{\"metadata\":{\"name\":\"frontend\"}}");
    ask(&bench, "POST", "/api/v1/namespaces/shop/serviceaccounts", "application/json");
    measure_all(&bench, atoi(argv[3]));
    apiserver_destroy(bench.server);
    loop_destroy(loop);
    strbuf_finish(&bench.answer);
    strbuf_finish(&bench.body);
    mem_free(text);
    mem_free(with);
    return 0;
}
