#include <stdio.h>
#include <string.h>

#include "support/harness.h"

/* What an isolate may use, and what happens when it has used it. */

static struct str first_random(struct harness *h, uint64_t seed, struct strbuf *out) {
    struct error err = {0};
    static const char text[] = HEAD "return moonlet.startup { name = 'x' .. math.random(1e9),\n"
                                    "run = function() end }";
    struct script_file file = {(char *)"x.lua", (char *)"x", (char *)text, strlen(text)};
    struct script_source source = {.name = (char *)"x", .files = &file, .count = 1};
    struct script_limits limits = {.seed = seed};
    struct script *script = lua_engine.load(h->engine, &source, &limits, NULL, &err);
    if (!script)
        fail_msg("%s", err.message);
    strbuf_adds(out, lua_engine.declaration(script));
    lua_engine.unload(script);
    return strbuf_view(out);
}

static void random_numbers_follow_the_seed_of_the_isolate(void **state) {
    struct harness *h = *state;
    struct strbuf one = {0}, same = {0}, other = {0};
    struct str first = first_random(h, 7ull << 40, &one);
    assert_true(str_equal(first, first_random(h, 7ull << 40, &same)));
    assert_false(str_equal(first, first_random(h, 8ull << 40, &other)));
    strbuf_finish(&one);
    strbuf_finish(&same);
    strbuf_finish(&other);
}

/* After its memory cap an isolate is dead; a new one loads and runs at once (R19). */
static void dead_isolate_is_rebuilt(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct error err;
    static const char text[] =
        APP "reconcile = function(app, ctx) local t = {}\n"
            "  if ctx.attempt == 1 and not app then for i = 1, 1e9 do t[i] = {} end end\nend }";
    for (int i = 0; i < 3; i++) {
        struct script *script = harness_try(h, "app.lua", text, 8 << 20, 10 * NS_PER_S, &err);
        assert_non_null(script);
        harness_call(h, script, "reconcile", NULL, &result);
        assert_int_equal(result.error.code, ERROR_NOMEM);
        script_result_finish(&result);
        harness_call(h, script, "reconcile", NULL, &result); /* fails at once, runs nothing */
        assert_int_equal(result.error.code, ERROR_NOMEM);
        script_result_finish(&result);
        lua_engine.unload(script);
    }
}

/* R18: pins count toward the limit and are given back by the collector. */
static void pins_are_given_back(void **state) {
    struct harness *h = *state;
    struct script_result result;
    struct error err;
    struct script *script =
        harness_try(h, "app.lua", APP "reconcile = function() end }", 4 << 20, 0, &err);
    assert_non_null(script);
    const struct object *app = harness_object(h, harness_app);
    for (int i = 0; i < 5000; i++) {
        harness_call(h, script, "reconcile", app, &result);
        if (result.state != SCRIPT_DONE)
            fail_msg("%d: %s", i, result.error.message);
        script_result_finish(&result);
        assert_true(lua_engine.memory(script) < 2 << 20); /* of which 256 pins are a quarter */
    }
    lua_engine.unload(script);
    object_unpin(app); /* harness_close() checks that it was the last pin */
}

/* Every allocation fails once: load, call and answer give NOMEM or work, and leak nothing. */
static void no_memory_is_survived(void **state) {
    struct harness *h = *state;
    static const char text[] =
        APP "reconcile = function(app, ctx) ctx:sleep(app.spec.size)\n"
            "  if app.spec.list[1].a == 1 then error({ message = 'x' .. app.metadata.name }) end\n"
            "end }";
    struct script_file file = {(char *)"app.lua", (char *)"app", (char *)text, sizeof text - 1};
    struct script_source source = {(char *)"app", &file, 1, 1};
    const struct object *app = harness_object(h, harness_app);
    bool failing = true, loaded = false;
    for (uint64_t n = 0; failing; n += loaded ? 1 : n < 200 ? 1 : 23) {
        struct script_result result;
        struct error err = {0};
        if (!loaded)
            mem_fail_at(n, false);
        struct script *script = lua_engine.load(h->engine, &source, NULL, NULL, &err);
        if (!loaded && !mem_fail_stop()) {
            loaded = true; /* the load is through: now the call */
            n = 0;
        }
        if (!script && err.code != ERROR_NOMEM)
            fail_msg("%d: %s", (int)n, err.message);
        if (!script)
            continue;
        if (loaded)
            mem_fail_at(n, false);
        harness_call(h, script, "reconcile", app, &result);
        if (result.state == SCRIPT_WAITING) {
            assert_int_equal(h->request_count, 1);
            lua_engine.answer(harness_take(h), &result);
        }
        failing = !loaded || mem_fail_stop();
        assert_int_equal(result.state, SCRIPT_FAILED);
        if (!failing)
            assert_string_equal(result.error.message, "app.lua:5: xdemo");
        script_result_finish(&result);
        lua_engine.unload(script);
    }
    assert_true(loaded);
    object_unpin(app);
}

/* The cap is met wherever memory is asked for: in a growing stack, in the VM's own string
 * functions, under pcall and without. */
static void memory_cap_is_met_anywhere(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "local function deep(n) if n == 0 then return 0 end return 1 + deep(n - 1) end deep(60000)",
        "local t = {} for i = 1, 1e6 do t[i] = string.char(i % 256, i / 256 % 256, i / 65536) end",
        "local s, t = ('x'):rep(3000), {} for i = 1, 1e6 do t[i] = s:sub(i % 1500, 2000 + i / "
        "1500) end",
        "local t = {} for i = 1, 1e6 do t[i] = tostring(i) end",
        "local t = {} for i = 1, 1e6 do pcall(function() t[i] = tostring(i):lower():reverse() end) "
        "end",
        "local t = {} for i = 1, 1e6 do t[i] = coroutine.wrap(function() return ('a'..i):upper() "
        "end)() end",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        for (size_t cap = 1000 << 10; cap < 1100 << 10; cap += 3001) {
            struct harness h;
            struct error err = {0};
            struct script_result result = {0};
            char text[600];
            snprintf(text, sizeof text, APP "reconcile = function() %s end }", bodies[i]);
            harness_open(&h);
            const struct object *app = harness_object(&h, harness_app);
            struct script *script = harness_try(&h, "app.lua", text, cap, 0, &err);
            assert_non_null(script);
            harness_call(&h, script, "reconcile", app, &result);
            assert_int_equal(result.state, SCRIPT_FAILED);
            script_result_finish(&result);
            lua_engine.unload(script);
            object_unpin(app);
            harness_close(&h);
        }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, harness_setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(random_numbers_follow_the_seed_of_the_isolate),
        TEST(dead_isolate_is_rebuilt),
        TEST(pins_are_given_back),
        TEST(no_memory_is_survived),
        cmocka_unit_test(memory_cap_is_met_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
