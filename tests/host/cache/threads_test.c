/* R17: one writer, four readers with pins. Built with -DMOONLET_SANITIZE=thread it is the proof. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "cache/store.h"
#include "loop/thread.h"

enum { READERS = 4, NAMES = 200, ROUNDS = 12000, HELD = 16 };

struct world {
    struct dag *dag;
    struct epochs *epochs;
    struct store *store;
    atomic_bool stop;
    atomic_int woken;
};
struct reader {
    struct world *world;
    struct epoch_reader *epoch;
    struct rng rng;
    const struct object *held[HELD];
    uint64_t seen, wrong;
};

static void count_wake(void *context) {
    atomic_fetch_add(&((struct world *)context)->woken, 1);
}

/* Each object repeats its version in its spec: a torn or reused one would not. */
static bool is_whole(const struct object *object) {
    struct dag *dag = object->dag;
    int64_t copy = -1;
    node_t spec = node_get(dag, object->root, str_of("spec"));
    return node_int(dag, node_get(dag, spec, str_of("copy")), &copy) &&
           (uint64_t)copy == object->version &&
           node_count(dag, node_get(dag, spec, str_of("list"))) == object->version % 7;
}

static bool check(void *context, const struct object *object) {
    struct reader *r = context;
    r->seen++;
    r->wrong += !is_whole(object);
    if (rng_below(&r->rng, 8) == 0) {
        uint64_t at = rng_below(&r->rng, HELD);
        if (r->held[at] == NULL)
            r->held[at] = object_pin(object);
    }
    return rng_below(&r->rng, 50) > 0;
}

static bool is_some(void *context, const struct dag *dag, node_t labels) {
    struct reader *r = context;
    node_t label = node_get(dag, labels, str_of("l"));
    r->wrong += label != NODE_NONE && node_type(dag, label) != NODE_STRING;
    return rng_below(&r->rng, 2);
}

static void read_all(void *context) {
    struct reader *r = context;
    struct store *store = r->world->store;
    while (!atomic_load(&r->world->stop)) {
        char text[32];
        epoch_enter(r->epoch);
        snprintf(text, sizeof text, "n%d", (int)rng_below(&r->rng, NAMES));
        const struct object *object = store_get(store, str_of("ns"), str_of(text));
        if (object)
            check(r, object);
        store_each(store, (struct str){0}, check, r);
        store_each(store, str_of("ns"), check, r);
        snprintf(text, sizeof text, "o%d", (int)rng_below(&r->rng, 5));
        store_each_owned(store, str_of(text), check, r);
        store_each_labelled(store, is_some, check, r);
        epoch_leave(r->epoch);
        for (int i = 0; i < HELD; i++)
            if (r->held[i] && rng_below(&r->rng, 2)) {
                r->wrong += !is_whole(r->held[i]);
                object_unpin(r->held[i]);
                r->held[i] = NULL;
            }
    }
    for (int i = 0; i < HELD; i++)
        object_unpin(r->held[i]);
}

static int print(char json[600], struct rng *rng, int name, int version) {
    int list = version % 7;
    int len =
        snprintf(json, 600,
                 "{\"metadata\":{\"name\":\"n%d\",\"namespace\":\"%s\",\"uid\":\"u%d\","
                 "\"resourceVersion\":\"%d\",\"labels\":{\"l\":\"%d\"},"
                 "\"ownerReferences\":[{\"uid\":\"o%d\"},{\"uid\":\"o%d\"}]},"
                 "\"spec\":{\"copy\":%d,\"list\":[",
                 name, name % 3 ? "ns" : "other", version % 4 ? name : version, version,
                 (int)rng_below(rng, 6), (int)rng_below(rng, 5), (int)rng_below(rng, 5), version);
    for (int i = 0; i < list; i++)
        len += snprintf(json + len, 600 - (size_t)len, "%s{\"k%d\":%d}", i ? "," : "",
                        (int)rng_below(rng, 1000), i);
    return len + snprintf(json + len, 600 - (size_t)len, "]}}");
}

/* A list of a few: what is not in it goes. */
static void relist(struct world *world, struct rng *rng, int version, int count) {
    struct str all = {0};
    char json[600];
    if (rng_below(rng, 4) == 0)
        store_distrust_versions(world->store, all);
    uint64_t begun = store_replace_begin(world->store);
    for (int i = 0; i < count; i++) {
        int len = print(json, rng, (int)rng_below(rng, NAMES), version);
        store_put(world->store, str_n(json, (size_t)len), STORE_LISTED, NULL, NULL);
    }
    store_replace_contradicts(world->store, all, (uint64_t)version);
    store_replace_end(world->store, begun, all, (uint64_t)version);
}

static void write_some(struct world *world, struct rng *rng, int version) {
    char json[600], text[32];
    int name = (int)rng_below(rng, NAMES), len = print(json, rng, name, version);
    enum store_source source = version % 5 ? STORE_EVENT : STORE_WRITE;
    assert_int_equal(store_put(world->store, str_n(json, (size_t)len), source, NULL, NULL), 0);
    if (version % 3 == 0)
        store_delete_event(world->store, str_n(json, (size_t)len), NULL);
    if (version % 11 == 0) {
        snprintf(text, sizeof text, "u%d", name);
        char own[32];
        snprintf(own, sizeof own, "n%d", name);
        store_tombstone(world->store, str_of(name % 3 ? "ns" : "other"), str_of(own), str_of(text));
    }
    if (version % 300 == 0)
        relist(world, rng, version, NAMES / 2);
    if (version % 1500 == 0) /* everything goes, tables shrink */
        relist(world, rng, version, 0);
}

static void threads_readers_see_whole_objects(void **state) {
    (void)state;
    uint64_t blocks = mem_stats().blocks;
    struct world world = {.dag = dag_create(NULL, NULL)};
    struct reader readers[READERS] = {0};
    struct thread *threads[READERS];
    world.epochs = epochs_create(world.dag, count_wake, &world, NULL);
    struct store_options options = {.epochs = world.epochs, .dag = world.dag};
    world.store = store_create(&options, NULL);
    for (int i = 0; i < READERS; i++) {
        readers[i].world = &world;
        readers[i].epoch = epoch_reader_create(world.epochs, NULL);
        rng_init(&readers[i].rng, (uint64_t)i + 1);
        threads[i] = thread_start("reader", read_all, &readers[i], NULL);
        assert_non_null(threads[i]);
    }
    struct rng rng;
    rng_init(&rng, 99);
    for (int version = 1; version <= ROUNDS; version++)
        write_some(&world, &rng, version);
    atomic_store(&world.stop, true);
    uint64_t wrong = 0;
    for (int i = 0; i < READERS; i++) {
        thread_join(threads[i]);
        epoch_reader_destroy(readers[i].epoch);
        wrong += readers[i].wrong;
    }
    assert_int_equal(wrong, 0);
    store_destroy(world.store);
    epochs_reclaim(world.epochs);
    assert_int_equal(dag_stats(world.dag).nodes, 0);
    epochs_destroy(world.epochs);
    dag_destroy(world.dag);
    assert_int_equal(mem_stats().blocks, blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_readers_see_whole_objects)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
