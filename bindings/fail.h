#ifndef MOONLET_BINDINGS_FAIL_H
#define MOONLET_BINDINGS_FAIL_H

#include "bindings/isolate.h"

/*
 * Errors across the boundary: struct error to Lua and back.
 *
 * An error value is a table {code, status, reason, message, retry_after} that prints as its
 * message. Threads: the isolate's. Yields: never.
 */
void fail_open(lua_State *L); /* makes the metatable */

/* invalid raises and blames the first line outside the library; the rest gives
 * nil, message, info. */
int mlua_fail(lua_State *L, const struct error *err);
/* Pushes an error value. */
void mlua_push_error(lua_State *L, const struct error *err);

/* "file:line" of the innermost frame of `co` that is a controller's; "" when there is none. */
void mlua_blame(lua_State *co, int level, char *ret, size_t size);

struct failure {
    struct error error;
    bool permanent, retry_after;
};
/* Reads the error value on top of the stack of a coroutine that ended with it, and puts the
 * controller's line in front; `fallback` ("" = none) when a tail call has lost it. Never raises,
 * calls nothing but a __tostring under the isolate's guard. */
void mlua_read_failure(struct isolate *isolate, lua_State *co, const char *fallback,
                       struct failure *ret);

#endif
