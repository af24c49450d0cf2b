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

static void log_json_has_each_key_once(void **state) {
    (void)state;
    struct clock_fake clock;
    struct strbuf lines = {0};
    struct log log = log_to(&lines, &clock, LOG_JSON);
    struct log_field fields[] = {
        {"name", "a", false},   {"none", NULL, false}, {"msg", "b", false},
        {"level", "1", true},   {"ts", "c", false},    {"none", "d", false},
        {"name", "e\"", false}, {"time", "f", false},  {0}};
    log_emit(&log, LOG_WARN, fields, "said");
    assert_string_equal(
        lines.data, "{\"ts\":\"2023-11-14T22:13:20.000000Z\",\"level\":\"warn\",\"msg\":\"said\","
                    "\"name\":\"a\",\"fields.msg\":\"b\",\"fields.level\":1,\"fields.ts\":\"c\","
                    "\"none\":\"d\",\"fields.name\":\"e\\\"\",\"time\":\"f\"}\n");
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

/* Objects say what they like, and errors repeat it. */
static void log_of_foreign_text_is_one_line_of_characters(void **state) {
    (void)state;
    static const struct {
        const char *text, *json, *human;
    } cases[] = {
        {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8d", "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8d",
         "gr\xc3\xbc\xc3\x9f \xf0\x9f\x8c\x8d"},
        {"a\xff\xc3", "a\xef\xbf\xbd\xef\xbf\xbd", "a\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\x1b[31m\x7f\xc2\x9b", "\\u001b[31m\\u007f\\u009b", "\\u001b[31m\\u007f\\u009b"},
        {"one\n22:13:20.000 info  two", "one\\n22:13:20.000 info  two",
         "one\n    22:13:20.000 info  two"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int human = 0; human < 2; human++) {
            struct clock_fake clock;
            struct strbuf lines = {0}, wanted = {0};
            struct log log = log_to(&lines, &clock, human ? LOG_HUMAN : LOG_JSON);
            log_info(&log, "%s", cases[i].text);
            strbuf_printf(&wanted,
                          human ? "22:13:20.000 info  %s\n"
                                : "{\"ts\":\"2023-11-14T22:13:20.000000Z\",\"level\":"
                                  "\"info\",\"msg\":\"%s\"}\n",
                          human ? cases[i].human : cases[i].json);
            assert_string_equal(lines.data, wanted.data);
            strbuf_finish(&lines);
            strbuf_finish(&wanted);
        }
    }
}

static void log_of_a_long_text_ends_with_a_whole_character(void **state) {
    (void)state;
    struct clock_fake clock;
    struct strbuf text = {0};
    while (text.len < 40000)
        strbuf_adds(&text, "\xe2\x82\xac");
    for (int field = 0; field < 2; field++) {
        struct strbuf lines = {0};
        struct log log = log_to(&lines, &clock, LOG_JSON);
        struct log_field fields[] = {{"f", text.data, false}, {0}};
        log_emit(&log, LOG_INFO, field ? fields : NULL, "%s", field ? "" : text.data);
        assert_in_range(lines.len, 16384, 16384 + 100);
        assert_string_equal(lines.data + lines.len - 6, "\xe2\x82\xac\"}\n");
        strbuf_finish(&lines);
    }
    strbuf_finish(&text);
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
        cmocka_unit_test(log_json_has_each_key_once),
        cmocka_unit_test(log_for_people_quotes_only_what_needs_it),
        cmocka_unit_test(log_for_people_sets_lines_below_the_message),
        cmocka_unit_test(log_of_foreign_text_is_one_line_of_characters),
        cmocka_unit_test(log_of_a_long_text_ends_with_a_whole_character),
        cmocka_unit_test(error_prefix_keeps_the_code_and_cuts_what_is_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
