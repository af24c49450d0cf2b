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
