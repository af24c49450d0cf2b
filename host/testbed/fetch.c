#include <string.h>

#include "base/mem.h"
#include "testbed/internal.h"

/* moonlet.http of the scripts: to the test's handlers, by the prefix of the URL. */

struct prefix {
    struct list link;
    char *text;
    struct testbed_handler handler;
};

struct testbed_fetch {
    struct list link;          /* of testbed->fetches; alone once the testbed has gone */
    struct sim_exchange *wire; /* NULL: the host does not wait any more */
    struct testbed *testbed;
    char *method, *url;
};

static void drop(struct testbed_fetch *fetch) {
    list_remove(&fetch->link);
    mem_free(fetch->method);
    mem_free(fetch->url);
    mem_free(fetch);
}

int testbed_http(struct testbed *testbed, const char *text, const struct testbed_handler *handler,
                 struct error *err) {
    struct list *link, *next;
    LIST_EACH(link, next, &testbed->prefixes) {
        struct prefix *prefix = CONTAINER_OF(link, struct prefix, link);
        if (strcmp(prefix->text, text) == 0) {
            prefix->handler = *handler;
            return 0;
        }
        if (strlen(prefix->text) < strlen(text))
            break;
    }
    struct prefix *prefix = mem_zalloc(sizeof *prefix);
    if (prefix == NULL || (prefix->text = mem_strdup(text)) == NULL) {
        mem_free(prefix);
        return error_set(err, ERROR_NOMEM, "no memory for a handler of %s", text);
    }
    prefix->handler = *handler;
    list_insert_before(link, &prefix->link);
    return 0;
}

static const struct prefix *find(const struct testbed *testbed, const char *url) {
    const struct list *link;
    for (link = testbed->prefixes.next; link != &testbed->prefixes; link = link->next) {
        const struct prefix *prefix = CONTAINER_OF(link, struct prefix, link);
        if (strncmp(url, prefix->text, strlen(prefix->text)) == 0)
            return prefix;
    }
    return NULL;
}

void fetch_serve(void *context, struct sim_exchange *exchange, const struct http_request *request) {
    struct node *node = context;
    struct testbed *testbed = node->testbed;
    const struct prefix *prefix = find(testbed, request->url);
    if (prefix == NULL) {
        trace_add(testbed, node, "%s %s: nobody listens there (sim:http)", request->method,
                  request->url);
        sim_exchange_refuse(exchange);
        return;
    }
    struct testbed_fetch *fetch = mem_zalloc(sizeof *fetch);
    if (fetch == NULL) {
        sim_exchange_refuse(exchange);
        return;
    }
    *fetch = (struct testbed_fetch){.wire = exchange,
                                    .testbed = testbed,
                                    .method = mem_strdup(request->method),
                                    .url = mem_strdup(request->url)};
    list_append(&testbed->fetches, &fetch->link);
    sim_exchange_keep(exchange, fetch);
    prefix->handler.handle(prefix->handler.context, fetch, request->method, request->url,
                           request->headers, request->body);
}

void fetch_closed(void *context, struct sim_exchange *exchange) {
    struct testbed_fetch *fetch = sim_exchange_kept(exchange);
    (void)context;
    if (fetch)
        fetch->wire = NULL; /* the handler still answers */
}

void testbed_answer_fetch(struct testbed_fetch *fetch, int status,
                          const struct http_header *headers, struct str body) {
    if (fetch->wire) {
        struct sim_exchange *wire = fetch->wire;
        trace_add(fetch->testbed, NULL, "%s %s: %d", fetch->method ? fetch->method : "?",
                  fetch->url ? fetch->url : "?", status);
        sim_exchange_keep(wire, NULL);
        sim_exchange_begin_with(wire, status, headers);
        sim_exchange_send(wire, body);
        sim_exchange_end(wire);
    }
    drop(fetch);
}

void fetch_finish(struct testbed *testbed) {
    struct list *link, *next;
    LIST_EACH(link, next, &testbed->fetches)
    drop(CONTAINER_OF(link, struct testbed_fetch, link));
    LIST_EACH(link, next, &testbed->prefixes) {
        struct prefix *prefix = CONTAINER_OF(link, struct prefix, link);
        list_remove(link);
        mem_free(prefix->text);
        mem_free(prefix);
    }
}
