#include "base/mem.h"
#include "runtime/reload.h"

/* Questions about all files at once: is it quiet, settled, ready? */

bool reload_quiet(const struct reload *reload) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->controllers) {
        const struct controller *controller = CONTAINER_OF(link, struct controller, link);
        if (controller->in_work > 0 || controller->event_in_work)
            return false;
    }
    LIST_EACH(link, next, &reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if ((slot->live && slot->live->refs > 0) || !list_empty(&slot->old))
            return false;
    }
    return true;
}

static void cancel_program(struct reload *reload, struct program *program) {
    struct list *link, *next;
    for (size_t i = 0; i < program->count; i++) {
        struct edition *edition = &program->editions[i];
        if (edition->errand)
            errand_stop(edition->errand, 0);
        edition->errand = NULL;
        LIST_EACH(link, next, &reload->controllers)
        controller_cancel_jobs(CONTAINER_OF(link, struct controller, link), edition);
    }
}

void reload_cancel_all(struct reload *reload) {
    struct list *link, *next, *inner, *after;
    LIST_EACH(link, next, &reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (slot->live)
            cancel_program(reload, slot->live);
        LIST_EACH(inner, after, &slot->old)
        cancel_program(reload, CONTAINER_OF(inner, struct program, link));
    }
}

void reload_wake(struct reload *reload) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->controllers)
    controller_pump(CONTAINER_OF(link, struct controller, link));
    LIST_EACH(link, next, &reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        for (size_t i = 0; slot->live && i < slot->live->count; i++)
            if (slot->live->editions[i].errand)
                errand_wake(slot->live->editions[i].errand);
    }
}

bool reload_settled(const struct reload *reload) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (slot->next || (slot->live && (slot->live->refs > 0 || slot->live->inbox.count > 0)))
            return false;
        for (size_t i = 0; slot->live && i < slot->live->count; i++)
            if (slot->live->editions[i].errand && !errand_idle(slot->live->editions[i].errand))
                return false;
    }
    LIST_EACH(link, next, &reload->controllers)
    if (!controller_idle(CONTAINER_OF(link, struct controller, link)))
        return false;
    return true;
}

enum { PATIENCE_S = 120 };

bool reload_ready(const struct reload *reload, struct strbuf *why) {
    struct list *link, *next;
    bool ready = true;
    uint64_t now = loop_now(reload->host->loop);
    if (now - reload->begun_ns > PATIENCE_S * NS_PER_S)
        return true; /* who is ready does not stop to be for a file that comes later */
    LIST_EACH(link, next, &reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        bool again = loop_timer_active(&slot->retry) && !slot->suspended;
        if (slot->live || (slot->next == NULL && !again))
            continue;
        strbuf_printf(why, "%s%s is %s", ready ? "" : "; ", slot->name,
                      again ? "tried again soon: " : program_state_name(slot->next->state));
        if (again)
            strbuf_adds(why, slot->error.message);
        ready = false;
    }
    return ready;
}

bool reload_known(const struct reload *reload) {
    struct list *link, *next;
    uint64_t now = loop_now(reload->host->loop);
    LIST_EACH(link, next, &reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        bool loads = slot->next && now - slot->next->created_ns <= PATIENCE_S * NS_PER_S;
        if (slot->live == NULL && (loads || slot->error.code != 0))
            return false;
    }
    return true;
}

bool reload_any_failed(const struct reload *reload) {
    struct list *link, *next;
    LIST_EACH(link, next, &reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (slot->live == NULL && slot->error.code != 0)
            return true;
    }
    return false;
}
