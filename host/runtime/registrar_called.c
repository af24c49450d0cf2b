#include "base/mem.h"
#include "runtime/registrar_internal.h"
#include "serve/certificate.h"

/* The name by which the API server meets what a clientConfig says: "name.namespace.svc" or a URL's
 * host. NULL: neither is there, or NOMEM. */
static char *called_name(const struct dag *dag, node_t config) {
    struct str url = node_text(dag, node_get(dag, config, str_of("url")));
    node_t service = node_get(dag, config, str_of("service"));
    struct str name = node_text(dag, node_get(dag, service, str_of("name")));
    struct str ns = node_text(dag, node_get(dag, service, str_of("namespace")));
    if (name.len > 0)
        return mem_printf(STR_FORMAT "." STR_FORMAT ".svc", STR_ARG(name), STR_ARG(ns));
    const char *end = url.data + url.len, *at = memchr(url.data ? url.data : "", ':', url.len);
    if (at == NULL || end - at < 4)
        return NULL;
    at += 3; /* "://" */
    bool v6 = *at == '[';
    size_t len = 0;
    at += v6;
    while (at + len < end && (v6 ? at[len] != ']' : at[len] != ':' && at[len] != '/'))
        len++;
    return mem_strndup(at, len);
}

int registrar_check_called(const struct registrar *registrar, const struct dag *dag, node_t object,
                           struct error *err) {
    const char *cert = registrar->options.endpoint->cert;
    node_t webhooks = node_get(dag, object, str_of("webhooks"));
    struct error why;
    for (size_t i = 0; cert && i < node_count(dag, webhooks); i++) {
        node_t config = node_get(dag, node_at(dag, webhooks, i), str_of("clientConfig"));
        CLEANUP(mem_freep) char *name = called_name(dag, config);
        if (name && certificate_check_names(cert, (const char *const[]){name, NULL}, &why) < 0)
            return error_set(err, ERROR_INVALID,
                             "it calls %s, which is not this host: its caBundle is left alone; "
                             "--webhook-service or --webhook-host says by what name we are called "
                             "(%s)",
                             name, why.message);
    }
    return 0;
}
