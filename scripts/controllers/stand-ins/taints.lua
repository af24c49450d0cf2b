-- Node -> its taint: a new Node is not ready, and so is one whose condition says so.
local moonlet = require "moonlet"
local util = require "stand-ins.util"

local NODE = "v1/Node"
local NOT_READY, UNREACHABLE = "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"

-- The key of the taint that the Node should have; a Node that says nothing is ready, as to the scheduler.
local function wanted(node)
  local ready = util.condition_of(node, "Ready")
  if not ready or ready.status == "True" then return nil end
  return ready.status == "Unknown" and UNREACHABLE or NOT_READY
end

return { moonlet.controller {
  name = "stand-in-taints",
  resource = NODE,
  reconcile = function(node, ctx)
    local key, taints, there, changed = wanted(node), moonlet.array {}, false, false
    for _, taint in ipairs(node.spec and node.spec.taints or {}) do
      local ours = taint.effect == "NoSchedule" and (taint.key == NOT_READY or taint.key == UNREACHABLE)
      if not ours or taint.key == key then
        taints[#taints + 1] = taint
        there = there or ours
      else
        changed = true
      end
    end
    if key and not there then
      taints[#taints + 1] = { key = key, effect = "NoSchedule" }
      changed = true
    end
    if changed then ctx:patch(node, { spec = { taints = taints } }) end
  end,
} }
