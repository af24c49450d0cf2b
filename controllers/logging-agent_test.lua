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

-- In a cluster.

local function create(sim, annotations)
  return sim:create { apiVersion = "apps/v1", kind = "Deployment",
    metadata = { name = "web", annotations = annotations },
    spec = { selector = { matchLabels = { app = "web" } }, template = { metadata = { labels = { app = "web" } },
      spec = { containers = { { name = "web", image = "nginx:1.27" } } } } } }
end

local function names(object)
  local out = {}
  local spec = object.spec.template and object.spec.template.spec or object.spec
  for i, container in ipairs(spec.containers) do out[i] = container.name end
  return out
end

local ASKS = { ["example.com/logging"] = "agent" }
local CONFIGURATION = "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration"

t.case("while its host does not answer, what asks for an agent is refused and nothing else", function(sim)
  sim:load "logging-agent.lua"
  sim:settle()
  sim:fault("refused", 1)
  t.raises(function() create(sim, ASKS) end, 'failed calling webhook')
  t.equal(sim:get("apps/v1/Deployment", "web"), nil)
  sim:fault("refused", 1)
  t.equal(names(create(sim)), { "web" })
end)

t.case("an edit keeps the agent, and one that changes nothing stays so", function(sim)
  sim:load "logging-agent.lua"
  sim:settle()
  local first = create(sim, ASKS)
  t.equal(names(first), { "web", "logging-agent" })
  t.equal(sim:update(first).metadata.resourceVersion, first.metadata.resourceVersion)
  local plain = sim:get(first)
  plain.spec.template.spec.containers[2], plain.spec.template.spec.volumes = nil, nil -- as its owner's file says it
  plain.spec.template.spec.containers[1].image = "nginx:1.28"
  local second = sim:update(plain)
  t.equal(names(second), { "web", "logging-agent" })
  t.equal(second.spec.template.spec.containers[1].image, "nginx:1.28")
  t.equal(second.spec.template.spec.volumes, first.spec.template.spec.volumes)
end)

t.case("what does not ask gets none; what asks no more keeps it until it is written without", function(sim)
  sim:load "logging-agent.lua"
  sim:settle()
  t.equal(names(create(sim, { ["example.com/logging"] = "none" })), { "web" })
  local asks = sim:patch("apps/v1/Deployment", "web", { metadata = { annotations = ASKS } })
  t.equal(names(asks), { "web", "logging-agent" })
  asks.metadata.annotations["example.com/logging"] = nil
  asks.spec.template.spec.containers[2] = nil
  t.equal(names(sim:update(asks)), { "web" })
end)

t.case("who opts out has none, and is rid of the one it has", function(sim)
  sim:load "logging-agent.lua"
  sim:settle()
  local out = { ["example.com/logging"] = "agent", ["logging-agent.moonlet.dev/inject"] = "false" }
  t.equal(names(create(sim, out)), { "web" })
  sim:delete("apps/v1/Deployment", "web")
  local web = create(sim, ASKS)
  web.metadata.annotations["moonlet.dev/inject"] = "false"
  web = sim:update(web)
  t.equal(names(web), { "web" })
  t.equal({ web.spec.template.spec.volumes, web.spec.template.spec.containers[1].volumeMounts }, { nil, nil })
end)

t.case("beside another injector that comes later each is there once", function(sim)
  sim:load "logging-agent.lua"
  sim:load "metrics-exporter.lua"
  sim:settle()
  local web = create(sim, { ["example.com/logging"] = "agent", ["example.com/exporter"] = "nginx" })
  t.equal(names(web), { "web", "logging-agent", "metrics-exporter" })
  local calls = 0
  for _, line in ipairs(sim:trace()) do
    if line:find("POST /mutate/logging-agent", 1, true) then calls = calls + 1 end
  end
  t.equal(calls, 2, "it was called again after the other had changed the Deployment")
  t.equal(sim:update(web).metadata.resourceVersion, web.metadata.resourceVersion)
end)

t.case("the ConfigMap's change reaches the next edit, and the Pods of the next rollout", function(sim)
  sim:load "logging-agent.lua"
  sim:load "stand-ins"
  sim:settle()
  create(sim, ASKS)
  sim:settle()
  local function level(of) return of.spec.containers[2].env[1].value end
  t.equal(level(sim:list("v1/Pod")[1]), "info")
  sim:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "logging-agent" },
    data = { level = "debug" } }
  sim:settle()
  t.equal(level(sim:list("v1/Pod")[1]), "info", "nobody asked for a rollout")
  local web = sim:patch("apps/v1/Deployment", "web", { metadata = { annotations = { touched = "yes" } } })
  t.equal(level(web.spec.template), "debug")
  sim:settle()
  t.equal(#sim:list "v1/Pod", 1)
  t.equal(level(sim:list("v1/Pod")[1]), "debug")
  sim:delete("v1/ConfigMap", "logging-agent")
  sim:settle()
  t.equal(level(sim:patch("apps/v1/Deployment", "web", { metadata = { labels = { touched = "yes" } } }).spec.template),
    "info")
end)

t.case("a Pod asks by label, in the namespace whose ConfigMap counts", function(sim)
  sim:load "logging-agent.lua"
  sim:create { apiVersion = "v1", kind = "Namespace", metadata = { name = "shop" } }
  sim:create { apiVersion = "v1", kind = "ConfigMap", metadata = { name = "logging-agent", namespace = "shop" },
    data = { image = "fluent/fluent-bit:4" } }
  sim:settle()
  local image = { default = "fluent/fluent-bit:3.1.9", shop = "fluent/fluent-bit:4" }
  for namespace, expected in pairs(image) do
    local pod = sim:create { apiVersion = "v1", kind = "Pod", spec = { containers = { { name = "app", image = "x" } } },
      metadata = { name = "p", namespace = namespace, labels = { logging = "agent" } } }
    t.equal(names(pod), { "app", "logging-agent" })
    t.equal(pod.spec.containers[2].image, expected)
  end
end)

t.case("is registered with the server while it is loaded, and not afterwards", function(sim)
  sim:load "logging-agent.lua"
  sim:settle()
  t.equal(#sim:get(CONFIGURATION, "moonlet-logging-agent").webhooks, 2)
  sim:unload "logging-agent.lua"
  t.equal(sim:get(CONFIGURATION, "moonlet-logging-agent"), nil)
  t.equal(names(create(sim, ASKS)), { "web" })
end)

t.chaos("once registered, no Deployment that asks is without its agent", { seeds = 30 }, function(sim)
  sim:load "logging-agent.lua"
  sim:retry(function() assert(sim:get(CONFIGURATION, "moonlet-logging-agent")) end)
  t.always(function()
    local web = sim:get("apps/v1/Deployment", "web")
    if web then t.equal(names(web), { "web", "logging-agent" }) end
  end)
  sim:retry(function() return create(sim, ASKS) end)
  sim:restart()
  sim:retry(function()
    local web = sim:get("apps/v1/Deployment", "web")
    web.spec.template.spec.containers[2] = nil
    return sim:update(web)
  end)
  sim:settle()
end)

t.chaos("is registered in the end, whatever happens on the way", { seeds = 30 }, function(sim)
  sim:load "logging-agent.lua"
  sim:advance "5s"
  sim:delete(CONFIGURATION, "moonlet-logging-agent")
  sim:restart()
  sim:calm()
  sim:advance "5m" -- a registration that failed is tried again after a while
  sim:settle()
  t.equal(names(create(sim, ASKS)), { "web", "logging-agent" })
end)
