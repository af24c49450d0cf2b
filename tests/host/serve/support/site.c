#include "site.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static void handle(void *context, bool verbose, struct server_answer *answer) {
    (void)context;
    strbuf_adds(&answer->body, verbose ? "long" : "short");
}

static void accept_post(void *context, struct server_request *request,
                        const struct server_exchange *exchange) {
    struct site *site = *(struct site **)context;
    assert_int_equal(mem_grow(&site->waiting, &site->cap, site->count + 1, sizeof *site->waiting),
                     0);
    struct site_waiting *waiting = &site->waiting[site->count++];
    *waiting = (struct site_waiting){.request = request, .timeout_ns = exchange->timeout_ns};
    strbuf_add(&waiting->body, exchange->body.data, exchange->body.len);
    snprintf(waiting->rest, sizeof waiting->rest, "%s", exchange->rest);
    if (strcmp(exchange->rest, "now") == 0)
        site_answer(site, site->count - 1, "at once");
}

void site_open(struct site *site, const struct clock *clock, const struct server_options *options) {
    static struct site *current; /* the routes are static, and there is one site at a time */
    static const struct server_route routes[] = {
        {.path = "/x", .handle = handle},
        {.path = "/post/", .prefix = true, .accept = accept_post, .context = &current},
        {0}};
    struct error err = {0};
    struct server_options all = options ? *options : (struct server_options){0};
    *site = (struct site){.loop = loop_create(clock, &err)};
    current = site;
    all.loop = site->loop;
    all.address = "127.0.0.1:0";
    all.routes = routes;
    site->server = server_start(&all, &err);
    if (site->server == NULL)
        fail_msg("%s", err.message);
}

void site_close(struct site *site) {
    server_stop(site->server);
    for (size_t i = 0; i < site->count; i++) {
        if (site->waiting[i].request)
            site_answer(site, i, "into the void");
        strbuf_finish(&site->waiting[i].body);
    }
    mem_free(site->waiting);
    loop_destroy(site->loop);
}

void site_expect(struct site *site, size_t count) {
    for (int turn = 0; turn < 20000 && site->count < count; turn++)
        loop_poll(site->loop);
    assert_int_equal(site->count, count);
}

void site_answer(struct site *site, size_t i, const char *text) {
    struct server_answer answer = {.status = 200, .content_type = "application/json"};
    struct server_request *request = site->waiting[i].request;
    site->waiting[i].request = NULL;
    strbuf_adds(&answer.body, text);
    server_respond(request, &answer);
}
