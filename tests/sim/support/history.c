#include "support/history.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/intents.h"
#include "support/controller.h"

static const char declared[] =
    "{\"definitions\":[{\"type\":\"controller\",\"name\":\"sim\",\"source\":\"sim.lua:1\","
    "\"resource\":{\"kind\":\"v1/ConfigMap\"},\"writes\":[{\"kind\":\"v1/ConfigMap\"}],"
    "\"handlers\":[\"reconcile\"]}],\"crds\":[]}";

int history_fail(struct history *history, const char *format, ...) {
    va_list args;
    if (history->why[0])
        return -1;
    va_start(args, format);
    vsnprintf(history->why, sizeof history->why, format, args);
    va_end(args);
    sim_tell(&history->sim, "FAILED: %s", history->why);
    return -1;
}

static int number(struct str text) {
    char digits[16];
    if (text.len == 0)
        return API_NONE;
    snprintf(digits, sizeof digits, STR_FORMAT, STR_ARG(text));
    return atoi(digits);
}

void history_values(const struct history *history, const struct object *object, int *ret_label,
                    int *ret_own) {
    const struct dag *dag = history->host.dag;
    *ret_label = number(node_text(dag, node_path(dag, object->root, "metadata.labels.v")));
    *ret_own = number(node_text(dag, node_path(dag, object->root, "data.own")));
}

unsigned history_uid(const struct object *object) {
    struct str uid = object_uid(object);
    return (unsigned)number(str_n(uid.data + 1, uid.len - 1));
}

const struct object *history_get(const struct history *history, int slot) {
    char ns[8], name[8];
    api_slot_name(slot, ns, name);
    return store_get(informer_store(history->informer), str_of(ns), str_of(name));
}

/* Deltas */

static struct history_track track_of(const struct history *history, const struct object *object) {
    struct history_track track = {.there = true,
                                  .version = object->version,
                                  .uid = history_uid(object),
                                  .restores = history->api.restores};
    history_values(history, object, &track.label, &track.own);
    return track;
}

static bool same_values(const struct history_track *a, const struct history_track *b) {
    return a->label == b->label && a->own == b->own;
}

static void check_delta(struct history *history, int slot, const struct store_delta *delta) {
    const struct history_track *was = &history->tracks[slot];
    const struct object *object = delta->now ? delta->now : delta->old;
    struct history_track is = track_of(history, object);
    if (delta->change == STORE_ADDED && was->there)
        history_fail(history, "slot %d is added and was there", slot);
    if (delta->change != STORE_ADDED && !was->there)
        history_fail(history, "slot %d changes and was not there", slot);
    if (delta->change != STORE_ADDED && was->uid != is.uid)
        history_fail(history, "slot %d has UID %u after %u without delete and add", slot, is.uid,
                     was->uid);
    if (delta->change == STORE_UPDATED && same_values(was, &is))
        history_fail(history, "slot %d is changed, and nothing has changed", slot);
    bool synced = informer_state(history->informer) == INFORMER_SYNCED;
    if (is.restores == 0 && synced && is.version < was->version)
        history_fail(history, "slot %d goes back from version %d to %d", slot, (int)was->version,
                     (int)is.version);
    if (delta->change == STORE_UPDATED) {
        struct history_track old = track_of(history, delta->old);
        if (old.uid != was->uid || !same_values(&old, was))
            history_fail(history, "slot %d changes from what was never told", slot);
    }
    if (delta->change == STORE_DELETED && is.version == was->version && !same_values(was, &is))
        history_fail(history, "slot %d is deleted with another state than its last", slot);
}

static void on_delta(struct informer_handler *handler, const struct store_delta *delta) {
    struct history *history = CONTAINER_OF(handler, struct history, handler);
    static const char *const words[] = {"added", "updated", "deleted"};
    const struct object *object = delta->now ? delta->now : delta->old;
    int slot = api_slot_of(object_namespace(object), object_name(object));
    history->deltas++;
    sim_tell(&history->sim, "store: %s slot %d at %d%s", words[delta->change], slot,
             (int)object->version, delta->initial ? " (initial)" : "");
    check_delta(history, slot, delta);
    struct history_track *track = &history->tracks[slot];
    uint64_t version = track->version;
    unsigned restores = track->restores;
    *track = track_of(history, object);
    track->there = delta->now != NULL;
    if (delta->now == NULL && restores == track->restores && version > track->version)
        track->version = version;
    controller_add(history, slot, delta->initial);
}

static void on_state(struct informer_handler *handler, enum informer_state state) {
    struct history *history = CONTAINER_OF(handler, struct history, handler);
    if (state == INFORMER_SYNCED)
        controller_work(history);
}

/* Setting up */

static void on_wake(void *context) {
    (void)context;
}

static int acquire(struct history *history) {
    static const char *const namespaces[] = {"n0", "n1", NULL};
    struct informer_key key = {
        .api_version = "v1", .kind = "ConfigMap", .namespaces = history->split ? namespaces : NULL};
    struct error err;
    history->informer = informer_acquire(history->host.informers, &key, &err);
    if (history->informer == NULL)
        return history_fail(history, "%s", err.message);
    history->handler = (struct informer_handler){.on_delta = on_delta, .on_state = on_state};
    memset(history->tracks, 0, sizeof history->tracks);
    informer_add_handler(history->informer, &history->handler, /* replay= */ true);
    return 0;
}

void history_restart(struct history *history) {
    sim_tell(&history->sim, "client: restarts its informer");
    history->restarts++;
    informer_remove_handler(&history->handler);
    informer_release(history->informer);
    acquire(history);
}

static void begin_host(struct history *history) {
    struct host *host = &history->host;
    struct error err;
    *host = (struct host){.loop = history->sim.loop,
                          .clock = &history->sim.clock.clock,
                          .config = &history->config,
                          .calls = &history->api.wire.base,
                          .watches = &history->api.wire.base,
                          .fetches = &history->api.wire.base,
                          .ns = "n0"};
    rng_init(&host->rng, history->sim.seed + 1);
    struct kube_client_options client = {.loop = host->loop,
                                         .config = host->config,
                                         .watches = host->watches,
                                         .calls = host->calls,
                                         .user_agent = "sim"};
    host->client = kube_client_create(&client, &err);
    host->discovery = discovery_create(host->client, &err);
    host->dag = dag_create(NULL, &err);
    host->epochs = epochs_create(host->dag, on_wake, NULL, &err);
    host->intents = intents_create(host->dag, 100, &err);
    struct informer_set_options informers = {.loop = host->loop,
                                             .client = host->client,
                                             .discovery = host->discovery,
                                             .dag = host->dag,
                                             .epochs = host->epochs,
                                             .rng = &host->rng};
    host->informers = informer_set_create(&informers, &err);
}

int history_begin(struct history *history, const struct history_options *options) {
    struct error err;
    *history = (struct history){
        .blocks = mem_stats().blocks, .config = {.server = "http://api"}, .split = options->split};
    if (sim_init(&history->sim, options->seed, &err) < 0)
        return history_fail(history, "%s", err.message);
    history->sim.told = options->told;
    struct api_options api = options->api;
    api.sim = &history->sim;
    api_init(&history->api, &api);
    begin_host(history);
    history->declaration = declaration_parse(str_of(declared), &err);
    controller_begin(history);
    return acquire(history);
}

int history_finish(struct history *history) {
    struct host *host = &history->host;
    if (history->informer) {
        history->own_writes = informer_stats(history->informer).own_writes;
        informer_remove_handler(&history->handler);
        informer_release(history->informer);
    }
    controller_end(history);
    informer_set_destroy(host->informers);
    intents_destroy(host->intents);
    discovery_destroy(host->discovery);
    kube_client_destroy(host->client);
    epochs_destroy(host->epochs);
    dag_destroy(host->dag);
    declaration_destroy(history->declaration);
    if (!sim_wire_idle(&history->api.wire))
        history_fail(history, "requests are left over");
    api_finish(&history->api);
    sim_finish(&history->sim);
    if (mem_stats().blocks != history->blocks)
        history_fail(history, "%d blocks of memory are left over",
                     (int)(mem_stats().blocks - history->blocks));
    return history->why[0] ? -1 : 0;
}

/* The end */

static bool equal(const struct history *history, int slot) {
    const struct api_entry *there = api_state(&history->api, slot, history->api.head);
    const struct history_track *told = &history->tracks[slot];
    const struct object *object = history_get(history, slot);
    int label = API_NONE, own = API_NONE;
    if (there == NULL || object == NULL)
        return there == NULL && object == NULL && !told->there;
    history_values(history, object, &label, &own);
    return history_uid(object) == there->uid && object->version == there->version &&
           label == there->label && own == there->own && told->there && told->uid == there->uid &&
           told->label == there->label && told->own == there->own;
}

bool history_equal(const struct history *history) {
    bool all = informer_state(history->informer) == INFORMER_SYNCED;
    for (int slot = 0; all && slot < API_SLOTS; slot++)
        all = equal(history, slot);
    return all;
}

static void say_difference(struct history *history) {
    if (informer_state(history->informer) != INFORMER_SYNCED)
        history_fail(history, "the informer does not sync: %s",
                     informer_error(history->informer)->message);
    for (int slot = 0; slot < API_SLOTS; slot++) {
        const struct api_entry *there = api_state(&history->api, slot, history->api.head);
        const struct object *object = history_get(history, slot);
        if (!equal(history, slot))
            history_fail(history, "slot %d is at %d on the server, at %d in the store, %s%d told",
                         slot, there ? (int)there->version : 0, object ? (int)object->version : 0,
                         history->tracks[slot].there ? "" : "gone after ",
                         (int)history->tracks[slot].version);
    }
}

int history_settle(struct history *history, uint64_t ns) {
    uint64_t end = history->sim.clock.mono_ns + ns;
    while (!(history_equal(history) && controller_idle(history)) && history->why[0] == '\0' &&
           history->sim.clock.mono_ns < end)
        sim_pass(&history->sim, 5 * NS_PER_S);
    if (history->why[0])
        return -1;
    if (!history_equal(history))
        say_difference(history);
    else if (!controller_idle(history))
        history_fail(history, "the controller's work does not end");
    return history->why[0] ? -1 : 0;
}
