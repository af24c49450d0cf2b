#ifndef MOONLET_APISERVER_SCHEMA_FORMAT_PARTS_H
#define MOONLET_APISERVER_SCHEMA_FORMAT_PARTS_H

#include "base/str.h"

/*
 * What the formats are made of, and those of the network (schema_format_net.c): for
 * schema_format*.c alone.
 *
 * Threads: pure. Yields: never.
 */
static inline bool format_is_digit(char c) {
    return c >= '0' && c <= '9';
}

static inline bool format_is_hex(char c) {
    return format_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static inline bool format_is_alnum(char c) {
    return format_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static inline size_t format_span(struct str text, size_t at, bool (*is)(char c)) {
    size_t from = at;
    while (at < text.len && is(text.data[at]))
        at++;
    return at - from;
}

static inline struct str format_tail(struct str text, size_t at) {
    return str_n(text.data + at, text.len - at);
}

bool format_fits_ipv6(struct str text);
bool format_fits_ipv4(struct str text);
bool format_fits_cidr(struct str text);
bool format_fits_mac(struct str text);
bool format_fits_hostname(struct str text);
bool format_fits_email(struct str text);
bool format_fits_uri(struct str text);

#endif
