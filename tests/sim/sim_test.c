/* Seeded histories of a client and a model of an API server under faults: sim_test [SEED [COUNT]].
 * One seed alone tells its story. Without a seed: from 1, as many as fit into the suite. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/history.h"

struct sums {
    uint64_t happened[SIM_FAULTS];
    uint64_t deltas, reconciles, sent, skipped, own_writes, lists, watches, gone, requests;
};

static void add(struct sums *sums, const struct history *history) {
    for (int i = 0; i < SIM_FAULTS; i++)
        sums->happened[i] += history->sim.happened[i];
    sums->deltas += history->deltas;
    sums->reconciles += history->reconciles;
    sums->sent += history->sent;
    sums->skipped += history->skipped;
    sums->own_writes += history->own_writes;
    sums->lists += history->api.lists;
    sums->watches += history->api.watches;
    sums->gone += history->api.gone;
    sums->requests += history->api.wire.requests;
}

/* Suites that stop causing a fault prove nothing about it any more. */
static int print(const struct sums *sums, uint64_t count) {
    int missing = 0;
    printf(
        "%llu histories, %llu requests, %llu lists, %llu watches, %llu times 410, %llu changes "
        "told, %llu reconciles, %llu writes sent, %llu read before the watch told, %llu left out\n",
        (unsigned long long)count, (unsigned long long)sums->requests,
        (unsigned long long)sums->lists, (unsigned long long)sums->watches,
        (unsigned long long)sums->gone, (unsigned long long)sums->deltas,
        (unsigned long long)sums->reconciles, (unsigned long long)sums->sent,
        (unsigned long long)sums->own_writes, (unsigned long long)sums->skipped);
    missing += (sums->own_writes == 0) + (sums->skipped == 0);
    for (int i = 0; i <= SIM_CLIENT_RESTART; i++) { /* the others are the testbed's */
        printf("%s%s %llu", i ? ", " : "faults: ", sim_fault_name((enum sim_fault)i),
               (unsigned long long)sums->happened[i]);
        missing += sums->happened[i] == 0;
    }
    printf("\n");
    return missing;
}

int main(int argc, char **argv) {
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : argc > 1 ? 1 : SIM_HISTORIES;
    struct sums sums = {0};
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct history history;
        if (history_run(seed, /* told= */ count == 1, &history) < 0) {
            printf("seed %llu: %s\nreplay it: ./dev sim %llu\n", (unsigned long long)seed,
                   history.why, (unsigned long long)seed);
            return 1;
        }
        add(&sums, &history);
    }
    int missing = print(&sums, count);
    if (count >= 1000 && missing > 0) {
        printf("%d of these did not happen\n", missing);
        return 1;
    }
    return 0;
}
