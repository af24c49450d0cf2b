#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "runtime/support/world.h"

#define APP(name, more)                                                                            \
    "{\"definitions\":[{\"type\":\"controller\",\"name\":\"" name "\",\"source\":\"" name          \
    ".lua:1\",\"resource\":{\"kind\":\"v1/ConfigMap\"" more                                        \
    "},\"handlers\":[\"reconcile\"],\"timeout\":60}],\"crds\":[]}"
#define CONFIG_MAP(name, version)                                                                  \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"uid\":\"u-" name                  \
    "\",\"resourceVersion\":\"" version "\"}}"

static const struct fake_step hangs = {.type = FAKE_HANG};

/* R19: a thread that does not come back is given up. Its other isolates are built anew on a new
 * thread and their keys added again; nobody waits for what it was doing. */
static void worker_lost_rebuilds_every_isolate_and_adds_keys_again(void **state) {
    (void)state;
    static struct world world; /* the thread keeps it */
    world_begin(&world);
    world_has(&world, "ConfigMap", CONFIG_MAP("a", "5"));
    world_file(&world, "one", APP("one", ""));
    world_live(&world, "one");
    world_expect(&world, "s1 load one");
    world_expect(&world, "s1 bind 1");
    world_expect(&world, "s1 reconcile ns/a event 1");
    fake_engine_plan(&world.engine, hangs);
    world_file(&world, "two", APP("two", ""));
    world_live(&world, "two");
    world_expect(&world, "s2 load two");
    world_expect(&world, "s2 bind 1");
    world_expect(&world, "s2 reconcile ns/a event 1");
    world_expect(&world, "s2 hangs");
    assert_int_equal(world.lost, 0);
    world_pass(&world, 32 * NS_PER_S);
    assert_int_equal(world.lost, 1);
    world_expect(&world, "s3 load one");
    world_expect(&world, "s4 load two");
    world_until(&world, fake_engine_saw(&world.engine, "s3 reconcile ns/a reload 1"));
    /* without a counted try */
    world_until(&world, fake_engine_saw(&world.engine, "s4 reconcile ns/a event 1"));
    world_end(&world);
}

static void worker_lost_under_a_load_ends_the_load(void **state) {
    (void)state;
    static struct world world; /* the thread keeps it */
    world_begin(&world);
    world_has(&world, "ConfigMap", CONFIG_MAP("a", "5"));
    world_file(&world, "one", APP("one", ""));
    world_live(&world, "one");
    world_expect(&world, "s1 load one");
    world_expect(&world, "s1 bind 1");
    world_expect(&world, "s1 reconcile ns/a event 1");
    world_file(&world, "one", "hang");
    world_expect(&world, "s2 load one");
    world_expect(&world, "s2 hangs");
    world_pass(&world, 32 * NS_PER_S);
    assert_int_equal(world.lost, 1);
    world_expect(&world, "s3 load one"); /* the version that was live, whose isolate went, too */
    world_expect(&world, "s3 bind 1");
    world_expect(&world, "s3 reconcile ns/a reload 1");
    world_live(&world, "one");
    world_end(&world);
}

static void worker_lost_under_a_batch_ends_the_batch(void **state) {
    (void)state;
    static struct world world; /* the thread keeps it */
    world_begin(&world);
    world_has(&world, "ConfigMap", CONFIG_MAP("a", "5"));
    world.engine.observe_hangs = true;
    world_file(&world, "one", APP("one", ",\"when\":true"));
    world_expect(&world, "s1 load one");
    world_expect(&world, "s1 bind 1");
    world_expect(&world, "s1 observe resource ns/a ->5");
    world_expect(&world, "s1 hangs");
    world_pass(&world, 32 * NS_PER_S);
    world_expect(&world, "s2 load one");
    world_expect(&world, "s2 bind 1");
    world_expect(&world, "s2 observe resource ns/a ->5");
    world_expect(&world, "s2 reconcile ns/a event 1"); /* what was lost counts as a match */
    world_end(&world); /* becomes quiet: nothing waits for the thread that went */
}

/* What comes back after it was given up does nothing more, neither what it had nor what waits. */
static void worker_lost_that_comes_back_is_not_heard(void **state) {
    (void)state;
    static struct world world; /* the thread keeps it */
    world_begin(&world);
    world_has(&world, "ConfigMap", CONFIG_MAP("a", "5"));
    fake_engine_plan(&world.engine, hangs);
    world_file(&world, "one", APP("one", ""));
    world_live(&world, "one");
    world_until(&world, fake_engine_saw(&world.engine, "s1 hangs"));
    world_file(&world, "two", APP("two", "")); /* waits behind it */
    world_pass(&world, 32 * NS_PER_S);
    world_until(&world, fake_engine_saw(&world.engine, "s2 reconcile ns/a event 1"));
    world_pass(&world, NS_PER_S); /* the file that only waited its turn is tried again */
    world_until(&world, fake_engine_saw(&world.engine, "s3 reconcile ns/a event 1"));
    world_until(&world, reload_settled(world.host.reload));
    char line[128];
    while (fake_engine_next(&world.engine, line, sizeof line))
        ;
    fake_engine_release(&world.engine);
    world_expect_nothing(&world);
    assert_string_equal(world.results, "success success ");
    world_end(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_lost_rebuilds_every_isolate_and_adds_keys_again),
        cmocka_unit_test(worker_lost_under_a_load_ends_the_load),
        cmocka_unit_test(worker_lost_under_a_batch_ends_the_batch),
        cmocka_unit_test(worker_lost_that_comes_back_is_not_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
