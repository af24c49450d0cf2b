#include "runtime/invocation.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/note.h"

static struct invocation *of_call(struct worker_call *call) {
    return CONTAINER_OF(call, struct invocation, call);
}

static void answer(struct script_request *request) {
    struct invocation *invocation = of_call(request->context);
    if (request->skipped)
        host_count_skipped(invocation->scope.host, invocation->scope.definition->name);
    worker_answer(request);
}

static void on_request(struct worker_call *call, struct script_request *request) {
    struct invocation *invocation = of_call(call);
    if (invocation->cancelled) {
        error_set(&request->error, invocation->cancelled, "the call was cancelled");
        request->cancelled = true;
        worker_answer(request);
        return;
    }
    operation_start(&invocation->scope, request, answer);
}

static void on_note(struct worker_call *call, struct script_note *note) {
    note_take(of_call(call), note);
}

static void on_done(struct worker_call *call) {
    struct invocation *invocation = of_call(call);
    struct host *host = invocation->scope.host;
    loop_timer_stop(&invocation->timeout);
    if (host->on_call)
        host->on_call(host, invocation, /* ended= */ true);
    invocation->done(invocation);
}

static void on_timeout(struct loop_timer *timer) {
    invocation_cancel(CONTAINER_OF(timer, struct invocation, timeout), ERROR_TIMEOUT);
}

void invocation_cancel(struct invocation *invocation, int code) {
    if (invocation->cancelled)
        return;
    invocation->cancelled = code;
    worker_call_cancel(&invocation->call, code);
    operations_cancel(&invocation->scope, code);
}

int invocation_start(struct invocation *invocation, struct host *host, struct worker_script *script,
                     const struct definition *definition, unsigned index, const char *function,
                     struct str key, const struct object *object, const struct object *old,
                     struct error *err) {
    struct script_call *call = &invocation->call.call;
    invocation->key = mem_strndup(key.data, key.len);
    if (invocation->key == NULL)
        return error_set(err, ERROR_NOMEM, "no memory for a call of %s", definition->name);
    scope_init(&invocation->scope, host, definition, object ? object_pin(object) : NULL);
    invocation->function = function;
    invocation->started_ns = loop_now(host->loop);
    invocation->cancelled = 0;
    snprintf(invocation->id, sizeof invocation->id, "%016llx",
             (unsigned long long)rng_next(&host->rng));
    call->definition = index;
    call->function = function;
    call->object = invocation->scope.object;
    call->old = old ? object_pin(old) : NULL;
    call->reconcile_id = invocation->id;
    if (call->reason == NULL)
        call->reason = "event";
    if (call->attempt == 0)
        call->attempt = 1;
    if (object && call->uid.len == 0) {
        call->ns = call->ns.len ? call->ns : object_namespace(object);
        call->name = call->name.len ? call->name : object_name(object);
        call->uid = object_uid(object);
    }
    invocation->call.on_request = on_request;
    invocation->call.on_note = on_note;
    invocation->call.on_done = on_done;
    loop_timer_init(host->loop, &invocation->timeout, on_timeout);
    if (definition->timeout_ns > 0 &&
        loop_timer_start(&invocation->timeout, definition->timeout_ns) < 0)
        log_warn(host->log, "%s: no memory for a timeout", definition->name);
    if (host->on_call)
        host->on_call(host, invocation, /* ended= */ false);
    worker_call_start(script, &invocation->call);
    return 0;
}

void invocation_finish(struct invocation *invocation) {
    if (invocation->call.lost)
        return;
    object_unpin(invocation->scope.object);
    object_unpin(invocation->call.call.old);
    script_result_finish(&invocation->call.result);
    mem_free(invocation->key);
    invocation->key = NULL;
}

void invocation_log_fields(const struct invocation *invocation, struct log_field *fields) {
    size_t at = 0;
    fields[at++] = (struct log_field){"controller", invocation->scope.definition->name, false};
    if (invocation->key[0])
        fields[at++] = (struct log_field){"key", invocation->key, false};
    fields[at++] = (struct log_field){"handler", invocation->function, false};
    fields[at++] = (struct log_field){"id", invocation->id, false};
    fields[at] = (struct log_field){0};
}
