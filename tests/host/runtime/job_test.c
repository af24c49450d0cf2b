#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "runtime/observer.h"
#include "runtime/support/world.h"

/* `more` differs between versions of the file. */
#define APP(handlers, more)                                                                        \
    "{\"definitions\":[{\"type\":\"controller\",\"name\":\"app\",\"source\":\"app.lua:1\","        \
    "\"resource\":{\"kind\":\"v1/ConfigMap\",\"labels\":\"app=yes\"},\"owns\":[{\"kind\":"         \
    "\"apps/v1/Deployment\"}],\"handlers\":[" handlers "],\"concurrency\":2}],\"crds\":[]}" more
#define ALL "\"reconcile\",\"finalize\",\"gone\""
#define META(name, version, label)                                                                 \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"" name                 \
    "\",\"namespace\":\"ns\",\"uid\":\"u-" name "\",\"resourceVersion\":\"" version                \
    "\",\"labels\":{\"app\":\"" label "\"}"
#define PLAIN(name, version, label) META(name, version, label) "}}"
#define HELD(name, version, label)                                                                 \
    META(name, version, label) ",\"finalizers\":[\"x/y\",\"moonlet.dev/app\"]}}"
#define DYING(name, version, label)                                                                \
    META(name, version, label)                                                                     \
    ",\"finalizers\":[\"x/y\",\"moonlet.dev/app\"],\"deletionTimestamp\":\"now\"}}"
#define PATCH(name) "PATCH /api/v1/namespaces/ns/configmaps/" name "?fieldManager=moonlet"
#define DEPLOYMENT                                                                                 \
    "PATCH /apis/apps/v1/namespaces/ns/deployments/web?fieldManager=moonlet%2Fapp&force=true"

static void for_an_hour(struct script_request *request) {
    request->delay_ns = 3600 * NS_PER_S;
}

static void web(struct script_request *request) {
    request->kind = mem_strdup("apps/v1/Deployment");
    strbuf_adds(&request->body, "{\"metadata\":{\"name\":\"web\"}}");
}

static const struct fake_step sleeps = {.type = FAKE_ASK, .op = SCRIPT_SLEEP, .fill = for_an_hour};
static const struct fake_step applies = {.type = FAKE_ASK, .op = SCRIPT_APPLY, .fill = web};
static const struct fake_step fails = {.type = FAKE_FAIL};
static const struct fake_step gives_up = {.type = FAKE_FAIL, .code = ERROR_CANCELLED};

static void begin(struct world *world, const char *object, const char *file) {
    world_begin(world);
    if (object)
        world_has(world, "ConfigMap", object);
    world_file(world, "app", file);
    world_live(world, "app");
    world_expect(world, "s1 load app");
    world_expect(world, "s1 bind 2");
}

static void body_is(struct world *world, const char *text) {
    struct str body = fake_transport_body(&world->calls);
    if (!str_is(body, text))
        fail_msg("sent: " STR_FORMAT, STR_ARG(body));
}

static const char *selector_of(struct world *world) {
    for (int i = 0; i < FAKE_STREAMS; i++) {
        const struct kube_select *select = &world->source.watch[i].options.select;
        if (world->source.watch[i].open && strcmp(select->resource->kind, "ConfigMap") == 0)
            return select->label_selector;
    }
    return "nobody watches";
}

/* R3: under the manager "moonlet", with tests on uid and resourceVersion. */
static void finalizer_is_put_on_before_the_first_reconcile(void **state) {
    (void)state;
    struct world world;
    begin(&world, PLAIN("a", "5", "yes"), APP(ALL, ""));
    world_expect_request(&world, PATCH("a"));
    assert_string_equal(fake_transport_header(&world.calls, "content-type"),
                        "application/json-patch+json");
    body_is(&world,
            "[{\"op\":\"test\",\"path\":\"/metadata/uid\",\"value\":\"u-a\"},"
            "{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":\"5\"},"
            "{\"op\":\"add\",\"path\":\"/metadata/finalizers\",\"value\":[\"moonlet.dev/app\"]}]");
    fake_transport_answer(&world.calls, 200, HELD("a", "101", "yes"));
    world_expect(&world, "s1 reconcile ns/a event 1");
    world_until(&world, world.results);
    assert_string_equal(world.results, "success ");
    world_end(&world);
}

static void on_reconciled(void *context, const struct observed_result *result) {
    strbuf_printf(context, "%s %s %s %s;", result->controller, result->key, result->reason,
                  result->result);
}

static void results_are_shown_to_an_observer(void **state) {
    (void)state;
    struct strbuf seen = {0};
    struct observer observer = {.reconciled = on_reconciled, .context = &seen};
    struct world world;
    begin(&world, PLAIN("a", "5", "yes"), APP("\"reconcile\"", ""));
    world.host.observer = &observer;
    world_expect(&world, "s1 reconcile ns/a event 1");
    world_until(&world, world.results);
    fake_engine_plan(&world.engine, fails);
    world_event(&world, "ConfigMap", KUBE_MODIFIED, HELD("a", "102", "yes"));
    world_expect(&world, "s1 reconcile ns/a event 1");
    world_until(&world, strstr(world.results, "error"));
    assert_string_equal(seen.data, "app ns/a event success;app ns/a event error;");
    strbuf_finish(&seen);
    world_end(&world);
}

static void finalizer_put_on_an_older_version_waits_for_the_newer(void **state) {
    (void)state;
    struct world world;
    begin(&world, PLAIN("a", "5", "yes"), APP(ALL, ""));
    world_expect_request(&world, PATCH("a"));
    fake_transport_answer(&world.calls, 422, "{\"kind\":\"Status\",\"reason\":\"Invalid\"}");
    assert_string_equal(world.results, "requeue ");
    world_event(&world, "ConfigMap", KUBE_MODIFIED, HELD("a", "102", "yes"));
    world_pass(&world, NS_PER_S);
    world_expect(&world, "s1 reconcile ns/a event 2");
    world_end(&world);
}

static void deleted_object_is_finalized_and_let_go(void **state) {
    (void)state;
    struct world world;
    begin(&world, HELD("a", "5", "yes"), APP(ALL, ""));
    world_expect(&world, "s1 reconcile ns/a event 1");
    fake_engine_plan(&world.engine, fails);
    world_event(&world, "ConfigMap", KUBE_MODIFIED, DYING("a", "102", "yes"));
    world_expect(&world, "s1 finalize ns/a event 1");
    world_until(&world, strstr(world.results, "error"));
    assert_string_equal(fake_transport_what(&world.calls), ""); /* it holds until that works */
    world_pass(&world, NS_PER_S);
    world_expect(&world, "s1 finalize ns/a event 2");
    world_expect_request(&world, PATCH("a"));
    body_is(&world, "[{\"op\":\"test\",\"path\":\"/metadata/uid\",\"value\":\"u-a\"},"
                    "{\"op\":\"test\",\"path\":\"/metadata/resourceVersion\",\"value\":\"102\"},"
                    "{\"op\":\"remove\",\"path\":\"/metadata/finalizers/1\"}]");
    fake_transport_answer(&world.calls, 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\"}");
    assert_string_equal(world.results, "success error success ");
    world_end(&world);
}

/* R7 */

static void selector_of_a_finalizing_primary_is_the_hosts(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL, APP(ALL, ""));
    assert_null(selector_of(&world));
    world_file(&world, "app", APP("\"reconcile\"", ""));
    world_live(&world, "app");
    assert_string_equal(selector_of(&world), "app=yes");
    world_end(&world);
}

static void object_that_leaves_the_match_is_gone_and_let_go(void **state) {
    (void)state;
    struct world world;
    begin(&world, HELD("a", "5", "yes"), APP(ALL, ""));
    world_expect(&world, "s1 reconcile ns/a event 1");
    world_event(&world, "ConfigMap", KUBE_MODIFIED, HELD("a", "102", "no"));
    world_expect(&world, "s1 gone ns/a unmatched 1 u-a"); /* and no finalize */
    world_expect_request(&world, PATCH("a"));
    fake_transport_answer(&world.calls, 200, PLAIN("a", "103", "no"));
    world_expect_nothing(&world);
    world_event(&world, "ConfigMap", KUBE_MODIFIED, PLAIN("a", "104", "no"));
    world_expect_nothing(&world);
    world_end(&world);
}

static void object_that_was_deleted_is_gone_by_its_uid(void **state) {
    (void)state;
    struct world world;
    begin(&world, PLAIN("a", "5", "yes"), APP("\"reconcile\",\"gone\"", ""));
    world_expect(&world, "s1 reconcile ns/a event 1");
    world_until(&world, world.results);
    fake_engine_plan(&world.engine, fails);
    world_event(&world, "ConfigMap", KUBE_DELETED, PLAIN("a", "102", "yes"));
    world_expect(&world, "s1 gone ns/a event 1 u-a");
    world_until(&world, strstr(world.results, "error"));
    world_pass(&world, NS_PER_S);
    world_expect(&world, "s1 gone ns/a event 2 u-a");
    world_until(&world, strstr(world.results, "error success"));
    world_event(&world, "ConfigMap", KUBE_ADDED, PLAIN("a", "103", "yes"));
    world_expect(&world, "s1 reconcile ns/a event 1");
    world_end(&world);
}

static void initializer_is_called_by_its_own_name(void **state) {
    (void)state;
    struct world world;
    begin(&world, PLAIN("a", "5", "yes"), APP("\"initialize\",\"gone\"", ""));
    world_expect(&world, "s1 initialize ns/a event 1");
    world_end(&world);
}

static const struct fake_step permanent = {.type = FAKE_PERMANENT, .ns = 50 * NS_PER_S};

/* It wakes for its deadline all the same. */
static void initializer_that_gives_up_is_called_at_its_deadline(void **state) {
    (void)state;
    struct world world;
    begin(&world, NULL, APP("\"initialize\",\"gone\"", ""));
    fake_engine_plan(&world.engine, permanent);
    world_event(&world, "ConfigMap", KUBE_ADDED, PLAIN("a", "102", "yes"));
    world_expect(&world, "s1 initialize ns/a event 1");
    world_expect_request(&world, "POST /api/v1/namespaces/ns/events");
    struct str event = fake_transport_body(&world.calls);
    assert_non_null(memmem(event.data, event.len, "\"InitializeFailed\"", 18));
    fake_transport_answer(&world.calls, 201, "{}");
    assert_true(fake_engine_logged(&world.engine, "not retried before its deadline: permanent"));
    world_pass(&world, 49 * NS_PER_S);
    world_expect_nothing(&world);
    world_pass(&world, 2 * NS_PER_S);
    world_expect(&world, "s1 initialize ns/a requeue 1");
    world_end(&world);
}

static void object_that_left_the_match_unseen_is_let_go(void **state) {
    (void)state;
    struct world world;
    begin(&world, HELD("a", "5", "no"), APP(ALL, "")); /* while no moonlet ran */
    world_expect_request(&world, PATCH("a"));
    fake_transport_answer(&world.calls, 200, PLAIN("a", "103", "no"));
    world_expect_nothing(&world); /* it was not known: nobody is told that it is gone */
    world_end(&world);
}

static void object_that_leaves_the_match_while_deleted_is_finalized(void **state) {
    (void)state;
    struct world world;
    begin(&world, HELD("a", "5", "yes"), APP(ALL, ""));
    world_expect(&world, "s1 reconcile ns/a event 1");
    world_event(&world, "ConfigMap", KUBE_MODIFIED, DYING("a", "102", "no"));
    world_expect(&world, "s1 finalize ns/a event 1");
    world_expect_request(&world, PATCH("a"));
    fake_transport_answer(&world.calls, 200, PLAIN("a", "103", "no"));
    world_end(&world);
}

/* R14 */

static void swap_gives_new_keys_to_the_new_isolate_and_lets_the_old_finish(void **state) {
    (void)state;
    struct world world;
    world_begin(&world);
    world_has(&world, "ConfigMap", HELD("a", "5", "yes"));
    fake_engine_plan(&world.engine, sleeps);
    world_file(&world, "app", APP(ALL, ""));
    world_until(&world, fake_engine_saw(&world.engine, "s1 reconcile ns/a event 1"));
    world_file(&world, "app", APP(ALL, " "));
    world_live(&world, "app");
    world_until(&world, fake_engine_saw(&world.engine, "s2 bind 2"));
    struct controller *app = world_controller(&world, "app");
    assert_int_equal(app->in_work, 1);
    fake_engine_plan(&world.engine, sleeps);
    world_event(&world, "ConfigMap", KUBE_ADDED, HELD("b", "102", "yes"));
    world_event(&world, "ConfigMap", KUBE_MODIFIED, HELD("a", "103", "yes"));
    world_event(&world, "ConfigMap", KUBE_ADDED, HELD("c", "104", "yes"));
    world_until(&world, fake_engine_saw(&world.engine, "s2 reconcile ns/b event 1"));
    char line[64];
    while (fake_engine_next(&world.engine, line, sizeof line))
        ;
    world_expect_nothing(&world); /* a is in work, c is one above the concurrency */
    assert_int_equal(app->in_work, 2);
    world_pass(&world, 9 * NS_PER_S);
    world_expect_nothing(&world);
    fake_engine_plan(&world.engine, gives_up);
    world_pass(&world, 2 * NS_PER_S); /* --reload-grace */
    world_expect(&world, "s1 cancel cancelled");
    world_expect(&world, "s1 answer cancelled");
    world_until(&world, fake_engine_saw(&world.engine, "s1 unload"));
    world_until(&world, fake_engine_saw(&world.engine, "s2 reconcile ns/c event 1"));
    /* without a counted try */
    world_until(&world, fake_engine_saw(&world.engine, "s2 reconcile ns/a event 1"));
    controller_cancel_jobs(app, app->edition);
    world_end(&world);
}

static void swap_awaits_a_write_that_was_sent(void **state) {
    (void)state;
    struct world world;
    world_begin(&world);
    world_has(&world, "ConfigMap", HELD("a", "5", "yes"));
    fake_engine_plan(&world.engine, applies);
    fake_engine_plan(&world.engine, applies); /* every later ctx call raises */
    fake_engine_plan(&world.engine, gives_up);
    world_file(&world, "app", APP(ALL, ""));
    world_live(&world, "app");
    world_expect(&world, "s1 load app");
    world_expect(&world, "s1 bind 2");
    world_expect(&world, "s1 reconcile ns/a event 1");
    world_expect_request(&world, DEPLOYMENT);
    world_file(&world, "app", APP(ALL, " "));
    world_live(&world, "app");
    world_expect(&world, "s2 load app");
    world_expect(&world, "s2 bind 2");
    world_pass(&world, 10 * NS_PER_S);
    world_expect(&world, "s1 cancel cancelled");
    world_rest(&world);
    assert_int_equal(world.calls.cancelled, 0);
    fake_transport_answer(&world.calls, 200, "{\"metadata\":{\"name\":\"web\",\"uid\":\"w\"}}");
    world_expect(&world, "s1 answer ok"); /* its outcome is told */
    world_expect(&world, "s1 answer cancelled");
    world_until(&world, fake_engine_saw(&world.engine, "s2 reconcile ns/a event 1"));
    world_end(&world);
}

static void cancelled_job_does_not_run_the_old_version_after_its_finalizer(void **state) {
    (void)state;
    struct world world;
    begin(&world, PLAIN("a", "5", "yes"), APP(ALL, ""));
    world_expect_request(&world, PATCH("a"));
    world_file(&world, "app", APP(ALL, " "));
    world_live(&world, "app");
    world_expect(&world, "s2 load app");
    world_expect(&world, "s2 bind 2");
    world_pass(&world, 10 * NS_PER_S);
    fake_transport_answer(&world.calls, 200, HELD("a", "101", "yes"));
    char line[64];
    world_until(&world, fake_engine_next(&world.engine, line, sizeof line));
    if (strcmp(line, "s1 unload") == 0)
        world_until(&world, fake_engine_next(&world.engine, line, sizeof line));
    assert_string_equal(line, "s2 reconcile ns/a event 1");
    world_end(&world);
}

/* R15 */
static void reload_queues_every_key_once_with_its_reason(void **state) {
    (void)state;
    struct world world;
    begin(&world, HELD("a", "5", "yes"), APP(ALL, ""));
    world_expect(&world, "s1 reconcile ns/a event 1");
    world_event(&world, "ConfigMap", KUBE_ADDED, HELD("b", "102", "yes"));
    world_expect(&world, "s1 reconcile ns/b event 1");
    world_event(&world, "ConfigMap", KUBE_ADDED, PLAIN("c", "103", "no"));
    world_file(&world, "app", APP(ALL, " "));
    world_live(&world, "app");
    world_until(&world, fake_engine_saw(&world.engine, "s2 reconcile ns/a reload 1"));
    world_until(&world, fake_engine_saw(&world.engine, "s2 reconcile ns/b reload 1"));
    world_until(&world, controller_idle(world_controller(&world, "app")));
    assert_string_equal(world.results, "success success success success ");
    world_end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finalizer_is_put_on_before_the_first_reconcile),
        cmocka_unit_test(results_are_shown_to_an_observer),
        cmocka_unit_test(finalizer_put_on_an_older_version_waits_for_the_newer),
        cmocka_unit_test(deleted_object_is_finalized_and_let_go),
        cmocka_unit_test(selector_of_a_finalizing_primary_is_the_hosts),
        cmocka_unit_test(object_that_leaves_the_match_is_gone_and_let_go),
        cmocka_unit_test(object_that_was_deleted_is_gone_by_its_uid),
        cmocka_unit_test(initializer_is_called_by_its_own_name),
        cmocka_unit_test(initializer_that_gives_up_is_called_at_its_deadline),
        cmocka_unit_test(object_that_left_the_match_unseen_is_let_go),
        cmocka_unit_test(object_that_leaves_the_match_while_deleted_is_finalized),
        cmocka_unit_test(swap_gives_new_keys_to_the_new_isolate_and_lets_the_old_finish),
        cmocka_unit_test(swap_awaits_a_write_that_was_sent),
        cmocka_unit_test(cancelled_job_does_not_run_the_old_version_after_its_finalizer),
        cmocka_unit_test(reload_queues_every_key_once_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
