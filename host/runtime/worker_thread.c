#include "base/mem.h"
#include "runtime/worker_internal.h"

#include <unistd.h>

/* The worker's thread: every engine call is between enter() and leave(), so that the core can see
 * one that does not return. */

static void enter(struct worker_body *body) {
    atomic_fetch_add(&body->turn, 1);
    atomic_store(&body->state, BODY_BUSY);
}

/* False: the core gave this thread up meanwhile; touch nothing and leave. */
static bool leave(struct worker_body *body) {
    int busy = BODY_BUSY;
    return atomic_compare_exchange_strong(&body->state, &busy, BODY_IDLE);
}

/* An abandoned thread must not deliver another message, nor free what those it has taken refer to:
 * it sleeps here for good. */
static _Noreturn void retire(void) {
    for (;;)
        pause();
}

static const struct script_engine_type *engine_of(const struct worker_body *body) {
    return body->worker->options.engine;
}

static void post_to_core(struct worker_body *body, struct message *message,
                         void (*deliver)(struct message *message)) {
    message->deliver = deliver;
    mailbox_post(body->core, message);
}

void worker_thread_open(struct worker_body *body) {
    enter(body);
    body->engine = engine_of(body)->open(&body->host, &body->open_error);
    if (!leave(body))
        retire();
}

void worker_thread_close(struct worker_body *body) {
    struct list *link, *next;
    LIST_EACH(link, next, &body->scripts) {
        struct worker_script *script = CONTAINER_OF(link, struct worker_script, body_link);
        list_remove(link);
        if (script->script)
            engine_of(body)->unload(script->script);
        script->script = NULL;
    }
    if (body->engine)
        engine_of(body)->close(body->engine);
    body->engine = NULL;
    mailbox_destroy(body->mailbox);
}

void worker_thread_main(void *context) {
    struct worker_body *body = context;
    worker_thread_open(body);
    loop_run(body->loop);
    worker_thread_close(body);
    loop_run(body->loop);
    loop_destroy(body->loop);
}

void worker_thread_quit(struct message *message) {
    struct worker_body *body = CONTAINER_OF(message, struct worker_body, quit);
    loop_stop(body->loop);
}

void worker_thread_load(struct message *message) {
    struct load_message *load = CONTAINER_OF(message, struct load_message, message);
    struct worker_script *script = load->script;
    struct worker_body *body = script->body;
    const struct script_engine_type *type = engine_of(body);
    list_append(&body->scripts, &script->body_link);
    atomic_store(&load->begun, true);
    if (body->engine == NULL) {
        load->err = body->open_error;
    } else {
        enter(body);
        script->script =
            type->load(body->engine, load->source, &load->limits, load->config, &load->err);
        if (!leave(body))
            retire();
        load->declaration = script->script ? mem_strdup(type->declaration(script->script)) : NULL;
        if (script->script && load->declaration == NULL)
            error_set(&load->err, ERROR_NOMEM, "no memory for the declaration of %s",
                      load->source->name);
        else if (script->script)
            load->err.code = 0;
    }
    if (load->err.code != 0) {
        if (script->script)
            type->unload(script->script);
        script->script = NULL;
        list_remove(&script->body_link);
    }
    post_to_core(body, message, worker_loaded_deliver);
}

void worker_thread_bind(struct message *message) {
    struct bind_message *bind = CONTAINER_OF(message, struct bind_message, message);
    struct worker_body *body = bind->script->body;
    struct error err;
    if (bind->script->script &&
        engine_of(body)->bind(bind->script->script, bind->views, bind->count, &err) < 0)
        log_error(body->host.log, "bind a script: %s", err.message);
    mem_free(bind);
}

/* Requests that the call leaves behind come back later and find nobody (see worker_thread_answer);
 * once the message is posted the core may free the call. */
static void finish_call(struct worker_body *body, struct worker_call *call) {
    struct list *link, *next;
    LIST_EACH(link, next, &call->requests) {
        struct script_request *request = CONTAINER_OF(link, struct script_request, link);
        list_remove(link);
        __atomic_store_n(&request->orphan, 1, __ATOMIC_RELAXED);
    }
    list_remove(&call->link);
    call->run = NULL;
    post_to_core(body, &call->message, worker_call_deliver);
}

/* Calls that have not ended go back as aborted, to be tried again without penalty. */
static void abort_calls(struct worker_body *body, struct worker_script *script) {
    struct list *link, *next;
    LIST_EACH(link, next, &script->calls) {
        struct worker_call *call = CONTAINER_OF(link, struct worker_call, link);
        call->aborted = true;
        call->result.state = SCRIPT_FAILED;
        error_set(&call->result.error, ERROR_CANCELLED, "the script ended");
        finish_call(body, call);
    }
}

static void unload(struct worker_body *body, struct worker_script *script) {
    if (script->script)
        engine_of(body)->unload(script->script);
    script->script = NULL;
    abort_calls(body, script);
}

void worker_thread_unload(struct message *message) {
    struct worker_script *script = CONTAINER_OF(message, struct worker_script, unload_message);
    struct worker_body *body = script->body;
    unload(body, script);
    list_remove(&script->body_link);
    post_to_core(body, message, worker_unloaded_deliver);
}

static void publish(struct worker_script *script, const struct script_engine_type *type) {
    atomic_store_explicit(&script->memory, type->memory(script->script), memory_order_relaxed);
    atomic_store_explicit(&script->cpu, type->cpu(script->script), memory_order_relaxed);
}

/* After each turn in the engine: ends the call that is done, and the script that died. */
static void after_turn(struct worker_body *body, struct worker_script *script,
                       struct worker_call *call) {
    const struct script_engine_type *type = engine_of(body);
    bool dead = type->dead(script->script);
    if (!dead)
        publish(script, type);
    if (call && (call->result.state != SCRIPT_WAITING || dead)) {
        call->died = dead;
        finish_call(body, call);
    }
    if (dead)
        unload(body, script);
}

void worker_thread_call(struct message *message) {
    struct worker_call *call = CONTAINER_OF(message, struct worker_call, message);
    struct worker_script *script = call->script;
    struct worker_body *body = script->body;
    list_append(&script->calls, &call->link);
    if (script->script == NULL) {
        abort_calls(body, script);
        return;
    }
    enter(body);
    engine_of(body)->call(script->script, &call->call, &call->run, &call->result);
    if (!leave(body))
        retire();
    after_turn(body, script, call);
}

void worker_thread_answer(struct message *message) {
    struct script_request *request = CONTAINER_OF(message, struct script_request, message);
    if (__atomic_load_n(&request->orphan, __ATOMIC_RELAXED)) {
        script_request_destroy(request);
        return;
    }
    struct worker_call *call = request->context;
    struct worker_script *script = call->script;
    struct worker_body *body = script->body;
    list_remove(&request->link);
    enter(body);
    engine_of(body)->answer(request, &call->result);
    if (!leave(body))
        retire();
    after_turn(body, script, call);
}

void worker_thread_cancel(struct message *message) {
    struct worker_call *call = CONTAINER_OF(message, struct worker_call, cancel_message);
    struct worker_body *body = call->script->body;
    if (call->run && call->script->script)
        engine_of(body)->cancel(call->run, call->cancel_code);
    post_to_core(body, message, worker_cancel_deliver);
}

void worker_thread_observe(struct message *message) {
    struct worker_batch *batch = CONTAINER_OF(message, struct worker_batch, message);
    struct worker_script *script = batch->script;
    struct worker_body *body = script->body;
    batch->aborted = script->script == NULL;
    for (size_t i = 0; i < batch->count && script->script; i++) {
        struct worker_observation *item = &batch->items[i];
        enter(body);
        engine_of(body)->observe(script->script, &item->change, &item->result);
        if (!leave(body))
            retire();
        if (engine_of(body)->dead(script->script)) {
            batch->died = true;
            unload(body, script);
        }
    }
    post_to_core(body, message, worker_batch_deliver);
}

void worker_thread_submit(void *context, struct script_request *request) {
    struct worker_body *body = context;
    struct worker_call *call = request->context;
    list_append(&call->requests, &request->link);
    if (atomic_load(&body->state) != BODY_ABANDONED)
        post_to_core(body, &request->message, worker_request_deliver);
}

void worker_thread_note(void *context, struct script_note *note) {
    struct worker_body *body = context;
    if (atomic_load(&body->state) == BODY_ABANDONED)
        script_note_destroy(note);
    else
        post_to_core(body, &note->message, worker_note_deliver);
}
