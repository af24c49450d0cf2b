#include "base/mem.h"
#include "runtime/registrar_internal.h"

#define MANAGED_BY "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dmoonlet"

static const char *const type_names[OBJECT_TYPES] = {"mutating", "validating", "converting"};

/* An API server hears of a removal by its watch, and calls until then. */
enum { HEARING_NS = 1000 * 1000 * 1000 };

/* Then everything is applied again, which changes nothing where it is as it should be. */
#define RESYNC_NS (60 * NS_PER_S)

/* One request at a time */

static void next_step(struct registrar *registrar);

static void again(struct registrar *registrar, uint64_t wait_ns) {
    registrar->resync = false;
    loop_timer_start(&registrar->timer, wait_ns);
}

static void again_later(struct registrar *registrar) {
    unsigned failures = registrar->failures < 5 ? registrar->failures++ : 5;
    again(registrar, (1 * NS_PER_S) << failures);
}

/* What is said once is not said at each try. */
static void complain(struct registrar *registrar, char **complaint, const struct error *err) {
    if (*complaint == NULL || strcmp(*complaint, err->message) != 0)
        log_error(registrar->options.host->log, "%s", err->message);
    mem_free(*complaint);
    *complaint = mem_strdup(err->message);
}

static void fail(struct registrar *registrar, const struct error *err) {
    complain(registrar, &registrar->complaint, err);
    if (registrar->withdrawing) /* there is no time to try again */
        registrar->done(registrar->done_context);
    else
        again_later(registrar);
}

static void explain(const struct registrar *registrar, struct error *err) {
    struct error plain = *err;
    if (registrar->options.mode == REGISTRAR_CHECK &&
        (err->code == ERROR_REJECTED || err->code == ERROR_FORBIDDEN))
        error_set(err, plain.code,
                  "it is not there as the file declares it, and --webhooks=check only fills in its "
                  "caBundle: `moonlet crds DIR | kubectl apply -f -` installs it (%s)",
                  plain.message);
    else if (err->code == ERROR_FORBIDDEN)
        error_set(err, plain.code, "%s; `moonlet rbac --webhooks=apply DIR` prints the rules",
                  plain.message);
}

/* The object in work is tried again after the others. */
static void put_off(struct registrar *registrar, const struct error *err) {
    struct registered *object = registrar->at;
    struct error failure = *err;
    explain(registrar, &failure);
    error_prefix(&failure, "%s of %s", object->wanted ? "registration" : "removal",
                 registrar_name(registrar->at_path));
    complain(registrar, &object->complaint, &failure);
    object->failed = true;
    next_step(registrar);
}

/* REGISTRAR_CHECK: what the object would be. */
static void on_tried(void *context, const struct kube_answer *answer, const struct error *err) {
    struct registrar *registrar = context;
    struct dag *dag = registrar->options.host->dag;
    struct error failure;
    registrar->call = NULL;
    if (err) {
        put_off(registrar, err);
        return;
    }
    node_t root = dag_parse(dag, answer->body, 0, &failure);
    bool called = root != NODE_NONE && registrar_check_called(registrar, dag, root, &failure) == 0;
    node_unref(dag, root);
    registrar->at->called = called;
    if (called)
        next_step(registrar);
    else
        put_off(registrar, &failure);
}

static void on_sent(void *context, const struct kube_answer *answer, const struct error *err) {
    struct registrar *registrar = context;
    struct registered *object = registrar->at;
    const char *name = registrar_name(registrar->at_path);
    struct log *log = registrar->options.host->log;
    bool removed = object->wanted == NULL;
    registrar->call = NULL;
    object->called = false;
    if (err && !(removed && err->code == ERROR_NOT_FOUND)) {
        put_off(registrar, err);
        return;
    }
    mem_free(object->complaint);
    object->complaint = NULL;
    if (removed) {
        log_info(log, "%s webhooks removed: %s", type_names[object->type], name);
        registrar->heard_ns = loop_now(registrar->options.host->loop) + HEARING_NS;
        map_remove(&registrar->objects, str_of(registrar->at_path));
        registrar_free_object(object);
    } else {
        if (object->type != CRD && !object->stale)
            log_info(log, "%s webhooks registered: %s", type_names[object->type], name);
        else if (answer->status == 201)
            log_warn(log, "%s webhooks were deleted by somebody and are registered again: %s",
                     type_names[object->type], name);
        object->stale = false;
        mem_free(object->applied);
        object->applied = object->wanted;
        object->wanted = NULL;
    }
    next_step(registrar);
}

static void send(struct registrar *registrar, const char *path, struct registered *object) {
    bool remove = object->wanted == NULL, crd = object->type == CRD;
    bool ca_only = registrar->options.mode == REGISTRAR_CHECK;
    bool try_only = ca_only && !crd && !object->called;
    struct error err;
    mem_free(registrar->at_path);
    registrar->at = object;
    registrar->at_path = mem_strdup(path);
    struct kube_request request = {
        .method = remove ? "DELETE" : "PATCH",
        .path = path,
        .query = remove     ? NULL
                 : crd      ? "fieldManager=moonlet"
                 : try_only ? "fieldManager=moonlet-ca&force=true&dryRun=All"
                 : ca_only  ? "fieldManager=moonlet-ca&force=true"
                            : "fieldManager=moonlet&force=true",
        .content_type = crd ? "application/merge-patch+json" : "application/apply-patch+yaml",
        .body = str_of(object->wanted)};
    if (registrar->at_path == NULL)
        error_set(&err, ERROR_NOMEM, "no memory to register webhooks");
    else
        registrar->call = kube_call_start(registrar->options.host->client, &request,
                                          try_only ? on_tried : on_sent, registrar, &err);
    if (registrar->call == NULL)
        fail(registrar, &err);
}

static void begin_round(struct registrar *registrar) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&registrar->objects, &at));)
        ((struct registered *)entry->value)->failed = false;
    next_step(registrar);
}

/* What an earlier run, or another installation, has left. */

static void note_found(struct registrar *registrar, const struct dag *dag, node_t item) {
    struct error err;
    struct str name = node_text(dag, node_path(dag, item, "metadata.name"));
    struct str owner = node_text(
        dag, node_get(dag, node_path(dag, item, "metadata.labels"), str_of(REGISTRATION_INSTANCE)));
    CLEANUP(mem_freep) char *text = mem_strndup(name.data, name.len);
    struct registered *object =
        text ? registrar_object(registrar, (enum object_type)registrar->listed, text, &err) : NULL;
    if (object)
        mem_free(object->foreign);
    if (object)
        object->foreign = str_is(owner, registrar->options.endpoint->instance)
                              ? NULL
                              : mem_strndup(owner.data, owner.len);
}

static void on_listed(void *context, const struct kube_answer *answer, const struct error *err) {
    struct registrar *registrar = context;
    struct dag *dag = registrar->options.host->dag;
    struct error failure;
    registrar->call = NULL;
    node_t root = err ? NODE_NONE : dag_parse(dag, answer->body, 0, &failure);
    if (root == NODE_NONE) {
        if (err)
            failure = *err;
        explain(registrar, &failure);
        error_prefix(&failure, "list webhook configurations");
        fail(registrar, &failure);
        return;
    }
    node_t items = node_get(dag, root, str_of("items"));
    for (size_t i = 0; i < node_count(dag, items); i++)
        note_found(registrar, dag, node_at(dag, items, i));
    node_unref(dag, root);
    registrar->listed++;
    next_step(registrar);
}

static void list(struct registrar *registrar) {
    struct error err;
    struct kube_request request = {
        .method = "GET", .path = registrar_collection(registrar->listed), .query = MANAGED_BY};
    registrar->call =
        kube_call_start(registrar->options.host->client, &request, on_listed, registrar, &err);
    if (registrar->call == NULL)
        fail(registrar, &err);
}

/* Nothing is due. Who was called until now may go once everybody has heard. */
static void finish(struct registrar *registrar) {
    uint64_t now = loop_now(registrar->options.host->loop);
    if (!registrar->withdrawing && registrar_any_failed(registrar)) {
        again_later(registrar);
    } else if (now < registrar->heard_ns) {
        again(registrar, registrar->heard_ns - now);
    } else if (registrar->withdrawing) {
        registrar->done(registrar->done_context);
    } else {
        uint64_t resync_ns = registrar->options.resync_ns;
        registrar->failures = 0;
        again(registrar, resync_ns ? resync_ns : RESYNC_NS);
        registrar->resync = true;
        if (registrar->published)
            return;
        registrar->published = true;
        registrar->options.published(registrar->options.context);
    }
}

static void next_step(struct registrar *registrar) {
    struct error err;
    struct map_entry *due;
    const struct host *host = registrar->options.host;
    if (registrar->call || registrar->options.mode == REGISTRAR_SKIP)
        return;
    if (!host->leading || (host->draining && !registrar->withdrawing))
        return;
    if (registrar->listed < CRD && registrar->options.mode == REGISTRAR_APPLY) {
        list(registrar);
    } else if (registrar_compute(registrar, &err) < 0) {
        fail(registrar, &err);
    } else if ((due = registrar_find_due(registrar))) {
        send(registrar, due->key, due->value);
    } else {
        finish(registrar);
    }
}

static void on_timer(struct loop_timer *timer) {
    struct registrar *registrar = CONTAINER_OF(timer, struct registrar, timer);
    size_t at = 0;
    for (struct map_entry *entry;
         registrar->resync && (entry = map_next(&registrar->objects, &at));) {
        struct registered *object = entry->value;
        object->stale = true;
        if (object->foreign) /* it may be gone by now */
            registrar->listed = 0;
        mem_free(object->foreign);
        object->foreign = NULL;
    }
    registrar->resync = false;
    begin_round(registrar);
}

struct registrar *registrar_create(const struct registrar_options *options, struct error *err) {
    struct registrar *registrar = mem_zalloc(sizeof *registrar);
    if (registrar == NULL) {
        error_set(err, ERROR_NOMEM, "no memory to register webhooks");
        return NULL;
    }
    registrar->options = *options;
    loop_timer_init(options->host->loop, &registrar->timer, on_timer);
    return registrar;
}

void registrar_update(struct registrar *registrar) {
    registrar->published = false;
    if (registrar->call == NULL)
        again(registrar, 0);
}

void registrar_withdraw(struct registrar *registrar, void (*done)(void *context), void *context) {
    struct log *log = registrar->options.host->log;
    bool active = registrar->options.host->leading && registrar->objects.count > 0;
    if (active && registrar_has_converters(registrar))
        log_warn(log, "CRDs with a converter keep naming this host, which is ending: objects of "
                      "their other versions cannot be read until it runs again");
    registrar->done = done;
    registrar->done_context = context;
    registrar->withdrawing = true;
    if (!active || registrar->options.mode != REGISTRAR_APPLY) {
        done(context);
        return;
    }
    loop_timer_stop(&registrar->timer);
    begin_round(registrar); /* or when the call under way has ended */
}

bool registrar_settled(const struct registrar *registrar) {
    return registrar->options.mode == REGISTRAR_SKIP || !registrar->options.host->leading ||
           registrar->published;
}

void registrar_destroy(struct registrar *registrar) {
    size_t at = 0;
    if (registrar == NULL)
        return;
    loop_timer_stop(&registrar->timer);
    kube_call_cancel(registrar->call);
    for (struct map_entry *entry; (entry = map_next(&registrar->objects, &at));)
        registrar_free_object(entry->value);
    map_finish(&registrar->objects);
    mem_free(registrar->at_path);
    mem_free(registrar->complaint);
    mem_free(registrar);
}
