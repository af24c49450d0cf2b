-- The logging agent: asked for, put in once, renewed with its ConfigMap.
local t = require "moonlet.test"
local agent = require "logging-agent"

local function deployment(annotation)
  return { apiVersion = "apps/v1", kind = "Deployment",
    metadata = { name = "web", namespace = "shop",
      annotations = annotation and { ["example.com/logging"] = annotation } },
    spec = { template = { spec = { containers = { { name = "web", image = "nginx" } } } } } }
end
local function map(data)
  return { apiVersion = "v1", kind = "ConfigMap", data = data,
    metadata = { name = "logging-agent", namespace = "shop" } }
end

t.case("what does not ask gets none", function()
  t.equal(t.review(agent, { object = deployment() }).object, deployment())
end)

t.case("the container, its volumes, and the folder it shares with the app", function()
  local out = t.review(agent, { object = deployment "agent" })
  t.equal(out.message, nil)
  local spec = out.object.spec.template.spec
  t.equal(spec.containers[2].image, "fluent/fluent-bit:3.1.9")
  t.equal(spec.containers[1].volumeMounts, { { name = "app-logs", mountPath = "/var/log/app" } })
  t.equal(#spec.volumes, 2)
  t.equal(t.review(agent, { object = out.object, old = out.object }).object, out.object)
end)

t.case("the ConfigMap decides, and its change reaches the Deployment's next update", function()
  local first = t.review(agent, { object = deployment "agent", cache = { map { level = "debug" } } }).object
  t.equal(first.spec.template.spec.containers[2].env, { { name = "LOG_LEVEL", value = "debug" } })
  local second = t.review(agent, { object = first, old = first,
    cache = { map { image = "fluent/fluent-bit:4" } } }).object
  t.equal(second.spec.template.spec.containers[2].image, "fluent/fluent-bit:4")
end)

t.case("a Pod asks by label", function()
  local pod = { apiVersion = "v1", kind = "Pod", metadata = { name = "p", namespace = "shop",
    labels = { logging = "agent" } }, spec = { containers = { { name = "app", image = "x" } } } }
  t.equal(#t.review(agent, { object = pod }).object.spec.containers, 2)
end)
