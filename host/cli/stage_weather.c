#include "cli/stage_internal.h"

/* When the faults of a t.chaos happen. In sim:advance they come in spells with calm between, longer
 * than what a spell leaves behind (stalled watches, backoff): what must be done in time can be. */

#define LONGEST_SPELL_NS (60 * NS_PER_S)
#define SHORTEST_CALM_NS (600 * NS_PER_S)
#define WEATHER_SEED 0x77656174686572 /* not the numbers that say how long sim:settle() waits */

void stage_weather_init(struct stage *stage) {
    rng_init(&stage->weather, stage->plan->seed ^ WEATHER_SEED);
    stage->stormy = false;
    stage->turn_ns = UINT64_MAX;
}

bool stage_has_weather(const struct stage *stage) {
    return stage->now->chaos && !stage->calm;
}

void stage_storm(struct stage *stage, bool stormy) {
    if (!stage_has_weather(stage))
        return;
    stage->turn_ns = testbed_elapsed(stage->testbed) +
                     (stormy ? 1 + rng_below(&stage->weather, LONGEST_SPELL_NS)
                             : SHORTEST_CALM_NS + rng_below(&stage->weather, SHORTEST_CALM_NS));
    if (stormy == stage->stormy)
        return;
    stage->stormy = stormy;
    if (stormy)
        testbed_chaos(stage->testbed);
    else
        testbed_calm(stage->testbed);
}

int stage_advance(struct stage *stage, uint64_t ns, struct error *err) {
    uint64_t now = testbed_elapsed(stage->testbed), until = now + ns;
    for (int rc = 0;; now = testbed_elapsed(stage->testbed)) {
        bool turns = stage_has_weather(stage) && stage->turn_ns <= until;
        uint64_t to = turns ? stage->turn_ns : until;
        rc = testbed_advance(stage->testbed, to > now ? to - now : 0, err);
        if (rc < 0 || !turns)
            return rc;
        stage_storm(stage, !stage->stormy);
    }
}
