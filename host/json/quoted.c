#include "json/quoted.h"

#include <endian.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The length of the well-formed UTF-8 sequence at p (RFC 3629), 0 when there is none. */
static size_t utf8_len(const char *p, const char *end) {
    const unsigned char *u = (const unsigned char *)p;
    size_t left = (size_t)(end - p), len = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
    if (u[0] < 0xc2 || u[0] > 0xf4 || left < len)
        return 0;
    unsigned char low = u[0] == 0xe0 ? 0xa0 : u[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = u[0] == 0xed ? 0x9f : u[0] == 0xf4 ? 0x8f : 0xbf;
    if (u[1] < low || u[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* How many of the eight bytes stand before one that has a meaning of its own in a string, or is not
 * ASCII. A borrow may mark bytes after the first such, never before it. */
static unsigned plain8(const char *p) {
    uint64_t w, ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    memcpy(&w, p, 8);
    w = le64toh(w);
    uint64_t quote = w ^ ones * '"', slash = w ^ ones * '\\';
    uint64_t special = ((w - ones * 0x20) | (quote - ones) | (slash - ones) | w) & tops;
    return special ? (unsigned)__builtin_ctzll(special) / 8 : 8;
}

#ifdef __SSE2__
static unsigned plain16(const char *p) {
    const __m128i v = _mm_loadu_si128((const __m128i *)p);
    __m128i special =
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    /* signed: what is not ASCII is below the space, too */
    special = _mm_or_si128(special, _mm_cmplt_epi8(v, _mm_set1_epi8(' ')));
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(special) | 1u << 16);
}
#else
static unsigned plain16(const char *p) {
    unsigned plain = plain8(p);
    return plain < 8 ? plain : 8 + plain8(p + 8);
}
#endif

const char *json_quoted_plain(const char *p, const char *end) {
    for (;;) {
        unsigned plain = 16;
        while (plain == 16 && end - p >= 16)
            p += plain = plain16(p);
        if (plain == 16 && end - p >= 8)
            p += plain8(p);
        if (p == end)
            return p;
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\' || c < 0x20)
            return p;
        size_t len = c < 0x80 ? 1 : utf8_len(p, end);
        if (len == 0)
            return p;
        p += len;
    }
}

/* Four hex digits, or -1. */
static int32_t hex4(const char *p, const char *end) {
    int32_t value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            value = value << 4 | ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return value;
}

static void add_utf8(struct strbuf *buf, uint32_t code) {
    char out[4];
    size_t len = 0;
    if (buf == NULL)
        return;
    if (code < 0x80) {
        out[len++] = (char)code;
    } else if (code < 0x800) {
        out[len++] = (char)(0xc0 | code >> 6);
    } else if (code < 0x10000) {
        out[len++] = (char)(0xe0 | code >> 12);
        out[len++] = (char)(0x80 | (code >> 6 & 0x3f));
    } else {
        out[len++] = (char)(0xf0 | code >> 18);
        out[len++] = (char)(0x80 | (code >> 12 & 0x3f));
        out[len++] = (char)(0x80 | (code >> 6 & 0x3f));
    }
    if (code >= 0x80)
        out[len++] = (char)(0x80 | (code & 0x3f));
    strbuf_add(buf, out, len);
}

/* After "\u": one code point, of two escapes when it is a surrogate pair. NULL: not one. */
static const char *unescape_unicode(const char *p, const char *end, struct strbuf *buf) {
    int32_t code = hex4(p, end);
    p += 4;
    if (code < 0 || (code >= 0xdc00 && code <= 0xdfff))
        return NULL;
    if (code >= 0xd800 && code <= 0xdbff) {
        if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
            return NULL;
        int32_t low = hex4(p + 2, end);
        if (low < 0xdc00 || low > 0xdfff)
            return NULL;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
    }
    add_utf8(buf, (uint32_t)code);
    return p;
}

const char *json_quoted_unescape(const char *p, const char *end, struct strbuf *buf) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (p == end)
        return NULL;
    if (*p == 'u')
        return unescape_unicode(p + 1, end, buf);
    const char *found = *p ? strchr(from, *p) : NULL;
    if (found == NULL)
        return NULL;
    if (buf)
        strbuf_addc(buf, to[found - from]);
    return p + 1;
}

const char *json_quoted_end(const char *p, const char *end) {
    for (;;) {
        p = json_quoted_plain(p, end);
        if (p == end || (*p != '"' && *p != '\\'))
            return NULL;
        if (*p == '"')
            return p + 1;
        p = json_quoted_unescape(p + 1, end, NULL);
        if (p == NULL)
            return NULL;
    }
}
