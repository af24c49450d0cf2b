#ifndef MOONLET_BASE_STR_H
#define MOONLET_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Strings: a view of bytes and a growing buffer.
 *
 * Threads: one owner at a time. Yields: never.
 */

struct str {
    const char *data; /* borrowed; not 0-terminated */
    size_t len;
};
#define STR_FORMAT "%.*s"
#define STR_ARG(s) (int)(s).len, (s).data

static inline struct str str_n(const char *data, size_t len) {
    return (struct str){data, len};
}
/* NULL gives the empty view. Of a literal nothing is left to do when the program runs, which is why
 * these three are here. */
static inline struct str str_of(const char *text) {
    return (struct str){text ? text : "", text ? strlen(text) : 0};
}
static inline bool str_equal(struct str a, struct str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
static inline bool str_is(struct str a, const char *text) {
    return str_equal(a, str_of(text));
}
int str_compare(struct str a, struct str b); /* bytewise, as strcmp */
bool str_starts_with(struct str text, const char *prefix);
bool str_ends_with(struct str text, const char *suffix);
bool str_to_int64(struct str text, int64_t *ret); /* whole text, base 10, in range */
uint64_t str_hash(struct str text);               /* good spread, not for hostile keys' secrecy */

/* The one of `count` names nearest to `name` (edit distance ≤ a third of its length), or NULL. */
const char *str_nearest(const char *name, const char *const *names, size_t count);

/* A growing buffer. data is 0-terminated whenever it is not NULL. A failed append sets `failed`
 * and later appends do nothing, so one check at the end is enough. Zeroed = empty. */
struct strbuf {
    char *data; /* owned */
    size_t len, cap;
    bool failed; /* an allocation failed; data is what fitted before */
};
void strbuf_finish(struct strbuf *buf); /* frees and zeroes */
void strbuf_clear(struct strbuf *buf);  /* keeps the memory */
void strbuf_add(struct strbuf *buf, const void *data, size_t len);
void strbuf_adds(struct strbuf *buf, const char *text);
void strbuf_printf(struct strbuf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void strbuf_vprintf(struct strbuf *buf, const char *format, va_list args);
/* Room for `len` more bytes at data + len; NULL when there is no memory. */
char *strbuf_reserve(struct strbuf *buf, size_t len);
static inline void strbuf_addc(struct strbuf *buf, char c) {
    if (buf->failed || buf->cap - buf->len < 2) {
        strbuf_add(buf, &c, 1);
        return;
    }
    buf->data[buf->len++] = c;
    buf->data[buf->len] = '\0';
}
/* Hands the text over (mem_free it) and leaves the buffer empty. NULL when an append failed. */
char *strbuf_take(struct strbuf *buf);
struct str strbuf_view(const struct strbuf *buf);
/* Keeps the first `len` bytes; where there are fewer, all of them. */
void strbuf_cut(struct strbuf *buf, size_t len);
/* Drops the first `len` bytes. */
void strbuf_consume(struct strbuf *buf, size_t len);

#endif
