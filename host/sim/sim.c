#include "sim/sim.h"

#include <stdarg.h>
#include <stdio.h>

#define BEGIN (1000 * NS_PER_S)
enum { MILLION = 1000000 };
/* How long a message from one thread to another takes: at once, or behind something else. */
enum { SOON_NS = 50000, LATE_NS = 5000000 };

static const char *const names[SIM_FAULTS] = {
    [SIM_REFUSED] = "refused",
    [SIM_RESET] = "reset",
    [SIM_LOST_ANSWER] = "lost answer",
    [SIM_STATUS] = "status",
    [SIM_CUT] = "cut",
    [SIM_SHORT] = "short",
    [SIM_STALL] = "stall",
    [SIM_GONE] = "gone",
    [SIM_ERROR_EVENT] = "error event",
    [SIM_EARLY_END] = "early end",
    [SIM_DUPLICATE] = "duplicate",
    [SIM_LOST_BOOKMARK] = "lost bookmark",
    [SIM_LAG] = "lag",
    [SIM_COMPACTION] = "compaction",
    [SIM_BACK_IN_TIME] = "back in time",
    [SIM_CLIENT_RESTART] = "client restart",
    [SIM_CONFLICT] = "conflict",
    [SIM_LEADER_CHANGE] = "leader change",
    [SIM_CLOCK_SKEW] = "clock skew",
};

const char *sim_fault_name(enum sim_fault fault) {
    return names[fault];
}

int sim_init(struct sim *sim, uint64_t seed, struct error *err) {
    *sim = (struct sim){.seed = seed};
    clock_fake_init(&sim->clock, BEGIN, SIM_BEGIN_WALL);
    rng_init(&sim->rng, seed);
    sim->loop = loop_create(&sim->clock.clock, err);
    if (sim->loop == NULL)
        return err->code;
    sim_simulate(sim, sim->loop);
    return 0;
}

void sim_finish(struct sim *sim) {
    loop_destroy(sim->loop);
    sim->loop = NULL;
}

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high) {
    return low + rng_below(&sim->rng, high - low + 1);
}

bool sim_chance(struct sim *sim, unsigned percent) {
    return rng_below(&sim->rng, 100) < percent;
}

void sim_plan(struct sim *sim) {
    for (int i = 0; i < SIM_FAULTS; i++) {
        uint64_t most = sim_chance(sim, 20) ? MILLION / 2 : MILLION / 10;
        sim->rates[i] = sim_chance(sim, 50) ? (uint32_t)rng_below(&sim->rng, most) : 0;
    }
    sim->faulty = true;
}

bool sim_happens(struct sim *sim, enum sim_fault fault) {
    bool happens =
        sim->faulty && sim->rates[fault] > 0 && rng_below(&sim->rng, MILLION) < sim->rates[fault];
    if (happens && sim->allow)
        happens = sim->allow(sim->allow_context, fault);
    if (sim->forced[fault] > 0) {
        sim->forced[fault]--;
        happens = true;
    }
    sim->happened[fault] += happens;
    return happens;
}

void sim_pass(struct sim *sim, uint64_t ns) {
    loop_advance(sim->loop, &sim->clock, ns);
}

void sim_tell(const struct sim *sim, const char *format, ...) {
    char line[1024];
    va_list args;
    if (!sim->told && sim->tell == NULL)
        return;
    int at =
        snprintf(line, sizeof line, "%12.6f  ", (double)(sim->clock.mono_ns - BEGIN) / NS_PER_S);
    va_start(args, format);
    vsnprintf(line + at, sizeof line - (size_t)at, format, args);
    va_end(args);
    if (sim->tell)
        sim->tell(sim->tell_context, line);
    if (sim->told)
        puts(line);
}

static uint64_t draw_delay(void *context) {
    struct sim *sim = context;
    uint64_t most = sim_chance(sim, 85) ? SOON_NS : LATE_NS;
    return sim_between(sim, 1000, most);
}

void sim_simulate(struct sim *sim, struct loop *loop) {
    loop_simulate(loop, draw_delay, sim);
}

uint64_t sim_elapsed(const struct sim *sim) {
    return sim->clock.mono_ns - BEGIN;
}
