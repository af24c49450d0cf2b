#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

static uint64_t real_mono(const struct clock *clock) {
    (void)clock;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static int64_t real_wall(const struct clock *clock) {
    (void)clock;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * (int64_t)NS_PER_S + ts.tv_nsec;
}

const struct clock *clock_real(void) {
    static const struct clock real = {real_mono, real_wall};
    return &real;
}

static uint64_t fake_mono(const struct clock *clock) {
    return ((const struct clock_fake *)clock)->mono_ns;
}

static int64_t fake_wall(const struct clock *clock) {
    return ((const struct clock_fake *)clock)->wall_ns;
}

void clock_fake_init(struct clock_fake *fake, uint64_t mono_ns, int64_t wall_ns) {
    *fake = (struct clock_fake){{fake_mono, fake_wall}, mono_ns, wall_ns};
}

void clock_fake_advance(struct clock_fake *fake, uint64_t ns) {
    fake->mono_ns += ns;
    fake->wall_ns += (int64_t)ns;
}

void clock_format(int64_t wall_ns, int micros, char text[CLOCK_TEXT]) {
    int64_t ns_per_s = (int64_t)NS_PER_S;
    time_t seconds = (time_t)(wall_ns / ns_per_s - (wall_ns % ns_per_s < 0));
    long us = (long)((wall_ns - (int64_t)seconds * ns_per_s) / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t len = strftime(text, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    if (micros)
        len += (size_t)snprintf(text + len, CLOCK_TEXT - len, ".%06ld", us);
    snprintf(text + len, CLOCK_TEXT - len, "Z");
}

static int fraction(const char **at, int64_t *ret_ns) {
    int64_t unit = (int64_t)NS_PER_S / 10, ns = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        ns += (**at - '0') * unit;
    *ret_ns = ns;
    return *at > start ? 0 : ERROR_INVALID;
}

int clock_parse(const char *text, int64_t *ret_wall_ns) {
    struct tm tm = {0};
    const char *at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    int64_t ns = 0, offset = 0;
    if (at == NULL)
        return ERROR_INVALID;
    if (*at == '.' && (at++, fraction(&at, &ns) < 0))
        return ERROR_INVALID;
    if (*at == 'Z' || *at == 'z') {
        at++;
    } else if (*at == '+' || *at == '-') {
        int hours, minutes, used = 0;
        if (sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5)
            return ERROR_INVALID;
        offset = (hours * 60 + minutes) * 60 * (*at == '+' ? 1 : -1);
        at += 1 + used;
    } else {
        return ERROR_INVALID;
    }
    if (*at != '\0')
        return ERROR_INVALID;
    struct tm real = tm; /* timegm moves February 30 to March */
    int64_t seconds = (int64_t)timegm(&real) - offset, wall_ns;
    if (real.tm_mday != tm.tm_mday && tm.tm_sec < 60) /* a leap second may end the day */
        return ERROR_INVALID;
    if (__builtin_mul_overflow(seconds, (int64_t)NS_PER_S, &wall_ns) ||
        __builtin_add_overflow(wall_ns, ns, &wall_ns)) /* beyond the years 1678..2261 */
        return ERROR_INVALID;
    *ret_wall_ns = wall_ns;
    return 0;
}

static const struct {
    const char *name;
    double ns;
} units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};

/* The unit at `at`, longest name first so that "ms" is not "m". */
static double unit_at(const char *at, const char *end, size_t *ret_len) {
    for (size_t want = 2; want > 0; want--)
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strlen(units[i].name) == want && (size_t)(end - at) >= want &&
                memcmp(at, units[i].name, want) == 0) {
                *ret_len = want;
                return units[i].ns;
            }
    return 0;
}

int clock_parse_duration(const char *text, size_t len, uint64_t *ret_ns) {
    const char *at = text, *end = text + len;
    double total = 0;
    if (len == 0)
        return ERROR_INVALID;
    if (len == 1 && *text == '0') {
        *ret_ns = 0;
        return 0;
    }
    while (at < end) {
        double value = 0, scale = 0.1;
        const char *start = at;
        size_t unit_len = 0;
        for (; at < end && *at >= '0' && *at <= '9'; at++)
            value = value * 10 + (*at - '0');
        if (at < end && at > start && *at == '.')
            for (at++; at < end && *at >= '0' && *at <= '9'; at++, scale /= 10)
                value += (*at - '0') * scale;
        double unit = at > start ? unit_at(at, end, &unit_len) : 0;
        if (unit <= 0)
            return ERROR_INVALID;
        total += value * unit;
        at += unit_len;
    }
    if (total > 9e18)
        return ERROR_INVALID;
    *ret_ns = (uint64_t)(total + 0.5);
    return 0;
}
