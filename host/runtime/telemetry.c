#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/telemetry_internal.h"
#include "json/scan.h"

struct telemetry *telemetry_create(struct host *host, struct metrics *metrics, struct error *err) {
    struct telemetry *telemetry = mem_zalloc(sizeof *telemetry);
    if (telemetry == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for metrics");
        return NULL;
    }
    telemetry->host = host;
    telemetry->metrics = metrics;
    telemetry->started = (double)clock_wall(host->clock) / 1e9;
    for (int i = 0; i < FAMILIES; i++) {
        const struct telemetry_family *family = &telemetry_families[i];
        telemetry->families[i] =
            metric_register(metrics, family->type, family->name, family->help, family->labels, err);
        if (telemetry->families[i] == NULL)
            goto failed;
    }
    if (metrics_add_collector(metrics, telemetry_collect, telemetry) == 0)
        return telemetry;
    error_set(err, ERROR_NOMEM, "no memory for metrics");
failed:
    telemetry_destroy(telemetry);
    return NULL;
}

void telemetry_destroy(struct telemetry *telemetry) {
    if (telemetry == NULL)
        return;
    mem_free(telemetry->server);
    mem_free(telemetry);
}

/* "https://127.0.0.1:6443/x" -> "127.0.0.1:6443", once. */
static const char *server_of(struct telemetry *telemetry) {
    if (telemetry->server == NULL && telemetry->host->config) {
        const char *url = telemetry->host->config->server, *at = strstr(url, "://");
        at = at ? at + 3 : url;
        telemetry->server = mem_strndup(at, strcspn(at, "/"));
    }
    return telemetry->server ? telemetry->server : "";
}

void telemetry_request(struct telemetry *telemetry, const char *method, int status) {
    char code[16];
    if (status > 0)
        snprintf(code, sizeof code, "%d", status);
    else
        snprintf(code, sizeof code, "<error>");
    metric_record(telemetry->families[REQUESTS], 1,
                  (const char *const[]){code, method, server_of(telemetry), NULL});
}

void telemetry_result(struct telemetry *telemetry, const char *controller, const char *result,
                      double seconds) {
    const char *const name[] = {controller, NULL};
    metric_record(telemetry->families[RECONCILES], 1,
                  (const char *const[]){controller, result, NULL});
    metric_record(telemetry->families[RECONCILE_ERRORS], strcmp(result, "error") == 0, name);
    metric_record(telemetry->families[RECONCILE_TIME], seconds, name);
}

void telemetry_webhook(struct telemetry *telemetry, const char *webhook, int status,
                       double seconds) {
    char code[16];
    snprintf(code, sizeof code, "%d", status);
    metric_record(telemetry->families[WEBHOOKS], 1, (const char *const[]){webhook, code, NULL});
    metric_record(telemetry->families[WEBHOOK_TIME], seconds, (const char *const[]){webhook, NULL});
}

void telemetry_skipped(struct telemetry *telemetry, const char *controller) {
    metric_record(telemetry->families[SKIPPED], 1, (const char *const[]){controller, NULL});
}

void telemetry_reload(struct telemetry *telemetry, const char *file, bool ok) {
    const char *const name[] = {file, NULL};
    metric_record(telemetry->families[LOADS], 1, name);
    metric_record(telemetry->families[LOAD_FAILURES], !ok, name);
}

void telemetry_leader(struct telemetry *telemetry, const char *lease, bool leading) {
    telemetry_set(telemetry, LEADER, leading, lease);
}

/* Metrics that scripts make, under their own names, with the controller as first label. */

enum { MOST_OWN = 5 };

static size_t read_labels(const char *json, char *texts[2 * MOST_OWN]) {
    struct json_scanner scanner;
    enum json_token token = JSON_TOKEN_NULL;
    size_t count = 0;
    json_scanner_init(&scanner, json, strlen(json));
    while (token != JSON_TOKEN_END && json_next(&scanner, &token, NULL) == 0) {
        bool text =
            token == JSON_TOKEN_KEY || token == JSON_TOKEN_STRING || token == JSON_TOKEN_NUMBER;
        if (text && count < 2 * MOST_OWN &&
            (texts[count] = mem_strndup(scanner.text.data, scanner.text.len)))
            count++;
    }
    json_scanner_finish(&scanner);
    return count;
}

void telemetry_script_metric(struct telemetry *telemetry, const char *controller, const char *type,
                             const char *name, const char *labels, double value) {
    const char *names[MOST_OWN + 2] = {"controller"}, *values[MOST_OWN + 2] = {controller};
    char *texts[2 * MOST_OWN] = {NULL};
    size_t count = labels ? read_labels(labels, texts) : 0;
    struct error err;
    for (size_t i = 0; i + 1 < count; i += 2) {
        names[i / 2 + 1] = texts[i];
        values[i / 2 + 1] = texts[i + 1];
    }
    enum metric_type kind = strcmp(type, "gauge") == 0       ? METRIC_GAUGE
                            : strcmp(type, "histogram") == 0 ? METRIC_HISTOGRAM
                                                             : METRIC_COUNTER;
    struct metric *metric =
        metric_register(telemetry->metrics, kind, name, "From a controller.", names, &err);
    if (metric)
        metric_record(metric, value, values);
    else
        log_warn(telemetry->host->log, "%s: %s", controller, err.message);
    for (size_t i = 0; i < count; i++)
        mem_free(texts[i]);
}
