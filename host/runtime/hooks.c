#include "runtime/hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "runtime/admission.h"
#include "runtime/conversion.h"
#include "runtime/hooks_internal.h"
#include "runtime/reload.h"
#include "serve/certificate.h"
#include "serve/listen.h"

enum { MOST_CA = 1 << 20 }; /* bytes of --webhook-client-ca */

static void accept_mutate(void *context, struct server_request *request,
                          const struct server_exchange *exchange) {
    admission_accept(context, request, exchange, /* validating= */ false);
}

static void accept_validate(void *context, struct server_request *request,
                            const struct server_exchange *exchange) {
    admission_accept(context, request, exchange, /* validating= */ true);
}

static void accept_convert(void *context, struct server_request *request,
                           const struct server_exchange *exchange) {
    conversion_accept(context, request, exchange);
}

/* Programs that wait for the endpoint; err NULL: it is there. */
static void tell_programs(struct hooks *hooks, const struct error *err) {
    struct list *link, *next;
    LIST_EACH(link, next, &hooks->host->reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (slot->next && slot->next->state == PROGRAM_ENDPOINT)
            program_endpoint(slot->next, err);
    }
}

/* Addresses */

static const char *port_of(const char *address) {
    const char *colon = strrchr(address, ':');
    return colon ? colon + 1 : "";
}

/* What goes into the URL and the certificate: the host without a port, [v6] without brackets. */
static char *host_of(const char *address) {
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : strlen(address);
    if (len > 1 && address[0] == '[' && address[len - 1] == ']')
        return mem_strndup(address + 1, len - 2);
    return mem_strndup(address, len);
}

static int name_service(struct hooks *hooks, struct error *err) {
    const char *service = hooks->options.service, *slash = strchr(service, '/');
    const char *colon = strchr(slash ? slash : service, ':');
    if (registration_check_service(service, err) < 0)
        return error_prefix(err, "--webhook-service");
    int ns = (int)(slash - service);
    int name = colon ? (int)(colon - slash - 1) : (int)strlen(slash + 1);
    hooks->dns[0] = mem_printf("%.*s.%.*s.svc", name, slash + 1, ns, service);
    hooks->dns[1] = mem_printf("%.*s.%.*s.svc.cluster.local", name, slash + 1, ns, service);
    hooks->dns[2] = mem_printf("%.*s.%.*s", name, slash + 1, ns, service);
    for (int i = 0; i < 3; i++)
        if ((hooks->names[i] = hooks->dns[i]) == NULL)
            return error_set(err, ERROR_NOMEM, "no memory for webhooks");
    return 0;
}

/* A name that the API server can reach. */
static int name_host(struct hooks *hooks, struct error *err) {
    const char *address = hooks->options.address ? hooks->options.address : "127.0.0.1:9443";
    hooks->name = hooks->options.host ? mem_strdup(hooks->options.host) : host_of(address);
    if (hooks->name == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for webhooks");
    if (hooks->name[0] == '\0' || strcmp(hooks->name, "0.0.0.0") == 0 ||
        strcmp(hooks->name, "::") == 0)
        return error_set(err, ERROR_INVALID,
                         "webhooks listen on every address (%s): say with --webhook-host what the "
                         "API server shall call",
                         address);
    hooks->names[0] = hooks->name;
    return 0;
}

static int name_url(struct hooks *hooks, struct error *err) {
    char port[16];
    bool v6 = hooks->name && strchr(hooks->name, ':');
    if (hooks->options.service)
        return 0;
    snprintf(port, sizeof port, "%u", hooks->options.port);
    mem_free(hooks->url);
    hooks->url = mem_printf("https://%s%s%s:%s", v6 ? "[" : "", hooks->name, v6 ? "]" : "",
                            hooks->options.port ? port : port_of(server_address(hooks->server)));
    hooks->endpoint.url = hooks->url;
    return hooks->url ? 0 : error_set(err, ERROR_NOMEM, "no memory for webhooks");
}

/* The server starts when there is a certificate, but a port that is given must be free at once. */
static int try_address(const char *address, struct error *err) {
    int fd = listen_open(address, /* may_move= */ false, err);
    if (fd < 0)
        return error_prefix(err, "webhooks");
    close(fd);
    return 0;
}

/* Certificate and server */

static int open_server(struct hooks *hooks, struct error *err) {
    struct server_tls tls = {.cert_pem = certificates_cert(hooks->certificates),
                             .key_pem = certificates_key(hooks->certificates),
                             .client_ca_pem = hooks->client_ca};
    const char *address = hooks->options.address   ? hooks->options.address
                          : hooks->options.service ? ":9443"
                                                   : "127.0.0.1:9443";
    struct server_options options = {.loop = hooks->host->loop,
                                     .log = hooks->host->log,
                                     .address = address,
                                     .may_move = hooks->options.may_move,
                                     .routes = hooks->routes,
                                     .tls = &tls};
    hooks->server = server_start(&options, err);
    if (hooks->server == NULL)
        return error_prefix(err, "webhooks");
    struct log_field fields[] = {{"address", server_address(hooks->server), false}, {0}};
    log_emit(hooks->host->log, LOG_INFO, fields, "serving webhooks");
    hooks->listening = true;
    return name_url(hooks, err);
}

static void on_failed(void *context, const struct error *err) {
    struct hooks *hooks = context;
    log_error(hooks->host->log, "%s", err->message);
    hooks->error = *err;
    if (!hooks->listening)
        tell_programs(hooks, err);
}

static void on_certificate(void *context) {
    struct hooks *hooks = context;
    struct error err;
    bool first = !hooks->listening;
    int rc = first ? open_server(hooks, &err)
                   : server_set_certificate(hooks->server, certificates_cert(hooks->certificates),
                                            certificates_key(hooks->certificates), &err);
    hooks->endpoint.ca = certificates_bundle(hooks->certificates);
    hooks->endpoint.cert = certificates_cert(hooks->certificates);
    if (rc < 0) {
        on_failed(hooks, &err);
        return;
    }
    hooks->error.code = 0;
    if (!first)
        log_info(hooks->host->log, "the certificate for webhooks was renewed");
    registrar_update(hooks->registrar);
    tell_programs(hooks, NULL);
    hooks->host->changed(hooks->host);
}

static int start_certificates(struct hooks *hooks, struct error *err) {
    struct certificates_options options = {.host = hooks->host,
                                           .dir = hooks->options.cert_dir,
                                           .secret = hooks->options.secret,
                                           .names = hooks->names,
                                           .lifetime_ns = hooks->options.lifetime_ns,
                                           .unpublished = hooks->options.mode == REGISTRAR_SKIP,
                                           .changed = on_certificate,
                                           .failed = on_failed,
                                           .context = hooks};
    hooks->certificates = certificates_start(&options, err);
    return hooks->certificates ? 0 : err->code;
}

static void listen_locally(struct hooks *hooks) {
    struct error err;
    if (name_url(hooks, &err) < 0) {
        on_failed(hooks, &err);
        return;
    }
    hooks->endpoint.ca = hooks->options.local_ca;
    hooks->listening = true;
}

struct server_request *hooks_post(struct hooks *hooks, const struct server_local *post,
                                  struct error *err) {
    if (hooks->listening && !hooks->draining)
        return server_post(hooks->routes, post, err);
    error_set(err, ERROR_UNAVAILABLE, "nobody listens for webhooks");
    return NULL;
}

void hooks_need(struct hooks *hooks) {
    struct error err;
    hooks->needed = true;
    if (hooks->options.local_ca && !hooks->listening)
        listen_locally(hooks);
    if (hooks->listening)
        tell_programs(hooks, NULL);
    else if (hooks->certificates == NULL && start_certificates(hooks, &err) < 0)
        tell_programs(hooks, &err);
    else if (hooks->error.code != 0)
        tell_programs(hooks, &hooks->error);
}

bool hooks_ready(const struct hooks *hooks) {
    return !hooks->needed || hooks->listening;
}

const struct registration_endpoint *hooks_endpoint(const struct hooks *hooks) {
    return hooks->listening ? &hooks->endpoint : NULL;
}

void hooks_update(struct hooks *hooks) {
    if (hooks->listening)
        registrar_update(hooks->registrar);
}

static void on_published(void *context) {
    struct hooks *hooks = context;
    if (hooks->certificates)
        certificates_published(hooks->certificates);
    reload_free_quiet(hooks->host->reload);
    hooks->host->changed(hooks->host);
}

bool hooks_settled(const struct hooks *hooks) {
    bool failed = !hooks->listening && hooks->error.code != 0; /* nothing of ours is registered */
    return hooks_quiet(hooks) && (!hooks->needed || failed || registrar_settled(hooks->registrar));
}

size_t hooks_in_flight(const struct hooks *hooks) {
    return hooks->calls;
}

int64_t hooks_certificate_end(const struct hooks *hooks) {
    struct certificate_facts facts;
    struct error err;
    const char *cert = certificates_cert(hooks->certificates);
    return cert && certificate_read(cert, &facts, &err) == 0 ? facts.not_after : 0;
}

/* The end */

bool hooks_quiet(const struct hooks *hooks) {
    return list_empty(&hooks->open);
}

static void on_withdrawn(void *context) {
    struct hooks *hooks = context;
    if (hooks->server)
        server_drain(hooks->server);
    hooks->drained(hooks->drained_context);
}

void hooks_drain(struct hooks *hooks, void (*done)(void *context), void *context) {
    hooks->drained = done;
    hooks->drained_context = context;
    if (hooks->draining)
        return;
    hooks->draining = true;
    if (!hooks->listening)
        done(context);
    else if (hooks->options.service) /* another replica goes on, or this one comes back (R12) */
        on_withdrawn(hooks);
    else
        registrar_withdraw(hooks->registrar, on_withdrawn, hooks);
}

void hooks_cancel_all(struct hooks *hooks) {
    struct list *link, *next;
    LIST_EACH(link, next, &hooks->open) {
        struct hook_call *call = CONTAINER_OF(link, struct hook_call, link);
        if (call->running)
            invocation_cancel(&call->invocation, ERROR_CANCELLED);
    }
}

static int read_client_ca(struct hooks *hooks, struct error *err) {
    const char *path = hooks->options.client_ca;
    struct strbuf text = {0};
    if (path == NULL)
        return 0;
    bool bad = fd_read_file(path, MOST_CA, &text) < 0;
    hooks->client_ca = strbuf_take(&text);
    return bad || hooks->client_ca == NULL
               ? error_set(err, ERROR_INVALID, "--webhook-client-ca %s cannot be read", path)
               : 0;
}

static struct server_route route(const char *path,
                                 void (*accept)(void *context, struct server_request *request,
                                                const struct server_exchange *exchange),
                                 struct hooks *hooks) {
    return (struct server_route){.path = path, .prefix = true, .accept = accept, .context = hooks};
}

struct hooks *hooks_create(struct host *host, const struct hooks_options *options,
                           struct error *err) {
    struct hooks *hooks = mem_zalloc(sizeof *hooks);
    if (hooks == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for webhooks");
        return NULL;
    }
    hooks->host = host;
    hooks->options = *options;
    list_init(&hooks->open);
    hooks->routes[0] = route("/mutate/", accept_mutate, hooks);
    hooks->routes[1] = route("/validate/", accept_validate, hooks);
    hooks->routes[2] = route("/convert/", accept_convert, hooks);
    hooks->endpoint = (struct registration_endpoint){.service = options->service,
                                                     .exclude = options->service ? host->ns : NULL,
                                                     .instance = options->instance};
    struct registrar_options registrar = {.host = host,
                                          .mode = options->mode,
                                          .endpoint = &hooks->endpoint,
                                          .resync_ns = options->resync_ns,
                                          .published = on_published,
                                          .context = hooks};
    int rc = options->service ? name_service(hooks, err) : name_host(hooks, err);
    if (rc == 0 && options->address && !options->may_move)
        rc = try_address(options->address, err);
    if (rc == 0)
        rc = read_client_ca(hooks, err);
    if (rc == 0 && (hooks->registrar = registrar_create(&registrar, err)) != NULL)
        return hooks;
    hooks_destroy(hooks);
    return NULL;
}

void hooks_destroy(struct hooks *hooks) {
    if (hooks == NULL)
        return;
    server_stop(hooks->server);
    registrar_destroy(hooks->registrar);
    certificates_stop(hooks->certificates);
    for (int i = 0; i < 3; i++)
        mem_free(hooks->dns[i]);
    mem_free(hooks->name);
    mem_free(hooks->url);
    mem_free(hooks->client_ca);
    mem_free(hooks);
}
