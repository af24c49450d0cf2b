#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"
#include "base/rng.h"
#include "support/oom_sweep.h"

enum { KEYS = 500 };

static struct str key_of(char text[16], unsigned number) {
    snprintf(text, 16, "key-%u", number);
    return str_of(text);
}

/* Against an array, over sets and removals in an order that a seed gives. */
static void map_holds_what_was_set_last(void **state) {
    (void)state;
    struct map map = {0};
    struct rng rng;
    uintptr_t model[KEYS] = {0};
    size_t live = 0;
    char text[16];
    rng_init(&rng, 1);
    for (uintptr_t i = 1; i < 20000; i++) {
        unsigned at = (unsigned)rng_below(&rng, KEYS);
        void *old = &map;
        if (rng_below(&rng, 3) == 0) {
            assert_true((uintptr_t)map_remove(&map, key_of(text, at)) == model[at]);
            live -= model[at] != 0;
            model[at] = 0;
        } else {
            assert_int_equal(map_set(&map, key_of(text, at), (void *)i, &old), 0);
            assert_true((uintptr_t)old == model[at]);
            live += model[at] == 0;
            model[at] = i;
        }
    }
    assert_int_equal(map.count, live);
    size_t seen = 0, iterator = 0;
    for (struct map_entry *entry; (entry = map_next(&map, &iterator)); seen++)
        assert_ptr_equal(entry->value, map_get(&map, str_n(entry->key, entry->key_len)));
    assert_int_equal(seen, live);
    for (unsigned i = 0; i < KEYS; i++)
        assert_true((uintptr_t)map_get(&map, key_of(text, i)) == model[i]);
    map_finish(&map);
}

/* Each value is its own key; a few at a time come and go, as in a queue. */
static void map_borrows_keys_from_values(void **state) {
    (void)state;
    static char values[20000][16];
    struct map map = {0};
    char text[16];
    void *old;
    map_borrow(&map);
    for (unsigned i = 0; i < 20000; i++) {
        struct str key = key_of(values[i], i);
        if (i % 2)
            assert_int_equal(map_set(&map, key, values[i], NULL), 0);
        else
            assert_int_equal(map_add_hashed(&map, key, str_hash(key), values[i]), 0);
        if (i >= 10) {
            assert_ptr_equal(map_remove(&map, key_of(text, i - 10)), values[i - 10]);
            memset(values[i - 10], 'x', sizeof values[i - 10]);
        }
        assert_ptr_equal(map_get(&map, key_of(text, i)), values[i]);
    }
    assert_int_equal(map.count, 10);
    assert_true(map.entries_cap <= 64 && map.slots_cap <= 64); /* it does not grow with what was */
    assert_int_equal(map_set(&map, key_of(text, 19999), text, &old), 0);
    assert_ptr_equal(old, values[19999]);
    memset(values[19999], 'x', sizeof values[19999]);
    assert_ptr_equal(map_get(&map, str_of("key-19999")), text);
    map_finish(&map);
}

static void map_iterates_in_the_order_of_setting(void **state) {
    (void)state;
    struct map map = {0};
    char text[16];
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(map_set(&map, key_of(text, i), (void *)(uintptr_t)(i + 1), NULL), 0);
    uintptr_t want = 1;
    size_t at = 0;
    for (struct map_entry *entry; (entry = map_next(&map, &at)); want += 2) {
        assert_int_equal((uintptr_t)entry->value, want);
        map_remove(&map, key_of(text, (unsigned)want)); /* the next one: fine while iterating */
    }
    assert_int_equal(map.count, 50);
    map_finish(&map);
}

static void map_keys_are_bytes(void **state) {
    (void)state;
    struct map map = {0};
    assert_null(map_get(&map, str_of("x")));
    assert_null(map_remove(&map, str_of("x")));
    assert_int_equal(map_set(&map, str_n("a\0b", 3), (void *)1, NULL), 0);
    assert_int_equal(map_set(&map, str_of(""), (void *)2, NULL), 0);
    assert_null(map_get(&map, str_of("a")));
    assert_int_equal((uintptr_t)map_get(&map, str_n("a\0b", 3)), 1);
    assert_int_equal((uintptr_t)map_get(&map, str_of("")), 2);
    map_finish(&map);
}

static void map_set_that_fails_changes_nothing(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct map map = {0};
        char text[16];
        size_t set = 0;
        for (unsigned i = 0; i < 40; i++) {
            int rc = map_set(&map, key_of(text, i), &map, NULL);
            assert_true(rc == 0 || rc == ERROR_NOMEM);
            set += rc == 0;
            assert_ptr_equal(map_get(&map, key_of(text, i)), rc == 0 ? &map : NULL);
        }
        assert_int_equal(map.count, set);
        map_finish(&map);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_holds_what_was_set_last),
        cmocka_unit_test(map_borrows_keys_from_values),
        cmocka_unit_test(map_iterates_in_the_order_of_setting),
        cmocka_unit_test(map_keys_are_bytes),
        cmocka_unit_test(map_set_that_fails_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
