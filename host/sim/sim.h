#ifndef MOONLET_SIM_SIM_H
#define MOONLET_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "loop/loop.h"

/*
 * Sim: time, chance and faults of one simulated run; all of it follows from the seed.
 *
 * Is:      a clock that moves only when told, the loop that runs on it, the one stream of random
 *          numbers, and the plan that says which faults happen how often. What is under way waits
 *          in timers with drawn delays, so the seed also decides what comes next.
 * Is not:  a network (sim/wire.h) or a server: tests bring that.
 * Threads: one. Yields: never.
 */
enum sim_fault {
    SIM_REFUSED,        /* the request never leaves */
    SIM_RESET,          /* the connection ends before the server has seen the request */
    SIM_LOST_ANSWER,    /* the server does what was asked; nobody hears of it */
    SIM_STATUS,         /* 401, 429 with Retry-After, 500, 503 instead of an answer */
    SIM_CUT,            /* the answer ends by an error after some bytes */
    SIM_SHORT,          /* a stream ends after some bytes as if it were complete */
    SIM_STALL,          /* nothing comes after some bytes, for a while or until the client stops */
    SIM_GONE,           /* 410 for what the server still has */
    SIM_ERROR_EVENT,    /* an ERROR event in a watch */
    SIM_EARLY_END,      /* a watch ends normally before its time */
    SIM_DUPLICATE,      /* an event comes twice */
    SIM_LOST_BOOKMARK,  /* a periodic bookmark does not come */
    SIM_LAG,            /* a server behind the address stays behind for long */
    SIM_COMPACTION,     /* the server forgets its history */
    SIM_BACK_IN_TIME,   /* the server is restored from a backup */
    SIM_CLIENT_RESTART, /* the client stops what it runs and begins anew */
    SIM_CONFLICT,       /* 409 for a write, as if somebody else had been faster */
    SIM_LEADER_CHANGE,  /* the leader's network is down until it is none */
    SIM_CLOCK_SKEW,     /* the client's wall clock jumps */
    SIM_FAULTS
};
const char *sim_fault_name(enum sim_fault fault);

struct sim {
    struct clock_fake clock;
    struct loop *loop;
    struct rng rng;
    uint64_t seed;
    bool faulty;                                   /* false: no fault happens any more */
    bool told;                                     /* sim_tell() prints */
    void (*tell)(void *context, const char *line); /* or calls this; NULL: it does not */
    void *tell_context;
    uint32_t rates[SIM_FAULTS];    /* of a million chances */
    uint32_t forced[SIM_FAULTS];   /* so many of the next chances are taken, plan or not */
    uint64_t happened[SIM_FAULTS]; /* since sim_init() */
    /* Asked before a planned fault happens; false: it does not. May be NULL. */
    bool (*allow)(void *context, enum sim_fault fault);
    void *allow_context;
};
/* What the wall clock of a run shows at its beginning: 2026-01-01. */
#define SIM_BEGIN_WALL (1767225600 * (int64_t)NS_PER_S)

/* Begins at a fixed time without faults. 0 or ERROR_NOMEM. */
int sim_init(struct sim *sim, uint64_t seed, struct error *err);
/* Nothing may be active in the loop. Fine on a zeroed one. */
void sim_finish(struct sim *sim);

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high); /* both included */
bool sim_chance(struct sim *sim, unsigned percent);
/* Draws which faults this run has, and how often: some not at all, so that runs differ. */
void sim_plan(struct sim *sim);
/* Does that fault happen at this chance? Counted. */
bool sim_happens(struct sim *sim, enum sim_fault fault);
void sim_pass(struct sim *sim, uint64_t ns); /* time goes by; what is due happens */
/* Makes a loop one of this simulation: messages in it take as long as is drawn. */
void sim_simulate(struct sim *sim, struct loop *loop);
uint64_t sim_elapsed(const struct sim *sim); /* ns since sim_init() */
/* One line of the run's story, with the time since the beginning. */
void sim_tell(const struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
