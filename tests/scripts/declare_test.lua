-- What a file returns, checked: definition, declare. Failures first: each names file:line, the field,
-- and what to write instead.
local t = require "moonlet.test"
local declare = require "moonlet.declare"
local moonlet = require "moonlet"
local s = require "moonlet.schema"

local function read(value, config)
  return declare.declare(value, { file = "app.lua", config = config })
end
local function controller(fields)
  fields.name = fields.name or "app"
  fields.resource = fields.resource or "v1/Pod"
  fields.reconcile = fields.reconcile or function() end
  return moonlet.controller(fields)
end
local function refused(fields, pattern, config)
  local problem = t.raises(function() return read(controller(fields), config) end, pattern)
  t.match(tostring(problem), "^declare_test.lua:%d+: controller \"")
end

t.case("a file that declares nothing is an error that says what to return", function()
  t.raises(function() read(nil) end, "app.lua: the file returns nothing; it must return what it declares")
  t.raises(function() read(5) end, "app.lua: the file returns 5, not a definition")
  t.raises(function() read {} end, "app.lua: the file declares nothing")
  t.raises(function() read { 5 } end, "app.lua: item 1 of the returned list is 5")
  t.raises(function() moonlet.controller "x" end, "moonlet.controller takes a table of fields")
end)

t.case("an unknown field names the nearest one", function()
  refused({ concurency = 2 }, 'unknown field "concurency", did you mean "concurrency"?')
  refused({ zzzzzz = 2 }, 'unknown field "zzzzzz"')
  refused({ reads = { { "v1/Node", label = "a" } } }, 'did you mean "labels"?')
  refused({ retry = { bas = "1s" } }, 'did you mean "base"?')
  refused({ on = { events = print } }, 'did you mean "event"?')
  refused({ writes = { { "v1/Node", verb = {} } } }, 'did you mean "verbs"?')
  refused({ writes = { { "v1/Node", verbs = { "pach" } } } }, 'unknown verb "pach"')
end)

t.case("what is of a later version is refused by name", function()
  for _, field in ipairs { "children", "timers", "daemon", "optional_delete", "remember", "selector" } do
    refused({ [field] = {} }, ("`%s` is not supported by this version"):format(field))
  end
  for _, field in ipairs { "create", "update", "delete", "resume", "field" } do
    refused({ on = { [field] = print } }, ("`%s` is not supported by this version"):format(field))
  end
  refused({ owns = { { "v1/Pod", strategy = "Recreate" } } }, "`strategy` is not supported by this version")
end)

t.case("a kind is written apiVersion/Kind", function()
  refused({ resource = "Pod" }, '"Pod" is not a kind, written apiVersion/Kind as in "v1/Pod"; is it "v1/Pod"')
  refused({ owns = { "apps/Deployment" } }, '"apps/Deployment" is not a kind')
  refused({ owns = { 5 } }, 'a kind is written "apps/v1/Deployment", not 5')
  refused({ owns = { { { "v1/Secret", labels = "a" } } } },
    'what belongs to a kind stands beside it: { "v1/Secret", … }')
  refused({ owns = { "v1/Pod", "v1/Pod" } }, "v1/Pod stands there twice")
  refused({ owns = { { "v1/Pod", "v1/Service" } } }, "one table holds one kind")
end)

t.case("durations, numbers and names are checked", function()
  refused({ resync = "30 sec" }, 'resync: a duration is "30s", "1h30m" or a number of seconds, not "30 sec"')
  refused({ debounce = -1 }, "debounce: a duration")
  refused({ timeout = "x" }, "timeout: a duration")
  refused({ concurrency = 0 }, "concurrency: a whole number from 1 to 1000")
  refused({ concurrency = "2" }, "concurrency: a number expected")
  refused({ retry = { attempts = 0 } }, "retry.attempts: a whole number of 1 or more")
  refused({ rate = {} }, "rate: per_second is missing")
  refused({ rate = { per_second = 0 } }, "rate.per_second: a number above 0")
  refused({ http = { "ftp://x" } }, "http")
  refused({ secrets = { "a b" } }, "secrets")
  refused({ watches = { "v1/Secret" } }, "map is missing")
  refused({ index = { ["v1/Node"] = { x = print } } }, 'v1/Node is not declared; add reads = { "v1/Node" }')
  t.raises(function() read(moonlet.schedule { name = "s", cron = "* *", run = print }) end, "has 2 fields, not 5")
end)

t.case("a match that no server would take is refused", function()
  local function match(options, pattern)
    options[1] = "v1/Node"
    refused({ reads = { options } }, "reads[1]." .. pattern)
  end
  match({ labels = "a in (" }, 'labels: selector "a in (": "a in (" is not a requirement')
  match({ labels = "a=b c" }, "labels: selector")
  match({ labels = { app = "not good" } }, 'labels: selector "app=not good": "not good" is not a label\'s value')
  match({ labels = { app = {} } }, "labels: selector \"app\": needs values")
  match({ labels = { "app=web" } }, 'labels: selector: 1 is not a label\'s name')
  match({ labels = { app = print } }, "labels: selector \"app\": a function is not a label\'s value")
  match({ fields = "status.phase" }, 'fields: "status.phase" is not path=value, as in "status.phase=Running"')
  match({ fields = "status.phase=Running,=x" }, 'fields: "=x" is not path=value')
  match({ fields = "a=b=c" }, 'fields: "a=b=c" is not path=value')
  match({ fields = { "a" } }, "fields: a map of paths")
  match({ fields = { ["spec.nodeName"] = {} } }, "fields: spec.nodeName is a table, not a text, number or boolean")
  match({ namespaces = { 5 } }, 'namespaces[1]: 5 is not a namespace\'s name')
  match({ namespaces = { "A_b" } }, 'namespaces[1]: "A_b" is not')
  match({ namespaces = {} }, "namespaces: an empty list fits nothing")
  match({ namespaces = { except = "kube-system" } }, "namespaces.except: a list expected")
  match({ namespaces = { except = { true } } }, "namespaces.except[1]: true is not")
  match({ namespaces = { labels = "a in (" } }, "namespaces.labels: selector")
  match({ namespaces = { "a", except = { "b" } } }, "namespaces: a list of names")
  match({ annotations = { ["a b"] = true } }, 'annotations: "a b" is not an annotation\'s name')
  match({ annotations = { a = {} } }, "annotations: a needs values")
  match({ annotations = { a = print } }, "annotations: a is a function")
end)

t.case("lists hold what they are for, once", function()
  refused({ secrets = { "a/b/c" } }, 'secrets[1]: "a/b/c" is not such as "name" or "namespace/name"')
  refused({ secrets = { "a/" } }, "secrets[1]")
  refused({ secrets = { "A" } }, "secrets[1]")
  refused({ secrets = { "a.b/c" } }, "secrets[1]")
  refused({ secrets = { "a", "a" } }, 'secrets[2]: "a" stands there twice')
  refused({ http = { "https://user@x" } }, "http[1]")
  refused({ http = { "https://x y" } }, "http[1]")
  refused({ writes = { "v1/Pod", "v1/Pod" } }, "writes[2]: v1/Pod stands there twice")
  refused({ writes = { "v1/Pod", { "v1/Pod", verbs = { "get" } } } }, "writes[2]: v1/Pod stands there twice")
  refused({ writes = { { "v1/Node", verbs = "get" } } }, "writes[1].verbs: a list expected")
  refused({ writes = { { "v1/Node", verbs = {} } } }, "writes[1].verbs: an empty list permits nothing")
  refused({ reads = { "v1/Node", labels = "a" } },
    "reads: options stand in the table of one kind: { { \"v1/Node\", labels")
  refused({ writes = { "v1/Node", verbs = { "get" } } }, "writes: options stand in the table of one kind")
  refused({ owns = { "v1/Pod", [3] = "v1/Service" } }, "owns: a list without gaps")
  refused({ index = { ["v1/Pod"] = { print } } }, 'index["v1/Pod"]: an index has a name')
  refused({ config = { s.string() } }, "config: a parameter has a name")
end)

t.case("times that mean nothing are refused", function()
  refused({ timeout = 0 }, "timeout: a duration above 0")
  refused({ timeout = 1 / 0 }, "timeout: a duration of at most")
  refused({ resync = "0s" }, "resync: a duration above 0; leave it out for never")
  refused({ retry = { base = 0 } }, "retry.base: a duration above 0")
  refused({ retry = { base = "2s", max = "1s" } }, "retry.max: below retry.base")
  refused({ retry = { attempts = 1.5 } }, "retry.attempts")
  refused({ concurrency = 1.5 }, "concurrency: a whole number")
end)

t.case("R16: a name is a DNS label of at most 40 characters, once in a file", function()
  for _, name in ipairs { "App", "a_b", "a-", "-a", ("a"):rep(41), "" } do
    refused({ name = name }, "is not a DNS label of at most 40 characters")
  end
  t.raises(function() read { controller {}, controller {} } end, 'the name "app" is taken by the definition at')
end)

t.case("a controller needs a resource and something to do", function()
  t.raises(function() read(moonlet.controller { name = "a", reconcile = print }) end, "resource is missing")
  t.raises(function() read(moonlet.controller { name = "a", resource = "v1/Pod" }) end, "does nothing")
  t.raises(function() read(moonlet.startup { name = "a" }) end, "run is missing")
  refused({ reconcile = "x" }, "reconcile: a function expected")
end)

t.case("config values are checked against what is declared", function()
  local declared = { threshold = s.integer { default = 80 } }
  refused({ config = declared }, 'a value is given for "treshold", which is not declared; did you mean "threshold"?',
    { app = { treshold = 5 } })
  refused({ config = declared }, "threshold is not an integer", { app = { threshold = "x" } })
  refused({ config = { key = s.string { required = true } } }, "a value is needed: --set app.key=…")
  refused({ config = { key = 5 } }, "a schema such as s.integer { default = 80 } expected")
  local _, functions = read(controller { config = declared })
  t.equal(functions[1].config, { threshold = 80 })
  _, functions = read(controller { config = declared }, { app = { threshold = 5 } })
  t.equal(functions[1].config, { threshold = 5 })
end)

t.case("the declaration has all that the host needs", function()
  local declaration, functions = read(controller {
    resource = { "v1/Pod", labels = { app = { "a", "b" }, x = true }, namespaces = { except = { "kube-system" } },
      when = moonlet.when.spec_changed },
    owns = { "v1/ConfigMap" }, reads = { { "v1/Node", metadata_only = true } }, -- R23
    watches = { { "v1/Secret", map = function() end, when = function() return true end } },
    writes = { { "v1/Event", verbs = { "create" } } }, secrets = { "a", "ns/b" }, http = { "https://x.example.com" },
    resync = "30s", debounce = 0.5, timeout = "2m", concurrency = 4, retry = { base = "1s", max = "1m", attempts = 3 },
    rate = { per_second = 2, burst = 5 }, index = { ["v1/Pod"] = { by_ip = print } },
    finalize = function() end, gone = function() end, on = { event = function() end },
  })
  t.equal(declaration.crds, moonlet.array {})
  local d = declaration.definitions[1]
  t.equal(d.resource, { kind = "v1/Pod", labels = "app in (a,b),x", namespaces = { except = { "kube-system" } },
    when = "spec_changed" })
  t.equal(d.owns, { { kind = "v1/ConfigMap" } })
  t.equal(d.reads, { { kind = "v1/Node", metadata_only = true } })
  t.equal(d.watches, { { kind = "v1/Secret", map = true, when = true } })
  t.equal(d.writes[1].verbs, { "create" })
  t.equal({ d.resync, d.debounce, d.timeout, d.concurrency }, { 30, 0.5, 120, 4 })
  t.equal(d.retry, { base = 1, max = 60, attempts = 3 })
  t.equal(d.rate, { per_second = 2, burst = 5 })
  t.equal(d.indexes, { ["v1/Pod"] = { "by_ip" } })
  t.equal(d.handlers, { "reconcile", "finalize", "gone", "on.event" })
  t.match(d.source, "declare_test.lua:%d+")
  for _, path in ipairs { "reconcile", "finalize", "gone", "on.event", "watches.1.map", "watches.1.when",
    "index.v1/Pod.by_ip" } do
    t.equal(type(functions[1][path]), "function", path)
  end
end)

t.case("a resource brings its CRD, once", function()
  local App = moonlet.resource { group = "example.com", version = "v1", kind = "App", spec = s.object {} }
  local declaration = read { App, controller { resource = App }, controller { name = "b", reads = { App } } }
  t.equal(#declaration.crds, 1)
  t.equal(declaration.definitions[1].resource.kind, "example.com/v1/App")
  t.equal(#read(controller { resource = App }).crds, 1)
end)

t.case("schedules and startups", function()
  local declaration = read {
    moonlet.schedule { name = "s", cron = "*/5 * * * *", zone = "Europe/Berlin", deadline = "1h", run = print },
    moonlet.startup { name = "u", order = 2, run = print },
  }
  local schedule, startup = declaration.definitions[1], declaration.definitions[2]
  t.equal({ schedule.type, schedule.cron, schedule.zone, schedule.deadline }, { "schedule", "*/5 * * * *",
    "Europe/Berlin", 3600 })
  t.equal({ startup.type, startup.order }, { "startup", 2 })
end)
