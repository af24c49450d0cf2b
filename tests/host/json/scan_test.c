#include "json/scan.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "json/write.h"

/* Copies the document token by token. 0 or the scanner's error. */
static int copy(struct str json, struct strbuf *out, struct error *err) {
    struct json_scanner scanner;
    struct json_writer writer;
    enum json_token token = JSON_TOKEN_NULL;
    int rc = 0;
    json_scanner_init(&scanner, json.data, json.len);
    json_writer_init(&writer, out);
    while (rc == 0 && token != JSON_TOKEN_END && (rc = json_next(&scanner, &token, err)) == 0) {
        switch (token) {
        case JSON_TOKEN_OBJECT_BEGIN:
            json_write_object_begin(&writer);
            break;
        case JSON_TOKEN_OBJECT_END:
            json_write_object_end(&writer);
            break;
        case JSON_TOKEN_ARRAY_BEGIN:
            json_write_array_begin(&writer);
            break;
        case JSON_TOKEN_ARRAY_END:
            json_write_array_end(&writer);
            break;
        case JSON_TOKEN_KEY:
            json_write_key(&writer, scanner.text);
            break;
        case JSON_TOKEN_STRING:
            json_write_string(&writer, scanner.text);
            break;
        case JSON_TOKEN_NUMBER:
            json_write_raw(&writer, scanner.text);
            break;
        case JSON_TOKEN_TRUE:
        case JSON_TOKEN_FALSE:
            json_write_bool(&writer, token == JSON_TOKEN_TRUE);
            break;
        case JSON_TOKEN_NULL:
            json_write_null(&writer);
            break;
        case JSON_TOKEN_END:
            break;
        }
    }
    if (rc < 0) { /* after an error, the same again */
        struct error again = {0};
        assert_int_equal(json_next(&scanner, &token, &again), rc);
        if (err)
            assert_string_equal(again.message, err->message);
    }
    json_scanner_finish(&scanner);
    return rc;
}

static void assert_copies(const char *json, const char *expected) {
    struct strbuf out = {0};
    struct error err = {0};
    int rc = copy(str_of(json), &out, &err);
    if (rc < 0)
        fail_msg("%s: %s", json, err.message);
    assert_string_equal(out.data, expected);
    strbuf_finish(&out);
}

static void assert_rejected(struct str json, const char *message) {
    struct strbuf out = {0};
    struct error err = {0};
    assert_int_equal(copy(json, &out, &err), ERROR_REJECTED);
    if (message)
        assert_string_equal(err.message, message);
    strbuf_finish(&out);
}

static void scan_values_are_copied(void **state) {
    (void)state;
    assert_copies("{}", "{}");
    assert_copies(" [ ] ", "[]");
    assert_copies("\t{ \"a\" : [ 1 , -2.50e+3, true,false , null ] , \"\":{} }\r\n",
                  "{\"a\":[1,-2.50e+3,true,false,null],\"\":{}}");
    assert_copies("0", "0");
    assert_copies("-0", "-0");
    assert_copies("123456789012345678901234567890", "123456789012345678901234567890");
    assert_copies("\"\"", "\"\"");
    assert_copies(
        "\"a \\\"q\\\" \\\\ \\/ \\b\\f\\n\\r\\t \\u0001 \\u00e9 \\ud83d\\ude00 end of it\"",
        "\"a \\\"q\\\" \\\\ / \\b\\f\\n\\r\\t \\u0001 \xc3\xa9 \xf0\x9f\x98\x80 end of it\"");
    assert_copies("\"\xe2\x82\xac is plain\"", "\"\xe2\x82\xac is plain\"");
    assert_copies("\"\\u0000\"", "\"\\u0000\"");
}

static void scan_nonsense_is_rejected_with_its_place(void **state) {
    (void)state;
    assert_rejected(str_of(""), "byte 0: expected a value, found the end");
    assert_rejected(str_of("[1,]"), "byte 3: expected a value, found ']'");
    assert_rejected(str_of("{\"a\":1,}"), "byte 7: expected a key, found '}'");
    assert_rejected(str_of("{\"a\" 1}"), "byte 5: expected ':', found '1'");
    assert_rejected(str_of("[1 2]"), "byte 3: expected ',' or ']', found '2'");
    assert_rejected(str_of("{\"a\":1 \"b\"}"), "byte 7: expected ',' or '}', found '\"'");
    assert_rejected(str_of("{} x"), "byte 3: expected nothing after the document, found 'x'");
    assert_rejected(str_of("\"abc"), "byte 4: in a string: expected '\"', found the end");
    assert_rejected(str_of("\"a\nb\""), "byte 2: in a string: expected '\"', found 0x0a");
    assert_rejected(str_of("\"\\x\""), "byte 1: in a string: bad escape, found '\\'");
    static const char *const bad[] = {
        "01",          "-",
        "1.",          ".5",
        "1e",          "1e+",
        "+1",          "0x1",
        "tru",         "nul",
        "falsy",       "NaN",
        "[",           "{",
        "]",           "{1:2}",
        "{\"a\"}",     "[}",
        "{]",          "'a'",
        "\"\\",        "\"\\u12\"",
        "\"\\u12g4\"", "\"\\ud800\"",
        "\"\\udc00\"", "\"\\ud800\\u0041\"",
        "[1]]",        "//",
        "1 1",         "\xef\xbb\xbf{}",
        "-01",         "1.e1",
        "--1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_rejected(str_of(bad[i]), NULL);
    assert_rejected(str_n("\"a\0b\"", 5), NULL);
    assert_rejected(str_n("1\0", 2), NULL);
}

static void scan_bad_utf8_is_rejected(void **state) {
    (void)state;
    static const char *const bad[] = {
        "\"\x80\"",
        "\"\xc0\x80\"",
        "\"\xc1\xbf\"",
        "\"\xe0\x80\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xf0\x80\x80\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xf5\x80\x80\x80\"",
        "\"\xe2\x82\"",
        "\"\xe2\x82",
        "\"\xff\"",
        "\"01234567\xc3\"",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_rejected(str_of(bad[i]), NULL);
}

static void scan_depth_is_limited(void **state) {
    (void)state;
    struct strbuf deep = {0}, out = {0};
    struct error err;
    for (int i = 0; i < JSON_MAX_DEPTH; i++)
        strbuf_adds(&deep, i % 2 ? "{\"k\":" : "[");
    strbuf_adds(&deep, "1");
    for (int i = JSON_MAX_DEPTH - 1; i >= 0; i--)
        strbuf_adds(&deep, i % 2 ? "}" : "]");
    assert_int_equal(copy(strbuf_view(&deep), &out, &err), 0);
    assert_true(str_equal(strbuf_view(&deep), strbuf_view(&out)));
    strbuf_clear(&deep);
    for (int i = 0; i < 100000; i++)
        strbuf_adds(&deep, "[");
    assert_rejected(strbuf_view(&deep), "byte 512: more than 512 levels deep");
    strbuf_finish(&deep);
    strbuf_finish(&out);
}

/* Stepping over `json` and reading it token by token agree. */
static void skip_agrees(const char *json) {
    struct strbuf document = {0};
    struct json_scanner read, plain, span;
    enum json_token token = JSON_TOKEN_NULL;
    struct error err = {0}, other = {0};
    int rc = 0, skipped;
    strbuf_printf(&document, "{\"a\":%s", json);
    json_scanner_init(&read, document.data, document.len);
    json_scanner_init(&plain, document.data, document.len);
    json_scanner_init(&span, document.data, document.len);
    for (int i = 0; i < 2; i++) {
        json_next(&read, &token, NULL);
        json_next(&plain, &token, NULL);
        json_next(&span, &token, NULL);
    }
    do
        rc = json_next(&read, &token, &err);
    while (rc == 0 && read.depth > 1);
    skipped = json_skip(&plain, NULL, &other);
    assert_int_equal(skipped, rc);
    assert_string_equal(err.message, other.message);
    assert_int_equal(plain.at - plain.start, read.at - read.start);
    if (rc == 0) {
        assert_int_equal(json_skip_span(&span, NULL), 0);
        assert_int_equal(span.at - span.start, read.at - read.start);
    }
    json_scanner_finish(&read);
    json_scanner_finish(&plain);
    json_scanner_finish(&span);
    strbuf_finish(&document);
}

static void scan_skip_checks_all_that_it_steps_over(void **state) {
    (void)state;
    static const char deep[] = "[{\"b\":{\"c\":{\"d\":%s,\"e\":%s}}}]";
    static const char *const values[] = {
        "{\"f:a\":{\"k:{\\\"name\\\":\\\"app\\\"}\":{\".\":{},\"f:image\":{},\"f:name\":{}}}}",
        "{\"f:a\":{\"k:{\\\"name\\\":\\\"app\\\"}\":{\".\":{},\"f:image\":{},\"f:name\":{}}}",
        "{\"f:a\": {\"f\" : [1, 2.5, true, null, \"\\u00e9 and some more to make it long\"] } }",
        "{\"f:a\":{\"f\":[\"\\x\"],\"g\":\"more of it\"}}",
        "{\"f:a\":{\"f\":[\"\xff\"],\"g\":\"more of it\"}}",
        "{\"f:a\":[}]}",
        "[]",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{,}",
        "\"a",
        "nul",
        ""};
    enum { COUNT = sizeof values / sizeof *values };
    char json[1024];
    for (size_t i = 0; i < COUNT * COUNT; i++) {
        snprintf(json, sizeof json, deep, values[i % COUNT], values[i / COUNT]);
        skip_agrees(json);
    }
    skip_agrees("1");
    skip_agrees("\"a\\n\"");
}

static void scan_skip_span_asks_for_the_end_alone(void **state) {
    (void)state;
    static const struct {
        const char *json;
        int code;
    } cases[] = {{"{\"a\":[1 \"\xff]\",]", 0},        {"{\"a\": {\"b\" \"\\\"}\"]", 0},
                 {"{\"a\":[{}", ERROR_REJECTED},      {"{\"a\":[\"]", ERROR_REJECTED},
                 {"{\"a\":[\"\\\"]", ERROR_REJECTED}, {"{\"a\":tru", ERROR_REJECTED},
                 {"{\"a\":", ERROR_REJECTED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_scanner s;
        enum json_token token;
        struct error err = {0};
        json_scanner_init(&s, cases[i].json, strlen(cases[i].json));
        assert_int_equal(json_next(&s, &token, &err), 0);
        assert_int_equal(json_next(&s, &token, &err), 0);
        assert_int_equal(json_skip_span(&s, &err), cases[i].code);
        if (cases[i].code == 0)
            assert_ptr_equal(s.at, s.end);
        json_scanner_finish(&s);
    }
}

static void scan_skip_gives_the_bytes_of_a_value(void **state) {
    (void)state;
    const char *json = "{\"a\": {\"x\": [1, {\"y\\n\": 2}]} , \"b\":[ 1 , \"two\" , {} ],\"c\":3}";
    struct json_scanner s;
    enum json_token token;
    struct str raw;
    struct error err;
    json_scanner_init(&s, json, strlen(json));
    assert_int_equal(json_next(&s, &token, &err), 0);
    assert_int_equal(json_next(&s, &token, &err), 0);
    assert_int_equal(token, JSON_TOKEN_KEY);
    assert_int_equal(json_skip(&s, &raw, &err), 0);
    assert_true(str_is(raw, "{\"x\": [1, {\"y\\n\": 2}]}"));
    assert_int_equal(json_skip(&s, &raw, &err), ERROR_INVALID); /* a key comes, not a value */
    assert_int_equal(json_next(&s, &token, &err), 0);           /* the key was read: now `[` */
    assert_int_equal(token, JSON_TOKEN_ARRAY_BEGIN);
    static const char *const items[] = {"1", "\"two\"", "{}", ""};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(json_skip(&s, &raw, &err), 0);
        assert_true(str_is(raw, items[i]));
    }
    assert_int_equal(json_next(&s, &token, &err), 0);
    assert_true(str_is(s.text, "c"));
    assert_int_equal(json_skip(&s, NULL, &err), 0);
    assert_int_equal(json_next(&s, &token, &err), 0);
    assert_int_equal(json_next(&s, &token, &err), 0);
    assert_int_equal(token, JSON_TOKEN_END);
    assert_int_equal(json_next(&s, &token, &err), 0);
    assert_int_equal(token, JSON_TOKEN_END);
    json_scanner_finish(&s);
}

static void scan_survives_each_failed_allocation(void **state) {
    (void)state;
    uint64_t blocks = mem_stats().blocks;
    const char *json =
        "[\"\\n\",\"a much longer string than the first one \\n that needs more room\"]";
    bool hit = true;
    for (uint64_t n = 0; hit; n++) {
        struct json_scanner s;
        enum json_token token = JSON_TOKEN_NULL;
        struct error err;
        int rc = 0;
        json_scanner_init(&s, json, strlen(json));
        mem_fail_at(n, /* forever= */ true);
        while (token != JSON_TOKEN_END && (rc = json_next(&s, &token, &err)) == 0)
            ;
        hit = mem_fail_stop();
        assert_int_equal(rc, hit ? ERROR_NOMEM : 0);
        json_scanner_finish(&s);
    }
    assert_int_equal(mem_stats().blocks, blocks);
}

/* One random value, written as loosely as JSON allows. */
static void random_value(struct rng *rng, struct strbuf *buf, int depth) {
    static const char *const atoms[] = {"true",
                                        "false",
                                        "null",
                                        "0",
                                        "-1",
                                        "12.5",
                                        "1e5",
                                        "-0.0",
                                        "\"\"",
                                        "\"abc\"",
                                        "\"\\u0041\\n\"",
                                        "\"\xc3\xa9\\ud83d\\ude00\"",
                                        "\"a long plain string without escapes\"",
                                        "123456789",
                                        "[]",
                                        "{}"};
    static const char *const spaces[] = {"", " ", "\n", "\t ", "", ""};
    uint64_t kind = rng_below(rng, depth > 5 ? 4 : 6);
    if (kind < 4) {
        strbuf_adds(buf, atoms[rng_below(rng, sizeof atoms / sizeof *atoms)]);
        return;
    }
    bool object = kind == 4;
    strbuf_addc(buf, object ? '{' : '[');
    uint64_t count = rng_below(rng, 5);
    for (uint64_t i = 0; i < count; i++) {
        strbuf_adds(buf, i ? "," : "");
        strbuf_adds(buf, spaces[rng_below(rng, 6)]);
        if (object)
            strbuf_printf(buf, "\"k%d\"%s:", (int)i, spaces[rng_below(rng, 6)]);
        random_value(rng, buf, depth + 1);
        strbuf_adds(buf, spaces[rng_below(rng, 6)]);
    }
    strbuf_addc(buf, object ? '}' : ']');
}

/* Accepts what jansson accepts, with the same value, and nothing else. */
static void check_against_jansson(struct str json) {
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_error_t why;
    json_t *theirs = json_loadb(json.data, json.len, flags, &why), *ours = NULL;
    if (theirs == NULL && json_error_code(&why) == json_error_numeric_overflow)
        return; /* JSON sets no limit to numbers */
    struct strbuf out = {0};
    struct error err = {0};
    int rc = copy(json, &out, &err);
    if ((rc == 0) != (theirs != NULL))
        fail_msg("%s\njansson: %s\nmoonlet: %s", json.data, theirs ? "accepts" : why.text,
                 rc == 0 ? "accepts" : err.message);
    if (rc == 0) {
        ours = json_loadb(out.data, out.len, flags, &why);
        assert_non_null(ours);
        assert_true(json_equal(ours, theirs));
    }
    json_decref(ours);
    json_decref(theirs);
    strbuf_finish(&out);
}

static void scan_agrees_with_jansson(void **state) {
    (void)state;
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 3000; i++) {
        struct strbuf buf = {0};
        random_value(&rng, &buf, 0);
        check_against_jansson(strbuf_view(&buf));
        for (int j = 0; j < 8; j++) { /* and broken in one place */
            size_t at = rng_below(&rng, buf.len);
            char was = buf.data[at];
            static const char bytes[] = "{}[]\",:\\0-+eE.u \n\x80\xc3\x01";
            buf.data[at] = bytes[rng_below(&rng, sizeof bytes - 1)];
            check_against_jansson(strbuf_view(&buf));
            buf.data[at] = was;
        }
        check_against_jansson(str_n(buf.data, rng_below(&rng, buf.len)));
        strbuf_finish(&buf);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scan_values_are_copied),
        cmocka_unit_test(scan_nonsense_is_rejected_with_its_place),
        cmocka_unit_test(scan_bad_utf8_is_rejected),
        cmocka_unit_test(scan_depth_is_limited),
        cmocka_unit_test(scan_skip_span_asks_for_the_end_alone),
        cmocka_unit_test(scan_skip_gives_the_bytes_of_a_value),
        cmocka_unit_test(scan_skip_checks_all_that_it_steps_over),
        cmocka_unit_test(scan_survives_each_failed_allocation),
        cmocka_unit_test(scan_agrees_with_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
