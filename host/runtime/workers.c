#include "runtime/workers.h"

#include <stdio.h>

#include "base/mem.h"
#include "runtime/reload.h"

static void on_lost(void *context, struct worker *worker) {
    struct host *host = context;
    (void)worker;
    log_error(host->log,
              "a worker thread did not come back and was replaced; its controllers are built anew");
    reload_rebuild_lost(host->reload);
}

static struct worker *start_one(struct host *host, const char *kind, size_t number,
                                struct error *err) {
    char name[32];
    snprintf(name, sizeof name, "%s-%zu", kind, number);
    struct worker_options options = {.core = host->loop,
                                     .engine = host->engine,
                                     .log = host->log,
                                     .epochs = host->epochs,
                                     .name = name,
                                     .host_name = host->identity,
                                     .host_namespace = host->ns,
                                     .on_core = host->on_core,
                                     .on_lost = on_lost,
                                     .context = host};
    return worker_start(&options, err);
}

int workers_start(struct host *host, const struct workers_options *options, struct error *err) {
    size_t count = options->count ? options->count : 2;
    host->engine = options->engine;
    host->identity = options->identity;
    host->on_core = options->on_core;
    host->workers = mem_calloc(count, sizeof(struct worker *));
    host->serving_workers = mem_calloc(WORKERS_SERVING_MOST, sizeof(struct worker *));
    if (host->workers == NULL || host->serving_workers == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for workers");
    for (size_t i = 0; i < count; i++) {
        host->workers[i] = start_one(host, "worker", i + 1, err);
        if (host->workers[i] == NULL)
            return err->code;
        host->worker_count++;
    }
    return 0;
}

void workers_stop(struct host *host) {
    for (size_t i = 0; i < host->worker_count; i++)
        worker_stop(host->workers[i]);
    for (size_t i = 0; i < host->serving_worker_count; i++)
        worker_stop(host->serving_workers[i]);
    mem_free(host->workers);
    mem_free(host->serving_workers);
}

static struct worker *least(struct worker *const *workers, size_t count) {
    struct worker *best = workers[0];
    for (size_t i = 1; i < count; i++)
        if (worker_scripts(workers[i]) < worker_scripts(best))
            best = workers[i];
    return best;
}

struct worker *workers_choose(const struct host *host) {
    return least(host->workers, host->worker_count);
}

struct worker *workers_choose_serving(struct host *host, struct error *err) {
    size_t count = host->serving_worker_count;
    struct worker *best = count ? least(host->serving_workers, count) : NULL;
    if (best && (worker_scripts(best) == 0 || count == WORKERS_SERVING_MOST))
        return best;
    struct worker *fresh = start_one(host, "serving", count + 1, err);
    if (fresh)
        host->serving_workers[host->serving_worker_count++] = fresh;
    return fresh;
}
