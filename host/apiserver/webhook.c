#include "apiserver/webhook.h"

#include <string.h>

#include "base/mem.h"
#include "kube/base64.h"

enum { MAX_ANSWER = 3 << 20 };

struct trust { /* connections are shared by its address, so it stays as long as the server */
    struct list link;
    struct http_tls tls;
    char *ca;
};

void webhook_forget(struct apiserver *server) {
    while (!list_empty(&server->trusts)) {
        struct trust *trust = CONTAINER_OF(server->trusts.next, struct trust, link);
        list_remove(&trust->link);
        mem_free(trust->ca);
        mem_free(trust);
    }
}

/* Takes `ca`. NULL: NOMEM. */
static struct trust *trust_find(struct apiserver *server, char *ca) {
    struct list *link, *next;
    LIST_EACH(link, next, &server->trusts) {
        struct trust *trust = CONTAINER_OF(link, struct trust, link);
        if (strcmp(trust->ca, ca) == 0) {
            mem_free(ca);
            return trust;
        }
    }
    struct trust *trust = mem_zalloc(sizeof *trust);
    if (trust == NULL) {
        mem_free(ca);
        return NULL;
    }
    trust->ca = ca;
    trust->tls = (struct http_tls){.ca_pem = ca};
    list_append(&server->trusts, &trust->link);
    return trust;
}

/* *ret NULL: the system's CAs will do. */
static int read_trust(struct apiserver *server, const json_t *config, const struct http_tls **ret,
                      struct error *err) {
    const char *bundle = document_string(config, "caBundle");
    struct strbuf pem = {0};
    *ret = NULL;
    if (!bundle[0])
        return 0;
    bool good = base64_decode(bundle, &pem) && !pem.failed;
    char *ca = good ? strbuf_take(&pem) : NULL;
    strbuf_finish(&pem);
    if (!good)
        return error_set(err, ERROR_INVALID, "the caBundle is no base64");
    struct trust *trust = ca ? trust_find(server, ca) : NULL;
    if (trust == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for a webhook");
    *ret = &trust->tls;
    return 0;
}

/* What a client of the real server makes of an answer without a Status. */
static void write_refusal(struct strbuf *out, int status, struct str body) {
    if (status == 404)
        strbuf_adds(out, "the server could not find the requested resource");
    else if (status == 405)
        strbuf_adds(out, "the server does not allow this method on the requested resource");
    else if (status == 503)
        strbuf_adds(out, "the server is currently unable to handle the request");
    else if (status >= 500)
        strbuf_printf(out,
                      "an error on the server (\"%.*s\") has prevented the request from succeeding",
                      (int)(body.len < 256 ? body.len : 256), body.data ? body.data : "");
    else if (status == 400)
        strbuf_adds(out, "the server rejected our request for an unknown reason");
    else
        strbuf_printf(out,
                      "the server responded with the status code %d but did not return more "
                      "information",
                      status);
}

static void tell(struct webhook_call *call, json_t *answer, struct strbuf *failure) {
    const char *why = failure->data && !failure->failed ? failure->data : "no memory";
    call->done(call, answer, answer ? NULL : why);
    json_decref(answer);
    strbuf_finish(failure);
}

static void on_done(void *context, const struct http_answer *answer, struct str body,
                    const struct error *err) {
    struct webhook_call *call = context;
    struct strbuf failure = {0};
    struct error why;
    json_t *document = NULL;
    call->http = NULL;
    if (err && err->code == ERROR_TIMEOUT)
        strbuf_printf(&failure, "Post \"%s\": context deadline exceeded", call->url);
    else if (err)
        strbuf_printf(&failure, "Post \"%s\": %s", call->url, err->message);
    else if ((document = document_parse(body, &why)) == NULL && answer->status / 100 == 2)
        strbuf_printf(&failure, "couldn't get version/kind; json parse error: %s", why.message);
    else if (answer->status / 100 != 2 && document_string(document, "message")[0])
        strbuf_adds(&failure, document_string(document, "message"));
    else if (answer->status / 100 != 2)
        write_refusal(&failure, answer->status, body);
    if (failure.len > 0) {
        json_decref(document);
        document = NULL;
    }
    tell(call, document, &failure);
}

static int read_url(struct webhook_call *call, const json_t *config, int64_t timeout_s,
                    struct error *err) {
    const char *url = document_string(config, "url");
    const json_t *service = json_object_get(config, "service");
    if (!url[0])
        return error_set(err, ERROR_INVALID,
                         "service \"%s/%s\": moonlet's embedded API server reaches webhooks by url "
                         "alone",
                         document_string(service, "namespace"), document_string(service, "name"));
    call->url =
        mem_printf("%s%ctimeout=%llds", url, strchr(url, '?') ? '&' : '?', (long long)timeout_s);
    return call->url ? 0 : error_set(err, ERROR_NOMEM, "no memory for a webhook");
}

static int post(struct webhook_call *call, const struct http_tls *tls, int64_t timeout_s,
                const json_t *review, struct error *err) {
    static const struct http_header headers[] = {{"Content-Type", "application/json"},
                                                 {"Accept", "application/json, */*"},
                                                 {"User-Agent", "kube-apiserver-admission"},
                                                 {NULL, NULL}};
    struct strbuf body = {0};
    document_text(review, &body);
    if (body.failed) {
        strbuf_finish(&body);
        return error_set(err, ERROR_NOMEM, "no memory for a review");
    }
    struct http_request request = {.method = "POST",
                                   .url = call->url,
                                   .headers = headers,
                                   .body = strbuf_view(&body),
                                   .tls = tls,
                                   .proxy = "",
                                   .timeout_ns = (uint64_t)timeout_s * NS_PER_S,
                                   .max_body = MAX_ANSWER,
                                   .on_done = on_done,
                                   .context = call};
    call->http = call->server->webhooks->start(call->server->webhooks, &request, err);
    strbuf_finish(&body);
    return call->http ? 0 : err->code;
}

int webhook_call_start(struct apiserver *server, struct webhook_call *call,
                       const json_t *client_config, int64_t timeout_s, const json_t *review,
                       struct error *err) {
    const struct http_tls *tls;
    webhook_call_finish(call);
    call->server = server;
    if (server->webhooks == NULL)
        return error_set(err, ERROR_INVALID, "this API server calls no webhooks");
    if (read_url(call, client_config, timeout_s, err) < 0 ||
        read_trust(server, client_config, &tls, err) < 0)
        return err->code;
    return post(call, tls, timeout_s, review, err);
}

void webhook_call_finish(struct webhook_call *call) {
    if (call->http)
        call->server->webhooks->cancel(call->server->webhooks, call->http);
    call->http = NULL;
    mem_free(call->url);
    call->url = NULL;
}
