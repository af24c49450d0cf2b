#include "runtime/probes.h"

#include <string.h>

#include "base/mem.h"
#include "runtime/hooks.h"
#include "runtime/reload.h"
#include "serve/server.h"

struct probes {
    struct probes_options options;
    struct server *metrics_server, *probe_server;
    struct server_route metrics_routes[2], probe_routes[4];
};

static void serve_metrics(void *context, bool verbose, struct server_answer *answer) {
    struct probes *probes = context;
    (void)verbose;
    answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_write(probes->options.metrics, &answer->body);
}

static void serve_healthz(void *context, bool verbose, struct server_answer *answer) {
    (void)context;
    strbuf_adds(&answer->body, verbose ? "[+]ping ok\nhealthz check passed\n" : "ok");
}

static void write_check(struct strbuf *body, const char *name, bool fine, const char *what) {
    strbuf_printf(body, "[%c]%s %s\n", fine ? '+' : '-', name, what);
}

static void serve_readyz(void *context, bool verbose, struct server_answer *answer) {
    struct probes *probes = context;
    const struct host *host = probes->options.host;
    struct strbuf why = {0};
    bool synced = reload_ready(host->reload, &why), hooks = hooks_ready(host->hooks);
    bool ready = synced && hooks && host->reachable && !host->draining;
    if (!ready)
        answer->status = 503;
    if (verbose || !ready) {
        write_check(&answer->body, "api-server", host->reachable,
                    host->reachable ? "ok" : "not reached");
        write_check(&answer->body, "controllers", synced, synced ? "ok" : why.data ? why.data : "");
        write_check(&answer->body, "webhooks", hooks, hooks ? "ok" : "no certificate yet");
        write_check(&answer->body, "running", !host->draining, host->draining ? "draining" : "ok");
        strbuf_printf(&answer->body, "readyz check %s\n", ready ? "passed" : "failed");
    } else {
        strbuf_adds(&answer->body, "ok");
    }
    strbuf_finish(&why);
}

static int start_server(struct probes *probes, const char *address, bool may_move,
                        const struct server_route *routes, const char *what, struct server **ret,
                        struct error *err) {
    if (address == NULL || strcmp(address, "0") == 0 || *address == '\0')
        return 0;
    struct server_options options = {.loop = probes->options.host->loop,
                                     .log = probes->options.host->log,
                                     .address = address,
                                     .may_move = may_move,
                                     .routes = routes};
    *ret = server_start(&options, err);
    if (*ret == NULL)
        return error_prefix(err, "%s", what);
    struct log_field fields[] = {{"address", server_address(*ret), false}, {0}};
    log_emit(probes->options.host->log, LOG_INFO, fields, "%s", what);
    return 0;
}

static struct server_route
route(const char *path, void (*handle)(void *context, bool verbose, struct server_answer *answer),
      struct probes *probes) {
    return (struct server_route){.path = path, .handle = handle, .context = probes};
}

static int start_servers(struct probes *probes, struct error *err) {
    const struct probes_options *options = &probes->options;
    probes->metrics_routes[0] = route("/metrics", serve_metrics, probes);
    probes->probe_routes[0] = route("/healthz", serve_healthz, probes);
    probes->probe_routes[1] = route("/readyz", serve_readyz, probes);
    probes->probe_routes[2] = route("/livez", serve_healthz, probes);
    int rc = start_server(probes, options->metrics_address, options->metrics_may_move,
                          probes->metrics_routes, "serving metrics", &probes->metrics_server, err);
    return rc < 0 ? rc
                  : start_server(probes, options->probe_address, options->probe_may_move,
                                 probes->probe_routes, "serving health probes",
                                 &probes->probe_server, err);
}

struct probes *probes_start(const struct probes_options *options, struct error *err) {
    struct probes *probes = mem_zalloc(sizeof *probes);
    if (probes == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for probes");
        return NULL;
    }
    probes->options = *options;
    if (start_servers(probes, err) == 0)
        return probes;
    probes_stop(probes);
    return NULL;
}

void probes_stop(struct probes *probes) {
    if (probes == NULL)
        return;
    server_stop(probes->metrics_server);
    server_stop(probes->probe_server);
    mem_free(probes);
}
