#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/hooks_internal.h"
#include "runtime/reload.h"
#include "runtime/telemetry.h"

/* The answer must be out before the API server gives up. */
enum { DEADLINE_PERCENT = 90, SAID_FOR_S = 10 };

static struct edition *find_edition(struct program *program, const char *name) {
    for (size_t i = 0; program && program->serving && i < program->count; i++) {
        const struct definition *definition = program->editions[i].definition;
        if (definition_serves(definition) && strcmp(definition->name, name) == 0)
            return &program->editions[i];
    }
    return NULL;
}

/* A conversion is needed before its file is live: the informers of its kind wait for it (R11). */
static bool converts_already(const struct program *program) {
    return program && program->state >= PROGRAM_INSTALLING && program->state <= PROGRAM_READY;
}

/* The live version; else, while its registration is being removed, the one that was. */
static struct edition *find(struct host *host, const char *name, bool conversion) {
    struct list *link, *next, *inner, *after;
    struct edition *edition = NULL;
    LIST_EACH(link, next, &host->reload->slots) {
        struct slot *slot = CONTAINER_OF(link, struct slot, link);
        if (conversion && converts_already(slot->next))
            edition = find_edition(slot->next, name);
        if (edition == NULL)
            edition = find_edition(slot->live, name);
        LIST_EACH(inner, after, &slot->old)
        if (edition == NULL)
            edition = find_edition(CONTAINER_OF(inner, struct program, link), name);
        if (edition)
            return edition;
    }
    return NULL;
}

void hook_refuse(struct server_request *request, int status, const char *why) {
    struct server_answer answer = {.status = status};
    strbuf_printf(&answer.body, "%s\n", why);
    server_respond(request, &answer);
}

static void release(struct hook_call *call) {
    if (call->request || call->running)
        return;
    loop_timer_stop(&call->deadline);
    if (call->edition) {
        call->hooks->calls--;
        program_unref(call->edition->program);
    }
    call->hooks->host->changed(call->hooks->host);
    list_remove(&call->link);
    if (!call->invocation.call.lost) /* else a thread that was given up may still read it */
        call->type->release(call);
}

void hook_call_respond(struct hook_call *call, struct server_answer *answer) {
    struct host *host = call->hooks->host;
    struct server_request *request = call->request;
    double seconds = (double)(loop_now(host->loop) - call->started_ns) / 1e9;
    if (request == NULL) { /* the deadline was faster */
        strbuf_finish(&answer->body);
        release(call);
        return;
    }
    if (answer->body.failed)
        answer->status = 500;
    telemetry_webhook(host->telemetry, call->name, answer->status, seconds);
    call->request = NULL;
    server_respond(request, answer);
    release(call);
}

void hook_call_fail(struct hook_call *call, int status, const struct error *err) {
    struct server_answer answer = {.status = status};
    if (call->uid[0])
        strbuf_printf(&answer.body, "%s (uid %s)\n", err->message, call->uid);
    else
        strbuf_printf(&answer.body, "%s\n", err->message);
    hook_call_respond(call, &answer);
}

static void on_deadline(struct loop_timer *timer) {
    struct hook_call *call = CONTAINER_OF(timer, struct hook_call, deadline);
    struct error err;
    error_set(&err, ERROR_TIMEOUT, "%s did not answer in %.1f s", call->name,
              (double)call->allowed_ns / 1e9);
    struct log_field fields[] = {{"controller", call->name, false},
                                 {"key", call->key[0] ? call->key : NULL, false},
                                 {"uid", call->uid[0] ? call->uid : NULL, false},
                                 {0}};
    log_emit(call->hooks->host->log, LOG_ERROR, fields, "%s", err.message);
    if (call->running)
        invocation_cancel(&call->invocation, ERROR_TIMEOUT);
    hook_call_fail(call, 500, &err);
}

int hook_call_open(struct hook_call *call, struct hooks *hooks, struct server_request *request,
                   const struct server_exchange *exchange, bool conversion,
                   const struct hook_call_type *type, struct error *err) {
    struct host *host = hooks->host;
    call->hooks = hooks;
    call->request = request;
    call->type = type;
    call->started_ns = loop_now(host->loop);
    call->name = "unknown";
    call->uid = "";
    list_append(&hooks->open, &call->link);
    loop_timer_init(host->loop, &call->deadline, on_deadline);
    struct edition *edition = find(host, exchange->rest, conversion);
    if (edition == NULL)
        return error_set(err, ERROR_UNAVAILABLE, "no loaded file answers for \"%s\"",
                         exchange->rest);
    call->edition = edition;
    call->name = edition->definition->name;
    program_ref(edition->program);
    hooks->calls++;
    uint64_t allowed = edition->definition->timeout_ns;
    if (exchange->timeout_ns > 0 && (allowed == 0 || exchange->timeout_ns < allowed))
        allowed = exchange->timeout_ns;
    call->allowed_ns = allowed / 100 * DEADLINE_PERCENT;
    if (allowed > 0)
        loop_timer_start(&call->deadline, call->allowed_ns);
    return 0;
}

/* The API server asks again and again: the same failure is said every ten seconds. */
static bool is_said(struct hook_call *call, const char *message) {
    struct said *said = &call->edition->failure;
    uint64_t hash = str_hash(str_of(message)), now = loop_now(call->hooks->host->loop);
    if (hash == said->hash && now < said->until_ns) {
        said->passed_over++;
        return true;
    }
    said->passed_over = hash == said->hash ? said->passed_over : 0;
    said->hash = hash;
    said->until_ns = now + SAID_FOR_S * NS_PER_S;
    return false;
}

static void log_failure(struct hook_call *call, const struct script_result *result) {
    struct log_field fields[12] = {{0}};
    char more[16];
    size_t at = 0;
    if (is_said(call, result->error.message))
        return;
    invocation_log_fields(&call->invocation, fields);
    while (fields[at].key)
        at++;
    fields[at++] = (struct log_field){"uid", call->uid, false};
    fields[at++] = (struct log_field){"traceback", result->traceback, false};
    if (call->edition->failure.passed_over > 0) {
        snprintf(more, sizeof more, "%u", call->edition->failure.passed_over);
        fields[at++] = (struct log_field){"again", more, true};
        call->edition->failure.passed_over = 0;
    }
    fields[at] = (struct log_field){0};
    log_emit(call->hooks->host->log, LOG_ERROR, fields, "%s", result->error.message);
}

static void on_done(struct invocation *invocation) {
    struct hook_call *call = invocation->context;
    struct script_result result = invocation->call.result;
    struct program *program = call->edition->program;
    struct error err;
    bool aborted = invocation->call.aborted;
    invocation->call.result = (struct script_result){0};
    if (invocation->call.died)
        program->died(program);
    if (result.state == SCRIPT_FAILED && call->request && !aborted)
        log_failure(call, &result);
    invocation_finish(invocation);
    call->running = false;
    if (aborted) {
        error_set(&err, ERROR_UNAVAILABLE, "%s is being built anew", call->name);
        hook_call_fail(call, 500, &err);
    } else if (result.state == SCRIPT_FAILED) {
        err = result.error;
        if (call->type->failure && call->request)
            call->type->failure(call, &err);
        else
            hook_call_fail(call, 500, &err);
    } else if (call->request) {
        call->type->result(call, &result);
    } else {
        release(call);
    }
    script_result_finish(&result);
}

void hook_call_start(struct hook_call *call, const struct script_call *told,
                     const struct object *object, const struct object *old) {
    struct edition *edition = call->edition;
    struct error err;
    call->invocation = (struct invocation){.done = on_done, .context = call};
    call->invocation.call.call = *told;
    call->running = true;
    if (invocation_start(&call->invocation, call->hooks->host, edition->program->serving,
                         edition->definition, edition->index, told->function, str_of(call->key),
                         object, old, &err) == 0)
        return;
    call->running = false;
    hook_call_fail(call, 503, &err);
}
