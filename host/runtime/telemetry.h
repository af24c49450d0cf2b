#ifndef MOONLET_RUNTIME_TELEMETRY_H
#define MOONLET_RUNTIME_TELEMETRY_H

#include "runtime/host.h"
#include "serve/metrics.h"

/*
 * Telemetry: the host's metrics, under controller-runtime's names where there is one.
 *
 * Is:      counters that events add to, and collectors that read queues, informers and isolates
 *          when somebody scrapes.
 * Is not:  the registry or its text (serve/metrics.h).
 * Threads: core. Yields: never.
 */
struct telemetry;
struct telemetry *telemetry_create(struct host *host, struct metrics *metrics, struct error *err);
void telemetry_destroy(struct telemetry *telemetry); /* NULL is fine; the registry goes first */

void telemetry_request(struct telemetry *telemetry, const char *method, int status);
void telemetry_result(struct telemetry *telemetry, const char *controller, const char *result,
                      double seconds);
/* A request over HTTPS was answered. */
void telemetry_webhook(struct telemetry *telemetry, const char *webhook, int status,
                       double seconds);
void telemetry_skipped(struct telemetry *telemetry, const char *controller);
void telemetry_reload(struct telemetry *telemetry, const char *file, bool ok);
void telemetry_leader(struct telemetry *telemetry, const char *lease, bool leading);
/* ctx:counter, gauge, histogram: `labels` is a JSON object of strings, or NULL. */
void telemetry_script_metric(struct telemetry *telemetry, const char *controller, const char *type,
                             const char *name, const char *labels, double value);

#endif
