#ifndef MOONLET_BASE_RNG_H
#define MOONLET_BASE_RNG_H

#include <stdint.h>

/*
 * Pseudo-random numbers for jitter and sampling, from a seed so that a run can be repeated.
 * Not for secrets. Threads: one owner at a time. Yields: never.
 */
struct rng {
    uint64_t state[2];
};
void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_seed_from_system(void); /* for main.c alone */
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t bound); /* 0..bound-1; 0 when bound is 0 */
double rng_unit(struct rng *rng);                    /* 0 <= x < 1 */

#endif
