#include "apiserver/names.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "apiserver/dns.h"

#define KEY_PART "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

static void wrong(struct causes *causes, const char *field, const char *value, const char *why) {
    cause_invalid_text(causes, field, value, "%s", why);
}

void name_check(enum name_rule rule, const char *field, const char *name, struct causes *causes) {
    static const char *(*const checks[])(struct str) = {[NAME_SUBDOMAIN] = dns_check_1123_subdomain,
                                                        [NAME_LABEL] = dns_check_1123_label,
                                                        [NAME_LABEL_1035] = dns_check_1035_label,
                                                        [NAME_PATH_SEGMENT] =
                                                            dns_check_path_segment};
    const char *why = checks[rule](str_of(name));
    if (why)
        wrong(causes, field, name, why);
}

static bool is_key_part(const char *text) {
    size_t len = strlen(text);
    if (len == 0 || !isalnum((unsigned char)text[0]) || !isalnum((unsigned char)text[len - 1]))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i]))
            return false;
    }
    return true;
}

static void check_prefix(const char *field, const char *name, size_t len, bool any_case,
                         struct causes *causes) {
    char prefix[256];
    const char *why = "must be non-empty";
    if (len > 0 && len < sizeof prefix) {
        for (size_t i = 0; i < len; i++)
            prefix[i] = any_case ? (char)tolower((unsigned char)name[i]) : name[i];
        why = dns_check_1123_subdomain(str_n(prefix, len));
    } else if (len > 0) {
        why = "must be no more than 253 bytes";
    }
    if (why)
        cause_invalid_text(causes, field, name, "prefix part %s", why);
}

void name_check_qualified(const char *field, const char *name, bool any_case,
                          struct causes *causes) {
    const char *slash = strchr(name, '/'), *part = slash ? slash + 1 : name;
    if (slash && strchr(slash + 1, '/')) {
        wrong(causes, field, name,
              "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and "
              "must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  "
              "or '123-abc', regex used for validation is '" KEY_PART "') with an optional DNS "
              "subdomain prefix and '/' (e.g. 'example.com/MyName')");
        return;
    }
    if (slash)
        check_prefix(field, name, (size_t)(slash - name), any_case, causes);
    if (!part[0])
        wrong(causes, field, name, "name part must be non-empty");
    else if (strlen(part) > 63)
        wrong(causes, field, name, "name part must be no more than 63 bytes");
    if (!is_key_part(part))
        wrong(causes, field, name,
              "name part must consist of alphanumeric characters, '-', '_' or '.', and must start "
              "and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
              "'123-abc', regex used for validation is '" KEY_PART "')");
}

void name_check_label_value(const char *field, const char *value, struct causes *causes) {
    if (strlen(value) > 63)
        wrong(causes, field, value, "must be no more than 63 bytes");
    if (value[0] && !is_key_part(value))
        wrong(causes, field, value,
              "a valid label must be an empty string or consist of alphanumeric characters, '-', "
              "'_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  "
              "or 'my_value',  or '12345', regex used for validation is '(" KEY_PART ")?')");
}

void name_generate(struct rng *rng, const char *base, char name[NAME_GENERATED]) {
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    size_t len = (size_t)snprintf(name, 59, "%s", base);
    if (len > 58)
        len = 58;
    for (size_t i = 0; i < 5; i++)
        name[len++] = letters[rng_below(rng, sizeof letters - 1)];
    name[len] = 0;
}
