/* The faults of docs/explanation/watches.md, one by one, on the model of an API server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/controller.h"
#include "support/history.h"

static const struct api_options streaming = {.streaming = API_STREAMS, .servers = 1};

static void begin_with(struct history *history, const struct api_options *api) {
    struct history_options options = {.seed = 7, .api = *api};
    assert_int_equal(history_begin(history, &options), 0);
    for (int slot = 0; slot < API_SLOTS; slot++)
        api_put(&history->api, slot, slot);
    api_catch_up(&history->api);
}

static void settle(struct history *history, uint64_t seconds) {
    if (history_settle(history, seconds * NS_PER_S) < 0)
        fail_msg("%s", history->why);
}

/* It is watching, and everything is there. */
static void begin(struct history *history, const struct api_options *api) {
    begin_with(history, api);
    settle(history, 60);
}

static void finish(struct history *history) {
    if (history_finish(history) < 0)
        fail_msg("%s", history->why);
}

/* Changes something and waits until it has arrived. */
static void change(struct history *history, uint64_t seconds) {
    static int label = 100;
    api_put(&history->api, 3, label++);
    settle(history, seconds);
}

static void list_is_streamed_or_falls_back_to_pages(void **state) {
    (void)state;
    static const enum api_streaming each[] = {API_STREAMS, API_STREAM_REFUSED, API_STREAM_IGNORED};
    static const uint64_t lists[] = {0, 3, 1}; /* one that is not older than what the stream had */
    for (int i = 0; i < 3; i++) {
        struct api_options api = {.streaming = each[i], .servers = 1, .page = 3};
        struct history history;
        begin(&history, &api);
        assert_int_equal(history.api.lists, lists[i]);
        assert_int_equal(history.deltas, API_SLOTS);
        change(&history, 5);
        finish(&history);
    }
}

static void gone_on_a_later_page_becomes_one_list(void **state) {
    (void)state;
    struct api_options api = {.streaming = API_STREAM_REFUSED, .servers = 1, .page = 3};
    struct history history;
    begin_with(&history, &api);
    history.sim.forced[SIM_GONE] = 1; /* the second page */
    settle(&history, 60);
    assert_int_equal(history.api.gone, 1);
    assert_int_equal(history.api.lists, 3); /* page, 410, whole */
    assert_int_equal(history.deltas, API_SLOTS);
    finish(&history);
}

static void watch_that_ends_normally_goes_on_without_a_list(void **state) {
    (void)state;
    struct api_options api = {.streaming = API_STREAM_REFUSED, .servers = 1};
    struct history history;
    begin(&history, &api);
    uint64_t lists = history.api.lists, watches = history.api.watches;
    for (int i = 0; i < 5; i++) {
        api_put(&history.api, 1, 100 + i);
        api_end_watches(&history.api, 0);
        settle(&history, 5);
    }
    assert_int_equal(history.api.lists, lists);
    assert_int_equal(history.api.watches, watches + 5);
    assert_int_equal(history.deltas, API_SLOTS + 5);
    finish(&history);
}

static void gone_in_a_watch_lists_again(void **state) {
    (void)state;
    struct api_options api = {.streaming = API_STREAM_REFUSED, .servers = 1};
    struct history history;
    begin(&history, &api);
    change(&history, 5);
    uint64_t lists = history.api.lists, deltas = history.deltas;
    api_end_watches(&history.api, 410);
    sim_pass(&history.sim, 5 * NS_PER_S);
    settle(&history, 5);
    assert_int_equal(history.api.lists, lists + 1);
    assert_int_equal(history.deltas, deltas); /* nothing had changed */
    finish(&history);
}

static void throttled_watch_waits_as_told_without_a_list(void **state) {
    (void)state;
    struct api_options api = {.streaming = API_STREAM_REFUSED, .servers = 1};
    struct history history;
    begin(&history, &api);
    uint64_t lists = history.api.lists, watches = history.api.watches;
    history.api.wire.next_status = 429;
    history.api.wire.next_retry_after_s = 30;
    api_end_watches(&history.api, 0);
    sim_pass(&history.sim, 29 * NS_PER_S);
    assert_int_equal(history.api.watches, watches);
    sim_pass(&history.sim, 2 * NS_PER_S);
    assert_int_equal(history.api.watches, watches + 1);
    assert_int_equal(history.api.lists, lists);
    change(&history, 5);
    finish(&history);
}

/* R22 */
static void silence_restarts_only_after_a_periodic_bookmark(void **state) {
    (void)state;
    struct history history;
    begin(&history, &streaming); /* a server without bookmarks */
    uint64_t watches = history.api.watches;
    sim_pass(&history.sim, 270 * NS_PER_S);
    assert_int_equal(history.api.watches, watches);
    api_bookmark(&history.api);
    sim_pass(&history.sim, 170 * NS_PER_S);
    watches = history.api.watches;
    api_bookmark(&history.api);
    sim_pass(&history.sim, 20 * NS_PER_S);
    assert_int_equal(history.api.watches, watches);
    sim_pass(&history.sim, 180 * NS_PER_S);
    assert_int_equal(history.api.watches, watches + 1);
    change(&history, 5);
    finish(&history);
}

static void server_that_is_behind_takes_nothing_back(void **state) {
    (void)state;
    struct api_options api = {.streaming = API_STREAMS, .servers = API_SERVERS};
    for (int i = 0; i < 2; i++) {
        struct history history;
        api.streaming = i ? API_STREAM_REFUSED : API_STREAMS;
        begin(&history, &api);
        history.api.servers[1].frozen = true;
        for (int round = 0; round < 20; round++) {
            api_disturb(&history.api, round % API_SLOTS);
            sim_pass(&history.sim, 2 * NS_PER_S);
            api_end_watches(&history.api, round % 2 ? 410 : 0); /* the next may ask the other */
            sim_pass(&history.sim, 20 * NS_PER_S);
            assert_string_equal(history.why, ""); /* checked at each delta */
        }
        history.api.servers[1].frozen = false;
        api_catch_up(&history.api);
        settle(&history, 60);
        finish(&history);
    }
}

static void restored_server_is_believed(void **state) {
    (void)state;
    for (int bumped = 0; bumped < 2; bumped++) {
        struct history history;
        begin(&history, &streaming);
        uint64_t then = history.api.head;
        change(&history, 5);
        api_delete(&history.api, 5);
        api_delete(&history.api, 6);
        api_put(&history.api, 6, 1);
        settle(&history, 5);
        api_restore(&history.api, then, bumped);
        settle(&history, 120);
        change(&history, 5);
        finish(&history);
    }
}

/* As a GOAWAY or a proxy would: at each byte, by an error and as if it were the end. */
static void watch_cut_at_each_byte_loses_and_repeats_nothing(void **state) {
    (void)state;
    static const enum sim_fault faults[] = {SIM_CUT, SIM_SHORT};
    for (int i = 0; i < 2; i++) {
        for (size_t at = 0; at < 700; at++) {
            struct history history;
            begin(&history, &streaming);
            history.sim.forced[faults[i]] = 1;
            history.api.wire.fault_at = 1 + at;
            api_end_watches(&history.api, 0);
            sim_pass(&history.sim, NS_PER_S); /* the watch that will be cut has begun */
            for (int label = 100; label < 103; label++)
                api_put(&history.api, 2, label);
            settle(&history, 60);
            assert_int_equal(history.deltas, API_SLOTS + 3);
            finish(&history);
        }
    }
}

static void list_cut_at_each_byte_begins_again(void **state) {
    (void)state;
    struct api_options api = {.streaming = API_STREAM_REFUSED, .servers = 1, .page = 3};
    for (size_t at = 0; at < 1200; at += 7) {
        struct history history;
        begin_with(&history, &api);
        sim_pass(&history.sim, 0);
        while (history.api.lists == 0)
            sim_pass(&history.sim, NS_PER_MS);
        history.sim.forced[SIM_CUT] = 1; /* the second page */
        history.api.wire.fault_at = 1 + at;
        settle(&history, 60);
        assert_int_equal(history.deltas, API_SLOTS);
        finish(&history);
    }
}

/* R1, R5: the server did it, and nobody heard of it. */
static void lost_answer_of_a_write_is_written_again(void **state) {
    (void)state;
    struct history history;
    begin(&history, &streaming);
    history.writing = true;
    assert_int_equal(controller_check_noop(&history), 0);
    history.sim.forced[SIM_LOST_ANSWER] = 1;
    change(&history, 120);
    assert_int_equal(history.api.writes_without_effect, 1);
    assert_int_equal(controller_check_noop(&history), 0);
    finish(&history);
}

/* R5: the new informer asks a server that has not heard of the write. */
static void restarted_informer_reads_what_was_written(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct api_options api = {.streaming = i % 2 ? API_STREAM_REFUSED : API_STREAMS,
                                  .servers = API_SERVERS};
        struct history history;
        begin(&history, &api);
        history.writing = true;
        assert_int_equal(controller_check_noop(&history), 0);
        history.api.servers[i % API_SERVERS].frozen = true;
        api_put(&history.api, 1, 50);
        sim_pass(&history.sim, 5 * NS_PER_S);
        controller_add(&history, 1, /* initial= */ false);
        sim_pass(&history.sim, 5 * NS_PER_S);
        history_restart(&history);
        sim_pass(&history.sim, 30 * NS_PER_S);
        controller_check_reads(&history);
        assert_string_equal(history.why, "");
        history.api.servers[i % API_SERVERS].frozen = false;
        api_catch_up(&history.api);
        settle(&history, 60);
        finish(&history);
    }
}

static void one_seed_is_one_history(void **state) {
    (void)state;
    for (uint64_t seed = 500; seed < 520; seed++) {
        struct history a, b;
        assert_int_equal(history_run(seed, /* told= */ false, &a), 0);
        assert_int_equal(history_run(seed, /* told= */ false, &b), 0);
        assert_memory_equal(&a.sim.rng, &b.sim.rng, sizeof a.sim.rng);
        assert_int_equal(a.deltas, b.deltas);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_is_streamed_or_falls_back_to_pages),
        cmocka_unit_test(gone_on_a_later_page_becomes_one_list),
        cmocka_unit_test(watch_that_ends_normally_goes_on_without_a_list),
        cmocka_unit_test(gone_in_a_watch_lists_again),
        cmocka_unit_test(throttled_watch_waits_as_told_without_a_list),
        cmocka_unit_test(silence_restarts_only_after_a_periodic_bookmark),
        cmocka_unit_test(server_that_is_behind_takes_nothing_back),
        cmocka_unit_test(restored_server_is_believed),
        cmocka_unit_test(watch_cut_at_each_byte_loses_and_repeats_nothing),
        cmocka_unit_test(list_cut_at_each_byte_begins_again),
        cmocka_unit_test(lost_answer_of_a_write_is_written_again),
        cmocka_unit_test(restarted_informer_reads_what_was_written),
        cmocka_unit_test(one_seed_is_one_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
