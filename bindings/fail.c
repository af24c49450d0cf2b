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

/* The text of an error value with a metatable of the script's own, in a coroutine of its own. */
static void user_text(struct isolate *isolate, lua_State *co, char *ret, size_t size) {
    lua_State *L = isolate->L;
    snprintf(ret, size, "(error object is a %s value)", luaL_typename(co, -1));
    if (isolate->dead || !lua_checkstack(L, 4) || !lua_checkstack(co, 2))
        return;
    int top = lua_gettop(L);
    lua_State *helper = lua_newthread(L);
    lua_pushcfunction(helper, tostring_body);
    lua_pushvalue(co, -1);
    lua_xmove(co, helper, 1);
    char stopped_at[sizeof isolate->stopped_at];
    memcpy(stopped_at, isolate->stopped_at, sizeof stopped_at);
    sig_atomic_t stopping = isolate->stopping;
    if (isolate_resume(isolate, helper, 1) == 0 && lua_type(helper, -1) == LUA_TSTRING)
        snprintf(ret, size, "%s", lua_tostring(helper, -1));
    isolate->stopping = stopping;
    memcpy(isolate->stopped_at, stopped_at, sizeof stopped_at);
    lua_settop(L, top);
}

static void raw_field(lua_State *co, const char *name) {
    lua_pushstring(co, name);
    lua_rawget(co, -2);
}

static void read_table(struct isolate *isolate, lua_State *co, struct failure *ret) {
    struct error *err = &ret->error;
    char text[sizeof err->message];
    raw_field(co, "message");
    bool named = lua_type(co, -1) == LUA_TSTRING;
    if (named)
        snprintf(text, sizeof text, "%s", lua_tostring(co, -1));
    lua_pop(co, 1);
    if (!named)
        user_text(isolate, co, text, sizeof text);
    error_set(err, ERROR_INTERNAL, "%s", text);
    raw_field(co, "code");
    if (lua_type(co, -1) == LUA_TSTRING)
        err->code = error_code_from_name(lua_tostring(co, -1));
    lua_pop(co, 1);
    raw_field(co, "status");
    if (lua_type(co, -1) == LUA_TNUMBER)
        err->status = (int)lua_tointeger(co, -1);
    lua_pop(co, 1);
    raw_field(co, "reason");
    if (lua_type(co, -1) == LUA_TSTRING)
        snprintf(err->reason, sizeof err->reason, "%s", lua_tostring(co, -1));
    lua_pop(co, 1);
    raw_field(co, "permanent");
    ret->permanent = lua_toboolean(co, -1);
    lua_pop(co, 1);
    raw_field(co, "retry_after");
    double wait = lua_type(co, -1) == LUA_TNUMBER ? lua_tonumber(co, -1) : -1;
    if (wait >= 0) {
        err->retry_after_ns = wait < 1e9 ? (uint64_t)(wait * 1e9) : (uint64_t)1e18;
        ret->retry_after = true;
    }
    lua_pop(co, 1);
}

void mlua_read_failure(struct isolate *isolate, lua_State *co, const char *fallback,
                       struct failure *ret) {
    char at[160];
    *ret = (struct failure){0};
    mlua_blame(co, 0, at, sizeof at);
    if (!at[0])
        snprintf(at, sizeof at, "%s", fallback);
    if (isolate_stopped(isolate, &ret->error)) {
        if (!isolate->stopped_at[0] && at[0])
            error_prefix(&ret->error, "%s", at);
        return;
    }
    switch (lua_type(co, -1)) {
    case LUA_TSTRING:
    case LUA_TNUMBER:
        error_set(&ret->error, ERROR_INTERNAL, "%s", lua_tostring(co, -1));
        break;
    case LUA_TTABLE:
        if (!lua_checkstack(co, 4))
            error_set(&ret->error, ERROR_NOMEM, "no memory");
        else
            read_table(isolate, co, ret);
        break;
    default:
        error_set(&ret->error, ERROR_INTERNAL, "(error object is a %s value)",
                  luaL_typename(co, -1));
    }
    place(&ret->error, at);
}
