#ifndef MOONLET_HTTP_INTERNAL_H
#define MOONLET_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "base/list.h"
#include "base/map.h"
#include "http/http.h"

/*
 * What http/curl.c (the multi handle in the loop) and http/call.c (one exchange) share. curl's
 * types do not leave this room.
 */
enum {
    HTTP_HEAD_MAX = 256 * 1024, /* bytes of an answer's header lines */
    HTTP_HEADERS_MAX = 1000,
    HTTP_HOSTS_MAX = 1000 /* remembered by one transport */
};

enum http_call_state {
    HTTP_CALL_HELD,      /* waits for the host's probe */
    HTTP_CALL_QUEUED,    /* started from inside a callback; joins the multi handle after it */
    HTTP_CALL_RUNNING,   /* in the multi handle */
    HTTP_CALL_CANCELLED, /* cancelled from inside a callback; freed after it */
    HTTP_CALL_DONE       /* in its last callback */
};

/* Until a host has shown what it speaks, one call goes ahead (the probe) and the others are held
 * for a moment, so that five hundred watches do not open a connection each. */
struct http_host {
    struct http_curl *transport;
    struct loop_timer patience; /* ends the holding when the probe stays silent */
    struct http_call *probe;    /* NULL: none, or it has ended */
    bool holding;               /* new calls are held */
    bool known;                 /* an answer came, or it is plain http, which has no ALPN */
    bool h2;                    /* ALPN has shown it */
};

struct http_curl {
    struct http_transport base; /* first: cast from it */
    struct loop *loop;
    CURLM *multi;
    struct loop_timer timer;
    struct list calls;     /* struct http_call, all of them */
    size_t call_count;     /* in `calls` */
    struct map hosts;      /* "https://host:port" -> struct http_host; at most HTTP_HOSTS_MAX */
    struct http_host some; /* stands for the hosts above that */
    size_t other_hosts;    /* of `hosts`, those that have not shown HTTP/2 */
    long limit;            /* CURLMOPT_MAX_HOST_CONNECTIONS as set; 0 = none */
    bool inside;           /* curl is on the stack: handles can be neither added nor removed */
    bool untidy;           /* some call is QUEUED or CANCELLED */
};

struct http_call {
    struct list link; /* in http_curl.calls */
    struct http_curl *transport;
    struct http_host *host;
    enum http_call_state state;
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    struct http_request request; /* pointers into the caller's memory are not kept, but tls */
    char text[CURL_ERROR_SIZE];
    struct error failure; /* why a callback of ours stopped the exchange; code 0 = none */

    struct http_answer answer;
    struct http_header *list; /* answer.headers */
    size_t list_cap;
    struct strbuf head; /* "name\0value\0" of each header */
    bool headers_done;  /* on_headers was called */
    bool h2;            /* the status line said HTTP/2 */
    bool sent;          /* curl began to send it; a POST or PATCH is not sent twice */
    struct strbuf body;
    size_t received;
};

/* NULL with err INVALID or NOMEM; not yet in the multi handle. */
struct http_call *http_call_create(struct http_curl *transport, const struct http_request *request,
                                   struct error *err);
/* Says whether to wait for a connection that others use; before it joins the multi handle. */
void http_call_share(struct http_call *call, bool share);
void http_call_free(struct http_call *call); /* must be out of the multi handle */
/* Fills err from what curl says and returns its code, or 0. */
int http_call_result(struct http_call *call, CURLcode code, struct error *err);

/* The host of a URL, remembered; NULL: no memory. Lives as long as the transport. */
struct http_host *http_curl_host(struct http_curl *transport, const char *url);
/* An answer showed how its host talks; R21. */
void http_curl_learn(struct http_curl *transport, struct http_host *host, bool h2);

#endif
