#ifndef MOONLET_RUNTIME_RELOAD_H
#define MOONLET_RUNTIME_RELOAD_H

#include "runtime/controller.h"
#include "runtime/errand.h"
#include "runtime/folder.h"
#include "runtime/install.h"

/*
 * Reload: which version of each file is live.
 *
 * Is:      scan -> compare hashes -> load the new version beside the old -> swap when it is ready
 *          (R14, R15); any failure keeps the old one. Removing a file drains it.
 * Is not:  the steps of one version (runtime/program.h).
 * Threads: core. Yields: never.
 */
struct slot { /* one controller file */
    struct list link;
    struct reload *reload;
    char *name;
    uint64_t wanted_hash;    /* of the last source that was tried */
    struct program *live;    /* NULL: none yet */
    struct program *next;    /* being loaded, or waiting to be ready; NULL: none */
    struct error error;      /* of the last load; code 0 = fine */
    struct loop_timer retry; /* after a failure that is not the file's */
    struct loop_timer grace; /* then jobs of the old version are cancelled */
    struct list old;         /* retired programs with calls under way */
    unsigned env_failures;
    uint64_t rebuilt_ns[3]; /* R19: when its isolate died last */
    bool gone;              /* the file was removed */
    bool suspended;         /* R19: too many deaths */
    uint64_t loads, load_failures;
};

struct reload {
    struct host *host;
    const char *const *folders;
    int (*sources)(void *context, struct source_set *set, struct error *err); /* or NULL: folders */
    void *sources_context;
    char *config; /* JSON, or NULL */
    struct folder_watch *watch;
    struct list slots;
    struct list controllers; /* struct controller.link */
    struct loop_timer rescan;
    bool scanned; /* once at least */
    bool polls;   /* said that folders are polled */
    uint64_t begun_ns;
    uint64_t swaps, failures;
    uint64_t last_swap_ns; /* how long the last one took from notice to live */
    void (*on_outcome)(struct reload *reload, struct slot *slot, bool ok);
};

struct reload *reload_create(struct host *host, const char *const *folders, const char *config,
                             bool watch, struct error *err);
/* From now on the sources come from there, and not from the folders. */
void reload_use_sources(struct reload *reload,
                        int (*sources)(void *context, struct source_set *set, struct error *err),
                        void *context);
/* Scans now. Folders that cannot be read are an error only here. */
int reload_scan(struct reload *reload, struct error *err);
/* New config values: every file is loaded anew. Takes a copy. */
void reload_set_config(struct reload *reload, const char *config);
/* Drain: no new work; `true` when nothing is in work. */
bool reload_quiet(const struct reload *reload);
void reload_cancel_all(struct reload *reload);
void reload_destroy(struct reload *reload); /* everything quiet by then; NULL is fine */

/* Webhooks were unregistered, or draining has begun: what only waited for that goes. */
void reload_free_quiet(struct reload *reload);

/* A worker's thread was lost: the files that ran on it are loaded anew. */
void reload_rebuild_lost(struct reload *reload);

/* Leadership changed or draining began. */
void reload_wake(struct reload *reload);
/* --once: every file is live or failed, nothing is queued or in work. */
bool reload_settled(const struct reload *reload);
/* R10: every file is live, or has failed for reasons of its own, or the start is 2 minutes ago. */
bool reload_ready(const struct reload *reload, struct strbuf *why);
/* Is it known what each file declares? One that loads for 2 minutes is not waited for. */
bool reload_known(const struct reload *reload);
bool reload_any_failed(const struct reload *reload);

#endif
