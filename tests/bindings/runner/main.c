#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bindings/fail.h"
#include "bindings/library.h"
#include "bindings/run.h"
#include "bindings/script.h"
#include "bindings/view.h"
#include "support/harness.h"

/*
 * Runs one *_test.lua in a fresh isolate: run_lua FILE. The file sees the sandbox's globals,
 * `require` of the whole library with moonlet.core, and view(json), which gives a lazy view of a
 * cached object. Exit 1 when a case of moonlet.test failed.
 */
struct runner {
    struct harness harness;
    struct script script;
    unsigned cases, failures;
    const char *file;
    char *text;
    lua_State *co;
};

static char *read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    CLEANUP(strbuf_finish) struct strbuf text = {0};
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return NULL;
    }
    for (char *room; (room = strbuf_reserve(&text, 4096));) {
        size_t got = fread(room, 1, 4096, file);
        text.len += got;
        text.data[text.len] = '\0';
        if (got == 0)
            break;
    }
    fclose(file);
    return strbuf_take(&text);
}

static struct runner *runner_of(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

static int view(lua_State *L) { /* json metadata_only? */
    struct runner *runner = runner_of(L);
    struct error err;
    const char *json = luaL_checkstring(L, 1);
    node_t root = dag_parse(runner->harness.dag, str_of(json), 0, &err);
    if (root == NODE_NONE)
        return luaL_error(L, "view: %s", err.message);
    const struct object *object = object_create(runner->harness.epochs, root, &err);
    if (!object)
        return luaL_error(L, "view: %s", err.message);
    view_push(L, object, lua_toboolean(L, 2) ? "v1/Pod" : NULL);
    object_unpin(object);
    return 1;
}

static int build(lua_State *L) {
    struct runner *runner = lua_touserdata(L, 1);
    library_open(L);
    isolate_push_ref(L, REF_ENV);
    isolate_push_ref(L, REF_LIBRARY); /* env require */
    lua_setfield(L, -2, "require");
    lua_pushlightuserdata(L, runner);
    lua_pushcclosure(L, view, 1);
    lua_setfield(L, -2, "view");

    runner->co = lua_newthread(L);
    const char *slash = strrchr(runner->file, '/');
    lua_pushfstring(L, "@%s", slash ? slash + 1 : runner->file);
    if (luaL_loadbuffer(L, runner->text, strlen(runner->text), lua_tostring(L, -1)) != 0)
        return lua_error(L);
    isolate_push_ref(L, REF_ENV);
    lua_setfenv(L, -2);
    lua_xmove(L, runner->co, 1);
    lua_pop(L, 1);
    luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static const char *text_field(lua_State *L,
                              const char *name) { /* of the table on top; stays there */
    lua_getfield(L, -1, name);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text ? text : "";
}

/* The coroutine is about to run the cases that moonlet.test has written down. */
static int build_cases(lua_State *L) {
    struct runner *runner = lua_touserdata(L, 1);
    isolate_push_ref(L, REF_LIBRARY);
    lua_pushliteral(L, "moonlet.core.cases");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "run_all");
    lua_settop(runner->co, 0);
    lua_xmove(L, runner->co, 1);
    return 0;
}

/* Prints their outcomes, which the coroutine has returned. */
static int report(lua_State *L) {
    struct runner *runner = lua_touserdata(L, 1);
    lua_xmove(runner->co, L, 1);
    runner->cases = (unsigned)lua_objlen(L, -1);
    for (unsigned i = 1; i <= runner->cases; i++) {
        lua_rawgeti(L, -1, (int)i);
        lua_getfield(L, -1, "ok");
        bool ok = lua_toboolean(L, -1);
        lua_pop(L, 1);
        printf("%s %u - %s\n", ok ? "ok" : "not ok", i, text_field(L, "sentence"));
        if (!ok) {
            runner->failures++;
            printf("#   %s\n", text_field(L, "problem"));
        }
        lua_pop(L, 1);
    }
    return 0;
}

static bool resume(struct runner *runner) {
    struct failure failure;
    if (isolate_resume(runner->script.isolate, runner->co, 0) == 0)
        return true;
    mlua_read_failure(runner->script.isolate, runner->co, "", &failure);
    printf("# %s\n", failure.error.message);
    return false;
}

static int run(struct runner *runner) {
    struct error err = {0};
    struct script *script = &runner->script;
    list_init(&script->runs);
    script->engine = runner->harness.engine;
    script->definition = (unsigned)-1;
    script->source.name = (char *)"test";
    script->isolate =
        isolate_create(script->engine->watchdog, 256 << 20, 300 * NS_PER_S, script, &err);
    if (!script->isolate || isolate_build(script->isolate, build, runner, &err) < 0) {
        printf("# %s: %s\n", runner->file, err.message);
        return 1;
    }
    if (!resume(runner))
        return 1;
    if (isolate_build(script->isolate, build_cases, runner, &err) < 0) {
        printf("# %s: %s\n", runner->file, err.message);
        return 1;
    }
    if (!resume(runner))
        return 1;
    if (isolate_build(script->isolate, report, runner, &err) < 0) {
        printf("# %s: %s\n", runner->file, err.message);
        return 1;
    }
    printf("1..%u\n", runner->cases);
    return runner->failures || !runner->cases;
}

int main(int argc, char **argv) {
    static struct runner runner;
    if (argc != 2) {
        fprintf(stderr, "usage: %s FILE_test.lua\n", argv[0]);
        return 2;
    }
    runner.file = argv[1];
    harness_open(&runner.harness);
    runner.text = read_file(argv[1]);
    int rc = runner.text ? run(&runner) : 1;
    isolate_destroy(runner.script.isolate);
    mem_free(runner.text);
    harness_close(&runner.harness);
    return rc;
}
