#include "runtime/worker.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/worker_internal.h"

/* The core's side: a worker and its scripts. worker_call.c: their calls; worker_lost.c: a thread
 * that does not come back; worker_thread.c: the thread's side. */

static struct worker_body *body_create(struct worker *worker, struct error *err) {
    struct worker_body *body = mem_zalloc(sizeof *body);
    if (body == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for %s", worker->name);
        return NULL;
    }
    body->worker = worker;
    body->core = worker->core_mailbox;
    list_init(&body->scripts);
    atomic_init(&body->state, BODY_IDLE);
    body->reader = epoch_reader_create(worker->options.epochs, err);
    bool on_core = worker->options.on_core;
    if (body->reader)
        body->loop = on_core ? worker->options.core : loop_create(clock_real(), err);
    body->mailbox = body->loop ? mailbox_create(body->loop, err) : NULL;
    if (body->mailbox == NULL) {
        if (!on_core)
            loop_destroy(body->loop);
        epoch_reader_destroy(body->reader);
        mem_free(body);
        return NULL;
    }
    body->host = (struct script_host){
        .context = body,
        .clock = loop_clock(worker->options.core),
        .log = worker->options.log,
        .name = worker->options.host_name,
        .version = MOONLET_VERSION,
        .ns = worker->options.host_namespace,
        .reader = body->reader,
        .submit = worker_thread_submit,
        .note = worker_thread_note,
    };
    return body;
}

int worker_body_start(struct worker *worker, struct error *err) {
    struct worker_body *body = body_create(worker, err);
    if (body == NULL)
        return err ? err->code : ERROR_NOMEM;
    worker->body = body;
    if (worker->options.on_core) {
        worker_thread_open(body);
        return 0;
    }
    worker->thread = thread_start(worker->name, worker_thread_main, body, err);
    if (worker->thread != NULL)
        return 0;
    worker->body = NULL;
    mailbox_destroy(body->mailbox);
    loop_run(body->loop);
    loop_destroy(body->loop);
    epoch_reader_destroy(body->reader);
    mem_free(body);
    return err ? err->code : ERROR_UNAVAILABLE;
}

struct worker *worker_start(const struct worker_options *options, struct error *err) {
    struct worker *worker = mem_zalloc(sizeof *worker);
    if (worker == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a worker");
        return NULL;
    }
    worker->options = *options;
    if (worker->options.stuck_ns == 0)
        worker->options.stuck_ns = 30 * NS_PER_S;
    worker->name = mem_strdup(options->name);
    list_init(&worker->scripts);
    list_init(&worker->loads);
    list_init(&worker->batches);
    loop_timer_init(options->core, &worker->watch, worker_watch);
    worker->core_mailbox = worker->name ? mailbox_create(options->core, err) : NULL;
    if (worker->core_mailbox == NULL || worker_body_start(worker, err) < 0 ||
        (!options->on_core && loop_timer_start(&worker->watch, NS_PER_S) < 0)) {
        worker_stop(worker);
        return NULL;
    }
    return worker;
}

/* What was posted is delivered, then scripts and engine go. */
static void body_stop(struct worker *worker) {
    if (worker->options.on_core) {
        mailbox_deliver(worker->body->mailbox);
        worker_thread_close(worker->body);
        return;
    }
    worker->body->quit.deliver = worker_thread_quit;
    mailbox_post(worker->body->mailbox, &worker->body->quit);
    thread_join(worker->thread);
}

void worker_stop(struct worker *worker) {
    if (worker == NULL)
        return;
    loop_timer_stop(&worker->watch);
    if (worker->body) {
        body_stop(worker);
        worker->stopped = true;
        epoch_reader_destroy(worker->body->reader);
        mem_free(worker->body);
    }
    mailbox_destroy(worker->core_mailbox); /* delivers what the thread posted last */
    struct list *link, *next;
    LIST_EACH(link, next, &worker->scripts) {
        list_remove(link);
        mem_free(CONTAINER_OF(link, struct worker_script, link));
    }
    mem_free(worker->name);
    mem_free(worker);
}

size_t worker_scripts(const struct worker *worker) {
    return worker->script_count;
}

/* Loading */

void worker_script_release(struct worker_script *script) {
    if (!script->unloaded || script->open_calls > 0)
        return;
    list_remove(&script->link);
    if (script->body) /* else the lost thread still has it in its list */
        mem_free(script);
}

static void script_unloaded(struct worker_script *script) {
    script->unloaded = true;
    script->worker->script_count--;
    worker_script_release(script);
}

void worker_loaded_deliver(struct message *message) {
    struct load_message *load = CONTAINER_OF(message, struct load_message, message);
    struct worker_script *script = load->script;
    bool ok = load->err.code == 0;
    list_remove(&load->link);
    load->done(load->context, ok ? script : NULL, load->declaration, ok ? NULL : &load->err);
    if (!ok)
        script_unloaded(script);
    mem_free(load->declaration);
    mem_free(load->config);
    mem_free(load);
}

int worker_load(struct worker *worker, const struct script_source *source,
                const struct script_limits *limits, const char *config, worker_loaded done,
                void *context, struct error *err) {
    if (worker->body == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "%s has no thread", worker->name);
    struct worker_script *script = mem_zalloc(sizeof *script);
    struct load_message *load = mem_zalloc(sizeof *load);
    char *copy = mem_strdup(config);
    if (script == NULL || load == NULL || (config && copy == NULL)) {
        mem_free(script);
        mem_free(load);
        mem_free(copy);
        return error_set(err, ERROR_NOMEM, "no memory to load %s", source->name);
    }
    script->worker = worker;
    script->body = worker->body;
    list_append(&worker->scripts, &script->link);
    worker->script_count++;
    list_init(&script->calls);
    list_init(&script->core_calls);
    *load = (struct load_message){.message = {.deliver = worker_thread_load},
                                  .script = script,
                                  .source = source,
                                  .limits = *limits,
                                  .config = copy,
                                  .done = done,
                                  .context = context};
    list_append(&worker->loads, &load->link);
    mailbox_post(worker->body->mailbox, &load->message);
    return 0;
}

int worker_bind(struct worker_script *script, const struct script_view *views, size_t count,
                struct error *err) {
    if (script->body == NULL)
        return error_set(err, ERROR_CANCELLED, "its thread was given up");
    size_t texts = 0;
    for (size_t i = 0; i < count; i++)
        texts += strlen(views[i].kind) + 1;
    struct bind_message *bind = mem_zalloc(sizeof *bind + count * sizeof *views + texts);
    if (bind == NULL)
        return error_set(err, ERROR_NOMEM, "no memory to bind a script");
    bind->message.deliver = worker_thread_bind;
    bind->script = script;
    bind->count = count;
    char *text = (char *)(bind->views + count); /* the caller may be gone before it arrives */
    for (size_t i = 0; i < count; i++) {
        bind->views[i] = views[i];
        bind->views[i].kind = strcpy(text, views[i].kind);
        text += strlen(text) + 1;
    }
    mailbox_post(script->body->mailbox, &bind->message);
    return 0;
}

void worker_unloaded_deliver(struct message *message) {
    script_unloaded(CONTAINER_OF(message, struct worker_script, unload_message));
}

void worker_unload(struct worker_script *script) {
    if (script == NULL)
        return;
    if (script->body == NULL || script->worker->stopped) { /* its thread is gone */
        script_unloaded(script);
        return;
    }
    script->unload_message.deliver = worker_thread_unload;
    mailbox_post(script->body->mailbox, &script->unload_message);
}

bool worker_script_lost(const struct worker_script *script) {
    return script->body == NULL;
}

size_t worker_script_memory(const struct worker_script *script) {
    return atomic_load_explicit(&script->memory, memory_order_relaxed);
}

uint64_t worker_script_cpu(const struct worker_script *script) {
    return atomic_load_explicit(&script->cpu, memory_order_relaxed);
}
