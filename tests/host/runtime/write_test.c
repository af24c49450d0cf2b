#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/intents.h"
#include "runtime/observer.h"
#include "runtime/support/world.h"

/* One call of a handler that has ConfigMap ns/a in hand, owns Deployments and Namespaces, and may
 * write Pods. */
static const char declared[] =
    "{\"definitions\":[{\"type\":\"controller\",\"name\":\"app\",\"source\":\"app.lua:1\","
    "\"resource\":{\"kind\":\"v1/ConfigMap\"},\"owns\":[{\"kind\":\"apps/v1/Deployment\"},"
    "{\"kind\":\"v1/Namespace\"}],\"writes\":[{\"kind\":\"v1/Pod\"}],"
    "\"handlers\":[\"reconcile\"]}],\"crds\":[]}";

#define META(name, version)                                                                        \
    "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"uid\":\"u-" name                   \
    "\",\"resourceVersion\":\"" version "\""
#define WEB "\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"}"
#define APPLIED "?fieldManager=moonlet%2Fapp&force=true"
#define DEPLOYMENT "/apis/apps/v1/namespaces/ns/deployments/web"
#define POD "/api/v1/namespaces/ns/pods/p"

struct call {
    struct world world;
    struct declaration *declaration;
    const struct object *owner;
    struct scope scope;
    struct informer *informers[2];
    struct script_request *answered; /* the last one, until the next is asked */
};

static struct informer *watch(struct call *call, const char *api_version, const char *kind) {
    struct informer_key key = {.api_version = api_version, .kind = kind};
    struct error err;
    struct informer *informer = informer_acquire(call->world.host.informers, &key, &err);
    assert_non_null(informer);
    world_until(&call->world, informer_state(informer) == INFORMER_SYNCED);
    return informer;
}

static void begin(struct call *call) {
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

static void end(struct call *call) {
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

static struct script_request *make(struct call *call, enum script_op op, const char *kind,
                                   const char *body) {
    struct script_request *request = script_request_create(op);
    request->context = call;
    request->kind = mem_strdup(kind);
    if (body)
        strbuf_adds(&request->body, body);
    return request;
}

static void start(struct call *call, struct script_request *request) {
    script_request_destroy(call->answered);
    call->answered = NULL;
    operation_start(&call->scope, request, on_done);
}

static void apply(struct call *call, const char *kind, const char *body) {
    start(call, make(call, SCRIPT_APPLY, kind, body));
}

static void refer(struct script_request *request, const char *name) {
    request->ns = mem_strdup("ns");
    request->name = mem_strdup(name);
}

static void answer(struct call *call, int status, const char *body) {
    fake_transport_answer(&call->world.calls, status, body);
}

/* It was sent as that, and the server says `body`. */
static void sent(struct call *call, const char *what, const char *body) {
    assert_null(call->answered);
    world_expect_request(&call->world, what);
    answer(call, 200, body);
    assert_non_null(call->answered);
    assert_int_equal(call->answered->error.code, 0);
    assert_false(call->answered->skipped);
}

static void skipped(struct call *call) {
    assert_non_null(call->answered);
    assert_int_equal(call->answered->error.code, 0);
    assert_true(call->answered->skipped);
    assert_string_equal(fake_transport_what(&call->world.calls), "");
}

static void refused(struct call *call, int code, const char *why) {
    assert_non_null(call->answered);
    assert_int_equal(call->answered->error.code, code);
    if (strstr(call->answered->error.message, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", call->answered->error.message, why);
}

static bool body_has(struct call *call, const char *text) {
    struct str body = fake_transport_body(&call->world.calls);
    return memmem(body.data, body.len, text, strlen(text)) != NULL;
}

static void body_is(struct call *call, const char *text) {
    struct str body = fake_transport_body(&call->world.calls);
    if (!str_is(body, text))
        fail_msg("sent: " STR_FORMAT, STR_ARG(body));
}

static const struct object *stored(struct call *call, const char *api_version, const char *kind,
                                   const char *name) {
    const struct object *object = informer_set_find(call->world.host.informers, api_version, kind,
                                                    str_of("ns"), str_of(name));
    object_unpin(object); /* the store has it, too */
    return object;
}

/* R1 */

#define TWO "{" WEB ",\"spec\":{\"replicas\":2,\"cpu\":\"1000m\"}}"
#define ONE "{" WEB ",\"spec\":{\"replicas\":2}}"
#define TYPED "{\"apiVersion\":\"v1\",\"kind\":\"Pod\","
#define ANSWER(version, replicas, more)                                                            \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\"," META(                                   \
        "web", version) "},\"spec\":{\"replicas\":" replicas ",\"cpu\":\"1\"" more "}}"

static void apply_that_changes_nothing_is_not_sent(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    call.informers[0] = watch(&call, "apps/v1", "Deployment");
    apply(&call, "apps/v1/Deployment", TWO);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ",\"paused\":false"));
    apply(&call, "apps/v1/Deployment", TWO); /* "1000m" compares with the answer's "1" */
    skipped(&call);
    assert_non_null(call.answered->object);
    world_event(&call.world, "Deployment", KUBE_MODIFIED, ANSWER("202", "2", ",\"paused\":true"));
    apply(&call, "apps/v1/Deployment", TWO); /* what we do not say may change */
    skipped(&call);
    world_event(&call.world, "Deployment", KUBE_MODIFIED, ANSWER("203", "7", ""));
    apply(&call, "apps/v1/Deployment", TWO); /* somebody scaled it */
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("204", "2", ""));
    end(&call);
}

static void apply_that_drops_a_field_is_sent(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    call.informers[0] = watch(&call, "apps/v1", "Deployment");
    apply(&call, "apps/v1/Deployment", TWO);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    apply(&call, "apps/v1/Deployment", ONE);
    world_expect_request(&call.world, "PATCH " DEPLOYMENT APPLIED);
    assert_false(body_has(&call, "cpu"));
    answer(&call, 200,
           "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\"," META(
               "web", "202") "},\"spec\":{\"replicas\":2}}");
    apply(&call, "apps/v1/Deployment", ONE);
    skipped(&call);
    apply(&call, "apps/v1/Deployment", TWO); /* only the last one counts */
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("203", "2", ""));
    end(&call);
}

static void apply_after_a_restart_is_sent(void **state) {
    (void)state;
    struct call call;
    struct error err;
    begin(&call);
    call.informers[0] = watch(&call, "apps/v1", "Deployment");
    apply(&call, "apps/v1/Deployment", ONE);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    struct host *host = &call.world.host;
    intents_destroy(host->intents);
    host->intents = intents_create(host->dag, 100, &err);
    apply(&call, "apps/v1/Deployment", ONE);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    apply(&call, "apps/v1/Deployment", ONE);
    skipped(&call);
    end(&call);
}

static void apply_of_another_uid_or_manager_is_sent(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    call.informers[0] = watch(&call, "apps/v1", "Deployment");
    apply(&call, "apps/v1/Deployment", ONE);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    struct script_request *request = make(&call, SCRIPT_APPLY, "apps/v1/Deployment", ONE);
    request->manager = mem_strdup("two");
    start(&call, request);
    sent(&call, "PATCH " DEPLOYMENT "?fieldManager=moonlet%2Fapp%2Ftwo&force=true",
         ANSWER("202", "2", ""));
    world_event(&call.world, "Deployment", KUBE_DELETED, ANSWER("203", "2", ""));
    world_event(&call.world, "Deployment", KUBE_ADDED,
                "{\"metadata\":{\"name\":\"web\",\"namespace\":\"ns\",\"uid\":\"u-new\","
                "\"resourceVersion\":\"204\"},\"spec\":{\"replicas\":2}}");
    apply(&call, "apps/v1/Deployment", ONE);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("205", "2", ""));
    end(&call);
}

static void apply_that_was_refused_is_sent_again(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    call.informers[0] = watch(&call, "apps/v1", "Deployment");
    apply(&call, "apps/v1/Deployment", ONE);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    apply(&call, "apps/v1/Deployment", TWO);
    world_expect_request(&call.world, "PATCH " DEPLOYMENT APPLIED);
    answer(&call, 422, "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"no\"}");
    refused(&call, ERROR_REJECTED, "apps/v1/Deployment ns/web");
    apply(&call, "apps/v1/Deployment", TWO);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("202", "2", ""));
    end(&call);
}

/* R2 */

static void apply_of_an_owned_kind_has_an_owner(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    apply(&call, "apps/v1/Deployment", ONE);
    world_expect_request(&call.world, "PATCH " DEPLOYMENT APPLIED);
    assert_true(body_has(&call, "\"ownerReferences\":[{"));
    assert_true(body_has(&call, "\"uid\":\"u-a\""));
    answer(&call, 200, ANSWER("201", "2", ""));
    struct script_request *request = make(&call, SCRIPT_APPLY, "apps/v1/Deployment", ONE);
    request->owner = 0;
    request->force = 0;
    start(&call, request);
    world_expect_request(&call.world, "PATCH " DEPLOYMENT "?fieldManager=moonlet%2Fapp");
    assert_false(body_has(&call, "ownerReferences"));
    answer(&call, 200, ANSWER("202", "2", ""));
    end(&call);
}

static void apply_with_an_impossible_owner_is_invalid(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    apply(&call, "apps/v1/Deployment",
          "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
          "\"namespace\":\"other\"}}");
    refused(&call, ERROR_INVALID, "cannot be owned from namespace ns");
    apply(&call, "v1/Namespace", "{\"metadata\":{\"name\":\"x\"}}");
    refused(&call, ERROR_INVALID, "is cluster-scoped and cannot be owned by the namespaced");
    call.scope.object = NULL; /* a schedule */
    apply(&call, "apps/v1/Deployment", ONE);
    refused(&call, ERROR_INVALID, "no object is in hand");
    end(&call);
}

static void apply_of_what_is_not_owned_carries_the_uid(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    world_has(&call.world, "Pod", "{" META("p", "7") "}}");
    call.informers[0] = watch(&call, "v1", "Pod");
    apply(&call, "v1/Pod", "{\"metadata\":{\"name\":\"p\",\"labels\":{\"x\":\"y\"}}}");
    world_expect_request(&call.world, "PATCH " POD APPLIED);
    assert_true(body_has(&call, "\"uid\":\"u-p\""));
    assert_false(body_has(&call, "ownerReferences"));
    answer(&call, 409, "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"uid\"}");
    refused(&call, ERROR_CONFLICT, "v1/Pod ns/p"); /* deleted meanwhile: not made anew */
    end(&call);
}

static void apply_of_what_is_not_cached_looks_up_the_uid(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    apply(&call, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}");
    world_expect_request(&call.world, "GET " POD);
    answer(&call, 200, "{" META("p", "7") "}}");
    world_expect_request(&call.world, "PATCH " POD APPLIED);
    assert_true(body_has(&call, "\"uid\":\"u-p\""));
    answer(&call, 200, "{" META("p", "8") "}}");
    assert_int_equal(call.answered->error.code, 0);
    apply(&call, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}");
    world_expect_request(&call.world, "GET " POD);
    answer(&call, 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"no\"}");
    refused(&call, ERROR_NOT_FOUND, "{ create = true }");
    struct script_request *request =
        make(&call, SCRIPT_APPLY, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}");
    request->create = 1;
    start(&call, request);
    world_expect_request(&call.world, "PATCH " POD APPLIED);
    assert_false(body_has(&call, "uid"));
    answer(&call, 201, "{" META("p", "9") "}}");
    end(&call);
}

/* R3: the status is all that we say; a second one in a call replaces the first. */
static void status_goes_under_the_controllers_manager(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    start(&call, make(&call, SCRIPT_SET_STATUS, "v1/ConfigMap", "{\"ready\":1}"));
    world_expect_request(&call.world, "PATCH /api/v1/namespaces/ns/configmaps/a" APPLIED);
    assert_true(body_has(&call, "\"uid\":\"u-a\"")); /* never makes a deleted object anew */
    answer(&call, 200, "{" META("a", "6") "},\"status\":{\"ready\":1}}");
    start(&call, make(&call, SCRIPT_SET_STATUS, "v1/ConfigMap", "{\"ready\":2}"));
    sent(&call, "PATCH /api/v1/namespaces/ns/configmaps/a" APPLIED,
         "{" META("a", "7") "},\"status\":{\"ready\":2}}");
    end(&call);
}

/* R4 */

static void update(struct call *call, const struct object *base, const char *body) {
    struct script_request *request = make(call, SCRIPT_UPDATE, "v1/Pod", body);
    request->base = object_pin(base);
    start(call, request);
}

#define KEPT "},\"spec\":{\"node\":\"n\"},\"status\":{\"phase\":\"Running\"}}"

static void update_sends_the_difference_from_what_was_read(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    world_has(&call.world, "Pod",
              TYPED META("p", "7") ",\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"managedFields\":[{"
                                   "\"manager\":\"x\"}],\"annotations\":{\"kubectl.kubernetes.io/"
                                   "last-applied-configuration\":\"y\",\"z\":\"1\"}" KEPT);
    call.informers[0] = watch(&call, "v1", "Pod");
    const struct object *pod = object_pin(stored(&call, "v1", "Pod", "p"));
    update(&call, pod, TYPED META("p", "7") ",\"labels\":{\"a\":\"3\"}" KEPT);
    world_expect_request(&call.world, "PATCH " POD "?fieldManager=moonlet%2Fapp");
    assert_string_equal(fake_transport_header(&call.world.calls, "content-type"),
                        "application/merge-patch+json");
    body_is(&call,
            "{\"metadata\":{\"labels\":{\"a\":\"3\",\"b\":null},\"annotations\":{\"z\":null},"
            "\"uid\":\"u-p\",\"resourceVersion\":\"7\"}}");
    answer(&call, 200, TYPED META("p", "8") "}}");
    update(
        &call, pod,
        TYPED META("p",
                   "7") ",\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"annotations\":{\"z\":\"1\"}" KEPT);
    skipped(&call); /* what the scanner dropped is no difference */
    update(&call, pod, TYPED META("p", "7") "},\"spec\":{\"node\":\"n\"}}");
    refused(&call, ERROR_INVALID, "ctx:update does not write status");
    object_unpin(pod);
    end(&call);
}

/* R5 */

static void answer_enters_the_store_and_older_events_do_not(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    call.informers[0] = watch(&call, "apps/v1", "Deployment");
    apply(&call, "apps/v1/Deployment", ONE);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("205", "2", ""));
    assert_int_equal(stored(&call, "apps/v1", "Deployment", "web")->version, 205);
    world_event(&call.world, "Deployment", KUBE_ADDED, ANSWER("201", "1", ""));
    assert_int_equal(stored(&call, "apps/v1", "Deployment", "web")->version, 205);
    apply(&call, "apps/v1/Deployment", TWO);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("204", "2", "")); /* overtaken on the way */
    assert_int_equal(stored(&call, "apps/v1", "Deployment", "web")->version, 205);
    end(&call);
}

static void delete_leaves_a_tombstone_unless_the_object_stays(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    world_has(&call.world, "Pod", "{" META("p", "7") "}}");
    world_has(&call.world, "Pod", "{" META("q", "8") "}}");
    call.informers[0] = watch(&call, "v1", "Pod");
    struct script_request *request = make(&call, SCRIPT_DELETE, "v1/Pod", NULL);
    refer(request, "p");
    start(&call, request);
    sent(&call, "DELETE " POD, "{\"kind\":\"Status\",\"details\":{\"uid\":\"u-p\"}}");
    assert_true(call.answered->found);
    assert_null(stored(&call, "v1", "Pod", "p"));
    world_event(&call.world, "Pod", KUBE_MODIFIED, "{" META("p", "120") "}}");
    assert_null(stored(&call, "v1", "Pod", "p")); /* told before the deletion */
    request = make(&call, SCRIPT_DELETE, "v1/Pod", NULL);
    refer(request, "q");
    start(&call, request);
    sent(&call, "DELETE /api/v1/namespaces/ns/pods/q",
         "{" META("q", "130") ",\"finalizers\":[\"x/y\"],\"deletionTimestamp\":\"now\"}}");
    assert_int_equal(stored(&call, "v1", "Pod", "q")->version, 130);
    request = make(&call, SCRIPT_DELETE, "v1/Pod", NULL);
    refer(request, "p");
    start(&call, request);
    world_expect_request(&call.world, "DELETE " POD);
    answer(&call, 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"no\"}");
    assert_int_equal(call.answered->error.code, 0);
    assert_false(call.answered->found);
    end(&call);
}

/* Retries, cancellation */

static void apply_is_repeated_but_create_is_not(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    apply(&call, "apps/v1/Deployment", ONE);
    fake_transport_fail(&call.world.calls, ERROR_UNAVAILABLE, 0);
    assert_null(call.answered);
    world_pass(&call.world, NS_PER_S);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    start(&call, make(&call, SCRIPT_CREATE, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}"));
    fake_transport_fail(&call.world.calls, ERROR_UNAVAILABLE, 0);
    refused(&call, ERROR_UNAVAILABLE, "v1/Pod ns/p"); /* it may have been made */
    start(&call, make(&call, SCRIPT_CREATE, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}"));
    fake_transport_fail(&call.world.calls, ERROR_UNAVAILABLE, -1);
    assert_null(call.answered); /* it surely never left */
    world_pass(&call.world, NS_PER_S);
    sent(&call, "POST /api/v1/namespaces/ns/pods?fieldManager=moonlet%2Fapp",
         "{" META("p", "202") "}}");
    end(&call);
}

/* R14 */
static void cancel_awaits_a_write_that_was_sent_and_nothing_else(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    apply(&call, "apps/v1/Deployment", ONE);
    operations_cancel(&call.scope, ERROR_CANCELLED);
    assert_null(call.answered);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    apply(&call, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}"); /* still looks for the uid */
    world_expect_request(&call.world, "GET " POD);
    operations_cancel(&call.scope, ERROR_TIMEOUT);
    refused(&call, ERROR_TIMEOUT, "timeout has passed");
    apply(&call, "apps/v1/Deployment", TWO);
    fake_transport_fail(&call.world.calls, ERROR_UNAVAILABLE, 0); /* waits to be sent again */
    operations_cancel(&call.scope, ERROR_CANCELLED);
    refused(&call, ERROR_CANCELLED, "cancelled");
    end(&call);
}

/* Subresources */

static void subresources_have_their_own_paths_and_bodies(void **state) {
    (void)state;
    struct call call;
    begin(&call);
    struct script_request *request = make(&call, SCRIPT_SCALE, "apps/v1/Deployment", NULL);
    refer(request, "web");
    request->replicas = 3;
    start(&call, request);
    world_expect_request(&call.world, "PATCH " DEPLOYMENT "/scale");
    assert_true(body_has(&call, "{\"spec\":{\"replicas\":3}}"));
    answer(&call, 200, "{}");
    request = make(&call, SCRIPT_EVICT, "v1/Pod", NULL);
    refer(request, "p");
    start(&call, request);
    sent(&call, "POST " POD "/eviction", "{\"kind\":\"Status\"}");
    request = make(&call, SCRIPT_BIND, "v1/Pod", "{\"kind\":\"Node\",\"name\":\"n\"}");
    refer(request, "p");
    request->precondition_uid = mem_strdup("u-p");
    start(&call, request);
    world_expect_request(&call.world, "POST " POD "/binding");
    assert_true(body_has(&call,
                         "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"p\","
                         "\"namespace\":\"ns\",\"uid\":\"u-p\"},\"target\":{\"kind\":\"Node\","
                         "\"name\":\"n\"}}"));
    answer(&call, 201, "{\"kind\":\"Status\"}");
    request = make(&call, SCRIPT_TOKEN, "v1/ServiceAccount", "{}");
    refer(request, "s");
    start(&call, request);
    refused(&call, ERROR_FORBIDDEN, "v1/ServiceAccount");
    end(&call);
}

/* What is done is shown */

static void on_wrote(void *context, const struct observed_write *write) {
    struct strbuf *seen = context;
    int64_t before = 0, after = 0;
    node_int(write->dag, node_path(write->dag, write->before, "spec.replicas"), &before);
    node_int(write->dag, node_path(write->dag, write->after, "spec.replicas"), &after);
    strbuf_printf(seen, "%s " STR_FORMAT "/" STR_FORMAT " %s %s " STR_FORMAT "/" STR_FORMAT,
                  write->controller, STR_ARG(write->key_ns), STR_ARG(write->key_name), write->verb,
                  write->kind, STR_ARG(write->ns), STR_ARG(write->name));
    strbuf_printf(seen, "%s %d>%d;", write->created ? " new" : "", (int)before, (int)after);
}

static void writes_are_shown_to_an_observer(void **state) {
    (void)state;
    struct strbuf seen = {0};
    struct observer observer = {.wrote = on_wrote, .context = &seen};
    struct call call;
    begin(&call);
    call.world.host.observer = &observer;
    call.informers[0] = watch(&call, "apps/v1", "Deployment");
    apply(&call, "apps/v1/Deployment", TWO);
    world_expect_request(&call.world, "PATCH " DEPLOYMENT APPLIED);
    answer(&call, 201, ANSWER("201", "2", ""));
    apply(&call, "apps/v1/Deployment", TWO); /* not sent, not shown */
    skipped(&call);
    world_event(&call.world, "Deployment", KUBE_MODIFIED, ANSWER("203", "7", ""));
    apply(&call, "apps/v1/Deployment", TWO);
    world_expect_request(&call.world, "PATCH " DEPLOYMENT APPLIED);
    answer(&call, 409, "{\"kind\":\"Status\",\"reason\":\"Conflict\"}"); /* not taken */
    apply(&call, "apps/v1/Deployment", TWO);
    sent(&call, "PATCH " DEPLOYMENT APPLIED, ANSWER("204", "2", ""));
    world_event(&call.world, "Deployment", KUBE_MODIFIED, ANSWER("205", "7", ""));
    apply(&call, "apps/v1/Deployment", TWO);
    world_expect_request(&call.world, "PATCH " DEPLOYMENT APPLIED);
    world_event(&call.world, "Deployment", KUBE_MODIFIED, ANSWER("206", "8", "")); /* another's */
    answer(&call, 200, ANSWER("207", "2", ""));
    world_event(&call.world, "Deployment", KUBE_MODIFIED, ANSWER("208", "9", ""));
    apply(&call, "apps/v1/Deployment", TWO);
    world_expect_request(&call.world, "PATCH " DEPLOYMENT APPLIED);
    world_event(&call.world, "Deployment", KUBE_MODIFIED, ANSWER("209", "2", "")); /* told first */
    answer(&call, 200, ANSWER("209", "2", ""));
    struct script_request *request = make(&call, SCRIPT_DELETE, "apps/v1/Deployment", NULL);
    refer(request, "web");
    start(&call, request);
    sent(&call, "DELETE " DEPLOYMENT, "{\"kind\":\"Status\",\"details\":{\"uid\":\"u-web\"}}");
    assert_string_equal(seen.data, "app ns/a apply apps/v1/Deployment ns/web new 0>2;"
                                   "app ns/a apply apps/v1/Deployment ns/web 7>2;"
                                   "app ns/a apply apps/v1/Deployment ns/web 8>2;"
                                   "app ns/a apply apps/v1/Deployment ns/web 9>2;"
                                   "app ns/a delete apps/v1/Deployment ns/web 2>0;");
    strbuf_finish(&seen);
    end(&call);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apply_that_changes_nothing_is_not_sent),
        cmocka_unit_test(apply_that_drops_a_field_is_sent),
        cmocka_unit_test(apply_after_a_restart_is_sent),
        cmocka_unit_test(apply_of_another_uid_or_manager_is_sent),
        cmocka_unit_test(apply_that_was_refused_is_sent_again),
        cmocka_unit_test(apply_of_an_owned_kind_has_an_owner),
        cmocka_unit_test(apply_with_an_impossible_owner_is_invalid),
        cmocka_unit_test(apply_of_what_is_not_owned_carries_the_uid),
        cmocka_unit_test(apply_of_what_is_not_cached_looks_up_the_uid),
        cmocka_unit_test(status_goes_under_the_controllers_manager),
        cmocka_unit_test(update_sends_the_difference_from_what_was_read),
        cmocka_unit_test(answer_enters_the_store_and_older_events_do_not),
        cmocka_unit_test(delete_leaves_a_tombstone_unless_the_object_stays),
        cmocka_unit_test(apply_is_repeated_but_create_is_not),
        cmocka_unit_test(cancel_awaits_a_write_that_was_sent_and_nothing_else),
        cmocka_unit_test(subresources_have_their_own_paths_and_bodies),
        cmocka_unit_test(writes_are_shown_to_an_observer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
