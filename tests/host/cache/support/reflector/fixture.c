#include "cache/support/reflector/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void record(void *context, const struct store_delta *delta) {
    struct fixture *f = context;
    const struct object *object = delta->now ? delta->now : delta->old;
    strbuf_printf(&f->deltas, "%c%.*s:%d%s ", "+~-"[delta->change], STR_ARG(object_name(object)),
                  (int)object -> version, delta -> initial ? "i" : "");
}

static void on_synced(void *context) {
    ((struct fixture *)context)->synced++;
}

static void on_error(void *context, const struct error *err) {
    ((struct fixture *)context)->last_error = err ? err->code : 0;
}

void fixture_begin(struct fixture *f) {
    *f = (struct fixture){.blocks = mem_stats().blocks};
    clock_fake_init(&f->clock, 1000 * NS_PER_S, 0);
    f->loop = loop_create(&f->clock.clock, NULL);
    rng_init(&f->rng, 11);
    f->dag = dag_create(NULL, NULL);
    f->epochs = epochs_create(f->dag, NULL, NULL, NULL);
    struct store_options store = {.epochs = f->epochs, .dag = f->dag, .emit = record, .context = f};
    f->store = store_create(&store, NULL);
    fake_source_init(&f->fake);
    struct reflector_options options = {
        .loop = f->loop,
        .rng = &f->rng,
        .source = &f->fake.source,
        .dag = f->dag,
        .store = f->store,
        .select = {.label_selector = "app=web", .metadata_only = true},
        .on_synced = on_synced,
        .on_error = on_error,
        .context = f};
    reflector_init(&f->reflector, &options);
    reflector_start(&f->reflector);
}

void fixture_end(struct fixture *f) {
    reflector_finish(&f->reflector);
    assert_int_equal(fake_source_open(&f->fake), 0);
    store_destroy(f->store);
    epochs_destroy(f->epochs);
    dag_destroy(f->dag);
    loop_destroy(f->loop);
    strbuf_finish(&f->deltas);
    assert_int_equal(mem_stats().blocks, f->blocks);
}

void fixture_assert_deltas(struct fixture *f, const char *expected) {
    assert_string_equal(f->deltas.data ? f->deltas.data : "", expected);
    strbuf_clear(&f->deltas);
}

struct kube_watch *fixture_watch(struct fixture *f) {
    assert_non_null(f->reflector.watch);
    return f->reflector.watch;
}

struct kube_list *fixture_list(struct fixture *f) {
    assert_non_null(f->reflector.list);
    return f->reflector.list;
}

void fixture_pass(struct fixture *f, double seconds) {
    loop_advance(f->loop, &f->clock, (uint64_t)(seconds * (double)NS_PER_S));
}

void fixture_sync_by_stream(struct fixture *f) {
    fake_pod(fixture_watch(f), KUBE_ADDED, "a", 1);
    fake_pod(fixture_watch(f), KUBE_ADDED, "b", 2);
    fake_bookmark(fixture_watch(f), 5, /* ends_initial= */ true);
    assert_int_equal(f->reflector.phase, REFLECTOR_WATCHING);
    strbuf_clear(&f->deltas);
}

void fixture_sync_by_list(struct fixture *f) {
    fake_watch_end(fixture_watch(f), ERROR_REJECTED, 422, 0);
    fake_item(fixture_list(f), "a", 1);
    fake_item(fixture_list(f), "b", 2);
    fake_list_end(fixture_list(f), "5", "");
    assert_int_equal(f->reflector.phase, REFLECTOR_WATCHING);
    strbuf_clear(&f->deltas);
}

void fixture_assert_streaming(struct fixture *f, const char *version) {
    assert_int_equal(f->reflector.phase, REFLECTOR_STREAMING);
    assert_true(fixture_watch(f)->options.send_initial_events);
    assert_string_equal(fixture_watch(f)->options.resource_version_match, "NotOlderThan");
    assert_string_equal(fixture_watch(f)->version, version);
}

void fixture_assert_watching(struct fixture *f, const char *version) {
    assert_int_equal(f->reflector.phase, REFLECTOR_WATCHING);
    assert_false(fixture_watch(f)->options.send_initial_events);
    assert_null(fixture_watch(f)->options.resource_version_match);
    assert_string_equal(fixture_watch(f)->version, version);
}

int fixture_setup(void **state) {
    static struct fixture fixture;
    fixture_begin(&fixture);
    *state = &fixture;
    return 0;
}

int fixture_teardown(void **state) {
    fixture_end(*state);
    return 0;
}
