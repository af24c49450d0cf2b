#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "runtime/errand.h"
#include "runtime/invocation.h"

/* R13: schedules under a clock that moves and jumps as told. The call into Lua is replaced: it
 * runs until the test ends it. */

struct bench {
    struct clock_fake clock;
    struct log log;
    struct host host;
    struct definition definition;
    struct program program;
    struct edition edition;
    struct errand *errand;
    struct invocation *running;
    int runs, lines;
};

int invocation_start(struct invocation *invocation, struct host *host, struct worker_script *script,
                     const struct definition *definition, unsigned index, const char *function,
                     struct str key, const struct object *object, const struct object *old,
                     struct error *err) {
    struct bench *bench = CONTAINER_OF(host, struct bench, host);
    (void)script, (void)definition, (void)index, (void)function, (void)key;
    (void)object, (void)old, (void)err;
    assert_null(bench->running); /* no overlap */
    bench->running = invocation;
    bench->runs++;
    return 0;
}

void invocation_cancel(struct invocation *invocation, int code) {
    (void)invocation, (void)code;
}

void invocation_finish(struct invocation *invocation) {
    (void)invocation;
}

void invocation_log_fields(const struct invocation *invocation, struct log_field *fields) {
    (void)invocation;
    fields[0] = (struct log_field){0};
}

static void on_changed(struct host *host) {
    (void)host;
}

static int write_line(void *context, const char *line, size_t len) {
    (void)line, (void)len;
    ((struct bench *)context)->lines++;
    return 0;
}

static void start(struct bench *bench, const char *cron, uint64_t deadline_ns) {
    struct error err;
    int64_t noon;
    *bench = (struct bench){0};
    assert_int_equal(clock_parse("2026-01-01T12:00:00Z", &noon), 0);
    clock_fake_init(&bench->clock, 1000 * NS_PER_S, noon);
    bench->log = (struct log){
        .clock = &bench->clock.clock, .level = LOG_WARN, .write = write_line, .context = bench};
    bench->host = (struct host){.loop = loop_create(&bench->clock.clock, &err),
                                .clock = &bench->clock.clock,
                                .log = &bench->log,
                                .leading = true,
                                .changed = on_changed};
    bench->definition = (struct definition){.type = DEFINITION_SCHEDULE,
                                            .name = (char *)"tick",
                                            .source = (char *)"tick.lua:1",
                                            .cron = (char *)(uintptr_t)cron,
                                            .deadline_ns = deadline_ns};
    bench->program = (struct program){.host = &bench->host, .refs = 1};
    bench->edition = (struct edition){.program = &bench->program, .definition = &bench->definition};
    bench->errand = errand_begin(&bench->edition, &err);
    assert_non_null(bench->errand);
}

static void end_run(struct bench *bench) {
    struct invocation *invocation = bench->running;
    bench->running = NULL;
    if (invocation)
        invocation->done(invocation);
}

static void stop(struct bench *bench) {
    end_run(bench);
    errand_stop(bench->errand, 0);
    loop_destroy(bench->host.loop);
}

/* Lets `seconds` pass; each run ends at once. How often it ran. */
static int pass(struct bench *bench, uint64_t seconds) {
    int before = bench->runs;
    for (; seconds > 0; seconds--) {
        loop_advance(bench->host.loop, &bench->clock, NS_PER_S);
        end_run(bench);
    }
    return bench->runs - before;
}

static void jump(struct bench *bench, int64_t seconds) {
    bench->clock.wall_ns += seconds * (int64_t)NS_PER_S;
}

static void schedule_runs_at_its_times(void **state) {
    (void)state;
    struct bench bench;
    start(&bench, "*/5 * * * *", 0);
    assert_int_equal(pass(&bench, 299), 0);
    assert_int_equal(pass(&bench, 1), 1);
    assert_int_equal(pass(&bench, 3600), 12);
    assert_int_equal(bench.lines, 0);
    stop(&bench);
}

static void schedule_makes_up_one_missed_run_within_its_deadline(void **state) {
    (void)state;
    struct bench bench;
    start(&bench, "*/5 * * * *", 600 * NS_PER_S);
    jump(&bench, 3600 + 120);               /* 13:02: twelve were missed, two within 10 minutes */
    assert_int_equal(pass(&bench, 60), 1);  /* noticed within a minute */
    assert_int_equal(bench.lines, 1);       /* the others are told */
    assert_int_equal(pass(&bench, 119), 0); /* 13:04:59 */
    assert_int_equal(pass(&bench, 60), 1);  /* the usual one */
    stop(&bench);
}

static void schedule_makes_up_none_beyond_its_deadline(void **state) {
    (void)state;
    struct bench bench;
    start(&bench, "0 * * * *", 60 * NS_PER_S);
    jump(&bench, 3600 + 600); /* 13:10: that of 13:00 was missed */
    assert_int_equal(pass(&bench, 120), 0);
    assert_int_equal(bench.lines, 1);
    assert_int_equal(pass(&bench, 3000), 1); /* 14:00 */
    stop(&bench);
}

static void schedule_that_was_led_by_another_makes_up_one_run(void **state) {
    (void)state;
    struct bench bench;
    start(&bench, "*/5 * * * *", 3600 * NS_PER_S);
    bench.host.leading = false;
    assert_int_equal(pass(&bench, 1800), 0);
    bench.host.leading = true;
    errand_wake(bench.errand);
    assert_int_equal(pass(&bench, 60), 1);
    assert_int_equal(pass(&bench, 240), 1);
    stop(&bench);
}

static void schedule_does_not_run_twice_when_the_clock_goes_back(void **state) {
    (void)state;
    struct bench bench;
    start(&bench, "*/5 * * * *", 0);
    assert_int_equal(pass(&bench, 310), 1); /* 12:05:10 */
    jump(&bench, -120);                     /* 12:03:10 */
    assert_int_equal(pass(&bench, 300), 0); /* 12:08:10: no second 12:05 */
    assert_int_equal(pass(&bench, 120), 1); /* 12:10 */
    stop(&bench);
}

static void schedule_does_not_run_twice_when_the_clock_goes_back_in_a_run(void **state) {
    (void)state;
    struct bench bench;
    start(&bench, "*/5 * * * *", 0);
    for (int i = 0; i < 301; i++)
        loop_advance(bench.host.loop, &bench.clock, NS_PER_S);
    assert_int_equal(bench.runs, 1);
    jump(&bench, -60); /* 12:04:01, while that of 12:05 runs */
    end_run(&bench);
    assert_int_equal(pass(&bench, 240), 0); /* past 12:05 */
    assert_int_equal(pass(&bench, 180), 1); /* 12:10 */
    stop(&bench);
}

static void schedule_follows_a_clock_that_was_wrong(void **state) {
    (void)state;
    struct bench bench;
    start(&bench, "*/5 * * * *", 0);
    jump(&bench, -365 * 24 * 3600); /* it was a year ahead */
    assert_int_equal(pass(&bench, 660), 2);
    stop(&bench);
}

static void schedule_of_a_long_run_does_not_overlap(void **state) {
    (void)state;
    struct bench bench;
    start(&bench, "* * * * *", 0);
    for (int i = 0; i < 600; i++)
        loop_advance(bench.host.loop, &bench.clock, NS_PER_S);
    assert_int_equal(bench.runs, 1);
    end_run(&bench);
    assert_int_equal(pass(&bench, 60), 1);
    stop(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedule_runs_at_its_times),
        cmocka_unit_test(schedule_makes_up_one_missed_run_within_its_deadline),
        cmocka_unit_test(schedule_makes_up_none_beyond_its_deadline),
        cmocka_unit_test(schedule_that_was_led_by_another_makes_up_one_run),
        cmocka_unit_test(schedule_does_not_run_twice_when_the_clock_goes_back),
        cmocka_unit_test(schedule_does_not_run_twice_when_the_clock_goes_back_in_a_run),
        cmocka_unit_test(schedule_follows_a_clock_that_was_wrong),
        cmocka_unit_test(schedule_of_a_long_run_does_not_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
