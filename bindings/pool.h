#ifndef MOONLET_BINDINGS_POOL_H
#define MOONLET_BINDINGS_POOL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Pool: the small blocks of one isolate, cut from pages and used again by size.
 *
 * Is:      what a Lua state asks for by the hundred in each call: tables, strings, closures.
 * Is not:  for large blocks (base/mem.h), or counting what the script may have (isolate.c). Pages
 *          go back to the allocator at the end alone.
 * Threads: the isolate's. Yields: never.
 */
enum {
    POOL_STEP = 16,
    POOL_CLASSES = 16,
    POOL_MAX = POOL_STEP * POOL_CLASSES,
    POOL_PAGE = 8 << 10
};

struct pool { /* zeroed = empty */
    struct pool_block *free[POOL_CLASSES];
    char *at, *end; /* what is left of the newest page */
    struct pool_page *pages;
    size_t held; /* bytes of all pages */
};
void pool_finish(struct pool *pool);

static inline bool pool_fits(size_t size) {
    return size - 1 < POOL_MAX;
}
static inline size_t pool_class(size_t size) {
    return (size - 1) / POOL_STEP;
}

/* `size` fits. NULL: no memory. */
void *pool_alloc(struct pool *pool, size_t size);
/* Of the size it was allocated with. */
void pool_free(struct pool *pool, void *block, size_t size);

#endif
