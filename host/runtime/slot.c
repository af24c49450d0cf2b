#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/hooks.h"
#include "runtime/reload_internal.h"
#include "runtime/removal.h"

/* One file: its version in the making, its swap, its failures. */

static void on_changed(struct program *program);
static void on_died(struct program *program);

static struct controller *find_controller(struct reload *reload, const char *name) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->controllers) {
        struct controller *controller = CONTAINER_OF(link, struct controller, link);
        if (!controller->removed && strcmp(controller->name, name) == 0)
            return controller;
    }
    return NULL;
}

void slot_load(struct slot *slot, struct script_source *source) {
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
    slot_load(slot, slot->live->source);
    slot->wanted_hash = tried;
}

/* Outcomes are visible in the log, the metric and as an Event. */
void slot_report_failure(struct slot *slot, const struct error *err) {
    struct reload *reload = slot->reload;
    struct log_field fields[] = {{"file", slot->name, false},
                                 {"then",
                                  slot->live ? "the previous version keeps running"
                                  : loop_timer_active(&slot->retry) ? "it is tried again"
                                                                    : "it does not run",
                                  false},
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
    bool rebuilds = dead && slot->live->source->hash != hash;
    if (environment && !rebuilds) {
        uint64_t wait = (1 * NS_PER_S) << (slot->env_failures < 5 ? slot->env_failures : 5);
        slot->env_failures++;
        loop_timer_start(&slot->retry, wait);
    }
    slot_report_failure(slot, &err);
    if (rebuilds) /* what shall keep running */
        rebuild(slot);
    slot->reload->host->changed(slot->reload->host);
}

/* Swap */

void slot_detach(struct slot *slot, struct program *old, uint64_t grace_ns) {
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

static int attach(struct slot *slot, struct program *program, enum controller_start start,
                  struct error *err) {
    struct reload *owner = slot->reload;
    for (size_t i = 0; i < program->count; i++) {
        struct edition *edition = &program->editions[i];
        enum definition_type type = edition->definition->type;
        if (type == DEFINITION_WEBHOOK || type == DEFINITION_CONVERSION)
            continue; /* runtime/hooks.h finds it when it is asked for */
        if (type != DEFINITION_CONTROLLER) {
            edition->errand = errand_begin(edition, err);
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
        controller_adopt(controller, edition, start);
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
void slot_drop_missing(struct slot *slot, const struct program *old,
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
void slot_free_quiet(struct slot *slot) {
    const struct host *host = slot->reload->host;
    struct list *link, *next;
    bool called = slot->live == NULL && !host->draining && !hooks_settled(host->hooks);
    LIST_EACH(link, next, &slot->old) {
        struct program *program = CONTAINER_OF(link, struct program, link);
        if (!called || program->serving == NULL)
            program_destroy(program);
    }
}

static void report_swap(struct slot *slot, const struct program *program, bool reload,
                        const struct script_source *before) {
    struct host *host = slot->reload->host;
    char took[32], changed[256] = "";
    if (before)
        source_first_change(before, program->source, changed, sizeof changed);
    uint64_t ns = loop_now(host->loop) - program->created_ns;
    snprintf(took, sizeof took, "%.1f", (double)ns / 1e6);
    struct log_field fields[] = {{"file", slot->name, false},
                                 {"ms", took, true},
                                 {"changed", changed[0] ? changed : NULL, false},
                                 {0}};
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
    bool rebuilt = old && old->dead && old->source->hash == program->source->hash;
    struct script_source *before = old ? script_source_ref(old->source) : NULL;
    slot->next = NULL;
    program->before = NULL;
    if (old)
        slot_detach(slot, old, slot->reload->host->reload_grace_ns);
    slot->live = program;
    if (attach(slot, program,
               rebuilt  ? CONTROLLER_REBUILD
               : reload ? CONTROLLER_RELOAD
                        : CONTROLLER_FIRST,
               &err) < 0)
        slot_report_failure(slot, &err);
    if (old)
        slot_drop_missing(slot, old, program);
    slot_free_quiet(slot);
    slot->error.code = 0;
    slot->env_failures = 0;
    slot->suspended = false;
    report_swap(slot, program, reload, before);
    script_source_unref(before);
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
    error_set(&slot->error, ERROR_NOMEM,
              "its isolate died again after three rebuilds in a minute; suspended until the file "
              "changes or 5 minutes have passed");
    log_error(host->log, "%s: %s", slot->name, slot->error.message);
    slot->suspended = true;
    if (slot->reload->on_outcome)
        slot->reload->on_outcome(slot->reload, slot, /* ok= */ false);
    slot->live = NULL; /* no successor is being loaded, see above */
    slot_detach(slot, program, 0);
    loop_timer_start(&slot->retry, 300 * NS_PER_S);
}

void slot_rebuild_lost(struct slot *slot) {
    if (slot->next && program_lost(slot->next))
        slot_load(slot, slot->next->source);
    if (slot->live && program_lost(slot->live))
        on_died(slot->live);
}

void slot_on_grace(struct loop_timer *timer) {
    struct slot *slot = CONTAINER_OF(timer, struct slot, grace);
    struct list *link, *next, *inner, *after;
    LIST_EACH(link, next, &slot->old) {
        struct program *program = CONTAINER_OF(link, struct program, link);
        for (size_t i = 0; i < program->count; i++)
            LIST_EACH(inner, after, &slot->reload->controllers)
        controller_cancel_jobs(CONTAINER_OF(inner, struct controller, link), &program->editions[i]);
    }
    slot_free_quiet(slot);
}

void slot_on_retry(struct loop_timer *timer) {
    struct slot *slot = CONTAINER_OF(timer, struct slot, retry);
    slot->wanted_hash = 0;
    loop_timer_start(&slot->reload->rescan, 0);
}
