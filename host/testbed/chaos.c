#include "testbed/internal.h"

/* The faults that need no request to happen, and what switches all of them. */

#define WEATHER_NS (2 * NS_PER_S)    /* at most between two looks */
#define PARTITION_NS (40 * NS_PER_S) /* longer than a lease */
#define SKEW_NS (600 * NS_PER_S)

static struct node *draw_node(struct testbed *testbed) {
    return &testbed->nodes[sim_between(&testbed->sim, 0, testbed->node_count - 1)];
}

static void heal(struct testbed *testbed) {
    uint64_t now = drive_now(testbed);
    for (size_t i = 0; i < testbed->node_count; i++) {
        struct node *node = &testbed->nodes[i];
        if (node->cut_until == 0 || node->cut_until > now)
            continue;
        node->cut_until = 0;
        node->calls.down = false;
        trace_add(testbed, node, "its network is back");
    }
}

static void cut_off_leader(struct testbed *testbed) {
    for (size_t i = 0; testbed->node_count > 1 && i < testbed->node_count; i++) {
        struct node *node = &testbed->nodes[i];
        if (node->manager == NULL || !manager_leads(node->manager))
            continue;
        trace_add(testbed, node, "fault: its network is down, and it was leading");
        node->cut_until = drive_now(testbed) + PARTITION_NS;
        node->calls.down = true;
        sim_wire_break(&node->calls);
        return;
    }
}

static void skew(struct testbed *testbed) {
    struct node *node = draw_node(testbed);
    int64_t ns = (int64_t)sim_between(&testbed->sim, 0, 2 * SKEW_NS) - (int64_t)SKEW_NS;
    node->clock.wall_ns += ns - node->skew_ns;
    node->skew_ns = ns;
    trace_add(testbed, node, "fault: its clock is off by %.3f s", (double)ns / 1e9);
}

/* Rates are those of single requests; what hits everything at once is rarer. */
static bool strikes(struct testbed *testbed, enum sim_fault fault) {
    struct sim *sim = &testbed->sim;
    bool forced = sim->forced[fault] > 0;
    return (forced || sim_chance(sim, 10)) && sim_happens(sim, fault);
}

/* Is there anything that this timer could do? */
static bool changes(const struct testbed *testbed) {
    static const enum sim_fault mine[] = {SIM_COMPACTION, SIM_GONE, SIM_LEADER_CHANGE,
                                          SIM_CLOCK_SKEW};
    bool changes = testbed->sim.faulty;
    for (size_t i = 0; i < sizeof mine / sizeof *mine; i++)
        changes |= testbed->sim.forced[mine[i]] > 0;
    for (size_t i = 0; i < testbed->node_count; i++)
        changes |= testbed->nodes[i].cut_until > 0;
    return changes;
}

static void on_weather(struct loop_timer *timer) {
    struct testbed *testbed = CONTAINER_OF(timer, struct testbed, weather);
    struct sim *sim = &testbed->sim;
    heal(testbed);
    if (strikes(testbed, SIM_COMPACTION)) {
        trace_add(testbed, NULL, "fault: the server forgets its history");
        apiserver_compact(testbed->server);
    }
    if (strikes(testbed, SIM_GONE))
        testbed_cut_watches(testbed, /* compact= */ true);
    if (strikes(testbed, SIM_LEADER_CHANGE))
        cut_off_leader(testbed);
    if (strikes(testbed, SIM_CLOCK_SKEW))
        skew(testbed);
    if (sim->faulty && strikes(testbed, SIM_CLIENT_RESTART))
        draw_node(testbed)->doomed = true;
    if (changes(testbed))
        loop_timer_start(timer, sim_between(sim, NS_PER_MS, WEATHER_NS));
}

void chaos_init(struct testbed *testbed) {
    loop_timer_init(testbed->sim.loop, &testbed->weather, on_weather);
}

void testbed_chaos(struct testbed *testbed) {
    if (!testbed->planned)
        sim_plan(&testbed->sim);
    testbed->planned = testbed->sim.faulty = true;
    trace_add(testbed, NULL, "faults begin");
    loop_timer_start(&testbed->weather, 0);
}

void testbed_calm(struct testbed *testbed) {
    testbed->sim.faulty = false;
    trace_add(testbed, NULL, "faults end");
}

void testbed_force(struct testbed *testbed, enum sim_fault fault, unsigned times) {
    testbed->sim.forced[fault] = times;
    if (times > 0 && !loop_timer_active(&testbed->weather))
        loop_timer_start(&testbed->weather, 0);
}

uint64_t testbed_happened(const struct testbed *testbed, enum sim_fault fault) {
    return testbed->sim.happened[fault];
}

void testbed_cut_watches(struct testbed *testbed, bool compact) {
    trace_add(testbed, NULL, "fault: every watch ends%s", compact ? ", and history is gone" : "");
    if (compact)
        apiserver_compact(testbed->server);
    apiserver_end_watches(testbed->server);
}
