#include "support/api.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "support/api_internal.h"

void api_slot_name(int slot, char ns[8], char name[8]) {
    snprintf(ns, 8, "n%d", slot % API_NAMESPACES);
    snprintf(name, 8, "k%d", slot / API_NAMESPACES);
}

int api_slot_of(struct str ns, struct str name) {
    for (int slot = 0; slot < API_SLOTS; slot++) {
        char its_ns[8], its_name[8];
        api_slot_name(slot, its_ns, its_name);
        if (str_is(ns, its_ns) && str_is(name, its_name))
            return slot;
    }
    return API_NONE;
}

const struct api_entry *api_state(const struct api *api, int slot, uint64_t version) {
    for (size_t i = api->count; i-- > 0;) {
        const struct api_entry *entry = &api->log[i];
        if (entry->slot == slot && entry->version <= version)
            return entry->change == API_DELETED ? NULL : entry;
    }
    return NULL;
}

bool api_is_lost(const struct api *api, uint64_t version) {
    bool lost = version > api->head;
    for (uint64_t i = version % API_TIMELINES; !lost && i < api->restores; i++)
        lost = version > api->restored_to[i];
    return lost;
}

bool api_deleted_since(const struct api *api, int slot, uint64_t version) {
    for (size_t i = api->count; i-- > 0 && api->log[i].version > version;)
        if (api->log[i].slot == slot && api->log[i].change == API_DELETED)
            return true;
    return false;
}

static void schedule(struct api_server *server) {
    struct api *api = server->api;
    struct sim *sim = api->options.sim;
    if (server->frozen || server->view == api->head || loop_timer_active(&server->catch_up))
        return;
    uint64_t lag = sim_between(sim, 0, api->options.lag_ns);
    if (sim_happens(sim, SIM_LAG))
        lag = sim_between(sim, NS_PER_S, 200 * NS_PER_S);
    loop_timer_start(&server->catch_up, lag);
}

static void on_catch_up(struct loop_timer *timer) {
    struct api_server *server = CONTAINER_OF(timer, struct api_server, catch_up);
    server->view = server->api->head;
    api_view_changed(server);
}

void api_catch_up(struct api *api) {
    for (unsigned i = 0; i < api->options.servers; i++) {
        loop_timer_stop(&api->servers[i].catch_up);
        on_catch_up(&api->servers[i].catch_up);
    }
}

void api_append(struct api *api, enum api_change change, int slot, int label, int own,
                unsigned uid) {
    struct sim *sim = api->options.sim;
    uint64_t former = 0;
    for (size_t i = api->count; former == 0 && i-- > 0;)
        former = api->log[i].slot == slot ? api->log[i].version : 0;
    if (mem_grow(&api->log, &api->cap, api->count + 1, sizeof *api->log) < 0)
        return;
    api->head += API_TIMELINES * sim_between(sim, 1, 3);
    api->log[api->count++] = (struct api_entry){.version = api->head,
                                                .former = former,
                                                .change = change,
                                                .slot = slot,
                                                .label = label,
                                                .own = own,
                                                .uid = uid};
    sim_tell(sim, "api: %s slot %d uid %u at %d (label %d, own %d)",
             change == API_ADDED      ? "added"
             : change == API_MODIFIED ? "modified"
                                      : "deleted",
             slot, uid, (int)api->head, label, own);
    for (unsigned i = 0; i < api->options.servers; i++)
        schedule(&api->servers[i]);
}

void api_put(struct api *api, int slot, int label) {
    const struct api_entry *now = api_state(api, slot, api->head);
    if (now)
        api_append(api, API_MODIFIED, slot, label, now->own, now->uid);
    else
        api_append(api, API_ADDED, slot, label, API_NONE, ++api->uids);
}

void api_touch(struct api *api, int slot) {
    const struct api_entry *now = api_state(api, slot, api->head);
    if (now)
        api_append(api, API_MODIFIED, slot, now->label, now->own, now->uid);
}

void api_delete(struct api *api, int slot) {
    const struct api_entry *now = api_state(api, slot, api->head);
    if (now)
        api_append(api, API_DELETED, slot, now->label, now->own, now->uid);
}

void api_disturb(struct api *api, int slot) {
    struct sim *sim = api->options.sim;
    int label = (int)sim_between(sim, 0, 9);
    if (api_state(api, slot, api->head) == NULL || sim_chance(sim, 50)) {
        api_put(api, slot, label);
    } else if (sim_chance(sim, 30)) {
        api_touch(api, slot);
    } else {
        api_delete(api, slot);
        if (sim_chance(sim, 50))
            api_put(api, slot, label);
    }
}

void api_compact(struct api *api) {
    sim_tell(api->options.sim, "api: compacted at %d", (int)api->head);
    api->compacted = api->head;
}

void api_restore(struct api *api, uint64_t version, bool bumped) {
    if (api->restores == API_TIMELINES - 1)
        return;
    bumped |= version < api->written;
    api->invented = api->head > api->invented ? api->head : api->invented;
    while (api->count > 0 && api->log[api->count - 1].version > version)
        api->count--;
    api->restored_to[api->restores++] = version;
    api->head = bumped ? api->invented + 1000 : version;
    api->head += API_TIMELINES + api->restores % API_TIMELINES - api->head % API_TIMELINES;
    api->compacted = api->head; /* who watched before must list */
    sim_tell(api->options.sim, "api: restored to %d, now at %d", (int)version, (int)api->head);
    for (unsigned i = 0; i < api->options.servers; i++) {
        loop_timer_stop(&api->servers[i].catch_up);
        api->servers[i].view = api->head;
    }
    sim_wire_break(&api->wire);
}

void api_end_watches(struct api *api, int status) {
    struct list *link, *next;
    LIST_EACH(link, next, &api->requests) {
        struct api_request *request = CONTAINER_OF(link, struct api_request, link);
        if (request->watch)
            api_end_watch(request, status);
    }
}

void api_bookmark(struct api *api) {
    struct list *link, *next;
    LIST_EACH(link, next, &api->requests) {
        struct api_request *request = CONTAINER_OF(link, struct api_request, link);
        if (request->watch && request->begun && request->bookmarks)
            api_send_bookmark(request, /* ends_initial= */ false);
    }
}

void api_init(struct api *api, const struct api_options *options) {
    *api = (struct api){.options = *options, .head = API_TIMELINES};
    struct sim_wire_options wire = {.sim = options->sim,
                                    .serve = api_serve,
                                    .closed = api_closed,
                                    .context = api,
                                    .delay_ns = 20 * NS_PER_MS};
    list_init(&api->requests);
    sim_wire_init(&api->wire, &wire);
    for (unsigned i = 0; i < options->servers; i++) {
        api->servers[i] = (struct api_server){.api = api, .view = api->head};
        loop_timer_init(options->sim->loop, &api->servers[i].catch_up, on_catch_up);
    }
}

void api_finish(struct api *api) {
    for (unsigned i = 0; i < api->options.servers; i++)
        loop_timer_stop(&api->servers[i].catch_up);
    mem_free(api->log);
    api->log = NULL;
}
