#ifndef MOONLET_TESTS_RUNTIME_WORLD_H
#define MOONLET_TESTS_RUNTIME_WORLD_H

#include "base/mem.h"
#include "cache/support/fake_source.h"
#include "kube/support/fake_transport.h"
#include "runtime/reload.h"
#include "runtime/support/fake_engine.h"
#include "serve/metrics.h"

/*
 * A host without a server and without a language: real queues, workers and caches over a scripted
 * engine, scripted watches and a transport that waits for the test's answers. Time is the test's.
 *
 * Answered by itself: permission reviews (allowed), discovery, and the first list of a watch (what
 * world_has() said). Kinds: v1/ConfigMap, v1/Pod, v1/Namespace, apps/v1/Deployment (status, scale).
 */
struct world {
    struct mem_stats before;
    struct clock_fake clock;
    struct host host;
    struct fake_engine engine;
    struct fake_transport calls;
    struct fake_source source;
    struct kube_config config;
    struct metrics *metrics;
    struct worker *workers[1];
    struct {
        const char *kind, *json;
    } objects[8]; /* on the "server" at the start */
    size_t object_count;
    bool listed[FAKE_STREAMS]; /* the watch at that place has had its first list */
    int lost;                  /* worker threads given up */
    char folder[64];
    const char *folders[2];
    char *results; /* of jobs, in order: "success error " */
};
void world_begin(struct world *world);
/* Asserts that nothing is left, in memory and under way. */
void world_end(struct world *world);
int world_setup(void **state); /* for cmocka: *state is one */
int world_teardown(void **state);

/* One turn of the core's loop. */
void world_turn(struct world *world);
#define world_until(world, condition)                                                              \
    while (!(condition))                                                                           \
    world_turn(world)
/* Waits until the worker has nothing to do and all that it said has come, or it hangs. */
void world_rest(struct world *world);
/* Time goes by, then a turn. At rest: a worker that is slow does not look as if it were stuck. */
void world_pass(struct world *world, uint64_t ns);
/* Waits for the engine's next line and asserts it. */
void world_expect(struct world *world, const char *line);
/* Waits for the oldest request and asserts "METHOD path?query". */
void world_expect_request(struct world *world, const char *what);
/* Asserts that turns bring neither line nor request. */
void world_expect_nothing(struct world *world);

/* An object that is there when a watch begins; texts must last. */
void world_has(struct world *world, const char *kind, const char *json);
/* The watch of that kind tells a change. */
void world_event(struct world *world, const char *kind, enum kube_event type, const char *json);

/* Writes a controller file (text NULL: removes it) and scans. */
void world_file(struct world *world, const char *name, const char *text);
/* Waits until the file runs the newest version. */
void world_live(struct world *world, const char *name);
struct slot *world_slot(struct world *world, const char *name);
struct controller *world_controller(struct world *world, const char *name);

#endif
