#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apiserver/rules.h"

/* A CronJob's schedule, and the words for its first fault. */

struct bounds {
    long least, most;
    const char *names; /* of three letters, from `least` on; "" = none */
};

enum { WHY = 256 };

/* A word of `text` up to a separator. */
struct word {
    const char *at;
    int len;
};

static struct word cut(const char **text, char separator) {
    struct word word = {*text, 0};
    while (word.at[word.len] && word.at[word.len] != separator)
        word.len++;
    *text = word.at + word.len + (word.at[word.len] != 0);
    return word;
}

static bool read_number(struct word word, long *ret, char why[WHY]) {
    char text[24], *end = text;
    snprintf(text, sizeof text, "%.*s", word.len, word.at);
    if (strspn(text, "+-0123456789") == strlen(text))
        *ret = strtol(text, &end, 10);
    if (end == text || *end)
        snprintf(why, WHY,
                 "failed to parse int from %.*s: strconv.Atoi: parsing \"%.*s\": invalid syntax",
                 word.len, word.at, word.len, word.at);
    else if (*ret < 0)
        snprintf(why, WHY, "negative number (%ld) not allowed: %s", *ret, text);
    return why[0] == 0;
}

static bool read_value(struct word word, const struct bounds *bounds, long *ret, char why[WHY]) {
    for (size_t i = 0; word.len == 3 && bounds->names[i]; i += 3) {
        if (strncasecmp(bounds->names + i, word.at, 3) == 0) {
            *ret = bounds->least + (long)i / 3;
            return true;
        }
    }
    return read_number(word, ret, why);
}

static bool check_range(struct word all, const struct bounds *bounds, char why[WHY]) {
    char text[128];
    snprintf(text, sizeof text, "%.*s", all.len, all.at);
    const char *at = text;
    struct word range = cut(&at, '/');
    bool stepped = text[range.len] == '/';
    struct word step = cut(&at, '/');
    bool slashes = stepped && step.at[step.len] == '/';
    char low_text[128];
    snprintf(low_text, sizeof low_text, "%.*s", range.len, range.at);
    at = low_text;
    struct word low = cut(&at, '-'), high = cut(&at, '-');
    bool single = low_text[low.len] == 0, star = low.len == 1 && strchr("*?", *low.at);
    long first = bounds->least, last = bounds->most, by = 1;
    if (!star) {
        if (!read_value(low, bounds, &first, why))
            return false;
        last = first;
        if (!single && *at)
            snprintf(why, WHY, "too many hyphens: %s", text);
        else if (!single)
            read_value(high, bounds, &last, why);
    }
    if (!why[0] && slashes)
        snprintf(why, WHY, "too many slashes: %s", text);
    else if (!why[0] && stepped && read_number(step, &by, why) && single)
        last = bounds->most;
    if (why[0])
        return false;
    if (first < bounds->least)
        snprintf(why, WHY, "beginning of range (%ld) below minimum (%ld): %s", first, bounds->least,
                 text);
    else if (last > bounds->most)
        snprintf(why, WHY, "end of range (%ld) above maximum (%ld): %s", last, bounds->most, text);
    else if (first > last)
        snprintf(why, WHY, "beginning of range (%ld) beyond end of range (%ld): %s", first, last,
                 text);
    else if (by == 0)
        snprintf(why, WHY, "step of range should be a positive number: %s", text);
    return why[0] == 0;
}

static bool is_descriptor(const char *text) {
    static const char *const known[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                        "@daily",  "@midnight", "@hourly"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(text, known[i]) == 0)
            return true;
    }
    return strncmp(text, "@every ", 7) == 0;
}

static size_t count_fields(const char *text, const char *fields[5]) {
    size_t count = 0;
    for (; *(text += strspn(text, " \t\n\r")); text += strcspn(text, " \t\n\r")) {
        if (count < 5)
            fields[count] = text;
        count++;
    }
    return count;
}

/* As Go prints a list of texts: "[a b]". */
static void list_fields(const char *text, char *to, size_t size) {
    size_t len = 0;
    for (; *(text += strspn(text, " \t\n\r")) && len < size; text += strcspn(text, " \t\n\r"))
        len += (size_t)snprintf(to + len, size - len, "%s%.*s", len ? " " : "",
                                (int)strcspn(text, " \t\n\r"), text);
}

void cron_schedule_check(const json_t *schedule, const char *at, struct causes *causes) {
    static const struct bounds bounds[] = {{0, 59, ""},
                                           {0, 23, ""},
                                           {1, 31, ""},
                                           {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
                                           {0, 6, "sunmontuewedthufrisat"}};
    const char *text = json_string_value(schedule) ? json_string_value(schedule) : "";
    const char *fields[5];
    char why[WHY] = "", list[160] = "";
    size_t count = count_fields(text, fields);
    if (text[0] == '@' && !is_descriptor(text)) {
        snprintf(why, sizeof why, "unrecognized descriptor: %.200s", text);
    } else if (text[0] != '@' && count != 5) {
        list_fields(text, list, sizeof list);
        snprintf(why, sizeof why, "expected exactly 5 fields, found %zu: [%s]", count, list);
    }
    for (size_t i = 0; text[0] != '@' && i < 5 && !why[0]; i++) {
        struct word field = {fields[i], (int)strcspn(fields[i], " \t\n\r")};
        char copy[128];
        snprintf(copy, sizeof copy, "%.*s", field.len, field.at);
        for (const char *rest = copy; *rest && !why[0];) {
            struct word one = cut(&rest, ',');
            if (one.len > 0)
                check_range(one, &bounds[i], why);
        }
    }
    if (why[0])
        cause_invalid(causes, at, schedule, "%s", why);
}
