-- Service -> EndpointSlice: the addresses of the pods that it selects.
local labels = require "moonlet.labels"
local moonlet = require "moonlet"
local util = require "stand-ins.util"

local function selects(service, pod)
  local selector = service.spec.selector
  return selector and next(selector) ~= nil and service.spec.type ~= "ExternalName"
    and labels.matches({ matchLabels = selector }, pod.metadata.labels)
end

-- A named port of the first pod that has it.
local function resolve(port, pods)
  local target = port.targetPort or port.port
  if type(target) == "number" then return target end
  for _, pod in ipairs(pods) do
    for _, container in ipairs(pod.spec.containers) do
      for _, each in ipairs(container.ports or {}) do
        if each.name == target then return each.containerPort end
      end
    end
  end
end

local function ports(service, pods)
  local out = {}
  for _, port in ipairs(service.spec.ports or {}) do
    local number = resolve(port, pods)
    if number then
      out[#out + 1] = { name = port.name or "", port = number, protocol = port.protocol or "TCP",
        appProtocol = port.appProtocol }
    end
  end
  return moonlet.array(out)
end

local function endpoint(service, pod)
  local ready, leaving = util.ready(pod), util.leaving(pod)
  return {
    addresses = { pod.status.podIP }, nodeName = pod.spec.nodeName,
    targetRef = { kind = "Pod", name = pod.metadata.name, namespace = pod.metadata.namespace,
      uid = pod.metadata.uid },
    conditions = { ready = ready or service.spec.publishNotReadyAddresses or false, serving = ready,
      terminating = leaving },
  }
end

return { moonlet.controller {
  name = "stand-in-services",
  resource = "v1/Service",
  owns = { "discovery.k8s.io/v1/EndpointSlice" },
  watches = { { "v1/Pod", map = function(pod, ctx)
    local keys = {}
    for _, service in ipairs(ctx:list("v1/Service", { namespace = pod.metadata.namespace })) do
      if selects(service, pod) then
        keys[#keys + 1] = { namespace = service.metadata.namespace, name = service.metadata.name }
      end
    end
    return keys
  end } },

  reconcile = function(service, ctx)
    if util.leaving(service) or not service.spec.selector or service.spec.type == "ExternalName" then return end
    local pods, endpoints = {}, {}
    for _, pod in ipairs(ctx:list("v1/Pod", { namespace = service.metadata.namespace })) do
      local phase = util.phase(pod)
      if selects(service, pod) and pod.status and pod.status.podIP
        and phase ~= "Succeeded" and phase ~= "Failed" then
        pods[#pods + 1], endpoints[#endpoints + 1] = pod, endpoint(service, pod)
      end
    end
    local name = service.metadata.name
    ctx:apply {
      apiVersion = "discovery.k8s.io/v1", kind = "EndpointSlice", addressType = "IPv4",
      metadata = { name = name .. "-" .. util.hash(service.metadata.uid, 5), labels = {
        ["kubernetes.io/service-name"] = name,
        ["endpointslice.kubernetes.io/managed-by"] = "stand-ins.moonlet.dev",
      } },
      ports = ports(service, pods), endpoints = moonlet.array(endpoints),
    }
  end,
} }
