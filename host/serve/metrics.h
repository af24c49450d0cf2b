#ifndef MOONLET_SERVE_METRICS_H
#define MOONLET_SERVE_METRICS_H

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

/*
 * Metrics: counters, gauges and histograms with labels, as Prometheus text (exposition 0.0.4).
 *
 * Is:      the registry and its text; families come out in the order of registration.
 * Is not:  a server (serve/server.h) or the list of what moonlet measures (runtime/telemetry.h).
 * Limits:  1,000 label sets a family; more are counted in moonlet_metrics_dropped_total.
 * Threads: core. Yields: never.
 */
enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metrics;
struct metric; /* one family */
struct metrics *metrics_create(struct error *err);
void metrics_destroy(struct metrics *metrics); /* NULL is fine */

/* Registers a family or gives the one of that name. `labels` are its label names, NULL-terminated,
 * at most 6; everything is copied. NULL: NOMEM; INVALID: the name is
 * taken by another type or label list, or is not a metric name. */
struct metric *metric_register(struct metrics *metrics, enum metric_type type, const char *name,
                               const char *help, const char *const *labels, struct error *err);
/* The values of its labels in order, NULL-terminated. Counter: adds; gauge: sets; histogram:
 * observes (seconds; controller-runtime's buckets). */
void metric_record(struct metric *metric, double value, const char *const *values);
/* A counter whose total is known elsewhere: sets. */
void metric_set(struct metric *metric, double value, const char *const *values);
/* A gauge or total that has several parts: adds to what metric_clear() left empty. */
void metric_set_add(struct metric *metric, double value, const char *const *values);
/* Forgets all label sets, before a collector fills it anew. */
void metric_clear(struct metric *metric);

/* Called before each exposition, to bring gauges up to date. 0 or NOMEM. */
int metrics_add_collector(struct metrics *metrics, void (*collect)(void *context), void *context);
/* Appends the text. */
void metrics_write(struct metrics *metrics, struct strbuf *buf);

#endif
