#include "json/blocks.h"

#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A document with blocks of many sizes. */
static json_t *document(int size) {
    json_t *object = json_object();
    char text[400];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < size; i++) {
        text[i] = 0;
        json_object_set_new(object, text, json_string(text));
        text[i] = 'x';
    }
    return object;
}

static void a_block_serves_again(void **state) {
    (void)state;
    json_blocks_keep();
    json_t *first = json_integer(1);
    json_decref(first);
    json_t *second = json_integer(2);
    assert_ptr_equal(second, first);
    json_decref(second);
    json_blocks_drop();
}

static void blocks_are_as_large_as_asked_for(void **state) {
    (void)state;
    json_blocks_keep();
    for (int round = 0; round < 3; round++) {
        json_t *object = document(300);
        const char *key;
        json_t *value;
        json_object_foreach(object, key, value) {
            assert_string_equal(json_string_value(value), key);
            assert_true(malloc_usable_size((void *)json_string_value(value)) >
                        json_string_length(value));
        }
        json_decref(object);
    }
    json_blocks_drop();
}

static void no_more_is_kept_than_said(void **state) {
    (void)state;
    json_blocks_keep();
    json_t *list = json_array();
    for (int i = 0; i < 100000; i++)
        json_array_append_new(list, json_integer(i));
    assert_in_range(json_blocks_kept(), 0, 1024); /* of the list, while it grew */
    json_decref(list);
    assert_in_range(json_blocks_kept(), JSON_BLOCKS_MOST, JSON_BLOCKS_MOST + 256);
    json_blocks_drop();
    assert_int_equal(json_blocks_kept(), 0);
}

static void *free_it(void *value) {
    json_decref(value);
    return NULL;
}

static void other_threads_may_free(void **state) {
    (void)state;
    json_blocks_keep();
    pthread_t thread;
    json_t *value = document(100);
    size_t kept = json_blocks_kept();
    assert_int_equal(pthread_create(&thread, NULL, free_it, value), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(json_blocks_kept(), kept);
    json_blocks_drop();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_serves_again), cmocka_unit_test(blocks_are_as_large_as_asked_for),
        cmocka_unit_test(no_more_is_kept_than_said), cmocka_unit_test(other_threads_may_free)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
