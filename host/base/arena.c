#include "base/arena.h"

#include <sanitizer/asan_interface.h>

#include "base/error.h"
#include "base/mem.h"

/* For AddressSanitizer, what is no block in use is poisoned: it sees who uses one that was freed.
 */
enum { CHUNK_UNITS = 1 << ARENA_CHUNK_BITS, CHUNK_SIZE = CHUNK_UNITS * ARENA_UNIT };

int arena_init(struct arena *arena, uint32_t small_chunks) {
    *arena = (struct arena){.small = small_chunks};
    arena->chunks = mem_calloc(ARENA_CHUNKS, sizeof *arena->chunks);
    return arena->chunks ? 0 : ERROR_NOMEM;
}

void arena_finish(struct arena *arena) {
    for (uint32_t i = 0; i < arena->used; i++) {
        ASAN_UNPOISON_MEMORY_REGION(arena->chunks[i], CHUNK_SIZE);
        mem_free(arena->chunks[i]);
    }
    mem_free(arena->chunks);
    *arena = (struct arena){0};
}

static void put_back(struct arena *arena, uint32_t unit, uint32_t units) {
    uint32_t *block = arena_at(arena, unit);
    ASAN_UNPOISON_MEMORY_REGION(block, sizeof *block);
    *block = arena->free[units];
    arena->free[units] = unit;
    ASAN_POISON_MEMORY_REGION(block, (size_t)units * ARENA_UNIT);
}

static int add_chunk(struct arena *arena) {
    char *chunk = NULL;
    if (arena->used < arena->small)
        chunk = mem_alloc(CHUNK_SIZE);
    else if (arena->used < ARENA_CHUNKS)
        chunk = mem_alloc_huge(CHUNK_SIZE);
    if (chunk == NULL)
        return ERROR_NOMEM;
    ASAN_POISON_MEMORY_REGION(chunk, CHUNK_SIZE);
    if (arena->left > 0)
        put_back(arena, arena->next, arena->left);
    arena->next = arena->used << ARENA_CHUNK_BITS;
    arena->left = CHUNK_UNITS;
    __atomic_store_n(&arena->chunks[arena->used++], chunk, __ATOMIC_RELEASE);
    if (arena->next == 0) { /* unit 0 names nothing */
        arena->next++;
        arena->left--;
    }
    return 0;
}

static uint32_t hand_out(const struct arena *arena, uint32_t unit, uint32_t units) {
    (void)arena, (void)units;
    ASAN_UNPOISON_MEMORY_REGION(arena_at(arena, unit), (size_t)units * ARENA_UNIT);
    return unit;
}

uint32_t arena_alloc(struct arena *arena, size_t bytes) {
    uint32_t units = (uint32_t)((bytes + ARENA_UNIT - 1) / ARENA_UNIT), unit = arena->free[units];
    if (unit) {
        hand_out(arena, unit, units);
        arena->free[units] = *(uint32_t *)arena_at(arena, unit);
        return unit;
    }
    if (arena->left < units && add_chunk(arena) < 0)
        return 0;
    unit = arena->next;
    arena->next += units;
    arena->left -= units;
    return hand_out(arena, unit, units);
}

void arena_free(struct arena *arena, uint32_t unit, size_t bytes) {
    put_back(arena, unit, (uint32_t)((bytes + ARENA_UNIT - 1) / ARENA_UNIT));
}
