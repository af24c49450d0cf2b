/*
 * The transport over libcurl: one multi handle whose sockets and timeout live in the loop.
 *
 * curl refuses to add or remove handles while one of its callbacks runs, so what our users start
 * and cancel from there is marked, and done by tidy() when curl is off the stack.
 */
#include "http/curl.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "http/internal.h"

#define PATIENCE_NS (500 * NS_PER_MS)
enum {
    MAX_STREAMS = 1000,         /* of one HTTP/2 connection, should the server allow them */
    STREAMS_PER_CONNECTION = 50 /* that any server will allow; to compute the limit */
};

/* Lets the calls go that wait for the host's probe. */
static void release(struct http_host *host) {
    struct http_curl *t = host->transport;
    struct list *link, *following;
    host->probe = NULL;
    host->holding = false;
    loop_timer_stop(&host->patience);
    LIST_EACH(link, following, &t->calls) {
        struct http_call *call = CONTAINER_OF(link, struct http_call, link);
        if (call->host == host && call->state == HTTP_CALL_HELD) {
            call->state = HTTP_CALL_QUEUED;
            t->untidy = true;
        }
    }
}

static void unlink_call(struct http_call *call) {
    struct http_curl *t = call->transport;
    struct http_host *host = call->host;
    list_remove(&call->link);
    t->call_count--;
    if (host->probe != call)
        return;
    host->probe = NULL; /* who waits for it goes in the loop's next turn */
    if (loop_timer_start(&host->patience, 0) < 0)
        release(host);
}

static void drop(struct http_call *call) {
    if (call->state == HTTP_CALL_RUNNING || call->state == HTTP_CALL_CANCELLED)
        curl_multi_remove_handle(call->transport->multi, call->easy);
    unlink_call(call);
    http_call_free(call);
}

/* Ends a call that is out of the multi handle. */
static void finish(struct http_call *call, CURLcode code) {
    struct error err;
    int rc = http_call_result(call, code, &err);
    call->state = HTTP_CALL_DONE;
    unlink_call(call);
    call->request.on_done(call->request.context, call->headers_done ? &call->answer : NULL,
                          strbuf_view(&call->body), rc < 0 ? &err : NULL);
    http_call_free(call);
}

/* Gives the call to curl, which takes it up in the loop's next turn. */
static CURLcode admit(struct http_call *call) {
    call->state = HTTP_CALL_RUNNING;
    http_call_share(call, call->host->h2); /* R21: not before ALPN has shown it */
    if (curl_multi_add_handle(call->transport->multi, call->easy) == CURLM_OK)
        return CURLE_OK;
    call->state = HTTP_CALL_QUEUED;
    return CURLE_OUT_OF_MEMORY;
}

/* R21: where each host has shown HTTP/2, the number of connections is bound, else a burst of
 * requests opens one each; on HTTP/1.1 any bound would starve watches. */
static void set_limit(struct http_curl *t) {
    long limit = 0;
    if (t->other_hosts == 0 && t->hosts.count > 0 && t->hosts.count < HTTP_HOSTS_MAX)
        limit = (long)(t->call_count / STREAMS_PER_CONNECTION + 2);
    if (limit != t->limit && !curl_multi_setopt(t->multi, CURLMOPT_MAX_HOST_CONNECTIONS, limit))
        t->limit = limit;
}

/* One step of tidying; false when there is none left. Users' callbacks run in it, and may start
 * and cancel calls, so it keeps no place in the list. */
static bool tidy_step(struct http_curl *t) {
    struct list *link, *following;
    if (t->untidy) {
        t->untidy = false;
        LIST_EACH(link, following, &t->calls) {
            struct http_call *call = CONTAINER_OF(link, struct http_call, link);
            if (call->state == HTTP_CALL_CANCELLED) {
                drop(call);
            } else if (call->state == HTTP_CALL_QUEUED && admit(call) != CURLE_OK) {
                finish(call, CURLE_OUT_OF_MEMORY);
                t->untidy = true;
                return true;
            }
        }
    }
    int left;
    struct CURLMsg *message = curl_multi_info_read(t->multi, &left);
    if (message == NULL || message->msg != CURLMSG_DONE)
        return message != NULL;
    CURLcode code = message->data.result; /* read before the handle goes */
    struct http_call *call = NULL;
    CURL *easy = message->easy_handle;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
    curl_multi_remove_handle(t->multi, easy);
    finish(call, code);
    return true;
}

static void tidy(struct http_curl *t) {
    while (tidy_step(t))
        continue;
    set_limit(t);
}

static void drive(struct http_curl *t, curl_socket_t fd, int events) {
    int running;
    t->inside = true;
    curl_multi_socket_action(t->multi, fd, events, &running);
    t->inside = false;
    tidy(t);
}

static void on_patience(struct loop_timer *timer) {
    struct http_host *host = CONTAINER_OF(timer, struct http_host, patience);
    release(host);
    tidy(host->transport);
}

static void on_ready(void *context, int fd, int events) {
    drive(context, fd,
          (events & LOOP_READABLE ? CURL_CSELECT_IN : 0) |
              (events & LOOP_WRITABLE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(struct loop_timer *timer) {
    drive(CONTAINER_OF(timer, struct http_curl, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *context) {
    struct http_curl *t = context;
    (void)multi;
    if (timeout_ms >= 0)
        return loop_timer_start(&t->timer, (uint64_t)timeout_ms * NS_PER_MS) < 0 ? -1 : 0;
    loop_timer_stop(&t->timer);
    return 0;
}

static int on_interest(CURL *easy, curl_socket_t fd, int what, void *context, void *socket) {
    struct http_curl *t = context;
    struct loop_fd *watch = socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        loop_fd_close(watch);
        curl_multi_assign(t->multi, fd, NULL);
        return 0;
    }
    if (watch == NULL) {
        watch = loop_fd_open(t->loop, fd, on_ready, t, NULL);
        if (watch == NULL)
            return -1;
        curl_multi_assign(t->multi, fd, watch);
    }
    int events =
        (what & CURL_POLL_IN ? LOOP_READABLE : 0) | (what & CURL_POLL_OUT ? LOOP_WRITABLE : 0);
    return loop_fd_set(watch, events, NULL) < 0 ? -1 : 0;
}

struct http_host *http_curl_host(struct http_curl *t, const char *url) {
    const char *rest = strstr(url, "://");
    rest = rest ? rest + 3 : url;
    struct str key = {url, (size_t)(rest - url) + strcspn(rest, "/?#")};
    struct http_host *host = map_get(&t->hosts, key);
    if (host)
        return host;
    if (t->hosts.count >= HTTP_HOSTS_MAX)
        return &t->some;
    host = mem_zalloc(sizeof *host);
    if (host == NULL || map_set(&t->hosts, key, host, NULL) < 0) {
        mem_free(host);
        return NULL;
    }
    host->transport = t;
    host->known = strncasecmp(url, "http://", 7) == 0;
    loop_timer_init(t->loop, &host->patience, on_patience);
    t->other_hosts++;
    return host;
}

void http_curl_learn(struct http_curl *t, struct http_host *host, bool h2) {
    if (host == &t->some)
        return;
    host->known = true;
    if (host->h2 != h2)
        t->other_hosts += h2 ? (size_t)-1 : 1;
    host->h2 = h2;
    if (host->holding)
        release(host);
}

/* True when the call has to wait for the host's probe; it may become the probe itself. */
static bool hold(struct http_call *call) {
    struct http_host *host = call->host;
    call->state = HTTP_CALL_QUEUED;
    if (host->known)
        return false;
    if (host->holding) {
        call->state = HTTP_CALL_HELD;
        return true;
    }
    if (loop_timer_start(&host->patience, PATIENCE_NS) == 0) {
        host->holding = true;
        host->probe = call;
    }
    return false;
}

static struct http_call *start(struct http_transport *transport, const struct http_request *request,
                               struct error *err) {
    struct http_curl *t = (struct http_curl *)transport;
    struct http_call *call = http_call_create(t, request, err);
    if (call == NULL)
        return NULL;
    list_append(&t->calls, &call->link);
    t->call_count++;
    if (hold(call))
        return call;
    if (t->inside) {
        t->untidy = true;
        return call;
    }
    set_limit(t);
    if (admit(call) == CURLE_OK)
        return call;
    drop(call);
    error_set(err, ERROR_NOMEM, "%s %s: no memory", request->method, request->url);
    return NULL;
}

static void cancel(struct http_transport *transport, struct http_call *call) {
    struct http_curl *t = (struct http_curl *)transport;
    if (call == NULL || call->state == HTTP_CALL_DONE)
        return; /* finish() frees it */
    if (!t->inside || call->state != HTTP_CALL_RUNNING) {
        drop(call);
        return;
    }
    call->state = HTTP_CALL_CANCELLED;
    t->untidy = true;
}

static void destroy(struct http_transport *transport) {
    struct http_curl *t = (struct http_curl *)transport;
    if (t == NULL)
        return;
    assert(!t->inside); /* not from a callback */
    while (!list_empty(&t->calls))
        drop(CONTAINER_OF(t->calls.next, struct http_call, link));
    curl_multi_cleanup(t->multi);
    loop_timer_stop(&t->timer);
    struct map_entry *entry;
    for (size_t at = 0; (entry = map_next(&t->hosts, &at));) {
        loop_timer_stop(&((struct http_host *)entry->value)->patience);
        mem_free(entry->value);
    }
    map_finish(&t->hosts);
    mem_free(t);
    curl_global_cleanup();
}

struct http_transport *http_curl_create(struct loop *loop, struct error *err) {
    /* Counted by curl; the first one sets the allocator of the process. */
    if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, mem_free, mem_realloc, mem_strdup,
                             mem_calloc) != CURLE_OK) {
        error_set(err, ERROR_NOMEM, "no memory for the HTTP client");
        return NULL;
    }
    struct http_curl *t = mem_zalloc(sizeof *t);
    if (t)
        t->multi = curl_multi_init();
    if (t == NULL || t->multi == NULL) {
        mem_free(t);
        curl_global_cleanup();
        error_set(err, ERROR_NOMEM, "no memory for the HTTP client");
        return NULL;
    }
    t->some = (struct http_host){.transport = t, .known = true};
    t->base = (struct http_transport){start, cancel, destroy};
    t->loop = loop;
    list_init(&t->calls);
    loop_timer_init(loop, &t->timer, on_timer);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
    curl_multi_setopt(t->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)MAX_STREAMS);
    return &t->base;
}
