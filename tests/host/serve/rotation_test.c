#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "serve/support/rotation/steps.h"
#include "support/oom_sweep.h"

static bool step(struct rotation_state *state, int64_t now, int64_t *ret_next) {
    struct rotation_options options = steps_at(now);
    return steps_take(state, &options, ret_next);
}

static struct rotation_state copy_state(const struct rotation_state *state) {
    return (struct rotation_state){steps_copy(state->ca_cert),      steps_copy(state->ca_key),
                                   steps_copy(state->next_ca_cert), steps_copy(state->next_ca_key),
                                   steps_copy(state->cert),         steps_copy(state->key),
                                   steps_copy(state->old_ca_cert),  state->next_since};
}

static void start(struct rotation_state *state) {
    int64_t next;
    *state = (struct rotation_state){0};
    assert_true(step(state, NOW, &next));
    steps_check(state, NOW);
}

/* --- one step ----------------------------------------------------------------------------------
 */

static void rotation_of_nothing_makes_everything(void **unused) {
    (void)unused;
    struct rotation_state state;
    struct error err;
    int64_t next = 0;
    start(&state);
    assert_int_equal(steps_count(state.ca_cert), 1);
    assert_null(state.next_ca_cert);
    assert_null(state.old_ca_cert);
    assert_int_equal(certificate_check_key(state.ca_cert, state.ca_key, &err), 0);
    assert_int_equal(certificate_check_names(state.cert, steps_names, &err), 0);
    assert_true(steps_facts(state.ca_cert).not_after == NOW + ROTATION_CA_S);
    assert_true(steps_facts(state.cert).not_after == NOW + ROTATION_SERVING_S);
    assert_false(step(&state, NOW + 1, &next));
    assert_true(next == NOW + ROTATION_SERVING_S / 3 * 2);
    rotation_state_finish(&state);
}

static void rotation_options_that_cannot_be_are_invalid(void **unused) {
    (void)unused;
    static const char *const none[] = {NULL}, *const bad[] = {"a b", NULL};
    const struct rotation_options wrong[] = {
        {.now = NOW, .names = none},
        {.now = NOW, .names = bad},
        {.now = NOW, .names = steps_names, .serving_s = -1},
        {.now = NOW, .names = steps_names, .serving_s = INT64_MAX},
        {.now = NOW, .names = steps_names, .ca_s = INT64_MAX},
        {.now = NOW, .names = steps_names, .serving_s = 60, .overlap_s = 11},
        {.now = 0, .names = steps_names},
        {.now = INT64_MAX, .names = steps_names},
    };
    struct rotation_state empty = {0}, next = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err;
        bool changed = false;
        int64_t when = 0;
        assert_int_equal(rotation_step(&empty, &wrong[i], &next, &changed, &when, &err),
                         ERROR_INVALID);
        assert_null(next.cert);
    }
}

static void rotation_ca_lives_for_four_serving_certificates(void **unused) {
    (void)unused;
    struct rotation_options options = steps_at(NOW);
    struct rotation_state state = {0};
    int64_t next;
    options.ca_s = 10 * DAY;
    assert_true(steps_take(&state, &options, &next));
    assert_true(steps_facts(state.ca_cert).not_after == NOW + 4 * (int64_t)ROTATION_SERVING_S);
    rotation_state_finish(&state);
}

/* Lifetimes shorter than the backdating: nothing is due before it was made. */
static void rotation_of_short_lives_comes_to_rest(void **unused) {
    (void)unused;
    struct rotation_options options = steps_at(NOW);
    struct rotation_state state = {0};
    int64_t next;
    options.serving_s = 60;
    options.ca_s = 240;
    options.overlap_s = 10;
    assert_true(steps_take(&state, &options, &next));
    assert_true(next == NOW + 40);
    options.now = NOW + 39;
    assert_false(steps_take(&state, &options, &next));
    options.now = NOW + 40;
    assert_true(steps_take(&state, &options, &next));
    rotation_state_finish(&state);
}

static void rotation_renews_at_two_thirds_by_the_same_ca(void **unused) {
    (void)unused;
    struct rotation_state state;
    int64_t next = 0, due = NOW + ROTATION_SERVING_S / 3 * 2;
    start(&state);
    char *ca = steps_copy(state.ca_cert), *cert = steps_copy(state.cert);
    assert_false(step(&state, due - 1, &next));
    assert_true(next == due);
    assert_true(step(&state, due, &next));
    steps_check(&state, due);
    assert_string_equal(state.ca_cert, ca);
    assert_string_not_equal(state.cert, cert);
    mem_free(ca);
    mem_free(cert);
    rotation_state_finish(&state);
}

static void rotation_to_more_names_reissues_and_to_fewer_does_not(void **unused) {
    (void)unused;
    static const char *const more[] = {"hooks.system.svc", "127.0.0.1", "new.system.svc", NULL};
    struct rotation_state state;
    struct rotation_options options = steps_at(NOW + 1);
    struct error err;
    int64_t next = 0;
    start(&state);
    char *ca = steps_copy(state.ca_cert);
    options.names = more;
    assert_true(steps_take(&state, &options, &next));
    assert_int_equal(certificate_check_names(state.cert, more, &err), 0);
    assert_string_equal(state.ca_cert, ca);
    assert_false(step(&state, NOW + 2, &next)); /* so two versions at once do not fight */
    mem_free(ca);
    rotation_state_finish(&state);
}

static void rotation_of_a_ca_goes_through_its_phases(void **unused) {
    (void)unused;
    struct rotation_state state;
    int64_t next = 0, now = NOW;
    start(&state);
    char *first = steps_copy(state.ca_cert);
    while (state.next_ca_cert == NULL) { /* phase 1 */
        now = next ? next : NOW + 1;
        step(&state, now, &next);
    }
    assert_true(now == NOW + ROTATION_CA_S - ROTATION_CA_S / 3);
    steps_check(&state, now);
    assert_int_equal(steps_count(state.ca_cert), 2);
    struct error err;
    assert_int_equal(certificate_verify(state.cert, first, now, &err), 0);
    assert_true(state.next_since == now);
    assert_true(next == now + ROTATION_OVERLAP_S);
    char *second = steps_copy(state.next_ca_cert);
    assert_false(step(&state, next - 1, &next));
    now = next; /* phase 2 */
    assert_true(step(&state, now, &next));
    steps_check(&state, now);
    assert_string_equal(state.old_ca_cert, first);
    assert_null(state.next_ca_cert);
    assert_int_equal(certificate_verify(state.cert, second, now, &err), 0);
    assert_true(next == now + ROTATION_OVERLAP_S);
    assert_false(step(&state, next - 1, &next));
    now = next; /* phase 3 */
    assert_true(step(&state, now, &next));
    steps_check(&state, now);
    assert_string_equal(state.ca_cert, second);
    assert_true(state.next_since == 0);
    mem_free(first);
    mem_free(second);
    rotation_state_finish(&state);
}

/* The leader that stored `next` died before it told anybody. */
static void rotation_waits_for_what_was_published_late(void **unused) {
    (void)unused;
    struct rotation_state state;
    int64_t next = 0, due = NOW + ROTATION_CA_S - ROTATION_CA_S / 3, late = due + 100 * 60;
    start(&state);
    step(&state, due, &next);
    assert_non_null(state.next_ca_cert);
    struct rotation_options options = steps_at(late);
    options.published = late;
    assert_false(steps_take(&state, &options, &next));
    assert_true(next == late + ROTATION_OVERLAP_S);
    options.now = next;
    assert_true(steps_take(&state, &options, &next));
    assert_non_null(state.old_ca_cert);
    rotation_state_finish(&state);
}

/* --- repair ------------------------------------------------------------------------------------
 */

static const char junk[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

static void rotation_of_a_damaged_serving_pair_keeps_the_ca(void **unused) {
    (void)unused;
    struct rotation_state whole, other;
    int64_t next = 0;
    start(&whole);
    start(&other);
    const struct {
        const char *cert, *key;
    } damage[] = {{NULL, NULL},
                  {junk, whole.key},
                  {whole.cert, junk},
                  {whole.cert, NULL},
                  {whole.cert, other.key},
                  {other.cert, other.key},
                  {"", ""},
                  {whole.ca_cert, whole.ca_key}};
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        struct rotation_state state = copy_state(&whole);
        steps_replace(&state.cert, damage[i].cert);
        steps_replace(&state.key, damage[i].key);
        assert_true(step(&state, NOW + 1, &next));
        steps_check(&state, NOW + 1);
        assert_string_equal(state.ca_cert, whole.ca_cert);
        assert_string_equal(state.ca_key, whole.ca_key);
        assert_false(step(&state, NOW + 2, &next));
        rotation_state_finish(&state);
    }
    rotation_state_finish(&whole);
    rotation_state_finish(&other);
}

static void rotation_of_a_damaged_ca_makes_another(void **unused) {
    (void)unused;
    struct rotation_state whole, other;
    int64_t next = 0;
    start(&whole);
    start(&other);
    const char *const damage[] = {NULL, "", junk, other.ca_cert, whole.cert};
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        struct rotation_state state = copy_state(&whole);
        steps_replace(&state.ca_cert, damage[i]);
        assert_true(step(&state, NOW + 1, &next));
        steps_check(&state, NOW + 1);
        assert_int_equal(steps_count(state.ca_cert), 1);
        assert_string_not_equal(state.ca_key, whole.ca_key);
        rotation_state_finish(&state);
    }
    rotation_state_finish(&whole);
    rotation_state_finish(&other);
}

/* The certificate still serves, so there is time to publish another CA first. */
static void rotation_of_a_lost_ca_key_is_no_break(void **unused) {
    (void)unused;
    struct rotation_state whole;
    struct error err;
    int64_t next = 0;
    start(&whole);
    const char *const damage[] = {NULL, junk, whole.key};
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        struct rotation_state state = copy_state(&whole);
        steps_replace(&state.ca_key, damage[i]);
        assert_true(step(&state, NOW + 1, &next));
        steps_check(&state, NOW + 1);
        assert_string_equal(state.cert, whole.cert);
        assert_non_null(state.next_ca_cert);
        assert_true(next == NOW + 1 + ROTATION_OVERLAP_S);
        assert_true(step(&state, next, &next));
        steps_check(&state, next);
        assert_string_not_equal(state.cert, whole.cert);
        assert_string_equal(state.old_ca_cert, whole.ca_cert);
        assert_int_equal(certificate_check_key(state.ca_cert, state.ca_key, &err), 0);
        rotation_state_finish(&state);
    }
    rotation_state_finish(&whole);
}

static void rotation_of_a_tampered_bundle_writes_it_again(void **unused) {
    (void)unused;
    struct rotation_state state, other;
    int64_t next = 0, due = NOW + ROTATION_CA_S - ROTATION_CA_S / 3;
    start(&state);
    start(&other);
    char *first = steps_copy(state.ca_cert);
    char *more = mem_printf("%s%s", first, other.ca_cert);
    steps_replace(&state.ca_cert, more);
    assert_true(step(&state, NOW + 1, &next));
    assert_string_equal(state.ca_cert, first);
    step(&state, due, &next);
    assert_int_equal(steps_count(state.ca_cert), 2);
    steps_replace(&state.ca_cert, first); /* `next` is not published: its wait begins again */
    assert_true(step(&state, due + DAY, &next));
    steps_check(&state, due + DAY);
    assert_non_null(state.next_ca_cert);
    assert_true(next == due + DAY + ROTATION_OVERLAP_S);
    mem_free(first);
    mem_free(more);
    rotation_state_finish(&state);
    rotation_state_finish(&other);
}

static void rotation_of_a_damaged_next_or_old_ca_drops_it(void **unused) {
    (void)unused;
    struct rotation_state state, phase;
    int64_t next = 0, due = NOW + ROTATION_CA_S - ROTATION_CA_S / 3;
    start(&state);
    step(&state, due, &next);
    phase = copy_state(&state);
    steps_replace(&phase.next_ca_key, NULL);
    assert_true(step(&phase, due + 1, &next));
    steps_check(&phase, due + 1);
    assert_string_not_equal(phase.next_ca_cert, state.next_ca_cert); /* another one */
    assert_string_equal(phase.cert, state.cert);
    rotation_state_finish(&phase);
    step(&state, due + DAY, &next);
    assert_non_null(state.old_ca_cert);
    steps_replace(&state.old_ca_cert, junk);
    assert_true(step(&state, due + DAY + 1, &next));
    steps_check(&state, due + DAY + 1);
    assert_null(state.old_ca_cert);
    rotation_state_finish(&state);
}

static void rotation_after_a_long_sleep_starts_anew(void **unused) {
    (void)unused;
    struct rotation_state state;
    int64_t next = 0, late = NOW + 2 * (int64_t)ROTATION_CA_S;
    start(&state);
    assert_true(step(&state, late, &next));
    steps_check(&state, late);
    assert_int_equal(steps_count(state.ca_cert), 1);
    assert_false(step(&state, late + 1, &next));
    rotation_state_finish(&state);
}

static void rotation_by_a_clock_behind_changes_nothing(void **unused) {
    (void)unused;
    struct rotation_state state;
    int64_t next = 0, due = NOW + ROTATION_CA_S - ROTATION_CA_S / 3;
    start(&state);
    assert_false(step(&state, NOW - 3000, &next));
    step(&state, due, &next);
    assert_false(step(&state, due - 3000, &next));
    state.next_since = INT64_MAX; /* damaged: the wait begins now, and ends */
    assert_true(step(&state, due + 1, &next));
    assert_true(next == due + 1 + ROTATION_OVERLAP_S);
    rotation_state_finish(&state);
}

static void rotation_survives_each_failed_allocation(void **unused) {
    (void)unused;
    struct rotation_state whole;
    int64_t next = 0, due = NOW + ROTATION_CA_S - ROTATION_CA_S / 3;
    start(&whole);
    step(&whole, due, &next);
    const int64_t times[] = {due + 1, due + DAY}; /* nothing to do; a CA is promoted */
    for (size_t i = 0; i < 2; i++) {
        struct oom_sweep sweep = {0};
        while (oom_sweep_next(&sweep)) {
            struct rotation_options options = steps_at(times[i]);
            struct rotation_state state = {0};
            struct error err;
            bool changed = false;
            int rc = rotation_step(&whole, &options, &state, &changed, &next, &err);
            assert_true(rc == ERROR_NOMEM || (rc == 0 && changed == (i == 1)));
            rotation_state_finish(&state);
        }
    }
    rotation_state_finish(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rotation_of_nothing_makes_everything),
        cmocka_unit_test(rotation_options_that_cannot_be_are_invalid),
        cmocka_unit_test(rotation_ca_lives_for_four_serving_certificates),
        cmocka_unit_test(rotation_of_short_lives_comes_to_rest),
        cmocka_unit_test(rotation_renews_at_two_thirds_by_the_same_ca),
        cmocka_unit_test(rotation_to_more_names_reissues_and_to_fewer_does_not),
        cmocka_unit_test(rotation_of_a_ca_goes_through_its_phases),
        cmocka_unit_test(rotation_waits_for_what_was_published_late),
        cmocka_unit_test(rotation_of_a_damaged_serving_pair_keeps_the_ca),
        cmocka_unit_test(rotation_of_a_damaged_ca_makes_another),
        cmocka_unit_test(rotation_of_a_lost_ca_key_is_no_break),
        cmocka_unit_test(rotation_of_a_tampered_bundle_writes_it_again),
        cmocka_unit_test(rotation_of_a_damaged_next_or_old_ca_drops_it),
        cmocka_unit_test(rotation_after_a_long_sleep_starts_anew),
        cmocka_unit_test(rotation_by_a_clock_behind_changes_nothing),
        cmocka_unit_test(rotation_survives_each_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
