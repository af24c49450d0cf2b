#include "json/span.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#ifdef __SSE2__
/* The first quote or backslash of the 16 bytes, 16 when there is none. */
static unsigned plain16(const char *p) {
    const __m128i v = _mm_loadu_si128((const __m128i *)p);
    __m128i special =
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(special) | 1u << 16);
}
#endif

#ifdef __SSE2__
enum { BLOCK = 64 };
struct block { /* a bit per byte */
    uint64_t quotes, slashes, opens, closes;
};

static inline __attribute__((always_inline)) uint64_t bytes_equal(const __m128i parts[4], char c) {
    const __m128i each = _mm_set1_epi8(c);
    uint64_t a = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(parts[0], each));
    uint64_t b = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(parts[1], each));
    uint64_t d = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(parts[2], each));
    uint64_t e = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(parts[3], each));
    return a | b << 16 | d << 32 | e << 48;
}

static struct block read_block(const char *p) {
    const __m128i *at = (const __m128i *)p, curly = _mm_set1_epi8('{' - '['); /* both kinds alike */
    __m128i parts[4] = {_mm_loadu_si128(at), _mm_loadu_si128(at + 1), _mm_loadu_si128(at + 2),
                        _mm_loadu_si128(at + 3)};
    uint64_t quotes = bytes_equal(parts, '"'), slashes = bytes_equal(parts, '\\');
    parts[0] = _mm_or_si128(parts[0], curly);
    parts[1] = _mm_or_si128(parts[1], curly);
    parts[2] = _mm_or_si128(parts[2], curly);
    parts[3] = _mm_or_si128(parts[3], curly);
    return (struct block){quotes, slashes, bytes_equal(parts, '{'), bytes_equal(parts, '}')};
}

/* The bytes that a backslash stands for; *carry says so of the first one, and of the next block's.
 */
static uint64_t escaped_bytes(uint64_t slashes, uint64_t *carry) {
    const uint64_t even = 0x5555555555555555u;
    slashes &= ~*carry;
    uint64_t after = slashes << 1 | *carry, odd_runs = slashes & ~even & ~after, ends;
    *carry = __builtin_add_overflow(odd_runs, slashes, &ends);
    return (even ^ ends << 1) & after;
}

/* The bytes from an opening quote to before its closing one. */
static uint64_t string_bytes(uint64_t quotes, bool in_string) {
    quotes ^= quotes << 1; /* each bit becomes the parity of those up to it */
    quotes ^= quotes << 2;
    quotes ^= quotes << 4;
    quotes ^= quotes << 8;
    quotes ^= quotes << 16;
    quotes ^= quotes << 32;
    return in_string ? ~quotes : quotes;
}

/* Steps over whole blocks that lie deeper than `level`, up to a bracket that leads back to it. */
static const char *skip_blocks(struct json_span *span, const char *p, const char *end,
                               uint32_t level) {
    for (; span->depth > level && end - p >= BLOCK; p += BLOCK) {
        struct block block = read_block(p);
        uint64_t carry = span->escaped, quotes = block.quotes;
        if (carry || block.slashes)
            quotes &= ~escaped_bytes(block.slashes, &carry);
        uint64_t strings = string_bytes(quotes, span->in_string);
        if (block.slashes & ~strings)
            return p; /* no JSON: byte by byte, so that pieces of any size are read alike */
        uint64_t opens = block.opens & ~strings, closes = block.closes & ~strings;
        uint64_t empty = opens & closes >> 1; /* {} */
        opens ^= empty;
        closes ^= empty << 1;
        uint32_t depth = span->depth;
        for (uint64_t left = opens | closes; left; left &= left - 1) {
            if (opens & left & -left) {
                depth++;
            } else if (depth - 1 > level) {
                depth--;
            } else {
                *span = (struct json_span){.depth = depth};
                return p + __builtin_ctzll(left);
            }
        }
        *span = (struct json_span){depth, strings >> 63, carry};
    }
    return p;
}
#else
static const char *skip_blocks(struct json_span *span, const char *p, const char *end,
                               uint32_t level) {
    (void)span, (void)end, (void)level;
    return p;
}
#endif

/* In a string: after its closing quote, or the end. */
static const char *leave_string(struct json_span *span, const char *p, const char *end) {
    if (span->escaped && p < end) {
        span->escaped = false;
        p++;
    }
    while (p < end) {
#ifdef __SSE2__
        unsigned plain = end - p >= 16 ? plain16(p) : 0;
        p += plain;
        if (plain == 16)
            continue;
#endif
        char c = *p++;
        if (c == '"') {
            span->in_string = false;
            return p;
        }
        if (c == '\\' && p == end)
            span->escaped = true;
        else if (c == '\\')
            p++;
    }
    return p;
}

size_t json_span_step(struct json_span *span, const char *data, size_t len, uint32_t level,
                      char *ret) {
    const char *p = data, *end = data + len;
    *ret = 0;
    while (p < end && *ret == 0) {
        p = skip_blocks(span, p, end, level);
        if (span->in_string) {
            p = leave_string(span, p, end);
            continue;
        }
        if (p == end)
            break;
        char c = *p++;
        uint32_t around = span->depth;
        if (c == '"')
            span->in_string = true;
        else if (c == '{' || c == '[')
            span->depth++;
        else if (c == '}' || c == ']')
            around = span->depth = around > 0 ? around - 1 : 0;
        if (around <= level && (c == ',' || c == '{' || c == '[' || c == '}' || c == ']'))
            *ret = c;
    }
    return (size_t)(p - data);
}
