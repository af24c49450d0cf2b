#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sanitizer/asan_interface.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "support/oom_sweep.h"

enum { CHUNK = (1 << ARENA_CHUNK_BITS) * ARENA_UNIT };

static void blocks_keep_their_place_and_their_bytes(void **state) {
    (void)state;
    enum { MOST = 3 * CHUNK / ARENA_MAX };
    static uint32_t units[MOST];
    static char *places[MOST];
    struct arena arena;
    assert_int_equal(arena_init(&arena, 1), 0);
    for (uint32_t i = 0; i < MOST; i++) {
        size_t size = 1 + i % ARENA_MAX;
        units[i] = arena_alloc(&arena, size);
        assert_int_not_equal(units[i], 0);
        places[i] = arena_at(&arena, units[i]);
        memset(places[i], (int)(i % 251), size);
    }
    assert_true(arena.used > 1);
    for (uint32_t i = 0; i < MOST; i++) {
        size_t size = 1 + i % ARENA_MAX;
        assert_ptr_equal(arena_at(&arena, units[i]), places[i]);
        assert_int_equal((unsigned char)places[i][0], i % 251);
        assert_int_equal((unsigned char)places[i][size - 1], i % 251);
    }
    arena_finish(&arena);
    arena_finish(&arena);
}

static void what_was_freed_is_used_for_the_same_size(void **state) {
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 1), 0);
    uint32_t small = arena_alloc(&arena, 24), large = arena_alloc(&arena, ARENA_MAX);
    arena_free(&arena, small, 24);
    arena_free(&arena, large, ARENA_MAX);
    assert_int_not_equal(arena_alloc(&arena, 32), small);
    assert_int_equal(arena_alloc(&arena, ARENA_MAX), large);
    assert_int_equal(arena_alloc(&arena, 17), small); /* three units as well */
    assert_int_not_equal(arena_alloc(&arena, 24), small);
    arena_finish(&arena);
}

/* The end of a chunk that is too short for a block is not lost. */
static void the_rest_of_a_chunk_is_used(void **state) {
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 1), 0);
    while (arena.used == 0 || arena.left >= ARENA_MAX / ARENA_UNIT)
        assert_int_not_equal(arena_alloc(&arena, ARENA_MAX), 0);
    uint32_t rest = arena.left, first = arena.next;
    assert_int_not_equal(rest, 0);
    assert_int_not_equal(arena_alloc(&arena, ARENA_MAX), 0);
    assert_int_equal(arena.used, 2);
    assert_int_equal(arena_alloc(&arena, rest * ARENA_UNIT), first);
    arena_finish(&arena);
}

static void without_memory_there_is_no_block(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct arena arena;
        if (arena_init(&arena, 1) < 0)
            continue;
        uint32_t unit = arena_alloc(&arena, 8);
        if (unit)
            memset(arena_at(&arena, unit), 1, 8);
        arena_finish(&arena);
    }
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONED(place, size) (__asan_region_is_poisoned(place, size) == (place))
#endif
#endif
#ifdef POISONED
static void a_sanitizer_sees_who_uses_what_was_freed(void **state) {
    (void)state;
    struct arena arena;
    assert_int_equal(arena_init(&arena, 1), 0);
    uint32_t unit = arena_alloc(&arena, 40), neighbour = arena_alloc(&arena, 40);
    char *block = arena_at(&arena, unit);
    arena_free(&arena, unit, 40);
    assert_true(POISONED(block, 40));
    assert_false(POISONED((char *)arena_at(&arena, neighbour), 40));
    assert_int_equal(arena_alloc(&arena, 40), unit);
    assert_false(POISONED(block, 40));
    arena_finish(&arena);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_keep_their_place_and_their_bytes),
        cmocka_unit_test(what_was_freed_is_used_for_the_same_size),
        cmocka_unit_test(the_rest_of_a_chunk_is_used),
        cmocka_unit_test(without_memory_there_is_no_block),
#ifdef POISONED
        cmocka_unit_test(a_sanitizer_sees_who_uses_what_was_freed),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
