#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cache/support/reflector/fixture.h"

/* The first list, by stream and by pages, and what breaks it off. */

static void reflector_streams_the_first_list(void **state) {
    struct fixture *f = *state;
    fixture_assert_streaming(f, "");
    struct kube_watch_options *options = &fixture_watch(f)->options;
    assert_true(options->bookmarks && options->select.metadata_only); /* R23 */
    assert_string_equal(options->select.label_selector, "app=web");
    assert_in_range(options->timeout_s, 300, 600);
    fake_pod(fixture_watch(f), KUBE_ADDED, "a", 1);
    assert_int_equal(f->synced, 0); /* R10: not before it is complete */
    fake_bookmark(fixture_watch(f), 2, /* ends_initial= */ false);
    assert_int_equal(f->synced, 0);
    fake_bookmark(fixture_watch(f), 5, /* ends_initial= */ true);
    assert_int_equal(f->synced, 1);
    fake_pod(fixture_watch(f), KUBE_MODIFIED, "a", 6);
    fake_pod(fixture_watch(f), KUBE_DELETED, "a", 7);
    fixture_assert_deltas(f, "+a:1i ~a:6 -a:7 ");
    assert_int_equal(f->reflector.lists, 1);
}

static void reflector_falls_back_to_pages(void **state) {
    struct fixture *f = *state;
    fake_watch_end(fixture_watch(f), ERROR_REJECTED, 422, 0);
    assert_string_equal(fixture_list(f)->version, "0");
    assert_int_equal(fixture_list(f)->options.limit, 500);
    fake_item(fixture_list(f), "a", 1);
    fake_list_end(fixture_list(f), "5", "next");
    assert_string_equal(fixture_list(f)->token, "next");
    assert_string_equal(fixture_list(f)->version, "(null)");
    assert_int_equal(fixture_list(f)->options.limit, 500);
    fake_item(fixture_list(f), "b", 2);
    assert_int_equal(f->synced, 0);
    fake_list_end(fixture_list(f), "5", "");
    assert_int_equal(f->synced, 1);
    fixture_assert_watching(f, "5");
    fixture_assert_deltas(f, "+a:1i +b:2i ");
}

static void reflector_stream_without_end_falls_back(void **state) {
    struct fixture *f = *state;
    fixture_pass(f, 8);
    fake_pod(fixture_watch(f), KUBE_ADDED, "a", 1); /* it is going on */
    fixture_pass(f, 8);
    assert_int_equal(f->reflector.phase, REFLECTOR_STREAMING);
    fixture_pass(f, 3);
    assert_int_equal(f->reflector.phase, REFLECTOR_LISTING);
    fake_item(fixture_list(f), "a", 1);
    fake_list_end(fixture_list(f), "1", "");
    fixture_assert_watching(f, "1");
    fake_watch_end(fixture_watch(f), ERROR_GONE, 410, 0); /* and is not tried again */
    fixture_pass(f, 1);
    assert_int_equal(f->reflector.phase, REFLECTOR_LISTING);
}

static void reflector_cut_in_the_first_list_starts_over(void **state) {
    struct fixture *f = *state;
    fake_pod(fixture_watch(f), KUBE_ADDED, "a", 1);
    fake_pod(fixture_watch(f), KUBE_ADDED, "gone", 2);
    fake_watch_end(fixture_watch(f), ERROR_UNAVAILABLE, 0, 0);
    assert_int_equal(f->reflector.phase, REFLECTOR_BACKING_OFF);
    assert_int_equal(f->last_error, ERROR_UNAVAILABLE);
    fixture_pass(f, 0.8);
    fixture_assert_streaming(f, "2"); /* what was seen, or newer: another server may be behind */
    fake_pod(fixture_watch(f), KUBE_ADDED, "a", 1);
    fake_watch_end(fixture_watch(f), 0, 0, 0); /* a normal end is none here */
    fixture_pass(f, 1.6);
    fixture_assert_streaming(f, "2");
    fake_pod(fixture_watch(f), KUBE_ADDED, "a", 1);
    fake_bookmark(fixture_watch(f), 5, true);
    fixture_assert_deltas(f, "+a:1i +gone:2i -gone:2 ");
    assert_int_equal(f->last_error, 0);
}

static void reflector_cut_between_pages_starts_over(void **state) {
    struct fixture *f = *state;
    fake_watch_end(fixture_watch(f), ERROR_REJECTED, 400, 0);
    fake_item(fixture_list(f), "a", 1);
    fake_list_end(fixture_list(f), "5", "next");
    fake_list_fail(fixture_list(f), ERROR_UNAVAILABLE, 0, 0);
    assert_int_equal(f->reflector.phase, REFLECTOR_BACKING_OFF);
    fixture_pass(f, 0.8);
    assert_string_equal(fixture_list(f)->token, "(null)");
    fake_list_end(fixture_list(f), "6", "");
    fixture_assert_deltas(f, "+a:1i -a:1 ");
}

/* An object that is refused is told and left out; what is no JSON says nothing about what is there.
 */
static void reflector_damaged_list_forgets_nothing(void **state) {
    struct fixture *f = *state;
    fixture_sync_by_list(f);
    fake_watch_end(fixture_watch(f), ERROR_GONE, 410, 0);
    fixture_pass(f, 0.8);
    fake_item(fixture_list(f), "a", 7);
    fake_item_json(fixture_list(f), "{\"metadata\":{\"name\":\"b\"},]}");
    assert_int_equal(f->reflector.phase, REFLECTOR_BACKING_OFF);
    fixture_assert_deltas(f, "~a:7 ");
    fixture_pass(f, 1.6);
    fake_item_json(fixture_list(f), "{\"metadata\":{\"name\":\"c\",\"name\":\"d\"}}");
    assert_int_equal(f->last_error, ERROR_REJECTED);
    fake_item(fixture_list(f), "a", 7);
    mem_fail_at(0, /* forever= */ true);
    fake_item(fixture_list(f), "e", 8);
    mem_fail_stop();
    assert_int_equal(f->last_error, ERROR_NOMEM);
    fixture_pass(f, 3.2);
    fake_item(fixture_list(f), "a", 7);
    fake_list_end(fixture_list(f), "9", "");
    fixture_assert_deltas(f, "-b:2 ");
}

static void reflector_gone_pages_become_one_list(void **state) {
    struct fixture *f = *state;
    fake_watch_end(fixture_watch(f), ERROR_REJECTED, 422, 0);
    fake_item(fixture_list(f), "a", 1);
    fake_item(fixture_list(f), "gone", 2);
    fake_list_end(fixture_list(f), "5", "next");
    fake_list_fail(fixture_list(f), ERROR_GONE, 410, 0);
    assert_int_equal(fixture_list(f)->options.limit, 0);
    assert_string_equal(fixture_list(f)->token, "(null)");
    fake_item(fixture_list(f), "a", 1);
    fake_list_end(fixture_list(f), "9", "");
    fixture_assert_deltas(f, "+a:1i +gone:2i -gone:2 ");
    fake_pod(fixture_watch(f), KUBE_MODIFIED, "a", 10);
    fixture_pass(f, 1);
    fake_watch_end(fixture_watch(f), ERROR_GONE, 410, 0);
    assert_string_equal(fixture_list(f)->version, "10"); /* from a version: whole, from the cache */
    assert_int_equal(fixture_list(f)->options.limit, 0);
    fake_list_fail(fixture_list(f), ERROR_GONE, 410, 0); /* too old: the newest state, at once */
    assert_string_equal(fixture_list(f)->version, "(null)");
    assert_int_equal(fixture_list(f)->options.limit, 500);
    fake_list_fail(fixture_list(f), ERROR_GONE, 410, 0);
    assert_int_equal(f->reflector.phase, REFLECTOR_BACKING_OFF);
    fixture_pass(f, 0.8);
    assert_string_equal(fixture_list(f)->version, "(null)");
}

static void reflector_missing_resource_is_asked_for_again(void **state) {
    struct fixture *f = *state;
    fixture_sync_by_stream(f);
    fake_watch_end(fixture_watch(f), ERROR_NOT_FOUND, 404, 0); /* the CRD went */
    fixture_pass(f, 0.8);
    fixture_assert_streaming(f, "5");
    fake_watch_end(fixture_watch(f), ERROR_NOT_FOUND, 404, 0);
    assert_int_equal(f->last_error, ERROR_NOT_FOUND);
    reflector_stop(&f->reflector);
    fixture_pass(f, 100);
    assert_int_equal(fake_source_open(&f->fake), 0);
    reflector_start(&f->reflector);
    fake_bookmark(fixture_watch(f), 50, true); /* recreated, empty */
    fixture_assert_deltas(f, "-a:1 -b:2 ");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(reflector_streams_the_first_list),
        TEST(reflector_falls_back_to_pages),
        TEST(reflector_stream_without_end_falls_back),
        TEST(reflector_cut_in_the_first_list_starts_over),
        TEST(reflector_cut_between_pages_starts_over),
        TEST(reflector_damaged_list_forgets_nothing),
        TEST(reflector_gone_pages_become_one_list),
        TEST(reflector_missing_resource_is_asked_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
