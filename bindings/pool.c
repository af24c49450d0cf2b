#include "bindings/pool.h"

#include "base/mem.h"

struct pool_block {
    struct pool_block *next;
};

struct pool_page {
    struct pool_page *next;
    size_t padding; /* blocks are aligned to POOL_STEP */
};
_Static_assert(sizeof(struct pool_page) % POOL_STEP == 0, "the first block would be askew");

void pool_finish(struct pool *pool) {
    while (pool->pages) {
        struct pool_page *page = pool->pages;
        pool->pages = page->next;
        mem_free(page);
    }
    *pool = (struct pool){0};
}

/* The rest of the page before is cut into one more block, which has its class's size. */
static bool turn_page(struct pool *pool) {
    struct pool_page *page = mem_alloc(POOL_PAGE);
    size_t left = (size_t)(pool->end - pool->at);
    if (page == NULL)
        return false;
    if (left >= POOL_STEP)
        pool_free(pool, pool->at, left);
    page->next = pool->pages;
    pool->pages = page;
    pool->held += POOL_PAGE;
    pool->at = (char *)(page + 1);
    pool->end = (char *)page + POOL_PAGE;
    return true;
}

void *pool_alloc(struct pool *pool, size_t size) {
    struct pool_block **free = &pool->free[pool_class(size)], *block = *free;
    size_t whole = (pool_class(size) + 1) * POOL_STEP;
    if (block) {
        *free = block->next;
        return block;
    }
    if ((size_t)(pool->end - pool->at) < whole && !turn_page(pool))
        return NULL;
    block = (struct pool_block *)(void *)pool->at;
    pool->at += whole;
    return block;
}

void pool_free(struct pool *pool, void *memory, size_t size) {
    struct pool_block **free = &pool->free[pool_class(size)], *block = memory;
    block->next = *free;
    *free = block;
}
