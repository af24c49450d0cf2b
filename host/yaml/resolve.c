#include "yaml/resolve.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 64 }; /* longer text is a string */

static bool one_of(struct str text, const char *const *words) {
    for (; *words; words++)
        if (str_is(text, *words))
            return true;
    return false;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_float(const char *at) {
    if (*at == '-' || *at == '+')
        at++;
    if (*at == '.' && !is_digit(at[1]))
        return false;
    if (*at != '.' && !is_digit(*at))
        return false;
    while (is_digit(*at))
        at++;
    if (*at == '.')
        at++;
    while (is_digit(*at))
        at++;
    if (*at == 'e' || *at == 'E') {
        at++;
        if (*at == '-' || *at == '+')
            at++;
        if (!is_digit(*at))
            return false;
        while (is_digit(*at))
            at++;
    }
    return *at == '\0';
}

static json_t *real_of(double value, bool *ret_infinite) {
    if (!isfinite(value)) {
        *ret_infinite = true;
        return NULL;
    }
    if (value == floor(value) && fabs(value) < 9007199254740992.0) /* 2^53 */
        return json_integer((json_int_t)value);
    return json_real(value);
}

/* The digits after sign and prefix, in `base`; false when they are not. */
static bool integer_of(const char *text, bool *negative, unsigned long long *ret) {
    *negative = *text == '-';
    if (*text == '-' || *text == '+')
        text++;
    int base = 10;
    if (*text == '0' && text[1]) {
        char mark = text[1];
        base = mark == 'x' || mark == 'X' ? 16 : mark == 'b' || mark == 'B' ? 2 : 8;
        text += is_digit(mark) ? 1 : 2;
        if (base == 8 && !is_digit(mark) && mark != 'o' && mark != 'O')
            return false;
    }
    if (strspn(text, base == 16 ? "0123456789abcdefABCDEF" : "0123456789") != strlen(text) ||
        !*text)
        return false;
    char *end;
    errno = 0;
    *ret = strtoull(text, &end, base);
    return errno == 0 && *end == '\0';
}

json_t *yaml_resolve(struct str text, bool *ret_infinite) {
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const trues[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                        "True", "TRUE", "on",  "On",  "ON",  NULL};
    static const char *const falses[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                         "False", "FALSE", "off", "Off", "OFF", NULL};
    static const char *const infinite[] = {".nan",  ".NaN",  ".NAN",  ".inf",  ".Inf",
                                           ".INF",  "+.inf", "+.Inf", "+.INF", "-.inf",
                                           "-.Inf", "-.INF", NULL};
    *ret_infinite = false;
    if (one_of(text, nulls))
        return json_null();
    if (one_of(text, trues))
        return json_true();
    if (one_of(text, falses))
        return json_false();
    if (one_of(text, infinite)) {
        *ret_infinite = true;
        return NULL;
    }
    char first = *text.data;
    if (text.len >= NUMBER_MAX || !(is_digit(first) || strchr("+-.", first)) || first == '\0')
        return NULL;
    char plain[NUMBER_MAX];
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] != '_' || first == '.')
            plain[len++] = text.data[i] ? text.data[i] : '!';
    plain[len] = '\0';
    bool negative;
    unsigned long long value;
    if (first != '.' && integer_of(plain, &negative, &value)) {
        if (negative && value <= (unsigned long long)INT64_MAX + 1)
            return json_integer((json_int_t)(0 - value));
        if (!negative && value <= INT64_MAX)
            return json_integer((json_int_t)value);
        if (!negative)
            return json_real((double)value);
    }
    if (!looks_float(plain))
        return NULL;
    return real_of(strtod(plain, NULL), ret_infinite);
}

void yaml_write_real(double value, struct strbuf *out) {
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    strbuf_adds(out, text);
}
