#include "queue/workqueue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "support/oom_sweep.h"

struct setup {
    struct clock_fake clock;
    struct loop *loop;
    struct rng rng;
    struct workqueue *queue;
    unsigned ready_calls;
};

static void count_ready(void *context) {
    ((struct setup *)context)->ready_calls++;
}

static struct workqueue_options options_of(struct setup *setup) {
    return (struct workqueue_options){.loop = setup->loop,
                                      .rng = &setup->rng,
                                      .name = "test",
                                      .on_ready = count_ready,
                                      .context = setup};
}

static void start(struct setup *setup, double rate, uint64_t debounce_ns) {
    *setup = (struct setup){0};
    clock_fake_init(&setup->clock, NS_PER_S, 0);
    setup->loop = loop_create(&setup->clock.clock, NULL);
    assert_non_null(setup->loop);
    rng_init(&setup->rng, 1);
    struct workqueue_options options = options_of(setup);
    options.rate = rate;
    options.burst = 1;
    options.debounce_ns = debounce_ns;
    setup->queue = workqueue_create(&options, NULL);
    assert_non_null(setup->queue);
}

static void finish(struct setup *setup) {
    workqueue_destroy(setup->queue);
    loop_destroy(setup->loop);
}

static void advance(struct setup *setup, uint64_t ns) {
    loop_advance(setup->loop, &setup->clock, ns);
}

static void expect_get(struct setup *setup, const char *key) {
    struct workqueue_item item;
    assert_true(workqueue_get(setup->queue, &item));
    assert_true(str_is(item.key, key));
}

static void expect_none(struct setup *setup) {
    struct workqueue_item item;
    assert_false(workqueue_get(setup->queue, &item));
}

static void workqueue_add_in_work_is_ready_again_at_done(void **state) {
    (void)state;
    struct setup s;
    start(&s, 0, 0);
    assert_int_equal(workqueue_add(s.queue, str_of("a/x"), WORKQUEUE_LIVE, "event"), 0);
    assert_int_equal(workqueue_add(s.queue, str_of("a/x"), WORKQUEUE_LIVE, "event"), 0);
    assert_int_equal(s.ready_calls, 0); /* never from within a call */
    expect_get(&s, "a/x");
    assert_int_equal(workqueue_add(s.queue, str_of("a/x"), WORKQUEUE_LIVE, "event"), 0);
    expect_none(&s);
    workqueue_done(s.queue, str_of("a/x"));
    advance(&s, 1);
    assert_true(s.ready_calls > 0);
    expect_get(&s, "a/x");
    workqueue_done(s.queue, str_of("a/x"));
    expect_none(&s);
    finish(&s);
}

static void workqueue_add_after_keeps_the_earlier_time(void **state) {
    (void)state;
    struct setup s;
    start(&s, 0, 0);
    workqueue_add_after(s.queue, str_of("a/x"), 10 * NS_PER_S, "after");
    workqueue_add_after(s.queue, str_of("a/x"), 2 * NS_PER_S, "after");
    workqueue_add_after(s.queue, str_of("a/x"), 5 * NS_PER_S, "after");
    assert_int_equal(workqueue_stats(s.queue).delayed, 1);
    advance(&s, 2 * NS_PER_S - 1);
    expect_none(&s);
    advance(&s, 1);
    expect_get(&s, "a/x");
    workqueue_done(s.queue, str_of("a/x"));
    advance(&s, 20 * NS_PER_S);
    expect_none(&s);
    finish(&s);
}

static void workqueue_backoff_doubles_to_the_cap_until_forgotten(void **state) {
    (void)state;
    struct setup s;
    start(&s, 0, 0);
    uint64_t wait = 5 * NS_PER_MS;
    for (unsigned i = 1; i <= 30; i++) {
        assert_int_equal(workqueue_add_backoff(s.queue, str_of("a/x"), "retry"), 0);
        assert_int_equal(workqueue_failures(s.queue, str_of("a/x")), i);
        advance(&s, wait - 1);
        expect_none(&s);
        advance(&s, 1);
        expect_get(&s, "a/x");
        workqueue_done(s.queue, str_of("a/x"));
        wait = wait * 2 < 1000 * NS_PER_S ? wait * 2 : 1000 * NS_PER_S;
    }
    workqueue_forget(s.queue, str_of("a/x"));
    assert_int_equal(workqueue_failures(s.queue, str_of("a/x")), 0);
    finish(&s);
}

static void workqueue_backoff_waits_at_least_so_long(void **state) {
    (void)state;
    struct setup s;
    start(&s, 0, 0);
    assert_false(workqueue_waits(s.queue, str_of("a/x")));
    assert_int_equal(workqueue_add_backoff_least(s.queue, str_of("a/x"), 60 * NS_PER_S, "retry"),
                     0);
    assert_int_equal(workqueue_failures(s.queue, str_of("a/x")), 1);
    assert_true(workqueue_waits(s.queue, str_of("a/x")));
    advance(&s, 60 * NS_PER_S - 1);
    expect_none(&s);
    advance(&s, 1);
    assert_false(workqueue_waits(s.queue, str_of("a/x")));
    expect_get(&s, "a/x");
    workqueue_add_backoff_least(s.queue, str_of("a/x"), /* least_ns= */ 1, "retry");
    assert_false(workqueue_waits(s.queue, str_of("a/x"))); /* it is in work */
    workqueue_done(s.queue, str_of("a/x"));
    assert_true(workqueue_waits(s.queue, str_of("a/x")));
    advance(&s, 10 * NS_PER_MS); /* its own second backoff is longer */
    expect_get(&s, "a/x");
    workqueue_done(s.queue, str_of("a/x"));
    workqueue_forget(s.queue, str_of("a/x"));
    finish(&s);
}

static void workqueue_namespaces_and_priorities_take_turns(void **state) {
    (void)state;
    struct setup s;
    start(&s, 0, 0);
    static const char *const added[] = {"a/1", "a/2", "a/3", "b/1", "c"};
    workqueue_add(s.queue, str_of("a/0"), WORKQUEUE_LOW, "list");
    workqueue_add(s.queue, str_of("a/3"), WORKQUEUE_LOW, "list"); /* becomes LIVE below */
    for (size_t i = 0; i < 5; i++)
        workqueue_add(s.queue, str_of(added[i]), WORKQUEUE_LIVE, "event");
    static const char *const got[] = {"a/1", "b/1", "c", "a/2", "a/3", "a/0"};
    for (size_t i = 0; i < 6; i++)
        expect_get(&s, got[i]);
    expect_none(&s);
    finish(&s);
}

static void workqueue_empty_bucket_calls_on_ready_when_refilled(void **state) {
    (void)state;
    struct setup s;
    start(&s, /* rate= */ 2, 0);
    workqueue_add(s.queue, str_of("a/1"), WORKQUEUE_LIVE, "event");
    workqueue_add(s.queue, str_of("a/2"), WORKQUEUE_LIVE, "event");
    advance(&s, 0);
    expect_get(&s, "a/1");
    expect_none(&s);
    unsigned calls = s.ready_calls;
    advance(&s, NS_PER_S / 2 - 1);
    assert_int_equal(s.ready_calls, calls);
    advance(&s, 1);
    assert_int_equal(s.ready_calls, calls + 1);
    expect_get(&s, "a/2");
    finish(&s);
}

static void workqueue_configure_without_rate_ends_the_wait(void **state) {
    (void)state;
    struct setup s;
    start(&s, /* rate= */ 0.001, 0);
    workqueue_add(s.queue, str_of("a/1"), WORKQUEUE_LIVE, "event");
    workqueue_add(s.queue, str_of("a/2"), WORKQUEUE_LIVE, "event");
    advance(&s, 0);
    expect_get(&s, "a/1");
    expect_none(&s);
    unsigned calls = s.ready_calls;
    struct workqueue_options options = options_of(&s);
    workqueue_configure(s.queue, &options);
    advance(&s, 1);
    assert_int_equal(s.ready_calls, calls + 1);
    expect_get(&s, "a/2");
    finish(&s);
}

static void workqueue_debounce_waits_after_the_last_add(void **state) {
    (void)state;
    struct setup s;
    start(&s, 0, NS_PER_S);
    for (int i = 0; i < 3; i++) {
        workqueue_add(s.queue, str_of("a/x"), WORKQUEUE_LIVE, "event");
        advance(&s, NS_PER_S - 1);
        expect_none(&s);
    }
    advance(&s, 1);
    expect_get(&s, "a/x");
    finish(&s);
}

static void workqueue_shut_down_drops_adds_and_gives_none(void **state) {
    (void)state;
    struct setup s;
    start(&s, 0, 0);
    workqueue_add(s.queue, str_of("a/x"), WORKQUEUE_LIVE, "event");
    workqueue_shut_down(s.queue);
    workqueue_add(s.queue, str_of("a/y"), WORKQUEUE_LIVE, "event");
    assert_int_equal(workqueue_stats(s.queue).depth, 1);
    expect_none(&s);
    finish(&s);
}

/* An accepted key is never lost, whichever allocation fails. */
static void workqueue_survives_each_failed_allocation(void **state) {
    (void)state;
    struct oom_sweep sweep = {0};
    while (oom_sweep_next(&sweep)) {
        struct setup s = {0};
        clock_fake_init(&s.clock, NS_PER_S, 0);
        rng_init(&s.rng, 1);
        s.loop = loop_create(&s.clock.clock, NULL);
        struct workqueue_options options = s.loop ? options_of(&s) : (struct workqueue_options){0};
        s.queue = s.loop ? workqueue_create(&options, NULL) : NULL;
        if (s.queue) {
            bool low = workqueue_add(s.queue, str_of("a/x"), WORKQUEUE_LOW, "list") == 0;
            int live = workqueue_add(s.queue, str_of("a/x"), WORKQUEUE_LIVE, "event");
            assert_true(live == 0 || live == ERROR_NOMEM);
            bool accepted = low || live == 0;
            struct workqueue_item item;
            assert_int_equal(workqueue_get(s.queue, &item), accepted);
            if (accepted) {
                bool again = workqueue_add(s.queue, item.key, WORKQUEUE_LOW, "list") == 0;
                bool later = workqueue_add_backoff(s.queue, item.key, "retry") == 0;
                workqueue_done(s.queue, str_of("a/x"));
                advance(&s, NS_PER_S);
                assert_int_equal(workqueue_get(s.queue, &item), again || later);
            }
        }
        workqueue_destroy(s.queue);
        loop_destroy(s.loop);
    }
}

/* The reference: what must be true of each key, kept as plainly as possible. */
enum { KEYS = 12, STEPS = 3000, SEEDS = 60, NAMESPACES = 3, NEVER = -1 };
struct model {
    bool ready, in_work, dirty;
    int64_t due;     /* NEVER, or when the delayed add comes */
    unsigned passed; /* gets that went to other namespaces while this one was ready, LIVE */
    enum workqueue_priority priority;
};

static void model_add(struct model *key, enum workqueue_priority priority) {
    if (!key->ready && !key->dirty)
        key->priority = priority;
    else if (priority > key->priority)
        key->priority = priority;
    if (!key->ready && !key->dirty)
        key->passed = 0;
    *(key->in_work ? &key->dirty : &key->ready) = true;
    key->due = NEVER;
}

static void model_tick(struct model *keys, int64_t now) {
    for (int i = 0; i < KEYS; i++)
        if (keys[i].due != NEVER && keys[i].due <= now)
            model_add(&keys[i], WORKQUEUE_LIVE);
}

static void name_of(int i, char text[16]) {
    snprintf(text, 16, "n%d/k%d", i % NAMESPACES, i);
}

/* Gives the key got, and checks that the model allows it and that nobody's turn is passed over. */
static void model_get(struct setup *s, struct model *keys) {
    struct workqueue_item item;
    bool got = workqueue_get(s->queue, &item), any = false, live = false;
    for (int i = 0; i < KEYS; i++) {
        any |= keys[i].ready;
        live |= keys[i].ready && keys[i].priority == WORKQUEUE_LIVE;
    }
    assert_int_equal(got, any); /* no dirty key is lost, none comes early */
    if (!got)
        return;
    int at = -1;
    for (int i = 0; i < KEYS; i++) {
        char name[16];
        name_of(i, name);
        if (str_is(item.key, name))
            at = i;
    }
    assert_true(at >= 0 && keys[at].ready && !keys[at].in_work); /* never two on one key */
    assert_true(!live || keys[at].priority == WORKQUEUE_LIVE);
    keys[at].ready = false;
    keys[at].in_work = true;
    for (int i = 0; i < KEYS; i++) /* fairness: a line of n keys is through after n rounds */
        if (keys[i].ready && keys[i].priority == WORKQUEUE_LIVE)
            assert_true(++keys[i].passed <= NAMESPACES * (KEYS / NAMESPACES));
}

static void model_step(struct setup *s, struct model *keys, struct rng *rng) {
    int i = (int)rng_below(rng, KEYS);
    struct model *key = &keys[i];
    int64_t now = (int64_t)s->clock.mono_ns;
    uint64_t delay = 1 + rng_below(rng, 100);
    char name[16];
    name_of(i, name);
    switch (rng_below(rng, 7)) {
    case 0: {
        enum workqueue_priority priority = rng_below(rng, 2) ? WORKQUEUE_LIVE : WORKQUEUE_LOW;
        if (!key->ready && !key->dirty && key->priority != priority)
            key->passed = 0;
        assert_int_equal(workqueue_add(s->queue, str_of(name), priority, "event"), 0);
        if (key->ready && priority > key->priority)
            key->passed = 0;
        model_add(key, priority);
        break;
    }
    case 1:
        assert_int_equal(workqueue_add_after(s->queue, str_of(name), delay, "after"), 0);
        if (!key->ready && (key->due == NEVER || now + (int64_t)delay < key->due))
            key->due = now + (int64_t)delay;
        break;
    case 2:
    case 3:
        model_get(s, keys);
        break;
    case 4:
        if (!key->in_work)
            break;
        workqueue_done(s->queue, str_of(name));
        key->in_work = false;
        key->ready = key->dirty;
        key->dirty = false;
        key->passed = 0;
        break;
    case 5:
        advance(s, delay / 4);
        model_tick(keys, (int64_t)s->clock.mono_ns);
        break;
    default:
        if (rng_below(rng, 20) > 0)
            break;
        workqueue_remove(s->queue, str_of(name));
        key->ready = key->dirty = false;
        key->due = NEVER;
    }
}

static void workqueue_random_use_agrees_with_the_model(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct setup s;
        start(&s, 0, 0);
        struct rng rng;
        rng_init(&rng, seed);
        struct model keys[KEYS] = {0};
        for (int i = 0; i < KEYS; i++)
            keys[i].due = NEVER;
        for (int step = 0; step < STEPS; step++) {
            model_step(&s, keys, &rng);
            size_t depth = 0, delayed = 0, in_work = 0;
            for (int i = 0; i < KEYS; i++) {
                depth += keys[i].ready;
                delayed += keys[i].due != NEVER;
                in_work += keys[i].in_work;
            }
            struct workqueue_stats stats = workqueue_stats(s.queue);
            if (stats.depth != depth || stats.delayed != delayed || stats.in_work != in_work)
                fail_msg("seed %u step %d: depth, delayed or in_work differ", (unsigned)seed, step);
        }
        finish(&s);
    }
}

static void workqueue_split_key_gives_namespace_and_name(void **state) {
    (void)state;
    struct str ns, name;
    workqueue_split_key(str_of("ns/a"), &ns, &name);
    assert_true(str_is(ns, "ns") && str_is(name, "a"));
    workqueue_split_key(str_of("node-1"), &ns, &name);
    assert_true(str_is(ns, "") && str_is(name, "node-1"));
    workqueue_split_key(str_of(""), &ns, &name);
    assert_true(str_is(ns, "") && str_is(name, ""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workqueue_split_key_gives_namespace_and_name),
        cmocka_unit_test(workqueue_add_in_work_is_ready_again_at_done),
        cmocka_unit_test(workqueue_add_after_keeps_the_earlier_time),
        cmocka_unit_test(workqueue_backoff_doubles_to_the_cap_until_forgotten),
        cmocka_unit_test(workqueue_backoff_waits_at_least_so_long),
        cmocka_unit_test(workqueue_namespaces_and_priorities_take_turns),
        cmocka_unit_test(workqueue_empty_bucket_calls_on_ready_when_refilled),
        cmocka_unit_test(workqueue_configure_without_rate_ends_the_wait),
        cmocka_unit_test(workqueue_debounce_waits_after_the_last_add),
        cmocka_unit_test(workqueue_shut_down_drops_adds_and_gives_none),
        cmocka_unit_test(workqueue_survives_each_failed_allocation),
        cmocka_unit_test(workqueue_random_use_agrees_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
