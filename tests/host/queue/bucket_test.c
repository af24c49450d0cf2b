#include "queue/bucket.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"

static void bucket_init_refuses_nonsense_and_keeps_the_old(void **state) {
    (void)state;
    struct bucket bucket = {.rate = 7};
    struct error err;
    assert_int_equal(bucket_init(&bucket, 0, 1, 0, &err), ERROR_INVALID);
    assert_int_equal(bucket_init(&bucket, NAN, 1, 0, &err), ERROR_INVALID);
    assert_int_equal(bucket_init(&bucket, 1, 0.5, 0, &err), ERROR_INVALID);
    assert_int_equal(bucket_init(&bucket, 1, NAN, 0, NULL), ERROR_INVALID);
    assert_true(bucket.rate == 7);
}

static void bucket_take_says_how_long_to_wait(void **state) {
    (void)state;
    struct bucket bucket;
    uint64_t wait = 0;
    assert_int_equal(bucket_init(&bucket, /* rate= */ 2, /* burst= */ 2, NS_PER_S, NULL), 0);
    assert_int_equal(bucket_take(&bucket, NS_PER_S, &wait), 0);
    assert_int_equal(bucket_take(&bucket, 0, &wait), 0); /* an older now: no time passed */
    assert_int_equal(bucket_take(&bucket, NS_PER_S, &wait), ERROR_THROTTLED);
    assert_int_equal(wait, NS_PER_S / 2);
    assert_int_equal(bucket_take(&bucket, NS_PER_S + wait, &wait), 0);
    uint64_t later = 1000 * NS_PER_S; /* never more than the burst */
    assert_int_equal(bucket_take(&bucket, later, &wait), 0);
    assert_int_equal(bucket_take(&bucket, later, &wait), 0);
    assert_int_equal(bucket_take(&bucket, later, &wait), ERROR_THROTTLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bucket_init_refuses_nonsense_and_keeps_the_old),
        cmocka_unit_test(bucket_take_says_how_long_to_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
