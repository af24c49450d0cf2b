-- moonlet.initializer: the gate, what takes it away, and the deadline.
local t = require "moonlet.test"
local declare = require "moonlet.declare"
local moonlet = require "moonlet"

local GATE = "moonlet.dev/volume"
local CREATED = 1700000000 -- 2023-11-14T22:13:20Z

local function initializer(initialize, more)
  local fields = { name = "volume", initialize = initialize or function() end }
  for name, value in pairs(more or {}) do fields[name] = value end
  return moonlet.initializer(fields)
end
local function pod(gates, more)
  local out = { apiVersion = "v1", kind = "Pod",
    metadata = { name = "web", namespace = "ns", uid = "u1", creationTimestamp = "2023-11-14T22:13:20Z" },
    spec = { containers = { { name = "app", image = "nginx" } }, schedulingGates = gates } }
  for name, value in pairs(more or {}) do out.metadata[name] = value end
  return out
end
local function held() return pod { { name = "other/gate" }, { name = GATE } } end
local function call(initialize, options, more, object)
  options = options or {}
  options.now = options.now or CREATED + 10
  return t.call(initializer(initialize, more), "initialize", object or held(), options)
end
local REMOVED = { kind = "v1/Pod", namespace = "ns", name = "web", type = "json", patch = {
  { op = "test", path = "/metadata/uid", value = "u1" },
  { op = "test", path = "/spec/schedulingGates/1/name", value = GATE },
  { op = "remove", path = "/spec/schedulingGates/1" },
} }

t.case("a definition that cannot be is refused with what to write", function()
  for _, try in ipairs {
    { { initialise = print }, 'unknown field "initialise", did you mean "initialize"?' },
    { { on_deadline = "drop" }, 'on_deadline: "hold" or "release" expected, not "drop"' },
    { { deadline = "soon" }, "deadline: a duration is" },
    { { deadline = 0 }, "deadline: 1s or more" },
    { { resource = "v1/Pod" }, 'unknown field "resource"' },
    { { labels = 5 }, "labels: a string or table expected" },
    { { retry = { tries = 1 } }, 'unknown field "tries"' },
  } do
    t.raises(function() declare.declare(initializer(nil, try[1]), { file = "a.lua" }) end, try[2])
  end
  t.raises(function() declare.declare(moonlet.initializer { name = "a" }, { file = "a.lua" }) end,
    "initialize is missing")
end)

t.case("the host is told of a controller with one webhook", function()
  local one = declare.declare(initializer(nil, { labels = { app = "web" }, annotations = { vol = true },
    deadline = "30s", writes = { "v1/PersistentVolumeClaim" } }), { file = "a.lua" }).definitions[1]
  t.equal({ one.type, one.handlers, one.resource.kind, one.resource.labels, one.timeout },
    { "controller", { "initialize", "gone" }, "v1/Pod", "app=web", 30 })
  t.equal(one.resource.annotations, { vol = true })
  t.equal(#one.webhooks, 1)
  local webhook = one.webhooks[1]
  t.equal({ webhook.handler, webhook.operations, webhook.failure_policy, webhook.resource },
    { "mutate", { "CREATE" }, "Fail", { kind = "v1/Pod" } })
  t.equal(webhook.object_selector.matchExpressions, { { key = "app", operator = "In", values = { "web" } } })
  t.equal(#webhook.match_conditions, 1)
end)

t.case("a new Pod gets the gate once, beside others; a Pod on a node gets none", function()
  local function gates(object) return t.review(initializer(), { object = object }).object.spec.schedulingGates end
  t.equal(gates(pod()), { { name = GATE } })
  t.equal(gates(pod { { name = "other/gate" } }), { { name = "other/gate" }, { name = GATE } })
  t.equal(gates(held()), held().spec.schedulingGates)
  local bound = pod()
  bound.spec.nodeName = "n1"
  t.equal(gates(bound), nil)
  t.equal(t.review(initializer(nil, { when = function(new) return new.metadata.name == "x" end }),
    { object = pod() }).object, pod())
end)

t.case("a Pod without the gate, or being deleted, is left alone", function()
  local called = 0
  local function count() called = called + 1 end
  call(count, nil, nil, pod())
  call(count, nil, nil, pod { { name = "other/gate" } })
  local run = call(count, nil, nil, pod({ { name = GATE } }, { deletionTimestamp = "2023-11-14T22:13:25Z" }))
  t.equal(called, 0)
  t.equal(#run.patched, 0)
end)

t.case("done: exactly this gate is taken away, if it still stands where it stood", function()
  local run = call(function(obj) obj.spec.schedulingGates = nil end)
  t.equal(run.error, nil)
  t.equal(run.patched, { REMOVED })
  t.equal(run.requeue, nil)
end)

t.case("a patch that is refused is an error that is tried again; a Pod that is gone is not", function()
  t.equal(call(nil, { answers = { patch = t.refuse("conflict", "moved") } }).error.code, "conflict")
  t.equal(call(nil, { answers = { patch = t.refuse("not_found", "gone") } }).error, nil)
end)

t.case("asking for more time keeps the gate, and is never beyond the deadline", function()
  local run = call(function(_, ctx) ctx:requeue "5s" end)
  t.equal({ #run.patched, run.requeue }, { 0, 5 })
  t.equal(call(function() return "5s" end).requeue, 5)
  t.equal(call(function(_, ctx) ctx:requeue "1h" end).requeue, 50)
end)

t.case("what may not be returned is an error, and keeps the gate", function()
  local run = call(function() return { requeue = true } end)
  t.match(tostring(run.error), "initialize returned a table with requeue: return nothing, or \"30s\"")
  t.equal(#run.patched, 0)
end)

t.case("an error backs off as usual, and never beyond the deadline", function()
  local run = call(function() error "boom" end)
  t.match(tostring(run.error), "initializer_test.lua:%d+: boom")
  t.equal(#run.patched, 0)
  run = call(function() error "boom" end, { attempt = 30 })
  t.equal(run.error.retry_after, 50)
  t.match(run.error.message, "boom")
  t.equal(call(function() error(moonlet.retry_after("1h", "x")) end).error.retry_after, 50)
  t.equal(call(function() error(moonlet.retry_after("1s", "x")) end).error.retry_after, 1)
  run = call(function() error(moonlet.permanent "never") end) -- must wake for on_deadline all the same
  t.equal({ run.error.retry_after, run.error.permanent, run.error.message }, { 50, true, "never" })
  run = call(function() error "boom" end, { attempt = 3 }, { retry = { attempts = 3 } })
  t.equal({ run.error.retry_after, run.error.permanent }, { 50 })
  run = call(function() error "boom" end, { attempt = 2 }, { retry = { attempts = 3 } })
  t.match(tostring(run.error), "boom") -- it is the host that says when
  run = call(function(_, ctx) ctx:sleep "55s" error "late" end, { attempt = 20 })
  t.equal(run.error.retry_after, 0)
end)

t.case("at the deadline the Pod is held, said once, and initialize is not called", function()
  local called = 0
  local function count() called = called + 1 end
  local run = call(count, { now = CREATED + 60 })
  t.equal(run.error, nil)
  t.equal(called, 0)
  t.equal({ #run.events, run.events[1].type, run.events[1].reason }, { 1, "Warning", "InitializerDeadline" })
  t.equal(#run.patched, 1)
  local mark = run.patched[1].patch.metadata.annotations
  t.equal(mark, { ["moonlet.dev/held-volume"] = "2023-11-14T22:14:20Z" })
  local again = held()
  again.metadata.annotations = mark
  run = call(count, { now = CREATED + 99 }, nil, again)
  t.equal({ called, #run.events, #run.patched, run.requeue }, { 0, 0, 0 })
end)

t.case("on_deadline = release lets the Pod go with a Warning", function()
  local run = call(nil, { now = CREATED + 31 }, { deadline = "30s", on_deadline = "release" })
  t.equal(run.patched, { REMOVED })
  t.equal(run.events[1].type, "Warning")
end)

t.case("a held Pod that stops to match is released, not forgotten", function()
  for _, reason in ipairs { "unmatched", "event" } do -- "event": the server selects, and its watch says DELETED
    local run = t.call(initializer(), "gone", { name = "web", namespace = "ns" },
      { cache = { held() }, reason = reason })
    t.equal(run.error, nil)
    t.equal(run.patched, { REMOVED })
  end
  t.equal(#t.call(initializer(), "gone", { name = "web", namespace = "ns" }, { reason = "event" }).patched, 0)
end)
