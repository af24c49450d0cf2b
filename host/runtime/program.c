#include "runtime/program_internal.h"

#include "base/mem.h"
#include "runtime/access.h"
#include "runtime/controller.h"
#include "runtime/inbox.h"
#include "runtime/install.h"
#include "runtime/reload.h"

static void set_state(struct program *program, enum program_state state) {
    program->state = state;
    program->changed(program);
}

const char *program_state_name(enum program_state state) {
    static const char *const names[] = {"loading",
                                        "waiting for HTTPS",
                                        "installing CRDs",
                                        "checking permissions",
                                        "waiting",
                                        "ready",
                                        "live",
                                        "retired",
                                        "failed"};
    return names[state];
}

void program_fail(struct program *program, const struct error *err, bool environment) {
    program->error = *err;
    program->environment = environment;
    if (program->install && program->state != PROGRAM_INSTALLING)
        install_undo(program->install);
    set_state(program, PROGRAM_FAILED);
}

/* Informers */

static void check_synced(struct program *program) {
    if (program->state != PROGRAM_SYNCING)
        return;
    program->error.code = 0;
    bool synced = true;
    for (size_t i = 0; i < program->count; i++)
        for (size_t k = 0; k < program->editions[i].feed_count; k++) {
            struct feed *feed = &program->editions[i].feeds[k];
            if (feed_synced(feed))
                continue;
            synced = false;
            if (feed_error(feed)->code != 0 && program->error.code == 0) {
                program->error = *feed_error(feed);
                error_prefix(&program->error, "%s, %s", feed->definition->name, feed->match->kind);
            }
        }
    if (synced)
        set_state(program, PROGRAM_READY);
    else
        program->changed(program);
}

static void on_feed_state(struct feed *feed) {
    check_synced(((struct edition *)feed->context)->program);
}

static void on_feed_delta(struct feed *feed, const struct store_delta *delta) {
    struct edition *edition = feed->context;
    struct program *program = edition->program;
    if (feed->indexed)
        program_observe(feed, delta, /* filter= */ false, /* map= */ false);
    if (program->state == PROGRAM_LIVE && edition->controller &&
        edition->controller->edition == edition)
        controller_delta(edition->controller, feed, delta);
}

static int add_feed(struct edition *edition, const struct kind_match *match, enum feed_role role,
                    size_t number, struct error *err) {
    struct feed *feed = &edition->feeds[edition->feed_count];
    int rc = feed_init(feed, edition->program->host, edition->definition, edition->index, match,
                       role, number, err);
    if (rc < 0)
        return rc;
    feed->context = edition;
    feed->on_delta = on_feed_delta;
    feed->on_state = on_feed_state;
    edition->feed_count++;
    return 0;
}

static int add_feeds(struct edition *edition, struct error *err) {
    const struct definition *d = edition->definition;
    size_t most = 1 + d->owns_count + d->watches_count + d->reads_count;
    edition->feeds = mem_calloc(most, sizeof *edition->feeds);
    if (edition->feeds == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for %s", d->name);
    int rc = d->has_resource ? add_feed(edition, &d->resource, FEED_PRIMARY, 0, err) : 0;
    for (size_t i = 0; rc == 0 && i < d->owns_count; i++)
        rc = add_feed(edition, &d->owns[i], FEED_OWNED, i, err);
    for (size_t i = 0; rc == 0 && i < d->watches_count; i++)
        rc = add_feed(edition, &d->watches[i], FEED_WATCHED, i, err);
    for (size_t i = 0; rc == 0 && i < d->reads_count; i++)
        rc = add_feed(edition, &d->reads[i], FEED_READ, i, err);
    return rc;
}

static void start_informers(struct program *program) {
    struct error err;
    program->state = PROGRAM_SYNCING;
    program->waiting_since_ns = loop_now(program->host->loop);
    for (size_t i = 0; i < program->count; i++)
        if (add_feeds(&program->editions[i], &err) < 0) {
            program_fail(program, &err, /* environment= */ false);
            return;
        }
    for (size_t i = 0; i < program->count; i++)
        for (size_t k = 0; k < program->editions[i].feed_count; k++)
            feed_listen(&program->editions[i].feeds[k], program->editions[i].feeds[k].indexed);
    check_synced(program);
}

/* The kinds of webhooks: one that nothing serves would be registered, and never called. */

static struct webhook *unresolved(const struct program *program) {
    for (size_t i = 0; i < program->declaration->count; i++) {
        struct definition *definition = &program->declaration->definitions[i];
        for (size_t k = 0; k < definition->webhook_count; k++)
            if (definition->webhooks[k].plural == NULL)
                return &definition->webhooks[k];
    }
    return NULL;
}

static void resolve_webhooks(struct program *program);

static void on_kind(void *context, const struct kube_resource *resource, const struct error *err) {
    struct program *program = context;
    program->lookup = NULL;
    if (err) {
        struct error failure = *err;
        error_prefix(&failure, "webhook of %s", unresolved(program)->resource.kind);
        program_fail(program, &failure, /* environment= */ true);
        return;
    }
    unresolved(program)->plural = resource->plural;
    resolve_webhooks(program);
}

static void resolve_webhooks(struct program *program) {
    const struct webhook *webhook = unresolved(program);
    if (webhook == NULL) {
        start_informers(program);
        return;
    }
    struct discovery_lookup *lookup =
        discovery_resolve(program->host->discovery, webhook->resource.api_version,
                          webhook->resource.kind_name, on_kind, program);
    if (lookup) /* else it was answered, and the program may be gone */
        program->lookup = lookup;
}

/* Permissions and CRDs */

static void on_access(void *context, const struct error *err) {
    struct program *program = context;
    if (err)
        program_fail(program, err, /* environment= */ true);
    else
        resolve_webhooks(program);
}

static const struct declaration *declared_before(const struct program *program) {
    return program->before ? program->before->declaration : NULL;
}

/* The CRD may have brought a version that discovery has not seen. */
static void forget_kind(struct host *host, const struct declared_crd *crd) {
    for (char **version = crd->versions; *version; version++) {
        CLEANUP(mem_freep) char *api_version = mem_printf("%s/%s", crd->group, *version);
        if (api_version && discovery_peek(host->discovery, api_version, crd->kind) == NULL)
            discovery_forget(host->discovery, api_version);
    }
}

static void on_installed(void *context, const struct error *err) {
    struct program *program = context;
    struct error failure;
    if (err) {
        program_fail(program, err, /* environment= */ true);
        return;
    }
    for (size_t i = 0; i < program->declaration->crd_count; i++)
        forget_kind(program->host, &program->declaration->crds[i]);
    program->state = PROGRAM_CHECKING;
    program->access = access_start(program->host, program->declaration, declared_before(program),
                                   on_access, program, &failure);
    if (program->access == NULL)
        program_fail(program, &failure, /* environment= */ true);
}

void program_install(struct program *program) {
    struct error err;
    program->state = PROGRAM_INSTALLING;
    program->install = install_start(program->host, program->declaration, declared_before(program),
                                     &program->host->install_options, on_installed, program, &err);
    if (program->install == NULL)
        program_fail(program, &err, /* environment= */ true);
}

static void on_flush(struct loop_timer *timer) {
    program_flush(CONTAINER_OF(timer, struct program, flush));
}

struct program *program_start(struct host *host, struct script_source *source, const char *config,
                              const struct program *before,
                              void (*changed)(struct program *program),
                              void (*died)(struct program *program), void *context,
                              struct error *err) {
    struct program *program = mem_zalloc(sizeof *program);
    if (program == NULL || (config && (program->config = mem_strdup(config)) == NULL)) {
        mem_free(program);
        error_set(err, ERROR_NOMEM, "no memory to load %s", source->name);
        return NULL;
    }
    program->host = host;
    program->source = script_source_ref(source);
    program->before = before;
    program->changed = changed;
    program->died = died;
    program->context = context;
    program->created_ns = loop_now(host->loop);
    list_init(&program->link);
    loop_timer_init(host->loop, &program->flush, on_flush);
    if (program_load(program, err) < 0) {
        program_destroy(program);
        return NULL;
    }
    return program;
}

/* Views: what each definition's ctx may read. */

static void add_view(struct script_view *view, const struct feed *feed) {
    const struct kube_resource *resource = informer_resource(feed->informer);
    *view = (struct script_view){.definition = feed->index,
                                 .kind = feed->match->kind,
                                 .store = informer_store(feed->informer),
                                 .namespaced = resource && resource->namespaced,
                                 .metadata_only = feed->match->metadata_only};
}

int program_go_live(struct program *program, struct error *err) {
    size_t count = 0, at = 0;
    for (size_t i = 0; i < program->count; i++)
        count += program->editions[i].feed_count;
    struct script_view *views = mem_calloc(count, sizeof *views);
    if (views == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for the views of %s", program->source->name);
    for (size_t i = 0; i < program->count; i++)
        for (size_t k = 0; k < program->editions[i].feed_count; k++)
            add_view(&views[at++], &program->editions[i].feeds[k]);
    int rc = program->script ? worker_bind(program->script, views, count, err) : 0;
    if (rc == 0 && program->serving)
        rc = worker_bind(program->serving, views, count, err);
    mem_free(views);
    if (rc < 0)
        return rc;
    program->state = PROGRAM_LIVE;
    return 0;
}

/* Ends */

static void stop_feeds(struct program *program) {
    for (size_t i = 0; i < program->count; i++) {
        for (size_t k = 0; k < program->editions[i].feed_count; k++)
            feed_finish(&program->editions[i].feeds[k]);
        mem_free(program->editions[i].feeds);
        program->editions[i].feeds = NULL;
        program->editions[i].feed_count = 0;
    }
}

static void stop_steps(struct program *program) {
    install_destroy(program->install);
    access_destroy(program->access);
    discovery_cancel(program->lookup);
    program->lookup = NULL;
    program->install = NULL;
    program->access = NULL;
}

void program_retire(struct program *program) {
    program->state = PROGRAM_RETIRED;
    for (size_t i = 0; i < program->count; i++)
        for (size_t k = 0; k < program->editions[i].feed_count; k++)
            feed_mute(&program->editions[i].feeds[k]);
    program_drop_inbox(program);
}

void program_destroy(struct program *program) {
    if (program == NULL)
        return;
    program->abandoned = true;
    stop_steps(program);
    if (program->loading || program->refs > 0)
        return;
    list_remove(&program->link);
    program_drop_inbox(program);
    stop_feeds(program);
    worker_unload(program->script);
    worker_unload(program->serving);
    for (size_t i = 0; i < program->count; i++) {
        object_unpin(program->editions[i].last_asked);
        node_unref(program->host->dag, program->editions[i].last_said);
    }
    mem_free(program->editions);
    declaration_destroy(program->declaration);
    script_source_unref(program->source);
    mem_free(program->config);
    mem_free(program);
}

bool program_lost(const struct program *program) {
    return (program->script && worker_script_lost(program->script)) ||
           (program->serving && worker_script_lost(program->serving));
}

void program_ref(struct program *program) {
    program->refs++;
}

void program_unref(struct program *program) {
    if (--program->refs == 0 && program->abandoned)
        program_destroy(program);
}

bool program_waits_for(const struct program *program, struct strbuf *text) {
    if (program->state != PROGRAM_SYNCING)
        return false;
    for (size_t i = 0; i < program->count; i++)
        for (size_t k = 0; k < program->editions[i].feed_count; k++) {
            const struct feed *feed = &program->editions[i].feeds[k];
            if (feed_synced(feed))
                continue;
            strbuf_printf(text, "%s: %s", feed->match->kind,
                          feed_error(feed)->code ? feed_error(feed)->message : "syncing");
            return true;
        }
    return false;
}
