#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cache/dag.h"

static struct str key_text(const struct dag *dag, node_t key) {
    const struct node_head *head = dag_head(dag, key);
    return str_n(dag_payload(head), head->count);
}

/* Shorter first: most comparisons end at the length. */
static int order(struct str a, struct str b) {
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.data, b.data, a.len) : 0;
}

struct sorting {
    const struct dag *dag;
    const node_t *keys;
};

static int by_key(const void *a, const void *b, void *context) {
    const struct sorting *s = context;
    return order(key_text(s->dag, s->keys[*(const uint32_t *)a]),
                 key_text(s->dag, s->keys[*(const uint32_t *)b]));
}

ptrdiff_t dag_shape_find(const struct dag *dag, node_t shape, struct str key) {
    const struct node_head *head = dag_head(dag, shape);
    const node_t *keys = dag_payload(head);
    size_t count = head->count, low = 0;
    if (count <= SHAPE_LINEAR) {
        for (size_t i = 0; i < count; i++)
            if (order(key_text(dag, keys[i]), key) == 0)
                return (ptrdiff_t)i;
        return -1;
    }
    const uint32_t *sorted = keys + count;
    for (size_t high = count; low < high;) {
        size_t middle = low + (high - low) / 2;
        int how = order(key_text(dag, keys[sorted[middle]]), key);
        if (how == 0)
            return sorted[middle];
        if (how < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* A key that comes twice, or NODE_NONE. Interned, so equal keys are the same node. */
static node_t find_twice(const node_t *keys, const uint32_t *sorted, size_t count) {
    for (size_t i = 1; i < count; i++) {
        if (sorted) {
            if (keys[sorted[i]] == keys[sorted[i - 1]])
                return keys[sorted[i]];
            continue;
        }
        for (size_t j = 0; j < i; j++)
            if (keys[i] == keys[j])
                return keys[i];
    }
    return NODE_NONE;
}

/* One reference to the shape of these keys. */
static int get_shape(struct dag *dag, const node_t *keys, size_t count, node_t *ret,
                     node_t *reterr_key) {
    *ret = dag_find_shape(dag, keys, count);
    if (*ret != NODE_NONE) {
        node_ref(dag, *ret);
        return 0;
    }
    CLEANUP(mem_freep) uint32_t *sorted = NULL;
    if (count > SHAPE_LINEAR) {
        sorted = mem_alloc(count * sizeof *sorted);
        if (sorted == NULL)
            return ERROR_NOMEM;
        for (size_t i = 0; i < count; i++)
            sorted[i] = (uint32_t)i;
        qsort_r(sorted, count, sizeof *sorted, by_key, &(struct sorting){dag, keys});
    }
    *reterr_key = find_twice(keys, sorted, count);
    if (*reterr_key != NODE_NONE)
        return ERROR_REJECTED;
    *ret = dag_add_shape(dag, keys, sorted, count);
    return *ret == NODE_NONE ? ERROR_NOMEM : 0;
}

int dag_intern_object(struct dag *dag, const node_t *keys, node_t *parts, size_t count, bool is_new,
                      node_t *ret, node_t *reterr_key) {
    int rc = get_shape(dag, keys, count, &parts[0], reterr_key);
    if (rc < 0)
        return rc;
    *ret = dag_intern_parts(dag, NODE_OBJECT, count, parts, count + 1, is_new);
    if (*ret == NODE_NONE) {
        node_unref(dag, parts[0]);
        return ERROR_NOMEM;
    }
    for (size_t i = 0; i < count; i++)
        node_unref(dag, keys[i]);
    return 0;
}
