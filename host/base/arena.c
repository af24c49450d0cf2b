#include "base/arena.h"

#include "base/error.h"
#include "base/mem.h"

int arena_init(struct arena *arena, uint32_t small_chunks) {
    *arena = (struct arena){.small = small_chunks};
    arena->chunks = mem_calloc(ARENA_CHUNKS, sizeof *arena->chunks);
    return arena->chunks ? 0 : ERROR_NOMEM;
}

void arena_finish(struct arena *arena) {
    for (uint32_t i = 0; i < arena->used; i++)
        mem_free(arena->chunks[i]);
    mem_free(arena->chunks);
    *arena = (struct arena){0};
}

static void put_back(struct arena *arena, uint32_t unit, uint32_t units) {
    *(uint32_t *)arena_at(arena, unit) = arena->free[units];
    arena->free[units] = unit;
}

static int add_chunk(struct arena *arena) {
    const uint32_t units = 1u << ARENA_CHUNK_BITS;
    const size_t size = (size_t)units * ARENA_UNIT;
    char *chunk = NULL;
    if (arena->used < arena->small)
        chunk = mem_alloc(size);
    else if (arena->used < ARENA_CHUNKS)
        chunk = mem_alloc_huge(size);
    if (chunk == NULL)
        return ERROR_NOMEM;
    if (arena->left > 0)
        put_back(arena, arena->next, arena->left);
    arena->next = arena->used << ARENA_CHUNK_BITS;
    arena->left = units;
    __atomic_store_n(&arena->chunks[arena->used++], chunk, __ATOMIC_RELEASE);
    if (arena->next == 0) { /* unit 0 names nothing */
        arena->next++;
        arena->left--;
    }
    return 0;
}

uint32_t arena_alloc(struct arena *arena, size_t bytes) {
    uint32_t units = (uint32_t)((bytes + ARENA_UNIT - 1) / ARENA_UNIT), unit = arena->free[units];
    if (unit) {
        arena->free[units] = *(uint32_t *)arena_at(arena, unit);
        return unit;
    }
    if (arena->left < units && add_chunk(arena) < 0)
        return 0;
    unit = arena->next;
    arena->next += units;
    arena->left -= units;
    return unit;
}

void arena_free(struct arena *arena, uint32_t unit, size_t bytes) {
    put_back(arena, unit, (uint32_t)((bytes + ARENA_UNIT - 1) / ARENA_UNIT));
}
