#include "base/mem.h"
#include "runtime/controller.h"

/* on.event: every change of the primary kind, in order, one call at a time. When more than
 * MOST_WAITING wait, the rest is dropped, reported and made up for by a resync (R9). */

enum { MOST_WAITING = 4096 };

struct edge {
    struct list link;
    const char *event;
    const struct object *object, *old; /* pinned */
};

struct edge_run {
    struct controller *controller;
    struct edition *edition;
    struct edge *edge;
    struct invocation invocation;
};

static void destroy(struct edge *edge) {
    object_unpin(edge->object);
    object_unpin(edge->old);
    mem_free(edge);
}

void edge_clear(struct controller *controller) {
    struct list *link, *next;
    LIST_EACH(link, next, &controller->events) {
        list_remove(link);
        destroy(CONTAINER_OF(link, struct edge, link));
    }
    controller->event_count = 0;
}

static void overflow(struct controller *controller) {
    if (controller->events_overflowed)
        return;
    controller->events_overflowed = true;
    log_warn(controller->host->log,
             "controller %s: on.event is behind by %d changes; later ones are dropped and every "
             "key is reconciled again",
             controller->name, MOST_WAITING);
    if (controller->edition)
        controller_enqueue_all(controller, "resync");
}

void edge_push(struct controller *controller, const struct store_delta *delta) {
    static const char *const names[] = {"added", "updated", "deleted"};
    if (controller->event_count >= MOST_WAITING) {
        overflow(controller);
        return;
    }
    struct edge *edge = mem_zalloc(sizeof *edge);
    if (edge == NULL) {
        overflow(controller);
        return;
    }
    const struct object *object = delta->now ? delta->now : delta->old;
    edge->event = names[delta->change];
    edge->object = object_pin(object);
    edge->old = delta->now && delta->old ? object_pin(delta->old) : NULL;
    list_append(&controller->events, &edge->link);
    controller->event_count++;
    loop_timer_start(&controller->pump, 0);
}

static void on_done(struct invocation *invocation) {
    struct edge_run *run = invocation->context;
    struct controller *controller = run->controller;
    struct program *program = run->edition->program;
    struct script_result *result = &invocation->call.result;
    if (invocation->call.died)
        program->died(program);
    if (result->state == SCRIPT_FAILED) {
        struct log_field fields[10] = {{0}};
        invocation_log_fields(invocation, fields);
        log_emit(controller->host->log, LOG_ERROR, fields, "%s", result->error.message);
    }
    invocation_finish(invocation);
    if (!invocation->call.lost) {
        destroy(run->edge);
        mem_free(run);
    }
    controller->event_in_work = false;
    if (controller->removed)
        controller_destroy(controller);
    else
        loop_timer_start(&controller->pump, 0);
    program_unref(program);
}

void edge_pump(struct controller *controller) {
    struct host *host = controller->host;
    struct edition *edition = controller->edition;
    if (controller->event_in_work || edition == NULL || edition->program->dead || !host->leading ||
        host->draining || list_empty(&controller->events))
        return;
    struct edge *edge = CONTAINER_OF(controller->events.next, struct edge, link);
    struct edge_run *run = mem_zalloc(sizeof *run);
    struct strbuf key = {0};
    struct error err;
    if (run == NULL)
        return; /* the next pump tries again */
    list_remove(&edge->link);
    if (--controller->event_count == 0)
        controller->events_overflowed = false;
    *run = (struct edge_run){.controller = controller, .edition = edition, .edge = edge};
    run->invocation = (struct invocation){.done = on_done, .context = run};
    run->invocation.call.call.event = edge->event;
    controller_key(&key, edge->object);
    program_ref(edition->program);
    controller->event_in_work = true;
    int rc = invocation_start(&run->invocation, host, edition->program->script, edition->definition,
                              edition->index, "on.event", strbuf_view(&key), edge->object,
                              edge->old, &err);
    strbuf_finish(&key);
    if (rc < 0) {
        log_error(host->log, "controller %s: on.event: %s", controller->name, err.message);
        controller->event_in_work = false;
        destroy(edge);
        mem_free(run);
        program_unref(edition->program);
    }
}
