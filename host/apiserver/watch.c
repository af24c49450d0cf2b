#include <string.h>

#include "apiserver/convert.h"
#include "apiserver/fields.h"
#include "base/mem.h"
#include "json/write.h"

enum { BOOKMARK_SECONDS = 60, MIN_SECONDS = 1800 };

struct watch {
    struct api_exchange *x;
    struct storage_watcher watcher;
    struct loop_timer timer; /* bookmarks and the end */
    uint64_t deadline;       /* monotonic ns */
    uint64_t told;           /* up to this revision all was sent */
    struct choice choice;
    char *api_version, *kind; /* owned: what events say; kinds may be replaced meanwhile */
    bool builtin;
    bool columns; /* a Table has told them */
    struct convert_queue queue;
};

void watch_destroy(struct watch *watch) {
    if (watch == NULL)
        return;
    storage_unwatch(&watch->watcher);
    loop_timer_stop(&watch->timer);
    choice_finish(&watch->choice);
    convert_queue_finish(&watch->queue);
    mem_free(watch->api_version);
    mem_free(watch->kind);
    mem_free(watch);
}

static void send_text(struct watch *watch, struct strbuf *text) {
    strbuf_addc(text, '\n');
    if (text->failed)
        exchange_end(watch->x); /* the client lists again */
    else
        exchange_send(watch->x, strbuf_view(text));
    strbuf_finish(text);
}

static void event_begin(struct json_writer *writer, struct strbuf *text, const char *type) {
    json_writer_init(writer, text);
    json_write_object_begin(writer);
    json_write_key_string(writer, "type", str_of(type));
    json_write_key(writer, str_of("object"));
}

/* `revision` NULL: the object's own. */
static void send_now(struct watch *watch, const char *type, node_t node, const char *revision) {
    struct strbuf text = {0};
    struct json_writer writer;
    struct document_form form = {.known = watch->x->server->known,
                                 .api_version = watch->api_version,
                                 .resource_version = revision,
                                 .partial = watch->x->request.form == FORM_PARTIAL};
    event_begin(&writer, &text, type);
    if (rest_table_has(watch->x, node)) {
        rest_table_write(watch->x, &writer, node, &form, !watch->columns);
        watch->columns = true;
    } else {
        document_write(&writer, watch->x->server->dag, node, &form);
    }
    json_write_object_end(&writer);
    send_text(watch, &text);
}

static void enqueue(struct watch *watch, const char *type, json_t *object) {
    if (!convert_queue_add(&watch->queue, type, object))
        exchange_end(watch->x);
}

/* Behind those that are being converted. */
static void send_event(struct watch *watch, const char *type, node_t node, const char *revision) {
    struct api_exchange *x = watch->x;
    exchange_kind(x);
    if (convert_queue_empty(&watch->queue) && !convert_needed_node(x, node)) {
        send_now(watch, type, node, revision);
        return;
    }
    json_t *object = document_of(x->server->dag, node);
    if (object && revision && document_set_meta(object, "resourceVersion", revision) < 0) {
        json_decref(object);
        object = NULL;
    }
    enqueue(watch, type, object);
}

static void write_bookmark(const struct watch *watch, struct strbuf *text, bool initial_end) {
    struct json_writer writer;
    char revision[24];
    bool partial = watch->x->request.form == FORM_PARTIAL;
    snprintf(revision, sizeof revision, "%llu", (unsigned long long)watch->told);
    json_writer_init(&writer, text);
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "kind", str_of(partial ? "PartialObjectMetadata" : watch->kind));
    json_write_key_string(&writer, "apiVersion",
                          str_of(partial ? "meta.k8s.io/v1" : watch->api_version));
    json_write_key(&writer, str_of("metadata"));
    json_write_object_begin(&writer);
    json_write_key_string(&writer, "resourceVersion", str_of(revision));
    if (initial_end) {
        json_write_key(&writer, str_of("annotations"));
        json_write_object_begin(&writer);
        json_write_key_string(&writer, "k8s.io/initial-events-end", str_of("true"));
        json_write_object_end(&writer);
    }
    json_write_object_end(&writer);
    json_write_object_end(&writer);
}

static void send_bookmark(struct watch *watch, bool initial_end) {
    struct strbuf text = {0}, object = {0};
    struct json_writer writer;
    write_bookmark(watch, &object, initial_end);
    if (!convert_queue_empty(&watch->queue)) {
        struct error err;
        if (initial_end)
            enqueue(watch, "BOOKMARK", document_parse(strbuf_view(&object), &err));
        strbuf_finish(&object);
        return;
    }
    event_begin(&writer, &text, "BOOKMARK");
    if (watch->x->request.form == FORM_TABLE && exchange_kind(watch->x)) {
        rest_table_write_text(watch->x, &writer, strbuf_view(&object), !watch->columns);
        watch->columns = true;
    } else {
        json_write_raw(&writer, strbuf_view(&object));
    }
    json_write_object_end(&writer);
    text.failed |= object.failed;
    strbuf_finish(&object);
    send_text(watch, &text);
}

static void send_status(struct watch *watch, json_t *status) {
    struct strbuf text = {0}, object = {0};
    struct json_writer writer;
    document_text(status, &object);
    event_begin(&writer, &text, "ERROR");
    json_write_raw(&writer, strbuf_view(&object));
    json_write_object_end(&writer);
    text.failed |= object.failed || status == NULL;
    strbuf_finish(&object);
    json_decref(status);
    send_text(watch, &text);
}

static void send_converted(struct convert_queue *queue, const char *type, json_t *object) {
    struct watch *watch = CONTAINER_OF(queue, struct watch, queue);
    struct dag *dag = watch->x->server->dag;
    struct strbuf text = {0};
    struct error err;
    if (object == NULL) {
        send_status(watch, status_make(500, NULL, NULL, "%s", type));
        exchange_end(watch->x);
        return;
    }
    document_text(object, &text);
    node_t node = text.failed ? NODE_NONE : dag_parse(dag, strbuf_view(&text), 0, &err);
    strbuf_finish(&text);
    if (node == NODE_NONE)
        exchange_end(watch->x);
    else
        send_now(watch, type, node, NULL);
    node_unref(dag, node);
}

/* An object that matches no more is deleted for this watcher. */
static void changed(struct storage_watcher *watcher, const struct storage_change *change) {
    struct watch *watch = CONTAINER_OF(watcher, struct watch, watcher);
    struct api_exchange *x = watch->x;
    const struct dag *dag = x->server->dag;
    bool had = choice_has(&watch->choice, dag, &change->key, change->old);
    bool has = choice_has(&watch->choice, dag, &change->key, change->now);
    char revision[24];
    if (x->ended || x->gone)
        return;
    watch->told = change->revision;
    exchange_enter(x);
    snprintf(revision, sizeof revision, "%llu", (unsigned long long)change->revision);
    if (has)
        send_event(watch, had ? "MODIFIED" : "ADDED", change->now, NULL);
    else if (had && change->now != NODE_NONE)
        send_event(watch, "DELETED", change->old, revision);
    else if (had)
        send_event(watch, "DELETED", change->last, NULL);
    exchange_leave(x);
}

static bool send_added(void *context, const struct storage_item *item) {
    struct watch *watch = context;
    if (choice_has(&watch->choice, watch->x->server->dag, &item->key, item->node))
        send_event(watch, "ADDED", item->node, NULL);
    return !watch->x->gone && !watch->x->ended;
}

static void arm(struct watch *watch) {
    uint64_t now = loop_now(watch->x->server->loop), delay = BOOKMARK_SECONDS * NS_PER_S;
    if (!watch->x->request.bookmarks || now + delay > watch->deadline)
        delay = watch->deadline > now ? watch->deadline - now : 0;
    if (loop_timer_start(&watch->timer, delay) < 0)
        exchange_end(watch->x);
}

void watch_end(struct api_exchange *x) {
    struct watch *watch = x->watch;
    exchange_enter(x);
    if (x->request.bookmarks && !x->ended) {
        uint64_t now = storage_revision(x->server->storage);
        watch->told = now > watch->told ? now : watch->told;
        send_bookmark(watch, false);
    }
    exchange_end(x);
    exchange_leave(x);
}

void watch_end_resource(struct apiserver *server, unsigned resource) {
    struct list *link, *next;
    LIST_EACH(link, next, &server->exchanges) {
        struct api_exchange *x = CONTAINER_OF(link, struct api_exchange, link);
        if (x->watch && x->watch->watcher.resource == resource && !x->ended && !x->gone) {
            exchange_enter(x);
            exchange_end(x); /* a bookmark would say that the client has seen all there is */
            exchange_leave(x);
        }
    }
}

static void fire(struct loop_timer *timer) {
    struct watch *watch = CONTAINER_OF(timer, struct watch, timer);
    struct api_exchange *x = watch->x;
    if (loop_now(x->server->loop) >= watch->deadline) {
        watch_end(x);
        return;
    }
    exchange_enter(x);
    uint64_t now = storage_revision(x->server->storage);
    watch->told = now > watch->told ? now : watch->told;
    send_bookmark(watch, false);
    arm(watch);
    exchange_leave(x);
}

static int check_options(struct api_exchange *x) {
    const struct request *request = &x->request;
    struct causes causes = {json_array(), false};
    bool newer = strcmp(request->match, "NotOlderThan") == 0;
    if (request->initial >= 0 && !newer)
        cause_forbidden(&causes, "resourceVersionMatch",
                        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    if (request->match[0] && request->initial < 0)
        cause_forbidden(&causes, "resourceVersionMatch",
                        "resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
                        "provided");
    if (request->match[0] && !newer)
        list_refuse_match(&causes, request->match, json_pack("[s]", "NotOlderThan"));
    if (request->match[0] && request->from[0])
        cause_forbidden(&causes, "resourceVersionMatch",
                        "resourceVersionMatch is forbidden when continue is provided");
    return exchange_causes(x, "meta.k8s.io", "ListOptions", "", &causes);
}

static int watch_create(struct api_exchange *x) {
    struct apiserver *server = x->server;
    struct watch *watch = mem_zalloc(sizeof *watch);
    if (watch == NULL)
        return exchange_nomem(x);
    x->watch = watch;
    watch->x = x;
    watch->builtin = x->kind->resource->builtin;
    watch->watcher.resource = x->kind->resource->id;
    watch->watcher.changed = changed;
    watch->queue = (struct convert_queue){.x = x, .send = send_converted};
    loop_timer_init(server->loop, &watch->timer, fire);
    watch->api_version = mem_strdup(x->kind->api_version);
    watch->kind = mem_strdup(x->kind->resource->kind);
    if (watch->api_version == NULL || watch->kind == NULL)
        return exchange_nomem(x);
    uint64_t seconds = x->request.timeout > 0 && x->request.timeout < INT32_MAX
                           ? (uint64_t)x->request.timeout
                           : MIN_SECONDS + rng_below(&server->rng, MIN_SECONDS);
    watch->deadline = loop_now(server->loop) + seconds * NS_PER_S;
    return choice_parse(x, &watch->choice);
}

/* The objects there are, when the client wants them first. */
static int send_initial(struct watch *watch, struct error *err) {
    struct api_exchange *x = watch->x;
    struct storage *storage = x->server->storage;
    watch->told = storage_revision(storage);
    if (x->request.initial == 0)
        return 0;
    if (storage_list(storage, watch->watcher.resource, watch->choice.ns, NULL, 0, send_added, watch,
                     err) < 0)
        return err->code;
    if (x->request.initial == 1)
        send_bookmark(watch, true);
    return 0;
}

static void start(struct watch *watch, uint64_t since) {
    struct api_exchange *x = watch->x;
    struct error err;
    bool initial = since == 0 || x->request.initial == 1;
    int rc = 0;
    exchange_begin(x, 200, "application/json");
    exchange_send(x, (struct str){"", 0});
    watch->told = since;
    if (initial)
        rc = send_initial(watch, &err);
    if (rc == 0 && !x->gone && !x->ended)
        rc = storage_watch(x->server->storage, &watch->watcher, watch->told, &err);
    if (rc == ERROR_GONE)
        send_status(watch, status_expired("%s", err.message));
    if (rc < 0)
        exchange_end(x);
    else
        arm(watch);
}

void rest_watch(struct api_exchange *x) {
    int64_t since = 0;
    const char *text = x->request.resource_version;
    uint64_t now = storage_revision(x->server->storage);
    int rc = check_options(x);
    if (rc == 0 && text[0] && (!str_to_int64(str_of(text), &since) || since < 0))
        rc = exchange_refuse(x, status_no_version(text));
    if (rc == 0 && x->request.initial == 1 && (uint64_t)since > now)
        rc = exchange_refuse(x, status_too_large((uint64_t)since, now));
    if (rc == 0)
        rc = watch_create(x);
    if (rc < 0)
        exchange_fail(x);
    else
        start(x->watch, (uint64_t)since);
}
