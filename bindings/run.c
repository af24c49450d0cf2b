#include <string.h>

#include "base/mem.h"
#include "bindings/fail.h"
#include "bindings/run.h"
#include "bindings/script.h"
#include "bindings/value.h"
#include "bindings/view.h"

void run_destroy(struct script_run *run) {
    if (!run)
        return;
    list_remove(&run->link);
    for (size_t i = 0; i < run->pending_count; i++)
        run->pending[i].request->run = NULL; /* its answer will only be freed */
    luaL_unref(run->script->isolate->L, LUA_REGISTRYINDEX, run->co_ref);
    mem_free(run->pending);
    mem_free(run->ns);
    mem_free(run->name);
    mem_free(run->reconcile_id);
    mem_free(run);
}

struct start { /* build_start()'s argument */
    struct script_run *run;
    const struct script_call *call;
};

static void push_str(lua_State *L, struct str text) {
    lua_pushlstring(L, text.data ? text.data : "", text.len);
}

static void set_str(lua_State *L, const char *name, struct str text) {
    if (!text.len)
        return;
    push_str(L, text);
    lua_setfield(L, -2, name);
}

/* One that has come to its end is as good as new, and its stack has grown already. */
static void take_coroutine(lua_State *L, struct script_run *run) {
    struct script *script = run->script;
    run->co = script->spare ? script->spare : lua_newthread(L);
    run->co_ref = script->spare ? script->spare_ref : luaL_ref(L, LUA_REGISTRYINDEX);
    script->spare = NULL;
}

static void spare_coroutine(struct script_run *run) {
    struct script *script = run->script;
    if (script->spare)
        return;
    lua_settop(run->co, 0);
    script->spare = run->co;
    script->spare_ref = run->co_ref;
    run->co_ref = LUA_NOREF;
}

/* A coroutine about to call moonlet.ctx's start(call). Anything it pushes onto the coroutine is
 * made on L, where it may raise, and moved. */
static int build_start(lua_State *L) {
    struct start *start = lua_touserdata(L, 1);
    struct script_run *run = start->run;
    const struct script_call *call = start->call;
    struct script *script = run->script;
    luaL_checkstack(L, 12, "no room for a call");
    take_coroutine(L, run);
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->start_ref);
    lua_createtable(L, 0, 12);
    lua_pushnumber(L, call->definition + 1);
    lua_setfield(L, -2, "definition");
    lua_pushstring(L, call->function);
    lua_setfield(L, -2, "handler");
    lua_pushstring(L, call->event);
    lua_setfield(L, -2, "event");
    lua_pushstring(L, call->reason);
    lua_setfield(L, -2, "reason");
    lua_pushnumber(L, call->attempt ? call->attempt : 1);
    lua_setfield(L, -2, "attempt");
    lua_pushnumber(L, run->serial);
    lua_setfield(L, -2, "run");
    set_str(L, "namespace", call->ns);
    set_str(L, "name", call->name);
    set_str(L, "uid", call->uid);
    set_str(L, "request", call->request);
    const struct object *both[2] = {call->object, call->old};
    for (int i = 0; i < 2; i++) {
        if (!both[i])
            continue;
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, i ? "has_old" : "has_object");
        view_push(L, both[i], run->metadata_only_kind);
        lua_setfield(L, -2, i ? "old" : "object");
    }
    if (!lua_checkstack(run->co, 4))
        return luaL_error(L, "no memory");
    lua_xmove(L, run->co, 2);
    return 0;
}

struct resume {
    struct script_run *run;
    unsigned id;
    struct script_request *request;
};

static int build_answer(lua_State *L) {
    struct resume *resume = lua_touserdata(L, 1);
    luaL_checkstack(L, 12, "no room for an answer");
    request_push_answer(L, resume->id, resume->request);
    if (!lua_checkstack(resume->run->co, 4))
        return luaL_error(L, "no memory");
    lua_xmove(L, resume->run->co, 3);
    return 0;
}

static void read_requeue(struct script_run *run, struct script_result *ret) {
    lua_State *co = run->co;
    if (lua_gettop(co) < 1 || lua_type(co, 1) != LUA_TNUMBER)
        return;
    double seconds = lua_tonumber(co, 1);
    ret->requeue = true;
    ret->requeue_ns = seconds <= 0 ? 0 : seconds < 1e9 ? (uint64_t)(seconds * 1e9) : (uint64_t)1e18;
}

struct outcome { /* build_outcome()'s argument */
    lua_State *co;
    struct strbuf *out;
};

static int build_outcome(lua_State *L) {
    struct outcome *outcome = lua_touserdata(L, 1);
    struct error err;
    lua_pushvalue(outcome->co, 1);
    lua_xmove(outcome->co, L, 1);
    if (value_encode(L, lua_gettop(L), outcome->out, &err) < 0)
        return luaL_error(L, "what the handler leaves is not JSON: %s", err.message);
    return 0;
}

/* What a webhook's handler says is a table; the others leave nothing or a number. */
static void read_answer(struct script_run *run, struct script_result *ret) {
    struct outcome outcome = {.co = run->co, .out = &ret->answer};
    if (lua_gettop(run->co) < 1 || lua_type(run->co, 1) != LUA_TTABLE ||
        !lua_checkstack(run->co, 1))
        return;
    if (isolate_build(run->script->isolate, build_outcome, &outcome, &ret->error) < 0)
        ret->state = SCRIPT_FAILED;
}

struct trace {
    lua_State *co;
    char *text;
};

static int build_trace(lua_State *L) {
    struct trace *trace = lua_touserdata(L, 1);
    luaL_traceback(L, trace->co, NULL, 0);
    const char *text = lua_tostring(L, -1);
    trace->text = mem_strndup(text, strnlen(text, 8192));
    return 0;
}

void run_read_failure(struct isolate *isolate, lua_State *co, const char *fallback,
                      struct script_result *ret) {
    struct failure failure;
    mlua_read_failure(isolate, co, fallback, &failure);
    ret->state = SCRIPT_FAILED;
    ret->error = failure.error;
    ret->permanent = failure.permanent;
    ret->retry_after = failure.retry_after;
    if (isolate->dead)
        return;
    struct trace trace = {.co = co};
    if (isolate_build(isolate, build_trace, &trace, NULL) == 0)
        ret->traceback = trace.text;
}

/* Resumes the coroutine, whose arguments are on its stack, and says how that ended. */
static bool go_on(struct script_run *run, int nargs, struct script_result *ret) {
    struct script *script = run->script;
    struct isolate *isolate = script->isolate;
    script->run = run;
    script->definition = run->definition;
    int status = isolate_resume(isolate, run->co, nargs);
    script->run = NULL;
    if (status == LUA_YIELD && run->pending_count &&
        lua_touserdata(run->co, 1) == &request_wait_mark) {
        lua_settop(run->co, 0);
        ret->state = SCRIPT_WAITING;
        return true;
    }
    if (status == 0) {
        ret->state = SCRIPT_DONE;
        read_requeue(run, ret);
        read_answer(run, ret);
        spare_coroutine(run);
        if (run->cancel_seen) { /* caught with pcall: what was done is not known to be whole */
            ret->state = SCRIPT_FAILED;
            error_set(&ret->error, run->cancel_code ? run->cancel_code : ERROR_CANCELLED,
                      "the handler was told to stop");
        }
    } else if (status == LUA_YIELD) {
        ret->state = SCRIPT_FAILED;
        error_set(&ret->error, ERROR_INTERNAL, "the handler yielded without waiting for anything");
    } else {
        run_read_failure(isolate, run->co, run->handler_at, ret);
        if (run->cancel_seen && run->cancel_code)
            ret->error.code = run->cancel_code;
    }
    return false;
}

static void end(struct script_run *run) {
    struct isolate *isolate = run->script->isolate;
    run_destroy(run);
    isolate_tidy(isolate);
}

static char *copy(struct str text) {
    return text.len ? mem_strndup(text.data, text.len) : NULL;
}

void run_call(struct script *script, const struct script_call *call, struct script_run **ret_run,
              struct script_result *ret) {
    struct script_run *run = mem_zalloc(sizeof *run);
    *ret_run = NULL;
    if (!run) {
        ret->state = SCRIPT_FAILED;
        error_set(&ret->error, ERROR_NOMEM, "no memory");
        return;
    }
    list_append(&script->runs, &run->link);
    run->script = script;
    run->serial = ++script->serial;
    run->co_ref = LUA_NOREF;
    run->definition = call->definition;
    run->context = call->context;
    run->ns = copy(call->ns);
    run->name = copy(call->name);
    run->reconcile_id = mem_strdup(call->reconcile_id);
    script->definition = call->definition;
    run->metadata_only_kind = script_primary_metadata_only(script, call->definition);
    struct start start = {run, call};
    if (script->isolate->dead)
        error_set(&ret->error, ERROR_NOMEM, "the isolate has run out of memory");
    else if (isolate_build(script->isolate, build_start, &start, &ret->error) == 0) {
        if (go_on(run, 1, ret)) {
            *ret_run = run;
            return;
        }
        end(run);
        return;
    }
    ret->state = SCRIPT_FAILED;
    end(run);
}

static bool take_pending(struct script_run *run, struct script_request *request, unsigned *ret_id) {
    for (size_t i = 0; i < run->pending_count; i++) {
        if (run->pending[i].request != request)
            continue;
        *ret_id = run->pending[i].id;
        run->pending[i] = run->pending[--run->pending_count];
        return true;
    }
    return false;
}

void run_answer(struct script_request *request, struct script_result *ret) {
    struct script_run *run = request->run;
    struct resume resume = {.run = run, .request = request};
    if (!run || !take_pending(run, request, &resume.id)) {
        script_request_destroy(request);
        return;
    }
    struct isolate *isolate = run->script->isolate;
    bool waits = false;
    if (isolate->dead) {
        ret->state = SCRIPT_FAILED;
        error_set(&ret->error, ERROR_NOMEM, "the isolate has run out of memory");
    } else if (isolate_build(isolate, build_answer, &resume, &ret->error) < 0) {
        ret->state = SCRIPT_FAILED;
    } else {
        waits = go_on(run, 3, ret);
    }
    script_request_destroy(request);
    if (!waits)
        end(run);
}

void run_cancel(struct script_run *run, int code) {
    if (!run->cancel_code)
        run->cancel_code = code;
}
