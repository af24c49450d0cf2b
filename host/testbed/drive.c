#include <string.h>

#include "base/mem.h"
#include "testbed/internal.h"

/* Lets time pass, for the simulation and the hosts together, and says when nothing is left. */

#define STILL_NS (10 * NS_PER_MS) /* so long nothing may come */
#define PATIENCE_NS                                                                                \
    (40 * NS_PER_S)               /* for who waits for others: longer than it takes to ask again */
#define WINDOW_NS (10 * NS_PER_S) /* in which a key may not run more than MOST_RUNS */
#define LOAD_NS (60 * NS_PER_S)
#define FAULTY_LOAD_NS (600 * NS_PER_S)
#define LIMIT_NS (7200 * NS_PER_S)
enum { MOST_RUNS = 500, STALE_RUNS = 60, MOST_RETRIES = 10 };

uint64_t drive_now(const struct testbed *testbed) {
    return testbed->sim.clock.mono_ns;
}

void drive_begin(struct testbed *testbed) {
    drive_finish(testbed);
    testbed->hot = (struct error){0};
    testbed->runs_since = drive_now(testbed);
}

void drive_finish(struct testbed *testbed) {
    map_finish(&testbed->runs);
    map_finish(&testbed->failed);
    map_finish(&testbed->first);
}

static void write_key(struct strbuf *name, const char *controller, struct str key) {
    strbuf_printf(name, "%s " STR_FORMAT, controller, STR_ARG(key));
}

static uintptr_t count(struct map *map, const char *controller, const char *key) {
    CLEANUP(strbuf_finish) struct strbuf name = {0};
    write_key(&name, controller, str_of(key));
    uintptr_t now = (uintptr_t)map_get(map, strbuf_view(&name)) + 1;
    map_set(map, strbuf_view(&name), (void *)now, NULL);
    return now;
}

/* With a cache that is behind, a controller may make over and over what is deleted over and over,
 * and be right. Lags and stalls end then, since each turn costs real time. */
static bool is_behind(struct testbed *testbed) {
    bool lost = testbed->held_back > 0, behind = false;
    for (size_t i = 0; i < testbed->node_count; i++) {
        const struct node *node = &testbed->nodes[i];
        lost |= node->manager && sim_wire_stalls(&node->calls);
        behind |= node->manager && !manager_follows(node->manager);
    }
    testbed->relief = lost;
    return lost || behind;
}

static void relieve(struct testbed *testbed) {
    testbed->relief = false;
    trace_add(testbed, NULL, "a key runs over and over on a cache that is behind: lags end");
    for (size_t i = 0; i < testbed->node_count; i++)
        if (testbed->nodes[i].manager)
            sim_wire_break(&testbed->nodes[i].calls);
}

void drive_ran(struct testbed *testbed, const struct manager_call *call) {
    if (call->ended && call->failure)
        count(&testbed->failed, call->definition, call->key);
    if (call->ended || *call->key == '\0' || testbed->hot.code != 0)
        return;
    if (drive_now(testbed) - testbed->runs_since > WINDOW_NS) {
        map_finish(&testbed->runs);
        testbed->runs_since = drive_now(testbed);
    }
    uintptr_t runs = count(&testbed->runs, call->definition, call->key);
    if (runs >= STALE_RUNS && is_behind(testbed))
        map_finish(&testbed->runs);
    else if (runs >= MOST_RUNS)
        error_set(&testbed->hot, ERROR_TIMEOUT,
                  "controller %s: %s ran %u times in %.1f s and has not come to rest: it changes, "
                  "or asks for, what makes it run again",
                  call->definition, call->key, MOST_RUNS,
                  (double)(drive_now(testbed) - testbed->runs_since) / 1e9);
}

static void tick(struct testbed *testbed, uint64_t ns) {
    if (ns > 0)
        clock_fake_advance(&testbed->sim.clock, ns);
    for (size_t i = 0; ns > 0 && i < testbed->node_count; i++)
        clock_fake_advance(&testbed->nodes[i].clock, ns);
    loop_advance(testbed->sim.loop, &testbed->sim.clock, 0);
    for (size_t i = 0; i < testbed->node_count; i++)
        if (testbed->nodes[i].loop)
            loop_advance(testbed->nodes[i].loop, &testbed->nodes[i].clock, 0);
}

static void start_again(struct testbed *testbed, size_t index) {
    struct error err;
    testbed->stats.restarts++;
    if (node_start(testbed, index, &err) < 0)
        trace_add(testbed, &testbed->nodes[index], "does not start: %s", err.message);
}

/* Deaths wait until no host is on the stack. */
static void bury(struct testbed *testbed) {
    for (size_t i = 0; i < testbed->node_count; i++) {
        struct node *node = &testbed->nodes[i];
        bool ended = node->manager && manager_ended(node->manager);
        if (!node->doomed && !ended)
            continue;
        trace_add(testbed, node,
                  ended ? "ends, and is started again" : "dies, and is started again");
        node_kill(node);
        start_again(testbed, i);
    }
}

/* The one who created the testbed may look at what the server has, and end what is in progress. */
static void tell_changes(struct testbed *testbed) {
    uint64_t revision = apiserver_revision(testbed->server);
    if (testbed->options.changed == NULL || revision == testbed->seen_revision)
        return;
    struct error err = {0};
    testbed->seen_revision = revision;
    if (testbed->options.changed(testbed->options.context, &err) < 0)
        testbed->hot = err;
}

bool drive_step(struct testbed *testbed, uint64_t until) {
    uint64_t now = drive_now(testbed), due = loop_due(testbed->sim.loop);
    for (size_t i = 0; i < testbed->node_count; i++) {
        struct loop *loop = testbed->nodes[i].loop;
        if (loop && loop_due(loop) < due)
            due = loop_due(loop);
    }
    bool something = due <= until;
    uint64_t to = something ? due : until;
    tick(testbed, to > now ? to - now : 0);
    if (testbed->relief)
        relieve(testbed);
    bury(testbed);
    tell_changes(testbed);
    return something;
}

/* A key that has failed often enough since the run began is not waited for. Some fail before their
 * handler is called, so that only the queue knows. */
static bool fails_for_good(void *context, const char *controller, struct str key,
                           unsigned failures) {
    struct testbed *testbed = context;
    CLEANUP(strbuf_finish) struct strbuf name = {0};
    write_key(&name, controller, key);
    if ((uintptr_t)map_get(&testbed->failed, strbuf_view(&name)) > MOST_RETRIES)
        return true;
    uintptr_t first = (uintptr_t)map_get(&testbed->first, strbuf_view(&name));
    if (first > 0)
        return failures >= first + MOST_RETRIES;
    map_set(&testbed->first, strbuf_view(&name), (void *)(uintptr_t)failures, NULL);
    return false;
}

bool drive_busy(struct testbed *testbed, size_t *ret_waits, struct strbuf *why) {
    *ret_waits = 0;
    for (size_t i = 0; i < testbed->node_count; i++) {
        struct node *node = &testbed->nodes[i];
        struct manager_busy busy = {.skip = fails_for_good, .context = testbed};
        if (node->manager == NULL)
            return strbuf_printf(why, "%s does not run", node->name), true;
        if (!sim_wire_quiet(&node->calls) || !sim_wire_idle(&node->fetches))
            return strbuf_adds(why, "a request is under way"), true;
        if (loop_messages(node->loop) > 0)
            return strbuf_adds(why, "a message is under way"), true;
        if (manager_busy(node->manager, &busy, why))
            return true;
        *ret_waits += busy.waits;
    }
    if (!sim_wire_idle(&testbed->webhooks))
        return strbuf_adds(why, "a webhook is asked"), true;
    if (testbed->held_back > 0)
        return strbuf_adds(why, "a watch is behind"), true;
    if (!apiserver_idle(testbed->server))
        return strbuf_adds(why, "the API server is not through"), true;
    for (size_t i = 0; i < testbed->node_count; i++)
        if (manager_leads(testbed->nodes[i].manager))
            return false;
    return strbuf_adds(why, "nobody leads"), true;
}

static int give_up(const struct testbed *testbed, const struct strbuf *why, struct error *err) {
    if (testbed->hot.code != 0) {
        *err = testbed->hot;
        return err->code;
    }
    return error_set(err, ERROR_TIMEOUT, "nothing comes to rest: after two hours %s",
                     why->data ? why->data : "something is left to do");
}

int testbed_settle(struct testbed *testbed, struct error *err) {
    CLEANUP(strbuf_finish) struct strbuf why = {0};
    uint64_t limit = drive_now(testbed) + LIMIT_NS, still = 0, waiting = 0;
    drive_begin(testbed);
    for (;;) {
        size_t waits;
        uint64_t now = drive_now(testbed), until = limit;
        strbuf_clear(&why);
        bool busy = drive_busy(testbed, &waits, &why);
        still = busy ? 0 : still ? still : now;
        if (!busy) {
            waiting = waits == 0 ? 0 : waiting ? waiting : now;
            until = still + STILL_NS;
            if (waits && until < waiting + PATIENCE_NS)
                until = waiting + PATIENCE_NS;
        }
        if (testbed->hot.code != 0 || drive_now(testbed) >= limit)
            return give_up(testbed, &why, err);
        if (!drive_step(testbed, until) && !busy)
            return 0;
    }
}

int testbed_advance(struct testbed *testbed, uint64_t ns, struct error *err) {
    uint64_t until = drive_now(testbed) + ns;
    drive_begin(testbed);
    while (testbed->hot.code == 0 && drive_step(testbed, until))
        ;
    if (testbed->hot.code == 0)
        return 0;
    *err = testbed->hot;
    return err->code;
}

/* Loading */

static int rescan(struct testbed *testbed, struct error *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < testbed->node_count; i++)
        if (testbed->nodes[i].manager)
            rc = manager_rescan(testbed->nodes[i].manager, err);
    return rc;
}

static enum manager_file file_state(const struct testbed *testbed, const char *name,
                                    struct error *err, bool *ret_stale) {
    enum manager_file state = MANAGER_LIVE;
    *ret_stale = false;
    for (size_t i = 0; i < testbed->node_count && state == MANAGER_LIVE && !*ret_stale; i++)
        state = testbed->nodes[i].manager
                    ? manager_file(testbed->nodes[i].manager, name, ret_stale, err)
                    : MANAGER_LOADING;
    return state;
}

/* Until the file is live or has failed by its own fault. */
static int load(struct testbed *testbed, const char *name, uint64_t ns, struct error *err) {
    uint64_t until = drive_now(testbed) + ns;
    for (;;) {
        bool stale;
        enum manager_file state = file_state(testbed, name, err, &stale);
        if (state == MANAGER_LIVE && !stale)
            return 0;
        if (state == MANAGER_FAILED || (state == MANAGER_LIVE && stale))
            return err->code;
        if (testbed->hot.code != 0) {
            *err = testbed->hot;
            return err->code;
        }
        if (drive_now(testbed) >= until)
            return state == MANAGER_WAITING
                       ? err->code
                       : error_set(err, ERROR_TIMEOUT, "%s: is not live yet", name);
        drive_step(testbed, until);
    }
}

int testbed_load(struct testbed *testbed, struct script_source *source, struct error *err) {
    void *old = NULL;
    if (map_set(&testbed->sources, str_of(source->name), script_source_ref(source), &old) < 0) {
        script_source_unref(source);
        return error_set(err, ERROR_NOMEM, "%s: no memory", source->name);
    }
    script_source_unref(old);
    int rc = rescan(testbed, err);
    drive_begin(testbed);
    if (rc < 0)
        return rc;
    bool faulty = testbed->sim.faulty;
    rc = load(testbed, source->name, faulty ? FAULTY_LOAD_NS : LOAD_NS, err);
    if (rc == 0 || !faulty)
        return rc;
    testbed->sim.faulty = false; /* some plans let nothing through */
    rc = load(testbed, source->name, LIMIT_NS, err);
    testbed->sim.faulty = true;
    return rc;
}

int testbed_unload(struct testbed *testbed, const char *name, struct error *err) {
    struct script_source *source = map_remove(&testbed->sources, str_of(name));
    if (source == NULL)
        return error_set(err, ERROR_NOT_FOUND, "there is no file \"%s\"", name);
    int rc = rescan(testbed, err);
    script_source_unref(source);
    return rc < 0 ? rc : testbed_settle(testbed, err);
}
