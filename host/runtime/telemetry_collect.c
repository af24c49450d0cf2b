#include <dirent.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/hooks.h"
#include "runtime/intents.h"
#include "runtime/reload.h"
#include "runtime/telemetry_internal.h"

static void collect_controllers(struct telemetry *telemetry) {
    struct list *link, *next;
    LIST_EACH(link, next, &telemetry->host->reload->controllers) {
        const struct controller *controller = CONTAINER_OF(link, struct controller, link);
        const char *name = controller->name;
        struct workqueue_stats stats = workqueue_stats(controller->queue);
        if (controller->removed)
            continue;
        telemetry_set(telemetry, ACTIVE_WORKERS, controller->in_work, name);
        if (controller->edition)
            telemetry_set(telemetry, MAX_CONCURRENT, controller->edition->definition->concurrency,
                          name);
        telemetry_set(telemetry, QUEUE_ADDS, (double)stats.adds, name);
        telemetry_set(telemetry, QUEUE_RETRIES, (double)stats.retries, name);
        telemetry_set(telemetry, QUEUE_DEPTH, (double)stats.depth, name);
        telemetry_set(telemetry, QUEUE_DELAYED, (double)stats.delayed, name);
        telemetry_set(telemetry, QUEUE_UNFINISHED, (double)stats.unfinished_ns / 1e9, name);
        telemetry_set(telemetry, QUEUE_LONGEST, (double)stats.longest_running_ns / 1e9, name);
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
    telemetry_set(telemetry, ISOLATE_BYTES, bytes, file);
    telemetry_set(telemetry, ISOLATE_CPU, seconds, file);
}

/* A kind whose CRD was deleted under a file that is live: it waits as one that never was there. */
static bool lacks_kind(const struct program *program) {
    for (size_t i = 0; i < program->count; i++)
        for (size_t k = 0; k < program->editions[i].feed_count; k++)
            if (informer_resource(program->editions[i].feeds[k].informer) == NULL)
                return true;
    return false;
}

static void collect_files(struct telemetry *telemetry) {
    struct list *link, *next;
    metric_clear(telemetry->families[PROGRAM_STATE]);
    metric_clear(telemetry->families[ISOLATE_BYTES]);
    metric_clear(telemetry->families[ISOLATE_CPU]);
    LIST_EACH(link, next, &telemetry->host->reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        const struct program *program = slot->live ? slot->live : slot->next;
        const char *state = slot->gone                             ? "removed"
                            : slot->live && lacks_kind(slot->live) ? "waiting"
                            : program ? program_state_name(program->state)
                                      : "failed";
        metric_set(telemetry->families[PROGRAM_STATE], 1,
                   (const char *const[]){slot->name, state, NULL});
        if (slot->live)
            collect_isolates(telemetry, slot->name, slot->live);
    }
    telemetry_set(telemetry, RELOAD_SECONDS, (double)telemetry->host->reload->last_swap_ns / 1e9,
                  NULL);
}

static void collect_hooks(struct telemetry *telemetry) {
    const struct hooks *hooks = telemetry->host->hooks;
    int64_t end = hooks_certificate_end(hooks);
    telemetry_set(telemetry, WEBHOOKS_OPEN, (double)hooks_in_flight(hooks), NULL);
    if (end > 0)
        telemetry_set(telemetry, CERTIFICATE_END, (double)end, NULL);
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
        metric_set(telemetry->families[CACHE_SYNCED],
                   informer_state(informer) == INFORMER_SYNCED && informer_resource(informer),
                   kind);
    }
    telemetry_set(telemetry, DAG_BYTES, (double)dag.bytes, NULL);
    telemetry_set(telemetry, DAG_NODES, (double)dag.nodes, NULL);
    telemetry_set(telemetry, INTENTS, (double)intents_count(host->intents), NULL);
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

void telemetry_collect(void *context) {
    struct telemetry *telemetry = context;
    struct host *host = telemetry->host;
    struct event_stats events = event_recorder_stats(host->events);
    collect_controllers(telemetry);
    collect_files(telemetry);
    collect_hooks(telemetry);
    collect_cache(telemetry);
    telemetry_set(telemetry, EVENTS, (double)events.sent, "sent");
    telemetry_set(telemetry, EVENTS, (double)events.dropped, "dropped");
    telemetry_set(telemetry, EVENTS, (double)events.failed, "failed");
    telemetry_set(telemetry, LOG_LOST, (double)__atomic_load_n(&host->log->lost, __ATOMIC_RELAXED),
                  NULL);
    telemetry_set(telemetry, CPU, cpu_seconds(), NULL);
    telemetry_set(telemetry, RSS, resident_bytes(), NULL);
    telemetry_set(telemetry, FDS, open_descriptors(), NULL);
    telemetry_set(telemetry, START, telemetry->started, NULL);
    telemetry_set(telemetry, BUILD, 1, MOONLET_VERSION);
}
