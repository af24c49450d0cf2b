#include "support/controller.h"

#include <stdio.h>

#include "base/mem.h"
#include "runtime/script_engine.h"

enum { CONCURRENCY = 3, DELETES = 3 /* percent of reconciles */ };

struct job {
    struct history *history;
    struct scope scope;
    int slot, wanted;
};

static void key_of(int slot, char key[20]) {
    char ns[8], name[8];
    api_slot_name(slot, ns, name);
    snprintf(key, 20, "%s/%s", ns, name);
}

static int slot_of(struct str key) {
    struct str ns, name;
    workqueue_split_key(key, &ns, &name);
    return api_slot_of(ns, name);
}

static void check_read(struct history *history, int slot) {
    const struct history_ack *ack = &history->acks[slot];
    const struct object *object = history_get(history, slot);
    if (informer_state(history->informer) != INFORMER_SYNCED ||
        ack->restores != history->api.restores) /* what we wrote may be gone for good */
        return;
    if (object && ack->deleted && history_uid(object) == ack->deleted)
        history_fail(history, "slot %d is read alive after our own delete", slot);
    if (ack->version == 0)
        return;
    if (object && object->version < ack->version)
        history_fail(history, "slot %d is read at %d after our own write at %d", slot,
                     (int)object->version, (int)ack->version);
    /* A deletion that the restore took back, and the client does not know that yet. */
    bool undeleted =
        ack->restores > 0 && ack->version <= history->api.restored_to[ack->restores - 1];
    if (object == NULL && !undeleted && !api_deleted_since(&history->api, slot, ack->version))
        history_fail(history, "slot %d is not read after our own write at %d", slot,
                     (int)ack->version);
}

void controller_check_reads(struct history *history) {
    for (int slot = 0; slot < API_SLOTS; slot++)
        check_read(history, slot);
}

static void acknowledge(struct job *job, const struct script_request *request) {
    struct history *history = job->history;
    struct history_ack *ack = &history->acks[job->slot];
    if (ack->restores != history->api.restores)
        *ack = (struct history_ack){.restores = history->api.restores};
    if (request->op == SCRIPT_DELETE) {
        if (request->found)
            ack->deleted = history_uid(job->scope.object);
    } else if (request->object->version > ack->version) {
        ack->version = request->object->version;
    }
    controller_check_reads(history);
}

static void check_skipped(struct job *job, const struct script_request *request) {
    int label, own;
    history_values(job->history, request->object, &label, &own);
    if (own != job->wanted)
        history_fail(job->history, "slot %d: a write was left out that would have set %d to %d",
                     job->slot, own, job->wanted);
}

static void on_done(struct script_request *request) {
    struct job *job = request->context;
    struct history *history = job->history;
    char key[20];
    key_of(job->slot, key);
    sim_tell(&history->sim, "controller: slot %d %s%s", job->slot,
             request->error.code ? request->error.message : "done",
             request->skipped ? " without a write" : "");
    if (request->error.code == 0 && request->skipped)
        check_skipped(job, request);
    else if (request->error.code == 0)
        acknowledge(job, request);
    *(request->skipped ? &history->skipped : &history->sent) += request->error.code == 0;
    if (request->error.code)
        workqueue_add_backoff(history->queue, str_of(key), "retry");
    else
        workqueue_forget(history->queue, str_of(key));
    workqueue_done(history->queue, str_of(key));
    history->in_work--;
    script_request_destroy(request);
    object_unpin(job->scope.object);
    mem_free(job);
    controller_work(history);
}

static struct script_request *make_request(struct job *job) {
    struct history *history = job->history;
    bool delete = history->sim.faulty && sim_chance(&history->sim, DELETES);
    struct script_request *request = script_request_create(delete ? SCRIPT_DELETE : SCRIPT_APPLY);
    struct str uid = object_uid(job->scope.object);
    char ns[8], name[8];
    api_slot_name(job->slot, ns, name);
    request->context = job;
    request->kind = mem_strdup("v1/ConfigMap");
    if (delete) {
        request->ns = mem_strdup(ns);
        request->name = mem_strdup(name);
        request->precondition_uid = mem_strndup(uid.data, uid.len);
    } else {
        strbuf_printf(&request->body,
                      "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\","
                      "\"namespace\":\"%s\"},\"data\":{\"own\":\"%d\"}}",
                      name, ns, job->wanted);
    }
    return request;
}

/* One reconcile. False when there was nothing to write. */
static bool reconcile(struct history *history, int slot) {
    const struct object *object = history_get(history, slot);
    int label, own;
    check_read(history, slot);
    history->reconciles++;
    if (object == NULL)
        return false;
    history_values(history, object, &label, &own);
    struct job *job = mem_zalloc(sizeof *job);
    job->history = history;
    job->slot = slot;
    job->wanted = 10 * label;
    scope_init(&job->scope, &history->host, &history->declaration->definitions[0],
               object_pin(object));
    sim_tell(&history->sim, "controller: slot %d at %d has %d, wants %d", slot,
             (int)object->version, own, job->wanted);
    history->in_work++;
    operation_start(&job->scope, make_request(job), on_done);
    return true;
}

void controller_work(struct history *history) {
    struct workqueue_item item;
    while (history->writing && history->in_work < CONCURRENCY &&
           informer_state(history->informer) == INFORMER_SYNCED &&
           workqueue_get(history->queue, &item)) {
        char key[20];
        snprintf(key, sizeof key, STR_FORMAT, STR_ARG(item.key));
        if (!reconcile(history, slot_of(item.key)))
            workqueue_done(history->queue, str_of(key));
    }
}

static void on_ready(void *context) {
    controller_work(context);
}

void controller_begin(struct history *history) {
    struct workqueue_options options = {.loop = history->sim.loop,
                                        .rng = &history->host.rng,
                                        .name = "sim",
                                        .backoff_max_ns = 60 * NS_PER_S,
                                        .on_ready = on_ready,
                                        .context = history};
    struct error err;
    history->queue = workqueue_create(&options, &err);
}

void controller_end(struct history *history) {
    history->writing = false;
    for (int i = 0; i < 100 && history->in_work > 0; i++) /* writes that were sent are awaited */
        sim_pass(&history->sim, 10 * NS_PER_S);
    if (history->in_work > 0)
        history_fail(history, "writes do not end");
    workqueue_destroy(history->queue);
}

void controller_add(struct history *history, int slot, bool initial) {
    char key[20];
    key_of(slot, key);
    workqueue_add(history->queue, str_of(key), initial ? WORKQUEUE_LOW : WORKQUEUE_LIVE, "event");
}

bool controller_idle(const struct history *history) {
    struct workqueue_stats stats = workqueue_stats(history->queue);
    return !history->writing || (history->in_work == 0 && stats.depth == 0 && stats.delayed == 0);
}

static int reconcile_all(struct history *history) {
    for (int slot = 0; slot < API_SLOTS; slot++)
        controller_add(history, slot, /* initial= */ false);
    sim_pass(&history->sim, NS_PER_S);
    return history_settle(history, 100 * NS_PER_S);
}

int controller_check_noop(struct history *history) {
    if (reconcile_all(history) < 0)
        return -1;
    for (int slot = 0; slot < API_SLOTS; slot++) {
        const struct api_entry *entry = api_state(&history->api, slot, history->api.head);
        if (entry && entry->own != 10 * entry->label)
            return history_fail(history, "slot %d: the controller's work is not done", slot);
    }
    uint64_t writes = history->api.writes, skipped = history->skipped;
    if (reconcile_all(history) < 0)
        return -1;
    if (history->api.writes != writes)
        return history_fail(history, "%d writes that change nothing were sent",
                            (int)(history->api.writes - writes));
    for (int slot = 0; slot < API_SLOTS; slot++)
        skipped += api_state(&history->api, slot, history->api.head) != NULL;
    if (history->skipped != skipped)
        return history_fail(history, "writes that were left out are not counted");
    return 0;
}
