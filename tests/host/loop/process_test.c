#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"
#include "loop/loop.h"
#include "support/given.h"

struct world {
    struct mem_stats before;
    struct clock_fake clock;
    struct loop *loop;
    int done;
    struct loop_process_result result;
    char output[64], errors[8192];
};

static void on_done(void *context, const struct loop_process_result *result) {
    struct world *world = context;
    world->done++;
    world->result = *result;
    assert_true(result->output_len < sizeof world->output);
    memcpy(world->output, result->output, result->output_len);
    world->output[result->output_len] = '\0';
    strncpy(world->errors, result->errors, sizeof world->errors - 1);
}

static void begin(struct world *world) {
    struct error err;
    *world = (struct world){.before = mem_stats()};
    clock_fake_init(&world->clock, 1, 0);
    world->loop = loop_create(&world->clock.clock, &err);
    assert_non_null(world->loop);
}

static void end(struct world *world) {
    loop_destroy(world->loop);
    assert_int_equal(mem_stats().blocks, world->before.blocks);
}

static struct loop_process *shell(struct world *world, const char *script, uint64_t timeout_ns) {
    const char *const argv[] = {"/bin/sh", "-c", script, NULL}, *const envp[] = {"X=y", NULL};
    struct error err;
    struct loop_process *process =
        loop_process_start(world->loop,
                           &(struct loop_process_options){.argv = argv,
                                                          .envp = envp,
                                                          .max_output = 20,
                                                          .timeout_ns = timeout_ns,
                                                          .done = on_done,
                                                          .context = world},
                           &err);
    assert_non_null(process);
    return process;
}

GIVEN(struct world, begin, end)

static void process_gives_output_and_status(void **state) {
    struct world *world = *state;
    shell(world, "read line || echo \"$X\"; echo why >&2; exit 3", 0);
    loop_run(world->loop);
    assert_int_equal(world->done, 1);
    assert_int_equal(world->result.exit_status, 3);
    assert_string_equal(world->output, "y\n"); /* nothing on stdin, our environment alone */
    assert_string_equal(world->errors, "why\n");
}

static void process_that_dies_says_by_which_signal(void **state) {
    struct world *world = *state;
    shell(world, "kill -TERM $$", 0);
    loop_run(world->loop);
    assert_int_equal(world->result.exit_status, 128 + SIGTERM);
    assert_false(world->result.timed_out);
}

static void process_that_prints_too_much_fails(void **state) {
    struct world *world = *state;
    shell(world, "echo 123456789012345678901234567890", 0);
    loop_run(world->loop);
    assert_int_equal(world->result.exit_status, 1);
    assert_string_equal(world->errors, "it printed too much");
}

static void process_keeps_the_tail_of_its_errors(void **state) {
    struct world *world = *state;
    shell(world, "i=0; while [ $i -lt 2000 ]; do echo line$i >&2; i=$((i+1)); done", 0);
    loop_run(world->loop);
    assert_int_equal(strlen(world->errors), 4096);
    assert_non_null(strstr(world->errors, "line1999\n"));
    assert_null(strstr(world->errors, "line1\n"));
}

static void process_is_killed_at_its_deadline(void **state) {
    struct world *world = *state;
    shell(world, "read line </dev/zero; exec sleep 600", 5 * NS_PER_S);
    loop_advance(world->loop, &world->clock, 5 * NS_PER_S);
    loop_run(world->loop);
    assert_int_equal(world->done, 1);
    assert_true(world->result.timed_out);
    assert_int_equal(world->result.exit_status, 128 + SIGKILL);
}

static void process_that_is_cancelled_calls_nobody(void **state) {
    struct world *world = *state;
    loop_process_cancel(shell(world, "exec sleep 600", 5 * NS_PER_S));
    loop_run(world->loop);
    assert_int_equal(world->done, 0);
}

static void process_that_is_not_there_is_an_error(void **state) {
    struct world *world = *state;
    struct error err;
    const char *const argv[] = {"/nowhere/program", NULL};
    assert_null(loop_process_start(
        world->loop, &(struct loop_process_options){.argv = argv, .done = on_done}, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_non_null(strstr(err.message, "/nowhere/program"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(process_gives_output_and_status),       TEST(process_that_dies_says_by_which_signal),
        TEST(process_that_prints_too_much_fails),    TEST(process_keeps_the_tail_of_its_errors),
        TEST(process_is_killed_at_its_deadline),     TEST(process_that_is_cancelled_calls_nobody),
        TEST(process_that_is_not_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
