#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cache/intern.h"

/* Nodes are their places in `hashes`, from 1 on. */
struct model {
    struct intern table;
    uint32_t *hashes;
    bool *there;
    node_t count;
};

static bool is_there(const struct intern *table, uint32_t hash, node_t node) {
    for (size_t i = 0; i < INTERN_LATE; i++)
        if (table->late[i].node == node && table->late[i].hash == hash)
            return true;
    size_t at = intern_home(table->slot_count, hash);
    while (table->slots[at].node != NODE_NONE && table->slots[at].node != node)
        at = intern_after(table->slot_count, at);
    return table->slots[at].node == node;
}

static void check(const struct model *model) {
    size_t used = 0;
    for (node_t node = 1; node <= model->count; node++) {
        assert_int_equal(is_there(&model->table, model->hashes[node], node), model->there[node]);
        used += model->there[node];
    }
    assert_int_equal(model->table.used, used);
}

static void add(struct model *model, uint32_t hash) {
    node_t node = ++model->count;
    assert_int_equal(intern_reserve(&model->table), 0);
    model->hashes[node] = hash;
    model->there[node] = true;
    intern_add(&model->table, hash, node);
}

static void take(struct model *model, node_t node) {
    if (!model->there[node])
        return;
    intern_remove(&model->table, model->hashes[node], node);
    model->there[node] = false;
}

/* Nodes come and go, and after each growth all that are there are found. */
static void run(size_t nodes, uint32_t (*hash_of)(struct rng *rng), unsigned removed_of_8) {
    struct model model = {.hashes = mem_calloc(nodes + 1, sizeof(uint32_t)),
                          .there = mem_calloc(nodes + 1, sizeof(bool))};
    struct rng rng;
    rng_init(&rng, nodes);
    size_t slots = 0;
    while (model.count < nodes) {
        add(&model, hash_of(&rng));
        if (rng_next(&rng) % 8 < removed_of_8)
            take(&model, (node_t)(rng_next(&rng) % model.count + 1));
        if (model.table.slot_count != slots)
            check(&model);
        slots = model.table.slot_count;
    }
    check(&model);
    for (node_t node = 1; node <= nodes; node++)
        take(&model, node);
    assert_int_equal(model.table.used, 0);
    check(&model);
    intern_finish(&model.table);
    mem_free(model.hashes);
    mem_free(model.there);
}

static uint32_t any(struct rng *rng) {
    return (uint32_t)rng_next(rng);
}
static uint32_t last(struct rng *rng) {
    return UINT32_MAX - (uint32_t)(rng_next(rng) % 3);
}
static uint32_t first_and_last(struct rng *rng) {
    return rng_next(rng) % 2 ? last(rng) : (uint32_t)(rng_next(rng) % 3);
}
static uint32_t bunched(struct rng *rng) {
    return (uint32_t)(rng_next(rng) % 16) << 28 | (uint32_t)(rng_next(rng) % 1024);
}

static void intern_finds_what_is_there_after_each_growth(void **state) {
    (void)state;
    run(20000, any, 0);
    run(20000, any, 6);
}

static void intern_finds_it_however_hashes_lie(void **state) {
    (void)state;
    run(3000, last, 3); /* behind the last slot comes the first one */
    run(3000, first_and_last, 3);
    run(6000, bunched, 2);
    run(6000, bunched, 0);
}

static void intern_grows_onto_huge_pages(void **state) {
    (void)state;
    uint64_t blocks = mem_stats().blocks, bytes = mem_stats().bytes;
    run(MEM_HUGE_PAGE / sizeof(struct intern_slot) * 4, any, 1);
    assert_int_equal(mem_stats().blocks, blocks);
    assert_int_equal(mem_stats().bytes, bytes);
}

static void intern_without_memory_stays_as_it_was(void **state) {
    (void)state;
    enum { NODES = 3000 };
    struct model model = {.hashes = mem_calloc(NODES + 1, sizeof(uint32_t)),
                          .there = mem_calloc(NODES + 1, sizeof(bool))};
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t refused = 0; model.count < NODES;) {
        for (uint64_t n = 0; n < 3; n++) {
            mem_fail_at(n, false);
            int rc = intern_reserve(&model.table);
            if (!mem_fail_stop())
                break;
            assert_int_equal(rc, ERROR_NOMEM);
            refused++;
        }
        if (refused > 0 && model.table.slot_count > 0)
            check(&model);
        refused = 0;
        add(&model, any(&rng));
    }
    intern_finish(&model.table);
    mem_free(model.hashes);
    mem_free(model.there);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intern_finds_what_is_there_after_each_growth),
        cmocka_unit_test(intern_finds_it_however_hashes_lie),
        cmocka_unit_test(intern_grows_onto_huge_pages),
        cmocka_unit_test(intern_without_memory_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
