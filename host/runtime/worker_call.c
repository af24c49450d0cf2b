#include "base/mem.h"
#include "runtime/worker_internal.h"

/* Calls */

static void end_when_quiet(struct worker_call *call) {
    if (!call->finished || call->in_flight > 0 || call->cancelling)
        return;
    struct worker_script *script = call->script;
    call->on_done(call);
    script->open_calls--;
    worker_script_release(script);
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

void worker_call_abort(struct worker_call *call) {
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
        worker_call_abort(call);
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
