#include "queue/items.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/oom_sweep.h"

enum { LONGEST = 3000 };

static struct str text_of(char *buffer, size_t len) {
    memset(buffer, 'k', len);
    return str_n(buffer, len);
}

/* Short ones lie in their item, long ones aside. */
static void items_keep_keys_of_any_length(void **state) {
    (void)state;
    char buffer[LONGEST];
    const uint64_t blocks = mem_stats().blocks;
    struct items items = {0};
    for (size_t len = 0; len < LONGEST; len++) {
        struct str key = text_of(buffer, len);
        assert_null(items_find(&items, key, items_hash(key)));
        assert_non_null(items_add(&items, key, items_hash(key)));
    }
    assert_int_equal(items.count, LONGEST);
    for (size_t len = 0; len < LONGEST; len++) {
        struct str key = text_of(buffer, len);
        struct item *item = items_find(&items, key, items_hash(key));
        assert_non_null(item);
        assert_true(str_equal(item_key(item), key));
        if (len % 2)
            items_remove(&items, item);
    }
    size_t at = 0, left = 0;
    for (struct item *item; (item = items_next(&items, &at)); left++)
        assert_int_equal(item->key_len % 2, 0);
    assert_int_equal(left, LONGEST / 2);
    items_finish(&items);
    assert_int_equal(mem_stats().blocks, blocks);
}

static struct str number(char *buffer, size_t size, int i) {
    return str_n(buffer, (size_t)snprintf(buffer, size, "namespace/a-pod-of-some-name-%d", i));
}

static void items_give_back_what_a_first_list_took(void **state) {
    (void)state;
    enum { KEYS = 200000 };
    char buffer[64];
    const uint64_t before = mem_stats().bytes;
    struct items items = {0};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < KEYS; i++) {
            struct str key = number(buffer, sizeof buffer, i);
            assert_non_null(items_add(&items, key, items_hash(key)));
        }
        assert_true(mem_stats().bytes > before + KEYS * sizeof(struct item));
        for (int i = KEYS - 1; i >= 0; i--) {
            struct str key = number(buffer, sizeof buffer, i);
            struct item *item = items_find(&items, key, items_hash(key));
            assert_non_null(item);
            items_remove(&items, item);
        }
        assert_int_equal(items.count, 0);
        assert_int_equal(mem_stats().bytes, before);
    }
}

static void items_survive_each_failed_allocation(void **state) {
    (void)state;
    char buffer[LONGEST];
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct items items = {0};
        size_t added = 0;
        for (size_t len = 0; len < LONGEST; len += 100) {
            struct str key = text_of(buffer, len);
            added += items_add(&items, key, items_hash(key)) != NULL;
        }
        assert_int_equal(items.count, added);
        items_finish(&items);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_keep_keys_of_any_length),
        cmocka_unit_test(items_give_back_what_a_first_list_took),
        cmocka_unit_test(items_survive_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
