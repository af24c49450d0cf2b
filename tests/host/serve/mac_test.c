/* HMAC-SHA256 by the vectors of RFC 4231, and secrets that are compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "serve/mac.h"

static void mac_is_that_of_the_rfc(void **state) {
    (void)state;
    static const struct {
        const char *key, *text, *hex;
    } cases[] = {
        {"Jefe", "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
         "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char mac[MAC_BYTES];
        char hex[2 * MAC_BYTES + 1];
        assert_int_equal(mac_make(str_of(cases[i].key), str_of(cases[i].text), mac, NULL), 0);
        for (size_t k = 0; k < MAC_BYTES; k++)
            snprintf(hex + 2 * k, 3, "%02x", mac[k]);
        assert_string_equal(hex, cases[i].hex);
    }
}

static void digest_is_that_of_the_standard(void **state) {
    static const unsigned char begins[] = {0xba, 0x78, 0x16, 0xbf};
    unsigned char digest[MAC_BYTES];
    (void)state;
    assert_int_equal(mac_digest(str_of("abc"), digest, NULL), 0);
    assert_memory_equal(digest, begins, sizeof begins);
}

static void only_the_whole_secret_is_the_same(void **state) {
    (void)state;
    static const char *const others[] = {"", "s", "sesam", "sesamE", "sesame ", "sesamesesame"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(mac_same(str_of(others[i]), str_of("sesame")));
    assert_true(mac_same(str_of("sesame"), str_of("sesame")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mac_is_that_of_the_rfc),
        cmocka_unit_test(digest_is_that_of_the_standard),
        cmocka_unit_test(only_the_whole_secret_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
