#include <stdio.h>
#include <string.h>

#include "support/harness.h"

/* ctx (lua-api §5): what each call asks of the host, what it raises, how waits pass through Lua. */

static const char *const pod_json =
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"demo\",\"namespace\":\"ns1\","
    "\"uid\":\"u1\",\"resourceVersion\":\"5\",\"labels\":{\"app\":\"web\"}},\"spec\":{\"n\":1}}";

static const char *const definition =
    "local moonlet = require 'moonlet'\n"
    "return moonlet.controller { name = 'app', resource = 'v1/Pod', owns = { 'v1/ConfigMap' },\n"
    "  reads = { 'v1/Secret' }, writes = { { 'v1/Node', verbs = { 'patch', 'bind' } }, "
    "'v1/ServiceAccount' "
    "},\n"
    "  secrets = { 'token', 'other/key' }, http = { 'https://api.example.com/v1' },\n"
    "  reconcile = function(pod, ctx)\n%s\nend }";

static void add(struct strbuf *out, const char *name, const char *value) {
    if (value)
        strbuf_printf(out, " %s=%s", name, value);
}

/* One line per request, only what is set. */
static void describe(struct strbuf *out, const struct script_request *request) {
    static const char *const ops[] = {"apply",    "create",    "update", "patch", "delete",
                                      "status",   "evict",     "scale",  "bind",  "token",
                                      "live_get", "live_list", "secret", "sleep", "http"};
    strbuf_printf(out, "%s%s", out->len ? "\n" : "", ops[request->op]);
    add(out, "kind", request->kind);
    add(out, "ns", request->ns);
    add(out, "name", request->name);
    add(out, "key", request->key);
    add(out, "sub", request->subresource);
    add(out, "manager", request->manager);
    add(out, "patch", request->patch_type);
    add(out, "propagation", request->propagation);
    add(out, "uid", request->precondition_uid);
    add(out, "version", request->precondition_version);
    add(out, "labels", request->labels);
    add(out, "fields", request->fields);
    add(out, "method", request->method);
    add(out, "url", request->url);
    add(out, "headers", request->headers);
    if (request->force >= 0)
        strbuf_printf(out, " force=%d", request->force);
    if (request->owner >= 0)
        strbuf_printf(out, " owner=%d", request->owner);
    if (request->create >= 0)
        strbuf_printf(out, " create=%d", request->create);
    if (request->grace_s >= 0)
        strbuf_printf(out, " grace=%g", request->grace_s);
    if (request->replicas)
        strbuf_printf(out, " replicas=%d", (int)request->replicas);
    if (request->delay_ns)
        strbuf_printf(out, " delay=%g", (double)request->delay_ns / 1e9);
    if (request->retries)
        strbuf_printf(out, " retries=%u", request->retries);
    if (request->base)
        strbuf_adds(out, " base");
    if (request->body.len)
        strbuf_printf(out, " %s", request->body.data);
}

static void give(struct harness *h, struct script_request *request) {
    switch (request->op) {
    case SCRIPT_DELETE:
        request->found = true;
        break;
    case SCRIPT_SECRET:
        strbuf_adds(&request->text, "s3cret");
        break;
    case SCRIPT_LIVE_LIST:
        strbuf_adds(&request->text, "[{\"metadata\":{\"name\":\"a\"}},{\"metadata\":{}}]");
        break;
    case SCRIPT_TOKEN:
        strbuf_adds(&request->text, "{\"status\":{\"token\":\"jwt\"}}");
        break;
    case SCRIPT_HTTP:
        request->status = 201;
        request->headers_out = mem_strdup("{\"content-type\":\"text/plain\"}");
        strbuf_adds(&request->text, "body");
        break;
    case SCRIPT_LIVE_GET:
        if (strcmp(request->name, "absent") == 0)
            break;
        /* fall through */
    default:
        request->object = harness_object(h, "{\"kind\":\"Answer\",\"metadata\":{\"name\":\"x\"}}");
    }
}

struct scenario {
    const char *name, *body;
    const char *asked;   /* lines of describe(), or NULL: not compared */
    const char *problem; /* part of the error; NULL: it must succeed */
};

static void play(const struct scenario *scenario) {
    struct harness h;
    struct script_result result;
    CLEANUP(strbuf_finish) struct strbuf text = {0}, asked = {0};
    strbuf_printf(&text, definition, scenario->body);
    strbuf_reserve(&asked, 1 << 14);
    harness_open(&h);
    struct script *script = harness_load(&h, "app.lua", text.data);
    struct store *stores[3] = {harness_store(&h, "v1", "Pod"), harness_store(&h, "v1", "ConfigMap"),
                               harness_store(&h, "v1", "Secret")};
    harness_put(stores[0], pod_json);
    static const char *const maps[] = {"b", "a", "c"};
    for (int i = 0; i < 3; i++) {
        char json[400];
        snprintf(json, sizeof json,
                 "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"%s\","
                 "\"namespace\":\"ns%d\",\"uid\":\"c%d\",\"resourceVersion\":\"%d\",\"labels\":{"
                 "\"n\":\"%d\"}%s},\"data\":{\"k\":\"v\"}}",
                 maps[i], i == 2 ? 0 : 1, i, 10 + i, i,
                 i == 1 ? ",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":"
                          "\"demo\",\"uid\":\"u1\",\"controller\":true}]"
                        : "");
        harness_put(stores[1], json);
    }
    struct script_view views[] = {{0, "v1/Pod", stores[0], true, false},
                                  {0, "v1/ConfigMap", stores[1], true, false},
                                  {0, "v1/Secret", stores[2], true, true}};
    struct error err;
    assert_int_equal(lua_engine.bind(script, views, 3, &err), 0);
    const struct object *pod = harness_object(&h, pod_json);
    harness_call(&h, script, "reconcile", pod, &result);
    while (result.state == SCRIPT_WAITING) {
        struct script_request *request = harness_take(&h);
        describe(&asked, request);
        give(&h, request);
        memset(&result, 0, sizeof result);
        lua_engine.answer(request, &result);
    }
    if (scenario->problem) {
        if (result.state != SCRIPT_FAILED || !strstr(result.error.message, scenario->problem))
            fail_msg("%s: %s", scenario->name, result.error.message);
        if (!strstr(result.error.message, "app.lua:"))
            fail_msg("%s: no line: %s", scenario->name, result.error.message);
    } else if (result.state != SCRIPT_DONE) {
        fail_msg("%s: %s", scenario->name, result.error.message);
    }
    if (scenario->asked && strcmp(asked.len ? asked.data : "", scenario->asked) != 0)
        fail_msg("%s: asked\n%s\nnot\n%s", scenario->name, asked.len ? asked.data : "",
                 scenario->asked);
    script_result_finish(&result);
    object_unpin(pod);
    lua_engine.unload(script);
    for (int i = 0; i < 3; i++)
        store_destroy(stores[i]);
    harness_close(&h);
}

static void play_all(const struct scenario *scenarios, size_t count) {
    for (size_t i = 0; i < count; i++)
        play(&scenarios[i]);
}
#define PLAY(scenarios) play_all(scenarios, sizeof(scenarios) / sizeof *(scenarios))

#define CM "{ apiVersion = 'v1', kind = 'ConfigMap', metadata = { name = 'x' } }"
#define CM_JSON "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"}}"

static void writes_ask_the_host(void **state) {
    (void)state;
    static const struct scenario scenarios[] = {
        {"apply", "ctx:apply(" CM ")", "apply kind=v1/ConfigMap name=x " CM_JSON, NULL},
        {"apply options",
         "ctx:apply(" CM ", { force = false, owner = true, create = true, manager = 'm' })",
         "apply kind=v1/ConfigMap name=x manager=m force=0 owner=1 create=1 " CM_JSON, NULL},
        {"apply answers", "assert(ctx:apply(" CM ").kind == 'Answer')", NULL, NULL},
        {"apply twice the same", "ctx:apply(" CM ") ctx:apply(" CM ")", NULL, NULL},
        {"R3: a second intent", "ctx:apply(" CM ") local o = " CM " o.data = {} ctx:apply(o)", NULL,
         "a second, different intent for v1/ConfigMap x"},
        {"R3: a second intent that says the namespace",
         "ctx:apply(" CM ") local o = " CM " o.metadata.namespace = ctx.key.namespace ctx:apply(o)",
         NULL, "a second, different intent for v1/ConfigMap x"},
        {"R3: a second intent under a name",
         "ctx:apply(" CM ") local o = " CM " o.data = {} ctx:apply(o, { manager = 'two' })", NULL,
         NULL},
        {"R3: apply of what was read", "ctx:apply(pod)", "",
         "apply what you own, or use ctx:update"},
        {"apply of nonsense", "ctx:apply('x')", "", "app.lua:6: ctx:apply: an object"},
        {"apply without a kind", "ctx:apply { apiVersion = 'v1', metadata = { name = 'x' } }", "",
         "ctx:apply: kind is missing"},
        {"apply without a name", "ctx:apply { apiVersion = 'v1', kind = 'ConfigMap' }", "",
         "ctx:apply: metadata.name is missing"},
        {"unknown option", "ctx:apply(" CM ", { forse = true })", "",
         "unknown option 'forse' (known: create, force, manager, owner)"},
        {"undeclared kind",
         "ctx:apply { apiVersion = 'apps/v1', kind = 'Deployment', "
         "metadata = { name = 'x' } }",
         "", "add writes = { \"apps/v1/Deployment\" }, or owns = { \"apps/v1/Deployment\" }"},
        {"undeclared verb", "ctx:delete { apiVersion = 'v1', kind = 'Node', name = 'x' }", "",
         "may not delete v1/Node: add \"delete\" to the verbs"},
        {"what cannot be JSON", "local o = " CM " o.data = { f = print } ctx:apply(o)", "",
         "data.f: a function has no JSON form"},
        {"create", "ctx:create(" CM ", { owner = false })",
         "create kind=v1/ConfigMap name=x owner=0 " CM_JSON, NULL},
        {"update", "pod.spec.n = 2 ctx:update(pod)",
         "update kind=v1/Pod ns=ns1 name=demo base "
         "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"labels\":{\"app\":\"web\"},"
         "\"name\":\"demo\",\"namespace\":\"ns1\",\"resourceVersion\":\"5\",\"uid\":\"u1\"},"
         "\"spec\":{\"n\":2}}",
         NULL},
        {"update of what was not read", "ctx:update(" CM ")", "", "was not read from the cache"},
        {"patch", "ctx:patch(pod, { spec = { n = moonlet.null } })",
         "patch kind=v1/Pod ns=ns1 name=demo patch=merge {\"spec\":{\"n\":null}}", NULL},
        {"patch of a ref",
         "ctx:patch({ apiVersion = 'v1', kind = 'Node', name = 'n' }, { { op = 'test' } }, 'json', "
         "{ subresource = 'status' })",
         "patch kind=v1/Node name=n sub=status patch=json [{\"op\":\"test\"}]", NULL},
        {"patch type", "ctx:patch(pod, {}, 'apply')", "", "\"merge\", \"json\" or \"strategic\""},
        {"delete",
         "assert(ctx:delete(" CM ", { grace = '10s', propagation = 'Foreground', "
         "precondition = { uid = 'u' } }) == true)",
         "delete kind=v1/ConfigMap name=x propagation=Foreground uid=u grace=10", NULL},
        {"set_status", "ctx:set_status { ready = true }",
         "status kind=v1/Pod ns=ns1 name=demo uid=u1 {\"ready\":true}", NULL},
        {"set_status of nothing", "ctx:set_status()", "", "the status is a table"},
        {"evict", "ctx:evict({ apiVersion = 'v1', kind = 'ConfigMap', name = 'x' }, { grace = 0 })",
         "evict kind=v1/ConfigMap name=x grace=0", NULL},
        {"bind",
         "assert(ctx:bind({ apiVersion = 'v1', kind = 'Node', metadata = { name = 'x', uid = 'u' } "
         "}, 'n') == true)",
         "bind kind=v1/Node name=x uid=u {\"apiVersion\":\"v1\",\"kind\":\"Node\","
         "\"name\":\"n\"}",
         NULL},
        {"bind to nothing", "ctx:bind(pod)", "", "node is a name"},
        {"bind what may not be", "ctx:bind(pod, 'n')", "",
         "may not bind v1/Pod: add { \"v1/Pod\", verbs = { \"bind\" } } to its writes"},
        {"scale", "ctx:scale(pod, 3)", "scale kind=v1/Pod ns=ns1 name=demo replicas=3", NULL},
        {"scale by halves", "ctx:scale(pod, 0.5)", "", "replicas is a whole number"},
        {"token", "assert(ctx:token('sa', { audiences = { 'a' }, expires = '10m' }) == 'jwt')",
         "token kind=v1/ServiceAccount ns=ns1 name=sa {\"audiences\":[\"a\"],\"expirationSeconds\":"
         "600}",
         NULL},
    };
    PLAY(scenarios);
}

static void reads_come_from_the_cache(void **state) {
    (void)state;
    static const struct scenario scenarios[] = {
        {"get", "assert(ctx:get('v1/ConfigMap', 'a').data.k == 'v')", "", NULL},
        {"get elsewhere",
         "assert(ctx:get('v1/ConfigMap', 'c') == nil and ctx:get('v1/ConfigMap', 'c', 'ns0'))", "",
         NULL},
        {"list is sorted",
         "local n = {} for _, o in ipairs(ctx:list('v1/ConfigMap')) do n[#n + 1] = o.metadata.name "
         "end assert(table.concat(n, ',') == 'c,a,b')",
         "", NULL},
        {"list selects",
         "assert(#ctx:list('v1/ConfigMap', { namespace = 'ns1' }) == 2)\n"
         "assert(ctx:list('v1/ConfigMap', { labels = { n = { '1', '5' } } })[1].metadata.name == "
         "'a')\n"
         "assert(#ctx:list('v1/ConfigMap', { labels = 'n in (0,2)' }) == 2)\n"
         "assert(#ctx:list('v1/ConfigMap', { fields = 'metadata.name=b' }) == 1)\n"
         "assert(#ctx:list('v1/ConfigMap', { when = function(o) return o.metadata.name > 'a' end "
         "}) == 2)",
         "", NULL},
        {"list with a broken selector", "ctx:list('v1/ConfigMap', { labels = 'a in b' })", "",
         "labels: "},
        {"keys", "assert(tostring(ctx:keys('v1/ConfigMap')[1]) == 'ns0/c')", "", NULL},
        {"owned",
         "local o = ctx:owned('v1/ConfigMap') assert(#o == 1 and o[1].metadata.name == 'a')", "",
         NULL},
        {"undeclared", "ctx:get('v1/Node', 'x')", "",
         "app.lua:6: v1/Node is not declared: add reads = { \"v1/Node\" } to 'app'"},
        {"no kind", "ctx:list('Pod')", "", "a kind is written"},
        {"undeclared index", "ctx:by('v1/Pod', 'x', 1)", "", "index 'x' is not declared"},
        {"R4: update of what get gave",
         "local o = ctx:get('v1/ConfigMap', 'a') o.data.k = 'w' ctx:update(o)", NULL, NULL},
        {"live",
         "assert(ctx.live:get('v1/Secret', 'absent') == nil)\n"
         "assert(ctx.live:get('v1/Secret', 's', 'n').kind == 'Answer')\n"
         "local l = ctx.live:list('v1/Pod', { labels = { a = true, b = false } })\n"
         "assert(#l == 2 and l[1].metadata.name == 'a')",
         "live_get kind=v1/Secret ns=ns1 name=absent\nlive_get kind=v1/Secret ns=n name=s\n"
         "live_list kind=v1/Pod labels=a,!b",
         NULL},
        {"a copy is private", "pod.spec.n = 9 assert(ctx:get('v1/Pod', 'demo').spec.n == 1)", "",
         NULL},
    };
    PLAY(scenarios);
}

static void other_calls(void **state) {
    (void)state;
    static const struct scenario scenarios[] = {
        {"secret", "assert(ctx:secret('token', 'k') == 's3cret') ctx:secret('key', 'k', 'other')",
         "secret name=token key=k\nsecret ns=other name=key key=k", NULL},
        {"undeclared secret", "ctx:secret('key', 'k')", "", "add secrets = { \"key\" } to 'app'"},
        {"sleep", "ctx:sleep '1m'", "sleep delay=60", NULL},
        {"sleep how long", "ctx:sleep 'long'", "", "a duration is \"30s\""},
        {"requeue wrong", "ctx:requeue(-1)", "", "ctx:requeue: a duration"},
        {"now", "assert(ctx:now() == os.time())", "", NULL},
        {"host", "assert(ctx.host.namespace == 'moonlet-system' and ctx.name == 'app')", "", NULL},
        {"event", "ctx:event('Normal', 'Made', 'it', pod) ctx:event('Warning', 'No', 'm')", "",
         NULL},
        {"event type", "ctx:event('Bad', 'a', 'b')", "", "\"Normal\" or \"Warning\""},
        {"metric", "ctx:counter('made_total') ctx:gauge('size', 3, { kind = 'x' })", "", NULL},
        {"metric name", "ctx:counter('made total')", "", "a metric's name"},
        {"without a colon", "ctx.get('v1/Pod', 'x')", "", "call it with a colon"},
        {"permanent", "error(moonlet.permanent 'never')", "", "app.lua:6: never"},
        {"returns an answer", "return true", "", NULL},
        {"returns a table", "return { requeue = true }", "",
         "app.lua:5: reconcile returned a table with requeue: return nothing, or \"30s\""},
    };
    PLAY(scenarios);
}

/* R20: waits pass through pcall, xpcall and coroutines, and not through C. */
static void waits_pass_through_lua(void **state) {
    (void)state;
    static const struct scenario scenarios[] = {
        {"pcall", "local ok, v = pcall(function() ctx:sleep(1) return 5 end) assert(ok and v == 5)",
         "sleep delay=1", NULL},
        {"xpcall",
         "local ok, v, w = xpcall(function(a) ctx:sleep(1) error('x' .. a, 0) end, function(e) "
         "ctx:sleep(2) return e .. '!' end, 'y') assert(not ok and v == 'xy!')",
         "sleep delay=1\nsleep delay=2", NULL},
        {"coroutine",
         "local co = coroutine.wrap(function(a) ctx:sleep(1) local b = coroutine.yield(a + 1)\n"
         "ctx:sleep(2) return b * 2 end) assert(co(1) == 2 and co(5) == 10)",
         "sleep delay=1\nsleep delay=2", NULL},
        {"coroutine in a coroutine",
         "coroutine.wrap(function() coroutine.wrap(function() ctx:sleep(1) end)() ctx:sleep(2) "
         "end)()",
         "sleep delay=1\nsleep delay=2", NULL},
        {"iterator",
         "local function each() return coroutine.wrap(function() for i = 1, 2 do ctx:sleep(i) "
         "coroutine.yield(i) end end) end local n = 0 for i in each() do n = n + i end assert(n == "
         "3)",
         "sleep delay=1\nsleep delay=2", NULL},
        {"metamethod",
         "local t = setmetatable({}, { __index = function(_, k) ctx:sleep(k) return k end })\n"
         "assert(t[3] == 3)",
         "sleep delay=3", NULL},
        {"sort", "table.sort({ 2, 1 }, function(a, b) ctx:sleep(1) return a < b end)", "",
         "app.lua:6: cannot wait here"},
        {"gsub", "('x'):gsub('x', function() ctx:sleep(1) end)", "", "app.lua:6: cannot wait here"},
        {"coroutine in sort",
         "table.sort({ 2, 1 }, function() coroutine.wrap(function() ctx:sleep(1) end)() end)", "",
         "app.lua:6: cannot wait here"},
        {"parallel",
         "local r = ctx:parallel { function() ctx:sleep(1) return 'a' end, function() ctx:sleep(2) "
         "ctx:sleep(3) return 'b' end, function() return 'c' end }\n"
         "assert(r[1] == 'a' and r[2] == 'b' and r[3] == 'c')",
         "sleep delay=1\nsleep delay=2\nsleep delay=3", NULL},
        {"parallel in parallel",
         "local r = ctx:parallel { function() return ctx:parallel { function() ctx:sleep(1) return "
         "1 end, function() ctx:sleep(2) return 2 end } end, function() ctx:sleep(3) return 3 end "
         "} assert(r[1][2] == 2 and r[2] == 3)",
         "sleep delay=1\nsleep delay=2\nsleep delay=3", NULL},
        {"parallel fails after all have ended",
         "local ended ctx:parallel { function() error('first', 0) end, function() ctx:sleep(1) "
         "ended = true end } error('not reached')",
         "sleep delay=1", "first"},
        {"parallel in a coroutine",
         "coroutine.wrap(function() ctx:parallel { function() ctx:sleep(1) end, function() "
         "coroutine.wrap(function() ctx:sleep(2) end)() end } end)()",
         "sleep delay=1\nsleep delay=2", NULL},
        {"a waiting coroutine is not resumed by another",
         "local co = coroutine.create(function() ctx:sleep(1) end)\n"
         "ctx:parallel { function() assert(coroutine.resume(co)) end, function()\n"
         "local ok, why = coroutine.resume(co) assert(not ok and why:find 'waits') end }",
         "sleep delay=1", NULL},
        {"status and running",
         "assert(coroutine.running() == nil) local co co = coroutine.create(function() "
         "assert(coroutine.running() == co and coroutine.status(co) == 'running') end) "
         "assert(coroutine.resume(co)) assert(coroutine.status(co) == 'dead')",
         "", NULL},
    };
    PLAY(scenarios);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_ask_the_host),
        cmocka_unit_test(reads_come_from_the_cache),
        cmocka_unit_test(other_calls),
        cmocka_unit_test(waits_pass_through_lua),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
