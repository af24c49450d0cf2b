#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include <cmocka.h>

static void rng_repeats_from_its_seed(void **state) {
    (void)state;
    struct rng a, b, c;
    rng_init(&a, 7);
    rng_init(&b, 7);
    rng_init(&c, 8);
    int differ = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t one = rng_next(&a);
        assert_true(one == rng_next(&b));
        differ += one != rng_next(&c);
    }
    assert_int_equal(differ, 100);
}

static void rng_below_stays_below_and_reaches_all(void **state) {
    (void)state;
    struct rng rng;
    unsigned hits[6] = {0};
    rng_init(&rng, 0);
    for (int i = 0; i < 6000; i++)
        hits[rng_below(&rng, 6)]++; /* out of bounds: seen by the sanitizer */
    for (int i = 0; i < 6; i++)
        assert_in_range(hits[i], 850, 1150);
    assert_int_equal(rng_below(&rng, 0), 0);
    assert_int_equal(rng_below(&rng, 1), 0);
    uint64_t most = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t one = rng_below(&rng, UINT64_MAX);
        most = one > most ? one : most;
    }
    assert_true(most > UINT64_MAX / 2);
}

static void rng_unit_is_in_its_interval(void **state) {
    (void)state;
    struct rng rng;
    double sum = 0;
    rng_init(&rng, 3);
    for (int i = 0; i < 10000; i++) {
        double one = rng_unit(&rng);
        assert_true(one >= 0 && one < 1);
        sum += one;
    }
    assert_true(sum > 4800 && sum < 5200);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rng_repeats_from_its_seed),
        cmocka_unit_test(rng_below_stays_below_and_reaches_all),
        cmocka_unit_test(rng_unit_is_in_its_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
