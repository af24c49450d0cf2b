#include "runtime/reload.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/hooks.h"
#include "runtime/note.h"
#include "runtime/removal.h"

static void on_changed(struct program *program);
static void on_died(struct program *program);
static void slot_destroy(struct slot *slot);

static struct controller *find_controller(struct reload *reload, const char *name) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->controllers) {
        struct controller *controller = CONTAINER_OF(link, struct controller, link);
        if (!controller->removed && strcmp(controller->name, name) == 0)
            return controller;
    }
    return NULL;
}

static void load(struct slot *slot, struct script_source *source) {
    struct reload *reload = slot->reload;
    loop_timer_stop(&slot->retry);
    script_source_ref(source); /* may be that of the program that goes */
    if (slot->next) {          /* a newer edit: the one in the making is dropped */
        struct program *old = slot->next;
        slot->next = NULL;
        program_destroy(old);
    }
    slot->wanted_hash = source->hash;
    slot->loads++;
    slot->next = program_start(reload->host, source, reload->config, slot->live, on_changed,
                               on_died, slot, &slot->error);
    script_source_unref(source);
    if (slot->next)
        return;
    log_error(reload->host->log, "%s: %s", slot->name, slot->error.message);
    loop_timer_start(&slot->retry, NS_PER_S);
}

/* The live version in a new isolate; what was tried after it stays tried. */
static void rebuild(struct slot *slot) {
    uint64_t tried = slot->wanted_hash;
    load(slot, slot->live->source);
    slot->wanted_hash = tried;
}

/* Outcomes are visible in the log, the metric and as an Event. */
static void report_failure(struct slot *slot, const struct error *err) {
    struct reload *reload = slot->reload;
    struct log_field fields[] = {
        {"file", slot->name, false},
        {"then", slot->live ? "the previous version keeps running" : "it does not run", false},
        {0}};
    log_emit(reload->host->log, LOG_ERROR, fields, "%s", err->message);
    slot->error = *err;
    slot->load_failures++;
    reload->failures++;
    if (reload->on_outcome)
        reload->on_outcome(reload, slot, /* ok= */ false);
}

static void on_failed(struct slot *slot, struct program *program) {
    struct error err = program->error;
    uint64_t hash = program->source->hash;
    bool dead = slot->live && slot->live->dead;
    bool environment = program->environment || dead;
    if (program == slot->next)
        slot->next = NULL;
    program_destroy(program);
    report_failure(slot, &err);
    if (dead && slot->live->source->hash != hash) { /* what shall keep running has to be rebuilt */
        rebuild(slot);
    } else if (environment) {
        uint64_t wait = (1 * NS_PER_S) << (slot->env_failures < 5 ? slot->env_failures : 5);
        slot->env_failures++;
        loop_timer_start(&slot->retry, wait);
    }
    slot->reload->host->changed(slot->reload->host);
}

/* Swap */

static void detach(struct slot *slot, struct program *old, uint64_t grace_ns) {
    for (size_t i = 0; i < old->count; i++) {
        struct edition *edition = &old->editions[i];
        if (edition->errand)
            errand_stop(edition->errand, grace_ns);
        edition->errand = NULL;
        if (edition->controller && edition->controller->edition == edition)
            controller_release(edition->controller);
    }
    program_retire(old);
    list_remove(&old->link);
    list_append(&slot->old, &old->link);
    loop_timer_start(&slot->grace, grace_ns);
}

static int attach(struct slot *slot, struct program *program, bool reload, struct error *err) {
    struct reload *owner = slot->reload;
    for (size_t i = 0; i < program->count; i++) {
        struct edition *edition = &program->editions[i];
        enum definition_type type = edition->definition->type;
        if (type == DEFINITION_WEBHOOK || type == DEFINITION_CONVERSION)
            continue; /* runtime/hooks.h finds it when it is asked for */
        if (type != DEFINITION_CONTROLLER) {
            edition->errand = errand_start(edition, err);
            if (edition->errand == NULL)
                return err->code;
            continue;
        }
        struct controller *controller = find_controller(owner, edition->definition->name);
        if (controller == NULL) {
            controller = controller_create(owner->host, edition->definition->name, err);
            if (controller == NULL)
                return err->code;
            list_append(&owner->controllers, &controller->link);
            controller->on_result = owner->host->on_result;
        }
        controller_adopt(controller, edition, reload);
    }
    return 0;
}

/* A name may be free now: the files that failed because it was taken are tried again (R16). */
static void try_names_again(struct reload *reload) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (slot->next || slot->gone || slot->error.code != ERROR_EXISTS)
            continue;
        slot->wanted_hash = 0;
        loop_timer_start(&reload->rescan, 0);
    }
}

/* Controllers that the new version does not have any more. */
static void drop_missing(struct slot *slot, const struct program *old,
                         const struct program *program) {
    for (size_t i = 0; i < old->count; i++) {
        struct controller *controller = old->editions[i].controller;
        bool kept = false;
        for (size_t k = 0; program && k < program->count; k++)
            kept |= program->editions[k].controller == controller;
        if (controller == NULL || kept)
            continue;
        removal_report(slot->reload->host, &old->editions[i]);
        controller_destroy(controller);
    }
    try_names_again(slot->reload);
}

/* Retired programs go as soon as nothing runs in them; of a removed file, once the API server does
 * not call its webhooks any more. */
static void free_quiet(struct slot *slot) {
    const struct host *host = slot->reload->host;
    struct list *link, *next;
    bool called = slot->live == NULL && !host->draining && !hooks_settled(host->hooks);
    LIST_EACH(link, next, &slot->old) {
        struct program *program = CONTAINER_OF(link, struct program, link);
        if (!called || program->serving == NULL)
            program_destroy(program);
    }
}

void reload_free_quiet(struct reload *reload) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->slots)
    free_quiet(CONTAINER_OF(link, struct slot, link));
}

static void report_swap(struct slot *slot, const struct program *program, bool reload) {
    struct host *host = slot->reload->host;
    char took[32];
    uint64_t ns = loop_now(host->loop) - program->created_ns;
    snprintf(took, sizeof took, "%.1f", (double)ns / 1e6);
    struct log_field fields[] = {{"file", slot->name, false}, {"ms", took, true}, {0}};
    log_emit(host->log, LOG_INFO, fields, "%s", reload ? "reloaded" : "running");
    slot->reload->last_swap_ns = ns;
    slot->reload->swaps++;
    if (slot->reload->on_outcome)
        slot->reload->on_outcome(slot->reload, slot, /* ok= */ true);
}

static void swap(struct slot *slot) {
    struct program *program = slot->next, *old = slot->live;
    struct error err;
    bool reload = old != NULL || slot->suspended;
    if (program_go_live(program, &err) < 0) {
        program->error = err;
        on_failed(slot, program);
        return;
    }
    slot->next = NULL;
    program->before = NULL;
    if (old)
        detach(slot, old, slot->reload->host->reload_grace_ns);
    slot->live = program;
    if (attach(slot, program, reload, &err) < 0)
        report_failure(slot, &err);
    if (old)
        drop_missing(slot, old, program);
    free_quiet(slot);
    slot->error.code = 0;
    slot->env_failures = 0;
    slot->suspended = false;
    report_swap(slot, program, reload);
    hooks_update(slot->reload->host->hooks);
    slot->reload->host->changed(slot->reload->host);
}

static void report_waiting(struct slot *slot, const struct program *program) {
    struct strbuf why = {0};
    if (program->error.code != 0 && slot->error.code != program->error.code) {
        program_waits_for(program, &why);
        log_warn(slot->reload->host->log, "%s waits for %s", slot->name,
                 why.data ? why.data : "its informers");
        slot->error = program->error;
    }
    strbuf_finish(&why);
}

static void on_changed(struct program *program) {
    struct slot *slot = program->context;
    if (program != slot->next)
        return;
    if (program->state == PROGRAM_FAILED)
        on_failed(slot, program);
    else if (program->state == PROGRAM_READY)
        swap(slot);
    else if (program->state == PROGRAM_SYNCING)
        report_waiting(slot, program);
}

/* R19: a dead isolate is rebuilt; after three rebuilds in a minute the file is suspended until it
 * changes or 5 minutes have passed. */
static void on_died(struct program *program) {
    struct slot *slot = program->context;
    struct host *host = slot->reload->host;
    uint64_t now = loop_now(host->loop);
    program->dead = true;
    if (program != slot->live || slot->next)
        return;
    bool often = slot->rebuilt_ns[0] != 0 && now - slot->rebuilt_ns[0] < 60 * NS_PER_S;
    slot->rebuilt_ns[0] = slot->rebuilt_ns[1];
    slot->rebuilt_ns[1] = slot->rebuilt_ns[2];
    slot->rebuilt_ns[2] = now;
    if (!often) {
        log_warn(host->log, "%s: its isolate died and is built anew", slot->name);
        rebuild(slot);
        return;
    }
    log_error(host->log,
              "%s: its isolate died again after three rebuilds in a minute; suspended until the "
              "file changes or 5 "
              "minutes have passed",
              slot->name);
    slot->suspended = true;
    slot->live = NULL; /* no successor is being loaded, see above */
    detach(slot, program, 0);
    loop_timer_start(&slot->retry, 300 * NS_PER_S);
}

void reload_rebuild_lost(struct reload *reload) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (slot->next && program_lost(slot->next))
            load(slot, slot->next->source);
        if (slot->live && program_lost(slot->live))
            on_died(slot->live);
    }
}

static void on_grace(struct loop_timer *timer) {
    struct slot *slot = CONTAINER_OF(timer, struct slot, grace);
    struct list *link, *next, *inner, *after;
    LIST_EACH(link, next, &slot->old) {
        struct program *program = CONTAINER_OF(link, struct program, link);
        for (size_t i = 0; i < program->count; i++)
            LIST_EACH(inner, after, &slot->reload->controllers)
        controller_cancel_jobs(CONTAINER_OF(inner, struct controller, link), &program->editions[i]);
    }
    free_quiet(slot);
}

static void on_retry(struct loop_timer *timer) {
    struct slot *slot = CONTAINER_OF(timer, struct slot, retry);
    slot->wanted_hash = 0;
    loop_timer_start(&slot->reload->rescan, 0);
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
    loop_timer_init(reload->host->loop, &slot->retry, on_retry);
    loop_timer_init(reload->host->loop, &slot->grace, on_grace);
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
    detach(slot, live, 30 * NS_PER_S);
    drop_missing(slot, live, NULL);
    hooks_update(slot->reload->host->hooks);
    free_quiet(slot);
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
            report_failure(slot, &entry->error);
        slot->wanted_hash = hash;
    } else if (slot->wanted_hash != entry->source->hash) {
        if (slot->live && slot->next == NULL && slot->error.code == 0 &&
            slot->live->source->hash == entry->source->hash && !slot->suspended) {
            slot->wanted_hash = entry->source->hash; /* back to what runs */
            return;
        }
        load(slot, entry->source);
    }
}

int reload_scan(struct reload *reload, struct error *err) {
    struct source_set set;
    struct list *link, *next;
    size_t at = 0;
    int rc = source_scan(reload->folders, &set, err);
    for (struct map_entry *entry; (entry = map_next(&set.by_name, &at));)
        take_entry(reload, entry->key, entry->value);
    LIST_EACH(link, next, &reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        bool there = map_get(&set.by_name, str_of(slot->name)) != NULL;
        if (!there && !slot->gone && rc == 0)
            remove_slot(slot);
    }
    source_set_finish(&set);
    reload->host->changed(reload->host);
    return rc;
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
            load(slot, program->source);
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
    LIST_EACH(link, next, &slot->old)
    program_destroy(CONTAINER_OF(link, struct program, link));
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
            detach(slot, slot->live, 0);
        slot->live = NULL;
        slot_destroy(slot);
    }
    LIST_EACH(link, next, &reload->controllers)
    controller_destroy(CONTAINER_OF(link, struct controller, link));
    mem_free(reload->config);
    mem_free(reload);
}
