#include <string.h>

#include "apiserver/kinds_internal.h"
#include "base/mem.h"

enum { BLOCK = 2000 };

struct kinds_block {
    struct kinds_block *next;
    size_t used, cap;
    _Alignas(max_align_t) char data[];
};

void kinds_pool_finish(struct kinds_pool *pool) {
    while (pool->first) {
        struct kinds_block *block = pool->first;
        pool->first = block->next;
        mem_free(block);
    }
}

void *kinds_pool_zalloc(struct kinds_pool *pool, size_t size) {
    struct kinds_block *block = pool->first;
    size = (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    if (block == NULL || block->cap - block->used < size) {
        size_t cap = size > BLOCK ? size : BLOCK;
        block = mem_zalloc(sizeof *block + cap);
        if (block == NULL)
            return NULL;
        block->cap = cap;
        block->next = pool->first;
        pool->first = block;
    }
    void *made = block->data + block->used;
    block->used += size;
    return made;
}

const char *kinds_pool_text(struct kinds_pool *pool, const char *text, bool *failed) {
    if (text == NULL)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = kinds_pool_zalloc(pool, size);
    if (copy == NULL)
        *failed = true;
    else
        memcpy(copy, text, size);
    return copy;
}

const char *const *kinds_pool_texts(struct kinds_pool *pool, const json_t *array, bool *failed) {
    const char **list = kinds_pool_zalloc(pool, (json_array_size(array) + 1) * sizeof *list);
    if (list == NULL) {
        *failed = true;
        return NULL;
    }
    for (size_t i = 0, n = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text)
            list[n++] = kinds_pool_text(pool, text, failed);
    }
    return list;
}
