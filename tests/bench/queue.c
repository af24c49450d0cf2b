/* Keys through the workqueue: CPU time per operation, on one thread. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "queue/workqueue.h"

enum { KEYS = 100000, HOT = 1000, NAMESPACES = 100, ROUNDS = 20 };

struct bench {
    struct clock_fake clock;
    struct loop *loop;
    struct workqueue *queue;
    char (*keys)[32];
};

static double cpu(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void say(const char *what, double since, int count) {
    double each = (cpu() - since) / count;
    printf("%-44s %7.0f ns   %5.1f million/s\n", what, each * 1e9, 1e-6 / each);
}

static void add(struct bench *bench, int count) {
    for (int i = 0; i < count; i++)
        workqueue_add(bench->queue, str_of(bench->keys[i]), WORKQUEUE_LIVE, "event");
}

static void drain(struct bench *bench) {
    struct workqueue_item item;
    while (workqueue_get(bench->queue, &item))
        workqueue_done(bench->queue, item.key);
}

static void on_ready(void *context) {
    (void)context;
}

int main(void) {
    struct bench bench = {.keys = mem_calloc(KEYS, sizeof *bench.keys)};
    struct error err;
    struct rng rng;
    clock_fake_init(&bench.clock, 1, 0);
    rng_init(&rng, 1);
    bench.loop = loop_create(&bench.clock.clock, &err);
    struct workqueue_options options = {
        .loop = bench.loop, .rng = &rng, .name = "bench", .on_ready = on_ready};
    bench.queue = workqueue_create(&options, &err);
    for (int i = 0; i < KEYS; i++)
        snprintf(bench.keys[i], sizeof *bench.keys, "ns-%d/pod-%06d", i % NAMESPACES, i);

    double since = cpu();
    add(&bench, KEYS);
    say("add of 100,000 new keys", since, KEYS);
    since = cpu();
    for (int i = 0; i < ROUNDS; i++)
        add(&bench, KEYS);
    say("add of 100,000 keys that wait already", since, KEYS * ROUNDS);
    since = cpu();
    for (int i = 0; i < ROUNDS * 100; i++)
        add(&bench, HOT);
    say("add of 1,000 keys that wait already", since, HOT * ROUNDS * 100);
    since = cpu();
    drain(&bench);
    say("get and done of 100,000", since, KEYS);
    since = cpu();
    for (int i = 0; i < ROUNDS * 100; i++) {
        add(&bench, HOT);
        drain(&bench);
    }
    say("add, get and done of 1,000", since, HOT * ROUNDS * 100);

    workqueue_destroy(bench.queue);
    loop_destroy(bench.loop);
    mem_free(bench.keys);
    return 0;
}
