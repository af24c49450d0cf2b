#include "json/blocks.h"

#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

/* glibc's blocks are multiples of 16 bytes, 8 of them its own, and no smaller than 32. A
 * sanitizer's may be: those are not kept. */
enum { STEP = 16, OVERHEAD = 8, SMALLEST = 32, CLASSES = 16 };

struct block {
    struct block *next;
};
static struct {
    pthread_t owner;
    size_t bytes;
    struct block *lists[CLASSES];
} kept; /* jansson's hooks have no context */

static void *take(size_t size) {
    size_t class = (size + OVERHEAD + STEP - 1) / STEP;
    if (class < SMALLEST / STEP)
        class = SMALLEST / STEP;
    struct block *block = NULL;
    if (class < CLASSES && pthread_equal(pthread_self(), kept.owner))
        block = kept.lists[class];
    if (block == NULL)
        return malloc(size);
    kept.lists[class] = block->next;
    kept.bytes -= class * STEP;
    return block;
}

static void give_back(void *gone) {
    struct block *block = gone;
    size_t class = gone ? (malloc_usable_size(gone) + OVERHEAD) / STEP : CLASSES;
    if (class < SMALLEST / STEP || class >= CLASSES || kept.bytes >= JSON_BLOCKS_MOST ||
        !pthread_equal(pthread_self(), kept.owner)) {
        free(gone);
        return;
    }
    block->next = kept.lists[class];
    kept.lists[class] = block;
    kept.bytes += class * STEP;
}

void json_blocks_keep(void) {
    kept.owner = pthread_self();
    json_set_alloc_funcs(take, give_back);
}

size_t json_blocks_kept(void) {
    return kept.bytes;
}

void json_blocks_drop(void) {
    json_set_alloc_funcs(malloc, free);
    for (size_t i = 0; i < CLASSES; i++) {
        while (kept.lists[i]) {
            struct block *block = kept.lists[i];
            kept.lists[i] = block->next;
            free(block);
        }
    }
    kept.bytes = 0;
}
