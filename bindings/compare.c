#include "bindings/compare.h"

#include "bindings/value.h"
#include "bindings/view.h"

enum { MOST_LEVELS = 200 };

static bool is_same_view(lua_State *L, int a, int b) {
    const struct dag *left_dag, *right_dag;
    node_t left = view_node(L, a, &left_dag), right = view_node(L, b, &right_dag);
    return left != NODE_NONE && left == right && left_dag == right_dag;
}

static bool equal_values(lua_State *L, int a, int b, int depth) {
    if (!lua_istable(L, a) || !lua_istable(L, b))
        return lua_equal(L, a, b);
    if (lua_rawequal(L, a, b))
        return true;
    if (is_same_view(L, a, b)) /* two nodes may still differ in the order of members alone */
        return true;
    view_fill(L, a);
    view_fill(L, b);
    if (depth > MOST_LEVELS)
        luaL_error(L, "equal: nested too deep");
    luaL_checkstack(L, 8, "equal: nested too deep");
    isolate_check(L);
    if (value_is_array(L, a) != value_is_array(L, b))
        return false;
    size_t members = 0;
    lua_pushnil(L);
    while (lua_next(L, a)) { /* key value */
        members++;
        lua_pushvalue(L, -2);
        lua_rawget(L, b); /* key value other */
        int top = lua_gettop(L);
        bool same = equal_values(L, top - 1, top, depth + 1);
        lua_pop(L, same ? 2 : 3);
        if (!same)
            return false;
    }
    lua_pushnil(L);
    while (lua_next(L, b)) {
        lua_pop(L, 1);
        if (members-- == 0) {
            lua_pop(L, 1);
            return false;
        }
    }
    return members == 0;
}

bool value_equal(lua_State *L, int a, int b) {
    return equal_values(L, a, b, 0);
}

/* With a node */

static bool number_is_node(lua_State *L, int index, const struct dag *dag, node_t node) {
    const int64_t exact = (int64_t)1 << 53; /* integers beyond are kept as text */
    int64_t integer = 0;
    double number;
    enum node_type type = node_type(dag, node);
    bool kept = type == NODE_NUMBER;
    if (node_int(dag, node, &integer))
        kept = integer > exact || integer < -exact;
    if (!kept)
        return node_double(dag, node, &number) && lua_type(L, index) == LUA_TNUMBER &&
               lua_tonumber(L, index) == number;
    value_push_number(L, node_text(dag, node));
    bool same = lua_equal(L, index, -1);
    lua_pop(L, 1);
    return same;
}

static bool value_is_node(lua_State *L, int index, const struct dag *dag, node_t node, int depth);

/* Of the member or item whose key is at -2. */
static node_t former_member(lua_State *L, const struct dag *dag, node_t node) {
    struct str key = {0};
    if (node_type(dag, node) == NODE_ARRAY) {
        double at = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
        bool inside = at >= 1 && at <= (double)node_count(dag, node) && at == (double)(size_t)at;
        return inside ? node_at(dag, node, (size_t)at - 1) : NODE_NONE;
    }
    if (lua_type(L, -2) != LUA_TSTRING)
        return NODE_NONE;
    key.data = lua_tolstring(L, -2, &key.len);
    return node_get(dag, node, key);
}

static bool table_is_node(lua_State *L, int index, const struct dag *dag, node_t node, int depth) {
    const struct dag *own_dag = NULL;
    enum node_type type = node_type(dag, node);
    size_t members = 0;
    if (view_node(L, index, &own_dag) == node && own_dag == dag)
        return true;
    if (depth > MOST_LEVELS)
        luaL_error(L, "changes: nested too deep");
    luaL_checkstack(L, 8, "changes: nested too deep");
    isolate_check(L);
    view_fill(L, index);
    if (type != (value_is_array(L, index) ? NODE_ARRAY : NODE_OBJECT))
        return false;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1), members++) {
        node_t member = former_member(L, dag, node);
        if (member == NODE_NONE || !value_is_node(L, lua_gettop(L), dag, member, depth + 1)) {
            lua_pop(L, 2);
            return false;
        }
    }
    return members == node_count(dag, node);
}

/* Is it what a view of the node would show? Without making one. */
static bool value_is_node(lua_State *L, int index, const struct dag *dag, node_t node, int depth) {
    struct str text;
    switch (lua_type(L, index)) {
    case LUA_TTABLE:
        return table_is_node(L, index, dag, node, depth);
    case LUA_TSTRING:
        text.data = lua_tolstring(L, index, &text.len);
        return node_type(dag, node) == NODE_STRING && str_equal(node_text(dag, node), text);
    case LUA_TBOOLEAN:
        return node_type(dag, node) == (lua_toboolean(L, index) ? NODE_TRUE : NODE_FALSE);
    case LUA_TLIGHTUSERDATA:
        return value_is_null(L, index) && node_type(dag, node) == NODE_NULL;
    case LUA_TNUMBER:
    case LUA_TUSERDATA:
        return number_is_node(L, index, dag, node);
    default:
        return false;
    }
}

/* Changes */

struct place { /* a member of an object, and where that is; NULL: at the root */
    const struct place *outer;
    struct str key;
    int depth;
};

static int push_path(lua_State *L, const struct place *place) {
    if (place == NULL) {
        lua_newtable(L);
        return 0;
    }
    int at = push_path(L, place->outer) + 1;
    lua_pushlstring(L, place->key.data, place->key.len);
    lua_rawseti(L, -2, at);
    return at;
}

/* Appends { path =, value = } to the list at 3; `value` is an index, 0: it goes. */
static void add_change(lua_State *L, const struct place *place, int value) {
    lua_createtable(L, 0, 2);
    push_path(L, place);
    value_mark_array(L, -1);
    lua_setfield(L, -2, "path");
    if (value) {
        lua_pushvalue(L, value);
        lua_setfield(L, -2, "value");
    }
    lua_rawseti(L, 3, (int)lua_objlen(L, 3) + 1);
}

/* A value as it was: of a view that nobody has touched the node, else where it is on the stack. */
struct former {
    const struct dag *dag;
    node_t node; /* NODE_NONE: there is none */
    int index;
};

static struct former former_at(lua_State *L, int index) {
    struct former former = {.index = index};
    former.node = view_node(L, index, &former.dag);
    if (former.node == NODE_NONE)
        view_fill(L, index); /* a metadata-only root */
    return former;
}

static bool was_object(lua_State *L, const struct former *former) {
    if (former->node != NODE_NONE)
        return node_type(former->dag, former->node) == NODE_OBJECT;
    return lua_istable(L, former->index) && !value_is_array(L, former->index);
}

/* False: there was none. May push it. */
static bool get_member(lua_State *L, const struct former *object, struct str key,
                       struct former *ret) {
    if (object->node != NODE_NONE) {
        *ret =
            (struct former){.dag = object->dag, .node = node_get(object->dag, object->node, key)};
        return ret->node != NODE_NONE;
    }
    lua_pushlstring(L, key.data, key.len);
    lua_rawget(L, object->index);
    *ret = former_at(L, lua_gettop(L));
    return !lua_isnil(L, -1);
}

static void note_removed(lua_State *L, const struct place *outer, int after, struct str key) {
    lua_pushlstring(L, key.data, key.len);
    lua_rawget(L, after);
    bool gone = lua_isnil(L, -1);
    lua_pop(L, 1);
    if (gone)
        add_change(L, &(struct place){outer, key, 0}, 0);
}

static void find_removed(lua_State *L, const struct place *outer, const struct former *before,
                         int after) {
    if (before->node != NODE_NONE) {
        for (size_t i = 0; i < node_count(before->dag, before->node); i++)
            note_removed(L, outer, after, node_key_at(before->dag, before->node, i));
        return;
    }
    for (lua_pushnil(L); lua_next(L, before->index); lua_pop(L, 1)) {
        struct str key = {0};
        if (lua_type(L, -2) == LUA_TSTRING)
            key.data = lua_tolstring(L, -2, &key.len);
        if (key.data)
            note_removed(L, outer, after, key);
    }
}

static void compare_objects(lua_State *L, const struct place *outer, const struct former *before,
                            int after);

static void compare_members(lua_State *L, const struct place *place, const struct former *was,
                            int now) {
    const struct dag *dag = NULL;
    node_t node = view_node(L, now, &dag);
    if (node != NODE_NONE && node == was->node && dag == was->dag)
        return;
    bool object = lua_istable(L, now) && (node != NODE_NONE || !value_is_array(L, now));
    if (object && was_object(L, was))
        compare_objects(L, place, was, now);
    else if (was->node != NODE_NONE ? !value_is_node(L, now, was->dag, was->node, place->depth)
                                    : !value_equal(L, now, was->index))
        add_change(L, place, now);
}

static bool has_odd_key(lua_State *L, int object) {
    for (lua_pushnil(L); lua_next(L, object); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            lua_pop(L, 2);
            return true;
        }
    }
    return false;
}

static void compare_objects(lua_State *L, const struct place *outer, const struct former *before,
                            int after) {
    luaL_checkstack(L, 12, "changes: nested too deep");
    isolate_check(L);
    if (outer && outer->depth > MOST_LEVELS)
        luaL_error(L, "changes: nested too deep");
    view_fill(L, after);
    if (has_odd_key(L, after)) { /* no JSON: said so when it is written */
        add_change(L, outer, after);
        return;
    }
    size_t found = 0;
    for (lua_pushnil(L); lua_next(L, after); lua_pop(L, 1)) {
        struct place place = {outer, {0}, outer ? outer->depth + 1 : 1};
        struct former was;
        int now = lua_gettop(L);
        place.key.data = lua_tolstring(L, -2, &place.key.len); /* the table keeps it alive */
        if (get_member(L, before, place.key, &was)) {
            found++;
            compare_members(L, &place, &was, now);
        } else {
            add_change(L, &place, now);
        }
        lua_settop(L, now);
    }
    if (before->node == NODE_NONE || found < node_count(before->dag, before->node))
        find_removed(L, outer, before, after);
}

int compare_changes(lua_State *L) {
    ISOLATE_DESCEND(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_newtable(L);
    value_mark_array(L, 3);
    if (!is_same_view(L, 1, 2)) {
        struct former before = former_at(L, 1);
        compare_objects(L, NULL, &before, 2);
    }
    lua_settop(L, 3);
    return 1;
}
