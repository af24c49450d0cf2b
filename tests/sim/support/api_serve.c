#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "support/api_internal.h"

/* Requests to the model: what a kube-apiserver answers to them. */

#define PATIENCE (3 * NS_PER_S) /* for a view that is behind */
#define BOOKMARKS (60 * NS_PER_S)

static const char discovered[] =
    "{\"kind\":\"APIResourceList\",\"groupVersion\":\"v1\",\"resources\":["
    "{\"name\":\"configmaps\",\"namespaced\":true,\"kind\":\"ConfigMap\"}]}";

/* The value of a query parameter, "" when it is not there; fits all that moonlet sends here. */
static void query_of(const char *url, const char *name, char value[64]) {
    const char *at = strchr(url, '?');
    size_t len = strlen(name);
    value[0] = '\0';
    while (at && *at) {
        at++;
        if (strncmp(at, name, len) == 0 && at[len] == '=') {
            snprintf(value, 64, "%.*s", (int)strcspn(at + len + 1, "&"), at + len + 1);
            return;
        }
        at = strchr(at, '&');
    }
}

static uint64_t number_of(const char *url, const char *name) {
    char value[64];
    query_of(url, name, value);
    return strtoull(value, NULL, 10);
}

void api_write_object(const struct api_entry *entry, uint64_t version, struct strbuf *json) {
    char ns[8], name[8];
    api_slot_name(entry->slot, ns, name);
    strbuf_printf(json,
                  "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\","
                  "\"namespace\":\"%s\",\"uid\":\"u%u\",\"resourceVersion\":\"%d\","
                  "\"labels\":{\"v\":\"%d\"},\"managedFields\":[{\"time\":\"%d\"}]}",
                  name, ns, entry->uid, (int)version, entry->label, (int)version);
    if (entry->own != API_NONE)
        strbuf_printf(json, ",\"data\":{\"own\":\"%d\"}", entry->own);
    strbuf_addc(json, '}');
}

static void write_status(int code, const char *reason, unsigned retry_after_s,
                         struct strbuf *json) {
    strbuf_printf(json,
                  "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\","
                  "\"message\":\"%s\",\"reason\":\"%s\",\"code\":%d",
                  reason, reason, code);
    if (retry_after_s)
        strbuf_printf(json, ",\"details\":{\"retryAfterSeconds\":%u}", retry_after_s);
    strbuf_addc(json, '}');
}

static const char *reason_of(int status) {
    return status == 410   ? "Expired"
           : status == 504 ? "Timeout"
           : status == 404 ? "NotFound"
           : status == 409 ? "Conflict"
           : status == 422 ? "Invalid"
                           : "InternalError";
}

static void refuse(struct api *api, struct sim_exchange *exchange, int status) {
    struct strbuf json = {0};
    api->gone += status == 410;
    write_status(status, reason_of(status), status == 504 ? 1 : 0, &json);
    sim_exchange_answer(exchange, status, strbuf_view(&json));
    strbuf_finish(&json);
}

static bool in_ns(const char *ns, int slot) {
    char its[8], name[8];
    api_slot_name(slot, its, name);
    return *ns == '\0' || strcmp(ns, its) == 0;
}

static void drop(struct api_request *request) {
    list_remove(&request->link);
    loop_timer_stop(&request->end);
    loop_timer_stop(&request->bookmark);
    if (request->exchange)
        sim_exchange_keep(request->exchange, NULL);
    mem_free(request->url);
    mem_free(request);
}

void api_closed(void *context, struct sim_exchange *exchange) {
    struct api_request *request = sim_exchange_kept(exchange);
    (void)context;
    if (request) {
        request->exchange = NULL;
        drop(request);
    }
}

/* Lists */

/* "version.slot" */
static void list_page(struct api *api, struct sim_exchange *exchange, const char *ns,
                      uint64_t version, int from, unsigned limit) {
    struct strbuf items = {0}, json = {0};
    unsigned count = 0;
    int slot = from;
    for (; slot < API_SLOTS && (limit == 0 || count < limit); slot++) {
        const struct api_entry *entry = in_ns(ns, slot) ? api_state(api, slot, version) : NULL;
        if (entry == NULL)
            continue;
        strbuf_adds(&items, count++ ? "," : "");
        api_write_object(entry, entry->version, &items);
    }
    strbuf_printf(&json,
                  "{\"kind\":\"ConfigMapList\",\"apiVersion\":\"v1\",\"metadata\":{"
                  "\"resourceVersion\":\"%d\"",
                  (int)version);
    if (slot < API_SLOTS)
        strbuf_printf(&json, ",\"continue\":\"%d.%d\"", (int)version, slot);
    strbuf_printf(&json, "},\"items\":[%s]}", items.data ? items.data : "");
    sim_exchange_answer(exchange, 200, strbuf_view(&json));
    strbuf_finish(&items);
    strbuf_finish(&json);
}

static unsigned page_of(const struct api *api, const char *url) {
    unsigned limit = (unsigned)number_of(url, "limit"), most = api->options.page;
    return limit == 0 || most == 0 || limit < most ? limit : most;
}

static void serve_next_page(struct api *api, struct sim_exchange *exchange, const char *ns,
                            const char *url, const char *token) {
    char *slot;
    uint64_t version = strtoull(token, &slot, 10);
    if (version < api->compacted || api_is_lost(api, version) ||
        sim_happens(api->options.sim, SIM_GONE))
        refuse(api, exchange, 410);
    else
        list_page(api, exchange, ns, version, atoi(slot + 1), page_of(api, url));
}

/* Watches */

static void send_frame(struct api_request *request, const char *type, struct str object) {
    struct strbuf frame = {0};
    strbuf_printf(&frame, "{\"type\":\"%s\",\"object\":" STR_FORMAT "}\n", type, STR_ARG(object));
    sim_exchange_send(request->exchange, strbuf_view(&frame));
    strbuf_finish(&frame);
}

static void send_object(struct api_request *request, const char *type,
                        const struct api_entry *entry) {
    struct strbuf json = {0};
    api_write_object(entry, entry->version, &json);
    send_frame(request, type, strbuf_view(&json));
    strbuf_finish(&json);
}

void api_send_bookmark(struct api_request *request, bool ends_initial) {
    struct strbuf json = {0};
    if (request->seen < request->server->view)
        request->seen = request->server->view;
    strbuf_printf(&json,
                  "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{"
                  "\"resourceVersion\":\"%d\"%s}}",
                  (int)request->seen,
                  ends_initial ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
    send_frame(request, "BOOKMARK", strbuf_view(&json));
    strbuf_finish(&json);
}

void api_end_watch(struct api_request *request, int status) {
    struct sim_exchange *exchange = request->exchange;
    struct strbuf json = {0};
    if (status) {
        request->api->gone += status == 410;
        write_status(status, reason_of(status), status == 504 ? 1 : 0, &json);
        if (!request->begun)
            sim_exchange_begin(exchange, 200, 0);
        send_frame(request, "ERROR", strbuf_view(&json));
        strbuf_finish(&json);
    } else if (!request->begun) {
        sim_exchange_begin(exchange, 200, 0);
    }
    drop(request);
    sim_exchange_end(exchange);
}

/* What a watch that begins with the state is told first. */
static void send_state(struct api_request *request) {
    struct api *api = request->api;
    uint64_t view = request->server->view;
    int first = (int)sim_between(api->options.sim, 0, API_SLOTS - 1);
    for (int i = 0; i < API_SLOTS; i++) {
        int slot = (first + i) % API_SLOTS;
        const struct api_entry *entry =
            in_ns(request->ns, slot) ? api_state(api, slot, view) : NULL;
        if (entry)
            send_object(request, "ADDED", entry);
    }
    request->seen = view;
    if (request->initial && api->options.streaming == API_STREAMS)
        api_send_bookmark(request, /* ends_initial= */ true);
}

void api_tell_watch(struct api_request *request) {
    static const char *const types[] = {"ADDED", "MODIFIED", "DELETED"};
    struct api *api = request->api;
    struct sim *sim = api->options.sim;
    for (size_t i = 0; i < api->count; i++) {
        const struct api_entry *entry = &api->log[i];
        if (entry->version <= request->seen || entry->version > request->server->view)
            continue;
        request->seen = entry->version;
        if (!in_ns(request->ns, entry->slot))
            continue;
        send_object(request, types[entry->change], entry);
        if (sim_happens(sim, SIM_DUPLICATE))
            send_object(request, types[entry->change], entry);
        if (sim_happens(sim, SIM_ERROR_EVENT)) {
            static const int statuses[] = {410, 500, 504};
            api_end_watch(request, statuses[sim_between(sim, 0, 2)]);
            return;
        }
        if (sim_happens(sim, SIM_EARLY_END)) {
            api_end_watch(request, 0);
            return;
        }
    }
}

static void on_bookmark(struct loop_timer *timer) {
    struct api_request *request = CONTAINER_OF(timer, struct api_request, bookmark);
    if (!sim_happens(request->api->options.sim, SIM_LOST_BOOKMARK))
        api_send_bookmark(request, /* ends_initial= */ false);
    loop_timer_start(&request->bookmark, BOOKMARKS);
}

static void begin_watch(struct api_request *request) {
    struct api *api = request->api;
    uint64_t timeout = number_of(request->url, "timeoutSeconds");
    uint64_t from = number_of(request->url, "resourceVersion");
    bool stateful =
        request->initial ? api->options.streaming == API_STREAMS || from == 0 : from == 0;
    request->waiting = false;
    request->begun = true;
    loop_timer_start(&request->end, (timeout ? timeout : 1800) * NS_PER_S);
    if (request->bookmarks && api->options.bookmarks)
        loop_timer_start(&request->bookmark, BOOKMARKS);
    sim_exchange_begin(request->exchange, 200, 0);
    request->seen = from;
    if (stateful)
        send_state(request);
    api_tell_watch(request);
}

/* A list or watch whose server knows enough now, or need not. */
static void answer_request(struct api_request *request) {
    struct api *api = request->api;
    if (request->watch) {
        begin_watch(request);
        return;
    }
    struct sim_exchange *exchange = request->exchange;
    char ns[8];
    unsigned page = page_of(api, request->url);
    uint64_t view = request->server->view;
    memcpy(ns, request->ns, sizeof ns);
    drop(request);
    list_page(api, exchange, ns, view, 0, page);
}

static void on_end(struct loop_timer *timer) {
    struct api_request *request = CONTAINER_OF(timer, struct api_request, end);
    struct sim_exchange *exchange = request->exchange;
    struct api *api = request->api;
    if (!request->waiting) {
        api_end_watch(request, 0);
    } else if (request->watch && sim_chance(api->options.sim, 50)) {
        api_end_watch(request, 504);
    } else {
        drop(request);
        refuse(api, exchange, 504);
    }
}

void api_view_changed(struct api_server *server) {
    struct list *link, *next;
    LIST_EACH(link, next, &server->api->requests) {
        struct api_request *request = CONTAINER_OF(link, struct api_request, link);
        if (request->server != server)
            continue;
        if (request->waiting && request->at_least <= server->view)
            answer_request(request);
        else if (request->begun)
            api_tell_watch(request);
    }
}

static void serve_read(struct api *api, struct sim_exchange *exchange, const char *ns,
                       const char *url, bool watch) {
    char version[64], match[64], token[64], flag[64];
    query_of(url, "resourceVersion", version);
    query_of(url, "resourceVersionMatch", match);
    query_of(url, "continue", token);
    query_of(url, "sendInitialEvents", flag);
    bool initial = watch && strcmp(flag, "true") == 0;
    uint64_t from = strtoull(version, NULL, 10);
    *(watch ? &api->watches : &api->lists) += 1;
    if (*token) {
        serve_next_page(api, exchange, ns, url, token);
        return;
    }
    if (initial && api->options.streaming == API_STREAM_REFUSED) {
        refuse(api, exchange, 422);
        return;
    }
    struct api_request *request = mem_zalloc(sizeof *request);
    request->api = api;
    request->exchange = exchange;
    request->watch = watch;
    request->initial = initial;
    query_of(url, "allowWatchBookmarks", flag);
    request->bookmarks = strcmp(flag, "true") == 0;
    request->server = &api->servers[sim_between(api->options.sim, 0, api->options.servers - 1)];
    request->url = mem_strdup(url);
    snprintf(request->ns, sizeof request->ns, "%s", ns);
    loop_timer_init(api->options.sim->loop, &request->end, on_end);
    loop_timer_init(api->options.sim->loop, &request->bookmark, on_bookmark);
    list_append(&api->requests, &request->link);
    sim_exchange_keep(exchange, request);
    bool streams = initial && api->options.streaming == API_STREAMS;
    if (watch && !streams && from > 0 &&
        (from < api->compacted || api_is_lost(api, from) ||
         sim_happens(api->options.sim, SIM_GONE))) {
        if (sim_chance(api->options.sim, 50)) {
            api_end_watch(request, 410);
        } else {
            drop(request);
            refuse(api, exchange, 410);
        }
        return;
    }
    if (*version == '\0')
        request->at_least = watch && !streams ? 0 : api->head;
    else if (*match || streams)
        request->at_least = from;
    if (request->at_least <= request->server->view) {
        answer_request(request);
        return;
    }
    request->waiting = true;
    loop_timer_start(&request->end, PATIENCE);
}

/* Writes, and reads of one object */

static void answer_object(struct api *api, struct sim_exchange *exchange, int slot) {
    const struct api_entry *now = api_state(api, slot, api->head);
    struct strbuf json = {0};
    api_write_object(now, now->version, &json);
    sim_exchange_answer(exchange, 200, strbuf_view(&json));
    strbuf_finish(&json);
}

/* The number after `key` in the body, or API_NONE. */
static int body_number(struct str body, const char *key) {
    const char *at = body.len ? memmem(body.data, body.len, key, strlen(key)) : NULL;
    return at ? atoi(at + strlen(key)) : API_NONE;
}

static void serve_apply(struct api *api, struct sim_exchange *exchange, int slot, struct str body) {
    const struct api_entry *now = api_state(api, slot, api->head);
    int uid = body_number(body, "\"uid\":\"u"), own = body_number(body, "\"own\":\"");
    if (now == NULL || (uid != API_NONE && (unsigned)uid != now->uid)) {
        refuse(api, exchange, 409);
        return;
    }
    api->writes++;
    if (own == now->own)
        api->writes_without_effect++;
    else
        api_append(api, API_MODIFIED, slot, now->label, own, now->uid);
    api->written = api->head;
    answer_object(api, exchange, slot);
}

static void serve_delete(struct api *api, struct sim_exchange *exchange, int slot,
                         struct str body) {
    const struct api_entry *now = api_state(api, slot, api->head);
    int uid = body_number(body, "\"uid\":\"u");
    struct strbuf json = {0};
    if (uid != API_NONE && (unsigned)uid != now->uid) {
        refuse(api, exchange, 409);
        return;
    }
    api->writes++;
    strbuf_printf(&json,
                  "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Success\","
                  "\"details\":{\"uid\":\"u%u\"}}",
                  now->uid);
    api_delete(api, slot);
    api->written = api->head;
    sim_exchange_answer(exchange, 200, strbuf_view(&json));
    strbuf_finish(&json);
}

static void serve_one(struct api *api, struct sim_exchange *exchange, int slot,
                      const struct http_request *request) {
    bool there = slot != API_NONE && api_state(api, slot, api->head);
    if (strcmp(request->method, "PATCH") == 0 && slot != API_NONE)
        serve_apply(api, exchange, slot, request->body);
    else if (!there)
        refuse(api, exchange, 404);
    else if (strcmp(request->method, "DELETE") == 0)
        serve_delete(api, exchange, slot, request->body);
    else
        answer_object(api, exchange, slot);
}

/* http://api/api/v1[/namespaces/NS]/configmaps[/NAME][?QUERY] */
void api_serve(void *context, struct sim_exchange *exchange, const struct http_request *request) {
    struct api *api = context;
    const char *path = strstr(request->url, "/api/v1");
    const char *in = strstr(request->url, "/namespaces/"), *kind;
    char ns[8] = "", name[8] = "", flag[64];
    if (path && path[strlen("/api/v1")] == '\0') {
        sim_exchange_answer(exchange, 200, str_of(discovered));
        return;
    }
    kind = strstr(request->url, "/configmaps");
    if (kind == NULL) {
        refuse(api, exchange, 404);
        return;
    }
    if (in)
        snprintf(ns, sizeof ns, "%.*s", (int)strcspn(in + 12, "/"), in + 12);
    kind += strlen("/configmaps");
    sim_tell(api->options.sim, "api: %s %s", request->method, path);
    if (*kind == '/') {
        snprintf(name, sizeof name, "%.*s", (int)strcspn(kind + 1, "?"), kind + 1);
        serve_one(api, exchange, api_slot_of(str_of(ns), str_of(name)), request);
        return;
    }
    query_of(request->url, "watch", flag);
    serve_read(api, exchange, ns, request->url, strcmp(flag, "1") == 0);
}
