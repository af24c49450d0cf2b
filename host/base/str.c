#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int str_compare(struct str a, struct str b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool str_starts_with(struct str text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

bool str_ends_with(struct str text, const char *suffix) {
    size_t len = strlen(suffix);
    return text.len >= len && memcmp(text.data + text.len - len, suffix, len) == 0;
}

bool str_to_int64(struct str text, int64_t *ret) {
    char digits[24];
    if (text.len == 0 || text.len >= sizeof digits)
        return false;
    if (text.data[0] != '-' && (text.data[0] < '0' || text.data[0] > '9'))
        return false;
    memcpy(digits, text.data, text.len);
    digits[text.len] = '\0';
    char *end = NULL;
    errno = 0;
    long long value = strtoll(digits, &end, 10);
    if (errno != 0 || end != digits + text.len)
        return false;
    *ret = value;
    return true;
}

static uint64_t mix(uint64_t a, uint64_t b) {
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t str_hash(struct str text) {
    const char *p = text.data;
    size_t left = text.len;
    uint64_t hash = 0x9e3779b97f4a7c15u ^ left, word;
    for (; left >= 8; left -= 8, p += 8) {
        memcpy(&word, p, 8);
        hash = mix(hash ^ word, 0xbf58476d1ce4e5b9u);
    }
    word = 0;
    if (left > 0)
        memcpy(&word, p, left);
    return mix(hash ^ word, 0x94d049bb133111ebu) ^ hash >> 32;
}

static size_t distance(const char *a, const char *b) {
    enum { LONGEST = 64 };
    size_t n = strlen(a), m = strlen(b), row[LONGEST + 1];
    if (n > LONGEST || m > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *str_nearest(const char *name, const char *const *names, size_t count) {
    const char *nearest = NULL;
    size_t best = strlen(name) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t far = distance(name, names[i]);
        if (far < best) {
            best = far;
            nearest = names[i];
        }
    }
    return nearest;
}

void strbuf_finish(struct strbuf *buf) {
    mem_free(buf->data);
    *buf = (struct strbuf){0};
}

void strbuf_clear(struct strbuf *buf) {
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

char *strbuf_reserve(struct strbuf *buf, size_t len) {
    enum { LEAST = 64 }; /* or short pieces would move it at each of its first */
    if (!buf->failed && len < buf->cap - buf->len)
        return buf->data + buf->len;
    size_t need = buf->len + len + 1;
    if (buf->failed || len > SIZE_MAX - buf->len - 1 ||
        mem_grow(&buf->data, &buf->cap, need < LEAST ? LEAST : need, 1) < 0) {
        buf->failed = true;
        return NULL;
    }
    return buf->data + buf->len;
}

void strbuf_add(struct strbuf *buf, const void *data, size_t len) {
    char *at = strbuf_reserve(buf, len);
    if (at == NULL)
        return;
    if (len > 0)
        memcpy(at, data, len);
    at[len] = '\0';
    buf->len += len;
}

void strbuf_adds(struct strbuf *buf, const char *text) {
    strbuf_add(buf, text, strlen(text));
}

void strbuf_printf(struct strbuf *buf, const char *format, ...) {
    va_list args;
    va_start(args, format);
    strbuf_vprintf(buf, format, args);
    va_end(args);
}

void strbuf_vprintf(struct strbuf *buf, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    char *at = len < 0 ? NULL : strbuf_reserve(buf, (size_t)len);
    if (at) {
        vsnprintf(at, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

void strbuf_cut(struct strbuf *buf, size_t len) {
    if (len >= buf->len)
        return;
    buf->len = len;
    buf->data[len] = '\0';
}

char *strbuf_take(struct strbuf *buf) {
    if (!buf->failed && buf->data == NULL)
        strbuf_add(buf, "", 0);
    char *text = buf->failed ? NULL : buf->data;
    if (text == NULL)
        mem_free(buf->data);
    *buf = (struct strbuf){0};
    return text;
}

struct str strbuf_view(const struct strbuf *buf) {
    return (struct str){buf->data ? buf->data : "", buf->len};
}

void strbuf_consume(struct strbuf *buf, size_t len) {
    if (len == 0)
        return;
    buf->len -= len;
    memmove(buf->data, buf->data + len, buf->len + 1);
}
