-- AppService: what it applies, and whose status it shows.
local t = require "moonlet.test"
local controller = require "appservice"

local function app(spec)
  return { apiVersion = "app.example.com/v1", kind = "AppService", spec = spec,
    metadata = { name = "demo", namespace = "default", uid = "1" } }
end

t.case("a refused write fails the reconcile, and no status is written", function()
  local run = t.call(controller, "reconcile", app { image = "nginx", ports = { { port = 80 } } },
    { answers = { apply = t.refuse("forbidden", "no") } })
  t.equal(run.error.code, "forbidden")
  t.equal(run.status, nil)
end)

t.case("makes a Deployment of `size` pods and a NodePort Service that selects them", function()
  local spec = { size = 2, image = "nginx", ports = { { port = 80, nodePort = 30002 } } }
  local run = t.call(controller, "reconcile", app(spec))
  t.equal(run.error, nil)
  local deployment, service = run.applied[1], run.applied[2]
  t.equal(deployment.spec.replicas, 2)
  t.equal(deployment.spec.template.spec.containers[1].image, "nginx")
  t.equal(service.spec.type, "NodePort")
  t.equal(service.spec.selector, deployment.spec.template.metadata.labels)
  t.equal(run.get("v1/Service", "demo").metadata.ownerReferences[1].uid, "1")
end)

t.case("a named targetPort finds a container port of that name, and each port stands there once", function()
  local run = t.call(controller, "reconcile", app { image = "nginx", ports = {
    { name = "web", port = 80, targetPort = "http" }, { name = "alt", port = 8080, targetPort = 80 },
    { name = "dns", port = 53, protocol = "UDP" },
  } })
  t.equal(run.error, nil)
  t.equal(run.applied[1].spec.template.spec.containers[1].ports, {
    { containerPort = 80, protocol = "TCP", name = "http" }, { containerPort = 53, protocol = "UDP" },
  })
  t.equal(#run.applied[2].spec.ports, 3)
end)

t.case("one pod when no size is said", function()
  local run = t.call(controller, "reconcile", app { image = "nginx", ports = { { port = 80 } } })
  t.equal(run.applied[1].spec.replicas, 1)
end)
