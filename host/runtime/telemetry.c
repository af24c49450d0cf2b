#include "runtime/telemetry.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "runtime/hooks.h"
#include "runtime/intents.h"
#include "runtime/reload.h"
#include "json/scan.h"

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

static const char *const by_controller[] = {"controller", NULL};
static const char *const by_name[] = {"name", NULL};
static const char *const by_kind[] = {"kind", NULL};
static const char *const by_file[] = {"file", NULL};
static const char *const by_result[] = {"controller", "result", NULL};
static const char *const by_code[] = {"code", "method", "host", NULL};
static const char *const by_version[] = {"version", NULL};
static const char *const by_outcome[] = {"outcome", NULL};
static const char *const by_webhook[] = {"webhook", NULL};
static const char *const by_webhook_code[] = {"webhook", "code", NULL};
static const char *const by_state[] = {"file", "state", NULL};

static const struct {
    enum metric_type type;
    const char *name, *help;
    const char *const *labels;
} families[FAMILIES] = {
    [REQUESTS] = {METRIC_COUNTER, "rest_client_requests_total",
                  "HTTP requests to the API server by status code, method and host.", by_code},
    [RECONCILES] = {METRIC_COUNTER, "controller_runtime_reconcile_total",
                    "Reconciliations per controller and result.", by_result},
    [RECONCILE_ERRORS] = {METRIC_COUNTER, "controller_runtime_reconcile_errors_total",
                          "Reconciliations that failed.", by_controller},
    [RECONCILE_TIME] = {METRIC_HISTOGRAM, "controller_runtime_reconcile_time_seconds",
                        "How long a reconciliation took, waiting included.", by_controller},
    [ACTIVE_WORKERS] = {METRIC_GAUGE, "controller_runtime_active_workers", "Keys in work now.",
                        by_controller},
    [MAX_CONCURRENT] = {METRIC_GAUGE, "controller_runtime_max_concurrent_reconciles",
                        "Most keys in work at once.", by_controller},
    [QUEUE_ADDS] = {METRIC_COUNTER, "workqueue_adds_total", "Adds to the workqueue.", by_name},
    [QUEUE_RETRIES] = {METRIC_COUNTER, "workqueue_retries_total",
                       "Adds after a failure, with backoff.", by_name},
    [QUEUE_DEPTH] = {METRIC_GAUGE, "workqueue_depth", "Keys that are ready.", by_name},
    [QUEUE_DELAYED] = {METRIC_GAUGE, "workqueue_delayed", "Keys that wait for their time.",
                       by_name},
    [QUEUE_UNFINISHED] = {METRIC_GAUGE, "workqueue_unfinished_work_seconds",
                          "Time spent so far on keys in work.", by_name},
    [QUEUE_LONGEST] = {METRIC_GAUGE, "workqueue_longest_running_processor_seconds",
                       "Time spent so far on the key longest in work.", by_name},
    [LEADER] = {METRIC_GAUGE, "leader_election_master_status",
                "1 while this process leads, else 0.", by_name},
    [LOADS] = {METRIC_COUNTER, "moonlet_controller_loads_total",
               "Loads of a controller file, failed ones included.", by_file},
    [LOAD_FAILURES] = {METRIC_COUNTER, "moonlet_controller_load_failures_total",
                       "Loads of a controller file that failed.", by_file},
    [RELOAD_SECONDS] = {METRIC_GAUGE, "moonlet_last_reload_seconds",
                        "From the start of the last successful load to its going live.", NULL},
    [SKIPPED] = {METRIC_COUNTER, "moonlet_writes_skipped_total",
                 "Writes not sent because they would have changed nothing.", by_controller},
    [WEBHOOKS] = {METRIC_COUNTER, "controller_runtime_webhook_requests_total",
                  "Admission and conversion requests by HTTP status code.", by_webhook_code},
    [WEBHOOK_TIME] = {METRIC_HISTOGRAM, "controller_runtime_webhook_latency_seconds",
                      "From a request's arrival to its answer.", by_webhook},
    [WEBHOOKS_OPEN] = {METRIC_GAUGE, "moonlet_webhook_requests_in_flight",
                       "Admission and conversion requests in work.", NULL},
    [CERTIFICATE_END] = {METRIC_GAUGE, "moonlet_webhook_certificate_expiry_seconds",
                         "When the certificate webhooks are served with ends, since the epoch.",
                         NULL},
    [INTENTS] = {METRIC_GAUGE, "moonlet_apply_intents", "Remembered applies.", NULL},
    [CACHE_OBJECTS] = {METRIC_GAUGE, "moonlet_cache_objects", "Cached objects by kind.", by_kind},
    [CACHE_BYTES] = {METRIC_GAUGE, "moonlet_cache_bytes",
                     "Bytes of cached objects by kind, what is shared divided; an estimate.",
                     by_kind},
    [CACHE_EVENTS] = {METRIC_COUNTER, "moonlet_watch_events_total", "Watch events by kind.",
                      by_kind},
    [CACHE_NOOPS] = {METRIC_COUNTER, "moonlet_watch_noop_events_total",
                     "Watch events that changed nothing and went no further.", by_kind},
    [CACHE_OWN_WRITES] = {METRIC_COUNTER, "moonlet_cache_own_writes_total",
                          "Own writes that were in the cache before the watch told of them.",
                          by_kind},
    [CACHE_PASSED_OVER] = {METRIC_COUNTER, "moonlet_cache_passed_over_total",
                           "Events and list items passed over, because the cache had something "
                           "newer.",
                           by_kind},
    [CACHE_LISTS] = {METRIC_COUNTER, "moonlet_lists_total", "LIST requests by kind.", by_kind},
    [CACHE_WATCHES] = {METRIC_COUNTER, "moonlet_watches_total", "WATCH requests by kind.", by_kind},
    [CACHE_ERRORS] = {METRIC_COUNTER, "moonlet_watch_errors_total",
                      "Failed lists and watches by kind.", by_kind},
    [CACHE_SYNCED] = {METRIC_GAUGE, "moonlet_informer_synced", "1 when the kind has synced.",
                      by_kind},
    [DAG_BYTES] = {METRIC_GAUGE, "moonlet_cache_node_bytes", "Bytes of interned nodes.", NULL},
    [DAG_NODES] = {METRIC_GAUGE, "moonlet_cache_nodes", "Interned nodes.", NULL},
    [ISOLATE_BYTES] = {METRIC_GAUGE, "moonlet_isolate_memory_bytes",
                       "Memory of a file's Lua state, pinned objects included.", by_file},
    [ISOLATE_CPU] = {METRIC_COUNTER, "moonlet_isolate_cpu_seconds_total",
                     "CPU time of a file's Lua state since it was loaded.", by_file},
    [PROGRAM_STATE] = {METRIC_GAUGE, "moonlet_controller_file_state",
                       "1 for the state each file is in.", by_state},
    [EVENTS] = {METRIC_COUNTER, "moonlet_events_total", "Events by what became of them.",
                by_outcome},
    [LOG_LOST] = {METRIC_COUNTER, "moonlet_log_lines_lost_total",
                  "Log lines that could not be written.", NULL},
    [CPU] = {METRIC_COUNTER, "process_cpu_seconds_total", "User and system CPU time.", NULL},
    [RSS] = {METRIC_GAUGE, "process_resident_memory_bytes", "Resident memory.", NULL},
    [FDS] = {METRIC_GAUGE, "process_open_fds", "Open file descriptors.", NULL},
    [START] = {METRIC_GAUGE, "process_start_time_seconds", "Start, since the epoch.", NULL},
    [BUILD] = {METRIC_GAUGE, "moonlet_build_info", "1; the version is in the label.", by_version},
};

struct telemetry {
    struct host *host;
    struct metrics *metrics;
    struct metric *families[FAMILIES];
    char *server; /* host of the API server's URL */
    double started;
    bool polls; /* said that folders are polled */
};

static void set(struct telemetry *telemetry, enum family family, double value, const char *label) {
    metric_set(telemetry->families[family], value, (const char *const[]){label, NULL});
}

static void collect_controllers(struct telemetry *telemetry) {
    struct list *link, *next;
    LIST_EACH(link, next, &telemetry->host->reload->controllers) {
        const struct controller *controller = CONTAINER_OF(link, struct controller, link);
        const char *name = controller->name;
        struct workqueue_stats stats = workqueue_stats(controller->queue);
        if (controller->removed)
            continue;
        set(telemetry, ACTIVE_WORKERS, controller->in_work, name);
        if (controller->edition)
            set(telemetry, MAX_CONCURRENT, controller->edition->definition->concurrency, name);
        set(telemetry, QUEUE_ADDS, (double)stats.adds, name);
        set(telemetry, QUEUE_RETRIES, (double)stats.retries, name);
        set(telemetry, QUEUE_DEPTH, (double)stats.depth, name);
        set(telemetry, QUEUE_DELAYED, (double)stats.delayed, name);
        set(telemetry, QUEUE_UNFINISHED, (double)stats.unfinished_ns / 1e9, name);
        set(telemetry, QUEUE_LONGEST, (double)stats.longest_running_ns / 1e9, name);
    }
}

/* Both isolates of a file that reconciles and answers webhooks. */
static void collect_isolates(struct telemetry *telemetry, const char *file,
                             const struct program *program) {
    const struct worker_script *scripts[] = {program->script, program->serving};
    double bytes = 0, seconds = 0;
    for (int i = 0; i < 2; i++)
        if (scripts[i]) {
            bytes += (double)worker_script_memory(scripts[i]);
            seconds += (double)worker_script_cpu(scripts[i]) / 1e9;
        }
    set(telemetry, ISOLATE_BYTES, bytes, file);
    set(telemetry, ISOLATE_CPU, seconds, file);
}

static void collect_files(struct telemetry *telemetry) {
    struct list *link, *next;
    metric_clear(telemetry->families[PROGRAM_STATE]);
    metric_clear(telemetry->families[ISOLATE_BYTES]);
    metric_clear(telemetry->families[ISOLATE_CPU]);
    LIST_EACH(link, next, &telemetry->host->reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        const struct program *program = slot->live ? slot->live : slot->next;
        const char *state = slot->gone ? "removed"
                            : program  ? program_state_name(program->state)
                                       : "failed";
        metric_set(telemetry->families[PROGRAM_STATE], 1,
                   (const char *const[]){slot->name, state, NULL});
        if (slot->live)
            collect_isolates(telemetry, slot->name, slot->live);
    }
    set(telemetry, RELOAD_SECONDS, (double)telemetry->host->reload->last_swap_ns / 1e9, NULL);
}

static void collect_hooks(struct telemetry *telemetry) {
    const struct hooks *hooks = telemetry->host->hooks;
    int64_t end = hooks_certificate_end(hooks);
    set(telemetry, WEBHOOKS_OPEN, (double)hooks_in_flight(hooks), NULL);
    if (end > 0)
        set(telemetry, CERTIFICATE_END, (double)end, NULL);
}

static void collect_cache(struct telemetry *telemetry) {
    struct host *host = telemetry->host;
    struct dag_stats dag = dag_stats(host->dag);
    for (enum family f = CACHE_OBJECTS; f <= CACHE_SYNCED; f++)
        metric_clear(telemetry->families[f]);
    for (struct informer *informer = NULL; (informer = informer_next(host->informers, informer));) {
        struct informer_stats stats = informer_stats(informer);
        const char *const kind[] = {informer_kind(informer), NULL};
        const double values[] = {
            (double)stats.objects, (double)stats.bytes,      (double)stats.events,
            (double)stats.noops,   (double)stats.own_writes, (double)stats.passed_over,
            (double)stats.lists,   (double)stats.watches,    (double)stats.errors};
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            metric_set_add(telemetry->families[CACHE_OBJECTS + i], values[i], kind);
        metric_set(telemetry->families[CACHE_SYNCED], informer_state(informer) == INFORMER_SYNCED,
                   kind);
    }
    set(telemetry, DAG_BYTES, (double)dag.bytes, NULL);
    set(telemetry, DAG_NODES, (double)dag.nodes, NULL);
    set(telemetry, INTENTS, (double)intents_count(host->intents), NULL);
}

static double resident_bytes(void) {
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    int got = fscanf(file, "%lu %lu", &size, &resident);
    fclose(file);
    return got == 2 ? (double)resident * (double)sysconf(_SC_PAGESIZE) : 0;
}

static double cpu_seconds(void) {
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int open_descriptors(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder itself */
}

static void collect(void *context) {
    struct telemetry *telemetry = context;
    struct host *host = telemetry->host;
    struct event_stats events = event_recorder_stats(host->events);
    collect_controllers(telemetry);
    collect_files(telemetry);
    collect_hooks(telemetry);
    collect_cache(telemetry);
    set(telemetry, EVENTS, (double)events.sent, "sent");
    set(telemetry, EVENTS, (double)events.dropped, "dropped");
    set(telemetry, EVENTS, (double)events.failed, "failed");
    set(telemetry, LOG_LOST, (double)__atomic_load_n(&host->log->lost, __ATOMIC_RELAXED), NULL);
    set(telemetry, CPU, cpu_seconds(), NULL);
    set(telemetry, RSS, resident_bytes(), NULL);
    set(telemetry, FDS, open_descriptors(), NULL);
    set(telemetry, START, telemetry->started, NULL);
    set(telemetry, BUILD, 1, MOONLET_VERSION);
}

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
        telemetry->families[i] = metric_register(metrics, families[i].type, families[i].name,
                                                 families[i].help, families[i].labels, err);
        if (telemetry->families[i] == NULL)
            goto failed;
    }
    if (metrics_add_collector(metrics, collect, telemetry) == 0)
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
    bool polls = folder_watch_polls(telemetry->host->reload->watch);
    if (polls && !telemetry->polls)
        log_warn(telemetry->host->log,
                 "the system allows no more inotify watches (fs.inotify.max_user_watches): changes "
                 "of controller files are looked for every 2 s");
    telemetry->polls = polls;
    metric_record(telemetry->families[LOADS], 1, name);
    metric_record(telemetry->families[LOAD_FAILURES], !ok, name);
}

void telemetry_leader(struct telemetry *telemetry, const char *lease, bool leading) {
    set(telemetry, LEADER, leading, lease);
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
