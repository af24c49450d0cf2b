#include "cache/reflector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cache/support/fake_source.h"

struct fixture {
    struct clock_fake clock;
    struct loop *loop;
    struct rng rng;
    struct dag *dag;
    struct epochs *epochs;
    struct store *store;
    struct fake_source fake;
    struct reflector reflector;
    struct strbuf deltas;
    int synced, last_error;
    uint64_t blocks;
};

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

static void setup(struct fixture *f) {
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

static void finish(struct fixture *f) {
    reflector_finish(&f->reflector);
    assert_int_equal(fake_source_open(&f->fake), 0);
    store_destroy(f->store);
    epochs_destroy(f->epochs);
    dag_destroy(f->dag);
    loop_destroy(f->loop);
    strbuf_finish(&f->deltas);
    assert_int_equal(mem_stats().blocks, f->blocks);
}

static void assert_deltas(struct fixture *f, const char *expected) {
    assert_string_equal(f->deltas.data ? f->deltas.data : "", expected);
    strbuf_clear(&f->deltas);
}

static struct kube_watch *watch(struct fixture *f) {
    assert_non_null(f->reflector.watch);
    return f->reflector.watch;
}

static struct kube_list *list(struct fixture *f) {
    assert_non_null(f->reflector.list);
    return f->reflector.list;
}

static void pass(struct fixture *f, double seconds) {
    loop_advance(f->loop, &f->clock, (uint64_t)(seconds * (double)NS_PER_S));
}

/* Brings it to watching with pods a:1 and b:2, list version 5. */
static void sync_by_stream(struct fixture *f) {
    fake_pod(watch(f), KUBE_ADDED, "a", 1);
    fake_pod(watch(f), KUBE_ADDED, "b", 2);
    fake_bookmark(watch(f), 5, /* ends_initial= */ true);
    assert_int_equal(f->reflector.phase, REFLECTOR_WATCHING);
    strbuf_clear(&f->deltas);
}

/* The same for a server without streaming lists. */
static void sync_by_list(struct fixture *f) {
    fake_watch_end(watch(f), ERROR_REJECTED, 422, 0);
    fake_item(list(f), "a", 1);
    fake_item(list(f), "b", 2);
    fake_list_end(list(f), "5", "");
    assert_int_equal(f->reflector.phase, REFLECTOR_WATCHING);
    strbuf_clear(&f->deltas);
}

static void assert_streaming(struct fixture *f, const char *version) {
    assert_int_equal(f->reflector.phase, REFLECTOR_STREAMING);
    assert_true(watch(f)->options.send_initial_events);
    assert_string_equal(watch(f)->options.resource_version_match, "NotOlderThan");
    assert_string_equal(watch(f)->version, version);
}

static void assert_watching(struct fixture *f, const char *version) {
    assert_int_equal(f->reflector.phase, REFLECTOR_WATCHING);
    assert_false(watch(f)->options.send_initial_events);
    assert_null(watch(f)->options.resource_version_match);
    assert_string_equal(watch(f)->version, version);
}

static void reflector_streams_the_first_list(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    assert_streaming(&f, "");
    struct kube_watch_options *options = &watch(&f)->options;
    assert_true(options->bookmarks && options->select.metadata_only); /* R23 */
    assert_string_equal(options->select.label_selector, "app=web");
    assert_in_range(options->timeout_s, 300, 600);
    fake_pod(watch(&f), KUBE_ADDED, "a", 1);
    assert_int_equal(f.synced, 0); /* R10: not before it is complete */
    fake_bookmark(watch(&f), 2, /* ends_initial= */ false);
    assert_int_equal(f.synced, 0);
    fake_bookmark(watch(&f), 5, /* ends_initial= */ true);
    assert_int_equal(f.synced, 1);
    fake_pod(watch(&f), KUBE_MODIFIED, "a", 6);
    fake_pod(watch(&f), KUBE_DELETED, "a", 7);
    assert_deltas(&f, "+a:1i ~a:6 -a:7 ");
    assert_int_equal(f.reflector.lists, 1);
    finish(&f);
}

static void reflector_falls_back_to_pages(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    fake_watch_end(watch(&f), ERROR_REJECTED, 422, 0);
    assert_string_equal(list(&f)->version, "0");
    assert_int_equal(list(&f)->options.limit, 500);
    fake_item(list(&f), "a", 1);
    fake_list_end(list(&f), "5", "next");
    assert_string_equal(list(&f)->token, "next");
    assert_string_equal(list(&f)->version, "(null)");
    assert_int_equal(list(&f)->options.limit, 500);
    fake_item(list(&f), "b", 2);
    assert_int_equal(f.synced, 0);
    fake_list_end(list(&f), "5", "");
    assert_int_equal(f.synced, 1);
    assert_watching(&f, "5");
    assert_deltas(&f, "+a:1i +b:2i ");
    finish(&f);
}

static void reflector_stream_without_end_falls_back(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    pass(&f, 8);
    fake_pod(watch(&f), KUBE_ADDED, "a", 1); /* it is going on */
    pass(&f, 8);
    assert_int_equal(f.reflector.phase, REFLECTOR_STREAMING);
    pass(&f, 3);
    assert_int_equal(f.reflector.phase, REFLECTOR_LISTING);
    fake_item(list(&f), "a", 1);
    fake_list_end(list(&f), "1", "");
    assert_watching(&f, "1");
    fake_watch_end(watch(&f), ERROR_GONE, 410, 0); /* and is not tried again */
    pass(&f, 1);
    assert_int_equal(f.reflector.phase, REFLECTOR_LISTING);
    finish(&f);
}

static void reflector_cut_in_the_first_list_starts_over(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    fake_pod(watch(&f), KUBE_ADDED, "a", 1);
    fake_pod(watch(&f), KUBE_ADDED, "gone", 2);
    fake_watch_end(watch(&f), ERROR_UNAVAILABLE, 0, 0);
    assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
    assert_int_equal(f.last_error, ERROR_UNAVAILABLE);
    pass(&f, 0.8);
    assert_streaming(&f, "2"); /* what was seen, or newer: another server may be behind */
    fake_pod(watch(&f), KUBE_ADDED, "a", 1);
    fake_watch_end(watch(&f), 0, 0, 0); /* a normal end is none here */
    pass(&f, 1.6);
    assert_streaming(&f, "2");
    fake_pod(watch(&f), KUBE_ADDED, "a", 1);
    fake_bookmark(watch(&f), 5, true);
    assert_deltas(&f, "+a:1i +gone:2i -gone:2 ");
    assert_int_equal(f.last_error, 0);
    finish(&f);
}

static void reflector_cut_between_pages_starts_over(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    fake_watch_end(watch(&f), ERROR_REJECTED, 400, 0);
    fake_item(list(&f), "a", 1);
    fake_list_end(list(&f), "5", "next");
    fake_list_fail(list(&f), ERROR_UNAVAILABLE, 0, 0);
    assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
    pass(&f, 0.8);
    assert_string_equal(list(&f)->token, "(null)");
    fake_list_end(list(&f), "6", "");
    assert_deltas(&f, "+a:1i -a:1 ");
    finish(&f);
}

/* An object that is refused is told and left out; what is no JSON says nothing about what is there.
 */
static void reflector_damaged_list_forgets_nothing(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    sync_by_list(&f);
    fake_watch_end(watch(&f), ERROR_GONE, 410, 0);
    pass(&f, 0.8);
    fake_item(list(&f), "a", 7);
    fake_item_json(list(&f), "{\"metadata\":{\"name\":\"b\"},]}");
    assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
    assert_deltas(&f, "~a:7 ");
    pass(&f, 1.6);
    fake_item_json(list(&f), "{\"metadata\":{\"name\":\"c\",\"name\":\"d\"}}");
    assert_int_equal(f.last_error, ERROR_REJECTED);
    fake_item(list(&f), "a", 7);
    mem_fail_at(0, /* forever= */ true);
    fake_item(list(&f), "e", 8);
    mem_fail_stop();
    assert_int_equal(f.last_error, ERROR_NOMEM);
    pass(&f, 3.2);
    fake_item(list(&f), "a", 7);
    fake_list_end(list(&f), "9", "");
    assert_deltas(&f, "-b:2 ");
    finish(&f);
}

/* Its stream ends, or (cut) its connection. */
static void end_stream(struct fixture *f, bool cut) {
    fake_watch_end(watch(f), cut ? ERROR_UNAVAILABLE : 0, cut ? 200 : 0, 0);
}

static void reflector_ended_watch_is_followed_at_once(void **state) {
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct fixture f;
        setup(&f);
        sync_by_stream(&f);
        fake_pod(watch(&f), KUBE_MODIFIED, "a", 8);
        for (int i = 0; i < 20; i++) { /* as often as it happens */
            pass(&f, 1);
            end_stream(&f, cut);
            assert_watching(&f, "8");
        }
        fake_bookmark(watch(&f), 12, false);
        pass(&f, 1);
        end_stream(&f, cut);
        assert_watching(&f, "12");
        assert_int_equal(f.last_error, 0); /* nobody has to know */
        assert_int_equal(f.reflector.lists, 1);
        fake_watch_end(watch(&f), ERROR_UNAVAILABLE, 0, 0); /* refused: there is no server */
        assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
        assert_int_equal(f.last_error, ERROR_UNAVAILABLE);
        finish(&f);
    }
}

/* A server that answers and cuts does not make us spin, whether it brings something or not. */
static void reflector_backs_off_when_watches_end_at_once(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct fixture f;
        bool cut = i & 1, brings = i & 2;
        setup(&f);
        sync_by_stream(&f);
        int watches = f.fake.watches, version = 6;
        for (int tenths = 0; tenths < 36000; tenths++) {
            for (int at_once = 0; f.reflector.phase == REFLECTOR_WATCHING; at_once++) {
                assert_int_equal(at_once, 0);
                if (brings)
                    fake_pod(watch(&f), KUBE_MODIFIED, "a", version++);
                end_stream(&f, cut);
            }
            pass(&f, 0.1);
        }
        assert_in_range(f.fake.watches - watches, 3600 / 30, 3600 / 12); /* in an hour */
        assert_int_equal(f.last_error, ERROR_UNAVAILABLE);
        assert_int_equal(f.reflector.lists, 1);
        while (f.reflector.phase != REFLECTOR_WATCHING)
            pass(&f, 1);
        pass(&f, 121); /* well again */
        end_stream(&f, cut);
        end_stream(&f, cut);
        assert_true(f.reflector.retry.due - loop_now(f.loop) <= 800 * NS_PER_MS);
        finish(&f);
    }
}

static void reflector_cut_watch_goes_on_without_relist(void **state) {
    (void)state;
    static const int codes[] = {ERROR_UNAVAILABLE, ERROR_PROTOCOL, ERROR_UNAUTHORIZED,
                                ERROR_FORBIDDEN};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct fixture f;
        setup(&f);
        sync_by_stream(&f);
        fake_pod(watch(&f), KUBE_ADDED, "c", 9);
        fake_watch_end(watch(&f), codes[i], 0, 0);
        assert_int_equal(f.last_error, codes[i]);
        pass(&f, 0.8);
        assert_watching(&f, "9");
        fake_pod(watch(&f), KUBE_MODIFIED, "c", 10);
        assert_int_equal(f.last_error, 0);
        assert_int_equal(f.reflector.lists, 1);
        finish(&f);
    }
}

static void reflector_throttled_waits_as_told(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    fake_watch_end(watch(&f), ERROR_THROTTLED, 429, 7 * NS_PER_S);
    pass(&f, 6.9);
    assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
    pass(&f, 0.2);
    sync_by_stream(&f);
    fake_watch_end(watch(&f), ERROR_THROTTLED, 429, 40 * NS_PER_S);
    pass(&f, 39.9);
    assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
    pass(&f, 0.2);
    assert_watching(&f, "5"); /* no relist */
    assert_int_equal(f.reflector.lists, 2);
    finish(&f);
}

static void reflector_gone_watch_relists(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    sync_by_stream(&f);
    fake_pod(watch(&f), KUBE_MODIFIED, "a", 6);
    pass(&f, 1);
    fake_watch_end(watch(&f), ERROR_GONE, 410, 0);
    assert_streaming(&f, "6");
    fake_pod(watch(&f), KUBE_ADDED, "b", 2);
    fake_pod(watch(&f), KUBE_ADDED, "c", 11);
    fake_bookmark(watch(&f), 12, true);
    assert_deltas(&f, "~a:6 +c:11 -a:6 ");
    assert_int_equal(f.synced, 1);
    fake_watch_end(watch(&f), ERROR_GONE, 410, 0); /* again, and at once: after a while */
    assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
    pass(&f, 0.8);
    assert_streaming(&f, "12");
    fake_bookmark(watch(&f), 13, true);
    finish(&f);
}

static void reflector_gone_pages_become_one_list(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    fake_watch_end(watch(&f), ERROR_REJECTED, 422, 0);
    fake_item(list(&f), "a", 1);
    fake_item(list(&f), "gone", 2);
    fake_list_end(list(&f), "5", "next");
    fake_list_fail(list(&f), ERROR_GONE, 410, 0);
    assert_int_equal(list(&f)->options.limit, 0);
    assert_string_equal(list(&f)->token, "(null)");
    fake_item(list(&f), "a", 1);
    fake_list_end(list(&f), "9", "");
    assert_deltas(&f, "+a:1i +gone:2i -gone:2 ");
    fake_pod(watch(&f), KUBE_MODIFIED, "a", 10);
    pass(&f, 1);
    fake_watch_end(watch(&f), ERROR_GONE, 410, 0);
    assert_string_equal(list(&f)->version, "10"); /* from a version: whole, from the cache */
    assert_int_equal(list(&f)->options.limit, 0);
    fake_list_fail(list(&f), ERROR_GONE, 410, 0); /* too old: the newest state, at once */
    assert_string_equal(list(&f)->version, "(null)");
    assert_int_equal(list(&f)->options.limit, 500);
    fake_list_fail(list(&f), ERROR_GONE, 410, 0);
    assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
    pass(&f, 0.8);
    assert_string_equal(list(&f)->version, "(null)");
    finish(&f);
}

static void reflector_follows_a_server_that_went_back(void **state) {
    (void)state;
    for (int streaming = 0; streaming < 2; streaming++) {
        struct fixture f;
        setup(&f);
        if (streaming)
            sync_by_stream(&f);
        else
            sync_by_list(&f);
        fake_pod(watch(&f), KUBE_MODIFIED, "a", 100);
        fake_watch_end(watch(&f), ERROR_TIMEOUT, 504, 0); /* "too large resource version" */
        pass(&f, 0.8);
        for (int round = 0; round < 2; round++) { /* the first shows it, the second is believed */
            if (streaming) {
                assert_streaming(&f, "(null)");
                fake_pod(watch(&f), KUBE_ADDED, "a", 50);
                fake_bookmark(watch(&f), 60, true);
            } else {
                assert_string_equal(list(&f)->version, "(null)");
                fake_item(list(&f), "a", 50);
                fake_list_end(list(&f), "60", "");
            }
        }
        assert_int_equal(f.reflector.phase, REFLECTOR_WATCHING);
        assert_deltas(&f, "~a:100 ~a:50 -b:2 ");
        finish(&f);
    }
}

/* Its versions were raised when it was restored: the list is newer than what we have seen, and yet
 * lacks some of it. */
static void reflector_follows_a_restored_server(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    sync_by_stream(&f);
    fake_pod(watch(&f), KUBE_MODIFIED, "a", 100);
    pass(&f, 1);
    fake_watch_end(watch(&f), ERROR_GONE, 410, 0);
    assert_streaming(&f, "100");
    fake_pod(watch(&f), KUBE_ADDED, "a", 50);
    fake_bookmark(watch(&f), 1000, true);
    assert_streaming(&f, "(null)"); /* the newest state; believed even when it is cut */
    fake_watch_end(watch(&f), ERROR_UNAVAILABLE, 0, 0);
    pass(&f, 0.8);
    assert_streaming(&f, "(null)");
    fake_pod(watch(&f), KUBE_ADDED, "a", 50);
    fake_bookmark(watch(&f), 1000, true);
    assert_int_equal(f.reflector.phase, REFLECTOR_WATCHING);
    assert_int_equal(f.reflector.number, 1000);
    assert_deltas(&f, "~a:100 ~a:50 -b:2 ");
    finish(&f);
}

/* A watch tells only what is newer than where it began. */
static void reflector_older_event_shows_a_server_that_went_back(void **state) {
    (void)state;
    for (int bookmark = 0; bookmark < 2; bookmark++) {
        struct fixture f;
        setup(&f);
        sync_by_stream(&f);
        fake_pod(watch(&f), KUBE_MODIFIED, "a", 100);
        fake_pod(watch(&f), KUBE_MODIFIED, "a", 100); /* twice is no harm */
        assert_int_equal(f.reflector.phase, REFLECTOR_WATCHING);
        if (bookmark)
            fake_bookmark(watch(&f), 99, false);
        else
            fake_pod(watch(&f), KUBE_MODIFIED, "b", 99);
        assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
        pass(&f, 0.8);
        assert_streaming(&f, "(null)");
        finish(&f);
    }
}

/* R22 */
static void reflector_silence_counts_after_a_bookmark_only(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    sync_by_stream(&f);
    int watches = f.fake.watches;
    pass(&f, 299);
    assert_int_equal(f.fake.watches, watches); /* no bookmarks from this server so far */
    fake_bookmark(watch(&f), 7, false);
    pass(&f, 170);
    assert_int_equal(f.fake.watches, watches);
    pass(&f, 11);
    assert_int_equal(f.fake.watches, watches + 1);
    assert_watching(&f, "7");
    assert_int_equal(fake_source_open(&f.fake), 1); /* the silent one is closed */
    pass(&f, 700);                                  /* a watch that outlives its timeoutSeconds */
    assert_in_range(f.fake.watches, watches + 2, watches + 3);
    assert_int_equal(f.reflector.lists, 1);
    finish(&f);
}

static void reflector_backoff_grows_and_resets(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    double limit = 0.8;
    for (int i = 0; i < 10; i++) {
        fake_watch_end(watch(&f), ERROR_UNAVAILABLE, 503, 0);
        uint64_t left = f.reflector.retry.due - loop_now(f.loop);
        assert_true(left <= (uint64_t)(limit * 1e9) + 1);
        loop_advance(f.loop, &f.clock, left);
        assert_int_equal(f.reflector.phase, REFLECTOR_STREAMING);
        limit = limit * 2 < 30 ? limit * 2 : 30;
    }
    assert_int_equal(f.reflector.failures, 10);
    sync_by_stream(&f);
    pass(&f, 121);
    fake_watch_end(watch(&f), ERROR_UNAVAILABLE, 503, 0);
    assert_int_equal(f.reflector.failures, 1);
    finish(&f);
}

static void reflector_missing_resource_is_asked_for_again(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    sync_by_stream(&f);
    fake_watch_end(watch(&f), ERROR_NOT_FOUND, 404, 0); /* the CRD went */
    pass(&f, 0.8);
    assert_streaming(&f, "5");
    fake_watch_end(watch(&f), ERROR_NOT_FOUND, 404, 0);
    assert_int_equal(f.last_error, ERROR_NOT_FOUND);
    reflector_stop(&f.reflector);
    pass(&f, 100);
    assert_int_equal(fake_source_open(&f.fake), 0);
    reflector_start(&f.reflector);
    fake_bookmark(watch(&f), 50, true); /* recreated, empty */
    assert_deltas(&f, "-a:1 -b:2 ");
    finish(&f);
}

static void reflector_without_memory_loses_nothing(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    sync_by_stream(&f);
    fake_pod(watch(&f), KUBE_ADDED, "c", 7);
    mem_fail_at(0, /* forever= */ true);
    fake_pod(watch(&f), KUBE_ADDED, "d", 8);
    mem_fail_stop();
    assert_int_equal(f.last_error, ERROR_NOMEM);
    pass(&f, 0.8);
    assert_watching(&f, "7");                /* so d comes again */
    fake_event(watch(&f), KUBE_ADDED, "{}"); /* nonsense is reported and passed over */
    assert_int_equal(f.last_error, ERROR_REJECTED);
    fake_pod(watch(&f), KUBE_ADDED, "d", 8);
    assert_deltas(&f, "+c:7 +d:8 ");
    finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reflector_streams_the_first_list),
        cmocka_unit_test(reflector_falls_back_to_pages),
        cmocka_unit_test(reflector_stream_without_end_falls_back),
        cmocka_unit_test(reflector_cut_in_the_first_list_starts_over),
        cmocka_unit_test(reflector_cut_between_pages_starts_over),
        cmocka_unit_test(reflector_damaged_list_forgets_nothing),
        cmocka_unit_test(reflector_ended_watch_is_followed_at_once),
        cmocka_unit_test(reflector_backs_off_when_watches_end_at_once),
        cmocka_unit_test(reflector_cut_watch_goes_on_without_relist),
        cmocka_unit_test(reflector_throttled_waits_as_told),
        cmocka_unit_test(reflector_gone_watch_relists),
        cmocka_unit_test(reflector_gone_pages_become_one_list),
        cmocka_unit_test(reflector_follows_a_server_that_went_back),
        cmocka_unit_test(reflector_follows_a_restored_server),
        cmocka_unit_test(reflector_older_event_shows_a_server_that_went_back),
        cmocka_unit_test(reflector_silence_counts_after_a_bookmark_only),
        cmocka_unit_test(reflector_backoff_grows_and_resets),
        cmocka_unit_test(reflector_missing_resource_is_asked_for_again),
        cmocka_unit_test(reflector_without_memory_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
