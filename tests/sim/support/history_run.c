#include "support/controller.h"
#include "support/history.h"

/* A history of drawn actions under drawn faults. */

#define LONGEST (45 * 60 * NS_PER_S) /* for all to be well again */

static void draw_options(struct history_options *options, struct rng *rng) {
    static const enum api_streaming streaming[] = {API_STREAMS, API_STREAMS, API_STREAM_REFUSED,
                                                   API_STREAM_IGNORED};
    options->split = rng_below(rng, 4) == 0;
    options->api = (struct api_options){.streaming = streaming[rng_below(rng, 4)],
                                        .page = (unsigned)rng_below(rng, 4),
                                        .bookmarks = rng_below(rng, 4) > 0,
                                        .servers = 1 + (unsigned)rng_below(rng, API_SERVERS),
                                        .lag_ns = (1 + rng_below(rng, 200)) * NS_PER_MS};
}

static void disturb(struct history *history) {
    struct sim *sim = &history->sim;
    for (uint64_t i = sim_between(sim, 1, 4); i > 0; i--)
        api_disturb(&history->api, (int)sim_between(sim, 0, API_SLOTS - 1));
}

static void wait(struct history *history) {
    struct sim *sim = &history->sim;
    uint64_t choice = sim_between(sim, 0, 9);
    uint64_t longest = choice < 6 ? 100 * NS_PER_MS : choice < 9 ? 20 * NS_PER_S : 400 * NS_PER_S;
    sim_pass(sim, sim_between(sim, 0, longest));
}

static void step(struct history *history) {
    struct sim *sim = &history->sim;
    struct api *api = &history->api;
    if (sim_chance(sim, 70))
        disturb(history);
    if (sim_happens(sim, SIM_COMPACTION))
        api_compact(api);
    if (sim_happens(sim, SIM_BACK_IN_TIME)) {
        uint64_t back = sim_between(sim, 0, 20);
        api_restore(api, api->head > back ? api->head - back : 1, sim_chance(sim, 50));
    }
    if (sim_happens(sim, SIM_CLIENT_RESTART))
        history_restart(history);
    wait(history);
    controller_check_reads(history);
}

static int stop_faults(struct history *history) {
    sim_tell(&history->sim, "no more faults");
    history->sim.faulty = false;
    api_catch_up(&history->api);
    if (history_settle(history, LONGEST) < 0)
        return -1;
    sim_pass(&history->sim, 60 * NS_PER_S);
    uint64_t deltas = history->deltas;
    sim_pass(&history->sim, 700 * NS_PER_S); /* watches end and begin; that is no news */
    if (history->deltas != deltas)
        return history_fail(history, "%d changes are told when nothing changes",
                            (int)(history->deltas - deltas));
    if (history_settle(history, NS_PER_S) < 0)
        return -1;
    return history->writing ? controller_check_noop(history) : 0;
}

int history_run(uint64_t seed, bool told, struct history *history) {
    struct history_options options = {.seed = seed, .told = told};
    struct rng rng;
    rng_init(&rng, ~seed);
    draw_options(&options, &rng);
    if (history_begin(history, &options) == 0) {
        struct sim *sim = &history->sim;
        sim_plan(sim);
        history->writing = sim_chance(sim, 70);
        disturb(history);
        for (uint64_t i = sim_between(sim, 5, 50); i > 0 && history->why[0] == '\0'; i--)
            step(history);
        if (history->why[0] == '\0')
            stop_faults(history);
    }
    return history_finish(history);
}
