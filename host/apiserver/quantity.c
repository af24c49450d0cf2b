#include "apiserver/quantity.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* k8s.io/apimachinery/pkg/api/resource: what is parsed, when the text is kept, how it is spelled.
 */

typedef __int128 wide;
enum { NANO = 1000000000, MILLI_IN_NANO = 1000000, MOST_DIGITS = 27, DECIMAL_DIGITS = 18 };
enum style { DECIMAL_SI, DECIMAL_EXPONENT, BINARY_SI };

struct parsed {
    bool negative;
    struct str whole, fraction; /* digits; whole has no leading zeros, but is "0" when empty */
    enum style style;
    int exponent; /* of 10, or of 2 for BINARY_SI */
};

static struct str take_digits(struct str *text) {
    size_t len = 0;
    while (len < text->len && text->data[len] >= '0' && text->data[len] <= '9')
        len++;
    struct str digits = str_n(text->data, len);
    *text = str_n(text->data + len, text->len - len);
    return digits;
}

static bool read_suffix(struct str suffix, struct parsed *ret) {
    static const char *const decimal[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
    static const char *const binary[] = {"Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    int64_t exponent;
    for (int i = 0; i < 10; i++)
        if (str_is(suffix, decimal[i])) {
            ret->style = DECIMAL_SI;
            ret->exponent = 3 * (i - 3);
            return true;
        }
    for (int i = 0; i < 6; i++)
        if (str_is(suffix, binary[i])) {
            ret->style = BINARY_SI;
            ret->exponent = 10 * (i + 1);
            return true;
        }
    if (suffix.len < 2 || (suffix.data[0] != 'e' && suffix.data[0] != 'E'))
        return false;
    size_t skip = suffix.data[1] == '+' ? 2 : 1;
    if (!str_to_int64(str_n(suffix.data + skip, suffix.len - skip), &exponent) || exponent < -30 ||
        exponent > 30)
        return false;
    ret->style = DECIMAL_EXPONENT;
    ret->exponent = (int)exponent;
    return true;
}

static bool parse(struct str text, struct parsed *ret) {
    *ret = (struct parsed){.negative = text.len && text.data[0] == '-'};
    if (text.len && (text.data[0] == '-' || text.data[0] == '+'))
        text = str_n(text.data + 1, text.len - 1);
    ret->whole = take_digits(&text);
    bool any = ret->whole.len > 0;
    while (ret->whole.len && ret->whole.data[0] == '0')
        ret->whole = str_n(ret->whole.data + 1, ret->whole.len - 1);
    if (ret->whole.len == 0)
        ret->whole = str_of("0");
    ret->fraction = str_n(text.data, 0);
    if (text.len && text.data[0] == '.') {
        text = str_n(text.data + 1, text.len - 1);
        ret->fraction = take_digits(&text);
    }
    return (any || ret->fraction.len) && ret->whole.len + ret->fraction.len <= MOST_DIGITS &&
           read_suffix(text, ret);
}

static bool times(wide *value, wide by, int count) {
    while (count-- > 0)
        if (__builtin_mul_overflow(*value, by, value))
            return false;
    return true;
}

/* In units of 10^-9, rounded up; the sign apart. */
static bool to_nano(const struct parsed *parsed, wide *ret) {
    int tens = 9 - (int)parsed->fraction.len;
    wide value = 0, divisor = 1;
    for (size_t i = 0; i < parsed->whole.len; i++)
        value = value * 10 + (parsed->whole.data[i] - '0');
    for (size_t i = 0; i < parsed->fraction.len; i++)
        value = value * 10 + (parsed->fraction.data[i] - '0');
    if (parsed->style == BINARY_SI) {
        if (!times(&value, 2, parsed->exponent))
            return false;
    } else
        tens += parsed->exponent;
    if (!times(&value, 10, tens))
        return false;
    if (tens < 0 && !times(&divisor, 10, -tens))
        return false;
    *ret = value / divisor + (value % divisor != 0);
    return *ret <= (wide)INT64_MAX * NANO;
}

static unsigned modulo_8(struct str digits) {
    unsigned value = 0;
    for (size_t i = 0; i < digits.len; i++)
        value = (value * 10 + (unsigned)(digits.data[i] - '0')) % 8;
    return value;
}

static size_t trailing_zeros(struct str digits) {
    size_t count = 0;
    while (count < digits.len && digits.data[digits.len - 1 - count] == '0')
        count++;
    return count;
}

/* Text that the server keeps as it came; `listed` where it may round to thousandths. */
static bool is_kept(const struct parsed *parsed, bool listed) {
    struct str whole = parsed->whole, fraction = parsed->fraction;
    if (parsed->style == BINARY_SI) {
        int room = 15 - (int)whole.len - parsed->exponent * 3 / 10 - 1;
        return fraction.len == 0 && room >= 0 && modulo_8(whole) != 0;
    }
    int scale = parsed->exponent - (int)fraction.len;
    size_t zeros = trailing_zeros(fraction);
    if (zeros == fraction.len)
        zeros += trailing_zeros(whole);
    return whole.len + fraction.len <= DECIMAL_DIGITS && scale >= (listed ? -3 : -9) &&
           scale % 3 == 0 && zeros < 3 && whole.data[0] != '0';
}

static void spell(wide nano, bool negative, enum style style, char ret[QUANTITY_MAX]) {
    static const char *const decimal[] = {"n", "u", "m", "", "k", "M", "G", "T", "P", "E"};
    static const char *const binary[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    const char *sign = negative && nano ? "-" : "";
    bool whole = nano % NANO == 0 && nano / NANO >= 1024;
    int step = 0;
    if (style == BINARY_SI && whole) {
        unsigned long long value = (unsigned long long)(nano / NANO);
        for (; value % 1024 == 0 && step < 6; step++)
            value /= 1024;
        snprintf(ret, QUANTITY_MAX, "%s%llu%s", sign, value, binary[step]);
        return;
    }
    for (; nano && nano % 1000 == 0 && step < 9; step++)
        nano /= 1000;
    unsigned long long high = (unsigned long long)(nano / NANO),
                       low = (unsigned long long)(nano % NANO);
    char number[40];
    if (high)
        snprintf(number, sizeof number, "%llu%09llu", high, low);
    else
        snprintf(number, sizeof number, "%llu", low);
    if (nano == 0 || (style == DECIMAL_EXPONENT && step == 3))
        snprintf(ret, QUANTITY_MAX, "%s%s", sign, number);
    else if (style == DECIMAL_EXPONENT)
        snprintf(ret, QUANTITY_MAX, "%s%se%d", sign, number, 3 * (step - 3));
    else
        snprintf(ret, QUANTITY_MAX, "%s%s%s", sign, number, decimal[step]);
}

bool quantity_canonical(struct str text, bool listed, char ret[QUANTITY_MAX]) {
    struct parsed parsed;
    wide nano;
    while (text.len && text.data[0] == ' ')
        text = str_n(text.data + 1, text.len - 1);
    while (text.len && text.data[text.len - 1] == ' ')
        text.len--;
    if (!parse(text, &parsed) || !to_nano(&parsed, &nano))
        return false;
    if (text.len < QUANTITY_MAX && nano && is_kept(&parsed, listed)) {
        memcpy(ret, text.data, text.len);
        ret[text.len] = '\0';
        return true;
    }
    if (listed)
        nano = (nano + MILLI_IN_NANO - 1) / MILLI_IN_NANO * MILLI_IN_NANO;
    spell(nano, parsed.negative, parsed.style, ret);
    return true;
}
