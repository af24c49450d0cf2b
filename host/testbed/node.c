#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "testbed/internal.h"

/* One host: its start, what it says, its death. */

#define DEATH_NS (300 * NS_PER_S) /* of its own time; it should take one */
#define DELAY_NS (2 * NS_PER_MS)  /* the longest that a piece is on the wire */

static int on_log(void *context, const char *line, size_t len) {
    const struct node *node = context;
    const struct log *log = node->testbed->options.log;
    return log && !node->dying ? log->write(log->context, line, len) : 0;
}

static int list_sources(void *context, struct source_set *set, struct error *err) {
    const struct node *node = context;
    size_t at = 0;
    int rc = 0;
    for (struct map_entry *entry; rc == 0 && (entry = map_next(&node->testbed->sources, &at));)
        rc = source_set_add(set, entry->value, err);
    return rc;
}

void node_on_call(void *context, const struct manager_call *call) {
    struct node *node = context;
    struct testbed *testbed = node->testbed;
    if (node->dying)
        return;
    drive_ran(testbed, call);
    if (!call->ended) {
        testbed->stats.calls++;
        trace_add(testbed, node, "%s %s %s (%s, attempt %u)", call->definition, call->function,
                  call->key, call->reason, call->attempt);
        return;
    }
    testbed->stats.failures += call->failure != NULL;
    trace_add(testbed, node, "%s %s %s: %s", call->definition, call->function, call->key,
              call->failure ? call->failure : "done");
}

static void prepare(struct node *node) {
    struct testbed *testbed = node->testbed;
    struct sim *sim = &testbed->sim;
    const struct log *log = testbed->options.log;
    struct sim_wire_options calls = {.sim = sim,
                                     .serve = link_serve,
                                     .closed = link_closed,
                                     .context = node,
                                     .delay_ns = DELAY_NS};
    struct sim_wire_options fetches = calls;
    fetches.serve = fetch_serve;
    fetches.closed = fetch_closed;
    sim_wire_init(&node->calls, &calls);
    sim_wire_init(&node->fetches, &fetches);
    clock_fake_init(&node->clock, sim->clock.mono_ns, sim->clock.wall_ns + node->skew_ns);
    node->log = (struct log){.clock = &node->clock.clock,
                             .format = log ? log->format : LOG_HUMAN,
                             .level = log ? log->level : LOG_ERROR,
                             .write = on_log,
                             .context = node};
    node->config = (struct kube_config){
        .context = (char *)"", .server = (char *)TESTBED_SERVER, .namespace_ = (char *)"default"};
    node->doomed = node->dying = false;
    node->cut_until = 0;
}

int node_start(struct testbed *testbed, size_t index, struct error *err) {
    struct node *node = &testbed->nodes[index];
    node->testbed = testbed;
    snprintf(node->name, sizeof node->name, "moonlet-%u", (unsigned)(index + 1) % 10);
    prepare(node);
    node->loop = loop_create(&node->clock.clock, err);
    if (node->loop == NULL)
        return err->code;
    sim_simulate(&testbed->sim, node->loop);
    struct manager_options options = {.clock = &node->clock.clock,
                                      .log = &node->log,
                                      .seed = rng_next(&testbed->sim.rng),
                                      .loop = node->loop,
                                      .config = &node->config,
                                      .watches = &node->calls.base,
                                      .calls = &node->calls.base,
                                      .fetches = &node->fetches.base,
                                      .engine = testbed->options.engine,
                                      .sources = list_sources,
                                      .on_core = true,
                                      .limits = testbed->options.limits,
                                      .script_config = testbed->options.config,
                                      .metrics_address = "0",
                                      .probe_address = "0",
                                      .leader_elect = testbed->node_count > 1,
                                      .lease_name = "moonlet",
                                      .lease_namespace = "default",
                                      .identity = node->name,
                                      .observer = testbed->options.observer,
                                      .on_call = node_on_call,
                                      .context = node};
    options.limits.ordered = true;
    hook_options(node, &options.hooks);
    node->manager = manager_start(&options, err);
    if (node->manager)
        return 0;
    loop_destroy(node->loop);
    node->loop = NULL;
    return err->code;
}

/* It goes on alone, cut off, in a time of its own, until it can be freed. */
void node_kill(struct node *node) {
    if (node->manager == NULL)
        return;
    node->dying = true;
    sim_wire_sever(&node->calls);
    sim_wire_sever(&node->fetches);
    hook_sever(node);
    manager_stop(node->manager, /* at_once= */ true);
    uint64_t until = node->clock.mono_ns + DEATH_NS;
    while ((!manager_ended(node->manager) || !manager_quiet(node->manager)) &&
           node->clock.mono_ns < until) {
        uint64_t now = node->clock.mono_ns, due = loop_due(node->loop);
        loop_advance(node->loop, &node->clock, due > now ? due - now : 0);
    }
    manager_destroy(node->manager);
    node->manager = NULL;
    loop_destroy(node->loop);
    node->loop = NULL;
}
