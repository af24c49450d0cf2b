#ifndef MOONLET_TESTS_OOM_SWEEP_H
#define MOONLET_TESTS_OOM_SWEEP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Runs a body again and again, failing allocation 0, 1, 2... until a run needs no more: first only
 * that one, then (from 0 again) that one and all later ones. Checks that a run leaks no block.
 *
 *     struct oom_sweep sweep = {0};
 *     while (oom_sweep_next(&sweep)) { ... }
 */
struct oom_sweep {
    uint64_t n, blocks; /* of this run: the allocation that fails, blocks before it */
    bool started, forever;
};
bool oom_sweep_next(struct oom_sweep *sweep);

#endif
