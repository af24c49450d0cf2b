#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

static int keep(void *context, const char *line, size_t len) {
    strbuf_add(context, line, len);
    return 0;
}

static struct log log_to(struct strbuf *lines, struct clock_fake *clock, enum log_format format) {
    clock_fake_init(clock, 0, (int64_t)1700000000 * (int64_t)NS_PER_S);
    return (struct log){.clock = &clock->clock,
                        .format = format,
                        .level = LOG_INFO,
                        .write = keep,
                        .context = lines};
}

/* A full disk costs the line, not the program. */
static void log_that_cannot_write_counts_and_goes_on(void **state) {
    (void)state;
    struct clock_fake clock;
    struct log log = log_to(NULL, &clock, LOG_JSON);
    int full = open("/dev/full", O_WRONLY);
    assert_true(full >= 0);
    log.write = log_write_fd;
    log.context = (void *)(intptr_t)full;
    log_info(&log, "one");
    log_info(&log, "two");
    log_debug(&log, "below the level: not even tried");
    assert_int_equal(log.lost, 2);
    close(full);
}

static void log_json_escapes_what_json_cannot_hold(void **state) {
    (void)state;
    struct clock_fake clock;
    struct strbuf lines = {0};
    struct log log = log_to(&lines, &clock, LOG_JSON);
    struct log_field fields[] = {
        {"key", "a\"b\n\x01", false}, {"n", "5", true}, {"none", NULL, false}, {0}};
    log_emit(&log, LOG_WARN, fields, "said \"%s\"", "x");
    assert_string_equal(lines.data,
                        "{\"ts\":\"2023-11-14T22:13:20.000000Z\",\"level\":\"warn\","
                        "\"msg\":\"said \\\"x\\\"\",\"key\":\"a\\\"b\\n\\u0001\",\"n\":5}\n");
    strbuf_finish(&lines);
}

static void log_for_people_quotes_only_what_needs_it(void **state) {
    (void)state;
    struct clock_fake clock;
    struct strbuf lines = {0};
    struct log log = log_to(&lines, &clock, LOG_HUMAN);
    struct log_field fields[] = {{"a", "plain", false}, {"b", "two words", false}, {0}};
    log_emit(&log, LOG_ERROR, fields, "failed");
    assert_string_equal(lines.data, "22:13:20.000 error failed  a=plain  b=\"two words\"\n");
    strbuf_finish(&lines);
}

static void log_for_people_sets_lines_below_the_message(void **state) {
    (void)state;
    struct clock_fake clock;
    struct strbuf lines = {0};
    struct log log = log_to(&lines, &clock, LOG_HUMAN);
    struct log_field fields[] = {
        {"traceback", "one\n\ttwo\033", false}, {"a", "plain", false}, {0}};
    log_emit(&log, LOG_ERROR, fields, "failed");
    assert_string_equal(lines.data, "22:13:20.000 error failed  a=plain\n"
                                    "    traceback: one\n        two\\u001b\n");
    strbuf_finish(&lines);
}

static void error_prefix_keeps_the_code_and_cuts_what_is_too_long(void **state) {
    (void)state;
    struct error err;
    char longer[3000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(error_set(&err, ERROR_GONE, "%s", longer), ERROR_GONE);
    assert_int_equal(error_prefix(&err, "watch %s", "pods"), ERROR_GONE);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(strncmp(err.message, "watch pods: xxx", 15), 0);
    assert_int_equal(error_set(NULL, ERROR_NOMEM, "nobody asks"), ERROR_NOMEM);
    assert_int_equal(error_code_from_http(409, "AlreadyExists"), ERROR_EXISTS);
    assert_int_equal(error_code_from_http(409, "Conflict"), ERROR_CONFLICT);
    assert_int_equal(error_code_from_http(200, ""), 0);
    assert_int_equal(error_code_from_name(error_code_name(ERROR_THROTTLED)), ERROR_THROTTLED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_that_cannot_write_counts_and_goes_on),
        cmocka_unit_test(log_json_escapes_what_json_cannot_hold),
        cmocka_unit_test(log_for_people_quotes_only_what_needs_it),
        cmocka_unit_test(log_for_people_sets_lines_below_the_message),
        cmocka_unit_test(error_prefix_keeps_the_code_and_cuts_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
