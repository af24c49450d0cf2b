#include "json/write.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"

static void assert_double(double value, const char *expected) {
    struct strbuf buf = {0};
    struct json_writer writer;
    json_writer_init(&writer, &buf);
    json_write_double(&writer, value);
    assert_string_equal(buf.data, expected);
    strbuf_finish(&buf);
}

static void write_puts_the_commas(void **state) {
    (void)state;
    struct strbuf buf = {0};
    struct json_writer w;
    json_writer_init(&w, &buf);
    json_write_object_begin(&w);
    json_write_key_string(&w, "a", str_of("x\"\\\n\x01\x7f/"));
    json_write_key(&w, str_of("b"));
    json_write_array_begin(&w);
    json_write_int(&w, INT64_MIN);
    json_write_bool(&w, true);
    json_write_array_begin(&w);
    json_write_array_end(&w);
    json_write_object_begin(&w);
    json_write_object_end(&w);
    json_write_null(&w);
    json_write_raw(&w, str_of("1.0"));
    json_write_array_end(&w);
    json_write_plain_key(&w, str_of("p"));
    json_write_plain_string(&w, str_of(""));
    json_write_key(&w, str_of("q\"longer than a word\t"));
    json_write_plain_string(&w, str_of("plain"));
    json_write_key(&w, str_of("c"));
    json_write_bool(&w, false);
    json_write_object_end(&w);
    assert_false(buf.failed);
    assert_string_equal(buf.data,
                        "{\"a\":\"x\\\"\\\\\\n\\u0001\x7f/\",\"b\":[-9223372036854775808,true,"
                        "[],{},null,1.0],\"p\":\"\",\"q\\\"longer than a word\\t\":\"plain\","
                        "\"c\":false}");
    strbuf_finish(&buf);
}

static void write_doubles_are_short_and_exact(void **state) {
    (void)state;
    assert_double(0.1, "0.1");
    assert_double(1.0 / 3, "0.3333333333333333");
    assert_double(0.1 + 0.2, "0.30000000000000004");
    assert_double(3.0, "3");
    assert_double(-0.0, "-0");
    assert_double(1e15, "1000000000000000");
    assert_double(9007199254740991.0, "9007199254740991");
    assert_double(1e300, "1e+300");
    assert_double(5e-324, "4.94065645841247e-324");
    assert_double(NAN, "null");
    assert_double(-INFINITY, "null");
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 100000; i++) {
        uint64_t bits = rng_next(&rng);
        double value;
        char text[JSON_DOUBLE_TEXT];
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        size_t len = json_double_text(value, text);
        assert_int_equal(len, strlen(text));
        assert_true(strtod(text, NULL) == value);
    }
}

static void write_without_memory_shows_at_the_end(void **state) {
    (void)state;
    struct strbuf buf = {0};
    struct json_writer w;
    json_writer_init(&w, &buf);
    json_write_array_begin(&w);
    mem_fail_at(0, /* forever= */ true);
    for (int i = 0; i < 100; i++)
        json_write_double(&w, 1.5);
    json_write_array_end(&w);
    assert_true(mem_fail_stop());
    assert_true(buf.failed);
    strbuf_finish(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_puts_the_commas),
        cmocka_unit_test(write_doubles_are_short_and_exact),
        cmocka_unit_test(write_without_memory_shows_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
