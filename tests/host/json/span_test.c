#include "json/span.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What it stops at in the text, fed in pieces of `size`. */
static void stops(const char *text, size_t size, uint32_t level, char ret[256]) {
    struct json_span span = {0};
    size_t len = strlen(text), used = 0;
    for (size_t at = 0; at < len; at += size) {
        size_t piece = len - at < size ? len - at : size, done = 0;
        while (done < piece) {
            char what;
            done += json_span_step(&span, text + at + done, piece - done, level, &what);
            if (what)
                ret[used++] = what;
        }
    }
    ret[used] = '\0';
    assert_int_equal(span.depth, 0);
    assert_false(span.in_string);
}

static void span_stops_at_brackets_of_the_level_wherever_it_is_cut(void **state) {
    (void)state;
    static const char text[] = "{\"a,b\":[{\"x\":\"}\\\"]\"},[1,2],\"long enough for more than "
                               "sixteen bytes\\\\\"],\"c\":{}}";
    static const char *const expected[] = {"{}", "{[],{}}", "{[{},[],],{}}"};
    char got[256];
    for (uint32_t level = 0; level < 3; level++) {
        for (size_t size = 1; size <= sizeof text; size++) {
            stops(text, size, level, got);
            assert_string_equal(got, expected[level]);
        }
    }
}

/* Pseudo-random bytes, JSON or not, are read alike in pieces of one and in pieces of hundreds. */
static void span_is_the_same_for_pieces_of_any_size(void **state) {
    (void)state;
    static const char alphabet[] = "{{}}[[]],\"\"\\:ab c";
    uint64_t seed = 1;
    char text[512];
    for (int round = 0; round < 4000; round++) {
        size_t letters = round % 2 ? sizeof alphabet - 1 : 10; /* with strings, or without */
        for (size_t i = 0; i < sizeof text; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[i] = alphabet[(seed >> 33) % letters];
        }
        struct json_span bytes = {0}, pieces = {0};
        size_t at = 0;
        uint32_t level = (uint32_t)round % 3;
        while (at < sizeof text) {
            char what = 0, one = 0;
            size_t len = sizeof text - at,
                   part = json_span_step(&pieces, text + at, len, level, &what);
            for (size_t i = 0; i < part; i++) {
                assert_int_equal(one, 0);
                assert_int_equal(json_span_step(&bytes, text + at + i, 1, level, &one), 1);
            }
            assert_int_equal(one, what);
            assert_int_equal(pieces.depth, bytes.depth);
            assert_int_equal(pieces.in_string, bytes.in_string);
            assert_int_equal(pieces.escaped, bytes.escaped);
            at += part;
        }
    }
}

static void span_of_too_many_ends_stays_at_the_document(void **state) {
    (void)state;
    struct json_span span = {0};
    char what;
    assert_int_equal(json_span_step(&span, "]}", 2, 0, &what), 1);
    assert_int_equal(what, ']');
    assert_int_equal(json_span_step(&span, "}", 1, 0, &what), 1);
    assert_int_equal(span.depth, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(span_stops_at_brackets_of_the_level_wherever_it_is_cut),
        cmocka_unit_test(span_is_the_same_for_pieces_of_any_size),
        cmocka_unit_test(span_of_too_many_ends_stays_at_the_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
