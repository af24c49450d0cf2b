#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "bindings/library.h"
#include "bindings/view.h"

/* The base and table functions that look past metatables: each fills a view first (R18). */

static void check_table(lua_State *L, int index) {
    luaL_checktype(L, index, LUA_TTABLE);
    view_fill(L, index);
}

static int tables_next(lua_State *L) {
    check_table(L, 1);
    lua_settop(L, 2);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

static int tables_rawget(lua_State *L) {
    check_table(L, 1);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    lua_rawget(L, 1);
    return 1;
}

static int tables_rawset(lua_State *L) {
    check_table(L, 1);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    lua_rawset(L, 1);
    return 1;
}

static int tables_fill(lua_State *L) { /* value -> the same value, filled */
    if (lua_istable(L, 1))
        view_fill(L, 1);
    lua_settop(L, 1);
    return 1;
}

static int tables_getmetatable(lua_State *L) {
    luaL_checkany(L, 1);
    if (!lua_getmetatable(L, 1) || view_hides(L)) {
        lua_pushnil(L);
        return 1;
    }
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "__metatable");
        lua_rawget(L, -2);
        if (lua_isnil(L, -1))
            lua_pop(L, 1);
    }
    return 1;
}

static int tables_setmetatable(lua_State *L) {
    check_table(L, 1);
    int type = lua_type(L, 2);
    luaL_argcheck(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table expected");
    if (type == LUA_TTABLE) {
        view_fill(L, 2);
    }
    if (lua_getmetatable(L, 1) && !view_hides(L)) {
        lua_pushliteral(L, "__metatable");
        lua_rawget(L, -2);
        if (!lua_isnil(L, -1))
            return luaL_error(L, "cannot change a protected metatable");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int tables_unpack(lua_State *L) {
    check_table(L, 1);
    lua_Integer first = luaL_optinteger(L, 2, 1);
    lua_Integer last =
        lua_isnoneornil(L, 3) ? (lua_Integer)lua_objlen(L, 1) : luaL_checkinteger(L, 3);
    if (first > last)
        return 0;
    if (last - first >= 8000 || !lua_checkstack(L, (int)(last - first) + 1))
        return luaL_error(L, "too many results to unpack");
    for (lua_Integer i = first; i <= last; i++)
        lua_rawgeti(L, 1, (int)i);
    return (int)(last - first) + 1;
}

static int tables_insert(lua_State *L) {
    check_table(L, 1);
    int count = (int)lua_objlen(L, 1), at = count + 1;
    switch (lua_gettop(L)) {
    case 2:
        break;
    case 3:
        at = (int)luaL_checkinteger(L, 2);
        for (int i = count + 1; i > at; i--) {
            lua_rawgeti(L, 1, i - 1);
            lua_rawseti(L, 1, i);
        }
        break;
    default:
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_rawseti(L, 1, at);
    return 0;
}

static int tables_remove(lua_State *L) {
    check_table(L, 1);
    int count = (int)lua_objlen(L, 1), at = (int)luaL_optinteger(L, 2, count);
    if (at < 1 || at > count)
        return 0;
    lua_rawgeti(L, 1, at);
    for (int i = at; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        lua_rawseti(L, 1, i);
    }
    lua_pushnil(L);
    lua_rawseti(L, 1, count);
    return 1;
}

static int tables_concat(lua_State *L) {
    size_t separator_len, len, cap = isolate_of(L)->cap / 2;
    check_table(L, 1);
    const char *separator = luaL_optlstring(L, 2, "", &separator_len);
    lua_Integer first = luaL_optinteger(L, 3, 1);
    lua_Integer last =
        lua_isnoneornil(L, 4) ? (lua_Integer)lua_objlen(L, 1) : luaL_checkinteger(L, 4);
    CLEANUP(strbuf_finish) struct strbuf out = {0};
    for (lua_Integer i = first; i <= last; i++) {
        lua_rawgeti(L, 1, (int)i);
        if (!lua_isstring(L, -1))
            return luaL_error(L, "invalid value (%s) at index %d in table for 'concat'",
                              luaL_typename(L, -1), (int)i);
        const char *text = lua_tolstring(L, -1, &len);
        strbuf_add(&out, text, len);
        if (i < last)
            strbuf_add(&out, separator, separator_len);
        lua_pop(L, 1);
        if (out.failed)
            return luaL_error(L, "table.concat: no memory");
        if (out.len > cap)
            return luaL_error(L, "table.concat: the result is above the limit of %d MB",
                              (int)(cap >> 20));
        if ((i & 1023) == 0)
            isolate_check(L);
    }
    lua_pushlstring(L, out.len ? out.data : "", out.len);
    return 1;
}

static int tables_maxn(lua_State *L) {
    check_table(L, 1);
    double most = 0;
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) > most)
            most = lua_tonumber(L, -1);
    }
    lua_pushnumber(L, most);
    return 1;
}

static int tables_getn(lua_State *L) {
    check_table(L, 1);
    lua_pushinteger(L, (lua_Integer)lua_objlen(L, 1));
    return 1;
}

/* Is the value at index a before the one at b? */
static bool before(lua_State *L, int a, int b) {
    if (lua_isnil(L, 2))
        return lua_lessthan(L, a, b);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, a);
    lua_pushvalue(L, b);
    lua_call(L, 2, 1);
    bool yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

/* Merges items [low,middle) and [middle,high) of the table at `from` into the one at `to`. */
static void merge(lua_State *L, int from, int to, int low, int middle, int high) {
    int left = low, right = middle;
    for (int out = low; out < high; out++) {
        bool take_right = left >= middle;
        if (left < middle && right < high) {
            lua_rawgeti(L, from, left);
            lua_rawgeti(L, from, right);
            int top = lua_gettop(L);
            take_right = before(L, top, top - 1); /* equal ones keep their order */
            lua_pop(L, 2);
        }
        lua_rawgeti(L, from, take_right ? right++ : left++);
        lua_rawseti(L, to, out);
    }
    isolate_check(L);
}

/* A stable merge sort: its time does not depend on the comparator's honesty. */
static int tables_sort(lua_State *L) {
    check_table(L, 1);
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    int count = (int)lua_objlen(L, 1);
    ISOLATE_DESCEND(L);
    lua_createtable(L, count, 0);
    int from = 1, to = 3;
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t low = 1; low <= count; low += 2 * width) {
            int64_t middle = low + width, high = low + 2 * width;
            merge(L, from, to, (int)low, (int)(middle > count ? count + 1 : middle),
                  (int)(high > count ? count + 1 : high));
        }
        int swap = from;
        from = to;
        to = swap;
    }
    if (from != 1) {
        for (int i = 1; i <= count; i++) {
            lua_rawgeti(L, from, i);
            lua_rawseti(L, 1, i);
        }
    }
    return 0;
}

static int tables_foreach(lua_State *L) {
    check_table(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    ISOLATE_DESCEND(L);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        lua_pushvalue(L, 2);
        lua_pushvalue(L, -3);
        lua_pushvalue(L, -3);
        lua_call(L, 2, 1);
        if (!lua_isnil(L, -1))
            return 1;
        lua_pop(L, 2);
    }
    return 0;
}

static int tables_foreachi(lua_State *L) {
    check_table(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    ISOLATE_DESCEND(L);
    int count = (int)lua_objlen(L, 1);
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(L, 2);
        lua_pushinteger(L, i);
        lua_rawgeti(L, 1, i);
        lua_call(L, 2, 1);
        if (!lua_isnil(L, -1))
            return 1;
        lua_pop(L, 1);
    }
    return 0;
}

const luaL_Reg tables_functions[] = {
    {"concat", tables_concat},   {"insert", tables_insert},     {"remove", tables_remove},
    {"maxn", tables_maxn},       {"getn", tables_getn},         {"sort", tables_sort},
    {"foreach", tables_foreach}, {"foreachi", tables_foreachi}, {NULL, NULL}};

const luaL_Reg tables_base[] = {{"next", tables_next},
                                {"rawget", tables_rawget},
                                {"rawset", tables_rawset},
                                {"fill", tables_fill},
                                {"getmetatable", tables_getmetatable},
                                {"setmetatable", tables_setmetatable},
                                {"unpack", tables_unpack},
                                {NULL, NULL}};
