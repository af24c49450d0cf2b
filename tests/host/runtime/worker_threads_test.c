#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "runtime/support/world.h"

#define APP(name, more)                                                                            \
    "{\"definitions\":[{\"type\":\"controller\",\"name\":\"" name "\",\"source\":\"" name          \
    ".lua:1\",\"resource\":{\"kind\":\"v1/ConfigMap\"" more                                        \
    "},\"handlers\":[\"reconcile\"],\"timeout\":60}],\"crds\":[]}"
#define CONFIG_MAP(name, version)                                                                  \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"uid\":\"u-" name                  \
    "\",\"resourceVersion\":\"" version "\"}}"

static void for_an_hour(struct script_request *request) {
    request->delay_ns = 3600 * NS_PER_S;
}

static const struct fake_step naps = {.type = FAKE_ASK, .op = SCRIPT_SLEEP};
static const struct fake_step sleeps = {.type = FAKE_ASK, .op = SCRIPT_SLEEP, .fill = for_an_hour};
static const struct fake_step dies = {.type = FAKE_DIE, .code = ERROR_NOMEM};
static const struct fake_step fails = {.type = FAKE_FAIL};

static void worker_runs_a_call_and_its_requests(void **state) {
    struct world *world = *state;
    world_has(world, "ConfigMap", CONFIG_MAP("a", "5"));
    fake_engine_plan(&world->engine, naps);
    world_file(world, "app", APP("app", ""));
    world_expect(world, "s1 load app");
    world_expect(world, "s1 bind 1");
    world_expect(world, "s1 reconcile ns/a event 1");
    world_expect(world, "s1 answer ok");
    world_until(world, world->results);
    assert_string_equal(world->results, "success ");
    world_file(world, "app", NULL);
    world_expect(world, "s1 unload");
}

static void worker_cancels_a_call_at_its_timeout(void **state) {
    struct world *world = *state;
    world_has(world, "ConfigMap", CONFIG_MAP("a", "5"));
    fake_engine_plan(&world->engine, sleeps);
    fake_engine_plan(&world->engine, sleeps); /* it does not give up: that raises, too */
    fake_engine_plan(&world->engine, fails);
    world_file(world, "app", APP("app", ""));
    world_expect(world, "s1 load app");
    world_expect(world, "s1 bind 1");
    world_expect(world, "s1 reconcile ns/a event 1");
    struct controller *app = world_controller(world, "app");
    world_until(world, !list_empty(&app->jobs) && world->lost == 0);
    world_pass(world, 60 * NS_PER_S);
    world_expect(world, "s1 cancel timeout");
    world_expect(world, "s1 answer timeout");
    world_expect(world, "s1 answer timeout");
    world_until(world, world->results);
    assert_string_equal(world->results, "error ");
    assert_true(fake_engine_logged(&world->engine, "retried with backoff"));
}

/* The worker alone, without a controller. */
struct caller {
    struct worker_script *script;
    struct worker_call call;
    struct script_request *request;
    int done;
};

static void on_loaded(void *context, struct worker_script *script, const char *declaration,
                      const struct error *err) {
    (void)declaration, (void)err;
    ((struct caller *)context)->script = script;
}

static void on_request(struct worker_call *call, struct script_request *request) {
    ((struct caller *)call->context)->request = request;
}

static void on_done(struct worker_call *call) {
    ((struct caller *)call->context)->done++;
}

static void load_and_call(struct world *world, struct caller *caller) {
    static struct script_file file = {"app.lua", "app", "{}", 2};
    static const struct script_source source = {.name = "app", .files = &file, .count = 1};
    struct script_limits limits = {0};
    struct error err;
    *caller = (struct caller){.call = {.call = {.function = "run", .reason = "event"},
                                       .on_request = on_request,
                                       .on_done = on_done,
                                       .context = caller}};
    assert_int_equal(
        worker_load(world->workers[0], &source, &limits, NULL, on_loaded, caller, &err), 0);
    world_until(world, caller->script);
    fake_engine_plan(&world->engine, sleeps);
    worker_call_start(caller->script, &caller->call);
    world_until(world, caller->request);
    world_expect(world, "s1 load app");
    world_expect(world, "s1 run  event 0");
}

static void worker_unload_aborts_a_call_but_awaits_its_requests(void **state) {
    struct world *world = *state;
    struct caller caller;
    load_and_call(world, &caller);
    worker_unload(caller.script);
    world_expect(world, "s1 unload");
    world_until(world, caller.call.finished);
    assert_int_equal(caller.done, 0); /* its request is still ours to answer */
    worker_answer(caller.request);
    assert_int_equal(caller.done, 1);
    assert_true(caller.call.aborted && !caller.call.died && !caller.call.lost);
    assert_int_equal(caller.call.result.error.code, ERROR_CANCELLED);
    world_until(world, worker_scripts(world->workers[0]) == 0);
    world_expect_nothing(world); /* the answer finds nobody */
}

static void worker_cancel_of_a_call_under_unload_does_no_harm(void **state) {
    struct world *world = *state;
    struct caller caller;
    load_and_call(world, &caller);
    worker_unload(caller.script);
    worker_call_cancel(&caller.call, ERROR_CANCELLED);
    worker_call_cancel(&caller.call, ERROR_TIMEOUT);
    worker_answer(caller.request);
    world_expect(world, "s1 unload");
    world_until(world, caller.done);
    assert_int_equal(caller.done, 1);
}

static void has_four(struct world *world) {
    world_has(world, "ConfigMap", CONFIG_MAP("a", "5"));
    world_has(world, "ConfigMap", CONFIG_MAP("b", "5"));
    world_has(world, "ConfigMap", CONFIG_MAP("c", "5"));
    world_has(world, "ConfigMap", CONFIG_MAP("d", "5"));
}

/* One bad object takes neither the others' turn nor, by coming again at once, the file. */
static void worker_key_that_ends_its_isolate_waits_a_minute(void **state) {
    struct world *world = *state;
    char line[64];
    world_has(world, "ConfigMap", CONFIG_MAP("a", "5"));
    world_has(world, "ConfigMap", CONFIG_MAP("b", "5"));
    fake_engine_plan(&world->engine, dies);
    world_file(world, "app", APP("app", ""));
    world_expect(world, "s1 load app");
    world_expect(world, "s1 bind 1");
    world_expect(world, "s1 reconcile ns/a event 1");
    world_expect(world, "s1 unload");
    world_expect(world, "s2 load app");
    world_expect(world, "s2 bind 1");
    world_until(world, fake_engine_next(&world->engine, line, sizeof line));
    assert_non_null(strstr(line, "s2 reconcile ns/b"));
    assert_true(fake_engine_logged(&world->engine, "isolate died and is built anew"));
    world_rest(world);
    world_pass(world, 59 * NS_PER_S);
    world_expect_nothing(world);
    world_pass(world, NS_PER_S);
    world_expect(world, "s2 reconcile ns/a event 2");
    world_until(world, controller_idle(world_controller(world, "app")));
    assert_false(world_slot(world, "app")->suspended);
}

/* R19: three rebuilds in a minute suspend the controller until its file changes or 5 min pass. */
static void worker_script_that_keeps_dying_is_suspended(void **state) {
    struct world *world = *state;
    char line[64];
    has_four(world);
    for (int i = 0; i < 4; i++)
        fake_engine_plan(&world->engine, dies);
    world_file(world, "app", APP("app", ""));
    for (int i = 1; i <= 4; i++) {
        snprintf(line, sizeof line, "s%d load app", i);
        world_expect(world, line);
        snprintf(line, sizeof line, "s%d bind 1", i);
        world_expect(world, line);
        world_until(world, fake_engine_next(&world->engine, line, sizeof line));
        assert_non_null(strstr(line, "reconcile ns/"));
        snprintf(line, sizeof line, "s%d unload", i);
        world_expect(world, line);
    }
    world_until(world, world_slot(world, "app")->suspended);
    assert_true(fake_engine_logged(&world->engine, "after three rebuilds in a minute; suspended"));
    world_pass(world, 200 * NS_PER_S);
    world_expect_nothing(world);
    world_pass(world, 100 * NS_PER_S);
    world_expect(world, "s5 load app");
    world_expect(world, "s5 bind 1");
    world_live(world, "app");
    assert_false(world_slot(world, "app")->suspended);
}

static void worker_script_suspended_runs_again_when_its_file_changes(void **state) {
    struct world *world = *state;
    has_four(world);
    for (int i = 0; i < 4; i++)
        fake_engine_plan(&world->engine, dies);
    world_file(world, "app", APP("app", ""));
    while (!world_slot(world, "app")->suspended)
        world_pass(world, NS_PER_MS / 10); /* the worker may be slow: all in a minute */
    world_file(world, "app", APP("app", " "));
    world_live(world, "app");
    assert_false(world_slot(world, "app")->suspended);
}

static void worker_stop_takes_a_script_that_is_being_loaded(void **state) {
    struct world *world = *state;
    world_file(world, "app", APP("app", ""));
}

/* "The previous version keeps running" is only true when it can. */
static void worker_script_that_died_is_rebuilt_though_a_newer_version_fails(void **state) {
    struct world *world = *state;
    world_has(world, "ConfigMap", CONFIG_MAP("a", "5"));
    fake_engine_plan(&world->engine, sleeps);
    fake_engine_plan(&world->engine, dies);
    world_file(world, "app", APP("app", ""));
    world_live(world, "app");
    world_until(world, fake_engine_saw(&world->engine, "s1 reconcile ns/a event 1"));
    world_file(world, "app", "!app.lua:1: no");
    world_until(world, fake_engine_logged(&world->engine, "app.lua:1: no"));
    world_pass(world, 60 * NS_PER_S); /* the timeout ends the sleep, and that the isolate */
    const struct slot *slot = world_slot(world, "app");
    world_until(world, fake_engine_logged(&world->engine, "its isolate died"));
    world_until(world, slot->next == NULL && slot->live && !slot->live->dead);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(worker_runs_a_call_and_its_requests),
        TEST(worker_cancels_a_call_at_its_timeout),
        TEST(worker_unload_aborts_a_call_but_awaits_its_requests),
        TEST(worker_cancel_of_a_call_under_unload_does_no_harm),
        TEST(worker_key_that_ends_its_isolate_waits_a_minute),
        TEST(worker_script_that_keeps_dying_is_suspended),
        TEST(worker_stop_takes_a_script_that_is_being_loaded),
        TEST(worker_script_that_died_is_rebuilt_though_a_newer_version_fails),
        TEST(worker_script_suspended_runs_again_when_its_file_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
