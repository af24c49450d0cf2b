#include "bindings/load.h"

#include <string.h>

#include "base/mem.h"
#include "bindings/fail.h"
#include "bindings/globals.h"
#include "bindings/library.h"
#include "bindings/value.h"

struct loading {
    struct script *script;
    const char *config;
    lua_State *co;
    struct error err; /* a problem found in C */
};

static void tell_ran(struct isolate *isolate, const char *path, int line) {
    const struct script_coverage *coverage = ((struct script *)isolate->owner)->coverage;
    coverage->line(coverage->context, path, line, true);
}

static void tell_line(void *context, const char *path, int line) {
    const struct script_coverage *coverage = context;
    coverage->line(coverage->context, path, line, false);
}

/* Says which lines there are, and from now on which of them run. */
static int build_coverage(lua_State *L) {
    struct script *script = script_of(L);
    for (size_t i = 0; i < script->source.count; i++) {
        if (library_push_chunk(L, &script->source.files[i]))
            globals_lines(L, tell_line, (void *)(uintptr_t)script->coverage);
        lua_settop(L, 0);
    }
    script->isolate->covered = tell_ran;
    return 0;
}

static int build_library(lua_State *L) {
    library_open(L);
    return 0;
}

/* The coroutine gets moonlet.ctx's load(chunk, file, config). */
static int build_load(lua_State *L) {
    struct loading *loading = lua_touserdata(L, 1);
    struct script *script = loading->script;
    const struct script_file *entry = &script->source.files[0];
    loading->co = lua_newthread(L);
    isolate_push_ref(L, REF_LIBRARY);
    lua_pushliteral(L, "moonlet.ctx");
    lua_call(L, 1, 1); /* co ctx */
    lua_getfield(L, -1, "start");
    script->start_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, -1, "observe");
    script->observe_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, -1, "load");
    if (!library_push_chunk(L, entry)) {
        error_set(&loading->err, ERROR_INVALID, "%s", lua_tostring(L, -1));
        return 0;
    }
    lua_pushstring(L, entry->path);
    if (!loading->config)
        lua_newtable(L);
    else if (value_decode(L, str_of(loading->config), &loading->err) < 0)
        return 0;
    if (!lua_checkstack(loading->co, 8))
        return luaL_error(L, "no memory");
    lua_xmove(L, loading->co, 4);
    lua_settop(L, 2);
    luaL_ref(L, LUA_REGISTRYINDEX); /* lives as long as the isolate; its stack keeps the result */
    return 0;
}

/* texts[i] = list[i][field], or its kind. The script owns the array already. */
static void read_column(lua_State *L, int list, char **texts, size_t count, const char *field) {
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (int)i + 1);
        lua_getfield(L, -1, field);
        if (lua_istable(L, -1)) { /* resource = { kind = ... } */
            lua_getfield(L, -1, "kind");
            lua_remove(L, -2);
        }
        const char *text = lua_tostring(L, -1);
        texts[i] = mem_strdup(text);
        if (text && !texts[i])
            luaL_error(L, "no memory");
        lua_pop(L, 2);
    }
}

/* The declaration table is the coroutine's result. */
static int build_declaration(lua_State *L) {
    struct loading *loading = lua_touserdata(L, 1);
    struct script *script = loading->script;
    CLEANUP(strbuf_finish) struct strbuf text = {0};
    lua_settop(loading->co, 1);
    lua_xmove(loading->co, L, 1);
    if (value_encode(L, -1, &text, &loading->err) < 0)
        return 0;
    script->declaration = strbuf_take(&text);
    lua_getfield(L, -1, "definitions");
    if (lua_istable(L, -1)) {
        size_t count = lua_objlen(L, -1);
        script->names = mem_calloc(count + 1, sizeof *script->names);
        script->primary = mem_calloc(count + 1, sizeof *script->primary);
        if (!script->names || !script->primary)
            return luaL_error(L, "no memory");
        script->definition_count = count;
        read_column(L, lua_gettop(L), script->names, count, "name");
        read_column(L, lua_gettop(L), script->primary, count, "resource");
    }
    return 0;
}

static int failed(struct loading *loading, struct error *err) {
    if (loading->err.code) {
        *err = loading->err;
        if (loading->script->isolate->dead)
            err->code = ERROR_NOMEM;
        return err->code;
    }
    struct failure failure;
    mlua_read_failure(loading->script->isolate, loading->co, "", &failure);
    *err = failure.error;
    if (err->code != ERROR_TIMEOUT && err->code != ERROR_NOMEM)
        err->code = ERROR_INVALID;
    return err->code;
}

int load_source(struct script *script, const char *config, struct error *err) {
    struct isolate *isolate = script->isolate;
    struct loading loading = {.script = script, .config = config};
    script->definition = (unsigned)-1; /* none yet */
    if (script->source.count == 0)
        return error_set(err, ERROR_INVALID, "%s: there is no file", script->source.name);
    if (isolate_build(isolate, build_library, NULL, err) < 0 ||
        isolate_build(isolate, build_load, &loading, err) < 0)
        return err->code;
    if (script->coverage && isolate_build(isolate, build_coverage, NULL, err) < 0)
        return err->code;
    if (loading.err.code)
        return failed(&loading, err);
    int status = isolate_resume(isolate, loading.co, 3);
    if (status == LUA_YIELD)
        return error_set(err, ERROR_INVALID, "%s: a file cannot wait while it is loaded",
                         script->source.files[0].path);
    if (status != 0)
        return failed(&loading, err);
    if (isolate_build(isolate, build_declaration, &loading, err) < 0)
        return err->code;
    if (loading.err.code) {
        error_prefix(&loading.err, "%s", script->source.files[0].path);
        *err = loading.err;
        return err->code;
    }
    if (!script->declaration)
        return error_set(err, ERROR_NOMEM, "no memory");
    return 0;
}
