#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/observer.h"
#include "runtime/support/write/call.h"

/* R3: the status is all that we say; a second one in a call replaces the first. */
static void status_goes_under_the_controllers_manager(void **state) {
    struct call *call = *state;
    call_start(call, call_make(call, SCRIPT_SET_STATUS, "v1/ConfigMap", "{\"ready\":1}"));
    world_expect_request(&call->world, "PATCH /api/v1/namespaces/ns/configmaps/a" APPLIED);
    assert_true(call_body_has(call, "\"uid\":\"u-a\"")); /* never makes a deleted object anew */
    call_answer(call, 200, "{" META("a", "6") "},\"status\":{\"ready\":1}}");
    call_start(call, call_make(call, SCRIPT_SET_STATUS, "v1/ConfigMap", "{\"ready\":2}"));
    call_sent(call, "PATCH /api/v1/namespaces/ns/configmaps/a" APPLIED,
              "{" META("a", "7") "},\"status\":{\"ready\":2}}");
}

/* R4 */

static void update(struct call *call, const struct object *base, const char *body) {
    struct script_request *request = call_make(call, SCRIPT_UPDATE, "v1/Pod", body);
    request->base = object_pin(base);
    call_start(call, request);
}

#define KEPT "},\"spec\":{\"node\":\"n\"},\"status\":{\"phase\":\"Running\"}}"

static void update_sends_the_difference_from_what_was_read(void **state) {
    struct call *call = *state;
    world_has(&call->world, "Pod",
              TYPED META("p", "7") ",\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"managedFields\":[{"
                                   "\"manager\":\"x\"}],\"annotations\":{\"kubectl.kubernetes.io/"
                                   "last-applied-configuration\":\"y\",\"z\":\"1\"}" KEPT);
    call->informers[0] = call_watch(call, "v1", "Pod");
    const struct object *pod = object_pin(call_stored(call, "v1", "Pod", "p"));
    update(call, pod, TYPED META("p", "7") ",\"labels\":{\"a\":\"3\"}" KEPT);
    world_expect_request(&call->world, "PATCH " POD "?fieldManager=moonlet%2Fapp");
    assert_string_equal(fake_transport_header(&call->world.calls, "content-type"),
                        "application/merge-patch+json");
    call_body_is(call,
                 "{\"metadata\":{\"labels\":{\"a\":\"3\",\"b\":null},\"annotations\":{\"z\":null},"
                 "\"uid\":\"u-p\",\"resourceVersion\":\"7\"}}");
    call_answer(call, 200, TYPED META("p", "8") "}}");
    update(
        call, pod,
        TYPED META("p",
                   "7") ",\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"annotations\":{\"z\":\"1\"}" KEPT);
    call_skipped(call); /* what the scanner dropped is no difference */
    update(call, pod, TYPED META("p", "7") "},\"spec\":{\"node\":\"n\"}}");
    call_refused(call, ERROR_INVALID, "ctx:update does not write status");
    object_unpin(pod);
}

/* R5 */

static void answer_enters_the_store_and_older_events_do_not(void **state) {
    struct call *call = *state;
    call->informers[0] = call_watch(call, "apps/v1", "Deployment");
    call_apply(call, "apps/v1/Deployment", ONE);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("205", "2", ""));
    assert_int_equal(call_stored(call, "apps/v1", "Deployment", "web")->version, 205);
    world_event(&call->world, "Deployment", KUBE_ADDED, ANSWER("201", "1", ""));
    assert_int_equal(call_stored(call, "apps/v1", "Deployment", "web")->version, 205);
    call_apply(call, "apps/v1/Deployment", TWO);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("204", "2", "")); /* overtaken on the way */
    assert_int_equal(call_stored(call, "apps/v1", "Deployment", "web")->version, 205);
}

static void delete_leaves_a_tombstone_unless_the_object_stays(void **state) {
    struct call *call = *state;
    world_has(&call->world, "Pod", "{" META("p", "7") "}}");
    world_has(&call->world, "Pod", "{" META("q", "8") "}}");
    call->informers[0] = call_watch(call, "v1", "Pod");
    struct script_request *request = call_make(call, SCRIPT_DELETE, "v1/Pod", NULL);
    call_refer(request, "p");
    call_start(call, request);
    call_sent(call, "DELETE " POD, "{\"kind\":\"Status\",\"details\":{\"uid\":\"u-p\"}}");
    assert_true(call->answered->found);
    assert_null(call_stored(call, "v1", "Pod", "p"));
    world_event(&call->world, "Pod", KUBE_MODIFIED, "{" META("p", "120") "}}");
    assert_null(call_stored(call, "v1", "Pod", "p")); /* told before the deletion */
    request = call_make(call, SCRIPT_DELETE, "v1/Pod", NULL);
    call_refer(request, "q");
    call_start(call, request);
    call_sent(call, "DELETE /api/v1/namespaces/ns/pods/q",
              "{" META("q", "130") ",\"finalizers\":[\"x/y\"],\"deletionTimestamp\":\"now\"}}");
    assert_int_equal(call_stored(call, "v1", "Pod", "q")->version, 130);
    request = call_make(call, SCRIPT_DELETE, "v1/Pod", NULL);
    call_refer(request, "p");
    call_start(call, request);
    world_expect_request(&call->world, "DELETE " POD);
    call_answer(call, 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"no\"}");
    assert_int_equal(call->answered->error.code, 0);
    assert_false(call->answered->found);
}

/* Retries, cancellation */

static void apply_is_repeated_but_create_is_not(void **state) {
    struct call *call = *state;
    call_apply(call, "apps/v1/Deployment", ONE);
    fake_transport_fail(&call->world.calls, ERROR_UNAVAILABLE, 0);
    assert_null(call->answered);
    world_pass(&call->world, NS_PER_S);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    call_start(call, call_make(call, SCRIPT_CREATE, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}"));
    fake_transport_fail(&call->world.calls, ERROR_UNAVAILABLE, 0);
    call_refused(call, ERROR_UNAVAILABLE, "v1/Pod ns/p"); /* it may have been made */
    call_start(call, call_make(call, SCRIPT_CREATE, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}"));
    fake_transport_fail(&call->world.calls, ERROR_UNAVAILABLE, -1);
    assert_null(call->answered); /* it surely never left */
    world_pass(&call->world, NS_PER_S);
    call_sent(call, "POST /api/v1/namespaces/ns/pods?fieldManager=moonlet%2Fapp",
              "{" META("p", "202") "}}");
}

/* R14 */
static void cancel_awaits_a_write_that_was_sent_and_nothing_else(void **state) {
    struct call *call = *state;
    call_apply(call, "apps/v1/Deployment", ONE);
    operations_cancel(&call->scope, ERROR_CANCELLED);
    assert_null(call->answered);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    call_apply(call, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}"); /* still looks for the uid */
    world_expect_request(&call->world, "GET " POD);
    operations_cancel(&call->scope, ERROR_TIMEOUT);
    call_refused(call, ERROR_TIMEOUT, "timeout has passed");
    call_apply(call, "apps/v1/Deployment", TWO);
    fake_transport_fail(&call->world.calls, ERROR_UNAVAILABLE, 0); /* waits to be sent again */
    operations_cancel(&call->scope, ERROR_CANCELLED);
    call_refused(call, ERROR_CANCELLED, "cancelled");
}

/* Subresources */

static void subresources_have_their_own_paths_and_bodies(void **state) {
    struct call *call = *state;
    struct script_request *request = call_make(call, SCRIPT_SCALE, "apps/v1/Deployment", NULL);
    call_refer(request, "web");
    request->replicas = 3;
    call_start(call, request);
    world_expect_request(&call->world, "PATCH " DEPLOYMENT "/scale");
    assert_true(call_body_has(call, "{\"spec\":{\"replicas\":3}}"));
    call_answer(call, 200, "{}");
    request = call_make(call, SCRIPT_EVICT, "v1/Pod", NULL);
    call_refer(request, "p");
    call_start(call, request);
    call_sent(call, "POST " POD "/eviction", "{\"kind\":\"Status\"}");
    request = call_make(call, SCRIPT_BIND, "v1/Pod", "{\"kind\":\"Node\",\"name\":\"n\"}");
    call_refer(request, "p");
    request->precondition_uid = mem_strdup("u-p");
    call_start(call, request);
    world_expect_request(&call->world, "POST " POD "/binding");
    assert_true(call_body_has(
        call, "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"p\","
              "\"namespace\":\"ns\",\"uid\":\"u-p\"},\"target\":{\"kind\":\"Node\","
              "\"name\":\"n\"}}"));
    call_answer(call, 201, "{\"kind\":\"Status\"}");
    request = call_make(call, SCRIPT_TOKEN, "v1/ServiceAccount", "{}");
    call_refer(request, "s");
    call_start(call, request);
    call_refused(call, ERROR_FORBIDDEN, "v1/ServiceAccount");
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
    struct call *call = *state;
    struct strbuf seen = {0};
    struct observer observer = {.wrote = on_wrote, .context = &seen};
    call->world.host.observer = &observer;
    call->informers[0] = call_watch(call, "apps/v1", "Deployment");
    call_apply(call, "apps/v1/Deployment", TWO);
    world_expect_request(&call->world, "PATCH " DEPLOYMENT APPLIED);
    call_answer(call, 201, ANSWER("201", "2", ""));
    call_apply(call, "apps/v1/Deployment", TWO); /* not sent, not shown */
    call_skipped(call);
    world_event(&call->world, "Deployment", KUBE_MODIFIED, ANSWER("203", "7", ""));
    call_apply(call, "apps/v1/Deployment", TWO);
    world_expect_request(&call->world, "PATCH " DEPLOYMENT APPLIED);
    call_answer(call, 409, "{\"kind\":\"Status\",\"reason\":\"Conflict\"}"); /* not taken */
    call_apply(call, "apps/v1/Deployment", TWO);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("204", "2", ""));
    world_event(&call->world, "Deployment", KUBE_MODIFIED, ANSWER("205", "7", ""));
    call_apply(call, "apps/v1/Deployment", TWO);
    world_expect_request(&call->world, "PATCH " DEPLOYMENT APPLIED);
    world_event(&call->world, "Deployment", KUBE_MODIFIED, ANSWER("206", "8", "")); /* another's */
    call_answer(call, 200, ANSWER("207", "2", ""));
    world_event(&call->world, "Deployment", KUBE_MODIFIED, ANSWER("208", "9", ""));
    call_apply(call, "apps/v1/Deployment", TWO);
    world_expect_request(&call->world, "PATCH " DEPLOYMENT APPLIED);
    world_event(&call->world, "Deployment", KUBE_MODIFIED, ANSWER("209", "2", "")); /* told first */
    call_answer(call, 200, ANSWER("209", "2", ""));
    struct script_request *request = call_make(call, SCRIPT_DELETE, "apps/v1/Deployment", NULL);
    call_refer(request, "web");
    call_start(call, request);
    call_sent(call, "DELETE " DEPLOYMENT, "{\"kind\":\"Status\",\"details\":{\"uid\":\"u-web\"}}");
    assert_string_equal(seen.data, "app ns/a apply apps/v1/Deployment ns/web new 0>2;"
                                   "app ns/a apply apps/v1/Deployment ns/web 7>2;"
                                   "app ns/a apply apps/v1/Deployment ns/web 8>2;"
                                   "app ns/a apply apps/v1/Deployment ns/web 9>2;"
                                   "app ns/a delete apps/v1/Deployment ns/web 2>0;");
    strbuf_finish(&seen);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, call_setup, call_teardown)
    const struct CMUnitTest tests[] = {
        TEST(status_goes_under_the_controllers_manager),
        TEST(update_sends_the_difference_from_what_was_read),
        TEST(answer_enters_the_store_and_older_events_do_not),
        TEST(delete_leaves_a_tombstone_unless_the_object_stays),
        TEST(apply_is_repeated_but_create_is_not),
        TEST(cancel_awaits_a_write_that_was_sent_and_nothing_else),
        TEST(subresources_have_their_own_paths_and_bodies),
        TEST(writes_are_shown_to_an_observer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
