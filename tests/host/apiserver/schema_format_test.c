#include "apiserver/schema_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check(const char *name, const char *const *good, const char *const *bad) {
    const struct schema_format *format = schema_format_find(name);
    assert_non_null(format);
    for (; *good; good++)
        if (!format->fits(str_of(*good)))
            fail_msg("%s refuses \"%s\"", name, *good);
    for (; *bad; bad++)
        if (format->fits(str_of(*bad)))
            fail_msg("%s accepts \"%s\"", name, *bad);
}
#define LIST(...)                                                                                  \
    (const char *const[]) {                                                                        \
        __VA_ARGS__, NULL                                                                          \
    }

static void unknown_formats_are_not_checked(void **state) {
    (void)state;
    assert_null(schema_format_find("colour"));
    assert_null(schema_format_find("int32"));
    assert_null(schema_format_find(""));
    assert_null(
        schema_format_find("a-very-long-name-of-a-format-that-is-longer-than-any-of-them-is-"
                           "and-then-some-more"));
    assert_ptr_equal(schema_format_find("date-time"), schema_format_find("datetime"));
}

static void formats_of_time(void **state) {
    (void)state;
    check("date", LIST("2024-02-29", "2000-02-29", "1999-12-31"),
          LIST("", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-1-1", "2024-04-31",
               "2024-01-01T"));
    check("date-time",
          LIST("2024-02-29T23:59:59Z", "2024-02-29t00:00:00.123456z", "2024-02-29T10:00:00+02:00"),
          LIST("", "2024-02-29", "2024-02-30T00:00:00Z", "2024-02-29T24:00:00Z",
               "2024-02-29T10:00:00", "2024-02-29T10:00:00+0200", "2024-02-29 10:00:00Z"));
    check("duration", LIST("0", "1h30m", "-1.5s", "22 ns", "3 days", "5\u00b5s", "2 Weeks"),
          LIST("", "1", "h", "1 parsec", "+", "-"));
}

static void formats_of_addresses(void **state) {
    (void)state;
    check("ipv4", LIST("1.2.3.4", "010.0.0.1", "::ffff:1.2.3.4"),
          LIST("", "1.2.3", "1.2.3.256", "1.2.3.4.5", "::1"));
    check("ipv6", LIST("::1", "fe80::1:2", "::ffff:1.2.3.4"),
          LIST("", "1.2.3.4", "fe80::1%eth0", "g::"));
    check("cidr", LIST("10.0.0.0/8", "::/0", "fd00::/64"),
          LIST("", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "/8", "::/129", "10.0.0.0/-1"));
    check("mac",
          LIST("01:23:45:67:89:ab", "01-23-45-67-89-AB-cd-ef", "0123.4567.89ab", "0123456789ab"),
          LIST("", "01:23:45:67:89", "01:23-45:67:89:ab", "01:23:45:67:89:xx", "0123456789abc"));
    check("hostname",
          LIST("example.com", "a", "a-b", "a-", "my-host.example.com", "b\u00fccher.de"),
          LIST("", "-a", "a_b.com", "a..com", "example.c", "example.1a"));
    check("email", LIST("a@b", "Ann <ann@example.com>", "\"a b\"@example.com", "a.b+c@d.e"),
          LIST("", "a", "a@", "@b", "a b@c", "a@b c", "<a@b", ".a@b"));
    check("uri",
          LIST("http://a/b?c#d", "/path", "mailto:a@b", "http://[::1]:80/", "*", "fe80::1%eth0"),
          LIST("", "a", "a/b", "http://a:b/", "http://a b/", "/%zz", ":x", "1a:b", "/\n"));
}

static void formats_of_numbers(void **state) {
    (void)state;
    check("uuid", LIST("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "F81D4FAE7dec11d0a76500a0c91e6bf6"),
          LIST("", "f81d4fae-7dec-11d0-a765-00a0c91e6bf", "g81d4fae-7dec-11d0-a765-00a0c91e6bf6"));
    check("uuid4", LIST("f81d4fae-7dec-41d0-a765-00a0c91e6bf6"),
          LIST("f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "f81d4fae-7dec-41d0-c765-00a0c91e6bf6", ""));
    check("uuid3", LIST("f81d4fae-7dec-31d0-0765-00a0c91e6bf6"), LIST(""));
    check("uuid5", LIST("f81d4fae-7dec-51d0-8765-00a0c91e6bf6"), LIST(""));
    check("isbn", LIST("0321751043", "978-0321751041"), LIST("", "0321751044", "978-0321751042"));
    check("isbn10", LIST("0-8044-2957-X"), LIST("978-0321751041"));
    check("isbn13", LIST("978 0321751041"), LIST("0321751043"));
    check("creditcard", LIST("4111 1111 1111 1111", "378282246310005"),
          LIST("", "4111111111111112", "1111111111111111", "41111111111111111"));
    check("ssn", LIST("111-22-3333", "111 22 3333"), LIST("", "111223333", "11-222-3333"));
}

static void formats_of_bytes_and_colours(void **state) {
    (void)state;
    check("byte", LIST("YQ==", "YWI=", "YWJj"),
          LIST("", "YQ", "YQ=", "Y===", "=Q==", "YQ==YQ==", "a_b-"));
    check("bsonobjectid", LIST("507f1f77bcf86cd799439011"), LIST("", "507f1f77bcf86cd79943901"));
    check("hexcolor", LIST("#fff", "A0b1C2"), LIST("", "#ff", "#ggg"));
    check("rgbcolor", LIST("rgb(1,2,255)", "rgb( 0 , 0 , 0 )"),
          LIST("", "rgb(1,2)", "rgb(1,2,256)", "rgb(01,2,3)", "rgb(1,2,3) "));
    check("password", LIST("", "any"), (const char *const[]){NULL});
}

static void formats_of_kubernetes(void **state) {
    (void)state;
    check("k8s-short-name", LIST("a", "a-1"), LIST("", "A", "-a", "a-", "a.b"));
    check("k8s-long-name", LIST("a", "a.b-c.1"), LIST("", "a.", ".a", "a..b", "A.b"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_formats_are_not_checked),
        cmocka_unit_test(formats_of_time),
        cmocka_unit_test(formats_of_addresses),
        cmocka_unit_test(formats_of_numbers),
        cmocka_unit_test(formats_of_bytes_and_colours),
        cmocka_unit_test(formats_of_kubernetes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
