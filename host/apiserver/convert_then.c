#include <string.h>

#include "apiserver/convert.h"
#include "apiserver/events.h"
#include "base/mem.h"

/* --- for an exchange ----------------------------------------------------------------------- */

struct step { /* x->pending */
    struct api_exchange *x;
    struct conversion *conversion;
    void (*then)(struct api_exchange *x, json_t *converted);
};

static void step_cancel(struct api_exchange *x) {
    struct step *step = x->pending;
    x->pending = NULL;
    x->cancel = NULL;
    conversion_cancel(step->conversion);
    mem_free(step);
}

static void fail(struct api_exchange *x, const char *why) {
    exchange_refuse(x, status_make(500, NULL, NULL, "%s", why));
    exchange_fail(x);
}

static void step_done(void *context, json_t *converted, const char *failure) {
    struct step *step = context;
    struct api_exchange *x = step->x;
    void (*then)(struct api_exchange *, json_t *) = step->then;
    step->conversion = NULL;
    step_cancel(x);
    exchange_enter(x);
    if (failure) {
        fail(x, failure);
    } else if (exchange_kind(x) == NULL) {
        exchange_unserved(x);
        exchange_fail(x);
    } else {
        then(x, converted);
    }
    exchange_leave(x);
}

static bool all_there(const struct api_resource *resource, const json_t *objects,
                      const char *api_version) {
    size_t i;
    json_t *object;
    json_array_foreach(objects, i, object) {
        if (convert_needed(resource, document_string(object, "apiVersion"), api_version))
            return false;
    }
    return true;
}

/* Events need no webhook. */
static void convert_events(struct api_exchange *x, const json_t *events, const char *api_version,
                           void (*then)(struct api_exchange *x, json_t *converted)) {
    json_t *converted = json_array(), *event;
    size_t i;
    int rc = converted == NULL;
    json_array_foreach(events, i, event) {
        rc |= json_array_append_new(converted, events_convert(event, api_version));
    }
    if (rc == 0) {
        then(x, converted);
    } else {
        exchange_nomem(x);
        exchange_fail(x);
    }
    json_decref(converted);
}

void convert_then(struct api_exchange *x, json_t *objects, const char *api_version,
                  void (*then)(struct api_exchange *x, json_t *converted)) {
    struct error err = {0};
    if (objects && all_there(x->kind->resource, objects, api_version)) {
        then(x, objects);
        json_decref(objects);
        return;
    }
    if (objects && kinds_is_view(x->kind->resource)) {
        convert_events(x, objects, api_version, then);
        json_decref(objects);
        return;
    }
    if (objects && !convert_asks(x->kind->resource)) {
        json_t *made = convert_local(x->kind->resource, objects, api_version);
        json_decref(objects);
        if (made) {
            then(x, made);
        } else {
            exchange_nomem(x);
            exchange_fail(x);
        }
        json_decref(made);
        return;
    }
    struct step *step = mem_zalloc(sizeof *step);
    if (step == NULL) {
        json_decref(objects);
        exchange_nomem(x);
        exchange_fail(x);
        return;
    }
    *step = (struct step){.x = x, .then = then};
    step->conversion =
        conversion_start(x->server, x->kind->resource, objects, api_version, step_done, step, &err);
    if (step->conversion) {
        x->pending = step;
        x->cancel = step_cancel;
        return;
    }
    mem_free(step);
    if (err.code == ERROR_NOMEM) {
        exchange_nomem(x);
        exchange_fail(x);
    } else {
        fail(x, err.message);
    }
}

/* --- for a watch --------------------------------------------------------------------------- */

void convert_queue_finish(struct convert_queue *queue) {
    conversion_cancel(queue->conversion);
    json_decref(queue->events);
    *queue = (struct convert_queue){0};
}

bool convert_queue_empty(const struct convert_queue *queue) {
    return json_array_size(queue->events) == 0;
}

static void send_first(struct convert_queue *queue, const char *failure, json_t *object) {
    json_t *event = json_incref(json_array_get(queue->events, 0));
    json_array_remove(queue->events, 0);
    queue->send(queue, failure ? failure : json_string_value(json_array_get(event, 0)), object);
    json_decref(event);
}

static void advance(struct convert_queue *queue);

static void converted(void *context, json_t *all, const char *failure) {
    struct convert_queue *queue = context;
    struct api_exchange *x = queue->x;
    queue->conversion = NULL;
    exchange_enter(x);
    send_first(queue, failure, json_array_get(all, 0));
    advance(queue);
    exchange_leave(x);
}

static void send_local(struct convert_queue *queue, const struct api_kind *kind, json_t *object) {
    json_t *objects = json_pack("[O]", object);
    json_t *made = objects ? convert_local(kind->resource, objects, kind->api_version) : NULL;
    send_first(queue, made ? NULL : "no memory for a conversion", json_array_get(made, 0));
    json_decref(made);
    json_decref(objects);
}

static void advance(struct convert_queue *queue) {
    struct error err = {0};
    struct api_exchange *x = queue->x;
    while (queue->conversion == NULL && !convert_queue_empty(queue) && !x->ended && !x->gone) {
        json_t *object = json_array_get(json_array_get(queue->events, 0), 1);
        const struct api_kind *kind = exchange_kind(x);
        if (kind == NULL)
            return; /* the watch is being ended */
        if (!convert_needed(kind->resource, document_string(object, "apiVersion"),
                            kind->api_version)) {
            send_first(queue, NULL, object);
            continue;
        }
        if (kinds_is_view(kind->resource)) {
            json_t *event = events_convert(object, kind->api_version);
            send_first(queue, event ? NULL : "no memory for a conversion", event);
            json_decref(event);
            continue;
        }
        if (!convert_asks(kind->resource)) {
            send_local(queue, kind, object);
            continue;
        }
        queue->conversion = conversion_start(x->server, kind->resource, json_pack("[O]", object),
                                             kind->api_version, converted, queue, &err);
        if (queue->conversion == NULL)
            send_first(queue, err.message, NULL);
    }
}

bool convert_queue_add(struct convert_queue *queue, const char *type, json_t *object) {
    if (queue->events == NULL)
        queue->events = json_array();
    if (object == NULL || queue->events == NULL ||
        json_array_append_new(queue->events, json_pack("[s, O]", type, object)) < 0) {
        json_decref(object);
        return false;
    }
    json_decref(object);
    advance(queue);
    return true;
}
