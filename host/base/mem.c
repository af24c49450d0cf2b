#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"

/* Counters only; the one exception to "no mutable globals" together with the tests' fault. They
 * begin when somebody asks: threads that allocate would pass their cache line to and fro. */
static atomic_bool counting;
static atomic_uint_fast64_t live_blocks, live_bytes;
static struct {
    atomic_bool armed;
    atomic_int_fast64_t left; /* allocations that still succeed */
    bool forever;
    atomic_bool hit;
} fault;

static bool fails(void) {
    if (!atomic_load_explicit(&fault.armed, memory_order_relaxed))
        return false;
    int_fast64_t left = atomic_fetch_sub(&fault.left, 1);
    if (left > 0 || (left < 0 && !fault.forever))
        return false;
    atomic_store(&fault.hit, true);
    return true;
}

static bool counts(void) {
    return atomic_load_explicit(&counting, memory_order_relaxed);
}

static void count_size(size_t size, int sign) {
    if (sign > 0) {
        atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&live_bytes, size, memory_order_relaxed);
    } else {
        atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&live_bytes, size, memory_order_relaxed);
    }
}

static void count(void *block, int sign) {
    if (counts())
        count_size(malloc_usable_size(block), sign);
}

void *mem_alloc(size_t size) {
    void *block = fails() ? NULL : malloc(size ? size : 1);
    if (block)
        count(block, 1);
    return block;
}

void *mem_zalloc(size_t size) {
    return mem_calloc(1, size);
}

void *mem_calloc(size_t count_, size_t size) {
    enum { CACHED = 1024 }; /* glibc keeps such blocks at hand, but not for calloc() */
    size_t all;
    if (fails() || __builtin_mul_overflow(count_, size, &all))
        return NULL;
    void *block = all <= CACHED ? malloc(all ? all : 1) : calloc(1, all);
    if (block == NULL)
        return NULL;
    if (all <= CACHED)
        memset(block, 0, all);
    count(block, 1);
    return block;
}

static size_t whole_pages(size_t size) {
    return (size + MEM_HUGE_PAGE - 1) & ~(size_t)(MEM_HUGE_PAGE - 1);
}

void *mem_alloc_huge(size_t size) {
    size_t whole = whole_pages(size);
    void *block = fails() ? NULL : aligned_alloc(MEM_HUGE_PAGE, whole);
    if (block == NULL)
        return NULL;
    madvise(block, whole, MADV_HUGEPAGE); /* without them it is slower, no more */
    count(block, 1);
    return block;
}

/* Addresses alone, aligned: nothing is there yet. */
static char *reserve(size_t size) {
    char *all = mmap(NULL, size + MEM_HUGE_PAGE, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)all & (MEM_HUGE_PAGE - 1);
    if (before > 0)
        munmap(all, before);
    munmap(all + before + size, MEM_HUGE_PAGE - before);
    return all + before;
}

void *mem_huge_grow(void *block, size_t size, size_t more) {
    const size_t old = whole_pages(size), whole = whole_pages(more);
    if (fails())
        return NULL;
    if (old == whole)
        return block;
    char *grown = reserve(whole);
    if (grown == NULL)
        return NULL;
    /* to fixed addresses: only whole huge pages stay whole when they move */
    void *at = block ? mremap(block, old, whole, MREMAP_MAYMOVE | MREMAP_FIXED, grown)
                     : mmap(grown, whole, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (at == MAP_FAILED) {
        munmap(grown, whole);
        return NULL;
    }
    madvise(grown, whole, MADV_HUGEPAGE);
    if (block && counts())
        count_size(old, -1);
    if (counts())
        count_size(whole, 1);
    return grown;
}

void mem_huge_free(void *block, size_t size) {
    if (block == NULL)
        return;
    if (counts())
        count_size(whole_pages(size), -1);
    munmap(block, whole_pages(size));
}

void *mem_realloc(void *block, size_t size) {
    if (block == NULL)
        return mem_alloc(size);
    if (fails())
        return NULL;
    bool counted = counts();
    size_t before = counted ? malloc_usable_size(block) : 0;
    void *moved = realloc(block, size ? size : 1);
    if (moved && counted)
        atomic_fetch_add_explicit(&live_bytes, malloc_usable_size(moved) - before,
                                  memory_order_relaxed);
    return moved;
}

void mem_free(void *block) {
    if (block == NULL)
        return;
    count(block, -1);
    free(block);
}

char *mem_strdup(const char *text) {
    return text ? mem_strndup(text, strlen(text)) : NULL;
}

char *mem_strndup(const char *text, size_t len) {
    char *copy = text ? mem_alloc(len + 1) : NULL;
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *mem_printf(const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : mem_alloc((size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

int mem_grow(void *items, size_t *cap, size_t need, size_t size) {
    if (need <= *cap)
        return 0;
    size_t more = *cap ? *cap : 4;
    while (more < need)
        more = more > SIZE_MAX / 2 ? need : more * 2;
    if (more > SIZE_MAX / size)
        return ERROR_NOMEM;
    void **slot = items;
    void *grown = mem_realloc(*slot, more * size);
    if (grown == NULL)
        return ERROR_NOMEM;
    *slot = grown;
    *cap = more;
    return 0;
}

struct mem_stats mem_stats(void) {
    atomic_store(&counting, true);
    return (struct mem_stats){.blocks = atomic_load(&live_blocks),
                              .bytes = atomic_load(&live_bytes)};
}

void mem_fail_at(uint64_t n, bool forever) {
    fault.forever = forever;
    atomic_store(&fault.hit, false);
    atomic_store(&fault.left, (int_fast64_t)n);
    atomic_store(&fault.armed, true);
}

bool mem_fail_stop(void) {
    atomic_store(&fault.armed, false);
    return atomic_load(&fault.hit);
}

void mem_freep(void *pointer_to_block) {
    void **slot = pointer_to_block;
    mem_free(*slot);
    *slot = NULL;
}
