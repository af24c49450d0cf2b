#ifndef MOONLET_BASE_ARENA_H
#define MOONLET_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

/*
 * Arena: small blocks with stable addresses, named by 32 bits.
 *
 * Is:      chunks of 2 MiB that never move, cut into blocks of 8-byte units; freed blocks are
 *          reused by size. 2^32 units are 32 GiB. The first chunks are on small pages, so that who
 *          has little touches little, the others on huge ones.
 * Is not:  for blocks above ARENA_MAX, which their owners keep outside.
 * Threads: allocating and freeing: one. arena_at: any thread that was handed the reference by
 *          a release/acquire pair, since the chunk was there before the block.
 */
enum {
    ARENA_UNIT = 8,
    ARENA_CHUNK_BITS = 18, /* units per chunk */
    ARENA_CHUNKS = 1 << (32 - ARENA_CHUNK_BITS),
    ARENA_MAX = 512 /* bytes */
};

struct arena {
    char **chunks;       /* ARENA_CHUNKS slots, filled in order, each written once, atomically */
    uint32_t used;       /* chunks */
    uint32_t small;      /* of them so many, the first, on small pages */
    uint32_t next, left; /* bump allocation: unit, units left in the last chunk */
    uint32_t free[ARENA_MAX / ARENA_UNIT + 1]; /* by units; linked through the blocks */
};

int arena_init(struct arena *arena, uint32_t small_chunks); /* 0 or ERROR_NOMEM */
/* Gives back all blocks; a zeroed arena is fine. */
void arena_finish(struct arena *arena);
/* 0 when there is no memory. Never unit 0. */
uint32_t arena_alloc(struct arena *arena, size_t bytes);
void arena_free(struct arena *arena, uint32_t unit, size_t bytes);

static inline void *arena_at(const struct arena *arena, uint32_t unit) {
    char *chunk = __atomic_load_n(&arena->chunks[unit >> ARENA_CHUNK_BITS], __ATOMIC_ACQUIRE);
    return chunk + (size_t)(unit & ((1u << ARENA_CHUNK_BITS) - 1)) * ARENA_UNIT;
}

#endif
