-- moonlet.test: comparisons that fail, misuse of t.call, and what a call writes down.
local t = require "moonlet.test"
local moonlet = require "moonlet"
local http = require "moonlet.http"
local s = require "moonlet.schema"

local App = moonlet.resource {
  group = "example.com", version = "v1", kind = "App",
  spec = s.object { size = s.integer { default = 1 } }, status = s.any(),
}
local function app(spec)
  return { apiVersion = "example.com/v1", kind = "App", spec = spec or { size = 1 },
    metadata = { name = "demo", namespace = "ns", uid = "1" } }
end
local function controller(reconcile, more)
  local fields = { name = "app", resource = App, owns = { "v1/ConfigMap" }, reads = { "v1/Node" },
    secrets = { "token" }, http = { "https://api.example.com" }, reconcile = reconcile }
  for name, value in pairs(more or {}) do fields[name] = value end
  return moonlet.controller(fields)
end
local function map(name, data)
  return { apiVersion = "v1", kind = "ConfigMap", metadata = { name = name }, data = data }
end
local function reconcile(f, options, more)
  return t.call(controller(f, more), "reconcile", app(), options)
end

t.case("a comparison that fails names its line and both values", function()
  local problem = t.raises(function() t.equal({ a = 1 }, { a = 2 }, "sizes") end)
  t.match(problem, "test_test.lua:29: sizes: expected { a = 2 }, got { a = 1 }")
  t.raises(function() t.equal({}, moonlet.array {}) end, "expected moonlet.array {}, got {}")
  t.raises(function() t.equal({ "b", { 1 } }, { nil, 2 }) end, 'expected { 2 = 2 }, got { "b", { 1 } }')
  t.raises(function() t.ok(nil) end, "expected something true, got nil")
  t.raises(function() t.match("abc", "x.z") end, 'expected "x.z" in "abc"')
  t.raises(function() t.raises(function() end, "x") end, 'expected an error with "x"')
  t.raises(function() t.raises(function() error "y" end, "x") end, 'got "test_test.lua:36: y"')
  t.match("a(b", "a(") -- plain text, no pattern
end)

t.case("`sim` asks for a simulation, and knows its names", function(sim)
  t.raises(function() sim:settle() end, "there is no simulation here; run `moonlet test`")
  t.raises(function() sim:setle() end, "sim has no setle, did you mean sim:settle?")
  t.raises(function() sim:load(1) end, "sim:load: name: a string expected")
  t.raises(function() sim:advance "soon" end, 'a duration is "30s"')
  t.raises(function() t.case("x", print) end, "a case cannot declare another")
end)

t.case("misuse of t.call is raised at the caller's line", function()
  local c = controller(function() end)
  t.raises(function() t.call(c, "reconcil", app()) end, 'unknown handler "reconcil", did you mean "reconcile"?')
  t.raises(function() t.call(c, "finalize", app()) end, "there is no handler 'finalize'")
  t.raises(function() t.call({}, "reconcile", app()) end, "what a controller's file returns is expected")
  t.raises(function() t.call(c, "reconcile", {}) end, "test_test.lua:53: t.call: object: an object with apiVersion")
  t.raises(function() t.call(c, "reconcile", app(), { chache = {} }) end, 'did you mean "cache"?')
  t.raises(function() t.call(c, "reconcile", app(), { answers = { htp = 1 } }) end, 'did you mean "http"?')
  t.raises(function() t.call(c, "reconcile", app(), { cache = { {} } }) end, "t.call.cache[1]")
  t.raises(function() t.call({ c, moonlet.controller { name = "b", resource = App, reconcile = print } },
    "reconcile", app()) end, "app and b have a reconcile; say which")
end)

t.case("an error of the handler is in run.error, with its line", function()
  local run = reconcile(function() error "boom" end)
  t.match(tostring(run.error), "test_test.lua:62: boom")
  run = reconcile(function() error(moonlet.retry_after("30s", "later")) end)
  t.equal(run.error.retry_after, 30)
end)

t.case("what a handler may not return is an error that says what it may", function()
  local run = reconcile(function() return { requeue = true } end)
  t.match(tostring(run.error), 'reconcile returned a table with requeue: return nothing, or "30s" to be called again')
  t.match(tostring(run.error), 'did you mean ctx:requeue "30s"?')
  t.match(tostring(reconcile(function() return {} end).error), "reconcile returned a table: return nothing")
  t.match(tostring(reconcile(function() return print end).error), "reconcile returned a function: return nothing")
  t.match(tostring(reconcile(function() return "soon" end).error), "what reconcile returned: a duration is")
  t.match(tostring(reconcile(function(_, ctx) ctx:requeue "1s" return {} end).error), "reconcile returned a table")
end)

t.case("the answer of a write may be returned, and means nothing", function()
  local run = reconcile(function(_, ctx) return ctx:apply(map("a", { k = "1" })) end)
  t.equal({ run.error, run.requeue }, {})
  run = reconcile(function(_, ctx) return ctx:delete(map("a")) end)
  t.equal({ run.error, run.requeue }, {})
end)

t.case("the real ctx runs: an undeclared kind, a second intent (R3) and a cached object (R3) are refused", function()
  local run = reconcile(function(_, ctx) ctx:get("v1/Secret", "x") end)
  t.match(tostring(run.error), 'add reads = { "v1/Secret" }')
  run = reconcile(function(_, ctx) ctx:apply(map("a", { k = "1" })) ctx:apply(map("a", { k = "2" })) end)
  t.match(tostring(run.error), "a second, different intent")
  run = reconcile(function(obj, ctx) ctx:apply(obj) end)
  t.match(tostring(run.error), "apply what you own, or use ctx:update")
  run = reconcile(function(_, ctx) ctx:apply { apiVersion = "v1", kind = "Pod", metadata = { name = "p" } } end,
    nil, { writes = { "v1/Pod" } })
  t.match(tostring(run.error), "say { create = true }") -- R2
end)

t.case("writes are written down, answered, and read back", function()
  local run = reconcile(function(obj, ctx)
    local made = ctx:apply(map("a", { k = "1" }))
    t.equal(made.metadata.namespace, "ns")
    t.equal(made.metadata.ownerReferences[1].uid, "1")
    t.equal(ctx:get("v1/ConfigMap", "a").data.k, "1") -- R5
    t.equal(#ctx:owned "v1/ConfigMap", 1)
    ctx:patch(made, { data = { l = "2" } })
    t.equal(ctx:delete(made), true)
    t.equal(ctx:delete(made), false)
    obj.spec.size = 3
    ctx:update(obj)
    ctx:set_status { ready = true }
    ctx:event("Normal", "Made", "it is there")
    ctx:gauge("size", 3, { of = "app" })
    ctx:requeue "30s"
  end)
  t.equal(run.error, nil)
  t.equal(run.applied, { map("a", { k = "1" }) })
  t.equal(run.patched[1].patch, { data = { l = "2" } })
  t.equal(run.deleted[1].name, "a")
  t.equal(run.updated[1].spec.size, 3)
  t.equal(run.status, { ready = true })
  t.equal(run.events, { { type = "Normal", reason = "Made", message = "it is there" } })
  t.equal(run.metrics, { { type = "gauge", name = "size", labels = { of = "app" }, value = 3 } })
  t.equal(run.requeue, 30)
  t.equal(run.get(App, "demo").status, { ready = true })
  t.equal(run.get("v1/ConfigMap", "a"), nil)
end)

t.case("the cache, the clock, the config and indexes are the test's", function()
  local node = { apiVersion = "v1", kind = "Node", metadata = { name = "n1", labels = { zone = "a" } } }
  local run = reconcile(function(_, ctx)
    t.equal(ctx:get("v1/Node", "n1").metadata.labels.zone, "a")
    t.equal(#ctx:list("v1/Node", { labels = "zone in (a,b)" }), 1)
    t.equal(#ctx:list("v1/Node", { labels = { zone = "b" } }), 0)
    t.equal(#ctx:list("v1/Node", { fields = "metadata.name!=n1" }), 0)
    t.equal(tostring(ctx:keys("v1/Node")[1]), "n1")
    t.equal(ctx:by("v1/Node", "zone", "a")[1].metadata.name, "n1")
    t.equal(ctx.config.threshold, 90)
    t.equal(ctx.attempt, 2)
    ctx:sleep "1m"
    t.equal(ctx:now(), 160)
    t.equal(os.time(), 160)
    ctx.log:info("slept", { for_ = 60 })
    return "5m"
  end, { cache = { node }, now = 100, config = { threshold = 90 }, attempt = 2 }, {
    config = { threshold = s.integer { default = 80 } },
    index = { ["v1/Node"] = { zone = function(n) return n.metadata.labels.zone end } },
  })
  t.equal(run.error, nil)
  t.equal(run.slept, { 60 })
  t.equal(run.requeue, 300)
  t.equal(run.log[1].message, "slept")
end)

t.case("answers stand in for secrets, services and refusals", function()
  local tries = 0
  local run = reconcile(function(_, ctx)
    local answer, message = http.post { url = "https://api.example.com/v1", json = { a = 1 }, timeout = "5s",
      headers = { Authorization = ctx:secret("token", "key") } }
    t.equal(answer, nil)
    t.match(message, "refused")
    answer = http.get "https://api.example.com/v1"
    t.equal(answer.status, 201)
    t.equal(answer:json(), { id = 7 })
    local ok, problem = pcall(ctx.apply, ctx, map("a"))
    t.ok(not ok and problem.code == "conflict" and problem.status == 409)
    ctx:apply(map("a"))
  end, { answers = {
    secret = { ["token/key"] = "s3cret" },
    http = { t.refuse("unavailable", "refused"), { status = 201, json = { id = 7 } } },
    apply = function() tries = tries + 1 return tries == 1 and t.refuse("conflict", "changed", { status = 409 }) end,
  } })
  t.equal(run.error, nil)
  t.equal(#run.applied, 1)
  t.equal(run.requests[1].body, '{"a":1}')
  t.equal(run.requests[1].headers["Content-Type"], "application/json")
  t.equal(run.requests[2].method, "GET")
end)

t.case("objects of the test are held to their schema, at the test's line", function()
  local c = controller(function() end)
  local function wrong(spec, pattern, options)
    local problem = t.raises(function() t.call(c, "reconcile", app(spec), options) end, pattern)
    t.match(tostring(problem), "^test_test.lua:%d+: ")
  end
  wrong({ size = "x" }, "object: App demo: spec.size is not an integer")
  wrong({ siz = 1 }, 'object: App demo: spec has no field siz, did you mean "size"?')
  wrong({ size = 1 }, "cache[1]: App demo: spec.size is not an integer", { cache = { app { size = 1.5 } } })
  t.raises(function()
    t.call(controller(nil, { on = { event = print } }), "on.event", "updated", app(), app { size = {} })
  end, "old: App demo: spec.size is not an integer")
end)

t.case("a write that its schema does not allow is refused, as the server would", function()
  local Strict = moonlet.resource { group = "example.com", version = "v1", kind = "App",
    spec = s.object { size = s.integer { default = 1 } }, status = s.object { state = s.enum { "A", "B" } } }
  local function run_with(f)
    return t.call(controller(f, { resource = Strict }), "reconcile", app())
  end
  local run = run_with(function(_, ctx) ctx:set_status { state = "C" } end)
  t.equal({ run.error.code, run.error.status, run.error.reason }, { "rejected", 422, "Invalid" })
  t.match(run.error.message, "App demo: status.state is none of A, B")
  t.equal(run.get(Strict, "demo").status, nil)
  run = run_with(function(obj, ctx) ctx:patch(obj, { spec = { size = "x" } }) end)
  t.match(run.error.message, "spec.size is not an integer")
  run = run_with(function(_, ctx) ctx:set_status { state = "B" } end)
  t.equal(run.error, nil)
end)

t.case("a JSON patch is applied, or refused whole", function()
  local run = reconcile(function(obj, ctx)
    ctx:patch(obj, { { op = "test", path = "/spec/size", value = 1 },
      { op = "replace", path = "/spec/size", value = 5 },
      { op = "add", path = "/metadata/labels", value = { a = "b" } } }, "json")
    t.equal(ctx:get(App, "demo").spec.size, 5)
  end)
  t.equal(run.error, nil)
  t.equal(run.get(App, "demo").metadata.labels, { a = "b" })
  t.equal(run.patched[1].type, "json")
  run = reconcile(function(obj, ctx)
    ctx:patch(obj, { { op = "replace", path = "/spec/size", value = 5 },
      { op = "test", path = "/spec/size", value = 1 } }, "json")
  end)
  t.equal(run.error.code, "rejected")
  t.match(run.error.message, "operation 2, test /spec/size: the test fails")
  t.equal(run.get(App, "demo").spec.size, 1)
end)

t.case("an answer that is a function gets the request as it is noted", function()
  local run = reconcile(function()
    http.post { url = "https://api.example.com/v1", json = { a = 1 } }
  end, { answers = { http = function(request)
    t.equal({ request.method, request.url, request.body }, { "POST", "https://api.example.com/v1", '{"a":1}' })
    return { status = 204 }
  end } })
  t.equal(run.error, nil)
end)

t.case("objects get their CRD's defaults, as the server gives them", function()
  local run = t.call(controller(function(obj, ctx) ctx:set_status { size = obj.spec.size } end), "reconcile", app {})
  t.equal(run.status, { size = 1 })
end)

t.case("gone, finalize, on.event and run are called with their arguments", function()
  local seen = {}
  local c = controller(nil, {
    gone = function(key, ctx) seen.gone = tostring(key) .. " " .. ctx.reason end,
    finalize = function(obj) seen.finalize = obj.metadata.name end,
    on = { event = function(event, new, old) seen.event = event .. new.spec.size .. old.spec.size end },
  })
  t.equal(t.call(c, "gone", { namespace = "ns", name = "x" }, { reason = "unmatched" }).error, nil)
  t.equal(t.call(c, "finalize", app()).error, nil)
  t.equal(t.call(c, "on.event", "updated", app { size = 2 }, app { size = 1 }).error, nil)
  local job = moonlet.startup { name = "job", writes = { "v1/Pod" }, run = function(ctx)
    ctx:create { apiVersion = "v1", kind = "Pod", metadata = { name = "p", namespace = "d" } }
  end }
  t.equal(t.call({ c, job }, "run").created[1].metadata.name, "p")
  t.equal(seen, { gone = "ns/x unmatched", finalize = "demo", event = "updated21" })
end)
