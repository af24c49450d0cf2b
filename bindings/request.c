#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "bindings/fail.h"
#include "bindings/library.h"
#include "bindings/script.h"
#include "bindings/value.h"
#include "bindings/view.h"

/* Requests: what ctx asks of the host, filled from a table by moonlet.ctx, which knows the rules;
 * and the answers on their way back. */

const char request_wait_mark = 0;

static void drop_request(struct script_request **request) {
    script_request_destroy(*request);
}

static void *checked(lua_State *L, void *block) {
    if (!block)
        luaL_error(L, "no memory");
    return block;
}

/* The specification is at index 2. */
static void text_field(lua_State *L, const char *name, char **ret) {
    lua_getfield(L, 2, name);
    if (!lua_isnil(L, -1)) {
        size_t len;
        const char *text = luaL_checklstring(L, -1, &len);
        *ret = checked(L, mem_strndup(text, len));
    }
    lua_pop(L, 1);
}

static int flag_field(lua_State *L, const char *name) {
    lua_getfield(L, 2, name);
    int flag = lua_isnil(L, -1) ? -1 : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

static double number_field(lua_State *L, const char *name, double absent) {
    lua_getfield(L, 2, name);
    double number = lua_isnil(L, -1) ? absent : luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return number;
}

static uint64_t to_ns(double seconds) {
    if (!(seconds > 0))
        return 0;
    return seconds < 1e9 ? (uint64_t)(seconds * 1e9) : (uint64_t)1e18;
}

/* `body` is any value, written as JSON; `text` is bytes as they are. */
static void body_fields(lua_State *L, struct script_request *request) {
    struct error err;
    lua_getfield(L, 2, "body");
    if (!lua_isnil(L, -1) && value_encode(L, -1, &request->body, &err) < 0) {
        char at[160];
        mlua_blame(L, 0, at, sizeof at);
        luaL_error(L, "%s%s%s", at, at[0] ? ": " : "", err.message);
    }
    lua_pop(L, 1);
    lua_getfield(L, 2, "text");
    if (!lua_isnil(L, -1)) {
        size_t len;
        const char *text = luaL_checklstring(L, -1, &len);
        strbuf_add(&request->body, text, len);
    }
    lua_pop(L, 1);
    lua_getfield(L, 2, "headers");
    if (!lua_isnil(L, -1)) {
        CLEANUP(strbuf_finish) struct strbuf headers = {0};
        if (value_encode(L, -1, &headers, &err) < 0)
            luaL_error(L, "headers: %s", err.message);
        request->headers = checked(L, strbuf_take(&headers));
    }
    lua_pop(L, 1);
    if (request->body.failed)
        luaL_error(L, "no memory");
}

static const char *patch_type(lua_State *L) {
    static const char *const types[] = {"merge", "json", "strategic", NULL};
    const char *type = NULL;
    lua_getfield(L, 2, "patch_type");
    if (!lua_isnil(L, -1))
        type = types[luaL_checkoption(L, -1, NULL, types)];
    lua_pop(L, 1);
    return type;
}

static struct script_run *current_run(lua_State *L) {
    struct script_run *run = script_of(L)->run;
    if (!run)
        luaL_error(L, "this can only be called from a handler");
    return run;
}

/* core.check(): raises `cancelled` or `timeout` once the run has been told to end (R14). Nothing in
 * a map, which reads without being a run. */
static int request_check(lua_State *L) {
    struct script_run *run = script_of(L)->run;
    if (!run || !run->cancel_code)
        return 0;
    struct error err;
    error_set(&err, run->cancel_code,
              run->cancel_code == ERROR_TIMEOUT
                  ? "timeout: the handler has used up its time"
                  : "cancelled: the handler was told to stop; another call follows");
    run->cancel_seen = true;
    mlua_push_error(L, &err);
    return lua_error(L);
}

/* core.submit(op, specification) -> id */
static int request_submit(lua_State *L) {
    static const char *const ops[] = {
        "apply", "create",   "update",    "patch",  "delete", "status", "evict", "scale", "bind",
        "token", "live_get", "live_list", "secret", "sleep",  "http",   "test",  NULL};
    int op = luaL_checkoption(L, 1, NULL, ops);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    request_check(L);
    struct script_run *run = current_run(L);
    if (mem_grow(&run->pending, &run->pending_cap, run->pending_count + 1, sizeof *run->pending) <
        0)
        return luaL_error(L, "no memory");
    CLEANUP(drop_request)
    struct script_request *request = checked(L, script_request_create((enum script_op)op));
    request->definition = run->definition;
    text_field(L, "kind", &request->kind);
    text_field(L, "ns", &request->ns);
    text_field(L, "name", &request->name);
    text_field(L, "key", &request->key);
    text_field(L, "subresource", &request->subresource);
    text_field(L, "manager", &request->manager);
    text_field(L, "propagation", &request->propagation);
    text_field(L, "uid", &request->precondition_uid);
    text_field(L, "version", &request->precondition_version);
    text_field(L, "labels", &request->labels);
    text_field(L, "fields", &request->fields);
    text_field(L, "method", &request->method);
    text_field(L, "url", &request->url);
    body_fields(L, request);
    request->force = flag_field(L, "force");
    request->owner = flag_field(L, "owner");
    request->create = flag_field(L, "create");
    request->patch_type = patch_type(L);
    request->grace_s = number_field(L, "grace", -1);
    request->replicas = (int64_t)number_field(L, "replicas", 0);
    request->delay_ns = to_ns(number_field(L, "delay", 0));
    request->retries = (unsigned)number_field(L, "retries", 0);
    lua_getfield(L, 2, "base");
    const struct object *base = view_root(L, -1);
    lua_pop(L, 1);
    if (base)
        request->base = object_pin(base);

    unsigned id = ++run->next_id;
    lua_pushnumber(L, id);
    request->run = run;
    request->context = run->context;
    run->pending[run->pending_count++] = (struct pending){id, request};
    struct script_request *sent = request;
    request = NULL; /* the host's from here */
    const struct script_host *host = &run->script->engine->host;
    host->submit(host->context, sent);
    return 1;
}

/* core.note(type, a, b, c, ref, value) */
static int request_note(lua_State *L) {
    static const char *const types[] = {"event", "metric", NULL};
    struct script_run *run = current_run(L);
    int type = luaL_checkoption(L, 1, NULL, types);
    const char *texts[4];
    for (int i = 0; i < 4; i++)
        texts[i] = luaL_optstring(L, i + 2, NULL);
    double value = luaL_optnumber(L, 6, 0);
    struct script_note *note = checked(L, mem_zalloc(sizeof *note));
    list_init(&note->message.link);
    note->context = run->context;
    note->type = (enum script_note_type)type;
    note->definition = run->definition;
    note->value = value;
    note->a = mem_strdup(texts[0]);
    note->b = mem_strdup(texts[1]);
    note->c = mem_strdup(texts[2]);
    note->ref = mem_strdup(texts[3]);
    if ((texts[0] && !note->a) || (texts[1] && !note->b) || (texts[2] && !note->c) ||
        (texts[3] && !note->ref)) {
        script_note_destroy(note);
        return luaL_error(L, "no memory");
    }
    const struct script_host *host = &run->script->engine->host;
    host->note(host->context, note);
    return 0;
}

/* core.can_wait() -> is the running coroutine free of C frames */
static int request_can_wait(lua_State *L) {
    lua_pushboolean(L, lua_isyieldable(L));
    return 1;
}

/* core.run() -> the number of the running call, or nil: a ctx works in its own call alone */
static int request_run(lua_State *L) {
    struct script_run *run = script_of(L)->run;
    if (!run)
        return 0;
    lua_pushnumber(L, run->serial);
    return 1;
}

/* core.handler(f): what to blame when a tail call has left no line of the controller's. Without a
 * call, as in a rehearsal, nothing. */
static int request_handler(lua_State *L) {
    struct script_run *run = script_of(L)->run;
    lua_Debug at;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    if (run && lua_getinfo(L, ">S", &at) && at.source[0] == '@')
        snprintf(run->handler_at, sizeof run->handler_at, "%s:%d", at.short_src, at.linedefined);
    return 0;
}

const luaL_Reg request_functions[] = {{"submit", request_submit},
                                      {"check", request_check},
                                      {"note", request_note},
                                      {"can_wait", request_can_wait},
                                      {"run", request_run},
                                      {"handler", request_handler},
                                      {NULL, NULL}};

static void push_text_json(lua_State *L, const struct script_request *request) {
    struct error err;
    struct str text = strbuf_view(&request->text);
    if (!text.len)
        lua_pushnil(L);
    else if (value_decode(L, text, &err) < 0)
        lua_pushlstring(L, text.data, text.len);
}

static void push_value(lua_State *L, struct script_request *request) {
    switch (request->op) {
    case SCRIPT_DELETE:
        lua_pushboolean(L, request->found);
        return;
    case SCRIPT_SLEEP:
        lua_pushboolean(L, 1);
        return;
    case SCRIPT_SECRET:
        lua_pushlstring(L, request->text.len ? request->text.data : "", request->text.len);
        return;
    case SCRIPT_LIVE_LIST:
        push_text_json(L, request);
        return;
    case SCRIPT_HTTP:
        lua_createtable(L, 0, 3);
        lua_pushinteger(L, request->status);
        lua_setfield(L, -2, "status");
        lua_pushlstring(L, request->text.len ? request->text.data : "", request->text.len);
        lua_setfield(L, -2, "body");
        if (!request->headers_out || value_decode(L, str_of(request->headers_out), NULL) < 0)
            lua_newtable(L);
        lua_setfield(L, -2, "headers");
        return;
    case SCRIPT_TEST:
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, request->status);
        lua_setfield(L, -2, "status");
        push_text_json(L, request);
        lua_setfield(L, -2, "body");
        return;
    default:
        if (request->object)
            view_push(L, request->object, NULL);
        else
            push_text_json(L, request);
    }
}

void request_push_answer(lua_State *L, unsigned id, struct script_request *request) {
    lua_pushnumber(L, id);
    if (request->cancelled && !request->error.code)
        error_set(&request->error, ERROR_CANCELLED, "cancelled");
    lua_pushboolean(L, !request->error.code);
    if (request->error.code) {
        if (request->error.code == ERROR_CANCELLED && request->run)
            request->run->cancel_seen = true;
        mlua_push_error(L, &request->error);
    } else {
        push_value(L, request);
    }
}
