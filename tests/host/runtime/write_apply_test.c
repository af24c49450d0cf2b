#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "runtime/intents.h"
#include "runtime/support/write/call.h"

/* What ctx:apply sends, and when it sends nothing. */

/* R1 */

static void apply_that_changes_nothing_is_not_sent(void **state) {
    struct call *call = *state;
    call->informers[0] = call_watch(call, "apps/v1", "Deployment");
    call_apply(call, "apps/v1/Deployment", TWO);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ",\"paused\":false"));
    call_apply(call, "apps/v1/Deployment", TWO); /* "1000m" compares with the answer's "1" */
    call_skipped(call);
    assert_non_null(call->answered->object);
    world_event(&call->world, "Deployment", KUBE_MODIFIED, ANSWER("202", "2", ",\"paused\":true"));
    call_apply(call, "apps/v1/Deployment", TWO); /* what we do not say may change */
    call_skipped(call);
    world_event(&call->world, "Deployment", KUBE_MODIFIED, ANSWER("203", "7", ""));
    call_apply(call, "apps/v1/Deployment", TWO); /* somebody scaled it */
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("204", "2", ""));
}

static void apply_that_drops_a_field_is_sent(void **state) {
    struct call *call = *state;
    call->informers[0] = call_watch(call, "apps/v1", "Deployment");
    call_apply(call, "apps/v1/Deployment", TWO);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    call_apply(call, "apps/v1/Deployment", ONE);
    world_expect_request(&call->world, "PATCH " DEPLOYMENT APPLIED);
    assert_false(call_body_has(call, "cpu"));
    call_answer(call, 200,
                "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\"," META(
                    "web", "202") "},\"spec\":{\"replicas\":2}}");
    call_apply(call, "apps/v1/Deployment", ONE);
    call_skipped(call);
    call_apply(call, "apps/v1/Deployment", TWO); /* only the last one counts */
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("203", "2", ""));
}

static void apply_after_a_restart_is_sent(void **state) {
    struct call *call = *state;
    struct error err;
    call->informers[0] = call_watch(call, "apps/v1", "Deployment");
    call_apply(call, "apps/v1/Deployment", ONE);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    struct host *host = &call->world.host;
    intents_destroy(host->intents);
    host->intents = intents_create(host->dag, 100, &err);
    call_apply(call, "apps/v1/Deployment", ONE);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    call_apply(call, "apps/v1/Deployment", ONE);
    call_skipped(call);
}

static void apply_of_another_uid_or_manager_is_sent(void **state) {
    struct call *call = *state;
    call->informers[0] = call_watch(call, "apps/v1", "Deployment");
    call_apply(call, "apps/v1/Deployment", ONE);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    struct script_request *request = call_make(call, SCRIPT_APPLY, "apps/v1/Deployment", ONE);
    request->manager = mem_strdup("two");
    call_start(call, request);
    call_sent(call, "PATCH " DEPLOYMENT "?fieldManager=moonlet%2Fapp%2Ftwo&force=true",
              ANSWER("202", "2", ""));
    world_event(&call->world, "Deployment", KUBE_DELETED, ANSWER("203", "2", ""));
    world_event(&call->world, "Deployment", KUBE_ADDED,
                "{\"metadata\":{\"name\":\"web\",\"namespace\":\"ns\",\"uid\":\"u-new\","
                "\"resourceVersion\":\"204\"},\"spec\":{\"replicas\":2}}");
    call_apply(call, "apps/v1/Deployment", ONE);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("205", "2", ""));
}

static void apply_that_was_refused_is_sent_again(void **state) {
    struct call *call = *state;
    call->informers[0] = call_watch(call, "apps/v1", "Deployment");
    call_apply(call, "apps/v1/Deployment", ONE);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("201", "2", ""));
    call_apply(call, "apps/v1/Deployment", TWO);
    world_expect_request(&call->world, "PATCH " DEPLOYMENT APPLIED);
    call_answer(call, 422, "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"no\"}");
    call_refused(call, ERROR_REJECTED, "apps/v1/Deployment ns/web");
    call_apply(call, "apps/v1/Deployment", TWO);
    call_sent(call, "PATCH " DEPLOYMENT APPLIED, ANSWER("202", "2", ""));
}

/* R2 */

static void apply_of_an_owned_kind_has_an_owner(void **state) {
    struct call *call = *state;
    call_apply(call, "apps/v1/Deployment", ONE);
    world_expect_request(&call->world, "PATCH " DEPLOYMENT APPLIED);
    assert_true(call_body_has(call, "\"ownerReferences\":[{"));
    assert_true(call_body_has(call, "\"uid\":\"u-a\""));
    call_answer(call, 200, ANSWER("201", "2", ""));
    struct script_request *request = call_make(call, SCRIPT_APPLY, "apps/v1/Deployment", ONE);
    request->owner = 0;
    request->force = 0;
    call_start(call, request);
    world_expect_request(&call->world, "PATCH " DEPLOYMENT "?fieldManager=moonlet%2Fapp");
    assert_false(call_body_has(call, "ownerReferences"));
    call_answer(call, 200, ANSWER("202", "2", ""));
}

static void apply_with_an_impossible_owner_is_invalid(void **state) {
    struct call *call = *state;
    call_apply(call, "apps/v1/Deployment",
               "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\","
               "\"namespace\":\"other\"}}");
    call_refused(call, ERROR_INVALID, "cannot be owned from namespace ns");
    call_apply(call, "v1/Namespace", "{\"metadata\":{\"name\":\"x\"}}");
    call_refused(call, ERROR_INVALID, "is cluster-scoped and cannot be owned by the namespaced");
    call->scope.object = NULL; /* a schedule */
    call_apply(call, "apps/v1/Deployment", ONE);
    call_refused(call, ERROR_INVALID, "no object is in hand");
}

static void apply_of_what_is_not_owned_carries_the_uid(void **state) {
    struct call *call = *state;
    world_has(&call->world, "Pod", "{" META("p", "7") "}}");
    call->informers[0] = call_watch(call, "v1", "Pod");
    call_apply(call, "v1/Pod", "{\"metadata\":{\"name\":\"p\",\"labels\":{\"x\":\"y\"}}}");
    world_expect_request(&call->world, "PATCH " POD APPLIED);
    assert_true(call_body_has(call, "\"uid\":\"u-p\""));
    assert_false(call_body_has(call, "ownerReferences"));
    call_answer(call, 409, "{\"kind\":\"Status\",\"reason\":\"Conflict\",\"message\":\"uid\"}");
    call_refused(call, ERROR_CONFLICT, "v1/Pod ns/p"); /* deleted meanwhile: not made anew */
}

static void apply_of_what_is_not_cached_looks_up_the_uid(void **state) {
    struct call *call = *state;
    call_apply(call, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}");
    world_expect_request(&call->world, "GET " POD);
    call_answer(call, 200, "{" META("p", "7") "}}");
    world_expect_request(&call->world, "PATCH " POD APPLIED);
    assert_true(call_body_has(call, "\"uid\":\"u-p\""));
    call_answer(call, 200, "{" META("p", "8") "}}");
    assert_int_equal(call->answered->error.code, 0);
    call_apply(call, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}");
    world_expect_request(&call->world, "GET " POD);
    call_answer(call, 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"no\"}");
    call_refused(call, ERROR_NOT_FOUND, "{ create = true }");
    struct script_request *request =
        call_make(call, SCRIPT_APPLY, "v1/Pod", "{\"metadata\":{\"name\":\"p\"}}");
    request->create = 1;
    call_start(call, request);
    world_expect_request(&call->world, "PATCH " POD APPLIED);
    assert_false(call_body_has(call, "uid"));
    call_answer(call, 201, "{" META("p", "9") "}}");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, call_setup, call_teardown)
    const struct CMUnitTest tests[] = {
        TEST(apply_that_changes_nothing_is_not_sent),
        TEST(apply_that_drops_a_field_is_sent),
        TEST(apply_after_a_restart_is_sent),
        TEST(apply_of_another_uid_or_manager_is_sent),
        TEST(apply_that_was_refused_is_sent_again),
        TEST(apply_of_an_owned_kind_has_an_owner),
        TEST(apply_with_an_impossible_owner_is_invalid),
        TEST(apply_of_what_is_not_owned_carries_the_uid),
        TEST(apply_of_what_is_not_cached_looks_up_the_uid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
