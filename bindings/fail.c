#include "bindings/fail.h"

#include <stdio.h>
#include <string.h>

static int error_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, 1, "message");
    if (!lua_isstring(L, -1))
        lua_pushliteral(L, "error");
    return 1;
}

void fail_open(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, error_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    isolate_set_ref(L, REF_ERROR);
}

static void push_info(lua_State *L, const struct error *err) {
    lua_createtable(L, 0, 5);
    lua_pushstring(L, error_code_name(err->code));
    lua_setfield(L, -2, "code");
    if (err->status) {
        lua_pushinteger(L, err->status);
        lua_setfield(L, -2, "status");
    }
    if (err->reason[0]) {
        lua_pushstring(L, err->reason);
        lua_setfield(L, -2, "reason");
    }
    if (err->retry_after_ns) {
        lua_pushnumber(L, (double)err->retry_after_ns / 1e9);
        lua_setfield(L, -2, "retry_after");
    }
}

int mlua_fail(lua_State *L, const struct error *err) {
    if (err->code == ERROR_INVALID) {
        char at[160];
        mlua_blame(L, 0, at, sizeof at);
        return luaL_error(L, "%s%s%s", at, at[0] ? ": " : "", err->message);
    }
    lua_pushnil(L);
    lua_pushstring(L, err->message);
    push_info(L, err);
    return 3;
}

void mlua_push_error(lua_State *L, const struct error *err) {
    push_info(L, err);
    lua_pushstring(L, err->message);
    lua_setfield(L, -2, "message");
    isolate_push_ref(L, REF_ERROR);
    lua_setmetatable(L, -2);
}

void mlua_blame(lua_State *co, int level, char *ret, size_t size) {
    lua_Debug at;
    ret[0] = '\0';
    for (; level < 200 && lua_getstack(co, level, &at); level++) {
        if (!lua_getinfo(co, "Sl", &at) || at.source[0] != '@' || at.currentline <= 0)
            continue;
        snprintf(ret, size, "%s:%d", at.short_src, at.currentline);
        return;
    }
}

/* The length of "file:line: " in front of the message, as error() and the parser write it. */
static size_t position_length(const char *text) {
    const char *colon = strchr(text, ':');
    if (!colon || colon == text)
        return 0;
    const char *end = colon + 1 + strspn(colon + 1, "0123456789");
    return end > colon + 1 && end[0] == ':' && end[1] == ' ' ? (size_t)(end + 2 - text) : 0;
}

/* Puts `at` in front, unless a controller's line is there already; a line of the library goes. */
static void place(struct error *err, const char *at) {
    size_t position = position_length(err->message);
    if (position && strncmp(err->message, "moonlet/", 8) != 0)
        return;
    if (!at[0])
        return;
    memmove(err->message, err->message + position, strlen(err->message + position) + 1);
    error_prefix(err, "%s", at);
}

static int tostring_body(lua_State *L) { /* value -> text */
    luaL_callmeta(L, 1, "__tostring");
    return 1;
}

/* The text of the error value on top of L, by its own __tostring, in a coroutine under the guard.
 */
static void user_text(struct isolate *isolate, lua_State *L, char *ret, size_t size) {
    snprintf(ret, size, "(error object is a %s value)", luaL_typename(L, -1));
    lua_State *helper = lua_newthread(L); /* value helper */
    lua_pushcfunction(L, tostring_body);
    lua_pushvalue(L, -3);
    if (!lua_checkstack(helper, 4))
        luaL_error(L, "no memory");
    lua_xmove(L, helper, 2);
    if (isolate_resume(isolate, helper, 1) == 0 && lua_type(helper, -1) == LUA_TSTRING)
        snprintf(ret, size, "%s", lua_tostring(helper, -1));
    lua_pop(L, 1);
}

static void raw_field(lua_State *L, const char *name) {
    lua_pushstring(L, name);
    lua_rawget(L, -2);
}

static void read_table(struct isolate *isolate, lua_State *L, struct failure *ret) {
    struct error *err = &ret->error;
    char text[sizeof err->message];
    raw_field(L, "message");
    bool named = lua_type(L, -1) == LUA_TSTRING;
    if (named)
        snprintf(text, sizeof text, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    if (!named)
        user_text(isolate, L, text, sizeof text);
    error_set(err, ERROR_INTERNAL, "%s", text);
    raw_field(L, "code");
    if (lua_type(L, -1) == LUA_TSTRING)
        err->code = error_code_from_name(lua_tostring(L, -1));
    lua_pop(L, 1);
    raw_field(L, "status");
    if (lua_type(L, -1) == LUA_TNUMBER)
        err->status = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    raw_field(L, "reason");
    if (lua_type(L, -1) == LUA_TSTRING)
        snprintf(err->reason, sizeof err->reason, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    raw_field(L, "permanent");
    ret->permanent = lua_toboolean(L, -1);
    lua_pop(L, 1);
    raw_field(L, "retry_after");
    double wait = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : -1;
    if (wait >= 0) {
        err->retry_after_ns = wait < 1e9 ? (uint64_t)(wait * 1e9) : (uint64_t)1e18;
        ret->retry_after = true;
    }
    lua_pop(L, 1);
}

struct reading {
    struct isolate *isolate;
    lua_State *co;
    struct failure *ret;
};

static int build_failure(lua_State *L) {
    struct reading *reading = lua_touserdata(L, 1);
    struct error *err = &reading->ret->error;
    luaL_checkstack(L, 8, "no room for an error");
    lua_xmove(reading->co, L, 1);
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:
        error_set(err, ERROR_INTERNAL, "%s", lua_tostring(L, -1));
        if (isolate_no_memory(err->message))
            err->code = ERROR_NOMEM;
        break;
    case LUA_TTABLE:
        read_table(reading->isolate, L, reading->ret);
        break;
    default:
        error_set(err, ERROR_INTERNAL, "(error object is a %s value)", luaL_typename(L, -1));
    }
    return 0;
}

void mlua_read_failure(struct isolate *isolate, lua_State *co, const char *fallback,
                       struct failure *ret) {
    char at[160];
    struct error nomem = {0};
    struct reading reading = {isolate, co, ret};
    *ret = (struct failure){0};
    mlua_blame(co, 0, at, sizeof at);
    if (!at[0])
        snprintf(at, sizeof at, "%s", fallback);
    if (isolate_stopped(isolate, &ret->error)) {
        if (!isolate->stopped_at[0] && at[0])
            error_prefix(&ret->error, "%s", at);
        return;
    }
    if (isolate_build(isolate, build_failure, &reading, &nomem) < 0)
        ret->error = nomem;
    place(&ret->error, at);
}
