#include <string.h>

#include "loop/thread.h"

#include "support/harness.h"

/*
 * Hostile files (R19): each ends in bounded time and memory with a message that names its line, and
 * another script of the same engine works afterwards.
 */
enum { MEMORY = 16 << 20 };
static const uint64_t CPU = 50 * NS_PER_MS;

struct attack {
    const char *name, *body; /* of a handler that starts on line 3 */
    int code;                /* expected; 0: any failure */
    const char *message;     /* part of it, or NULL */
};

static const struct attack attacks[] = {
    {"loop", "while true do end", ERROR_TIMEOUT, "hostile.lua:3: ran for"},
    {"loop in pcall", "while true do pcall(function() while true do end end) end", ERROR_TIMEOUT,
     "hostile.lua:3"},
    {"nested pcalls",
     "local function f() return pcall(f) end while true do pcall(function() f() end) end", 0,
     "hostile.lua:3"},
    {"loop in xpcall handler",
     "xpcall(function() error('x') end, function() while true do end end)", ERROR_TIMEOUT,
     "hostile.lua:3"},
    {"xpcall that goes on",
     "local function f() while true do end end while true do xpcall(f, f) end", ERROR_TIMEOUT,
     "hostile.lua:3"},
    {"loop in a coroutine", "coroutine.wrap(function() while true do end end)()", ERROR_TIMEOUT,
     "hostile.lua:3"},
    {"coroutines that catch",
     "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
     ERROR_TIMEOUT, "hostile.lua:3"},
    {"loop in __index",
     "local t = setmetatable({}, {__index = function() while true do end end}) return t.x",
     ERROR_TIMEOUT, "hostile.lua:3"},
    {"loop in __tostring",
     "tostring(setmetatable({}, {__tostring = function() while true do end "
     "end}))",
     ERROR_TIMEOUT, "hostile.lua:3"},
    {"chain of __index",
     "local t = {} for i = 1, 1e5 do t = setmetatable({}, {__index = t}) end "
     "while true do local _ = pcall(function() return t.x end) end",
     0, "hostile.lua:3"},
    {"loop in a comparator", "table.sort({3, 2, 1}, function() while true do end end)",
     ERROR_TIMEOUT, "hostile.lua:3"},
    {"sort without end",
     "local t = {} for i = 1, 2e5 do t[i] = i % 7 end while true do table.sort(t) end",
     ERROR_TIMEOUT, "hostile.lua:3"},
    {"loop in gsub", "('x'):gsub('x', function() while true do end end)", ERROR_TIMEOUT,
     "hostile.lua:3"},
    {"loop in load", "load(function() while true do end end)", ERROR_TIMEOUT, "hostile.lua:3"},
    {"string.rep", "local s = string.rep('x', 1e9)", ERROR_INTERNAL,
     "hostile.lua:3: string.rep: a result of 1000000000 bytes"},
    {"rep as a method", "local s = ('x'):rep(1e300)", ERROR_INTERNAL, "hostile.lua:3: string.rep"},
    {"rep of nothing", "while true do (''):rep(1e300) end", ERROR_TIMEOUT, "hostile.lua:3"},
    {"rep in pcall", "while true do pcall(string.rep, 'x', 1e9) end", ERROR_TIMEOUT,
     "hostile.lua:3"},
    {"catastrophic pattern", "('a'):rep(5000):match(('a-'):rep(30) .. 'b')", 0, "hostile.lua:3"},
    {"catastrophic pattern in pcall",
     "while true do pcall(string.find, ('a'):rep(5000), ('a*'):rep(30) .. 'b') end", 0,
     "hostile.lua:3"},
    {"plain search", "while true do ('a'):rep(1e6):find(('a'):rep(5e5) .. 'b', 1, true) end",
     ERROR_TIMEOUT, "hostile.lua:3"},
    {"pattern recursion", "('x'):rep(1e5):match(('(x'):rep(40))", ERROR_INTERNAL,
     "hostile.lua:3: "},
    {"table flood", "local t = {} for i = 1, 1e9 do t[i] = {} end", ERROR_NOMEM,
     "hostile.lua:3: more memory than the limit of 16 MB"},
    {"table flood in pcall",
     "while true do pcall(function() local t = {} for i = 1, 1e9 do t[i] = {} end end) end",
     ERROR_NOMEM, "hostile.lua:3"},
    {"string doubling", "local s = 'x' while true do s = s .. s end", ERROR_NOMEM, "hostile.lua:3"},
    {"concat", "local t = {} for i = 1, 1e4 do t[i] = ('x'):rep(1e3) end return table.concat(t)",
     ERROR_INTERNAL, "hostile.lua:2: table.concat"},
    {"gsub that grows", "local s = 'x' while true do s = s:gsub('x', 'xx') end", 0,
     "hostile.lua:3"},
    {"unpack", "return unpack({}, 1, 1e8)", ERROR_INTERNAL,
     "hostile.lua:2: too many results to unpack"},
    {"recursion", "local function f() return 1 + f() end f()", ERROR_INTERNAL, "stack overflow"},
    {"recursion in pcall", "local function f() pcall(f) f() end f()", 0, "hostile.lua"},
    {"recursion over gsub", "local function f() return ('x'):gsub('x', f) end f()", 0, NULL},
    {"recursion over sort", "local function f() table.sort({2, 1}, f) return true end f()", 0,
     NULL},
    {"recursion over foreach", "local function f() table.foreach({1}, f) end f()", 0, NULL},
    {"recursion over format",
     "local m = {} m.__tostring = function(t) return ('%s'):format(t) end "
     "return ('%s'):format(setmetatable({}, m))",
     0, NULL},
    {"recursion over os.time",
     "local m = {} m.__index = function(t) return os.time(t) end os.time(setmetatable({}, m))", 0,
     NULL},
    {"recursion over concat",
     "local m = {} m.__concat = function(a, b) return a .. b end return setmetatable({}, m) .. 'x'",
     0, NULL},
    {"recursion over equal",
     "local moonlet = require 'moonlet' local m = {} "
     "m.__eq = function(a, b) return moonlet.equal({a}, {b}) and a == b end "
     "return setmetatable({}, m) == setmetatable({}, m)",
     0, NULL},
    {"recursion over metamethods",
     "local m = {} m.__index = function(t, k) return t[k .. 'x'] end setmetatable(m, m) "
     "return m.a",
     0, NULL},
    {"coroutine bomb", "local function f() coroutine.wrap(f)() end f()", ERROR_INTERNAL,
     "stack overflow (coroutines inside coroutines)"},
    {"coroutine flood",
     "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end", ERROR_NOMEM,
     "hostile.lua:3"},
    {"parallel bomb", "local function f() ctx:parallel { f, f } end f()", 0, NULL},
    {"evil __tostring in an error",
     "error(setmetatable({}, {__tostring = function() while true do end end}))", 0,
     "hostile.lua:3: (error object is a table value)"},
    {"an error that throws",
     "error(setmetatable({}, {__tostring = function() error(setmetatable({}, getmetatable({}))) "
     "end}))",
     ERROR_INTERNAL, "hostile.lua:3"},
    {"huge message", "error(('x'):rep(1e6))", ERROR_INTERNAL, "xxxx"},
    {"error nil", "error()", ERROR_INTERNAL, "hostile.lua:3"},
    {"error in an error", "error(setmetatable({message = {}}, {__tostring = 5}))", ERROR_INTERNAL,
     "hostile.lua:3"},
    {"deep JSON",
     "local t = {} for i = 1, 1e4 do t = {t} end ctx:event('Normal', 'a', require('moonlet') and "
     "'x', {apiVersion = 'v1', kind = 'X', name = 'x', namespace = 'y'}) ctx:set_status(t)",
     0, "nested too deep"},
    {"cyclic status", "local t = {a = {}} t.a.b = t ctx:set_status(t)", ERROR_INTERNAL,
     "hostile.lua:3: a.b: the table contains itself"},
    {"print flood", "while true do print('x') end", ERROR_TIMEOUT, "hostile.lua:3"},
    {"load of bytecode", "assert(load('\\27LJ\\2'))", ERROR_INTERNAL, "hostile.lua:3"},
    {"parser recursion", "assert(loadstring(('('):rep(1e5)))", ERROR_INTERNAL, "hostile.lua:3"},
    {"big parse", "while true do loadstring(('x = 1 '):rep(1e5)) end", 0, "hostile.lua:3"},
    {"string library overwritten", "string.rep = nil; ('x'):rep(5)", ERROR_INTERNAL,
     "hostile.lua:3"},
    {"metatable of strings", "getmetatable('').__index = nil", ERROR_INTERNAL, "hostile.lua:3"},
    {"format width", "string.format('%99999d', 1)", ERROR_INTERNAL, "hostile.lua:3"},
    {"yield outside", "coroutine.yield(1)", ERROR_INTERNAL,
     "hostile.lua:3: attempt to yield from outside a coroutine"},
};

static void run_attack(const struct attack *attack) {
    struct harness h;
    struct script_result result;
    struct error err = {0};
    CLEANUP(strbuf_finish) struct strbuf text = {0};
    strbuf_printf(&text,
                  "return require 'moonlet'.controller { name = 'hostile', resource = 'v1/Pod',\n"
                  "reconcile = function(obj, ctx)\n%s\nend }",
                  attack->body);
    harness_open(&h);
    struct script *good =
        harness_load(&h, "good.lua",
                     "return require 'moonlet'.controller { name = 'good', resource = 'v1/Pod',\n"
                     "reconcile = function(obj, ctx) ctx:requeue(7) end }");
    struct script *script =
        harness_try(&h, "hostile.lua", text.data, MEMORY,
                    attack->code == ERROR_TIMEOUT || !attack->code ? CPU : 10 * NS_PER_S,
                    &err); /* slow builds get there too */
    if (!script)
        fail_msg("%s: %s", attack->name, err.message);
    harness_call(&h, script, "reconcile", NULL, &result);
    if (result.state != SCRIPT_FAILED)
        fail_msg("%s: did not fail", attack->name);
    if (attack->code && result.error.code != attack->code)
        fail_msg("%s: %s: %s", attack->name, error_code_name(result.error.code),
                 result.error.message);
    if (attack->message && !strstr(result.error.message, attack->message))
        fail_msg("%s: %s", attack->name, result.error.message);
    if (!strstr(result.error.message, "hostile.lua:"))
        fail_msg("%s: no line: %s", attack->name, result.error.message);
    assert_int_equal(lua_engine.dead(script), result.error.code == ERROR_NOMEM);
    assert_true(lua_engine.memory(script) < 2 * MEMORY);
    script_result_finish(&result);
    harness_call(&h, good, "reconcile", NULL, &result); /* nobody else was hurt */
    assert_int_equal(result.state, SCRIPT_DONE);
    assert_int_equal(result.requeue_ns, 7 * NS_PER_S);
    script_result_finish(&result);
    lua_engine.unload(good);
    lua_engine.unload(script);
    harness_close(&h);
}

static void attacks_end_with_a_message(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        print_message("  %s\n", attacks[i].name);
        run_attack(&attacks[i]);
    }
}

static void load_is_guarded_too(void **state) {
    (void)state;
    struct harness h;
    struct error err;
    harness_open(&h);
    assert_null(harness_try(&h, "l.lua", "\nwhile true do end", MEMORY, CPU, &err));
    assert_int_equal(err.code, ERROR_TIMEOUT);
    assert_non_null(strstr(err.message, "l.lua:2: ran for"));
    assert_null(harness_try(&h, "l.lua", "local t = {} for i = 1, 1e9 do t[i] = {} end", MEMORY,
                            10 * NS_PER_S, &err));
    assert_int_equal(err.code, ERROR_NOMEM);
    if (!strstr(err.message, "l.lua:1: more memory"))
        fail_msg("%s", err.message);
    harness_close(&h);
}

struct side {
    struct harness h;
    const char *body;
    uint64_t cpu_ns;
    struct script_result result;
};

static void run_side(void *context) {
    struct side *side = context;
    struct error err;
    CLEANUP(strbuf_finish) struct strbuf text = {0};
    strbuf_printf(&text,
                  "return require 'moonlet'.controller { name = 'side', resource = 'v1/Pod',\n"
                  "reconcile = function(obj, ctx) %s end }",
                  side->body);
    struct script_engine *engine = lua_engine.open(&side->h.host, &err);
    struct script_engine *old = side->h.engine;
    side->h.engine = engine;
    struct script *script =
        harness_try(&side->h, "side.lua", text.data, MEMORY, side->cpu_ns, &err);
    if (script) {
        harness_call(&side->h, script, "reconcile", NULL, &side->result);
        lua_engine.unload(script);
    }
    lua_engine.close(engine);
    side->h.engine = old;
}

/* The guard stops the thread it belongs to and no other, with all other signals blocked. */
static void each_thread_has_its_own_guard(void **state) {
    (void)state;
    static struct side sides[2];
    struct thread *threads[2];
    struct error err;
    harness_open(&sides[0].h);
    harness_open(&sides[1].h);
    sides[0].body = "while true do end";
    sides[0].cpu_ns = CPU;
    sides[1].body = "for i = 1, 1e5 do end ctx:requeue(3)";
    sides[1].cpu_ns = 10 * NS_PER_S; /* slow builds need more than the other is given */
    for (int i = 0; i < 2; i++)
        threads[i] = thread_start("side", run_side, &sides[i], &err);
    for (int i = 0; i < 2; i++)
        thread_join(threads[i]);
    assert_int_equal(sides[0].result.error.code, ERROR_TIMEOUT);
    assert_non_null(strstr(sides[0].result.error.message, "side.lua:2: ran for"));
    assert_int_equal(sides[1].result.state, SCRIPT_DONE);
    assert_int_equal(sides[1].result.requeue_ns, 3 * NS_PER_S);
    for (int i = 0; i < 2; i++)
        script_result_finish(&sides[i].result);
    harness_close(&sides[1].h);
    harness_close(&sides[0].h);
}

/* R19: the budget starts anew after each wait; only uninterrupted CPU counts. */
static void budget_is_per_resume(void **state) {
    (void)state;
    struct harness h;
    struct script_result result;
    struct error err = {0};
    harness_open(&h);
    struct script *script =
        harness_try(&h, "long.lua",
                    "return require 'moonlet'.controller { name = 'long', resource = 'v1/Pod',\n"
                    "reconcile = function(obj, ctx) for i = 1, 10 do\n"
                    "  for j = 1, 2e5 do end ctx:sleep(1)\nend end }",
                    MEMORY, 200 * NS_PER_MS, &err);
    assert_non_null(script);
    harness_call(&h, script, "reconcile", NULL, &result);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(result.state, SCRIPT_WAITING);
        lua_engine.answer(harness_take(&h), &result);
    }
    assert_int_equal(result.state, SCRIPT_DONE);
    assert_true(lua_engine.cpu(script) > 0);
    lua_engine.unload(script);
    harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attacks_end_with_a_message),
        cmocka_unit_test(load_is_guarded_too),
        cmocka_unit_test(budget_is_per_resume),
        cmocka_unit_test(each_thread_has_its_own_guard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
