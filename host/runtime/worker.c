#include "runtime/worker.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/worker_internal.h"

/* Core side: sending, receiving, and giving up a thread. The thread's side is worker_thread.c. */

static void watch_thread(struct loop_timer *timer);

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

static int body_start(struct worker *worker, struct error *err) {
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
    loop_timer_init(options->core, &worker->watch, watch_thread);
    worker->core_mailbox = worker->name ? mailbox_create(options->core, err) : NULL;
    if (worker->core_mailbox == NULL || body_start(worker, err) < 0 ||
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

/* Frees the handle once the thread and every call are through with it. */
static void script_release(struct worker_script *script) {
    if (!script->unloaded || script->open_calls > 0)
        return;
    list_remove(&script->link);
    if (script->body) /* else the lost thread still has it in its list */
        mem_free(script);
}

static void script_unloaded(struct worker_script *script) {
    script->unloaded = true;
    script->worker->script_count--;
    script_release(script);
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

/* Calls */

static void end_when_quiet(struct worker_call *call) {
    if (!call->finished || call->in_flight > 0 || call->cancelling)
        return;
    struct worker_script *script = call->script;
    call->on_done(call);
    script->open_calls--;
    script_release(script);
}

void worker_call_deliver(struct message *message) {
    struct worker_call *call = CONTAINER_OF(message, struct worker_call, message);
    list_remove(&call->core_link);
    call->finished = true;
    end_when_quiet(call);
}

void worker_cancel_deliver(struct message *message) {
    struct worker_call *call = CONTAINER_OF(message, struct worker_call, cancel_message);
    call->cancelling = false;
    end_when_quiet(call);
}

void worker_request_deliver(struct message *message) {
    struct script_request *request = CONTAINER_OF(message, struct script_request, message);
    struct worker_call *call = request->context;
    call->in_flight++;
    call->on_request(call, request);
}

void worker_note_deliver(struct message *message) {
    struct script_note *note = CONTAINER_OF(message, struct script_note, message);
    struct worker_call *call = note->context;
    if (call->finished)
        script_note_destroy(note);
    else
        call->on_note(call, note);
}

static void abort_call(struct worker_call *call) {
    list_remove(&call->core_link);
    call->aborted = call->finished = true;
    call->cancelling = false;
    call->result.state = SCRIPT_FAILED;
    error_set(&call->result.error, ERROR_CANCELLED, "the script ended");
    end_when_quiet(call);
}

void worker_call_start(struct worker_script *script, struct worker_call *call) {
    call->script = script;
    call->call.context = call;
    call->run = NULL;
    call->in_flight = 0;
    call->finished = call->cancelling = call->aborted = call->died = call->lost = false;
    call->result = (struct script_result){0};
    list_init(&call->link);
    list_init(&call->requests);
    script->open_calls++;
    list_append(&script->core_calls, &call->core_link);
    if (script->body == NULL) {
        abort_call(call);
        return;
    }
    call->message.deliver = worker_thread_call;
    mailbox_post(script->body->mailbox, &call->message);
}

void worker_call_cancel(struct worker_call *call, int code) {
    if (call->finished || call->cancelling || call->script->body == NULL)
        return;
    call->cancelling = true;
    call->cancel_code = code;
    call->cancel_message.deliver = worker_thread_cancel;
    mailbox_post(call->script->body->mailbox, &call->cancel_message);
}

void worker_answer(struct script_request *request) {
    struct worker_call *call = request->context;
    struct worker_body *body = call->script->body;
    call->in_flight--;
    if (body == NULL) { /* nobody is left to hear it */
        script_request_destroy(request);
    } else {
        request->message.deliver = worker_thread_answer;
        mailbox_post(body->mailbox, &request->message);
    }
    end_when_quiet(call);
}

/* Observations */

void worker_batch_deliver(struct message *message) {
    struct worker_batch *batch = CONTAINER_OF(message, struct worker_batch, message);
    list_remove(&batch->link);
    batch->on_done(batch);
}

void worker_observe(struct worker_script *script, struct worker_batch *batch) {
    batch->script = script;
    if (script->body == NULL) {
        batch->aborted = true;
        batch->on_done(batch);
        return;
    }
    list_append(&script->worker->batches, &batch->link);
    batch->message.deliver = worker_thread_observe;
    mailbox_post(script->body->mailbox, &batch->message);
}

void worker_batch_destroy(struct worker_batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        object_unpin(batch->items[i].change.old);
        object_unpin(batch->items[i].change.now);
        script_result_finish(&batch->items[i].result);
        mem_free(batch->items[i].key);
    }
    mem_free(batch->items);
    mem_free(batch);
}

/* Ends what the lost thread had to do. The thread may still read all of it, so none is freed; new
 * work that a callback asks for goes to the new thread and to the end of the lists. */
static void end_scripts(struct worker *worker, const struct worker_body *lost) {
    struct list *link, *next, *call, *after;
    LIST_EACH(link, next, &worker->scripts) {
        struct worker_script *script = CONTAINER_OF(link, struct worker_script, link);
        if (script->body != lost)
            continue;
        script->body = NULL;
        LIST_EACH(call, after, &script->core_calls) {
            CONTAINER_OF(call, struct worker_call, core_link)->lost = true;
            abort_call(CONTAINER_OF(call, struct worker_call, core_link));
        }
    }
}

static void end_batches(struct list *batches) {
    while (!list_empty(batches)) {
        struct worker_batch *batch = CONTAINER_OF(batches->next, struct worker_batch, link);
        list_remove(&batch->link);
        batch->aborted = batch->lost = true;
        batch->on_done(batch);
    }
}

static void end_loads(struct worker *worker, struct list *loads) {
    while (!list_empty(loads)) {
        struct load_message *load = CONTAINER_OF(loads->next, struct load_message, link);
        struct error err;
        if (atomic_load(&load->begun))
            error_set(&err, ERROR_UNAVAILABLE, "%s: loading it did not come back",
                      load->source->name);
        else
            error_set(&err, ERROR_CANCELLED, "%s: its thread was given up", load->source->name);
        list_remove(&load->link);
        list_remove(&load->script->link);
        worker->script_count--;
        load->done(load->context, NULL, NULL, &err);
    }
}

static void move_all(struct list *from, struct list *to) {
    list_init(to);
    while (!list_empty(from)) {
        struct list *link = from->next;
        list_remove(link);
        list_append(to, link);
    }
}

/* A thread that does not come back (R19): its scripts end, a new thread takes its place. What the
 * old one holds is lost on purpose; freeing it under a running VM would be worse. */
static void give_up(struct worker *worker) {
    struct worker_body *lost = worker->body;
    int busy = BODY_BUSY;
    if (!atomic_compare_exchange_strong(&lost->state, &busy, BODY_ABANDONED))
        return; /* it has just come back */
    struct error err;
    thread_abandon(worker->thread);
    worker->thread = NULL;
    worker->body = NULL;
    if (body_start(worker, &err) < 0) {
        log_error(worker->options.log, "%s is stuck and cannot be replaced: %s", worker->name,
                  err.message);
        return;
    }
    struct list loads, batches;
    move_all(&worker->loads, &loads);
    move_all(&worker->batches, &batches);
    end_scripts(worker, lost);
    end_batches(&batches);
    end_loads(worker, &loads);
    worker->options.on_lost(worker->options.context, worker);
}

static void watch_thread(struct loop_timer *timer) {
    struct worker *worker = CONTAINER_OF(timer, struct worker, watch);
    struct worker_body *body = worker->body;
    uint64_t turn = body ? atomic_load(&body->turn) : 0;
    if (body && atomic_load(&body->state) == BODY_BUSY && turn == worker->seen_turn) {
        worker->seen_ns += NS_PER_S;
        if (worker->seen_ns >= worker->options.stuck_ns)
            give_up(worker);
    } else {
        worker->seen_turn = turn;
        worker->seen_ns = 0;
    }
    loop_timer_start(timer, NS_PER_S);
}
