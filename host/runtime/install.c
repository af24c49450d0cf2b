#include "runtime/install.h"

#include <string.h>

#include "addon/crds.h"
#include "base/mem.h"
#include "runtime/hooks.h"

/* One CRD at a time: GET, compare, dry-run, apply, then GET until Established. */

enum { MOST_POLLS = 150 };

enum step { STEP_READ, STEP_DRY_RUN, STEP_APPLY, STEP_WAIT };

struct install {
    struct host *host;
    const struct declaration *declaration, *installed; /* installed: may be NULL */
    struct install_options options;
    void (*done)(void *context, const struct error *err);
    void *context;
    size_t at; /* which CRD */
    enum step step;
    struct kube_call *call;
    struct loop_timer timer;
    struct strbuf path;
    struct strbuf text; /* of the CRD in work */
    char **previous;    /* per CRD: what the server had, JSON; NULL: nothing or unchanged */
    unsigned polls;
};

static void next_step(struct install *install);

static void end(struct install *install, const struct error *err) {
    struct error copy;
    if (err) {
        copy = *err;
        error_prefix(&copy, "CRD %s", install->declaration->crds[install->at].name);
    }
    install->done(install->context, err ? &copy : NULL);
}

/* As declared, with the converter that this host is. */
static int prepare(struct install *install, struct error *err) {
    const struct declared_crd *crd = &install->declaration->crds[install->at];
    const struct registration_endpoint *endpoint = hooks_endpoint(install->host->hooks);
    strbuf_clear(&install->text);
    if (crd->converts && endpoint)
        return registration_crd(crd, endpoint, &install->text, err);
    strbuf_adds(&install->text, crd->json);
    return install->text.failed ? error_set(err, ERROR_NOMEM, "no memory to install CRDs") : 0;
}

static const char *crd_json(const struct install *install) {
    return install->text.data;
}

static bool is_established(const struct dag *dag, node_t root) {
    node_t conditions = node_path(dag, root, "status.conditions");
    for (size_t i = 0; i < node_count(dag, conditions); i++) {
        node_t one = node_at(dag, conditions, i);
        if (node_is(dag, node_get(dag, one, str_of("type")), "Established"))
            return node_is(dag, node_get(dag, one, str_of("status")), "True");
    }
    return false;
}

static void next_crd(struct install *install) {
    install->at++;
    install->step = STEP_READ;
    install->polls = 0;
    next_step(install);
}

static void wait_established(struct install *install) {
    install->step = STEP_WAIT;
    if (++install->polls > MOST_POLLS) {
        struct error err;
        error_set(&err, ERROR_TIMEOUT, "the server did not establish it in 30 s");
        end(install, &err);
        return;
    }
    loop_timer_start(&install->timer, (install->polls == 1 ? 20 : 200) * NS_PER_MS);
}

/* What the server has now against what the file declares. */
static void on_read(struct install *install, const struct kube_answer *answer,
                    const struct error *failed) {
    struct error err;
    bool absent = failed && failed->code == ERROR_NOT_FOUND;
    if (failed && !absent) {
        end(install, failed);
        return;
    }
    if (install->options.mode == CRDS_CHECK) {
        if (absent) {
            error_set(&err, ERROR_NOT_FOUND,
                      "it is not installed and --crds=check does not install it: "
                      "`moonlet crds DIR | kubectl apply -f -`");
            end(install, &err);
        } else {
            wait_established(install);
        }
        return;
    }
    if (!absent) {
        CLEANUP(mem_freep) char *old = mem_strndup(answer->body.data, answer->body.len);
        if (old == NULL ||
            (!install->options.any_update && crd_check_update(old, crd_json(install), &err) < 0)) {
            if (old == NULL)
                error_set(&err, ERROR_NOMEM, "no memory to compare it");
            end(install, &err);
            return;
        }
        mem_free(install->previous[install->at]);
        install->previous[install->at] = old;
        old = NULL;
    }
    install->step = STEP_DRY_RUN;
    next_step(install);
}

static void on_established(struct install *install, const struct kube_answer *answer,
                           const struct error *failed) {
    struct error err;
    if (failed) {
        end(install, failed);
        return;
    }
    struct dag *dag = install->host->dag;
    node_t root = dag_parse(dag, answer->body, 0, &err);
    bool yes = root != NODE_NONE && is_established(dag, root);
    node_unref(dag, root);
    if (yes)
        next_crd(install);
    else
        wait_established(install);
}

static void on_answer(void *context, const struct kube_answer *answer, const struct error *err) {
    struct install *install = context;
    install->call = NULL;
    switch (install->step) {
    case STEP_READ:
        on_read(install, answer, err);
        return;
    case STEP_WAIT:
        on_established(install, answer, err);
        return;
    case STEP_DRY_RUN:
        if (err) {
            end(install, err);
            return;
        }
        install->step = STEP_APPLY;
        next_step(install);
        return;
    case STEP_APPLY:
        if (err)
            end(install, err);
        else
            wait_established(install);
        return;
    }
}

static void send(struct install *install) {
    struct error err;
    bool write = install->step == STEP_DRY_RUN || install->step == STEP_APPLY;
    strbuf_clear(&install->path);
    strbuf_printf(&install->path, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/%s",
                  install->declaration->crds[install->at].name);
    struct kube_request request = {
        .method = write ? "PATCH" : "GET",
        .path = install->path.data,
        .query = install->step == STEP_DRY_RUN ? "fieldManager=moonlet&force=true&dryRun=All"
                 : write                       ? "fieldManager=moonlet&force=true"
                                               : NULL,
        .content_type = "application/apply-patch+yaml",
        .body = write ? str_of(crd_json(install)) : (struct str){0},
    };
    if (install->path.failed)
        error_set(&err, ERROR_NOMEM, "no memory for a request");
    else
        install->call = kube_call_start(install->host->client, &request, on_answer, install, &err);
    if (install->call == NULL)
        end(install, &err);
}

static bool is_installed(const struct install *install) {
    const struct declared_crd *wanted = &install->declaration->crds[install->at];
    for (size_t i = 0; install->installed && i < install->installed->crd_count; i++)
        if (strcmp(install->installed->crds[i].name, wanted->name) == 0)
            return strcmp(install->installed->crds[i].json, wanted->json) == 0;
    return false;
}

static void next_step(struct install *install) {
    while (install->step == STEP_READ && install->at < install->declaration->crd_count &&
           is_installed(install))
        install->at++;
    struct error err;
    if (install->at == install->declaration->crd_count)
        install->done(install->context, NULL);
    else if (prepare(install, &err) < 0)
        end(install, &err);
    else
        send(install);
}

static void on_timer(struct loop_timer *timer) {
    next_step(CONTAINER_OF(timer, struct install, timer));
}

struct install *install_start(struct host *host, const struct declaration *declaration,
                              const struct declaration *installed,
                              const struct install_options *options,
                              void (*done)(void *context, const struct error *err), void *context,
                              struct error *err) {
    struct install *install = mem_zalloc(sizeof *install);
    char **previous = mem_calloc(declaration->crd_count, sizeof *previous);
    if (install == NULL || previous == NULL) {
        mem_free(install);
        mem_free(previous);
        error_set(err, ERROR_NOMEM, "no memory to install CRDs");
        return NULL;
    }
    *install = (struct install){.host = host,
                                .declaration = declaration,
                                .installed = installed,
                                .options = *options,
                                .done = done,
                                .context = context,
                                .previous = previous};
    loop_timer_init(host->loop, &install->timer, on_timer);
    if (options->mode == CRDS_SKIP)
        install->at = declaration->crd_count;
    loop_timer_start(&install->timer, 0);
    return install;
}

/* An undo outlives its install. */
struct undo {
    struct host *host;
    char *name;
};

static void on_undone(void *context, const struct kube_answer *answer, const struct error *err) {
    struct undo *undo = context;
    (void)answer;
    if (err)
        log_error(undo->host->log, "CRD %s could not be put back as it was: %s", undo->name,
                  err->message);
    else
        log_warn(undo->host->log, "CRD %s is as it was before", undo->name);
    mem_free(undo->name);
    mem_free(undo);
}

static void undo_one(struct host *host, const char *name, const char *previous) {
    struct undo *undo = mem_zalloc(sizeof *undo);
    struct strbuf body = {0}, path = {0};
    struct error err;
    bool sent = false;
    if (undo && (undo->name = mem_strdup(name)) && crd_as_intent(previous, &body, &err) == 0) {
        undo->host = host;
        strbuf_printf(&path, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/%s", name);
        struct kube_request request = {.method = "PATCH",
                                       .path = path.data,
                                       .query = "fieldManager=moonlet&force=true",
                                       .content_type = "application/apply-patch+yaml",
                                       .body = strbuf_view(&body)};
        sent = kube_call_start(host->client, &request, on_undone, undo, &err) != NULL;
    }
    if (!sent && undo) {
        mem_free(undo->name);
        mem_free(undo);
    }
    strbuf_finish(&body);
    strbuf_finish(&path);
}

void install_undo(struct install *install) {
    for (size_t i = 0; i < install->declaration->crd_count; i++)
        if (install->previous[i])
            undo_one(install->host, install->declaration->crds[i].name, install->previous[i]);
}

void install_destroy(struct install *install) {
    if (install == NULL)
        return;
    kube_call_cancel(install->call);
    loop_timer_stop(&install->timer);
    for (size_t i = 0; i < install->declaration->crd_count; i++)
        mem_free(install->previous[i]);
    mem_free(install->previous);
    strbuf_finish(&install->path);
    strbuf_finish(&install->text);
    mem_free(install);
}
