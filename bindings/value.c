#include "bindings/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bindings/view.h"
#include "json/scan.h"

#define EXACT 9007199254740992.0 /* 2^53 */

/* Numbers kept as text: arithmetic and order go by the nearest double. */
const char *value_number_text(lua_State *L, int index) {
    const char *text = lua_touserdata(L, index);
    if (!text || lua_islightuserdata(L, index) || !lua_getmetatable(L, index))
        return NULL;
    isolate_push_ref(L, REF_NUMBER);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same ? text : NULL;
}

static double operand(lua_State *L, int index) {
    const char *text = value_number_text(L, index);
    return text ? strtod(text, NULL) : luaL_checknumber(L, index);
}

static int number_tostring(lua_State *L) {
    const char *text = value_number_text(L, 1);
    lua_pushstring(L, text ? text : "");
    return 1;
}

static int number_concat(lua_State *L) {
    for (int i = 1; i <= 2; i++) {
        const char *text = value_number_text(L, i);
        if (text)
            lua_pushstring(L, text);
        else
            lua_pushstring(L, luaL_checkstring(L, i));
    }
    lua_concat(L, 2);
    return 1;
}

static int number_eq(lua_State *L) {
    const char *a = value_number_text(L, 1), *b = value_number_text(L, 2);
    lua_pushboolean(L, a && b && strcmp(a, b) == 0);
    return 1;
}
static int number_lt(lua_State *L) {
    lua_pushboolean(L, operand(L, 1) < operand(L, 2));
    return 1;
}
static int number_le(lua_State *L) {
    lua_pushboolean(L, operand(L, 1) <= operand(L, 2));
    return 1;
}
static int number_add(lua_State *L) {
    lua_pushnumber(L, operand(L, 1) + operand(L, 2));
    return 1;
}
static int number_sub(lua_State *L) {
    lua_pushnumber(L, operand(L, 1) - operand(L, 2));
    return 1;
}
static int number_mul(lua_State *L) {
    lua_pushnumber(L, operand(L, 1) * operand(L, 2));
    return 1;
}
static int number_div(lua_State *L) {
    lua_pushnumber(L, operand(L, 1) / operand(L, 2));
    return 1;
}
static int number_mod(lua_State *L) {
    double a = operand(L, 1), b = operand(L, 2);
    lua_pushnumber(L, a - floor(a / b) * b);
    return 1;
}
static int number_unm(lua_State *L) {
    lua_pushnumber(L, -operand(L, 1));
    return 1;
}

static int null_tostring(lua_State *L) {
    lua_pushstring(L, lua_touserdata(L, 1) ? "userdata" : "null");
    return 1;
}

static const luaL_Reg number_methods[] = {{"__tostring", number_tostring},
                                          {"__concat", number_concat},
                                          {"__eq", number_eq},
                                          {"__lt", number_lt},
                                          {"__le", number_le},
                                          {"__add", number_add},
                                          {"__sub", number_sub},
                                          {"__mul", number_mul},
                                          {"__div", number_div},
                                          {"__mod", number_mod},
                                          {"__unm", number_unm},
                                          {NULL, NULL}};

void value_open(lua_State *L) {
    lua_newtable(L);
    luaL_setfuncs(L, number_methods, 0);
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    isolate_set_ref(L, REF_NUMBER);

    lua_newtable(L);
    isolate_set_ref(L, REF_ARRAY);

    value_push_null(L); /* all light userdata share one metatable; null is the only one in reach */
    lua_newtable(L);
    lua_pushcfunction(L, null_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

void value_push_null(lua_State *L) {
    lua_pushlightuserdata(L, NULL);
}

bool value_is_null(lua_State *L, int index) {
    return lua_islightuserdata(L, index) && !lua_touserdata(L, index);
}

void value_mark_array(lua_State *L, int index) {
    lua_pushvalue(L, index);
    isolate_push_ref(L, REF_ARRAY);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

bool value_is_array(lua_State *L, int index) {
    if (!lua_istable(L, index))
        return false;
    return view_is_marked_array(L, index) ||
           (view_node(L, index, NULL) == NODE_NONE && lua_objlen(L, index) > 0);
}

/* Is the text an integer as JSON writes it? Its value may still be out of range. */
static bool is_integer(struct str text) {
    return !memchr(text.data, '.', text.len) && !memchr(text.data, 'e', text.len) &&
           !memchr(text.data, 'E', text.len);
}

void value_push_number(lua_State *L, struct str text) {
    int64_t integer;
    if (is_integer(text)) {
        if (str_to_int64(text, &integer) && integer <= (int64_t)EXACT &&
            integer >= -(int64_t)EXACT) {
            lua_pushnumber(L, (double)integer);
            return;
        }
    } else if (text.len < 40) {
        char copy[40];
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
        double number = strtod(copy, NULL);
        if (isfinite(number)) {
            lua_pushnumber(L, number);
            return;
        }
    }
    char *kept = lua_newuserdata(L, text.len + 1);
    memcpy(kept, text.data, text.len);
    kept[text.len] = '\0';
    isolate_push_ref(L, REF_NUMBER);
    lua_setmetatable(L, -2);
}

/* Pushes the value that starts with `token`. */
static int decode(lua_State *L, struct json_scanner *scanner, enum json_token token,
                  struct error *err) {
    enum json_token next;
    luaL_checkstack(L, 5, "nested too deep");
    switch (token) {
    case JSON_TOKEN_STRING:
        lua_pushlstring(L, scanner->text.data, scanner->text.len);
        return 0;
    case JSON_TOKEN_NUMBER:
        value_push_number(L, scanner->text);
        return 0;
    case JSON_TOKEN_TRUE:
    case JSON_TOKEN_FALSE:
        lua_pushboolean(L, token == JSON_TOKEN_TRUE);
        return 0;
    case JSON_TOKEN_OBJECT_BEGIN:
        lua_newtable(L);
        while (json_next(scanner, &next, err) == 0) {
            if (next == JSON_TOKEN_OBJECT_END)
                return 0;
            lua_pushlstring(L, scanner->text.data, scanner->text.len);
            if (json_next(scanner, &next, err) < 0 || decode(L, scanner, next, err) < 0)
                return err->code;
            lua_rawset(L, -3);
        }
        return err->code;
    case JSON_TOKEN_ARRAY_BEGIN:
        lua_newtable(L);
        value_mark_array(L, -1);
        for (int i = 1; json_next(scanner, &next, err) == 0; i++) {
            if (next == JSON_TOKEN_ARRAY_END)
                return 0;
            if (decode(L, scanner, next, err) < 0)
                return err->code;
            lua_rawseti(L, -2, i);
        }
        return err->code;
    default:
        value_push_null(L);
        return 0;
    }
}

int value_decode(lua_State *L, struct str json, struct error *err) {
    CLEANUP(json_scanner_finish) struct json_scanner scanner;
    json_scanner_init(&scanner, json.data, json.len);
    int top = lua_gettop(L);
    enum json_token token;
    struct error local = {0};
    int rc = json_next(&scanner, &token, &local);
    if (rc == 0)
        rc = decode(L, &scanner, token, &local);
    if (rc == 0)
        rc = json_next(&scanner, &token, &local); /* JSON_TOKEN_END, or trailing bytes */
    if (rc < 0) {
        lua_settop(L, top);
        if (err)
            *err = local;
    }
    return rc;
}
