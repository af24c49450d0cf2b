#include "bindings/library.h"

#include <stdio.h>
#include <string.h>

#include "bindings/embedded.h"
#include "bindings/fail.h"
#include "bindings/script.h"
#include "bindings/value.h"
#include "bindings/view.h"

/* core.library_chunk(module, env) -> function | nil */
static int library_chunk(lua_State *L) {
    const char *module = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    for (const struct embedded_script *script = embedded_scripts; script->module; script++) {
        if (strcmp(script->module, module) != 0)
            continue;
        bool compiled = script_of(L)->compiled;
        lua_pushfstring(L, "=%s", script->path); /* '=': not the file of a controller */
        if (luaL_loadbufferx(L, (const char *)(compiled ? script->code : script->text),
                             compiled ? script->code_len : script->len, lua_tostring(L, -1),
                             compiled ? "b" : "t") != 0)
            return lua_error(L);
        lua_pushvalue(L, 2);
        lua_setfenv(L, -2);
        return 1;
    }
    return 0;
}

bool library_push_chunk(lua_State *L, const struct script_file *file) {
    lua_pushfstring(L, "@%s", file->path);
    int status = luaL_loadbufferx(L, file->text, file->len, lua_tostring(L, -1), "t");
    lua_remove(L, -2);
    if (status != 0)
        return false;
    isolate_push_ref(L, REF_ENV);
    lua_setfenv(L, -2);
    return true;
}

/* core.source_chunk(module) -> function | nil; raises what the parser says */
static int source_chunk(lua_State *L) {
    const char *module = luaL_checkstring(L, 1);
    const struct script_source *source = &script_of(L)->source;
    for (size_t i = 0; i < source->count; i++) {
        if (strcmp(source->files[i].module, module) != 0)
            continue;
        if (!library_push_chunk(L, &source->files[i]))
            return lua_error(L);
        return 1;
    }
    return 0;
}

/* core.source_modules() -> "a, b" for the message of a failed require */
static int source_modules(lua_State *L) {
    const struct script_source *source = &script_of(L)->source;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (size_t i = 1; i < source->count; i++) {
        if (i > 1)
            luaL_addstring(&buffer, ", ");
        luaL_addstring(&buffer, source->files[i].module);
    }
    luaL_pushresult(&buffer);
    return 1;
}

static const luaL_Reg library_functions[] = {{"library_chunk", library_chunk},
                                             {"source_chunk", source_chunk},
                                             {"source_modules", source_modules},
                                             {NULL, NULL}};

static void add_table(lua_State *L, const char *name, const luaL_Reg *functions) {
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    lua_setfield(L, -2, name);
}

static void add_host(lua_State *L, const struct script_host *host) {
    lua_createtable(L, 0, 3);
    lua_pushstring(L, host->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, host->version);
    lua_setfield(L, -2, "version");
    lua_pushstring(L, host->ns);
    lua_setfield(L, -2, "namespace");
    lua_setfield(L, -2, "host");
}

/* LuaJIT starts every state alike; two isolates shall not jitter in step. */
static void seed_random(lua_State *L, uint64_t seed) {
    if (seed == 0)
        return;
    lua_getglobal(L, "math");
    lua_getfield(L, -1, "randomseed");
    lua_pushnumber(L, (double)(seed >> 11)); /* as many bits as a double holds */
    lua_call(L, 1, 0);
    lua_pop(L, 1);
}

/* Bytecode is good for the LuaJIT that wrote it. */
static bool knows_bytecode(lua_State *L) {
    lua_getglobal(L, "jit");
    lua_getfield(L, -1, "version");
    const char *version = lua_tostring(L, -1);
    bool same = version && strcmp(version, embedded_version) == 0;
    lua_pop(L, 2);
    return same;
}

void library_open(lua_State *L) {
    seed_random(L, script_of(L)->seed);
    script_of(L)->compiled = knows_bytecode(L);
    fail_open(L);
    value_open(L);
    view_open(L);

    lua_newtable(L); /* core */
    luaL_setfuncs(L, library_functions, 0);
    luaL_setfuncs(L, core_functions, 0);
    luaL_setfuncs(L, read_functions, 0);
    luaL_setfuncs(L, request_functions, 0);
    add_table(L, "strings", strings_functions);
    add_table(L, "tables", tables_functions);
    add_table(L, "base", tables_base);
    add_host(L, &script_of(L)->engine->host);
    value_push_null(L);
    lua_setfield(L, -2, "null");
    lua_pushboolean(L, script_of(L)->ordered);
    lua_setfield(L, -2, "ordered");
    lua_pushlightuserdata(L, (void *)&request_wait_mark);
    lua_setfield(L, -2, "wait_mark");
    isolate_push_ref(L, REF_ERROR);
    lua_setfield(L, -2, "error_metatable");
    lua_pushvalue(L, -1);
    isolate_set_ref(L, REF_CORE);

    lua_getfield(L, -1, "library_chunk");
    lua_pushliteral(L, "moonlet.core.sandbox");
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    lua_call(L, 2, 1);
    lua_pushvalue(L, -2);               /* core sandbox core */
    lua_pushvalue(L, LUA_GLOBALSINDEX); /* core sandbox core _G */
    lua_call(L, 2, 2);                  /* core env require */
    isolate_set_ref(L, REF_LIBRARY);
    isolate_set_ref(L, REF_ENV);
    lua_pop(L, 1);

    lua_pushliteral(L,
                    ""); /* ("").rep is the guarded string table, and its metatable is not seen */
    lua_getmetatable(L, -1);
    isolate_push_ref(L, REF_ENV);
    lua_getfield(L, -1, "string");
    lua_setfield(L, -3, "__index");
    lua_pop(L, 1);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}
