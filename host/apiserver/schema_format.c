#include "apiserver/schema_format.h"

#include <string.h>
#include <strings.h>

#include "apiserver/schema_format_parts.h"

/* What the API server's registry (go-openapi strfmt and its patterns) accepts; no more, no less,
 * but where a comment says so. */

enum { MOST_NAME = 64 };

/* "d" is a digit, "x" a hex digit, "-" may be missing, the rest stands for itself. */
static bool looks_like(struct str text, const char *form) {
    size_t at = 0;
    for (; *form; form++) {
        if (*form == '-') {
            at += at < text.len && text.data[at] == '-';
            continue;
        }
        if (at == text.len)
            return false;
        char c = text.data[at++];
        if (*form == 'd' ? !format_is_digit(c) : *form == 'x' ? !format_is_hex(c) : c != *form)
            return false;
    }
    return at == text.len;
}

static int two_digits(const char *at) {
    return (at[0] - '0') * 10 + at[1] - '0';
}

/* Time */

static bool fits_date(struct str text) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (text.len != 10 || text.data[4] != '-' || text.data[7] != '-' ||
        format_span(text, 0, format_is_digit) != 4 || format_span(text, 5, format_is_digit) != 2 ||
        format_span(text, 8, format_is_digit) != 2)
        return false;
    int year = two_digits(text.data) * 100 + two_digits(text.data + 2);
    int month = two_digits(text.data + 5), day = two_digits(text.data + 8);
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* What stands between the date and the time zone; one byte of anything may lead the fraction. */
static bool fits_clock(struct str text, size_t *ret_used) {
    if (text.len < 8 || !looks_like(str_n(text.data, 8), "dd:dd:dd") ||
        two_digits(text.data) > 23 || two_digits(text.data + 3) > 59 ||
        two_digits(text.data + 6) > 59)
        return false;
    *ret_used = 8;
    size_t fraction = text.len > 9 ? format_span(text, 9, format_is_digit) : 0;
    if (fraction > 0 && !strchr("zZ+-", text.data[8]))
        *ret_used = 9 + fraction;
    return true;
}

static bool fits_date_time(struct str text) {
    size_t used;
    if (text.len < 12 || (text.data[10] | 0x20) != 't' || !fits_date(str_n(text.data, 10)))
        return false;
    struct str clock = format_tail(text, 11);
    if (!fits_clock(clock, &used))
        return false;
    struct str zone = format_tail(clock, used);
    if (zone.len == 1)
        return (zone.data[0] | 0x20) == 'z';
    return zone.len == 6 && strchr("+-", zone.data[0]) && looks_like(format_tail(zone, 1), "dd:dd");
}

static bool is_unit_letter(char c) {
    return (format_is_alnum(c) && !format_is_digit(c)) || (unsigned char)c >= 0x80;
}

/* "1h30m", "-1.5s", "0" */
static bool fits_go_duration(struct str text) {
    static const char *const units[] = {"ns", "us", "\u00b5s", "\u03bcs", "ms", "s", "m", "h"};
    size_t at = text.len > 0 && strchr("+-", text.data[0]) ? 1 : 0;
    if (str_is(format_tail(text, at), "0"))
        return true;
    if (at == text.len)
        return false;
    while (at < text.len) {
        size_t whole = format_span(text, at, format_is_digit), fraction = 0, unit, i;
        at += whole;
        if (at < text.len && text.data[at] == '.') {
            fraction = format_span(text, at + 1, format_is_digit);
            at += 1 + fraction;
        }
        unit = format_span(text, at, is_unit_letter);
        for (i = 0; i < sizeof units / sizeof *units; i++)
            if (str_is(str_n(text.data + at, unit), units[i]))
                break;
        if (whole + fraction == 0 || i == sizeof units / sizeof *units)
            return false;
        at += unit;
    }
    return true;
}

static bool is_unit(struct str unit) {
    static const char *const exact[] = {"ns", "us", "\u00b5s", "ms", "s", "m",
                                        "h",  "hr", "d",       "w",  "wk"};
    static const char *const begin[] = {"nano", "micro", "milli", "sec",
                                        "min",  "hour",  "day",   "week"};
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (unit.len == strlen(exact[i]) && strncasecmp(unit.data, exact[i], unit.len) == 0)
            return true;
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++)
        if (unit.len >= strlen(begin[i]) && strncasecmp(unit.data, begin[i], strlen(begin[i])) == 0)
            return true;
    return false;
}

/* "3 days", "22 ns": one number with a unit anywhere is enough. */
static bool fits_duration(struct str text) {
    if (fits_go_duration(text))
        return true;
    for (size_t at = 0; at < text.len; at++) {
        size_t digits = format_span(text, at, format_is_digit);
        if (digits == 0)
            continue;
        at += digits;
        while (at < text.len && strchr(" \t\n\f\r", text.data[at]))
            at++;
        size_t unit = format_span(text, at, is_unit_letter);
        if (unit > 0 && is_unit(str_n(text.data + at, unit)))
            return true;
        at += unit > 0 ? unit - 1 : 0;
    }
    return false;
}

/* Numbers of things */

static bool fits_uuid(struct str text) {
    return looks_like(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
}

static bool is_variant(struct str text, char version) {
    char digits[33];
    size_t count = 0;
    for (size_t i = 0; fits_uuid(text) && i < text.len; i++)
        if (text.data[i] != '-')
            digits[count++] = text.data[i];
    return count == 32 && digits[12] == version && (version == '3' || strchr("89abAB", digits[16]));
}

static bool fits_uuid3(struct str text) {
    return is_variant(text, '3');
}

static bool fits_uuid4(struct str text) {
    return is_variant(text, '4');
}

static bool fits_uuid5(struct str text) {
    return is_variant(text, '5');
}

/* The characters that are not in `skip`, at most `size`; the count, size + 1 when there are more.
 */
static size_t strip(struct str text, const char *skip, char *ret, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] && strchr(skip, text.data[i]))
            continue;
        if (count == size)
            return size + 1;
        ret[count++] = text.data[i];
    }
    return count;
}

static bool fits_isbn10(struct str text) {
    char digits[10];
    int sum = 0;
    if (strip(text, " \t\n\f\r-", digits, 10) != 10)
        return false;
    for (int i = 0; i < 10; i++) {
        bool ten = i == 9 && digits[i] == 'X';
        if (!ten && !format_is_digit(digits[i]))
            return false;
        sum += (i + 1) * (ten ? 10 : digits[i] - '0');
    }
    return sum % 11 == 0;
}

static bool fits_isbn13(struct str text) {
    char digits[13];
    int sum = 0;
    if (strip(text, " \t\n\f\r-", digits, 13) != 13)
        return false;
    for (int i = 0; i < 13; i++) {
        if (!format_is_digit(digits[i]))
            return false;
        sum += (i % 2 ? 3 : 1) * (digits[i] - '0');
    }
    return sum % 10 == 0;
}

static bool fits_isbn(struct str text) {
    return fits_isbn10(text) || fits_isbn13(text);
}

static bool is_card_of_a_brand(const char *digits, size_t count) {
    int two = two_digits(digits), four = two * 100 + two_digits(digits + 2);
    if (digits[0] == '4')
        return count == 13 || count == 16;
    if ((two >= 51 && two <= 55) || four == 6011 || two == 65)
        return count == 16;
    if (two == 34 || two == 37)
        return count == 15;
    if ((four >= 3000 && four < 3060) || two == 36 || two == 38)
        return count == 14;
    if (four == 2131 || four == 1800)
        return count == 15;
    return two == 35 && count == 16;
}

static bool fits_credit_card(struct str text) {
    char digits[16];
    size_t count = 0;
    int sum = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (!format_is_digit(text.data[i]))
            continue;
        if (count == sizeof digits)
            return false;
        digits[count++] = text.data[i];
    }
    if (count < 13 || !is_card_of_a_brand(digits, count))
        return false;
    for (size_t i = 0; i < count; i++) {
        int digit = digits[count - 1 - i] - '0';
        sum += i % 2 == 0 ? digit : digit * 2 / 10 + digit * 2 % 10;
    }
    return sum % 10 == 0;
}

static bool fits_ssn(struct str text) {
    return text.len == 11 && strchr("- ", text.data[3]) && strchr("- ", text.data[6]) &&
           format_span(text, 0, format_is_digit) == 3 &&
           format_span(text, 4, format_is_digit) == 2 && format_span(text, 7, format_is_digit) == 4;
}

/* Colours and bytes */

static bool fits_hexcolor(struct str text) {
    if (text.len > 0 && text.data[0] == '#')
        text = format_tail(text, 1);
    return (text.len == 3 || text.len == 6) && format_span(text, 0, format_is_hex) == text.len;
}

static bool is_space(char c) {
    return c && strchr(" \t\n\f\r", c);
}

static bool fits_rgbcolor(struct str text) {
    size_t at = 4;
    if (!str_starts_with(text, "rgb("))
        return false;
    for (int part = 0; part < 3; part++) {
        at += format_span(text, at, is_space);
        size_t digits = format_span(text, at, format_is_digit);
        int64_t value;
        if (digits == 0 || digits > 3 || (digits > 1 && text.data[at] == '0') ||
            !str_to_int64(str_n(text.data + at, digits), &value) || value > 255)
            return false;
        at += digits;
        at += format_span(text, at, is_space);
        if (at == text.len || text.data[at++] != (part == 2 ? ')' : ','))
            return false;
    }
    return at == text.len;
}

static bool is_base64_char(char c) {
    return format_is_alnum(c) || c == '+' || c == '/';
}

static bool fits_byte(struct str text) {
    if (text.len == 0 || text.len % 4 != 0)
        return false;
    size_t data = format_span(text, 0, is_base64_char), padding = text.len - data;
    return padding == 0 ||
           (padding <= 2 && text.data[text.len - 1] == '=' && text.data[text.len - padding] == '=');
}

static bool fits_bson(struct str text) {
    return text.len == 24 && format_span(text, 0, format_is_hex) == 24;
}

static bool fits_password(struct str text) {
    (void)text;
    return true;
}

/* Kubernetes' own */

static bool is_label_char(char c) {
    return format_is_digit(c) || (c >= 'a' && c <= 'z') || c == '-';
}

static bool is_label(struct str text) {
    return text.len > 0 && format_span(text, 0, is_label_char) == text.len && text.data[0] != '-' &&
           text.data[text.len - 1] != '-';
}

static bool fits_short_name(struct str text) {
    return text.len <= 63 && is_label(text);
}

static bool fits_long_name(struct str text) {
    if (text.len > 253)
        return false;
    const char *dot;
    while ((dot = memchr(text.data, '.', text.len))) {
        size_t label = (size_t)(dot - text.data);
        if (!is_label(str_n(text.data, label)))
            return false;
        text = format_tail(text, label + 1);
    }
    return is_label(text);
}

static const struct schema_format formats[] = {
    {"bsonobjectid", fits_bson},
    {"uri", format_fits_uri},
    {"email", format_fits_email},
    {"hostname", format_fits_hostname},
    {"ipv4", format_fits_ipv4},
    {"ipv6", format_fits_ipv6},
    {"cidr", format_fits_cidr},
    {"mac", format_fits_mac},
    {"uuid", fits_uuid},
    {"uuid3", fits_uuid3},
    {"uuid4", fits_uuid4},
    {"uuid5", fits_uuid5},
    {"isbn", fits_isbn},
    {"isbn10", fits_isbn10},
    {"isbn13", fits_isbn13},
    {"creditcard", fits_credit_card},
    {"ssn", fits_ssn},
    {"hexcolor", fits_hexcolor},
    {"rgbcolor", fits_rgbcolor},
    {"byte", fits_byte},
    {"password", fits_password},
    {"date", fits_date},
    {"duration", fits_duration},
    {"datetime", fits_date_time},
    {"k8sshortname", fits_short_name},
    {"k8slongname", fits_long_name},
};

const struct schema_format *schema_format_find(const char *name) {
    char plain[MOST_NAME];
    size_t len = strip(str_of(name), "-", plain, sizeof plain - 1);
    if (len == sizeof plain)
        return NULL;
    plain[len] = 0;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, plain) == 0)
            return &formats[i];
    return NULL;
}
