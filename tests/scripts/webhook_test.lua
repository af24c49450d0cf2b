-- moonlet.webhook: what is refused at load, what a handler may say, and what the host is told.
local t = require "moonlet.test"
local core = require "moonlet.core"
local declare = require "moonlet.declare"
local matchers = require "moonlet.core.matchers"
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local function webhook(fields)
  fields.name, fields.resource = fields.name or "policy", fields.resource or "v1/Pod"
  if not fields.mutate and not fields.validate then fields.validate = function() end end
  return moonlet.webhook(fields)
end
local function read(value)
  local declared, functions = declare.declare(value, { file = "app.lua" })
  return declared.definitions[1], functions[1]
end
local function pod(more)
  local out = { apiVersion = "v1", kind = "Pod", metadata = { name = "web", namespace = "ns" },
    spec = { containers = { { name = "app", image = "nginx" } } } }
  for name, value in pairs(more or {}) do out.metadata[name] = value end
  return out
end
local function review(fields, options)
  options = options or {}
  if not options.old then options.object = options.object or pod() end
  return t.review(webhook(fields), options)
end

t.case("a definition that cannot be is refused with its line and what to write", function()
  for _, try in ipairs {
    { { validat = print }, 'unknown field "validat", did you mean "validate"?' },
    { { resource = { "v1/Pod", label = "a" } }, 'did you mean "labels"?' },
    { { resource = "Pod" }, '"Pod" is not a kind' },
    { { writes = { "v1/Pod" } }, "writes: a webhook does not write: its answer is all it does" }, -- R27
    { { operations = { "Create" } },
      'operations[1]: CREATE, UPDATE, DELETE or CONNECT, not "Create", did you mean "CREATE"?' },
    { { operations = {} }, "an empty list would never be called" },
    { { failure_policy = "fail" }, 'failure_policy: "Fail" or "Ignore" expected, not "fail"' },
    { { reinvocation = "IfNeeded" }, "only a mutate is called again" },
    { { mutate = print, reinvocation = "Always" }, '"Never" or "IfNeeded" expected' },
    { { timeout = "31s" }, "timeout: the API server waits whole seconds, from 1s to 30s" },
    { { timeout = "500ms" }, "whole seconds" },
    { { subresources = { "pods/status" } }, 'subresources[1]: "pods/status" is not such as "status"' },
    { { match_conditions = { { name = "a b", expression = "true" } } },
      'match_conditions[1]: the name "a b" has letters' },
    { { match_conditions = { { nam = "a", expression = "true" } } }, 'did you mean "name"?' },
    { { match_conditions = { { name = "a", expression = "true" }, { name = "a", expression = "true" } } },
      '"a" stands there twice' },
    { { resource = { "v1/Pod", fields = "status.phase" } }, '"status.phase" is not path=value' },
    { { resource = { "v1/Pod", metadata_only = true } }, "`metadata_only` is for what is watched" },
    { { resource = { "v1/Pod", when = moonlet.when.generation_changed } }, "Write moonlet.when.spec_changed" },
    { { resource = { "v1/Pod", when = "x" } }, "resource.when: a function or table expected" },
  } do
    local problem = t.raises(function() read(webhook(try[1])) end, try[2])
    t.match(tostring(problem), '^webhook_test.lua:%d+: webhook "policy"')
  end
  t.raises(function() read(moonlet.webhook { name = "a", resource = "v1/Pod" }) end,
    "does nothing; give it a mutate or a validate")
  t.raises(function() moonlet.deny() end, "webhook_test.lua:60: moonlet.deny(message")
  t.raises(function() moonlet.deny("no", { code = 200 }) end, "the code is an HTTP status from 400 to 599")
  t.raises(function() moonlet.deny("no", { status = 403 }) end, 'unknown field "status"')
end)

t.case("the host is told of one webhook for each handler", function()
  local one = read(webhook {
    resource = { "apps/v1/Deployment", labels = { app = "web" }, namespaces = { except = { "kube-system" } } },
    mutate = function() end, validate = function() end, timeout = "10s", failure_policy = "Ignore",
    reinvocation = "IfNeeded", subresources = { "scale" }, operations = { "UPDATE", "DELETE", "UPDATE" },
    match_conditions = { { name = "mine", expression = "request.userInfo.username != 'x'" } }, reads = { "v1/Node" },
  })
  t.equal(one.type, "webhook")
  t.equal(one.handlers, { "mutate", "validate" })
  t.equal(one.reads[1].kind, "v1/Node")
  local kind = { kind = "apps/v1/Deployment" }
  local objects = { matchExpressions = { { key = "app", operator = "In", values = { "web" } } } }
  local namespaces = { matchExpressions = { { key = "kubernetes.io/metadata.name", operator = "NotIn",
    values = { "kube-system" } } } }
  local conditions = { { name = "mine", expression = "request.userInfo.username != 'x'" } }
  t.equal(one.webhooks, {
    { handler = "mutate", resource = kind, object_selector = objects,
      namespace_selector = namespaces, subresources = { "scale" }, operations = { "UPDATE", "DELETE" },
      failure_policy = "Ignore", timeout = 10, reinvocation = "IfNeeded", match_conditions = conditions },
    { handler = "validate", resource = kind, object_selector = objects,
      namespace_selector = namespaces, subresources = { "scale" }, operations = { "UPDATE", "DELETE" },
      failure_policy = "Ignore", timeout = 10, match_conditions = conditions },
  })
  one = read(webhook {})
  t.equal(one.webhooks, { { handler = "validate", resource = { kind = "v1/Pod" }, operations = { "CREATE", "UPDATE" },
    failure_policy = "Fail", timeout = 5 } }) -- R27
end)

t.case("labels and namespaces become the selectors of the API server, or are refused", function()
  local one = read(webhook { resource = { "v1/Pod", labels = "a, !b, c notin (x,y), d!=z",
    namespaces = { labels = "team=a", except = { "n" } } } })
  t.equal(one.webhooks[1].object_selector.matchExpressions, {
    { key = "a", operator = "Exists" }, { key = "b", operator = "DoesNotExist" },
    { key = "c", operator = "NotIn", values = { "x", "y" } }, { key = "d", operator = "NotIn", values = { "z" } },
  })
  t.equal(one.webhooks[1].namespace_selector.matchExpressions, {
    { key = "team", operator = "In", values = { "a" } },
    { key = "kubernetes.io/metadata.name", operator = "NotIn", values = { "n" } },
  })
  one = read(webhook { resource = { "v1/Pod", namespaces = { "x" } } })
  t.equal(one.webhooks[1].namespace_selector.matchExpressions[1].operator, "In")
  t.raises(function() read(webhook { resource = { "v1/Pod", labels = "a > 1" } }) end,
    "the API server cannot select by a >")
end)

t.case("annotations and fields become match conditions, whatever stands in them", function()
  local out = matchers.conditions({ ['a"b\\'] = 'x"\n', ["c/d"] = true, e = false, f = { "1", "2" } },
    "spec.nodeName!=,metadata.name=web")
  local object = "(object != null ? object : oldObject)"
  local map = object .. ".metadata.annotations"
  t.equal(out[1], { name = "annotation-1", expression = ('has(%s) && "a\\"b\\\\" in %s && %s["a\\"b\\\\"] == "x\\"\\n"')
    :format(map, map, map) })
  t.equal(out[2].expression, ('has(%s) && "c/d" in %s'):format(map, map))
  t.equal(out[3].expression, ('!(has(%s) && "e" in %s)'):format(map, map))
  t.match(out[4].expression, '["f"] in ["1", "2"]')
  t.match(out[5].expression, '["spec"]["nodeName"]')
  t.equal(out[6].expression, ('"metadata" in %s && "name" in %s["metadata"] && string(%s["metadata"]["name"]) == "web"')
    :format(object, object, object))
  local one = read(webhook { resource = { "v1/Pod", annotations = { a = true } } })
  t.equal(one.webhooks[1].resource, { kind = "v1/Pod" })
  t.equal(#one.webhooks[1].match_conditions, 1)
end)

t.case("an error of a handler is judged by the failure policy", function()
  local out = review { validate = function() error "boom" end }
  t.equal(out.allowed, false)
  t.match(tostring(out.error), "boom")
  out = review { validate = function() error "boom" end, failure_policy = "Ignore" }
  t.equal(out.allowed, true)
  t.ok(out.error)
end)

t.case("what is neither nothing, a denial nor an object is an error that says so", function()
  t.match(review({ validate = function(obj) return obj end }).message,
    "webhook_test.lua:%d+: 'policy': validate returned a table; it returns nothing to allow, or moonlet.deny")
  t.match(review({ validate = function() return false end }).message, "validate returned false")
  t.match(review({ mutate = function() return "x" end }).message, 'mutate returned "x"; it returns nothing')
  t.match(review({ mutate = function() return { a = 1 } end }).message, "mutate returned a table")
  t.match(review({ mutate = function(obj) obj.kind = "Node" end }).message, "mutate made v1/Node of v1/Pod")
end)

t.case("a webhook does not write, and is not called again (R27)", function()
  local writes = {
    apply = function(ctx) ctx:apply(pod()) end, create = function(ctx) ctx:create(pod()) end,
    update = function(ctx) ctx:update(pod()) end, patch = function(ctx) ctx:patch(pod(), {}) end,
    delete = function(ctx) ctx:delete(pod()) end, set_status = function(ctx) ctx:set_status {} end,
    evict = function(ctx) ctx:evict(pod()) end, bind = function(ctx) ctx:bind(pod(), "n") end,
    scale = function(ctx) ctx:scale(pod(), 1) end,
    token = function(ctx) ctx:token "x" end, event = function(ctx) ctx:event("Normal", "A", "b") end,
  }
  for name, write in pairs(writes) do
    local out = review { validate = function(_, _, ctx) write(ctx) end }
    t.equal(out.error.code, "invalid")
    t.match(out.message, ("ctx:%s: a webhook does not write"):format(name))
  end
  t.match(review({ validate = function(_, _, ctx) ctx:requeue "1s" end }).message, "a webhook answers once")
end)

t.case("a denial carries message, code and reason; the last word is not asked after it", function()
  local asked = 0
  local out = review { mutate = function() return moonlet.deny("no", { code = 422 }) end,
    validate = function() asked = asked + 1 end }
  t.equal({ out.allowed, out.message, out.code, out.reason }, { false, "no", 422, "Invalid" })
  t.equal(asked, 0)
  out = review { validate = function() return moonlet.deny "never" end }
  t.equal({ out.code, out.reason }, { 403, "Forbidden" })
  out = review { validate = function() return moonlet.deny("later", { code = 429, reason = "Slow" }) end }
  t.equal({ out.code, out.reason }, { 429, "Slow" })
end)

t.case("mutate edits in place or returns another object; validate sees it; untouched says nothing", function()
  local out = review { mutate = function(obj) obj.metadata.labels = { a = "b" } end,
    validate = function(obj) t.equal(obj.metadata.labels, { a = "b" }) end }
  t.equal(out.error, nil)
  t.equal(out.object.metadata.labels, { a = "b" })
  out = review { mutate = function(obj)
    local other = moonlet.copy(obj)
    other.metadata.labels = { c = "d" }
    return other
  end }
  t.equal(out.object.metadata.labels, { c = "d" })
  t.equal(review({ mutate = function(obj) return obj end }).object, pod())
end)

t.case("what mutate changes is found at any depth: set, replaced, removed, null, lists as a whole", function()
  local function after(change)
    local object = pod { labels = { a = "b" }, annotations = { ["x/y~z"] = "1" } }
    object.status = { phase = moonlet.null, conditions = { { type = "Ready" } } }
    local out = review({ mutate = change }, { object = object })
    t.equal(out.error, nil)
    return out.object
  end
  t.equal(after(function(obj) obj.metadata.labels.a = nil end).metadata.labels, {})
  t.equal(after(function(obj) obj.metadata.annotations["x/y~z"] = "2" end).metadata.annotations, { ["x/y~z"] = "2" })
  t.equal(after(function(obj) obj.spec.containers[1].image = "other" end).spec.containers,
    { { name = "app", image = "other" } })
  t.equal(after(function(obj) obj.spec.containers[1].command = nil end).spec, pod().spec)
  t.equal(after(function(obj) obj.status = nil end).status, nil)
  t.equal(after(function(obj) obj.metadata.labels = moonlet.null end).metadata.labels, moonlet.null)
  t.equal(after(function(obj) obj.status.conditions = {} end).status.conditions, {})
  t.equal(after(function(obj) obj.status.phase = "Running" end).status.phase, "Running")
  t.equal(after(function(obj) obj.spec, obj.status = obj.status, obj.spec end).spec.conditions, { { type = "Ready" } })
  t.equal(after(function(obj) return { apiVersion = "v1", kind = "Pod", metadata = obj.metadata } end),
    { apiVersion = "v1", kind = "Pod", metadata = { name = "web", namespace = "ns", labels = { a = "b" },
      annotations = { ["x/y~z"] = "1" } } })
end)

t.case("req says what is asked", function()
  local seen
  review({ resource = "apps/v1/Deployment", subresources = { "scale" }, validate = function(_, req)
    seen = { req.uid, req.operation, req.kind, req.subresource, req.name, req.namespace, req.user.username,
      req.user.groups, req.dry_run, req.old ~= nil, req.options.kind }
  end }, { object = { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "d", namespace = "n" } },
    old = { apiVersion = "apps/v1", kind = "Deployment", metadata = { name = "d", namespace = "n" } },
    subresource = "scale", user = { username = "me", groups = { "g" } }, dry_run = true,
    options = { kind = "UpdateOptions" } })
  t.equal(seen, { "review", "UPDATE", "apps/v1/Deployment", "scale", "d", "n", "me", { "g" }, true, true,
    "UpdateOptions" })
end)

t.case("at DELETE the object is the one that goes, and no change to it is kept", function()
  local out = review({ operations = { "DELETE" }, mutate = function(obj, req)
    t.equal({ obj.metadata.name, req.old.metadata.name, req.operation }, { "web", "web", "DELETE" })
    obj.metadata.labels = { a = "b" }
  end }, { old = pod() })
  t.equal(out.error, nil)
  t.equal(out.object, nil)
end)

t.case("warnings are cut between characters and bounded; audit keys are checked", function()
  local out = review { validate = function(_, req)
    req:warn "one\ntwo"
    req:warn "one\ntwo"
    req:warn(("ä"):rep(200))
    for i = 1, 100 do req:warn(("x"):rep(250) .. i) end
    req:audit("level", 3)
  end }
  t.equal(out.warnings[1], "one two")
  t.equal(#out.warnings[2], 256)
  local bytes = 0
  for _, text in ipairs(out.warnings) do bytes = bytes + #text end
  t.ok(bytes <= 4096 and #out.warnings < 20)
  t.equal(out.audit, { level = "3" })
  t.match(review({ validate = function(_, req) req:warn(("a" .. ("ä"):rep(200))) end }).warnings[1], "ä$")
  t.match(review({ validate = function(_, req) req:audit("a/b", 1) end }).message, "req:audit(key, value): the key")
  t.match(review({ validate = function(_, req) req.warn "x" end }).message, "call it with a colon")
end)

t.case("the match decides who is asked; when runs before the handler", function()
  local function asked(resource, options)
    local n = 0
    review({ resource = resource, validate = function() n = n + 1 end }, options)
    return n
  end
  t.equal(asked("v1/Node"), 0)
  t.equal(asked({ "v1/Pod", labels = { app = "web" } }), 0)
  t.equal(asked({ "v1/Pod", labels = { app = "web" } }, { object = pod { labels = { app = "web" } } }), 1)
  t.equal(asked({ "v1/Pod", labels = { app = "web" } }, { object = pod(), old = pod { labels = { app = "web" } } }), 1)
  t.equal(asked({ "v1/Pod", namespaces = { "other" } }), 0)
  t.equal(asked({ "v1/Pod", namespaces = { except = { "ns" } } }), 0)
  t.equal(asked({ "v1/Pod", annotations = { a = "b" } }, { object = pod { annotations = { a = "b" } } }), 1)
  t.equal(asked({ "v1/Pod", annotations = { a = "b" } }), 0)
  t.equal(asked({ "v1/Pod", fields = "metadata.name=web" }), 1)
  t.equal(asked({ "v1/Pod", fields = "metadata.name!=web" }), 0)
  t.equal(asked({ "v1/Pod", when = function(new, old) return old ~= nil end }), 0)
  t.equal(asked({ "v1/Pod", when = function(new, old) return old ~= nil end }, { object = pod(), old = pod() }), 1)
  t.equal(asked({ "v1/Pod", when = moonlet.when.labels_changed }, { object = pod(), old = pod() }), 0)
  t.equal(asked({ "v1/Pod", when = moonlet.when.spec_changed }), 1)
  t.equal(asked("v1/Pod", { old = pod() }), 0) -- DELETE is not among the defaults
end)

t.case("ctx reads the cache and config, with the namespace of the request", function()
  local limit = webhook { reads = { "v1/ConfigMap" }, config = { most = s.integer { default = 1 } },
    validate = function(_, _, ctx)
      local map = ctx:get("v1/ConfigMap", "limits")
      if ctx.config.most > tonumber(map.data.most) then return moonlet.deny "too many" end
    end }
  local cache = { { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "limits", namespace = "ns" },
    data = { most = "2" } } }
  t.equal(t.review(limit, { object = pod(), cache = cache }).allowed, true)
  t.equal(t.review(limit, { object = pod(), cache = cache, config = { most = 3 } }).message, "too many")
end)

t.case("misuse of t.review is raised at the caller's line", function()
  t.raises(function() t.review(webhook {}, {}) end, "t.review: an object or old is needed")
  t.raises(function() t.review(webhook {}, { objekt = pod() }) end, 'did you mean "object"?')
  t.raises(function() t.review({}, { object = pod() }) end, "what a file returns is expected")
  t.raises(function()
    t.review(moonlet.controller { name = "a", resource = "v1/Pod", reconcile = print }, { object = pod() })
  end, "there is no such webhook")
end)

t.case("the declaration is JSON", function()
  t.match(core.json_encode((read(webhook { resource = { "v1/Pod", when = function() end } }))), '"type":"webhook"')
end)
