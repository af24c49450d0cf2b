#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cache/support/reflector/fixture.h"

/* Once it watches: how it goes on, waits, and lists again. */

/* Its stream ends, or (cut) its connection. */
static void end_stream(struct fixture *f, bool cut) {
    fake_watch_end(fixture_watch(f), cut ? ERROR_UNAVAILABLE : 0, cut ? 200 : 0, 0);
}

static void reflector_ended_watch_is_followed_at_once(void **state) {
    (void)state;
    for (int cut = 0; cut < 2; cut++) {
        struct fixture f;
        fixture_begin(&f);
        fixture_sync_by_stream(&f);
        fake_pod(fixture_watch(&f), KUBE_MODIFIED, "a", 8);
        for (int i = 0; i < 20; i++) { /* as often as it happens */
            fixture_pass(&f, 1);
            end_stream(&f, cut);
            fixture_assert_watching(&f, "8");
        }
        fake_bookmark(fixture_watch(&f), 12, false);
        fixture_pass(&f, 1);
        end_stream(&f, cut);
        fixture_assert_watching(&f, "12");
        assert_int_equal(f.last_error, 0); /* nobody has to know */
        assert_int_equal(f.reflector.lists, 1);
        fake_watch_end(fixture_watch(&f), ERROR_UNAVAILABLE, 0,
                       0); /* refused: there is no server */
        assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
        assert_int_equal(f.last_error, ERROR_UNAVAILABLE);
        fixture_end(&f);
    }
}

/* A server that answers and cuts does not make us spin, whether it brings something or not. */
static void reflector_backs_off_when_watches_end_at_once(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct fixture f;
        bool cut = i & 1, brings = i & 2;
        fixture_begin(&f);
        fixture_sync_by_stream(&f);
        int watches = f.fake.watches, version = 6;
        for (int tenths = 0; tenths < 36000; tenths++) {
            for (int at_once = 0; f.reflector.phase == REFLECTOR_WATCHING; at_once++) {
                assert_int_equal(at_once, 0);
                if (brings)
                    fake_pod(fixture_watch(&f), KUBE_MODIFIED, "a", version++);
                end_stream(&f, cut);
            }
            fixture_pass(&f, 0.1);
        }
        assert_in_range(f.fake.watches - watches, 3600 / 30, 3600 / 12); /* in an hour */
        assert_int_equal(f.last_error, ERROR_UNAVAILABLE);
        assert_int_equal(f.reflector.lists, 1);
        while (f.reflector.phase != REFLECTOR_WATCHING)
            fixture_pass(&f, 1);
        fixture_pass(&f, 121); /* well again */
        end_stream(&f, cut);
        end_stream(&f, cut);
        assert_true(f.reflector.retry.due - loop_now(f.loop) <= 800 * NS_PER_MS);
        fixture_end(&f);
    }
}

static void reflector_cut_watch_goes_on_without_relist(void **state) {
    (void)state;
    static const int codes[] = {ERROR_UNAVAILABLE, ERROR_PROTOCOL, ERROR_UNAUTHORIZED,
                                ERROR_FORBIDDEN};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct fixture f;
        fixture_begin(&f);
        fixture_sync_by_stream(&f);
        fake_pod(fixture_watch(&f), KUBE_ADDED, "c", 9);
        fake_watch_end(fixture_watch(&f), codes[i], 0, 0);
        assert_int_equal(f.last_error, codes[i]);
        fixture_pass(&f, 0.8);
        fixture_assert_watching(&f, "9");
        fake_pod(fixture_watch(&f), KUBE_MODIFIED, "c", 10);
        assert_int_equal(f.last_error, 0);
        assert_int_equal(f.reflector.lists, 1);
        fixture_end(&f);
    }
}

static void reflector_throttled_waits_as_told(void **state) {
    struct fixture *f = *state;
    fake_watch_end(fixture_watch(f), ERROR_THROTTLED, 429, 7 * NS_PER_S);
    fixture_pass(f, 6.9);
    assert_int_equal(f->reflector.phase, REFLECTOR_BACKING_OFF);
    fixture_pass(f, 0.2);
    fixture_sync_by_stream(f);
    fake_watch_end(fixture_watch(f), ERROR_THROTTLED, 429, 40 * NS_PER_S);
    fixture_pass(f, 39.9);
    assert_int_equal(f->reflector.phase, REFLECTOR_BACKING_OFF);
    fixture_pass(f, 0.2);
    fixture_assert_watching(f, "5"); /* no relist */
    assert_int_equal(f->reflector.lists, 2);
}

static void reflector_gone_watch_relists(void **state) {
    struct fixture *f = *state;
    fixture_sync_by_stream(f);
    fake_pod(fixture_watch(f), KUBE_MODIFIED, "a", 6);
    fixture_pass(f, 1);
    fake_watch_end(fixture_watch(f), ERROR_GONE, 410, 0);
    fixture_assert_streaming(f, "6");
    fake_pod(fixture_watch(f), KUBE_ADDED, "b", 2);
    fake_pod(fixture_watch(f), KUBE_ADDED, "c", 11);
    fake_bookmark(fixture_watch(f), 12, true);
    fixture_assert_deltas(f, "~a:6 +c:11 -a:6 ");
    assert_int_equal(f->synced, 1);
    fake_watch_end(fixture_watch(f), ERROR_GONE, 410, 0); /* again, and at once: after a while */
    assert_int_equal(f->reflector.phase, REFLECTOR_BACKING_OFF);
    fixture_pass(f, 0.8);
    fixture_assert_streaming(f, "12");
    fake_bookmark(fixture_watch(f), 13, true);
}

/* A server that was restarted has no history: what its absence made us wait is over. */
static void reflector_gone_after_an_outage_relists_soon(void **state) {
    struct fixture *f = *state;
    fixture_sync_by_stream(f);
    fixture_pass(f, 31);
    for (int i = 0; i < 6; i++) {
        fake_watch_end(fixture_watch(f), ERROR_UNAVAILABLE, 0, 0);
        while (f->reflector.phase != REFLECTOR_WATCHING)
            fixture_pass(f, 0.1);
    }
    for (int i = 0; i < 3; i++) { /* and then, when it lists and forgets at once, later and later */
        fake_watch_end(fixture_watch(f), ERROR_GONE, 410, 0);
        assert_in_range(f->reflector.retry.due - loop_now(f->loop), 0, (800 * NS_PER_MS) << i);
        assert_int_equal(f->reflector.failures, i + 1);
        while (f->reflector.phase != REFLECTOR_STREAMING)
            fixture_pass(f, 0.01);
        fake_pod(fixture_watch(f), KUBE_ADDED, "a", 1);
        fake_pod(fixture_watch(f), KUBE_ADDED, "b", 2);
        fake_bookmark(fixture_watch(f), 5, /* ends_initial= */ true);
    }
}

static void reflector_follows_a_server_that_went_back(void **state) {
    (void)state;
    for (int streaming = 0; streaming < 2; streaming++) {
        struct fixture f;
        fixture_begin(&f);
        if (streaming)
            fixture_sync_by_stream(&f);
        else
            fixture_sync_by_list(&f);
        fake_pod(fixture_watch(&f), KUBE_MODIFIED, "a", 100);
        fake_watch_end(fixture_watch(&f), ERROR_TIMEOUT, 504, 0); /* "too large resource version" */
        fixture_pass(&f, 0.8);
        for (int round = 0; round < 2; round++) { /* the first shows it, the second is believed */
            if (streaming) {
                fixture_assert_streaming(&f, "(null)");
                fake_pod(fixture_watch(&f), KUBE_ADDED, "a", 50);
                fake_bookmark(fixture_watch(&f), 60, true);
            } else {
                assert_string_equal(fixture_list(&f)->version, "(null)");
                fake_item(fixture_list(&f), "a", 50);
                fake_list_end(fixture_list(&f), "60", "");
            }
        }
        assert_int_equal(f.reflector.phase, REFLECTOR_WATCHING);
        fixture_assert_deltas(&f, "~a:100 ~a:50 -b:2 ");
        fixture_end(&f);
    }
}

/* Its versions were raised when it was restored: the list is newer than what we have seen, and yet
 * lacks some of it. */
static void reflector_follows_a_restored_server(void **state) {
    struct fixture *f = *state;
    fixture_sync_by_stream(f);
    fake_pod(fixture_watch(f), KUBE_MODIFIED, "a", 100);
    fixture_pass(f, 1);
    fake_watch_end(fixture_watch(f), ERROR_GONE, 410, 0);
    fixture_assert_streaming(f, "100");
    fake_pod(fixture_watch(f), KUBE_ADDED, "a", 50);
    fake_bookmark(fixture_watch(f), 1000, true);
    fixture_assert_streaming(f, "(null)"); /* the newest state; believed even when it is cut */
    fake_watch_end(fixture_watch(f), ERROR_UNAVAILABLE, 0, 0);
    fixture_pass(f, 0.8);
    fixture_assert_streaming(f, "(null)");
    fake_pod(fixture_watch(f), KUBE_ADDED, "a", 50);
    fake_bookmark(fixture_watch(f), 1000, true);
    assert_int_equal(f->reflector.phase, REFLECTOR_WATCHING);
    assert_int_equal(f->reflector.number, 1000);
    fixture_assert_deltas(f, "~a:100 ~a:50 -b:2 ");
}

/* A watch tells only what is newer than where it began. */
static void reflector_older_event_shows_a_server_that_went_back(void **state) {
    (void)state;
    for (int bookmark = 0; bookmark < 2; bookmark++) {
        struct fixture f;
        fixture_begin(&f);
        fixture_sync_by_stream(&f);
        fake_pod(fixture_watch(&f), KUBE_MODIFIED, "a", 100);
        fake_pod(fixture_watch(&f), KUBE_MODIFIED, "a", 100); /* twice is no harm */
        assert_int_equal(f.reflector.phase, REFLECTOR_WATCHING);
        if (bookmark)
            fake_bookmark(fixture_watch(&f), 99, false);
        else
            fake_pod(fixture_watch(&f), KUBE_MODIFIED, "b", 99);
        assert_int_equal(f.reflector.phase, REFLECTOR_BACKING_OFF);
        fixture_pass(&f, 0.8);
        fixture_assert_streaming(&f, "(null)");
        fixture_end(&f);
    }
}

/* R22 */
static void reflector_silence_counts_after_a_bookmark_only(void **state) {
    struct fixture *f = *state;
    fixture_sync_by_stream(f);
    int watches = f->fake.watches;
    fixture_pass(f, 299);
    assert_int_equal(f->fake.watches, watches); /* no bookmarks from this server so far */
    fake_bookmark(fixture_watch(f), 7, false);
    fixture_pass(f, 170);
    assert_int_equal(f->fake.watches, watches);
    fixture_pass(f, 11);
    assert_int_equal(f->fake.watches, watches + 1);
    fixture_assert_watching(f, "7");
    assert_int_equal(fake_source_open(&f->fake), 1); /* the silent one is closed */
    fixture_pass(f, 700);                            /* a watch that outlives its timeoutSeconds */
    assert_in_range(f->fake.watches, watches + 2, watches + 3);
    assert_int_equal(f->reflector.lists, 1);
}

static void reflector_backoff_grows_and_resets(void **state) {
    struct fixture *f = *state;
    double limit = 0.8;
    for (int i = 0; i < 10; i++) {
        fake_watch_end(fixture_watch(f), ERROR_UNAVAILABLE, 503, 0);
        uint64_t left = f->reflector.retry.due - loop_now(f->loop);
        assert_true(left <= (uint64_t)(limit * 1e9) + 1);
        loop_advance(f->loop, &f->clock, left);
        assert_int_equal(f->reflector.phase, REFLECTOR_STREAMING);
        limit = limit * 2 < 30 ? limit * 2 : 30;
    }
    assert_int_equal(f->reflector.failures, 10);
    fixture_sync_by_stream(f);
    fixture_pass(f, 121);
    fake_watch_end(fixture_watch(f), ERROR_UNAVAILABLE, 503, 0);
    assert_int_equal(f->reflector.failures, 1);
}

static void reflector_without_memory_loses_nothing(void **state) {
    struct fixture *f = *state;
    fixture_sync_by_stream(f);
    fake_pod(fixture_watch(f), KUBE_ADDED, "c", 7);
    mem_fail_at(0, /* forever= */ true);
    fake_pod(fixture_watch(f), KUBE_ADDED, "d", 8);
    mem_fail_stop();
    assert_int_equal(f->last_error, ERROR_NOMEM);
    fixture_pass(f, 0.8);
    fixture_assert_watching(f, "7");                /* so d comes again */
    fake_event(fixture_watch(f), KUBE_ADDED, "{}"); /* nonsense is reported and passed over */
    assert_int_equal(f->last_error, ERROR_REJECTED);
    fake_pod(fixture_watch(f), KUBE_ADDED, "d", 8);
    fixture_assert_deltas(f, "+c:7 +d:8 ");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reflector_ended_watch_is_followed_at_once),
        cmocka_unit_test(reflector_backs_off_when_watches_end_at_once),
        cmocka_unit_test(reflector_cut_watch_goes_on_without_relist),
        TEST(reflector_throttled_waits_as_told),
        TEST(reflector_gone_watch_relists),
        TEST(reflector_gone_after_an_outage_relists_soon),
        cmocka_unit_test(reflector_follows_a_server_that_went_back),
        TEST(reflector_follows_a_restored_server),
        cmocka_unit_test(reflector_older_event_shows_a_server_that_went_back),
        TEST(reflector_silence_counts_after_a_bookmark_only),
        TEST(reflector_backoff_grows_and_resets),
        TEST(reflector_without_memory_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
