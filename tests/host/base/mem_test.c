#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

static void mem_counts_what_lives(void **state) {
    (void)state;
    struct mem_stats before = mem_stats();
    void *a = mem_alloc(100), *b = mem_calloc(3, 5), *none = mem_alloc(0);
    assert_int_equal(mem_stats().blocks, before.blocks + 3);
    assert_true(mem_stats().bytes >= before.bytes + 115);
    a = mem_realloc(a, 4000);
    assert_non_null(a);
    assert_int_equal(mem_stats().blocks, before.blocks + 3);
    mem_free(a);
    mem_free(b);
    mem_free(none);
    mem_free(NULL);
    assert_int_equal(mem_stats().blocks, before.blocks);
    assert_int_equal(mem_stats().bytes, before.bytes);
}

static void mem_zeroes_what_was_used_before(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 24, 1000, 1024, 1025, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *used = mem_alloc(sizes[i]);
        memset(used, 0xff, sizes[i]);
        mem_free(used);
        char *block = mem_zalloc(sizes[i]);
        for (size_t at = 0; at < sizes[i]; at++)
            assert_int_equal(block[at], 0);
        mem_free(block);
    }
    assert_null(mem_calloc(SIZE_MAX / 2, 4));
}

static void mem_grow_refuses_a_product_that_does_not_fit(void **state) {
    (void)state;
    volatile size_t huge = SIZE_MAX / 2;
    size_t cap = 0;
    char *items = NULL;
    assert_int_equal(mem_grow(&items, &cap, huge, 16), ERROR_NOMEM);
    assert_null(items);
    assert_int_equal(cap, 0);
}

static void mem_grow_keeps_what_is_there(void **state) {
    (void)state;
    size_t cap = 0;
    int *items = NULL;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(mem_grow(&items, &cap, (size_t)i + 1, sizeof *items), 0);
        items[i] = i;
    }
    assert_true(cap >= 1000 && cap <= 2048);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    mem_free(items);
}

static void mem_failure_leaves_the_block(void **state) {
    (void)state;
    char *text = mem_strdup("kept");
    mem_fail_at(0, false);
    assert_null(mem_realloc(text, 1 << 20));
    assert_true(mem_fail_stop());
    assert_string_equal(text, "kept");
    mem_fail_at(1, true);
    char *first = mem_strndup("first one", 5);
    assert_string_equal(first, "first");
    assert_null(mem_alloc(1));
    assert_null(mem_printf("%d", 1));
    assert_true(mem_fail_stop());
    mem_fail_at(5, false);
    assert_false(mem_fail_stop()); /* nothing was asked for */
    mem_free(first);
    mem_free(text);
    assert_null(mem_strdup(NULL));
}

static void mem_huge_grows_by_pages(void **state) {
    (void)state;
    struct mem_stats before = mem_stats();
    const size_t first = 1000, more = 3 * (size_t)MEM_HUGE_PAGE + 1;
    char *block = mem_huge_grow(NULL, 0, first);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % MEM_HUGE_PAGE, 0);
    memset(block, 'x', first);
    assert_ptr_equal(mem_huge_grow(block, first, MEM_HUGE_PAGE), block);
    mem_fail_at(0, false);
    assert_null(mem_huge_grow(block, MEM_HUGE_PAGE, more));
    assert_true(mem_fail_stop());
    block = mem_huge_grow(block, MEM_HUGE_PAGE, more);
    assert_int_equal((uintptr_t)block % MEM_HUGE_PAGE, 0);
    for (size_t i = 0; i < more; i++)
        assert_int_equal(block[i], i < first ? 'x' : 0);
    assert_int_equal(mem_stats().blocks, before.blocks + 1);
    assert_int_equal(mem_stats().bytes, before.bytes + 4 * (size_t)MEM_HUGE_PAGE);
    mem_huge_free(block, more);
    mem_huge_free(NULL, 0);
    assert_int_equal(mem_stats().blocks, before.blocks);
    assert_int_equal(mem_stats().bytes, before.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mem_counts_what_lives),
        cmocka_unit_test(mem_zeroes_what_was_used_before),
        cmocka_unit_test(mem_grow_refuses_a_product_that_does_not_fit),
        cmocka_unit_test(mem_grow_keeps_what_is_there),
        cmocka_unit_test(mem_failure_leaves_the_block),
        cmocka_unit_test(mem_huge_grows_by_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
