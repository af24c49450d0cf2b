-- Pod -> Node: a Node of its own when there is none, and the binding of each Pod that waits for one.
local labels = require "moonlet.labels"
local moonlet = require "moonlet"
local util = require "stand-ins.util"

local NODE, POD = "v1/Node", "v1/Pod"
local OURS = "default-scheduler"
local NAME, ADDRESS = "stand-in", "10.243.0.1"
local ROOM = { cpu = "64", memory = "256Gi", ["ephemeral-storage"] = "1Ti", pods = "10000" }

local assumed = {} -- uid -> node name, of Pods whose binding the cache does not show yet

local function make_node(ctx)
  local node = ctx:create { apiVersion = "v1", kind = "Node",
    metadata = { name = NAME, labels = { ["kubernetes.io/hostname"] = NAME, ["kubernetes.io/os"] = "linux" } } }
  local ready = util.condition(node, "Ready", true, "KubeletReady")
  ctx:patch(node, { status = { capacity = ROOM, allocatable = ROOM, conditions = { ready },
    addresses = { { type = "InternalIP", address = ADDRESS }, { type = "Hostname", address = NAME } } } },
    "merge", { subresource = "status" })
end

local function tolerates(pod, taint)
  for _, one in ipairs(pod.spec.tolerations or {}) do
    local any = one.operator == "Exists"
    local key = one.key or ""
    if (one.effect or taint.effect) == taint.effect and (any and key == "" or key == taint.key)
      and (any or (one.value or "") == (taint.value or "")) then
      return true
    end
  end
  return false
end

local function fits(pod, node)
  local ready = util.condition_of(node, "Ready")
  if util.leaving(node) or node.spec.unschedulable or ready and ready.status ~= "True" then return false end
  if not labels.matches({ matchLabels = pod.spec.nodeSelector or {} }, node.metadata.labels) then return false end
  for _, taint in ipairs(node.spec.taints or {}) do
    if taint.effect ~= "PreferNoSchedule" and not tolerates(pod, taint) then return false end
  end
  return true
end

-- The one with the fewest Pods, by name among equals; and how many there are.
local function choose(pod, ctx)
  local best, least
  local nodes = ctx:list(NODE)
  for _, node in ipairs(nodes) do
    if fits(pod, node) then
      local name = node.metadata.name
      local load = #ctx:by(POD, "by_node", name)
      for _, other in pairs(assumed) do load = load + (other == name and 1 or 0) end
      if not least or load < least then best, least = name, load end
    end
  end
  return best, #nodes
end

local function is_waiting(pod)
  local ours = (pod.spec.schedulerName or OURS) == OURS and #(pod.spec.schedulingGates or {}) == 0
  return ours and (pod.spec.nodeName or "") == "" and not util.leaving(pod) and util.phase(pod) == "Pending"
end

local scheduler = moonlet.controller {
  name = "stand-in-scheduler",
  resource = POD,
  reads = { NODE },
  writes = { { POD, verbs = { "bind" } } },
  index = { [POD] = { by_node = function(pod) return pod.spec.nodeName or "" end } },
  watches = { { NODE, map = function(_, ctx)
    local keys = {}
    for i, pod in ipairs(ctx:by(POD, "by_node", "")) do
      keys[i] = { namespace = pod.metadata.namespace, name = pod.metadata.name }
    end
    return keys
  end } },

  reconcile = function(pod, ctx)
    local uid = pod.metadata.uid
    if not is_waiting(pod) then
      assumed[uid] = nil
      return
    end
    if assumed[uid] then return end -- bound; its event is on the way
    local node, count = choose(pod, ctx)
    if node then
      ctx:bind(pod, node)
      ctx:event("Normal", "Scheduled", ("Successfully assigned %s/%s to %s"):format(pod.metadata.namespace,
        pod.metadata.name, node))
      assumed[uid] = node
      return
    end
    local why = util.condition(pod, "PodScheduled", false, "Unschedulable")
    why.message = ("0/%d nodes are available"):format(count)
    ctx:set_status { conditions = { why } }
  end,

  gone = function(key) assumed[key.uid] = nil end,
}

local nodes = moonlet.startup {
  name = "stand-in-node",
  reads = { NODE },
  writes = { NODE },
  run = function(ctx)
    if #ctx:list(NODE) == 0 then make_node(ctx) end
  end,
}

return { scheduler, nodes }
