#include <stdio.h>
#include <string.h>

#include "support/harness.h"

/* Loading, calling and waiting through the script_engine seam. */

static void load_returns_the_declaration(void **state) {
    struct harness *h = *state;
    struct script *script = harness_load(h, "app.lua", APP "reconcile = function() end }");
    assert_non_null(strstr(lua_engine.declaration(script), "\"app.example.com/v1/App\""));
    assert_false(lua_engine.dead(script));
    assert_true(lua_engine.memory(script) > 10000);
    lua_engine.unload(script);
}

/* What a file does not use is not in its isolate. */
static void load_takes_what_the_file_needs(void **state) {
    (void)state;
    static const char *const texts[] = {
        HEAD "return moonlet.controller { name = 'app', resource = 'v1/Pod', reconcile = print }",
        HEAD "return moonlet.injector { name = 'app', into = 'v1/Pod', labels = { a = 'b' } }"};
    size_t memory[2];
    for (size_t i = 0; i < 2; i++) {
        struct harness h;
        harness_open(&h);
        struct script *script = harness_load(&h, "app.lua", texts[i]);
        memory[i] = lua_engine.memory(script);
        lua_engine.unload(script);
        harness_close(&h);
    }
    assert_in_range(memory[0], 100 << 10, 256 << 10);
    assert_in_range(memory[1], memory[0] + (50 << 10), 512 << 10);
}

static void load_failures_name_file_and_line(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"return {", "bad.lua:1: unexpected symbol near '<eof>'"},
        {"\nlocal x = nil + 1", "bad.lua:2: attempt to perform arithmetic on a nil value"},
        {"\n\nerror('boom')", "bad.lua:3: boom"},
        {"\nrequire 'nothing'", "bad.lua:2: module 'nothing' not found"},
        {"\nrequire 'moonlet.core'", "bad.lua:2: module 'moonlet.core' not found"},
        {"\nio.open('x')", "bad.lua:2: there is no global 'io': the sandbox leaves it out"},
        {"local function f()\n  return pritn 'x'\nend",
         "bad.lua:2: there is no global 'pritn', did you mean 'print'?"},
        {"seen = 1\nreturn sen", "bad.lua:2: there is no global 'sen', did you mean 'seen'?"},
        {"seen = nil\nreturn seen", "bad.lua: the file returns nothing"},
        {"return _G.nothing", "bad.lua: the file returns nothing"},
        {"\n\x1bLJ", "bad.lua:2: "},
        {"coroutine.yield()", "bad.lua:1: attempt to yield from outside a coroutine"},
        {"\nerror({code='x'})", "bad.lua:2: "},
        {"local m = require 'moonlet'\n\nreturn m.controller {\n  nam = 'a' }",
         "bad.lua:3: moonlet.controller: unknown field \"nam\""}}; /* a tail call */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct harness h;
        struct error err = {0};
        harness_open(&h);
        assert_null(harness_try(&h, "bad.lua", cases[i].text, 0, 0, &err));
        if (!strstr(err.message, cases[i].message))
            fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(err.code, ERROR_INVALID);
        harness_close(&h);
    }
}

static void reconcile_sees_the_object_lazily(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct script *script =
        harness_load(h, "app.lua",
                     APP "reconcile = function(app, ctx)\n"
                         "  assert(app.metadata.name == 'demo' and app.spec.size == 2)\n"
                         "  assert(#app.spec.empty == 0 and app.spec.none == moonlet.null)\n"
                         "  assert(tostring(app.spec.big) == '12345678901234567890')\n"
                         "  assert(app.spec.list[2].a == 2 and #app.spec.list == 2)\n"
                         "  assert(tostring(ctx.key) == 'ns1/demo' and ctx.attempt == 1)\n"
                         "  assert(getmetatable(app) == nil)\n"
                         "  app.spec = nil\n  assert(app.spec == nil)\n"
                         "  ctx:requeue '30s'\nend }");
    const struct object *app = harness_object(h, harness_app);
    assert_null(harness_call(h, script, "reconcile", app, &result));
    if (result.state != SCRIPT_DONE)
        fail_msg("%s", result.error.message);
    assert_true(result.requeue);
    assert_int_equal(result.requeue_ns, 30 * NS_PER_S);
    script_result_finish(&result);
    object_unpin(app);
    lua_engine.unload(script);
}

static void apply_waits_for_its_answer(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct script *script = harness_load(
        h, "app.lua",
        APP "reconcile = function(app, ctx)\n"
            "  local made = ctx:apply { apiVersion = 'v1', kind = 'ConfigMap',\n"
            "    metadata = { name = app.metadata.name }, data = { b = '1', a = '2' } }\n"
            "  assert(made.data.a == 'answered')\nend }");
    const struct object *app = harness_object(h, harness_app);
    struct script_run *run = harness_call(h, script, "reconcile", app, &result);
    if (result.state != SCRIPT_WAITING)
        fail_msg("%s", result.error.message);
    assert_non_null(run);
    struct script_request *request = harness_take(h);
    assert_int_equal(request->op, SCRIPT_APPLY);
    assert_ptr_equal(request->context, h);
    assert_string_equal(request->kind, "v1/ConfigMap");
    assert_string_equal(request->body.data,
                        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\",\"b\":\"1\"},"
                        "\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"demo\"}}");
    request->object = harness_object(
        h, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"demo\"},"
           "\"data\":{\"a\":\"answered\"}}");
    lua_engine.answer(request, &result);
    if (result.state != SCRIPT_DONE)
        fail_msg("%s", result.error.message);
    script_result_finish(&result);
    object_unpin(app);
    lua_engine.unload(script);
}

static void refused_write_fails_the_reconcile(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct script *script =
        harness_load(h, "app.lua",
                     APP "reconcile = function(app, ctx)\n"
                         "  ctx:apply { apiVersion = 'v1', kind = 'ConfigMap',\n"
                         "    metadata = { name = 'x' } }\nend }");
    const struct object *app = harness_object(h, harness_app);
    harness_call(h, script, "reconcile", app, &result);
    struct script_request *request = harness_take(h);
    error_set(&request->error, ERROR_CONFLICT, "configmaps \"x\": conflict");
    request->error.status = 409;
    lua_engine.answer(request, &result);
    assert_int_equal(result.state, SCRIPT_FAILED);
    assert_int_equal(result.error.code, ERROR_CONFLICT);
    assert_int_equal(result.error.status, 409);
    assert_string_equal(result.error.message, "app.lua:5: configmaps \"x\": conflict");
    assert_non_null(strstr(result.traceback, "app.lua:5"));
    script_result_finish(&result);
    object_unpin(app);
    lua_engine.unload(script);
}

/* R14: after a cancel each ctx call raises, and pcall does not stop that. */
static void cancelled_run_cannot_go_on(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct script *script = harness_load(h, "app.lua",
                                         APP "reconcile = function(app, ctx)\n"
                                             "  pcall(ctx.sleep, ctx, 1)\n"
                                             "  pcall(ctx.sleep, ctx, 1)\n"
                                             "  while true do ctx:sleep(1) end\nend }");
    struct script_run *run = harness_call(h, script, "reconcile", NULL, &result);
    assert_int_equal(result.state, SCRIPT_WAITING);
    lua_engine.cancel(run, ERROR_CANCELLED);
    struct script_request *request = harness_take(h);
    request->cancelled = true;
    lua_engine.answer(request, &result);
    assert_int_equal(result.state, SCRIPT_FAILED);
    assert_int_equal(result.error.code, ERROR_CANCELLED);
    script_result_finish(&result);
    lua_engine.unload(script);
}

static void unload_in_the_middle_leaves_the_answer_harmless(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct script *script = harness_load(
        h, "app.lua",
        APP "reconcile = function(app, ctx)\n"
            "  ctx:parallel { function() ctx:sleep(1) end, function() ctx:sleep(2) end }\nend }");
    harness_call(h, script, "reconcile", NULL, &result);
    assert_int_equal(result.state, SCRIPT_WAITING);
    assert_int_equal(h->request_count, 2);
    lua_engine.unload(script);
    lua_engine.answer(harness_take(h), &result);
    lua_engine.answer(harness_take(h), &result);
}

static void handlers_get_what_they_are_called_with(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct script *script = harness_load(
        h, "app.lua",
        APP "reconcile = function() return '90s' end,\n"
            "gone = function(key, ctx) assert(key.name == 'demo' and ctx.reason == 'event') end,\n"
            "on = { event = function(event, new, old, ctx)\n"
            "  assert(event == 'added' and new.spec.size == 2 and old == nil) end },\n"
            "finalize = function(app, ctx) error(moonlet.retry_after('5s', 'not yet')) end }");
    const struct object *app = harness_object(h, harness_app);
    static const char *const fine[] = {"gone", "on.event"};
    for (int i = 0; i < 2; i++) {
        harness_call(h, script, fine[i], i ? app : NULL, &result);
        if (result.state != SCRIPT_DONE)
            fail_msg("%s", result.error.message);
        assert_false(result.requeue);
        script_result_finish(&result);
    }
    harness_call(h, script, "reconcile", app, &result); /* a duration may be returned */
    assert_true(result.requeue);
    assert_int_equal(result.requeue_ns, 90 * NS_PER_S);
    script_result_finish(&result);
    harness_call(h, script, "finalize", app, &result);
    assert_int_equal(result.state, SCRIPT_FAILED);
    assert_true(result.retry_after && !result.permanent);
    assert_int_equal(result.error.retry_after_ns, 5 * NS_PER_S);
    assert_string_equal(result.error.message, "app.lua:8: not yet");
    script_result_finish(&result);
    object_unpin(app);
    lua_engine.unload(script);
}

static void permanent_errors_say_so(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct script *script = harness_load(
        h, "app.lua", APP "reconcile = function() error(moonlet.permanent 'no image') end }");
    harness_call(h, script, "reconcile", NULL, &result);
    assert_int_equal(result.state, SCRIPT_FAILED);
    assert_true(result.permanent && !result.retry_after);
    assert_string_equal(result.error.message, "app.lua:4: no image");
    script_result_finish(&result);
    lua_engine.unload(script);
}

/* Its frame is gone: `return moonlet.controller {}` is a tail call. */
static void mistake_in_a_module_names_the_line_of_the_module(void **state) {
    struct harness *h = *state;
    struct error err = {0};
    static const char entry[] = "local a = 1\nlocal ok = pcall(require, 'net.fine')\n"
                                "return { require 'net.part' }",
                      fine[] = "error 'caught'",
                      part[] = HEAD "\n\nreturn moonlet.controller { nam = 'a' }",
                      later[] =
                          HEAD "local function build()\n  return moonlet.controller 'x'\nend\n"
                               "local one = build()\nreturn one";
    struct script_file files[] = {
        {(char *)"net/init.lua", (char *)"net", (char *)entry, strlen(entry)},
        {(char *)"net/fine.lua", (char *)"net.fine", (char *)fine, strlen(fine)},
        {(char *)"net/part.lua", (char *)"net.part", (char *)part, strlen(part)}};
    struct script_source source = {.name = (char *)"net", .files = files, .count = 3};
    assert_null(lua_engine.load(h->engine, &source, NULL, NULL, &err));
    if (strstr(err.message, "net/part.lua:4: moonlet.controller: unknown field") != err.message)
        fail_msg("%s", err.message);
    files[2].text = (char *)later;
    files[2].len = strlen(later);
    assert_null(lua_engine.load(h->engine, &source, NULL, NULL, &err));
    if (strstr(err.message, "net/part.lua:5: moonlet.controller takes") != err.message)
        fail_msg("%s", err.message);
}

static void folder_requires_its_modules(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct error err = {0};
    static const char entry[] =
        HEAD "local util = require 'net.util'\n"
             "return moonlet.controller { name = 'net', resource = 'v1/Pod',\n"
             "reconcile = function(_, ctx) ctx:requeue(util.seconds)\n"
             "  assert(require('net.late').x == 1) require('net.late').boom() end }";
    static const char util[] = "return { seconds = 3 }",
                      late[] = "return { x = 1,\nboom = function() error 'in the module' end }";
    struct script_file files[] = {
        {(char *)"net/init.lua", (char *)"net", (char *)entry, sizeof entry - 1},
        {(char *)"net/util.lua", (char *)"net.util", (char *)util, sizeof util - 1},
        {(char *)"net/late.lua", (char *)"net.late", (char *)late, sizeof late - 1}};
    struct script_source source = {(char *)"net", files, 3, 1};
    struct script *script = lua_engine.load(h->engine, &source, NULL, NULL, &err);
    if (!script)
        fail_msg("%s", err.message);
    harness_call(h, script, "reconcile", NULL, &result);
    assert_string_equal(result.error.message, "net/late.lua:2: in the module");
    assert_non_null(strstr(result.traceback, "net/init.lua:5"));
    script_result_finish(&result);
    lua_engine.unload(script);
}

static void config_reaches_the_handler(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct error err = {0};
    static const char text[] =
        HEAD "local s = require 'moonlet.schema'\n"
             "return moonlet.controller { name = 'app', resource = 'v1/Pod',\n"
             "config = { limit = s.integer { default = 80 }, word = s.string { default = 'a' } },\n"
             "reconcile = function(_, ctx) ctx:requeue(ctx.config.limit)\n"
             "  assert(ctx.config.word == 'a') ctx.config.word = 'changed' end }";
    struct script_file file = {(char *)"app.lua", (char *)"app", (char *)text, sizeof text - 1};
    struct script_source source = {(char *)"app", &file, 1, 1};
    static const struct {
        const char *config, *problem;
        uint64_t seconds;
    } cases[] = {{NULL, NULL, 80},
                 {"{\"app\":{\"limit\":90}}", NULL, 90},
                 {"{\"app\":{\"limit\":\"x\"}}", "limit", 0},
                 {"{\"app\":{\"limmit\":1}}", "limmit", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct script *script = lua_engine.load(h->engine, &source, NULL, cases[i].config, &err);
        if (cases[i].problem) {
            assert_null(script);
            if (!strstr(err.message, cases[i].problem))
                fail_msg("%s", err.message);
            continue;
        }
        if (!script)
            fail_msg("%s", err.message);
        for (int twice = 0; twice < 2; twice++) { /* a call cannot change it for the next */
            harness_call(h, script, "reconcile", NULL, &result);
            if (result.state != SCRIPT_DONE)
                fail_msg("%s", result.error.message);
            assert_int_equal(result.requeue_ns, cases[i].seconds * NS_PER_S);
            script_result_finish(&result);
        }
        lua_engine.unload(script);
    }
}

static void logs_carry_the_call(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct script *script = harness_load(
        h, "app.lua",
        "print('loading')\n" APP "reconcile = function(app, ctx)\n"
        "  ctx.log:info('hello', { size = app.spec.size, who = 'me', t = { a = 1 } })\n"
        "  ctx.log:debug('unseen') print('printed', 1, nil)\nend }");
    const struct object *app = harness_object(h, harness_app);
    harness_call(h, script, "reconcile", app, &result);
    if (result.state != SCRIPT_DONE)
        fail_msg("%s", result.error.message);
    h->log.level = LOG_INFO;
    static const char *const parts[] = {
        "loading", "hello", "app", "ns1", "demo", "r-1", "size", "{\"a\":1}", "printed\t1\tnil"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(h->lines.data, parts[i]))
            fail_msg("no %s in %s", parts[i], h->lines.data);
    script_result_finish(&result);
    object_unpin(app);
    lua_engine.unload(script);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(load_returns_the_declaration),
        cmocka_unit_test(load_takes_what_the_file_needs),
        cmocka_unit_test(load_failures_name_file_and_line),
        TEST(reconcile_sees_the_object_lazily),
        TEST(apply_waits_for_its_answer),
        TEST(refused_write_fails_the_reconcile),
        TEST(cancelled_run_cannot_go_on),
        TEST(unload_in_the_middle_leaves_the_answer_harmless),
        TEST(handlers_get_what_they_are_called_with),
        TEST(permanent_errors_say_so),
        TEST(mistake_in_a_module_names_the_line_of_the_module),
        TEST(folder_requires_its_modules),
        TEST(config_reaches_the_handler),
        TEST(logs_carry_the_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
