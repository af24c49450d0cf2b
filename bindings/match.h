#ifndef MOONLET_BINDINGS_MATCH_H
#define MOONLET_BINDINGS_MATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Lua 5.1 patterns, as LuaJIT's string library matches them, with a step budget: the library's own
 * matcher cannot be interrupted (R19).
 *
 * Is not:  aware of Lua. Threads: one owner at a time. Yields: never.
 */
enum { MATCH_CAPTURES = 32, MATCH_OPEN = -1, MATCH_POSITION = -2 };

struct match {
    const char *text, *text_end;
    const char *pattern_end;
    unsigned captures;
    struct {
        const char *at;
        ptrdiff_t len; /* or MATCH_OPEN, MATCH_POSITION */
    } capture[MATCH_CAPTURES];
    unsigned depth;
    uint64_t steps;                     /* left; counts down over all tries */
    bool (*interrupted)(void *context); /* asked every few thousand steps; may be NULL */
    void *context;
    const char *problem; /* why match_here() stopped: a malformed pattern, the budget */
};
#define MATCH_STEPS 50000000ull

void match_init(struct match *match, const char *text, size_t len, const char *pattern,
                size_t pattern_len);
/* The end of the match of `pattern` at `at`, or NULL: none, or match->problem says why not. */
const char *match_here(struct match *match, const char *at, const char *pattern);

#endif
