#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "bindings/compare.h"
#include "bindings/fail.h"
#include "bindings/globals.h"
#include "bindings/library.h"
#include "bindings/script.h"
#include "bindings/value.h"
#include "bindings/view.h"
#include "runtime/schedule.h"

/* What the library's modules build on: values, time, the log. Digests stand in digest.c, YAML in
 * yaml.c. */

/* core.json_encode(value, pretty?) -> text. Raises for what JSON cannot say. */
static int core_json_encode(lua_State *L) {
    luaL_checkany(L, 1);
    struct error err;
    CLEANUP(strbuf_finish) struct strbuf out = {0};
    if (value_encode(L, 1, &out, &err) < 0)
        return mlua_fail(L, &err);
    if (!lua_toboolean(L, 2)) {
        lua_pushlstring(L, out.data, out.len);
        return 1;
    }
    CLEANUP(strbuf_finish) struct strbuf pretty = {0};
    if (value_indent(strbuf_view(&out), &pretty) < 0)
        return luaL_error(L, "no memory");
    lua_pushlstring(L, pretty.data, pretty.len);
    return 1;
}

/* core.json_decode(text) -> value | nil, message, info */
static int core_json_decode(lua_State *L) {
    struct str text;
    struct error err;
    text.data = luaL_checklstring(L, 1, &text.len);
    if (value_decode(L, text, &err) < 0)
        return mlua_fail(L, &err);
    return 1;
}

/* core.array(table?) -> the same table, marked as a JSON array */
static int core_array(lua_State *L) {
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    view_fill(L, 1);
    value_mark_array(L, 1);
    lua_settop(L, 1);
    return 1;
}

static int core_is_array(lua_State *L) {
    lua_pushboolean(L, value_is_array(L, 1));
    return 1;
}

static void copy_value(lua_State *L, int index, int seen, int depth) {
    if (!lua_istable(L, index)) {
        lua_pushvalue(L, index);
        return;
    }
    if (view_node(L, index, NULL) != NODE_NONE) {
        view_push_twin(L, index);
        return;
    }
    view_fill(L, index); /* a metadata-only root */
    if (depth > 200)
        luaL_error(L, "copy: nested too deep");
    luaL_checkstack(L, 8, "copy: nested too deep");
    lua_pushvalue(L, index);
    lua_rawget(L, seen);
    if (!lua_isnil(L, -1))
        return; /* a table met twice stays one table */
    lua_pop(L, 1);
    isolate_check(L);
    lua_newtable(L);
    int to = lua_gettop(L);
    lua_pushvalue(L, index);
    lua_pushvalue(L, to);
    lua_rawset(L, seen);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        copy_value(L, lua_gettop(L), seen, depth + 1);
        lua_pushvalue(L, -3);
        lua_insert(L, -2); /* key value key copy */
        lua_rawset(L, to);
        lua_pop(L, 1);
    }
    if (lua_getmetatable(L, index))
        lua_setmetatable(L, to);
}

/* core.copy(value) -> a deep copy; metatables are shared */
static int core_copy(lua_State *L) {
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    lua_newtable(L);
    copy_value(L, 1, 2, 0);
    return 1;
}

/* core.equal(a, b) -> deep equality; two views of one version are compared by reference */
static int core_equal(lua_State *L) {
    ISOLATE_DESCEND(L);
    lua_settop(L, 2);
    lua_pushboolean(L, value_equal(L, 1, 2));
    return 1;
}

static int core_now(lua_State *L) {
    lua_pushnumber(L, (double)clock_wall(script_of(L)->engine->host.clock) / 1e9);
    return 1;
}

static int core_mono(lua_State *L) {
    lua_pushnumber(L, (double)clock_now(script_of(L)->engine->host.clock) / 1e9);
    return 1;
}

/* core.duration("1h30m" | seconds) -> seconds | nil */
static int core_duration(lua_State *L) {
    if (lua_type(L, 1) == LUA_TNUMBER) {
        if (!(lua_tonumber(L, 1) >= 0))
            return 0;
        lua_settop(L, 1);
        return 1;
    }
    size_t len;
    uint64_t ns;
    const char *text = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &len) : NULL;
    if (!text || clock_parse_duration(text, len, &ns) < 0)
        return 0;
    lua_pushnumber(L, (double)ns / 1e9);
    return 1;
}

/* core.parse_time(text) -> seconds | nil; core.format_time(seconds, micros?) -> RFC 3339 */
static int core_parse_time(lua_State *L) {
    int64_t ns;
    if (clock_parse(luaL_checkstring(L, 1), &ns) < 0)
        return 0;
    lua_pushnumber(L, (double)ns / 1e9);
    return 1;
}

/* core.next_time(cron, after, zone?) -> seconds | nil, message */
static int core_next_time(lua_State *L) {
    const char *cron = luaL_checkstring(L, 1), *zone = luaL_optstring(L, 3, "UTC");
    int64_t after = (int64_t)(luaL_checknumber(L, 2) * 1e9), next = 0;
    struct error err;
    struct schedule *schedule = schedule_parse(cron, zone, &err);
    int rc = schedule ? schedule_next(schedule, after, &next) : err.code;
    if (schedule && rc < 0)
        error_set(&err, rc, "\"%s\" is never within five years", cron);
    schedule_destroy(schedule);
    if (rc < 0) {
        lua_pushnil(L);
        lua_pushstring(L, err.message);
        return 2;
    }
    lua_pushnumber(L, (double)next / 1e9);
    return 1;
}

static int core_format_time(lua_State *L) {
    char text[CLOCK_TEXT];
    double seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds > -9e9 && seconds < 9e9, 1, "seconds since 1970 expected");
    clock_format((int64_t)(seconds * 1e9), lua_toboolean(L, 2), text);
    lua_pushstring(L, text);
    return 1;
}

/* A file that ends in `return moonlet.controller { ... }` makes a tail call, so its frame is gone
 * while the definition is checked; the line is that of its last `return`. */
static void blame_return(const struct script_file *file, char *ret, size_t size) {
    unsigned line = 1, found = 0;
    for (const char *at = file->text; at && *at; line++) {
        if (strncmp(at, "return", 6) == 0)
            found = line;
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    if (found)
        snprintf(ret, size, "%s:%u", file->path, found);
}

/* The module that is being required, when no line of a file stands between it and here. */
static const struct script_file *tail_module(lua_State *L, int level) {
    const struct script_source *source = &script_of(L)->source;
    lua_Debug at;
    for (; level < 200 && lua_getstack(L, level, &at); level++) {
        if (!lua_getinfo(L, "S", &at) || at.source[0] == '@')
            return NULL;
        if (strcmp(at.source, "=moonlet/core/modules.lua") != 0 || !lua_getlocal(L, &at, 1))
            continue;
        const char *name = lua_tostring(L, -1);
        const struct script_file *found = NULL;
        for (size_t i = 0; name && i < source->count && !found; i++)
            if (strcmp(source->files[i].module, name) == 0)
                found = &source->files[i];
        lua_pop(L, 1);
        return found;
    }
    return NULL;
}

/* core.caller(level?) -> "file:line" of the controller's code that called, or "" */
static int core_caller(lua_State *L) {
    char at[160] = "";
    const struct script *script = script_of(L);
    int level = (int)luaL_optinteger(L, 1, 1);
    const struct script_file *file = tail_module(L, level);
    if (file)
        blame_return(file, at, sizeof at);
    if (!at[0])
        mlua_blame(L, level, at, sizeof at);
    if (!at[0] && !script->declaration && script->source.count > 0) /* it is being loaded */
        blame_return(&script->source.files[0], at, sizeof at);
    lua_pushstring(L, at);
    return 1;
}

enum { LOG_FIELDS = 24 };

struct fields {
    struct log_field list[LOG_FIELDS + 1];
    char *owned[LOG_FIELDS];
    size_t count;
};

static void drop_fields(struct fields *fields) {
    for (size_t i = 0; i < LOG_FIELDS; i++)
        mem_free(fields->owned[i]);
}

static void add_field(struct fields *fields, const char *key, const char *value) {
    if (fields->count < LOG_FIELDS && value)
        fields->list[fields->count++] = (struct log_field){key, value, false};
}

/* Any value of the script's table at `index`: text as it is, the rest as JSON. */
static void add_fields(lua_State *L, int index, struct fields *fields) {
    view_fill(L, index);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (fields->count < LOG_FIELDS && lua_type(L, -2) == LUA_TSTRING) {
            size_t at = fields->count;
            CLEANUP(strbuf_finish) struct strbuf text = {0};
            bool raw = lua_type(L, -1) != LUA_TSTRING;
            if (!raw)
                strbuf_adds(&text, lua_tostring(L, -1));
            else if (value_encode(L, -1, &text, NULL) < 0) {
                strbuf_clear(&text);
                strbuf_printf(&text, "\"(%s)\"", luaL_typename(L, -1));
            }
            fields->owned[at] = strbuf_take(&text);
            if (fields->owned[at])
                fields->list[fields->count++] =
                    (struct log_field){lua_tostring(L, -2), fields->owned[at], raw};
        }
        lua_pop(L, 1);
    }
}

/* core.log("debug"|"info"|"warn"|"error", message, fields?); the call's own fields are added. */
static int core_log(lua_State *L) {
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
    int level = luaL_checkoption(L, 1, NULL, levels);
    const char *message = luaL_checkstring(L, 2);
    struct script *script = script_of(L);
    struct log *log = script->engine->host.log;
    if (!log || !log_enabled(log, (enum log_level)level))
        return 0;
    CLEANUP(drop_fields) struct fields fields = {0};
    const struct script_run *run = script->run;
    add_field(&fields, "controller",
              script->definition < script->definition_count ? script->names[script->definition]
                                                            : script->source.name);
    if (run) {
        add_field(&fields, "namespace", run->ns);
        add_field(&fields, "name", run->name);
        add_field(&fields, "reconcileID", run->reconcile_id);
    }
    if (lua_istable(L, 3)) {
        lua_settop(L, 3);
        add_fields(L, 3, &fields);
    }
    log_emit(log, (enum log_level)level, fields.list, "%s", message);
    return 0;
}

const luaL_Reg core_functions[] = {{"json_encode", core_json_encode},
                                   {"json_decode", core_json_decode},
                                   {"array", core_array},
                                   {"is_array", core_is_array},
                                   {"copy", core_copy},
                                   {"equal", core_equal},
                                   {"changes", compare_changes},
                                   {"deferred", view_deferred},
                                   {"now", core_now},
                                   {"mono", core_mono},
                                   {"duration", core_duration},
                                   {"parse_time", core_parse_time},
                                   {"format_time", core_format_time},
                                   {"next_time", core_next_time},
                                   {"caller", core_caller},
                                   {"globals", core_globals},
                                   {"log", core_log},
                                   {"base64_encode", digest_base64_encode},
                                   {"base64_decode", digest_base64_decode},
                                   {"sha256", digest_sha256},
                                   {"yaml_decode", yaml_decode},
                                   {"yaml_decode_all", yaml_decode_all},
                                   {"yaml_encode", yaml_encode},
                                   {NULL, NULL}};
