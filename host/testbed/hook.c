#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "serve/server.h"
#include "testbed/internal.h"

/* Between the API server and the hosts' webhooks: a wire the other way round. */

static const char ca[] = "-----BEGIN CERTIFICATE-----\n"
                         "MIIBfDCCASGgAwIBAgIUM3Szr/UoIyUYL9H97syytZUIZh0wCgYIKoZIzj0EAwIw\n"
                         "EjEQMA4GA1UEAwwHdGVzdGJlZDAgFw0yNjExMjExNDA5NDZaGA8yMTI2MTAyODE0\n"
                         "MDk0NlowEjEQMA4GA1UEAwwHdGVzdGJlZDBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
                         "A0IABIdpp/ROJtGYC3iVKfE901eX19CG+PsmGd+y4P8XsLgdJHwqG/5SGeMf49OK\n"
                         "jw5q1O3sqm25jId28jkKSJPyu5OjUzBRMB0GA1UdDgQWBBTYFAGOGrwtT5UAfePY\n"
                         "erHE+Dy+hjAfBgNVHSMEGDAWgBTYFAGOGrwtT5UAfePYerHE+Dy+hjAPBgNVHRMB\n"
                         "Af8EBTADAQH/MAoGCCqGSM49BAMCA0kAMEYCIQD/f/g8CE0GuPmGNCxTo4ZwOAIn\n"
                         "O1iBLHzN3zPBorbndgIhAIwCZut9kRGfzquqpPipp37e54IFHP3UpiCPrBjV7nO2\n"
                         "-----END CERTIFICATE-----\n";

struct hook {         /* a review on its way through a host */
    struct list link; /* node->hooks */
    struct node *node;
    struct sim_exchange *wire; /* NULL: the API server does not wait any more */
    struct server_request *request;
    char *path;
    bool serving, answered; /* manager_post() has not returned; and it has been answered */
};

void hook_options(const struct node *node, struct hooks_options *ret) {
    *ret = (struct hooks_options){
        .instance = "testbed", .host = node->name, .port = HOOK_PORT, .local_ca = ca};
}

static void drop(struct hook *hook) {
    list_remove(&hook->link);
    mem_free(hook->path);
    mem_free(hook);
}

static void on_respond(void *context, const struct server_answer *answer) {
    static const struct http_header headers[] = {{"Content-Type", "application/json"}, {0}};
    struct hook *hook = context;
    if (hook->wire) {
        trace_add(hook->node->testbed, hook->node, "POST %s: %d", hook->path, answer->status);
        sim_exchange_keep(hook->wire, NULL);
        sim_exchange_begin_with(hook->wire, answer->status, headers);
        sim_exchange_send(hook->wire, strbuf_view(&answer->body));
        sim_exchange_end(hook->wire);
    }
    hook->answered = true;
    if (!hook->serving)
        drop(hook);
}

/* "https://moonlet-1:9443/mutate/name?timeout=10s" -> the node and the path. */
static struct node *find_node(struct testbed *testbed, const char *url, const char **ret_path) {
    for (size_t i = 0; i < testbed->node_count; i++) {
        char prefix[64];
        int len =
            snprintf(prefix, sizeof prefix, "https://%s:%d", testbed->nodes[i].name, HOOK_PORT);
        *ret_path = url + len;
        if (strncmp(url, prefix, (size_t)len) == 0)
            return testbed->nodes[i].manager ? &testbed->nodes[i] : NULL;
    }
    return NULL;
}

static uint64_t asked_timeout(const char *target) {
    const char *at = strstr(target, "timeout=");
    size_t len = at ? strcspn(at + 8, "&") : 0;
    uint64_t ns = 0;
    return at && clock_parse_duration(at + 8, len, &ns) == 0 ? ns : 0;
}

static void serve(void *context, struct sim_exchange *exchange,
                  const struct http_request *request) {
    struct testbed *testbed = context;
    const char *target;
    struct error err;
    struct node *node = find_node(testbed, request->url, &target);
    struct hook *hook = node ? mem_zalloc(sizeof *hook) : NULL;
    if (hook == NULL || (hook->path = mem_strndup(target, strcspn(target, "?"))) == NULL) {
        mem_free(hook);
        trace_add(testbed, NULL, "POST %s: nobody listens there", request->url);
        sim_exchange_refuse(exchange);
        return;
    }
    struct server_local post = {.path = hook->path,
                                .body = request->body,
                                .timeout_ns = asked_timeout(target),
                                .respond = on_respond,
                                .context = hook};
    hook->node = node;
    hook->wire = exchange;
    list_append(&node->hooks, &hook->link);
    sim_exchange_keep(exchange, hook);
    hook->serving = true;
    hook->request = manager_post(node->manager, &post, &err);
    hook->serving = false;
    if (hook->answered) {
        drop(hook);
    } else if (hook->request == NULL) {
        trace_add(testbed, node, "POST %s: %s", hook->path, err.message);
        sim_exchange_keep(exchange, NULL);
        sim_exchange_refuse(exchange);
        drop(hook);
    }
}

/* The handler runs on, as it does behind a real connection. */
static void closed(void *context, struct sim_exchange *exchange) {
    struct hook *hook = sim_exchange_kept(exchange);
    (void)context;
    if (hook)
        hook->wire = NULL;
}

void hook_sever(struct node *node) {
    while (!list_empty(&node->hooks)) {
        struct hook *hook = CONTAINER_OF(node->hooks.next, struct hook, link);
        server_forget(hook->request);
        if (hook->wire) {
            sim_exchange_keep(hook->wire, NULL);
            sim_exchange_refuse(hook->wire);
        }
        drop(hook);
    }
}

void hook_init(struct testbed *testbed) {
    struct sim_wire_options options = {.sim = &testbed->sim,
                                       .serve = serve,
                                       .closed = closed,
                                       .context = testbed,
                                       .delay_ns = 2 * NS_PER_MS};
    sim_wire_init(&testbed->webhooks, &options);
    for (size_t i = 0; i < testbed->node_count; i++)
        list_init(&testbed->nodes[i].hooks);
}
