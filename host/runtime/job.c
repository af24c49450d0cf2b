#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/body.h"
#include "runtime/controller.h"
#include "runtime/note.h"
#include "runtime/observer.h"

/* One key in work: what the object's state asks for, the handler, what its result means. */

struct job {
    struct list link;
    struct controller *controller;
    struct edition *edition;
    char *key;
    struct str ns, name;         /* parts of key */
    char *uid;                   /* of who is gone; else NULL */
    const struct object *object; /* pinned; NULL: gone */
    const char *reason;
    struct invocation invocation;
    bool invoked, cancelled;
    struct kube_call *patch; /* a finalizer on its way */
    struct strbuf path;
    bool adding;  /* the patch puts the finalizer on; else takes it off */
    bool leaving; /* R7: the object has stopped matching */
    uint64_t started_ns;
};

struct job *job_of(struct list *link) {
    return CONTAINER_OF(link, struct job, link);
}

bool job_runs(const struct job *job, const struct edition *edition) {
    return job->edition == edition;
}

static void finish(struct job *job) {
    struct controller *controller = job->controller;
    struct program *program = job->edition->program;
    list_remove(&job->link);
    if (job->invoked)
        invocation_finish(&job->invocation);
    workqueue_done(controller->queue, str_of(job->key));
    if (!job->invocation.call.lost) {
        object_unpin(job->object);
        strbuf_finish(&job->path);
        mem_free(job->uid);
        mem_free(job->key);
        mem_free(job);
    }
    controller_job_done(controller, NULL);
    program_unref(program);
}

static void record(struct job *job, const char *result) {
    struct controller *controller = job->controller;
    double seconds = (double)(loop_now(controller->host->loop) - job->started_ns) / 1e9;
    if (controller->on_result)
        controller->on_result(controller, result, seconds);
    const struct observer *observer = controller->host->observer;
    if (observer == NULL)
        return;
    struct observed_result seen = {.controller = controller->name,
                                   .key = job->key,
                                   .reason = job->reason,
                                   .result = result,
                                   .seconds = seconds};
    observer->reconciled(observer->context, &seen);
}

static void remember_error(struct job *job, const char *text) {
    enum { MOST = 1000 };
    struct map *errors = &job->controller->last_errors;
    char *copy = text ? mem_strdup(text) : NULL;
    void *old = NULL;
    if (copy == NULL || errors->count >= MOST)
        old = map_remove(errors, str_of(job->key));
    if (copy && (errors->count >= MOST || map_set(errors, str_of(job->key), copy, &old) < 0))
        mem_free(copy);
    mem_free(old);
}

/* Success of the whole job. */
static void succeed(struct job *job) {
    record(job, "success");
    remember_error(job, NULL);
    workqueue_forget(job->controller->queue, str_of(job->key));
    finish(job);
}

static void give_up(struct job *job, const struct error *err) {
    struct controller *controller = job->controller;
    workqueue_forget(controller->queue, str_of(job->key));
    const struct definition *definition = job->edition->definition;
    bool initializes = definition->handlers & HANDLER_INITIALIZE;
    if (job->object)
        host_event(controller->host, controller->name, job->object,
                   definition->resource.api_version, definition->resource.kind_name, "Warning",
                   initializes ? "InitializeFailed" : "ReconcileFailed", "%s", err->message);
}

/* A key that ends the isolate takes the others' work with it. Not so often that the file is
 * suspended for it. */
#define DEADLY_WAIT_NS (60 * NS_PER_S)

/* What an initializer gives up is looked at once more, at its deadline. */
static const char *given_up(struct job *job, const struct error *err, bool permanent,
                            bool retry_after) {
    if (!retry_after || !(job->edition->definition->handlers & HANDLER_INITIALIZE))
        return permanent ? "not retried: permanent"
                         : "not retried: out of attempts; waits for the next change";
    workqueue_add_after(job->controller->queue, str_of(job->key), err->retry_after_ns, "requeue");
    return permanent ? "not retried before its deadline: permanent"
                     : "not retried before its deadline: out of attempts";
}

/* Decides when a failed key runs again. Returns what to say about it. */
static const char *schedule_again(struct job *job, const struct error *err, bool permanent,
                                  bool retry_after) {
    struct workqueue *queue = job->controller->queue;
    struct str key = str_of(job->key);
    unsigned attempts = job->edition->definition->retry_attempts;
    bool last = attempts > 0 && workqueue_failures(queue, key) + 1 >= attempts;
    if (permanent || last) {
        give_up(job, err);
        return given_up(job, err, permanent, retry_after);
    }
    if (retry_after && err->retry_after_ns > 0) {
        workqueue_add_after(queue, key, err->retry_after_ns, "requeue");
        return "retried when it asked to be";
    }
    bool deadly = job->invoked && job->invocation.call.died;
    workqueue_add_backoff_least(queue, key, deadly ? DEADLY_WAIT_NS : 0, job->reason);
    return deadly ? "retried after a minute, or when it changes" : "retried with backoff";
}

static bool is_repeated(const struct job *job, const struct error *err) {
    const char *last = map_get(&job->controller->last_errors, str_of(job->key));
    return last && strcmp(last, err->message) == 0;
}

static void log_failure(struct job *job, const struct error *err, unsigned attempts,
                        const char *then, const char *traceback) {
    struct log_field fields[10] = {{0}};
    char attempt[16];
    size_t at = 0;
    if (job->invoked)
        invocation_log_fields(&job->invocation, fields);
    while (fields[at].key)
        at++;
    if (at == 0) {
        fields[at++] = (struct log_field){"controller", job->controller->name, false};
        fields[at++] = (struct log_field){"key", job->key, false};
    }
    snprintf(attempt, sizeof attempt, "%u", attempts);
    fields[at++] = (struct log_field){"attempt", attempt, true};
    fields[at++] = (struct log_field){"code", error_code_name(err->code), false};
    fields[at++] = (struct log_field){"then", then, false};
    if (!is_repeated(job, err))
        fields[at++] = (struct log_field){"traceback", traceback, false};
    fields[at] = (struct log_field){0};
    log_emit(job->controller->host->log, LOG_ERROR, fields, "%s", err->message);
}

static void fail(struct job *job, const struct error *err, bool permanent, bool retry_after,
                 const char *traceback) {
    unsigned attempts = workqueue_failures(job->controller->queue, str_of(job->key)) + 1;
    const char *then = schedule_again(job, err, permanent, retry_after);
    log_failure(job, err, attempts, then, traceback);
    remember_error(job, err->message);
    record(job, "error");
    finish(job);
}

/* R14: not the key's fault; it runs again without a counted try. */
static void put_back(struct job *job) {
    if (!job->controller->removed)
        controller_enqueue(job->controller, str_of(job->key), /* low= */ false, job->reason);
    finish(job);
}

/* Finalizers */

static void proceed(struct job *job);

static void on_patched(void *context, const struct kube_answer *answer, const struct error *err) {
    struct job *job = context;
    struct host *host = job->controller->host;
    const struct kind_match *kind = &job->edition->definition->resource;
    job->patch = NULL;
    if (err && err->code == ERROR_NOT_FOUND && !job->adding) {
        succeed(job);
        return;
    }
    if (err) {
        struct error failure = *err;
        error_prefix(&failure, "finalizer %s of %s %s", job->controller->finalizer, kind->kind,
                     job->key);
        bool behind = failure.code == ERROR_CONFLICT || failure.code == ERROR_REJECTED;
        if (behind) { /* our cache is behind: the event that brings it up is on its way */
            workqueue_add_backoff(job->controller->queue, str_of(job->key), job->reason);
            remember_error(job, failure.message);
            record(job, "requeue");
            finish(job);
        } else {
            fail(job, &failure, false, false, NULL);
        }
        return;
    }
    node_unref(host->dag, informer_set_wrote(host->informers, kind->api_version, kind->kind_name,
                                             answer->body, NULL));
    if (!job->adding) {
        controller_forget(job->controller, str_of(job->key));
        succeed(job);
        return;
    }
    const struct object *fresh =
        informer_set_find(host->informers, kind->api_version, kind->kind_name, job->ns, job->name);
    object_unpin(job->object);
    job->object = fresh;
    if (job->cancelled)
        put_back(job); /* R14: the new version's to run */
    else
        proceed(job);
}

/* R3: under the manager "moonlet", with tests on uid and resourceVersion. */
static void patch_finalizer(struct job *job, bool on) {
    struct host *host = job->controller->host;
    const struct kube_resource *resource = informer_resource(job->edition->feeds[0].informer);
    struct strbuf body = {0};
    struct error err;
    CLEANUP(mem_freep) char *ns = mem_strndup(job->ns.data, job->ns.len);
    CLEANUP(mem_freep) char *name = mem_strndup(job->name.data, job->name.len);
    if (!body_finalizer_patch(&body, job->object, job->controller->finalizer, on)) {
        strbuf_finish(&body);
        succeed(job);
        return;
    }
    job->adding = on;
    strbuf_clear(&job->path);
    kube_resource_path(&job->path, resource, job->ns.len ? ns : NULL, name, NULL);
    struct kube_request request = {.method = "PATCH",
                                   .path = job->path.data,
                                   .query = "fieldManager=moonlet",
                                   .content_type = "application/json-patch+json",
                                   .body = strbuf_view(&body)};
    if (ns == NULL || name == NULL || body.failed || job->path.failed)
        error_set(&err, ERROR_NOMEM, "no memory for a finalizer");
    else
        job->patch = kube_call_start(host->client, &request, on_patched, job, &err);
    strbuf_finish(&body);
    if (job->patch == NULL)
        fail(job, &err, false, false, NULL);
}

/* Results */

static void requeue(struct job *job, uint64_t after_ns) {
    struct workqueue *queue = job->controller->queue;
    remember_error(job, NULL);
    workqueue_forget(queue, str_of(job->key));
    workqueue_add_after(queue, str_of(job->key), after_ns, "requeue");
    record(job, "requeue_after");
    finish(job);
}

static void on_success(struct job *job, bool again, uint64_t after_ns) {
    const char *function = job->invocation.function;
    if (strcmp(function, "gone") == 0) {
        controller_forget(job->controller, str_of(job->key));
        if (job->leaving && job->object)
            patch_finalizer(job, /* on= */ false);
        else
            succeed(job);
        return;
    }
    if (again)
        requeue(job, after_ns);
    else if (strcmp(function, "finalize") == 0)
        patch_finalizer(job, /* on= */ false);
    else
        succeed(job);
}

static void on_done(struct invocation *invocation) {
    struct job *job = invocation->context;
    struct script_result result = invocation->call.result;
    bool died = invocation->call.died, aborted = invocation->call.aborted && !died;
    int cancelled = invocation->cancelled;
    invocation->call.result = (struct script_result){0};
    if (died)
        job->edition->program->died(job->edition->program);
    if (aborted || (cancelled == ERROR_CANCELLED && result.state == SCRIPT_FAILED))
        put_back(job);
    else if (result.state == SCRIPT_FAILED)
        fail(job, &result.error, result.permanent, result.retry_after, result.traceback);
    else
        on_success(job, result.requeue, result.requeue_ns);
    script_result_finish(&result);
}

static void invoke(struct job *job, const char *function) {
    struct controller *controller = job->controller;
    struct edition *edition = job->edition;
    struct error err;
    job->invocation = (struct invocation){.done = on_done, .context = job};
    struct script_call *call = &job->invocation.call.call;
    call->reason = job->leaving ? "unmatched" : job->reason;
    call->attempt = workqueue_failures(controller->queue, str_of(job->key)) + 1;
    call->ns = job->ns;
    call->name = job->name;
    call->uid = job->object ? object_uid(job->object) : str_of(job->uid);
    job->invoked = true;
    if (invocation_start(&job->invocation, controller->host, edition->program->script,
                         edition->definition, edition->index, function, str_of(job->key),
                         job->object, NULL, &err) < 0)
        fail(job, &err, false, false, NULL);
}

static void invoke_gone(struct job *job, node_t uid) {
    struct str text = node_text(job->controller->host->dag, uid);
    job->uid = mem_strndup(text.data, text.len);
    invoke(job, "gone");
}

/* The object's state decides what the key needs. */
static void proceed(struct job *job) {
    const struct definition *definition = job->edition->definition;
    struct controller *controller = job->controller;
    struct str key = str_of(job->key);
    const struct object *object = job->object;
    node_t known = controller_knows(controller, key);
    bool held = object && object_has_finalizer(object, controller->finalizer);
    bool deleting = object && object_is_deleting(object);
    bool matches = object && feed_matches(&job->edition->feeds[0], object);
    job->leaving = object && !matches && !deleting;
    if (object == NULL || (!matches && !(deleting && held))) {
        if (known && definition->handlers & HANDLER_GONE)
            invoke_gone(job, known);
        else if (held && job->leaving)
            patch_finalizer(job, /* on= */ false);
        else {
            controller_forget(controller, key);
            succeed(job);
        }
    } else if (deleting && definition->handlers & HANDLER_FINALIZE) {
        if (held)
            invoke(job, "finalize");
        else
            succeed(job); /* ours is done; others hold it */
    } else if (definition->handlers & HANDLER_FINALIZE && !held) {
        patch_finalizer(job, /* on= */ true);
    } else {
        if (controller_know(controller, key, object) < 0)
            log_warn(controller->host->log, "controller %s: no memory to remember %s",
                     controller->name, job->key);
        if (definition->handlers & HANDLER_RECONCILE)
            invoke(job, "reconcile");
        else if (definition->handlers & HANDLER_INITIALIZE)
            invoke(job, "initialize");
        else
            succeed(job);
    }
}

struct job *job_start(struct controller *controller, const struct workqueue_item *item,
                      struct error *err) {
    struct job *job = mem_zalloc(sizeof *job);
    if (job == NULL || (job->key = mem_strndup(item->key.data, item->key.len)) == NULL) {
        mem_free(job);
        error_set(err, ERROR_NOMEM, "no memory for a job");
        return NULL;
    }
    workqueue_split_key(str_of(job->key), &job->ns, &job->name);
    job->controller = controller;
    job->edition = controller->edition;
    job->reason = item->reason;
    job->started_ns = loop_now(controller->host->loop);
    program_ref(job->edition->program);
    list_append(&controller->jobs, &job->link);
    const struct object *object =
        store_get(informer_store(job->edition->feeds[0].informer), job->ns, job->name);
    job->object = object ? object_pin(object) : NULL;
    proceed(job);
    return job; /* may be over already: only its not being NULL means something */
}

void job_cancel(struct job *job, int code) {
    job->cancelled = true;
    if (job->invoked)
        invocation_cancel(&job->invocation, code);
}
