#ifndef MOONLET_BINDINGS_GLOBALS_H
#define MOONLET_BINDINGS_GLOBALS_H

#include <lauxlib.h>

/*
 * Globals: which global names a chunk reads and sets, found without running it.
 *
 * core.globals(function) -> list of { name =, at = "file:line", set = boolean } | nothing, when
 * this LuaJIT's bytecode is not as expected. Threads: the isolate's. Yields: never. Raises when
 * there is no memory.
 */
int core_globals(lua_State *L);

/* Tells each line that has an instruction, of the function on top of L and those inside; some more
 * than once. Nothing, when this LuaJIT's bytecode is not as expected. */
void globals_lines(lua_State *L, void (*tell)(void *context, const char *path, int line),
                   void *context);

#endif
