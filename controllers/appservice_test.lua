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

local AppService = "app.example.com/v1/AppService"

local function put(sim, spec)
  return sim:create { apiVersion = "app.example.com/v1", kind = "AppService", spec = spec,
    metadata = { name = "demo" } }
end

t.case("follows size, image and ports, mirrors the Deployment's status, and writes nothing twice", function(sim)
  sim:load "appservice.lua"
  put(sim, { size = 2, image = "nginx", ports = { { port = 80, nodePort = 30002 } } })
  sim:settle()
  t.equal(sim:get("apps/v1/Deployment", "demo").spec.replicas, 2)
  t.equal(sim:get("v1/Service", "demo").spec.ports[1].nodePort, 30002)
  sim:patch(AppService, "demo", { spec = { size = 3, image = "nginx:2", ports = { { port = 81, nodePort = 30003 } } } })
  sim:set_status("apps/v1/Deployment", "demo", { replicas = 3, readyReplicas = 1 })
  sim:settle()
  local deployment = sim:get("apps/v1/Deployment", "demo")
  t.equal(deployment.spec.replicas, 3)
  t.equal(deployment.spec.template.spec.containers[1].image, "nginx:2")
  t.equal(sim:get("v1/Service", "demo").spec.ports[1].port, 81)
  t.equal(sim:get(AppService, "demo").status.readyReplicas, 1)
  local writes = sim:requests().total
  sim:advance "1h"
  t.equal(sim:requests().total, writes)
end)

t.case("makes a deleted child again, and is followed by its children when it goes", function(sim)
  sim:load "appservice.lua"
  put(sim, { image = "nginx", ports = { { port = 80 } } })
  sim:settle()
  sim:delete("apps/v1/Deployment", "demo")
  sim:settle()
  t.ok(sim:get("apps/v1/Deployment", "demo"), "the Deployment is back")
  sim:delete(AppService, "demo")
  sim:settle()
  t.equal(sim:get("apps/v1/Deployment", "demo"), nil)
  t.equal(sim:get("v1/Service", "demo"), nil)
end)

t.case("a spec that its schema does not allow is refused by the server", function(sim)
  sim:load "appservice.lua"
  local refused = t.raises(function() put(sim, { size = -1, image = "nginx", ports = { { port = 80 } } }) end,
    "spec.size")
  t.equal({ refused.code, refused.status }, { "rejected", 422 })
end)

t.chaos("converges to its spec, and every child is owned", function(sim)
  sim:load "appservice.lua"
  t.always(function()
    for _, kind in ipairs { "apps/v1/Deployment", "v1/Service" } do
      local child = sim:get(kind, "demo")
      if child then t.equal(child.metadata.ownerReferences[1].kind, "AppService") end
    end
  end)
  put(sim, { size = 2, image = "nginx", ports = { { port = 80, nodePort = 30002 } } })
  sim:advance "5s"
  sim:patch(AppService, "demo", { spec = { size = 3, image = "nginx:2" } })
  sim:delete("v1/Service", "demo")
  sim:settle()
  local deployment = sim:get("apps/v1/Deployment", "demo")
  t.equal(deployment.spec.replicas, 3)
  t.equal(deployment.spec.template.spec.containers[1].image, "nginx:2")
  t.ok(sim:get("v1/Service", "demo"), "the Service is back")
  sim:delete(AppService, "demo")
  sim:settle()
  t.equal(#sim:list "apps/v1/Deployment" + #sim:list "v1/Service" - #sim:list("v1/Service", { fields =
    "metadata.name=kubernetes" }), 0)
end)
