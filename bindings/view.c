#include "bindings/view.h"

#include <stdio.h>
#include <string.h>

#include "bindings/value.h"

struct anchor {
    const struct object *object;
    const char *metadata_only_kind;
};

/* An unfilled table has one member: the anchor as the key, its node as the value; or, when it is
 * deferred, the function that fills it, and true. What could show it to a script fills it first;
 * and it is no list, which `#` would show. */

static bool has_metatable(lua_State *L, int index, enum isolate_ref ref) {
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    bool same = lua_topointer(L, -1) == isolate_of(L)->tables[ref];
    lua_pop(L, 1);
    return same;
}

bool view_is_marked_array(lua_State *L, int index) {
    return has_metatable(L, index, REF_ARRAY);
}

bool view_hides(lua_State *L) {
    static const enum isolate_ref ours[] = {REF_VIEW, REF_ARRAY, REF_METADATA_ONLY};
    const struct isolate *isolate = isolate_of(L);
    const void *metatable = lua_topointer(L, -1);
    bool hides = false;
    for (size_t i = 0; i < sizeof ours / sizeof *ours && !hides; i++)
        hides = metatable == isolate->tables[ours[i]];
    return hides;
}

/* Of an unfilled table; pushes the anchor, or the function: NULL, NODE_NONE. */
static struct anchor *push_hidden(lua_State *L, int index, node_t *ret_node) {
    lua_pushnil(L);
    lua_next(L, index); /* anchor node */
    *ret_node = (node_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return lua_touserdata(L, -1);
}

static int absolute(lua_State *L, int index) {
    return index < 0 ? lua_gettop(L) + 1 + index : index;
}

node_t view_node(lua_State *L, int index, const struct dag **ret_dag) {
    index = absolute(L, index);
    if (!has_metatable(L, index, REF_VIEW))
        return NODE_NONE;
    node_t node;
    struct anchor *anchor = push_hidden(L, index, &node);
    lua_pop(L, 1); /* the table still refers to it */
    if (anchor == NULL || (anchor->metadata_only_kind && node == anchor->object->root))
        return NODE_NONE; /* the node may hold more than the view shows */
    if (ret_dag)
        *ret_dag = anchor->object->dag;
    return node;
}

/* Pushes an unfilled table for `node`; the anchor userdata is at `at`. With `room` it will be
 * filled without growing: of the object itself and its metadata nearly every handler reads
 * something. */
static void push_unfilled(lua_State *L, int at, node_t node, bool room) {
    const struct anchor *anchor = lua_touserdata(L, at);
    lua_createtable(L, 0, room ? (int)node_count(anchor->object->dag, node) + 1 : 1);
    lua_pushvalue(L, at);
    lua_pushnumber(L, node);
    lua_rawset(L, -3);
    isolate_push_ref(L, REF_VIEW);
    lua_setmetatable(L, -2);
}

static void push_node(lua_State *L, int at, const struct dag *dag, node_t node, bool room) {
    struct str text;
    switch (node_type(dag, node)) {
    case NODE_OBJECT:
        push_unfilled(L, at, node, room);
        return;
    case NODE_ARRAY: {
        size_t count = node_count(dag, node);
        luaL_checkstack(L, 6, "nested too deep");
        lua_createtable(L, (int)count, 0);
        for (size_t i = 0; i < count; i++) {
            push_node(L, at, dag, node_at(dag, node, i), /* room= */ false);
            lua_rawseti(L, -2, (int)i + 1);
        }
        value_mark_array(L, -1);
        return;
    }
    case NODE_STRING:
        text = node_text(dag, node);
        lua_pushlstring(L, text.data, text.len);
        return;
    case NODE_INT: {
        int64_t integer = 0;
        node_int(dag, node, &integer);
        if (integer > 9007199254740992 || integer < -9007199254740992) {
            char digits[32];
            int len = snprintf(digits, sizeof digits, "%lld", (long long)integer);
            value_push_number(L, str_n(digits, (size_t)len));
            return;
        }
        lua_pushnumber(L, (double)integer);
        return;
    }
    case NODE_DOUBLE: {
        double number = 0;
        node_double(dag, node, &number);
        lua_pushnumber(L, number);
        return;
    }
    case NODE_NUMBER:
        value_push_number(L, node_text(dag, node));
        return;
    case NODE_TRUE:
    case NODE_FALSE:
        lua_pushboolean(L, node_type(dag, node) == NODE_TRUE);
        return;
    default:
        value_push_null(L);
    }
}

/* The function is on the top. */
static void fill_deferred(lua_State *L, int index) {
    ISOLATE_DESCEND(L);
    lua_pushvalue(L, -1);
    lua_pushnil(L);
    lua_rawset(L, index);
    lua_pushnil(L);
    lua_setmetatable(L, index);
    lua_pushvalue(L, index);
    lua_call(L, 1, 0);
}

int view_deferred(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_createtable(L, 0, 1);
    lua_insert(L, 1); /* table fill */
    lua_pushboolean(L, 1);
    lua_rawset(L, 1);
    isolate_push_ref(L, REF_VIEW);
    lua_setmetatable(L, 1);
    return 1;
}

void view_fill(lua_State *L, int index) {
    index = absolute(L, index);
    if (!has_metatable(L, index, REF_VIEW))
        return;
    luaL_checkstack(L, 10, "nested too deep");
    node_t node;
    struct anchor *anchor = push_hidden(L, index, &node);
    if (anchor == NULL) {
        fill_deferred(L, index);
        return;
    }
    int at = lua_gettop(L);
    const struct dag *dag = anchor->object->dag;
    bool root = node == anchor->object->root, metadata_only = anchor->metadata_only_kind && root;
    lua_pushvalue(L, at);
    lua_pushnil(L);
    lua_rawset(L, index);
    if (metadata_only) /* before anything is in: an absent field then has its error */
        isolate_push_ref(L, REF_METADATA_ONLY);
    else
        lua_pushnil(L);
    lua_setmetatable(L, index);
    size_t count = node_count(dag, node);
    for (size_t i = 0; i < count; i++) {
        struct str key = node_key_at(dag, node, i);
        if (metadata_only && !str_is(key, "metadata") && !str_is(key, "apiVersion") &&
            !str_is(key, "kind"))
            continue;
        lua_pushlstring(L, key.data, key.len);
        push_node(L, at, dag, node_at(dag, node, i), root && str_is(key, "metadata"));
        lua_rawset(L, index);
    }
    lua_settop(L, at - 1);
}

static int view_index(lua_State *L) { /* table key -> value */
    view_fill(L, 1);
    lua_settop(L, 2);
    lua_gettable(L, 1); /* once more, with whatever metatable is left */
    return 1;
}

static int view_newindex(lua_State *L) { /* table key value */
    view_fill(L, 1);
    lua_settop(L, 3);
    lua_settable(L, 1);
    return 0;
}

static struct anchor *anchor_of_root(lua_State *L, int index) {
    index = absolute(L, index);
    if (!lua_istable(L, index))
        return NULL;
    isolate_push_ref(L, REF_ROOTS);
    lua_pushvalue(L, index);
    lua_rawget(L, -2);
    struct anchor *anchor = lua_touserdata(L, -1);
    lua_pop(L, 2);
    return anchor;
}

const struct object *view_root(lua_State *L, int index) {
    struct anchor *anchor = anchor_of_root(L, index);
    return anchor ? anchor->object : NULL;
}

static int metadata_only_index(lua_State *L) { /* table key */
    struct anchor *anchor = anchor_of_root(L, 1);
    if (!anchor || lua_type(L, 2) != LUA_TSTRING)
        return 0;
    lua_Debug at;
    const char *kind = anchor->metadata_only_kind;
    lua_pushfstring(L,
                    "'%s' is not there: %s is declared { \"%s\", metadata_only = true }; take "
                    "metadata_only out of that line to read more than metadata",
                    lua_tostring(L, 2), kind, kind);
    if (lua_getstack(L, 1, &at) && lua_getinfo(L, "Sl", &at) && at.currentline > 0) {
        lua_pushfstring(L, "%s:%d: ", at.short_src, at.currentline);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int anchor_gc(lua_State *L) {
    struct anchor *anchor = lua_touserdata(L, 1);
    if (anchor->object) {
        object_unpin(anchor->object);
        anchor->object = NULL;
        isolate_of(L)->pins--;
    }
    return 0;
}

void view_push(lua_State *L, const struct object *object, const char *metadata_only_kind) {
    luaL_checkstack(L, 8, "no room for an object");
    struct anchor *anchor = lua_newuserdata(L, sizeof *anchor);
    *anchor = (struct anchor){NULL, metadata_only_kind};
    isolate_push_ref(L, REF_ANCHOR);
    lua_setmetatable(L, -2);
    anchor->object = object_pin(object);
    isolate_of(L)->pins++;
    int at = lua_gettop(L);
    push_unfilled(L, at, object->root, /* room= */ true);
    isolate_push_ref(L, REF_ROOTS);
    lua_pushvalue(L, at + 1);
    lua_pushvalue(L, at);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    lua_remove(L, at);
}

void view_push_twin(lua_State *L, int index) {
    index = absolute(L, index);
    node_t node;
    push_hidden(L, index, &node);
    push_unfilled(L, lua_gettop(L), node, /* room= */ false);
    lua_remove(L, -2);
}

void view_open(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, view_index);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, view_newindex);
    lua_setfield(L, -2, "__newindex");
    isolate_set_ref(L, REF_VIEW);

    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, metadata_only_index);
    lua_setfield(L, -2, "__index");
    isolate_set_ref(L, REF_METADATA_ONLY);

    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, anchor_gc);
    lua_setfield(L, -2, "__gc");
    isolate_set_ref(L, REF_ANCHOR);

    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushliteral(L, "k");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    isolate_set_ref(L, REF_ROOTS);
}
