#include "apiserver/rules_place.h"

#include <ctype.h>
#include <string.h>

#include "apiserver/dns.h"
#include "apiserver/document.h"

/* Most places are written for nothing: no printf. What is too long ends earlier. */
static char *append(char *at, const char *end, const char *text) {
    size_t len = strlen(text), room = (size_t)(end - at);
    memcpy(at, text, len < room ? len : room);
    at += len < room ? len : room;
    *at = '\0';
    return at;
}

const char *place_member(char to[PLACE], const char *at, const char *name) {
    char *end = append(to, to + PLACE - 1, at);
    append(append(end, to + PLACE - 1, *at ? "." : ""), to + PLACE - 1, name);
    return to;
}

const char *place_index(char to[PLACE], const char *at, size_t index) {
    char digits[24], *first = digits + sizeof digits - 1;
    *first = '\0';
    *--first = ']';
    do
        *--first = (char)('0' + index % 10);
    while (index /= 10);
    *--first = '[';
    append(append(to, to + PLACE - 1, at), to + PLACE - 1, first);
    return to;
}

void place_not_negative(const json_t *object, const char *at, const char *name,
                        struct causes *causes) {
    const json_t *value = json_object_get(object, name);
    char field[PLACE];
    if (json_integer_value(value) < 0)
        cause_invalid(causes, place_member(field, at, name), value,
                      "must be greater than or equal to 0");
}

void place_port(const json_t *object, const char *at, const char *name, struct causes *causes) {
    const json_t *value = json_object_get(object, name);
    char field[PLACE];
    if (json_integer_value(value) < 1 || json_integer_value(value) > 65535)
        cause_invalid(causes, place_member(field, at, name), value,
                      "must be between 1 and 65535, inclusive");
}

void place_port_name(const json_t *value, const char *at, struct causes *causes) {
    const char *name = json_string_value(value) ? json_string_value(value) : "";
    size_t len = strlen(name), letters = 0, good = 0;
    for (size_t i = 0; i < len; i++) {
        letters += name[i] >= 'a' && name[i] <= 'z';
        good +=
            isdigit((unsigned char)name[i]) || isalpha((unsigned char)name[i]) || name[i] == '-';
    }
    if (len > 15)
        cause_invalid(causes, at, value, "must be no more than 15 characters");
    if (good < len || len == 0)
        cause_invalid(causes, at, value,
                      "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    if (letters == 0)
        cause_invalid(causes, at, value, "must contain at least one letter (a-z)");
    if (strstr(name, "--"))
        cause_invalid(causes, at, value, "must not contain consecutive hyphens");
    if (len > 0 && (name[0] == '-' || name[len - 1] == '-'))
        cause_invalid(causes, at, value, "must not begin or end with a hyphen");
}

void place_port_or_name(const json_t *object, const char *at, const char *name,
                        struct causes *causes) {
    const json_t *value = json_object_get(object, name);
    char field[PLACE];
    if (json_is_string(value))
        place_port_name(value, place_member(field, at, name), causes);
    else
        place_port(object, at, name, causes);
}

void place_label(const json_t *object, const char *at, const char *name, struct causes *causes) {
    const json_t *value = json_object_get(object, name);
    char field[PLACE];
    const char *why = dns_check_1123_label(
        str_n(json_string_value(value) ? json_string_value(value) : "", json_string_length(value)));
    if (why)
        cause_invalid(causes, place_member(field, at, name), value, "%s", why);
}

bool place_needed(const json_t *object, const char *at, const char *name, const char *detail,
                  struct causes *causes) {
    char field[PLACE];
    if (!document_empty(json_object_get(object, name)))
        return true;
    cause_required(causes, place_member(field, at, name), detail);
    return false;
}

static bool is_word_of(const char *words, const char *word, size_t word_len) {
    for (size_t len; *words; words += len + (words[len] == ' ')) {
        len = strcspn(words, " ");
        if (len == word_len && memcmp(words, word, len) == 0)
            return true;
    }
    return false;
}

void place_one_of(const json_t *object, const char *at, const char *name, const char *known,
                  struct causes *causes) {
    const json_t *value = json_object_get(object, name);
    size_t len, wanted = json_string_length(value);
    char field[PLACE];
    if (wanted == 0 || is_word_of(known, json_string_value(value), wanted))
        return;
    json_t *all = json_array();
    for (; *known; known += len + (known[len] == ' ')) {
        len = strcspn(known, " ");
        causes->failed |= json_array_append_new(all, json_stringn(known, len)) < 0;
    }
    cause_unsupported(causes, place_member(field, at, name), value, all);
    json_decref(all);
}

void place_immutable(const json_t *now, const json_t *old, const char *at, const char *name,
                     struct causes *causes) {
    const json_t *value = json_object_get(now, name);
    char field[PLACE];
    if (old && !document_same(value, json_object_get(old, name)))
        cause_invalid(causes, place_member(field, at, name), value, "field is immutable");
}

void place_unique(const json_t *list, size_t i, const char *at, const char *name,
                  struct causes *causes) {
    const json_t *value = json_object_get(json_array_get(list, i), name);
    char field[PLACE];
    for (size_t k = 0; k < i && !document_empty(value); k++) {
        if (!json_equal(value, json_object_get(json_array_get(list, k), name)))
            continue;
        cause_duplicate(causes, place_member(field, at, name), value);
        return;
    }
}
