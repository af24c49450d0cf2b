#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "testbed/support/bench.h"

static void begin(struct bench *bench, uint64_t seed) {
    bench_begin(bench, seed);
    bench_load(bench, "copier", bench_copier);
    bench_settle(bench);
}

/* The write is done, its doer dead: the next one does it again, and nothing is lost or doubled. */
static void host_dies_between_write_and_answer(void **state) {
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct bench bench;
        begin(&bench, seed);
        testbed_force(bench.testbed, SIM_CLIENT_RESTART, 1);
        bench_put(&bench, "a", "1");
        bench_settle(&bench);
        assert_int_equal(testbed_stats(bench.testbed).restarts, 1);
        bench_traced(&bench, "dies", 1);
        bench_expect(&bench, "a-copy", "v", "1");
        bench_put(&bench, "a", "2");
        bench_settle(&bench);
        bench_expect(&bench, "a-copy", "v", "2");
        bench_end(&bench);
    }
    (void)state;
}

static void host_is_restarted_in_the_middle_of_anything(void **state) {
    for (uint64_t at = 0; at < 40; at++) {
        struct bench bench;
        struct error err;
        bench_begin(&bench, at);
        bench_load(&bench, "copier", bench_copier);
        bench_put(&bench, "a", "1");
        bench_advance(&bench, at * 150 * 1000);
        assert_int_equal(testbed_restart(bench.testbed, &err), 0);
        bench_settle(&bench);
        bench_expect(&bench, "a-copy", "v", "1");
        bench_end(&bench);
    }
    (void)state;
}

static void lost_answer_and_conflict_are_tried_again(void **state) {
    static const enum sim_fault faults[] = {SIM_LOST_ANSWER, SIM_CONFLICT, SIM_STATUS, SIM_REFUSED,
                                            SIM_RESET,       SIM_CUT,      SIM_STALL};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct bench bench;
        begin(&bench, i + 1);
        bench_put(&bench, "a", "1");
        testbed_force(bench.testbed, faults[i], 1);
        bench_settle(&bench);
        assert_int_equal(testbed_happened(bench.testbed, faults[i]), 1);
        bench_expect(&bench, "a-copy", "v", "1");
        bench_end(&bench);
    }
    (void)state;
}

static void watch_that_lags_repeats_or_ends_is_survived(void **state) {
    static const enum sim_fault faults[] = {SIM_LAG,         SIM_DUPLICATE,  SIM_EARLY_END,
                                            SIM_ERROR_EVENT, SIM_COMPACTION, SIM_GONE};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct bench bench;
        begin(&bench, i + 1);
        testbed_force(bench.testbed, faults[i], 1);
        bench_put(&bench, "a", "1");
        bench_advance(&bench, 3 * NS_PER_S);
        assert_int_equal(testbed_happened(bench.testbed, faults[i]), 1);
        bench_settle(&bench);
        bench_expect(&bench, "a-copy", "v", "1");
        testbed_cut_watches(bench.testbed, /* compact= */ i % 2);
        bench_put(&bench, "a", "2");
        bench_settle(&bench);
        bench_expect(&bench, "a-copy", "v", "2");
        bench_end(&bench);
    }
    (void)state;
}

static void skewed_clock_is_the_hosts_alone(void **state) {
    struct bench bench;
    (void)state;
    begin(&bench, 1);
    int64_t wall = testbed_wall(bench.testbed);
    uint64_t elapsed = testbed_elapsed(bench.testbed);
    testbed_force(bench.testbed, SIM_CLOCK_SKEW, 1);
    bench_advance(&bench, 10 * NS_PER_S);
    bench_traced(&bench, "fault: its clock is off by", 1);
    assert_int_equal(testbed_wall(bench.testbed) - wall, testbed_elapsed(bench.testbed) - elapsed);
    bench_end(&bench);
}

static void one_of_two_leads_until_its_network_is_down(void **state) {
    struct bench bench;
    struct testbed_options options = {.seed = 1, .replicas = 2};
    (void)state;
    bench_begin_with(&bench, &options);
    bench_load(&bench, "copier", bench_copier);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    bench_expect(&bench, "a-copy", "v", "1");
    testbed_force(bench.testbed, SIM_LEADER_CHANGE, 1);
    bench_advance(&bench, 5 * NS_PER_S);
    bench_traced(&bench, "fault: its network is down, and it was leading", 1);
    bench_put(&bench, "a", "2");
    bench_advance(&bench, 120 * NS_PER_S);
    bench_traced(&bench, "ends, and is started again", 1);
    bench_settle(&bench);
    bench_expect(&bench, "a-copy", "v", "2");
    bench_end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_dies_between_write_and_answer),
        cmocka_unit_test(host_is_restarted_in_the_middle_of_anything),
        cmocka_unit_test(lost_answer_and_conflict_are_tried_again),
        cmocka_unit_test(watch_that_lags_repeats_or_ends_is_survived),
        cmocka_unit_test(skewed_clock_is_the_hosts_alone),
        cmocka_unit_test(one_of_two_leads_until_its_network_is_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
