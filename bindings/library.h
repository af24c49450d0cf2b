#ifndef MOONLET_BINDINGS_LIBRARY_H
#define MOONLET_BINDINGS_LIBRARY_H

#include "bindings/isolate.h"
#include "runtime/script_engine.h"

/*
 * Library: what Lua finds in an isolate: the functions of "moonlet.core", the embedded modules with
 * their environment, and the sandbox of the controller's files with its own `require`.
 *
 * core is reached by library modules alone; a controller's require finds the other moonlet modules
 * and the files of its own source.
 * Threads: the isolate's. Yields: never.
 */

/* Builds all of it in a new isolate. Protected call; raises. The source must outlive the isolate's
 * loading of modules, that is, the isolate. */
void library_open(lua_State *L);

/* Pushes the chunk of the source's file `at`, with the sandbox as its globals. On a syntax error
 * pushes the message and returns false. */
bool library_push_chunk(lua_State *L, const struct script_file *file);

/* Tables of C functions, each in the file of its prefix. */
extern const luaL_Reg strings_functions[]; /* string.* */
extern const luaL_Reg tables_functions[];  /* table.* */
extern const luaL_Reg tables_base[];       /* next, rawget, ... */
extern const luaL_Reg core_functions[];    /* values, digests, time, log */
int digest_base64_encode(lua_State *L);
int digest_base64_decode(lua_State *L);
int digest_sha256(lua_State *L);
int yaml_decode(lua_State *L);
int yaml_decode_all(lua_State *L);
int yaml_encode(lua_State *L);
extern const luaL_Reg read_functions[];    /* the cache */
extern const luaL_Reg request_functions[]; /* waits */

#endif
