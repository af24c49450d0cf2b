#include "apiserver/schema_format_parts.h"

#include <arpa/inet.h>
#include <string.h>

/* Addresses */

static bool copy(struct str text, char *buf, size_t size) {
    if (text.len >= size || memchr(text.data, 0, text.len))
        return false;
    memcpy(buf, text.data, text.len);
    buf[text.len] = 0;
    return true;
}

/* Leading zeros are read as decimal. */
static bool fits_dotted(struct str text) {
    size_t at = 0;
    for (int part = 0; part < 4; part++) {
        if (part > 0 && (at == text.len || text.data[at++] != '.'))
            return false;
        size_t digits = format_span(text, at, format_is_digit);
        int value = 0;
        for (size_t i = 0; i < digits && value < 256; i++)
            value = value * 10 + text.data[at + i] - '0';
        if (digits == 0 || value > 255)
            return false;
        at += digits;
    }
    return at == text.len;
}

bool format_fits_ipv6(struct str text) {
    char buf[INET6_ADDRSTRLEN];
    struct in6_addr address;
    return copy(text, buf, sizeof buf) && inet_pton(AF_INET6, buf, &address) == 1;
}

bool format_fits_ipv4(struct str text) {
    return fits_dotted(text) || (memchr(text.data, '.', text.len) && format_fits_ipv6(text));
}

bool format_fits_cidr(struct str text) {
    const char *slash = memchr(text.data, '/', text.len);
    int64_t bits;
    if (slash == NULL)
        return false;
    struct str address = str_n(text.data, (size_t)(slash - text.data));
    struct str length = format_tail(text, address.len + 1);
    if (length.len == 0 || format_span(length, 0, format_is_digit) != length.len ||
        !str_to_int64(length, &bits))
        return false;
    return fits_dotted(address) ? bits <= 32 : format_fits_ipv6(address) && bits <= 128;
}

/* Of `group` hex digits between separators; 0: without any. */
static bool fits_groups(struct str text, size_t group, char separator) {
    size_t step = group + 1, octets = group ? (text.len + 1) / step * group / 2 : text.len / 2;
    if ((group ? (text.len + 1) % step != 0 : text.len % 2 != 0) ||
        (octets != 6 && octets != 8 && octets != 20))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (group && i % step == group ? text.data[i] != separator : !format_is_hex(text.data[i]))
            return false;
    return true;
}

bool format_fits_mac(struct str text) {
    if (text.len < 12)
        return false;
    if (text.data[2] == ':' || text.data[2] == '-')
        return fits_groups(text, 2, text.data[2]);
    return fits_groups(text, text.data[4] == '.' ? 4 : 0, '.');
}

/* Names on the network; a character beyond ASCII counts as a letter. */

static bool is_host_char(char c) {
    return format_is_alnum(c) || (unsigned char)c >= 0x80 || strchr("+<=>^`|~$", c);
}

static bool is_host_char_or_dash(char c) {
    return c == '-' || is_host_char(c);
}

static bool is_top_char(char c) {
    return (format_is_alnum(c) && !format_is_digit(c)) || (unsigned char)c >= 0x80;
}

static bool fits_one_label(struct str text) {
    size_t at = 1;
    if (text.len == 0 || text.len > 63 || !is_host_char(text.data[0]))
        return false;
    if (at < text.len && text.data[at] == '-')
        at++;
    return at + format_span(text, at, is_host_char) == text.len;
}

bool format_fits_hostname(struct str text) {
    if (text.len > 255 || memchr(text.data, 0, text.len))
        return false;
    if (memchr(text.data, '.', text.len) == NULL)
        return fits_one_label(text);
    for (;;) {
        const char *dot = memchr(text.data, '.', text.len);
        if (dot == NULL)
            return text.len >= 2 && text.len <= 63 && format_span(text, 0, is_top_char) == text.len;
        struct str label = str_n(text.data, (size_t)(dot - text.data));
        if (label.len == 0 || label.len > 63 ||
            format_span(label, 0, is_host_char_or_dash) != label.len || label.data[0] == '-' ||
            label.data[label.len - 1] == '-')
            return false;
        text = format_tail(text, label.len + 1);
    }
}

static bool is_atom_char(char c) {
    return format_is_alnum(c) || (unsigned char)c >= 0x80 ||
           (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool fits_dot_atom(struct str text) {
    for (size_t at = 0;; at++) {
        size_t atom = format_span(text, at, is_atom_char);
        at += atom;
        if (atom == 0 || (at < text.len && text.data[at] != '.'))
            return false;
        if (at == text.len)
            return true;
    }
}

static bool fits_local_part(struct str text) {
    if (text.len < 2 || text.data[0] != '"')
        return fits_dot_atom(text);
    for (size_t i = 1; i + 1 < text.len; i++) {
        if (text.data[i] == '\\')
            i++;
        else if (text.data[i] == '"')
            return false;
    }
    return text.data[text.len - 1] == '"';
}

static bool fits_address(struct str text) {
    const char *at = memrchr(text.data, '@', text.len);
    if (at == NULL)
        return false;
    size_t local = (size_t)(at - text.data);
    struct str domain = format_tail(text, local + 1);
    bool literal = domain.len > 2 && domain.data[0] == '[' && domain.data[domain.len - 1] == ']';
    return fits_local_part(str_n(text.data, local)) && (literal || fits_dot_atom(domain));
}

/* An address, or a display name and <an address>; comments are not read. */
bool format_fits_email(struct str text) {
    while (text.len > 0 && strchr(" \t", text.data[0]))
        text = format_tail(text, 1);
    while (text.len > 0 && strchr(" \t", text.data[text.len - 1]))
        text.len--;
    if (text.len == 0 || text.data[text.len - 1] != '>')
        return fits_address(text);
    const char *open = memrchr(text.data, '<', text.len);
    if (open == NULL)
        return false;
    size_t before = (size_t)(open - text.data) + 1;
    return fits_address(str_n(open + 1, text.len - before - 1));
}

static bool is_scheme_char(char c) {
    return format_is_alnum(c) || c == '+' || c == '-' || c == '.';
}

static bool fits_authority(struct str text) {
    size_t len = 0;
    while (len < text.len && !strchr("/?#", text.data[len]))
        len++;
    const char *user = memrchr(text.data, '@', len);
    if (user) {
        len -= (size_t)(user + 1 - text.data);
        text.data = user + 1;
    }
    struct str host = str_n(text.data, len), port = {0};
    const char *colon = memrchr(host.data, ':', host.len);
    const char *bracket = memrchr(host.data, ']', host.len);
    if (host.len > 0 && host.data[0] == '[' && bracket == NULL)
        return false;
    if (colon && colon > bracket)
        port = format_tail(host, (size_t)(colon + 1 - host.data));
    for (size_t i = 0; i < host.len; i++)
        if (strchr(" \"<>\\^`{|}", host.data[i]))
            return false;
    return format_span(port, 0, format_is_digit) == port.len;
}

/* Escapes in the path; what follows '?' is not looked at. */
static bool fits_escapes(struct str text) {
    for (size_t i = 0; i < text.len && text.data[i] != '?'; i++)
        if (text.data[i] == '%' && (i + 2 >= text.len || !format_is_hex(text.data[i + 1]) ||
                                    !format_is_hex(text.data[i + 2])))
            return false;
    return true;
}

/* What a request line may name: an absolute URI or an absolute path. */
bool format_fits_uri(struct str text) {
    size_t scheme = format_span(text, 0, is_scheme_char);
    bool named = scheme > 0 && scheme < text.len && text.data[scheme] == ':' &&
                 !format_is_digit(text.data[0]) && format_is_alnum(text.data[0]);
    for (size_t i = 0; i < text.len; i++)
        if ((text.data[i] >= 0 && text.data[i] < ' ') || text.data[i] == 0x7f)
            return false;
    struct str rest = named ? format_tail(text, scheme + 1) : text;
    if (rest.len == 0 || rest.data[0] != '/')
        return named || str_is(text, "*");
    if (!fits_escapes(rest))
        return false;
    if (named && rest.len > 1 && rest.data[1] == '/')
        return fits_authority(format_tail(rest, 2));
    return true;
}
