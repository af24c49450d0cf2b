#include "bindings/match.h"

#include <string.h>

enum { MAX_DEPTH = 200, CHECK_EVERY = 4096 };

static const char *run(struct match *m, const char *s, const char *p);

void match_init(struct match *match, const char *text, size_t len, const char *pattern,
                size_t pattern_len) {
    memset(match, 0, sizeof *match);
    match->text = text;
    match->text_end = text + len;
    match->pattern_end = pattern + strnlen(pattern, pattern_len); /* as 5.1: a zero byte ends it */
    match->steps = MATCH_STEPS;
}

static void *fail(struct match *m, const char *problem) {
    if (!m->problem)
        m->problem = problem;
    return NULL;
}

static bool step(struct match *m) {
    if (m->problem)
        return false;
    if (m->steps == 0) {
        fail(m, "pattern needs too many steps on this text");
        return false;
    }
    if (--m->steps % CHECK_EVERY == 0 && m->interrupted && m->interrupted(m->context)) {
        fail(m, "stopped inside a pattern");
        return false;
    }
    return true;
}

/* ASCII classes, whatever the locale says. */
static bool in_class(unsigned char c, unsigned char letter) {
    unsigned char low = letter | 0x20;
    bool alpha = (unsigned char)((c | 0x20) - 'a') < 26, digit = (unsigned char)(c - '0') < 10;
    bool graph = c > ' ' && c < 0x7f, in;
    switch (low) {
    case 'a':
        in = alpha;
        break;
    case 'c':
        in = c < ' ' || c == 0x7f;
        break;
    case 'd':
        in = digit;
        break;
    case 'g':
        in = graph;
        break;
    case 'l':
        in = (unsigned char)(c - 'a') < 26;
        break;
    case 'p':
        in = graph && !alpha && !digit;
        break;
    case 's':
        in = c == ' ' || (unsigned char)(c - '\t') < 5;
        break;
    case 'u':
        in = (unsigned char)(c - 'A') < 26;
        break;
    case 'w':
        in = alpha || digit;
        break;
    case 'x':
        in = digit || (unsigned char)((c | 0x20) - 'a') < 6;
        break;
    case 'z':
        in = c == 0;
        break;
    default:
        return letter == c;
    }
    return letter == low ? in : !in; /* a capital letter means the complement */
}

/* The end of the single-character item at p; NULL when malformed. */
static const char *item_end(struct match *m, const char *p) {
    char first = *p++;
    if (first == '%') {
        if (p >= m->pattern_end)
            return fail(m, "malformed pattern (ends with '%')");
        return p + 1;
    }
    if (first != '[')
        return p;
    if (p < m->pattern_end && *p == '^')
        p++;
    do { /* a ']' right after the opening is a member */
        if (p >= m->pattern_end)
            return fail(m, "malformed pattern (missing ']')");
        if (*p++ == '%' && p < m->pattern_end)
            p++;
    } while (p >= m->pattern_end || *p != ']');
    return p + 1;
}

/* Is c in the set whose '[' is at p and whose ']' is at last? */
static bool in_set(unsigned char c, const char *p, const char *last) {
    bool yes = true;
    if (p[1] == '^') {
        yes = false;
        p++;
    }
    while (++p < last) {
        if (*p == '%') {
            p++;
            if (in_class(c, (unsigned char)*p))
                return yes;
        } else if (p[1] == '-' && p + 2 < last) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return yes;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return yes;
        }
    }
    return !yes;
}

static bool item_matches(struct match *m, const char *s, const char *p, const char *end) {
    if (s >= m->text_end)
        return false;
    unsigned char c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(c, p, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

static const char *longest(struct match *m, const char *s, const char *p, const char *end) {
    ptrdiff_t n = 0;
    while (item_matches(m, s + n, p, end)) {
        if (!step(m))
            return NULL;
        n++;
    }
    for (; n >= 0; n--) {
        const char *found = run(m, s + n, end + 1);
        if (found || m->problem)
            return found;
    }
    return NULL;
}

static const char *shortest(struct match *m, const char *s, const char *p, const char *end) {
    for (;;) {
        const char *found = run(m, s, end + 1);
        if (found || m->problem)
            return found;
        if (!item_matches(m, s, p, end))
            return NULL;
        s++;
    }
}

/* %bxy at s; p points at x. */
static const char *balanced(struct match *m, const char *s, const char *p) {
    if (p + 1 >= m->pattern_end)
        return fail(m, "unbalanced pattern");
    if (s >= m->text_end || *s != p[0])
        return NULL;
    unsigned open = 1;
    while (++s < m->text_end) {
        if (!step(m))
            return NULL;
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

static const char *open_capture(struct match *m, const char *s, const char *p, ptrdiff_t what) {
    if (m->captures >= MATCH_CAPTURES)
        return fail(m, "too many captures");
    m->capture[m->captures].at = s;
    m->capture[m->captures++].len = what;
    const char *found = run(m, s, p);
    if (!found)
        m->captures--;
    return found;
}

static const char *close_capture(struct match *m, const char *s, const char *p) {
    unsigned i = m->captures;
    while (i > 0 && m->capture[i - 1].len != MATCH_OPEN)
        i--;
    if (i == 0)
        return fail(m, "invalid pattern capture");
    m->capture[i - 1].len = s - m->capture[i - 1].at;
    const char *found = run(m, s, p);
    if (!found)
        m->capture[i - 1].len = MATCH_OPEN;
    return found;
}

/* The text of capture %1..%9 again at s. */
static const char *repeated(struct match *m, const char *s, char digit) {
    int i = digit - '1';
    if (i < 0 || i >= (int)m->captures || m->capture[i].len == MATCH_OPEN)
        return fail(m, "invalid capture index");
    size_t len = (size_t)m->capture[i].len;
    if ((size_t)(m->text_end - s) >= len && memcmp(m->capture[i].at, s, len) == 0)
        return s + len;
    return NULL;
}

/* %f[set]: between a character outside the set and one inside; p points at '['. */
static const char *frontier(struct match *m, const char *s, const char **p) {
    if (*p >= m->pattern_end || **p != '[')
        return fail(m, "missing '[' after '%f' in pattern");
    const char *end = item_end(m, *p);
    if (!end)
        return NULL;
    unsigned char before = s == m->text ? 0 : (unsigned char)s[-1];
    unsigned char after = s < m->text_end ? (unsigned char)*s : 0;
    if (in_set(before, *p, end - 1) || !in_set(after, *p, end - 1))
        return NULL;
    *p = end;
    return s;
}

/* One item with its suffix; sets *again when the caller should go on at (*s, *p). */
static const char *single(struct match *m, const char **s, const char **p, bool *again) {
    const char *end = item_end(m, *p);
    if (!end)
        return NULL;
    bool here = item_matches(m, *s, *p, end);
    switch (end < m->pattern_end ? *end : '\0') {
    case '?':
        if (here) {
            const char *found = run(m, *s + 1, end + 1);
            if (found || m->problem)
                return found;
        }
        *p = end + 1;
        *again = true;
        return NULL;
    case '*':
        return longest(m, *s, *p, end);
    case '+':
        return here ? longest(m, *s + 1, *p, end) : NULL;
    case '-':
        return shortest(m, *s, *p, end);
    default:
        if (!here)
            return NULL;
        ++*s;
        *p = end;
        *again = true;
        return NULL;
    }
}

static const char *run_at(struct match *m, const char *s, const char *p) {
    for (;;) {
        if (!step(m))
            return NULL;
        if (p >= m->pattern_end)
            return s;
        bool again = false;
        switch (*p) {
        case '(':
            return p + 1 < m->pattern_end && p[1] == ')' ? open_capture(m, s, p + 2, MATCH_POSITION)
                                                         : open_capture(m, s, p + 1, MATCH_OPEN);
        case ')':
            return close_capture(m, s, p + 1);
        case '$':
            if (p + 1 == m->pattern_end)
                return s == m->text_end ? s : NULL;
            break;
        case '%':
            if (p + 1 >= m->pattern_end)
                break;
            if (p[1] == 'b') {
                s = balanced(m, s, p + 2);
                p += 4;
                again = true;
            } else if (p[1] == 'f') {
                p += 2;
                s = frontier(m, s, &p);
                again = true;
            } else if (p[1] >= '0' && p[1] <= '9') {
                s = repeated(m, s, p[1]);
                p += 2;
                again = true;
            }
            if (again) {
                if (!s)
                    return NULL;
                continue;
            }
            break;
        default:
            break;
        }
        const char *found = single(m, &s, &p, &again);
        if (!again)
            return found;
    }
}

static const char *run(struct match *m, const char *s, const char *p) {
    if (m->depth >= MAX_DEPTH)
        return fail(m, "pattern too complex");
    m->depth++;
    const char *found = run_at(m, s, p);
    m->depth--;
    return found;
}

const char *match_here(struct match *match, const char *at, const char *pattern) {
    match->captures = 0;
    match->depth = 0;
    return run(match, at, pattern);
}
