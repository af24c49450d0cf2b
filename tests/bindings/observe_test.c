#include <stdio.h>
#include <string.h>

#include "support/harness.h"

/* R9: Lua in the event path: indexes, `when`, `map`. */

struct world {
    struct harness h;
    struct script *script;
    struct store *pods;
};

static void open_world(struct world *world, const char *text) {
    struct error err;
    harness_open(&world->h);
    world->script = harness_load(&world->h, "app.lua", text);
    world->pods = harness_store(&world->h, "v1", "Pod");
    struct script_view views[] = {{0, "v1/Pod", world->pods, true, false},
                                  {0, "v1/ConfigMap", world->pods, true, false}};
    assert_int_equal(lua_engine.bind(world->script, views, 2, &err), 0);
}

static void close_world(struct world *world) {
    lua_engine.unload(world->script);
    store_destroy(world->pods);
    harness_close(&world->h);
}

static const struct object *pod(struct world *world, const char *name, const char *ip) {
    char json[300];
    snprintf(json, sizeof json,
             "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
             "\"ns1\",\"uid\":\"u-%s\",\"resourceVersion\":\"%d\"},\"status\":{\"podIP\":\"%s\"}}",
             name, name, 100 + (int)strlen(ip), ip);
    return harness_object(&world->h, json);
}

static void observe(struct world *world, const char *feed, const struct object *old,
                    const struct object *now, bool filter, bool map, struct script_result *ret) {
    struct script_change change = {.feed = feed,
                                   .kind =
                                       strncmp(feed, "watches", 7) == 0 ? "v1/ConfigMap" : "v1/Pod",
                                   .old = old,
                                   .now = now,
                                   .filter = filter,
                                   .map = map};
    memset(ret, 0, sizeof *ret);
    lua_engine.observe(world->script, &change, ret);
}

static const char *const program =
    "local moonlet = require 'moonlet'\n"
    "return moonlet.controller { name = 'app',\n"
    "  resource = { 'v1/Pod', when = function(new, old)\n"
    "    if new.metadata.name == 'bad' then error('broken when') end\n"
    "    if new.metadata.name == 'slow' then while true do end end\n"
    "    return new.status.podIP ~= 'no' end },\n"
    "  watches = { { 'v1/ConfigMap', map = function(o)\n"
    "    if o.metadata.name == 'bad' then return { {} } end\n"
    "    if o.metadata.name == 'none' then return nil end\n"
    "    return { 'one', 'ns2/two', { namespace = 'ns3', name = o.status.podIP }, 'one' } end } "
    "},\n"
    "  index = { ['v1/Pod'] = { by_ip = function(p) return p.status.podIP end } },\n"
    "  reconcile = function(p, ctx)\n"
    "    local names = {}\n"
    "    for _, o in ipairs(ctx:by('v1/Pod', 'by_ip', '1.1')) do names[#names + 1] = "
    "o.metadata.name end\n"
    "    ctx:event('Normal', 'Found', table.concat(names, ','))\n"
    "  end }";

static void expect_found(struct world *world, const char *names) {
    struct script_result result;
    harness_call(&world->h, world->script, "reconcile", NULL, &result);
    if (result.state != SCRIPT_DONE)
        fail_msg("%s", result.error.message);
    assert_int_equal(world->h.note_count, 1);
    struct script_note *note = world->h.notes[0];
    world->h.note_count = 0;
    assert_string_equal(note->c, names);
    script_note_destroy(note);
    script_result_finish(&result);
}

static void put(struct world *world, const struct object *object) {
    CLEANUP(strbuf_finish) struct strbuf json = {0};
    struct json_writer writer;
    json_writer_init(&writer, &json);
    node_write(object->dag, object->root, &writer);
    harness_put(world->pods, json.data);
}

static void index_follows_the_store(void **state) {
    (void)state;
    struct world world;
    struct script_result result;
    open_world(&world, program);
    const struct object *a = pod(&world, "a", "1.1"), *b = pod(&world, "b", "1.1"),
                        *moved = pod(&world, "a", "2.22");
    expect_found(&world, "");
    put(&world, b);
    put(&world, a);
    observe(&world, "resource", NULL, b, false, false, &result);
    assert_int_equal(result.state, SCRIPT_DONE);
    observe(&world, "resource", NULL, a, false, false, &result);
    expect_found(&world, "a,b");
    put(&world, moved); /* the store is ahead of the index */
    expect_found(&world, "b");
    observe(&world, "resource", a, moved, false, false, &result);
    expect_found(&world, "b");
    observe(&world, "resource", b, NULL, false, false, &result);
    expect_found(&world, "");
    object_unpin(a);
    object_unpin(b);
    object_unpin(moved);
    close_world(&world);
}

static void when_filters_and_its_errors_match(void **state) {
    (void)state;
    struct world world;
    struct script_result result;
    open_world(&world, program);
    static const struct {
        const char *name, *ip, *problem;
        bool matches;
    } cases[] = {{"a", "1.1", NULL, true},
                 {"a", "no", NULL, false},
                 {"bad", "1.1", "app.lua:4: broken when", true},
                 {"slow", "1.1", "app.lua:5: ran for", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct object *object = pod(&world, cases[i].name, cases[i].ip);
        observe(&world, "resource", NULL, object, true, false, &result);
        assert_int_equal(result.matches, cases[i].matches);
        if (cases[i].problem && !strstr(result.error.message, cases[i].problem))
            fail_msg("%s", result.error.message);
        assert_int_equal(result.error.code != 0, cases[i].problem != NULL);
        assert_null(result.keys);
        script_result_finish(&result);
        object_unpin(object);
    }
    close_world(&world);
}

static void map_gives_keys_of_old_and_new(void **state) {
    (void)state;
    struct world world;
    struct script_result result;
    open_world(&world, program);
    const struct object *a = pod(&world, "a", "x"), *b = pod(&world, "a", "yy"),
                        *bad = pod(&world, "bad", "x"), *none = pod(&world, "none", "x");
    observe(&world, "watches.1", a, b, false, true, &result);
    assert_string_equal(result.keys, "[\"ns1/one\",\"ns2/two\",\"ns3/x\",\"ns3/yy\"]");
    script_result_finish(&result);
    observe(&world, "watches.1", NULL, none, false, true, &result);
    assert_string_equal(result.keys, "[]");
    script_result_finish(&result);
    observe(&world, "watches.1", bad, b, false, true, &result); /* one error, the rest is done */
    assert_string_equal(result.keys, "[\"ns1/one\",\"ns2/two\",\"ns3/yy\"]");
    assert_non_null(strstr(result.error.message, "neither a key nor"));
    script_result_finish(&result);
    object_unpin(a);
    object_unpin(b);
    object_unpin(bad);
    object_unpin(none);
    close_world(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_follows_the_store),
        cmocka_unit_test(when_filters_and_its_errors_match),
        cmocka_unit_test(map_gives_keys_of_old_and_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
