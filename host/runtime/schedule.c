#include "runtime/schedule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "runtime/zone.h"

struct schedule {
    uint64_t second, minute, hour, day, month, weekday; /* bit sets */
    bool any_day, any_weekday;
    struct zone *zone;
};

struct field {
    const char *name;
    int low, high;
    const char *const *names; /* three letters, the first for `low`; NULL: none */
};

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL",
                                          "AUG", "SEP", "OCT", "NOV", "DEC", NULL};
static const char *const day_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", NULL};
static const struct field fields[] = {
    {"second", 0, 59, NULL}, {"minute", 0, 59, NULL},       {"hour", 0, 23, NULL},
    {"day", 1, 31, NULL},    {"month", 1, 12, month_names}, {"weekday", 0, 7, day_names},
};

static bool read_value(const struct field *field, const char **at, int *ret) {
    for (int i = 0; field->names && field->names[i]; i++)
        if (strncasecmp(*at, field->names[i], 3) == 0) {
            *ret = field->low + i;
            *at += 3;
            return true;
        }
    char *end;
    long value = strtol(*at, &end, 10);
    if (end == *at || **at == '-' || **at == '+' || value < field->low || value > field->high)
        return false;
    *at = end;
    *ret = (int)value;
    return true;
}

/* One item of a list: star or value or range, with an optional step. */
static bool read_item(const struct field *field, const char **at, uint64_t *set) {
    int low = field->low, high = field->high, step = 1;
    bool star = **at == '*' || **at == '?';
    if (star)
        (*at)++;
    else if (!read_value(field, at, &low))
        return false;
    else
        high = low;
    if (!star && **at == '-') {
        (*at)++;
        if (!read_value(field, at, &high) || high < low)
            return false;
    }
    if (**at == '/') {
        char *end;
        long value = strtol(*at + 1, &end, 10);
        if (end == *at + 1 || value < 1 || value > 60)
            return false;
        if (!star && high == low)
            high = field->high;
        step = (int)value;
        *at = end;
    }
    for (int i = low; i <= high; i += step)
        *set |= 1ull << i;
    return true;
}

static int read_field(const struct field *field, const char *text, uint64_t *set,
                      struct error *err) {
    const char *at = text;
    do {
        at += at > text && *at == ',';
        if (!read_item(field, &at, set))
            return error_set(err, ERROR_INVALID, "cron: \"%s\" is not a %s (%d-%d)", text,
                             field->name, field->low, field->high);
    } while (*at == ',');
    if (*at != '\0')
        return error_set(err, ERROR_INVALID, "cron: \"%s\" is not a %s", text, field->name);
    return 0;
}

static const char *expand_macro(const char *cron) {
    static const char *const macros[][2] = {{"@yearly", "0 0 1 1 *"},  {"@annually", "0 0 1 1 *"},
                                            {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
                                            {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
                                            {"@hourly", "0 * * * *"}};
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        if (strcmp(cron, macros[i][0]) == 0)
            return macros[i][1];
    return cron;
}

static int read_cron(struct schedule *schedule, const char *cron, struct error *err) {
    uint64_t *sets[] = {&schedule->second, &schedule->minute, &schedule->hour,
                        &schedule->day,    &schedule->month,  &schedule->weekday};
    char text[256], *parts[8], *rest = NULL;
    size_t count = 0;
    snprintf(text, sizeof text, "%s", expand_macro(cron));
    for (char *part = strtok_r(text, " \t", &rest); part && count < 8;
         part = strtok_r(NULL, " \t", &rest))
        parts[count++] = part;
    if (count != 5 && count != 6)
        return error_set(err, ERROR_INVALID,
                         "cron: \"%s\" has %zu fields, not 5 (minute hour day month weekday) or 6 "
                         "(second first)",
                         cron, count);
    size_t skip = 6 - count;
    schedule->second = skip ? 1 : 0;
    for (size_t i = 0; i < count; i++)
        if (read_field(&fields[i + skip], parts[i], sets[i + skip], err) < 0)
            return err->code;
    schedule->any_day = parts[3 - skip][0] == '*' || parts[3 - skip][0] == '?';
    schedule->any_weekday = parts[5 - skip][0] == '*' || parts[5 - skip][0] == '?';
    if (schedule->weekday & 1ull << 7)
        schedule->weekday |= 1;
    return 0;
}

struct schedule *schedule_parse(const char *cron, const char *zone, struct error *err) {
    struct schedule *schedule = mem_zalloc(sizeof *schedule);
    if (schedule == NULL) {
        error_set(err, ERROR_NOMEM, "no memory for a schedule");
        return NULL;
    }
    if (read_cron(schedule, cron, err) == 0 &&
        (schedule->zone = zone_open(zone ? zone : "UTC", err)) != NULL)
        return schedule;
    schedule_destroy(schedule);
    return NULL;
}

void schedule_destroy(struct schedule *schedule) {
    if (schedule == NULL)
        return;
    zone_close(schedule->zone);
    mem_free(schedule);
}

static bool day_matches(const struct schedule *schedule, const struct tm *tm) {
    bool day = schedule->day & 1ull << tm->tm_mday;
    bool weekday = schedule->weekday & 1ull << tm->tm_wday;
    if (!(schedule->month & 1ull << (tm->tm_mon + 1)))
        return false;
    if (schedule->any_day || schedule->any_weekday)
        return day && weekday;
    return day || weekday;
}

/* The first matching time of the day `tm` at or after its hour, minute and second. */
static bool time_in_day(const struct schedule *schedule, struct tm *tm) {
    for (; tm->tm_hour < 24; tm->tm_hour++, tm->tm_min = tm->tm_sec = 0) {
        if (!(schedule->hour & 1ull << tm->tm_hour))
            continue;
        for (; tm->tm_min < 60; tm->tm_min++, tm->tm_sec = 0) {
            if (!(schedule->minute & 1ull << tm->tm_min))
                continue;
            for (; tm->tm_sec < 60; tm->tm_sec++)
                if (schedule->second & 1ull << tm->tm_sec)
                    return true;
        }
    }
    return false;
}

int schedule_next(const struct schedule *schedule, int64_t wall_ns, int64_t *ret_wall_ns) {
    enum { MOST_DAYS = 366 * 5 };
    time_t after = (time_t)(wall_ns / (int64_t)NS_PER_S);
    time_t local = after + 1 + zone_offset(schedule->zone, after + 1);
    struct tm tm;
    gmtime_r(&local, &tm); /* local civil time, as if it were UTC */
    for (int day = 0; day < MOST_DAYS; day++) {
        struct tm at = tm;
        if (day_matches(schedule, &tm) && time_in_day(schedule, &at)) {
            time_t found = zone_to_utc(schedule->zone, timegm(&at));
            if (found > after) {
                *ret_wall_ns = (int64_t)found * (int64_t)NS_PER_S;
                return 0;
            }
            /* The repeated hour, whose first pass is over: go on behind it. */
            at.tm_sec++;
            time_t next = timegm(&at);
            gmtime_r(&next, &tm);
            continue;
        }
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
        tm.tm_mday++;
        time_t next = timegm(&tm);
        gmtime_r(&next, &tm);
    }
    return ERROR_NOT_FOUND;
}
