#include "base/mem.h"
#include "bindings/run.h"
#include "bindings/value.h"
#include "bindings/view.h"

/* Lua in the event path (R9): moonlet.ctx's observe() keeps the indexes, asks `when` and `map`. */

struct observation {
    struct script *script;
    const struct script_change *change;
    lua_State *co;
    int ref;
    char *keys;
    struct error err;
};

static int build_change(lua_State *L) {
    struct observation *observation = lua_touserdata(L, 1);
    const struct script_change *change = observation->change;
    const struct bound_view *view = script_find_view(observation->script, change->kind);
    const char *metadata_only = view && view->metadata_only ? view->kind : NULL;
    luaL_checkstack(L, 12, "no room for a change");
    observation->co = lua_newthread(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, observation->script->observe_ref);
    lua_pushnumber(L, change->definition + 1);
    lua_pushstring(L, change->feed);
    lua_pushstring(L, change->kind);
    const struct object *both[2] = {change->old, change->now};
    for (int i = 0; i < 2; i++) {
        if (both[i])
            view_push(L, both[i], metadata_only);
        else
            lua_pushnil(L);
    }
    lua_pushboolean(L, change->filter);
    lua_pushboolean(L, change->map);
    if (!lua_checkstack(observation->co, 10))
        return luaL_error(L, "no memory");
    lua_xmove(L, observation->co, 8);
    observation->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* matches, keys: on the coroutine's stack. */
static int build_keys(lua_State *L) {
    struct observation *observation = lua_touserdata(L, 1);
    CLEANUP(strbuf_finish) struct strbuf text = {0};
    lua_settop(observation->co, 2);
    lua_xmove(observation->co, L, 1);
    if (value_encode(L, -1, &text, &observation->err) == 0)
        observation->keys = strbuf_take(&text);
    return 0;
}

static void read_result(struct observation *observation, struct script_result *ret) {
    lua_State *co = observation->co;
    ret->state = SCRIPT_DONE;
    ret->matches = lua_toboolean(co, 1);
    bool failed = lua_gettop(co) >= 3 && !lua_isnil(co, 3);
    if (failed) { /* an error in one of them; the rest was done */
        run_read_failure(observation->script->isolate, co, "", ret);
        ret->state = SCRIPT_DONE;
    }
    if (observation->change->map && lua_istable(co, 2)) {
        isolate_build(observation->script->isolate, build_keys, observation, NULL);
        ret->keys = observation->keys;
    }
}

void observe_change(struct script *script, const struct script_change *change,
                    struct script_result *ret) {
    struct observation observation = {.script = script, .change = change, .ref = LUA_NOREF};
    struct isolate *isolate = script->isolate;
    ret->matches = true;
    script->definition = change->definition;
    if (isolate->dead) {
        ret->state = SCRIPT_FAILED;
        error_set(&ret->error, ERROR_NOMEM, "the isolate has run out of memory");
        return;
    }
    if (isolate_build(isolate, build_change, &observation, &ret->error) < 0) {
        ret->state = SCRIPT_FAILED;
        return;
    }
    int status = isolate_resume(isolate, observation.co, 7);
    if (status == 0) {
        read_result(&observation, ret);
    } else if (status == LUA_YIELD) {
        ret->state = SCRIPT_FAILED;
        error_set(&ret->error, ERROR_INTERNAL, "cannot wait here");
    } else {
        run_read_failure(isolate, observation.co, "", ret);
    }
    luaL_unref(isolate->L, LUA_REGISTRYINDEX, observation.ref);
    isolate_tidy(isolate);
}
