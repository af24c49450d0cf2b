-- The exporter follows the annotation, and goes to the pod template with what makes Prometheus scrape it.
local t = require "moonlet.test"
local exporter = require "metrics-exporter"

local function deployment(kind)
  return { apiVersion = "apps/v1", kind = "Deployment",
    metadata = { name = "cache", namespace = "shop", annotations = { ["example.com/exporter"] = kind } },
    spec = { template = { spec = { containers = { { name = "cache", image = "redis:7" } } } } } }
end

t.case("an exporter that nobody knows is refused by name", function()
  local out = t.review(exporter, { object = deployment "oracle" })
  t.equal(out.allowed, false)
  t.match(out.message, "one of memcached, nginx, redis, not oracle")
end)

t.case("the exporter and the scrape annotations, renewed when the annotation changes", function()
  local out = t.review(exporter, { object = deployment "redis" })
  t.equal(out.message, nil)
  local template = out.object.spec.template
  t.equal(template.spec.containers[2].ports, { { name = "metrics", containerPort = 9121 } })
  t.equal(template.metadata.annotations["prometheus.io/port"], "9121")
  out.object.metadata.annotations["example.com/exporter"] = "memcached"
  template = t.review(exporter, { object = out.object, old = deployment "redis" }).object.spec.template
  t.equal(template.spec.containers[2].image, "prom/memcached-exporter:v0.14.4")
  t.equal(template.metadata.annotations["prometheus.io/port"], "9150")
end)

-- In a cluster.

local function create(sim, kind)
  return sim:create { apiVersion = "apps/v1", kind = "Deployment",
    metadata = { name = "cache", annotations = { ["example.com/exporter"] = kind } },
    spec = { selector = { matchLabels = { app = "cache" } }, template = { metadata = { labels = { app = "cache" } },
      spec = { containers = { { name = "cache", image = "redis:7" } } } } } }
end

local function names(object)
  local out = {}
  for i, container in ipairs(object.spec.template.spec.containers) do out[i] = container.name end
  return out
end

local CONFIGURATION = "admissionregistration.k8s.io/v1/MutatingWebhookConfiguration"

t.case("the server refuses an exporter that nobody knows, and takes a Deployment that asks for none", function(sim)
  sim:load "metrics-exporter.lua"
  sim:settle()
  t.raises(function() create(sim, "oracle") end, "example.com/exporter is one of memcached, nginx, redis, not oracle")
  t.equal(sim:get("apps/v1/Deployment", "cache"), nil)
  t.equal(names(create(sim, nil)), { "cache" })
end)

t.case("the Pods have the exporter and what makes Prometheus scrape it, also after a rollout", function(sim)
  sim:load "metrics-exporter.lua"
  sim:load "stand-ins"
  sim:settle()
  local function ports()
    local out = {}
    for i, pod in ipairs(sim:list "v1/Pod") do
      t.equal(pod.spec.containers[2].ports[1].containerPort, tonumber(pod.metadata.annotations["prometheus.io/port"]))
      out[i] = pod.metadata.annotations["prometheus.io/port"]
    end
    return out
  end
  create(sim, "redis")
  sim:settle()
  t.equal(ports(), { "9121" })
  sim:patch("apps/v1/Deployment", "cache", { metadata = { annotations = { ["example.com/exporter"] = "memcached" } } })
  sim:settle()
  t.equal(ports(), { "9150" })
end)

t.case("an edit keeps it, and one that changes nothing stays so", function(sim)
  sim:load "metrics-exporter.lua"
  sim:settle()
  local first = create(sim, "redis")
  t.equal(names(first), { "cache", "metrics-exporter" })
  t.equal(sim:update(first).metadata.resourceVersion, first.metadata.resourceVersion)
  first.spec.template.spec.containers[2] = nil -- as its owner's file says it
  t.equal(names(sim:update(first)), { "cache", "metrics-exporter" })
  t.equal(names(sim:patch(first, { spec = { replicas = 3 } })), { "cache", "metrics-exporter" })
end)

t.case("is registered with the server while it is loaded, and not afterwards", function(sim)
  sim:load "metrics-exporter.lua"
  sim:settle()
  t.equal(#sim:get(CONFIGURATION, "moonlet-metrics-exporter").webhooks, 1)
  sim:unload "metrics-exporter.lua"
  t.equal(sim:get(CONFIGURATION, "moonlet-metrics-exporter"), nil)
  t.equal(names(create(sim, "redis")), { "cache" })
end)

t.chaos("is registered in the end, whatever happens on the way", { seeds = 30 }, function(sim)
  sim:load "metrics-exporter.lua"
  sim:advance "5s"
  sim:delete(CONFIGURATION, "moonlet-metrics-exporter")
  sim:restart()
  sim:calm()
  sim:advance "5m" -- a registration that failed is tried again after a while
  sim:settle()
  t.equal(names(create(sim, "redis")), { "cache", "metrics-exporter" })
end)
