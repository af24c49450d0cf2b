#include "runtime/worker_internal.h"

/* Ending what the lost thread had to do. The thread may still read all of it, so none is freed; new
 * work that a callback asks for goes to the new thread and to the end of the lists. */

static void end_scripts(struct worker *worker, const struct worker_body *lost) {
    struct list *link, *next, *call, *after;
    LIST_EACH(link, next, &worker->scripts) {
        struct worker_script *script = CONTAINER_OF(link, struct worker_script, link);
        if (script->body != lost)
            continue;
        script->body = NULL;
        LIST_EACH(call, after, &script->core_calls) {
            CONTAINER_OF(call, struct worker_call, core_link)->lost = true;
            worker_call_abort(CONTAINER_OF(call, struct worker_call, core_link));
        }
    }
}

static void end_batches(struct list *batches) {
    while (!list_empty(batches)) {
        struct worker_batch *batch = CONTAINER_OF(batches->next, struct worker_batch, link);
        list_remove(&batch->link);
        batch->aborted = batch->lost = true;
        batch->on_done(batch);
    }
}

static void end_loads(struct worker *worker, struct list *loads) {
    while (!list_empty(loads)) {
        struct load_message *load = CONTAINER_OF(loads->next, struct load_message, link);
        struct error err;
        if (atomic_load(&load->begun))
            error_set(&err, ERROR_UNAVAILABLE, "%s: loading it did not come back",
                      load->source->name);
        else
            error_set(&err, ERROR_CANCELLED, "%s: its thread was given up", load->source->name);
        list_remove(&load->link);
        list_remove(&load->script->link);
        worker->script_count--;
        load->done(load->context, NULL, NULL, &err);
    }
}

static void move_all(struct list *from, struct list *to) {
    list_init(to);
    while (!list_empty(from)) {
        struct list *link = from->next;
        list_remove(link);
        list_append(to, link);
    }
}

/* A thread that does not come back (R19): its scripts end, a new thread takes its place. What the
 * old one holds is lost on purpose; freeing it under a running VM would be worse. */
static void give_up(struct worker *worker) {
    struct worker_body *lost = worker->body;
    int busy = BODY_BUSY;
    if (!atomic_compare_exchange_strong(&lost->state, &busy, BODY_ABANDONED))
        return; /* it has just come back */
    struct error err;
    thread_abandon(worker->thread);
    worker->thread = NULL;
    worker->body = NULL;
    if (worker_body_start(worker, &err) < 0) {
        log_error(worker->options.log, "%s is stuck and cannot be replaced: %s", worker->name,
                  err.message);
        return;
    }
    struct list loads, batches;
    move_all(&worker->loads, &loads);
    move_all(&worker->batches, &batches);
    end_scripts(worker, lost);
    end_batches(&batches);
    end_loads(worker, &loads);
    worker->options.on_lost(worker->options.context, worker);
}

void worker_watch(struct loop_timer *timer) {
    struct worker *worker = CONTAINER_OF(timer, struct worker, watch);
    struct worker_body *body = worker->body;
    uint64_t turn = body ? atomic_load(&body->turn) : 0;
    if (body && atomic_load(&body->state) == BODY_BUSY && turn == worker->seen_turn) {
        worker->seen_ns += NS_PER_S;
        if (worker->seen_ns >= worker->options.stuck_ns)
            give_up(worker);
    } else {
        worker->seen_turn = turn;
        worker->seen_ns = 0;
    }
    loop_timer_start(timer, NS_PER_S);
}
