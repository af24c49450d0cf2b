#include "runtime/reload.h"

#include <string.h>

#include "base/mem.h"
#include "runtime/hooks.h"
#include "runtime/reload_internal.h"

static void slot_destroy(struct slot *slot);

void reload_free_quiet(struct reload *reload) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->slots)
    slot_free_quiet(CONTAINER_OF(link, struct slot, link));
}

void reload_rebuild_lost(struct reload *reload) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->slots)
    slot_rebuild_lost(CONTAINER_OF(link, struct slot, link));
}

/* Scan */

static struct slot *find_slot(struct reload *reload, const char *name) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (strcmp(slot->name, name) == 0)
            return slot;
    }
    return NULL;
}

static struct slot *slot_create(struct reload *reload, const char *name) {
    struct slot *slot = mem_zalloc(sizeof *slot);
    if (slot == NULL || (slot->name = mem_strdup(name)) == NULL) {
        mem_free(slot);
        return NULL;
    }
    slot->reload = reload;
    list_init(&slot->old);
    loop_timer_init(reload->host->loop, &slot->retry, slot_on_retry);
    loop_timer_init(reload->host->loop, &slot->grace, slot_on_grace);
    list_append(&reload->slots, &slot->link);
    return slot;
}

static void remove_slot(struct slot *slot) {
    struct program *live = slot->live;
    slot->gone = true;
    loop_timer_stop(&slot->retry);
    if (slot->next) {
        struct program *next = slot->next;
        slot->next = NULL;
        program_destroy(next);
    }
    slot->live = NULL;
    slot->wanted_hash = 0;
    slot->error.code = 0;
    if (live == NULL)
        return;
    log_info(slot->reload->host->log, "%s: removed; its controllers stop", slot->name);
    slot_detach(slot, live, 30 * NS_PER_S);
    slot_drop_missing(slot, live, NULL);
    hooks_update(slot->reload->host->hooks);
    slot_free_quiet(slot);
}

static void take_entry(struct reload *reload, const char *name, struct source_entry *entry) {
    struct slot *slot = find_slot(reload, name);
    if (slot == NULL)
        slot = slot_create(reload, name);
    if (slot == NULL)
        return; /* the next scan tries again */
    slot->gone = false;
    if (entry->source == NULL) {
        uint64_t hash = str_hash(str_of(entry->error.message));
        if (slot->wanted_hash != hash)
            slot_report_failure(slot, &entry->error);
        slot->wanted_hash = hash;
    } else if (slot->wanted_hash != entry->source->hash) {
        if (slot->live && slot->next == NULL && slot->error.code == 0 &&
            slot->live->source->hash == entry->source->hash && !slot->suspended) {
            slot->wanted_hash = entry->source->hash; /* back to what runs */
            return;
        }
        slot_load(slot, entry->source);
    }
}

static void tell_polling(struct reload *reload) {
    bool polls = folder_watch_polls(reload->watch);
    if (polls && !reload->polls)
        log_warn(reload->host->log,
                 "the system allows no more inotify watches (fs.inotify.max_user_watches): changes "
                 "of controller files are looked for every 2 s");
    reload->polls = polls;
}

int reload_scan(struct reload *reload, struct error *err) {
    struct source_set set = {0};
    struct list *link, *next;
    size_t at = 0;
    int rc = reload->sources ? reload->sources(reload->sources_context, &set, err)
                             : source_scan(reload->folders, &set, err);
    for (struct map_entry *entry; (entry = map_next(&set.by_name, &at));)
        take_entry(reload, entry->key, entry->value);
    LIST_EACH(link, next, &reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        bool there = map_get(&set.by_name, str_of(slot->name)) != NULL;
        if (!there && !slot->gone && rc == 0)
            remove_slot(slot);
    }
    if (rc == 0 && !reload->scanned && set.by_name.count == 0)
        log_info(reload->host->log, "there is no controller file yet; one that comes is loaded");
    reload->scanned = true;
    tell_polling(reload);
    source_set_finish(&set);
    reload->host->changed(reload->host);
    return rc;
}

void reload_use_sources(struct reload *reload,
                        int (*sources)(void *context, struct source_set *set, struct error *err),
                        void *context) {
    reload->sources = sources;
    reload->sources_context = context;
}

static void on_rescan(struct loop_timer *timer) {
    struct reload *reload = CONTAINER_OF(timer, struct reload, rescan);
    struct error err;
    if (reload->host->draining)
        return;
    if (reload_scan(reload, &err) < 0)
        log_error(reload->host->log, "controllers: %s", err.message);
}

static void on_folder(void *context) {
    on_rescan(&((struct reload *)context)->rescan);
}

void reload_set_config(struct reload *reload, const char *config) {
    struct list *link, *next;
    char *copy = mem_strdup(config);
    mem_free(reload->config);
    reload->config = copy;
    LIST_EACH(link, next, &reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        struct program *program = slot->next ? slot->next : slot->live;
        if (program)
            slot_load(slot, program->source);
    }
}

struct reload *reload_create(struct host *host, const char *const *folders, const char *config,
                             bool watch, struct error *err) {
    struct reload *reload = mem_zalloc(sizeof *reload);
    if (reload == NULL || (config && (reload->config = mem_strdup(config)) == NULL)) {
        mem_free(reload);
        error_set(err, ERROR_NOMEM, "no memory to load controllers");
        return NULL;
    }
    reload->host = host;
    reload->begun_ns = loop_now(host->loop);
    reload->folders = folders;
    list_init(&reload->slots);
    list_init(&reload->controllers);
    loop_timer_init(host->loop, &reload->rescan, on_rescan);
    if (watch) {
        reload->watch = folder_watch_create(host->loop, folders, on_folder, reload, err);
        if (reload->watch == NULL) {
            reload_destroy(reload);
            return NULL;
        }
    }
    return reload;
}

static void slot_destroy(struct slot *slot) {
    struct list *link, *next;
    list_remove(&slot->link);
    loop_timer_stop(&slot->retry);
    loop_timer_stop(&slot->grace);
    program_destroy(slot->next);
    program_destroy(slot->live);
    LIST_EACH(link, next, &slot->old) {
        list_remove(link); /* one that a call was left behind in outlives us */
        program_destroy(CONTAINER_OF(link, struct program, link));
    }
    mem_free(slot->name);
    mem_free(slot);
}

void reload_destroy(struct reload *reload) {
    struct list *link, *next;
    if (reload == NULL)
        return;
    folder_watch_destroy(reload->watch);
    loop_timer_stop(&reload->rescan);
    LIST_EACH(link, next, &reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (slot->live)
            slot_detach(slot, slot->live, 0);
        slot->live = NULL;
        slot_destroy(slot);
    }
    LIST_EACH(link, next, &reload->controllers) {
        list_remove(link); /* likewise */
        controller_destroy(CONTAINER_OF(link, struct controller, link));
    }
    mem_free(reload->config);
    mem_free(reload);
}
