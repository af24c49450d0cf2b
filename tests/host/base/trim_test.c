#include "base/trim.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

enum { BLOCKS = 4096, SIZE = 1024 };

struct resident {
    unsigned long all, files; /* pages */
};

static struct resident resident(void) {
    struct resident r = {0};
    unsigned long size;
    FILE *statm = fopen("/proc/self/statm", "re");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%lu %lu %lu", &size, &r.all, &r.files), 3);
    fclose(statm);
    return r;
}

static const char text[] = "what stands in the program's file";

static void trim_keeps_what_is_in_use(void **state) {
    (void)state;
    static char data[] = "what was written to";
    char *heap = mem_strdup("what was allocated");
    data[0] = 'W';
    const char *volatile constant = text; /* read again, not remembered */
    unsigned long before = resident().files;
    trim_memory();
    unsigned long after = resident().files;
    assert_true(after < before);
    assert_string_equal(constant, "what stands in the program's file");
    assert_string_equal(data, "What was written to");
    assert_string_equal(heap, "what was allocated");
    mem_free(heap);
}

static void trim_gives_free_heap_back(void **state) {
    (void)state;
    char *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = mem_alloc(SIZE);
        memset(blocks[i], 1, SIZE);
    }
    bool libc = mallinfo2().uordblks >= BLOCKS * SIZE; /* and no sanitizer's or valgrind's heap */
    for (size_t i = 0; i + 1 < BLOCKS; i++) /* the last one keeps the heap's end where it is */
        mem_free(blocks[i]);
    struct resident before = resident();
    trim_memory();
    struct resident after = resident();
    unsigned long given = before.all - before.files - (after.all - after.files);
    mem_free(blocks[BLOCKS - 1]);
    if (!libc)
        skip();
    assert_true(given > BLOCKS * SIZE / 4096 / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trim_keeps_what_is_in_use),
        cmocka_unit_test(trim_gives_free_heap_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
