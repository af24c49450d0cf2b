#include "runtime/registrar.h"

#include <string.h>

#include "base/mem.h"
#include "runtime/reload.h"
#include "json/write.h"

#define ADMISSION "/apis/admissionregistration.k8s.io/v1/"
#define MANAGED_BY "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dmoonlet"

enum object_type { MUTATING, VALIDATING, CRD, OBJECT_TYPES };
static const char *const collections[OBJECT_TYPES] = {
    ADMISSION "mutatingwebhookconfigurations", ADMISSION "validatingwebhookconfigurations",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"};

static const char *const type_names[OBJECT_TYPES] = {"mutating", "validating", "converting"};

/* An API server hears of a removal by its watch, and calls until then. */
enum { HEARING_NS = 1000 * 1000 * 1000 };

/* Then everything is applied again, which changes nothing where it is as it should be. */
#define RESYNC_NS (60 * NS_PER_S)

struct registered { /* one object at the server */
    enum object_type type;
    char *applied; /* the body acknowledged last; NULL: there from an earlier run */
    char *wanted;  /* the body it should have; NULL: it should go */
    char *foreign; /* the instance it belongs to, when that is not ours */
    bool complained;
    bool failed; /* in this round: the others first */
    bool stale;  /* was applied too long ago */
    char *complaint;
};

struct registrar {
    struct registrar_options options;
    struct map objects; /* collection "/" name -> struct registered * */
    struct kube_call *call;
    struct registered *at; /* whose call it is */
    char *at_path;
    struct loop_timer timer;
    unsigned listed; /* of MUTATING and VALIDATING */
    unsigned failures;
    uint64_t heard_ns; /* by then everybody has heard of the last removal; 0: there was none */
    bool published, withdrawing;
    bool resync; /* the timer waits for what is applied to become stale */
    char *complaint;
    void (*done)(void *context);
    void *done_context;
};

static void free_object(struct registered *object) {
    mem_free(object->applied);
    mem_free(object->wanted);
    mem_free(object->foreign);
    mem_free(object->complaint);
    mem_free(object);
}

static struct registered *object_at(struct registrar *registrar, enum object_type type,
                                    const char *name, struct error *err) {
    CLEANUP(mem_freep) char *path = mem_printf("%s/%s", collections[type], name);
    struct registered *object = path ? map_get(&registrar->objects, str_of(path)) : NULL;
    if (object || path == NULL)
        goto out;
    object = mem_zalloc(sizeof *object);
    if (object && map_set(&registrar->objects, str_of(path), object, NULL) < 0) {
        mem_free(object);
        object = NULL;
    }
    if (object)
        object->type = type;
out:
    if (object == NULL)
        error_set(err, ERROR_NOMEM, "no memory to register webhooks");
    return object;
}

/* What should be there */

static int want(struct registrar *registrar, enum object_type type, const char *name,
                struct strbuf *body, struct error *err) {
    struct registered *object = object_at(registrar, type, name, err);
    char *text = strbuf_take(body);
    if (object == NULL || text == NULL) {
        mem_free(text);
        return error_set(err, ERROR_NOMEM, "no memory to register webhooks");
    }
    mem_free(object->wanted);
    object->wanted = text;
    return 0;
}

static int want_configurations(struct registrar *registrar, const struct declaration *declaration,
                               const struct definition *definition, struct error *err) {
    CLEANUP(mem_freep) char *name = registration_name(definition);
    int rc = name ? 0 : error_set(err, ERROR_NOMEM, "no memory to register webhooks");
    for (enum object_type type = MUTATING; rc == 0 && type <= VALIDATING; type++) {
        struct strbuf body = {0};
        rc = registrar->options.mode == REGISTRAR_CHECK
                 ? registration_write_bundle(definition, type == VALIDATING,
                                             registrar->options.endpoint, &body, err)
                 : registration_write(declaration, definition, type == VALIDATING,
                                      registrar->options.endpoint, &body, err);
        if (rc > 0)
            rc = want(registrar, type, name, &body, err);
        strbuf_finish(&body);
    }
    return rc;
}

static int want_conversion(struct registrar *registrar, const struct definition *definition,
                           struct error *err) {
    struct strbuf body = {0};
    CLEANUP(mem_freep) char *path = mem_printf("/convert/%s", definition->crd);
    strbuf_adds(&body, "{\"spec\":{\"conversion\":{\"webhook\":{\"clientConfig\":");
    int rc = path ? registration_client_config(registrar->options.endpoint, path, &body)
                  : error_set(err, ERROR_NOMEM, "no memory to register webhooks");
    strbuf_adds(&body, "}}}}");
    if (rc == 0)
        rc = want(registrar, CRD, definition->crd, &body, err);
    strbuf_finish(&body);
    return rc;
}

static int want_program(struct registrar *registrar, const struct program *program,
                        struct error *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < program->count; i++) {
        const struct definition *definition = program->editions[i].definition;
        if (definition->webhook_count > 0)
            rc = want_configurations(registrar, program->declaration, definition, err);
        if (rc == 0 && definition->type == DEFINITION_CONVERSION)
            rc = want_conversion(registrar, definition, err);
    }
    return rc;
}

static int compute(struct registrar *registrar, struct error *err) {
    size_t at = 0;
    int rc = 0;
    struct list *link, *next;
    for (struct map_entry *entry; (entry = map_next(&registrar->objects, &at));) {
        struct registered *object = entry->value;
        mem_free(object->wanted);
        object->wanted = NULL;
    }
    if (registrar->withdrawing)
        return 0;
    LIST_EACH(link, next, &registrar->options.host->reload->slots) {
        const struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (slot->live && rc == 0)
            rc = want_program(registrar, slot->live, err);
    }
    return rc;
}

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

static const char *name_of(const char *path) {
    return strrchr(path, '/') + 1;
}

static void on_sent(void *context, const struct kube_answer *answer, const struct error *err) {
    struct registrar *registrar = context;
    struct registered *object = registrar->at;
    const char *name = name_of(registrar->at_path);
    struct log *log = registrar->options.host->log;
    bool removed = object->wanted == NULL;
    (void)answer;
    registrar->call = NULL;
    if (err && !(removed && err->code == ERROR_NOT_FOUND)) {
        struct error failure = *err;
        explain(registrar, &failure);
        error_prefix(&failure, "%s of %s", removed ? "removal" : "registration", name);
        complain(registrar, &object->complaint, &failure);
        object->failed = true;
        next_step(registrar);
        return;
    }
    mem_free(object->complaint);
    object->complaint = NULL;
    if (removed) {
        log_info(log, "%s webhooks removed: %s", type_names[object->type], name);
        registrar->heard_ns = loop_now(registrar->options.host->loop) + HEARING_NS;
        map_remove(&registrar->objects, str_of(registrar->at_path));
        free_object(object);
    } else {
        if (object->type != CRD && !object->stale)
            log_info(log, "%s webhooks registered: %s", type_names[object->type], name);
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
    struct error err;
    mem_free(registrar->at_path);
    registrar->at = object;
    registrar->at_path = mem_strdup(path);
    struct kube_request request = {.method = remove ? "DELETE" : "PATCH",
                                   .path = path,
                                   .query = remove    ? NULL
                                            : crd     ? "fieldManager=moonlet"
                                            : ca_only ? "fieldManager=moonlet-ca&force=true"
                                                      : "fieldManager=moonlet&force=true",
                                   .content_type = crd ? "application/merge-patch+json"
                                                       : "application/apply-patch+yaml",
                                   .body = str_of(object->wanted)};
    if (registrar->at_path == NULL)
        error_set(&err, ERROR_NOMEM, "no memory to register webhooks");
    else
        registrar->call =
            kube_call_start(registrar->options.host->client, &request, on_sent, registrar, &err);
    if (registrar->call == NULL)
        fail(registrar, &err);
}

/* May what nobody wants be removed? Not before each file is known. */
static bool may_remove(const struct registrar *registrar) {
    struct strbuf why = {0};
    const struct reload *reload = registrar->options.host->reload;
    bool known = reload_ready(reload, &why) && !reload_any_failed(reload);
    strbuf_finish(&why);
    return registrar->withdrawing || known;
}

/* Somebody else's configuration is left alone, and that is said. */
static bool is_foreign(struct registrar *registrar, const char *path, struct registered *object) {
    if (object->foreign == NULL)
        return false;
    if (object->wanted && !object->complained)
        log_error(registrar->options.host->log,
                  "%s belongs to another installation of moonlet (%s: %s); remove it, or give the "
                  "webhook another name",
                  name_of(path), REGISTRATION_INSTANCE, object->foreign);
    object->complained |= object->wanted != NULL;
    return true;
}

static bool is_due(struct registrar *registrar, const char *path, struct registered *object) {
    if (object->failed || is_foreign(registrar, path, object))
        return false;
    if (object->wanted &&
        (object->applied == NULL || strcmp(object->applied, object->wanted) != 0)) {
        object->stale = false; /* news */
        return true;
    }
    if (object->wanted)
        return object->stale;
    if (object->type == CRD) /* never removed, and its converter stays */
        return false;
    return registrar->options.mode == REGISTRAR_APPLY && may_remove(registrar);
}

static struct map_entry *find_due(struct registrar *registrar) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&registrar->objects, &at));)
        if (is_due(registrar, entry->key, entry->value))
            return entry;
    return NULL;
}

static bool any_failed(const struct registrar *registrar) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&registrar->objects, &at));)
        if (((struct registered *)entry->value)->failed)
            return true;
    return false;
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
        text ? object_at(registrar, (enum object_type)registrar->listed, text, &err) : NULL;
    if (object && !str_is(owner, registrar->options.endpoint->instance))
        object->foreign = mem_strndup(owner.data, owner.len);
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
        .method = "GET", .path = collections[registrar->listed], .query = MANAGED_BY};
    registrar->call =
        kube_call_start(registrar->options.host->client, &request, on_listed, registrar, &err);
    if (registrar->call == NULL)
        fail(registrar, &err);
}

/* Nothing is due. Who was called until now may go once everybody has heard. */
static void finish(struct registrar *registrar) {
    uint64_t now = loop_now(registrar->options.host->loop);
    if (!registrar->withdrawing && any_failed(registrar)) {
        again_later(registrar);
    } else if (now < registrar->heard_ns) {
        again(registrar, registrar->heard_ns - now);
    } else if (registrar->withdrawing) {
        registrar->done(registrar->done_context);
    } else {
        uint64_t resync_ns = registrar->options.resync_ns;
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
    } else if (compute(registrar, &err) < 0) {
        fail(registrar, &err);
    } else if ((due = find_due(registrar))) {
        send(registrar, due->key, due->value);
    } else {
        finish(registrar);
    }
}

static void on_timer(struct loop_timer *timer) {
    struct registrar *registrar = CONTAINER_OF(timer, struct registrar, timer);
    size_t at = 0;
    for (struct map_entry *entry;
         registrar->resync && (entry = map_next(&registrar->objects, &at));)
        ((struct registered *)entry->value)->stale = true;
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

static bool has_converters(const struct registrar *registrar) {
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&registrar->objects, &at));)
        if (((struct registered *)entry->value)->type == CRD)
            return true;
    return false;
}

void registrar_withdraw(struct registrar *registrar, void (*done)(void *context), void *context) {
    struct log *log = registrar->options.host->log;
    bool active = registrar->options.host->leading && registrar->objects.count > 0;
    if (active && has_converters(registrar))
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
        free_object(entry->value);
    map_finish(&registrar->objects);
    mem_free(registrar->at_path);
    mem_free(registrar->complaint);
    mem_free(registrar);
}
