#ifndef MOONLET_BASE_MEM_H
#define MOONLET_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Memory: the one allocator, with a count and a fault point for tests.
 *
 * Is:      malloc; for tests, which ask for them, a count of live blocks and bytes, and a failure
 *          of the n-th call.
 * Is not:  an arena (base/arena.h) or a cap per isolate (bindings/isolate.h).
 * Threads: any. Yields: never.
 */

/* NULL when there is no memory. Size 0 gives a block that can be freed. */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_calloc(size_t count, size_t size); /* zeroed; checks the product; libc's order */
void *mem_realloc(void *block, size_t size); /* a failure leaves `block` as it was */
void mem_free(void *block);                  /* NULL is fine */
/* For MiBs that are read all over: aligned to huge pages, which the kernel is asked for. */
enum { MEM_HUGE_PAGE = 2 << 20 };
void *mem_alloc_huge(size_t size);
/* The same for what grows, from `size` to `more` bytes, the new ones zeroed: pages move, bytes are
 * not copied. NULL of size 0 begins; a failure leaves `block` as it was. Given back with its size.
 */
void *mem_huge_grow(void *block, size_t size, size_t more);
void mem_huge_free(void *block, size_t size);

/* Copies; NULL in gives NULL out. mem_strndup copies `len` bytes and adds the 0. */
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Grows *items so that it holds `need` items of `size` bytes, doubling *cap. 0 or ERROR_NOMEM. */
int mem_grow(void *items, size_t *cap, size_t need, size_t size);

struct mem_stats {
    uint64_t blocks; /* live now, less those that lived at the first call */
    uint64_t bytes;  /* the same, as the allocator rounds them */
};
/* Tests: for differences between two calls. */
struct mem_stats mem_stats(void);

/* Tests: allocation number `n` from now on (0 = the next) fails, and all later ones too when
 * `forever`. mem_fail_stop() ends it and says whether any failed. Not for concurrent use. */
void mem_fail_at(uint64_t n, bool forever);
bool mem_fail_stop(void);

/* CLEANUP(mem_freep) char *text = NULL;  frees on return and when lua_error unwinds the frame. */
#define CLEANUP(function) __attribute__((cleanup(function)))
void mem_freep(void *pointer_to_block);

#endif
