#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "testbed/support/bench.h"

/* Some objects, some changes, under the faults of that seed; afterwards all is as it should be. */
static void live(struct bench *bench, uint64_t seed) {
    char name[16], value[16];
    bench_load(bench, "copier", bench_copier);
    testbed_chaos(bench->testbed);
    for (unsigned i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "o%u", (unsigned)(seed + i * i) % 3);
        snprintf(value, sizeof value, "%u", i);
        bench_put(bench, name, value);
        bench_advance(bench, (i % 4) * 700 * NS_PER_MS);
        if (i == 6 && seed % 4 == 0) /* long enough for bookmarks */
            bench_advance(bench, 130 * NS_PER_S);
    }
    testbed_calm(bench->testbed);
    bench_settle(bench);
    for (unsigned i = 0; i < 3; i++) {
        char copy[32];
        snprintf(name, sizeof name, "o%u", i);
        snprintf(copy, sizeof copy, "o%u-copy", i);
        char *wanted = bench_data(bench, name, "v");
        if (wanted)
            bench_expect(bench, copy, "v", wanted);
        mem_free(wanted);
    }
}

static uint64_t happened[SIM_FAULTS]; /* in all histories */

static uint64_t history(uint64_t seed, unsigned replicas, struct testbed_shared *shared,
                        struct testbed_stats *ret) {
    struct bench bench;
    struct testbed_options options = {.seed = seed, .replicas = replicas, .shared = shared};
    bench_begin_with(&bench, &options);
    live(&bench, seed);
    uint64_t hash = testbed_trace_hash(bench.testbed);
    *ret = testbed_stats(bench.testbed);
    for (int i = 0; i < SIM_FAULTS; i++)
        happened[i] += testbed_happened(bench.testbed, (enum sim_fault)i);
    bench_end(&bench);
    return hash;
}

/* What is shared makes no difference either. */
static void one_seed_is_one_history(void **state) {
    struct mem_stats memory = mem_stats();
    struct testbed_shared *shared = testbed_shared_create(NULL);
    uint64_t before = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        unsigned replicas = 1 + (unsigned)seed % 3;
        struct testbed_stats first, second;
        uint64_t hash = history(seed, replicas, NULL, &first);
        assert_int_equal(history(seed, replicas, shared, &second), hash);
        assert_memory_equal(&first, &second, sizeof first);
        assert_true(hash != before);
        before = hash;
    }
    testbed_shared_destroy(shared);
    assert_int_equal(mem_stats().blocks, memory.blocks);
    (void)state;
}

/* LuaJIT alone walks a table as chance has it. */
static void tables_are_walked_in_the_order_of_their_keys(void **state) {
    static const char walker[] =
        "local moonlet = require 'moonlet'\n"
        "return moonlet.controller { name = 'walker', resource = 'v1/ConfigMap',\n"
        "  retry = { attempts = 1 },\n"
        "  reconcile = function(object)\n"
        "    local t, seen = { 'x', z = 1, [true] = 1 }, {}\n"
        "    for i = 30, 10, -1 do t['k' .. i] = i end\n"
        "    for key in pairs(t) do\n"
        "      seen[#seen + 1] = tostring(key)\n"
        "      t.k30 = nil\n"
        "    end\n"
        "    for key in pairs(object.data) do seen[#seen + 1] = key end\n"
        "    error(table.concat(seen, ' '))\n"
        "  end }\n";
    struct bench bench;
    (void)state;
    bench_begin(&bench, 1);
    bench_load(&bench, "walker", walker);
    bench_put(&bench, "a", "1");
    bench_settle(&bench);
    bench_traced(&bench,
                 "walker.lua:12: 1 k10 k11 k12 k13 k14 k15 k16 k17 k18 k19 k20 k21 k22 k23 k24 k25 "
                 "k26 k27 k28 k29 z true v",
                 1);
    bench_end(&bench);
}

static void every_seed_converges(void **state) {
    struct testbed_shared *shared = testbed_shared_create(NULL);
    struct testbed_stats sum = {0};
    for (uint64_t seed = 100; seed < 100 + TESTBED_HISTORIES; seed++) {
        struct testbed_stats one;
        history(seed, seed % 5 == 0 ? 2 : 1, shared, &one);
        sum.requests += one.requests;
        sum.calls += one.calls;
        sum.failures += one.failures;
        sum.restarts += one.restarts;
    }
    testbed_shared_destroy(shared);
    print_message("%llu requests, %llu calls, %llu failures, %llu restarts\n",
                  (unsigned long long)sum.requests, (unsigned long long)sum.calls,
                  (unsigned long long)sum.failures, (unsigned long long)sum.restarts);
    assert_true(sum.restarts > 0 && sum.failures > 0);
    for (int i = 0; i < SIM_FAULTS; i++)
        if (TESTBED_HISTORIES >= 200 && happened[i] == 0 && i != SIM_BACK_IN_TIME)
            fail_msg("\"%s\" did not happen", sim_fault_name((enum sim_fault)i));
    (void)state;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_seed_is_one_history),
        cmocka_unit_test(tables_are_walked_in_the_order_of_their_keys),
        cmocka_unit_test(every_seed_converges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
