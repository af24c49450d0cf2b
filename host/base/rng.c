#include "base/rng.h"

#include <sys/random.h>

/* splitmix64 for the seed, xoroshiro128+ for the stream (Blackman and Vigna, 2018). */
static uint64_t splitmix(uint64_t *seed) {
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

void rng_init(struct rng *rng, uint64_t seed) {
    rng->state[0] = splitmix(&seed);
    rng->state[1] = splitmix(&seed);
}

uint64_t rng_seed_from_system(void) {
    uint64_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = (uint64_t)(uintptr_t)&seed;
    return seed;
}

static uint64_t rotate(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

uint64_t rng_next(struct rng *rng) {
    uint64_t a = rng->state[0], b = rng->state[1], sum = a + b;
    b ^= a;
    rng->state[0] = rotate(a, 24) ^ b ^ b << 16;
    rng->state[1] = rotate(b, 37);
    return sum;
}

uint64_t rng_below(struct rng *rng, uint64_t bound) {
    return (uint64_t)((__uint128_t)rng_next(rng) * bound >> 64);
}

double rng_unit(struct rng *rng) {
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}
