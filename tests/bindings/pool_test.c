#include "bindings/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

static void pool_refuses_without_memory_and_goes_on_with_it(void **state) {
    (void)state;
    struct pool pool = {0};
    mem_fail_at(0, /* forever= */ true);
    assert_null(pool_alloc(&pool, 16));
    mem_fail_stop();
    void *block = pool_alloc(&pool, 16);
    assert_non_null(block);
    pool_free(&pool, block, 16);
    pool_finish(&pool);
}

static void pool_fits_what_is_small(void **state) {
    (void)state;
    assert_false(pool_fits(0));
    assert_true(pool_fits(1));
    assert_true(pool_fits(POOL_MAX));
    assert_false(pool_fits(POOL_MAX + 1));
}

static void pool_uses_again_what_was_given_back(void **state) {
    (void)state;
    struct pool pool = {0};
    for (size_t size = 1; size <= POOL_MAX; size++) {
        void *first = pool_alloc(&pool, size);
        pool_free(&pool, first, size);
        assert_ptr_equal(pool_alloc(&pool, size), first);
        pool_free(&pool, first, size);
    }
    assert_int_equal(pool.held, POOL_PAGE);
    pool_finish(&pool);
}

/* Every block keeps what was written into it until it is given back; nothing is left at the end. */
static void pool_never_hands_out_what_is_in_use(void **state) {
    (void)state;
    enum { MOST = 512 };
    struct {
        unsigned char *block;
        size_t size;
    } live[MOST] = {{0}};
    struct pool pool = {0};
    struct rng rng;
    uint64_t blocks = mem_stats().blocks;
    rng_init(&rng, 7);
    for (int i = 0; i < 100000; i++) {
        size_t at = rng_below(&rng, MOST);
        if (live[at].block) {
            for (size_t k = 0; k < live[at].size; k++)
                assert_int_equal(live[at].block[k], (unsigned char)at);
            pool_free(&pool, live[at].block, live[at].size);
            live[at].block = NULL;
            continue;
        }
        live[at].size = 1 + rng_below(&rng, POOL_MAX);
        live[at].block = pool_alloc(&pool, live[at].size);
        assert_int_equal((uintptr_t)live[at].block % POOL_STEP, 0);
        memset(live[at].block, (int)at, live[at].size);
    }
    pool_finish(&pool);
    assert_int_equal(mem_stats().blocks, blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_refuses_without_memory_and_goes_on_with_it),
        cmocka_unit_test(pool_fits_what_is_small),
        cmocka_unit_test(pool_uses_again_what_was_given_back),
        cmocka_unit_test(pool_never_hands_out_what_is_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
