#ifndef MOONLET_RUNTIME_MANAGER_INTERNAL_H
#define MOONLET_RUNTIME_MANAGER_INTERNAL_H

#include "lease/elector.h"
#include "runtime/manager.h"
#include "runtime/reload.h"

/* What manager.c, manager_end.c and manager_busy.c share. Nothing else includes this. */

struct reclaim { /* a worker's wish that the core frees objects */
    struct message message;
    struct manager *manager;
    uint32_t posted;
};

struct manager {
    struct manager_options options;
    struct host host;
    struct metrics *metrics;
    struct probes *probes;
    struct elector *elector;
    struct settings_map *settings;
    struct loop_signal *signals[2];
    struct loop_timer drain, settle, housekeeping, greeting;
    struct kube_call *greeted;
    struct reclaim reclaim;
    uint64_t trim_ns; /* when to give back what loading left; 0: nothing was loaded */
    unsigned told;    /* signals received */
    int exit_code;
    bool stopping, withdrawn, drained, left, ended;
    bool runs_loop; /* manager_run() waits in it for the end */
};

void manager_end_init(struct manager *manager);
void manager_begin_stop(struct manager *manager, int exit_code);
void manager_changed(struct host *host); /* host->changed */

#endif
