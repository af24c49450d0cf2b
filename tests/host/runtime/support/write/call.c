#include "runtime/support/write/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char declared[] =
    "{\"definitions\":[{\"type\":\"controller\",\"name\":\"app\",\"source\":\"app.lua:1\","
    "\"resource\":{\"kind\":\"v1/ConfigMap\"},\"owns\":[{\"kind\":\"apps/v1/Deployment\"},"
    "{\"kind\":\"v1/Namespace\"}],\"writes\":[{\"kind\":\"v1/Pod\"}],"
    "\"handlers\":[\"reconcile\"]}],\"crds\":[]}";

struct informer *call_watch(struct call *call, const char *api_version, const char *kind) {
    struct informer_key key = {.api_version = api_version, .kind = kind};
    struct error err;
    struct informer *informer = informer_acquire(call->world.host.informers, &key, &err);
    assert_non_null(informer);
    world_until(&call->world, informer_state(informer) == INFORMER_SYNCED);
    return informer;
}

void call_begin(struct call *call) {
    struct host *host = &call->world.host;
    struct error err;
    *call = (struct call){0};
    world_begin(&call->world);
    call->declaration = declaration_parse(str_of(declared), &err);
    node_t root = dag_parse(host->dag, str_of("{" META("a", "5") "}}"), 0, &err);
    call->owner = object_create(host->epochs, root, &err);
    assert_non_null(call->owner);
    scope_init(&call->scope, host, &call->declaration->definitions[0], call->owner);
}

void call_end(struct call *call) {
    script_request_destroy(call->answered);
    assert_true(list_empty(&call->scope.operations));
    object_unpin(call->owner);
    informer_release(call->informers[0]);
    informer_release(call->informers[1]);
    declaration_destroy(call->declaration);
    world_end(&call->world);
}

static void on_done(struct script_request *request) {
    ((struct call *)request->context)->answered = request;
}

struct script_request *call_make(struct call *call, enum script_op op, const char *kind,
                                 const char *body) {
    struct script_request *request = script_request_create(op);
    request->context = call;
    request->kind = mem_strdup(kind);
    if (body)
        strbuf_adds(&request->body, body);
    return request;
}

void call_start(struct call *call, struct script_request *request) {
    script_request_destroy(call->answered);
    call->answered = NULL;
    operation_start(&call->scope, request, on_done);
}

void call_apply(struct call *call, const char *kind, const char *body) {
    call_start(call, call_make(call, SCRIPT_APPLY, kind, body));
}

void call_refer(struct script_request *request, const char *name) {
    request->ns = mem_strdup("ns");
    request->name = mem_strdup(name);
}

void call_answer(struct call *call, int status, const char *body) {
    fake_transport_answer(&call->world.calls, status, body);
}

void call_sent(struct call *call, const char *what, const char *body) {
    assert_null(call->answered);
    world_expect_request(&call->world, what);
    call_answer(call, 200, body);
    assert_non_null(call->answered);
    assert_int_equal(call->answered->error.code, 0);
    assert_false(call->answered->skipped);
}

void call_skipped(struct call *call) {
    assert_non_null(call->answered);
    assert_int_equal(call->answered->error.code, 0);
    assert_true(call->answered->skipped);
    assert_string_equal(fake_transport_what(&call->world.calls), "");
}

void call_refused(struct call *call, int code, const char *why) {
    assert_non_null(call->answered);
    assert_int_equal(call->answered->error.code, code);
    if (strstr(call->answered->error.message, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", call->answered->error.message, why);
}

bool call_body_has(struct call *call, const char *text) {
    struct str body = fake_transport_body(&call->world.calls);
    return memmem(body.data, body.len, text, strlen(text)) != NULL;
}

void call_body_is(struct call *call, const char *text) {
    struct str body = fake_transport_body(&call->world.calls);
    if (!str_is(body, text))
        fail_msg("sent: " STR_FORMAT, STR_ARG(body));
}

const struct object *call_stored(struct call *call, const char *api_version, const char *kind,
                                 const char *name) {
    const struct object *object = informer_set_find(call->world.host.informers, api_version, kind,
                                                    str_of("ns"), str_of(name));
    object_unpin(object); /* the store has it, too */
    return object;
}

int call_setup(void **state) {
    static struct call call;
    call_begin(&call);
    *state = &call;
    return 0;
}

int call_teardown(void **state) {
    call_end(*state);
    return 0;
}
