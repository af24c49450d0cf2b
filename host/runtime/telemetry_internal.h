#ifndef MOONLET_RUNTIME_TELEMETRY_INTERNAL_H
#define MOONLET_RUNTIME_TELEMETRY_INTERNAL_H

#include "runtime/telemetry.h"

/* For telemetry*.c alone. */

/* Each has its row in telemetry_families.c; CACHE_OBJECTS..CACHE_SYNCED are one informer's. */
enum family {
    REQUESTS,
    RECONCILES,
    RECONCILE_ERRORS,
    RECONCILE_TIME,
    ACTIVE_WORKERS,
    MAX_CONCURRENT,
    QUEUE_ADDS,
    QUEUE_RETRIES,
    QUEUE_DEPTH,
    QUEUE_DELAYED,
    QUEUE_UNFINISHED,
    QUEUE_LONGEST,
    LEADER,
    LOADS,
    LOAD_FAILURES,
    RELOAD_SECONDS,
    SKIPPED,
    WEBHOOKS,
    WEBHOOK_TIME,
    WEBHOOKS_OPEN,
    CERTIFICATE_END,
    INTENTS,
    CACHE_OBJECTS,
    CACHE_BYTES,
    CACHE_EVENTS,
    CACHE_NOOPS,
    CACHE_OWN_WRITES,
    CACHE_PASSED_OVER,
    CACHE_LISTS,
    CACHE_WATCHES,
    CACHE_ERRORS,
    CACHE_SYNCED,
    DAG_BYTES,
    DAG_NODES,
    ISOLATE_BYTES,
    ISOLATE_CPU,
    PROGRAM_STATE,
    EVENTS,
    LOG_LOST,
    CPU,
    RSS,
    FDS,
    START,
    BUILD,
    FAMILIES
};

struct telemetry_family {
    enum metric_type type;
    const char *name, *help;
    const char *const *labels; /* NULL-terminated; NULL: none */
};
extern const struct telemetry_family telemetry_families[FAMILIES];

struct telemetry {
    struct host *host;
    struct metrics *metrics;
    struct metric *families[FAMILIES];
    char *server; /* host of the API server's URL */
    double started;
};

/* For metrics_add_collector(): what is read when somebody scrapes. */
void telemetry_collect(void *telemetry);

/* The value under one label, or under none. */
static inline void telemetry_set(struct telemetry *telemetry, enum family family, double value,
                                 const char *label) {
    metric_set(telemetry->families[family], value, (const char *const[]){label, NULL});
}

#endif
