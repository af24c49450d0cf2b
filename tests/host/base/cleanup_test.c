#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/mem.h"

/* What raises unwinds our frames: a thread's forced end does so as lua_error does, and needs the
 * same -fexceptions. Without it the blocks of these frames would stay. */

static void (*volatile leave)(void *) = pthread_exit; /* the compiler need not know */

static void fall(int depth) {
    CLEANUP(mem_freep) char *text = mem_printf("frame %d", depth);
    assert_non_null(text);
    if (depth == 0)
        leave(NULL);
    else
        fall(depth - 1);
    text[0] = '\0'; /* keeps the frame from becoming a jump */
}

static void *run(void *argument) {
    CLEANUP(mem_freep) char *none = NULL;
    (void)none;
    fall(*(int *)argument);
    return NULL;
}

static void cleanup_frees_when_frames_are_unwound(void **state) {
    (void)state;
    struct mem_stats before = mem_stats();
    int depth = 20;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, &depth), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(mem_stats().blocks, before.blocks);
}

static void cleanup_frees_on_return(void **state) {
    (void)state;
    struct mem_stats before = mem_stats();
    for (int i = 0; i < 3; i++) {
        CLEANUP(mem_freep) char *text = mem_printf("%d", i);
        if (i == 1)
            continue;
        assert_non_null(text);
    }
    assert_int_equal(mem_stats().blocks, before.blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleanup_frees_when_frames_are_unwound),
        cmocka_unit_test(cleanup_frees_on_return),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
