#include "apiserver/dns.h"

#include <string.h>

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_inner(char c) {
    return is_lower(c) || (c >= '0' && c <= '9') || c == '-';
}

static bool is_label(struct str name) {
    for (size_t i = 0; i < name.len; i++)
        if (!is_inner(name.data[i]))
            return false;
    return name.len > 0 && name.data[0] != '-' && name.data[name.len - 1] != '-';
}

static bool is_subdomain(struct str name) {
    const char *dot;
    while (name.len > 0 && (dot = memchr(name.data, '.', name.len))) {
        size_t len = (size_t)(dot - name.data);
        if (!is_label(str_n(name.data, len)))
            return false;
        name = str_n(dot + 1, name.len - len - 1);
    }
    return is_label(name);
}

const char *dns_check_1035_label(struct str name) {
    if (name.len > 63)
        return "must be no more than 63 characters";
    if (is_label(name) && is_lower(name.data[0]))
        return NULL;
    return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with "
           "an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
           "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}

const char *dns_check_1123_label(struct str name) {
    if (name.len > 63)
        return "must be no more than 63 characters";
    if (is_label(name))
        return NULL;
    if (is_subdomain(name))
        return "must not contain dots";
    return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
           "and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
           "regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
}

const char *dns_check_1123_subdomain(struct str name) {
    if (name.len > 253)
        return "must be no more than 253 characters";
    if (is_subdomain(name))
        return NULL;
    return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
           "or '.', and must start and end with an alphanumeric character (e.g. 'example.com', "
           "regex used for validation is "
           "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

const char *dns_check_path_segment(struct str name) {
    if (str_is(name, "."))
        return "may not be '.'";
    if (str_is(name, ".."))
        return "may not be '..'";
    if (memchr(name.data, '/', name.len))
        return "may not contain '/'";
    return memchr(name.data, '%', name.len) ? "may not contain '%'" : NULL;
}
