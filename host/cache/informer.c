#include "cache/informer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define RESOLVE_FIRST NS_PER_S
#define RESOLVE_MAX (10 * NS_PER_S)

static void on_delta(void *context, const struct store_delta *delta) {
    struct informer *informer = context;
    struct list *link, *next;
    LIST_EACH(link, next, &informer->handlers) {
        struct informer_handler *handler = CONTAINER_OF(link, struct informer_handler, link);
        if (handler->on_delta)
            handler->on_delta(handler, delta);
    }
}

static void set_state(struct informer *informer, enum informer_state state) {
    struct list *link, *next;
    if (informer->state == state)
        return;
    informer->state = state;
    LIST_EACH(link, next, &informer->handlers) {
        struct informer_handler *handler = CONTAINER_OF(link, struct informer_handler, link);
        if (handler->on_state)
            handler->on_state(handler, state);
    }
}

/* NULL or an empty text is none; `b` is never "". */
static bool same_text(const char *a, const char *b) {
    return a && *a ? b && strcmp(a, b) == 0 : b == NULL;
}

static size_t count_of(const char *const *texts) {
    size_t count = 0;
    while (texts && texts[count])
        count++;
    return count;
}

static bool has_namespace(const struct informer *informer, struct str ns) {
    for (size_t i = 0; i < informer->namespace_count; i++)
        if (str_is(ns, informer->namespaces[i]))
            return true;
    return informer->namespace_count == 0;
}

bool informer_fits(const struct informer *informer, const struct informer_key *key) {
    size_t count = count_of(key->namespaces);
    if (!informer_serves(informer, key->api_version, key->kind) ||
        count != informer->namespace_count ||
        informer->keep_managed_fields != key->keep_managed_fields ||
        (informer->metadata_only && !key->metadata_only) ||
        !same_text(key->label_selector, informer->label_text) ||
        !same_text(key->field_selector, informer->field_text))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!has_namespace(informer, str_of(key->namespaces[i])))
            return false;
    return true;
}

static void on_retry(struct loop_timer *timer);

static int no_memory(struct error *err) {
    return error_set(err, ERROR_NOMEM, "no memory for an informer");
}

static int copy_text(char **ret, const char *text) {
    if (text == NULL || *text == '\0')
        return 0;
    *ret = mem_strdup(text);
    return *ret ? 0 : ERROR_NOMEM;
}

static int copy_namespaces(struct informer *informer, const char *const *namespaces) {
    size_t count = count_of(namespaces);
    if (count == 0)
        return 0;
    informer->namespaces = mem_calloc(count, sizeof *informer->namespaces);
    for (size_t i = 0; informer->namespaces && i < count; i++) {
        informer->namespaces[i] = mem_strdup(namespaces[i]);
        if (informer->namespaces[i] == NULL)
            return ERROR_NOMEM;
        informer->namespace_count++;
    }
    return informer->namespaces ? 0 : ERROR_NOMEM;
}

static int parse_selectors(struct informer *informer, struct error *err) {
    if (informer->label_text) {
        informer->labels = selector_parse(informer->label_text, err);
        if (informer->labels == NULL)
            return error_prefix(err, "label selector \"%s\"", informer->label_text);
    }
    if (informer->field_text) {
        informer->fields = field_selector_parse(informer->field_text, err);
        if (informer->fields == NULL)
            return err->code;
    }
    return 0;
}

static int create_store(struct informer *informer, struct error *err) {
    const struct informer_set_options *set = &informer->set->options;
    struct store_options options = {
        .epochs = set->epochs,
        .dag = set->dag,
        .drop = informer->keep_managed_fields ? 0 : DAG_DROP_MANAGED_FIELDS | DAG_DROP_LAST_APPLIED,
        .api_version = informer->api_version,
        .kind = informer->kind,
        .split = informer->namespace_count > 1,
        .emit = on_delta,
        .context = informer};
    informer->store = store_create(&options, err);
    return informer->store ? 0 : err->code;
}

struct informer *informer_create(struct informer_set *set, const struct informer_key *key,
                                 struct error *err) {
    struct error why = {0};
    struct informer *informer = mem_zalloc(sizeof *informer);
    if (informer == NULL) {
        no_memory(err);
        return NULL;
    }
    list_init(&informer->link);
    list_init(&informer->handlers);
    informer->set = set;
    informer->refs = 1;
    informer->metadata_only = key->metadata_only;
    informer->keep_managed_fields = key->keep_managed_fields;
    loop_timer_init(set->options.loop, &informer->retry, on_retry);
    informer->api_version = mem_strdup(key->api_version);
    informer->kind = mem_strdup(key->kind);
    informer->title = mem_printf("%s/%s", key->api_version, key->kind);
    if (!informer->api_version || !informer->kind || !informer->title ||
        copy_text(&informer->label_text, key->label_selector) < 0 ||
        copy_text(&informer->field_text, key->field_selector) < 0 ||
        copy_namespaces(informer, key->namespaces) < 0)
        no_memory(&why);
    else if (parse_selectors(informer, &why) == 0)
        create_store(informer, &why);
    if (why.code == 0)
        return informer;
    error_set(err, why.code, "%s/%s: %s", key->api_version, key->kind, why.message);
    informer_destroy(informer);
    return NULL;
}

static void drop_reflectors(struct informer *informer) {
    for (size_t i = 0; i < informer->reflector_count; i++) {
        const struct reflector *r = &informer->reflectors[i];
        informer->former.lists += r->lists;
        informer->former.watches += r->watches;
        informer->former.events += r->events;
        informer->former.errors += r->errors;
        reflector_finish(&informer->reflectors[i]);
    }
    mem_free(informer->reflectors);
    informer->reflectors = NULL;
    informer->reflector_count = 0;
}

void informer_destroy(struct informer *informer) {
    if (informer == NULL)
        return;
    list_remove(&informer->link);
    informer_stop(informer);
    drop_reflectors(informer);
    while (!list_empty(&informer->handlers))
        list_remove(informer->handlers.next);
    store_destroy(informer->store);
    selector_destroy(informer->labels);
    field_selector_destroy(informer->fields);
    for (size_t i = 0; i < informer->namespace_count; i++)
        mem_free(informer->namespaces[i]);
    mem_free(informer->namespaces);
    mem_free(informer->label_text);
    mem_free(informer->field_text);
    mem_free(informer->title);
    mem_free(informer->kind);
    mem_free(informer->api_version);
    mem_free(informer);
}

void informer_stop(struct informer *informer) {
    if (informer->lookup)
        informer->set->source->resolve_cancel(informer->lookup);
    informer->lookup = NULL;
    loop_timer_stop(&informer->retry);
    for (size_t i = 0; i < informer->reflector_count; i++)
        reflector_stop(&informer->reflectors[i]);
}

/* Keeps and logs a failure; a series of the same code is told once. */
static void fail(struct informer *informer, const struct error *err) {
    bool told = informer->error.code == err->code;
    informer->error = *err;
    error_prefix(&informer->error, "list and watch %s", informer->title);
    if (!told && informer->set->options.log)
        log_warn(informer->set->options.log, "%s; trying again", informer->error.message);
    if (informer->state != INFORMER_SYNCED)
        set_state(informer, INFORMER_WAITING);
}

static void recover(struct informer *informer) {
    if (informer->error.code && informer->set->options.log)
        log_info(informer->set->options.log, "list and watch %s: works again", informer->title);
    informer->error = (struct error){0};
    if (informer->state == INFORMER_WAITING)
        set_state(informer, INFORMER_SYNCING);
}

/* Asks the discovery again after a while: the CRD may appear. */
static void resolve_later(struct informer *informer) {
    uint64_t longest = RESOLVE_FIRST;
    for (unsigned i = 0; i < informer->tries && longest < RESOLVE_MAX; i++)
        longest *= 2;
    longest = longest < RESOLVE_MAX ? longest : RESOLVE_MAX;
    double jitter = rng_unit(informer->set->options.rng);
    informer->tries++;
    loop_timer_start(&informer->retry, (uint64_t)((0.5 + jitter / 2) * (double)longest));
}

static void on_reflector_error(void *context, const struct error *err) {
    struct informer *informer = context;
    struct error gone;
    if (err == NULL) {
        recover(informer);
        return;
    }
    if (err->code == ERROR_NOT_FOUND && informer->resource) {
        /* The resource itself is gone, its CRD deleted: what serves the kind must be asked anew. */
        informer->resource = NULL;
        for (size_t i = 0; i < informer->reflector_count; i++)
            reflector_stop(&informer->reflectors[i]);
        informer->set->source->forget(informer->set->source, informer->api_version);
        resolve_later(informer);
        gone = *err;
        error_prefix(&gone, "the server does not serve it any more, was its CRD deleted?");
        err = &gone;
    }
    fail(informer, err);
}

static void on_synced(void *context) {
    struct informer *informer = context;
    for (size_t i = 0; i < informer->reflector_count; i++)
        if (!informer->reflectors[i].synced)
            return;
    informer->error = (struct error){0};
    set_state(informer, INFORMER_SYNCED);
}

static int create_reflectors(struct informer *informer) {
    const struct informer_set_options *set = &informer->set->options;
    bool split = informer->resource->namespaced && informer->namespace_count > 0;
    size_t count = split ? informer->namespace_count : 1;
    bool written = map_get(&informer->set->written, str_of(informer->title)) != NULL;
    drop_reflectors(informer);
    informer->reflectors = mem_calloc(count, sizeof *informer->reflectors);
    if (informer->reflectors == NULL)
        return ERROR_NOMEM;
    informer->reflector_count = count;
    for (size_t i = 0; i < count; i++) {
        struct reflector_options options = {.loop = set->loop,
                                            .rng = set->rng,
                                            .source = informer->set->source,
                                            .dag = set->dag,
                                            .store = informer->store,
                                            .select = {.resource = informer->resource,
                                                       .ns = split ? informer->namespaces[i] : NULL,
                                                       .label_selector = informer->label_text,
                                                       .field_selector = informer->field_text,
                                                       .metadata_only = informer->metadata_only},
                                            .consistent = written,
                                            .on_synced = on_synced,
                                            .on_error = on_reflector_error,
                                            .context = informer};
        reflector_init(&informer->reflectors[i], &options);
        informer->reflectors[i].synced = informer->state == INFORMER_SYNCED;
        informer->reflectors[i].failing =
            informer->state == INFORMER_SYNCED; /* its kind was gone */
    }
    return 0;
}

static void on_resolved(void *context, const struct kube_resource *resource,
                        const struct error *err) {
    struct informer *informer = context;
    struct error why;
    informer->lookup = NULL;
    if (err) {
        resolve_later(informer);
        fail(informer, err);
        return;
    }
    informer->resource = resource;
    if (create_reflectors(informer) < 0) {
        informer->resource = NULL;
        no_memory(&why);
        resolve_later(informer);
        fail(informer, &why);
        return;
    }
    informer->tries = 0;
    if (informer->state == INFORMER_WAITING)
        set_state(informer, INFORMER_SYNCING);
    for (size_t i = 0; informer->refs > 0 && i < informer->reflector_count; i++)
        reflector_start(&informer->reflectors[i]);
}

void informer_start(struct informer *informer) {
    const struct source *source = informer->set->source;
    struct discovery_lookup *lookup =
        source->resolve(source, informer->api_version, informer->kind, on_resolved, informer);
    if (lookup)
        informer->lookup = lookup;
}

static void on_retry(struct loop_timer *timer) {
    informer_start(CONTAINER_OF(timer, struct informer, retry));
}
