#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "serve/support/rotation/steps.h"

/* Over years, at any moment, with any delay: whoever is served trusts what it is served with. */

enum { HISTORY = 8 };
struct history { /* newest last */
    struct {
        char *cert, *bundle;
        int64_t stored;
    } items[HISTORY];
    size_t count;
};

static void remember(struct history *history, const struct rotation_state *state, int64_t now) {
    if (history->count == HISTORY) {
        mem_free(history->items[0].cert);
        mem_free(history->items[0].bundle);
        memmove(&history->items[0], &history->items[1], (HISTORY - 1) * sizeof history->items[0]);
        history->count--;
    }
    history->items[history->count].cert = steps_copy(state->cert);
    history->items[history->count].bundle = steps_copy(state->ca_cert);
    history->items[history->count++].stored = now;
}

/* Each replica and each API server has, for itself, some state that was current in the last
 * `overlap`: all of them must get along. */
static size_t check_all_pairs(const struct history *history, int64_t now, int64_t overlap) {
    size_t first = 0, pairs = 0;
    while (first + 1 < history->count && history->items[first + 1].stored <= now - overlap)
        first++;
    for (size_t i = first; i < history->count; i++) {
        for (size_t k = first; k < history->count; k++, pairs++) {
            struct error err;
            int rc =
                certificate_verify(history->items[i].cert, history->items[k].bundle, now, &err);
            if (rc < 0)
                fail_msg("at %lld, cert %zu, bundle %zu of %zu: %s", (long long)(now - NOW),
                         i - first, k - first, history->count - first, err.message);
        }
    }
    return pairs;
}

static int64_t random_pause(struct rng *rng, const struct rotation_options *options, int64_t wait) {
    uint64_t overlap = (uint64_t)options->overlap_s;
    switch (rng_below(rng, 4)) {
    case 0: /* as told */
        return wait;
    case 1: /* a while late */
        return wait + (int64_t)rng_below(rng, (uint64_t)options->serving_s / 6);
    case 2: /* soon again */
        return 1 + (int64_t)rng_below(rng, overlap);
    default:
        return 1 + (int64_t)rng_below(rng, (uint64_t)wait);
    }
}

static void live(uint64_t seed, struct rotation_options options, int64_t years) {
    struct rotation_state state = {0};
    struct history history = {0};
    struct rng rng;
    size_t cas = 0, mixed = 0;
    int64_t end = options.now + years * 365 * DAY, next = 0;
    char *ca_key = NULL;
    rng_init(&rng, seed);
    while (options.now < end) {
        if (steps_take(&state, &options, &next)) {
            steps_check(&state, options.now);
            remember(&history, &state, options.now);
            cas += ca_key == NULL || strcmp(ca_key, state.ca_key) != 0;
            steps_replace(&ca_key, state.ca_key);
        }
        int64_t pause = random_pause(&rng, &options, next - options.now);
        int64_t between = (int64_t)rng_below(&rng, (uint64_t)pause);
        mixed += check_all_pairs(&history, options.now, options.overlap_s) > 1;
        check_all_pairs(&history, options.now + between, options.overlap_s);
        check_all_pairs(&history, options.now + pause, options.overlap_s); /* before the step */
        options.now += pause;
    }
    int64_t least = years * 365 * DAY / options.ca_s;
    if ((int64_t)cas < least || mixed < cas)
        fail_msg("seed %llu: %zu CAs, %zu mixed moments", (unsigned long long)seed, cas, mixed);
    for (size_t i = 0; i < history.count; i++) {
        mem_free(history.items[i].cert);
        mem_free(history.items[i].bundle);
    }
    mem_free(ca_key);
    rotation_state_finish(&state);
}

static void rotation_keeps_trust_for_all_who_lag_behind(void **unused) {
    (void)unused;
    struct rotation_options usual = steps_at(NOW), quick = steps_at(NOW), slow = steps_at(NOW);
    usual.serving_s = ROTATION_SERVING_S;
    usual.ca_s = ROTATION_CA_S;
    usual.overlap_s = ROTATION_OVERLAP_S;
    live(1, usual, 20);
    quick.serving_s = 30 * DAY;
    quick.ca_s = 120 * DAY;
    quick.overlap_s = 5 * DAY;
    live(2, quick, 4);
    slow.serving_s = 60 * DAY;
    slow.ca_s = 365 * DAY;
    slow.overlap_s = DAY;
    live(3, slow, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotation_keeps_trust_for_all_who_lag_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
